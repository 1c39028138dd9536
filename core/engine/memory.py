"""How much memory this process may still take."""

import os
import re
from collections.abc import Iterator
from pathlib import Path


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that are free on this machine, or in this container's share of it where that is less."""
    return max(0, min(_available(root), *_shares(root), _physical()))


def _available(root: Path) -> int:
    found = re.search(r"MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"))
    return int(found[1]) * 1024 if found else _physical()


def _physical() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _shares(root: Path) -> Iterator[int]:
    """What is left of each limit that a control group sets, this process's own and those around it."""
    for folder in _groups(root):
        yield from _left(folder, "memory.max", "memory.current")
    yield from _left(root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")


def _groups(root: Path) -> Iterator[Path]:
    found = re.search(r"^0::/(.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    own, top = Path(found[1] if found else ""), root / "sys/fs/cgroup"
    yield from (top / group for group in (own, *own.parents))


def _left(folder: Path, limit: str, usage: str) -> Iterator[int]:
    texts = [_text(folder / name).strip() for name in (limit, usage)]
    if all(text.isdigit() for text in texts):  # "max" where there is no limit
        files = re.search(r"^inactive_file (\d+)", _text(folder / "memory.stat"), re.MULTILINE)
        # What was read from files is given up when memory is asked for.
        yield int(texts[0]) - int(texts[1]) + (int(files[1]) if files else 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
