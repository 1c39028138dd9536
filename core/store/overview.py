"""The house from above: figures, and lists that are read page by page."""
# ruff: noqa: S608 - what is put together here are constants of this room

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from core import codec
from core.message import Author, Message, Usage
from core.ports import (
    QUESTIONS_COUNTED,
    Answered,
    Asked,
    Found,
    Legible,
    Lines,
    Load,
    Opinion,
    Queue,
    Rated,
    State,
    Talk,
    TurnFacts,
    Vote,
    Window,
)
from core.store import bodies, incidents, messages, ratings, replies
from core.store.database import Database, Row, Transaction
from core.store.lately import Lately
from core.store.tallies import LATEST, Tallies
from core.store.vault import DAMAGED, Vault, reply_id, row_id

logger = logging.getLogger(__name__)

FRESH_FOR = timedelta(seconds=3)
_CONNECTIONS = 2  # of the pool's: operators never take the last ones from the people
_MODELS = 10  # of the newest answers of a thread
_END = 2**62
_NEVER = datetime.max.replace(tzinfo=UTC)
_BEGINNING = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_VOTES = 50_000  # the newest ones
_INCIDENTS = 100_000
_SLOWLY = 10  # times as long is kept what is shown of days

_QUEUES = """
    SELECT adapter, lane, count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 0),
        COALESCE(now() - min(created_at) FILTER (WHERE status = 0), interval '0')
    FROM (
        SELECT adapter, lane, status, created_at FROM inbox WHERE status = 0
        UNION ALL SELECT adapter, lane, status, created_at FROM inbox WHERE status = 1
    ) AS unfinished GROUP BY adapter, lane ORDER BY adapter, lane DESC
"""
# What an earlier release began has the name of its door in the inbox alone, for as long as it stands there.
_TALKS = f"""
    SELECT talks.id, talks.asked_at, COALESCE(answers.adapters[1], inbox.adapter, ''), asked.count,
        CASE WHEN answers.seqs[1] >= newest.seq THEN answers.states[1] END, answers.models
    FROM (
        SELECT id, asked_at FROM threads
        WHERE asked_at IS NOT NULL AND (asked_at, id) < (%(asked_at)s, %(id)s)
        ORDER BY asked_at DESC, id DESC LIMIT %(limit)s
    ) AS talks
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (SELECT FROM messages WHERE messages.thread = talks.id LIMIT {QUESTIONS_COUNTED}) AS few
    ) AS asked
    LEFT JOIN LATERAL (
        SELECT seq, id FROM messages WHERE messages.thread = talks.id ORDER BY seq DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN inbox ON inbox.reply_id = newest.id
    CROSS JOIN LATERAL (
        SELECT array_agg(seq ORDER BY seq DESC) AS seqs, array_agg(state ORDER BY seq DESC) AS states,
            array_agg(adapter ORDER BY seq DESC) AS adapters, array_agg(model ORDER BY seq DESC) AS models
        FROM (
            SELECT replies.seq, turns.state, turns.adapter, turns.model
            FROM replies JOIN turns ON turns.reply_id = replies.id
            WHERE replies.thread = talks.id ORDER BY replies.seq DESC LIMIT {_MODELS}
        ) AS latest
    ) AS answers
    ORDER BY talks.asked_at DESC, talks.id DESC
"""
_ASKED = """
    SELECT seq, id, author, body, is_erased, said_at FROM messages
    WHERE thread = %(thread)s AND seq < %(before)s ORDER BY seq DESC LIMIT %(limit)s
"""
_ANSWERS = """
    SELECT replies.question, replies.id, replies.asker, replies.about, replies.body, replies.verdict,
        turns.state, turns.model, turns.source, turns.seed, turns.prompt_tokens, turns.completion_tokens,
        turns.attempts, turns.received_at, turns.started_at, turns.first_text_at, turns.finished_at
    FROM replies LEFT JOIN turns ON turns.reply_id = replies.id
    WHERE replies.question = ANY(%(questions)s::uuid[]) ORDER BY replies.seq
"""
# Each person once for each answer, where they stood last.
_RATINGS = {
    name: f"""
        SELECT seq, reply_id, author, sent_at FROM votes
        WHERE seq < %(before)s {such} AND NOT EXISTS (
            SELECT FROM votes AS later
            WHERE later.reply_id = votes.reply_id AND later.author = votes.author AND later.seq > votes.seq {such_later}
        )
        ORDER BY seq DESC LIMIT %(limit)s
    """
    for name, such, such_later in (
        ("all", "", ""),
        ("down", "AND score <= 2", "AND later.score <= 2"),
        ("model", "AND model = %(model)s", "AND later.model = %(model)s"),
        (
            "model, down",
            "AND model = %(model)s AND score <= 2",
            "AND later.model = %(model)s AND later.score <= 2",
        ),
    )
}
_RATED = """
    SELECT replies.id, replies.thread, replies.asker, replies.about, replies.body, replies.question,
        messages.author, messages.body, messages.is_erased
    FROM replies LEFT JOIN messages ON messages.id = replies.question WHERE replies.id = ANY(%(replies)s::uuid[])
"""
_OPINIONS = f"""
    SELECT (sent_at AT TIME ZONE 'UTC')::date AS day, model, count(*), count(*) FILTER (WHERE score >= 4),
        count(*) FILTER (WHERE score <= 2)
    FROM ({LATEST}) AS latest GROUP BY day, model ORDER BY day, model
"""
_FOUND = f"""
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, action, count(*), count(appealed_at)
    FROM (
        SELECT created_at, action, appealed_at FROM incidents
        WHERE created_at >= %(since)s ORDER BY created_at DESC LIMIT {_INCIDENTS}
    ) AS newest GROUP BY day, action ORDER BY day, action
"""


