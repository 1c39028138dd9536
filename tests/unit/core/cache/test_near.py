"""Near hits: what lies close, says the same words in the same order, and stands on the same shelf."""

import asyncio
import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from core.cache import AnswerCache
from core.cache.guards import are_alike
from core.cache.key import Key
from core.cache.near import Near
from core.embedding import NgramEmbedder
from core.errors import Refused
from core.ports import CachedAnswer, Shelved
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.store_moves import answered, message

pytest.importorskip("faiss")
from core.cache.shelves import Shelves

DAY = timedelta(days=1)
SHELF, ELSEWHERE = sha256(b"shelf").hexdigest(), sha256(b"elsewhere").hexdigest()
NOW = datetime.now(UTC)
EAST, NORTH, NORTHEAST = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)


class Deaf:
    """An embedder that reads nothing."""

    name, dimension = "deaf", 2

    async def embed(self, texts):
        raise Refused


class Broken(Deaf):
    async def embed(self, texts):
        raise RuntimeError


def place(name, vector=EAST, *, shelf=SHELF, kept_at=NOW):
    return Shelved(name, shelf, name, vector, kept_at)


def found(shelves, vector=EAST, k=3, shelf=SHELF):
    return [place.key for _, place in shelves.search(shelf, vector, k)]


# ----------------------------------------------------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how do i install docker", "how do you install the docker"),
        ("what is the boiling point of water", "what is a boiling point of the water"),
        ("怎么安装docker", "怎么安装docker了"),
        ("法国的首都是哪里", "法国首都是哪里"),
    ],
)
def test_words_that_say_nothing_make_no_difference(one, other):
    assert are_alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("convert miles to km", "convert km to miles"),
        ("install docker", "uninstall docker"),
        ("is it safe", "is it not safe"),
        ("python 3.11", "python 3.12"),
        ("who was president", "who is president"),
        ("how do i start", "why do i start"),
        ("怎么开启", "怎么关闭"),
        ("能吃吗", "不能吃吗"),
        ("三加五", "三加四"),
    ],
)
def test_any_other_word_does(one, other):
    assert not are_alike(one, other)


# ---------------------------------------------------------------------------------------------------------- shelves


def test_the_nearest_come_first_with_their_cosines():
    shelves = Shelves(2)
    shelves.add([place("north", NORTH), place("east"), place("northeast", NORTHEAST)])
    assert found(shelves) == ["east", "northeast", "north"]
    assert [cosine for cosine, _ in shelves.search(SHELF, EAST, 3)] == pytest.approx([1, 0.6, 0])
    assert found(shelves, k=1) == ["east"]


def test_nothing_is_found_on_another_shelf():
    shelves = Shelves(2)
    shelves.add([place("here"), place("there", shelf=ELSEWHERE)])
    assert found(shelves) == ["here"]
    assert found(shelves, shelf="none") == []


def test_what_is_dropped_is_not_found_and_the_others_still_are():
    shelves = Shelves(2)
    shelves.add([place(name) for name in ("one", "two", "three")])
    shelves.drop("two")
    shelves.drop("two")
    assert sorted(found(shelves)) == ["one", "three"]
    shelves.drop("one")
    shelves.drop("three")
    assert (found(shelves), len(shelves)) == ([], 0)


def test_what_is_too_old_is_swept_away():
    shelves = Shelves(2)
    shelves.add([place("old", kept_at=NOW - DAY), place("new"), place("gone", shelf=ELSEWHERE, kept_at=NOW - DAY)])
    shelves.sweep(NOW - timedelta(hours=1))
    assert (found(shelves), len(shelves)) == (["new"], 1)


def test_the_same_answer_is_added_once_and_a_vector_of_another_length_never():
    shelves = Shelves(2)
    shelves.add([place("one"), place("one"), place("two", (1.0, 0.0, 0.0))])
    shelves.add([place("one")])
    assert (found(shelves), len(shelves)) == (["one"], 1)


# ------------------------------------------------------------------------------------------------------------- near


async def kept(store, question, shelf=SHELF):
    """Keeps an answer to this question as another process would."""
    embedder, key = NgramEmbedder(), Key(shelf, question)
    (vector,) = await embedder.embed([question])
    reply_id = await answered(store, message(question))
    async with store.unit() as unit:
        reply = await unit.replies.get(reply_id)
        words = CachedAnswer(question, "42", "echo@1")
        assert await unit.cached.keep(
            str(key), shelf, words, reply, lifetime=DAY, vector=vector, embedder=embedder.name
        )
    return str(key)


