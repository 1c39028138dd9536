"""What a statement costs the database: each one of a turn is explained in its place, undone, and then really run."""

import math
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from psycopg.pq import TransactionStatus

from bench.database import fetch
from core import store
from core.store import database
from core.store.database import BEGIN, COMMIT, ROLLBACK, Raw, Row, Statement, send

_SAVEPOINT, _BACK = Statement("SAVEPOINT explained"), Statement("ROLLBACK TO SAVEPOINT explained")
_INDEX_PAGES = """
    SELECT index.indexrelid::regclass::text, index.indrelid::regclass::text, relpages
    FROM pg_index index JOIN pg_class ON pg_class.oid = index.indexrelid
    WHERE index.indrelid::regclass::text NOT LIKE 'pg\\_%'
"""
# Entries on a page of one of our indexes, at the least.
_FANOUT = 150

Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a statement read: rows from tables and indexes, and 8 kB buffers; `descents` by index."""

    rows: int
    buffers: int
    descents: Mapping[str, int] = field(default_factory=dict)
    writes: Mapping[str, int] = field(default_factory=dict)
    sequential: tuple[str, ...] = ()


@contextmanager
def explained() -> Generator[dict[str, list[Cost]], None, None]:
    """The cost of every statement that the store sends meanwhile, by the statement's name."""
    found: defaultdict[str, list[Cost]] = defaultdict(list)

    async def explaining(raw: Raw, statements: list[Statement]) -> list[Row]:
        rows: list[Row] = []
        for statement in statements:
            if statement not in (BEGIN, COMMIT, ROLLBACK):
                found[name_of(statement.sql)].append(await _cost(raw, statement))
            rows = await send(raw, [statement])
        return rows

    # The store has no hook for this, and needs none but here.
    database.send = explaining
    try:
        yield found
    finally:
        database.send = send


async def _cost(raw: Raw, statement: Statement) -> Cost:
    is_alone = raw.info.transaction_status is TransactionStatus.IDLE
    await send(raw, [BEGIN if is_alone else _SAVEPOINT])
    cursor = await raw.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}".encode(), statement.params)
    explanation = await cursor.fetchone()
    await send(raw, [ROLLBACK if is_alone else _BACK])
    assert explanation is not None
    return cost_of(explanation[0][0]["Plan"])


def cost_of(plan: Plan) -> Cost:
    """What an executed plan, as EXPLAIN's JSON tells it, has read."""
    descents: defaultdict[str, int] = defaultdict(int)
    writes: defaultdict[str, int] = defaultdict(int)
    rows, sequential = 0, []
    for node in _nodes(plan):
        if "Index Name" in node:
            descents[node["Index Name"]] += node.get("Index Searches", node["Actual Loops"])
        if node["Node Type"] == "Seq Scan" and node["Actual Loops"]:
            sequential.append(node["Relation Name"])
        if node["Node Type"] == "ModifyTable":
            writes[node["Relation Name"]] += max(1, _rows(node["Plans"][0]) if node.get("Plans") else 1)
        if "Relation Name" in node and node["Node Type"] != "ModifyTable":
            rows += _rows(node)
    buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return Cost(rows, buffers, dict(descents), dict(writes), tuple(sequential))


def _rows(node: Plan) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows: int = round((node["Actual Rows"] + removed) * node["Actual Loops"])
    return rows


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@cache
def _names() -> dict[str, str]:
    """Every statement of the store by its text."""
    rooms = [import_module(f"core.store.{room.name}") for room in iter_modules(store.__path__)]
    named: dict[str, str] = {}
    for room in rooms:
        for name, value in vars(room).items():
            texts = value.items() if isinstance(value, dict) else [("", value)]
            named |= {text: _label(room.__name__, name, key) for key, text in texts if isinstance(text, str)}
    return named


def _label(room: str, name: str, key: str) -> str:
    return ".".join(filter(None, (room.rpartition(".")[2], name.strip("_").lower(), key)))


def name_of(sql: str) -> str:
    """The statement's constant in the store, such as "inbox.claims.turn", else its beginning."""
    return _names().get(sql, " ".join(sql.split())[:60])


# --------------------------------------------------------------------------------------------------- how tall trees are


@dataclass(frozen=True, slots=True)
class Trees:
    """The levels above the leaves of every index, and which indexes a table has."""

    levels: Mapping[str, int]
    of_table: Mapping[str, Sequence[str]]


async def trees(url: str) -> Trees:
    levels, of_table = {}, defaultdict(list)
    for index, table, pages in await fetch(url, _INDEX_PAGES):
        levels[index] = 0 if pages <= 2 else math.ceil(math.log(pages - 1, _FANOUT))
        of_table[table].append(index)
    return Trees(levels, of_table)


def may_grow(cost: Cost, small: Trees, big: Trees) -> int:
    """The buffers a statement may touch more in the big database: one for every level its indexes have grown by."""

    def taller(index: str) -> int:
        return max(0, big.levels.get(index, 0) - small.levels.get(index, 0))

    read = sum(count * taller(index) for index, count in cost.descents.items())
    # A new row goes down every index of its table, once to look and once to enter.
    written = sum(2 * count * taller(index) for table, count in cost.writes.items() for index in big.of_table[table])
    return read + written
