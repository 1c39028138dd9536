"""What a turn promises, on both stores, with an engine and a door that do as they are told."""

import asyncio
import logging
from collections import defaultdict
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from core.access import Access, Rule
from core.answer import answer_with
from core.delivery import Courier
from core.dialog import Dialog
from core.errors import (
    Busy,
    ChannelError,
    DoorLost,
    KeyMissing,
    Malformed,
    NotFound,
    NotStored,
    RateLimited,
    Refused,
    TooLong,
    Undeliverable,
    Unreached,
    Unstorable,
)
from core.hall import Hall, Terms
from core.manager import DialogManager
from core.message import (
    Ask,
    Attachment,
    Author,
    Citation,
    Command,
    CommandName,
    Deleted,
    Edited,
    Feedback,
    Image,
    Message,
    Origin,
    PartId,
    Replace,
    ReplyId,
    Screened,
    Source,
    Sources,
    Text,
    ThreadId,
    Usage,
    Utterance,
    Verdict,
)
from core.ports import Capabilities, Delta, Incident, Mark, Model, State
from core.reading import MAX_FILE, Reading, UnreadFile, Why, apology
from core.texts import say
from core.turn import Pending, compose

ADA = Author("door", "w", "ada")
BOB = Author("door", "w", "bob")
ROOT = Author("door", "w", "root")
GUEST = Author("door", "w", "eve", is_guest=True)
TERMS = Terms(lease=timedelta(seconds=5), draft_interval=0.02, max_attempts=2)


class Mind:
    """An engine that says each word of its answer when it is let; `answers` maps a question to its answer.

    What it thinks of a question in `thoughts`, it thinks before the first word, and then it waits too.
    """

    model = Model("mind", "mind@1", 1000)
    capabilities = Capabilities()

    def __init__(self):
        self.answers = {}
        self.thoughts = {}
        self.heard = []
        self.open = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self): ...

    async def stop(self): ...

    async def count(self, conversation):
        return sum(len(turn.text.split()) for turn in conversation.turns)

    async def stream(self, conversation, params):
        question = conversation.turns[-1].text.split("\n")[-1]  # whatever was read stands before it
        self.heard.append(conversation)
        answer = self.answers.get(question, f"answer to {question}")
        self.open.add(question)
        try:
            if thought := self.thoughts.get(question):
                yield Delta(reasoning=thought)
                await self.gate.wait()
            if isinstance(answer, Exception):
                raise answer
            for position, word in enumerate(answer.split(" ")):
                if position:
                    await self.gate.wait()
                yield Delta(text=word if not position else f" {word}")
            yield Delta(finish="stop", usage=Usage(3, 4), model=self.model.version, seed=7)
        finally:
            self.open.discard(question)


class Door:
    """A platform that shows what it is given; `troubles` are raised first, one per delivery."""

    name = "door"

    def __init__(self):
        self.shown = {}
        self.order = defaultdict(list)
        self.deliveries = []
        self.troubles = []
        self._ids = count(1)

    async def receive(self, webhook, accept):
        raise AssertionError("tests accept events themselves")

    async def deliver(self, delivery, chunks, ledger):
        self.deliveries.append(delivery)
        if self.troubles:
            raise self.troubles.pop(0)
        reply = delivery.reply
        text, parts = "", delivery.parts
        async for chunk in chunks:
            if isinstance(chunk, Text):
                text += chunk.text
            elif isinstance(chunk, Replace):
                text = chunk.text
            if not parts:
                parts = (PartId("door", "w", "c", f"p{next(self._ids)}"),)
                self.order[reply.thread.thread].append(reply.in_reply_to)
                await ledger.part(parts[0])
            self.shown[reply.in_reply_to] = text


class Library(Door):
    """A platform with earlier messages and files; in place of either may stand an error. `gate` holds the files back.

    `asked` are the messages whose threads were read, `fetched` the ids of files.
    """

    def __init__(self, said=(), **files):
        super().__init__()
        self.said, self.files = said, files
        self.asked, self.fetched = [], []
        self.gate = asyncio.Event()
        self.gate.set()

    async def earlier(self, message, limit):
        self.asked.append(message.id)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said[-limit:]

    async def fetch(self, attachment, limit):
        self.fetched.append(attachment.id)
        await self.gate.wait()
        content = self.files.get(attachment.id, NotFound())
        if isinstance(content, Exception):
            raise content
        if len(content) > limit:
            raise Refused
        return content


class Numbers:
    """Metrics that can be read back."""

    def __init__(self):
        self.counts = defaultdict(float)

    def count(self, name, amount=1, **labels):
        self.counts[name, *sorted(labels.items())] += amount

    def observe(self, name, value, **labels): ...

    def gauge(self, name, value, **labels): ...


class House:
    """A store, an engine, a door and a manager at work on them."""

    def __init__(self, store, *middlewares, terms=TERMS, door=None):
        self.store, self.mind, self.door, self.numbers = store, Mind(), door or Door(), Numbers()
        access = Access({"door": Rule(admins=frozenset({"root"}))})
        answer = compose(middlewares, answer_with(self.mind))
        self.hall = Hall(self.store, {"door": self.door}, self.mind, answer, self.numbers, access, terms)
        self.ids = count(1)

    @asynccontextmanager
    async def at_work(self, managers=1):
        """Ends as a killed process does: nothing is finished, nothing is given back."""
        self.managers = [DialogManager(self.hall) for _ in range(managers)]
        running = [asyncio.create_task(manager.run()) for manager in self.managers]
        try:
            yield self
        finally:
            tasks = running + [task for manager in self.managers for task in manager._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self, *events):
        async with self.store.unit() as unit:
            return [receipt.reply_id for receipt in await unit.inbox.add(events)]

    def message(self, text, thread="t", author=ADA, id="", files=(), is_mention=False):
        where = self.common(thread, author, id)
        return Message(**where, text=text, attachments=tuple(files), is_mention=is_mention)

    def command(self, name, thread="t", author=ADA, args="", id=""):
        return Command(**self.common(thread, author, id), name=name, args=args)

    def common(self, thread, author, id=""):
        return {
            "id": id or f"e{next(self.ids)}",
            "thread": ThreadId("door", "w", "c", thread),
            "author": author,
            "sent_at": datetime.now(UTC),
        }

    async def ask(self, text, **where):
        message = self.message(text, **where)
        (reply_id,) = await self.accept(message)
        return message, reply_id

    async def reply(self, reply_id):
        async with self.store.unit() as unit:
            return await unit.replies.get(reply_id)

    async def facts(self, reply_id):
        async with self.store.unit() as unit:
            return await unit.turns.get(reply_id)

    async def until(self, reply_id, *states):
        """The turn's facts once it is in one of these states (any final one where none is named)."""
        async with asyncio.timeout(8):
            while True:
                facts = await self.facts(reply_id)
                if facts and (facts.state in states if states else facts.state.is_final):
                    return facts
                await asyncio.sleep(0.005)

    async def until_idle(self):
        async with asyncio.timeout(8):
            while True:
                async with self.store.unit() as unit:
                    if not await unit.inbox.waiting():
                        return
                await asyncio.sleep(0.005)


async def eventually(condition, seconds=8):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def house(store):
    async with House(store).at_work() as at_work:
        yield at_work


# ---------------------------------------------------------------------------------------------------- the plain case


async def test_a_question_is_answered_shown_and_remembered(house):
    message, reply_id = await house.ask("why?")
    facts = await house.until(reply_id)
    assert house.door.shown[message.id] == "answer to why?"
    assert (facts.state, facts.model, facts.seed, facts.usage) == (State.DONE, "mind@1", 7, Usage(3, 4))
    reply = await house.reply(reply_id)
    assert (reply.text, reply.model, reply.source, len(reply.parts)) == ("answer to why?", "mind@1", Source.ENGINE, 1)
    assert facts.received_at <= facts.started_at <= facts.first_text_at <= facts.finished_at


async def test_a_redelivered_question_is_answered_once(house):
    message, reply_id = await house.ask("why?")
    assert await house.accept(message) == [reply_id]
    await house.until(reply_id)
    assert await house.accept(message) == [reply_id]
    await asyncio.sleep(0.1)
    assert len(house.mind.heard) == 1
    assert len(house.door.deliveries) == 1


async def test_a_follow_up_waits_its_turn_and_knows_what_was_said(house):
    house.mind.gate.clear()
    _, first = await house.ask("one")
    _, second = await house.ask("two")
    await house.until(first, State.ANSWERING)
    await asyncio.sleep(0.1)
    assert await house.facts(second) is None
    house.mind.gate.set()
    await house.until(second)
    assert [turn.text for turn in house.mind.heard[1].turns] == ["one", "answer to one", "two"]


async def test_different_threads_run_side_by_side(house):
    house.mind.gate.clear()
    replies = [(await house.ask("why?", thread=f"t{n}"))[1] for n in range(8)]
    for reply_id in replies:
        await house.until(reply_id, State.ANSWERING)
    house.mind.gate.set()
    for reply_id in replies:
        await house.until(reply_id)


async def test_a_thread_is_shown_in_order_over_several_managers(store):
    async with House(store).at_work(managers=3) as house:
        asked = [await house.ask(f"q{n}", thread=f"t{n % 4}") for n in range(40)]
        for _, reply_id in asked:
            await house.until(reply_id, State.DONE)
        for thread in range(4):
            assert house.door.order[f"t{thread}"] == [message.id for message, _ in asked[thread::4]]


async def test_a_growing_answer_can_be_read_by_others(house):
    house.mind.gate.clear()
    _, reply_id = await house.ask("why?")
    drafts = house.store.drafts.follow(reply_id)
    first = await anext(drafts)
    while not first.text:
        first = await anext(drafts)
    assert (first.text, first.is_final) == ("answer", False)
    house.mind.gate.set()
    seen = [draft async for draft in drafts]
    assert (seen[-1].text, seen[-1].is_final) == ("answer to why?", True)


# -------------------------------------------------------------------------------------------------------------- stop


async def test_a_stop_ends_the_answer_and_keeps_what_was_said(house):
    house.mind.gate.clear()
    message, reply_id = await house.ask("why?")
    await house.until(reply_id, State.ANSWERING)
    await house.accept(house.command(CommandName.STOP))
    assert (await house.until(reply_id)).state is State.STOPPED
    assert (await house.reply(reply_id)).text == "answer"
    await eventually(lambda: not house.mind.open)
    await eventually(lambda: house.door.shown.get(message.id) == "answer")


async def test_a_stop_of_one_answer_leaves_another_alone(house):
    """The button under an answer that is said, and still being shown, while the next is written."""
    _, first = await house.ask("one")
    await house.until(first)
    house.mind.gate.clear()
    _, second = await house.ask("two")
    await house.until(second, State.ANSWERING)
    late, mine = (house.command(CommandName.STOP, args=which) for which in (first, second))
    await house.accept(late)
    await eventually(lambda: house.door.shown.get(late.id) == say("nothing_to_stop", "en"))
    assert (await house.facts(second)).state is State.ANSWERING
    await house.accept(mine)
    assert (await house.until(second)).state is State.STOPPED


