"""Microsoft's side of Teams: whose a request is, and what a conversation is told. The only file that knows an SDK.

The SDK's own turn is not used. Its validation fetches keys on the event loop and without a timeout, knows no new key
for a day, and follows whatever issuer a token names to further key servers; its connector sends through the loop's few
threads. What is used is its reading of a token (JwtTokenExtractor), over keys of our own.
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    TCPConnector,
)
from botframework.connector.auth import AuthenticationConstants, GovernmentConstants, JwtTokenExtractor, VerifyOptions

from adapters.teams.credentials import Credential, Grant, granted, managed_identity
from adapters.teams.errors import NotLetIn, NotSent, Unsure, not_let_in, refusal
from adapters.teams.keys import Keys
from adapters.teams.pacing import READS, WRITES, Paces
from adapters.teams.settings import TeamsSettings
from adapters.teams.verify import Forged, is_answerable, is_loopback, is_safe
from core.errors import ChannelError, RateLimited, Undeliverable
from core.ports import Metrics

log = logging.getLogger(__name__)

CHANNEL = "msteams"
PATIENCE = 60.0  # seconds a call waits at most for Teams to take it
_SKEW = 300  # seconds that Microsoft's clock and ours may differ (learn.microsoft.com, "Authentication", connector)
_LONGEST_HEADER = 16 * 1024
_TIMEOUT = ClientTimeout(total=20, connect=10)
_FETCH_TIMEOUT = ClientTimeout(total=10)
_MOST_READ = 1024 * 1024  # bytes of an answer
_TRIES = 5
_BACKOFF = 0.5  # seconds, about, before the second; twice as long before each further one

# Bot Framework's own sentences are told; those of a library could quote the token, so its error's name has to do.
_REASONS = {
    "DecodeError": "the token cannot be read",
    "ExpiredSignatureError": "the token has expired",
    "ImmatureSignatureError": "the token is not valid yet",
    "InvalidSignatureError": "the signature is not that of the key",
}


class TeamsClient:
    """Teams' connector for one bot. Activities are dicts in Teams' wire form; an address is a message's return address.

    Sending goes over aiohttp: 24 sends to a connector that takes 1 s each are through after 1.05 s, through the SDK's
    connector client after 4.1 s (two CPUs), and what is sent is what leaves, fields unknown to the SDK included.
    `clock` gives seconds that never run backwards.
    """

    def __init__(
        self, settings: TeamsSettings, metrics: Metrics | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._issuer, self._resource = _cloud(settings)
        self._keys = Keys(settings.keys_url, self._fetch, clock=clock)
        self._extractor = _extractor(self._issuer, settings.keys_url, self._keys)
        self._credential = Credential(self._acquirer(), clock=clock)
        self._writes, self._reads = Paces(WRITES, clock=clock), Paces(READS, clock=clock)
        self._open: ClientSession | None = None

    async def start(self) -> None:
        """Fetches keys and token once; what could not be had is told to the operator and tried again."""
        if self._settings.app_id:
            await asyncio.gather(self._keys.start(), self._warm())

    async def _warm(self) -> None:
        with suppress(NotLetIn):
            await self._credential.renew()

    async def close(self) -> None:
        await self._keys.close()
        await self._credential.close()
        if self._open is not None:
            await self._open.close()

    async def check(self) -> None:
        """Fetches keys and token anew. Raises ChannelError, NotLetIn where the token is refused."""
        if self._settings.app_id:
            await self._keys.renew()
            await self._credential.renew()

    # ------------------------------------------------------------------------------------------------- who speaks

    async def authenticate(self, header: str, activity: Mapping[str, Any]) -> None:
        """Raises Forged unless `header`, the Authorization of the request, shows that Teams sent this to our bot."""
        self.vouch(await self.claims(header), activity)

    def vouch(self, claims: Mapping[str, Any], activity: Mapping[str, Any]) -> None:
        """Raises Forged unless the token with these `claims` is for this activity.

        Without an app id nobody has a token: then, and only where `is_dev`, what comes from this machine passes.
        """
        service_url = activity.get("serviceUrl")
        if not self._settings.app_id:
            if not (self._settings.is_dev and is_loopback(service_url)):
                raise Forged("without an app id only this machine is answered, and only in development")
            return
        if activity.get("channelId") != CHANNEL:
            # Tokens of other channels have the same issuer, and there everybody writes his own name and tenant.
            raise Forged("it is of another channel than Teams")
        # The SDK lets a token without an end pass, and one without a service URL where the activity has none.
        if "exp" not in claims:
            raise Forged("the token has no end")
        if claims.get(AuthenticationConstants.AUDIENCE_CLAIM) != self._settings.app_id:
            raise Forged("the token is for another bot")
        if not isinstance(service_url, str) or claims.get(AuthenticationConstants.SERVICE_URL_CLAIM) != service_url:
            raise Forged("the token is for another service URL than the activity's")
        if not is_answerable(service_url, self._settings):
            raise Forged("its service URL is none that may be answered; see teams.services")

    async def claims(self, header: str) -> Mapping[str, Any]:
        """What the token in an Authorization header says, {} without an app id. Raises Forged unless it is Teams'."""
        if not self._settings.app_id:
            return {}
        if not header or len(header) > _LONGEST_HEADER:
            raise Forged("it brings no token" if not header else "its token is too long")
        try:
            identity = await self._extractor.get_identity_from_auth_header(header, CHANNEL)
        except Forged:
            raise
        except Exception as error:  # whatever PyJWT and the SDK meet in a token that is none
            raise Forged(_reason(error)) from None
        if identity is None:
            raise Forged("the token is no bearer token of the Bot Framework")
        claims: Mapping[str, Any] = identity.claims
        return claims

    # ---------------------------------------------------------------------------------------------- what is told

    async def send(self, address: Mapping[str, Any], activity: Mapping[str, Any], *, patience: float = PATIENCE) -> str:
        """Posts an activity into the conversation; its id, "" where Teams gives none.

        Waits up to `patience` seconds where Teams asks for it. Raises RateLimited, StreamEnded, NotAPersonalChat,
        TooLarge, Undeliverable, Unsure (it may have been taken) or another ChannelError (it was not).
        Microsoft asks to repeat what was answered 502 or 504, so such a post may arrive twice.
        """
        answer = await self._call("POST", address, "activities", activity=activity, patience=patience)
        id = answer.get("id")
        return id if isinstance(id, str) else ""

    async def update(
        self,
        address: Mapping[str, Any],
        activity_id: str,
        activity: Mapping[str, Any],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """Replaces a message of ours. Raises as `send`."""
        named = {**activity, "id": activity_id}
        await self._call("PUT", address, f"activities/{_segment(activity_id)}", activity=named, patience=patience)

    async def delete(self, address: Mapping[str, Any], activity_id: str, *, patience: float = PATIENCE) -> None:
        """Takes a message of ours back. Raises as `send`, Undeliverable where it is gone already."""
        await self._call("DELETE", address, f"activities/{_segment(activity_id)}", patience=patience)

    async def member(
        self, address: Mapping[str, Any], user_id: str, *, patience: float = PATIENCE
    ) -> Mapping[str, Any]:
        """Who somebody is, from the conversation's roster. Raises as `send`, Undeliverable where nobody is known."""
        return await self._call("GET", _without_thread(address), f"members/{_segment(user_id)}", patience=patience)

    async def _call(
        self,
        method: str,
        address: Mapping[str, Any],
        path: str,
        *,
        activity: Mapping[str, Any] | None = None,
        patience: float,
    ) -> Mapping[str, Any]:
        url = self._url(address, path)
        body = None if activity is None else _bytes(_framed(address, activity))
        is_stream = activity is not None and _is_stream(activity)
        paces = self._reads if method == "GET" else self._writes
        conversation = str(_without_thread(address)["conversation"])
        deadline = self._clock() + patience
        is_renewed = False
        for attempt in range(1, _TRIES + 1):
            await self._until_allowed(paces, conversation, deadline)
            token = await self._credential.token() if self._settings.app_id else ""
            try:
                return await self._once(method, url, body, token, is_stream=is_stream)
            except _Unauthorized:
                if is_renewed or not token or not self._credential.forget(token):
                    raise self._credential.turned_away() from None
                is_renewed, pause = True, 0.0
            except RateLimited as limited:
                pause = limited.retry_after.total_seconds() + self._pause(attempt)
                paces.hold(conversation, limited.retry_after.total_seconds())
                self._give_up(limited, attempt, deadline, pause)
            except NotSent as error:
                pause = self._pause(attempt)
                self._give_up(error, attempt, deadline, pause)
            except Unsure as unsure:
                if method == "POST":  # it might say a thing twice
                    raise
                pause = self._pause(attempt)
                self._give_up(unsure, attempt, deadline, pause)
            self._count_retry()
            await asyncio.sleep(pause)
        raise NotSent(f"after {_TRIES} tries")

    def _pause(self, attempt: int) -> float:
        return random.uniform(0.5, 1.0) * _BACKOFF * 2.0**attempt

    def _give_up(self, error: ChannelError, attempt: int, deadline: float, pause: float) -> None:
        if attempt == _TRIES or self._clock() + pause > deadline:
            raise error

    def _count_retry(self) -> None:
        if self._metrics is not None:
            self._metrics.count("channel_retries", channel="teams")

    async def _until_allowed(self, paces: Paces, conversation: str, deadline: float) -> None:
        patience = max(0.0, deadline - self._clock())
        wait = paces.take(conversation, patience)
        if wait > patience:
            raise RateLimited(timedelta(seconds=wait), f"the conversation has to wait {wait:.0f} s")
        if wait:
            await asyncio.sleep(wait)

    async def _once(
        self, method: str, url: str, body: bytes | None, token: str, *, is_stream: bool
    ) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json; charset=utf-8"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                answer = await _json(response)
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        except (ClientError, TimeoutError, OSError) as error:
            raise Unsure(type(error).__name__) from None
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            self._credential.accepted()
            return answer if isinstance(answer, Mapping) else {}
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise _Unauthorized
        raise refusal(response.status, answer, response.headers, is_stream=is_stream)

    def _url(self, address: Mapping[str, Any], path: str) -> str:
        service_url = address.get("service_url")
        if not is_answerable(service_url, self._settings):
            raise Undeliverable("its service URL is none that may be answered; see teams.services")
        conversation = _segment(address.get("conversation"))
        return f"{str(service_url).rstrip('/')}/v3/conversations/{conversation}/{path}"

    # --------------------------------------------------------------------------------------- what Microsoft gives

    def _acquirer(self) -> Callable[[], Awaitable[Grant]]:
        if self._settings.has_managed_identity:
            return managed_identity(self._settings.app_id, self._resource)
        return self._sign_in

    async def _sign_in(self) -> Grant:
        """By client credentials (learn.microsoft.com, "OAuth 2.0 client credentials flow")."""
        settings = self._settings
        url = f"{settings.login_url.rstrip('/')}/{quote(settings.tenant_id, safe='')}/oauth2/v2.0/token"
        if not is_safe(url):
            raise NotLetIn("rejected", "teams.login_url has to begin with https")
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.app_id,
            "client_secret": settings.app_password,
            "scope": f"{self._resource}/.default",
        }
        try:
            async with self._session.post(url, data=form, allow_redirects=False, timeout=_FETCH_TIMEOUT) as response:
                answer = await _json(response)
        except (ClientError, TimeoutError, OSError) as error:
            raise NotLetIn("unreachable", f"the sign-in does not answer ({type(error).__name__})") from None
        grant = granted(answer) if response.status == HTTPStatus.OK else None
        if grant is None:
            raise not_let_in(response.status, answer)
        return grant

    async def _fetch(self, url: str) -> Any:
        if not is_safe(url):
            raise ChannelError("keys are fetched over https")
        try:
            async with self._session.get(url, allow_redirects=False, timeout=_FETCH_TIMEOUT) as response:
                answer = await _json(response)
        except (ClientError, TimeoutError, OSError) as error:
            raise NotSent(type(error).__name__) from None
        if response.status != HTTPStatus.OK or answer is None:
            raise ChannelError(f"HTTP status {response.status}" if answer else "an answer that is no JSON")
        return answer

    @property
    def _session(self) -> ClientSession:
        if self._open is None or self._open.closed:
            # Answers wait for Teams' limits, not for a connection; one that was long silent may be dead.
            self._open = ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=30))
        return self._open


