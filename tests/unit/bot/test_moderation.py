"""Moderation as it is set: which rules it has, and the judge outside the house."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import config as configuration
from bot.config import ModerationSettings, PersonalSettings
from bot.moderation import desk, make_rulebook, open_moderation
from bot.moderation.openai import OpenAiJudge
from bot.people import operator
from bot.texts import say
from core.errors import Misconfigured, Unavailable
from core.moderation import screened
from core.moderation.rules import Action
from core.ports import Incident
from core.store import Keys, PostgresStore
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.postgres import database
from tests.store_moves import ANN, BOB, ROOM, answered, message

Answer = Callable[[dict[str, Any]], Any]


class Service:
    """Stands in for the service: answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status = 200
        self.answer: Answer = lambda body: {"results": [_result() for _ in body["input"]]}
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization", ""))
        self.asked.append(await request.json())
        return web.json_response(self.answer(self.asked[-1]), status=self.status)


def _result(**categories: bool) -> dict[str, Any]:
    return {"flagged": any(categories.values()), "categories": {"violence": False} | categories}


@pytest.fixture
async def service() -> AsyncGenerator[Service, None]:
    service, app = Service(), web.Application()
    app.router.add_post("/v1/moderations", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.url = f"http://{host}:{port}/v1"
    yield service
    await runner.cleanup()


@pytest.fixture
async def judge(service: Service) -> AsyncGenerator[OpenAiJudge, None]:
    judge = OpenAiJudge(service.url, "omni-moderation-latest", "k-1", seconds=5)
    yield judge
    await judge.close()


async def test_texts_are_judged_together_under_the_key(service: Service, judge: OpenAiJudge):
    assert await judge.judge(["one", "two"]) == frozenset()
    assert service.asked == [{"model": "omni-moderation-latest", "input": ["one", "two"]}]
    assert service.keys == ["Bearer k-1"]


async def test_every_category_that_is_flagged_is_told(service: Service, judge: OpenAiJudge):
    service.answer = lambda body: {"results": [_result(), _result(violence=True, **{"self-harm": True})]}
    assert await judge.judge(["one", "two"]) == {"violence", "self-harm"}


async def test_a_long_text_is_read_in_pieces_that_overlap(service: Service, judge: OpenAiJudge):
    text = "".join(chr(0x4E00 + at % 5000) for at in range(200_000))
    await judge.judge([text])
    pieces = [piece for body in service.asked for piece in body["input"]]
    assert max(map(len, pieces)) <= 8_000
    assert all(len(body["input"]) <= 16 for body in service.asked)
    joined = pieces[0] + "".join(piece[200:] for piece in pieces[1:])
    assert joined == text


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"results": []}),
        (302, {}),
        (429, {}),
        (200, {"results": []}),
        (200, {}),
        (200, []),
        (200, {"results": [7]}),
        (200, {"results": [{"flagged": True, "categories": 7}]}),
    ],
)
async def test_what_is_no_judgement_is_none(service: Service, judge: OpenAiJudge, status: int, answer: Any):
    service.status, service.answer = status, lambda body: answer
    with pytest.raises(Unavailable) as caught:
        await judge.judge(["a secret plan"])
    assert "secret" not in str(caught.value)
    assert "k-1" not in str(caught.value)


async def test_a_service_that_is_away_is_unavailable():
    judge = OpenAiJudge("http://127.0.0.1:9/v1", "m", "k", seconds=2)
    with pytest.raises(Unavailable):
        await judge.judge(["one"])
    await judge.close()


def test_the_rules_that_come_with_it_refuse_what_they_name_and_note_who_is_in_need():
    rules = make_rulebook(ModerationSettings(), None).rules
    assert screened("How to make a b0mb?", rules).refusal
    assert screened("請教我製造炸彈", rules).refusal
    assert not screened("How do I stop a fork bomb?", rules).hits
    (note,) = screened("有时候我不想活了", rules).hits
    assert note.rule.action is Action.FLAG
    assert screened("13800138000", rules, "zh").text == "[手机号]"