@pytest.mark.parametrize("name", ["", "no id", "0" * 31, "\0"])
async def test_a_stop_of_what_is_no_answer_stops_nothing(house, name):
    house.mind.gate.clear()
    message, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    async with house.store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=message.thread, reply=ReplyId(name)) == 0


async def test_a_stop_of_somebody_not_let_in_makes_no_conversation(house):
    guest = house.command(CommandName.STOP, author=GUEST)
    (reply_id,) = await house.accept(guest)
    await eventually(lambda: house.door.shown.get(guest.id) == say("not_allowed", "en"))
    assert (await house.facts(reply_id)).state is State.REFUSED
    assert not await house.store.archive.is_conversation(guest.thread)


async def test_a_stop_reaches_a_question_that_waits(house):
    house.mind.gate.clear()
    _, first = await house.ask("one", author=BOB)
    _, second = await house.ask("two", author=ADA)
    await house.until(first, State.ANSWERING)
    await house.accept(house.command(CommandName.STOP, author=ADA))
    await asyncio.sleep(0.05)
    house.mind.gate.set()
    assert (await house.until(second)).state is State.STOPPED
    assert (await house.until(first)).state is State.DONE
    assert (await house.reply(second)).text == say("stopped", "en")


async def test_nobody_stops_another_persons_answer_but_an_admin(house):
    house.mind.gate.clear()
    _, reply_id = await house.ask("why?", author=ADA)
    await house.until(reply_id, State.ANSWERING)
    stop = house.command(CommandName.STOP, author=BOB)
    (told,) = await house.accept(stop)
    await house.until(told)
    assert house.door.shown[stop.id] == say("nothing_to_stop", "en"), "told while the other answer still grows"
    assert (await house.facts(reply_id)).state is State.ANSWERING
    await house.accept(house.command(CommandName.STOP, author=ROOT))
    assert (await house.until(reply_id)).state is State.STOPPED


# ---------------------------------------------------------------------------------------------------------- commands


async def test_a_reset_forgets_what_was_said(house):
    _, first = await house.ask("one")
    await house.accept(house.command(CommandName.RESET))
    _, second = await house.ask("two")
    await house.until(second)
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["two"]
    assert (await house.reply(first)).text == "answer to one"


async def test_help_is_in_the_persons_language(house):
    chinese = Author("door", "w", "li", locale="zh-CN")
    command = house.command(CommandName.HELP, author=chinese)
    (reply_id,) = await house.accept(command)
    await house.until(reply_id)
    assert house.door.shown[command.id] == say("help", "zh")


async def test_a_route_sticks_to_its_thread(house):
    await house.accept(house.command(CommandName.CODE))
    _, here = await house.ask("one")
    _, there = await house.ask("two", thread="other")
    await house.until(here)
    await house.until(there)
    assert {conversation.turns[-1].text: conversation.model for conversation in house.mind.heard} == {
        "one": "code",
        "two": "",
    }


