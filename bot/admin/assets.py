"""The pages' own files, served from the package and named by their content."""

from functools import cache
from importlib.resources import files

from adapters.console.assets import Asset

MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class AdminAsset(Asset):
    """One of these; the address changes whenever its content does."""

    @property
    def url(self) -> str:
        return f"/admin/static/{self.digest}/{self.name}"


@cache
def assets() -> dict[str, AdminAsset]:
    """Every asset by name, read once."""
    found = (file for file in files("bot.admin").joinpath("static").iterdir() if file.is_file())
    return {
        file.name: AdminAsset(file.name, file.read_bytes(), MEDIA_TYPES["." + file.name.rpartition(".")[2]])
        for file in found
        if not file.name.startswith(".")
    }
