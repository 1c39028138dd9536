"""Installing: for workspaces on the list, in the browser it was begun in, once; everything else is a plain page."""

import logging
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from string import Formatter
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.slack.installations import Installations
from adapters.slack.manifest import CALLBACK_PATH, INSTALL_PATH, SCOPES
from adapters.slack.oauth import OAuth
from adapters.slack.pages import TEXTS
from adapters.slack.sealed import SealedStates
from adapters.slack.settings import SlackSettings
from core.ports import Received, Webhook
from tests.fakes.store import MemoryStore
from tests.unit.adapters.slack.web_api import WebApi, web_api

TEAM, ORG = "T0PARLEY1", "E0PARLEY1"
TOKEN, CODE = "xoxb-of-the-tests", "a-code-of-the-tests"
SECRET = "a secret of the tests"


class House:
    """The two pages over a store in memory, and a browser that keeps its cookies."""

    def __init__(self, slack: WebApi, settings: SlackSettings) -> None:
        self.slack = slack
        self.store = MemoryStore()
        self.installations = Installations(settings, self.store.secrets, self.store.leader, slack.client)
        self.ahead = 0.0
        states = SealedStates(self.store.secrets, self.store.leader, SECRET, clock=self.now)
        self.oauth = OAuth(settings, self.installations, states, slack.client)
        self.cookie = ""

    def now(self) -> float:
        return datetime.now(UTC).timestamp() + self.ahead

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, language: str = "en-GB", method: str = "GET"
    ) -> Received:
        headers = {"accept-language": language, "cookie": f"other=1; {self.cookie}"}
        received = await self.oauth.handle(Webhook(method, path, query or {}, headers, b"", datetime.now(UTC)))
        if "Set-Cookie" in received.headers:
            self.cookie = received.headers["Set-Cookie"].partition(";")[0]
        return received

    async def begin(self, language: str = "en-GB") -> str:
        """Opens the page; the state it leads to Slack with."""
        return address(await self.get(INSTALL_PATH, language=language))["state"]

    async def finish(self, state: str, **query: str) -> Received:
        return await self.get(CALLBACK_PATH, {"state": state, "code": CODE, **query})


def link(received: Received) -> str:
    return unescape(re.findall(r'<a class="go" href="([^"]+)"', received.body.decode())[0])


def address(received: Received) -> dict[str, str]:
    return {
        name: values[0] for name, values in parse_qs(urlsplit(link(received)).query, keep_blank_values=True).items()
    }


def title(received: Received) -> str:
    return unescape(re.findall("<h1>(.*)</h1>", received.body.decode())[0])


def grant(slack: WebApi, **changes: object) -> None:
    """What Slack answers to a good code."""
    answer = {
        "ok": True,
        "access_token": TOKEN,
        "token_type": "bot",
        "scope": "chat:write,im:history",
        "bot_user_id": "U0PARLEY1",
        "app_id": "A0PARLEY1",
        "team": {"id": TEAM, "name": "Example & Sons <b>"},
        "enterprise": None,
        "authed_user": {"id": "U0ANNA001"},
        "is_enterprise_install": False,
    }
    slack.answer("oauth.v2.access", answer | changes)
    slack.answer("auth.test", {"ok": True, "bot_id": "B0PARLEY1"})
    slack.answer("auth.revoke", {"ok": True, "revoked": True})


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="adapters")
    caplog.set_level(logging.DEBUG, logger="slack_bolt")


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        grant(api)
        yield api


@pytest.fixture
def settings(slack: WebApi) -> SlackSettings:
    return SlackSettings(
        client_id="1.2",
        client_secret=SECRET,
        public_url="https://parley.example.com",
        workspaces=frozenset({TEAM, ORG}),
        api_url=slack.url,
    )


@pytest.fixture
def house(slack: WebApi, settings: SlackSettings) -> House:
    return House(slack, settings)


# ------------------------------------------------------------------------------------------------------- the way there


