"""What every store promises, in sentences."""
# ruff: noqa: PT012 - leaving a unit may be what raises
# A None where something should be fails a test as well as any assertion does.
# mypy: disable-error-code="union-attr, operator"

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.errors import LeaseLost, NotFound, NotStored
from core.extras import Placed
from core.message import (
    Ask,
    Attachment,
    Author,
    Citation,
    CommandName,
    Deleted,
    Edited,
    Event,
    Image,
    LastReplyTo,
    Message,
    Origin,
    PartId,
    ReplyId,
    Source,
    Sources,
    ThreadId,
    Utterance,
    Visibility,
)
from core.ports import Backlog, Claim, Delivery, Draft, Incident, Kept, Mark, Signal, SignalKind, State, Store
from core.reading import EMPTY, ReadFile, Reading, UnreadFile, Why
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
    EXPIRED,
    LEASE,
    NOW,
    ROOM,
    WRITTEN,
    add,
    answered,
    begin,
    claim,
    claims,
    command,
    deliver,
    finish,
    history,
    message,
    moment,
    reply_to,
    vote,
)

WEIRD = "NUL \0, a lone surrogate \ud800, 你好, 👩‍👩‍👧, \u202e and 'quotes' \\ % :x %(y)s"
UNKNOWN = ReplyId("0" * 32)
PART = PartId("slack", "T1", "C1", "1.0")
READING = Reading(
    (Utterance("user", WEIRD, WEIRD), Utterance("assistant", "", "")),
    (ReadFile(WEIRD, f"{WEIRD}\r\n" * 1000),),
    (UnreadFile(WEIRD, Why.TOO_LARGE),),
    misses_thread=True,
)

EXTRAS = (
    Placed(0, Sources((Citation(WEIRD, WEIRD, WEIRD), Citation("", "")), Source.CACHE)),
    Placed(3, Image(bytes(range(256)) * 1000, "image/png", WEIRD)),
    Placed(3, Image(b"", "", "", Source.ENGINE)),
    Placed(9, Ask(WEIRD, WEIRD)),
)
SKETCH = (Placed(1, Image(b"a sketch", "image/svg+xml", "a sketch")),)


class Crash(Exception):
    pass


# ------------------------------------------------------------------------------------------------------ the unit


async def test_a_unit_that_fails_leaves_nothing_behind(store: Store):
    question = message()
    with pytest.raises(Crash):
        async with store.unit() as unit:
            (receipt,) = await unit.inbox.add([question])
            await unit.threads.route(ROOM, "coder")
            raise Crash
    assert not await claims(store)
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).route == ""
        assert await unit.inbox.waiting() == 0
    assert await add(store, question) == (replace(receipt, is_new=True),)


async def test_a_unit_commits_all_of_it_at_once(store: Store):
    await add(store, message("one"))
    first = await claim(store)
    delivery = await begin(store, first)
    with pytest.raises(LeaseLost):
        await finish(store, replace(first, attempts=9), delivery)
    async with store.unit() as unit:
        assert (await unit.replies.get(first.reply_id)).text == ""
        assert (await unit.turns.get(first.reply_id)).state is State.SCREENING
        assert not await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    await finish(store, first, delivery)
    async with store.unit() as unit:
        assert (await unit.replies.get(first.reply_id)).text == "42"


async def test_the_store_says_whether_it_would_take_a_message(store: Store):
    await store.check()


# ---------------------------------------------------------------------------------------------------------- intake


async def test_a_redelivery_is_stored_once_and_has_the_same_reply(store: Store):
    question = message()
    (first,) = await add(store, question)
    (second,) = await add(store, question)
    assert first.is_new
    assert not second.is_new
    assert first.reply_id == second.reply_id
    assert len(first.reply_id) == 32
    assert int(first.reply_id, 16)
    assert len(await claims(store)) == 1


async def test_a_redelivery_after_the_answer_changes_nothing(store: Store):
    question = message()
    reply_id = await answered(store, question)
    (receipt,) = await add(store, question)
    assert (receipt.reply_id, receipt.is_new) == (reply_id, False)
    assert not await claims(store)


async def test_one_delivery_may_carry_the_same_event_twice(store: Store):
    question = message()
    first, second = await add(store, question, question)
    assert (first.is_new, second.is_new) == (True, False)


async def test_equal_ids_of_two_adapters_are_two_events(store: Store):
    elsewhere = replace(ROOM, adapter="slack")
    ours, theirs = message(id="1"), message(id="1", thread=elsewhere, author=replace(ANN, adapter="slack"))
    first, second = await add(store, ours, theirs)
    assert first.reply_id != second.reply_id
    assert second.is_new


async def test_what_was_said_comes_back_as_it_was(store: Store):
    said = message(
        WEIRD,
        id=WEIRD,
        author=replace(ANN, name=WEIRD, locale="zh-CN", is_guest=True),
        visibility=Visibility.PUBLIC,
        is_mention=True,
        attachments=(Attachment("a", "b.txt", "text/plain", 3, {"url": "x"}),),
        return_address={"deep": {"list": [1, "two", None, 3.5, True]}},
    )
    await add(store, said)
    taken = await claim(store)
    assert taken.event == said
    async with store.unit() as unit:
        await unit.replies.open(taken, reply_to(taken))
        assert await unit.replies.question(taken.reply_id) == said


@pytest.mark.parametrize("name", [CommandName.HELP, CommandName.RESET, CommandName.REGENERATE])
async def test_a_command_takes_its_turn(store: Store, name: CommandName):
    order = command(name, args=WEIRD)
    await add(store, order)
    assert (await claim(store)).event == order


# ----------------------------------------------------------------------------------------------------- the turn lane


