"""The pages of people's words in a real browser: both themes and widths, and words that mean to break them."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request

from tests import office
from tests.admin import Browser as Visitor
from tests.browser import chromium, needs_chromium
from tests.fakes.store import MemoryStore
from tests.integration.test_admin_words import conversation, visitor

pytestmark = needs_chromium()

WIDTHS = {"wide": 1280, "narrow": 390}
# Elements that stick out of the window, but for what scrolls in a box of its own.
STICKS_OUT = """() => [...document.querySelectorAll('main *')].filter(each =>
    !each.closest('.table, pre, .box, svg, .unseen') && each.getBoundingClientRect().right > innerWidth + 1
).map(each => each.outerHTML.slice(0, 80))"""


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await office.weeks(store)
    await office.furnish(store)
    await office.waits(store)
    return store


async def signed(chrome: Browser, somebody: Visitor, width: int, theme: str, language: str) -> BrowserContext:
    context = await chrome.new_context(
        viewport={"width": width, "height": 900}, locale=language, color_scheme="dark" if theme == "dark" else "light"
    )
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
    page.on("console", lambda line: found.append(line.text) if line.type == "error" else None)
    page.on("request", asked)
    return found


async def places(store: MemoryStore) -> dict[str, str]:
    desk, team = await conversation(store, 1), await conversation(store, 0)
    return {
        "conversations": "/admin/conversations",
        "conversation": desk,
        "conversation-team": team,
        "ratings": "/admin/ratings",
        "ratings-words": "/admin/ratings?words=yes",
        "moderation": "/admin/moderation",
        "moderation-words": "/admin/moderation?words=yes",
    }


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh-CN")])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_holds_its_frame_and_runs_nothing(
    chrome: Browser, store: MemoryStore, tmp_path: Path, width: str, theme: str, language: str
):
    kept = Path(os.environ.get("PARLEY_SCREENSHOTS", tmp_path))
    async with visitor(store, "reader", "operator") as somebody:
        context = await signed(chrome, somebody, WIDTHS[width], theme, language)
        page = await context.new_page()
        problems = watched(page, somebody.url)
        for name, path in (await places(store)).items():
            answer = await page.goto(somebody.url + path)
            assert answer
            assert answer.status == 200
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert await page.evaluate(STICKS_OUT) == [], name
            assert await page.evaluate("window.hacked === undefined")
            await page.screenshot(path=kept / f"{name}-{width}-{theme}.png", full_page=True)
        assert problems == []
        await context.close()
