"""`parley serve` and `parley db upgrade`: progress while things start, and an end that loses nothing."""

import asyncio
import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from time import monotonic

from rich.console import Console

from bot.app import database_url, open_house
from bot.config import Config
from bot.engines import models_of
from bot.logs import set_up_logging
from bot.sentry import reporting
from bot.texts import say
from core.errors import Misconfigured
from core.store.schema import current, upgrade

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop


class Steps:
    """Says what is being done, and how long each step took."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._began = monotonic()
        self._step = ""
        self._status = screen.status("")

    def __call__(self, step: str) -> None:
        self.end()
        self._step, self._began = step, monotonic()
        if self._screen.is_terminal:
            self._status.update(f"{step} …")
            self._status.start()
        else:
            self._screen.print(f"{step} …", markup=False)

    def end(self) -> None:
        self._status.stop()
        if self._step:
            self._screen.print(f"✓ {self._step} ({monotonic() - self._began:.1f} s)", markup=False)
            self._step = ""


def run(config: Config, screen: Console) -> None:
    """`serve` on an event loop of its own."""
    run_loop(serve(config, screen))


async def serve(config: Config, screen: Console) -> None:
    """Serves until SIGINT or SIGTERM; a second signal leaves at once. Raises ParleyError where it cannot start."""
    settings = config.settings
    set_up_logging(settings.log.level, settings.log.format)
    steps, server = Steps(screen), settings.server
    ended = _ended_by_signal()
    with reporting(config), _explained(steps):
        async with open_house(config, steps) as house:
            steps.end()
            url = f"{server.url}/"
            models = " + ".join(model.name for model in models_of(house.engine))
            screen.print(say("serve_ready", url=url, model=models), style="bold")
            if settings.slack.enabled and not config.secrets.slack_app_token:  # a socket has a line of its own
                public = settings.slack.public_url or url.rstrip("/")
                screen.print(say("serve_slack", url=f"{public}/channels/slack"), markup=False)
            for name, callback in _wecom_callbacks(config):
                screen.print(say(name, url=callback), markup=False)
            gc.collect()
            gc.freeze()  # what stays for good: looking through all of torch again and again would hold the loop up
            await ended.wait()
            if house.manager.active:
                screen.print(say("serve_stopping", count=house.manager.active))


def _wecom_callbacks(config: Config) -> Iterator[tuple[str, str]]:
    """Where WeCom calls back, each with the name of the sentence that says so; the long connection needs nothing."""
    wecom, public = config.settings.wecom, config.settings.wecom.public_url or "https://…"
    if wecom.bot.enabled and not config.secrets.wecom_bot_secret:
        yield "serve_wecom", f"{public}/channels/wecom"
    if wecom.app.enabled:
        yield "serve_wecom_app", f"{public}/channels/wecom-app"


@contextmanager
def _explained(steps: Steps) -> Iterator[None]:
    """What this account may not open is named: `var/` may have been made by another one."""
    try:
        yield
    except PermissionError as error:
        if not error.filename:
            raise
        raise Misconfigured(say("closed_path", path=error.filename)) from None
    finally:
        steps.end()


def upgrade_database(config: Config, screen: Console) -> str:
    """Migrates the configured (or embedded) database; the version it is at then."""

    async def work() -> str:
        steps = Steps(screen)
        with _explained(steps):
            async with AsyncExitStack() as stack:
                url = await database_url(config, steps, stack)
                steps(say("serve_migrate"))
                await upgrade(url)
                return await asyncio.to_thread(current, url)

    return asyncio.run(work())


def _ended_by_signal() -> asyncio.Event:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def end() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return ended
