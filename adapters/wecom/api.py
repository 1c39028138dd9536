"""The server API of WeCom that a self-built app speaks to, and the only place that knows its access token."""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import time
from typing import Any
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    FormData,
)

from adapters.wecom.errors import BUSY, CONCURRENT, STALE_TOKEN, NotLetIn, NotSent, Unsure, WecomRefused, failure
from adapters.wecom.settings import AppSettings
from adapters.wecom.tokens import Grant, Tokens
from core.errors import ChannelError, Misconfigured, NotFound, RateLimited, Refused, Undeliverable
from core.message import Image
from core.ports import Leader, Metrics, Secrets

log = logging.getLogger(__name__)

_TIMEOUT = ClientTimeout(total=20, sock_connect=5)
_FILE_TIMEOUT = ClientTimeout(total=60, sock_connect=5)
_TRIES = 3
_BACKOFF = 0.5  # seconds before the second try, with jitter; twice as long before the third
_DUPLICATE_CHECK = 14_400  # seconds, the longest there is (developer.work.weixin.qq.com, document 90236)
_MOST_READ = 1024 * 1024  # bytes of an answer
_PIECE = 64 * 1024
_GONE = frozenset({40007, 40009, 41006})  # a media id that is none (any more)
_PICTURES = {"image/png": "png", "image/jpeg": "jpg"}
_PICTURE_BYTES = (5, 10 * 1024 * 1024)  # more than the one, up to the other (document 90253)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that WeCom took. `msgid` recalls it, "" where WeCom gave none; `response_code` changes a card, once."""

    msgid: str = ""
    response_code: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """The app as the admin console knows it."""

    name: str
    is_closed: bool = False


