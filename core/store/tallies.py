"""How much the house has to do: counted from its turns where they are new, and summed up once where they are old."""
# ruff: noqa: S608 - what is put together here are constants of this room

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.message import Usage
from core.ports import Load, ModelLoad, Spread, State, Step, Window
from core.store.database import Database, Row, Transaction

_STATES = {state.value: state for state in State}
_KEPT = 8 / 7  # of a window: its steps, and those that are going out of sight
_CLOSED = timedelta(minutes=1)
_PATIENCE = timedelta(days=1)
_AT_ONCE = timedelta(hours=2)  # as much is counted from the turns themselves, where nothing is summed up
_VOTES = 20_000  # the newest ones

# Any number that is the same in all processes of all releases, and nobody else's: the audit log has one of its own.
_GATE = "SELECT pg_advisory_xact_lock(7236190514)"
# What steps begin at a multiple of.
_EPOCH = "timestamptz '2001-01-01 00:00:00+00'"
_TURNS = f"""
    (SELECT date_bin(%(step)s, received_at, {_EPOCH}) AS at, COALESCE(adapter, '') AS adapter, state, model,
        prompt_tokens, completion_tokens,
        CASE WHEN state IN ('done', 'asked') THEN extract(epoch FROM first_text_at - received_at)::float8 END AS first,
        CASE WHEN state IN ('done', 'asked') THEN extract(epoch FROM finished_at - received_at)::float8 END AS whole
    FROM turns WHERE received_at >= %(since)s AND received_at < %(until)s) AS turned
"""
_QUANTILES = ", ".join(
    f"percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY {what})" for what in ("first", "whole")
)
# For the steps by adapter and state, for the models by nothing else.
_GROUPED = "GROUP BY GROUPING SETS ((at, adapter, state), (model))"
_COUNT = f"""
    SELECT at, adapter, state, model, count(*), count(*) FILTER (WHERE state IN ('done', 'asked')),
        sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint,
        count(first), COALESCE(sum(first), 0), count(whole), COALESCE(sum(whole), 0)
    FROM {_TURNS} {_GROUPED}
"""
_SPREAD = f"SELECT at, {_QUANTILES} FROM {_TURNS} GROUP BY at"
# The running step, and the last one that was summed up.
_CLOCK = f"""
    SELECT date_bin(%(step)s, now(), {_EPOCH}), (SELECT max(at) FROM tally_steps WHERE minutes = %(minutes)s)
"""
_SUMMED_COUNT = f"""
    SELECT at, adapter, state, model, sum(turns)::bigint,
        COALESCE(sum(turns) FILTER (WHERE state IN ('done', 'asked')), 0)::bigint,
        sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint,
        sum(firsts)::bigint, sum(first_seconds), sum(wholes)::bigint, sum(whole_seconds)
    FROM tallies WHERE minutes = %(minutes)s AND at >= %(since)s {_GROUPED}
"""
_SUMMED_SPREAD = "SELECT at, first, whole FROM tally_steps WHERE minutes = %(minutes)s AND at >= %(since)s"

# The latest of a person in each place that was not taken back, and of these the latest; newest casts first.
LATEST = """
    SELECT DISTINCT ON (reply_id, author) model, score, sent_at FROM (
        SELECT DISTINCT ON (reply_id, author, origin, part) reply_id, author, model, score, sent_at, seq FROM (
            SELECT reply_id, author, origin, part, model, score, sent_at, seq FROM votes
            WHERE sent_at >= %(since)s ORDER BY sent_at DESC LIMIT %(most)s
        ) AS newest ORDER BY reply_id, author, origin, part, sent_at DESC, seq DESC
    ) AS placed WHERE score IS NOT NULL ORDER BY reply_id, author, sent_at DESC, seq DESC
"""
_VOTED = f"""
    SELECT model, count(*), count(*) FILTER (WHERE score >= 4), count(*) FILTER (WHERE score <= 2), avg(score)::float8
    FROM ({LATEST}) AS latest GROUP BY model
"""

