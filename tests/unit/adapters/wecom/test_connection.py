"""What of the long connection needs no other side; how it behaves with one is in tests/integration."""

import pytest

from adapters.wecom.connection import Connection
from adapters.wecom.settings import BotSettings
from adapters.wecom.tempo import Tempo
from core.errors import DoorLost
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore

SETTINGS = BotSettings(bot_id="aibTESTbot", secret="bot-secret")


def connection(tempo: Tempo | None = None) -> Connection:
    return Connection(SETTINGS, leader=MemoryStore().leader, metrics=Numbers(), tempo=tempo or Tempo())


@pytest.mark.parametrize("failures", range(1, 100))
def test_the_next_try_comes_after_one_to_thirty_seconds(failures):
    assert 1.0 <= connection()._backoff(failures) <= 30.0


def test_each_try_comes_later_than_the_one_before_and_not_for_all_at_once():
    waits = [connection()._backoff(failures) for failures in (1, 2, 3, 4)]
    assert waits == sorted(waits)
    assert len({connection()._backoff(2) for _ in range(20)}) > 1


async def test_nothing_is_sent_before_there_is_a_connection():
    with pytest.raises(DoorLost):
        await connection().send("aibot_send_msg", {})
    assert not connection().is_connected


def test_every_process_of_a_bot_asks_for_the_same_lead():
    assert connection().lead == "wecom aibTESTbot"
