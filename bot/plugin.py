"""The plugins as they are set: which are found, what each is told, and whom it may ask."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.cells import cell_len, set_cell_size

import bot.plugins
from bot.config import Config, PluginSettings
from bot.texts import say, speaking
from core.errors import Misconfigured
from core.plugin import Permission, Setup
from core.plugins import GuardedHttp, Loaded, Plugins, Registry, found, installed
from core.ports import Metrics, Store

log = logging.getLogger(__name__)

_LOADING = 20.0  # seconds, for importing a file: a busy machine takes its time over its first start


async def open_registry(config: Config, stack: AsyncExitStack) -> tuple[Registry, "Desk"]:
    """Every plugin that is found and works, closed with the stack, and what each is handed. Raises Misconfigured."""
    settings = config.settings.plugins
    desk = Desk(config)
    stack.push_async_callback(desk.http.close)
    base = config.file.parent if config.file else Path.cwd()
    folders = [(base / folder).resolve() for folder in settings.folders]
    origins = found([bot.plugins, *folders], installed())
    registry = await Registry.open(
        origins,
        desk.setup,
        off=settings.disabled,
        confirm=settings.confirm,
        admins=settings.admins,
        seconds=_LOADING + (settings.mcp.wait if settings.mcp.servers else 0),
    )
    stack.push_async_callback(registry.close)
    return registry, desk


async def open_plugins(
    config: Config, store: Store, metrics: Metrics, stack: AsyncExitStack
) -> tuple[tuple[Plugins, ...], Registry | None]:
    """The stage with its registry, or none where it is turned off. Raises Misconfigured."""
    if not config.settings.plugins.enabled:
        return (), None
    registry, desk = await open_registry(config, stack)
    for sentence in strangers(config, registry):
        log.warning(sentence)
    stage = Plugins(registry, store, metrics, desk.setup)
    stack.push_async_callback(stage.close)
    return (stage,), registry


class Desk:
    """Hands each plugin what it is told by the settings, its secrets, and a way out to the hosts it may ask."""

    def __init__(self, config: Config) -> None:
        settings = config.settings.plugins
        self._told = _told(settings)
        self._hosts = {"weather": _hosts(settings.weather.url, settings.weather.geocoding_url)}
        self._secrets = plugin_secrets(config)
        self.http = GuardedHttp(private_hosts=settings.private_hosts)

    def setup(self, name: str, hosts: Sequence[str] = ()) -> Setup:
        """What the plugin or provider of this name is handed; `hosts` are those it declares."""
        http = self.http.for_plugin([*hosts, *self._hosts.get(name, ())])
        return Setup(http=http, settings=self._told.get(name, {}), secrets=self._secrets.get(name, {}))


def _told(settings: PluginSettings) -> Mapping[str, Mapping[str, Any]]:
    return {**settings.settings, "weather": settings.weather.model_dump(), "mcp": settings.mcp.model_dump()}


def _hosts(*urls: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_host(url) for url in urls if url))


def _host(url: str) -> str:
    """As it is allowed: the port with it, where it is not the usual one."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def plugin_secrets(config: Config) -> Mapping[str, Mapping[str, str]]:
    """PARLEY_PLUGIN_SECRETS by plugin. Raises Misconfigured, and never quotes it."""
    try:
        secrets = json.loads(config.secrets.plugin_secrets or "{}")
    except ValueError:
        raise Misconfigured(say("config_plugin_secrets")) from None
    if not isinstance(secrets, dict) or not all(map(_is_text_by_name, secrets.values())):
        raise Misconfigured(say("config_plugin_secrets"))
    return secrets


def _is_text_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def strangers(config: Config, registry: Registry) -> Iterator[str]:
    """A sentence for each name in the settings and secrets that no plugin has: most likely a misspelt one."""
    settings = config.settings.plugins
    named = {
        "plugins.disabled": settings.disabled,
        "plugins.confirm": settings.confirm,
        "plugins.admins": settings.admins,
        "plugins.settings": settings.settings.keys(),
        "PARLEY_PLUGIN_SECRETS": plugin_secrets(config).keys(),
    }
    away = tuple(f"{server}_" for server in settings.mcp.servers)  # what a server offers is known once it is there
    for setting, names in named.items():
        for name in sorted(name for name in names if name not in registry.names and not name.startswith(away)):
            close = get_close_matches(name, registry.names, n=1)
            remedy = say("config_did_you_mean", name=close[0]) if close else say("plugin_spelling")
            yield say("plugin_stranger", setting=setting, name=name, remedy=remedy)


@contextmanager
def without_log() -> Iterator[None]:
    """While a table or a report says what became of each plugin, the log does not say it once more."""
    room = logging.getLogger("core.plugins")
    room.setLevel(logging.ERROR)
    try:
        yield
    finally:
        room.setLevel(logging.NOTSET)  # as the rooms above it, also where two reports are written at once


async def listed(config: Config) -> list[str]:
    """Opens every plugin as the house would, and says what became of each. Raises Misconfigured."""
    if not config.settings.plugins.enabled:
        return [say("plugin_none")]
    async with AsyncExitStack() as stack:
        stack.enter_context(without_log())
        registry, _ = await open_registry(config, stack)
        return [*_table(registry, config.settings.plugins), *strangers(config, registry)]


def _table(registry: Registry, settings: PluginSettings) -> Iterator[str]:
    used = [_row(loaded) for loaded in registry.plugins]
    unused = [[problem.name, "", str(problem.origin), "", problem.whys[speaking()]] for problem in registry.problems]
    left_out = [[name, "", "", "", why] for name, why in _left_out(settings, registry)]
    rows = [say("plugin_list").split("|"), *used, *unused, *left_out]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    yield from ("  ".join(map(set_cell_size, row, widths)).rstrip() for row in rows)


def _left_out(settings: PluginSettings, registry: Registry) -> Iterator[tuple[str, str]]:
    away = tuple(f"{server}_" for server in settings.mcp.servers)
    for name in sorted(settings.disabled):
        if name in registry.names or name.startswith(away):
            yield name, say("plugin_off")
    if not (settings.weather.url and settings.weather.geocoding_url) and "weather" not in settings.disabled:
        yield "weather", say("plugin_unset", guide="docs/plugins.md")
    if not settings.mcp.servers and "mcp" not in settings.disabled:
        yield "mcp", say("plugin_unset", guide="docs/mcp.md")
    if "mcp" not in settings.disabled and not any(problem.origin.name == "mcp" for problem in registry.problems):
        for server in settings.mcp.servers:
            if not any(name.startswith(f"{server}_") for name in registry.names):
                yield server, say("plugin_no_tools")


def _row(loaded: Loaded) -> list[str]:
    plugin = loaded.plugin
    notes = [
        *([say("plugin_admins")] if plugin.permission is Permission.ADMINS else ()),
        *([say("plugin_confirms")] if plugin.confirm else ()),
        plugin.about.get(speaking(), plugin.description.partition("\n")[0]),
    ]
    slash, gap = f"/{plugin.slash}" if plugin.slash else "", "；" if speaking() == "zh" else "; "
    return [plugin.name, slash, str(loaded.origin), f"{plugin.timeout:g} s", gap.join(notes)]
