"""Where plugins come from: the built-in ones, files in folders of the operator's, and installed packages."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from stat import S_IWOTH
from types import CodeType, ModuleType

from core.errors import Misconfigured
from core.plugin import Misdeclared

GROUP = "parley.plugins"
"""The entry points of packages that bring plugins: each names a module, a Plugin or a Provider."""


class Kind(StrEnum):
    BUILTIN = "builtin"
    FOLDER = "folder"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Origin:
    """One file of plugins, not yet loaded. `name` is the file's or the entry point's, `place` is where it lies.

    `load` imports it, with whatever that brings about, and returns a module, a Plugin or a Provider.
    """

    kind: Kind
    name: str
    load: Callable[[], object]
    place: str = ""

    def __str__(self) -> str:
        return self.place or self.name


def installed() -> Iterable[EntryPoint]:
    """What installed packages bring."""
    return entry_points(group=GROUP)


def found(folders: Iterable[Path | ModuleType], packages: Iterable[EntryPoint] = ()) -> tuple[Origin, ...]:
    """Every file of plugins, in the order in which the first of one name counts; nothing of them is run.

    A package among the folders holds built-in ones. What lies in any other folder is a file by itself: it can import
    what is installed, and nothing that lies beside it. Names that begin with "_" are no plugins. A folder, or a file,
    that cannot be read or that everybody may write to is found all the same: its `load` raises why it is not loaded.
    """
    origins: list[Origin] = []
    for folder in folders:
        origins += _builtin(folder) if isinstance(folder, ModuleType) else _within(folder)
    return (*origins, *map(_packaged, sorted(packages, key=lambda entry: (entry.name, entry.value))))


def _builtin(package: ModuleType) -> Iterator[Origin]:
    for name in sorted(module.name for module in iter_modules(package.__path__)):
        if not name.startswith("_"):
            place = f"{package.__name__}.{name}"
            yield Origin(Kind.BUILTIN, name, partial(import_module, place), place)


def _packaged(entry: EntryPoint) -> Origin:
    place = f"{entry.dist.name} {entry.dist.version}, {entry.value}" if entry.dist else entry.value
    return Origin(Kind.PACKAGE, entry.name, entry.load, place)


def _within(folder: Path) -> Iterator[Origin]:
    try:
        _keep_from_strangers(folder)
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith("_"))
    except (OSError, Misconfigured) as error:
        yield Origin(Kind.FOLDER, folder.name, _raising(error), str(folder))
        return
    for path in paths:
        yield Origin(Kind.FOLDER, path.stem, partial(_imported, path), str(path))


def _raising(error: Exception) -> Callable[[], object]:
    def load() -> object:
        raise error

    return load


def _keep_from_strangers(path: Path) -> None:
    """Whoever may write there would run their code in the house."""
    if path.stat().st_mode & S_IWOTH:
        raise Misdeclared(
            f"everybody may write to {path}, so it could hold anybody's code (try `chmod o-w`)",
            f"任何人都可以写入 {path}，其中可能有任何人的代码（可执行 `chmod o-w`）",
        )


class _Source(SourceFileLoader):
    """Reads the source alone, and leaves nothing beside it: compiled files there may be anybody's."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _imported(path: Path) -> ModuleType:
    """Imported under a name that no other file has, and found under it while its types are looked up."""
    _keep_from_strangers(path)
    name = f"parley_plugin_{path.stem}_{sha256(os.fsencode(path.absolute())).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path, loader=_Source(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
