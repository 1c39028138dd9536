"""One turn, from its claim to the finished answer: a state machine whose every state is stored."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.answer import conversation
from core.commands import is_farewell, question_in
from core.delivery import Courier, Feed
from core.drafting import Drafter
from core.errors import Busy, EngineError, KeyMissing, LeaseLost, Malformed, NotStored, TooLong, Unstorable, trace
from core.extras import Placed, within_room
from core.hall import Hall
from core.history import within_budget
from core.introduction import Introduction
from core.language import language_of
from core.limiting import over_limit
from core.manuscript import Manuscript
from core.message import (
    NO_USAGE,
    Chunk,
    Command,
    CommandName,
    Message,
    PartId,
    Reasoning,
    Replace,
    Reply,
    ReplyId,
    Source,
    Text,
)
from core.ports import Claim, Delivery, Exchange, Finished, Mark, State, Unit
from core.reader import read, read_missed, within_context
from core.reading import EMPTY, Reading, apology
from core.stopwatch import Stopwatch
from core.texts import say
from core.turn import Pending, Turn, Utterance

log = logging.getLogger(__name__)

_STORE_RETRY = 0.5


@dataclass(frozen=True, slots=True)
class Sentence:
    """The turn is answered by a fixed sentence of the house, which is kept and shown nowhere where it `is_silent`.

    The sentence has its `values` filled in.
    """

    name: str
    state: State = State.DELIVERING
    is_silent: bool = False
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """The turn is answered by the line of middlewares. `replaces` is the answer to be written again.

    `reading` is what an earlier try has read, None where none has. What was said in the thread before belongs to it
    where it `needs_thread`. `confirmed` is what its asker has said yes to. Where it `is_metered`, it is one of
    those that a person has so many of in a day.
    """

    message: Message
    newest: tuple[Exchange, ...]
    route: str = ""
    replaces: ReplyId | None = None
    reading: Reading | None = None
    needs_thread: bool = False
    confirmed: Pending | None = None
    is_metered: bool = True


Plan = Sentence | Question


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer that is to be written again, or that asks for a yes, and what it answers."""

    reply: Reply
    question: Message


@dataclass(frozen=True, slots=True)
class Handover:
    """The answer is final, and `carrying` is still showing it."""

    courier: Courier
    carrying: "asyncio.Task[None]"

    @property
    def outcome(self) -> BaseException | None:
        """How the showing ended, None where it succeeded; a cut one counts as CancelledError."""
        return asyncio.CancelledError() if self.carrying.cancelled() else self.carrying.exception()


