"""What Slack tells us, written down in a middleware before anything is acknowledged; then Bolt's listeners run."""

import asyncio
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.slack.client import QUIET, Clients, SlackRefused
from adapters.slack.files import described
from adapters.slack.installations import Bot, Installations
from adapters.slack.parse import Place, is_for_us, language_of_modal, parse
from adapters.slack.payload import Payload, part_of, text_of
from adapters.slack.people import People
from adapters.slack.render import feedback_modal
from adapters.slack.settings import SlackSettings
from adapters.slack.texts import say, suggestions
from core.errors import ChannelError, NotStored, Unreadable, trace
from core.language import language_of
from core.message import Attachment, Author, Command, Deleted, Event, Feedback, Message, ThreadId
from core.ports import Accept, Metrics

log = logging.getLogger(__name__)

# Slack waits 3 s for an answer (docs.slack.dev, "The Events API").
_SECONDS = 2.7
_FILES_SECONDS = 1.0
_THREADS = 50_000
_EVENTS = 10_000
_STRANGERS = 1_000

Knows = Callable[[ThreadId], Awaitable[bool]]
"""Whether a thread is one of ours; raises NotStored."""
May = Callable[[Author, ThreadId], bool]
"""Whether somebody may ask there."""


class _Counted(NotStored):
    """The inbox did not take it, and has counted that."""


