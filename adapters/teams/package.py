"""The app as Teams installs it: a zip of its manifest, the manifest's other language and two pictures. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import ZipFile, ZipInfo

from adapters.teams.icons import ACCENT, colour_icon, outline_icon
from adapters.teams.texts import say, say_to_operator
from core.errors import Misconfigured

_SCHEMAS = "https://developer.microsoft.com/json-schemas/teams/v1.20"
_SCOPES = ("personal", "team", "groupChat")
_COMMANDS = {"/help": "help", "/reset": "reset", "/code": "code", "stop": "stop"}  # as typed: the name of its text

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"https://[^\s/]+(/\S*)?", re.IGNORECASE)
_VERSION = re.compile(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}", re.ASCII)
_LONGEST_ADDRESS, _LONGEST_NAME, _LONGEST_DEVELOPER = 2048, 30, 32
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What the operator decides. `app_id` is the bot's Microsoft App ID, `version` of the form 1.2.3.

    `public_url` is the page about the app, and about privacy and terms where these have no page of their own.
    """

    app_id: str
    public_url: str
    version: str
    name: str = "Parley"
    developer: str = "Parley"
    privacy_url: str = ""
    terms_url: str = ""
    supports_files: bool = False


def package(app: App, *, language: str = "en") -> bytes:
    """The app package, the same to the byte for the same arguments.

    `language` is what the app speaks to whoever reads neither English nor Chinese. Raises Misconfigured where Teams
    would refuse it (learn.microsoft.com, "App manifest reference", version 1.20).
    """
    _check(app)
    own, other = ("zh", "en") if language == "zh" else ("en", "zh")
    return _zip(
        {
            "manifest.json": _json(_manifest(app, own, other)),
            f"{other}.json": _json(_translation(app, other)),
            "color.png": colour_icon(),
            "outline.png": outline_icon(),
        }
    )


def _check(app: App) -> None:
    addresses = filter(None, (app.privacy_url, app.terms_url))
    if not _GUID.fullmatch(app.app_id):
        raise Misconfigured(say_to_operator("bad_app_id"))
    if not all(_ADDRESS.fullmatch(each) and len(each) <= _LONGEST_ADDRESS for each in (app.public_url, *addresses)):
        raise Misconfigured(say_to_operator("bad_address"))
    if not (_is_name(app.name, _LONGEST_NAME) and _is_name(app.developer, _LONGEST_DEVELOPER)):
        raise Misconfigured(say_to_operator("bad_name"))
    if not _VERSION.fullmatch(app.version):
        raise Misconfigured(say_to_operator("bad_version"))


def _is_name(text: str, longest: int) -> bool:
    return bool(text.strip()) and text.isprintable() and len(text) <= longest


def _manifest(app: App, own: str, other: str) -> Mapping[str, Any]:
    return {
        "$schema": f"{_SCHEMAS}/MicrosoftTeams.schema.json",
        "manifestVersion": "1.20",
        "version": app.version,
        "id": app.app_id,
        "localizationInfo": {
            "defaultLanguageTag": own,
            "additionalLanguages": [{"languageTag": other, "file": f"{other}.json"}],
        },
        "developer": {
            "name": app.developer,
            "websiteUrl": app.public_url,
            "privacyUrl": app.privacy_url or app.public_url,
            "termsOfUseUrl": app.terms_url or app.public_url,
        },
        "name": {"short": app.name, "full": app.name},
        "description": {"short": say("app_short", own), "full": say("app_full", own)},
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": ACCENT,
        "bots": [_bot(app, own)],
        "defaultInstallScope": "personal",
        "defaultGroupCapability": {"team": "bot", "groupchat": "bot"},
    }


def _bot(app: App, language: str) -> Mapping[str, Any]:
    commands = [{"title": typed, "description": say(f"command_{text}", language)} for typed, text in _COMMANDS.items()]
    return {
        "botId": app.app_id,
        "scopes": list(_SCOPES),
        "isNotificationOnly": False,
        "supportsFiles": app.supports_files,
        "commandLists": [{"scopes": [scope], "commands": commands} for scope in _SCOPES],
    }


def _translation(app: App, language: str) -> Mapping[str, str]:
    """What the manifest says, in another language; the commands are typed alike in all."""
    told = {
        f"bots[0].commandLists[{scope}].commands[{command}].description": say(f"command_{text}", language)
        for scope in range(len(_SCOPES))
        for command, text in enumerate(_COMMANDS.values())
    }
    return {
        "$schema": f"{_SCHEMAS}/MicrosoftTeams.Localization.schema.json",
        "name.short": app.name,
        "name.full": app.name,
        "description.short": say("app_short", language),
        "description.full": say("app_full", language),
        **told,
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False, indent=2)}\n".encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Stored and not compressed, without a clock or a system: so that no library's version shows in it."""
    target = BytesIO()
    with ZipFile(target, "w") as zipped:
        for name, data in files.items():
            entry = ZipInfo(name, _EARLIEST)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            zipped.writestr(entry, data)
    return target.getvalue()