async def test_the_page_leads_to_slack_with_everything_slack_asks_for(house, slack):
    page = await house.get(INSTALL_PATH)
    assert page.status == 200
    assert link(page).startswith(slack.url.removesuffix("api/") + "oauth/v2/authorize?")
    query = address(page)
    assert query.pop("state")
    assert query == {
        "client_id": "1.2",
        "scope": ",".join(SCOPES),
        "user_scope": "",
        "redirect_uri": "https://parley.example.com/channels/slack/oauth",
    }


async def test_slacks_own_address_is_the_one_to_go_to(house, settings):
    house = House(house.slack, replace(settings, api_url="https://slack.com/api/"))
    assert link(await house.get(INSTALL_PATH)).startswith("https://slack.com/oauth/v2/authorize?")


async def test_where_one_workspace_may_install_slack_offers_that_one(slack, settings):
    house = House(slack, replace(settings, workspaces=frozenset({TEAM})))
    assert address(await house.get(INSTALL_PATH, {"team": "T0STRANGE"}))["team"] == TEAM


async def test_the_cookie_is_for_https_and_no_script(house):
    page = await house.get(INSTALL_PATH)
    attributes = {part.strip() for part in page.headers["Set-Cookie"].split(";")}
    assert {"Secure", "HttpOnly", "Max-Age=600"} <= attributes
    assert house.cookie == f"slack-app-oauth-state={address(page)['state']}"


async def test_opening_the_page_writes_nothing(house):
    for _ in range(3):
        await house.get(INSTALL_PATH)
    assert house.store.secrets._values == {}
    assert house.slack.calls == []


# ------------------------------------------------------------------------------------------------------- the way back


async def test_a_workspace_on_the_list_is_installed(house, slack):
    page = await house.finish(await house.begin())
    assert page.status == 200
    assert title(page) == "Parley is installed in Example & Sons <b>"
    assert b"<b>" not in page.body
    assert link(page) == "slack://app?team=T0PARLEY1&id=A0PARLEY1"
    bot = await house.installations.bot(None, TEAM)
    assert (bot.token, bot.user_id, bot.bot_id) == (TOKEN, "U0PARLEY1", "B0PARLEY1")
    exchange = slack.calls[0]
    assert exchange.client == ("1.2", SECRET)
    assert exchange.fields == {"code": CODE, "redirect_uri": "https://parley.example.com/channels/slack/oauth"}


async def test_a_token_that_expires_is_kept_with_its_refresh_token(house, slack):
    grant(slack, refresh_token="xoxe-1-of-the-tests", expires_in=43_200)
    await house.finish(await house.begin())
    stored = await house.installations.store.async_find_bot(enterprise_id=None, team_id=TEAM)
    assert stored.bot_refresh_token == "xoxe-1-of-the-tests"
    assert 43_100 < stored.bot_token_expires_at - house.now() < 43_300


async def test_a_whole_organisation_on_the_list_is_installed(house, slack):
    grant(slack, team=None, enterprise={"id": ORG, "name": "Example Group"}, is_enterprise_install=True)
    page = await house.finish(await house.begin())
    assert title(page) == "Parley is installed in Example Group"
    assert (await house.installations.bot(ORG, None)).workspace == ORG
    assert (await house.installations.bot(ORG, TEAM)).workspace == TEAM


async def test_a_foreign_workspace_gives_its_token_back_and_leaves_nothing(house, slack):
    grant(slack, team={"id": "T0STRANGE", "name": "Strangers"})
    page = await house.finish(await house.begin())
    assert page.status == 403
    assert title(page) == "Strangers may not use this Parley"
    assert "T0STRANGE" in page.body.decode()
    assert [(call.method, call.token) for call in slack.calls] == [("oauth.v2.access", ""), ("auth.revoke", TOKEN)]
    assert not [name for name in house.store.secrets._values if "installation" in name]


async def test_a_foreign_organisation_is_not_let_in_by_its_workspace(house, slack):
    grant(slack, enterprise={"id": "E0STRANGE", "name": "Strangers"}, is_enterprise_install=True)
    assert (await house.finish(await house.begin())).status == 403
    assert slack.count("auth.revoke") == 1


