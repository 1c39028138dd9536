"""The two WeCom doors by URL and what is thrown at them: of two callbacks one is forged, another signed and spoiled."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from random import Random
from typing import cast

from aiohttp import web

from adapters.wecom.adapter import App, CallbackBot
from adapters.wecom.pacing import Pacer, SharedPacer
from adapters.wecom.settings import AppSettings, BotSettings, Callback
from bench.platforms.wecom.platform import AGENT, APP_SECRET, BOT_ID, BOT_NAME, CORP
from bench.wecom_forged import ASTRAY, FORGED, LARGE, Change
from bench.wecom_posts import CANARY as CANARY
from bench.wecom_posts import WIRES, Post, port, post
from bench.wecom_rules import is_sound
from bench.wecom_signed import ELSEWHERE, HUGE, SPOILED, WHOLE
from bench.wire import Request
from bot.telemetry import PrometheusMetrics
from core.errors import NotStored
from core.message import Chunk, Event
from core.ports import Adapter, Delivery, Ledger, Receipt, Store, Webhook

_TOKEN = "access-token-of-the-app"  # noqa: S105 - invented
SECRETS: tuple[str, ...] = (APP_SECRET, _TOKEN, *(secret for w in WIRES.values() for secret in (w.token, w.aes_key)))
QUICK = 5_000
_READ = (200, 400, 413)  # 413 where it grew beyond what any of WeCom's is
_POLL_EVERY = 0.2  # seconds

# How many of all there are, what is done to them, and whether anything may come of it.
_GROUPS: tuple[tuple[str, float, Mapping[str, Change], bool], ...] = (
    ("forged", 0.58, FORGED, False),
    ("astray", 0.03, ASTRAY, False),
    ("too large", 0.002, LARGE, False),
    ("signed, for another", 0.05, ELSEWHERE, True),
    ("signed, of another form", 0.28, SPOILED, True),
    ("signed, long, deep or many", 0.004, HUGE, True),
    ("as WeCom sends it", 0.054, WHOLE, True),
)
_SHARES = [share for _, share, _, _ in _GROUPS]


def total(count: int) -> int:
    """How many requests `count` are: all of them together."""
    return count


def request(number: int, chance: Random) -> Request:
    """The request of this number; the chance decides what it is."""
    ((kind, _, changes, is_signed),) = chance.choices(_GROUPS, _SHARES)
    name = chance.choice(tuple(changes))
    made = post(chance)
    changes[name](made, chance)
    data = made.data(number)
    return Request(
        f"{kind}: {name}",
        data,
        may_count=is_signed and made.method == "POST" and is_sound(made.way, made.message),
        is_whole=changes is WHOLE,
        first=chance.randrange(1, len(data)) if chance.random() < 0.05 else 0,
        answers=made.answers or (_READ if is_signed else (401,)),
        **made.more,
    )


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[tuple[Adapter, ...], None]:
    """Both doors over this store; the WeCom they answer to is in this process and takes all it is told."""
    async with AsyncExitStack() as stack:
        await _listening(stack)
        bot, app = _Polled(_bot(store)), _app(store)
        # Hundreds of kilobytes are answered here, of which a member is sent 30 messages a minute.
        app._pacer = cast(SharedPacer, _Unpaced())
        stack.push_async_callback(bot.close)
        stack.push_async_callback(app.close)
        yield bot, app


def _bot(store: Store) -> CallbackBot:
    wire = WIRES["wecom"]
    settings = BotSettings(bot_id=BOT_ID, name=BOT_NAME, callback=Callback(token=wire.token, aes_key=wire.aes_key))
    return CallbackBot(
        settings, drafts=store.drafts, notes=store.notes, metrics=PrometheusMetrics(), may=lambda *_: True
    )


def _app(store: Store) -> App:
    wire = WIRES["wecom-app"]
    settings = AppSettings(
        corp_id=CORP,
        agent_id=AGENT,
        secret=APP_SECRET,
        callback=Callback(token=wire.token, aes_key=wire.aes_key, receive_id=CORP),
        api_url=f"http://127.0.0.1:{port()}",
    )
    return App(settings, secrets=store.secrets, notes=store.notes, leader=store.leader, metrics=PrometheusMetrics())


async def _listening(stack: AsyncExitStack) -> None:
    """WeCom's own servers, at the one place that callbacks name."""
    answer = {"errcode": 0, "errmsg": "ok", "access_token": _TOKEN, "expires_in": 7200, "msgid": "m"}

    async def took(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", took)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port()).start()


class _Unpaced(Pacer):
    async def place(self, conversation: str, *, is_interim: bool = False) -> bool:
        return True


class _Polled:
    """The bot's door while WeCom asks it how an answer goes on: without that, it waits for six minutes to be asked."""

    def __init__(self, door: CallbackBot) -> None:
        self.name = door.name
        self.receive = door.receive
        self.close = door.close
        self._door = door

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        polling = asyncio.create_task(self._poll(delivery.reply.id), name="poll")
        try:
            await self._door.deliver(delivery, chunks, ledger)
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll(self, stream: str) -> None:
        while True:
            await asyncio.sleep(_POLL_EVERY)
            with suppress(NotStored):  # hundreds are answered at once: WeCom would ask again, too
                await self._door.receive(_poll_of(stream), _nothing)


def _poll_of(stream: str) -> Webhook:
    told = {"msgid": "p", "aibotid": BOT_ID, "from": {"userid": "u"}, "msgtype": "stream", "stream": {"id": stream}}
    asked = Post("wecom", {}, Random(stream))
    asked.say(told)
    return Webhook("POST", "/channels/wecom", asked.query, {}, asked.body, datetime.now(UTC))


async def _nothing(events: Sequence[Event]) -> tuple[Receipt, ...]:
    return ()