async def test_a_follow_up_waits_its_turn(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    first = await claim(store)
    assert first.event.text == "one"
    assert not await claims(store)
    await finish(store, first, await begin(store, first))
    assert (await claim(store)).event.text == "two"


async def test_threads_run_side_by_side_oldest_first(store: Store):
    await add(store, message("one"), message("two", thread=ATTIC), message("three"))
    assert [taken.event.text for taken in await claims(store)] == ["one", "two"]


async def test_no_more_is_claimed_than_asked_for(store: Store):
    await add(store, message("one"), message("two", thread=ATTIC))
    assert [taken.event.text for taken in await claims(store, limit=1)] == ["one"]


async def test_only_what_this_process_can_deliver_is_claimed(store: Store):
    await add(store, message())
    assert not await claims(store, doors=["teams"])
    assert not await claims(store, doors=[])
    assert await claims(store, doors=["teams", "console"])


async def test_a_claim_says_when_the_event_came_in_and_which_try_it_is(store: Store):
    before = moment()
    await add(store, message())
    taken = await claim(store, owner="me")
    assert before - timedelta(seconds=1) < taken.received_at < moment() + timedelta(seconds=1)
    assert (taken.owner, taken.attempts, taken.mark) == ("me", 1, None)


async def test_a_released_row_holds_its_thread_until_its_delay_is_over(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    first = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.release(first, timedelta(seconds=30))
    assert not await claims(store)


async def test_a_released_row_is_tried_again(store: Store):
    await add(store, message("one"))
    first = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.release(first, NOW)
    again = await claim(store)
    assert (again.id, again.event, again.attempts) == (first.id, first.event, 2)


async def test_an_expired_lease_is_given_back(store: Store):
    await add(store, message())
    first = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        assert await unit.inbox.reap() == 1
        assert await unit.inbox.reap() == 0
    second = await claim(store, owner="other")
    assert (second.id, second.attempts) == (first.id, 2)


async def test_a_running_lease_is_not_given_back(store: Store):
    await add(store, message())
    await claim(store)
    async with store.unit() as unit:
        assert await unit.inbox.reap() == 0


@pytest.mark.parametrize("end", ["finish", "release", "bury"])
async def test_who_lost_the_lease_can_no_longer_end_the_row(store: Store, end: str):
    await add(store, message())
    stale = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        await unit.inbox.reap()
    fresh = await claim(store)
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            match end:
                case "finish":
                    await unit.inbox.finish(stale)
                case "release":
                    await unit.inbox.release(stale, NOW)
                case _:
                    await unit.inbox.bury(stale, "why")
    async with store.unit() as unit:
        assert await unit.inbox.renew([fresh], LEASE) == {fresh.id: None}


async def test_who_lost_the_lease_can_no_longer_begin_the_turn(store: Store):
    await add(store, message())
    stale = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        await unit.inbox.reap()
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            await unit.turns.begin(stale)
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            await unit.outbox.open(stale, reply_to(stale), lease=LEASE)
    async with store.unit() as unit:
        await unit.replies.open(stale, reply_to(stale))
    async with store.unit() as unit:
        assert await unit.replies.get(stale.reply_id) is None
        assert await unit.turns.get(stale.reply_id) is None


async def test_renewing_extends_what_is_still_held_and_tells_the_rest(store: Store):
    await add(store, message("one"), message("two", thread=ATTIC))
    lost, held = await claims(store, lease=EXPIRED)
    async with store.unit() as unit:
        stale = replace(lost, attempts=lost.attempts + 1)
        assert await unit.inbox.renew([stale, held], LEASE) == {held.id: None}
    async with store.unit() as unit:
        assert await unit.inbox.reap() == 1
        assert await unit.inbox.renew([], LEASE) == {}


async def test_a_finished_row_is_finished_once(store: Store):
    await add(store, message())
    taken = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.finish(taken)
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            await unit.inbox.finish(taken)
    async with store.unit() as unit:
        assert await unit.inbox.waiting() == 0


async def test_a_buried_row_lets_the_next_one_through(store: Store):
    await add(store, message("poison"))
    await add(store, message("two"))
    async with store.unit() as unit:
        assert await unit.inbox.waiting() == 2
    poison = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.bury(poison, "it failed five times")
    assert (await claim(store)).event.text == "two"
    async with store.unit() as unit:
        assert await unit.inbox.waiting() == 1


async def backlogs(store: Store) -> dict[str, Backlog]:
    async with store.unit() as unit:
        turn, control = await unit.inbox.backlog()
    assert (turn.lane, control.lane) == ("turn", "control")
    return {"turn": turn, "control": control}


async def test_an_empty_queue_is_not_behind(store: Store):
    assert await backlogs(store) == {"turn": Backlog("turn", 0), "control": Backlog("control", 0)}


async def test_each_lane_tells_what_is_left_and_how_long_the_oldest_waits(store: Store):
    await add(store, message("one"))
    await asyncio.sleep(0.05)
    await add(store, message("two", thread=ATTIC), message("three", thread=ATTIC), command(CommandName.STOP))
    before = await backlogs(store)
    assert (before["turn"].unfinished, before["control"].unfinished) == (3, 1)
    assert before["turn"].age > before["control"].age > timedelta(0)
    assert before["turn"].age >= timedelta(seconds=0.05)
    assert (await claim(store, lane="control")).event.name is CommandName.STOP
    assert [taken.event.text for taken in await claims(store)] == ["one", "two"]
    after = await backlogs(store)
    # The third waits for the second of its own thread, and for nobody else.
    assert after == {"turn": Backlog("turn", 3), "control": Backlog("control", 1)}


async def test_a_turn_that_is_given_back_has_waited_since_it_came(store: Store):
    await add(store, message())
    taken = await claim(store)
    await asyncio.sleep(0.05)
    async with store.unit() as unit:
        await unit.inbox.release(taken, timedelta(seconds=30))
    backlog = (await backlogs(store))["turn"]
    assert backlog.unfinished == 1
    assert backlog.age >= timedelta(seconds=0.05)


# -------------------------------------------------------------------------------------------------- the control lane


async def test_control_never_waits_behind_the_answer_it_concerns(store: Store):
    await add(store, message())
    await claim(store)
    events: list[Event] = [
        command(CommandName.STOP),
        vote(UNKNOWN, comment=WEIRD),
        vote(PART),
        vote(LastReplyTo(ANN, ROOM)),
        Edited(id="e1", thread=ROOM, author=ANN, sent_at=moment(), message_id="m", text="better"),
        Deleted(id="d1", thread=ROOM, author=ANN, sent_at=moment(), message_id="m"),
    ]
    await add(store, *events)
    assert not await claims(store, lane="turn")
    taken = await claims(store, lane="control")
    assert [entry.event for entry in taken] == events
    async with store.unit() as unit:
        for entry in taken:
            await unit.inbox.finish(entry)
    assert not await claims(store, lane="control")


async def test_control_does_not_hold_up_the_turns(store: Store):
    await add(store, command(CommandName.STOP))
    await add(store, message())
    assert len(await claims(store)) == 1


async def test_what_control_says_waits_behind_no_answer_and_holds_none_up(store: Store):
    await add(store, message("one"))
    growing = await begin(store, await claim(store))
    stop = command(CommandName.STOP, author=BOB)
    await add(store, stop)
    taken = await claim(store, lane="control")
    told = await begin(store, taken)
    assert (told.is_head, told.reply.thread) == (True, ROOM)
    await finish(store, taken, told, "no", keep=False)
    async with store.unit() as unit:
        assert await unit.outbox.is_head(growing.reply.id)
        (shown,) = await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    assert (shown.reply.text, shown.reply.in_reply_to) == ("no", stop.id)
    await deliver(store, growing)
    await deliver(store, shown)


async def test_an_answer_does_not_wait_for_what_control_said_before(store: Store):
    await add(store, command(CommandName.STOP))
    taken = await claim(store, lane="control")
    await finish(store, taken, await begin(store, taken), "nothing", keep=False)
    await add(store, message("one"))
    assert (await begin(store, await claim(store))).is_head


async def test_a_released_control_row_holds_up_nobody(store: Store):
    await add(store, vote(UNKNOWN))
    await add(store, vote(UNKNOWN))
    first, _ = await claims(store, lane="control")
    async with store.unit() as unit:
        await unit.inbox.release(first, timedelta(seconds=30))
    await add(store, vote(UNKNOWN))
    assert len(await claims(store, lane="control")) == 1


# ------------------------------------------------------------------------------------------------------------- marks


async def marks(store: Store, *taken):
    async with store.unit() as unit:
        return list((await unit.inbox.renew(taken, LEASE)).values())


async def test_a_stop_marks_the_running_turn_alone(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    first = await claim(store)
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM) == 1
    assert await marks(store, first) == [Mark.STOP]
    async with store.unit() as unit:
        await unit.inbox.finish(first)
    assert (await claim(store)).mark is None


async def test_a_stop_marks_all_that_waits_where_nothing_runs(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM, author=ANN) == 2
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM, author=BOB) == 0
        assert await unit.inbox.mark(Mark.STOP, thread=ATTIC) == 0
    first = await claim(store)
    assert first.mark is Mark.STOP


async def test_a_stop_leaves_what_was_asked_after_it(store: Store):
    await add(store, command(CommandName.STOP))
    await add(store, message("one"))
    stop = await claim(store, lane="control")
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM, before=stop) == 0
    running = await claim(store)
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM, before=stop) == 0
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM) == 1
    assert await marks(store, running) == [Mark.STOP]


async def test_a_stop_finds_the_askers_own_turn(store: Store):
    await add(store, message("one", author=BOB))
    await add(store, message("two"))
    running = await claim(store)
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM, author=ANN) == 1
    assert await marks(store, running) == [None]
    async with store.unit() as unit:
        await unit.inbox.finish(running)
    assert (await claim(store)).mark is Mark.STOP


async def test_a_mark_finds_its_message(store: Store):
    one, two = message("one"), message("two")
    await add(store, one)
    await add(store, two)
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.ERASE, thread=ROOM, message_id=two.id) == 1
        assert await unit.inbox.mark(Mark.ERASE, thread=ATTIC, message_id=two.id) == 0
        assert await unit.inbox.mark(Mark.ERASE, thread=ROOM, message_id="m0") == 0
    first = await claim(store)
    assert first.mark is None


async def test_nothing_finished_is_marked(store: Store):
    await answered(store, message())
    async with store.unit() as unit:
        assert await unit.inbox.mark(Mark.STOP, thread=ROOM) == 0


async def test_a_mark_stays_until_the_row_ends_and_the_stronger_one_wins(store: Store):
    await add(store, message())
    first = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        await unit.inbox.mark(Mark.ERASE, thread=ROOM)
        await unit.inbox.mark(Mark.STOP, thread=ROOM)
        await unit.inbox.reap()
    second = await claim(store)
    assert (second.id, second.mark) == (first.id, Mark.ERASE)


async def test_an_edit_of_a_waiting_message_is_answered_as_edited(store: Store):
    question = message("one")
    await add(store, question)
    async with store.unit() as unit:
        assert await unit.inbox.amend(ROOM, question.id, "two") == 1
        assert await unit.inbox.amend(ATTIC, question.id, "three") == 0
        assert await unit.inbox.amend(ROOM, "m0", "three") == 0
    taken = await claim(store)
    assert (taken.event, taken.mark) == (replace(question, text="two"), None)


async def test_an_edit_of_a_running_message_is_done_again(store: Store):
    question = message("one")
    await add(store, question)
    running = await claim(store)
    async with store.unit() as unit:
        assert await unit.inbox.amend(ROOM, question.id, "two") == 1
    assert await marks(store, running) == [Mark.REDO]
    async with store.unit() as unit:
        await unit.inbox.release(running, NOW)
    again = await claim(store)
    assert (again.event.text, again.mark) == ("two", None)


async def test_an_answered_message_is_not_amended(store: Store):
    question = message("one")
    await answered(store, question)
    async with store.unit() as unit:
        assert await unit.inbox.amend(ROOM, question.id, "two") == 0


# ------------------------------------------------------------------------------------------------------------ outbox


async def test_a_reply_opens_leased_by_its_turn(store: Store):
    await add(store, message(return_address={"url": "there"}, visibility=Visibility.DIRECT))
    delivery = await begin(store, await claim(store, owner="me"))
    assert (delivery.owner, delivery.attempts, delivery.is_ready, delivery.is_head) == ("me", 1, False, True)
    assert (delivery.return_address, delivery.visibility) == ({"url": "there"}, Visibility.DIRECT)
    assert (delivery.state, delivery.parts) == ({}, ())
    async with store.unit() as unit:
        assert not await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)


async def test_a_later_try_finds_what_was_sent(store: Store):
    await add(store, message())
    first = await claim(store, lease=EXPIRED)
    delivery = await begin(store, first)
    second_part = replace(PART, id="2.0")
    async with store.unit() as unit:
        await unit.outbox.part(delivery, PART)
    async with store.unit() as unit:
        await unit.outbox.part(delivery, second_part)
    async with store.unit() as unit:
        await unit.outbox.part(delivery, PART)  # a repeated call is the same part
        await unit.outbox.state(delivery, {"stream": WEIRD, "sequence": 3})
    async with store.unit() as unit:
        await unit.inbox.reap()
    again = await begin(store, await claim(store, owner="other"))
    assert (again.parts, again.state) == ((PART, second_part), {"stream": WEIRD, "sequence": 3})
    assert (again.owner, again.attempts) == ("other", 2)
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            await unit.outbox.part(delivery, replace(PART, id="3.0"))


