"""Whom the settings let answer: one model or two, here or on servers, and who stands in for whom."""

from dataclasses import replace
from typing import Any

import pytest

from bot.config import Config, HouseSecrets, Settings
from bot.engines import asked_for, make_engine, models_of, remote_engine
from core.engine import REMOTE, EchoEngine, Fallback, Routed, demo_folder
from tests.fakes.metrics import Numbers

SERVERS = ("http://gpu-1:8000/v1", "http://gpu-2:8000/v1")


def config(*, urls=SERVERS, there="", coder_there="", **engine) -> Config:
    remote = {"urls": urls, "model": there, "coder": coder_there}
    return Config(Settings(engine=engine, remote=remote), HouseSecrets(engine_key="sk"), None)


def order(engine) -> dict[str, list[str]]:
    """The names of those who are asked, in order, for each kind of question."""
    chains: dict[str, Any] = engine._engines if isinstance(engine, Routed) else {"": engine}
    return {route: [one.name for one in chain._engines] for route, chain in chains.items()}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"urls": ()}, {"": ["local"]}),
        ({}, {"": ["local", "remote"]}),
        ({"backend": "remote"}, {"": ["remote"]}),
        ({"urls": (), "coder": "org/coder"}, {"chat": ["local"], "code": ["local_coder", "local"]}),
        ({"coder": "org/coder"}, {"chat": ["local", "remote"], "code": ["local_coder", "remote", "local"]}),
        (
            {"coder": "org/coder", "coder_there": "coder"},
            {"chat": ["local", "remote"], "code": ["local_coder", "remote_coder", "local"]},
        ),
        ({"backend": "remote", "coder_there": "coder"}, {"chat": ["remote"], "code": ["remote_coder", "remote"]}),
        ({"coder_there": "coder"}, {"": ["local", "remote"]}),
    ],
    ids=str,
)
def test_who_is_asked_and_who_stands_in(settings, expected):
    assert order(make_engine(config(**settings), Numbers())) == expected


def test_an_engine_of_two_chains_is_the_same_one():
    engine = make_engine(config(coder="org/coder"), Numbers())
    assert isinstance(engine, Routed)
    chat, code = (engine._engines[route] for route in ("chat", "code"))
    assert isinstance(chat, Fallback)
    assert isinstance(code, Fallback)
    assert set(chat._engines) < set(code._engines)


def test_an_echo_needs_nobody_to_stand_in():
    assert isinstance(make_engine(config(backend="echo"), Numbers()), EchoEngine)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "demo"),
        ({"coder": "org/coder"}, "demo + org/coder"),
        ({"backend": "remote"}, ", ".join(SERVERS)),
        ({"backend": "echo"}, "echo"),
    ],
    ids=str,
)
def test_what_is_loaded_is_named(settings, expected):
    assert asked_for(config(**settings).settings) == expected


def test_the_servers_are_asked_as_the_settings_say():
    engine = remote_engine(config(), "a-model", start_seconds=3)
    assert (engine._urls, engine._name, engine._api_key) == (SERVERS, "a-model", "sk")
    assert (engine._context, engine._timeout, engine._silence, engine._limit) == (8192, 300, 20, 128)
    assert engine._start_timeout == 3


def test_what_the_servers_can_do_is_what_the_settings_say():
    assert remote_engine(config(), "a-model").capabilities == REMOTE
    less = Settings(remote={"urls": SERVERS, "top_k": False, "repetition_penalty": False, "reasoning": True})
    engine = remote_engine(Config(less, HouseSecrets(), None), "a-model")
    assert engine.capabilities == replace(REMOTE, top_k=False, repetition_penalty=False, reasoning=True)


async def test_every_setting_of_the_engine_reaches_it_and_two_models_are_loaded():
    engine = make_engine(config(urls=(), coder=str(demo_folder()), context=256, threads=1, slots=2), Numbers())
    await engine.start()
    assert isinstance(engine, Routed)
    assert [model.context for model in models_of(engine)] == [256, 256]
    assert engine.model_of("code").is_demo
    assert engine.is_healthy
    await engine.stop()
    assert not engine.is_healthy
