"""The answer cache: how long a hit takes, and that no question is given another one's answer."""

import json
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.database import Server
from bench.report import Figure, Progress, at_most, none_of, percentile, told
from bot.telemetry import PrometheusMetrics
from core.cache import COSINE, AnswerCache
from core.cache.canonical import canonical
from core.cache.guards import are_alike
from core.cache.key import Key, key_of
from core.cache.shelves import Shelves
from core.embedding import NgramEmbedder
from core.errors import Refused
from core.message import Author, Message, Reply, ReplyId, Source, Text, ThreadId, Verdict, Visibility, Written
from core.ports import CachedAnswer, Shelved
from core.store import Keys, PostgresStore
from core.turn import Chunks, Turn

NEAR_MISSES = Path(__file__).parents[1] / "tests/data/near_misses.jsonl"
HIT_MS, SEARCH_MS = 3, 25
VECTORS, DIMENSION = 100_000, 384
_AUTHOR = Author("bench", "w", "ann")
_MODEL = "bench@1"
_DAY = timedelta(days=1)
# Other answers that lie beside the one that is looked for.
_FILL = """
    INSERT INTO cached (key, asker, question, body, expires_at)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
        decode(repeat('00', 1000), 'hex'), now() + interval '1 day'
    FROM generate_series(1, %(count)s)
"""
_QUESTIONS = (
    "What is Docker?",
    "How do I revert a commit in Git?",
    "Explain the difference between TCP and UDP.",
    "Which port does HTTPS use?",
    "Why is the sky blue?",
    "List the planets of the solar system",
    "How many bytes are 4 KB?",
    "What does HTTP 404 mean?",
    "How do I sort a list in Python?",
    "Who wrote Faust?",
    "什么是 Docker？",
    "如何在 Git 里撤销一次提交？",
    "解释一下 TCP 和 UDP 的区别。",
    "HTTPS 用哪个端口？",
    "天空为什么是蓝色的？",
    "列出太阳系的行星",
    "4 KB 是多少字节？",
    "HTTP 404 是什么意思？",
    "怎么在 Python 里给列表排序？",
    "浮士德是谁写的？",
)
_BEFORE = {
    "en": ("", "Hi, ", "hello! ", "Good morning, ", "hey Parley, ", "@Parley ", "Please ", "  "),
    "zh": ("", "你好，", "您好！", "早上好，", "@助手 ", "请问", "嗨，", "  "),
}
_AFTER = {
    "en": ("", "?", " ?!", ", please", ", thanks!", " Thank you.", "\n"),
    "zh": ("", "？", "！", "，谢谢", " 谢谢你！", "。多谢", "\n"),
}


async def figures(progress: Progress, server: Server, is_quick: bool) -> list[Figure]:
    pairs = [json.loads(line) for line in NEAR_MISSES.read_text(encoding="utf-8").splitlines()]
    progress(f"comparing {len(pairs)} near misses")
    found = [*_near_misses(pairs), *await _by_vector(pairs), *_variants()]
    rounds = 50 if is_quick else 500
    progress(f"serving {rounds} exact hits")
    found += await _hits(server, rounds)
    count = 10_000 if is_quick else VECTORS
    progress(f"searching {count} vectors")
    return [*found, *_searches(count, 50 if is_quick else 200)]


# -------------------------------------------------------------------------------------------------------- false hits


def _near_misses(pairs: Sequence[dict[str, str]]) -> list[Figure]:
    """The default policy: whoever has the same key is given the answer."""
    false = sum(_key(pair["a"]) == _key(pair["b"]) and _key(pair["a"]) is not None for pair in pairs)
    same = sum(canonical(pair["a"]) == canonical(pair["b"]) for pair in pairs)
    return [
        none_of("cache: false hits by exact key, near misses", false),
        none_of("cache: near misses with one canonical form", same),
        told("cache: near misses", len(pairs), "count"),
        *(
            told(f"cache: near misses, {kind} {language}", sum(_is(pair, kind, language) for pair in pairs), "count")
            for kind in ("direction", "number", "negation", "entity")
            for language in ("en", "zh")
        ),
    ]


def _is(pair: dict[str, str], kind: str, language: str) -> bool:
    return (pair["kind"], pair["lang"]) == (kind, language)


async def _by_vector(pairs: Sequence[dict[str, str]]) -> list[Figure]:
    """Near hits, which are off by default: close vectors alone, and with what two questions must share besides."""
    embedder = NgramEmbedder()
    close = alike = 0
    for pair in pairs:
        one, other = canonical(pair["a"]), canonical(pair["b"])
        try:
            first, second = await embedder.embed([one, other])
        except Refused:
            continue
        if math.fsum(a * b for a, b in zip(first, second, strict=True)) >= COSINE:
            close += 1
            alike += are_alike(one, other)
    return [
        told(f"cache: near misses at cosine {COSINE} or more", close, "count"),
        none_of("cache: false near hits, with guards", alike),
    ]