class PostgresOverview:
    """`ports.Overview`. Its figures are looked up once in `fresh_for`, however many pages show them."""

    def __init__(self, database: Database, vault: Vault, fresh_for: timedelta = FRESH_FOR) -> None:
        self._database = database
        self._vault = vault
        self._lately = Lately(fresh_for)
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._tallies = Tallies(database)

    # -------------------------------------------------------------------------------------------------------- figures

    async def load(self, window: Window) -> Load:
        async def look() -> Load:
            async with self._places:
                return await self._tallies.load(window)

        return await self._lately.get(window, look, times=1 if window is Window.HOUR else _SLOWLY)

    async def queues(self) -> tuple[Queue, ...]:
        return tuple(Queue(*row) for row in await self._figures(_QUEUES))

    async def opinions(self, days: int) -> tuple[Opinion, ...]:
        return tuple(Opinion(*row) for row in await self._figures(_OPINIONS, _first_of(days), times=_SLOWLY))

    async def found(self, days: int) -> tuple[Found, ...]:
        return tuple(Found(*row) for row in await self._figures(_FOUND, _first_of(days), times=_SLOWLY))

    async def _figures(self, sql: str, since: datetime | None = None, *, times: int = 1) -> list[Row]:
        async def look() -> list[Row]:
            async with self._places:
                return await self._database.fetch(sql, {"since": since, "most": _VOTES})

        return await self._lately.get((sql, since), look, times=times)

    # ---------------------------------------------------------------------------------------------------- conversations

    async def talks(self, *, limit: int, before: str = "") -> Lines[Talk]:
        asked_at, id_ = _moment_before(before)
        async with self._places:
            rows = await self._database.fetch(_TALKS, {"limit": limit + 1, "asked_at": asked_at, "id": id_})
        found = [_talk(*row) for row in rows[:limit]]
        more = len(rows) > limit
        return Lines(tuple(found), f"{_micros(found[-1].asked_at)}-{found[-1].id}" if more else "")

    async def open(self, talk: str, *, limit: int, before: str = "") -> Lines[Asked]:
        params = {"thread": row_id(talk), "limit": limit + 1, "before": _number_before(before)}
        async with self._places, self._database.transaction() as tx:
            rows = await tx.fetch(_ASKED, params)
            answers = await self._answers(tx, {row[1]: row[4] for row in rows[:limit]})
        asked = [await self._asked(row, answers.get(row[1], [])) for row in rows[:limit]]
        return Lines(tuple(each for each in asked if each), str(rows[limit - 1][0]) if len(rows) > limit else "")

    async def _asked(self, row: Row, written: "Sequence[_Written]") -> Asked | None:
        """None for what stands in the place of a message that has not come."""
        _, id_, author, body, is_erased, said_at = row
        answers = tuple(each.answer for each in written)
        try:
            said = codec.loads(await self._vault.open("messages", "body", author, id_, body))
        except DAMAGED as error:
            logger.error("message %s cannot be read: %s", id_.hex, type(error).__name__)
            if is_erased:
                return Asked("", "", said_at or _BEGINNING, legible=Legible.ERASED, answers=answers)
            asker = await self._asker(*written[0].about) if written else None
            if asker is None:  # nobody's words are shown without its being known whose they are
                answers = tuple(replace(each, text="", legible=Legible.LOST, finds=()) for each in answers)
            return Asked("", "", said_at or _BEGINNING, asker, Legible.LOST, answers)
        if not isinstance(said, Message):
            return None
        text, legible = ("", Legible.ERASED) if is_erased else (said.text, Legible.YES)
        return Asked(said.id, text, said.sent_at, said.author, legible, answers)

    async def _asker(self, asker: UUID, id_: UUID, about: bytes) -> Author | None:
        """Whose answer it is, by its own word."""
        try:
            return bodies.load_about(await self._vault.open("replies", "about", asker, id_, about)).asker
        except DAMAGED:
            return None

    async def _answers(self, tx: Transaction, questions: Mapping[UUID, bool]) -> dict[UUID, list["_Written"]]:
        """By question, of which is said whether it was erased."""
        rows = await tx.fetch(_ANSWERS, {"questions": list(questions)}) if questions else []
        ids = [row[1] for row in rows]
        finds = await incidents.finds(tx, self._vault, ids)
        votes = await ratings.votes_on(tx, self._vault, ids)
        found: dict[UUID, list[_Written]] = {}
        for question, id_, asker, about, body, verdict, *turn in rows:
            text, legible = await self._text(questions[question], asker, id_, body)
            facts = _facts(id_, *turn) if turn[0] else None
            beside = finds.get(id_, ()), votes.get(id_, ())
            answer = Answered(reply_id(id_), text, legible, facts, verdict, *beside)
            found.setdefault(question, []).append(_Written(answer, (asker, id_, about)))
        return found

    async def _text(self, is_erased: bool, asker: UUID, id_: UUID, body: bytes | None) -> tuple[str, Legible]:
        """An answer often says again what was asked: with the question, it is erased for operators too."""
        if is_erased:
            return "", Legible.ERASED
        try:
            return await replies.text(self._vault, asker, id_, body), Legible.YES
        except DAMAGED as error:
            logger.error("answer %s cannot be read: %s", id_.hex, type(error).__name__)
            return "", Legible.LOST

    # ---------------------------------------------------------------------------------------------------------- ratings

    async def ratings(self, *, limit: int, before: str = "", is_down: bool = False, model: str = "") -> Lines[Rated]:
        if "\0" in model:  # which no column can hold, nor be asked for
            return Lines((), "")
        which = ", ".join(filter(None, ("model" if model else "", "down" if is_down else ""))) or "all"
        params = {"limit": limit + 1, "before": _number_before(before), "model": model}
        async with self._places, self._database.transaction() as tx:
            rows = await tx.fetch(_RATINGS[which], params)
            places = rows[:limit]
            voted = [reply for _, reply, _, _ in places]
            votes = await ratings.votes_by_person(tx, self._vault, voted)
            beside = {row[0]: _Beside(*row) for row in await tx.fetch(_RATED, {"replies": voted})} if voted else {}
        rated = [
            await self._rated(sent_at, vote, beside[reply])
            for _, reply, author, sent_at in places
            if reply in beside and (vote := votes.get((reply, author)))
            if not is_down or (vote.score is not None and vote.score <= 2)
        ]
        return Lines(tuple(rated), str(places[-1][0]) if len(rows) > limit else "")

    async def _rated(self, at: datetime, vote: Vote, beside: "_Beside") -> Rated:
        answer, answer_legible = await self._text(bool(beside.is_erased), beside.asker, beside.id, beside.body)
        question, question_legible, asker = await self._question(beside)
        if question_legible is Legible.LOST:
            asker = await self._asker(beside.asker, beside.id, beside.about)
            if asker is None:
                answer, answer_legible = "", Legible.LOST
        return Rated(
            reply_id=vote.reply_id,
            at=at,
            score=vote.score,
            reason=vote.reason,
            comment=vote.comment,
            model=vote.model,
            talk=beside.thread.hex,
            rater=vote.author,
            question=question,
            question_legible=question_legible,
            answer=answer,
            answer_legible=answer_legible,
            asker=asker,
        )

    async def _question(self, beside: "_Beside") -> tuple[str, Legible, Author | None]:
        if beside.author is None or beside.is_erased:
            return "", Legible.ERASED if beside.is_erased else Legible.LOST, None
        try:
            said = await messages.open(self._vault, beside.author, beside.question, beside.said or b"")
        except DAMAGED as error:
            logger.error("message %s cannot be read: %s", beside.question.hex, type(error).__name__)
            return "", Legible.LOST, None
        return said.text, Legible.YES, said.author