async def test_a_buried_turn_takes_its_place_in_the_outbox_with_it(store: Store):
    await add(store, message("poison"), message("next"))
    poison = await claim(store)
    await begin(store, poison)
    async with store.unit() as unit:
        await unit.inbox.bury(poison, "why")
    after = await claim(store)
    delivery = await finish(store, after, await begin(store, after), keep=False)
    async with store.unit() as unit:
        assert await unit.outbox.is_head(delivery.reply.id)


async def test_only_failures_are_counted_as_such(store: Store):
    await add(store, message("one"))
    first = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.release(first, NOW)
    second = await claim(store)
    async with store.unit() as unit:
        await unit.inbox.release(second, NOW, is_failure=True)
    third = await claim(store, lease=EXPIRED)
    async with store.unit() as unit:
        assert await unit.inbox.reap() == 1
    fourth = await claim(store)
    assert [taken.failures for taken in (first, second, third, fourth)] == [0, 0, 1, 2]
    assert [taken.attempts for taken in (first, second, third, fourth)] == [1, 2, 3, 4]


async def test_only_failed_deliveries_are_counted_as_such(store: Store):
    await add(store, message("one"))
    taken = await claim(store)
    await finish(store, taken, await begin(store, taken), keep=False)
    failures = []
    for is_failure in (False, True, False):
        async with store.unit() as unit:
            (delivery,) = await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)
        failures.append(delivery.failures)
        async with store.unit() as unit:
            await unit.outbox.release(delivery, NOW, is_failure=is_failure)
    assert failures == [0, 0, 1]


@pytest.mark.parametrize("write", ["part", "state", "ready", "done", "release", "bury"])
async def test_who_lost_a_delivery_can_no_longer_write_to_it(store: Store, write: str):
    await add(store, message())
    stale = replace(await begin(store, await claim(store)), attempts=7)
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            match write:
                case "part":
                    await unit.outbox.part(stale, PART)
                case "state":
                    await unit.outbox.state(stale, {})
                case "ready":
                    await unit.outbox.ready(stale, keep=False)
                case "done":
                    await unit.outbox.done(stale)
                case "release":
                    await unit.outbox.release(stale, NOW)
                case _:
                    await unit.outbox.bury(stale, "why")


async def test_a_reply_is_delivered_only_as_head_of_its_thread(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    first = await claim(store)
    one = await finish(store, first, await begin(store, first))
    second = await claim(store)
    two = await begin(store, second)
    assert (one.is_head, two.is_head) == (True, False)
    async with store.unit() as unit:
        assert not await unit.outbox.is_head(two.reply.id)
    two = await finish(store, second, two, keep=False)
    async with store.unit() as unit:
        assert not await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    await deliver(store, one, PART)
    async with store.unit() as unit:
        assert await unit.outbox.is_head(two.reply.id)
        (taken,) = await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    assert (taken.reply, taken.is_ready, taken.is_head) == (two.reply, True, True)
    await deliver(store, taken)
    async with store.unit() as unit:
        assert not await unit.outbox.is_head(two.reply.id)
        assert not await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)


async def test_the_parts_that_carry_some_answer_are_known_from_those_that_carry_none(store: Store):
    await add(store, message())
    delivery = await begin(store, await claim(store))
    async with store.unit() as unit:
        await unit.outbox.part(delivery, PART)
    strangers = {replace(PART, id="9.9"), replace(PART, workspace="another"), replace(PART, channel="another")}
    async with store.unit() as unit:
        assert await unit.outbox.known([PART, *strangers]) == {PART}
        assert await unit.outbox.known([]) == frozenset()


async def test_a_reply_left_to_anyone_carries_all_that_is_needed(store: Store):
    await add(store, message(return_address={"url": WEIRD}, visibility=Visibility.PUBLIC))
    first = await claim(store)
    delivery = await begin(store, first)
    async with store.unit() as unit:
        await unit.outbox.part(delivery, PART)
        await unit.outbox.state(delivery, {"sequence": 1})
    await finish(store, first, delivery, WEIRD, keep=False)
    async with store.unit() as unit:
        assert not await unit.outbox.claim(owner="other", doors=["slack"], limit=9, lease=LEASE)
        (taken,) = await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    assert (taken.reply.text, taken.reply.asker, taken.reply.thread) == (WEIRD, ANN, ROOM)
    assert (taken.return_address, taken.visibility) == ({"url": WEIRD}, Visibility.PUBLIC)
    assert (taken.parts, taken.state) == ((PART,), {"sequence": 1})
    assert (taken.owner, taken.attempts) == ("other", 2)


async def test_the_owner_that_keeps_a_ready_reply_keeps_it_alone(store: Store):
    await add(store, message())
    first = await claim(store)
    delivery = await finish(store, first, await begin(store, first), keep=True)
    async with store.unit() as unit:
        assert not await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
        assert await unit.outbox.renew([delivery], LEASE) == {delivery.reply.id}
        assert await unit.outbox.renew([replace(delivery, owner="other")], LEASE) == frozenset()


async def test_a_ready_reply_of_a_dead_owner_is_taken_over(store: Store):
    await add(store, message())
    first = await claim(store)
    delivery = await finish(store, first, await begin(store, first), keep=True)
    async with store.unit() as unit:
        await unit.outbox.renew([delivery], EXPIRED)
    async with store.unit() as unit:
        assert await unit.outbox.reap() == 1
        assert await unit.outbox.reap() == 0
        (taken,) = await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    with pytest.raises(LeaseLost):
        await deliver(store, delivery)
    await deliver(store, taken)


async def leave(store: Store, question: Event, extras: tuple[Placed, ...], **more: Any) -> Delivery:
    """Says it and answers it; whoever comes first may deliver it."""
    await add(store, question)
    taken = await claim(store)
    return await finish(store, taken, await begin(store, taken, **more), keep=False, extras=extras)


async def take(store: Store) -> Delivery:
    async with store.unit() as unit:
        (taken,) = await unit.outbox.claim(owner="other", doors=["console"], limit=9, lease=LEASE)
    return taken


async def extras_of(store: Store, delivery: Delivery) -> tuple[Placed, ...]:
    async with store.unit(autocommit=True) as unit:
        return await unit.outbox.extras(delivery)


@pytest.mark.parametrize("keep", [True, False])
async def test_whoever_delivers_an_answer_finds_what_it_has_besides_its_text(store: Store, keep: bool):
    await add(store, message())
    first = await claim(store)
    delivery = await finish(store, first, await begin(store, first), keep=keep, extras=EXTRAS)
    if keep:
        async with store.unit() as unit:
            await unit.outbox.renew([delivery], EXPIRED)
            assert await unit.outbox.reap() == 1
    first_try = await take(store)
    assert first_try.has_extras
    assert await extras_of(store, first_try) == EXTRAS
    async with store.unit() as unit:
        await unit.outbox.release(first_try, NOW)
    second_try = await take(store)
    assert second_try.has_extras
    assert await extras_of(store, second_try) == EXTRAS
    with pytest.raises(LeaseLost):
        await extras_of(store, first_try)


async def test_an_answer_of_text_alone_has_nothing_besides(store: Store):
    await leave(store, message(), ())
    taken = await take(store)
    assert not taken.has_extras
    assert await extras_of(store, taken) == ()


async def test_what_a_delivered_answer_had_besides_its_text_is_kept_no_longer(store: Store):
    await leave(store, message(), EXTRAS)
    taken = await take(store)
    await deliver(store, taken)
    with pytest.raises(LeaseLost):
        await extras_of(store, taken)


async def test_an_answer_written_again_has_its_own_beside_its_text(store: Store):
    first = await leave(store, message(), EXTRAS)
    await leave(store, command(CommandName.REGENERATE), SKETCH, replaces=first.reply.id)
    await leave(store, command(CommandName.REGENERATE), (), replaces=first.reply.id)
    for extras in (EXTRAS, SKETCH, ()):
        taken = await take(store)
        assert (taken.has_extras, await extras_of(store, taken)) == (bool(extras), extras)
        await deliver(store, taken)


async def test_what_is_ready_last_counts(store: Store):
    delivery = await leave(store, message(), EXTRAS)
    taken = await take(store)
    for extras in (SKETCH, ()):
        async with store.unit() as unit:
            await unit.outbox.ready(taken, keep=True, extras=extras)
        assert await extras_of(store, taken) == extras
    assert taken.reply == delivery.reply


@pytest.mark.parametrize("change", ["edit", "erase"])
async def test_what_an_answer_has_besides_its_text_goes_with_an_erased_question_alone(store: Store, change: str):
    question = message("one")
    first = await leave(store, question, EXTRAS)
    await leave(store, command(CommandName.REGENERATE), EXTRAS, replaces=first.reply.id)
    await leave(store, message("two", thread=ATTIC), SKETCH)
    async with store.unit() as unit:
        if change == "edit":
            assert await unit.threads.edit(ROOM, question.id, ANN, "uno")
        else:
            assert not await unit.threads.erase(ROOM, question.id, BOB)
            assert await unit.threads.erase(ROOM, question.id)
    left = EXTRAS if change == "edit" else ()
    for extras in (left, left):
        async with store.unit() as unit:
            taken, *_ = await unit.outbox.claim(owner="other", doors=["console"], limit=1, lease=LEASE)
        assert (taken.reply.thread, taken.reply.text, taken.has_extras) == (ROOM, "42", bool(extras))
        assert await extras_of(store, taken) == extras
        await deliver(store, taken)
    assert await extras_of(store, await take(store)) == SKETCH


async def test_what_was_erased_after_its_answer_was_claimed_is_gone(store: Store):
    question = message()
    await leave(store, question, EXTRAS)
    taken = await take(store)
    async with store.unit() as unit:
        assert await unit.threads.erase(ROOM, question.id)
    assert taken.has_extras
    assert await extras_of(store, taken) == ()


