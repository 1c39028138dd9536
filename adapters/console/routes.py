"""The console over HTTP: the page, the API, and answers as server-sent events."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from adapters.console.assets import assets
from adapters.console.desk import Desk, Taken, as_json, refusal
from adapters.console.intake import envelope, read
from adapters.console.pages import (
    ENTRIES_PER_PAGE,
    THREADS_PER_PAGE,
    ExchangeView,
    Look,
    chat_page,
    exchange_view,
    exchanges_fragment,
    notice_page,
    threads_fragment,
)
from adapters.console.parse import payload_of, thread_id
from adapters.console.problem import Problem
from adapters.console.render import markdown
from adapters.console.streams import Events, once, outcome, send, shown, told, watched
from adapters.console.texts import say
from adapters.console.verify import Visitor, admit, check_place, check_stamp, cookie_header, cookies
from core.errors import NotStored
from core.message import Command, CommandName, ReplyId, ThreadId
from core.ports import Accept, Draft, Entry, Received, State, ThreadSummary, Webhook

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A stop is obeyed, or said to have stopped nothing, within a second.
_STOP_SECONDS = 1.0
_CURSOR = re.compile(r"[0-9]{1,18}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Action = Callable[[web.Request, Webhook, Visitor], Awaitable[web.StreamResponse]]


class Routes:
    """Handlers over one desk; `accept` writes events down."""

    def __init__(self, desk: Desk, accept: Accept) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._accept = accept

    def table(self) -> list[web.RouteDef]:
        """Every address of the console."""
        return [
            web.get("/", self._page(self._chat_page)),
            web.get("/t/{thread}", self._page(self._chat_page)),
            web.get("/t/{thread}/earlier", self._api(self._earlier)),
            web.get("/side", self._api(self._side)),
            web.get("/model", self._api(self._model)),
            web.get("/threads", self._api(self._threads)),
            web.get("/threads/{thread}", self._api(self._thread)),
            web.get("/replies/{reply}/events", self._api(self._events), allow_head=False),
            web.get("/replies/{reply}/reasoning", self._api(self._reasoning)),
            web.post("/chat", self._api(self._chat)),
            web.post("/regenerate", self._api(self._chat)),
            web.post("/confirm", self._api(self._chat)),
            web.post("/stop", self._api(self._order)),
            web.post("/feedback", self._api(self._order)),
            web.post("/sign-in", self._sign_in),
            web.post("/sign-out", self._api(self._sign_out)),
            web.get("/static/{digest}/{name}", self._asset),
        ]

    # ----------------------------------------------------------------------------------------------- actions (the API)

    async def _chat(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        taken = await self._desk.take(webhook, visitor, self._accept)
        at_once = await self._said_at_once(taken, webhook)
        if "text/event-stream" in webhook.headers.get("accept", ""):
            drafts = once(at_once) if at_once else watched(self._desk, taken.reply_id)
            return await self._send(request, visitor, told(self._desk, taken, drafts))
        if "respond-async" in webhook.headers.get("prefer", "").lower() and not at_once:
            return self._respond(as_json(202, self._desk.whereabouts(taken)), visitor)
        with suppress(NotStored):  # the answer stands, and is read when the database is back
            if draft := at_once or await self._finished(taken.reply_id, self._settings.answer_timeout.total_seconds()):
                return self._respond(as_json(200, await outcome(self._desk, taken, draft)), visitor)
        message = say("still_answering", self._desk.language(webhook))
        return self._respond(as_json(202, {**self._desk.whereabouts(taken), "message": message}), visitor)

    async def _said_at_once(self, taken: Taken, webhook: Webhook) -> Draft | None:
        """What a stop word is answered with: it acts beside the turns, and is answered only where it stops nothing."""
        if not (isinstance(taken.event, Command) and taken.event.name is CommandName.STOP):
            return None
        if said := await self._finished(taken.reply_id, within=_STOP_SECONDS):
            return said
        return Draft(taken.reply_id, 0, say("stopping", self._desk.language(webhook)), State.DONE)

    async def _order(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        await self._desk.take(webhook, visitor, self._accept)
        return self._respond(as_json(200, {"ok": True}), visitor)

    async def _finished(self, reply_id: ReplyId, within: float) -> Draft | None:
        """The final draft; None where it does not come in time, or can't be read just now."""
        with suppress(TimeoutError, NotStored):
            async with (
                asyncio.timeout(within),
                aclosing(self._desk.drafts.follow(reply_id)) as drafts,
            ):
                async for draft in drafts:
                    if draft.is_final:
                        return draft
        return None

    # ------------------------------------------------------------------------------------------------ reading (the API)

    async def _threads(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        summaries = await self._summaries(webhook, visitor)
        return self._respond(as_json(200, {"threads": [_summary(summary) for summary in summaries]}), visitor)

    async def _thread(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        thread = await self._own_thread(request, visitor)
        entries = await self._entries(thread, webhook, visitor)
        answer = {"thread": thread.thread, "entries": [_entry(entry) for entry in entries]}
        return self._respond(as_json(200, answer), visitor)

    async def _model(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        model = self._desk.model()
        known = {"name": model.name, "version": model.version, "is_demo": model.is_demo} if model else {}
        return self._respond(as_json(200, {"is_ready": model is not None, **known}), visitor)

    async def _events(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        """A growing answer as HTML fragments, each the whole of it so far."""
        reply_id = ReplyId(request.match_info["reply"])
        check_stamp(self._settings, visitor.author, reply_id, webhook.query.get("stamp", ""))
        language = self._desk.language(webhook)
        return await self._send(request, visitor, shown(self._desk, reply_id, language))

    async def _reasoning(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        """What was thought before an answer: as text for programs, for the page as HTML."""
        reply_id = ReplyId(request.match_info["reply"])
        thought = await self._desk.own_reasoning(visitor, reply_id)
        if "text/html" in webhook.headers.get("accept", ""):
            return _html(200, markdown(thought, self._desk.language(webhook)))
        return self._respond(as_json(200, {"reply_id": reply_id, "reasoning": thought}), visitor)

    # ------------------------------------------------------------------------------------------------------- the pages

    async def _chat_page(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        look = self._look(webhook)
        exchanges: tuple[ExchangeView, ...] = ()
        thread = request.match_info.get("thread", "")
        if thread:
            exchanges = await self._exchanges(request, webhook, visitor)
        html = chat_page(
            look,
            visitor,
            self._desk.model(),
            await self._desk.archive.threads(visitor.author, limit=THREADS_PER_PAGE),
            exchanges,
            thread=thread,
            max_prompt=self._settings.max_prompt,
        )
        # Sent with every page, so that a browser that keeps coming is never forgotten.
        headers = {"Set-Cookie": cookie_header(visitor, self._settings)} if visitor.cookie else {}
        response = _html(200, html, headers)
        if webhook.query.get("lang") == look.language:
            response.set_cookie("parley_lang", look.language, max_age=365 * 24 * 3600, path="/", samesite="Strict")
        return response

    async def _side(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        summaries = await self._summaries(webhook, visitor)
        thread = webhook.query.get("thread", "")
        return _html(200, threads_fragment(self._look(webhook), summaries, thread=thread))

    async def _earlier(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        exchanges = await self._exchanges(request, webhook, visitor)
        return _html(200, exchanges_fragment(self._look(webhook), exchanges))

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        """Exchanges a pasted token for the cookie that stands for it."""
        webhook = envelope(request)
        try:
            check_place(webhook, self._settings)
            webhook = await read(request, self._settings.max_body)
            visitor = admit(str(payload_of(webhook.body).get("token", "")).strip(), self._settings)
        except Problem as problem:
            return self._respond(refusal(problem, self._desk.language(webhook)))
        return self._respond(as_json(200, {"ok": True}), visitor)

    async def _sign_out(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> web.StreamResponse:
        forgotten = Visitor(visitor.author, "", "")
        return self._respond(as_json(200, {"ok": True}, {"Set-Cookie": cookie_header(forgotten, self._settings)}))

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        asset = assets().get(request.match_info["name"])
        if asset is None or asset.digest != request.match_info["digest"]:
            return self._respond(refusal(Problem(404, "not_found"), "en"))
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{asset.digest}"', **_SECURITY}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.body, headers={**headers, "Content-Type": asset.media_type})

    # ----------------------------------------------------------------------------------------------- what they build on

    def _api(self, action: Action) -> Handler:
        """An action that answers programs: what is wrong is said as JSON."""

        async def handle(request: web.Request) -> web.StreamResponse:
            webhook = envelope(request)
            try:
                visitor = self._desk.visitor(webhook)
                if request.method == "POST":
                    webhook = await read(request, self._settings.max_body)
                return await action(request, webhook, visitor)
            except (Problem, NotStored) as error:
                return self._respond(refusal(error, self._desk.language(webhook)))

        return handle

    def _page(self, action: Action) -> Handler:
        """An action that answers people: what is wrong is said on a page."""

        async def handle(request: web.Request) -> web.StreamResponse:
            webhook = envelope(request)
            look = self._look(webhook)
            try:
                return await action(request, webhook, self._desk.visitor(webhook))
            except Problem as problem:
                return self._notice(problem, webhook, look)
            except NotStored:
                sentence = say("not_stored", look.language)
                return _html(503, notice_page(look, "error", sentence=sentence), {"Retry-After": "2"})

        return handle

    def _notice(self, problem: Problem, webhook: Webhook, look: Look) -> web.Response:
        if problem.status == 401:
            return _html(401, notice_page(look, "sign_in"), problem.headers)
        # Without the cookie, which the browser holds back here, they would be taken for somebody new.
        if problem.name == "bad_origin" and webhook.headers.get("sec-fetch-mode") == "navigate":
            return _html(403, notice_page(look, "cross_site", path=webhook.path))
        sentence = say(problem.name, look.language, **problem.values)
        return _html(problem.status, notice_page(look, "error", sentence=sentence), problem.headers)

    def _look(self, webhook: Webhook) -> Look:
        theme = cookies(webhook).get("parley_theme", "")
        return Look(self._desk.language(webhook), theme if theme in ("light", "dark") else "")

    async def _own_thread(self, request: web.Request, visitor: Visitor) -> ThreadId:
        return await self._desk.own_thread(visitor, thread_id(visitor.author, request.match_info["thread"]))

    async def _summaries(self, webhook: Webhook, visitor: Visitor) -> tuple[ThreadSummary, ...]:
        before = _moment(webhook.query["before"]) if "before" in webhook.query else None
        return await self._desk.archive.threads(visitor.author, limit=THREADS_PER_PAGE, before=before)

    async def _entries(self, thread: ThreadId, webhook: Webhook, visitor: Visitor) -> tuple[Entry, ...]:
        before = _cursor(webhook.query["before"]) if "before" in webhook.query else None
        return await self._desk.archive.entries(thread, visitor.author, limit=ENTRIES_PER_PAGE, before=before)

    async def _exchanges(self, request: web.Request, webhook: Webhook, visitor: Visitor) -> tuple[ExchangeView, ...]:
        language = self._desk.language(webhook)
        entries = await self._entries(await self._own_thread(request, visitor), webhook, visitor)
        return tuple(
            exchange_view(entry, lambda e: self._desk.events_url(visitor, e.reply_id), language) for entry in entries
        )

    def _respond(self, received: Received, visitor: Visitor | None = None) -> web.Response:
        headers = {"Cache-Control": "no-store", **_SECURITY, **received.headers, "Content-Type": received.content_type}
        if visitor is not None:
            headers |= self._desk.introduction(visitor)
        return web.Response(status=received.status, body=received.body, headers=headers)

    async def _send(self, request: web.Request, visitor: Visitor, events: Events) -> web.StreamResponse:
        headers = {
            **_SECURITY,
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            **self._desk.introduction(visitor),
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await send(events, response)
        return response


def _html(status: int, html: str, headers: Mapping[str, str] | None = None) -> web.Response:
    fixed = {**_SECURITY, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
    return web.Response(
        status=status, text=html, content_type="text/html", charset="utf-8", headers={**fixed, **(headers or {})}
    )


def _summary(summary: ThreadSummary) -> dict[str, Any]:
    return {
        "thread": summary.thread.thread,
        "title": summary.title,
        "updated_at": summary.updated_at.isoformat(),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    rating = {None: "none", 1: "down", 5: "up"}.get(entry.vote.score, "none") if entry.vote else "none"
    return {
        "cursor": entry.cursor,
        "question": entry.question,
        "sent_at": entry.sent_at.isoformat(),
        "reply_id": entry.reply_id,
        "state": State.DONE if entry.state is State.DELIVERING else entry.state or "waiting",
        "answer": entry.answer,
        "model": entry.model,
        "source": entry.source,
        "rating": rating,
        "reason": entry.vote.reason if entry.vote else "",
        "comment": entry.vote.comment if entry.vote else "",
    }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise Problem(422, "bad_cursor") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cursor(text: str) -> int:
    if not _CURSOR.fullmatch(text):
        raise Problem(422, "bad_cursor")
    return int(text)
