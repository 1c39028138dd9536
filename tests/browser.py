"""The Chromium this machine has, driven by Playwright; none is ever downloaded."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of the first Chromium found."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def needs_chromium() -> pytest.MarkDecorator:
    """Skips where there is no Chromium, and says how to get one."""
    return pytest.mark.skipif(
        find_chromium() is None,
        reason=f"no Chromium was found ({', '.join(NAMES)}): sudo apt-get install chromium fonts-noto-cjk",
    )


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a profile of its own, closed and forgotten on leaving."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