class Intake:
    """One path for HTTP and Socket Mode: who we are there, what it means, the inbox, and only then the answer."""

    def __init__(
        self,
        settings: SlackSettings,
        *,
        installations: Installations,
        clients: Clients,
        people: People,
        metrics: Metrics,
        knows: Knows,
        may: May,
    ) -> None:
        self._settings = settings
        self._installations = installations
        self._clients = clients
        self._people = people
        self._metrics = metrics
        self._knows = knows
        self._may = may
        self._known: OrderedDict[ThreadId, None] = OrderedDict()
        self._strangers: set[str] = set()
        self._removed: set[str] = set()
        self._complaint = ""
        self._storing: OrderedDict[tuple[str, ...], asyncio.Future[Any]] = OrderedDict()
        self.bolt = self._app()

    async def take(self, request: AsyncBoltRequest, accept: Accept) -> BoltResponse:
        """What Slack is answered: 503 where it was not stored, so that it comes again."""
        try:
            async with asyncio.timeout(_SECONDS):
                bot = await self._bot(request)
                if bot is None and not _is_handshake(request.body):
                    self._turn_away(request.context.team_id or request.context.enterprise_id or "")
                    return BoltResponse(status=HTTPStatus.OK, body="")
                request.context["bot"] = bot
                request.context["accept"] = accept
                response: BoltResponse = await self.bolt.async_dispatch(request)
                # What nobody listens to is heard all the same: it would come again, and Slack might fall silent.
                return response if response.status != HTTPStatus.NOT_FOUND else BoltResponse(status=HTTPStatus.OK)
        except (NotStored, TimeoutError, ChannelError, Unreadable) as error:
            if isinstance(error, SlackRefused) and error.is_about_token and _is_removal(request.body):
                return BoltResponse(status=HTTPStatus.OK, body="")  # the second event of a removal
            return self._not_stored(request.body, error)

    async def _bot(self, request: AsyncBoltRequest) -> Bot | None:
        context = request.context
        if _is_handshake(request.body) or not (context.team_id or context.enterprise_id):
            return None
        return await self._installations.bot(context.enterprise_id, context.team_id)

    def _turn_away(self, workspace: str) -> None:
        if workspace not in self._strangers and len(self._strangers) < _STRANGERS:
            self._strangers.add(workspace)
            log.warning(
                "Slack sends events of the workspace %s, where the app is not installed, or which is not among "
                "access.slack.workspaces; they are dropped",
                workspace or "(unnamed)",
            )

    # ----------------------------------------------------------------------------------------------------- Bolt's app

    def _app(self) -> AsyncApp:
        """Requests are verified before they come here. Everything is named: Bolt would look into the environment."""
        app = AsyncApp(
            name="parley",
            logger=QUIET,
            signing_secret=self._settings.signing_secret or "socket mode needs none",
            client=self._clients.sdk(),
            authorize=_authorize,
            request_verification_enabled=False,
            ssl_check_enabled=False,
        )
        app.use(self._keep)
        # The first that matches is taken, so what comes most stands first.
        app.event("app_home_opened")(self._on_home)
        app.event(re.compile(".*"))(_do_nothing)  # what nobody listens to would be a 404, and come again
        app.action("feedback")(self._on_vote)
        app.action(re.compile(".*"))(_do_nothing)
        app.view(re.compile(".*"))(_do_nothing)
        app.command(re.compile(".*"))(_do_nothing)
        app.shortcut(re.compile(".*"))(_do_nothing)
        app.error(_report)
        return app

    async def _keep(
        self, body: Payload, context: AsyncBoltContext, next: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        """Bolt acknowledges an event before its listener runs: whatever must be kept is kept here, before."""
        bot: Bot = context["bot"]
        place = self._place(bot)
        try:
            if _is_removal(body):
                await self._forget(body, context)
            else:
                self._removed.discard(bot.workspace)
            context["events"] = events = await self._ours(parse(body, place), body, place)
            if events:
                await self._store(events, context["accept"])
                self._is_well_again()
        except (NotStored, ChannelError) as error:
            return self._not_stored(body, error)
        except Exception as error:
            log.error("an event of Slack could not be kept: %s", trace(error))
            return self._not_stored(body, error)
        for event in events:
            if isinstance(event, Message | Command) and self._may(event.author, event.thread):
                self._remember(event.thread)
        # Acknowledged here, not by a listener: Bolt looks for a listener's word every 10 ms only.
        await context.ack(_first_word(body, events))
        await next()
        return None

    def _not_stored(self, body: Payload, error: Exception) -> BoltResponse:
        """The operator is told of a cause once, until events are stored again: Slack repeats each one four times."""
        if not isinstance(error, _Counted):
            outcome = "refused" if isinstance(error, ChannelError) else "not_stored"
            self._metrics.count("events", channel="slack", outcome=outcome)
        cause = NotStored.__name__ if isinstance(error, NotStored) else type(error).__name__
        if self._complaint != cause:
            self._complaint = cause
            log.warning("an event of Slack was not stored, so it is not acknowledged: %s", cause)
        return _turned_away(body)

    def _is_well_again(self) -> None:
        if self._complaint:
            self._complaint = ""
            log.info("events of Slack are stored again")

    async def _store(self, events: tuple[Event, ...], accept: Accept) -> None:
        """Stores them; what is being stored or was just stored, as the other event of one post, is not stored twice.

        The inbox would know it too: this spares it a transaction for every mention.
        """
        ids = tuple(event.id for event in events)
        storing = self._storing.get(ids)
        if storing is None:
            storing = self._storing[ids] = asyncio.ensure_future(accept(events))
            storing.add_done_callback(lambda done: self._stored(ids, done))
        try:
            await asyncio.shield(storing)
        except NotStored:
            raise _Counted from None

    def _stored(self, ids: tuple[str, ...], storing: "asyncio.Future[Any]") -> None:
        if storing.cancelled() or storing.exception() is not None:
            self._storing.pop(ids, None)  # not stored: the next one to come tries again
        elif len(self._storing) > _EVENTS:
            self._storing.popitem(last=False)

    def _place(self, bot: Bot) -> Place:
        return Place(
            workspace=bot.workspace,
            enterprise=bot.enterprise or "",
            bot_user=bot.user_id,
            received_at=datetime.now(UTC),
            scores=self._settings.scores,
        )

    async def _ours(self, events: Sequence[Event], body: Payload, place: Place) -> tuple[Event, ...]:
        """Those events that concern us, with what Slack knows of their authors."""
        ours = []
        for event in events:
            is_addressed = is_for_us(event, body, place)
            if is_addressed or await self._is_in_known_thread(event):
                ours.append(await self._introduced(event, place, is_addressed=is_addressed))
        return tuple(event for event in ours if event is not None)

    async def _introduced(self, event: Event, place: Place, *, is_addressed: bool) -> Event | None:
        if isinstance(event, Deleted):  # everybody may take back their own words, whoever they are
            return event
        author = await self._people.introduce(event.author, place.enterprise)
        if author.is_bot:
            return None
        if isinstance(event, Feedback):
            return replace(event, author=author)
        if isinstance(event, Message | Command) and not is_addressed and not self._may(author, event.thread):
            return None  # who was not asking us is not told that they may not
        if isinstance(event, Message):
            event = replace(event, attachments=await self._described(event.attachments))
        return replace(event, author=author)

    async def _described(self, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        """With what Slack says of files of which it sent the id alone, where it says so soon enough."""
        bare = [each for each in attachments if not each.address.get("url")]
        if not bare:
            return attachments
        try:
            async with asyncio.timeout(_FILES_SECONDS):
                told = await asyncio.gather(*(described(self._clients, each) for each in bare))
        except TimeoutError:
            log.info("Slack does not say what %d files are; the question is stored without", len(bare))
            return attachments
        known = {each.id: each for each in told}
        return tuple(known.get(each.id, each) for each in attachments)

    async def _is_in_known_thread(self, event: Event) -> bool:
        # Nobody can have asked us in a thread that a message only begins: most of what a channel says is such a one.
        return not isinstance(event, Feedback) and not _is_root(event) and await self._is_known(event.thread)

    async def _is_known(self, thread: ThreadId) -> bool:
        if thread in self._known:
            self._known.move_to_end(thread)
            return True
        if await self._knows(thread):
            self._remember(thread)
            return True
        return False

    def _remember(self, thread: ThreadId) -> None:
        self._known[thread] = None
        if len(self._known) > _THREADS:
            self._known.popitem(last=False)

    async def _forget(self, body: Payload, context: AsyncBoltContext) -> None:
        event, happened_at = part_of(body, "event"), body.get("event_time")
        is_gone = text_of(event, "type") == "app_uninstalled" or bool(part_of(event, "tokens").get("bot"))
        if is_gone:
            self._tell_of_removal(context["bot"].workspace)
            # What was installed again since then is not touched by an event that comes late.
            before = _moment(happened_at)
            await self._installations.forget(context.enterprise_id, context.team_id, before=before)

    def _tell_of_removal(self, workspace: str) -> None:
        """Slack sends two events of one removal (docs.slack.dev, "app_uninstalled", "tokens_revoked")."""
        if workspace not in self._removed:
            self._removed.add(workspace)
            log.warning("the app was removed from %s; nobody there is answered any more", workspace)

    # ------------------------------------------------------------------------------------- after it was written down

    async def _on_vote(self, body: Payload, context: AsyncBoltContext) -> None:
        events: Sequence[Event] = context.get("events", ())
        vote = next((event for event in events if isinstance(event, Feedback)), None)
        if vote is not None and vote.score == 1:
            await self._ask_why(vote, body, context["bot"])

    async def _ask_why(self, vote: Feedback, body: Payload, bot: Bot) -> None:
        """The vote counts already; a trigger is good for 3 s, so this is tried once."""
        language = language_of("", vote.author.locale)
        view = feedback_modal(json.dumps({"reply": str(vote.target), "language": language}), language)
        try:
            client = await self._clients.of(bot.workspace)
            await client.call("views_open", patience=0, trigger_id=text_of(body, "trigger_id"), view=view)
        except ChannelError as error:
            log.info("a person could not be asked for their reason: %s", error)

    async def _on_home(self, body: Payload, context: AsyncBoltContext) -> None:
        event, bot = part_of(body, "event"), context["bot"]
        if text_of(event, "tab") != "messages":
            return
        try:
            person = await self._people.person(bot.workspace, text_of(event, "user"), bot.enterprise or "")
            client = await self._clients.of(bot.workspace)
            await client.call(
                "assistant_threads_setSuggestedPrompts",
                patience=0,
                channel_id=text_of(event, "channel"),
                prompts=suggestions(language_of("", person.locale)),
            )
        except ChannelError as error:
            log.debug("no prompts are suggested: %s", error)


async def _authorize(context: AsyncBoltContext) -> AuthorizeResult:
    """Who we are was found out before Bolt was asked."""
    bot: Bot = context["bot"]
    return AuthorizeResult(
        enterprise_id=bot.enterprise,
        team_id=bot.workspace,
        bot_user_id=bot.user_id,
        bot_id=bot.bot_id,
        bot_token=bot.token,
    )


def _first_word(body: Payload, events: Sequence[Event]) -> str:
    """What a slash command is answered at once: the answer itself comes later, and may take its time."""
    question = next((event for event in events if isinstance(event, Message)), None)
    if question is None or not text_of(body, "command"):
        return ""
    return say("private_answer_comes", language_of("", question.author.locale))


def _moment(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _is_root(event: Event) -> bool:
    """Whether this is a message that begins its thread."""
    return isinstance(event, Message) and event.id.endswith(f":{event.thread.thread}")


async def _do_nothing() -> None:
    """All that had to be done is done."""


async def _report(error: Exception) -> BoltResponse:
    """Bolt could not make sense of a request, or a listener failed after the event was kept."""
    log.error("a request of Slack was not understood: %s", trace(error))
    return BoltResponse(status=HTTPStatus.BAD_REQUEST, body="")


def _turned_away(body: Payload) -> BoltResponse:
    """Slack sends events again; a person at a modal is told, and it stays open with what they wrote."""
    if text_of(body, "type") != "view_submission":
        return BoltResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, body="", headers={"Retry-After": "2"})
    view = part_of(body, "view")
    sentence = say("not_stored", language_of_modal(view))
    return BoltResponse(status=HTTPStatus.OK, body={"response_action": "errors", "errors": {_field(view): sentence}})


def _field(view: Payload) -> str:
    """The last field of a modal that takes an answer: a sentence can stand under it."""
    blocks = view.get("blocks")
    fields = [block for block in blocks if isinstance(block, Mapping)] if isinstance(blocks, list) else []
    return next((text_of(block, "block_id") for block in reversed(fields) if block.get("type") == "input"), "comment")


def _is_removal(body: Payload) -> bool:
    return text_of(part_of(body, "event"), "type") in ("app_uninstalled", "tokens_revoked")


def _is_handshake(body: Payload) -> bool:
    return text_of(body, "type") == "url_verification"
