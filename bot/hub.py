"""Fetching a model from the hub, file by file; whatever ended an earlier try, the next one goes on where it stopped.

huggingface_hub's own snapshot_download begins a file anew whenever its process ended, and its files are gigabytes.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bot.texts import say
from core.errors import Misconfigured

_BESIDES = ("*.json", "*.jinja", "*.model", "*.txt", "*.md", "LICENSE*")
POOLING = "1_Pooling/config.json"
"""What an embedder has in a folder of its own: how the vectors of the words become one of the text."""
_FETCHED = ".fetched"
"""Which version of each file lies in the folder: a line with its identity and its name for each."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model on the hub; `identity` is the hash of its contents, `sha256` where the hub knows that one."""

    name: str
    size: int
    identity: str
    sha256: str = ""


class Damaged(OSError):
    """What arrived is not what the hub promised; it was thrown away."""


def fetch(name: str, folder: Path) -> None:
    """Shows its progress. Raises huggingface_hub's and httpx2's errors, OSError, and Misconfigured without room."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(name, files_metadata=True)
    folder.mkdir(parents=True, exist_ok=True)
    fetched = _fetched(folder)
    missing = [
        file
        for file in _wanted([_file(sibling) for sibling in info.siblings or ()])
        if fetched.get(file.name) != file.identity or not (folder / file.name).exists()
    ]
    _check_room(name, missing, folder)
    for file in missing:
        _fetch_one(name, str(info.sha), file, folder)
        fetched[file.name] = file.identity
        lines = (f"{identity} {each}\n" for each, identity in fetched.items())
        (folder / _FETCHED).write_text("".join(lines), encoding="utf-8")


def _file(sibling: Any) -> File:
    sha256 = sibling.lfs.sha256 if sibling.lfs else ""
    identity = sha256 or sibling.blob_id or ""
    if not re.fullmatch("[0-9a-f]{40,64}", identity):
        raise Damaged(sibling.rfilename)
    return File(sibling.rfilename, sibling.size or 0, identity, sha256)


def _wanted(files: list[File]) -> Iterator[File]:
    """Those that loading needs; weights as safetensors, and as pickles only where there are none.

    config.json comes last: a folder that has it holds a whole model.
    """
    has_safe = any(fnmatch(file.name, "*.safetensors") for file in files)
    patterns = (*_BESIDES, "*.safetensors" if has_safe else "pytorch_model*.bin")
    top = (file for file in files if "/" not in file.name or file.name == POOLING)
    wanted = (file for file in top if any(fnmatch(file.name, pattern) for pattern in patterns))
    yield from sorted(wanted, key=lambda file: (file.name == "config.json", file.size))


def _check_room(name: str, missing: list[File], folder: Path) -> None:
    parts = (_part(file, folder) for file in missing)
    need = sum(file.size for file in missing) - sum(part.stat().st_size for part in parts if part.exists())
    if need > (free := shutil.disk_usage(folder).free):
        raise Misconfigured(say("model_no_room", model=name, need=f"{need / 1e9:.1f}", free=f"{free / 1e9:.1f}"))


def _part(file: File, folder: Path) -> Path:
    return folder / f".{file.identity}.part"


def _fetched(folder: Path) -> dict[str, str]:
    if not (folder / _FETCHED).exists():
        return {}
    lines = (folder / _FETCHED).read_text(encoding="utf-8").splitlines()
    return {name: identity for identity, _, name in (line.partition(" ") for line in lines)}


def _fetch_one(name: str, revision: str, file: File, folder: Path) -> None:
    """Appends to what an earlier try left; only a whole and true file gets its name."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    part = _part(file, folder)
    with part.open("ab") as opened:
        http_get(
            hf_hub_url(name, file.name, revision=revision),
            opened,
            resume_size=opened.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.name,
        )
    if file.sha256 and _sha256(part) != file.sha256:
        part.unlink()
        raise Damaged(file.name)
    (folder / file.name).parent.mkdir(exist_ok=True)
    part.replace(folder / file.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