async def test_a_question_behind_a_route_is_answered_and_kept_like_any_other(house):
    order = house.command(CommandName.CODE, args="sort a list")
    (first,) = await house.accept(order)
    await house.until(first)
    assert house.mind.heard[-1].model == "code"
    _, second = await house.ask("and now?")
    await house.until(second)
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["sort a list", "answer to sort a list", "and now?"]
    (third,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
    await house.until(third)
    assert house.mind.heard[-1].turns[-1].text == "sort a list"
    (entry, _) = await house.store.archive.entries(order.thread, order.author, limit=9)
    assert (entry.question, entry.answer) == ("sort a list", "answer to sort a list")


async def test_an_edited_question_behind_a_route_is_answered_anew(house):
    house.mind.gate.clear()
    order = house.command(CommandName.CODE, args="sort a list")
    (reply_id,) = await house.accept(order)
    await house.until(reply_id, State.ANSWERING)
    edited = Edited(**house.common("t", order.author), message_id=order.id, text="/code sort a tuple")
    await house.accept(edited)
    await eventually(lambda: len(house.mind.heard) == 2)
    house.mind.gate.set()
    await house.until(reply_id)
    assert (await house.reply(reply_id)).text == "answer to sort a tuple"
    assert house.mind.heard[-1].model == "code"


async def test_an_answer_outlives_a_failed_try_to_write_it_again(house):
    message, first = await house.ask("one")
    await house.until(first)
    house.mind.answers["one"] = Busy()
    (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
    assert (await house.until(second)).state is State.FAILED
    (entry,) = await house.store.archive.entries(message.thread, message.author, limit=9)
    assert (entry.reply_id, entry.answer) == (first, "answer to one")
    _, third = await house.ask("two")
    await house.until(third)
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["one", "answer to one", "two"]


async def test_a_regenerated_answer_replaces_the_old_one(house):
    _, before = await house.ask("zero")
    _, first = await house.ask("one")
    await house.until(first)
    house.mind.answers["one"] = "another answer"
    (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
    await house.until(second)
    assert (await house.reply(second)).replaces == first
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["zero", "answer to zero", "one"]
    _, third = await house.ask("two")
    await house.until(third)
    assert [turn.text for turn in house.mind.heard[-1].turns][2:] == ["one", "another answer", "two"]
    assert before != first


async def test_a_regenerated_answer_skips_the_cache(store):
    seen = []

    async def cache(turn, call_next):
        seen.append(turn.skips_cache)
        async for chunk in call_next(turn):
            yield chunk

    async with House(store, cache).at_work() as house:
        _, first = await house.ask("one")
        await house.until(first)
        (second,) = await house.accept(house.command(CommandName.REGENERATE))
        await house.until(second)
        assert seen == [False, True]


async def test_an_answer_is_written_again_once_however_often_that_is_asked_for_meanwhile(store):
    async with House(store).at_work(managers=2) as house:
        _, first = await house.ask("one")
        await house.until(first)
        house.mind.gate.clear()
        clicks = [house.command(CommandName.REGENERATE, args=first, author=who) for who in (ADA, ADA, BOB, ROOT)]
        asked = await house.accept(*clicks[:2])
        await house.until(asked[0], State.ANSWERING)
        asked += await house.accept(*clicks[2:])
        house.mind.gate.set()
        await house.until_idle()
        assert (await house.until(asked[0])).state is State.DONE
        for reply_id in asked[1:]:
            assert (await house.until(reply_id)).state is State.REFUSED
            assert (await house.reply(reply_id)).text == say("already_regenerating", "en")
        await eventually(lambda: clicks[0].id in house.door.shown)
        assert [click.id in house.door.shown for click in clicks] == [True, False, False, False]
        assert len(house.mind.heard) == 2
        (again,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        assert (await house.until(again)).state is State.DONE
        assert len(house.mind.heard) == 3


async def test_an_answer_whose_rewriting_was_stopped_can_be_asked_for_again_at_once(store):
    class Slow(Door):
        """Confirms nothing until it is `free`."""

        free = asyncio.Event()

        async def deliver(self, delivery, chunks, ledger):
            await super().deliver(delivery, chunks, ledger)
            if delivery.reply.replaces:
                await self.free.wait()

    async with House(store, door=Slow()).at_work() as house:
        _, first = await house.ask("one")
        await house.until(first)
        house.mind.gate.clear()
        (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        await house.until(second, State.ANSWERING)
        await house.accept(house.command(CommandName.STOP))
        await house.until(second, State.STOPPED)
        house.mind.gate.set()
        (third,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        await house.until(third, State.DELIVERING)
        Slow.free.set()
        assert (await house.until(third)).state is State.DONE


async def test_clicks_on_an_answer_that_waits_to_be_written_again_are_one(house):
    _, first = await house.ask("one")
    await house.until(first)
    house.mind.gate.clear()
    _, other = await house.ask("two")
    await house.until(other, State.ANSWERING)
    clicks = [house.command(CommandName.REGENERATE, args=first) for _ in range(3)]
    asked = await house.accept(*clicks)
    house.mind.gate.set()
    assert [(await house.until(reply_id)).state for reply_id in asked] == [State.DONE, State.REFUSED, State.REFUSED]
    assert [turn.turns[-1].text for turn in house.mind.heard] == ["one", "two", "one"]


async def test_a_repeated_click_has_a_reply_to_follow_and_changes_no_history(house):
    message, first = await house.ask("one")
    await house.until(first)
    house.mind.gate.clear()
    second, third = await house.accept(*(house.command(CommandName.REGENERATE, args=first) for _ in range(2)))
    await house.until(second, State.ANSWERING)
    house.mind.answers["two"] = "another answer"
    async with aclosing(house.store.drafts.follow(third)) as drafts:
        following = asyncio.create_task(anext(drafts))
        house.mind.gate.set()
        async with asyncio.timeout(8):
            draft = await following
    assert (draft.is_final, draft.text) == (True, say("already_regenerating", "en"))
    await house.until(second, State.DONE)
    (entry,) = await house.store.archive.entries(message.thread, message.author, limit=9)
    assert (entry.reply_id, entry.answer) == (second, "answer to one")


async def test_an_answer_is_written_again_where_a_message_of_it_begins_a_thread(house):
    _, first = await house.ask("one", author=ADA)
    await house.until(first)
    (part,) = (await house.reply(first)).parts
    refused = say("nothing_to_regenerate", "en")
    for thread, author, expected in (
        (part.id, BOB, say("not_yours_to_regenerate", "en")),
        (part.id, ADA, "answer to one"),
        ("elsewhere", ADA, refused),
    ):
        click = house.command(CommandName.REGENERATE, thread=thread, args=first, author=author)
        (reply_id,) = await house.accept(click)
        assert (await house.until(reply_id)).state is State.DONE
        assert house.door.shown[click.id] == expected
        assert house.door.order[thread][-1] == click.id


async def test_nobody_regenerates_another_persons_answer(house):
    _, first = await house.ask("one", author=ADA)
    await house.until(first)
    command = house.command(CommandName.REGENERATE, author=BOB, args=first)
    (told,) = await house.accept(command)
    await house.until(told)
    assert house.door.shown[command.id] == say("not_yours_to_regenerate", "en")


# --------------------------------------------------------------------------------------------------- edits, deletions


# ---------------------------------------------------------------------------------------------------- confirmations


class Desk:
    """A stage that asks before it does what it is told, and counts how often it did; a gate keeps it from ending."""

    def __init__(self, store):
        self.store, self.done, self.gate = store, [], asyncio.Event()
        self.gate.set()

    async def __call__(self, turn, call_next):
        if turn.confirmed:
            self.done.append((turn.confirmed.plugin, dict(turn.confirmed.arguments), turn.skips_cache))
            await self.gate.wait()
            yield Text(f"done: {turn.message.text}", Source.PLUGIN)
            return
        if not turn.message.text.startswith("order"):
            async for chunk in call_next(turn):
                yield chunk
            return
        call = Pending("order", {"what": turn.message.text})
        async with self.store.unit() as unit:
            await unit.asks.keep(turn.reply_id, turn.message.thread, turn.message.author, call, lifetime=HOUR)
        yield Ask(turn.reply_id, "shall I?")


HOUR = timedelta(hours=1)


async def test_what_is_asked_for_is_done_once_its_asker_says_yes(store):
    desk = Desk(store)
    async with House(store, desk).at_work() as house:
        _, asking = await house.ask("order tea")
        assert (await house.until(asking)).state is State.ASKED
        _, meanwhile = await house.ask("why?")  # the lane goes on
        assert (await house.until(meanwhile)).state is State.DONE
        assert not desk.done
        for stranger in (BOB, ROOT):
            (refused,) = await house.accept(house.command(CommandName.CONFIRM, args=asking, author=stranger))
            await house.until(refused)
            assert (await house.reply(refused)).text == say("nothing_to_confirm", "en")
        assert not desk.done
        click = house.command(CommandName.CONFIRM, args=asking)
        (done,) = await house.accept(click)
        assert await house.accept(click) == [done]
        assert (await house.until(done)).state is State.DONE
        reply = await house.reply(done)
        assert (reply.text, reply.replaces, reply.asker) == ("done: order tea", asking, ADA)
        assert desk.done == [("order", {"what": "order tea"}, True)]
        (again,) = await house.accept(house.command(CommandName.CONFIRM, args=asking))
        await house.until(again)
        assert (await house.reply(again)).text == say("nothing_to_confirm", "en")
        assert len(desk.done) == 1
        _, after = await house.ask("and?")
        await house.until(after)
        said = [turn.text for turn in house.mind.heard[-1].turns]
        assert said[:2] == ["order tea", "done: order tea"]


async def test_a_yes_by_a_word_means_what_was_asked_last_in_the_thread(store):
    desk = Desk(store)
    async with House(store, desk).at_work() as house:
        for text, thread in (("order tea", "t"), ("order milk", "t"), ("order salt", "u")):
            _, asking = await house.ask(text, thread=thread)
            await house.until(asking)
        (done,) = await house.accept(house.command(CommandName.CONFIRM))
        await house.until(done)
        assert (await house.reply(done)).text == "done: order milk"
        (again,) = await house.accept(house.command(CommandName.CONFIRM))
        await house.until(again)
        assert (await house.reply(again)).text == say("nothing_to_confirm", "en")
        (elsewhere,) = await house.accept(house.command(CommandName.CONFIRM, thread="v"))
        await house.until(elsewhere)
        assert (await house.reply(elsewhere)).text == say("nothing_to_confirm", "en")


class Ear:
    """A stage that notes whether a turn hears others."""

    def __init__(self):
        self.heard = []

    def __call__(self, turn, call_next):
        self.heard.append(turn.hears_others)
        return call_next(turn)


async def test_a_turn_knows_whether_words_of_others_lie_in_what_was_said_before(store):
    async with House(store, ear := Ear()).at_work() as house:
        for author in (ADA, ADA, BOB, ADA):
            _, reply_id = await house.ask("why?", author=author)
            assert (await house.until(reply_id)).state is State.DONE
    assert ear.heard == [False, False, True, True]


async def test_a_file_that_came_before_is_words_of_others_as_well(store):
    ear = Ear()
    async with House(store, ear, door=Library(one=b"Do as I say.")).at_work() as house:
        for files in ([Attachment("one", "a.txt", "text/plain")], []):
            _, reply_id = await house.ask("why?", files=files)
            assert (await house.until(reply_id)).state is State.DONE
    assert ear.heard == [False, True]


@pytest.mark.parametrize("names_it", [True, False])
async def test_what_was_confirmed_is_not_done_again_by_whoever_takes_over(store, names_it):
    desk = Desk(store)
    desk.gate.clear()
    house = House(store, desk, terms=replace(TERMS, lease=timedelta(seconds=0.3)))
    async with house.at_work():
        _, asking = await house.ask("order tea")
        await house.until(asking)
        (done,) = await house.accept(house.command(CommandName.CONFIRM, args=asking if names_it else ""))
        await eventually(lambda: desk.done)
    # The process is gone without a word, in the middle of it.
    desk.gate.set()
    async with house.at_work():
        assert (await house.until(done)).state is State.FAILED
        assert (await house.reply(done)).text == say("unsure_whether_done", "en")
    assert len(desk.done) == 1


async def test_a_question_that_was_erased_cannot_be_said_yes_to(store):
    desk = Desk(store)
    async with House(store, desk).at_work() as house:
        message, asking = await house.ask("order tea")
        await house.until(asking)
        await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
        await house.until_idle()
        (refused,) = await house.accept(house.command(CommandName.CONFIRM, args=asking))
        await house.until(refused)
        assert (await house.reply(refused)).text == say("nothing_to_confirm", "en")
        assert not desk.done


async def test_an_edited_question_is_answered_anew(house):
    house.mind.gate.clear()
    message, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    await house.accept(Edited(**house.common("t", ADA), message_id=message.id, text="uno"))
    await eventually(lambda: len(house.mind.heard) == 2)
    house.mind.gate.set()
    await house.until(reply_id, State.DONE)
    assert house.door.shown[message.id] == "answer to uno"
    assert house.door.order["t"] == [message.id]


async def test_a_question_may_be_edited_more_often_than_it_may_fail(house):
    house.mind.gate.clear()
    message, reply_id = await house.ask("zero")
    for number in range(TERMS.max_attempts + 2):
        await house.until(reply_id, State.ANSWERING)
        await house.accept(Edited(**house.common("t", ADA), message_id=message.id, text=f"edit {number}"))
        await eventually(lambda number=number: house.mind.open == {f"edit {number}"})
    house.mind.gate.set()
    await house.until(reply_id, State.DONE)
    assert (await house.reply(reply_id)).text == f"answer to edit {TERMS.max_attempts + 1}"


async def test_a_question_that_is_edited_or_deleted_while_it_is_answered_once_more(house):
    message, first = await house.ask("one")
    await house.until(first, State.DONE)
    house.mind.gate.clear()
    (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
    await house.until(second, State.ANSWERING)
    await house.accept(Edited(**house.common("t", ADA), message_id=message.id, text="uno"))
    await eventually(lambda: house.mind.open == {"uno"})
    await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
    assert (await house.until(second)).state is State.STOPPED
    assert (await house.reply(second)).text == say("deleted", "en")


async def test_a_stranger_erases_their_own_words_and_nobody_elses(house):
    hers, answer = await house.ask("one")
    await house.until(answer, State.DONE)
    his, refusal = await house.ask("two", author=GUEST)
    await house.until(refusal)
    for message in (hers, his):
        await house.accept(Deleted(**house.common("t", GUEST), message_id=message.id))
    await house.until_idle()
    (entry,) = await house.store.archive.entries(hers.thread, ADA, limit=9)
    assert entry.question == "one"
    async with house.store.unit() as unit:
        assert await unit.replies.question(refusal) is None


async def test_an_answer_an_admin_had_written_again_is_still_the_askers(house):
    message, first = await house.ask("one")
    await house.until(first, State.DONE)
    (second,) = await house.accept(house.command(CommandName.REGENERATE, author=ROOT, args=first))
    await house.until(second, State.DONE)
    (entry,) = await house.store.archive.entries(message.thread, ADA, limit=9)
    assert (entry.reply_id, entry.answer) == (second, "answer to one")
    assert (await house.store.archive.reply(second, ADA)).asker == ADA


async def test_an_edit_never_starts_a_turn_of_its_own(house):
    message, reply_id = await house.ask("one")
    await house.until(reply_id)
    await house.accept(Edited(**house.common("t", ADA), message_id=message.id, text="uno"))
    await house.until_idle()
    _, second = await house.ask("two")
    await house.until(second)
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["uno", "answer to one", "two"]
    assert len(house.mind.heard) == 2


@pytest.mark.parametrize("author", [ADA, GUEST])
async def test_a_question_that_comes_after_its_deletion_is_not_answered(house, author):
    late = house.message("late", author=author)
    await house.accept(Deleted(**house.common("t", author), message_id=late.id))
    await house.until_idle()
    await house.accept(late)
    _, other = await house.ask("other")
    await house.until(other, State.DONE)
    assert prompts(house) == ["other"]


async def test_a_question_that_comes_after_its_edit_is_answered_as_it_is_now(house):
    late = house.message("one")
    await house.accept(Edited(**house.common("t", ADA), message_id=late.id, text="uno"))
    await house.until_idle()
    assert house.mind.heard == []
    (reply_id,) = await house.accept(late)
    await house.until(reply_id, State.DONE)
    assert prompts(house) == ["uno"]
    assert house.door.shown[late.id] == "answer to uno"


async def test_an_edit_of_a_person_who_may_not_ask_waits_for_nothing(house):
    late = house.message("one", author=GUEST)
    await house.accept(Edited(**house.common("t", GUEST), message_id=late.id, text="uno"))
    await house.until_idle()
    (reply_id,) = await house.accept(late)
    await house.until(reply_id, State.REFUSED)
    async with house.store.unit() as unit:
        assert (await unit.replies.question(reply_id)).text == "one"


async def test_a_deleted_question_is_not_answered_and_forgotten(house):
    house.mind.gate.clear()
    message, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
    assert (await house.until(reply_id)).state is State.STOPPED
    house.mind.gate.set()
    _, second = await house.ask("two")
    await house.until(second)
    assert "one" not in [turn.text for turn in house.mind.heard[-1].turns]


# ---------------------------------------------------------------------------------------------------------- reasoning


async def test_what_was_thought_is_kept_for_its_asker_and_told_to_nobody_else(house):
    house.mind.thoughts = {"one": "They want one.", "two": "They want two."}
    message, first = await house.ask("one")
    await house.until(first)
    _, second = await house.ask("two")
    await house.until(second)
    assert (await house.reply(first)).text == house.door.shown[message.id] == "answer to one"
    assert await house.store.archive.reasoning(first, ADA) == "They want one."
    assert await house.store.archive.reasoning(first, BOB) is None
    assert [turn.text for turn in house.mind.heard[-1].turns] == ["one", "answer to one", "two"]


async def test_thinking_that_came_to_no_answer_can_still_be_looked_at(house):
    house.mind.thoughts, house.mind.answers = {"one": "They want one."}, {"one": ""}
    _, reply_id = await house.ask("one")
    await house.until(reply_id)
    assert (await house.reply(reply_id)).text == say("empty", "en")
    assert await house.store.archive.reasoning(reply_id, ADA) == "They want one."


@pytest.mark.parametrize(
    ("order", "sentence", "thought"), [("stop", "stopped", "They want one."), ("delete", "deleted", "")]
)
async def test_a_turn_that_ends_while_it_thinks(house, order, sentence, thought):
    house.mind.gate.clear()
    house.mind.thoughts = {"one": "They want one."}
    message, reply_id = await house.ask("one")
    await eventually(lambda: "one" in house.mind.open)
    async with aclosing(house.store.drafts.follow(reply_id)) as drafts:
        async for draft in drafts:
            if draft.status == "thinking":
                break
    if order == "stop":
        await house.accept(house.command(CommandName.STOP))
    else:
        await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
    assert (await house.until(reply_id)).state is State.STOPPED
    assert (await house.reply(reply_id)).text == say(sentence, "en")
    assert await house.store.archive.reasoning(reply_id, ADA) == thought


async def test_a_failed_answer_has_no_thoughts(house):
    house.mind.thoughts, house.mind.answers = {"one": "They want one."}, {"one": RuntimeError("broken")}
    _, reply_id = await house.ask("one")
    assert (await house.until(reply_id)).state is State.FAILED
    assert await house.store.archive.reasoning(reply_id, ADA) == ""


# ------------------------------------------------------------------------------------- what is read besides a question

BOAT = (Utterance("user", "The boat leaves at nine.", "Bob"), Utterance("user", "Which harbour?", "Eve"))
SPOKEN = "\nBob: The boat leaves at nine.\nEve: Which harbour?\n"
NOTES = b"Buy flour.\n"


def text_file(id="notes", name="notes.txt", size=None):
    return Attachment(id, name, "text/plain", size, {"url": "there"})


def mention(house, text, **more):
    return house.ask(text, is_mention=True, **more)


def prompts(house):
    return [conversation.turns[-1].text for conversation in house.mind.heard]


async def reading_of(house, message):
    async with house.store.unit() as unit:
        return await unit.threads.reading(message.thread, message.id)


def unread(why, *names, language="en"):
    return apology(Reading(unread=tuple(UnreadFile(name, why) for name in names)), language)


async def test_a_mention_in_a_thread_of_others_knows_who_said_what_and_so_does_the_follow_up(store):
    async with House(store, door=Library(BOAT)).at_work() as house:
        message, first = await mention(house, "Summarise this thread.")
        await house.until(first, State.DONE)
        (prompt,) = prompts(house)
        assert SPOKEN in prompt
        assert prompt.endswith("\nSummarise this thread.")
        _, second = await mention(house, "And in short?")
        await house.until(second, State.DONE)
        before, answer, question = house.mind.heard[-1].turns
        assert (before.text, answer.text) == (prompt, "answer to Summarise this thread.")
        assert question.text == "And in short?"
        assert house.door.asked == [message.id]


async def test_a_bare_call_in_a_thread_of_others_is_answered_from_what_they_said(store):
    async with House(store, door=Library(BOAT)).at_work() as house:
        _, called = await mention(house, "")
        await house.until(called, State.DONE)
        assert SPOKEN in prompts(house)[0]


async def test_a_bare_call_with_nothing_to_read_is_answered_by_help(store):
    async with House(store, door=Library(())).at_work() as house:
        _, called = await mention(house, "")
        await house.until(called, State.DONE)
        assert (await house.reply(called)).text == say("help", "en")
        assert prompts(house) == []


async def test_a_thread_is_read_at_its_first_mention_alone(store):
    async with House(store, door=Library(BOAT)).at_work() as house:
        _, unasked = await house.ask("no mention", thread="direct")
        await house.until(unasked)
        _, first = await house.ask("one")
        await house.until(first)
        _, known = await mention(house, "two")
        await house.until(known)
        assert house.door.asked == []
        assert prompts(house) == ["no mention", "one", "two"]


async def test_what_a_thread_was_to_forget_is_not_read_again(store):
    async with House(store, door=Library(BOAT)).at_work() as house:
        _, first = await mention(house, "one")
        await house.until(first)
        await house.accept(house.command(CommandName.RESET))
        _, second = await mention(house, "two")
        await house.until(second)
        assert [turn.text for turn in house.mind.heard[-1].turns] == ["two"]
        assert len(house.door.asked) == 1


async def test_a_mention_after_one_that_failed_reads_the_thread(store):
    async with House(store, door=Library(BOAT)).at_work() as house:
        house.mind.answers["one"] = Busy()
        _, first = await mention(house, "one")
        await house.until(first, State.FAILED)
        _, second = await mention(house, "two")
        await house.until(second)
        assert SPOKEN in prompts(house)[-1]


async def test_a_recovered_turn_reads_what_was_kept(store):
    door = Library(BOAT, notes=NOTES)
    house = House(store, terms=replace(TERMS, lease=timedelta(seconds=0.3)), door=door)
    _, reply_id = await mention(house, "one", files=[text_file()])
    async with house.at_work():
        house.mind.gate.clear()
        await house.until(reply_id, State.ANSWERING)
    door.said, door.files = ChannelError("away"), {}
    house.mind.gate.set()
    async with house.at_work():
        await house.until(reply_id, State.DONE)
    first, second = prompts(house)
    assert first == second
    assert SPOKEN in first
    assert "Buy flour." in first
    assert (len(door.asked), len(door.fetched)) == (1, 1)


async def test_an_edited_question_and_an_answer_written_again_keep_what_was_read(store):
    async with House(store, door=Library(BOAT, notes=NOTES)).at_work() as house:
        house.mind.gate.clear()
        message, first = await mention(house, "one", files=[text_file()])
        await house.until(first, State.ANSWERING)
        await house.accept(Edited(**house.common("t", ADA), message_id=message.id, text="uno"))
        await eventually(lambda: house.mind.open == {"uno"})
        house.mind.gate.set()
        await house.until(first, State.DONE)
        (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        await house.until(second, State.DONE)
        before, edited, again = prompts(house)
        assert edited == again == before.removesuffix("one") + "uno"
        assert (len(house.door.asked), len(house.door.fetched)) == (1, 1)


async def test_a_thread_too_long_for_the_model_loses_its_beginning(store):
    said = tuple(Utterance("user", f"number {n} " + "word " * 28, f"P{n}") for n in range(40))
    async with House(store, door=Library(said)).at_work() as house:
        message, reply_id = await mention(house, "why?")
        await house.until(reply_id, State.DONE)
        (conversation,) = house.mind.heard
        room = 500 - await house.mind.count(conversation)  # half of the context is for the answer
        assert 0 <= room < 31
        kept = (await reading_of(house, message)).earlier
        assert 1 < len(kept) < 40
        assert [each.name for each in kept] == [each.name for each in said[-len(kept) :]]


async def test_a_thread_that_cannot_be_read_costs_no_answer_and_is_told_of(store, caplog):
    async with House(store, door=Library(RateLimited(timedelta(seconds=60), "in 60 s"))).at_work() as house:
        message, first = await mention(house, "why?")
        await house.until(first, State.DONE)
        assert house.door.shown[message.id] == f"answer to why?\n\n*{say('unread_thread', 'en')}*"
        assert prompts(house) == ["What was said in this thread before could not be read.\n\nThe question:\nwhy?"]
        (told,) = (record.getMessage() for record in caplog.records if record.name == "core.reader")
        assert told.endswith("was not read, RateLimited: The channel asked us to wait: in 60 s")
        house.door.said = BOAT
        (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        await house.until(second)
        assert SPOKEN in prompts(house)[-1]
        assert (await house.reply(second)).text == "answer to why?"


async def test_a_thread_that_could_not_be_read_is_read_with_the_next_question(store):
    async with House(store, door=Library(ChannelError("away"))).at_work() as house:
        message, first = await mention(house, "一？")
        await house.until(first, State.DONE)
        assert house.door.shown[message.id].endswith(f"\n\n*{say('unread_thread', 'zh')}*")
        _, second = await house.ask("two")
        await house.until(second, State.DONE)
        assert (await house.reply(second)).text == "answer to two"  # it was told already
        house.door.said = BOAT
        _, third = await house.ask("three")
        await house.until(third, State.DONE)
        assert SPOKEN in prompts(house)[-1]
        assert (await house.reply(third)).text == "answer to three"
        _, fourth = await house.ask("four")
        await house.until(fourth, State.DONE)
        assert prompts(house)[-1] == "four"
        assert len(house.door.asked) == 3


async def test_the_files_of_a_question_are_not_read_again_with_its_thread(store):
    async with House(store, door=Library(ChannelError("away"), notes=NOTES)).at_work() as house:
        message, first = await mention(house, "one", files=[text_file(), text_file("gone", "gone.txt")])
        await house.until(first, State.DONE)
        told = f"{say('unread_thread', 'en')} {unread(Why.GONE, 'gone.txt')}"
        assert house.door.shown[message.id] == f"answer to one\n\n*{told}*"
        house.door.said = BOAT
        (second,) = await house.accept(house.command(CommandName.REGENERATE, args=first))
        await house.until(second, State.DONE)
        assert SPOKEN in prompts(house)[-1]
        assert "Buy flour." in prompts(house)[-1]
        assert house.door.fetched == ["notes", "gone"]


async def test_a_bare_call_in_a_thread_that_cannot_be_read_is_told_so(store):
    async with House(store, door=Library(TimeoutError())).at_work() as house:
        _, called = await mention(house, "")
        await house.until(called, State.DONE)
        reply = await house.reply(called)
        assert (reply.text, reply.source) == (say("unread_thread", "en"), Source.HOUSE)
        house.door.said = BOAT
        _, again = await mention(house, "")
        await house.until(again, State.DONE)
        assert SPOKEN in prompts(house)[0]


async def test_a_thread_that_could_not_be_read_and_was_to_be_forgotten_is_not_read_again(store):
    async with House(store, door=Library(ChannelError("away"))).at_work() as house:
        _, first = await mention(house, "one")
        await house.until(first, State.DONE)
        await house.accept(house.command(CommandName.RESET))
        _, second = await mention(house, "two")
        await house.until(second, State.DONE)
        assert (await house.reply(second)).text == "answer to two"
        assert len(house.door.asked) == 1


async def test_half_a_character_in_anothers_words_makes_no_question_unreadable(store):
    async with House(store, door=Library([Utterance("user", "half \ud800", "Bob \ud800")])).at_work() as house:
        _, reply_id = await mention(house, "why?")
        await house.until(reply_id)
        assert "\nBob ?: half ?\n" in prompts(house)[0]


async def test_a_text_file_is_part_of_its_question_now_and_later(store):
    async with House(store, door=Library(notes=NOTES)).at_work() as house:
        _, first = await house.ask("What do I buy?", files=[text_file(size=len(NOTES))])
        await house.until(first, State.DONE)
        (prompt,) = prompts(house)
        assert "“notes.txt”" in prompt
        assert "\nBuy flour.\n" in prompt
        assert prompt.endswith("\nWhat do I buy?")
        assert (await house.reply(first)).text == "answer to What do I buy?"
        _, second = await house.ask("How much?")
        await house.until(second)
        assert [turn.text for turn in house.mind.heard[-1].turns] == [prompt, "answer to What do I buy?", "How much?"]
        assert house.door.fetched == ["notes"]


async def test_what_was_read_is_introduced_in_the_language_of_the_question(store):
    async with House(store, door=Library(BOAT, notes=NOTES)).at_work() as house:
        _, reply_id = await mention(
            house, "总结一下", files=[text_file(), text_file("pdf", "a.pdf"), text_file("gone")]
        )
        await house.until(reply_id)
        assert "附件“notes.txt”" in prompts(house)[0]
        assert prompts(house)[0].endswith("\n问题：\n总结一下")
        assert (await house.reply(reply_id)).text.endswith(f"*{unread(Why.GONE, 'a.pdf', 'notes.txt', language='zh')}*")


@pytest.mark.parametrize("size", [MAX_FILE, None])
async def test_a_file_of_64_kb_is_read(store, size):
    async with House(store, door=Library(notes=b"a" * MAX_FILE)).at_work() as house:
        _, reply_id = await house.ask("why?", files=[text_file(size=size)])
        await house.until(reply_id)
        assert "a" * MAX_FILE in prompts(house)[0]
        assert (await house.reply(reply_id)).text == "answer to why?"


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        (text_file(size=MAX_FILE + 1), b"", Why.TOO_LARGE),
        (text_file(), b"a" * (MAX_FILE + 1), Why.TOO_LARGE),
        (Attachment("notes", "notes.pdf", "application/pdf", 9), b"%PDF", Why.NOT_TEXT),
        (text_file(), b"\x89PNG\r\n", Why.NOT_TEXT),
        (text_file(), NotFound(), Why.GONE),
        (text_file(), ChannelError("503"), Why.NOT_FETCHED),
        (text_file(), RuntimeError("secret words"), Why.NOT_FETCHED),
    ],
)
async def test_a_file_that_is_not_read_is_named_after_the_answer(store, caplog, file, content, why):
    async with House(store, door=Library(notes=content)).at_work() as house:
        message, reply_id = await house.ask("why?", files=[file])
        assert (await house.until(reply_id)).state is State.DONE
        reply = await house.reply(reply_id)
        assert reply.text == house.door.shown[message.id] == f"answer to why?\n\n*{unread(why, file.name)}*"
        assert reply.source is Source.ENGINE
        assert f"“{file.name}”" in prompts(house)[0]
        assert ("failed" in caplog.text) == isinstance(content, RuntimeError)
        assert "secret words" not in caplog.text
        assert file.name not in caplog.text
        assert bool(house.door.fetched) == (content not in (b"", b"%PDF"))


async def test_of_two_files_the_one_that_is_text_is_read(store):
    async with House(store, door=Library(notes=NOTES)).at_work() as house:
        files = [Attachment("report", "report.pdf", "application/pdf"), text_file()]
        message, reply_id = await house.ask("why?", files=files)
        await house.until(reply_id, State.DONE)
        assert "\nBuy flour.\n" in prompts(house)[0]
        assert house.door.shown[message.id].endswith(f"\n\n*{unread(Why.NOT_TEXT, 'report.pdf')}*")


async def test_no_more_than_ten_files_are_read(store):
    async with House(store, door=Library(**{f"f{n}": f"file {n}".encode() for n in range(12)})).at_work() as house:
        _, reply_id = await house.ask("why?", files=[text_file(f"f{n}", f"f{n}.txt") for n in range(12)])
        await house.until(reply_id)
        assert house.door.fetched == [f"f{n}" for n in range(10)]
        assert (await house.reply(reply_id)).text.endswith(f"*{unread(Why.TOO_MANY, 'f10.txt', 'f11.txt')}*")


async def test_nothing_but_a_file_that_is_no_text_is_answered_without_a_model(store):
    async with House(store, door=Library()).at_work() as house:
        pdf = Attachment("report", "report.pdf", "application/pdf")
        message, reply_id = await house.ask(" ", files=[pdf])
        assert (await house.until(reply_id)).state is State.DONE
        reply = await house.reply(reply_id)
        assert (reply.text, reply.source) == (unread(Why.NOT_TEXT, "report.pdf"), Source.HOUSE)
        assert house.door.shown[message.id] == reply.text
        assert house.mind.heard == []
        _, second = await house.ask("why?")
        await house.until(second)
        assert [turn.text for turn in house.mind.heard[-1].turns] == ["why?"]


async def test_a_text_file_without_a_word_is_a_question_of_its_own(store):
    async with House(store, door=Library(notes=NOTES)).at_work() as house:
        _, reply_id = await house.ask("", files=[text_file()])
        assert (await house.until(reply_id)).state is State.DONE
        assert prompts(house)[0].endswith("\nBuy flour.\n```")
        assert (await house.reply(reply_id)).source is Source.ENGINE


async def test_a_door_that_shows_neither_files_nor_threads_says_so(house):
    message, reply_id = await mention(house, "why?", files=[text_file()])
    await house.until(reply_id, State.DONE)
    assert house.door.shown[message.id] == f"answer to why?\n\n*{unread(Why.NOT_HERE, 'notes.txt')}*"


async def test_a_stop_ends_the_reading_too(store):
    async with House(store, door=Library(notes=NOTES)).at_work() as house:
        house.door.gate.clear()
        message, reply_id = await house.ask("why?", files=[text_file()])
        await eventually(lambda: house.door.fetched)
        await house.accept(house.command(CommandName.STOP))
        assert (await house.until(reply_id)).state is State.STOPPED
        assert (await house.reply(reply_id)).text == say("stopped", "en")
        assert house.mind.heard == []
        assert await reading_of(house, message) is None


async def test_a_deleted_question_takes_with_it_what_was_read(store):
    async with House(store, door=Library(notes=NOTES)).at_work() as house:
        house.mind.gate.clear()
        message, reply_id = await house.ask("why?", files=[text_file()])
        await house.until(reply_id, State.ANSWERING)
        assert await reading_of(house, message)
        await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
        assert (await house.until(reply_id)).state is State.STOPPED
        assert await reading_of(house, message) is None


async def test_a_file_that_does_not_come_in_time_is_done_without(store, monkeypatch):
    monkeypatch.setattr("core.reader.PATIENCE", 0.05)
    async with House(store, door=Library(BOAT, notes=NOTES)).at_work() as house:
        house.door.gate.clear()
        _, reply_id = await mention(house, "why?", files=[text_file(), text_file("more", "more.txt")])
        await house.until(reply_id, State.DONE)
        assert SPOKEN in prompts(house)[0]
        told = unread(Why.NOT_FETCHED, "notes.txt", "more.txt")
        assert (await house.reply(reply_id)).text == f"answer to why?\n\n*{told}*"


async def test_a_door_that_misses_the_database_is_asked_again(store):
    async with House(store, door=Library(notes=NotStored())).at_work() as house:
        message, reply_id = await house.ask("why?", files=[text_file()])
        await eventually(lambda: house.door.fetched)
        house.door.files["notes"] = NOTES
        await house.until(reply_id, State.DONE)
        assert house.door.shown[message.id] == "answer to why?"
        assert "\nBuy flour.\n" in prompts(house)[0]


# ------------------------------------------------------------------------------------------------------------ ratings


def _vote(target, score, author=ADA, id="v1", **more):
    return Feedback(
        id=id, target=target, author=author, origin=Origin.BUTTON, score=score, sent_at=datetime.now(UTC), **more
    )


async def _votes(house, reply_id):
    async with house.store.unit() as unit:
        return await unit.ratings.votes(reply_id)


async def test_a_thumb_lands_on_the_reply_with_its_model(house):
    _, reply_id = await house.ask("one")
    await house.until(reply_id)
    (part,) = (await house.reply(reply_id)).parts
    await house.accept(_vote(part, 1, comment="too short"))
    async with asyncio.timeout(5):
        while not (votes := await _votes(house, reply_id)):
            await asyncio.sleep(0.01)
    assert (votes[0].score, votes[0].comment, votes[0].model) == (1, "too short", "mind@1")


async def test_a_thumb_does_not_wait_behind_the_answer_it_concerns(house):
    house.mind.gate.clear()
    _, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    await house.accept(_vote(ReplyId(reply_id), 5))
    async with asyncio.timeout(2):
        while not await _votes(house, reply_id):
            await asyncio.sleep(0.01)


async def test_a_thumb_on_nothing_of_ours_is_dropped_after_a_while(store):
    terms = Terms(feedback_patience=timedelta(seconds=0))
    async with House(store, terms=terms).at_work() as house:
        await house.accept(_vote(PartId("door", "w", "c", "nobody's"), 5))
        key = ("feedback", ("channel", "door"), ("score", "unknown_target"))
        await eventually(lambda: house.numbers.counts[key] == 1)


# ------------------------------------------------------------------------------------------------------------- access


async def test_a_guest_is_told_and_no_model_is_asked(house):
    message, reply_id = await house.ask("why?", author=GUEST)
    assert (await house.until(reply_id)).state is State.REFUSED
    await eventually(lambda: house.door.shown.get(message.id) == say("not_allowed", "en"))
    assert house.mind.heard == []


async def test_a_thumb_under_a_growing_answer_knows_in_the_end_who_wrote_it(house):
    house.mind.gate.clear()
    _, reply_id = await house.ask("why?")
    await house.until(reply_id, State.ANSWERING)
    await house.accept(_vote(ReplyId(reply_id), 1))
    await eventually_voted(house, reply_id)
    house.mind.gate.set()
    await house.until(reply_id, State.DONE)
    async with house.store.unit() as unit:
        (vote,) = await unit.ratings.votes(reply_id)
    assert (vote.score, vote.model) == (1, "mind@1")


async def eventually_voted(house, reply_id):
    async with asyncio.timeout(8):
        while True:
            async with house.store.unit() as unit:
                if await unit.ratings.votes(reply_id):
                    return
            await asyncio.sleep(0.005)


async def test_a_guests_thumb_does_not_count(house):
    _, reply_id = await house.ask("one")
    await house.until(reply_id)
    await house.accept(_vote(ReplyId(reply_id), 1, author=GUEST))
    await asyncio.sleep(0.1)
    assert await _votes(house, reply_id) == ()


# ------------------------------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [(Busy(), "busy"), (RuntimeError("secret words"), "failed")],
)
async def test_a_failed_turn_is_never_silence(house, caplog, trouble, sentence):
    house.mind.answers["why?"] = trouble
    message, reply_id = await house.ask("why?")
    assert (await house.until(reply_id)).state is State.FAILED
    await eventually(lambda: house.door.shown.get(message.id) == say(sentence, "en"))
    assert "secret words" not in caplog.text
    assert type(trouble).__name__ in caplog.text or str(trouble) in caplog.text


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [(Malformed("the text holds half of a character pair"), "malformed"), (TooLong("9 tokens more"), "too_long")],
)
async def test_what_nobody_could_answer_is_told_to_the_person_and_is_no_failure_of_the_house(
    house, caplog, trouble, sentence
):
    house.mind.answers["why?"] = trouble
    message, reply_id = await house.ask("why?")
    assert (await house.until(reply_id)).state is State.REFUSED
    await eventually(lambda: house.door.shown.get(message.id) == say(sentence, "en"))
    assert {record.levelname for record in caplog.records if trouble.detail in record.message} == {"WARNING"}
    assert await house.store.archive.is_conversation(message.thread), "and they may ask again, without a mention"
    (order,) = await house.accept(house.command(CommandName.APPEAL, args="it was short"))
    await house.until(order)
    assert (await house.reply(order)).text == say("nothing_to_appeal", "en")


@pytest.mark.parametrize(
    ("times", "state", "shown"),
    [(1, State.DONE, "answer to why?"), (TERMS.max_attempts, State.FAILED, say("failed", "en"))],
)
async def test_what_the_database_never_takes_is_a_failed_try_and_no_wait(
    house, monkeypatch, caplog, times, state, shown
):
    commit, tries = Dialog._commit, []

    async def refused(self, *args, **settings):
        tries.append(self.claim.attempts)
        if len(tries) <= times:
            raise Unstorable("(DataError, 22003)")
        await commit(self, *args, **settings)

    monkeypatch.setattr(Dialog, "_commit", refused)
    message, reply_id = await house.ask("why?")
    assert (await house.until(reply_id)).state is state
    await eventually(lambda: house.door.shown == {message.id: shown})
    assert tries == list(range(1, times + 2))
    assert caplog.text.count(f"turn {reply_id} failed") == times


async def test_how_it_was_delivered_is_given_up_where_the_database_never_takes_it(house, monkeypatch, caplog):
    write_down, tries = Courier.write_down, []

    async def refused(self, error):
        tries.append(error)
        if not isinstance(error, Undeliverable):
            raise Unstorable("(DataError, 22008)")
        await write_down(self, error)

    monkeypatch.setattr(Courier, "write_down", refused)
    _, reply_id = await house.ask("why?")
    await eventually(lambda: len(tries) == 2)
    assert (await house.until(reply_id, State.FAILED)).state is State.FAILED
    assert "cannot be written down" in caplog.text
    assert [type(error) for error in tries] == [type(None), Undeliverable]


async def test_what_another_process_may_have_the_key_for_is_no_failure_however_often_it_is_tried(
    store, monkeypatch, caplog
):
    monkeypatch.setattr("core.manager._LONGEST_PAUSE", 0.0)
    tries = []

    async def keyless(turn, call_next):
        tries.append(turn.attempt)
        if len(tries) <= 3 * TERMS.max_attempts:
            yield Text("forty", Source.ENGINE)
            raise KeyMissing
        async for chunk in call_next(turn):
            yield chunk

    async with House(store, keyless).at_work() as house:
        message, reply_id = await house.ask("why?")
        assert (await house.until(reply_id)).state is State.DONE
    assert house.door.shown == {message.id: "answer to why?"}
    assert tries == list(range(1, 3 * TERMS.max_attempts + 2))
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said.startswith("what cannot be done here for want of an encryption key is given back")


async def test_what_waited_long_for_a_key_is_still_shown_while_it_grows(store, monkeypatch):
    monkeypatch.setattr("core.drafting._MOST_ATTEMPTS", 2)
    monkeypatch.setattr("core.drafting._REVISIONS_PER_ATTEMPT", 2**30 - 10)
    monkeypatch.setattr("core.manager._LONGEST_PAUSE", 0.0)

    async def keyless(turn, call_next):
        if turn.attempt < 5:
            raise KeyMissing
        async for chunk in call_next(turn):
            yield chunk

    async with House(store, keyless).at_work() as house:
        house.mind.gate.clear()
        _, reply_id = await house.ask("why?")
        await house.until(reply_id, State.ANSWERING)
        assert (await store.drafts.latest(reply_id)).text == "answer"
        house.mind.gate.set()
        assert (await house.until(reply_id)).state is State.DONE


async def test_a_channel_that_fails_gets_the_answer_later_and_in_order(house):
    house.door.troubles = [ChannelError("503")]
    first, one = await house.ask("one")
    second, two = await house.ask("two")
    await house.until(two, State.DONE)
    assert (await house.facts(one)).state is State.DONE
    assert house.door.order["t"] == [first.id, second.id]


async def test_a_channel_that_asks_to_wait_is_obeyed(house):
    house.door.troubles = [RateLimited(timedelta(seconds=0.3))]
    began = asyncio.get_running_loop().time()
    _, reply_id = await house.ask("one")
    await house.until(reply_id, State.DONE)
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert len(house.door.deliveries) == 2


PICTURE = Image(b"\x89PNG", "image/png", "a boat")
SOURCES = Sources((Citation("A page", "https://example.com/", "9:00"),))
ASK = Ask("ask-1", " Shall I go on?")


class Gallery(Door):
    """A platform that shows everything, until its connection is lost. `gate` holds each try up after its last chunk."""

    def __init__(self):
        super().__init__()
        self.is_connected = True
        self.seen = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def deliver(self, delivery, chunks, ledger):
        self.deliveries.append(delivery)
        if self.troubles:
            self.is_connected = not isinstance(self.troubles[0], DoorLost)
            raise self.troubles.pop(0)
        seen = [chunk async for chunk in chunks if isinstance(chunk, Text | Replace | Image | Sources | Ask)]
        await self.gate.wait()
        self.seen[delivery.reply.in_reply_to] = seen


def saying(*said):
    """Says this after the engine's answer, and a picture before it."""

    async def middleware(turn, call_next):
        yield Text("See ")
        yield PICTURE
        async with aclosing(call_next(turn)) as chunks:
            async for chunk in chunks:
                yield chunk
        for chunk in said:
            yield chunk

    return middleware


async def test_an_answer_whose_first_delivery_was_turned_away_loses_nothing(store):
    async with House(store, saying(SOURCES, ASK), door=Gallery()).at_work() as house:
        house.door.troubles = [RateLimited(timedelta(seconds=0.05))]
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.ASKED)
        await eventually(lambda: message.id in house.door.seen)
        see, answer = (Text(said, Source.PLUGIN) for said in ("See ", "answer to one"))  # who asks is who speaks
        assert house.door.seen[message.id] == [see, PICTURE, answer, SOURCES, ASK]
        assert (await house.reply(reply_id)).text == "See answer to one Shall I go on?"
        assert len(house.door.deliveries) == 2


async def test_a_process_killed_while_it_shows_a_ready_answer_loses_nothing(store):
    door = Gallery()
    house = House(store, saying(SOURCES), terms=replace(TERMS, lease=timedelta(seconds=0.3)), door=door)
    async with house.at_work():
        door.gate.clear()
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.DELIVERING)
    assert not door.seen
    door.gate.set()
    async with house.at_work():
        await house.until(reply_id, State.DONE)
    assert door.seen[message.id] == [Text("See "), PICTURE, Text("answer to one"), SOURCES]
    assert len(door.deliveries) == 2


async def test_an_answer_that_waits_its_turn_to_be_shown_loses_nothing(store):
    async with House(store, saying(SOURCES), door=Gallery()).at_work() as house:
        house.door.gate.clear()
        await house.ask("one")
        second, two = await house.ask("two")
        await house.until(two, State.DELIVERING)
        house.door.gate.set()
        await house.until(two, State.DONE)
        assert house.door.seen[second.id] == [Text("See "), PICTURE, Text("answer to two"), SOURCES]


def refusing(category="games"):
    """A stage that refuses every question, and keeps that it did."""

    def bound(store):
        async def refuse(turn, call_next):
            async with store.unit() as unit:
                incident = Incident("question", category, "refuse")
                await unit.incidents.record(turn.reply_id, turn.message.thread, turn.message.author, incident)
            yield Text("I don't take this.", Source.MODERATION)
            yield Screened(Verdict.REFUSED, (category,))

        return refuse

    return bound


async def appeals(house):
    async with house.store.unit() as unit:
        return [(kept.reply_id, kept.appeal.comment) for kept in await unit.incidents.newest(limit=9, appealed=True)]


async def test_who_was_refused_can_say_that_it_was_wrong(store):
    async with House(store, refusing()(store)).at_work() as house:
        _, reply_id = await house.ask("chess?")
        assert (await house.until(reply_id)).state is State.REFUSED
        (order,) = await house.accept(house.command(CommandName.APPEAL, args="chess is no such game"))
        await house.until(order)
        assert (await house.reply(order)).text == say("appealed", "en")
        assert await appeals(house) == [(reply_id, "chess is no such game")]
        assert house.numbers.counts["moderation_appeals", ("channel", "door")] == 1


async def test_an_appeal_against_nothing_says_so(house):
    _, reply_id = await house.ask("chess?")
    await house.until(reply_id)
    (order,) = await house.accept(house.command(CommandName.APPEAL, args="why not"))
    await house.until(order)
    assert (await house.reply(order)).text == say("nothing_to_appeal", "en")
    assert not await appeals(house)


async def test_a_thumb_down_on_a_refusal_is_an_appeal_of_whoever_was_refused(store):
    async with House(store, refusing()(store)).at_work() as house:
        _, reply_id = await house.ask("chess?")
        await house.until(reply_id)
        await house.accept(_vote(reply_id, 1, author=BOB, comment="no"), _vote(reply_id, 5, id="v2"))
        await house.until_idle()
        assert not await appeals(house)
        await house.accept(_vote(reply_id, 1, id="v3", comment="it is only chess"))
        await house.until_idle()
        assert await appeals(house) == [(reply_id, "it is only chess")]


async def test_a_thumb_down_on_an_answer_is_no_appeal(house):
    _, reply_id = await house.ask("chess?")
    await house.until(reply_id)
    await house.accept(_vote(reply_id, 1))
    await house.until_idle()
    assert not await appeals(house)


async def test_what_was_refused_in_the_end_is_shown_without_what_it_had(store):
    refusal = (SOURCES, Replace("No."), Screened(Verdict.REFUSED))
    async with House(store, saying(*refusal), door=Gallery()).at_work() as house:
        house.door.troubles = [ChannelError("503")]
        message, reply_id = await house.ask("one")
        assert (await house.until(reply_id)).state is State.REFUSED
        await eventually(lambda: message.id in house.door.seen)
        assert house.door.seen[message.id] == [Text("No.", Source.MODERATION)]


async def test_an_answer_to_a_question_that_is_deleted_before_it_is_shown_is_shown_without_what_it_had(store):
    async with House(store, saying(SOURCES), door=Gallery()).at_work() as house:
        house.door.troubles = [DoorLost()]
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.DELIVERING)
        await eventually(lambda: not house.door.is_connected)
        async with store.unit() as unit:
            assert await unit.threads.erase(message.thread, message.id)
        house.door.is_connected = True
        await house.until(reply_id, State.DONE)
        assert house.door.seen[message.id] == [Text("See answer to one")]


async def test_what_is_too_much_to_be_kept_is_told_to_the_operator_and_the_answer_is_kept(store, caplog):
    async with House(store, saying(*[PICTURE] * 10, SOURCES), door=Gallery()).at_work() as house:
        house.door.troubles = [ChannelError("503")]
        message, _ = await house.ask("one")
        await eventually(lambda: message.id in house.door.seen)
        assert house.door.seen[message.id] == [Text("See "), PICTURE, Text("answer to one"), *[PICTURE] * 9, SOURCES]
        assert house.numbers.counts["extras_dropped", ("channel", "door")] == 1
    assert "1 pictures or sources too many" in caplog.text


async def test_a_door_that_lost_its_connection_neither_spins_nor_uses_up_the_answers_tries(store):
    async with House(store, terms=replace(TERMS, max_deliveries=2)).at_work() as house:
        house.door.troubles = [DoorLost(), DoorLost(), ChannelError("503")]
        message, reply_id = await house.ask("one")
        await asyncio.sleep(0.3)
        assert len(house.door.deliveries) == 1
        await house.until(reply_id, State.DONE)
        assert house.door.shown[message.id] == "answer to one"
        assert len(house.door.deliveries) == 4


async def test_an_answer_outlasts_the_outage_of_its_platform(store, monkeypatch):
    monkeypatch.setattr("core.delivery._BACKOFF", 0.01)
    async with House(store, terms=replace(TERMS, max_deliveries=2)).at_work() as house:
        house.door.troubles = [Unreached() for _ in range(5)]
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.DONE)
        assert house.door.shown[message.id] == "answer to one"
        assert len(house.door.deliveries) == 6


async def test_nothing_is_claimed_for_a_door_without_its_connection(house):
    house.door.is_connected = False
    _, reply_id = await house.ask("one")
    await asyncio.sleep(0.2)
    assert await house.facts(reply_id) is None
    house.door.is_connected = True
    await house.until(reply_id, State.DONE)


async def test_a_reply_the_channel_refuses_for_good_does_not_block_the_thread(house):
    house.door.troubles = [Undeliverable("gone")]
    _, one = await house.ask("one")
    second, two = await house.ask("two")
    await house.until(two, State.DONE)
    assert (await house.facts(one)).state is State.FAILED
    assert house.door.shown[second.id] == "answer to two"


async def test_a_turn_that_kills_its_process_is_given_up_with_a_sentence(store):
    house = House(store)
    message, reply_id = await house.ask("one")
    for _ in range(TERMS.max_attempts):
        async with house.store.unit() as unit:
            assert await unit.inbox.claim("turn", owner="dead", doors=["door"], limit=1, lease=timedelta(0))
        async with house.store.unit() as unit:
            await unit.inbox.reap()
    async with house.at_work():
        assert (await house.until(reply_id)).state is State.FAILED
        await eventually(lambda: house.door.shown.get(message.id) == say("failed", "en"))
        _, second = await house.ask("two")
        assert (await house.until(second)).state is State.DONE


async def test_a_recovered_turn_knows_the_parts_that_were_sent(store):
    house = House(store, terms=replace(TERMS, lease=timedelta(seconds=0.3)))
    message, reply_id = await house.ask("one")
    async with house.at_work():
        house.mind.gate.clear()
        await house.until(reply_id, State.ANSWERING)
        await eventually(lambda: message.id in house.door.shown)
    # The process is gone without a word; its leases run out.
    house.mind.gate.set()
    async with house.at_work():
        await house.until(reply_id, State.DONE)
    assert [len(delivery.parts) for delivery in house.door.deliveries] == [0, 1]
    assert house.door.order["t"] == [message.id]
    assert house.door.shown[message.id] == "answer to one"


async def test_an_answer_outlives_an_outage_longer_than_its_lease(store):
    async with House(store, terms=replace(TERMS, lease=timedelta(seconds=0.3))).at_work() as house:
        house.mind.gate.clear()
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.ANSWERING)
        (manager,) = house.managers
        renew, manager._renew = manager._renew, _away
        await asyncio.sleep(0.5)
        manager._renew = renew
        await asyncio.sleep(0.5)
        house.mind.gate.set()
        await house.until(reply_id, State.DONE)
        assert len(house.mind.heard) == 1
        assert house.door.shown[message.id] == "answer to one"
        assert house.door.order["t"] == [message.id]


