"""The one message that may be sent to a callback's own address, without a token and within an hour."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout

from adapters.wecom.errors import NotSent, Unsure, failure
from core.errors import Undeliverable

_TIMEOUT = ClientTimeout(total=15, connect=5)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Responses:
    """Posts to response_urls (developer.work.weixin.qq.com, document 101138)."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def post(self, url: str, message: Mapping[str, Any]) -> None:
        """Raises NotSent where nothing was sent, Unsure where that is not known, else what WeCom refuses it with."""
        if not _is_safe(url):
            raise Undeliverable("the response_url is not an https address")
        if self._session is None:
            self._session = ClientSession(timeout=_TIMEOUT)
        try:
            async with self._session.post(url, json=message, allow_redirects=False) as response:
                answer = await response.json(content_type=None) if response.status == 200 else {}
                status = response.status
        except ClientConnectorError:
            raise NotSent from None  # its own words quote the address, which is a key
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unsure(type(error).__name__) from None
        if status >= 500:
            raise Unsure(f"HTTP status {status}")
        if status != 200:
            raise Undeliverable(f"the response_url answers HTTP status {status}")
        code = answer.get("errcode", 0) if isinstance(answer, Mapping) else 0
        if isinstance(code, int) and code:
            raise failure(code)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)


def _is_safe(url: str) -> bool:
    """Whether it goes over TLS, or stays on this machine. It came sealed from WeCom: its host is not in question."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        return False
