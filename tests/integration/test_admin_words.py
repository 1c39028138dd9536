"""The pages that show what people wrote: to readers alone, written down first, and never run."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from aiohttp import web
from yarl import URL

from adapters.console import parse as console
from adapters.slack import parse as slack
from adapters.wecom import parse as wecom
from bench.process import free_port
from bot.admin import conversations, moderation, ratings, words
from bot.admin.place import Place
from bot.admin.routes import PAGES, Routes
from bot.admin.sessions import SESSION, cookie_name
from bot.app import House
from bot.audit import listed
from bot.config import Settings
from core.errors import NotStored
from core.message import Author
from core.ports import Incident, Recorded, SignedIn, Store
from core.store.database import conninfo
from tests import office
from tests.admin import Answer, Browser, browser, house_of, signed_in
from tests.fakes.store import MemoryStore
from tests.store_moves import ANN, BOB, message, moment, vote

LISTS = ("/admin/conversations", "/admin/ratings", "/admin/moderation")
CANARY = "CanaryOfThisTest"


@asynccontextmanager
async def pages_over(store: Store) -> AsyncIterator[str]:
    """The address of these pages alone, over this store."""
    house = cast(House, SimpleNamespace(store=store, config=SimpleNamespace(settings=Settings())))
    app = web.Application()
    shown = (*conversations.PAGES, *ratings.PAGES, *moderation.PAGES)
    app.add_routes(Routes(house, b"s" * 32, shown, moderation.ACTIONS).table())
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@asynccontextmanager
async def visitor(store: Store, *roles: str) -> AsyncIterator[Browser]:
    """Somebody at the pages alone, who is signed in already."""
    now = moment()
    session = SignedIn("ann", frozenset(roles), "ann", "local", now, now + timedelta(hours=1))
    async with pages_over(store) as url, browser(url) as somebody:
        await store.admins.add("ann", roles=roles, password="as good as any", by="test")
        await store.admins.begin("token", session, password="as good as any")
        name = cookie_name(SESSION, Place(url))
        somebody.session.cookie_jar.update_cookies({name: "token"}, URL(url))
        yield somebody


async def conversation(store: Store, place: int = 0) -> str:
    talks = await store.overview.talks(limit=50)
    return f"/admin/conversations/{talks.lines[place].id}"


async def audited(store: Store, action: str, person: Author | None = None) -> list[Recorded]:
    lines = await store.audit.newest(limit=500, person=person)
    return [line for line in lines if line.action == action]


def refuse_to_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def record(*_: Any, **__: Any) -> None:
        raise NotStored

    monkeypatch.setattr(store.audit, "record", record)


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_harmless(answer: Answer) -> None:
    """Nothing on it runs, is fetched from elsewhere, or leads there."""
    tags = Tags(answer.text)
    for tag, attributes in tags.found:
        assert tag not in ("script", "iframe", "object", "embed", "style", "base")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action", "formaction", "srcset", "poster"):
            address = attributes.get(name)
            assert address is None or re.match(r"/admin[/?]|/admin$|#|\?", address), (tag, address)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")


# ---------------------------------------------------------------------------------------------------- who sees what


async def whisper(store: Store) -> None:
    """One of everything that somebody can write, with the canary in each."""
    hit = Incident("question", "weapons", "refuse", 4, ("house/weapons",), f"excerpt {CANARY}")
    asked = office.asked(f"question {CANARY}", Author("slack", "T0EXAMPLE", f"id-{CANARY}", f"name {CANARY}"))
    reply = await office.answer(store, asked, f"answer {CANARY}", incidents=[hit])
    await office.cast(
        store, vote(reply, 1, reason=f"reason {CANARY}", comment=f"comment {CANARY}", author=asked.author)
    )
    async with store.unit() as unit:
        assert await unit.incidents.appeal(asked.author, reply, comment=f"appeal {CANARY}")


@pytest.mark.parametrize("roles", [("viewer",), ("operator",), ("viewer", "operator")])
async def test_who_is_no_reader_finds_not_a_word_of_anybodys(store: MemoryStore, roles: tuple[str, ...]):
    await whisper(store)
    async with visitor(store, *roles) as somebody:
        for path in LISTS:
            for query in ("", "?words=yes", "?words=yes&score=down&action=refuse&appeals=open", "?lang=zh&words=yes"):
                page = await somebody.get(path + query)
                assert page.status == 200
                assert CANARY not in page.text
                assert "/admin/conversations/" not in page.text
        refused = await somebody.get(await conversation(store))
    assert refused.status == 403
    assert CANARY not in refused.text
    assert not [line for line in await store.audit.newest(limit=500) if line.action.endswith("-opened")]


async def test_no_page_at_all_has_a_word_for_who_is_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with house_of(tmp_path, monkeypatch) as (house, url):
        await whisper(house.store)
        async with signed_in(house, url, "viewer", "operator") as somebody:
            for page in PAGES:
                if "{" not in page.path:
                    shown = await somebody.get(page.path)
                    assert shown.status == 200
                    assert CANARY not in shown.text


async def test_words_of_a_list_are_shown_to_a_reader_on_wish(store: MemoryStore):
    await whisper(store)
    async with visitor(store, "reader") as reader:
        for path, expected in (("/admin/ratings", 6), ("/admin/moderation", 3)):
            assert CANARY not in (await reader.get(path)).text
            shown = (await reader.get(f"{path}?words=yes")).text
            assert shown.count(CANARY) >= expected
            assert "in the audit log" in shown


async def test_a_viewer_is_told_that_words_are_left_out(store: MemoryStore):
    await whisper(store)
    async with visitor(store, "viewer") as viewer:
        for path in LISTS:
            assert "What people wrote is left out here" in (await viewer.get(path)).text
            assert "这里不显示人们写的内容" in (await viewer.get(path, Accept_Language="zh-CN")).text


async def test_a_reason_that_no_door_offers_is_read_as_somebodys_words(store: MemoryStore):
    reply = await office.answer(store, message(), "42")
    await office.cast(store, vote(reply, 1, reason=f"incomplete, {CANARY}"))
    async with visitor(store, "viewer") as viewer:
        assert "incomplete, other" in (await viewer.get("/admin/ratings")).text


async def test_a_name_turns_no_words_around_it(store: MemoryStore):
    await office.answer(store, message(author=Author("slack", "T0EXAMPLE", "U0EVE", "Eve\u2069\u202egnihton")), "42")
    async with visitor(store, "reader") as reader:
        page = (await reader.get(await conversation(store))).text
    assert "\u2068Evegnihton\u2069" in page
    assert "\u202e" not in page


# ------------------------------------------------------------------------------------------------------ written down


async def test_opening_a_conversation_is_written_down_for_everybody_in_it(store: MemoryStore):
    reply = await office.answer(store, message("mine"), "yours")
    await office.answer(store, message("Bob's", author=BOB), "his")
    await office.cast(store, vote(reply, 1, author=office.LIN, comment="not so"), vote(reply, 5, author=office.NOOR))
    path = await conversation(store)  # which says of each vote whose it is
    async with visitor(store, "reader") as reader:
        assert "mine" in (await reader.get(path)).text
    for person, count in ((ANN, 1), (BOB, 1), (office.LIN, 1), (office.NOOR, 1)):
        assert len(await audited(store, "conversation-opened", person)) == count
    line = (await audited(store, "conversation-opened", ANN))[0]
    assert "ann" in line.by
    assert line.details["conversation"] == path.rpartition("/")[2]
    assert line.details["questions"] == 2


async def test_each_further_page_of_a_conversation_is_an_opening(store: MemoryStore):
    for number in range(conversations.QUESTIONS_PER_PAGE + 2):
        await office.answer(store, message(f"question {number}."), "42")
    path = await conversation(store)
    async with visitor(store, "reader") as reader:
        newest = await reader.get(path)
        assert "question 11." in newest.text
        assert "question 1." not in newest.text
        assert newest.text.index("question 10.") < newest.text.index("question 11.")
        before = re.search(r'href="(/admin/conversations/[0-9a-f]+\?before=[^"]+)"', newest.text)
        assert before
        earlier = await reader.get(before[1])
        assert "question 1." in earlier.text
        assert "question 2." not in earlier.text
    assert [line.details["questions"] for line in await audited(store, "conversation-opened")] == [2, 10]


@pytest.mark.parametrize("path", ["conversation", "/admin/ratings?words=yes", "/admin/moderation?words=yes"])
async def test_nothing_is_shown_that_could_not_be_written_down(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, path: str
):
    await whisper(store)
    async with visitor(store, "reader") as reader:
        refuse_to_write(store, monkeypatch)
        refused = await reader.get(await conversation(store) if path == "conversation" else path)
        assert refused.status == 503
        assert CANARY not in refused.text
        assert "?" not in path or (await reader.get(path.partition("?")[0])).status == 200


@pytest.mark.parametrize(("path", "action"), [("ratings", "ratings-opened"), ("moderation", "hits-opened")])
async def test_a_list_with_words_is_written_down_for_each_person_on_it(store: MemoryStore, path: str, action: str):
    for author in (ANN, BOB, ANN):
        hit = Incident("question", "weapons", "flag", excerpt="…")
        reply = await office.answer(store, message(author=author), "42", incidents=[hit])
        await office.cast(store, vote(reply, 5, author=office.LIN))
    async with visitor(store, "reader") as reader:
        await reader.get(f"/admin/{path}")
        assert await audited(store, action) == []
        await reader.get(f"/admin/{path}?words=yes")
    people = 3 if path == "ratings" else 2
    assert len(await audited(store, action)) == people
    for person in (ANN, BOB):
        (line,) = await audited(store, action, person)
        assert line.details[path.replace("ratings", "votes").replace("moderation", "hits")] == 3


async def test_an_unknown_conversation_is_not_found_and_not_written_down(store: MemoryStore):
    async with visitor(store, "reader") as reader:
        for name in ("0" * 32, "x", "%00", "../audit"):
            assert (await reader.get(f"/admin/conversations/{name}")).status == 404
    assert await audited(store, "conversation-opened") == []


# -------------------------------------------------------------------------------------------- what the pages show


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", LISTS)
async def test_an_empty_house_says_so(store: MemoryStore, path: str, language: str):
    async with visitor(store, "reader", "operator") as reader:
        page = await reader.get(f"{path}?words=yes", Accept_Language=language)
    assert page.status == 200
    assert 'class="empty"' in page.text


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_bit_of_everything_is_harmless_in_both_languages(store: MemoryStore, language: str):
    await office.furnish(store)
    await office.weeks(store, 3)
    async with visitor(store, "reader", "operator") as reader:
        talks = len((await store.overview.talks(limit=50)).lines)
        opened = [
            await reader.get(await conversation(store, place), Accept_Language=language) for place in range(talks)
        ]
        lists = [await reader.get(f"{path}?words=yes", Accept_Language=language) for path in LISTS]
    for page in (*opened, *lists):
        assert page.status == 200
        is_harmless(page)
        assert not re.search(r"\b(state|where|action|source|reason|score|verdict)_[a-z]", Tags(page.text).text)
    desk = next(page for page in opened if "legal team" in page.text)
    assert "(https://exfil.example/leak.png?words=canary)" in desk.text
    assert "hunter2" not in desk.text


async def test_what_was_erased_and_what_cannot_be_opened_says_so(store: MemoryStore):
    await office.furnish(store)
    async with visitor(store, "reader") as reader:
        pages = [await reader.get(await conversation(store, place)) for place in range(2)]
        assert sum("the words are erased" in page.text for page in pages) == 1
        await store.people.forget(office.ANN)
        assert "hunter2" not in "".join([(await reader.get(f"{path}?words=yes")).text for path in LISTS])


async def test_votes_can_be_seen_by_score_and_by_model(store: MemoryStore):
    await office.furnish(store)
    async with visitor(store, "reader") as reader:
        down = (await reader.get("/admin/ratings?words=yes&score=down")).text
        chat = (await reader.get(f"/admin/ratings?words=yes&model={office.CHAT.model}")).text
        assert "second* loop" in down
        assert "很清楚" not in down
        assert "很清楚" in chat
        assert "second* loop" not in chat


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"weapons", "personal_data", "gambling"}),
        ("action=mask", {"personal_data"}),
        ("category=gambling", {"gambling"}),
        ("category=gambling&action=mask", set()),
        ("appeals=made", {"weapons"}),
        ("appeals=open", {"weapons"}),
        ("action=nonsense&appeals=nonsense&before=x", {"weapons", "personal_data", "gambling"}),
    ],
)
async def test_hits_can_be_seen_by_action_category_and_appeal(store: MemoryStore, query: str, shown: set[str]):
    await office.furnish(store)
    async with visitor(store, "viewer") as viewer:
        page = (await viewer.get(f"/admin/moderation?{query}")).text
    assert set(re.findall(r"<h3>(\w+)</h3>", page)) == shown


@pytest.mark.parametrize(("role", "is_led"), [("reader", True), ("operator", False)])
async def test_a_hit_leads_a_reader_to_its_conversation(store: MemoryStore, role: str, is_led: bool):
    await appealed(store)
    talk = await conversation(store)
    async with visitor(store, role) as somebody:
        page = (await somebody.get("/admin/moderation")).text
        assert (f'href="{talk}"' in page) is is_led
        assert ("What moderation found" in (await somebody.get(talk)).text) is is_led


async def test_a_category_is_found_however_far_back(store: MemoryStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(moderation, "_BATCH", 2)
    for category in ("rare", *["common"] * 9):
        await office.answer(store, message(), "42", incidents=[Incident("question", category, "flag")])
    async with visitor(store, "viewer") as viewer:
        assert "<h3>rare</h3>" in (await viewer.get("/admin/moderation?category=rare")).text
        monkeypatch.setattr(moderation, "_BATCHES", 2)
        page = (await viewer.get("/admin/moderation?category=rare")).text
        assert "<h3>rare</h3>" not in page
        assert "Looked through 4 hits" in page
        assert 'rel="next"' in page


async def test_hits_go_on_from_page_to_page(store: MemoryStore):
    for number in range(moderation.PER_PAGE + 3):
        await office.answer(store, message(), "42", incidents=[Incident("question", f"c{number}", "flag")])
    async with visitor(store, "viewer") as viewer:
        first = (await viewer.get("/admin/moderation")).text
        following = re.search(r'href="([^"]+)" rel="next"', first)
        assert following
        second = (await viewer.get(following[1])).text
    assert len(re.findall("<h3>c", first)) == moderation.PER_PAGE
    assert re.findall(r"<h3>(c\d+)<", second) == ["c2", "c1", "c0"]
    assert 'rel="next"' not in second


# ----------------------------------------------------------------------------------------------------------- ruling


async def appealed(store: Store) -> None:
    hit = Incident("question", "weapons", "refuse")
    reply = await office.answer(store, message(), "No.", incidents=[hit])
    async with store.unit() as unit:
        assert await unit.incidents.appeal(ANN, reply, comment="It is for the museum")


def ruling(page: Answer, **more: str) -> dict[str, str]:
    cursor = re.search(r'name="cursor" value="(\d+)"', page.text)
    return {"csrf": page.csrf, "cursor": cursor[1] if cursor else "1", "verdict": "right", **more}


async def test_an_operator_rules_on_an_appeal_and_it_is_written_down(store: MemoryStore):
    await appealed(store)
    async with visitor(store, "operator") as operator:
        page = await operator.get("/admin/moderation?appeals=open")
        form = ruling(page, note="  an exhibit  ", appeals="open")
        done = await operator.post("/admin/moderation/rule", form)
        assert (done.status, done.location) == (303, "/admin/moderation?appeals=open&said=ruled")
        shown = await operator.get(done.location)
        assert "The ruling is kept" in shown.text
        assert "There are no such hits" in shown.text
        assert "an exhibit" in (await operator.get("/admin/moderation")).text
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=9)
    assert kept.appeal
    assert kept.appeal.ruling
    assert (kept.appeal.ruling.is_right, kept.appeal.ruling.note) == (True, "an exhibit")
    (line,) = await audited(store, "appeal-ruled", ANN)
    assert line.details["is_right"] is True
    assert "exhibit" not in str(line.details)


async def test_a_viewer_reads_how_it_was_ruled_without_the_note(store: MemoryStore):
    await appealed(store)
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=1)
        await unit.incidents.rule(kept.cursor, by="admin bea", is_right=False, note=CANARY)
    async with visitor(store, "viewer") as viewer:
        page = (await viewer.get("/admin/moderation")).text
    assert "it stays as it is" in page
    assert CANARY not in page
    assert "/admin/moderation/rule" not in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "maybe"}, "no_verdict"),
        ({"verdict": ""}, "no_verdict"),
        ({"cursor": "99"}, "no_appeal"),
        ({"cursor": "-1"}, "no_appeal"),
        ({"cursor": "9" * 40}, "no_appeal"),
        ({"cursor": "٣"}, "no_appeal"),
    ],
)
async def test_nonsense_rules_on_nothing(store: MemoryStore, change: dict[str, str], said: str):
    await appealed(store)
    async with visitor(store, "operator") as operator:
        form = ruling(await operator.get("/admin/moderation"), **change)
        done = await operator.post("/admin/moderation/rule", form)
        assert done.location.endswith(f"said={said}")
        assert (await operator.get(done.location)).status == 200
    assert await audited(store, "appeal-ruled") == []


@pytest.mark.parametrize("forged", ["", "0" * 64])
async def test_a_ruling_without_the_pages_token_is_refused(store: MemoryStore, forged: str):
    await appealed(store)
    async with visitor(store, "operator") as operator:
        form = ruling(await operator.get("/admin/moderation"))
        assert (await operator.post("/admin/moderation/rule", {**form, "csrf": forged})).status == 403
        elsewhere = await operator.post("/admin/moderation/rule", form, Origin="https://evil.example")
        assert elsewhere.status == 403
    assert await audited(store, "appeal-ruled") == []


@pytest.mark.parametrize("role", ["viewer", "reader"])
async def test_only_an_operator_rules(store: MemoryStore, role: str):
    await appealed(store)
    async with visitor(store, role) as somebody:
        page = await somebody.get("/admin/moderation")
        assert (await somebody.post("/admin/moderation/rule", ruling(page))).status == 403
    assert await audited(store, "appeal-ruled") == []


async def test_a_ruling_that_cannot_be_written_down_is_not_made(store: MemoryStore, monkeypatch: pytest.MonkeyPatch):
    await appealed(store)
    async with visitor(store, "operator") as operator:
        form = ruling(await operator.get("/admin/moderation"))
        refuse_to_write(store, monkeypatch)
        assert (await operator.post("/admin/moderation/rule", form)).status == 503
    async with store.unit() as unit:
        (kept,) = await unit.incidents.newest(limit=9, unruled=True)
    assert kept.appeal


# ---------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("page", [*conversations.PAGES, *ratings.PAGES, *moderation.PAGES], ids=lambda page: page.name)
def test_every_text_has_both_languages_with_the_same_facts(page: Any):
    for name, (english, chinese) in page.texts.items():
        assert english, name
        assert re.search("[\u4e00-\u9fff]|^{n}|^Parley|^{by}|^Token$", chinese), name
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese)), name


def test_every_reason_that_a_door_offers_has_a_name():
    for code in (*console.REASONS, *slack.REASONS, *wecom._REASONS.values()):
        assert f"reason_{code}" in words.TEXTS


# ------------------------------------------------------------------------------------------------ a whole house


async def test_a_reader_of_a_real_house_opens_what_is_there_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with house_of(tmp_path, monkeypatch) as (house, url):
        await office.furnish(house.store)
        async with signed_in(house, url, "reader", "operator") as reader:
            for place in range(2):
                page = await reader.get(await conversation(house.store, place))
                assert page.status == 200
                is_harmless(page)
            for path in LISTS:
                page = await reader.get(f"{path}?words=yes")
                assert page.status == 200
                is_harmless(page)
            form = ruling(await reader.get("/admin/moderation?appeals=open"))
            assert (await reader.post("/admin/moderation/rule", form)).location.endswith("said=ruled")
        actions = {line.action for line in await house.store.audit.newest(limit=500, person=office.ANN)}
        assert {"conversation-opened", "ratings-opened", "hits-opened", "appeal-ruled"} <= actions
        told = await listed(house.config, lambda step: None, limit=20, person=office.ANN)  # `parley audit list --user`
        assert any("conversation-opened  admin ann (local)" in line for line in told)


async def test_rows_that_were_changed_say_so_and_harm_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with house_of(tmp_path, monkeypatch) as (house, url):
        told = await office.furnish(house.store)
        with psycopg.connect(conninfo(os.environ["DATABASE_URL"]), autocommit=True) as database:
            for reply, table in ((told[0], "messages"), (told[1], "replies")):
                of = "(SELECT question FROM replies WHERE id = %s)" if table == "messages" else "%s"
                changed = database.execute(f"UPDATE {table} SET body = 'no seal' WHERE id = {of}", [UUID(reply)])
                assert changed.rowcount == 1
            database.execute("UPDATE incidents SET body = 'no seal' WHERE action = 'mask'")
            database.execute("UPDATE votes SET body = 'no seal' WHERE reply_id = %s", [UUID(told[3])])
        async with signed_in(house, url, "reader") as reader:
            desk = (await reader.get(await conversation(house.store, 0))).text
            desk = desk if "flobbergun" in desk else (await reader.get(await conversation(house.store, 1))).text
            assert "This question can no longer be opened" in desk
            assert "This answer can no longer be opened" in desk
            assert "Why does this skip lines?" in desk
            votes = (await reader.get("/admin/ratings?words=yes")).text
            assert "This answer can no longer be opened" in votes
            assert "No question can be shown beside it" in votes
            assert "很清楚" not in votes
            hits = await reader.get("/admin/moderation?words=yes")
            assert re.findall(r"<h3>(\w+)</h3>", hits.text) == ["gambling", "weapons"]
