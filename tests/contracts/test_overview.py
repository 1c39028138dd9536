"""What every store promises to those who look at the house from above."""

from datetime import timedelta

import pytest

from core.message import CommandName, Origin, PartId, ReplyId, Usage, Verdict, Written
from core.ports import (
    QUESTIONS_COUNTED,
    Asked,
    Found,
    Incident,
    Legible,
    Lines,
    Opinion,
    Queue,
    Rated,
    State,
    Step,
    Store,
    Talk,
    Window,
)
from tests.store_moves import (
    ANN,
    ATTIC,
    BOB,
    ROOM,
    WRITTEN,
    add,
    answered,
    begin,
    claim,
    command,
    deliver,
    finish,
    message,
    moment,
    vote,
)

DAY = timedelta(days=1)
PART = PartId("console", "home", "web", "part")
NONSENSE = ("", "0", "-1", "1-", "x-y", "9" * 40, "٣", f"{'9' * 16}-{'f' * 32}", "NUL \0", "\ud800")


async def record(store: Store, *votes: object) -> None:
    for cast in votes:
        async with store.unit() as unit:
            assert await unit.ratings.record(cast)  # type: ignore[arg-type]


async def found_in(store: Store, reply: ReplyId, incident: Incident) -> None:
    async with store.unit() as unit:
        await unit.incidents.record(reply, ROOM, ANN, incident)


async def talks(store: Store, **more: object) -> tuple[Talk, ...]:
    return (await store.overview.talks(limit=10, **more)).lines  # type: ignore[arg-type]


async def opened(store: Store, place: int = 0) -> tuple[Asked, ...]:
    talk = (await talks(store))[place]
    return (await store.overview.open(talk.id, limit=10)).lines


async def rated(store: Store, **more: object) -> tuple[Rated, ...]:
    return (await store.overview.ratings(limit=10, **more)).lines  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------ figures


@pytest.mark.parametrize("window", Window)
async def test_an_empty_house_has_every_step_of_the_window_and_nothing_in_it(store: Store, window: Window):
    load = await store.overview.load(window)
    assert (load.window, load.models) == (window, ())
    assert len(load.steps) * window.step == window.length
    assert {later.at - earlier.at for earlier, later in zip(load.steps, load.steps[1:], strict=False)} == {window.step}
    assert load.steps[-1].at <= moment() < load.steps[-1].at + 2 * window.step
    assert {(tuple(step.turns), step.first, step.whole, step.usage) for step in load.steps} == {
        ((), None, None, Usage())
    }


def busy(steps: tuple[Step, ...]) -> Step:
    """What the steps come to; a minute may end while a test runs."""
    found = [step for step in steps if step.turns]
    turns: dict[tuple[str, State], int] = {}
    for step in found:
        for key, count in step.turns.items():
            turns[key] = turns.get(key, 0) + count
    prompt, completion = (
        sum(getattr(step.usage, name) for step in found) for name in ("prompt_tokens", "completion_tokens")
    )
    return Step(found[0].at, turns, found[0].first, found[0].whole, Usage(prompt, completion))


@pytest.mark.parametrize("window", Window)
async def test_turns_are_counted_by_door_and_by_what_became_of_them(store: Store, window: Window):
    for _ in range(2):
        await answered(store, message())
    await answered(store, message(), "No.", State.REFUSED)
    await add(store, message(thread=ATTIC))
    await begin(store, await claim(store))
    load = await store.overview.load(window)
    step = busy(load.steps)
    assert step.turns == {
        ("console", State.DONE): 2,
        ("console", State.REFUSED): 1,
        ("console", State.SCREENING): 1,
    }
    assert step.usage == Usage(3 * 11, 3 * 13)
    assert [(model.model, model.answers) for model in load.models] == [("echo@1", 2), ("", 0)]