class Api:
    """Calls https://qyapi.weixin.qq.com/cgi-bin. What failed before it was taken is tried again, three times in all.

    Raises RateLimited, NotLetIn, Undeliverable, Unsure (it may have been taken), NotSent or WecomRefused, and NotStored
    where the token cannot be read. The token and the Secret stand in addresses, and aiohttp's errors quote these: they
    go no further than here.
    """

    def __init__(
        self,
        settings: AppSettings,
        metrics: Metrics,
        *,
        secrets: Secrets,
        leader: Callable[[str], Leader],
        clock: Callable[[], float] = time,
        backoff: float = _BACKOFF,
    ) -> None:
        """Raises Misconfigured for an `api_url` that gives the token away."""
        if not _is_safe(settings.api_url):
            raise Misconfigured("wecom.app.api_url has to begin with https")
        self._settings = settings
        self._metrics = metrics
        self._backoff = backoff
        self._told: set[int] = set()  # refusals that the operator knows of
        self._open: ClientSession | None = None
        name = f"wecom/token/{settings.corp_id}/{settings.agent_id}"
        self._tokens = Tokens(name, self._fetch, secrets=secrets, leader=leader, clock=clock)

    @property
    def agent_id(self) -> int:
        return self._settings.agent_id

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()

    # ------------------------------------------------------------------------------------------------------- messages

    async def send(self, message: Mapping[str, Any]) -> Sent:
        """Sends `{"touser", "msgtype", …}`. The same message sent again within four hours is dropped by WeCom.

        So it is sent again where its fate is unknown. Nothing random may be in it. Raises Undeliverable where the
        person is not reached.
        """
        body = {
            **message,
            "agentid": self._settings.agent_id,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": _DUPLICATE_CHECK,
        }
        answer = await self._call("message/send", body)
        if answer.get("invaliduser") or answer.get("unlicenseduser"):
            raise Undeliverable("the person is outside the app's visible range, or has no licence for it")
        return Sent(_text(answer, "msgid"), _text(answer, "response_code"))

    async def recall(self, msgid: str) -> None:
        """Takes a message back, within 24 hours (document 94867)."""
        await self._call("message/recall", {"msgid": msgid})

    # ---------------------------------------------------------------------------------------------------------- media

    async def upload(self, image: Image) -> str:
        """The media id of a picture, good for three days. Raises Refused for one that WeCom does not show."""
        least, most = _PICTURE_BYTES
        if image.media_type not in _PICTURES or not least < len(image.data) <= most:
            raise Refused("WeCom shows PNG and JPEG pictures of up to 10 MB")
        answer = await self._call("media/upload", image, query={"type": "image"})
        media_id = _text(answer, "media_id")
        if not media_id:
            raise Unsure("the picture was given no media id")
        return media_id

    async def media(self, media_id: str, limit: int) -> bytes:
        """What somebody sent, kept for three days. Raises Refused above `limit` bytes, NotFound, ChannelError."""
        if not media_id:
            raise NotFound
        try:
            found = await self._call("media/get", query={"media_id": media_id}, limit=limit)
        except WecomRefused as error:
            if error.code in _GONE:
                raise NotFound from None
            raise
        data = found.get("data")
        if not isinstance(data, bytes):
            raise NotFound
        return data

    # ----------------------------------------------------------------------------------------------------- the set-up

    async def check(self) -> Agent:
        """Asks for a token anew and then for the app itself, without the store. Raises NotLetIn or a ChannelError."""
        grant = await self._granted()
        agent = await self._once("agent/get", None, {"agentid": str(self._settings.agent_id)}, grant.token, limit=0)
        if code := _code(agent):
            raise failure(code, _text(agent, "errmsg"))
        return Agent(_text(agent, "name"), is_closed=bool(agent.get("close")))

    async def _fetch(self) -> Grant:
        """A token, and a line for the operator where there is none. Raises as `_granted`."""
        try:
            return await self._granted()
        except NotLetIn as error:
            raise self._not_let_in(error) from None

    async def _granted(self) -> Grant:
        """A token, by corp id and Secret (document 91039). Raises NotLetIn, RateLimited or another ChannelError."""
        query = {"corpid": self._settings.corp_id, "corpsecret": self._settings.secret}
        answer = await self._once("gettoken", None, query, "", limit=0)
        if code := _code(answer):
            error = failure(code, _text(answer, "errmsg"))
            raise error if isinstance(error, RateLimited) else NotLetIn(code, error.detail)
        token, seconds = _text(answer, "access_token"), answer.get("expires_in")
        if not token or not isinstance(seconds, int) or not 0 < seconds < 10**6:
            raise NotSent("no access token was given")
        return Grant(token, float(seconds))

    # ------------------------------------------------------------------------------------------------------- one call

    async def _call(
        self,
        path: str,
        body: Mapping[str, Any] | Image | None = None,
        *,
        query: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> Mapping[str, Any]:
        is_renewed, attempt = False, 1
        token = await self._tokens.token()
        while True:
            try:
                answer = await self._once(path, body, query or {}, token, limit=limit)
            except (NotSent, Unsure):
                if attempt == _TRIES:
                    raise
            else:
                code = _code(answer)
                if code == 0:
                    self._told.clear()
                    return answer
                if code in STALE_TOKEN and not is_renewed and (another := await self._tokens.another(token)):
                    token, is_renewed = another, True
                    continue
                if code not in (BUSY, CONCURRENT) or attempt == _TRIES:
                    raise self._refusal(code, answer)
            self._metrics.count("channel_retries", channel="wecom-app")
            await asyncio.sleep(random.uniform(0.5, 1.0) * self._backoff * 2.0**attempt)
            attempt += 1

    def _refusal(self, code: int, answer: Mapping[str, Any]) -> ChannelError:
        error = failure(code, _text(answer, "errmsg"))
        return self._not_let_in(error) if isinstance(error, NotLetIn) else error

    def _not_let_in(self, error: NotLetIn) -> NotLetIn:
        """The operator is told once of each reason, until answers go out again."""
        if error.code not in self._told:
            self._told.add(error.code)
            log.error("The WeCom app is not let in, and its answers wait: %s", error.detail)
        return error

    async def _once(
        self, path: str, body: Mapping[str, Any] | Image | None, query: Mapping[str, str], token: str, *, limit: int
    ) -> Mapping[str, Any]:
        """What is answered, whatever its errcode; a file as {"data": bytes}, of up to `limit` bytes."""
        params = {**query, "access_token": token} if token else query
        try:
            async with self._session.request(
                "GET" if body is None else "POST",
                f"{self._settings.api_url.rstrip('/')}/cgi-bin/{path}",
                params=params,
                data=_encoded(body),
                headers={} if body is None or isinstance(body, Image) else {"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=_FILE_TIMEOUT if limit or isinstance(body, Image) else _TIMEOUT,
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise Unsure(f"HTTP status {response.status}")
                if limit and "Content-Disposition" in response.headers:
                    return {"data": await _read(response, limit)}
                return _object(await _read(response, _MOST_READ))
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        except (ClientError, TimeoutError, OSError) as error:
            raise Unsure(type(error).__name__) from None

    @property
    def _session(self) -> ClientSession:
        if self._open is None or self._open.closed:
            self._open = ClientSession()
        return self._open


def _is_safe(url: str) -> bool:
    """Whether it goes over TLS, or stays on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        return False


def _encoded(body: Mapping[str, Any] | Image | None) -> bytes | FormData | None:
    if isinstance(body, Image):
        form = FormData()
        name = f"picture.{_PICTURES[body.media_type]}"
        form.add_field("media", body.data, filename=name, content_type=body.media_type)
        return form
    # In UTF-8 and not escaped: a Chinese text would be twice as long. Half a character becomes a question mark.
    return None if body is None else json.dumps(body, ensure_ascii=False).encode(errors="replace")


async def _read(response: ClientResponse, limit: int) -> bytes:
    """Raises Refused above `limit` bytes."""
    read = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        read += piece
        if len(read) > limit:
            raise Refused(f"this is more than {limit} bytes")
    return bytes(read)


def _object(data: bytes) -> Mapping[str, Any]:
    """Raises Unsure for what is no JSON object with an errcode."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("errcode", 0), int):
        raise Unsure("an answer that is none of WeCom's")
    return value


def _code(answer: Mapping[str, Any]) -> int:
    return int(answer.get("errcode", 0))


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
