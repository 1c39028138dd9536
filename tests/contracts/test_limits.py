"""What every store promises of limits, and what a person reads who has reached one."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import LeaseLost
from core.limits import Allowance, Limits, Quota
from core.message import Author, Command, CommandName, Edited, Message, Source, ThreadId
from core.ports import (
    Claim,
    Consumer,
    Consumption,
    Lifted,
    Neighbourhood,
    State,
    Store,
)
from core.texts import say
from tests.contracts.test_dialog import ADA, TERMS, House, eventually
from tests.store_moves import ANN, ATTIC, BOB, DOORS, EXPIRED, LEASE, ROOM, add, begin, claim, finish, message

TOWN = ThreadId("slack", "T1", "C1", "1")
EVE = Author("slack", "T1", "eve", "Eve")


# ----------------------------------------------------------------------------------------------- so many of theirs


async def claims(store: Store, limit: int = 10, seats: int | None = 2, lane: str = "turn") -> tuple[Claim, ...]:
    async with store.unit() as unit:
        return await unit.inbox.claim(lane, owner="me", doors=DOORS, limit=limit, lease=LEASE, per_person=seats)


def said(taken: tuple[Claim, ...]) -> list[str]:
    return [each.event.text for each in taken if isinstance(each.event, Message)]


async def ask(store: Store, author: Author, *names: str) -> None:
    threads = (ThreadId("console", "home", "web", name) for name in names)
    await add(store, *(message(thread.thread, thread=thread, author=author) for thread in threads))


async def test_nobody_has_more_than_their_seats_and_others_go_first(store: Store):
    await ask(store, ANN, "1", "2", "3", "4")
    await ask(store, BOB, "bob")
    assert said(await claims(store)) == ["1", "2", "bob"]
    assert await claims(store) == ()


async def test_without_a_limit_all_of_theirs_are_taken(store: Store):
    await ask(store, ANN, *"123456")
    assert len(await claims(store, seats=None)) == 6


async def test_the_next_of_theirs_is_taken_when_one_ends(store: Store):
    await ask(store, ANN, *"1234")
    first, second = await claims(store)
    assert await claims(store) == ()
    await finish(store, first, await begin(store, first))
    assert said(await claims(store)) == ["3"]
    async with store.unit() as unit:
        await unit.inbox.bury(second, "poison")
    assert said(await claims(store)) == ["4"]


async def test_a_thread_of_theirs_stays_in_order(store: Store):
    await add(store, message("a1"), message("a2"), message("b1", thread=ATTIC), message("b2", thread=ATTIC))
    order = []
    while taken := await claims(store, seats=1):
        (only,) = taken
        order += said(taken)
        await finish(store, only, await begin(store, only))
    assert order.index("a1") < order.index("a2")
    assert order.index("b1") < order.index("b2")


async def test_a_stop_waits_for_no_seat(store: Store):
    await ask(store, ANN, "1", "2", "3")
    await claims(store)
    common = {"thread": ROOM, "author": ANN, "sent_at": datetime.now(UTC)}
    await add(store, Command(id="stop", name=CommandName.STOP, **common))  # type: ignore[arg-type]
    assert len(await claims(store, lane="control")) == 1


async def test_one_that_was_given_back_is_let_in_again(store: Store):
    await ask(store, ANN, *"123")
    first, _ = await claims(store)
    assert await claims(store) == ()
    async with store.unit() as unit:
        await unit.inbox.release(first, timedelta(hours=1))
        await unit.inbox.call(per_person=2)
    assert said(await claims(store)) == ["3"]


# -------------------------------------------------------------------------------------------------- what they used


async def asked(store: Store, author: Author = ANN, thread: ThreadId = ROOM, tokens: int = 0) -> Claim:
    """A question that was counted, and what it cost."""
    await add(store, message("why?", author=author, thread=thread))
    taken = await claim(store)
    async with store.unit() as unit:
        await unit.turns.begin(taken)
        await unit.meter.count(taken, author, thread)
    async with store.unit() as unit:
        await unit.inbox.finish(taken)
        await unit.meter.spend(author, thread, tokens)
    return taken


async def test_what_was_asked_and_spent_is_summed_up_by_person_and_by_workspace(store: Store):
    taken = await asked(store, tokens=7)
    await asked(store, tokens=5)
    await asked(store, BOB, tokens=100)
    await asked(store, EVE, TOWN)
    async with store.unit() as unit:
        standing = await unit.meter.standing(taken, ANN, ROOM, workspace=True)
        alone = await unit.meter.standing(taken, ANN, ROOM, workspace=False)
    assert (standing.person, standing.workspace) == (Consumption(2, 12), Consumption(3, 112))
    assert (alone.person, alone.workspace) == (Consumption(2, 12), Consumption())
    assert (standing.is_counted, standing.is_lifted) == (True, False)
    assert timedelta(0) < standing.frees_in <= timedelta(days=1)


async def test_a_turn_that_is_another_question_is_counted_again(store: Store):
    await add(store, message())
    taken = await claim(store)
    for _ in range(2):
        async with store.unit() as unit:
            await unit.turns.begin(taken)
            await unit.meter.count(taken, ANN, ROOM)
        async with store.unit() as unit:
            await unit.meter.recount(taken)
    async with store.unit() as unit:
        standing = await unit.meter.standing(taken, ANN, ROOM, workspace=False)
    assert (standing.person, standing.is_counted) == (Consumption(2, 0), False)


async def test_a_turn_is_counted_once_however_often_it_is_begun(store: Store):
    await add(store, message())
    taken = await claim(store, lease=EXPIRED)
    for _ in range(2):
        async with store.unit() as unit:
            await unit.turns.begin(taken)
            await unit.meter.count(taken, ANN, ROOM)
    async with store.unit() as unit:
        await unit.inbox.reap()
    again = await claim(store, owner="other")
    async with store.unit() as unit:
        assert (await unit.meter.standing(again, ANN, ROOM, workspace=False)).is_counted
        await unit.turns.begin(again)
        await unit.meter.count(again, ANN, ROOM)
    assert (await store.quotas.of(ANN)).used == Consumption(1, 0)


async def test_whoever_lost_the_turn_counts_nothing(store: Store):
    await add(store, message())
    stale = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        await unit.inbox.reap()
    await claim(store, owner="other")

    async def count() -> None:
        async with store.unit() as unit:
            await unit.turns.begin(stale)
            await unit.meter.count(stale, ANN, ROOM)

    with pytest.raises(LeaseLost):
        await count()
    assert (await store.quotas.of(ANN)).used == Consumption()


async def test_an_operator_sees_who_asks_most_and_where(store: Store):
    for author, thread in ((ANN, ROOM), (BOB, ROOM), (BOB, ROOM), (EVE, TOWN)):
        await asked(store, author, thread, tokens=3)
    bob, *rest = await store.quotas.persons(limit=9)
    assert (bob.person, bob.used) == (BOB, Consumption(2, 6))
    assert {one.person.key for one in rest if one.person} == {ANN.key, EVE.key}
    assert len(await store.quotas.persons(limit=2)) == 2
    assert await store.quotas.workspaces(limit=9) == (
        Neighbourhood("console:home", Consumption(3, 9), 2),
        Neighbourhood("slack:T1", Consumption(1, 3), 1),
    )


async def test_whoever_is_forgotten_is_counted_on_and_named_no_more(store: Store):
    await asked(store, tokens=7)
    await store.quotas.lift(ANN, by="operator")
    await store.people.forget(ANN)
    (only,) = await store.quotas.persons(limit=9)
    assert (only.person, only.used) == (None, Consumption(1, 7))
    assert (await store.quotas.of(ANN)).used == Consumption(1, 7)
    assert [lifted.person for lifted in await store.quotas.lifted(limit=9)] == [None]
    assert [place.name for place in await store.quotas.workspaces(limit=9)] == [""]


async def test_whoever_is_shown_is_called_as_the_audit_log_calls_them(store: Store):
    await asked(store)
    await store.quotas.lift(ANN, by="operator")
    (line,) = await store.audit.newest(limit=9, person=ANN)
    (consumer,) = await store.quotas.persons(limit=9)
    (lifted,) = await store.quotas.lifted(limit=9)
    assert (await store.quotas.of(ANN)).id == consumer.id == lifted.id == line.details["person"]


async def test_the_limits_are_lifted_for_a_person_and_that_is_written_down(store: Store):
    taken = await asked(store)
    assert await store.quotas.lifted(limit=9) == ()
    until = await store.quotas.lift(ANN, by="operator")
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(days=1)
    assert (until.hour, until.minute, until.second) == (0, 0, 0)
    async with store.unit() as unit:
        assert (await unit.meter.standing(taken, ANN, ROOM, workspace=False)).is_lifted
        assert not (await unit.meter.standing(taken, BOB, ROOM, workspace=False)).is_lifted
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    assert await store.quotas.lift(ANN, until=later, by="operator") == later
    (lifted,) = await store.quotas.lifted(limit=9)
    assert lifted == Lifted(Author.parse(ANN.key), later)
    assert await store.quotas.of(ANN) == Consumer(ANN, Consumption(1, 0), later)
    lines = await store.audit.newest(limit=9, person=ANN)
    assert [(line.action, line.by, line.details["until"]) for line in lines] == [
        ("lift", "operator", later.isoformat()),
        ("lift", "operator", until.isoformat()),
    ]


async def test_they_hold_again_once_that_is_said_or_over(store: Store):
    taken = await asked(store)
    await store.quotas.lift(ANN, by="operator")
    assert await store.quotas.restore(ANN, by="operator")
    assert not await store.quotas.restore(ANN, by="operator")
    await store.quotas.lift(BOB, until=datetime.now(UTC) - timedelta(seconds=1), by="operator")
    async with store.unit() as unit:
        for person in (ANN, BOB):
            assert not (await unit.meter.standing(taken, person, ROOM, workspace=False)).is_lifted
    assert await store.quotas.lifted(limit=9) == ()
    assert not await store.quotas.restore(BOB, by="operator")
    assert [line.action for line in await store.audit.newest(limit=9)] == ["lift", "lift-ended", "lift"]


# ------------------------------------------------------------------------------------------------------- what is told


def terms(limits: Limits):
    return replace(TERMS, limits=limits)


def of_person(**allowed: int) -> Limits:
    return Limits(Quota(person=Allowance(**allowed)))


def hours(text: str) -> str:
    """The sentence without the hours, which depend on when the test runs."""
    return re.sub(r"in about (an? \w+|\d+ \w+)|大约 \d+ \S+?后", "WHEN", text)


def limited(name: str, language: str, limit: str = "") -> str:
    return say(f"limited_{name}", language).format(limit=limit, when="WHEN")


async def test_whoever_has_asked_enough_is_told_when_to_come_back(store):
    async with House(store, terms=terms(of_person(messages=1))).at_work() as house:
        await house.until((await house.ask("why?"))[1])
        message, reply_id = await house.ask("why again?", thread="u")
        assert (await house.until(reply_id)).state is State.REFUSED
        assert hours((await house.reply(reply_id)).text) == limited("person_messages", "en", "1")
        assert (await house.reply(reply_id)).source is Source.HOUSE
        _, chinese = await house.ask("为什么？", thread="v")
        await house.until(chinese)
        assert hours((await house.reply(chinese)).text) == limited("person_messages", "zh", "1")
        await eventually(lambda: hours(house.door.shown.get(message.id, "")) == limited("person_messages", "en", "1"))
        assert house.numbers.counts["limited", ("channel", "door"), ("kind", "person_messages")] == 2
        assert [conversation.turns[-1].text for conversation in house.mind.heard] == ["why?"]
        assert (await store.quotas.of(ADA)).used == Consumption(1, 7)


async def test_what_is_answered_without_the_model_is_not_counted(store):
    async with House(store, terms=terms(of_person(messages=1))).at_work() as house:
        for name in (CommandName.HELP, CommandName.RESET, CommandName.CODE):
            await house.until((await house.accept(house.command(name)))[0])
        await house.until((await house.ask("why?"))[1], State.DONE)
        (reply_id,) = await house.accept(house.command(CommandName.HELP))
        assert (await house.until(reply_id)).state is State.DONE


async def test_an_answer_written_again_is_counted_as_another(store):
    async with House(store, terms=terms(of_person(messages=2))).at_work() as house:
        await house.until((await house.ask("why?"))[1])
        for state in (State.DONE, State.REFUSED):
            (reply_id,) = await house.accept(house.command(CommandName.REGENERATE))
            assert (await house.until(reply_id)).state is state


async def test_tokens_are_counted_when_the_answer_is_finished(store):
    async with House(store, terms=terms(of_person(tokens=8))).at_work() as house:
        for _ in range(2):  # 7 each: the one that goes over is still answered
            await house.until((await house.ask("why?"))[1], State.DONE)
        _, reply_id = await house.ask("why?")
        await house.until(reply_id, State.REFUSED)
        assert hours((await house.reply(reply_id)).text) == limited("person_tokens", "en")
        assert (await store.quotas.of(ADA)).used == Consumption(2, 14)


@pytest.mark.parametrize("kind", ["messages", "tokens"])
async def test_a_workspace_has_limits_of_its_own(store, kind):
    quota = Quota(workspace=Allowance(**{kind: 1}))
    limits = Limits(Quota(person=Allowance(messages=0)), {("door", "w"): quota})
    async with House(store, terms=terms(limits)).at_work() as house:
        await house.until((await house.ask("why?"))[1], State.DONE)
        _, reply_id = await house.ask("and I?", author=Author("door", "w", "bob"), thread="u")
        assert (await house.until(reply_id)).state is State.REFUSED
        assert hours((await house.reply(reply_id)).text) == limited(f"workspace_{kind}", "en", "1")


async def test_for_whom_it_is_lifted_goes_on(store):
    async with House(store, terms=terms(of_person(messages=0))).at_work() as house:
        await house.until((await house.ask("why?"))[1], State.REFUSED)
        await store.quotas.lift(ADA, by="operator")
        await house.until((await house.ask("why?"))[1], State.DONE)
        assert (await store.quotas.of(ADA)).used.messages == 1


async def test_forgetting_lifts_no_limit(store):
    async with House(store, terms=terms(of_person(messages=1))).at_work() as house:
        await house.until((await house.ask("why?"))[1])
        (reply_id,) = await house.accept(house.command(CommandName.FORGET, args="yes"))
        await house.until(reply_id)
        await house.until((await house.ask("why?"))[1], State.REFUSED)


async def test_a_turn_that_is_taken_up_again_is_neither_refused_nor_counted_twice(store):
    """Its process dies in the middle of the answer: the last one of the day is answered all the same."""
    limits = of_person(messages=1, tokens=100)
    async with House(store, terms=terms(limits)).at_work() as house:
        house.mind.gate.clear()
        _, reply_id = await house.ask("why?")
        await house.until(reply_id, State.ANSWERING)
    async with store.unit() as unit:
        stale = await unit.turns.get(reply_id)
        assert stale.attempts == 1
    async with House(store, terms=terms(limits)).at_work() as house:
        facts = await house.until(reply_id)
        assert (facts.state, facts.attempts) == (State.DONE, 2)
        assert (await store.quotas.of(ADA)).used == Consumption(1, 7)


async def test_a_question_that_is_edited_while_it_is_answered_is_counted_once(store):
    async with House(store, terms=terms(of_person(messages=1))).at_work() as house:
        house.mind.gate.clear()
        asking, reply_id = await house.ask("why?")
        await house.until(reply_id, State.ANSWERING)
        where = house.common("t", ADA)
        await house.accept(Edited(**where, message_id=asking.id, text="how?"))
        await eventually(lambda: "how?" in [heard.turns[-1].text for heard in house.mind.heard])
        house.mind.gate.set()
        await house.until(reply_id, State.DONE)
        assert (await store.quotas.of(ADA)).used == Consumption(1, 7)


async def test_a_question_that_is_edited_again_and_again_is_asked_as_often(store):
    """Whoever reads an answer and makes another question of it before it ends has asked twice."""
    async with House(store, terms=terms(of_person(messages=2))).at_work() as house:
        house.mind.gate.clear()
        asking, reply_id = await house.ask("why?")
        await house.until(reply_id, State.ANSWERING)
        for text in ("how?", "when?"):
            await house.accept(Edited(**house.common("t", ADA), message_id=asking.id, text=text))
            await eventually(lambda text=text: text in [heard.turns[-1].text for heard in house.mind.heard])
        await eventually_used(store, Consumption(2, 0))
        await house.accept(Edited(**house.common("t", ADA), message_id=asking.id, text="who?"))
        assert (await house.until(reply_id)).state is State.REFUSED
        assert hours((await house.reply(reply_id)).text) == limited("person_messages", "en", "2")
        assert "who?" not in [heard.turns[-1].text for heard in house.mind.heard]


async def eventually_used(store: Store, used: Consumption) -> None:
    async with asyncio.timeout(10):
        while (await store.quotas.of(ADA)).used != used:
            await asyncio.sleep(0.01)


async def test_one_persons_flood_leaves_the_places_to_others(store):
    flood = terms(Limits(concurrency=2))
    async with House(store, terms=flood).at_work(managers=2) as house:
        house.mind.gate.clear()
        mine = [(await house.ask("why?", thread=f"t{number}"))[1] for number in range(40)]
        _, other = await house.ask("and I?", thread="u", author=Author("door", "w", "bob"))
        await house.until(other, State.ANSWERING)
        assert len(house.mind.heard) == 3
        house.mind.gate.set()
        for reply_id in mine:
            await house.until(reply_id, State.DONE)
