"""What the model is reminded of: whole exchanges, newest first, as many as the token budget holds."""

from collections.abc import Awaitable, Callable, Sequence

from core.language import language_of
from core.message import Utterance
from core.ports import Exchange
from core.reading import composed

Count = Callable[[Sequence[Utterance]], Awaitable[int]]
Fits = Callable[[int], Awaitable[bool]]
ReadMore = Callable[[int | None], Awaitable[Sequence[Exchange]]]


def utterances(exchanges: Sequence[Exchange]) -> tuple[Utterance, ...]:
    """Exchanges, newest first, as utterances, oldest first: each question as the model read it when it was asked."""
    return tuple(
        utterance
        for exchange in reversed(exchanges)
        for utterance in (Utterance("user", _question(exchange)), Utterance("assistant", exchange.answer))
    )


def _question(exchange: Exchange) -> str:
    language = language_of(exchange.question, exchange.asker.locale)
    return composed(exchange.question, exchange.reading, language)


async def within_budget(read_more: ReadMore, count: Count, budget: int) -> tuple[Utterance, ...]:
    """The newest whole exchanges whose prompt has at most `budget` tokens.

    `read_more(cursor)` gives the next older page (empty at the end), `count` the tokens of the whole prompt with these
    utterances in it. Reading stops with the first page that does not fit as a whole.
    """
    kept: list[Exchange] = []
    cursor: int | None = None
    while page := await read_more(cursor):
        fitting = await _fitting(kept, page, count, budget)
        kept.extend(page[:fitting])
        if fitting < len(page):
            break
        cursor = page[-1].cursor
    return utterances(kept)


async def _fitting(kept: Sequence[Exchange], page: Sequence[Exchange], count: Count, budget: int) -> int:
    """How many exchanges of `page` still fit behind `kept`."""

    async def fits(guess: int) -> bool:
        return await count(utterances([*kept, *page[:guess]])) <= budget

    return await most(len(page), fits)


async def most(limit: int, fits: Fits) -> int:
    """The greatest number up to `limit` that fits: all of them at best, else found by bisection; 0 where none does."""
    low, high = 0, limit
    guess = high
    while low < high:
        if await fits(guess):
            low = guess
        else:
            high = guess - 1
        guess = (low + high + 1) // 2
    return low
