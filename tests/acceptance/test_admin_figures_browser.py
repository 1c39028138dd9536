"""The pages of figures in a real browser: both themes and widths, and a live page that keeps itself fresh."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Route, expect

from core.engine import Fallback, Guarded
from core.message import Author, ThreadId
from tests.admin import Browser as Visitor
from tests.browser import chromium, needs_chromium
from tests.fakes.engine import ScriptedEngine
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore
from tests.figures import QUEUES, BusyOverview
from tests.integration.test_admin_figures import LIMITS, PATHS, opened, use, visitor

pytestmark = [pytest.mark.browser, needs_chromium()]

WIDTHS = {"wide": 1280, "narrow": 390}
PEOPLE = ("Greta Example", "林晓明", "Adam Example", "Wolfeschlegelsteinhausenbergerdorff the Younger", "Bo")
# Elements that stick out of the window, but for what scrolls in a box of its own.
STICKS_OUT = """() => [...document.querySelectorAll('main *')].filter(each =>
    !each.closest('.table, svg, .unseen') && each.getBoundingClientRect().right > innerWidth + 1
).map(each => each.outerHTML.slice(0, 80))"""
HIDE = """is => {
    Object.defineProperty(document, 'hidden', {value: is, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""
SECONDS = 1000


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.overview = BusyOverview(store.overview)  # type: ignore[assignment]
    return store


async def signed(chrome: Browser, somebody: Visitor, **look: object) -> BrowserContext:
    context = await chrome.new_context(**look)  # type: ignore[arg-type]
    for cookie in somebody.session.cookie_jar:
        await context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": somebody.url}])
    return context


def watched(page: Page, url: str) -> list[str]:
    """What went wrong on it: errors, and whatever it asked of others."""
    found: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith(url):
            found.append(f"asked {request.url}")

    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda line: found.append(line.text) if line.type in ("error", "warning") else None)
    page.on("request", asked)
    return found


def chain() -> Fallback:
    metrics = Numbers()
    large = ScriptedEngine(context=32_768)
    name = "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"
    large.model = replace(large.model, name=name, version=f"{name}@711ad2ea")
    return Fallback([Guarded(large, "local", metrics), Guarded(ScriptedEngine(), "remote", metrics)], metrics)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_fits_in_both_themes_and_widths(
    chrome: Browser, store: MemoryStore, tmp_path: Path, language: str
):
    for number, name in enumerate(PEOPLE):
        person = Author("slack", "T012AB3CD", f"U{number}", name)
        await use(store, person, 10 - number, 4000, ThreadId("slack", "T012AB3CD", "C1", person.id))
    await store.quotas.lift(Author("teams", "tenant", "29:1xyz"), by="test")
    kept, engine = Path(os.environ.get("PARLEY_SCREENSHOTS", tmp_path)), chain()
    await engine.start()
    async with (
        opened(tmp_path) as registry,
        visitor(store, "operator", "reader", engine=engine, registry=registry, limits=LIMITS) as somebody,
    ):
        registry.switch_off("good", "it hung for more than 10 s; a restart brings it back", "超过 10 秒没有响应")
        for size, width in WIDTHS.items():
            for theme in ("light", "dark"):
                look = {"viewport": {"width": width, "height": 900}, "locale": language, "color_scheme": theme}
                context = await signed(chrome, somebody, **look)
                page = await context.new_page()
                complaints = watched(page, somebody.url)
                for path in PATHS:
                    await page.goto(somebody.url + path)
                    assert await page.evaluate(STICKS_OUT) == [], (path, size, theme)
                    name = f"admin-{path.rpartition('/')[2]}-{size}-{theme}-{language}"
                    await page.screenshot(path=kept / f"{name}.png", full_page=True)
                assert complaints == []
                await context.close()
    await engine.stop()


@pytest.fixture
async def live(chrome: Browser, store: MemoryStore) -> AsyncIterator[Page]:
    """The live page, whose clock goes on when it is told to."""
    async with visitor(store, "viewer") as somebody:
        page = await (await signed(chrome, somebody, locale="en")).new_page()
        await page.clock.install()
        await page.goto(f"{somebody.url}/admin/live")
        yield page


def busy(store: MemoryStore) -> BusyOverview:
    return cast(BusyOverview, store.overview)


def waiting(page: Page) -> Locator:
    return page.locator("#now .figure", has_text="Waiting").locator("dd")


def away(page: Page) -> Locator:
    return page.get_by_text("The server does not answer.")


async def let_pass(page: Page, seconds: float) -> None:
    await page.clock.run_for(round(seconds * SECONDS))


async def test_the_live_page_keeps_itself_fresh(live: Page, store: MemoryStore):
    await expect(waiting(live)).to_contain_text("17")
    await live.locator("#doors").focus()
    busy(store).queued = (replace(QUEUES[0], waiting=1234),)
    async with live.expect_response("**/admin/live/now?window=hour"):
        await let_pass(live, 5.1)
    await expect(waiting(live)).to_contain_text("1,234")
    await expect(live.locator("#doors")).to_be_focused()  # whoever scrolled there by keyboard stays there
    await expect(away(live)).to_be_hidden()


async def test_nothing_is_asked_while_nobody_sees_it(live: Page, store: MemoryStore):
    asked: list[str] = []
    await live.evaluate(HIDE, True)
    live.on("request", lambda request: asked.append(request.url))
    busy(store).queued = ()
    await let_pass(live, 60)
    assert [url for url in asked if "/static/" not in url] == []  # a browser asks for an icon whenever it likes
    async with live.expect_response("**/admin/live/now?window=hour"):
        await live.evaluate(HIDE, False)
    await expect(live.get_by_text("Nothing runs and nothing waits.")).to_be_visible()


async def test_it_is_paused_and_goes_on(live: Page, store: MemoryStore):
    await live.get_by_role("button", name="Pause").click()
    asked: list[str] = []
    live.on("request", lambda request: asked.append(request.url))
    busy(store).queued = ()
    await let_pass(live, 60)
    assert asked == []
    await live.get_by_role("button", name="Go on").click()
    await expect(live.get_by_text("Nothing runs and nothing waits.")).to_be_visible()


async def test_it_says_that_the_server_is_away_and_when_it_is_back(live: Page, store: MemoryStore):
    async def broken(route: Route) -> None:
        await route.abort()

    await live.route("**/admin/live/now*", broken)
    await let_pass(live, 5.1)
    await expect(away(live)).to_be_visible()
    await expect(waiting(live)).to_contain_text("17")
    await live.unroute("**/admin/live/now*")
    async with live.expect_response("**/admin/live/now*"):
        await let_pass(live, 10.1)  # twice as long, as it was away
    await expect(away(live)).to_be_hidden()


async def test_it_says_that_the_database_is_away(live: Page, store: MemoryStore):
    store.is_down = True
    async with live.expect_response("**/admin/live/now*"):
        await let_pass(live, 5.1)
    await expect(away(live)).to_be_visible()


async def test_it_says_that_the_session_is_over_and_asks_no_more(live: Page, store: MemoryStore):
    await store.admins.end_all("olga", by="test")
    async with live.expect_response("**/admin/live/now*"):
        await let_pass(live, 5.1)
    await expect(live.get_by_text("Your session is over")).to_be_visible()
    asked: list[str] = []
    live.on("request", lambda request: asked.append(request.url))
    await let_pass(live, 120)
    assert asked == []
    await live.get_by_role("link", name="Sign in again").click()
    await expect(live.locator("#password")).to_be_visible()


async def test_without_javascript_it_is_loaded_again_by_hand(chrome: Browser, store: MemoryStore):
    async with visitor(store, "viewer") as somebody:
        page = await (await signed(chrome, somebody, locale="en", java_script_enabled=False)).new_page()
        await page.goto(f"{somebody.url}/admin/live?window=day")
        await expect(page.get_by_role("button", name="Pause")).to_be_hidden()
        busy(store).queued = ()
        await page.get_by_role("link", name="Load it again").click()
        await expect(page.get_by_text("Nothing runs and nothing waits.")).to_be_visible()
        assert page.url.endswith("window=day")


async def test_an_operator_lifts_a_limit_with_a_click(chrome: Browser, store: MemoryStore):
    await use(store, Author("slack", "T012AB3CD", "U1", "Grace"), 10)
    async with visitor(store, "operator", limits=LIMITS) as somebody:
        page = await (await signed(chrome, somebody, locale="en")).new_page()
        complaints = watched(page, somebody.url)
        await page.goto(f"{somebody.url}/admin/quotas")
        await page.get_by_role("button", name="Lift for today").click()
        await expect(page.get_by_role("status")).to_have_text("The limits are lifted, and the audit log says by whom.")
        await page.get_by_role("button", name="Take back").click()
        await expect(page.get_by_role("status")).to_have_text(
            "The limits hold again, and the audit log says who did it."
        )
        assert complaints == []
