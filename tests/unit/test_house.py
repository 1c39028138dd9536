"""The rules of the house: who imports whom, who reads the environment and the clock, what is declared and pinned."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from importlib.util import resolve_name
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOUSE = Path(__file__).parents[2]
ROOTS = ("adapters", "bench", "bot", "core", "migrations")
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]


def modules(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in HOUSE.glob(pattern))


def imports(source: str, package: str) -> Iterator[str]:
    """Every dotted name that `source`, a module of `package`, imports; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> list[str]:
    return list(imports(path.read_text(encoding="utf-8"), ".".join(path.relative_to(HOUSE).parent.parts)))


def attributes_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def offences(paths: Iterable[Path], allowed: Callable[[str], bool]) -> list[str]:
    found = ((path.relative_to(HOUSE), name) for path in paths for name in imports_of(path))
    return [f"{path} imports {name}" for path, name in found if not allowed(name)]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def side_rooms() -> set[str]:
    return {path.parent.name for path in modules("core/*/__init__.py")}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b, c", ["a.b", "c"]),
        ("from a.b import c, d", ["a.b.c", "a.b.d"]),
        ("from . import c", ["core.room.c"]),
        ("from ..hall import c", ["core.hall.c"]),
        ("def late():\n    import a", ["a"]),
    ],
)
def test_no_way_of_importing_is_overlooked(source, expected):
    assert list(imports(source, package="core.room")) == expected


def test_the_import_contracts_are_kept(monkeypatch, capsys):
    monkeypatch.chdir(HOUSE)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # its own would silence every logger there is
    failed = lint_imports(no_cache=True, no_logo=True)
    assert not failed, capsys.readouterr().out


def test_every_side_room_is_bound_by_the_contracts():
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c.get("containers") == ["core"])
    assert side_rooms() <= set(re.findall(r"\w+", contract["layers"][0]))


def test_the_hall_imports_the_standard_library_and_itself_alone():
    hall = modules("core/*.py")
    assert hall
    rooms = [f"core.{room}" for room in side_rooms()]
    assert not offences(
        hall, lambda name: within(name, *sys.stdlib_module_names) or (within(name, "core") and not within(name, *rooms))
    )


def test_plugins_see_the_words_the_doors_and_the_turn_alone():
    allowed = ("bot.plugins", "core.errors", "core.message", "core.plugin", "core.ports", "core.turn")
    assert not offences(modules("bot/plugins/**/*.py"), lambda name: not within(name, *ROOTS) or within(name, *allowed))


def test_the_environment_is_read_in_one_place():
    readers = {"environ", "environb", "getenv", "getenvb"}
    rooms = modules("adapters/**/*.py", "bot/**/*.py", "core/**/*.py", "migrations/**/*.py")
    found = [path for path in rooms if readers & (attributes_of(path) | {n.split(".")[-1] for n in imports_of(path)})]
    assert [path.relative_to(HOUSE).as_posix() for path in found] in ([], ["bot/config.py"])


def test_parsing_and_verifying_are_told_the_time():
    pure = modules("adapters/*/parse.py", "adapters/*/verify.py")
    assert not offences(pure, lambda name: not within(name, "time"))
    assert not [path for path in pure if {"now", "utcnow", "today"} & attributes_of(path)]


def test_every_folder_of_modules_is_a_package_that_gets_installed():
    folders = {path.parent for root in ROOTS for path in HOUSE.glob(f"{root}/**/*.py")}
    loose = {folder for folder in folders if not (folder / "__init__.py").exists()}
    assert loose <= {HOUSE / "migrations/versions"}  # Alembic reads these by path
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == [f"{root}*" for root in sorted(ROOTS)]


def test_every_file_beside_the_modules_gets_installed():
    data = {
        path
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in HOUSE.glob(f"{package.replace('.', '/')}/{pattern}")
    }
    files = (path for root in ROOTS for path in HOUSE.glob(f"{root}/**/*") if path.is_file())
    assert not {path for path in files if path.suffix not in {".py", ".pyc"}} - data


def test_every_package_that_is_imported_is_declared():
    declared = {canonicalize_name(Requirement(line).name) for line in requirements()}
    owners = {top: {canonicalize_name(name) for name in names} for top, names in packages_distributions().items()}
    tops = {name.split(".")[0] for root in ROOTS for path in HOUSE.glob(f"{root}/**/*.py") for name in imports_of(path)}
    third_party = tops - set(sys.stdlib_module_names) - set(ROOTS) - {"tests"}
    assert not {top for top in third_party if not owners.get(top, declared) & declared}


def requirements() -> list[str]:
    return [*PROJECT["project"]["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]


def pins() -> dict[str, str]:
    lines = (HOUSE / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def needed(lines: Iterable[str], seen: set[str]) -> set[str]:
    """The names of `lines` and of all that the installed ones among them need in turn, on this platform."""
    for requirement in map(Requirement, lines):
        if str(requirement) not in seen:
            seen.add(str(requirement))
            needed(needed_by(requirement), seen)
    return {canonicalize_name(Requirement(line).name) for line in seen}


def needed_by(requirement: Requirement) -> Iterator[str]:
    try:
        lines = requires(requirement.name) or []
    except PackageNotFoundError:  # an extra that is not installed: its own pins were resolved with all the others
        return
    for needs in map(Requirement, lines):
        marker, needs.marker = needs.marker, None
        if not marker or any(marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            yield str(needs)


def test_every_version_is_pinned_direct_and_indirect():
    assert not needed([*PROJECT["build-system"]["requires"], *requirements()], set()) - pins().keys()


def test_a_pin_is_a_name_and_a_version_and_nothing_else():
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", f"{name}=={version}") for name, version in pins().items())
    assert pins()["torch"] == "2.13.0"


def test_what_is_pinned_satisfies_what_is_declared():
    declared = [Requirement(line) for line in requirements()]
    assert not [str(r) for r in declared if not r.specifier.contains(pins()[canonicalize_name(r.name)])]