async def test_how_long_it_took_is_told_of_what_was_answered(store: Store):
    await add(store, message())
    taken = await claim(store)
    delivery = await begin(store, taken)
    async with store.unit() as unit:
        await unit.turns.move(taken.reply_id, State.ANSWERING, first_text=True)
    await deliver(store, await finish(store, taken, delivery))
    async with store.unit() as unit:
        facts = await unit.turns.get(taken.reply_id)
    assert facts
    assert facts.received_at
    assert facts.first_text_at
    assert facts.finished_at
    first = (facts.first_text_at - facts.received_at).total_seconds()
    whole = (facts.finished_at - facts.received_at).total_seconds()
    load = await store.overview.load(Window.HOUR)
    step = busy(load.steps)
    assert step.first
    assert step.whole
    assert (step.first.median, step.first.p95, step.first.p99) == pytest.approx((first,) * 3)
    assert (step.whole.median, step.whole.p95, step.whole.p99) == pytest.approx((whole,) * 3)
    assert load.models[0].first == pytest.approx(first)
    assert load.models[0].whole == pytest.approx(whole)


async def test_what_was_refused_says_nothing_of_how_fast_the_house_is(store: Store):
    await answered(store, message(), "No.", State.REFUSED)
    load = await store.overview.load(Window.HOUR)
    assert (busy(load.steps).first, busy(load.steps).whole) == (None, None)
    assert (load.models[0].first, load.models[0].whole) == (None, None)


async def test_models_have_the_votes_on_their_answers(store: Store):
    first, second = await answered(store, message()), await answered(store, message())
    await record(store, vote(first, 5), vote(first, 1, author=BOB), vote(second, 3))
    (model,) = (await store.overview.load(Window.DAY)).models
    assert (model.model, model.answers, model.votes, model.up, model.down, model.score) == ("echo@1", 2, 3, 1, 1, 3.0)


async def test_queues_say_what_runs_and_what_waits(store: Store):
    assert await store.overview.queues() == ()
    await add(store, message("one"))
    await claim(store)
    await add(store, message("two"), vote(ReplyId("0" * 32)))
    turn, control = await store.overview.queues()
    assert turn == Queue("console", "turn", running=1, waiting=1, oldest=turn.oldest)
    assert control == Queue("console", "control", running=0, waiting=1, oldest=control.oldest)
    assert timedelta(0) < turn.oldest < timedelta(minutes=1)


# ------------------------------------------------------------------------------------------------------ conversations


async def test_conversations_are_listed_without_a_word_of_them(store: Store):
    assert await store.overview.talks(limit=10) == Lines()
    await answered(store, message("secret"), "hidden")
    await answered(store, message("secret", author=BOB))
    await answered(store, message(thread=ATTIC), "No.", State.REFUSED)
    attic, room = await talks(store)
    assert (attic.adapter, attic.questions, attic.state, attic.models) == ("console", 1, State.REFUSED, ("echo@1",))
    assert (room.adapter, room.questions, room.state, room.models) == ("console", 2, State.DONE, ("echo@1",))
    assert attic.asked_at >= room.asked_at
    assert len({attic.id, room.id}) == 2
    for word in ("secret", "hidden", "ann", "Ann", "room", "attic"):
        assert word not in f"{attic} {room}"


async def test_a_conversation_whose_last_question_waits_says_so(store: Store):
    await answered(store, message())
    await add(store, message("and then?"))
    (talk,) = await talks(store)
    assert (talk.questions, talk.state, talk.models) == (2, None, ("echo@1",))


async def test_the_models_of_a_conversation_are_told_once_the_newest_first(store: Store):
    for model in ("old@1", "new@1", "old@1", "new@1"):
        await add(store, message())
        taken = await claim(store)
        delivery = await begin(store, taken)
        async with store.unit() as unit:
            await unit.turns.move(taken.reply_id, State.DONE, written=Written(model))
            await unit.outbox.done(delivery)
            await unit.inbox.finish(taken)
    (talk,) = await talks(store)
    assert talk.models == ("new@1", "old@1")


async def test_no_more_questions_are_counted_than_one_looks_at(store: Store):
    await add(store, *(message(str(number)) for number in range(QUESTIONS_COUNTED + 1)))
    (talk,) = await talks(store)
    assert talk.questions == QUESTIONS_COUNTED