async def test_a_released_delivery_holds_its_thread_until_its_delay_is_over(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    for _ in range(2):
        taken = await claim(store)
        await finish(store, taken, await begin(store, taken), taken.event.text, keep=False)
    async with store.unit() as unit:
        (one,) = await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)
        await unit.outbox.release(one, timedelta(seconds=30))
    async with store.unit() as unit:
        assert not await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)


async def test_a_buried_delivery_lets_the_next_one_through(store: Store):
    await add(store, message("one"))
    await add(store, message("two"))
    for _ in range(2):
        taken = await claim(store)
        await finish(store, taken, await begin(store, taken), taken.event.text, keep=False)
    async with store.unit() as unit:
        (one,) = await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)
        await unit.outbox.bury(one, WEIRD.encode("utf-8", "replace").decode())
    async with store.unit() as unit:
        (two,) = await unit.outbox.claim(owner="me", doors=["console"], limit=9, lease=LEASE)
    assert (one.reply.text, two.reply.text) == ("one", "two")


# ------------------------------------------------------------------------------------------------------------- turns


async def test_a_turn_is_recorded_from_state_to_state(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        facts = await unit.turns.get(taken.reply_id)
        assert (facts.state, facts.attempts, facts.received_at) == (State.SCREENING, 1, taken.received_at)
        assert facts.first_text_at is None
        await unit.turns.move(taken.reply_id, State.ANSWERING, first_text=True)
    async with store.unit() as unit:
        first_text_at = (await unit.turns.get(taken.reply_id)).first_text_at
    delivery = await finish(store, taken, delivery)
    async with store.unit() as unit:
        await unit.turns.move(taken.reply_id, State.DELIVERING, first_text=True)
    await deliver(store, delivery)
    async with store.unit() as unit:
        facts = await unit.turns.get(taken.reply_id)
    assert facts.state is State.DONE
    assert (facts.model, facts.seed, facts.usage, facts.source) == (
        WRITTEN.model,
        WRITTEN.seed,
        WRITTEN.usage,
        WRITTEN.source,
    )
    assert facts.first_text_at == first_text_at
    assert facts.received_at <= facts.started_at <= facts.first_text_at <= facts.finished_at


async def test_a_later_try_starts_the_record_anew(store: Store):
    await add(store, message())
    first = await claim(store)
    await begin(store, first)
    async with store.unit() as unit:
        await unit.turns.move(first.reply_id, State.ANSWERING, written=WRITTEN, first_text=True)
        await unit.inbox.release(first, NOW)
    await begin(store, await claim(store))
    async with store.unit() as unit:
        facts = await unit.turns.get(first.reply_id)
    assert (facts.state, facts.attempts, facts.model, facts.first_text_at) == (State.SCREENING, 2, "", None)


@pytest.mark.parametrize("state", [State.REFUSED, State.STOPPED, State.FAILED, State.ASKED])
async def test_delivering_does_not_change_how_a_turn_ended(store: Store, state: State):
    reply_id = await answered(store, message(), "no", state)
    async with store.unit() as unit:
        assert (await unit.turns.get(reply_id)).state is state


async def test_a_turn_never_goes_back(store: Store):
    reply_id = await answered(store, message())
    async with store.unit() as unit:
        await unit.turns.move(reply_id, State.ANSWERING)
    async with store.unit() as unit:
        assert (await unit.turns.get(reply_id)).state is State.DONE
        assert await unit.turns.get(UNKNOWN) is None


async def test_an_undeliverable_answer_is_a_failed_turn(store: Store):
    await add(store, message())
    taken = await claim(store)
    await finish(store, taken, await begin(store, taken))
    async with store.unit() as unit:
        await unit.turns.move(taken.reply_id, State.FAILED)
    async with store.unit() as unit:
        assert (await unit.turns.get(taken.reply_id)).state is State.FAILED


# ----------------------------------------------------------------------------------------------------------- replies


async def test_a_reply_is_empty_until_it_is_saved(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        opened = await unit.replies.get(taken.reply_id)
        assert (opened, opened.text) == (reply_to(taken), "")
        assert await unit.replies.newest(ROOM) is None
    await finish(store, taken, delivery, WEIRD)
    async with store.unit() as unit:
        saved = await unit.replies.get(taken.reply_id)
        assert saved == reply_to(taken, text=WEIRD, model=WRITTEN.model)
        assert await unit.replies.newest(ROOM) == saved
        assert await unit.replies.newest(ATTIC) is None


async def test_a_reply_knows_the_parts_that_carry_it(store: Store):
    parts = [replace(PART, id=f"{number}.0") for number in (3, 1, 2)]
    reply_id = await answered(store, message(), "42", State.DELIVERING, *parts)
    async with store.unit() as unit:
        assert (await unit.replies.get(reply_id)).parts == tuple(parts)


async def test_a_reply_that_was_never_opened_is_not_saved(store: Store):
    await add(store, message())
    taken = await claim(store)
    with pytest.raises(NotFound):
        async with store.unit() as unit:
            await unit.replies.save(reply_to(taken, text="42"))


@pytest.mark.parametrize("unknown", [UNKNOWN, ReplyId("no such id"), ReplyId(""), ReplyId("\0"), ReplyId("é" * 32)])
async def test_an_unknown_reply_is_nothing(store: Store, unknown: ReplyId):
    async with store.unit() as unit:
        assert await unit.replies.get(unknown) is None
        assert await unit.replies.question(unknown) is None
        assert await unit.turns.get(unknown) is None
        assert await unit.ratings.record(vote(unknown)) is None
        assert await unit.ratings.votes(unknown) == ()
    assert await store.drafts.latest(unknown) is None
    assert await store.archive.reply(unknown, ANN) is None


async def test_what_was_thought_is_kept_beside_the_reply_for_its_asker_alone(store: Store):
    thought = f"{WEIRD} " * 1000
    reply_id = await answered(store, message(), "42", reasoning=thought)
    plain = await answered(store, message())
    assert await store.archive.reasoning(reply_id, ANN) == thought
    assert await store.archive.reasoning(plain, ANN) == ""
    assert await store.archive.reasoning(reply_id, BOB) is None
    assert await store.archive.reasoning(UNKNOWN, ANN) is None
    assert await store.archive.reasoning(ReplyId("no such id"), ANN) is None
    entries = await store.archive.entries(ROOM, ANN, limit=9)
    assert [entry.has_reasoning for entry in entries] == [True, False]
    drafts = [await store.drafts.latest(each) for each in (reply_id, plain)]
    assert [draft.has_reasoning for draft in drafts] == [True, False]


async def test_what_was_thought_is_no_history(store: Store):
    await answered(store, message("one"), "42", reasoning="six by nine")
    await answered(store, message("two"), "", reasoning="nothing comes to mind")
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [("one", "42")]


async def test_what_was_thought_before_a_reply_that_is_not_saved_is_not_there(store: Store):
    await add(store, message())
    taken = await claim(store)
    assert await store.archive.reasoning(taken.reply_id, ANN) is None
    await begin(store, taken)
    assert await store.archive.reasoning(taken.reply_id, ANN) == ""


@pytest.mark.parametrize("change", ["edit", "erase"])
async def test_what_was_thought_about_a_question_goes_with_its_words(store: Store, change: str):
    question, other = message("one"), message("two")
    first = await answered(store, question, reasoning="They ask about one.")
    again = await answered(store, command(CommandName.REGENERATE), reasoning="One, again.", replaces=first)
    kept = await answered(store, other, reasoning="They ask about two.")
    async with store.unit() as unit:
        if change == "edit":
            assert not await unit.threads.edit(ROOM, question.id, BOB, "forged")
            assert await unit.threads.edit(ROOM, question.id, ANN, "uno")
        else:
            assert not await unit.threads.erase(ROOM, question.id, BOB)
            assert await unit.threads.erase(ROOM, question.id)
    thoughts = [await store.archive.reasoning(each, ANN) for each in (first, again, kept)]
    assert thoughts == ["", "", "They ask about two."]


async def test_a_regenerated_reply_answers_the_first_question(store: Store):
    question = message("one")
    first = await answered(store, question, "old")
    second = await answered(store, command(CommandName.REGENERATE), "new", replaces=first)
    third = await answered(store, command(CommandName.REGENERATE), "newer", replaces=second)
    async with store.unit() as unit:
        assert await unit.replies.question(third) == question
        newest = await unit.replies.newest(ROOM)
    assert (newest.id, newest.text, newest.replaces) == (third, "newer", second)


async def test_an_answer_in_place_of_one_that_is_gone_is_not_begun(store: Store):
    first = await answered(store, message("one"), "old")
    await add(store, command(CommandName.REGENERATE, author=BOB, args=first))
    taken = await claim(store)
    await store.people.forget(ANN)
    with pytest.raises(NotStored):
        await begin(store, taken, asker=ANN, in_reply_to="one", replaces=first)
    async with store.unit() as unit:
        assert await unit.replies.get(taken.reply_id) is None
        await unit.inbox.release(taken, timedelta(0))


async def test_an_answer_is_replaced_meanwhile_until_the_new_one_is_delivered(store: Store):
    first = await answered(store, message("one"), "old")
    clicks = [command(CommandName.REGENERATE, author=who, args=first) for who in (ANN, ANN, BOB)]
    await add(store, clicks[0])
    await add(store, clicks[1])
    taken = await claim(store)
    assert not await replaced_meanwhile(store, first, taken), "by itself it is not"
    delivery = await begin(store, taken, replaces=first)
    await add(store, clicks[2])
    delivery = await finish(store, taken, delivery)
    second = await claim(store)
    assert await replaced_meanwhile(store, first, second), "the new answer is on its way"
    await deliver(store, delivery)
    assert await replaced_meanwhile(store, first, second), "it was asked for before the end"
    assert not await replaced_meanwhile(store, taken.reply_id, second), "it is about the old one"
    async with store.unit() as unit:
        await unit.inbox.finish(second)
    third = await claim(store)
    assert await replaced_meanwhile(store, first, third), "anybody's click is"
    async with store.unit() as unit:
        await unit.inbox.finish(third)
    await add(store, command(CommandName.REGENERATE, args=first))
    assert not await replaced_meanwhile(store, first, await claim(store))


@pytest.mark.parametrize("is_buried", [True, False])
async def test_an_answer_whose_replacement_came_to_nothing_can_be_replaced(store: Store, is_buried: bool):
    first = await answered(store, message("one"), "old")
    await add(store, command(CommandName.REGENERATE, args=first))
    taken = await claim(store)
    delivery = await begin(store, taken, replaces=first)
    if is_buried:
        async with store.unit() as unit:
            await unit.inbox.bury(taken, "why")
    else:
        await deliver(store, await finish(store, taken, delivery, "sorry", State.FAILED))
    await add(store, command(CommandName.REGENERATE, args=first))
    assert not await replaced_meanwhile(store, first, await claim(store))


async def test_an_unknown_answer_is_not_replaced(store: Store):
    await add(store, command(CommandName.REGENERATE))
    taken = await claim(store)
    assert not await replaced_meanwhile(store, UNKNOWN, taken)
    assert not await replaced_meanwhile(store, ReplyId("not an id"), taken)


async def replaced_meanwhile(store: Store, reply_id: ReplyId, taken: Claim) -> bool:
    async with store.unit() as unit:
        return await unit.replies.is_replaced_meanwhile(reply_id, taken)


async def test_a_command_is_no_answer_to_regenerate(store: Store):
    asked = await answered(store, message("one"), "42")
    helped = await answered(store, command(CommandName.HELP), "help")
    async with store.unit() as unit:
        assert (await unit.replies.newest(ROOM)).id == asked
        assert (await unit.replies.get(helped)).text == "help"
        assert await unit.replies.question(helped) is None


# ----------------------------------------------------------------------------------------------------------- threads


async def test_history_is_what_was_answered_before_newest_first(store: Store):
    for number in range(4):
        await answered(store, message(f"q{number}"), f"a{number}")
    await answered(store, message("elsewhere", thread=ATTIC), "other")
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [(f"q{number}", f"a{number}") for number in (3, 2, 1, 0)]
    assert await history(store, now, limit=2) == [("q3", "a3"), ("q2", "a2")]


async def test_history_is_read_on_from_its_cursor(store: Store):
    for number in range(5):
        await answered(store, message(f"q{number}"), f"a{number}")
    now = message("now")
    await add(store, now)
    async with store.unit() as unit:
        page = await unit.threads.history(ROOM, now.id, limit=2)
        rest = await unit.threads.history(ROOM, now.id, limit=9, before=page[-1].cursor)
    assert [exchange.question for exchange in (*page, *rest)] == ["q4", "q3", "q2", "q1", "q0"]
    assert page[0].asker == ANN


async def test_history_ends_where_the_message_stands(store: Store):
    one, two = message("one"), message("two")
    await answered(store, one)
    await answered(store, two)
    assert await history(store, two) == [("one", "42")]
    assert await history(store, one) == []
    assert await history(store, message()) == []  # one that was never stored


async def test_history_before_a_command_is_what_was_said_before_it(store: Store):
    await answered(store, message("one"))
    order = command(CommandName.CODE, args="sort a list")
    await add(store, order)
    async with store.unit() as unit:
        assert len(await unit.threads.history(ROOM, order.id, limit=9)) == 1


@pytest.mark.parametrize(
    ("state", "text", "counts"),
    [
        (State.DELIVERING, "a", True),
        (State.ASKED, "a", True),
        (State.STOPPED, "half", True),
        (State.STOPPED, "", False),
        (State.REFUSED, "no", False),
        (State.FAILED, "sorry", False),
    ],
)
async def test_history_holds_what_was_answered(store: Store, state: State, text: str, counts: bool):
    await answered(store, message("one"), text, state)
    now = message("now")
    await add(store, now)
    assert await history(store, now) == ([("one", text)] if counts else [])


async def test_what_the_house_said_itself_is_no_history(store: Store):
    await answered(store, message("one"), "Stopped, as you asked.", State.STOPPED, source=Source.HOUSE)
    now = message("now")
    await add(store, now)
    assert await history(store, now) == []


async def test_history_holds_an_answer_that_is_still_being_delivered(store: Store):
    await add(store, message("one"))
    taken = await claim(store)
    await finish(store, taken, await begin(store, taken))
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [("one", "42")]


async def test_history_holds_the_newest_answer_of_each_question(store: Store):
    first = await answered(store, message("one"), "old")
    await answered(store, message("two"), "b")
    await answered(store, command(CommandName.REGENERATE), "new", replaces=first)
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [("two", "b"), ("one", "new")]


async def test_a_reset_forgets_what_was_said_before(store: Store):
    await answered(store, message("one"))
    await add(store, command(CommandName.RESET))
    reset = await claim(store)
    async with store.unit() as unit:
        await unit.threads.reset(reset)
        await unit.inbox.finish(reset)
    await answered(store, message("two"))
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [("two", "42")]


async def test_a_thread_keeps_the_model_asked_for(store: Store):
    async with store.unit() as unit:
        await unit.threads.route(ROOM, "coder")
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).route == "coder"
        assert (await unit.threads.facts(ATTIC)).route == ""
        await unit.threads.route(ROOM, "")
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).route == ""


