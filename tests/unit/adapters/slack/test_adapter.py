"""What keeps the door from opening at all."""

import pytest

from adapters.slack import SlackAdapter, SlackSettings
from core.errors import Misconfigured
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore


def opened(settings: SlackSettings) -> SlackAdapter:
    store = MemoryStore()
    return SlackAdapter(
        settings,
        secrets=store.secrets,
        leader=store.leader,
        metrics=Numbers(),
        knows=store.archive.is_conversation,
        may=lambda author, thread: True,
    )


@pytest.mark.parametrize("secret", ["", "  "])
async def test_without_a_signing_secret_it_stays_shut_and_says_so_in_both_languages(secret):
    with pytest.raises(Misconfigured) as refused:
        opened(SlackSettings(bot_token="xoxb-of-the-tests", signing_secret=secret))
    english, chinese = refused.value.detail.splitlines()
    assert english.startswith("Slack is switched on, but")
    assert chinese.startswith("已启用 Slack，但")
    for name in ("PARLEY_SLACK_APP_TOKEN", "PARLEY_SLACK_SIGNING_SECRET"):
        assert all(name in sentence for sentence in (english, chinese))
    assert "xoxb-of-the-tests" not in str(refused.value)


async def test_socket_mode_needs_no_signing_secret():
    await opened(SlackSettings(bot_token="xoxb-of-the-tests", app_token="xapp-of-the-tests")).close()