async def test_conversations_are_turned_page_by_page(store: Store):
    places = [message(str(number), thread=type(ROOM)("console", "home", "web", str(number))) for number in range(5)]
    await add(store, *places)  # all at the very same time
    everything = await talks(store)
    seen: list[Talk] = []
    page = Lines[Talk](next="the first")
    while page.next:
        page = await store.overview.talks(limit=2, before=page.next)
        assert len(page.lines) <= 2
        seen += page.lines
    assert tuple(seen) == everything
    assert len({talk.id for talk in seen}) == 5


async def test_a_conversation_is_opened_with_all_that_belongs_to_it(store: Store):
    question = message("What is 6 × 7?")
    reply = await answered(store, question, "42", State.DELIVERING, PART)
    incident = Incident("question", "insult", "flag", 2, ("rule",), "word")
    await found_in(store, reply, incident)
    await record(store, vote(reply, 1, reason="wrong", comment="no"), vote(PART, 5, author=BOB))
    again = await answered(store, command(CommandName.REGENERATE, args=reply), "43", replaces=reply)

    (asked,) = await opened(store)

    assert (asked.message_id, asked.text, asked.at) == (question.id, "What is 6 × 7?", question.sent_at)
    assert (asked.asker, asked.legible) == (ANN, Legible.YES)
    first, second = asked.answers
    assert (first.reply_id, first.text, first.legible, first.verdict) == (reply, "42", Legible.YES, Verdict.UNSCREENED)
    assert first.finds == (incident,)
    assert [(each.author, each.score, each.reason, each.comment) for each in first.votes] == [
        (ANN, 1, "wrong", "no"),
        (BOB, 5, "", ""),
    ]
    assert first.turn
    assert (first.turn.state, first.turn.model, first.turn.usage) == (State.DONE, WRITTEN.model, WRITTEN.usage)
    async with store.unit() as unit:
        assert first.turn == await unit.turns.get(reply)
    assert (second.reply_id, second.text, second.finds, second.votes) == (again, "43", (), ())


async def test_a_question_that_waits_is_opened_without_an_answer(store: Store):
    await add(store, message("Anybody?"))
    (asked,) = await opened(store)
    assert (asked.text, asked.answers) == ("Anybody?", ())
    await begin(store, await claim(store))
    (asked,) = await opened(store)
    (answer,) = asked.answers
    assert answer.turn
    assert (answer.text, answer.turn.state, answer.verdict) == ("", State.SCREENING, "")


async def test_an_opened_conversation_is_turned_page_by_page(store: Store):
    await add(store, *(message(str(number)) for number in range(5)))
    (talk,) = await talks(store)
    page = await store.overview.open(talk.id, limit=3)
    assert [asked.text for asked in page.lines] == ["4", "3", "2"]
    page = await store.overview.open(talk.id, limit=3, before=page.next)
    assert [asked.text for asked in page.lines] == ["1", "0"]
    assert page.next == ""


async def test_what_was_erased_is_shown_as_such_and_its_answer_as_well(store: Store):
    question = message("a slip")
    reply = await answered(store, question, "about the slip")
    await record(store, vote(reply, 1, comment="what of it"))
    async with store.unit() as unit:
        await unit.threads.erase(ROOM, question.id)
    (asked,) = await opened(store)
    assert (asked.text, asked.legible, asked.asker) == ("", Legible.ERASED, ANN)
    assert [(answer.text, answer.legible) for answer in asked.answers] == [("", Legible.ERASED)]
    (line,) = await rated(store)
    assert (line.question, line.question_legible, line.answer, line.answer_legible) == (
        "",
        Legible.ERASED,
        "",
        Legible.ERASED,
    )
    assert (line.comment, line.asker) == ("what of it", None)


