"""What every store promises of calls that wait for their asker's yes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.errors import LeaseLost
from core.message import Author, CommandName, Message, ReplyId, ThreadId
from core.ports import Claim, Confirmed, State, Store
from core.turn import Pending
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
    EXPIRED,
    NOW,
    ROOM,
    add,
    answered,
    begin,
    claim,
    claims,
    command,
    deliver,
    finish,
    message,
)

WEIRD = "NUL \0, a lone surrogate \ud800, 你好, 👩‍👩‍👧, \u202e and 'quotes' \\ % :x %(y)s"
DAY = timedelta(days=1)
OVER = timedelta(seconds=-1)
CALL = Pending("post", {"to": "Eve", "times": 2})
ANOTHER = Pending("wipe", {"path": "/tmp"}, is_for_model=True)
UNKNOWN = ReplyId("0" * 32)


async def keep(
    store: Store,
    reply_id: ReplyId,
    call: Pending = CALL,
    *,
    thread: ThreadId = ROOM,
    asker: Author = ANN,
    lifetime: timedelta = DAY,
) -> None:
    async with store.unit() as unit:
        await unit.asks.keep(reply_id, thread, asker, call, lifetime=lifetime)


async def asked(
    store: Store, question: Message | None = None, call: Pending = CALL, *, lifetime: timedelta = DAY
) -> ReplyId:
    """The reply to this question, which asks for a yes."""
    await add(store, question or message())
    return await ask(store, await claim(store), call, lifetime=lifetime)


async def ask(
    store: Store,
    taken: Claim,
    *calls: Pending,
    lifetime: timedelta = DAY,
    state: State = State.ASKED,
    **more: Any,
) -> ReplyId:
    """Keeps these calls one after the other, and ends the turn."""
    delivery = await begin(store, taken, **more)
    reply = delivery.reply
    for call in calls:
        await keep(store, reply.id, call, thread=reply.thread, asker=reply.asker, lifetime=lifetime)
    await deliver(store, await finish(store, taken, delivery, state=state))
    return reply.id


async def move(store: Store, reply_id: ReplyId, state: State) -> None:
    async with store.unit() as unit:
        await unit.turns.move(reply_id, state)


async def newest(store: Store, thread: ThreadId = ROOM, asker: Author = ANN) -> ReplyId | None:
    async with store.unit() as unit:
        return await unit.asks.newest(thread, asker)


async def yes(store: Store, author: Author = ANN, thread: ThreadId = ROOM) -> Claim:
    """Somebody says yes, and somebody works on that."""
    await add(store, command(CommandName.CONFIRM, author=author, thread=thread))
    return await claim(store)


async def take(store: Store, reply_id: ReplyId, by: Claim, asker: Author = ANN) -> Confirmed | None:
    async with store.unit() as unit:
        return await unit.asks.take(reply_id, asker, by)


async def again(store: Store, earlier: Claim) -> Claim:
    """The try broke off, and the event is claimed once more."""
    async with store.unit() as unit:
        await unit.inbox.release(earlier, NOW)
    later = await claim(store)
    assert (later.reply_id, later.attempts) == (earlier.reply_id, earlier.attempts + 1)
    return later


@pytest.mark.parametrize(
    "call",
    [
        ANOTHER,
        Pending("help", {}),
        Pending(WEIRD, {WEIRD: [WEIRD, None, True, 1.5, {"deep": [WEIRD * 100]}], "big": 10**30}),
    ],
)
async def test_what_waits_is_taken_as_it_was(store: Store, call: Pending):
    reply_id = await asked(store, call=call)
    assert await newest(store) == reply_id
    assert await take(store, reply_id, await yes(store)) == Confirmed(call)


async def test_the_same_question_answered_once_more_asks_anew_and_what_it_asked_before_is_dropped(store: Store):
    other = await asked(store)
    first = await asked(store, message())
    await add(store, command(CommandName.REGENERATE, args=first))
    second = await ask(store, await claim(store), ANOTHER, replaces=first)
    said = await yes(store)
    assert await newest(store) == second
    assert await take(store, first, said) is None
    assert await take(store, second, said) == Confirmed(ANOTHER)
    async with store.unit() as unit:
        await unit.inbox.finish(said)
    assert await take(store, other, await yes(store)) == Confirmed(CALL)


async def test_another_person_takes_nothing_and_the_asker_still_may(store: Store):
    reply_id = await asked(store)
    theirs = await yes(store, BOB)
    assert await take(store, reply_id, theirs, BOB) is None
    async with store.unit() as unit:
        await unit.inbox.finish(theirs)
    assert await take(store, reply_id, await yes(store)) == Confirmed(CALL)


async def test_nothing_waits_where_nothing_was_asked(store: Store):
    reply_id = await answered(store, message())
    said = await yes(store)
    assert await newest(store) is None
    assert [await take(store, ReplyId(which), said) for which in (reply_id, UNKNOWN, "", "no id")] == [None] * 4


async def test_the_same_event_is_told_that_an_earlier_try_of_it_has_begun(store: Store):
    reply_id = await asked(store)
    first = await yes(store)
    assert await take(store, reply_id, first) == Confirmed(CALL)
    second = await again(store, first)
    assert await take(store, reply_id, second) == Confirmed(CALL, is_begun=True)
    assert await take(store, reply_id, await again(store, second)) == Confirmed(CALL, is_begun=True)


async def test_a_later_try_takes_nothing_else_that_waits_meanwhile(store: Store):
    older, newer = await asked(store, call=ANOTHER), await asked(store)
    first = await yes(store)
    assert await take(store, newer, first) == Confirmed(CALL)
    assert await newest(store) is None
    second = await again(store, first)
    for which in (older, ReplyId("")):
        assert await take(store, which, second) == Confirmed(CALL, is_begun=True)
    assert await newest(store) is None


async def test_another_event_comes_too_late(store: Store):
    reply_id = await asked(store)
    first = await yes(store)
    assert await take(store, reply_id, first) == Confirmed(CALL)
    assert await newest(store) is None
    async with store.unit() as unit:
        await unit.inbox.finish(first)
    assert await take(store, reply_id, await yes(store)) is None


async def test_what_is_taken_in_a_unit_that_fails_still_waits(store: Store):
    reply_id = await asked(store)
    said = await yes(store)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the unit is left by it
        async with store.unit() as unit:
            assert await unit.asks.take(reply_id, ANN, said) == Confirmed(CALL)
            raise ZeroDivisionError
    assert await take(store, reply_id, said) == Confirmed(CALL)


async def test_two_that_take_at_once_are_one_too_many(store: Store):
    reply_id = await asked(store)
    clicks = [await yes(store, thread=thread) for thread in (ROOM, ATTIC)]
    taken = await asyncio.gather(*(take(store, reply_id, click) for click in clicks))
    assert sorted(taken, key=str) == [Confirmed(CALL), None]


async def test_what_waited_too_long_is_over(store: Store):
    reply_id = await asked(store, lifetime=OVER)
    assert await newest(store) is None
    assert await take(store, reply_id, await yes(store)) is None


async def test_what_was_taken_in_time_stays_taken_when_its_time_is_over(store: Store):
    await add(store, message(), command(CommandName.CONFIRM, thread=ATTIC))
    asking, first = await claims(store)
    await begin(store, asking)
    reply_id = asking.reply_id
    async with store.unit() as unit:
        await unit.asks.keep(reply_id, ROOM, ANN, CALL, lifetime=timedelta(seconds=0.2))
        await unit.turns.move(reply_id, State.ASKED)
        assert await unit.asks.take(reply_id, ANN, first) == Confirmed(CALL)
    await asyncio.sleep(0.3)
    assert await take(store, reply_id, await again(store, first)) == Confirmed(CALL, is_begun=True)


async def test_a_later_try_of_the_turn_asks_anew(store: Store):
    await add(store, message())
    broken = await claim(store)
    await begin(store, broken)
    await keep(store, broken.reply_id, CALL, lifetime=OVER)
    reply_id = await ask(store, await again(store, broken), ANOTHER)
    assert await newest(store) == reply_id
    assert await take(store, reply_id, await yes(store)) == Confirmed(ANOTHER)


@pytest.mark.parametrize("state", [State.DELIVERING, State.REFUSED, State.STOPPED, State.FAILED])
async def test_nobody_says_yes_to_an_answer_that_does_not_ask(store: Store, state: State):
    older = await asked(store, call=ANOTHER)
    await add(store, message())
    reply_id = await ask(store, await claim(store), CALL, state=state)
    assert await newest(store) == older
    assert await take(store, reply_id, await yes(store)) is None


async def test_nobody_says_yes_to_an_answer_that_is_not_there_yet(store: Store):
    await add(store, message())
    asking = await claim(store)
    delivery = await begin(store, asking)
    await keep(store, asking.reply_id)
    said = await yes(store, thread=ATTIC)
    assert await newest(store) is None
    assert await take(store, asking.reply_id, said) is None
    await finish(store, asking, delivery, state=State.ASKED)
    assert await take(store, asking.reply_id, said) == Confirmed(CALL)


async def test_what_is_asked_after_the_turn_has_ended_comes_too_late(store: Store):
    reply_id, silent = await asked(store), await answered(store, message())
    for each in (reply_id, silent):
        await keep(store, each, ANOTHER)
    assert await newest(store) == reply_id
    assert await take(store, reply_id, await yes(store)) == Confirmed(CALL)


async def test_a_turn_that_begins_once_more_changes_nothing_that_was_taken(store: Store):
    await add(store, message(), command(CommandName.CONFIRM, thread=ATTIC))
    asking, first = await claims(store)
    await begin(store, asking)
    reply_id = asking.reply_id
    await keep(store, reply_id)
    async with store.unit() as unit:
        await unit.turns.move(reply_id, State.ASKED)
        assert await unit.asks.take(reply_id, ANN, first) == Confirmed(CALL)
    await begin(store, asking)
    await keep(store, reply_id, ANOTHER)
    await move(store, reply_id, State.ASKED)
    assert await newest(store) is None
    assert await take(store, reply_id, await again(store, first)) == Confirmed(CALL, is_begun=True)


async def test_the_newest_is_the_persons_own_and_of_their_thread(store: Store):
    older, newer = await asked(store), await asked(store)
    theirs = await asked(store, message(author=BOB))
    elsewhere = await asked(store, message(thread=ATTIC))
    assert await newest(store) == newer
    assert await newest(store, asker=BOB) == theirs
    assert await newest(store, ATTIC) == elsewhere
    assert await newest(store, ATTIC, BOB) is None
    said = await yes(store)
    assert await take(store, newer, said) == Confirmed(CALL)
    async with store.unit() as unit:
        await unit.inbox.finish(said)
    assert await newest(store) is None  # a second yes means the same, and not what was asked before
    assert await take(store, older, await yes(store)) == Confirmed(CALL)


async def test_a_renamed_person_is_still_the_asker(store: Store):
    reply_id = await asked(store)
    renamed = replace(ANN, name="Anna", locale="zh-CN")
    assert await newest(store, asker=renamed) == reply_id
    assert await take(store, reply_id, await yes(store), renamed) == Confirmed(CALL)


async def change(store: Store, question: Message, how: str) -> None:
    async with store.unit() as unit:
        if how == "edit":
            assert await unit.threads.edit(ROOM, question.id, ANN, "something else")
        else:
            assert await unit.threads.erase(ROOM, question.id)


@pytest.mark.parametrize("how", ["edit", "erase"])
async def test_with_its_question_goes_what_waits(store: Store, how: str):
    question = message()
    reply_id, other = await asked(store, question), await asked(store, call=ANOTHER)
    await change(store, question, how)
    said = await yes(store)
    assert await take(store, reply_id, said) is None
    assert await newest(store) == other
    assert await take(store, other, said) == Confirmed(ANOTHER)


@pytest.mark.parametrize("how", ["edit", "erase"])
async def test_with_its_question_goes_what_was_taken(store: Store, how: str):
    question = message()
    reply_id = await asked(store, question)
    first = await yes(store)
    assert await take(store, reply_id, first) == Confirmed(CALL)
    await change(store, question, how)
    assert await take(store, reply_id, await again(store, first)) is None


async def test_what_an_answer_written_anew_asks_goes_with_the_first_question(store: Store):
    question = message()
    first = await asked(store, question)
    await add(store, command(CommandName.REGENERATE, args=first))
    anew = await ask(store, await claim(store), ANOTHER, replaces=first)
    assert await newest(store) == anew
    await change(store, question, "erase")
    assert await newest(store) is None


async def test_nothing_is_kept_for_a_question_that_was_erased(store: Store):
    question = message()
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    await change(store, question, "erase")
    await keep(store, taken.reply_id)
    await finish(store, taken, delivery, state=State.ASKED)
    assert await newest(store) is None
    assert await take(store, taken.reply_id, await yes(store)) is None


async def test_a_turn_that_is_redone_asks_for_what_the_edited_question_wants(store: Store):
    question = message()
    await add(store, question)
    asking = await claim(store)
    await begin(store, asking)
    await keep(store, asking.reply_id)
    await change(store, question, "edit")
    reply_id = await ask(store, await again(store, asking), ANOTHER)
    assert await take(store, reply_id, await yes(store)) == Confirmed(ANOTHER)


async def test_nothing_is_kept_of_a_reply_that_does_not_exist(store: Store):
    await keep(store, UNKNOWN)
    assert await newest(store) is None
    assert await take(store, UNKNOWN, await yes(store)) is None


async def test_it_may_be_kept_in_the_unit_that_ends_its_turn(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.asks.keep(taken.reply_id, ROOM, ANN, CALL, lifetime=DAY)
        await unit.replies.save(delivery.reply)
        await unit.turns.move(taken.reply_id, State.ASKED)
        await unit.outbox.ready(delivery, keep=True)
        await unit.inbox.finish(taken)
    assert await newest(store) == taken.reply_id


async def test_nothing_is_kept_by_a_try_that_has_lost_its_turn(store: Store):
    await add(store, message())
    stale = await claim(store, lease=EXPIRED)
    delivery = await begin(store, stale)
    async with store.unit() as unit:
        assert await unit.inbox.reap() == 1
    with pytest.raises(LeaseLost):  # noqa: PT012 - leaving the unit may be what raises
        async with store.unit() as unit:
            await unit.asks.keep(delivery.reply.id, ROOM, ANN, CALL, lifetime=DAY)
            await unit.inbox.finish(stale)
    await move(store, delivery.reply.id, State.ASKED)
    assert await newest(store) is None


async def test_what_cannot_be_written_down_is_refused_and_not_changed(store: Store):
    await add(store, message())
    asking = await claim(store)
    await begin(store, asking)
    with pytest.raises(TypeError):
        await keep(store, asking.reply_id, Pending("post", {"when": DAY}))
    await move(store, asking.reply_id, State.ASKED)
    assert await newest(store) is None
