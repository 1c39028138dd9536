"""The console as a person uses it: the whole application, a real database, a real model, a real browser."""

import asyncio
import os
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import ConsoleMessage, Locator, Page, expect
from safetensors.torch import load_file, save_file

from core.ports import Delta
from tests.browser import chromium, needs_chromium
from tests.fakes.engine import ScriptedEngine, say
from tests.fakes.tiny import save_tiny
from tests.house import house_with
from tests.server import Server

pytestmark = [pytest.mark.browser, needs_chromium()]

WAIT = 30_000  # milliseconds
END = 1  # the token that ends an answer of the tiny model
SAYS = {
    "en": {
        "locale": "en-US",
        "sum": "/calc 15% of 240",
        "yes": "Yes, do it",
        "question": "What is Parley?",
        "follow_up": "How do I load a real DeepSeek model?",
        "comment": "Which model fits my machine?",
        "hello": "Which commands are there?",
        "new": "New chat",
        "thought_through": "How this was thought through",
        "thought": (
            "Okay, they ask what Parley is. I should say what it does before how it does it.\n\n"
            "- It answers in **Slack, Teams, WeCom** and the browser.\n"
            "- Everything stays on their own machines.\n\n"
            "A command may help, though they did not ask for one:\n\n```sh\nmake run\n```\n\n"
            "Wait, <b>is</b> that too much? Two sentences are enough, then."
        ),
        "answer": "Parley is a private assistant. It answers where your team already talks, on your own machines.",
    },
    "zh": {
        "locale": "zh-CN",
        "sum": "/calc 240的15%",
        "yes": "确认执行",
        "question": "Parley 是什么？",
        "follow_up": "怎么加载真正的 DeepSeek 模型？",
        "comment": "我的机器适合哪个模型？",
        "hello": "有哪些命令？",
        "new": "新会话",
        "thought_through": "思考过程",
        "thought": (
            "好的，用户想知道 Parley 是什么。应该先说它做什么，再说怎么做。\n\n"
            "- 它在 **Slack、Teams、企业微信** 和浏览器里回答。\n"
            "- 所有内容都保存在自己的机器上。\n\n"
            "也许给一条命令会有帮助，虽然没有问到：\n\n```sh\nmake run\n```\n\n"
            "等等，这样 <b>会不会</b> 太多？两句话就够了。"
        ),
        "answer": "Parley 是一个私有助手。它在团队交流的地方回答，运行在您自己的机器上。",
    },
}


@pytest.fixture(scope="module")
def rambler(tmp_path_factory):
    """A server whose model says nonsense and goes on for minutes."""
    folder = tmp_path_factory.mktemp("rambler")
    settings = {
        "PARLEY_ENGINE__MODEL": str(save_rambler(folder / "model")),
        "PARLEY_ENGINE__DTYPE": "float32",
        "PARLEY_ANSWERS__TEMPERATURE": "0",
        "PARLEY_ANSWERS__MAX_NEW_TOKENS": "8000",
        "PARLEY_TURNS__LEASE_SECONDS": "2",
    }
    server = Server(folder, **settings).start()
    yield server
    assert server.stop() == 0


def save_rambler(folder: Path) -> Path:
    """A random model for which the end of the answer is never the likeliest word."""
    save_tiny(folder, max_position_embeddings=10_000, hidden_size=256, intermediate_size=1024)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][END] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@asynccontextmanager
async def page_of(url: str, language: str = "en", theme: Literal["light", "dark"] = "light"):
    """A window of its own; whatever the page complains about fails the test."""
    complaints: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(
            locale=SAYS[language]["locale"], color_scheme=theme, viewport={"width": 1280, "height": 840}
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if is_complaint(line) else None)
        await page.goto(url)
        yield page
    assert not complaints


def is_complaint(line: ConsoleMessage) -> bool:
    """Whether it is the page's own fault: cut connections and other sites' links are what some tests are about."""
    is_meant = any(words in line.text for words in ("net::", "403 (Forbidden)", "404 (Not Found)"))
    return line.type in ("error", "warning") and not is_meant


async def ask(page: Page, question: str) -> Locator:
    """Types a question and sends it; where its answer appears."""
    await page.locator("#prompt").fill(question)
    await page.locator("#prompt").press("Enter")
    exchange = page.locator(".exchange").last
    await expect(exchange.locator(".question")).to_contain_text(question, timeout=WAIT)
    return page.locator(".exchange").nth(await page.locator(".exchange").count() - 1)


