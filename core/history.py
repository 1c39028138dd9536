"""What the model is reminded of: whole exchanges, newest first, as many as the token budget holds."""

from collections.abc import Awaitable, Callable, Sequence

from core.ports import Exchange
from core.turn import Utterance

Count = Callable[[Sequence[Utterance]], Awaitable[int]]
ReadMore = Callable[[int | None], Awaitable[Sequence[Exchange]]]


def utterances(exchanges: Sequence[Exchange]) -> tuple[Utterance, ...]:
    """Exchanges, newest first, as utterances, oldest first."""
    return tuple(
        utterance
        for exchange in reversed(exchanges)
        for utterance in (Utterance("user", exchange.question), Utterance("assistant", exchange.answer))
    )


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
    """How many exchanges of `page` still fit behind `kept`: all of them at best, else found by bisection."""
    low, high = 0, len(page)
    guess = high
    while low < high:
        if await count(utterances([*kept, *page[:guess]])) <= budget:
            low = guess
        else:
            high = guess - 1
        guess = (low + high + 1) // 2
    return low
