"""An answer as it comes in, read by whoever looks now and then."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.growing import Growing
from core.message import Ask, Chunk, Citation, Image, Replace, Sources, Status, StatusKind, Text, Written

LONG = 60.0  # seconds nobody ever waits here
PICTURE = Image(b"\x89PNG", "image/png", "a boat")
PAGE = Citation("A page", "https://example.com/")


class Engine:
    """Says what it is told to, when it is told to; an error is raised, None ends the answer."""

    def __init__(self) -> None:
        self._next: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        self.is_closed = False

    def say(self, *said: Chunk | Exception | None) -> None:
        for each in said:
            self._next.put_nowait(each)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        try:
            while (chunk := await self._next.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.is_closed = True


@pytest.fixture
def engine() -> Engine:
    return Engine()


async def test_what_comes_in_is_there_at_the_next_look(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("Hello"))
        await growing.change(LONG)
        assert growing.text == "Hello"
        engine.say(Text(" there"), Text("."))
        await growing.change(LONG)
        engine.say(None)
        await growing.completion(LONG)
        assert (growing.text, growing.is_complete) == ("Hello there.", True)


async def test_all_that_came_since_the_last_look_is_one_change(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("a"), Text("b"), Text("c"))
        await growing.change(LONG)
        await growing.change(0)
        assert growing.text == "abc"


async def test_who_waits_for_a_change_waits_no_longer_than_told(engine):
    async with Growing(engine.chunks()) as growing:
        await growing.change(0.01)
        assert (growing.text, growing.is_complete) == ("", False)
        engine.say(Text("Hello"))
        await growing.change(LONG)
        waiting = asyncio.create_task(growing.change(LONG))
        await asyncio.sleep(0)
        assert not waiting.done()
        engine.say(Text("!"))
        await waiting
        assert growing.text == "Hello!"


async def test_who_waits_for_the_end_is_not_woken_by_words(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("Hello"))
        await growing.completion(0.01)
        assert (growing.text, growing.is_complete) == ("Hello", False)
        waiting = asyncio.create_task(growing.completion(LONG))
        engine.say(None)
        await waiting
        assert growing.is_complete


async def test_after_the_end_nobody_waits(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("Hello"), None)
        await growing.completion(LONG)
        async with asyncio.timeout(5):
            for _ in range(3):
                await growing.change(LONG)
                await growing.completion(LONG)


async def test_an_answer_without_a_word_ends_as_well(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(None)
        await growing.change(LONG)
        assert (growing.text, growing.is_complete) == ("", True)


async def test_what_the_engine_raises_is_raised_to_whoever_looks(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("Hel"), ValueError("the engine broke"))
        for look in (growing.change, growing.completion, growing.change):
            with pytest.raises(ValueError, match="the engine broke"):
                await look(LONG)
        assert (growing.text, growing.is_complete) == ("Hel", False)
    assert engine.is_closed


async def test_who_is_waiting_when_it_breaks_is_told_at_once(engine):
    async with Growing(engine.chunks()) as growing:
        waiting = asyncio.create_task(growing.completion(LONG))
        await asyncio.sleep(0)
        engine.say(ValueError("the engine broke"))
        with pytest.raises(ValueError, match="the engine broke"):
            await waiting


async def test_what_is_left_early_is_not_read_on(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("Hello"))
        await growing.change(LONG)
    assert engine.is_closed
    engine.say(Text(" there"))
    await asyncio.sleep(0)
    assert growing.text == "Hello"


async def test_an_error_of_the_reader_goes_on_and_ends_the_reading(engine):
    async def look() -> None:
        async with Growing(engine.chunks()) as growing:
            engine.say(Text("Hello"))
            await growing.change(LONG)
            raise KeyError

    with pytest.raises(KeyError):
        await look()
    assert engine.is_closed


async def test_nothing_is_read_before_it_is_opened(engine):
    growing = Growing(engine.chunks())
    engine.say(Text("Hello"))
    await asyncio.sleep(0)
    assert growing.text == ""


async def test_all_kinds_of_chunks_are_kept_where_they_are_looked_for(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Status(StatusKind.QUEUED, 2), Status(StatusKind.THINKING), Text("Real"), PICTURE, Sources((PAGE,)))
        engine.say(Text("ly?"), Sources((PAGE, PAGE)), Ask("ask-0001", " Yes?"), Written("demo"), None)
        await growing.completion(LONG)
    assert growing.status == Status(StatusKind.THINKING)
    assert growing.images == [PICTURE]
    assert growing.sources == (PAGE, PAGE, PAGE)
    assert growing.ask == Ask("ask-0001", " Yes?")
    assert growing.text == "Really? Yes?"
    assert growing.manuscript.written == Written("demo")


async def test_what_is_taken_back_takes_its_pictures_sources_and_question_with_it(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Text("See "), PICTURE, Sources((PAGE,)), Ask("ask-0001", " Yes?"), Replace("No."), None)
        await growing.completion(LONG)
    assert (growing.text, growing.images, growing.sources, growing.ask) == ("No.", [], (), None)


async def test_a_status_is_a_change_too(engine):
    async with Growing(engine.chunks()) as growing:
        engine.say(Status(StatusKind.QUEUED, 3))
        await growing.change(LONG)
        assert (growing.status, growing.text) == (Status(StatusKind.QUEUED, 3), "")
