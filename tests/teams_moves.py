"""What people see of the answers in Teams, and what the house has kept of them."""

from bench.platforms.teams import TENANT, Message
from bench.until import until
from core.message import PartId, Reply, ReplyId
from core.ports import Vote
from tests.teams import DIRECT, Town

_UNFINISHED = "SELECT (SELECT count(*) FROM inbox WHERE status < 2) + (SELECT count(*) FROM outbox WHERE status < 2)"


def texts(town: Town, chat: str = DIRECT, thread: str | None = None) -> list[Message]:
    """The messages of ours that say something; a card with a button says nothing."""
    return [message for message in town.teams.answers(chat, thread) if message.text]


def cards(town: Town, chat: str = DIRECT, thread: str | None = None) -> list[Message]:
    return [message for message in town.teams.answers(chat, thread) if message.card()]


async def answer(
    town: Town, chat: str = DIRECT, thread: str | None = None, *, text: str | None = None, count: int = 1
) -> Message:
    """The newest finished answer, which says `text` where that is given, once there are so many."""

    def found() -> Message | None:
        finished = [each for each in texts(town, chat, thread) if each.has_feedback and not each.is_streaming]
        wanted = [each for each in finished if text is None or each.text == text]
        return wanted[-1] if wanted and len(finished) >= count else None

    return await town.teams.until(found)


async def sentence(town: Town, words: str, chat: str = DIRECT, thread: str | None = None) -> Message:
    """A message of ours that has these words in it."""

    def found() -> Message | None:
        said = (each for each in texts(town, chat, thread) if not each.is_streaming and words in each.text)
        return next(said, None)

    return await town.teams.until(found)


async def at_rest(town: Town) -> None:
    """Everything that was heard is worked off and delivered."""
    await town.teams.settle()

    async def has_come() -> bool:
        return town.rows(_UNFINISHED) == [(0,)]

    await until(has_come, timeout=20)


def stored(town: Town) -> int:
    """How many events were ever written down."""
    return int(town.rows("SELECT count(*) FROM inbox")[0][0])


def person(town: Town, id: str) -> str:
    """The id that we know somebody by."""
    return town.teams.conversations.people[id].aad


def reply_of(town: Town, chat: str, thread: str | None = None, *, number: int = -1) -> ReplyId:
    """The answer that the card under it names."""
    card = cards(town, chat, thread)[number].card()
    assert card is not None
    return ReplyId(card["actions"][0]["data"]["id"])


async def kept(town: Town, reply: ReplyId) -> Reply:
    async with town.store() as store, store.unit() as unit:
        found = await unit.replies.get(reply)
    assert found is not None
    return found


async def votes(town: Town, reply: ReplyId) -> tuple[Vote, ...]:
    async with town.store() as store, store.unit() as unit:
        return await unit.ratings.votes(reply)


async def until_scores(town: Town, reply: ReplyId, expected: dict[str, int]) -> None:
    """Returns once what counts of each person's votes is this; people are named as in Teams."""
    wanted = {person(town, id): score for id, score in expected.items()}

    async def has_come() -> bool:
        return {vote.author.id: vote.score for vote in await votes(town, reply) if vote.score} == wanted

    await until(has_come, timeout=20, every=0.1)


def part(chat: str, id: str) -> PartId:
    return PartId("teams", TENANT, chat, id)
