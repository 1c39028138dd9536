"""Where everything meets: the house is built, opened, and closed again."""

import asyncio
import errno
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, cast

from aiohttp import web

from adapters.console import LOOPBACK_NAMES, ConsoleAdapter, ConsoleSettings
from bot import tls
from bot.admin.routes import Routes as AdminRoutes
from bot.cache import open_cache
from bot.config import Config, Settings
from bot.engines import asked_for, make_engine, models_of
from bot.extras import lacks
from bot.logs import threads_called
from bot.moderation import open_moderation
from bot.plugin import open_plugins
from bot.pulse import beat
from bot.telemetry import PrometheusMetrics
from bot.texts import say
from bot.web import make_app, metrics_route, shield
from core.answer import answer_with
from core.engine import Routed, is_up
from core.errors import Misconfigured, NotStored, trace
from core.hall import Hall, Terms
from core.manager import DialogManager
from core.message import Event
from core.plugins import Registry, more_help
from core.ports import Adapter, Engine, Listener, Metrics, Model, Receipt, Store
from core.retention import Retention
from core.routing import Route
from core.stopwatch import is_demo
from core.store import PostgresStore
from core.store.embedded import start as start_embedded
from core.store.keys import Keys, make_development_key
from core.store.schema import upgrade
from core.trail import apart, follow, thread_of
from core.turn import compose

if TYPE_CHECKING:
    from adapters.slack import SlackAdapter
    from adapters.teams import TeamsAdapter
    from adapters.wecom import App, CallbackBot, SocketBot

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

# An event must be stored well before the first platform gives up waiting (Slack: 3 s).
_INTAKE_SECONDS = 2.5
_UNBOUND = {
    errno.EADDRINUSE: "serve_address",
    errno.EADDRNOTAVAIL: "serve_no_address",
    errno.EACCES: "serve_closed_port",
}
_LISTEN_AGAIN = 5.0
# Of the time an end may take, so much is kept for giving back what did not end, and for closing everything.
_WIND_UP = 4.0
_LAST_REQUESTS = 2.0
# A platform that delivers again does so within hours; a finished row is kept well beyond that.
_KEEP_FINISHED = timedelta(days=30)
_PURGE_SECONDS = 3600.0
_SUM_UP_SECONDS = 60.0


