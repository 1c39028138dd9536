"""The WeCom channel's part of the household: its settings, its doors, its check."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.wecom.adapter import App, CallbackBot, SocketBot
from adapters.wecom.api import Api
from adapters.wecom.connection import Connection
from adapters.wecom.doctor import Finding, examine_app, examine_bot
from adapters.wecom.settings import AppSettings, BotSettings, Callback
from bot.config import Config
from bot.telemetry import PrometheusMetrics
from core.errors import NotStored, ParleyError
from core.ports import Leader, Metrics, Store
from core.store import Keys, PostgresStore

Door = SocketBot | CallbackBot | App


def bot_settings(config: Config) -> BotSettings:
    """What the AI bot's door is told, secrets and all."""
    bot, secrets = config.settings.wecom.bot, config.secrets
    callback = None
    if secrets.wecom_bot_token and secrets.wecom_bot_aes_key:
        callback = Callback(token=secrets.wecom_bot_token, aes_key=secrets.wecom_bot_aes_key)
    return BotSettings(
        bot_id=bot.id, name=bot.name, secret=secrets.wecom_bot_secret or "", callback=callback, url=bot.socket_url
    )


def app_settings(config: Config) -> AppSettings:
    """What the self-built app's door is told, secrets and all."""
    app, secrets = config.settings.wecom.app, config.secrets
    callback = Callback(
        token=secrets.wecom_app_token or "", aes_key=secrets.wecom_app_aes_key or "", receive_id=app.corp_id
    )
    return AppSettings(
        corp_id=app.corp_id,
        agent_id=app.agent_id,
        secret=secrets.wecom_app_secret or "",
        callback=callback,
        api_url=app.api_url,
    )


def wecom_doors(config: Config, store: Store, metrics: Metrics) -> tuple[Door, ...]:
    """The doors to WeCom that are switched on; raises Misconfigured where a callback could not be verified."""
    doors: list[Door] = []
    if config.settings.wecom.bot.enabled:
        doors.append(_bot(bot_settings(config), config, store, metrics))
    if config.settings.wecom.app.enabled:
        settings = app_settings(config)
        doors.append(App(settings, secrets=store.secrets, notes=store.notes, leader=store.leader, metrics=metrics))
    return tuple(doors)


def _bot(settings: BotSettings, config: Config, store: Store, metrics: Metrics) -> SocketBot | CallbackBot:
    """By long connection where the bot has a Secret: it needs no public address and loses nothing in between."""
    if settings.is_socket:
        return SocketBot(settings, leader=store.leader, metrics=metrics)
    may = config.settings.who_may().allows
    return CallbackBot(settings, drafts=store.drafts, notes=store.notes, metrics=metrics, may=may)


# ------------------------------------------------------------------------------------------------------ parley check


async def wecom_findings(config: Config) -> tuple[tuple[str, Finding], ...]:
    """What is wrong or missing, by the settings and by WeCom's own answers, each with the name of its door."""
    wecom, found = config.settings.wecom, list[tuple[str, Finding]]()
    async with _store(config) as store:
        if wecom.bot.enabled:
            found += [(SocketBot.name, finding) for finding in await _bot_findings(config, store)]
        if wecom.app.enabled:
            found += [(App.name, finding) for finding in await _app_findings(config)]
    return tuple(found)


async def _bot_findings(config: Config, store: PostgresStore | None) -> tuple[Finding, ...]:
    settings, rule = bot_settings(config), "wecom" in config.settings.access
    connection = Connection(settings, leader=store.leader if store else _no_leader, metrics=PrometheusMetrics())
    lead = store.leader(connection.lead) if store else None
    url = config.settings.wecom.public_url
    return await examine_bot(settings, connection.check, lead, public_url=url, has_rule=rule)


async def _app_findings(config: Config) -> tuple[Finding, ...]:
    settings, rule = app_settings(config), "wecom-app" in config.settings.access
    api = Api(settings, PrometheusMetrics(), secrets=_Forgotten(), leader=_no_leader)
    try:
        return await examine_app(settings, api.check, public_url=config.settings.wecom.public_url, has_rule=rule)
    finally:
        await api.close()


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[PostgresStore | None]:
    """The house's memory, None where there is nothing to look into: the embedded database may be in use."""
    url, keys = config.secrets.database_url, config.secrets.keys
    try:
        store = PostgresStore(url, Keys.parse(keys), pool_size=2) if url and keys else None
        if store is not None:
            await store.start()
    except ParleyError:  # what is wrong with keys or database is said in their own lines
        store = None
    try:
        yield store
    finally:
        if store is not None:
            await store.stop()


class _Forgotten:
    """A check takes a token of its own and keeps it nowhere."""

    async def get(self, name: str) -> bytes | None:
        return None

    async def put(self, name: str, value: bytes) -> None: ...

    async def delete(self, name: str) -> None: ...


def _no_leader(_: str) -> Leader:
    raise NotStored
