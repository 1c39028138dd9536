"""One native stream of Teams, from its first word to its last."""

import asyncio
from itertools import pairwise

import pytest

from adapters.teams.errors import StreamEnded, Unsure
from adapters.teams.render import final
from adapters.teams.stream import Stream, Tempo
from tests.unit.adapters.teams.chat import Chat, stream_of

ADDRESS = {"service_url": "http://127.0.0.1:1/", "conversation": "a:anna", "conversation_type": "personal"}
FAST = Tempo(request_every=0.0)


@pytest.fixture
def chat() -> Chat:
    return Chat()


async def begun(chat: Chat, tempo: Tempo = FAST) -> Stream:
    stream = Stream(chat, ADDRESS, tempo)
    assert await stream.tell("Thinking…") == stream.id == "1700000000001"
    return stream


async def test_it_begins_by_saying_what_is_going_on(chat):
    await begun(chat)
    [call] = chat.calls
    assert call.text == "Thinking…"
    assert stream_of(call.activity) == {"type": "streaminfo", "streamType": "informative", "streamSequence": 1}


async def test_its_texts_are_cumulative_and_its_numbers_rise(chat):
    stream = await begun(chat)
    await stream.tell("Place 2 in the queue…")
    for text in ("One", "One two", "One two three"):
        await stream.grow(text)
    await stream.end(final(stream.id, "One two three four"))
    told = [(call.kind, call.text, stream_of(call.activity).get("streamSequence")) for call in chat.calls]
    assert told == [
        ("informative", "Thinking…", 1),
        ("informative", "Place 2 in the queue…", 2),
        ("streaming", "One", 3),
        ("streaming", "One two", 4),
        ("streaming", "One two three", 5),
        ("final", "One two three four", None),
    ]
    assert {stream_of(call.activity).get("streamId", stream.id) for call in chat.calls} == {stream.id}


async def test_what_is_shown_already_is_not_sent_again(chat):
    stream = await begun(chat)
    await stream.tell("Thinking…")
    await stream.grow("One")
    await stream.grow("One")
    assert chat.kinds == ["informative", "streaming"]


async def test_what_does_not_go_on_from_what_is_shown_is_not_sent(chat):
    stream = await begun(chat)
    await stream.grow("One two")
    await stream.grow("Two")
    assert not stream.takes(final(stream.id, "Two"))
    assert stream.takes(final(stream.id, "One two three"))
    assert chat.kinds == ["informative", "streaming"]


async def test_a_text_of_unknown_fate_is_taken_for_shown(chat):
    """The next one says it, too; and what takes it back has to end the stream."""
    stream = await begun(chat)
    chat.fails["streaming"] = [Unsure()]
    await stream.grow("One two")
    assert stream.text == "One two"
    assert not stream.takes(final(stream.id, "One"))
    await stream.grow("One two three")
    assert [call.text for call in chat.of("streaming")] == ["One two", "One two three"]


async def test_requests_follow_each_other_at_the_pace_that_teams_asks_for(chat):
    stream = await begun(chat, Tempo(request_every=0.05))
    for text in ("One", "One two"):
        await stream.grow(text)
    await stream.end(final(stream.id, "One two."))
    gaps = [later - sooner for sooner, later in pairwise(chat.times)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.05


async def test_each_request_waits_for_the_answer_to_the_one_before(chat):
    answered = asyncio.Event()

    async def slowly(call):
        if call.kind == "streaming":
            await answered.wait()

    chat.before = slowly
    stream = await begun(chat, Tempo(request_every=0.05))
    growing = asyncio.create_task(stream.grow("One"))
    await chat.until("streaming")
    answered.set()
    await growing
    at = asyncio.get_running_loop().time()
    await stream.grow("One two")
    assert chat.times[-1] - at >= 0.045


async def test_it_stops_growing_well_before_teams_ends_it(chat):
    stream = await begun(chat, Tempo(request_every=0.0, stream_lasts=10.0, stream_reserve=2.0))
    assert (stream.may_grow, stream.is_over) == (True, False)
    stream._began -= 9
    assert (stream.may_grow, stream.is_over) == (False, False)
    stream._began -= 2
    assert (stream.may_grow, stream.is_over) == (False, True)


async def test_what_comes_again_anyway_waits_for_nobody(chat):
    stream = await begun(chat)
    await stream.grow("One")
    await stream.end(final(stream.id, "One two"))
    assert [call.patience for call in chat.calls] == [2.0, 0.0, 60.0]


async def test_one_that_an_earlier_try_left_can_be_ended_only(chat):
    left = Stream(chat, ADDRESS, FAST, (await begun(chat)).id)
    assert (left.may_grow, left.is_over) == (False, False)
    assert left.takes(final(left.id, "Anything"))
    await left.end(final(left.id, "Anything"))
    assert chat.texts == ["Anything"]


async def test_the_end_that_teams_makes_is_raised(chat):
    stream = await begun(chat)
    chat.fails["streaming"] = [StreamEnded("canceled")]
    with pytest.raises(StreamEnded) as ended:
        await stream.grow("One")
    assert ended.value.why == "canceled"


async def test_without_an_id_there_is_no_stream(chat):
    async def send(address, activity, *, patience):
        return ""

    chat.send = send
    assert await Stream(chat, ADDRESS, FAST).tell("Thinking…") == ""