def test_rules_of_ones_own_are_added_to_them_or_stand_alone(tmp_path: Path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.yaml").write_text("category: own\nwords: [zorbling]\n", encoding="utf-8")
    both = make_rulebook(ModerationSettings(rules=(Path("own"),)), tmp_path / "app.yaml").rules
    alone = make_rulebook(ModerationSettings(rules=(Path("own"),), defaults=False), tmp_path / "app.yaml").rules
    assert screened("zorbling", both).refusal
    assert screened("制造炸弹", both).refusal
    assert screened("zorbling", alone).refusal
    assert not screened("制造炸弹", alone).refusal


def test_personal_data_may_be_left_alone():
    rules = make_rulebook(ModerationSettings(personal=PersonalSettings(email="none", mobile="refuse")), None).rules
    assert not screened("ann@example.com", rules).hits
    assert screened("13800138000", rules).refusal


def test_rules_that_are_not_there_keep_it_from_starting(tmp_path: Path):
    with pytest.raises(Misconfigured, match="no folder"):
        make_rulebook(ModerationSettings(rules=(tmp_path / "none",)), None)


async def test_it_is_on_unless_it_is_turned_off(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with AsyncExitStack() as stack:
        assert len(open_moderation(configuration.load(), MemoryStore(), Numbers(), stack)) == 1
        monkeypatch.setenv("PARLEY_MODERATION__ENABLED", "false")
        assert open_moderation(configuration.load(), MemoryStore(), Numbers(), stack) == ()


def test_a_judge_without_a_key_keeps_it_from_starting(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_MODERATION__OPENAI__ENABLED", "true")
    with pytest.raises(Misconfigured, match="PARLEY_MODERATION_KEY"):
        configuration.load()
    monkeypatch.setenv("PARLEY_MODERATION_KEY", "k-1")
    assert configuration.load().settings.moderation.openai.fail == "closed"


def test_the_operator_sees_what_the_rules_say_of_a_text(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration.load()
    assert desk.judged(config, "Good morning") == [say("moderation_clean")]
    assert desk.judged(config, "Call 13800138000")[-1] == "Call [phone number]"
    (line,) = desk.judged(config, "代开发票")
    assert line.startswith("refuse")
    assert "fraud" in line


async def test_the_operator_sees_what_was_found_and_what_people_say_to_it(tmp_path: Path, monkeypatch):
    keys = Keys.generate()
    monkeypatch.chdir(tmp_path)
    with database() as url:
        store = PostgresStore(url, keys)
        await store.start()
        first, second = [await answered(store, message(author=author)) for author in (ANN, BOB)]
        async with store.unit() as unit:
            incident = Incident("question", "games", "refuse", 4, ("rules.yaml/games: moon bet",), "m-o-o-n bet")
            await unit.incidents.record(first, ROOM, ANN, incident)
            await unit.incidents.appeal(ANN, ROOM, comment="it is a song")
            await unit.incidents.record(second, ROOM, BOB, Incident("answer", "gossip", "flag"))
        await store.stop()
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("PARLEY_KEYS", keys.dump())
        config = configuration.load()
        every = await desk.hits(config, lambda line: None, appealed=False, limit=9)
        appealed = await desk.hits(config, lambda line: None, appealed=True, limit=9)
        later = PostgresStore(url, keys)
        await later.start()
        opened = [line for whose in (ANN, BOB) for line in await later.audit.newest(limit=9, person=whose)]
        await later.stop()
    assert [(line.action, line.by, line.details["hits"]) for line in opened] == [
        ("hits-opened", operator(), 1),
        ("hits-opened", operator(), 2),
        ("hits-opened", operator(), 2),
    ]
    assert "gossip" in every[0]
    assert "m-o-o-n bet" in appealed[0]
    assert appealed[1].strip() == "rules.yaml/games: moon bet"
    assert appealed[2].endswith("it is a song")
    assert len(appealed) == 3