async def test_an_author_edits_what_they_said_and_nobody_else_does(store: Store):
    question = message("one")
    await answered(store, question)
    async with store.unit() as unit:
        assert not await unit.threads.edit(ROOM, question.id, BOB, "forged")
        assert not await unit.threads.edit(ATTIC, question.id, ANN, "elsewhere")
        assert not await unit.threads.edit(ROOM, "m0", ANN, "nothing")
        assert await unit.threads.edit(ROOM, question.id, ANN, "two")
    now = message("now")
    await add(store, now)
    assert await history(store, now) == [("two", "42")]


async def test_an_erased_message_is_gone_for_good(store: Store):
    question = message("secret", attachments=(Attachment("a", "secret.txt", "text/plain"),))
    reply_id = await answered(store, question)
    async with store.unit() as unit:
        assert not await unit.threads.erase(ATTIC, question.id)
        assert await unit.threads.erase(ROOM, question.id)
    async with store.unit() as unit:
        assert not await unit.threads.erase(ROOM, question.id)
        assert not await unit.threads.edit(ROOM, question.id, ANN, "back")
        assert await unit.replies.question(reply_id) is None
        assert await unit.replies.newest(ROOM) is None
    now = message("now")
    await add(store, now)
    assert await history(store, now) == []
    assert [entry.question for entry in await store.archive.entries(ROOM, ANN, limit=9)] == ["now"]


async def test_a_message_that_comes_after_its_deletion_is_not_taken_in(store: Store):
    late, other = message("late"), message("other")
    deleted = Deleted(id="d1", thread=ROOM, author=ANN, sent_at=moment(), message_id=late.id)
    await add(store, deleted)
    only = await claim(store, lane="control")
    async with store.unit() as unit:
        assert not await unit.threads.erase(ROOM, late.id)
        await unit.threads.forestall(only)
        await unit.inbox.finish(only)
    async with store.unit() as unit:
        taken, next_one = await unit.inbox.add([late, other])
    assert (taken.is_new, next_one.is_new) == (False, True)
    assert [each.event for each in await claims(store)] == [other]
    async with store.unit() as unit:
        assert await unit.threads.history(ROOM, other.id, limit=9) == ()


def edit_of(late: Message, text: str, **more: Any) -> Edited:
    edited = Edited(id=f"edit {text}", thread=ROOM, author=late.author, sent_at=moment(), message_id=late.id, text=text)
    return replace(edited, **more)


async def overtaken(store: Store, *events: Edited | Deleted) -> list[bool]:
    """What each event finds that comes before the message it is about: whether that can be forestalled."""
    found = []
    for event in events:
        await add(store, event)
        only = await claim(store, lane="control")
        async with store.unit() as unit:
            found.append(await unit.threads.forestall(only))
            await unit.inbox.finish(only)
    return found


async def test_a_message_that_comes_after_its_edits_is_taken_in_with_the_newest_text(store: Store):
    late, other = message("late", attachments=(Attachment("a", "a.txt", "text/plain"),)), message("other")
    first, second, third = (edit_of(late, text) for text in ("one", "two", "three"))
    assert await overtaken(store, second, third, first) == [True, True, True]
    assert await claims(store) == ()
    assert [receipt.is_new for receipt in await add(store, late, other)] == [True, True]
    assert await store.archive.owns(ROOM, ANN)
    taken = await claim(store)
    assert (taken.event, taken.mark) == (replace(late, text="three"), None)
    await deliver(store, await finish(store, taken, await begin(store, taken)))
    assert await history(store, other) == [("three", "42")]
    assert [receipt.is_new for receipt in await add(store, late)] == [False]


async def test_an_edit_that_waits_for_its_message_is_seen_nowhere(store: Store):
    late = message("late")
    await overtaken(store, edit_of(late, "newer"))
    async with store.unit() as unit:
        assert not await unit.threads.edit(ROOM, late.id, ANN, "again")
        assert not await unit.threads.erase(ROOM, late.id)
        assert await unit.threads.reading(ROOM, late.id) is None
        assert await unit.inbox.waiting() == 0
    assert await store.archive.owns(ROOM, ANN) is None
    assert await store.archive.threads(ANN, limit=9) == ()
    assert not await store.archive.is_conversation(ROOM)


