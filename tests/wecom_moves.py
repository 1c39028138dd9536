"""What people see of the answers in WeCom, and what the house has kept of them."""

from bench.platforms.wecom import Message
from bench.until import until
from core.message import PartId, Reply, ReplyId
from core.ports import Vote
from tests.wecom import Town

_UNFINISHED = "SELECT (SELECT count(*) FROM inbox WHERE status < 2) + (SELECT count(*) FROM outbox WHERE status < 2)"


def whole(town: Town, chat: str) -> str:
    """All that we said in a chat, one message after the other."""
    return "".join(message.text for message in town.wecom.answers(chat))


async def answer(town: Town, chat: str, text: str) -> Message:
    """The finished message of ours that says this."""
    return await sentence(town, text, chat, is_whole=True)


async def sentence(town: Town, words: str, chat: str, *, is_whole: bool = False, timeout: float = 15) -> Message:
    """A finished message of ours that has these words in it, or is nothing else."""

    def found() -> Message | None:
        said = (each for each in town.wecom.answers(chat) if not each.is_streaming)
        return next((each for each in said if (each.text == words if is_whole else words in each.text)), None)

    return await town.wecom.until(found, timeout)


async def at_rest(town: Town, *, timeout: float = 20) -> None:
    """Everything that was heard is worked off and delivered, and no stream is asked for."""

    async def has_come() -> bool:
        return town.rows(_UNFINISHED) == [(0,)]

    await until(has_come, timeout=timeout)
    await town.wecom.settle()


def stored(town: Town) -> int:
    """How many events were ever written down."""
    return int(town.rows("SELECT count(*) FROM inbox")[0][0])


def reply_of(message: Message) -> ReplyId:
    """The answer that a message's feedback id, or the buttons of the card under it, name."""
    if message.feedback:
        return ReplyId(message.feedback)
    keys = [str(button["key"]) for button in (message.card or {}).get("button_list") or ()]
    return ReplyId(next(key for key in keys if key.startswith("fb:")).rpartition(":")[2])


async def kept(town: Town, reply: ReplyId) -> Reply:
    async with town.store() as store, store.unit() as unit:
        found = await unit.replies.get(reply)
    assert found is not None
    return found


async def votes(town: Town, reply: ReplyId) -> tuple[Vote, ...]:
    async with town.store() as store, store.unit() as unit:
        return await unit.ratings.votes(reply)


async def until_scores(town: Town, reply: ReplyId, expected: dict[str, int]) -> None:
    """Returns once what counts of each person's votes is this."""

    async def has_come() -> bool:
        return {vote.author.id: vote.score for vote in await votes(town, reply) if vote.score} == expected

    await until(has_come, timeout=20, every=0.1)


def part(town: Town, chat: str, id: str) -> PartId:
    """`chat` is the platform's own name for it: of the app the person's id."""
    adapter = "wecom-app" if town.way == "app" else "wecom"
    return PartId(adapter, town.workspace, chat.removeprefix("app:"), id)