class Dialog:
    """Works on one claimed event of the turn lane; `obey` and `lose` may be called while `answer` runs."""

    def __init__(self, hall: Hall, claim: Claim, event: Message | Command) -> None:
        self.claim = claim
        self.courier: Courier | None = None
        self.is_answered = False
        self.ended = asyncio.Event()
        self._hall = hall
        self._event = event
        self._refusal = Sentence("not_allowed", State.REFUSED)
        # What was to be redone is being redone: the claimed event has the new text already.
        self._mark: Mark | None = None if claim.mark is Mark.REDO else claim.mark
        self._is_lost = False
        self._writing: asyncio.Task[None] | None = None
        self._manuscript = Manuscript()
        self._watch = Stopwatch(hall, claim)
        self._feed = Feed()
        asked = question_in(event)
        self._language = language_of(asked.text if asked else "", event.author.locale)

    @property
    def _is_hopeless(self) -> bool:
        return self.claim.failures >= self._hall.terms.max_attempts

    def meet(self, introduction: Introduction) -> None:
        """Who asks became known."""
        self.claim = introduction.claim
        self._event = replace(self._event, author=introduction.claim.event.author)
        name = introduction.refusal
        self._refusal = replace(self._refusal, name=name or self._refusal.name, is_silent=not name)

    def obey(self, mark: Mark) -> None:
        """The control lane wants something of this turn."""
        self._mark = mark
        self._interrupt()

    def lose(self) -> None:
        """Another process has taken the turn over: whatever is under way is discarded."""
        self._is_lost = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self._writing is not None:
            self._writing.cancel()

    async def answer(self) -> Handover | None:
        """Writes the answer and stores it as final; None where it is left to the outbox to show it.

        Raises LeaseLost where the turn is no longer ours, NotStored where it could not be begun, and KeyMissing where
        another process may answer it.
        """
        plan, delivery = await self._begin()
        if delivery is None:
            self.is_answered = True
            return None
        self.courier = courier = Courier(self._hall, delivery, self._feed)
        carrying = asyncio.create_task(courier.carry(), name=f"deliver {delivery.reply.id}")
        is_handed_over = False
        try:
            state = await self._write(plan)
            self._feed.close()  # nothing more is said: the door need not wait until it is stored
            is_handed_over = await self._finish(delivery, courier, state)
            self.is_answered = True
        finally:
            self._feed.close()
            if not is_handed_over:
                carrying.cancel()
                await asyncio.gather(carrying, return_exceptions=True)
        return Handover(courier, carrying) if is_handed_over else None

    # ------------------------------------------------------------------------------------------------- what to answer

    async def _begin(self) -> tuple[Plan, Delivery | None]:
        """What to answer, and the way out; None where nothing is to be shown, and the turn has ended."""
        await self._forget_asker()
        async with self._hall.store.unit() as unit:
            plan = await self._plan(unit)
            reply = Reply(
                id=self.claim.reply_id,
                thread=self._event.thread,
                asker=plan.message.author if isinstance(plan, Question) else self._event.author,
                in_reply_to=self._event.id,
                replaces=plan.replaces if isinstance(plan, Question) else None,
            )
            await unit.turns.begin(self.claim)
            await unit.replies.open(self.claim, reply)
            if isinstance(plan, Sentence) and plan.is_silent:
                await unit.replies.save(replace(reply, text=say(plan.name, self._language), source=Source.HOUSE))
                await unit.turns.move(reply.id, plan.state)
                await unit.outbox.forsake(self.claim)
                await unit.inbox.finish(self.claim)
                return plan, None
            delivery = await unit.outbox.open(self.claim, reply, lease=self._hall.terms.lease)
            if isinstance(plan, Question) and plan.is_metered:
                await unit.meter.count(self.claim, self._event.author, self._event.thread)
            return plan, delivery

    async def _forget_asker(self) -> None:
        """Where they want that and may: before anything of this turn is written. A later try finds that it is."""
        event, store = self._event, self._hall.store
        is_meant = is_farewell(event) and self._mark is None and not self._is_hopeless
        if is_meant and self._hall.access.allows(event.author, event.thread):
            async with store.unit(autocommit=True) as unit:
                is_done = await unit.replies.get(self.claim.reply_id) is not None
            if not is_done:
                await store.people.forget(event.author, sparing=self.claim)

    async def _plan(self, unit: Unit) -> Plan:
        if self._is_hopeless:
            return Sentence("failed", State.FAILED)
        earlier = await self._earlier(unit)
        place = earlier.question.thread if earlier else self._event.thread
        if not self._hall.access.allows(self._event.author, place):
            if self._refusal.is_silent:  # what was not said to us is not kept
                await unit.threads.erase(self._event.thread, self._event.id)
            return self._refusal
        if self._mark is Mark.STOP:
            return Sentence("stopped", State.STOPPED)
        if self._mark is Mark.ERASE:
            return Sentence("deleted", State.STOPPED)
        if isinstance(self._event, Message):
            return await self._ask(unit, self._event)
        return await self._order(unit, self._event, earlier)

    async def _order(self, unit: Unit, command: Command, earlier: Earlier | None) -> Plan:
        match command.name:
            case CommandName.RESET:
                await unit.threads.reset(self.claim)
                return Sentence("reset")
            case CommandName.CODE | CommandName.CHAT:
                return await self._reroute(unit, command)
            case CommandName.REGENERATE:
                return await self._regenerate(unit, earlier)
            case CommandName.APPEAL:
                return await self._appeal(unit, command)
            case CommandName.CONFIRM:
                return await self._confirm(unit, earlier)
            case CommandName.FORGET:
                return Sentence("forgotten" if is_farewell(command) else "forget_me")
            case _:
                return Sentence("help")

    async def _appeal(self, unit: Unit, command: Command) -> Plan:
        if not await unit.incidents.appeal(command.author, command.thread, comment=command.args):
            return Sentence("nothing_to_appeal")
        self._hall.metrics.count("moderation_appeals", channel=command.thread.adapter)
        return Sentence("appealed")

    async def _confirm(self, unit: Unit, earlier: Earlier | None) -> Plan:
        """What was said yes to is done once at most: a try that broke off may have done it."""
        asking = earlier.reply.id if earlier else self.claim.reply_id
        taken = await unit.asks.take(asking, self._event.author, self.claim)
        if taken and taken.is_begun:
            return Sentence("unsure_whether_done", State.FAILED)
        if earlier is None or taken is None:
            return Sentence("nothing_to_confirm")
        question = await self._question(unit, earlier.question)
        # What it leads to was counted when it was asked for.
        return replace(question, replaces=earlier.reply.id, confirmed=taken.pending, is_metered=False)

    async def _reroute(self, unit: Unit, command: Command) -> Plan:
        """`/code` switches the thread; `/code some question` also answers the question."""
        await unit.threads.route(command.thread, command.name)
        question = question_in(command)
        return await self._ask(unit, question) if question else Sentence(f"route_{command.name}")

    async def _earlier(self, unit: Unit) -> Earlier | None:
        """What is to be answered again, or confirmed; None where nothing is, or its answer stands elsewhere.

        A private answer may have been shown elsewhere than it was asked for, and is asked for again there: the event's
        thread is begun by a message that carries it.
        """
        here, event = self._event.thread, self._event
        if not (isinstance(event, Command) and event.name in (CommandName.REGENERATE, CommandName.CONFIRM)):
            return None
        reply = await (unit.replies.get(ReplyId(event.args)) if event.args else self._newest(unit, event))
        begins_thread = PartId(here.adapter, here.workspace, here.channel, here.thread)
        if reply is None or not (reply.thread == here or begins_thread in reply.parts):
            return None
        question = await unit.replies.question(reply.id)
        return Earlier(reply, question) if question else None

    async def _newest(self, unit: Unit, command: Command) -> Reply | None:
        """What a command that names no answer is about."""
        if command.name is CommandName.REGENERATE:
            return await unit.replies.newest(command.thread)
        asking = await unit.asks.newest(command.thread, command.author)
        return await unit.replies.get(asking) if asking else None

    async def _regenerate(self, unit: Unit, earlier: Earlier | None) -> Plan:
        if earlier is None:
            return Sentence("nothing_to_regenerate")
        if await unit.replies.is_replaced_meanwhile(earlier.reply.id, self.claim):  # a second click, by whomever
            return Sentence("already_regenerating", State.REFUSED, is_silent=True)
        if not self._may_touch(earlier.reply):
            return Sentence("not_yours_to_regenerate")
        plan = await self._ask(unit, earlier.question)
        return replace(plan, replaces=earlier.reply.id) if isinstance(plan, Question) else plan

    def _may_touch(self, reply: Reply) -> bool:
        return reply.asker.is_same_person(self._event.author) or self._hall.access.is_admin(self._event.author)

    async def _ask(self, unit: Unit, message: Message) -> Plan:
        """The question, or why it is not answered today."""
        event = self._event
        over = await over_limit(self._hall, unit, self.claim, event.author, event.thread)
        if over is None:
            return await self._question(unit, message)
        self._language = language_of(message.text, message.author.locale)
        self._hall.metrics.count("limited", channel=event.thread.adapter, kind=over.kind)
        return Sentence(over.sentence, State.REFUSED, values=over.values(self._language))

    async def _question(self, unit: Unit, message: Message) -> Question:
        self._language = language_of(message.text, message.author.locale)
        newest = await unit.threads.history(message.thread, message.id, limit=self._hall.terms.history_page)
        facts = await unit.threads.facts(message.thread)
        # What a thread was to forget is not read again where it still stands on the platform.
        is_called_in = message.is_mention and not (newest or facts.is_reset)
        needs_thread = is_called_in or (bool(newest) and newest[0].reading.misses_thread)
        is_read = message.is_mention or message.attachments or needs_thread
        reading = await unit.threads.reading(message.thread, message.id) if is_read else None
        return Question(message, newest, facts.route, reading=reading, needs_thread=needs_thread)

    # ---------------------------------------------------------------------------------------------------- the answer

    async def _write(self, plan: Plan) -> State:
        if isinstance(plan, Sentence):
            self._say(plan.name, plan.values)
            return plan.state
        drafter = self._drafter()
        self._writing = asyncio.create_task(self._draw(plan, drafter), name=f"answer {self.claim.reply_id}")
        if self._mark or self._is_lost:
            self._interrupt()
        try:
            await asyncio.wait({self._writing})
        finally:
            self._interrupt()
            await asyncio.gather(self._writing, return_exceptions=True)
            await drafter.close()
        if self._writing.cancelled():
            return await self._interrupted()
        return self._failed(error) if (error := self._writing.exception()) else self._manuscript.state

    async def _draw(self, question: Question, drafter: Drafter) -> None:
        turn = await self._read(self._turn(question), question)
        # A thread that stays unread is told of once: where the question called us into it.
        told = turn.reading if question.message.is_mention else replace(turn.reading, misses_thread=False)
        unread = apology(told, self._language)
        if unread and not turn.reading.files and not turn.message.text.strip():
            self._take(Text(unread, Source.HOUSE))
            return
        if turn.reading == EMPTY and not turn.message.text.strip():  # called by name, and nothing to read
            self._say("help")
            return
        turn = await self._reminded(turn, question.newest)
        async with aclosing(self._hall.answer(turn)) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                drafter.touch()
        if self._manuscript.is_empty:
            self._say_instead("empty")
        written = self._manuscript.written
        if written is not None and written.finish in ("length", "timeout"):
            self._take(Text(f"\n\n*{say('truncated', self._language)}*", Source.HOUSE))
        if unread:
            self._take(Text(f"\n\n*{unread}*", Source.HOUSE))

    def _turn(self, question: Question) -> Turn:
        hall, terms = self._hall, self._hall.terms
        return Turn(
            message=question.message,
            reply_id=self.claim.reply_id,
            system=terms.system.get(self._language, ""),
            model=question.route,
            language=self._language,
            params=terms.params_for(hall.engine.model),
            attempt=self.claim.attempts,
            skips_cache=question.replaces is not None,
            is_admin=hall.access.is_admin(question.message.author),
            tools=hall.tools if hall.engine.capabilities.tools else (),
            confirmed=question.confirmed,
        )

    async def _read(self, turn: Turn, question: Question) -> Turn:
        """The turn with what came with its question: read once, and kept with it for every later try and turn.

        What could not be read of its thread is tried again by each.
        """
        message, hall, reading = question.message, self._hall, question.reading
        door = hall.adapters[message.thread.adapter]
        if reading is None:
            reading = await read(door, message, with_thread=question.needs_thread)
        elif reading.misses_thread:
            reading = await read_missed(door, message, reading)
        turn = await within_context(replace(turn, reading=reading), hall.engine, self._budget(turn))
        if turn.reading not in (EMPTY, question.reading):
            async with hall.store.unit() as unit:
                await unit.threads.keep_reading(message.thread, message.id, turn.reading)
        return turn

    def _budget(self, turn: Turn) -> int:
        """Tokens of a prompt that leaves room for the answer."""
        return self._hall.engine.model.context - turn.params.max_new_tokens

    async def _reminded(self, turn: Turn, newest: tuple[Exchange, ...]) -> Turn:
        """The turn with what was said before, as far as there is room for it."""
        hall, message = self._hall, turn.message
        page, pages = hall.terms.history_page, list(newest)

        async def read_more(cursor: int | None) -> Sequence[Exchange]:
            if cursor is None or len(newest) < page:
                return newest if cursor is None else ()
            async with hall.store.unit() as unit:
                older = await unit.threads.history(message.thread, message.id, limit=page, before=cursor)
            pages.extend(older)
            return older

        async def count(history: Sequence[Utterance]) -> int:
            return await hall.engine.count(conversation(replace(turn, history=tuple(history))))

        history = await within_budget(read_more, count, self._budget(turn))
        # Of others is what came with a question as well: it lies in the prompt as often as that does.
        is_of_others = any(one.reading != EMPTY or not one.asker.is_same_person(message.author) for one in pages)
        return replace(turn, history=history, hears_others=bool(history) and is_of_others)

    def _take(self, chunk: Chunk) -> None:
        self._manuscript.take(chunk)
        self._watch.look(self._manuscript)
        if not isinstance(chunk, Reasoning):  # which no door is shown: who may read the reply asks for it
            self._feed.put(chunk)

    def _say_instead(self, name: str) -> None:
        """Thinking came to no answer: the sentence `name` says so, and what was thought is still there on request."""
        thought = self._manuscript.reasoning
        self._say(name)
        if thought:
            self._take(Reasoning(thought))

    def _say(self, name: str, values: Mapping[str, str] | None = None) -> None:
        """Whatever was said and thought so far gives way to the sentence `name`."""
        sentence = say(name, self._language)
        if values:
            sentence = sentence.format(**values)
        if name == "help":
            sentence += self._hall.terms.more_help(self._language)
        is_first = not (self._manuscript.text or self._manuscript.reasoning)
        self._take(Text(sentence, Source.HOUSE) if is_first else Replace(sentence, Source.HOUSE))

    async def _interrupted(self) -> State:
        if self._is_lost:
            raise LeaseLost
        if self._mark is Mark.REDO:
            async with self._hall.store.unit() as unit:
                if self.claim.attempts - self.claim.failures > 1:  # the first edit may mend a slip; the next asks anew
                    await unit.meter.recount(self.claim)
                await unit.inbox.release(self.claim, timedelta(0))
            raise LeaseLost("the question was edited and is answered anew.")
        if self._mark is Mark.ERASE:
            self._say("deleted")
        elif self._manuscript.is_empty:
            self._say_instead("stopped")
        return State.STOPPED

    def _failed(self, error: BaseException) -> State:
        if isinstance(error, NotStored | LeaseLost | KeyMissing):
            raise error
        where = f"turn {self.claim.reply_id}, attempt {self.claim.attempts}"
        if isinstance(error, TooLong | Busy | Malformed):
            log.warning("%s was not answered: %s", where, error)
        else:
            log.error("%s was not answered: %s", where, trace(error))
        self._say(_sentence_for(error))
        # What nobody could answer is no failure of the house.
        return State.REFUSED if isinstance(error, TooLong | Malformed) else State.FAILED

    # ---------------------------------------------------------------------------------------------------- the finish

    async def _finish(self, delivery: Delivery, courier: Courier, state: State) -> bool:
        """Final text, end of the inbox row and readiness of the outbox row, at once; whether the courier goes on."""
        delivery = replace(delivery, reply=self._manuscript.fill(delivery.reply))
        extras, has_told = self._extras(), False
        while not self._is_lost:
            # One that has failed already is handed over too: how it ended is written down, and a wait asked for kept.
            has_started = courier.hold()
            try:
                await self._commit(delivery, extras, state, keep=has_started)
            except Unstorable:  # another try of the turn may come to something else, or to the apology
                raise
            except NotStored as error:
                if not has_told:
                    has_told = True
                    log.warning("reply %s cannot be written down yet: %s", self.claim.reply_id, error.detail)
                await asyncio.sleep(_STORE_RETRY)
            else:
                self._watch.stop(self._manuscript, state)
                self._offer(delivery.reply, state)
                return has_started
        raise LeaseLost

    def _extras(self) -> tuple[Placed, ...]:
        """What goes with the words, as far as there is room to keep it: the rest is shown by the first try or never."""
        extras = self._manuscript.extras
        kept = within_room(extras)
        if dropped := len(extras) - len(kept):
            log.warning("reply %s has %d pictures or sources too many to be kept", self.claim.reply_id, dropped)
            self._hall.metrics.count("extras_dropped", dropped, channel=self._event.thread.adapter)
        return kept

    async def _commit(self, delivery: Delivery, extras: Sequence[Placed], state: State, *, keep: bool) -> None:
        reply = delivery.reply
        async with self._hall.store.unit() as unit:
            await unit.replies.save(reply, reasoning=self._manuscript.thought)
            await unit.turns.move(reply.id, state, written=self._manuscript.written, first_text=True)
            await unit.outbox.ready(delivery, keep=keep, extras=extras)
            if self._is_hopeless:
                await unit.inbox.bury(self.claim, f"{self.claim.failures} tries came to nothing")
            else:
                await unit.inbox.finish(self.claim)
            usage = self._manuscript.written.usage if self._manuscript.written else NO_USAGE
            await unit.meter.spend(
                self._event.author, self._event.thread, usage.prompt_tokens + usage.completion_tokens
            )

    def _offer(self, reply: Reply, state: State) -> None:
        finished = Finished(reply, state, self._manuscript.written, bool(self._manuscript.extras))
        for keeper in self._hall.keepers:
            keeper.offer(finished)

    def _drafter(self) -> Drafter:
        async def on_first_text() -> None:
            async with self._hall.store.unit() as unit:
                await unit.turns.move(self.claim.reply_id, State.ANSWERING, first_text=True)

        return Drafter(
            self._hall.store.drafts,
            self.claim.reply_id,
            self._manuscript,
            attempt=self.claim.attempts,
            interval=self._hall.terms.draft_interval,
            on_first_text=on_first_text,
        )


def _sentence_for(error: BaseException) -> str:
    match error:
        case Busy():
            return "busy"
        case TooLong():
            return "too_long"
        case Malformed():
            return "malformed"
        case EngineError():
            return "unavailable"
        case _:
            return "failed"