async def test_an_edit_that_is_older_than_its_message_or_another_persons_changes_nothing(store: Store):
    late, other = message("as it is now"), message("hers")
    older = edit_of(late, "as it was", sent_at=late.sent_at - timedelta(seconds=1))
    await overtaken(store, older, edit_of(other, "forged", author=BOB))
    await add(store, late, other)
    assert (await claim(store)).event == late
    assert [each.question for each in await store.archive.entries(ROOM, ANN, limit=9)] == ["as it is now", "hers"]


async def test_a_command_that_comes_after_its_edit_asks_what_it_asks_now(store: Store):
    coding = command(CommandName.CODE, args="sort a list", thread=ROOM)
    reset = command(CommandName.RESET, thread=ATTIC)
    await overtaken(
        store,
        edit_of(message(id=coding.id), "/code sort a tuple"),
        edit_of(message(id=reset.id), "keep it all", thread=ATTIC),
    )
    assert [receipt.is_new for receipt in await add(store, coding, reset)] == [True, True]
    assert [each.event for each in await claims(store)] == [replace(coding, args="sort a tuple"), reset]


async def test_a_message_that_was_edited_and_deleted_before_it_comes_is_not_taken_in(store: Store):
    for number, is_deleted_first in enumerate((True, False)):
        late = message("late")
        deleted = Deleted(id=f"d{number}", thread=ROOM, author=ANN, sent_at=moment(), message_id=late.id)
        edited = edit_of(late, "newer", id=f"e{number}")
        found = await overtaken(store, *((deleted, edited) if is_deleted_first else (edited, deleted)))
        assert found == [True, not is_deleted_first]
        assert [receipt.is_new for receipt in await add(store, late)] == [False]
    assert await claims(store) == ()


async def test_what_was_taken_in_can_no_longer_be_forestalled(store: Store):
    said, reset = message("said"), command(CommandName.RESET, thread=ATTIC)
    await add(store, said, reset)
    edits = edit_of(said, "newer"), edit_of(message(id=reset.id), "newest", thread=ATTIC)
    assert await overtaken(store, *edits) == [False, False]
    assert [each.event for each in await claims(store)] == [said, reset]


async def test_what_was_taken_in_is_not_changed_by_a_deletion_that_found_nothing_to_erase(store: Store):
    asked = message("kept", author=BOB)
    await add(store, asked)
    await add(store, Deleted(id="d1", thread=ROOM, author=ANN, sent_at=moment(), message_id=asked.id))
    only = await claim(store, lane="control")
    async with store.unit() as unit:
        await unit.threads.forestall(only)
    (waiting,) = await claims(store)
    assert waiting.event == asked


async def test_an_erased_message_that_waits_is_claimed_without_its_text(store: Store):
    question = message("secret")
    await add(store, question)
    async with store.unit() as unit:
        await unit.inbox.mark(Mark.ERASE, thread=ROOM, message_id=question.id)
        await unit.threads.erase(ROOM, question.id)
    taken = await claim(store)
    assert (taken.mark, taken.event.text, taken.event.id) == (Mark.ERASE, "", question.id)


# ----------------------------------------------------------------------------------------------------------- readings


async def reading_of(store: Store, question: Message, thread: ThreadId = ROOM) -> Reading | None:
    async with store.unit() as unit:
        return await unit.threads.reading(thread, question.id)


async def keep(store: Store, question: Message, reading: Reading, thread: ThreadId = ROOM) -> None:
    async with store.unit() as unit:
        await unit.threads.keep_reading(thread, question.id, reading)


async def readings(store: Store, question: Message) -> list[tuple[str, Reading]]:
    async with store.unit() as unit:
        exchanges = await unit.threads.history(ROOM, question.id, limit=9)
    return [(exchange.question, exchange.reading) for exchange in exchanges]


async def test_what_was_read_is_kept_with_its_question_and_part_of_the_history(store: Store):
    question, now = message("one"), message("now")
    await add(store, question)
    assert await reading_of(store, question) is None
    await keep(store, question, READING)
    assert await reading_of(store, question) == READING
    taken = await claim(store)
    assert taken.event == question
    await finish(store, taken, await begin(store, taken))
    await answered(store, message("two", author=BOB))
    await add(store, now)
    assert await readings(store, now) == [("two", EMPTY), ("one", READING)]
    assert await history(store, now) == [("two", "42"), ("one", "42")]


async def test_what_was_read_is_part_of_the_history_of_an_answer_written_again(store: Store):
    question, now = message("one"), message("now")
    first = await answered(store, question)
    await keep(store, question, READING)
    await answered(store, command(CommandName.REGENERATE), "43", replaces=first)
    await add(store, now)
    assert await readings(store, now) == [("one", READING)]


async def test_what_was_read_last_counts(store: Store):
    question = message()
    await add(store, question)
    await keep(store, question, READING)
    await keep(store, question, Reading(files=(ReadFile("a.txt", "b"),)))
    assert await reading_of(store, question) == Reading(files=(ReadFile("a.txt", "b"),))


async def test_what_was_read_is_found_in_its_own_thread_alone(store: Store):
    question = message()
    await add(store, question)
    await keep(store, question, READING, ATTIC)
    await keep(store, message(), READING)  # one that was never stored
    assert await reading_of(store, question) is None
    await keep(store, question, READING)
    assert await reading_of(store, question, ATTIC) is None
    assert await reading_of(store, message()) is None


@pytest.mark.parametrize("is_running", [False, True])
async def test_an_edited_question_keeps_what_was_read(store: Store, is_running: bool):
    question = message("one")
    await add(store, question)
    await keep(store, question, READING)
    if is_running:
        await claim(store)
    async with store.unit() as unit:
        assert await unit.threads.edit(ROOM, question.id, ANN, "two")
        assert await unit.inbox.amend(ROOM, question.id, "three") == 1
    assert await reading_of(store, question) == READING


async def test_what_was_read_goes_with_its_question_and_does_not_come_back(store: Store):
    question, now = message("one"), message("now")
    await answered(store, question)
    await keep(store, question, READING)
    async with store.unit() as unit:
        assert not await unit.threads.erase(ROOM, question.id, BOB)
    assert await reading_of(store, question) == READING
    async with store.unit() as unit:
        assert await unit.threads.erase(ROOM, question.id)
    assert await reading_of(store, question) is None
    await keep(store, question, READING)
    assert await reading_of(store, question) is None
    await add(store, now)
    assert await readings(store, now) == []


async def test_what_was_read_before_a_reset_is_forgotten_with_its_question(store: Store):
    question, now = message("one"), message("now")
    await answered(store, question)
    await keep(store, question, READING)
    async with store.unit() as unit:
        assert not (await unit.threads.facts(ROOM)).is_reset
    await add(store, command(CommandName.RESET))
    reset = await claim(store)
    async with store.unit() as unit:
        await unit.threads.reset(reset)
        await unit.inbox.finish(reset)
    await add(store, now)
    assert await readings(store, now) == []
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).is_reset
        assert not (await unit.threads.facts(ATTIC)).is_reset


# ----------------------------------------------------------------------------------------------------------- ratings


async def votes(store: Store, reply_id: ReplyId):
    async with store.unit() as unit:
        return await unit.ratings.votes(reply_id)


async def cast(store: Store, *feedback):
    for each in feedback:
        async with store.unit() as unit:
            await unit.ratings.record(each)


async def test_a_vote_is_kept_with_the_model_that_wrote_the_answer(store: Store):
    reply_id = await answered(store, message())
    thumb = vote(reply_id, 1, reason="wrong", comment=WEIRD)
    async with store.unit() as unit:
        assert await unit.ratings.record(thumb) == reply_id
    (kept,) = await votes(store, reply_id)
    assert (kept.score, kept.reason, kept.comment, kept.model) == (1, "wrong", WEIRD, WRITTEN.model)
    assert (kept.reply_id, kept.author) == (reply_id, ANN)


async def test_a_vote_finds_its_reply_by_any_part(store: Store):
    parts = (PART, replace(PART, id="2.0"))
    reply_id = await answered(store, message(), "42", State.DELIVERING, *parts)
    async with store.unit() as unit:
        for part in parts:
            assert await unit.ratings.record(vote(part)) == reply_id
            assert (await unit.ratings.resolve(vote(part))).id == reply_id
        assert await unit.ratings.record(vote(replace(PART, id="9.0"))) is None
        assert await unit.ratings.resolve(vote(replace(PART, id="9.0"))) is None


async def test_a_vote_may_mean_the_last_reply_to_a_person(store: Store):
    await answered(store, message("one"))
    mine = await answered(store, message("two"))
    await answered(store, message("three", author=BOB))
    async with store.unit() as unit:
        assert await unit.ratings.record(vote(LastReplyTo(ANN, ROOM))) == mine
        assert (await unit.ratings.resolve(vote(LastReplyTo(ANN, ROOM)))).id == mine
        assert await unit.ratings.record(vote(LastReplyTo(ANN, ATTIC))) is None


async def test_a_vote_on_the_last_reply_never_means_a_sentence_of_the_house(store: Store):
    mine = await answered(store, message("one"))
    await add(store, message("/help"))
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.replies.save(replace(delivery.reply, text="I can help.", source=Source.HOUSE))
        await unit.turns.move(delivery.reply.id, State.DELIVERING)
        await unit.inbox.finish(taken)
        assert (await unit.ratings.resolve(vote(LastReplyTo(ANN, ROOM)))).id == mine


