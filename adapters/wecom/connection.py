"""The long connection of an AI bot: one of our processes holds it, and another takes over where that one is gone."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWSTimeout

from adapters.wecom.errors import NotLetIn, NotSent, Unsure
from adapters.wecom.link import Closed, Kicked, Link, Take
from adapters.wecom.settings import BotSettings
from adapters.wecom.tempo import Tempo
from adapters.wecom.texts import say_to_operator
from core.errors import ChannelError, DoorLost, RateLimited
from core.ports import Held, Leader, Metrics

log = logging.getLogger(__name__)

_TRIES = 3  # in a row to connect, before another process may try
_CLOSE_WITHIN = 1.0
_TEMPO = Tempo()


class Connection:
    """A bot has one connection, and whoever subscribes last has it: so our processes take turns by a leader's name."""

    def __init__(
        self, settings: BotSettings, *, leader: Callable[[str], Leader], metrics: Metrics, tempo: Tempo = _TEMPO
    ) -> None:
        self._settings = settings
        self._leader = leader
        self._metrics = metrics
        self._tempo = tempo
        self._link: Link | None = None
        self._complaint = ""
        self._failures = 0  # in a row, also while another process may have tried in between

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.is_open

    @property
    def lead(self) -> str:
        """The leader's name of whichever process may connect."""
        return f"wecom {self._settings.bot_id}"

    async def send(self, cmd: str, body: Mapping[str, Any], *, req_id: str = "") -> Mapping[str, Any]:
        """Sends one frame and waits for its answer, whose body it returns. A req_id that is not given is a new one.

        Raises DoorLost where there is no connection and nothing was sent, Unsure where no answer came, else what
        `errors.failure` makes of WeCom's errcode.
        """
        if self._link is None:
            raise DoorLost
        return await self._link.send(cmd, body, req_id)

    async def hold(self, take: Take) -> None:
        """Keeps the connection while no other process does, until cancelled.

        `take` gets each callback as it comes, and must not wait: it is called where answers are read.
        """
        while True:
            async with self._leader(self.lead).hold() as held:
                pause = await self._while_leading(held, take)
            await asyncio.sleep(pause)

    async def check(self) -> None:
        """Subscribes once and leaves again, for whoever may connect: it ends any other connection of this bot.

        Raises NotSent where WeCom is out of reach, Unsure where it does not answer, else what it refuses us with.
        """
        async with self._dialled() as link:
            reading = asyncio.create_task(_read(link, _ignore), name="wecom check")
            try:
                await self._subscribe(link)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    # ------------------------------------------------------------------------------------------ while the name is ours

    async def _while_leading(self, held: Held, take: Take) -> float:
        """Connected as long as the name is ours; seconds that it is left to the other processes after that."""
        lost = asyncio.create_task(held.lost(), name="wecom lead lost")
        serving = asyncio.create_task(self._serve(take), name="wecom connection")
        try:
            await asyncio.wait({lost, serving}, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                return self._leave()
            return serving.result()
        except Kicked:
            return await self._kicked(lost)
        finally:
            for task in (serving, lost):
                task.cancel()
            await asyncio.gather(serving, lost, return_exceptions=True)

    async def _kicked(self, lost: asyncio.Task[None]) -> float:
        """Where the name is still ours none of our own processes has done that, and to kick back would never end."""
        await asyncio.wait({lost}, timeout=self._tempo.lock_settles)
        if lost.done():
            return self._leave()
        self._complain(say_to_operator("kicked"), logging.ERROR)
        # The name is kept meanwhile: another process of ours would kick back.
        await asyncio.wait({lost}, timeout=self._tempo.slow_retry)
        return self._leave() if lost.done() else 0.0

    def _leave(self) -> float:
        log.warning("the connection to WeCom is given up: another process may hold it now")
        return 0.0

    async def _serve(self, take: Take) -> float:
        """Connects again and again; seconds to wait for where that is of no use. Raises Kicked."""
        while True:
            began = monotonic()
            try:
                await self._session(take)
            except Kicked:
                raise
            except RateLimited as limited:
                if isinstance(limited, NotLetIn):
                    return self._refused(limited)
                self._failures, wait = self._failures + 1, limited.retry_after.total_seconds()
                self._complain(str(limited), logging.WARNING)
            except (Closed, DoorLost, NotSent, Unsure) as error:
                is_stable = monotonic() - began > self._tempo.stable_after
                self._failures = 1 if is_stable else self._failures + 1
                wait = 0.0
                self._complain(f"{error} It is opened again.", logging.WARNING)
            except ChannelError as refused:
                return self._refused(refused)
            self._metrics.count("channel_retries", channel="wecom")
            wait = max(wait, self._backoff(self._failures))
            if self._failures >= _TRIES:
                return wait
            await asyncio.sleep(wait)

    def _backoff(self, failures: int) -> float:
        least, most = self._tempo.retry_least, self._tempo.retry_most
        return min(most, least * 2.0 ** min(failures - 1, 16) * random.uniform(1.0, 1.5))

    def _refused(self, error: ChannelError) -> float:
        self._complain(str(error), logging.ERROR)
        return self._tempo.slow_retry

    def _complain(self, problem: str, level: int) -> None:
        """Each problem once, until there is a connection again."""
        if problem != self._complaint:
            self._complaint = problem
            log.log(level, "there is no connection to WeCom: %s", problem)

    # --------------------------------------------------------------------------------------------------- one connection

    async def _session(self, take: Take) -> None:
        """One connection from its opening to its end, with which it raises: Closed, Kicked, or another ChannelError."""
        async with self._dialled() as link:

            def heard(frame: Mapping[str, Any]) -> None:
                # WeCom calls back whoever has subscribed; that we have we may learn a moment later.
                self._link = link
                take(frame)

            tasks = {asyncio.create_task(_read(link, heard), name="wecom frames")}
            try:
                tasks.add(asyncio.create_task(self._stay(link), name="wecom pings"))
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._link = None
                link.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            raise _cause(done)

    async def _stay(self, link: Link) -> None:
        await self._subscribe(link)
        self._link, self._complaint = link, ""
        log.info("connected to WeCom as bot %s", self._settings.bot_id)
        await link.ping()

    async def _subscribe(self, link: Link) -> None:
        await link.send("aibot_subscribe", {"bot_id": self._settings.bot_id, "secret": self._settings.secret})

    @asynccontextmanager
    async def _dialled(self) -> AsyncIterator[Link]:
        timeout = ClientTimeout(total=None, connect=self._tempo.dial_within)
        async with ClientSession(timeout=timeout) as http:
            try:
                async with asyncio.timeout(self._tempo.dial_within):
                    socket = await http.ws_connect(
                        self._settings.url, timeout=ClientWSTimeout(ws_close=_CLOSE_WITHIN), compress=0
                    )
            except (ClientError, OSError, TimeoutError) as error:
                raise NotSent(f"{self._settings.url} is out of reach ({type(error).__name__})") from None
            try:
                yield Link(socket, self._tempo)
            finally:
                with suppress(ClientError, OSError):
                    await socket.close()


async def _read(link: Link, take: Take) -> None:
    try:
        await link.read(take)
    finally:
        link.close()


def _cause(done: set[asyncio.Task[None]]) -> BaseException:
    """Why a connection ended: that we were kicked says more than that it was closed."""
    causes = [task.exception() or Closed() for task in done if not task.cancelled()] or [Closed()]
    return next((cause for cause in causes if isinstance(cause, Kicked)), causes[0])


def _ignore(_: Mapping[str, Any]) -> None:
    """What comes while nobody serves."""
