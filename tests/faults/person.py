"""Somebody with a browser, who keeps the cookie and may come to any server."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp


class Person:
    """Talks to the console's API; `session` must keep cookies of IP addresses."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._csrf: dict[str, str] = {}

    async def post(self, url: str, **body: object) -> tuple[int, Any]:
        async with self._session.post(url, json=body, headers=self._csrf) as response:
            self._remember(response)
            return response.status, await response.json()

    async def get(self, url: str) -> tuple[int, Any]:
        async with self._session.get(url) as response:
            return response.status, await response.json()

    async def events(self, url: str, **body: object) -> AsyncGenerator[tuple[str, Any], None]:
        """Name and data of each server-sent event, as it comes."""
        headers = self._csrf | {"Accept": "text/event-stream"}
        async with self._session.post(url, json=body, headers=headers) as response:
            self._remember(response)
            name = ""
            async for line in response.content:
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    yield name, json.loads(line[5:])

    def _remember(self, response: aiohttp.ClientResponse) -> None:
        if token := response.headers.get("X-CSRF-Token"):
            self._csrf = {"X-CSRF-Token": token}