@pytest.fixture
async def store():
    return MemoryStore()


async def started(store, embedder=None):
    near = Near(store, embedder or NgramEmbedder(), lifetime=DAY)
    await near.start()
    return near


async def test_it_knows_from_the_start_what_was_kept_before(store):
    key = await kept(store, "how do i install docker")
    near = await started(store)
    (place,) = await near.look(Key(SHELF, "how does one install the docker"))
    assert (place.key, place.question) == (key, "how do i install docker")


async def test_it_learns_what_another_process_keeps(store):
    near = await started(store)
    await kept(store, "how do i install docker")
    near.expect()
    assert await near.look(Key(SHELF, "how does one install docker"))
    await kept(store, "what is a container")
    near.expect()
    assert await near.look(Key(SHELF, "what is the container"))


@pytest.mark.parametrize("other", ["how do i uninstall docker", "how do i install podman", "what is the weather like"])
async def test_it_finds_nothing_that_is_another_question(store, other):
    await kept(store, "how do i install docker")
    near = await started(store)
    assert not await near.look(Key(SHELF, other))


async def test_it_finds_nothing_on_another_shelf(store):
    await kept(store, "how do i install docker", ELSEWHERE)
    near = await started(store)
    assert not await near.look(Key(SHELF, "how do you install docker"))


async def test_what_it_is_told_to_forget_it_finds_no_more(store):
    await kept(store, "how do i install docker")
    near = await started(store)
    (place,) = await near.look(Key(SHELF, "how do you install docker"))
    await near.forget(place)
    assert not await near.look(Key(SHELF, "how do you install docker"))


@pytest.mark.parametrize("embedder", [Deaf(), Broken()])
async def test_a_question_that_cannot_be_read_has_no_neighbours(store, embedder):
    near = await started(store, embedder)
    assert await near.vector(Key(SHELF, "docker")) == ()
    assert await near.look(Key(SHELF, "docker")) == ()


async def test_without_the_database_it_goes_on_with_what_it_knows(store):
    await kept(store, "how do i install docker")
    near = await started(store)
    store.is_down = True
    near.expect()
    assert await near.look(Key(SHELF, "how do you install docker"))


def test_a_place_comes_without_its_vector():
    shelves = Shelves(2)
    shelves.add([place("one")])
    ((_, only),) = shelves.search(SHELF, EAST, 1)
    assert only == replace(place("one"), vector=())


async def test_whoever_is_forgotten_is_not_remembered_by_the_index_either():
    store = MemoryStore()
    near = Near(store, NgramEmbedder(), lifetime=DAY, cosine=0.5)
    await near.start()
    key, asked = Key(SHELF, "how do i install docker"), message("How do I install docker?")
    reply_id = await answered(store, asked)
    cache = AnswerCache(store, Numbers(), lambda route: "echo@1", near=near)
    heeding = asyncio.create_task(cache.heed())
    async with store.unit() as unit:
        reply = await unit.replies.get(reply_id)
        assert reply
        kept = CachedAnswer(key.question, reply.text, "echo@1")
        vector = await near.vector(key)
        await unit.cached.keep(str(key), SHELF, kept, reply, lifetime=DAY, vector=vector, embedder=near.name)
    near.expect()
    assert len(await near.look(key)) == 1

    await store.people.forget(asked.author)

    async with asyncio.timeout(5):
        while near._shelves and len(near._shelves):
            await asyncio.sleep(0)
    assert await near.look(key) == []
    heeding.cancel()
    await asyncio.gather(heeding, return_exceptions=True)


class Slow:
    """An index that says who is in it."""

    def __init__(self) -> None:
        self.inside, self.most, self.entered, self.gate = 0, 0, threading.Event(), threading.Event()

    def search(self, *_: object) -> list[object]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.set()
        self.gate.wait(10)
        self.inside -= 1
        return []


async def test_a_look_that_is_called_off_lets_nobody_else_into_the_index(store):
    near, slow = await started(store), Slow()
    near._shelves, near._looked = slow, math.inf
    looks = [asyncio.create_task(near.look(Key(SHELF, "how do i install docker"))) for _ in range(2)]
    await asyncio.to_thread(slow.entered.wait, 10)
    looks[0].cancel()
    await asyncio.wait(looks, timeout=0.2)
    assert (slow.inside, slow.most, looks[0].done()) == (1, 1, False)
    slow.gate.set()
    await asyncio.wait(looks)
    assert looks[0].cancelled()
    assert slow.most == 1
