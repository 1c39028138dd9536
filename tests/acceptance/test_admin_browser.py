"""The operator's pages as an operator uses them: in a real browser, by name and by a provider, on a telephone."""

import json
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import ConsoleMessage, Page, ViewportSize, expect

from bench.process import free_port
from bot.admin import plot
from bot.admin.visit import Html, Visit
from bot.admin.visit import Page as Shown
from core.ports import SignedIn
from tests.admin import PASSWORD, add_admin, house_of, pages_at, pages_of
from tests.browser import chromium, needs_chromium
from tests.oidc import SECRET, provider

pytestmark = [pytest.mark.browser, needs_chromium()]

WAIT = 30_000  # milliseconds
WIDE: ViewportSize = {"width": 1280, "height": 860}
NARROW: ViewportSize = {"width": 390, "height": 844}
SAYS = {"en": ("en-US", "Sign in", "Sign out", "Health"), "zh": ("zh-CN", "登录", "退出登录", "健康状况")}


@asynccontextmanager
async def window(
    language: str = "en", theme: Literal["light", "dark"] = "light", size: ViewportSize = WIDE, tolerated: str = "4xx"
):
    """A page of its own; whatever it complains about fails the test, but for a status, which is an answer."""
    complaints: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(locale=SAYS[language][0], color_scheme=theme, viewport=size)
        page = await context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if is_complaint(line, tolerated) else None)
        yield page
    assert not complaints


def is_complaint(line: ConsoleMessage, tolerated: str) -> bool:
    is_meant = any(words in line.text for words in ("status of 4", tolerated))
    return line.type in ("error", "warning") and not is_meant


async def sign_in(page: Page, url: str, language: str = "en", name: str = "ann", secret: str = PASSWORD) -> None:
    await page.goto(f"{url}/admin/health")
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(secret)
    await page.get_by_role("button", name=SAYS[language][1]).click()


async def keep(page: Page, folder: Path, name: str) -> None:
    """Beside the test's other files, or where PARLEY_SCREENSHOTS says."""
    kept = Path(os.environ.get("PARLEY_SCREENSHOTS", folder))
    await page.screenshot(path=kept / f"{name}.png")


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark")])
async def test_an_operator_signs_in_looks_and_signs_out(tmp_path, monkeypatch, language, theme):
    _, door, out, health = SAYS[language]
    async with house_of(tmp_path, monkeypatch) as (house, url), window(language, theme) as page:
        await add_admin(house.store, "ann", "operator")
        await house.store.audit.record("rotate", by="operator root", key=2)
        await page.goto(f"{url}/admin")
        await expect(page).to_have_title(f"{door} · Parley")
        await expect(page.locator("#name")).to_be_focused()
        await keep(page, tmp_path, f"admin-sign-in-{language}")
        await sign_in(page, url, language, secret="not hers, surely")
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.locator("#password")).to_be_focused()
        await sign_in(page, url, language)
        await expect(page.get_by_role("heading", level=1)).to_have_text(health)
        await expect(page.get_by_text("scripted@1")).to_be_visible()
        assert await overflow(page) <= 0
        await keep(page, tmp_path, f"admin-health-{language}")
        await page.locator('.nav a[href="/admin/audit"]').click()
        await expect(page.locator("tbody tr").first).to_contain_text("admin ann (local)")
        await keep(page, tmp_path, f"admin-audit-{language}")
        await page.get_by_role("button", name=out).click()
        await expect(page.get_by_role("status")).to_be_visible()
        await page.goto(f"{url}/admin/audit")
        await expect(page.locator("#password")).to_be_visible()


async def test_it_is_found_by_the_keyboard_alone(tmp_path, monkeypatch):
    async with pages_of(tmp_path, monkeypatch) as (house, url), window() as page:
        await add_admin(house.store, "ann", "operator")
        await page.goto(f"{url}/admin/health")
        await page.keyboard.type("ann")
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Health")
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#content")).to_be_focused()


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh", "light")])
async def test_on_a_telephone_nothing_is_cut_off(tmp_path, monkeypatch, language, theme):
    async with pages_of(tmp_path, monkeypatch) as (house, url), window(language, theme, NARROW) as page:
        await add_admin(house.store, "ann", "operator")
        await page.goto(f"{url}/admin")
        assert await overflow(page) <= 0
        await sign_in(page, url, language)
        for name in ("health", "audit"):
            await page.goto(f"{url}/admin/{name}")
            assert await overflow(page) <= 0, name
        await keep(page, tmp_path, f"admin-narrow-{language}")


