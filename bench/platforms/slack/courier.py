"""How Slack reaches the app: signed over HTTP or through a socket, again where nobody confirmed it."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import aiohttp

from bench.platforms.slack import payloads
from bench.platforms.slack.conversations import Channel
from bench.platforms.slack.journal import Attempt, Delivery, Journal
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.sockets import Sockets
from bench.platforms.slack.workspace import Bot

ACK_SECONDS = 3.0
SLACK_RETRY_DELAYS = (0.0, 60.0, 300.0)  # "Events API", "Retries": nearly at once, after one minute, after five
_RETRY_DELAYS = (0.2, 0.2, 0.2)
_SUBSCRIPTIONS = {"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}


class Courier:
    """Delivers to `events_url` where there is one, else to the open sockets.

    Events are sent again, once after each of `retry_delays` (seconds), until they are confirmed within `ack_seconds`;
    interactions and commands are sent once. `subscriptions` is None for all, else the names of a manifest's
    bot_events; with `echoes` the app hears of its own messages, as it does in Slack.
    """

    def __init__(self, journal: Journal, sockets: Sockets, signing_secret: str) -> None:
        self.events_url = ""
        self.signing_secret = signing_secret
        self.ack_seconds = ACK_SECONDS
        self.retry_delays: Sequence[float] = _RETRY_DELAYS
        self.subscriptions: frozenset[str] | None = None
        self.echoes = True
        self._journal = journal
        self._sockets = sockets
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._count = 0

    def open(self) -> None:
        # A benchmark asks three hundred things at once; whatever certificate the server has is good here.
        connector = aiohttp.TCPConnector(limit=0, ssl=False)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, name="a delivery")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Returns once nothing is on its way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def echo(self, bot: Bot, event: Payload, channel: Channel | None) -> None:
        """Lets the app hear of what it did itself, without making the call wait for that."""
        if self.echoes and self.is_heard(bot, event, channel):
            self.in_background(self.event(bot, event, channel))

    def is_heard(self, bot: Bot, event: Payload, channel: Channel | None) -> bool:
        """Whether Slack would send it at all: to a member, of what the app subscribed to."""
        if channel is not None and bot.user not in channel.members:
            return False
        if self.subscriptions is None:
            return True
        name = _SUBSCRIPTIONS[event["channel_type"]] if event["type"] == "message" else event["type"]
        return name in self.subscriptions

    async def event(self, bot: Bot, event: Payload, channel: Channel | None) -> Delivery:
        """Sends an event in an envelope of its own."""
        self._count += 1
        return await self.send(
            payloads.event_callback(
                event,
                team=bot.team,
                event_id=f"Ev{self._count:08d}",
                event_time=int(time.time()),
                bot_user=bot.user,
                app=bot.app,
                enterprise=bot.enterprise,
                is_org_wide=bot.is_org_wide,
                is_shared=channel is not None and channel.is_shared,
            )
        )

    async def send(self, payload: Payload) -> Delivery:
        """Sends a payload as it is; returns once it is confirmed or given up."""
        delivery = Delivery(kind_of(payload), payload)
        self._journal.deliveries.append(delivery)
        delays = self.retry_delays if payload.get("type") == "event_callback" else ()
        body, content_type = payloads.encode(payload)
        reason = ""
        for number in range(len(delays) + 1):
            if number:
                await asyncio.sleep(delays[number - 1])
            attempt, is_final = await self._try(delivery, body, content_type, number, reason)
            delivery.attempts.append(attempt)
            self._journal.tell()
            if delivery.is_accepted or is_final:
                break
            reason = attempt.reason
        return delivery

    async def _try(
        self, delivery: Delivery, body: bytes, content_type: str, number: int, reason: str
    ) -> tuple[Attempt, bool]:
        if not self.events_url:
            attempt, delivery.answer = await self._sockets.send(delivery.payload, number, reason, self.ack_seconds)
            return attempt, False
        headers = payloads.headers(body, self.signing_secret, int(time.time()), content_type)
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return await self._post(delivery, body, headers)

    async def _post(self, delivery: Delivery, body: bytes, headers: dict[str, str]) -> tuple[Attempt, bool]:
        """The attempt, and whether the app asked to be spared another one (which a timeout does not heed)."""
        if self._session is None:
            raise RuntimeError("the platform is not started")
        began, timeout = time.monotonic(), aiohttp.ClientTimeout(total=self.ack_seconds)
        try:
            async with self._session.post(
                self.events_url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                delivery.answer = await response.read()
                status, is_final = response.status, response.headers.get("x-slack-no-retry") == "1"
        except TimeoutError:
            return Attempt(None, "http_timeout", time.monotonic() - began), False
        except aiohttp.ClientError:
            return Attempt(None, "connection_failed", time.monotonic() - began), False
        reason = "" if 200 <= status < 300 else "http_error"
        return Attempt(status, reason, time.monotonic() - began), is_final


def kind_of(payload: Payload) -> str:
    """`app_mention`, `message`, `message.message_changed`, `block_actions`, `view_submission`, `command`, …"""
    if "command" in payload:
        return "command"
    event = payload.get("event")
    if not isinstance(event, dict):
        return str(payload.get("type", ""))
    return ".".join(filter(None, (str(event.get("type", "")), str(event.get("subtype") or ""))))
