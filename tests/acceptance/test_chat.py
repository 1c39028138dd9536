"""`parley chat` in a terminal of its own, as a person types and interrupts."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from core.ports import Delta
from tests.fakes.engine import ScriptedEngine
from tests.house import house_with
from tests.server import ROOT, Server

pytestmark = pytest.mark.slow


class Terminal:
    """A pseudo terminal with `parley chat` in it; `text` is all that it has shown."""

    def __init__(self, url: str, *options: str) -> None:
        self._master, slave = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "chat", "--url", url, *options],
            cwd=ROOT,
            env=environment | {"TERM": "xterm", "COLUMNS": "200", "LC_ALL": "C.UTF-8"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        os.set_blocking(self._master, False)
        self.text = ""

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def until(self, pattern: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            with suppress(OSError):  # nothing new, or the other end is gone
                self.text += os.read(self._master, 65536).decode(errors="replace")
            time.sleep(0.05)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(server):
    opened = Terminal(server.url)
    yield opened
    opened.close()


def test_a_conversation_in_the_terminal_and_its_end(terminal):
    terminal.until("You talk to parley-demo")
    terminal.until("›")
    terminal.type("What is Parley?")
    terminal.until("private DeepSeek assistant")
    terminal.until("› $")
    terminal.interrupt()
    assert terminal.process.wait(5) == 0


def test_an_answer_that_was_cut_off_is_waited_for(tmp_path):
    server = Server(tmp_path, PARLEY_TURNS__LEASE_SECONDS="1").start()
    terminal = Terminal(server.url)
    try:
        terminal.until("›")
        terminal.type("How does Parley work?")
        terminal.until("A message")
        server.kill()
        terminal.until("The connection was cut")
        server.start()
        terminal.until("taken up again and answered once")
    finally:
        terminal.close()
        server.stop()


@pytest.mark.parametrize("options", [(), ("--reasoning",)])
async def test_what_was_thought_is_shown_where_it_is_asked_for(tmp_path, monkeypatch, options):
    engine = ScriptedEngine((Delta(reasoning="They [b]greet[/b] me."), Delta("Hello there.")))
    async with house_with(engine, tmp_path, monkeypatch) as url:
        terminal = Terminal(url, *options)
        try:
            await asyncio.to_thread(terminal.until, "›")
            terminal.type("Hi")
            await asyncio.to_thread(terminal.until, r"Hello there\.[^›]*› $")
        finally:
            terminal.close()
    assert ("They [b]greet[/b] me." in terminal.text) is bool(options)
    assert ("How this was thought through:" in terminal.text) is bool(options)


def test_without_a_server_it_says_how_to_start_one(tmp_path):
    terminal = Terminal(Server(tmp_path).url)
    terminal.until("Start it with `make run`")
    assert terminal.process.wait(5) == 1
    terminal.close()
