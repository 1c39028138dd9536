"""Teams as a front door: activities come in over HTTP, answers go out through Teams' connector."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from typing import Any

from adapters.teams.client import TeamsClient
from adapters.teams.delivery import TeamsDelivery, stop_of
from adapters.teams.envelope import Envelope, opened
from adapters.teams.invoke import answered
from adapters.teams.parse import Welcome, is_for_us, may_be_ours, parse, welcome_of
from adapters.teams.people import People
from adapters.teams.settings import TeamsSettings
from adapters.teams.verify import Forged, activity_of, is_from_here, refusal
from core.errors import Malformed, NotStored, Refused
from core.message import (
    Author,
    Chunk,
    Command,
    CommandName,
    Event,
    Feedback,
    LastReplyTo,
    Origin,
    PartId,
    ThreadId,
)
from core.ports import Accept, Delivery, Ledger, Metrics, Received, Webhook

log = logging.getLogger(__name__)

PATH = "/channels/teams"
_LARGE = 64 * 1024  # bytes; a larger body is read beside the event loop
_OVERHEARD, _GREETING = "overheard", "greeting"  # said without calling us; said by nobody
_FORGED_EVERY = 60.0  # seconds between two lines about requests that are not Teams': anybody can send them

Knows = Callable[[ThreadId], Awaitable[bool]]
"""Whether a thread is one of ours; raises NotStored."""
May = Callable[[Author, ThreadId], bool]
"""Whether somebody may ask there."""
IsPart = Callable[[PartId], Awaitable[bool]]
"""Whether a message carries an answer of ours; raises NotStored."""


class TeamsAdapter:
    """The door to Teams. `knows` tells whether a thread is one of ours, `may` who may ask where."""

    name = "teams"

    def __init__(self, settings: TeamsSettings, *, metrics: Metrics, knows: Knows, may: May, is_part: IsPart) -> None:
        self._settings = settings
        self._metrics = metrics
        self._knows = knows
        self._may = may
        self._is_part = is_part
        self._client = TeamsClient(settings, metrics)
        self._people = People(self._client, settings.tenant_id)
        self._streaming: set[str] = set()
        self._accept: Accept | None = None
        self._forged_at = float("-inf")

    async def listen(self, accept: Accept) -> None:
        """Fetches the keys that Teams signs with, and our token; that somebody presses Stop is told while we send."""
        self._accept = accept
        await self._client.start()

    async def close(self) -> None:
        await self._client.close()

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """Verifies, writes down and acknowledges one activity. Raises NotStored: Teams sends it again."""
        if webhook.path != PATH:
            return Received(HTTPStatus.NOT_FOUND)
        if refused := refusal(webhook):
            return refused
        try:
            activity = await self._believed(webhook)
            events = await self._events(activity, webhook.received_at)
            answer = answered(activity) if activity["type"] == "invoke" else Received(HTTPStatus.ACCEPTED)
        except Malformed:
            return Received(HTTPStatus.BAD_REQUEST)
        except NotStored:  # whom it concerns could not be looked up; what comes to the inbox is counted there
            self._metrics.count("events", channel=self.name, outcome="not_stored")
            raise
        except Forged as error:
            self._metrics.count("events", channel=self.name, outcome="unsigned")
            self._report(error)
            return Received(HTTPStatus.UNAUTHORIZED)
        if events:
            await accept(events)
        return answer

    async def _believed(self, webhook: Webhook) -> Mapping[str, Any]:
        """The activity of a request that is Teams' own; a body of a stranger is not read. Raises Forged, Malformed."""
        if not (self._settings.app_id or is_from_here(webhook)):
            raise Forged("without an app id only what comes from this machine itself is answered")
        claims = await self._client.claims(webhook.headers.get("authorization", ""))
        is_large = len(webhook.body) > _LARGE
        activity = await asyncio.to_thread(activity_of, webhook.body) if is_large else activity_of(webhook.body)
        self._client.vouch(claims, activity)
        return activity

    async def introduce(self, event: Event) -> Author:
        """The author with what the conversation's roster says of them. Raises ChannelError where it does not say so
        soon, Refused where they did not call us and may not.
        """
        address = event.return_address
        # The Agents Playground knows no roles, and is for this machine alone. A greeting answers nobody's question.
        if not self._settings.app_id or _GREETING in address:
            return event.author
        author = await self._people.introduce(event.author, address)
        if not isinstance(event, Feedback) and _OVERHEARD in address and not self._may(author, event.thread):
            raise Refused
        return author

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer where it was asked for."""

        async def stop() -> None:
            if self._accept is None:
                raise NotStored
            await self._accept([stop_of(delivery, datetime.now(UTC))])

        showing = TeamsDelivery(self._client, delivery, ledger, self._metrics, on_stop=stop, streaming=self._streaming)
        await showing.show(chunks)

    async def _events(self, activity: Mapping[str, Any], now: datetime) -> list[Event]:
        settings = self._settings
        if welcome := welcome_of(activity, now=now, tenant=settings.tenant_id):
            return [_greeting(welcome)]
        events = parse(activity, now=now, up=settings.up, down=settings.down, tenant=settings.tenant_id)
        if not events:
            return []
        envelope = opened(activity, now=now, tenant=settings.tenant_id)
        return [heard for event in events if (heard := await self._heard(event, activity, envelope)) is not None]

    async def _heard(self, event: Event, activity: Mapping[str, Any], envelope: Envelope) -> Event | None:
        """The event with what is remembered of its author, None where it is not for us.

        A thread the bot is part of is followed without a mention, by those who may ask there; of whom that is not
        known yet, Teams is asked once the event is stored and acknowledged: see `introduce`.
        """
        event = replace(event, author=self._people.recalled(event.author))
        if isinstance(event, Feedback):
            return await self._aimed(replace(event, return_address=envelope.address), envelope)
        if is_for_us(event, activity):
            return event
        if not (may_be_ours(event) and await self._knows(envelope.thread)):
            return None
        if not self._may(event.author, envelope.thread):
            return None
        return replace(event, return_address={**event.return_address, _OVERHEARD: True})

    async def _aimed(self, vote: Feedback, envelope: Envelope) -> Feedback:
        """After a stream Teams may name another message than the answer: then it is the newest one to this person."""
        named, may_stream = vote.target, envelope.kind == "personal"
        if not (may_stream and vote.origin is Origin.BUTTON and isinstance(named, PartId)):
            return vote
        if await self._is_part(named):
            return vote
        return replace(vote, target=LastReplyTo(vote.author, envelope.thread))

    def _report(self, error: Forged) -> None:
        now = monotonic()
        if now - self._forged_at > _FORGED_EVERY:
            self._forged_at = now
            log.warning(
                "a request to %s is not believed to be Teams': %s. If your own bot is meant: teams.app_id, "
                "teams.tenant_id, this machine's clock",
                PATH,
                error,
            )


def _greeting(welcome: Welcome) -> Command:
    """Whoever adds the bot is told what it can do, once for each place and for as long as that is remembered."""
    return Command(
        id=welcome.id,
        thread=welcome.thread,
        author=welcome.author,
        sent_at=welcome.sent_at,
        visibility=welcome.visibility,
        return_address={**welcome.return_address, _GREETING: True},
        name=CommandName.HELP,
        args="",
    )
