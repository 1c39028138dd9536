"""The front desk: who came, what they want written down, and where they will read the answer."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.console.parse import (
    ACTIONS,
    Payload,
    event_id_of,
    parse,
    payload_of,
    reply_id_of,
    thread_id,
    thread_name,
    thread_of,
    wants_reasoning,
)
from adapters.console.problem import Problem
from adapters.console.settings import ConsoleSettings
from adapters.console.texts import language_of, say
from adapters.console.verify import Visitor, cookie_header, cookies, stamp, verify
from core.errors import NotStored
from core.message import Event, Reply, ReplyId, ThreadId
from core.ports import Accept, Archive, Drafts, Metrics, Model, Received, Webhook


@dataclass(frozen=True, slots=True)
class Taken:
    """An action that is written down: what it will be answered as, by whom it was asked, and what they want to see."""

    action: str
    visitor: Visitor
    thread: ThreadId
    event: Event
    reply_id: ReplyId
    wants_reasoning: bool = False


class Desk:
    """What the webhook and the routes share. `model` tells which one answers now, None while none is loaded."""

    def __init__(
        self,
        settings: ConsoleSettings,
        *,
        drafts: Drafts,
        archive: Archive,
        model: Callable[[], Model | None],
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        self.drafts = drafts
        self.archive = archive
        self.model = model
        self._metrics = metrics

    def language(self, webhook: Webhook) -> str:
        """The language to speak to whoever sent this: chosen on the page, else the browser's."""
        chosen = (webhook.query.get("lang", ""), cookies(webhook).get("parley_lang", ""))
        return language_of(webhook.headers.get("accept-language", ""), *chosen)

    def visitor(self, webhook: Webhook) -> Visitor:
        """Who sent this; raises Problem where they may not come in."""
        return verify(webhook, self.settings, newcomer=lambda: secrets.token_hex(16), locale=self.language(webhook))

    def introduction(self, visitor: Visitor) -> dict[str, str]:
        """The headers that make a newcomer known from here on, and remind whoever is of their CSRF token."""
        if not visitor.cookie:
            return {}
        cookie = {"Set-Cookie": cookie_header(visitor, self.settings)} if visitor.is_new else {}
        return {**cookie, "X-CSRF-Token": visitor.csrf}

    async def take(self, webhook: Webhook, visitor: Visitor, accept: Accept) -> Taken:
        """Has the events of a POST written down; raises Problem or NotStored."""
        action = webhook.path.strip("/")
        if action not in ACTIONS:
            raise Problem(404, "not_found")
        payload = payload_of(webhook.body)
        is_curious = wants_reasoning(payload)
        key = webhook.headers.get("idempotency-key")
        try:
            thread, event_id = await self._place(action, payload, visitor, key)
        except NotStored:  # where it belongs could not be looked up; what comes to the inbox is counted there
            self._metrics.count("events", channel="console", outcome="not_stored")
            raise
        events = parse(
            action,
            payload,
            author=visitor.author,
            thread=thread,
            event_id=event_id,
            now=webhook.received_at,
            max_prompt=self.settings.max_prompt,
        )
        (receipt,) = await accept(events)
        return Taken(action, visitor, thread, events[0], receipt.reply_id, is_curious)

    def whereabouts(self, taken: Taken) -> dict[str, Any]:
        """Where the answer will be found."""
        return {
            "thread": taken.thread.thread,
            "reply_id": taken.reply_id,
            "events": self.events_url(taken.visitor, taken.reply_id),
        }

    def events_url(self, visitor: Visitor, reply_id: ReplyId) -> str:
        """The address under which this visitor, and nobody else, follows this reply."""
        return f"/replies/{reply_id}/events?stamp={stamp(self.settings, visitor.author, reply_id)}"

    async def own_thread(self, visitor: Visitor, thread: ThreadId) -> ThreadId:
        """The thread, if the visitor began it; raises Problem."""
        if not await self.archive.owns(thread, visitor.author):
            raise Problem(404, "no_thread")
        return thread

    async def own_reply(self, visitor: Visitor, reply_id: ReplyId) -> Reply:
        """The reply, if it was given to the visitor; raises Problem."""
        reply = await self.archive.reply(reply_id, visitor.author)
        if reply is None:
            raise Problem(404, "no_reply")
        return reply

    async def own_reasoning(self, visitor: Visitor, reply_id: ReplyId) -> str:
        """What was thought before a reply to the visitor, "" where nothing was; raises Problem."""
        thought = await self.archive.reasoning(reply_id, visitor.author)
        if thought is None:
            raise Problem(404, "no_reply")
        return thought

    async def _place(self, action: str, payload: Payload, visitor: Visitor, key: str | None) -> tuple[ThreadId, str]:
        """The thread an action belongs to and the dedupe key of its event."""
        author = visitor.author
        named = str(payload.get("thread") or payload.get("reply_id") or "")
        event_id = secrets.token_hex(16) if key is None else event_id_of(action, author, named, key)
        if action in ("feedback", "regenerate", "confirm"):
            reply = await self.own_reply(visitor, reply_id_of(payload))
            return reply.thread, event_id
        if action == "chat" and payload.get("thread") is None:
            # Named by its first event, so that a repeated call names the same thread.
            return thread_id(author, thread_name(bytes.fromhex(event_id))), event_id
        return await self.own_thread(visitor, thread_of(payload, author)), event_id


def as_json(status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Received:
    """A JSON answer."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Received(status, body, "application/json; charset=utf-8", dict(headers or {}))


def refusal(error: Problem | NotStored, language: str) -> Received:
    """What went wrong, as JSON with a sentence in the reader's language."""
    if isinstance(error, NotStored):
        error = Problem(503, "not_stored", headers={"Retry-After": "2"})
    sentence = say(error.name, language, **error.values)
    headers = {**error.headers, "Content-Language": language}
    return as_json(error.status, {"error": sentence, "code": error.name}, headers)