async def test_a_token_that_cannot_be_given_back_is_told_to_the_operator(house, slack, caplog):
    grant(slack, team={"id": "T0STRANGE", "name": "Strangers"})
    slack.refuse("auth.revoke", "internal_error")
    assert (await house.finish(await house.begin())).status == 403
    assert "could not be revoked" in caplog.text


async def test_a_workspace_without_a_name_of_its_own_is_foreign(house, slack):
    grant(slack, team=None)
    assert (await house.finish(await house.begin())).status == 403


# ------------------------------------------------------------------------------------------------ what may go wrong


async def test_another_browser_cannot_finish_it(house, slack):
    state = await house.begin()
    house.cookie = ""
    page = await house.finish(state)
    assert page.status == 400
    assert link(page) == INSTALL_PATH
    assert slack.calls == []


async def test_a_state_cannot_be_used_again(house, slack):
    state = await house.begin()
    cookie = house.cookie
    assert (await house.finish(state)).status == 200
    assert house.cookie == "slack-app-oauth-state=deleted"
    house.cookie = cookie
    assert (await house.finish(state)).status == 400
    assert slack.count("oauth.v2.access") == 1


async def test_ten_minutes_later_it_must_be_begun_again(house, slack):
    state = await house.begin()
    house.ahead = 601
    assert (await house.finish(state)).status == 400
    assert slack.calls == []


async def test_a_state_of_ones_own_making_is_refused(house, slack):
    house.cookie = "slack-app-oauth-state=ffffffff.mine.0"
    assert (await house.finish("ffffffff.mine.0")).status == 400
    assert slack.calls == []


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        ("access_denied", 403, "Parley was not installed"),
        ("server_error", 400, "Slack did not finish the install"),
        ("<script>alert(1)</script>", 400, "Slack did not finish the install"),
    ],
)
async def test_what_slack_brings_back_instead_of_a_code_is_a_page(house, slack, caplog, error, status, expected):
    page = await house.get(CALLBACK_PATH, {"error": error, "state": await house.begin()})
    assert (page.status, title(page)) == (status, expected)
    assert b"alert(1)" not in page.body
    assert "alert(1)" not in caplog.text
    assert slack.calls == []


async def test_no_code_at_all_is_a_page(house):
    page = await house.get(CALLBACK_PATH, {"state": await house.begin()})
    assert page.status == 400


@pytest.mark.parametrize("code", ["invalid_code", "code_expired", "code_already_used"])
async def test_a_code_that_came_too_late_is_a_page(house, slack, code):
    slack.refuse("oauth.v2.access", code)
    page = await house.finish(await house.begin())
    assert (page.status, title(page)) == (400, "The install took too long")


async def test_a_wrong_client_secret_is_told_to_the_operator(house, slack, caplog):
    slack.refuse("oauth.v2.access", "bad_client_secret")
    page = await house.finish(await house.begin())
    assert (page.status, title(page)) == (502, "Slack does not know this app")
    assert "bad_client_secret" in caplog.text


@pytest.mark.parametrize("method", ["oauth.v2.access", "auth.test"])
@pytest.mark.parametrize(
    ("body", "status"), [("<html>", 502), ({}, 200), ("none of Slack's", 200), ({"ok": False, "error": "x"}, 429)]
)
async def test_slack_being_away_is_a_page(house, slack, method, body, status):
    slack.answer(method, body, status=status)
    page = await house.finish(await house.begin())
    assert (page.status, title(page)) == (502, "Slack does not answer right now")
    assert await house.installations.bot(None, TEAM) is None


async def test_the_database_being_away_is_a_page(house):
    state = await house.begin()
    house.store.is_down = True
    page = await house.finish(state)
    assert (page.status, title(page)) == (503, "The install could not be stored")