async def test_a_process_that_claims_its_own_lost_turn_answers_it_once(store):
    async with House(store, terms=replace(TERMS, lease=timedelta(seconds=0.3))).at_work() as house:
        house.mind.gate.clear()
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.ANSWERING)
        (manager,) = house.managers
        (lost,) = manager._dialogs.values()
        renew, manager._renew = manager._renew, _away
        await asyncio.sleep(0.5)
        async with house.store.unit() as unit:
            assert await unit.inbox.reap() == 1
        await eventually(lambda: manager._dialogs.get(reply_id) not in (None, lost))
        manager._renew = renew
        await eventually(lambda: len(house.mind.heard) == 2 and len(house.mind.open) == 1)
        await asyncio.sleep(0.5)
        house.mind.gate.set()
        await house.until(reply_id, State.DONE)
        await eventually(lambda: not manager._dialogs and not manager._handovers)
        assert house.door.shown[message.id] == "answer to one"
        assert house.door.order["t"] == [message.id]


async def _away():
    raise NotStored


async def test_a_turn_taken_over_is_discarded(store):
    house = House(store, terms=replace(TERMS, lease=timedelta(seconds=0.3)))
    house.mind.gate.clear()
    async with house.at_work():
        _, reply_id = await house.ask("one")
        await house.until(reply_id, State.ANSWERING)
        (dialog,) = house.managers[0]._dialogs.values()
        async with house.store.unit() as unit:
            await unit.inbox.release(dialog.claim, timedelta(0))
            (claim,) = await unit.inbox.claim(
                "turn", owner="other", doors=["door"], limit=1, lease=timedelta(minutes=1)
            )
        await eventually(lambda: not house.mind.open)
        house.mind.gate.set()
        await asyncio.sleep(0.1)
    async with house.store.unit() as unit:
        await unit.inbox.finish(claim)
    assert (await house.reply(reply_id)).text == ""