_DUE = f"""
    SELECT generate_series(
        GREATEST(
            date_bin(%(step)s, now() - %(kept)s, {_EPOCH}),
            COALESCE(
                (SELECT max(at) + %(step)s FROM tally_steps WHERE minutes = %(minutes)s),
                date_bin(%(step)s, COALESCE((SELECT min(received_at) FROM turns), now()), {_EPOCH})
            )
        ), now() - %(step)s - %(closed)s, %(step)s)
    UNION ALL
    SELECT at FROM tally_steps WHERE minutes = %(minutes)s AND NOT is_settled AND at > now() - %(patience)s
"""
_TAKE_BACK = "DELETE FROM tallies WHERE minutes = %(minutes)s AND at = %(since)s"
_SUM_UP = f"""
    INSERT INTO tallies (minutes, at, adapter, state, model, turns, prompt_tokens, completion_tokens,
        firsts, first_seconds, wholes, whole_seconds)
    SELECT %(minutes)s, at, adapter, state, model, count(*), sum(prompt_tokens), sum(completion_tokens),
        count(first), COALESCE(sum(first), 0), count(whole), COALESCE(sum(whole), 0)
    FROM {_TURNS} GROUP BY at, adapter, state, model
"""
# A question that waits is no turn yet, and will be one of the step it came in. One that waits for days, as for a door
# that is closed, is looked past: later steps are done with.
_MAY_COME = " OR ".join(
    f"(SELECT created_at FROM inbox WHERE {which} AND created_at >= %(since)s ORDER BY id LIMIT 1) < %(until)s"
    for which in ("lane = 'turn' AND status = 0", "status = 1")
)
_NOTE = f"""
    INSERT INTO tally_steps (minutes, at, first, whole, is_settled)
    SELECT %(minutes)s, %(since)s, {_QUANTILES},
        COALESCE(bool_and(state IN ({", ".join(f"'{state}'" for state in State if state.is_final)})), true)
        AND NOT COALESCE({_MAY_COME}, false)
    FROM {_TURNS}
    ON CONFLICT (minutes, at) DO UPDATE
        SET first = EXCLUDED.first, whole = EXCLUDED.whole, is_settled = EXCLUDED.is_settled
"""
_DROP = tuple(
    f"DELETE FROM {table} WHERE minutes = %(minutes)s AND at < now() - %(kept)s" for table in ("tallies", "tally_steps")
)


class Tallies:
    """Reads `ports.Load`, and does what makes that cheap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, window: Window) -> Load:
        async with self._database.transaction() as tx:
            params = {"step": window.step, "minutes": _minutes(window), "most": _VOTES}
            ((last, summed),) = await tx.fetch(_CLOCK, params)
            params["since"] = begin = last - window.length + window.step
            counts, spreads = await tx.fetch(_SUMMED_COUNT, params), await tx.fetch(_SUMMED_SPREAD, params)
            begin = max(begin, last - _AT_ONCE, *([summed + window.step] if summed else []))
            fresh = params | {"since": begin, "until": last + window.step}
            counts += await tx.fetch(_COUNT, fresh)
            spreads += await tx.fetch(_SPREAD, fresh)
            votes = await tx.fetch(_VOTED, params)
        return Load(window, tuple(_steps(window, last, counts, spreads)), _models(counts, votes))

    async def sum_up(self) -> int:
        """Sums up what was not yet, or had turns that went on; how many steps. Raises NotStored."""
        total = 0
        for window in Window:
            times = {"step": window.step, "minutes": _minutes(window), "kept": window.length * _KEPT, "closed": _CLOSED}
            for (at,) in await self._database.fetch(_DUE, times | {"patience": _PATIENCE}):
                async with self._database.transaction() as tx:
                    self._sum_up(tx, window, at)
                total += 1
            for sql in _DROP:
                await self._database.fetch(sql, times)
        return total

    def _sum_up(self, tx: Transaction, window: Window, at: datetime) -> None:
        params = {"minutes": _minutes(window), "step": window.step, "since": at, "until": at + window.step}
        for sql in (_GATE, _TAKE_BACK, _SUM_UP, _NOTE):
            tx.later(sql, params)


def _minutes(window: Window) -> int:
    return window.step // timedelta(minutes=1)


def _steps(window: Window, last: datetime, counts: Sequence[Row], spreads: Sequence[Row]) -> Iterator[Step]:
    begin = last - window.length + window.step
    turns: dict[datetime, dict[tuple[str, State], int]] = {}
    usage: dict[datetime, tuple[int, int]] = {}
    for at, adapter, state, _, count, _, prompt, completion, *_ in counts:
        if at:
            # No step is both counted and summed up.
            turns.setdefault(at, {})[adapter, _STATES[state]] = count
            before = usage.get(at, (0, 0))
            usage[at] = before[0] + prompt, before[1] + completion
    spread_at = {at: (_spread(first), _spread(whole)) for at, first, whole in spreads}
    for number in range(window.length // window.step):
        at = begin + number * window.step
        yield Step(at, turns.get(at, {}), *spread_at.get(at, (None, None)), Usage(*usage.get(at, (0, 0))))


def _spread(seconds: Sequence[float] | None) -> Spread | None:
    return Spread(*seconds) if seconds else None


def _models(counts: Sequence[Row], votes: Sequence[Row]) -> tuple[ModelLoad, ...]:
    sums: dict[str, list[float]] = {}
    for at, _, _, model, _, *more in counts:
        if not at:
            sums[model] = [sum(pair) for pair in zip(sums.get(model, [0] * len(more)), more, strict=True)]
    models = {model: _model(model, *values) for model, values in sums.items()}
    for model, cast, up, down, score in votes:
        load = models.get(model, ModelLoad(model))
        models[model] = replace(load, votes=cast, up=up, down=down, score=score)
    return tuple(sorted(models.values(), key=lambda load: (-load.answers, load.model)))


def _model(
    name: str,
    answers: float,
    prompt: float,
    completion: float,
    firsts: float,
    first: float,
    wholes: float,
    whole: float,
) -> ModelLoad:
    means = first / firsts if firsts else None, whole / wholes if wholes else None
    return ModelLoad(name, int(answers), Usage(int(prompt), int(completion)), *means)