@pytest.mark.parametrize("path", [INSTALL_PATH, CALLBACK_PATH])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
async def test_the_pages_can_only_be_opened(house, path, method):
    page = await house.get(path, method=method)
    assert page.status == 405
    assert page.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"workspaces": frozenset()}, "No workspace may install Parley yet"),
        ({"client_id": ""}, "Parley cannot be installed from here"),
        ({"client_secret": ""}, "Parley cannot be installed from here"),
        ({"bot_token": TOKEN}, "Parley cannot be installed from here"),
        ({"public_url": "http://parley.example.com"}, "Parley can only be installed over https"),
        ({"public_url": ""}, "Parley can only be installed over https"),
    ],
)
@pytest.mark.parametrize("path", [INSTALL_PATH, CALLBACK_PATH])
async def test_where_nobody_may_install_both_pages_say_so(slack, settings, changes, expected, path):
    page = await House(slack, replace(settings, **changes)).get(path, {"code": CODE, "state": "x"})
    assert (page.status, title(page)) == (403, expected)
    assert slack.calls == []


async def test_neither_code_nor_token_nor_secret_is_ever_logged(house, slack, caplog):
    grant(slack, refresh_token="xoxe-1-of-the-tests", expires_in=43_200)
    for method, code in (("", ""), ("oauth.v2.access", "invalid_code"), ("oauth.v2.access", "x"), ("auth.test", "x")):
        grant(slack)
        if method:
            slack.refuse(method, code)
        await house.finish(await house.begin())
    grant(slack, team={"id": "T0STRANGE", "name": "Strangers"})
    slack.refuse("auth.revoke", "x")
    await house.finish(await house.begin())
    assert caplog.records
    for secret in (CODE, TOKEN, SECRET, "xoxe-1-of-the-tests"):
        assert secret not in caplog.text


async def test_no_secret_is_sent_in_an_address(house, slack):
    await house.finish(await house.begin())
    assert slack.calls
    assert not [call.path for call in slack.calls if "?" in call.path]


async def test_variables_of_other_programs_change_nothing(house, slack, settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "BOT_TOKEN",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "SCOPES",
        "USER_SCOPES",
        "REDIRECT_URI",
        "INSTALL_PATH",
        "REDIRECT_URI_PATH",
        "SIGNING_SECRET",
        "VERIFICATION_TOKEN",
    ):
        monkeypatch.setenv(f"SLACK_{name}", "https://elsewhere.example/canary")
    other = House(slack, settings)
    there, plain = address(await other.get(INSTALL_PATH)), address(await house.get(INSTALL_PATH))
    assert there.pop("state") != plain.pop("state")
    assert there == plain
    assert (await other.finish(await other.begin())).status == 200
    assert "canary" not in repr(slack.calls)
    assert list(tmp_path.iterdir()) == []  # Bolt's own stores are files


# ---------------------------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize(
    ("language", "lang", "expected"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "把 Parley 添加到 Slack"), ("de", "en", "Add Parley to Slack")],
)
async def test_a_page_speaks_the_readers_language(house, language, lang, expected):
    page = await house.get(INSTALL_PATH, language=language)
    assert title(page) == expected
    assert f'<html lang="{lang}">' in page.body.decode()


async def test_the_last_page_speaks_it_too(house):
    query = {"state": await house.begin(language="zh-TW"), "code": CODE}
    assert title(await house.get(CALLBACK_PATH, query, language="zh-TW")).startswith("Parley 已安装到")


async def test_a_page_loads_nothing_runs_nothing_and_tells_nobody_its_address(house):
    for page in (await house.get(INSTALL_PATH), await house.finish("no state")):
        policy = page.headers["Content-Security-Policy"]
        html = page.body.decode()
        assert "default-src 'none'" in policy
        assert "script" not in policy + html
        assert "unsafe" not in policy
        style = re.findall("<style>(.*?)</style>", html, re.DOTALL)[0]
        assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
        assert not re.findall(r"\b(?:src|style|on\w+)=", html)
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_values(name):
    english, chinese = (
        {found for text in words for _, found, _, _ in Formatter().parse(text) if found} for words in TEXTS[name]
    )
    assert english == chinese
    assert all(text.strip() for words in TEXTS[name] for text in words)
