"""The drill: a backup while it serves, more of the day, the loss of everything, and the morning after."""

import asyncio
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.channel import Channel, channel
from bench.database import fetch, folder, server
from bench.process import ServerProcess, running
from bench.until import until
from bot.backup import back_up, write_forgotten
from bot.config import Config, load
from core.store import Keys
from tests.postgres import hurried
from tests.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(500)]

ROOT = Path(__file__).resolve().parents[2]
WAITING = "SELECT reply_id FROM inbox WHERE status IN (0, 1) AND lane = 'turn'"


class Command:
    """`parley` in a folder of its own, as an operator types it."""

    def __init__(self, place: Path, keys: str) -> None:
        self._place, self._keys = place, keys

    async def __call__(self, *words: str, url: str, status: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "DATABASE_URL"))}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *words, cwd=self._place, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=kept | {"PYTHONPATH": str(ROOT), "DATABASE_URL": url, "PARLEY_KEYS": self._keys},
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == status, said.decode()
        return said.decode()

    async def backs_up(self, file: str, *, url: str) -> None:
        """In this process: until another has started, all would be answered."""
        with self._here(url) as config:
            await back_up(config, Console(file=io.StringIO()), self._place / file)

    async def lists_the_forgotten(self, file: str, *, url: str) -> None:
        with self._here(url) as config:
            await write_forgotten(config, Console(file=io.StringIO()), self._place / file)

    @contextmanager
    def _here(self, url: str) -> Iterator[Config]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", url)
            patch.setenv("PARLEY_KEYS", self._keys)
            yield load(None)


def house(place: Path, url: str, keys: str, heard: Channel) -> ServerProcess:
    arguments = ["--channel", heard.url, "--seconds", "0.3", "0.8"]
    settings = {"DATABASE_URL": url, "PARLEY_KEYS": keys, "PARLEY_TURNS__LEASE_SECONDS": "3"}
    return ServerProcess(place, "bench.server", arguments, settings)


async def test_after_the_loss_of_everything_all_of_the_backup_is_there_and_nothing_is_said_twice(somebody):
    keys = Keys.generate().dump()
    ann, bob = somebody(), somebody()
    with folder() as place:
        parley = Command(place, keys)
        async with channel() as heard:
            async with server() as lost, lost.new(is_migrated=False) as url:
                hurried(lost.url)
                before = await a_day(house(place, url, keys, heard), url, heard, parley, ann, bob)
            # The cluster is gone, and its folder with it.
            async with server() as fresh, fresh.new(is_migrated=False) as url:
                hurried(fresh.url)
                said = await parley("restore", "house.parley", "--forgotten", "forgotten.json", "--verify", url=url)
                assert "Forgotten again, as they had been since (persons): 1" in said
                await the_morning_after(house(place, url, keys, heard), url, heard, parley, before, ann, bob)


async def a_day(process: ServerProcess, url: str, heard: Channel, parley: Command, ann, bob) -> dict[str, Any]:
    """What was waiting when the backup was made, what is to be found again, and who is not."""
    async with running(process):
        _, kept = await ann.post(f"{process.url}/chat", prompt="Ann's own question")
        await ann.post(f"{process.url}/feedback", reply_id=kept["reply_id"], rating="down", comment="Ann's comment")
        _, gone = await bob.post(f"{process.url}/chat", prompt="Bob's own question")
        traffic = Traffic([process.url])
        await traffic.run(threads=12, each=6)

        async def is_busy() -> bool:
            return len(heard.finished()) > 5

        await until(is_busy, timeout=60)
        await parley.backs_up("house.parley", url=url)
        evening = Traffic([process.url], prefix="evening")
        await evening.run(threads=5, each=2)
        traffic.acknowledged |= evening.acknowledged
        await bob.post(f"{process.url}/chat", prompt="/forget-me yes", thread=gone["thread"])
        await parley.lists_the_forgotten("forgotten.json", url=url)
        await traffic.all_answered(url, heard, timeout=120)
        rated = await fetch(url, "SELECT count(*) FROM votes")
        await process.kill()
    return {"thread": kept["thread"], "gone": gone["thread"], "posted": len(heard.posted), "rated": rated}


async def the_morning_after(
    process: ServerProcess, url: str, heard: Channel, parley: Command, before: dict[str, Any], ann, bob
) -> None:
    waiting = {reply.hex for (reply,) in await fetch(url, WAITING)}
    assert len(waiting) > 10, "nothing was pending in the backup"
    assert waiting <= heard.finished().keys(), "all of it was answered after the backup was made"
    edits = {message.reply: message.edits for message in heard.posted}
    assert await fetch(url, "SELECT FROM inbox WHERE status = 1 OR owner IS NOT NULL") == []
    async with running(process):

        async def is_drained() -> bool:
            return not await fetch(url, "SELECT FROM inbox WHERE status IN (0, 1) UNION ALL SELECT FROM outbox")

        await until(is_drained, timeout=60)
        assert len(heard.posted) == before["posted"], "something was said twice"
        again = {message.reply for message in heard.posted if message.edits > edits[message.reply]}
        assert waiting <= again, "what was pending was not answered"
        assert {message.text for message in heard.posted if message.reply in waiting} == {
            message.text for message in heard.posted if message.reply in waiting and " word5" in message.text
        }
        # Ann's cookie is known still, and what she said can be read; Bob's is not there.
        _, page = await ann.get(f"{process.url}/threads/{before['thread']}")
        (entry,) = page["entries"]
        assert (entry["question"], entry["comment"]) == ("Ann's own question", "Ann's comment")
        _, page = await bob.get(f"{process.url}/threads/{before['gone']}")
        assert "Bob's own question" not in json.dumps(page)
        _, fresh = await ann.post(f"{process.url}/chat", prompt="and today", thread=before["thread"])
        assert fresh["response"] == "and today"
        later = Traffic([process.url], prefix="later")
        posted = len(heard.posted)
        await later.run(threads=5, each=2)

        async def are_answered() -> bool:
            return later.acknowledged.keys() <= heard.finished().keys()

        await until(are_answered, timeout=30)
        assert len(heard.posted) == posted + 10
    assert "are as they were written" in await parley("audit", "verify", url=url)
    done = [action for (action,) in await fetch(url, "SELECT action FROM audit ORDER BY id DESC")]
    assert done[:3] == ["forget", "restore", "backup"]
