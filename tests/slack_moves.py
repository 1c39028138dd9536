"""What people do in Slack, what they see of the answers, and what the house has kept of it."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from bench.platforms.slack import Message
from bench.platforms.slack.blocks import elements
from bench.until import until
from core.message import ReplyId
from core.ports import Vote
from tests.fakes.engine import ScriptedEngine
from tests.slack import TOWN, Town

_UNFINISHED = "SELECT (SELECT count(*) FROM inbox WHERE status < 2) + (SELECT count(*) FROM outbox WHERE status < 2)"


@dataclass(eq=False)
class HaltingEngine(ScriptedEngine):
    """Says the first `before` deltas of an answer, and the rest of it once it may `go`."""

    before: int = 1
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _said: int = 0

    async def halted(self) -> None:
        """Returns once the first deltas are said."""

        async def has_come() -> bool:
            return self._said > self.before

        await until(has_come)

    async def _wait(self) -> None:
        self._said += 1
        if self._said > self.before:
            await self.go.wait()
        await super()._wait()


async def asked_for(engine: ScriptedEngine, count: int = 1) -> None:
    """Returns once the engine was asked so often."""

    async def has_come() -> bool:
        return len(engine.asked) >= count

    await until(has_come)


def prompt(engine: ScriptedEngine, number: int = -1) -> str:
    """The last utterance that the engine was asked with."""
    return engine.asked[number].conversation.turns[-1].text


def shown(message: Message) -> str:
    """What a person reads: Markdown where there is any, else the text."""
    return message.markdown or message.text


def buttons(message: Message) -> list[str]:
    return [str(element["action_id"]) for _, element in elements(message.blocks) if "action_id" in element]


def is_finished(message: Message) -> bool:
    """An answer whose thumbs stand under it."""
    return not message.is_streaming and "feedback" in buttons(message)


async def answer(town: Town, asked: str, text: str | None = None, *, channel: str = TOWN, count: int = 1) -> Message:
    """The newest finished answer, which says `text` where that is given, once there are so many in the thread."""

    def found() -> Message | None:
        finished = [each for each in town.slack.answers(channel, asked) if is_finished(each)]
        wanted = [each for each in finished if text is None or each.markdown == text]
        return wanted[-1] if wanted and len(finished) >= count else None

    return await town.slack.until(found)


async def sentence(town: Town, asked: str, words: str, *, channel: str = TOWN) -> Message:
    """A message of ours in the thread that has these words in it."""

    def found() -> Message | None:
        said = (each for each in town.slack.answers(channel, asked) if not each.is_streaming and words in shown(each))
        return next(said, None)

    return await town.slack.until(found)


async def at_rest(town: Town) -> None:
    """Everything that was heard is worked off and delivered."""
    await town.slack.settle()

    async def has_come() -> bool:
        return town.rows(_UNFINISHED) == [(0,)]

    await until(has_come, timeout=20)
    await town.slack.settle()


def stored(town: Town) -> int:
    """How many events were ever written down."""
    return int(town.rows("SELECT count(*) FROM inbox")[0][0])


async def votes(town: Town, reply: ReplyId) -> tuple[Vote, ...]:
    async with town.store() as store, store.unit() as unit:
        return await unit.ratings.votes(reply)


async def until_scores(town: Town, reply: ReplyId, expected: dict[str, int]) -> None:
    """Returns once what counts of each person's votes is this."""

    async def has_come() -> bool:
        return {vote.author.id: vote.score for vote in await votes(town, reply) if vote.score} == expected

    await until(has_come, timeout=20, every=0.1)


def reply_of(message: Message) -> ReplyId:
    """The answer that a finished message carries, by the button under it."""
    return next(ReplyId(each["value"]) for _, each in elements(message.blocks) if each["action_id"] == "regenerate")


def again(payload: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The same event in an envelope of its own."""
    return deepcopy(payload) | {"event_id": "Ev0AGAIN001", **more}
