"""Socket Mode: events come through a connection that we open, so that no public address is needed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic, time

from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack.client import QUIET, Client, SlackRefused
from core.errors import ChannelError, trace

log = logging.getLogger(__name__)

PING_SECONDS = 5.0  # a socket that gives no sign of life for four of them is replaced
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_ADDRESS_SECONDS = 10.0  # the address of a socket that has not opened until then is given up for a new one
_ADDRESS_EVERY = 1.0  # between two addresses, also where each socket is closed at once

Take = Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]


class SlackSocket(SocketModeClient):
    """slack_sdk's client: it pings, and opens a new socket where one is closed, silent, or about to be refreshed."""

    def __init__(self, client: Client, app_token: str, take: Take, ping_seconds: float) -> None:
        super().__init__(app_token, logger=QUIET, web_client=client.sdk, ping_interval=ping_seconds)
        self._client = client
        self._take = take
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked_at = float("-inf")
        self._complaint = ""
        self.socket_mode_request_listeners.append(self._start)

    @property  # type: ignore[override]
    def wss_uri(self) -> str | None:
        """Where the next socket opens. Its ticket is good once, and the library would try the same one for ever."""
        return self._address if monotonic() - self._asked_at < _ADDRESS_SECONDS else None

    @wss_uri.setter
    def wss_uri(self, address: str | None) -> None:
        self._address = address

    async def issue_new_wss_url(self) -> str:
        """The address of the next socket, tried until there is one."""
        while True:
            await asyncio.sleep(self._asked_at + _ADDRESS_EVERY - monotonic())
            self._asked_at = monotonic()
            try:
                answer = await self._client.call("apps_connections_open", app_token=self.app_token)
                self._complaint = ""
                return str(answer["url"])
            except ChannelError as error:
                self._complain(error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _complain(self, error: ChannelError) -> None:
        if self._complaint != str(error):
            self._complaint = str(error)
            level = logging.ERROR if isinstance(error, SlackRefused) else logging.WARNING
            log.log(level, "Slack gives no socket; it is asked again every %.0f s: %s", _RETRY_SECONDS, error)

    async def open(self) -> None:
        await self.connect()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        for task in list(self._tasks):  # what was taken in is still acknowledged
            with suppress(Exception):
                await task
        await super().close()  # type: ignore[no-untyped-call]

    async def _start(self, _: object, request: SocketModeRequest) -> None:
        # The library keeps no reference to its own tasks: they could be collected before they end.
        task = asyncio.create_task(self._answer(request), name="slack envelope")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: SocketModeRequest) -> None:
        """An envelope is acknowledged where Slack would have been answered 200; else it comes again."""
        try:
            bolt = AsyncBoltRequest(mode="socket_mode", body=request.payload, headers=build_headers(request))
            response = await self._take(bolt)
            await send_async_response(self, request, response, time())
        except ConnectionError:
            log.info("a socket was replaced before an envelope was acknowledged; it comes again")
        except Exception as error:
            log.error("an envelope of Slack was not understood: %s", trace(error))


async def hold(client: Client, app_token: str, take: Take) -> None:
    """Keeps one socket open until cancelled, and says when it comes and goes."""
    socket = SlackSocket(client, app_token, take, PING_SECONDS)
    connecting = asyncio.create_task(socket.open(), name="slack socket")
    was_open = False
    try:
        while True:
            is_open = await socket.is_connected()
            if is_open != was_open:
                log.info("the socket to Slack is open") if is_open else log.warning(
                    "the socket to Slack was lost; a new one is being opened"
                )
            was_open = is_open
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await socket.close()