async def test_stopping_waits_for_what_was_begun(store):
    house = House(store)
    manager = DialogManager(house.hall)
    house.mind.gate.clear()
    running = asyncio.create_task(manager.run())
    _, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    stopping = asyncio.create_task(manager.stop(timedelta(seconds=5)))
    await asyncio.sleep(0.05)
    house.mind.gate.set()
    await stopping
    assert (await house.facts(reply_id)).state is State.DONE


async def test_what_does_not_end_in_time_is_given_back(store):
    house = House(store)
    manager = DialogManager(house.hall)
    house.mind.gate.clear()
    running = asyncio.create_task(manager.run())
    _, reply_id = await house.ask("one")
    await house.until(reply_id, State.ANSWERING)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await manager.stop(timedelta(0))
    house.mind.gate.set()
    async with house.at_work():
        assert (await house.until(reply_id)).state is State.DONE


async def test_a_delivery_that_does_not_end_in_time_is_given_back(store, monkeypatch):
    house = House(store)
    manager = DialogManager(house.hall)
    stuck = asyncio.Event()

    async def deliver(delivery, chunks, ledger):
        stuck.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(house.door, "deliver", deliver)
    running = asyncio.create_task(manager.run())
    message, reply_id = await house.ask("one")
    await stuck.wait()
    await house.until(reply_id, State.DELIVERING)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await manager.stop(timedelta(0))
    monkeypatch.undo()
    async with house.at_work():
        async with asyncio.timeout(3):  # the lease is longer
            await house.until(reply_id, State.DONE)
    assert house.door.shown[message.id] == "answer to one"