async def test_nobody_is_found_who_was_forgotten(store: Store):
    theirs = await answered(store, message("Ann's", thread=ATTIC))
    mixed = await answered(store, message("Bob's", author=BOB), "for Bob")
    await answered(store, message("Ann's too"))
    await record(store, vote(theirs, author=BOB), vote(mixed, 1), vote(mixed, 2, author=BOB))
    await found_in(store, theirs, Incident("question", "c", "refuse"))
    await store.people.forget(ANN)
    (talk,) = await talks(store)
    assert (talk.questions, talk.state) == (1, State.DONE)
    assert [asked.text for asked in await opened(store)] == ["Bob's"]
    assert [(line.rater, line.question, line.answer, line.score) for line in await rated(store)] == [
        (BOB, "Bob's", "for Bob", 2)
    ]
    assert await store.overview.found(1) == ()
    assert [(each.votes, each.down) for each in await store.overview.opinions(1)] == [(1, 1)]


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_what_no_page_gave_finds_nothing_and_begins_at_the_newest(store: Store, nonsense: str):
    reply = await answered(store, message())
    await record(store, vote(reply))
    assert await store.overview.open(nonsense, limit=10) == Lines()
    assert await store.overview.open("0" * 32, limit=10) == Lines()
    if nonsense not in ("0", f"{'9' * 16}-{'f' * 32}"):
        assert len(await talks(store, before=nonsense)) == 1
        assert len(await rated(store, before=nonsense)) == 1


# ------------------------------------------------------------------------------------------------------------ ratings


async def test_votes_stand_beside_what_they_are_about(store: Store):
    reply = await answered(store, message("What is 6 × 7?"), "41")
    await record(store, vote(reply, 1, reason="wrong", comment="It is 42", author=BOB))
    (line,) = await rated(store)
    assert (line.reply_id, line.score, line.reason, line.comment) == (reply, 1, "wrong", "It is 42")
    assert (line.rater, line.asker, line.model) == (BOB, ANN, WRITTEN.model)
    assert (line.question, line.answer) == ("What is 6 × 7?", "41")
    assert (line.question_legible, line.answer_legible) == (Legible.YES, Legible.YES)
    (talk,) = await talks(store)
    assert line.talk == talk.id


async def test_a_person_stands_once_for_each_answer_where_they_voted_last(store: Store):
    one, other = await answered(store, message("one")), await answered(store, message("other"))
    await record(store, vote(one, 5), vote(other, 5), vote(one, 1, comment="after all"), vote(one, 4, author=BOB))
    assert [(line.question, line.rater, line.score, line.comment) for line in await rated(store)] == [
        ("one", BOB, 4, ""),
        ("one", ANN, 1, "after all"),
        ("other", ANN, 5, ""),
    ]


async def test_a_vote_that_was_taken_back_is_not_shown_and_not_counted(store: Store):
    reply = await answered(store, message())
    await record(store, vote(reply, 1), vote(reply, None))
    assert await rated(store) == ()
    assert await store.overview.opinions(7) == ()
    (model,) = (await store.overview.load(Window.DAY)).models
    assert (model.votes, model.score) == (0, None)


async def test_bad_ones_are_shown_alone_on_wish(store: Store):
    replies = [await answered(store, message(str(number))) for number in range(4)]
    await record(store, vote(replies[0], 1), vote(replies[1], 5), vote(replies[2], 2), vote(replies[3], 1))
    await record(store, vote(replies[3], 5))  # better of it now
    assert [line.question for line in await rated(store, is_down=True)] == ["2", "0"]
    assert [line.question for line in await rated(store)] == ["3", "2", "1", "0"]


async def test_one_models_are_shown_alone_on_wish(store: Store):
    replies = [await answered(store, message("one")), await answered(store, message("two"))]
    await record(store, *(vote(reply, 1) for reply in replies))
    assert await rated(store, model="other@1") == await rated(store, model="other@1", is_down=True) == ()
    for is_down in (False, True):
        lines = await rated(store, model=WRITTEN.model, is_down=is_down)
        assert [line.question for line in lines] == ["two", "one"]


async def test_a_vote_on_what_was_no_question_has_none_beside_it(store: Store):
    reply = await answered(store, command(CommandName.HELP), "how to")
    await record(store, vote(reply))
    (line,) = await rated(store)
    assert (line.question, line.question_legible, line.answer) == ("", Legible.LOST, "how to")
    assert line.asker is not None
    assert line.asker.is_same_person(ANN)


async def test_ratings_are_turned_page_by_page(store: Store):
    replies = [await answered(store, message(str(number))) for number in range(5)]
    await record(store, *(vote(reply, 1 + place % 2 * 4) for place, reply in enumerate(replies)))
    for wish, expected in ({}, "43210"), ({"is_down": True}, "420"), ({"model": WRITTEN.model}, "43210"):
        seen, page = "", Lines[Rated](next="the first")
        while page.next:
            page = await store.overview.ratings(limit=2, before=page.next, **wish)
            seen += "".join(line.question for line in page.lines)
        assert seen == expected


