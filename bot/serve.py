"""`parley serve` and `parley db upgrade`: progress while things start, and an end that loses nothing."""

import asyncio
import faulthandler
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
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

log = logging.getLogger(__name__)

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop


# Seconds; from the last answer on, to close what is open.
_LAST_THINGS = 15.0

Tell = Callable[[str], None]


class Steps:
    """Says what is being done, and how long each step took; on a terminal while it is, elsewhere by `tell`."""

    def __init__(self, screen: Console, tell: Tell, *, is_log: bool = False) -> None:
        self._tell = tell
        self._is_live = screen.is_terminal and not is_log
        self._began = monotonic()
        self._step = ""
        self._status = screen.status("")

    def __call__(self, step: str) -> None:
        self.end()
        self._step, self._began = step, monotonic()
        if self._is_live:
            self._status.update(f"{step} …")
            self._status.start()
        else:
            self._tell(f"{step} …")

    def end(self) -> None:
        self._status.stop()
        if self._step:
            self._tell(f"✓ {self._step} ({monotonic() - self._began:.1f} s)")
            self._step = ""


def run(config: Config, screen: Console) -> None:
    """`serve` on an event loop of its own; ends this process with status 1 where it is to be started anew."""
    with suppress(asyncio.CancelledError):  # told to end while it started
        if not run_loop(serve(config, screen)):
            sys.exit(1)


async def serve(config: Config, screen: Console) -> bool:
    """Serves until SIGINT or SIGTERM, or until only a new process helps: then False, and it ends in the same order.

    A second signal leaves at once. Raises ParleyError where it cannot start. Told to end while it starts, it goes no
    further and is cancelled: a model may take minutes to load.
    """
    settings = config.settings
    set_up_logging(settings.log.level, settings.log.format)
    is_log = settings.log.format == "json"
    tell = _into_log if is_log else partial(screen.print, markup=False)
    steps, server = Steps(screen, tell, is_log=is_log), settings.server
    is_open = asyncio.Event()
    ended = _ended_by_signal(is_open)
    with reporting(config), _explained(steps):
        async with open_house(config, steps) as house:
            is_open.set()
            steps.end()
            url = f"{server.url}/"
            models = " + ".join(model.name for model in models_of(house.engine))
            tell(say("serve_ready", url=url, model=models))
            if settings.slack.enabled and not config.secrets.slack_app_token:  # a socket has a line of its own
                public = settings.slack.public_url or url.rstrip("/")
                tell(say("serve_slack", url=f"{public}/channels/slack"))
            for name, callback in _wecom_callbacks(config):
                tell(say(name, url=callback))
            gc.collect()
            gc.freeze()  # what stays for good: looking through all of torch again and again would hold the loop up
            await _any_of(ended, house.broken)
            if house.broken.is_set():
                _end_by(server.shutdown_seconds + _LAST_THINGS)
            if house.manager.active:
                tell(say("serve_stopping", count=house.manager.active, seconds=server.shutdown_seconds))
        tell(say("serve_ended"))
        return not house.broken.is_set()


def _end_by(seconds: float) -> None:
    """Nobody who supervises it has asked for this end and kills it when it takes too long, as where a GPU hangs.

    Says where it hangs then, and exits with status 1. A thread that needs no lock of Python's sees to it.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)


async def _any_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _into_log(sentence: str) -> None:
    """Where a collector reads one object a line, there is nothing else."""
    log.info("%s", sentence)


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
        steps = Steps(screen, partial(screen.print, markup=False))
        with _explained(steps):
            async with AsyncExitStack() as stack:
                url = await database_url(config, steps, stack)
                steps(say("serve_migrate"))
                await upgrade(url)
                return await asyncio.to_thread(current, url)

    return asyncio.run(work())


def _ended_by_signal(is_open: asyncio.Event) -> asyncio.Event:
    ended, loop, serving = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        ended.set()
        if serving and not is_open.is_set():
            serving.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return ended
