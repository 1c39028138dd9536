"""The app package keeps the rules of Microsoft's schema for manifest 1.20, and is what Teams can show."""

import json
import re
import zlib
from dataclasses import replace
from io import BytesIO
from struct import unpack
from typing import Any
from zipfile import ZipFile

import pytest

from adapters.teams.package import App, package
from core.commands import command_of
from core.errors import Misconfigured

APP = App(app_id="22222222-2222-4222-8222-222222222222", public_url="https://parley.example.com", version="0.1.0")

GUID = r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
HTTPS = r"[Hh][Tt][Tt][Pp][Ss]?://.{1,2040}"
LANGUAGE = r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,2}"
COMMAND = {"title": r".{1,32}", "description": r".{1,128}"}
SCOPE = r"personal|team|groupChat"
# The part of MicrosoftTeams.schema.json 1.20 that our manifest uses: every name it may have, and what its values match.
MANIFEST = {
    "$schema": r"https://developer\.microsoft\.com/json-schemas/teams/v1\.20/MicrosoftTeams\.schema\.json",
    "manifestVersion": r"1\.20",
    "version": r"\d+\.\d+\.\d+",
    "id": GUID,
    "localizationInfo": {
        "defaultLanguageTag": LANGUAGE,
        "additionalLanguages": [{"languageTag": LANGUAGE, "file": r"(en|zh)\.json"}],
    },
    "developer": {"name": r".{1,32}", "websiteUrl": HTTPS, "privacyUrl": HTTPS, "termsOfUseUrl": HTTPS},
    "name": {"short": r".{1,30}", "full": r".{1,100}"},
    "description": {"short": r".{1,80}", "full": r"(?s:.{1,4000})"},
    "icons": {"color": r"color\.png", "outline": r"outline\.png"},
    "accentColor": r"#[0-9a-fA-F]{6}",
    "bots": [
        {
            "botId": GUID,
            "scopes": [SCOPE],
            "isNotificationOnly": bool,
            "supportsFiles": bool,
            "commandLists": [{"scopes": [SCOPE], "commands": [COMMAND]}],
        }
    ],
    "defaultInstallScope": SCOPE,
    "defaultGroupCapability": {"team": "bot", "groupchat": "bot"},
}
# And of MicrosoftTeams.Localization.schema.json.
TRANSLATION = {
    "$schema": r"https://developer\.microsoft\.com/json-schemas/teams/v1\.20/MicrosoftTeams\.Localization\.schema\.json",
    "name.short": r".{1,30}",
    "name.full": r".{1,100}",
    "description.short": r".{1,80}",
    "description.full": r"(?s:.{1,4000})",
}
TRANSLATED_COMMAND = r"bots\[0\]\.commandLists\[([0-2])\]\.commands\[([0-9])\]\.description"


def keeps(value: Any, rule: Any) -> bool:
    if isinstance(rule, dict):
        return value.keys() == rule.keys() and all(keeps(value[name], rule[name]) for name in rule)
    if isinstance(rule, list):
        return 0 < len(value) <= 10 and all(keeps(each, rule[0]) for each in value)
    if isinstance(rule, type):
        return isinstance(value, rule)
    return isinstance(value, str) and re.fullmatch(rule, value) is not None


def opened(app: App = APP, language: str = "en") -> dict[str, bytes]:
    with ZipFile(BytesIO(package(app, language=language))) as zipped:
        assert zipped.testzip() is None
        return {name: zipped.read(name) for name in zipped.namelist()}


