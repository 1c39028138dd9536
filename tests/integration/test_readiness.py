"""What a whole process says of itself before anybody asks, and once it works on nothing any more."""

import asyncio

import aiohttp

from core.manager import DialogManager
from tests.admin import house_of


async def asked(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.text()


async def test_what_the_rules_go_by_is_there_before_anything_has_happened(tmp_path, monkeypatch):
    async with house_of(tmp_path, monkeypatch) as (house, url):
        assert await asked(f"{url}/readyz") == (200, '{"status": "ready"}')
        async with asyncio.timeout(10):
            while 'parley_up{part="database"} 1.0' not in (told := (await asked(f"{url}/metrics"))[1]):
                await asyncio.sleep(0.02)
        assert 'parley_up{part="engine"} 1.0' in told
        for outcome in ("not_stored", "lost"):
            assert f'parley_events_total{{channel="console",outcome="{outcome}"}} 0.0' in told
        assert not house.broken.is_set()


async def test_a_process_that_works_on_nothing_any_more_gives_itself_up(tmp_path, monkeypatch, caplog):
    async def fails(self: DialogManager) -> None:
        raise KeyError

    monkeypatch.setattr(DialogManager, "run", fails)
    async with house_of(tmp_path, monkeypatch) as (house, url):
        async with asyncio.timeout(10):
            await house.broken.wait()
        assert await asked(f"{url}/readyz") == (503, '{"status": "not ready", "waiting_for": "another process"}')
        assert (await asked(f"{url}/healthz"))[0] == 200, "it drains"
    assert caplog.text.count("This process ends itself") == 1