async def test_the_latest_live_vote_counts(store: Store):
    reply_id = await answered(store, message())
    await cast(store, vote(reply_id, 5, origin=Origin.REACTION), vote(reply_id, 1))
    assert [kept.score for kept in await votes(store, reply_id)] == [1]
    await cast(store, vote(reply_id, None))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]
    await cast(store, vote(reply_id, None, origin=Origin.REACTION))
    assert await votes(store, reply_id) == ()


async def test_votes_on_two_parts_are_two_votes(store: Store):
    parts = (PART, replace(PART, id="2.0"))
    reply_id = await answered(store, message(), "42", State.DELIVERING, *parts)
    await cast(store, vote(parts[0], 5, origin=Origin.REACTION), vote(parts[1], 1, origin=Origin.REACTION))
    await cast(store, vote(parts[1], None, origin=Origin.REACTION))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]


async def test_two_reactions_are_two_votes(store: Store):
    reply_id = await answered(store, message(), "42", State.DELIVERING, PART)
    await cast(store, reacted("like", 5), reacted("heart", 5), reacted("heart", None))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]
    await cast(store, reacted("sad", 1))
    assert [kept.score for kept in await votes(store, reply_id)] == [1]
    await cast(store, reacted("sad", None))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]
    await cast(store, reacted("like", None))
    assert await votes(store, reply_id) == ()


async def test_a_reaction_taken_back_and_given_again_counts(store: Store):
    reply_id = await answered(store, message(), "42", State.DELIVERING, PART)
    await cast(store, reacted("like", 5), reacted("like", None), reacted("like", 5))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]


async def test_a_reaction_kept_without_its_name_gives_way_to_the_next_one_in_its_place(store: Store):
    elsewhere = replace(PART, id="2.0")
    reply_id = await answered(store, message(), "42", State.DELIVERING, PART, elsewhere)
    await cast(store, reacted("", 5), reacted("like", None, elsewhere))
    assert [kept.score for kept in await votes(store, reply_id)] == [5]
    await cast(store, reacted("like", None))
    assert await votes(store, reply_id) == ()
    await cast(store, reacted("", 5), reacted("sad", 1), reacted("sad", None))
    assert await votes(store, reply_id) == ()


def reacted(name: str, score: int | None, part: PartId = PART):
    return vote(part, score, origin=Origin.REACTION, reaction=name)


async def test_a_comment_adds_and_a_later_vote_never_erases_it(store: Store):
    reply_id = await answered(store, message())
    await cast(
        store,
        vote(reply_id, 1, reason="wrong", comment="first"),
        vote(reply_id, 5),
        vote(reply_id, 5, comment="second"),
        vote(reply_id, None),
    )
    (kept,) = await votes(store, reply_id)
    assert (kept.score, kept.reason, kept.comment) == (None, "wrong", "first\nsecond")


async def test_a_repeated_vote_changes_nothing(store: Store):
    reply_id = await answered(store, message())
    up, down = vote(reply_id, 5, comment="good"), vote(reply_id, 1)
    down = replace(down, sent_at=up.sent_at)  # some platforms tell the time in whole seconds
    await cast(store, up, down, up)
    (kept,) = await votes(store, reply_id)
    assert (kept.score, kept.comment) == (1, "good")
    async with store.unit() as unit:
        assert await unit.ratings.record(up) == reply_id


async def test_an_older_vote_never_beats_a_newer_one(store: Store):
    reply_id = await answered(store, message())
    old = vote(reply_id, 5)
    await cast(store, vote(reply_id, 1), old)
    assert [kept.score for kept in await votes(store, reply_id)] == [1]


async def test_everybody_has_a_vote_of_their_own(store: Store):
    reply_id = await answered(store, message())
    await cast(store, vote(reply_id, 5), vote(reply_id, 1, author=BOB))
    assert {(kept.author.id, kept.score) for kept in await votes(store, reply_id)} == {("ann", 5), ("bob", 1)}


# ------------------------------------------------------------------------------------------------------------ drafts


async def test_a_draft_replaces_the_one_before(store: Store):
    await add(store, message())
    taken = await claim(store)
    await begin(store, taken)
    assert await store.drafts.latest(taken.reply_id) is None
    for revision in (1, 2):
        await store.drafts.save(Draft(taken.reply_id, revision, f"{WEIRD} {revision}", model="m", source="engine"))
    newest = Draft(taken.reply_id, 2, f"{WEIRD} 2", model="m", source="engine")
    assert await store.drafts.latest(taken.reply_id) == newest
    await store.drafts.save(Draft(taken.reply_id, 1, "late"))
    assert await store.drafts.latest(taken.reply_id) == newest
    thinking = Draft(taken.reply_id, 3, "", status="thinking")
    await store.drafts.save(thinking)
    assert await store.drafts.latest(taken.reply_id) == thinking


async def test_a_draft_of_an_unknown_reply_is_refused(store: Store):
    for unknown in (UNKNOWN, ReplyId("nothing")):
        with pytest.raises(NotFound):
            await store.drafts.save(Draft(unknown, 1, "words"))


