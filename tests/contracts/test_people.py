"""What every store promises of a person as a whole: that they can be forgotten, and be given what is theirs."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import LeaseLost
from core.message import Author, CommandName, Message, PartId, Reply, ReplyId
from core.ports import (
    Awaited,
    CachedAnswer,
    Claim,
    Draft,
    Forgotten,
    Incident,
    Kept,
    Read,
    State,
    Store,
    Theirs,
    Thought,
    TurnFacts,
    Vote,
)
from core.reading import ReadFile, Reading, UnreadFile, Why
from core.turn import Pending
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
    DOORS,
    EXPIRED,
    LEASE,
    ROOM,
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
    vote,
)

DAY = timedelta(days=1)
KEY = "ab" * 32
PART = PartId("console", "home", "web", "part")


async def everything(store: Store, person: Author = ANN) -> list[Theirs]:
    return [item async for item in store.people.everything(person)]


async def said(store: Store, person: Author = ANN) -> list[str]:
    return [item.text for item in await everything(store, person) if isinstance(item, Message | Reply)]


async def record(store: Store, *votes: object) -> None:
    for cast in votes:
        async with store.unit() as unit:
            await unit.ratings.record(cast)  # type: ignore[arg-type]


async def test_what_a_person_said_and_was_told_is_gone_and_nobody_elses_is(store: Store):
    theirs = await answered(store, message("Ann's secret"), "for Ann", State.DELIVERING, PART, reasoning="thoughts")
    others = await answered(store, message("Bob's secret", author=BOB), "for Bob")
    await record(store, vote(theirs, comment="Ann's"), vote(theirs, author=BOB), vote(others, 1, comment="Ann on Bob"))
    await record(store, vote(others, author=BOB, comment="Bob's"))

    assert await store.people.forget(ANN) == Forgotten(messages=1, answers=1, votes=2)

    assert await everything(store) == []
    assert await said(store, BOB) == ["Bob's secret", "for Bob"]
    assert await history(store, message("next")) == []  # it is no part of the thread yet
    async with store.unit() as unit:
        assert await unit.replies.get(theirs) is None
        assert await unit.turns.get(theirs) is None
        assert await unit.outbox.known([PART]) == frozenset()
        assert await unit.ratings.votes(theirs) == ()
        assert [(cast.author.id, cast.comment) for cast in await unit.ratings.votes(others)] == [("bob", "Bob's")]
    assert await store.archive.threads(ANN, limit=10) == ()
    assert await store.drafts.latest(theirs) is None


async def test_a_thread_they_shared_goes_on_without_their_words(store: Store):
    await answered(store, message("Ann's"))
    await answered(store, message("Bob's", author=BOB), "for Bob")
    await store.people.forget(ANN)
    next_ = message("more", author=BOB)
    await add(store, next_)
    assert await history(store, next_) == [("Bob's", "for Bob")]
    assert await store.archive.owns(ROOM, ANN) is not True


async def test_their_threads_are_not_read_from_the_platform_again(store: Store):
    await answered(store, message("Ann's"))
    await store.people.forget(ANN)
    async with store.unit() as unit:
        assert (await unit.threads.facts(ROOM)).is_reset
        assert not (await unit.threads.facts(ATTIC)).is_reset


async def test_what_is_kept_beside_their_answers_goes_with_them(store: Store):
    question = message("May I?")
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.threads.keep_reading(ROOM, question.id, Reading(unread=(UnreadFile("a.txt", Why.GONE),)))
        await unit.incidents.record(taken.reply_id, ROOM, ANN, Incident("question", "c", "refuse", excerpt="word"))
        await unit.asks.keep(taken.reply_id, ROOM, ANN, Pending("post", {"to": "Eve"}), lifetime=DAY)
    delivery = await finish(store, taken, delivery, state=State.ASKED)
    async with store.unit() as unit:
        kept = CachedAnswer("may i", "42", "echo@1")
        assert await unit.cached.keep(KEY, KEY, kept, delivery.reply, lifetime=DAY, vector=[1.0], embedder="e")

    await store.people.forget(ANN)

    async with store.unit() as unit:
        assert await unit.threads.reading(ROOM, question.id) is None
        assert await unit.incidents.newest(limit=10) == ()
        assert await unit.asks.newest(ROOM, ANN) is None
        assert await unit.cached.find(KEY, ReplyId("0" * 32)) is None
        assert await unit.cached.shelved("e") == ()
        assert not await unit.outbox.claim(owner="later", doors=DOORS, limit=10, lease=LEASE)


async def test_what_waits_of_them_is_not_answered_and_the_next_in_the_thread_is(store: Store):
    await add(store, message("waits"), message("waits too", thread=ATTIC), command(CommandName.HELP))
    await add(store, message("Bob's", author=BOB))
    await store.people.forget(ANN)
    (only,) = await claims(store)
    assert isinstance(only.event, Message)
    assert only.event.text == "Bob's"


async def test_a_rating_that_waits_is_not_counted(store: Store):
    reply = await answered(store, message("Bob's", author=BOB))
    await add(store, vote(reply, comment="Ann's"))
    await store.people.forget(ANN)
    assert await claims(store, lane="control") == ()


async def test_a_turn_of_theirs_that_runs_is_lost(store: Store):
    await add(store, message())
    running = await claim(store)
    delivery = await begin(store, running)
    await store.people.forget(ANN)
    async with store.unit() as unit:
        assert await unit.inbox.renew([running], LEASE) == {}
        assert await unit.outbox.renew([delivery], LEASE) == frozenset()
    with pytest.raises(LeaseLost):
        async with store.unit() as unit:
            await unit.inbox.finish(running)


async def test_an_answer_on_its_way_out_is_given_up(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await finish(store, taken, await begin(store, taken))
    await store.people.forget(ANN)
    with pytest.raises(LeaseLost):
        await deliver(store, delivery, PART)


async def test_what_came_once_does_not_come_again(store: Store):
    first, second = message("Ann's"), message("waits", thread=ATTIC)
    await answered(store, first)
    await add(store, second)
    await store.people.forget(ANN)
    assert [receipt.is_new for receipt in await add(store, first, second)] == [False, False]
    assert await everything(store) == []


async def test_new_words_are_kept_anew(store: Store):
    await answered(store, message("old"))
    await store.people.forget(ANN)
    await answered(store, message("new"), "newer")
    assert await said(store) == ["new", "newer"]
    assert [summary.title for summary in await store.archive.threads(ANN, limit=10)] == ["new"]


async def asked_to_be_forgotten(store: Store) -> Claim:
    await answered(store, message("old"))
    await add(store, command(CommandName.FORGET, args="yes"))
    return await claim(store)


async def test_the_event_that_asks_for_it_is_answered(store: Store):
    asking = await asked_to_be_forgotten(store)
    await store.people.forget(ANN, sparing=asking)
    await finish(store, asking, await begin(store, asking), "Done.")
    assert await said(store) == ["Done."]


async def test_the_event_that_asks_for_it_is_taken_over_where_its_owner_dies(store: Store):
    asking = await asked_to_be_forgotten(store)
    await store.people.forget(ANN, sparing=asking)
    async with store.unit() as unit:
        await unit.inbox.renew([asking], EXPIRED)
    async with store.unit() as unit:
        await unit.inbox.reap()
    again = await claim(store, owner="other")
    assert (again.event, again.attempts) == (asking.event, 2)
    assert await store.people.forget(ANN, sparing=again) == Forgotten()


async def test_an_owner_that_lost_the_event_that_asks_for_it_forgets_nothing(store: Store):
    asking = await asked_to_be_forgotten(store)
    with pytest.raises(LeaseLost):
        await store.people.forget(ANN, sparing=replace(asking, attempts=9))
    assert await said(store) == ["old", "42"]


async def asked_twice(store: Store) -> tuple[Claim, Claim]:
    await answered(store, message("old"))
    await add(store, command(CommandName.FORGET, args="yes"), command(CommandName.FORGET, args="yes", thread=ATTIC))
    first, second = await claims(store)
    return first, second


async def told(store: Store, asking: Claim) -> None:
    await deliver(store, await finish(store, asking, await begin(store, asking), "Done."))


async def test_both_are_answered_where_it_is_asked_for_twice_at_once(store: Store):
    first, second = await asked_twice(store)
    for asking in (first, second):
        await store.people.forget(ANN, sparing=asking)
    for asking in (second, first):
        await told(store, asking)
    assert await said(store) == ["Done.", "Done."]


async def test_both_are_answered_where_two_processes_do_it_at_the_same_time(store: Store):
    await answered(store, message("Bob's", author=BOB), "for Bob")
    asked = await asked_twice(store)

    async def forget_and_tell(asking: Claim) -> None:
        await store.people.forget(ANN, sparing=asking)
        await told(store, asking)

    await asyncio.gather(*map(forget_and_tell, asked))
    assert await said(store) == ["Done.", "Done."]
    assert await said(store, BOB) == ["Bob's", "for Bob"]
    assert len(await store.audit.newest(limit=9, person=ANN)) == 1


async def test_whoever_asks_again_while_they_are_told_is_told_both_times(store: Store):
    first = await asked_to_be_forgotten(store)
    await store.people.forget(ANN, sparing=first)
    delivery = await begin(store, first)
    await add(store, message("since then", thread=ATTIC))
    await add(store, command(CommandName.FORGET, args="yes", thread=replace(ROOM, thread="third")))
    _, second = await claims(store)
    again = asyncio.create_task(store.people.forget(ANN, sparing=second))
    await asyncio.wait({again}, timeout=0.2)
    await deliver(store, await finish(store, first, delivery, "Done."))
    await again
    await told(store, second)
    assert (await said(store))[-1] == "Done."
    assert "since then" not in await said(store)


async def test_one_that_waits_still_is_answered_when_it_is_claimed(store: Store):
    first = await asked_to_be_forgotten(store)
    waiting = command(CommandName.FORGET, args="yes", thread=ATTIC)
    await add(store, waiting, command(CommandName.FORGET, thread=ATTIC))
    await store.people.forget(ANN, sparing=first)
    await told(store, first)
    second = await claim(store)
    assert (second.event, second.mark) == (waiting, None)
    assert await store.people.forget(ANN, sparing=second) == Forgotten()
    await told(store, second)
    assert await said(store) == ["Done.", "Done."]


async def test_a_thread_begun_with_an_unanswered_command_is_nobodys(store: Store):
    await add(store, command(CommandName.HELP))
    assert await store.archive.owns(ROOM, ANN) is True
    await store.people.forget(ANN)
    assert await store.archive.owns(ROOM, ANN) is not True


async def test_whoever_was_never_here_is_forgotten_as_well(store: Store):
    assert await store.people.forget(BOB) == Forgotten()


async def test_a_draft_that_comes_late_is_kept_by_nobody(store: Store):
    await add(store, message())
    running = await claim(store)
    await begin(store, running)
    await store.drafts.save(Draft(running.reply_id, 1, "half"))
    await store.people.forget(ANN)
    assert await store.drafts.latest(running.reply_id) is None


# ------------------------------------------------------------------------------------------------------ what is theirs


async def test_a_person_is_given_what_is_theirs_and_nothing_else(store: Store):
    first, second = message("one"), message("two", thread=ATTIC)
    theirs = await answered(store, first, "1", State.DELIVERING, PART)
    others = await answered(store, message("Bob's", author=BOB), "for Bob")
    await answered(store, second, "2")
    await record(store, vote(others, 1, comment="no"), vote(theirs, author=BOB))

    *items, rated = await everything(store)

    assert [type(item) for item in items] == [Message, Message, Reply, TurnFacts, Reply, TurnFacts]
    texts = [item for item in items if isinstance(item, Message | Reply)]
    assert [item.text for item in texts] == ["one", "two", "1", "2"]
    assert isinstance(texts[2], Reply)
    assert (texts[2].in_reply_to, texts[2].parts) == (first.id, (PART,))
    assert isinstance(rated, Vote)
    assert (rated.reply_id, rated.score, rated.comment) == (others, 1, "no")


async def test_they_are_given_what_was_read_thought_and_asked_with_it_and_when(store: Store):
    question = message("May I?")
    reading = Reading(files=(ReadFile("plan.txt", "the plan"),), unread=(UnreadFile("a.png", Why.NOT_TEXT),))
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.threads.keep_reading(ROOM, question.id, reading)
        await unit.asks.keep(taken.reply_id, ROOM, ANN, Pending("post", {"to": "Eve"}), lifetime=DAY)
    await finish(store, taken, delivery, "Shall I?", State.ASKED, reasoning="hm")
    cast = vote(taken.reply_id, 2)
    await record(store, cast)

    said_, read, told_, turn, thought, rated, asked = await everything(store)

    assert (said_, read) == (question, Read(question.id, reading))
    assert isinstance(told_, Reply)
    assert isinstance(turn, TurnFacts)
    assert (turn.reply_id, turn.state) == (told_.id, State.ASKED)
    assert turn.received_at is not None
    assert turn.finished_at is not None
    assert turn.received_at <= turn.finished_at
    assert thought == Thought(told_.id, "hm")
    assert isinstance(rated, Vote)
    assert rated.at == cast.sent_at
    assert isinstance(asked, Awaited)
    assert (asked.reply_id, asked.call, asked.is_taken) == (told_.id, Pending("post", {"to": "Eve"}), False)
    assert asked.until > question.sent_at


async def test_they_are_given_what_moderation_found_and_what_they_said_to_it(store: Store):
    refused = await answered(store, message("a moon bet"), "no", State.REFUSED)
    others = await answered(store, message("Bob's", author=BOB), "no", State.REFUSED)
    async with store.unit() as unit:
        for reply, asker in ((refused, ANN), (others, BOB)):
            await unit.incidents.record(reply, ROOM, asker, Incident("question", "games", "refuse", excerpt="moon bet"))
    async with store.unit() as unit:
        assert await unit.incidents.appeal(ANN, refused, comment="it is a song")
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=9, appealed=True)
        assert await unit.incidents.rule(kept.cursor, by="olga", is_right=True)

    found = [item for item in await everything(store) if isinstance(item, Kept)]

    assert [(item.reply_id, item.incident.excerpt) for item in found] == [(refused, "moon bet")]
    appeal = found[0].appeal
    assert appeal is not None
    assert appeal.comment == "it is a song"
    assert appeal.ruling is not None
    assert appeal.ruling.is_right


async def test_what_was_erased_is_not_given(store: Store):
    question = message("slip")
    await answered(store, question, "about it")
    async with store.unit() as unit:
        await unit.threads.erase(ROOM, question.id)
    assert await said(store) == ["about it"]


async def test_a_page_of_it_is_not_the_end(store: Store):
    await add(store, *(message(str(number)) for number in range(450)))
    assert await said(store) == [str(number) for number in range(450)]


def test_a_person_is_named_by_their_key():
    for person in (ANN, Author("teams", "a:b/c", "29:1%x", "Name")):
        parsed = Author.parse(person.key)
        assert parsed.is_same_person(person)
        assert parsed.name == ""
