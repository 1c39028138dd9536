"""Growing answers as server-sent events, for programs as text and for the page as HTML."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from aiohttp import web

from adapters.console.desk import Desk, Taken
from adapters.console.render import answer_view, server_event, step
from core.errors import NotStored
from core.message import ReplyId, Source
from core.ports import Draft, State

Events = AsyncGenerator[bytes, None]
Watched = AsyncGenerator[Draft | None, None]

# A comment: it keeps the connection open, and tells the server when nobody is there to read it.
_BEAT = b": still here\n\n"


async def send(events: Events, response: web.StreamResponse) -> None:
    """Writes the events until they end, the reader leaves, or the drafts can't be read: then the reader comes back."""
    with suppress(ConnectionResetError, NotStored):
        async with aclosing(events):
            async for event in events:
                await response.write(event)


async def outcome(desk: Desk, taken: Taken, draft: Draft) -> dict[str, Any]:
    """A finished answer as the API gives it; raises NotStored where what was thought is asked for and away."""
    answer = {
        "response": draft.text,
        "thread": taken.thread.thread,
        "reply_id": taken.reply_id,
        "model": draft.model,
        "source": draft.source or Source.HOUSE,
        # What is written is finished for whoever asked, though the outbox may still have to hear of it.
        "state": State.DONE if draft.state is State.DELIVERING else draft.state,
    }
    if not taken.wants_reasoning:
        return answer
    thought = await desk.archive.reasoning(taken.reply_id, taken.visitor.author) if draft.has_reasoning else ""
    return answer | {"reasoning": thought or ""}


async def told(desk: Desk, taken: Taken, drafts: Watched) -> Events:
    """An answer for a program: start, status, delta, replace and done."""
    yield server_event("start", {"thread": taken.thread.thread, "reply_id": taken.reply_id})
    text = status = ""
    async with aclosing(drafts):
        async for draft in drafts:
            if draft is None:
                yield _BEAT
                continue
            if draft.status not in ("", status):
                status = draft.status
                yield server_event("status", {"status": status})
            if change := step(text, draft.text):
                text = draft.text
                yield server_event(*change)
            if draft.is_final:
                yield server_event("done", await outcome(desk, taken, draft))


async def shown(desk: Desk, reply_id: ReplyId, language: str) -> Events:
    """An answer for the page: each event is all of it so far, as HTML."""
    async with aclosing(watched(desk, reply_id)) as drafts:
        async for draft in drafts:
            yield _BEAT if draft is None else _as_html(draft, language)


def _as_html(draft: Draft, language: str) -> bytes:
    view = answer_view(
        draft.text,
        draft.state,
        status=draft.status,
        model=draft.model,
        source=draft.source,
        has_reasoning=draft.has_reasoning,
        language=language,
    )
    data = {
        "html": view.html,
        "note": view.note,
        "label": view.label,
        "state": view.state,
        "has_reasoning": view.has_reasoning,
    }
    return server_event("done" if view.is_final else "draft", data)


async def once(draft: Draft) -> Watched:
    """A draft that is all there will be."""
    yield draft


async def watched(desk: Desk, reply_id: ReplyId) -> Watched:
    """Each draft up to the final one, and None whenever nothing came for the time of a heartbeat."""
    pause = desk.settings.heartbeat.total_seconds()
    async with aclosing(desk.drafts.follow(reply_id)) as drafts:
        following = asyncio.ensure_future(anext(drafts, None))
        try:
            while True:
                if not (await asyncio.wait({following}, timeout=pause))[0]:
                    yield None
                    continue
                draft = following.result()
                if draft is None:
                    return
                yield draft
                if draft.is_final:
                    return
                following = asyncio.ensure_future(anext(drafts, None))
        finally:
            # An async generator can't be closed while it is being asked for its next item.
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