async def test_the_saved_reply_ends_the_draft_and_is_newer(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    await store.drafts.save(Draft(taken.reply_id, 1_000_017, "4"))
    await finish(store, taken, delivery)
    final = await store.drafts.latest(taken.reply_id)
    assert (final.text, final.state, final.is_final, final.model) == ("42", State.DELIVERING, True, WRITTEN.model)
    assert final.revision > 1_000_017
    await store.drafts.save(Draft(taken.reply_id, 2_000_000, "too late"))
    assert await store.drafts.latest(taken.reply_id) == final


async def test_a_follower_sees_what_is_there_then_what_comes_then_the_end(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    await store.drafts.save(Draft(taken.reply_id, 1, "4"))
    seen = []
    async with asyncio.timeout(5), aclosing(store.drafts.follow(taken.reply_id)) as drafts:
        async for draft in drafts:
            seen.append(draft.text)
            if draft.revision == 1:
                await store.drafts.save(Draft(taken.reply_id, 2, "42"))
            elif not draft.is_final:
                await finish(store, taken, delivery, "42!")
    assert seen == ["4", "42", "42!"]


async def test_a_follower_of_a_waiting_question_waits(store: Store):
    (receipt,) = await add(store, message())

    async def answer():
        taken = await claim(store)
        await finish(store, taken, await begin(store, taken))

    async with (
        asyncio.timeout(5),
        asyncio.TaskGroup() as group,
        aclosing(store.drafts.follow(receipt.reply_id)) as seen,
    ):
        group.create_task(answer())
        assert [draft.text async for draft in seen] == ["42"]


async def test_a_follower_of_a_finished_reply_sees_it_and_ends(store: Store):
    reply_id = await answered(store, message())
    async with asyncio.timeout(5):
        drafts = [draft async for draft in store.drafts.follow(reply_id)]
    assert [(draft.text, draft.state) for draft in drafts] == [("42", State.DONE)]


# ----------------------------------------------------------------------------------------------------------- archive


async def test_a_person_finds_their_threads_newest_question_first(store: Store):
    await answered(store, message("first\nquestion   here"))
    await answered(store, message("other", thread=ATTIC))
    await answered(store, message("follow-up"))
    lines = await store.archive.threads(ANN, limit=9)
    assert [(line.thread, line.title) for line in lines] == [(ROOM, "first question here"), (ATTIC, "other")]
    assert lines[0].updated_at > lines[1].updated_at
    assert await store.archive.threads(ANN, limit=1) == lines[:1]
    assert await store.archive.threads(ANN, limit=9, before=lines[0].updated_at) == lines[1:]
    assert await store.archive.threads(BOB, limit=9) == ()


async def test_a_long_question_has_a_short_title(store: Store):
    await add(store, message("word " * 1000))
    (line,) = await store.archive.threads(ANN, limit=9)
    assert line.title.endswith("…")
    assert len(line.title) <= 80


async def test_an_erased_first_question_is_no_title(store: Store):
    question = message("secret")
    await answered(store, question)
    await answered(store, message("harmless"))
    async with store.unit() as unit:
        await unit.threads.erase(ROOM, question.id)
    assert [line.title for line in await store.archive.threads(ANN, limit=9)] == ["harmless"]


async def test_a_thread_shows_its_questions_and_newest_answers_oldest_first(store: Store):
    one = message("one")
    first = await answered(store, one, "old")
    second = await answered(store, command(CommandName.REGENERATE), "new", replaces=first)
    await add(store, message("two"))
    await cast(store, vote(second, 1, comment="hm"), vote(second, 5, author=BOB))
    done, waiting = await store.archive.entries(ROOM, ANN, limit=9)
    assert (done.question, done.answer, done.reply_id, done.state) == ("one", "new", second, State.DONE)
    assert (done.message_id, done.asker, done.sent_at) == (one.id, ANN, one.sent_at)
    assert (done.model, done.source, done.vote.score, done.vote.comment) == (WRITTEN.model, "engine", 1, "hm")
    assert (waiting.question, waiting.answer, waiting.state, waiting.vote) == ("two", "", None, None)
    assert waiting.reply_id == (await claim(store)).reply_id


async def test_a_long_thread_is_read_page_by_page(store: Store):
    for number in range(5):
        await answered(store, message(f"q{number}"))
    newest = await store.archive.entries(ROOM, ANN, limit=2)
    older = await store.archive.entries(ROOM, ANN, limit=9, before=newest[0].cursor)
    assert [entry.question for entry in (*older, *newest)] == [f"q{number}" for number in range(5)]


async def test_the_archive_shows_where_the_context_was_forgotten(store: Store):
    await answered(store, message("one"))
    await add(store, command(CommandName.RESET))
    reset = await claim(store)
    async with store.unit() as unit:
        await unit.threads.reset(reset)
        await unit.inbox.finish(reset)
    await answered(store, message("two"))
    entries = await store.archive.entries(ROOM, ANN, limit=9)
    assert [entry.is_before_reset for entry in entries] == [True, False]


async def test_a_stranger_sees_nothing(store: Store):
    reply_id = await answered(store, message())
    assert await store.archive.entries(ROOM, BOB, limit=9) == ()
    assert await store.archive.entries(ATTIC, ANN, limit=9) == ()
    assert await store.archive.reply(reply_id, BOB) is None
    assert (await store.archive.reply(reply_id, ANN)).text == "42"
    assert await store.archive.owns(ROOM, ANN) is True
    assert await store.archive.owns(ROOM, BOB) is False
    assert await store.archive.owns(ATTIC, ANN) is None


async def test_a_thread_is_a_conversation_once_somebody_who_may_asks_in_it(store: Store):
    assert not await store.archive.is_conversation(ROOM)
    await add(store, message())
    assert await store.archive.is_conversation(ROOM)
    first = await claim(store)
    await finish(store, first, await begin(store, first))
    assert await store.archive.is_conversation(ROOM)
    assert not await store.archive.is_conversation(ATTIC)


@pytest.mark.parametrize(("source", "is_conversation"), [(Source.HOUSE, False), (Source.MODERATION, True)])
async def test_a_thread_in_which_nobody_was_let_in_is_none(store: Store, source, is_conversation):
    await add(store, message())
    only = await claim(store)
    await finish(store, only, await begin(store, only, source=source), state=State.REFUSED)
    assert await store.archive.is_conversation(ROOM) is is_conversation


async def test_a_thread_whose_only_question_could_be_answered_by_nobody_is_a_conversation(store: Store):
    await add(store, message())
    only = await claim(store)
    delivery = await begin(store, only, source=Source.HOUSE)
    async with store.unit() as unit:
        await unit.meter.count(only, ANN, ROOM)  # its asker was let in
    await finish(store, only, delivery, state=State.REFUSED)
    assert await store.archive.is_conversation(ROOM)


async def test_who_joins_a_thread_does_not_own_it(store: Store):
    await add(store, command(CommandName.HELP))
    await add(store, message("mine", author=BOB))
    assert await store.archive.owns(ROOM, ANN) is True
    assert await store.archive.owns(ROOM, BOB) is False
    assert await store.archive.entries(ROOM, BOB, limit=9) == ()
    assert await store.archive.entries(ROOM, ANN, limit=9) == ()


# ------------------------------------------------------------------------------------------- secrets, leader, signals


async def test_a_secret_is_kept_until_it_is_deleted(store: Store):
    assert await store.secrets.get("token") is None
    await store.secrets.put("token", b"\0\xff one")
    await store.secrets.put("token", b"\0\xff two")
    await store.secrets.put("other", b"")
    assert await store.secrets.get("token") == b"\0\xff two"
    assert await store.secrets.get("other") == b""
    await store.secrets.delete("token")
    await store.secrets.delete("token")
    assert await store.secrets.get("token") is None


async def test_one_at_a_time_leads(store: Store):
    order = []

    async def lead(name: str) -> None:
        async with store.leader("socket").hold():
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(lead(name))
    assert [event.split()[1] for event in order] == ["begins", "ends"] * 3


async def test_two_names_are_led_side_by_side(store: Store):
    async with asyncio.timeout(5), store.leader("one").hold() as held, store.leader("two").hold():
        waiting = asyncio.create_task(held.lost())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()


async def test_a_wake_up_follows_the_commit(store: Store):
    heard = []

    async def hear() -> None:
        async with aclosing(store.signals()) as signals:
            async for signal in signals:
                heard.append(signal)  # noqa: PERF401 - each as it comes

    listening = asyncio.create_task(hear())
    await asyncio.sleep(0.05)
    heard.clear()

    async def news() -> set[Signal]:
        await asyncio.sleep(0.05)
        said = set(heard)
        heard.clear()
        return said

    await add(store, message())
    assert Signal(SignalKind.INBOX, "turn") in await news()
    taken = await claim(store)
    delivery = await begin(store, taken)
    await news()
    async with store.unit() as unit:
        await unit.inbox.mark(Mark.STOP, thread=ROOM)
        assert not await news()
    assert Signal(SignalKind.MARK, taken.reply_id) in await news()
    await store.drafts.save(Draft(taken.reply_id, 1, "4"))
    assert Signal(SignalKind.DRAFT, taken.reply_id) in await news()
    await finish(store, taken, delivery, keep=False)
    assert {Signal(SignalKind.OUTBOX), Signal(SignalKind.DRAFT, taken.reply_id)} <= await news()
    with pytest.raises(Crash):
        async with store.unit() as unit:
            await unit.inbox.add([message()])
            raise Crash
    assert not await news()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_thread_is_named_by_all_its_parts(store: Store):
    parts = [
        ThreadId("console", "a", "b", "c:d"),
        ThreadId("console", "a", "b:c", "d"),
        ThreadId("console", "a:b", "c", "d"),
    ]
    await add(store, *(message(thread=thread) for thread in parts))
    taken = await claims(store)
    assert [entry.event.thread for entry in taken if isinstance(entry.event, Message)] == parts


# ------------------------------------------------------------------------------------------- what moderation found

REFUSED = Incident("question", "gambling", "refuse", 4, ("rules.yaml/gambling: casino",), WEIRD)
FLAGGED = Incident("answer", "gossip", "flag")


async def note(store: Store, reply: ReplyId, incident: Incident, *, thread: ThreadId = ROOM, by: Author = ANN) -> None:
    async with store.unit() as unit:
        await unit.incidents.record(reply, thread, by, incident)


async def noted(store: Store, **more: Any) -> tuple[Kept, ...]:
    async with store.unit() as unit:
        return await unit.incidents.newest(**{"limit": 10} | more)


async def appeal(store: Store, target: ReplyId | ThreadId, comment: str = "", *, by: Author = ANN) -> bool:
    async with store.unit() as unit:
        return await unit.incidents.appeal(by, target, comment=comment)


async def test_what_moderation_found_comes_back_as_it_was_newest_first(store: Store):
    mine, theirs = await answered(store, message()), await answered(store, message(thread=ATTIC, author=BOB))
    await note(store, mine, REFUSED)
    await note(store, theirs, FLAGGED, thread=ATTIC, by=BOB)
    newest, oldest = await noted(store)
    assert (oldest.reply_id, oldest.asker, oldest.thread, oldest.incident) == (mine, ANN, ROOM, REFUSED)
    assert (newest.asker, newest.thread, newest.incident, newest.appeal) == (BOB, ATTIC, FLAGGED, None)
    assert await noted(store, limit=1) == (newest,)
    assert await noted(store, before=newest.cursor) == (oldest,)


async def test_another_try_of_a_turn_finds_the_same_once(store: Store):
    reply = await answered(store, message())
    for _ in range(2):
        await note(store, reply, REFUSED)
    assert len(await noted(store)) == 1


async def test_nothing_is_found_in_a_reply_that_is_not_there_or_not_theirs(store: Store):
    reply = await answered(store, message())
    await note(store, UNKNOWN, REFUSED)
    await note(store, reply, REFUSED, by=BOB)
    assert await noted(store) == ()
    await store.people.forget(ANN)
    await note(store, reply, REFUSED)
    assert await noted(store) == ()


async def test_who_was_refused_may_say_that_it_was_wrong(store: Store):
    reply = await answered(store, message())
    await note(store, reply, REFUSED)
    await note(store, reply, FLAGGED)
    assert await appeal(store, reply, WEIRD)
    assert await appeal(store, reply)
    (appealed,) = await noted(store, appealed=True)
    assert appealed.incident == REFUSED
    assert appealed.appeal.comment == WEIRD


async def test_an_appeal_in_a_thread_is_about_the_newest_refusal_there(store: Store):
    first, second, elsewhere = [await answered(store, message(thread=place)) for place in (ROOM, ROOM, ATTIC)]
    await note(store, first, REFUSED)
    await note(store, second, REFUSED)
    await note(store, elsewhere, REFUSED, thread=ATTIC)
    assert await appeal(store, ROOM, "no")
    assert await appeal(store, ROOM, "no, it was a chess question")
    (appealed,) = await noted(store, appealed=True)
    assert (appealed.reply_id, appealed.appeal.comment) == (second, "no, it was a chess question")


@pytest.mark.parametrize("change", ["edit", "erase"])
async def test_words_that_were_changed_or_erased_are_kept_with_no_finding(store: Store, change: str):
    said = message("casino")
    await add(store, said)
    claimed = await claim(store)
    await begin(store, claimed)
    await note(store, claimed.reply_id, REFUSED)
    async with store.unit() as unit:
        if change == "edit":
            assert await unit.threads.edit(ROOM, said.id, ANN, "chess")
        else:
            assert await unit.threads.erase(ROOM, said.id)
    (kept,) = await noted(store)
    assert kept.incident == replace(REFUSED, excerpt="")


async def test_nobody_appeals_for_another_or_against_nothing(store: Store):
    refused, flagged = await answered(store, message()), await answered(store, message(thread=ATTIC))
    await note(store, refused, REFUSED)
    await note(store, flagged, FLAGGED, thread=ATTIC)
    assert not await appeal(store, refused, by=BOB)
    assert not await appeal(store, ROOM, by=BOB)
    assert not await appeal(store, ATTIC)
    assert not await appeal(store, ReplyId("2" * 32))
    assert not await noted(store, appealed=True)


async def test_a_turn_that_ends_without_an_answer_holds_up_no_other_of_its_thread(store):
    await add(store, message("first"), message("second"))
    one = await claim(store)
    await begin(store, one)
    async with store.unit() as unit:
        await unit.outbox.forsake(one)
        await unit.inbox.finish(one)
    assert (await begin(store, await claim(store))).is_head