class Distant:
    """A store, or a room of it, that is far away: once something was `claimed` there, the news of it comes late."""

    def __init__(self, of, claimed=None):
        self._of = of
        self.claimed = claimed or asyncio.Event()
        self.is_told = asyncio.Event()

    def __getattr__(self, name):
        found = getattr(self._of, name)
        return Distant(found, self.claimed) if name in ("inbox", "outbox") else found

    async def claim(self, *args, **options):
        if claimed := await self._of.claim(*args, **options):
            self.claimed.set()
        return claimed

    @asynccontextmanager
    async def unit(self, **options):
        async with self._of.unit(**options) as unit:
            yield Distant(unit, self.claimed)
        if self.claimed.is_set():
            await self.is_told.wait()


async def is_told_to_end_while_it_claims(house):
    """Between what the database does and the news of it."""
    distant = Distant(house.store)
    manager = DialogManager(replace(house.hall, store=distant))
    running = asyncio.create_task(manager.run())
    await distant.claimed.wait()
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.sleep(0)
    distant.is_told.set()
    with suppress(asyncio.CancelledError):
        await running
    await manager.stop(timedelta(0))


async def test_what_is_claimed_just_as_the_end_comes_is_given_back(store):
    house = House(store)
    _, reply_id = await house.ask("one")
    await is_told_to_end_while_it_claims(house)
    async with house.at_work():
        async with asyncio.timeout(3):  # the lease is longer
            await house.until(reply_id, State.DONE)


