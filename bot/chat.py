"""`parley chat`: a conversation in the terminal, over the console channel's API."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from ssl import SSLContext
from threading import Thread
from typing import Any

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

from bot.texts import say

_PATIENCE = 60  # seconds
_FINAL = ("done", "asked", "refused", "stopped", "failed")
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=330)


class Terminal:
    """One person's conversation: keeps the cookie, the CSRF token and the thread between questions."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, screen: Console, *, shows_reasoning: bool = False
    ) -> None:
        self._session = session
        self._shows_reasoning = shows_reasoning
        self._url = url.rstrip("/")
        self._screen = screen
        self._thread: str | None = None
        self._reply = ""
        self._is_whole = self._is_asking = False
        self._csrf = ""

    async def model(self) -> str | None:
        """The model that answers, from the page's own address for it; None where a token is asked for."""
        async with self._session.get(f"{self._url}/model") as response:
            self._remember(response)
            if response.status == 401:
                return None
            return str((await _json(response)).get("name", "?"))

    async def ask(self, prompt: str) -> None:
        """Sends one question and shows its answer as it grows."""
        body = {"prompt": prompt} | ({"thread": self._thread} if self._thread else {})
        headers = {"Accept": "text/event-stream", "X-CSRF-Token": self._csrf}
        text = ""
        async with self._session.post(f"{self._url}/chat", json=body, headers=headers) as response:
            self._remember(response)
            if response.status != 200 or response.content_type != "text/event-stream":
                answer = await _json(response)
                self._screen.print(answer.get("response") or self._problem(answer), style="yellow", markup=False)
                return
            with Live(console=self._screen, auto_refresh=False, vertical_overflow="visible") as live:
                with suppress(aiohttp.ClientError):
                    async for event, data in _events(response):
                        text = self._grown(text, event, data)
                        live.update(Markdown(text), refresh=True)
                if not self._is_whole:
                    self._screen.print(say("chat_cut"), style="yellow", markup=False)
                    live.update(Markdown(await self._later()), refresh=True)
            self._screen.print()
            if self._is_asking:
                self._screen.print(say("chat_confirm"), style="yellow", markup=False)
            if self._shows_reasoning and (thought := await self._thought()):
                self._screen.print(say("chat_thought"), thought, sep="\n", style="dim", markup=False)
                self._screen.print()

    async def _later(self) -> str:
        """The answer of a stream that was cut, once it is finished; raises ClientError where it does not come."""
        for _ in range(_PATIENCE):
            await asyncio.sleep(1)
            with suppress(aiohttp.ClientError):
                async with self._session.get(f"{self._url}/threads/{self._thread}") as response:
                    self._remember(response)
                    entries = (await _json(response)).get("entries", [])
                for entry in entries:
                    if entry["reply_id"] == self._reply and entry["state"] in _FINAL:
                        return str(entry["answer"])
        raise aiohttp.ClientError

    async def _thought(self) -> str:
        """What was thought before the last answer, "" where nothing was."""
        async with self._session.get(f"{self._url}/replies/{self._reply}/reasoning") as response:
            self._remember(response)
            return str((await _json(response)).get("reasoning", ""))

    async def stop(self) -> None:
        """Stops the answer that is being written."""
        if self._thread:
            headers = {"X-CSRF-Token": self._csrf}
            async with self._session.post(f"{self._url}/stop", json={"thread": self._thread}, headers=headers):
                pass

    def _grown(self, text: str, event: str, data: dict[str, Any]) -> str:
        match event:
            case "start":
                self._thread, self._reply = data["thread"], data["reply_id"]
                self._is_whole = self._is_asking = False
                return text
            case "delta":
                return text + str(data["text"])
            case "replace":
                return str(data["text"])
            case "done":
                self._is_whole, self._is_asking = True, data["state"] == "asked"
                return str(data["response"])
            case _:
                return text

    def _remember(self, response: aiohttp.ClientResponse) -> None:
        self._csrf = response.headers.get("X-CSRF-Token", self._csrf)

    def _problem(self, answer: dict[str, Any]) -> str:
        return say("chat_refused", url=self._url, problem=answer.get("error", "?"))


async def converse(url: str, token: str, *, shows_reasoning: bool = False, trusted: SSLContext | None = None) -> int:
    """Talks until Ctrl+D; the exit status. Over HTTPS the certificates of the system are trusted, or `trusted`."""
    screen = Console(highlight=False)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    jar = aiohttp.CookieJar(unsafe=True)  # the server is reached by its IP address
    connector = aiohttp.TCPConnector(ssl=trusted or True)
    async with aiohttp.ClientSession(headers=headers, cookie_jar=jar, timeout=_TIMEOUT, connector=connector) as session:
        terminal = Terminal(session, url, screen, shows_reasoning=shows_reasoning)
        try:
            model = await terminal.model()
            if model is None:
                screen.print(say("chat_token", url=url), style="red", markup=False)
                return 1
            screen.print(say("chat_hello", model=model), style="dim", markup=False)
            while (prompt := await _read()) is not None:
                if prompt.strip():
                    await _ask_stoppably(terminal, prompt)
        except aiohttp.ClientConnectorError:
            screen.print(say("chat_unreachable", url=url), style="red", markup=False)
            return 1
        except aiohttp.ClientError:
            screen.print(say("chat_lost", url=url), style="red", markup=False)
            return 1
    return 0


async def _ask_stoppably(terminal: Terminal, prompt: str) -> None:
    """Ctrl+C stops the answer, not the conversation."""
    loop, stopping = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    loop.add_signal_handler(signal.SIGINT, lambda: stopping.add(asyncio.create_task(terminal.stop())))
    try:
        await terminal.ask(prompt)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        await asyncio.gather(*stopping, return_exceptions=True)


async def _read() -> str | None:
    """A line of the person's, None at its end. In a thread of its own that nobody waits for: Ctrl+C leaves at once."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def read() -> None:
        text: str | None = None
        with suppress(EOFError, OSError, UnicodeDecodeError):
            text = input("› ")
        with suppress(RuntimeError):  # the conversation has ended meanwhile
            loop.call_soon_threadsafe(hand_over, text)

    def hand_over(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    Thread(target=read, name="prompt", daemon=True).start()
    return await line


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any]:
    with suppress(ValueError, aiohttp.ClientError):
        answer = await response.json(content_type=None)
        if isinstance(answer, dict):
            return answer
    return {"error": f"HTTP {response.status}"}


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Server-sent events as (name, data)."""
    name, data = "message", ""
    async for raw in response.content:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield name, json.loads(data)
            name, data = "message", ""