async def test_the_theme_and_the_language_are_changed_on_the_page(tmp_path, monkeypatch):
    async with pages_of(tmp_path, monkeypatch) as (house, url), window() as page:
        await add_admin(house.store, "ann", "operator")
        await sign_in(page, url)
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.get_by_role("link", name="Show dark").click()
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        await page.get_by_role("link", name="中文").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("健康状况")
        await page.goto(f"{url}/admin/audit")
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.peers
async def test_whoever_has_an_account_at_the_provider_needs_no_password_here(tmp_path, monkeypatch):
    origin = f"http://127.0.0.1:{free_port()}"
    async with provider(origin, {"ann": ["ops"]}) as issuer:
        settings = {
            "PARLEY_ADMIN__OIDC__ISSUER": issuer,
            "PARLEY_ADMIN__OIDC__LABEL": "Example ID",
            "PARLEY_ADMIN__OIDC__CLIENT_ID": "parley",
            "PARLEY_ADMIN__OIDC__ROLES": json.dumps({"ops": ["operator"]}),
            "PARLEY_ADMIN__OIDC__SCOPES": '["openid", "profile", "groups"]',
            "PARLEY_ADMIN__URL": origin,
            "PARLEY_ADMIN_OIDC_SECRET": SECRET,
        }
        async with (
            pages_of(tmp_path, monkeypatch, **settings) as (house, _),
            pages_at(house, port=int(origin.rpartition(":")[2])) as url,
            window(tolerated="net::") as page,  # the provider's page wants a font from far away
        ):
            await page.goto(f"{url}/admin/audit")
            await keep(page, tmp_path, "admin-sign-in-oidc")
            await page.get_by_role("link", name="Sign in with Example ID").click()
            await page.locator('input[name="login"]').fill("ann")
            await page.locator('input[name="password"]').fill("any")
            await page.locator('button[type="submit"]').click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Audit log")
            await expect(page.locator("tbody tr").first).to_contain_text("admin ann (oidc)")
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_role("link", name="Sign out of Example ID too")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_plots_are_drawn_within_the_policy_and_read_aloud(tmp_path, monkeypatch, theme, size):
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    times = [begin + timedelta(minutes=30 * n) for n in range(49)]
    first = plot.Series("P50", [(at, None if n in (20, 21) else 0.4 + n % 7 / 10) for n, at in enumerate(times)])
    second = plot.Series("P99", [(at, 1.2 + n % 11 / 10) for n, at in enumerate(times)])

    async def show(visit: Visit) -> Html:
        lines = plot.lines(
            [first, second],
            title="Until the first words",
            x_label="UTC",
            y_label="seconds",
            none="Nothing yet.",
            mark=(2.0, "goal: 2 s"),
            show=lambda value: f"{value:.1f} s",
        )
        bars = plot.bars(
            [plot.Bar(day, [n + 2, 3 - n % 3]) for n, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri"))],
            title="Answers by day",
            x_label="day",
            y_label="answers",
            none="Nothing yet.",
            names=("good", "bad"),
        )
        empty = plot.bars([], title="Refused", x_label="day", y_label="answers", none="Nothing yet.")
        return visit.render("plots_of_a_test.html", plots=[lines, bars, empty])

    folder = tmp_path / "templates"
    folder.mkdir()
    text = '{% extends "base.html" %}{% block content %}<h1>{{ t("title") }}</h1><div class="plots">'
    text += "{% for each in plots %}{{ each }}{% endfor %}</div>{% endblock %}"
    (folder / "plots_of_a_test.html").write_text(text)
    page_of_plots = Shown("plots", "/admin/plots", show, texts={"nav": ("Plots", "图"), "title": ("Plots", "图")})
    use_templates(monkeypatch, folder)
    monkeypatch.setattr("bot.admin.routes.Routes.__init__.__defaults__", ((page_of_plots,), ()))
    async with pages_of(tmp_path, monkeypatch) as (house, url), window("en", theme, size) as page:
        await add_admin(house.store)
        await sign_in(page, url)
        await page.goto(f"{url}/admin/plots")
        drawn = page.get_by_role("img", name="Until the first words. P50: 0.4 s – 1.0 s")
        await expect(drawn).to_be_visible()
        await expect(drawn).to_have_count(1)
        box = await drawn.locator("text").first.bounding_box()
        assert box is not None
        assert box["height"] >= 10  # legible, however narrow the window is
        await expect(page.get_by_text("Nothing yet.")).to_be_visible()
        assert await overflow(page) <= 0
        await keep(page, tmp_path, f"admin-plots-{theme}-{size['width']}")


def use_templates(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from jinja2 import ChoiceLoader, FileSystemLoader

    from bot.admin import pages

    environment = pages._environment()
    loader = environment.loader
    assert loader is not None
    monkeypatch.setattr(environment, "loader", ChoiceLoader([loader, FileSystemLoader(folder)]))


def test_a_session_is_named_as_the_audit_log_names_it():
    now = datetime.now(UTC)
    assert SignedIn("ann", frozenset(), "ann", "local", now, now).by == "admin ann (local)"