class _Unauthorized(Exception):
    """The connector answered 401."""


def _cloud(settings: TeamsSettings) -> tuple[str, str]:
    """Who issues tokens to us, and for what we ask ours: Microsoft's public cloud, or that of the US government."""
    constants = GovernmentConstants if settings.login_url.rstrip("/").endswith(".us") else AuthenticationConstants
    return constants.TO_BOT_FROM_CHANNEL_TOKEN_ISSUER, constants.TO_CHANNEL_FROM_BOT_OAUTH_SCOPE


def _extractor(issuer: str, keys_url: str, keys: Keys) -> JwtTokenExtractor:
    """The SDK's reader of tokens, which asks our keys in place of its own."""
    options = VerifyOptions(issuer=[issuer], audience=None, clock_tolerance=_SKEW, ignore_expiration=False)
    extractor = JwtTokenExtractor(options, keys_url, ["RS256"])
    extractor.open_id_metadata = keys
    return extractor


def _reason(error: Exception) -> str:
    name = type(error).__name__
    return _REASONS.get(name) or (str(error) if type(error) is Exception else f"the token is not sound ({name})")


def _framed(address: Mapping[str, Any], activity: Mapping[str, Any]) -> dict[str, Any]:
    """With what the SDK would add of the conversation; what the activity says itself goes before."""
    frame = {
        "channelId": CHANNEL,
        "serviceUrl": address["service_url"],
        "conversation": _conversation(address),
        "from": address.get("bot"),
        "recipient": address.get("user"),
    }
    return {**{name: value for name, value in frame.items() if value}, **activity}