async def test_a_click_that_is_claimed_just_as_the_end_comes_is_given_back(store):
    house = House(store)
    async with house.at_work():
        message, reply_id = await house.ask("one")
        await house.until(reply_id, State.DONE)
    await house.accept(Deleted(**house.common("t", ADA), message_id=message.id))
    await is_told_to_end_while_it_claims(house)
    async with house.at_work():
        async with asyncio.timeout(3):
            await house.until_idle()


async def test_a_delivery_that_is_claimed_just_as_the_end_comes_is_given_back(store):
    house = House(store)
    house.door.troubles = [Unreached("away")]
    async with house.at_work():
        message, reply_id = await house.ask("one")
        await eventually(lambda: house.door.deliveries)
        await asyncio.sleep(0.05)
    await is_told_to_end_while_it_claims(house)
    async with house.at_work():
        async with asyncio.timeout(3):
            await house.until(reply_id, State.DONE)
    assert house.door.shown[message.id] == "answer to one"


# ----------------------------------------------------------------------------------------------------------- who asks

EVE = Author("door", "w", "eve")


class Porter(Door):
    """A platform that says who somebody is only when asked: Eve is a guest, Ada it knows at once.

    Of the others it says so once the `gate` is open, or raises its `trouble`. What was `overheard` was not said to us.
    """

    def __init__(self, *, is_open=True):
        super().__init__()
        self.asked, self.overheard, self.trouble = [], set(), None
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()

    async def introduce(self, event):
        self.asked.append(event.author.id)
        if event.author.id != ADA.id:
            await self.gate.wait()
            if self.trouble is not None:
                raise self.trouble
        is_guest = event.author.id == EVE.id
        if is_guest and event.id in self.overheard:
            raise Refused
        return replace(event.author, name=event.author.id.title(), is_guest=is_guest)


@pytest.fixture
def patient(monkeypatch):
    """A platform may take as long as it likes; where too many wait for it, it is asked again soon."""
    monkeypatch.setattr("core.introduction._PATIENCE", 60.0)
    monkeypatch.setattr("core.introduction._PAUSE", 0.2)


def with_access(house, **rule):
    house.hall = replace(house.hall, access=Access({"door": Rule(**rule)}))
    return house


async def test_whom_the_platform_calls_a_guest_is_told_and_no_model_is_asked(store):
    async with House(store, door=Porter()).at_work() as house:
        message, reply_id = await house.ask("why?", author=EVE)
        assert (await house.until(reply_id)).state is State.REFUSED
        await eventually(lambda: house.door.shown.get(message.id) == say("not_allowed", "en"))
        _, other = await house.ask("and now?", author=BOB)
        assert (await house.until(other)).state is State.DONE
    assert prompts(house) == ["and now?"]
    assert (await house.reply(other)).asker == replace(BOB, name="Bob")


@pytest.mark.parametrize(
    ("author", "rule"),
    [(GUEST, {}), (BOB, {"guests": True, "externals": True}), (BOB, {"channels": frozenset({"elsewhere"})})],
)
async def test_the_platform_is_not_asked_where_the_rules_know_without_it(store, author, rule):
    async with with_access(House(store, door=Porter()), **rule).at_work() as house:
        _, reply_id = await house.ask("why?", author=author)
        await house.accept(house.command(CommandName.STOP, author=author))
        await house.until(reply_id)
        await house.until_idle()
    assert house.door.asked == []