@dataclass(slots=True)
class House:
    """Everything that was wired together, while it is open."""

    config: Config
    store: Store
    engine: Engine
    metrics: PrometheusMetrics
    adapters: Mapping[str, Adapter]
    manager: DialogManager
    is_engine_ready: bool = False
    is_closing: bool = False
    has_database: bool = True
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    registry: Registry | None = None
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def accept(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Stores events; raises NotStored where the database is away or too slow for a platform to wait for."""
        channel = _channel(events)
        began = monotonic()
        try:
            async with asyncio.timeout(_INTAKE_SECONDS), self.store.unit(autocommit=len(events) == 1) as unit:
                receipts = await unit.inbox.add(events)
        except (NotStored, TimeoutError):
            self.metrics.count("events", len(events), channel=channel, outcome="not_stored")
            raise NotStored from None
        self.metrics.observe("intake_seconds", monotonic() - began, channel=channel)
        for event, receipt in zip(events, receipts, strict=True):
            self.metrics.count("events", channel=channel, outcome="new" if receipt.is_new else "repeated")
            follow(receipt.reply_id, thread_of(event))
            what = type(event).__name__.lower()
            log.info("a %s through %s %s", what, channel, "was stored" if receipt.is_new else "has come again")
        if len(events) > 1:  # what else is said here is of all of them
            follow("")
        return receipts

    @property
    def is_open(self) -> bool:
        """Whether what comes is taken here: from the start on until the end begins."""
        return self.is_engine_ready and not (self.is_closing or self.broken.is_set())

    async def why_not_ready(self) -> str:
        """What a question would still have to wait for, as it was felt last; "" where it would be answered."""
        if self.is_closing or self.broken.is_set():
            return "another process"
        if not (self.is_engine_ready and is_up(self.engine)):
            return "engine"
        return "" if self.has_database else "database"

    def give_up(self, what: str, cause: object = "") -> None:
        """Nothing but a new process helps: said once, and whoever serves this house ends it in good order."""
        if not self.broken.is_set():
            self.broken.set()
            log.error("%s. This process ends itself, and its supervisor starts it anew. %s", what, cause)

    def model(self) -> Model | None:
        return self.engine.model if self.is_engine_ready else None


def _channel(events: Sequence[Event]) -> str:
    return events[0].author.adapter if events else "none"


@asynccontextmanager
async def open_house(
    config: Config, progress: Progress, *, doors: Sequence[Adapter] = (), engine: Engine | None = None
) -> AsyncIterator[House]:
    """A house that answers, with its address bound; leaving it ends what was begun and closes everything.

    The address is bound before the model is loaded, so that `/healthz` and `/readyz` can tell what is going on.
    `doors` are opened beside the configured ones, and `engine` answers in place of the configured one.
    Raises Misconfigured, also where the address cannot be bound, or NotStored.
    """
    settings = config.settings
    async with AsyncExitStack() as stack:
        store = await _open_store(config, progress, stack)
        stack.enter_context(threads_called(store.called))
        metrics = PrometheusMetrics()
        metrics.watch(store.pools)
        engine = engine or make_engine(config, metrics)
        house = await _wire(config, store, engine, metrics, doors, stack)
        for door in house.adapters:
            metrics.expect_events(door)
        await _serve(house, stack)
        await stack.enter_async_context(_listening(house))
        is_remote = settings.engine.backend == "remote"
        progress(say("serve_servers" if is_remote else "serve_engine", model=asked_for(settings)))
        await engine.start()
        stack.push_async_callback(engine.stop)
        await stack.enter_async_context(_working(house))
        await stack.enter_async_context(_purging(store, settings.kept_for()))
        await stack.enter_async_context(_summing_up(store))
        house.is_engine_ready = True
        for model in models_of(engine):
            metrics.gauge("info", 1, model=model.version)
        for door in house.adapters:
            metrics.expect(door, demo=is_demo(engine))
        try:
            yield house
        finally:
            house.is_closing = True


async def _wire(
    config: Config,
    store: Store,
    engine: Engine,
    metrics: PrometheusMetrics,
    doors: Sequence[Adapter],
    stack: AsyncExitStack,
) -> House:
    settings = config.settings
    adapters: dict[str, Adapter] = {door.name: door for door in doors}
    moderation = open_moderation(config, store, metrics, stack)
    plugins, registry = await open_plugins(config, store, metrics, stack)
    terms = settings.terms()
    if registry:
        terms = replace(terms, more_help=partial(more_help, registry))
    cache = await open_cache(config, store, engine, metrics, stack, is_screened=bool(moderation))
    answer = compose([*moderation, *_route(engine, terms), *cache, *plugins], answer_with(engine))
    tools = registry.tools(is_admin=True) if registry and settings.plugins.model_calls else ()
    hall = Hall(store, adapters, engine, answer, metrics, settings.who_may(), terms, keepers=cache, tools=tools)
    house = House(config, store, engine, metrics, adapters, DialogManager(hall), registry=registry)
    if settings.console.enabled:
        adapters["console"] = ConsoleAdapter(
            await _console_settings(settings, store),
            drafts=store.drafts,
            archive=store.archive,
            model=house.model,
            metrics=metrics,
        )
    if settings.slack.enabled:
        adapters["slack"] = slack = _slack_door(config, store, metrics)
        stack.push_async_callback(slack.close)
    if settings.teams.enabled:
        adapters["teams"] = teams = _teams_door(config, store, metrics)
        stack.push_async_callback(teams.close)
    for door in _wecom_doors(config, store, metrics):
        adapters[door.name] = door
        stack.push_async_callback(door.close)
    return house


def _slack_door(config: Config, store: Store, metrics: Metrics) -> "SlackAdapter":
    try:
        from bot.slack import slack_door
    except ModuleNotFoundError as error:
        if not lacks("slack", error):
            raise
        raise Misconfigured(say("config_slack_package")) from None
    return slack_door(config, store, metrics)


def _teams_door(config: Config, store: Store, metrics: Metrics) -> "TeamsAdapter":
    try:
        from bot.teams import teams_door
    except ModuleNotFoundError as error:
        if not lacks("teams", error):
            raise
        raise Misconfigured(say("config_teams_package")) from None
    return teams_door(config, store, metrics)


def _wecom_doors(config: Config, store: Store, metrics: Metrics) -> "Sequence[SocketBot | CallbackBot | App]":
    wecom = config.settings.wecom
    if not (wecom.bot.enabled or wecom.app.enabled):
        return ()
    try:
        from bot.wecom import wecom_doors
    except ModuleNotFoundError as error:
        if not lacks("wecom", error):
            raise
        raise Misconfigured(say("config_wecom_package")) from None
    return wecom_doors(config, store, metrics)


def _route(engine: Engine, terms: Terms) -> Iterator[Route]:
    """Of two models, each question goes to the one that suits it, which is sampled as its makers say."""
    if isinstance(engine, Routed):
        yield Route(lambda route: terms.params_for(engine.model_of(route)))


async def _console_settings(settings: Settings, store: Store) -> ConsoleSettings:
    server, console = settings.server, settings.console
    bound = f"[{server.host}]" if ":" in server.host else server.host
    return ConsoleSettings(
        secret=await _kept_secret(store, "console/cookies"),
        tokens=console.tokens,
        allowed_hosts=LOOPBACK_NAMES | {bound.lower(), *console.allowed_hosts},
        allowed_origins=frozenset(console.allowed_origins),
        is_loopback=server.is_loopback,
        has_tls=bool(server.tls.certificate),
        answer_timeout=timedelta(seconds=console.answer_seconds),
    )


async def _kept_secret(store: Store, name: str) -> bytes:
    """32 random bytes, made by whichever process comes first and the same for all of them."""
    async with store.leader(f"secret {name}").hold():
        value = await store.secrets.get(name)
        if value is None:
            value = secrets.token_bytes(32)
            await store.secrets.put(name, value)
        return value


# -------------------------------------------------------------------------------------------------- opening, closing


async def database_url(config: Config, progress: Progress, stack: AsyncExitStack) -> str:
    """The configured database, or the embedded one, started until the stack is left."""
    if (url := config.secrets.database_url) is not None:
        if url.partition("://")[0] not in ("postgres", "postgresql", "postgresql+psycopg"):
            raise Misconfigured(say("database_url_malformed"))
        return url
    progress(say("serve_database"))
    embedded = await asyncio.to_thread(start_embedded, config.data_dir / "pg")
    stack.callback(embedded.stop)
    return embedded.url


async def _open_store(config: Config, progress: Progress, stack: AsyncExitStack) -> PostgresStore:
    url = await database_url(config, progress, stack)
    progress(say("serve_migrate"))
    await upgrade(url)
    store = PostgresStore(url, load_keys(config), pool_size=config.settings.database.pool_size)
    await store.start()
    stack.push_async_callback(store.stop)
    return store


def load_keys(config: Config) -> Keys:
    """The sealing keys of the environment, else a development key under the data directory."""
    if config.secrets.keys:
        return Keys.parse(config.secrets.keys)
    if config.settings.production:
        raise Misconfigured(say("config_missing_parley_keys"))
    file = config.data_dir / "keys"
    keys = make_development_key(file)
    log.warning(say("serve_development_key", file=file))
    return keys


async def _serve(house: House, stack: AsyncExitStack) -> None:
    settings, token = house.config.settings.server, house.config.secrets.metrics_token
    console = house.adapters.get("console")
    routes = console.routes(house.accept) if isinstance(console, ConsoleAdapter) else []
    if house.config.settings.admin.enabled:
        secret = await _kept_secret(house.store, "admin/cookies")
        routes = [*routes, *AdminRoutes(house, secret).table()]
    context = await _tls(house.config, stack)
    webhooks = [adapter for adapter in house.adapters.values() if adapter is not console]
    if settings.metrics_host:
        apart = web.Application()
        apart.on_response_prepare.append(shield)
        apart.add_routes([metrics_route(house.metrics, token, is_loopback=True)])
        await _bind(apart, settings.metrics_host, settings.metrics_port, stack, context)
    else:
        routes = [*routes, metrics_route(house.metrics, token, is_loopback=settings.is_loopback)]
    app = make_app(
        routes=routes,
        webhooks=webhooks,
        accept=house.accept,
        ready=house.why_not_ready,
        is_open=lambda: house.is_open,
        is_closing=lambda: house.is_closing,
        trusted_proxies=settings.trusted_proxies,
    )
    await _bind(app, settings.host, settings.port, stack, context)


async def _tls(config: Config, stack: AsyncExitStack) -> SSLContext | None:
    """The certificate of the settings, looked after until the stack is left; None where there is none."""
    if config.pair is None:
        return None
    server = tls.Server(config.pair)
    watching = asyncio.create_task(server.watch(), name="certificate")
    stack.callback(watching.cancel)
    return server.context


async def _bind(
    app: web.Application, host: str, port: int, stack: AsyncExitStack, context: SSLContext | None = None
) -> None:
    # A compressed body is read as it came: no platform of ours sends one, and a small one could grow without bounds.
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=_LAST_REQUESTS, auto_decompress=False
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        if error.errno not in _UNBOUND:
            raise
        raise Misconfigured(say(_UNBOUND[error.errno], host=host, port=port)) from None


@asynccontextmanager
async def _working(house: House) -> AsyncIterator[None]:
    working = asyncio.create_task(house.manager.run(), name="dialog manager")
    working.add_done_callback(partial(_deaf, house))
    feeling = asyncio.create_task(beat(house), name="pulse")
    try:
        yield
    finally:
        feeling.cancel()
        working.cancel()
        await asyncio.gather(working, feeling, return_exceptions=True)
        seconds = house.config.settings.server.shutdown_seconds
        await house.manager.stop(timedelta(seconds=max(seconds - _WIND_UP, seconds / 2)))


def _deaf(house: House, working: "asyncio.Task[None]") -> None:
    """Nobody takes up what is stored any more, unless that was asked for."""
    if working.cancelled() or house.is_closing:
        return
    error = working.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    house.give_up("The work on what was stored has ended", trace(error) if error else "")


@asynccontextmanager
async def _listening(house: House) -> AsyncIterator[None]:
    """Doors that dial out do so until the house is left; one that fails is opened again."""

    async def heard(events: Sequence[Event]) -> tuple[Receipt, ...]:
        with apart():  # what is heard next is another's
            return await house.accept(events)

    async def listen(name: str, door: Listener) -> None:
        while True:
            try:
                await door.listen(heard)
                return
            except Exception as error:
                log.error("the %s channel hears nothing and is opened again: %s", name, trace(error))
                await asyncio.sleep(_LISTEN_AGAIN)

    doors = {name: cast(Listener, door) for name, door in house.adapters.items() if hasattr(door, "listen")}
    tasks = [asyncio.create_task(listen(name, door), name=f"listen {name}") for name, door in doors.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _summing_up(store: PostgresStore) -> AsyncIterator[None]:
    """Counts each step of time once it is over, so that nobody counts a week of turns for the operator's pages."""

    async def sum_up() -> None:
        while True:
            try:
                await store.sum_up()
            except NotStored:
                log.debug("the figures of the operator's pages were not summed up; the next round does it")
            except Exception as error:  # one bad round must not be the last one
                log.error("the figures of the operator's pages were not summed up: %s", trace(error))
            await asyncio.sleep(_SUM_UP_SECONDS)

    summing = asyncio.create_task(sum_up(), name="sum up")
    try:
        yield
    finally:
        summing.cancel()
        await asyncio.gather(summing, return_exceptions=True)


@asynccontextmanager
async def _purging(store: PostgresStore, kept_for: Retention) -> AsyncIterator[None]:
    """Forgets that events were finished, long after anybody would deliver them again, and what is kept no longer."""

    async def expire() -> None:
        if expired := await store.expire(kept_for):
            log.info("%d messages and answers were older than they are kept, and are forgotten", expired)

    async def purge() -> None:
        while True:
            for work in (partial(store.purge, _KEEP_FINISHED), expire):  # one that fails does not keep the other back
                try:
                    await work()
                except NotStored as error:
                    log.warning(
                        "not all could be purged that is kept no longer; the next round does it: %s", error.detail
                    )
                except Exception as error:  # one bad round must not be the last one
                    log.error("what is kept no longer was not purged: %s", trace(error))
            await asyncio.sleep(_PURGE_SECONDS)

    purging = asyncio.create_task(purge(), name="purge")
    try:
        yield
    finally:
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
