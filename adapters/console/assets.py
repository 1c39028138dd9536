"""The page's own files, served from the package and named by their content."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with its address, which changes whenever its content does."""

    name: str
    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()[:16]

    @property
    def url(self) -> str:
        return f"/static/{self.digest}/{self.name}"


@cache
def assets() -> dict[str, Asset]:
    """Every asset by name, read once."""
    found = (file for file in files("adapters.console").joinpath("static").iterdir() if file.is_file())
    return {
        file.name: Asset(file.name, file.read_bytes(), _MEDIA_TYPES["." + file.name.rpartition(".")[2]])
        for file in found
        if not file.name.startswith(".")
    }