async def until_finished(exchange: Locator) -> None:
    # What may be done with an answer is shown once it is there, and not while it is sent or grows.
    await expect(exchange.locator(".tools")).to_be_visible(timeout=WAIT)


async def lengths(exchange: Locator, count: int) -> list[int]:
    """The first `count` different lengths of the answer as it is seen to grow."""
    seen: list[int] = []
    async with asyncio.timeout(WAIT / 1000):
        while len(seen) < count:
            length = len(await exchange.locator(".words").inner_text())
            if length and length not in seen:
                seen.append(length)
            await asyncio.sleep(0.05)
    return seen


async def test_an_answer_is_seen_to_grow_and_stops_when_told_to(rambler):
    async with page_of(rambler.url) as page:
        exchange = await ask(page, "Tell me everything")
        seen = await lengths(exchange, 3)
        assert seen == sorted(seen)
        await page.locator("#stop").click()
        await until_finished(exchange)
        await expect(exchange).to_have_attribute("data-state", "stopped")
        await expect(exchange.locator(".note")).to_have_text("Stopped")
        await expect(page.locator("#stop")).to_be_hidden()
        assert len(await exchange.locator(".words").inner_text()) >= seen[-1]


async def test_a_follow_up_waits_its_turn(rambler):
    async with page_of(rambler.url) as page:
        first = await ask(page, "Tell me everything")
        await lengths(first, 1)
        second = await ask(page, "And now the rest")
        await expect(second.locator(".note")).to_have_text("Waiting for the answer before")
        await lengths(first, 3)
        assert await second.locator(".words").inner_text() == ""
        await page.keyboard.press("Escape")
        await until_finished(first)
        await expect(first).to_have_attribute("data-state", "stopped")
        await lengths(second, 2)
        await page.keyboard.press("Escape")
        await until_finished(second)


async def test_a_page_opened_again_goes_on_where_the_answer_is(rambler):
    async with page_of(rambler.url) as page:
        await lengths(await ask(page, "Tell me everything"), 1)
        await expect(page).to_have_url(re.compile("/t/"))
        await page.reload()
        exchange = page.locator(".exchange").first
        await lengths(exchange, 3)
        await page.locator("#stop").click()
        await until_finished(exchange)


async def test_a_question_asked_without_a_connection_is_sent_once_there_is_one(rambler):
    async with page_of(rambler.url) as page:
        await page.context.set_offline(True)
        exchange = await ask(page, "/help")
        await expect(page.locator("#link-state")).to_have_text("Not stored yet. Trying again…")
        await page.context.set_offline(False)
        await until_finished(exchange)
        await expect(exchange.locator(".words")).to_contain_text("Ask me anything")
        await expect(page.locator("#link-state")).to_be_hidden()


async def test_a_server_that_died_is_waited_for_and_the_answer_comes_anew(rambler):
    async with page_of(rambler.url) as page:
        exchange = await ask(page, "Tell me everything")
        await lengths(exchange, 3)
        rambler.kill()
        await expect(page.locator("#link-state")).to_have_text("The connection was lost. Reconnecting…")
        await asyncio.to_thread(rambler.start)
        await expect(page.locator("#link-state")).to_be_hidden(timeout=WAIT)
        await lengths(exchange, 5)
        await page.locator("#stop").click()
        await until_finished(exchange)


async def test_a_link_on_another_site_leads_to_the_same_person(rambler):
    async with page_of(rambler.url) as page:
        exchange = await ask(page, "Tell me everything")
        await lengths(exchange, 1)
        await page.locator("#stop").click()
        await until_finished(exchange)
        await page.goto("about:blank")
        await page.set_content(f'<a href="{rambler.url}">Parley</a>')
        await page.get_by_role("link").click()
        await expect(page.locator("#threads a")).to_have_text("Tell me everything")


async def test_an_answer_is_written_again_once_however_often_one_clicks(server):
    async with page_of(server.url) as page:
        exchange = await ask(page, "What is Parley?")
        await until_finished(exchange)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/regenerate" in request.url else None)
        await exchange.locator(".again").dblclick(force=True)
        await until_finished(exchange)
        assert len(asked) == 1


