"""How `parley serve` and `parley check` tell of an address or a folder they cannot have."""

import asyncio
import io
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from aiohttp import web
from rich.console import Console

from bot import config
from bot.app import _bind
from bot.check import examine
from bot.serve import run, serve
from core.errors import Misconfigured


@pytest.fixture
def place(monkeypatch, tmp_path):
    """An empty folder to run in, with a model that needs no loading."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_ENGINE__BACKEND", "echo")
    return tmp_path


def screen() -> Console:
    return Console(file=io.StringIO(), width=500)


async def started() -> str:
    with pytest.raises(Misconfigured) as refused:
        await serve(config.load(), screen())
    return refused.value.detail


async def checked() -> tuple[int, str]:
    page = io.StringIO()
    return await examine(config.load(), Console(file=page, width=500), production=False), page.getvalue()


async def test_a_file_that_another_account_made_is_named_and_no_port_is_blamed(place, monkeypatch):
    def closed(path: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/var/pg/parley.gate")

    monkeypatch.setattr("bot.app.start_embedded", closed)
    monkeypatch.setattr("bot.serve.set_up_logging", Mock())
    detail = await started()
    assert detail.startswith("/srv/var/pg/parley.gate cannot be opened by this account")
    assert "data_dir" in detail


async def test_an_address_in_use_is_told_as_such(place, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("PARLEY_SERVER__PORT", str(other.getsockname()[1]))
        with pytest.raises(Misconfigured, match="is in use by another program"):
            async with AsyncExitStack() as stack:
                await _bind(web.Application(), "127.0.0.1", other.getsockname()[1], stack)
        _, page = await checked()
    assert "is in use" in page


async def test_an_address_this_machine_does_not_have_is_told_as_such(place, monkeypatch):
    monkeypatch.setenv("PARLEY_SERVER__HOST", "192.0.2.7")
    monkeypatch.setenv("PARLEY_CONSOLE__ENABLED", "false")
    status, page = await checked()
    assert status == 1
    assert "This machine has no address 192.0.2.7" in page
    assert "1 thing needs attention" in page


@pytest.mark.parametrize("name", ["keys", "pg"])
async def test_what_another_account_closed_is_a_fault_before_anything_is_started(place, monkeypatch, name):
    closed = place / "var" / name
    closed.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed)  # root may open everything
    status, page = await checked()
    assert status == 1
    assert f"{closed} cannot be opened by this account" in page


async def test_a_folder_nothing_can_be_made_in_is_a_fault(place, monkeypatch):
    (place / "var").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != place / "var" or not mode & os.W_OK)
    status, page = await checked()
    assert status == 1
    assert f"{place / 'var'} cannot be opened by this account" in page


def in_place_of_a_house(monkeypatch: pytest.MonkeyPatch, then: Callable[[asyncio.Event], None]) -> None:
    """As soon as it is open, `then` is called with what tells that only a new process helps."""

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[SimpleNamespace]:
        broken = asyncio.Event()
        asyncio.get_running_loop().call_soon(then, broken)
        yield SimpleNamespace(
            engine=SimpleNamespace(model=SimpleNamespace(name="echo")),
            manager=SimpleNamespace(active=0),
            broken=broken,
        )

    monkeypatch.setattr("bot.serve.open_house", opened)
    monkeypatch.setattr("bot.serve.gc", Mock())  # what this process has stays as it is
    monkeypatch.setattr("bot.serve.set_up_logging", Mock())


async def said_at_start(monkeypatch: pytest.MonkeyPatch) -> str:
    """What a house says that is told to end as soon as it is open."""
    in_place_of_a_house(monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    page = io.StringIO()
    assert await serve(config.load(), Console(file=page, width=500))
    return page.getvalue()


def test_a_house_that_only_a_new_process_helps_ends_itself_with_status_1(place, monkeypatch):
    in_place_of_a_house(monkeypatch, asyncio.Event.set)
    bound = Mock()
    monkeypatch.setattr("bot.serve.faulthandler.dump_traceback_later", bound)
    page = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        run(config.load(), Console(file=page, width=500))
    assert ended.value.code == 1
    assert "Ended" in page.getvalue()
    bound.assert_called_once_with(config.load().settings.server.shutdown_seconds + 15, exit=True)


def test_a_house_that_was_told_to_end_has_status_0(place, monkeypatch):
    in_place_of_a_house(monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    run(config.load(), screen())


@pytest.mark.parametrize(
    ("more", "is_said"),
    [({"SIGNING_SECRET": "a-secret"}, True), ({"SIGNING_SECRET": "a-secret", "APP_TOKEN": "xapp-of-the-tests"}, False)],
)
async def test_where_slack_sends_to_is_said_at_start_and_not_with_socket_mode(place, monkeypatch, more, is_said):
    monkeypatch.setenv("PARLEY_SLACK__ENABLED", "true")
    monkeypatch.setenv("PARLEY_SLACK__PUBLIC_URL", "https://parley.example.com/")
    for name, value in {"BOT_TOKEN": "xoxb-of-the-tests", **more}.items():
        monkeypatch.setenv(f"PARLEY_SLACK_{name}", value)
    page = await said_at_start(monkeypatch)
    assert ("Slack over HTTP at https://parley.example.com/channels/slack" in page) is is_said


_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
_BOT = {"BOT__ENABLED": "true", "BOT__ID": "aibTESTbot"}
_APP = {"APP__ENABLED": "true", "APP__CORP_ID": "ww00000000000000aa", "APP__AGENT_ID": "1000002"}
_PUBLIC = {"PUBLIC_URL": "https://parley.example.com/"}
_BY_CALLBACK = {"BOT_TOKEN": "Token1", "BOT_AES_KEY": _KEY}
_OF_THE_APP = {"APP_SECRET": "a-secret", "APP_TOKEN": "Token1", "APP_AES_KEY": _KEY}


@pytest.mark.parametrize(
    ("settings", "secrets", "bot", "app"),
    [
        (_BOT | _APP | _PUBLIC, _BY_CALLBACK | _OF_THE_APP, "https://parley.example.com/channels/wecom:",
         "https://parley.example.com/channels/wecom-app:"),
        (_APP | _PUBLIC, _OF_THE_APP, "", "https://parley.example.com/channels/wecom-app:"),
        (_BOT, _BY_CALLBACK, "https://…/channels/wecom:", ""),
        (_BOT | _PUBLIC, _BY_CALLBACK | {"BOT_SECRET": "a-secret"}, "", ""),  # by long connection, which needs none
    ],
)  # fmt: skip
async def test_the_urls_to_enter_at_wecom_are_said_at_start(place, monkeypatch, settings, secrets, bot, app):
    for name, value in settings.items():
        monkeypatch.setenv(f"PARLEY_WECOM__{name}", value)
    for name, value in secrets.items():
        monkeypatch.setenv(f"PARLEY_WECOM_{name}", value)
    page = await said_at_start(monkeypatch)
    assert (f"the AI bot back at {bot}" in page) is bool(bot)
    assert (f"the app back at {app}" in page) is bool(app)