class _Written(NamedTuple):
    """An answer, and where it stands whose it is."""

    answer: Answered
    about: tuple[UUID, UUID, bytes]


class _Beside(NamedTuple):
    """What stands beside a vote: the answer, and the question where there is one."""

    id: UUID
    thread: UUID
    asker: UUID
    about: bytes
    body: bytes | None
    question: UUID
    author: UUID | None
    said: bytes | None
    is_erased: bool | None


def _talk(
    id_: UUID, asked_at: datetime, adapter: str, questions: int, state: str | None, models: Sequence[str | None] | None
) -> Talk:
    named = tuple(dict.fromkeys(model for model in models or () if model))
    return Talk(id_.hex, asked_at, adapter, questions, State(state) if state else None, named)


def _facts(id_: UUID, state: str, *rest: Any) -> TurnFacts:
    model, source, seed, prompt, completion, *times = rest
    return TurnFacts(reply_id(id_), State(state), model, source, seed, Usage(prompt, completion), *times)


def _first_of(days: int) -> datetime:
    """When the first of these days began; the last one is today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days - 1)


def _number_before(cursor: str) -> int:
    is_ours = cursor.isascii() and cursor.isdecimal() and len(cursor) < 19
    return int(cursor) if is_ours else _END


def _micros(moment: datetime) -> int:
    return (moment - _BEGINNING) // _MICROSECOND


def _moment_before(cursor: str) -> tuple[datetime, UUID]:
    micros, _, name = cursor.partition("-")
    id_ = row_id(name)
    is_ours = id_ is not None and micros.isascii() and micros.isdecimal() and len(micros) < 17
    return (_BEGINNING + int(micros) * _MICROSECOND, id_) if is_ours and id_ else (_NEVER, UUID(int=0))
