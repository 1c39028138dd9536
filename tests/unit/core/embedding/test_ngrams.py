"""The packaged embedder: the same everywhere, close for the same words, and silent on what it cannot read."""

import math

import pytest

from core.embedding import NgramEmbedder
from core.errors import Refused

EMBEDDER = NgramEmbedder()


async def cosine(one, other):
    first, second = await EMBEDDER.embed([one, other])
    return math.fsum(a * b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("text", ["how do i install docker", "怎么安装 docker", "5 + 3", "naïve café", "x"])
async def test_vectors_are_of_unit_length_and_of_the_length_it_says(text):
    (vector,) = await EMBEDDER.embed([text])
    assert len(vector) == EMBEDDER.dimension
    assert math.hypot(*vector) == pytest.approx(1)


async def test_a_vector_is_the_same_on_every_machine():
    (vector,) = await EMBEDDER.embed(["docker 你好"])
    places = [(place, round(value, 3)) for place, value in enumerate(vector) if value]
    assert len(places) == 33
    assert places[:3] == [(9, -0.167), (10, -0.167), (19, -0.167)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("how do i install docker", "how do you install the docker"), ("怎么安装docker", "怎么安装 docker 了")],
)
async def test_what_says_the_same_is_close(one, other):
    assert await cosine(one, other) > 0.98


@pytest.mark.parametrize(
    ("one", "other"),
    [("what is the capital of france", "how do i sort a list"), ("怎么安装 docker", "法国的首都是哪里")],
)
async def test_what_says_something_else_is_not(one, other):
    assert abs(await cosine(one, other)) < 0.4


@pytest.mark.parametrize("text", ["", "  ", "今日は何をしますか ありがとう", "что такое докер", "안녕하세요 도커"])
async def test_what_it_cannot_read_it_refuses(text):
    with pytest.raises(Refused):
        await EMBEDDER.embed([text])


async def test_a_foreign_word_among_many_is_no_hindrance():
    text = "what does the russian word привет mean in english when a person says it to another person"
    assert await EMBEDDER.embed([text])


async def test_a_text_that_is_no_unicode_is_read_too():
    assert await EMBEDDER.embed(["what is \ud800 in docker and kubernetes and linux and windows and macos here"])