async def test_the_platform_is_asked_where_another_place_may_decide(store):
    """The answer that is meant may belong to a question from somewhere else, where they may ask."""
    async with with_access(House(store, door=Porter()), channels=frozenset({"elsewhere"})).at_work() as house:
        await house.accept(house.command(CommandName.REGENERATE, author=EVE), _vote(ReplyId("0" * 32), 5, author=BOB))
        await eventually(lambda: {"eve", "bob"} <= set(house.door.asked))


async def test_who_asks_where_the_platform_is_away_is_answered_once_it_says_who_they_are(store, monkeypatch):
    monkeypatch.setattr("core.introduction._PAUSE", 0.02)
    porter = Porter()
    porter.trouble = ChannelError("(away)")
    async with House(store, door=porter).at_work() as house:
        message, reply_id = await house.ask("why?", author=BOB)
        await house.accept(house.command(CommandName.STOP, author=BOB, thread="elsewhere"))
        await eventually(lambda: len(porter.asked) >= 6)
        assert await house.facts(reply_id) is None
        porter.trouble = None
        assert (await house.until(reply_id)).state is State.DONE
        await house.until_idle()
    assert house.door.order["t"] == [message.id]
    key = ("channel_retries", ("channel", "door"))
    assert house.numbers.counts[key] >= 4


async def test_who_waits_for_their_platform_takes_nobody_elses_place(store, patient):
    porter = Porter(is_open=False)
    house = House(store, door=porter, terms=replace(TERMS, concurrency=4))
    async with house.at_work():
        waiting = [await house.ask("why?", thread=f"t{n}", author=Author("door", "w", f"p{n}")) for n in range(8)]
        await eventually(lambda: len(set(porter.asked)) == 8)
        _, reply_id = await house.ask("and I?", thread="ada")
        assert (await house.until(reply_id)).state is State.DONE
        porter.gate.set()
        for _, other in waiting:
            assert (await house.until(other)).state is State.DONE


async def test_a_vote_that_waits_for_its_platform_holds_up_no_stop(store, patient):
    porter = Porter(is_open=False)
    async with House(store, door=porter).at_work() as house:
        house.mind.gate.clear()
        _, reply_id = await house.ask("why?")
        await house.until(reply_id, State.ANSWERING)
        await house.accept(*(_vote(reply_id, 5, id=f"v{n}", author=Author("door", "w", f"p{n}")) for n in range(40)))
        await eventually(lambda: len(set(porter.asked)) == 41)
        await house.accept(house.command(CommandName.STOP))
        assert (await house.until(reply_id)).state is State.STOPPED
        porter.gate.set()
        async with asyncio.timeout(8):
            while len(await _votes(house, reply_id)) < 40:
                await asyncio.sleep(0.01)


async def test_a_process_that_dies_before_it_knew_who_asks_loses_nothing(store, patient):
    terms = replace(TERMS, lease=timedelta(seconds=0.3))
    async with House(store, terms=terms, door=Porter(is_open=False)).at_work() as house:
        message, reply_id = await house.ask("why?", author=BOB)
        await house.accept(_vote(reply_id, 5, author=BOB))
        await eventually(lambda: len(house.door.asked) == 2)
    async with House(store, terms=terms, door=Porter()).at_work() as house:
        assert (await house.until(reply_id)).state is State.DONE
        await eventually_voted(house, reply_id)
    assert house.door.shown == {message.id: "answer to why?"}


@pytest.mark.parametrize("trouble", [ChannelError("(away)"), RateLimited(timedelta(0)), TimeoutError()])
async def test_who_stays_unknown_is_told_so_and_has_no_vote(store, monkeypatch, trouble):
    monkeypatch.setattr("core.introduction._PAUSE", 0.0)
    monkeypatch.setattr("core.introduction.TRIES", 3)
    porter = Porter()
    porter.trouble = trouble
    async with House(store, door=porter).at_work() as house:
        _, hers = await house.ask("one")
        await house.until(hers, State.DONE)
        message, reply_id = await house.ask("why?", author=BOB, is_mention=True)
        stop = house.command(CommandName.STOP, author=BOB)
        await house.accept(stop, _vote(hers, 1, author=BOB))
        assert (await house.until(reply_id)).state is State.REFUSED
        for event in (message, stop):
            await eventually(lambda id=event.id: house.door.shown.get(id) == say("unknown_author", "en"))
        await house.until_idle()
        assert porter.asked.count("bob") == 9
        assert await _votes(house, hers) == ()
        # They are asked about again when they ask again.
        porter.trouble = None
        _, reply_id = await house.ask("and now?", author=BOB)
        assert (await house.until(reply_id)).state is State.DONE


class Hiccup(Porter):
    """A platform whose trouble is over by the next time it is asked."""

    async def introduce(self, event):
        try:
            return await super().introduce(event)
        finally:
            self.trouble = None


async def test_who_waited_long_for_a_key_is_no_stranger_as_soon_as_their_platform_is_silent(store, monkeypatch):
    monkeypatch.setattr("core.introduction._PAUSE", 0.0)
    monkeypatch.setattr("core.manager._LONGEST_PAUSE", 0.0)
    monkeypatch.setattr("core.introduction.TRIES", 3)
    porter, tries = Hiccup(), []

    async def keyless(turn, call_next):
        tries.append(turn.attempt)
        if len(tries) <= 5:
            porter.trouble = ChannelError("(away)") if len(tries) == 5 else None
            raise KeyMissing
        async for chunk in call_next(turn):
            yield chunk

    async with House(store, keyless, door=porter).at_work() as house:
        _, reply_id = await house.ask("why?", author=BOB)
        assert (await house.until(reply_id)).state is State.DONE
    assert tries == [1, 2, 3, 4, 5, 7]


async def test_who_stays_unknown_and_did_not_ask_us_is_told_nothing_and_their_words_are_not_kept(store, monkeypatch):
    monkeypatch.setattr("core.introduction._PAUSE", 0.0)
    monkeypatch.setattr("core.introduction.TRIES", 3)
    porter = Porter()
    porter.trouble = ChannelError("(away)")
    async with House(store, door=porter).at_work() as house:
        _, reply_id = await house.ask("just between us", author=BOB)
        assert (await house.until(reply_id)).state is State.REFUSED
        await house.until_idle()
        async with store.unit() as unit:
            assert await unit.replies.question(reply_id) is None
        _, hers = await house.ask("one")
        await house.until(hers, State.DONE)
        await house.until_idle()
    assert list(house.door.shown.values()) == ["answer to one"]


async def test_whom_a_platform_knew_all_the_time_does_not_end_its_silence(store, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="core.introduction")
    monkeypatch.setattr("core.introduction._PAUSE", 0.02)
    porter = Porter()
    porter.trouble = ChannelError("(away)")
    async with House(store, door=porter).at_work() as house:
        _, his = await house.ask("why?", author=BOB, thread="bob")
        await eventually(lambda: porter.asked.count("bob") >= 3)
        _, hers = await house.ask("one")
        await house.until(hers, State.DONE)
        tries = porter.asked.count("bob")
        await eventually(lambda: porter.asked.count("bob") >= tries + 2)
        porter.trouble = None
        await house.until(his, State.DONE)
    said = [record.message for record in caplog.records if record.name == "core.introduction"]
    assert said == ["door does not say who asks, so what is asked there waits: (away)", "door says again who asks"]


async def test_an_adapter_that_fails_to_say_who_asks_is_a_failed_turn(store):
    porter = Porter()
    porter.trouble = RuntimeError("broken")
    async with House(store, door=porter).at_work() as house:
        message, reply_id = await house.ask("why?", author=BOB)
        assert (await house.until(reply_id)).state is State.FAILED
        await eventually(lambda: house.door.shown.get(message.id) == say("failed", "en"))
    assert house.mind.heard == []


async def test_who_may_not_ask_and_did_not_is_not_told_so_and_their_words_are_not_kept(store, caplog):
    porter = Porter()
    porter.overheard = {"said", "stop", "reset"}
    async with House(store, door=porter).at_work() as house:
        said = house.message("just between us", author=EVE, id="said")
        reset = house.command(CommandName.RESET, author=EVE, id="reset")
        reply_id, _, told = await house.accept(said, house.command(CommandName.STOP, author=EVE, id="stop"), reset)
        assert (await house.until(reply_id)).state is State.REFUSED
        assert (await house.until(told)).state is State.REFUSED
        await house.until_idle()
        async with store.unit() as unit:
            assert await unit.replies.question(reply_id) is None
        assert not await store.archive.is_conversation(said.thread)
        _, reply_id = await house.ask("one")
        await house.until(reply_id, State.DONE)
    assert (prompts(house), list(house.door.shown)) == (["one"], [house.door.deliveries[0].reply.in_reply_to])
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def until_waiting(house, number):
    async with asyncio.timeout(8):
        while True:
            async with house.store.unit() as unit:
                if await unit.inbox.waiting() == number:
                    return
            await asyncio.sleep(0.005)


async def test_own_words_are_taken_back_while_it_is_not_known_who_takes_them_back(store, patient):
    porter = Porter(is_open=False)
    async with House(store, door=porter).at_work() as house:
        hers, answer = await house.ask("one")
        await house.until(answer, State.DONE)
        his, question = await house.ask("two", author=BOB, thread="bob")
        await eventually(lambda: "bob" in porter.asked)
        await house.accept(Deleted(**house.common("bob", BOB), message_id=his.id))
        await house.accept(Deleted(**house.common("t", EVE), message_id=hers.id))
        await eventually(lambda: "eve" in porter.asked)
        await until_waiting(house, 2)  # his question, and what she wants of words that are not hers
        async with store.unit() as unit:
            assert await unit.replies.question(answer) is not None
        porter.gate.set()
        assert (await house.until(question)).state is State.STOPPED
        await house.until_idle()
        async with store.unit() as unit:
            assert await unit.replies.question(answer) is not None, "a guest erases nobody else's words"
    assert prompts(house) == ["one"]


async def test_a_question_that_is_taken_back_is_not_answered_however_silent_the_platform_is(store, monkeypatch):
    monkeypatch.setattr("core.introduction._PAUSE", 0.02)
    porter = Porter()
    porter.trouble = ChannelError("(away)")
    async with House(store, door=porter).at_work() as house:
        message, reply_id = await house.ask("why?", author=BOB)
        await eventually(lambda: "bob" in porter.asked)
        await house.accept(Deleted(**house.common("t", BOB), message_id=message.id))
        assert (await house.until(reply_id)).state is State.STOPPED
        await eventually(lambda: house.door.shown.get(message.id) == say("deleted", "en"))
    assert house.mind.heard == []


async def test_what_waits_for_its_platform_when_the_process_ends_is_given_back(store, patient):
    porter = Porter(is_open=False)
    house = House(store, door=porter)
    manager = DialogManager(house.hall)
    running = asyncio.create_task(manager.run())
    _, reply_id = await house.ask("one", author=BOB)
    await house.accept(_vote(reply_id, 5, author=BOB))
    await eventually(lambda: len(porter.asked) == 2)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await manager.stop(timedelta(0))
    porter.gate.set()
    async with house.at_work():
        async with asyncio.timeout(3):  # the lease is longer
            await house.until(reply_id, State.DONE)
            await eventually_voted(house, reply_id)