def _conversation(address: Mapping[str, Any]) -> dict[str, Any]:
    """As it came, kind and tenant too: Microsoft's Agents Playground streams only into what calls itself personal."""
    named = {"conversationType": address.get("conversation_type"), "tenantId": address.get("tenant")}
    return {"id": address["conversation"], **{name: value for name, value in named.items() if value}}


def _is_stream(activity: Mapping[str, Any]) -> bool:
    return any(
        isinstance(entity, Mapping) and entity.get("type") == "streaminfo" for entity in activity.get("entities") or ()
    )


def _without_thread(address: Mapping[str, Any]) -> dict[str, Any]:
    """Teams counts a channel's threads as one conversation, with one roster."""
    return {**address, "conversation": str(address.get("conversation", "")).partition(";messageid=")[0]}


def _segment(value: object) -> str:
    """An id as one segment of a path. Raises Undeliverable for what would be none."""
    if not isinstance(value, str) or not value.strip("."):
        raise Undeliverable("an id is missing")
    return quote(value.encode(errors="replace"), safe="")


def _bytes(activity: Mapping[str, Any]) -> bytes:
    """As JSON in UTF-8: escaped, a Chinese text would be twice as long. Half a character becomes a question mark."""
    return json.dumps(activity, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


async def _json(response: ClientResponse) -> Any:
    """What was answered, None where it is no JSON or too much of it."""
    read = bytearray()
    async for piece in response.content.iter_chunked(64 * 1024):
        read += piece
        if len(read) > _MOST_READ:
            return None
    try:
        return json.loads(read) if read else None
    except (ValueError, RecursionError):
        return None
