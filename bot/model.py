"""`parley model`: fetch a model from the hub once, and choose which one answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from bot.config import DEFAULT_FILE, Config, line_of
from bot.texts import say
from core.engine import demo_folder
from core.engine.footprint import needs, readable
from core.engine.memory import free_memory
from core.errors import Misconfigured, NotFound

DEMO = "demo"

_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def models_folder(config: Config) -> Path:
    return config.data_dir / "models"


def locate(config: Config, name: str) -> Path | str:
    """Where a model lies: the demo model's folder, a pulled model's, any folder, else the name as a hub id."""
    if name == DEMO:
        return demo_folder()
    for folder in (models_folder(config) / name, Path(name).expanduser()):
        if (folder / "config.json").exists():
            return folder
    return name


def pull(config: Config, name: str) -> Path:
    """Downloads a model from the Hugging Face hub, going on where an earlier try ended; shows its progress.

    Raises Misconfigured for a name that is none and NotFound where the hub does not give it.
    """
    from httpx2 import HTTPError

    from bot.hub import fetch

    folder = models_folder(config) / _checked(name)
    try:
        fetch(name, folder)
    except (HTTPError, OSError) as error:
        raise NotFound(say("model_not_pulled", model=name, error=type(error).__name__)) from error
    return folder


def use(config: Config, name: str, setting: str = "model") -> Path:
    """Writes `engine.model` (or another `setting`) into app.yaml, leaving every other line as it is; the file."""
    file = config.file or DEFAULT_FILE
    if name.startswith(("/", ".", "~")) and not isinstance(locate(config, name), Path):
        raise NotFound(say("model_no_folder", model=name))
    path = Path(name).expanduser()
    value = _checked(name) if name == DEMO or not path.exists() else str(path.resolve())
    if value != DEMO and not isinstance(locate(config, value), Path):
        raise NotFound(say("model_not_here", model=name))
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(_with_model(text, setting, value, file), encoding="utf-8")
    return file


def installed(config: Config) -> Iterator[tuple[str, Path, int]]:
    """Name, folder and size in bytes of every model on this machine."""
    yield DEMO, demo_folder(), size(demo_folder())
    root = models_folder(config)
    folders = sorted(found.parent for found in root.glob("**/config.json") if found.parent.name != "1_Pooling")
    yield from ((str(folder.relative_to(root)), folder, size(folder)) for folder in folders)
    for chosen in _chosen(config):
        if isinstance(chosen, Path) and chosen not in (demo_folder(), *folders):
            yield chosen.name, chosen, size(chosen)


def table(config: Config) -> Iterator[str]:
    """The models on this machine as lines: those that answer are marked, and each has its size and its needs."""
    chosen, context = _chosen(config), config.settings.engine.context
    rows = [say("model_list").split("|")]
    for name, folder, disk in installed(config):
        memory = {kind: readable(need) for kind, need in needs(folder, context).items()}
        rows.append([name, readable(disk), memory.get("none", "–"), memory.get("nf4", "–"), str(folder)])
        rows[-1].insert(0, "*" if folder in chosen else "")
    rows[0].insert(0, "")
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    yield from ("  ".join(map(set_cell_size, row, widths)).rstrip() for row in rows)
    yield say("model_list_free", free=readable(free_memory()), context=context)


def _chosen(config: Config) -> tuple[Path | str, ...]:
    """Where the models lie that answer here."""
    engine = config.settings.engine
    return tuple(locate(config, name) for name in (engine.model, engine.coder) if name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise Misconfigured(say("model_name", model=name))
    return name


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _with_model(text: str, setting: str, value: str, file: Path) -> str:
    """The text of app.yaml with another model as `engine.setting`; comments stay."""
    lines = text.splitlines()
    quoted = value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if number := line_of(file, "engine", setting):
        match = re.fullmatch(rf"(\s*{setting}\s*:\s*)([^#]*?)(\s*(?:#.*)?)", lines[number - 1])
        if match is None:
            raise Misconfigured(say("model_line", where=f"{file}:{number}", setting=setting))
        lines[number - 1] = f"{match[1]}{quoted}{match[3]}"
    elif number := line_of(file, "engine"):
        lines.insert(number, f"  {setting}: {quoted}")
    else:
        lines += ["engine:", f"  {setting}: {quoted}"]
    return "\n".join(lines) + "\n"
