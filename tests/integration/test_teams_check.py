"""`parley check` of a Teams bot, against a stand-in of Microsoft's sign-in and keys."""

import io

import pytest
from rich.console import Console

from bench.platforms.teams import APP_ID, APP_PASSWORD, TENANT, Platform
from bot import config
from bot.check import examine

OTHER = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
async def teams():
    async with Platform() as platform:
        yield platform


@pytest.fixture
def check(teams, monkeypatch, tmp_path):
    """Examines a sound set-up but for these variables; None takes one out."""
    monkeypatch.chdir(tmp_path)

    async def examined(**changed: str | None) -> tuple[int, str]:
        sound = {
            "PARLEY_TEAMS__ENABLED": "true",
            "PARLEY_TEAMS__APP_ID": APP_ID,
            "PARLEY_TEAMS__TENANT_ID": TENANT,
            "PARLEY_TEAMS__PUBLIC_URL": "https://parley.example.com",
            "PARLEY_TEAMS__LOGIN_URL": teams.login_url,
            "PARLEY_TEAMS__KEYS_URL": teams.keys_url,
            "PARLEY_TEAMS_APP_PASSWORD": APP_PASSWORD,
            "PARLEY_ACCESS": f'{{"teams": {{"workspaces": ["{TENANT}"]}}}}',
        }
        for name, value in (sound | changed).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        page = io.StringIO()
        loaded = config.load(must_do=False)
        status = await examine(loaded, Console(file=page, width=600), production=False)
        assert APP_PASSWORD not in page.getvalue()
        return status, page.getvalue()

    return examined


async def test_a_sound_bot_is_let_in_and_nothing_is_missing(check):
    status, page = await check()
    assert status == 0
    assert f"Microsoft lets the bot {APP_ID} in" in page
    assert "https://parley.example.com/channels/teams" in page
    assert "everybody in the tenant" not in page


async def test_who_may_ask_is_said_where_nobody_decided_it(check):
    status, page = await check(PARLEY_ACCESS=None)
    assert status == 0
    assert f"everybody in the tenant {TENANT} may ask" in page


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"PARLEY_TEAMS_APP_PASSWORD": "password-canary"}, "PARLEY_TEAMS_APP_PASSWORD is wrong"),
        ({"PARLEY_TEAMS__APP_ID": OTHER}, f"has no app {OTHER}"),
        ({"PARLEY_TEAMS__TENANT_ID": OTHER}, f"There is no tenant {OTHER}"),
        ({"PARLEY_TEAMS__PUBLIC_URL": None}, "teams.public_url is empty"),
        ({"PARLEY_TEAMS__LOGIN_URL": "http://127.0.0.1:9"}, "sign-in cannot be reached at http://127.0.0.1:9"),
        ({"PARLEY_TEAMS__KEYS_URL": "http://127.0.0.1:9/keys"}, "fetched from http://127.0.0.1:9/keys"),
    ],
)
async def test_what_is_wrong_is_found_out_by_asking_and_is_the_one_fault(check, capfd, changed, remedy):
    status, page = await check(**changed)
    assert status == 1
    assert remedy in page
    assert "1 thing needs attention" in page
    assert "canary" not in page
    assert capfd.readouterr().err == ""  # it is said in the report, and nowhere else