def _variants() -> list[Figure]:
    """The same questions as people put them; variants and rules are by one hand."""
    asked = list(_dressed())
    hits = sum(_key(variant) is not None and _key(variant) == _key(question) for variant, question in asked)
    return [
        told("cache: variants of a question that hit", hits / len(asked), "share"),
        told("cache: variants of a question", len(asked), "count"),
    ]


def _dressed() -> Iterator[tuple[str, str]]:
    for question in _QUESTIONS:
        language = "en" if question.isascii() else "zh"
        bare = question.rstrip("?.？。")
        for before in _BEFORE[language]:
            for after in _AFTER[language]:
                yield f"{before}{bare}{after}", question


def _key(text: str) -> str | None:
    key = key_of(turn(text), lambda route: _MODEL)
    return str(key) if key else None


def turn(text: str, number: int = 0) -> Turn:
    thread = ThreadId("bench", "w", "c", f"thread {number}")
    message = Message(
        id=f"m{number}",
        thread=thread,
        author=_AUTHOR,
        sent_at=datetime.now(UTC),
        visibility=Visibility.PUBLIC,
        text=text,
    )
    return Turn(message=message, reply_id=ReplyId(f"{number:032x}"))


# -------------------------------------------------------------------------------------------------------------- speed


async def _hits(server: Server, rounds: int) -> list[Figure]:
    """From the question until its answer is there, PostgreSQL and the note of who was given it included."""
    async with _store(server) as store:
        question = turn(_QUESTIONS[0])
        key = key_of(question, lambda route: _MODEL)
        assert key is not None
        await _keep(store, question, key)
        cache = AnswerCache(store, PrometheusMetrics(), lambda route: _MODEL)
        taken = [await _hit(cache, turn(_QUESTIONS[0], number)) for number in range(1, rounds + 1)]
    taken = taken[rounds // 10 :]  # connections were opened and statements prepared by then
    return [
        at_most("cache: exact hit, p50", percentile(taken, 0.5), "ms", HIT_MS),
        told("cache: exact hit, p99", percentile(taken, 0.99), "ms"),
    ]


@asynccontextmanager
async def _store(server: Server) -> AsyncIterator[PostgresStore]:
    async with server.new() as url:
        store = PostgresStore(url, Keys.generate(), pool_size=4)
        await store.start()
        try:
            await store._database.fetch(_FILL, {"count": 10_000})
            yield store
        finally:
            await store.stop()


async def _keep(store: PostgresStore, asked: Turn, key: Key) -> None:
    """An answer that was given, and kept."""
    async with store.unit() as unit:
        (receipt,) = await unit.inbox.add([asked.message])
    async with store.unit() as unit:
        (claim,) = await unit.inbox.claim("turn", owner="bench", doors=["bench"], limit=1, lease=_DAY)
        reply = Reply(
            id=receipt.reply_id, thread=asked.message.thread, asker=_AUTHOR, in_reply_to=asked.message.id, text="42"
        )
        await unit.replies.open(claim, reply)
        reply = replace(reply, text="An answer of a few hundred words. " * 30, model=_MODEL, verdict=Verdict.CLEAN)
        await unit.replies.save(reply)
    async with store.unit() as unit:
        words = CachedAnswer(key.question, reply.text, _MODEL)
        assert await unit.cached.keep(str(key), key.shelf, words, reply, lifetime=_DAY)


async def _hit(cache: AnswerCache, asked: Turn) -> float:
    """Milliseconds."""

    async def engine(asked: Turn) -> Chunks:
        yield Text("this was answered before")

    began = perf_counter()
    chunks = [chunk async for chunk in cache(asked, engine)]
    taken = (perf_counter() - began) * 1000
    assert chunks[1:] == [Written(_MODEL, source=Source.CACHE)]
    return taken


def _searches(count: int, rounds: int) -> list[Figure]:
    """The three nearest of so many random vectors on one shelf, by one thread."""
    random = np.random.default_rng(1)
    shelves = Shelves(DIMENSION)
    for start in range(0, count, 5_000):
        rows = _unit(random.standard_normal((min(5_000, count - start), DIMENSION), dtype=np.float32))
        shelves.add(
            Shelved(str(start + number), "shelf", "", row, datetime.now(UTC)) for number, row in enumerate(rows)
        )
    queries = _unit(random.standard_normal((rounds, DIMENSION), dtype=np.float32))
    taken = [_timed(shelves, query) for query in queries]
    name = f"cache: nearest 3 of {count} × {DIMENSION}"
    return [
        at_most(f"{name}, p50", percentile(taken, 0.5), "ms", SEARCH_MS),
        told(f"{name}, p99", percentile(taken, 0.99), "ms"),
    ]


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _timed(shelves: Shelves, query: Any) -> float:
    began = perf_counter()
    found = shelves.search("shelf", query, 3)
    assert len(found) == 3
    return (perf_counter() - began) * 1000
