"""`parley check` of a house whose workspaces install the app themselves: it looks at what they have installed."""

import io

from rich.console import Console
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.sealed import SealedInstallations
from bench.platforms.slack import Platform
from bot import config
from bot.check import examine
from core.store import Keys, PostgresStore


async def test_what_is_missing_in_a_workspace_that_installed_the_app_is_found(database_url, monkeypatch, tmp_path):
    keys = Keys.generate()
    async with Platform() as slack:
        slack.bot.scopes = tuple(scope for scope in slack.bot.scopes if scope != "im:history")
        store = PostgresStore(database_url, keys, pool_size=2)
        await store.start()
        await SealedInstallations(store.secrets).async_save(_installed(slack))
        await store.stop()
        monkeypatch.chdir(tmp_path)
        given = {
            "DATABASE_URL": database_url,
            "PARLEY_KEYS": keys.dump(),
            "PARLEY_SLACK__ENABLED": "true",
            "PARLEY_SLACK__API_URL": slack.api_url,
            "PARLEY_SLACK__CLIENT_ID": "1.2",
            "PARLEY_SLACK__PUBLIC_URL": "https://parley.example.com",
            "PARLEY_SLACK_CLIENT_SECRET": "a-secret",
            "PARLEY_SLACK_SIGNING_SECRET": "another-secret",
            "PARLEY_ACCESS": f'{{"slack": {{"workspaces": ["{slack.bot.team}", "T0ELSE001"]}}}}',
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        page = io.StringIO()
        status = await examine(config.load(), Console(file=page, width=500), production=False)
    assert status == 1
    assert f"The scope im:history is missing in {slack.bot.team}" in page.getvalue()
    assert "T0ELSE001 has not installed the app yet" in page.getvalue()


def _installed(slack: Platform) -> Installation:
    bot = slack.bot
    return Installation(team_id=bot.team, bot_token=bot.token, bot_id=bot.id, bot_user_id=bot.user, user_id="U0ANNA001")