def manifest_of(app: App = APP, language: str = "en") -> Any:
    return json.loads(opened(app, language)["manifest.json"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_manifest_keeps_every_rule_of_its_schema(language):
    manifest = manifest_of(replace(APP, name="N" * 30, developer="D" * 32), language)
    for name, rule in MANIFEST.items():
        assert keeps(manifest[name], rule), name
    assert manifest.keys() == MANIFEST.keys()


@pytest.mark.parametrize(("language", "other"), [("en", "zh"), ("zh", "en")])
def test_it_speaks_both_languages(language, other):
    files = opened(language=language)
    manifest, translation = json.loads(files["manifest.json"]), json.loads(files[f"{other}.json"])
    assert set(files) == {"manifest.json", f"{other}.json", "color.png", "outline.png"}
    assert manifest["localizationInfo"] == {
        "defaultLanguageTag": language,
        "additionalLanguages": [{"languageTag": other, "file": f"{other}.json"}],
    }
    said = {"en": manifest, "zh": translation} if language == "en" else {"zh": manifest, "en": translation}
    for tag, texts in said.items():
        full = texts["description"]["full"] if texts is manifest else texts["description.full"]
        assert any("\u4e00" <= character <= "\u9fff" for character in full) == (tag == "zh")


def test_every_description_is_translated():
    files = opened()
    translation, [bot] = json.loads(files["zh.json"]), json.loads(files["manifest.json"])["bots"]
    assert all(keeps(translation[name], rule) for name, rule in TRANSLATION.items())
    places = [re.fullmatch(TRANSLATED_COMMAND, name) for name in translation.keys() - TRANSLATION.keys()]
    commands = [len(each["commands"]) for each in bot["commandLists"]]
    assert sorted((int(found[1]), int(found[2])) for found in places if found) == [
        (scope, command) for scope, count in enumerate(commands) for command in range(count)
    ]
    assert None not in places


def test_the_commands_it_offers_are_understood():
    [bot] = manifest_of()["bots"]
    assert [each["scopes"] for each in bot["commandLists"]] == [["personal"], ["team"], ["groupChat"]]
    for each in bot["commandLists"]:
        assert all(command_of(command["title"]) for command in each["commands"])


def test_the_app_is_the_bot_and_leads_to_its_pages():
    app = replace(APP, privacy_url="https://example.com/privacy", supports_files=True)
    manifest = manifest_of(app)
    assert manifest["id"] == manifest["bots"][0]["botId"] == APP.app_id
    assert manifest["bots"][0]["supportsFiles"] is True
    assert manifest["developer"] == {
        "name": "Parley",
        "websiteUrl": "https://parley.example.com",
        "privacyUrl": "https://example.com/privacy",
        "termsOfUseUrl": "https://parley.example.com",
    }


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_same_app_is_the_same_package_to_the_byte(language):
    assert package(APP, language=language) == package(replace(APP), language=language)
    assert package(APP, language=language) != package(replace(APP, version="0.1.1"), language=language)


def test_no_clock_and_no_system_shows_in_it():
    with ZipFile(BytesIO(package(APP))) as zipped:
        for entry in zipped.infolist():
            assert (entry.date_time, entry.create_system) == ((1980, 1, 1, 0, 0, 0), 3)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"app_id": ""}, "app_id"),
        ({"app_id": "22222222-2222-4222-8222-22222222222g"}, "app_id"),
        ({"public_url": ""}, "https"),
        ({"public_url": "http://parley.example.com"}, "https"),
        ({"privacy_url": "parley.example.com"}, "https"),
        ({"terms_url": f"https://e.co/{'x' * 2048}"}, "https"),
        ({"name": " "}, "30"),
        ({"name": "N" * 31}, "30"),
        ({"developer": "D" * 33}, "32"),
        ({"name": "two\nlines"}, "30"),
        ({"version": "1.0"}, "1.2.3"),
        ({"version": "01.0.0"}, "1.2.3"),
    ],
)
def test_what_teams_would_refuse_is_said_in_both_languages(fault, told):
    with pytest.raises(Misconfigured, match=rf"{re.escape(told)}(?s:.*)[\u4e00-\u9fff]"):
        package(replace(APP, **fault))


# --------------------------------------------------------------------------------------------------------------- icons


def pixels(png: bytes) -> tuple[int, list[list[tuple[int, int, int, int]]]]:
    """The size of a picture with a palette, and its pixels row by row as red, green, blue, alpha."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(png):
        length, kind = unpack(">I4s", png[place : place + 8])
        data, check = png[place + 8 : place + 8 + length], png[place + 8 + length : place + 12 + length]
        assert zlib.crc32(kind + data) == unpack(">I", check)[0]
        chunks[kind], place = data, place + 12 + length
    width, height, depth, colours, *_ = unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (width, depth, colours) == (height, 8, 3)
    plain = chunks[b"PLTE"]
    palette = [(*plain[3 * each : 3 * each + 3], alpha) for each, alpha in enumerate(chunks[b"tRNS"])]
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (width + 1)
    lines = [rows[start : start + width + 1] for start in range(0, len(rows), width + 1)]
    return width, [[palette[index] for index in line[1:]] for line in lines]


def test_the_colour_icon_is_a_white_bubble_on_the_accent_colour():
    size, rows = pixels(opened()["color.png"])
    accent = tuple(bytes.fromhex(manifest_of()["accentColor"][1:]))
    assert size == 192
    assert {row[x] for row in (rows[0], rows[-1]) for x in range(size)} == {(*accent, 255)}
    assert {pixel[3] for row in rows for pixel in row} == {255}
    white = sum(pixel == (255, 255, 255, 255) for row in rows for pixel in row)
    assert 0.25 < white / size**2 < 0.5
    assert rows[80][60] == (255, 255, 255, 255)


def test_the_outline_icon_is_white_on_nothing():
    size, rows = pixels(opened()["outline.png"])
    assert size == 32
    assert {pixel[:3] for row in rows for pixel in row} == {(255, 255, 255)}
    assert {pixel[3] for pixel in (*rows[0], *rows[-1])} == {0}
    drawn = sum(pixel[3] > 128 for row in rows for pixel in row)
    assert 0.1 < drawn / size**2 < 0.3
    assert rows[19][7][3] == 0