async def test_opinions_are_told_by_day_and_model(store: Store):
    one, other = await answered(store, message()), await answered(store, message())
    now = moment()
    await record(store, vote(one, 5, sent_at=now), vote(one, 3, author=BOB, sent_at=now))
    await record(store, vote(other, 1, sent_at=now - 2 * DAY), vote(other, 1, author=BOB, sent_at=now - 9 * DAY))
    assert await store.overview.opinions(7) == (
        Opinion((now - 2 * DAY).date(), WRITTEN.model, 1, 0, 1),
        Opinion(now.date(), WRITTEN.model, 2, 1, 0),
    )


async def test_a_person_counts_once_for_each_answer(store: Store):
    reply, now = await answered(store, message()), moment()
    await record(store, vote(reply, 1, sent_at=now - DAY), vote(reply, 5, sent_at=now, origin=Origin.REACTION))
    assert await store.overview.opinions(7) == (Opinion(now.date(), WRITTEN.model, 1, 1, 0),)


# --------------------------------------------------------------------------------------------------------- moderation


async def test_what_moderation_did_is_counted_by_day_and_action(store: Store):
    reply = await answered(store, message(), "No.", State.REFUSED)
    for category, action in (("a", "refuse"), ("b", "flag"), ("c", "flag")):
        await found_in(store, reply, Incident("question", category, action))
    async with store.unit() as unit:
        assert await unit.incidents.appeal(ANN, reply)
    today = moment().date()
    assert await store.overview.found(1) == (Found(today, "flag", 2), Found(today, "refuse", 1, appealed=1))


async def test_a_hit_opens_the_conversation_that_it_was_found_in(store: Store):
    reply = await answered(store, message("How is it made?"), "No.")
    await found_in(store, reply, Incident("question", "weapons", "refuse"))
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=10)
    (asked,) = (await store.overview.open(kept.talk, limit=10)).lines
    assert [answer.reply_id for answer in asked.answers] == [reply]


async def test_incidents_are_looked_through_by_action(store: Store):
    reply = await answered(store, message(), "No.")
    for category, action in (("a", "refuse"), ("b", "flag"), ("c", "refuse")):
        await found_in(store, reply, Incident("question", category, action))
    async with store.unit() as unit:
        assert await unit.incidents.appeal(ANN, reply)
        refused = await unit.incidents.newest(limit=10, action="refuse")
        assert [kept.incident.category for kept in refused] == ["c", "a"]
        assert await unit.incidents.newest(limit=10, action="refuse", before=refused[0].cursor) == refused[1:]
        assert await unit.incidents.newest(limit=10, action="flag", appealed=True) == ()
        assert await unit.incidents.newest(limit=10, action="refuse", appealed=True) == refused[:1]


async def test_an_appeal_is_ruled_on_and_no_longer_open(store: Store):
    reply = await answered(store, message(), "No.")
    await found_in(store, reply, Incident("question", "a", "refuse"))
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=10)
        assert not await unit.incidents.rule(kept.cursor, by="root", is_right=True)
        assert await unit.incidents.appeal(ANN, reply, comment="why?")
        assert [each.cursor for each in await unit.incidents.newest(limit=10, unruled=True)] == [kept.cursor]
    async with store.unit() as unit:
        assert await unit.incidents.rule(kept.cursor, by="root", is_right=False)
        assert await unit.incidents.rule(kept.cursor, by="eve", is_right=True, note="你好 \0")
    async with store.unit() as unit:
        assert await unit.incidents.newest(limit=10, unruled=True) == ()
        (appealed,) = await unit.incidents.newest(limit=10, appealed=True)
    assert appealed.appeal
    assert appealed.appeal.comment == "why?"
    ruling = appealed.appeal.ruling
    assert ruling
    assert (ruling.by, ruling.is_right, ruling.note) == ("eve", True, "你好 \0")
    assert ruling.at >= appealed.appeal.at
