"""The house from above, in memory: `core.ports.Overview` with the whole of its promise."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from core.message import ReplyId, ThreadId, Usage
from core.ports import (
    QUESTIONS_COUNTED,
    Answered,
    Asked,
    Found,
    Legible,
    Lines,
    Load,
    ModelLoad,
    Opinion,
    Queue,
    Rated,
    Spread,
    State,
    Step,
    Talk,
    TurnFacts,
    Vote,
    Window,
)

if TYPE_CHECKING:
    from tests.fakes.store import MemoryStore, MessageRow, ReplyRow, Tables

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_ANSWERED = (State.DONE, State.ASKED)
_WAITING, _RUNNING = 0, 1

Line = TypeVar("Line")
VotesOf = Callable[["Tables", ReplyId, str], Vote | None]


def now() -> datetime:
    return datetime.now(UTC)


def name_of(thread: ThreadId) -> str:
    return hashlib.sha256(str(thread).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def step_of(moment: datetime, step: timedelta) -> datetime:
    return _EPOCH + (moment - _EPOCH) // step * step


class MemoryOverview:
    def __init__(self, store: "MemoryStore", votes_of: VotesOf) -> None:
        self._store = store
        self._votes_of = votes_of

    @property
    def _tables(self) -> "Tables":
        self._store.must_be_up()
        return self._store.tables

    # -------------------------------------------------------------------------------------------------------- figures

    async def load(self, window: Window) -> Load:
        last = step_of(now(), window.step)
        begin = last - window.length + window.step
        turns = [turn for turn in self._tables.turns.values() if turn.received_at and turn.received_at >= begin]
        places = [begin + number * window.step for number in range(window.length // window.step)]
        return Load(window, tuple(self._step(at, window.step, turns) for at in places), self._models(turns, begin))

    def _step(self, at: datetime, step: timedelta, turns: Sequence[TurnFacts]) -> Step:
        mine = [turn for turn in turns if turn.received_at and step_of(turn.received_at, step) == at]
        counted = Counter((self._adapter(turn.reply_id), turn.state) for turn in mine)
        return Step(at, dict(counted), _spread(_firsts(mine)), _spread(_wholes(mine)), _usage(mine))

    def _adapter(self, reply_id: ReplyId) -> str:
        row = self._tables.events.get(reply_id)
        return self._tables.inbox[row].adapter if row else ""

    def _models(self, turns: Sequence[TurnFacts], begin: datetime) -> tuple[ModelLoad, ...]:
        votes = self._latest(begin)
        models = {turn.model for turn in turns} | {vote.model for _, vote in votes}
        loads = (self._model(model, turns, [vote for _, vote in votes if vote.model == model]) for model in models)
        return tuple(sorted(loads, key=lambda load: (-load.answers, load.model)))

    def _model(self, model: str, turns: Sequence[TurnFacts], votes: Sequence[Vote]) -> ModelLoad:
        mine = [turn for turn in turns if turn.model == model]
        answers = sum(turn.state in _ANSWERED for turn in mine)
        scores = [vote.score for vote in votes if vote.score is not None]
        up, down = sum(score >= 4 for score in scores), sum(score <= 2 for score in scores)
        means = _mean(_firsts(mine)), _mean(_wholes(mine))
        return ModelLoad(model, answers, _usage(mine), *means, len(scores), up, down, _mean(scores))

    async def queues(self) -> tuple[Queue, ...]:
        rows = [row for row in self._tables.inbox.values() if row.status in (_WAITING, _RUNNING)]
        places = sorted({(row.adapter, row.lane) for row in rows}, key=lambda place: (place[0], place[1] != "turn"))
        found = []
        for place in places:
            mine = [row for row in rows if (row.adapter, row.lane) == place]
            waiting = [row.created_at for row in mine if row.status == _WAITING]
            oldest = now() - min(waiting) if waiting else timedelta(0)
            found.append(Queue(*place, len(mine) - len(waiting), len(waiting), oldest))
        return tuple(found)

    def _latest(self, since: datetime) -> list[tuple[datetime, Vote]]:
        """What each person thinks of each answer they voted on, with the time of their last vote on it."""
        found = []
        for reply_id, author in {(reply, cast.author.key) for reply, cast, _ in self._tables.votes.values()}:
            casts = [
                cast
                for reply, cast, _ in self._tables.votes.values()
                if (reply, cast.author.key) == (reply_id, author) and cast.sent_at >= since
            ]
            vote = self._votes_of(self._tables, reply_id, author)
            if casts and vote and vote.score is not None:
                found.append((max(cast.sent_at for cast in casts if cast.score is not None), vote))
        return found

    async def opinions(self, days: int) -> tuple[Opinion, ...]:
        votes = [(at.astimezone(UTC).date(), vote) for at, vote in self._latest(_first_of(days))]
        found = []
        for day, model in sorted({(day, vote.model) for day, vote in votes}):
            scores = [vote.score or 0 for when, vote in votes if (when, vote.model) == (day, model)]
            up, down = sum(score >= 4 for score in scores), sum(score <= 2 for score in scores)
            found.append(Opinion(day, model, len(scores), up, down))
        return tuple(found)

    async def found(self, days: int) -> tuple[Found, ...]:
        kept = [kept for kept in self._tables.incidents.values() if kept.at >= _first_of(days)]
        counted = Counter((each.at.date(), each.incident.action) for each in kept)
        appealed = Counter((each.at.date(), each.incident.action) for each in kept if each.appeal)
        return tuple(Found(*key, count, appealed[key]) for key, count in sorted(counted.items()))

    # ---------------------------------------------------------------------------------------------------- conversations

    async def talks(self, *, limit: int, before: str = "") -> Lines[Talk]:
        rows = [(row.asked_at, name_of(row.thread), row) for row in self._tables.threads.values() if row.asked_at]
        rows.sort(key=lambda row: row[:2], reverse=True)
        places = [f"{at.isoformat()} {name}" for at, name, _ in rows]
        start = places.index(before) + 1 if before in places else 0
        found = tuple(self._talk(row.thread, at) for at, _, row in rows[start : start + limit])
        return Lines(found, places[start + limit - 1] if len(rows) > start + limit else "")

    def _talk(self, thread: ThreadId, asked_at: datetime) -> Talk:
        asked = self._in(thread)
        replies = [row for row in self._answers() if row.reply.thread == thread and row.reply.id in self._tables.turns]
        turns = [self._tables.turns[row.reply.id] for row in sorted(replies, key=lambda row: -row.seq)][:10]
        is_answered = bool(replies) and max(row.seq for row in replies) >= max((seq for seq, _, _ in asked), default=0)
        models = tuple(dict.fromkeys(turn.model for turn in turns if turn.model))
        count = min(len(asked), QUESTIONS_COUNTED)
        return Talk(name_of(thread), asked_at, thread.adapter, count, turns[0].state if is_answered else None, models)

    def _in(self, thread: ThreadId) -> list[tuple[int, ReplyId, "MessageRow"]]:
        rows = self._tables.messages.items()
        return sorted(((row.seq, id_, row) for id_, row in rows if row.message.thread == thread), reverse=True)

    def _answers(self) -> Iterable["ReplyRow"]:
        return self._tables.replies.values()

    async def open(self, talk: str, *, limit: int, before: str = "") -> Lines[Asked]:
        threads = [row.thread for row in self._tables.threads.values() if name_of(row.thread) == talk]
        end = int(before) if before.isdecimal() else 2**62
        said = [row for thread in threads for row in self._in(thread) if row[0] < end]
        found = tuple(self._asked(id_, row) for _, id_, row in said[:limit])
        return Lines(found, str(said[limit - 1][0]) if len(said) > limit else "")

    def _asked(self, id_: ReplyId, row: "MessageRow") -> Asked:
        said = row.message
        legible = Legible.ERASED if row.is_erased else Legible.YES
        replies = sorted((reply for reply in self._answers() if reply.question == id_), key=lambda reply: reply.seq)
        answers = tuple(self._answer(reply, legible) for reply in replies)
        return Asked(said.id, "" if row.is_erased else said.text, said.sent_at, said.author, legible, answers)

    def _answer(self, row: "ReplyRow", legible: Legible) -> Answered:
        id_ = row.reply.id
        finds = tuple(kept.incident for kept in self._tables.incidents.values() if kept.reply_id == id_)
        voters = dict.fromkeys(cast.author.key for reply, cast, _ in self._tables.votes.values() if reply == id_)
        votes = (self._votes_of(self._tables, id_, voter) for voter in voters)
        return Answered(
            id_,
            row.reply.text if legible is Legible.YES else "",
            legible,
            self._tables.turns.get(id_),
            row.reply.verdict.value if row.is_saved else "",
            finds,
            tuple(vote for vote in votes if vote),
        )

    # ---------------------------------------------------------------------------------------------------------- ratings

    async def ratings(self, *, limit: int, before: str = "", is_down: bool = False, model: str = "") -> Lines[Rated]:
        end = int(before) if before.isdecimal() else 2**62
        newest: dict[tuple[ReplyId, str], tuple[int, datetime]] = {}
        for seq, (reply, cast, written_by) in enumerate(self._tables.votes.values(), 1):
            is_such = (not is_down or (cast.score or 9) <= 2) and model in ("", written_by)
            if is_such:
                newest[reply, cast.author.key] = (seq, cast.sent_at)
        places = sorted(((seq, at, *key) for key, (seq, at) in newest.items() if seq < end), reverse=True)
        rated = (self._rated(at, reply, author) for _, at, reply, author in places[:limit])
        lines = tuple(line for line in rated if line and (not is_down or (line.score or 9) <= 2))
        return Lines(lines, str(places[limit - 1][0]) if len(places) > limit else "")

    def _rated(self, at: datetime, reply_id: ReplyId, author: str) -> Rated | None:
        row, vote = self._tables.replies.get(reply_id), self._votes_of(self._tables, reply_id, author)
        if row is None or vote is None:
            return None
        said = self._tables.messages.get(row.question)
        is_erased = said is not None and said.is_erased
        question = said.message.text if said and not is_erased else ""
        legible = Legible.ERASED if is_erased else Legible.YES
        return Rated(
            reply_id,
            at,
            vote.score,
            vote.reason,
            vote.comment,
            vote.model,
            name_of(row.reply.thread),
            vote.author,
            question,
            legible if said else Legible.LOST,
            "" if is_erased else row.reply.text,
            legible,
            said.message.author if said and not is_erased else None if is_erased else row.reply.asker,
        )


def _firsts(turns: Iterable[TurnFacts]) -> list[float]:
    return _seconds((turn, turn.first_text_at) for turn in turns)


def _wholes(turns: Iterable[TurnFacts]) -> list[float]:
    return _seconds((turn, turn.finished_at) for turn in turns)


def _seconds(ends: Iterable[tuple[TurnFacts, datetime | None]]) -> list[float]:
    return [
        (end - turn.received_at).total_seconds()
        for turn, end in ends
        if end and turn.received_at and turn.state in _ANSWERED
    ]


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(*(_quantile(sorted(values), share) for share in (0.5, 0.95, 0.99))) if values else None


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return low + (high - low) * (place - int(place))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _usage(turns: Iterable[TurnFacts]) -> Usage:
    used = [turn.usage for turn in turns]
    return Usage(sum(usage.prompt_tokens for usage in used), sum(usage.completion_tokens for usage in used))


def _first_of(days: int) -> datetime:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days - 1)
