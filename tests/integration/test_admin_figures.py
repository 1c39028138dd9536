"""The pages of figures over HTTP: what runs, which models and plugins there are, and who has used how much."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from bench.process import free_port
from bot.admin import live, models, plugins, quotas
from bot.admin.routes import Routes
from bot.admin.words import CHOICE
from bot.app import House
from bot.config import Settings
from bot.telemetry import PrometheusMetrics
from core.engine import Breaker, Fallback, Guarded, Routed
from core.errors import NotStored, Unavailable
from core.message import Author, ThreadId, Usage
from core.plugin import Setup
from core.plugins import Registry, found
from core.ports import Engine, ModelLoad, Queue, Recorded, Store, Window
from tests.admin import Browser, house_of, signed_in
from tests.fakes.asked import NoHttp
from tests.fakes.engine import ScriptedEngine
from tests.fakes.store import MemoryStore
from tests.figures import BusyOverview
from tests.store_moves import ANN, BOB, ROOM, message

PATHS = ("/admin/live", "/admin/models", "/admin/plugins", "/admin/quotas")
LIMITS = {"person": {"messages": 10, "tokens": 50_000}, "workspace": {"messages": 1000}}


@asynccontextmanager
async def pages_over(
    store: Store,
    *,
    engine: Engine | None = None,
    registry: Registry | None = None,
    limits: Mapping[str, Any] | None = None,
    disabled: Sequence[str] = (),
) -> AsyncIterator[tuple[House, str]]:
    """These pages alone, over this store, and their address."""
    settings = Settings(limits=limits or {}, plugins={"disabled": list(disabled)})
    house = SimpleNamespace(
        store=store,
        config=SimpleNamespace(settings=settings),
        engine=engine or ScriptedEngine(),
        metrics=PrometheusMetrics(),
        manager=SimpleNamespace(active=3),
        registry=registry,
        began_at=datetime.now(UTC) - timedelta(hours=30),
    )
    shown = (*live.PAGES, *models.PAGES, *plugins.PAGES, *quotas.PAGES)
    app = web.Application()
    app.add_routes(Routes(cast(House, house), b"s" * 32, shown, quotas.ACTIONS).table())
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield cast(House, house), f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def busy(store: MemoryStore) -> BusyOverview:
    store.overview = BusyOverview(store.overview)  # type: ignore[assignment]
    return cast(BusyOverview, store.overview)


@asynccontextmanager
async def visitor(store: Store, *roles: str, **kinds: Any) -> AsyncIterator[Browser]:
    async with pages_over(store, **kinds) as (house, url), signed_in(house, url, *roles, name="olga") as somebody:
        yield somebody


# ------------------------------------------------------------------------------------------------------- every page


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["viewer", "operator", "reader"])
async def test_whoever_is_signed_in_sees_the_figures_in_their_language(store: MemoryStore, path: str, role: str):
    async with visitor(store, role) as somebody:
        english = await somebody.get(path)
        chinese = await somebody.get(path, Accept_Language="zh-CN")
    module = {page.path: page for module in (live, models, plugins, quotas) for page in module.PAGES}[path]
    assert (english.status, chinese.status) == (200, 200)
    for answer, language in ((english, 0), (chinese, 1)):
        assert f"<h1>{module.texts['title'][language]}</h1>" in answer.text
        assert 'aria-current="page"' in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_where_the_database_is_away_a_sentence_says_so(store: MemoryStore, path: str):
    async with visitor(store, "viewer") as somebody:
        store.is_down = True
        answer = await somebody.get(path)
    assert answer.status == 503
    assert "The database does not answer just now" in answer.text


def test_every_text_says_the_same_in_both_languages():
    for module in (live, models, plugins, quotas):
        for page in module.PAGES:
            for name, (english, chinese) in page.texts.items():
                assert all((english, chinese)), name
                facts = [sorted(part.partition("}")[0] for part in text.split("{")[1:]) for text in (english, chinese)]
                assert facts[0] == facts[1], name


# ------------------------------------------------------------------------------------------------------------- live


async def test_the_live_page_shows_what_runs_and_waits(store: MemoryStore, busy: BusyOverview):
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/live")).text
    assert figure(page, "Running") == "16"
    assert figure(page, "Waiting") == "17"
    assert figure(page, "Oldest waits") == "3.4 s"
    assert figure(page, "Answers under way") == "3"
    assert row(page, "wecom_socket_of_the_sales_department") == ["questions", "2", "1", "420 ms"]
    assert row(page, "teams") == ["questions", "4", "0", "–"]
    assert row(page, "scripted") == ["answers", "0", "0"]


@pytest.mark.parametrize(("seconds", "tone"), [(1.9, ""), (2.1, " warn"), (31, " bad")])
async def test_a_long_wait_is_seen(store: MemoryStore, busy: BusyOverview, seconds: float, tone: str):
    busy.queued = (Queue("slack", "turn", 0, 1, timedelta(seconds=seconds)),)
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/live")).text
    assert f'<div class="figure{tone}"><dt>Oldest waits</dt>' in page


async def test_the_live_page_draws_each_window(store: MemoryStore, busy: BusyOverview):
    async with visitor(store, "viewer") as somebody:
        pages = {window: (await somebody.get(f"/admin/live?window={window}")).text for window in Window}
        strange = (await somebody.get("/admin/live?window=century")).text
    for window, page in pages.items():
        assert page.count('<figure class="plot">') == 4
        assert page.count('class="mark"') == 2  # 2 s, on the wide and on the narrow drawing of the first text alone
        assert f'href="/admin/live?window={window}" aria-current="true"' in page
        assert f'data-from="/admin/live/now?window={window}"' in page
    assert 'data-from="/admin/live/now?window=hour"' in strange


async def test_what_failed_and_what_came_late_is_seen(store: MemoryStore, busy: BusyOverview):
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/live?window=day")).text
    assert '<div class="figure bad"><dt>Failed</dt>' in page
    assert "<dt>First text, p99</dt>" in page


async def test_a_house_in_which_nothing_happens_says_so(store: MemoryStore):
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/live")).text
        chinese = (await somebody.get("/admin/live", Accept_Language="zh")).text
    for sentence in ("Nothing runs and nothing waits.", "Nobody asked anything.", "Nothing was answered."):
        assert sentence in page
    assert "没有正在处理或等待的事件。" in chinese
    assert figure(page, "Oldest waits") == "–"
    assert "<polyline" not in page


async def test_numbers_of_any_size_are_written_out(store: MemoryStore, busy: BusyOverview):
    busy.per_step = 4e9
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/live?window=week")).text
    assert len(figure(page, "Questions")) >= len("100,000,000,000")


async def test_the_fragment_is_the_figures_alone(store: MemoryStore, busy: BusyOverview):
    async with visitor(store, "viewer") as somebody:
        fragment = await somebody.get("/admin/live/now?window=day", Sec_Fetch_Dest="empty")
        whole = await somebody.get("/admin/live?window=day")
    assert "<html" not in fragment.text
    assert "<script" not in fragment.text
    assert fragment.text.count('<figure class="plot">') == 4
    assert whole.text.count('<section class="stack" id="now"') == 1
    assert fragment.headers["Cache-Control"] == "no-store"


async def test_a_script_is_told_that_the_session_is_over(store: MemoryStore):
    async with visitor(store, "viewer") as somebody:
        somebody.session.cookie_jar.clear()
        answer = await somebody.get("/admin/live/now", Sec_Fetch_Dest="empty")
    assert answer.status == 401


# ----------------------------------------------------------------------------------------------------------- models


def chain(metrics: PrometheusMetrics) -> tuple[Routed, Breaker]:
    """Two models, of which the one for code has the other behind it."""
    talker, coder = ScriptedEngine(), ScriptedEngine(context=1234)
    talker.model = replace(talker.model, name="talker", version="talker@1", is_demo=True)
    coder.model = replace(coder.model, name="coder", version="coder@2")
    breaker = Breaker(failures=1)
    first, second = Guarded(talker, "local", metrics), Guarded(coder, "local_coder", metrics, breaker)
    return Routed({"chat": Fallback([first], metrics), "code": Fallback([second, first], metrics)}, "chat"), breaker


async def test_models_are_shown_with_what_stands_in_for_them(store: MemoryStore, busy: BusyOverview):
    engine, breaker = chain(PrometheusMetrics())
    await engine.start()
    try:
        async with visitor(store, "viewer", engine=engine) as somebody:
            well = (await somebody.get("/admin/models")).text
            breaker.fail(breaker.admit())
            broken = (await somebody.get("/admin/models")).text
            live_page = (await somebody.get("/admin/live")).text
    finally:
        await engine.stop()
    assert row(well, "coder version coder@2")[:2] == ["answers local_coder", "code: choice 1"]
    assert row(well, "talker demo version talker@1")[1] == "talk code: choice 2"
    assert row(well, "coder version coder@2")[4] == "1,234 tokens"
    assert row(broken, "coder version coder@2")[0] == "let alone for a while local_coder"
    assert row(live_page, "local_coder")[0] == "let alone for a while"


async def test_an_engine_that_did_not_start_yet_is_shown_by_its_name(store: MemoryStore):
    metrics = PrometheusMetrics()
    first = Guarded(ScriptedEngine(), "local", metrics)
    engine = Fallback([first, Guarded(NeverThere(), "remote", metrics)], metrics)
    await engine.start()
    try:
        async with visitor(store, "viewer", engine=engine) as somebody:
            page = (await somebody.get("/admin/models")).text
    finally:
        await engine.stop()
    assert row(page, "remote not loaded yet")[0] == "not started yet"


class NeverThere(ScriptedEngine):
    @property
    def model(self) -> Any:
        raise Unavailable

    @model.setter
    def model(self, _: object) -> None: ...

    async def start(self) -> None:
        raise OSError


async def test_models_are_shown_with_what_they_did(store: MemoryStore, busy: BusyOverview):
    busy.models = (
        ModelLoad("scripted@1", 1_234_567, Usage(9_876_543_210, 5), 0.412, 3.9, 3, 2, 1, 3.67),
        ModelLoad("a-model-with-a-very-long-name-" * 6 + "@1", 1),
        ModelLoad("", 7),
    )
    async with visitor(store, "viewer") as somebody:
        page = (await somebody.get("/admin/models?window=week")).text
    told = ["1,234,567", "9,876,543,210", "5", "412 ms", "3.9 s", "3 2 good, 1 bad", "3.67"]
    assert row(page, "scripted@1 serves") == told
    assert row(page, "no model the house itself, a plugin, moderation")[:3] == ["7", "0", "0"]
    assert "What they did in the last week" in page


async def test_a_window_without_answers_says_so(store: MemoryStore):
    async with visitor(store, "viewer") as somebody:
        assert "Nothing was answered in this time." in (await somebody.get("/admin/models")).text


# ---------------------------------------------------------------------------------------------------------- plugins

ROOM_OF_PLUGINS = {
    "good": '''
        @plugin(about={"en": "Says <b>it</b>.", "zh": "说<b>话</b>。"}, slash="good", hosts=["api.example.org"])
        async def good(text: str = "") -> str:
            """Says it."""
            return text
        ''',
    "stern": '''
        @plugin(permission=Permission.ADMINS, confirm=True, outward=True)
        async def stern() -> str:
            """Does it."""
            return ""
        ''',
    "broken": "import no_such_package",
}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Registry]:
    for name, body in ROOM_OF_PLUGINS.items():
        lines = [line.removeprefix(" " * 8) for line in body.splitlines()]
        (folder / f"{name}.py").write_text("from core.plugin import Permission, plugin\n" + "\n".join(lines), "utf-8")
    registry = await Registry.open(found([folder]), lambda name: Setup(http=NoHttp()))
    try:
        yield registry
    finally:
        await registry.close()


async def test_plugins_are_shown_with_their_terms_and_their_calls(store: MemoryStore, tmp_path: Path):
    async with opened(tmp_path) as registry, pages_over(store, registry=registry, disabled=["mcp"]) as (house, url):
        for outcome, times in {"ok": 5, "failed": 2, "timeout": 1, "refused": 3, "asked": 4}.items():
            house.metrics.count("plugin_calls", times, plugin="good", outcome=outcome)
        async with signed_in(house, url, "viewer") as somebody:
            page = (await somebody.get("/admin/plugins")).text
            chinese = (await somebody.get("/admin/plugins", Accept_Language="zh")).text
    assert row(page, "good /good Says <b>it</b>.") == [
        "ok",
        "11 3 with wrong input 4 asked about first",
        "3 2 failed 1 too slow",
        "everybody within 10 s",
        "api.example.org",
        f"file {tmp_path / 'good.py'}",
    ]
    assert "<b>it</b>" not in page
    assert row(page, "stern Does it.")[3:5] == ["admins only asks first acts outside within 10 s", "no server"]
    assert row(page, "broken")[0] == "it could not be loaded: ModuleNotFoundError: No module named 'no_such_package'"
    assert row(chinese, "broken")[0].startswith("无法加载：")
    assert "Switched off in app.yaml" in page
    assert "which began 1 d 6 h ago" in page


async def test_a_plugin_that_was_switched_off_says_why_and_what_brings_it_back(store: MemoryStore, tmp_path: Path):
    async with opened(tmp_path) as registry, visitor(store, "operator", registry=registry) as somebody:
        registry.switch_off(
            "good", "it hung for more than 10 s; a restart brings it back", "超过 10 秒没有响应，重启后恢复"
        )
        page = (await somebody.get("/admin/plugins")).text
        chinese = (await somebody.get("/admin/plugins", Accept_Language="zh")).text
    assert row(page, "good switched off Says <b>it</b>.")[0] == "it hung for more than 10 s; a restart brings it back"
    assert row(chinese, "good 已停用 说<b>话</b>。")[0] == "已停用：超过 10 秒没有响应，重启后恢复"
    assert "They come back when the process is started again." in page


async def test_without_plugins_a_sentence_says_so(store: MemoryStore):
    async with visitor(store, "viewer") as somebody:
        assert "Plugins are switched off" in (await somebody.get("/admin/plugins")).text


# ----------------------------------------------------------------------------------------------------------- quotas


async def use(store: Store, person: Author, times: int, tokens: int = 0, thread: ThreadId = ROOM) -> None:
    """As if they had asked so often today."""
    for turn in range(times):
        said = message(f"{person.id} {turn} {thread.channel}", author=person, thread=thread)
        async with store.unit() as unit:
            await unit.inbox.add([said])
        async with store.unit() as unit:
            claims = await unit.inbox.claim(
                "turn", owner="somebody", doors=[said.thread.adapter], limit=1, lease=timedelta(minutes=1)
            )
            await unit.meter.count(claims[0], person, said.thread)
            await unit.meter.spend(person, said.thread, tokens)
            await unit.inbox.finish(claims[0])


async def test_only_a_reader_is_told_whose_figures_these_are(store: MemoryStore):
    await use(store, ANN, 9, 100)
    await use(store, BOB, 3)
    mark = (await store.quotas.of(ANN)).id
    pages = {}
    for role in ("viewer", "operator", "reader"):
        async with visitor(store, role, limits=LIMITS) as somebody:
            pages[role] = (await somebody.get("/admin/quotas?words=yes")).text
        await store.admins.remove("olga", by="test")
    for role in ("viewer", "operator"):
        assert not {ANN.id, ANN.name} & set(re.findall(r"\w+", pages[role]))
        assert ANN.key not in pages[role]
        assert f"<code>{mark[:8]}</code>" in pages[role]
        assert ANN.workspace not in pages[role]
    assert ANN.key in pages["reader"]
    assert mark not in pages["viewer"]
    assert "The audit log calls each person by the same mark." in pages["viewer"]


async def test_a_reader_is_shown_names_on_wish_and_that_is_written_down_before(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
):
    await use(store, ANN, 9)
    await store.quotas.lift(BOB, by="test")
    async with visitor(store, "reader", limits=LIMITS) as somebody:
        blind = (await somebody.get("/admin/quotas")).text
        assert not await opened_names(store)
        assert ANN.key not in blind
        assert f'href="/admin/quotas?{CHOICE}=yes"' in blind
        assert ANN.key in (await somebody.get(f"/admin/quotas?{CHOICE}=yes")).text
        marks = {(await store.quotas.of(one)).id for one in (ANN, BOB)}
        assert {line.details["person"] for line in await opened_names(store)} == marks

        async def fails(*_: object, **__: object) -> None:
            raise NotStored

        monkeypatch.setattr(store.audit, "record", fails)
        refused = await somebody.get(f"/admin/quotas?{CHOICE}=yes")
    assert refused.status == 503
    assert ANN.key not in refused.text


async def opened_names(store: Store) -> list[Recorded]:
    return [line for line in await store.audit.newest(limit=50) if line.action == "names-opened"]


async def test_who_is_near_a_limit_or_over_it_is_seen(store: MemoryStore):
    await use(store, ANN, 8, 10)
    await use(store, BOB, 1, 50_000)
    async with visitor(store, "reader", limits=LIMITS) as somebody:
        page = (await somebody.get("/admin/quotas?words=yes")).text
    assert row(page, called(ANN))[:3] == ["near the limit", "8 of 10", "80 of 50,000"]
    assert row(page, called(BOB))[:3] == ["over the limit", "1 of 10", "50,000 of 50,000"]
    assert page.index(called(BOB).split()[-1]) < page.index(called(ANN).split()[-1])
    assert row(page, f"{ROOM.adapter}:{ROOM.workspace}") == ["within", "2", "9 of 1,000", "50,080"]


async def test_a_limit_of_nothing_is_always_reached(store: MemoryStore):
    await use(store, ANN, 1)
    async with visitor(store, "reader", limits={"person": {"messages": 0}}) as somebody:
        page = (await somebody.get("/admin/quotas?words=yes")).text
    assert row(page, called(ANN))[:2] == ["over the limit", "1 of 0"]


async def test_an_operator_lifts_a_limit_and_takes_that_back(store: MemoryStore):
    await use(store, ANN, 10)
    mark = (await store.quotas.of(ANN)).id
    async with visitor(store, "operator", limits=LIMITS) as somebody:
        page = await somebody.get("/admin/quotas")
        lifted = await somebody.post("/admin/quotas/lift", {"csrf": page.csrf, "mark": mark})
        assert (lifted.status, lifted.location) == (303, "/admin/quotas?said=lifted")
        after = (await somebody.get(lifted.location)).text
        assert "The limits are lifted, and the audit log says by whom." in after
        assert row(after, mark[:8])[0].startswith("lifted until ")
        assert (await store.quotas.of(ANN)).lifted_until
        restored = await somebody.post("/admin/quotas/restore", {"csrf": page.csrf, "mark": mark})
        again = await somebody.post("/admin/quotas/restore", {"csrf": page.csrf, "mark": mark})
        assert [restored.location, again.location] == ["/admin/quotas?said=restored", "/admin/quotas?said=held"]
    assert (await store.quotas.of(ANN)).lifted_until is None
    lines = [line for line in await store.audit.newest(limit=9) if line.action in ("lift", "lift-ended")]
    assert [(line.action, line.by, line.details["person"]) for line in lines] == [
        ("lift-ended", "admin olga (local)", mark),
        ("lift", "admin olga (local)", mark),
    ]


async def test_limits_are_lifted_for_somebody_by_name_for_a_week(store: MemoryStore):
    person = Author("slack", "T012AB3CD", "U045EF6GH")
    async with visitor(store, "operator") as somebody:
        csrf = (await somebody.get("/admin/quotas")).csrf
        form = {"csrf": csrf, "key": person.key, "for": "week"}
        assert (await somebody.post("/admin/quotas/lift", form)).location.endswith("said=lifted")
        for key in ("nobody", "a:b", "a:b:c:d", "a::c"):
            strange = await somebody.post("/admin/quotas/lift", {"csrf": csrf, "key": key})
            assert strange.location.endswith("said=malformed"), key
        assert (await somebody.post("/admin/quotas/lift", {"csrf": csrf, "mark": "f" * 32})).location.endswith("gone")
    ((lifted),) = await store.quotas.lifted(limit=9)
    assert lifted.person == person
    assert timedelta(days=6.9) < lifted.until - datetime.now(UTC) < timedelta(days=7.1)


@pytest.mark.parametrize("path", [action.path for action in quotas.ACTIONS])
async def test_nobody_else_changes_a_limit(store: MemoryStore, path: str):
    await use(store, ANN, 10)
    mark = (await store.quotas.of(ANN)).id
    async with pages_over(store, limits=LIMITS) as (house, url):
        async with signed_in(house, url, "reader", name="reader") as reader:
            csrf = (await reader.get("/admin/quotas")).csrf
            assert (await reader.post(path, {"csrf": csrf, "mark": mark})).status == 403
        async with signed_in(house, url, "operator", name="operator") as operator:
            csrf = (await operator.get("/admin/quotas")).csrf
            assert (await operator.post(path, {"csrf": "0" * len(csrf), "mark": mark})).status == 403
            assert (await operator.post(path, {"mark": mark})).status == 403
            evil = await operator.post(path, {"csrf": csrf, "mark": mark}, Origin="https://evil.example")
            assert evil.status == 403
    assert (await store.quotas.of(ANN)).lifted_until is None


async def test_a_viewer_finds_nothing_to_press(store: MemoryStore):
    await use(store, ANN, 10)
    await store.quotas.lift(BOB, by="test")
    async with visitor(store, "viewer", limits=LIMITS) as somebody:
        page = (await somebody.get("/admin/quotas")).text
    assert "/admin/quotas/" not in page


async def test_who_is_forgotten_has_figures_and_no_name(store: MemoryStore):
    await use(store, ANN, 10)
    mark = (await store.quotas.of(ANN)).id
    await store.people.forget(ANN)
    async with visitor(store, "reader", limits=LIMITS) as reader:
        page = (await reader.get("/admin/quotas")).text
    assert row(page, f"{mark[:8]} nobody knows any more who")[:2] == ["over the limit", "10 of 10"]


async def test_a_house_without_limits_or_questions_says_so(store: MemoryStore):
    async with visitor(store, "operator") as somebody:
        page = (await somebody.get("/admin/quotas")).text
    for sentence in ("There are no limits", "Nobody has asked anything today.", "The limits hold for everybody."):
        assert sentence in page


# ---------------------------------------------------------------------------------------------------- the whole house


async def test_a_whole_house_shows_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with house_of(tmp_path, monkeypatch, PARLEY_LIMITS__PERSON__MESSAGES="2") as (house, url):
        for _ in range(2):
            (receipt,) = await house.accept([message()])
            async for _ in house.store.drafts.follow(receipt.reply_id):
                pass
        async with signed_in(house, url, "operator") as somebody:
            assert (await somebody.get("/admin")).location == "/admin/live"
            pages = {path: await somebody.get(path) for path in (*PATHS, "/admin/live/now")}
            assert {answer.status for answer in pages.values()} == {200}
            assert row(pages["/admin/models"].text, "scripted version scripted@1")[0] == "answers"
            assert row(pages["/admin/plugins"].text, "calculator")[0] == "ok"
            mark = (await house.store.quotas.of(ANN)).id
            quota = pages["/admin/quotas"]
            assert row(quota.text, mark[:8])[:2] == ["over the limit", "2 of 2"]
            lifted = await somebody.post("/admin/quotas/lift", {"csrf": quota.csrf, "mark": mark})
            assert lifted.location.endswith("said=lifted")
        (line,) = [line for line in await house.store.audit.newest(limit=9) if line.action == "lift"]
        assert (line.by, line.details["person"]) == ("admin ann (local)", mark)


# ----------------------------------------------------------------------------------------------------------- reading


def figure(page: str, label: str) -> str:
    """The number that stands under this label."""
    return text(page.partition(f"<dt>{label}</dt><dd>")[2].partition("</dd>")[0]).split(" in ")[0].split(" of ")[0]


def row(page: str, head: str) -> list[str]:
    """The cells of the line that begins so, as they are read."""
    for line in page.split("<tr>")[1:]:
        first, _, rest = line.partition("</tr>")[0].partition("</th>")
        if text(first) == head or text(first).startswith(f"{head} /"):
            return [text(cell.partition(">")[2]) for cell in rest.split("<td")[1:]]
    raise AssertionError(f"no line begins with {head!r}")


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def called(person: Author) -> str:
    """As a reader sees them."""
    return f"{person.name} {person.key}" if person.name else person.key
