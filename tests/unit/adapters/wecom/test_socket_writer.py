"""What people read in the end, whatever happens on the way: cuts, lost answers, ended streams and new tries."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wecom import socket_writer as room
from adapters.wecom.errors import Unsure, WecomRefused
from adapters.wecom.pacing import Pacer, Window
from adapters.wecom.socket_writer import Writer
from adapters.wecom.texts import say
from core.errors import ChannelError, DoorLost
from core.message import Author, Reply, ReplyId, ThreadId
from core.ports import Delivery
from core.splitting import utf8_bytes
from tests.fakes.metrics import Numbers
from tests.unit.adapters.wecom.bot_chat import BotChat

LIMIT = 1_400  # bytes, of which 376 are for a piece
PLENTY = (Window(calls=10_000, interim=10_000, seconds=60.0),)
REST, FOLLOWS, INSTEAD, AGAIN = (
    say(name, "en") for name in ("rest_follows", "answer_follows", "replaces_above", "sent_again")
)
REPLY = Reply(
    id=ReplyId("0" * 32),
    thread=ThreadId("wecom", "aibTESTbot", "anna", "single"),
    asker=Author("wecom", "aibTESTbot", "anna"),
    in_reply_to="socket:aibTESTbot:m1",
)
ADDRESS = {"mode": "socket", "req_id": "R1", "chat": "anna", "chat_type": 1}

numbered = st.integers(0, 60).map(lambda count: "".join(f"Line {number} of an answer.\n" for number in range(count)))
kinds = st.sampled_from(["frame", "last", "markdown"])
losses = st.sampled_from([Unsure, DoorLost, lambda: WecomRefused(40000)])
steps = st.one_of(
    st.tuples(st.just("grow"), st.integers(0, 400)),
    st.tuples(st.just("end"), st.integers(0, 100)),
    st.tuples(st.just("cut"), st.integers(0, 200)),
    st.tuples(st.just("die"), st.just(0)),
    st.tuples(st.just("replace"), st.sampled_from(["Word", "Item"])),
    st.tuples(st.just("over"), st.just(0)),
    st.tuples(st.just("fail"), st.tuples(kinds, losses)),
    st.tuples(st.just("lose"), kinds),
)


def writer_of(chat: BotChat) -> Writer:
    """As a new try begins, with all that is known of the ones before."""
    delivery = Delivery(reply=replace(REPLY, parts=tuple(chat.parts)), return_address=ADDRESS, state=chat.state_kept)
    return Writer(chat, delivery, chat, Numbers(), Pacer(PLENTY, first_gap=0.0), "en")


class Story:
    """An answer that grows while this and that happens."""

    def __init__(self, text: str) -> None:
        self.chat = BotChat()
        self.text = text
        self.length = 0
        self.writer = writer_of(self.chat)

    async def does(self, step: str, what: Any) -> None:
        match step:
            case "die":
                self.writer, self.length = writer_of(self.chat), 0
            case "replace":
                self.text = self.text.replace("Line", what).replace("Word", what)
            case "over":
                self.chat.end_streams()
            case "fail":
                self.chat.fails.setdefault(what[0], []).append(what[1]())
            case "lose":
                self.chat.lost.setdefault(what, []).append(Unsure())
            case _:
                self.length = min(len(self.text), self.length + what)
                await self.writes(step, self.text[: self.length])

    async def writes(self, step: str, text: str) -> None:
        try:
            if step == "grow":
                await self.writer.grow(text)
            elif step == "cut" and not self.writer.is_streaming:
                await self.writer.push_on(text, may_cut=True)
            elif step == "end" and self.writer.is_streaming:
                await self.writer.end_stream(text)
        except ChannelError:
            pass

    async def ends(self) -> None:
        """Tries until it is delivered."""
        for _ in range(100):
            try:
                await self.writer.finish(self.text, "")
                return
            except ChannelError:
                self.writer = writer_of(self.chat)
        raise AssertionError("it is never delivered")


def read(texts: list[str]) -> list[str]:
    """The words that a person takes away who reads the messages and believes the notes in them."""
    believed: list[list[str]] = []
    for text in texts:
        if text.startswith(INSTEAD):
            believed.clear()
        said = text
        for note in (REST, FOLLOWS, INSTEAD, AGAIN):
            said = said.replace(note, "")
        if not (AGAIN in text and believed and believed[-1] == said.split()):
            believed.append(said.split())
    return [word for words in believed for word in words]


@pytest.fixture(autouse=True, scope="module")
def _short_messages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "LIMIT", LIMIT)
        yield


@settings(max_examples=400)
@given(numbered, st.lists(steps, max_size=25))
def test_the_whole_answer_is_read_whatever_happens_on_the_way(text, story):
    async def told() -> Story:
        answer = Story(text)
        for step, what in story:
            await answer.does(step, what)
        await answer.ends()
        return answer

    answer = asyncio.run(told())
    assert read(answer.chat.texts) == (answer.text.split() or ["…"])
    assert all(utf8_bytes(words) <= LIMIT for words in answer.chat.texts)
    assert not any(shown.is_open for shown in answer.chat.stands)
    assert len(set(answer.chat.parts)) == len(answer.chat.parts)


@settings(max_examples=200)
@given(numbered, st.lists(st.tuples(st.sampled_from(["grow", "end", "cut"]), st.integers(0, 300)), max_size=25))
def test_where_nothing_goes_wrong_nothing_is_said_twice(text, story):
    async def told() -> Story:
        answer = Story(text)
        for step, what in story:
            await answer.does(step, what)
        await answer.ends()
        return answer

    texts = asyncio.run(told()).chat.texts
    assert not any(INSTEAD in words or AGAIN in words for words in texts)
    assert read(texts) == (text.split() or ["…"])