async def test_comments_add_up(server):
    async with page_of(server.url) as page:
        exchange = await ask(page, "What is Parley?")
        await until_finished(exchange)
        for rating, comment in (("down", "Too short."), ("up", "Right after all."), ("down", "")):
            await exchange.locator(f"button[data-rating={rating}]").click()
            await expect(exchange.locator(".comment")).to_have_value("")
            await exchange.locator(".comment").fill(comment)
            await exchange.get_by_role("button", name="Send feedback").click()
            await expect(exchange.locator(".feedback")).to_be_hidden()
        await expect(exchange.locator(".said span")).to_have_text("Too short.\nRight after all.")
        await page.reload()
        await expect(page.locator(".said span")).to_have_text("Too short.\nRight after all.")


async def test_an_answer_that_may_not_be_followed_does_not_hold_the_next_one_back(rambler):
    async with page_of(rambler.url) as page:
        await page.route("**/events?*", lambda route: route.fulfill(status=404, json={"error": "No.", "code": "no"}))
        exchange = await ask(page, "/help")
        await expect(exchange.locator(".note")).to_have_text(re.compile("can no longer be followed"))
        await page.unroute("**/events?*")
        second = await ask(page, "/help")
        await until_finished(second)
        await expect(second.locator(".words")).to_contain_text("Ask me anything")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_conversation_and_its_rating_are_found_again(server, tmp_path, language, theme):
    says = SAYS[language]
    async with page_of(server.url, language, theme) as page:
        await expect(page.locator(".new-chat")).to_contain_text(says["new"])
        await picture(page, tmp_path, f"welcome-{theme}-{language}")
        await until_finished(await ask(page, says["hello"]))
        await page.locator(".new-chat").click()
        await expect(page.locator(".exchange")).to_have_count(0)
        first = await ask(page, says["question"])
        await until_finished(first)
        exchange = await ask(page, says["follow_up"])
        await until_finished(exchange)

        before = await exchange.get_attribute("data-reply")
        await exchange.locator(".again").click()
        await expect(exchange).not_to_have_attribute("data-reply", str(before))
        await until_finished(exchange)
        await expect(exchange.locator(".words")).not_to_be_empty()

        await exchange.locator("button[data-rating=down]").click()
        await exchange.locator("[data-reason=incomplete]").click()
        await exchange.locator(".comment").fill(says["comment"])
        await picture(page, tmp_path, f"rating-{theme}-{language}")
        await exchange.get_by_role("button", name=re.compile("Send feedback|提交评价")).click()
        await expect(exchange.locator(".said span")).to_have_text(says["comment"])

        answer = await exchange.locator(".words").inner_text()
        await page.goto(server.url)
        await expect(page.locator("#threads a")).to_have_text([says["question"], says["hello"]])
        await page.locator("#threads a").first.click()
        found = page.locator(".exchange").last
        await expect(page.locator(".exchange")).to_have_count(2)
        await expect(found.locator(".question")).to_contain_text(says["follow_up"])
        assert await found.locator(".words").inner_text() == answer
        await expect(found.locator("button[data-rating=down]")).to_have_attribute("aria-pressed", "true")
        await expect(found.locator("button[data-rating=up]")).to_have_attribute("aria-pressed", "false")
        await expect(found.locator(".said span")).to_have_text(says["comment"])
        await picture(page, tmp_path, f"{theme}-{language}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_was_thought_is_shown_to_whoever_opens_it(tmp_path, monkeypatch, language, theme):
    says = SAYS[language]
    answer = say(says["answer"])
    engine = ScriptedEngine(answer, [(Delta(reasoning=thought), *answer) for thought in (says["thought"], "Again.")])
    async with house_with(engine, tmp_path, monkeypatch) as url, page_of(url, language, theme) as page:
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url) if "/reasoning" in request.url else None)
        exchange = await ask(page, says["question"])
        thoughts, thought = exchange.locator(".thoughts"), exchange.locator(".thought")
        await until_finished(exchange)
        await expect(exchange.locator(".words")).to_have_text(says["answer"])
        await expect(thoughts).to_be_visible()
        await expect(thought).to_be_hidden()
        assert not fetched

        await exchange.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(thought.locator("strong")).to_be_visible()
        await expect(thought).to_contain_text("<b>")
        await expect(thought.locator("b")).to_have_count(0)
        await picture(page, tmp_path, f"reasoning-{theme}-{language}")
        await page.keyboard.press("Enter")
        await expect(thought).to_be_hidden()
        await page.keyboard.press("Enter")
        await expect(thought).to_be_visible()
        assert len(fetched) == 1

        engine.gate = asyncio.Event()
        await exchange.locator(".again").click()
        await expect(thoughts).to_be_hidden()
        engine.gate.set()
        await until_finished(exchange)
        await expect(thought).to_be_hidden()
        await page.reload()
        found = page.locator(".exchange").last
        await found.get_by_text(says["thought_through"]).click()
        await expect(found.locator(".thought")).to_have_text("Again.")
        plain = await ask(page, says["follow_up"])
        await until_finished(plain)
        await expect(plain.locator(".thoughts")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_plugin_asks_first_and_a_click_says_yes(tmp_path, monkeypatch, language, theme):
    monkeypatch.setenv("PARLEY_PLUGINS__CONFIRM", '["calculator"]')
    async with house_with(ScriptedEngine(), tmp_path, monkeypatch) as url, page_of(url, language, theme) as page:
        exchange = await ask(page, SAYS[language]["sum"])
        await until_finished(exchange)
        yes = exchange.get_by_role("button", name=SAYS[language]["yes"])
        await expect(yes).to_be_visible()
        await expect(exchange.locator(".words")).not_to_contain_text("36")
        await picture(page, tmp_path, f"consent-{theme}-{language}")
        await page.reload()  # it waits as long as it takes
        exchange = page.locator(".exchange").last
        await exchange.get_by_role("button", name=SAYS[language]["yes"]).click()
        await expect(exchange.locator(".words")).to_contain_text("36")
        await expect(exchange.get_by_role("button", name=SAYS[language]["yes"])).to_be_hidden()
        await picture(page, tmp_path, f"confirmed-{theme}-{language}")
        await page.reload()
        await expect(page.locator(".exchange")).to_have_count(1)
        await expect(page.locator(".words")).to_contain_text("36")


async def test_what_was_thought_that_can_not_be_fetched_is_offered_again(tmp_path, monkeypatch):
    engine = ScriptedEngine((Delta(reasoning="Hm."), *say("Hello.")))
    async with house_with(engine, tmp_path, monkeypatch) as url, page_of(url) as page:
        exchange = await ask(page, "Hi")
        await until_finished(exchange)
        await page.route("**/reasoning", lambda route: route.abort())
        await exchange.locator("summary").click()
        await expect(page.locator(".toast")).to_have_text("That did not work. Please try again.")
        await expect(exchange.locator(".thought")).to_be_hidden()
        await page.unroute("**/reasoning")
        await exchange.locator("summary").click()
        await expect(exchange.locator(".thought")).to_have_text("Hm.")


async def test_the_page_can_be_used_from_the_keyboard_alone(server):
    async with page_of(server.url) as page:
        await expect(page.locator("#prompt")).to_be_focused()
        await page.keyboard.type("What is")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("Parley?")
        await page.keyboard.press("Enter")
        exchange = page.locator(".exchange").first
        assert await exchange.locator(".question p").inner_text() == "What is\nParley?"
        await until_finished(exchange)
        await expect(page.locator("#announcer")).to_contain_text("The answer is complete.")
        await exchange.locator("button[data-rating=up]").focus()
        await page.keyboard.press("Space")
        await expect(exchange.locator("button[data-rating=up]")).to_have_attribute("aria-pressed", "true")


async def test_the_page_fits_a_phone_and_changes_its_looks(server, tmp_path):
    async with page_of(server.url) as page:
        await page.set_viewport_size({"width": 390, "height": 780})
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        await expect(page.locator("#side")).not_to_be_in_viewport()
        await page.locator(".menu-open").click()
        await expect(page.locator("#side")).to_be_in_viewport(ratio=1)
        await page.keyboard.press("Escape")
        await page.locator("#theme").click()
        await page.locator(".language").click()
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await picture(page, tmp_path, "phone")


async def picture(page: Page, folder: Path, name: str) -> None:
    """Kept beside the test's other files, or where PARLEY_SCREENSHOTS says."""
    kept = Path(os.environ.get("PARLEY_SCREENSHOTS", folder))
    await page.wait_for_timeout(400)  # until what moves has come to rest
    await page.screenshot(path=kept / f"{name}.png")
