"""The only way out of plugins: to the hosts they declare, never into the house, with bounds on time and size."""

import asyncio
import socket
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from ssl import SSLContext
from typing import Any, TypeVar

from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    SocketFactoryType,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from core.errors import Refused, Unavailable
from core.plugin import HttpAnswer
from core.plugins.addresses import is_public
from core.plugins.hosts import Hosts

T = TypeVar("T")

_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_PORTS = frozenset({80, 443})  # where the list names none
_PIECE = 1 << 16  # bytes
_CONNECTIONS = 32  # at once, to all hosts together

# Not for a plugin to say: whom the server takes itself for, and where a request ends.
_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# What another server may read too; whatever else a plugin sends may be a secret, and was meant for the first one.
_HARMLESS = frozenset({"accept", "accept-language", "user-agent"})


class Unanswered(Unavailable):
    """The server that was asked gave no whole answer."""


class _Inside(OSError):
    """The address about to be connected to is inside the house."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request of a plugin; with `is_post` its `body` goes along as JSON."""

    url: URL
    hosts: Hosts
    headers: Mapping[str, str]
    is_post: bool = False
    body: Any = None


class GuardedHttp:
    """`core.plugin.Http`: the one client through which plugins reach servers.

    Only `hosts` may be asked: exact names, or ".example.org" for all names below it, on the ports 80 and 443 or on the
    one that the entry names ("host:8443"). Only https, and only addresses of the internet at large: that is looked at
    when connecting, on the very address, so that a name that changes its address in between gains nothing. What the
    operator names in `private_hosts` is inside the house and may be asked all the same, over http too.

    A call takes `seconds` at most, redirects included; an answer has `max_bytes` at most, unpacked. Nothing is taken
    from the environment (proxies, .netrc), no cookie is kept. It lives in the event loop it was made in; calls from any
    other are handed over to it. `tls` and `resolver` stand in for the system's own.
    """

    def __init__(
        self,
        hosts: Collection[str] = (),
        *,
        private_hosts: Collection[str] = (),
        seconds: float = 10.0,
        max_bytes: int = 1 << 20,
        tls: SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._own = PluginHttp(self, Hosts(hosts))
        self._private = Hosts(private_hosts)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._home = asyncio.get_running_loop()
        names = resolver or ThreadedResolver()
        self._outside = _session(_Outside(names), tls, _public_socket)
        self._inside = _session(names, tls)

    def for_plugin(self, hosts: Collection[str]) -> "PluginHttp":
        """The same way out, but to the hosts that one plugin declares, and to no other; raises Misconfigured."""
        return PluginHttp(self, Hosts(hosts))

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        return await self._own.get(url, params=params, headers=headers)

    async def post(self, url: str, *, json: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        return await self._own.post(url, json=json, headers=headers)

    async def close(self) -> None:
        """Ends what is still being asked; whoever asks afterwards is told that it is closed."""
        await self._at_home(self._close())

    async def ask(self, call: _Call) -> HttpAnswer:
        return await self._at_home(self._answer(call))

    async def _at_home(self, work: Coroutine[Any, Any, T]) -> T:
        if asyncio.get_running_loop() is self._home:
            return await work
        try:
            handed = asyncio.run_coroutine_threadsafe(work, self._home)
        except RuntimeError:
            work.close()
            raise Unanswered("the way out is closed") from None
        return await asyncio.wrap_future(handed)  # cancelling this one cancels that one

    async def _close(self) -> None:
        await self._outside.close()
        await self._inside.close()

    async def _answer(self, call: _Call) -> HttpAnswer:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._followed(call)
        except TimeoutError:
            raise Unanswered(f"{_named(call.url)} took longer than {self._seconds:g} s") from None

    async def _followed(self, call: _Call) -> HttpAnswer:
        asked = call.url
        for _ in range(_REDIRECTS + 1):
            answer = await self._sent(call, asked)
            if isinstance(answer, HttpAnswer):
                return answer
            call = _onward(call, answer)
        raise Unanswered(f"{_named(asked)} redirects more than {_REDIRECTS} times")

    async def _sent(self, call: _Call, asked: URL) -> HttpAnswer | URL:
        """What was answered, or where to ask instead. What went wrong names the host first asked and no more: the rest
        of an address may be a secret, and so may all of one that a server leads to."""
        session = self._way(call, asked)
        method, body = ("POST", {"json": call.body}) if call.is_post else ("GET", {})
        try:
            async with session.request(
                method, call.url, headers=call.headers, allow_redirects=False, **body
            ) as response:
                place = _moved(call, response)
                return await self._whole(response, asked) if place is None else place
        except (InvalidURL, UnicodeError):
            raise Refused("an address that cannot be read") from None
        except ClientConnectorError as error:
            if isinstance(getattr(error, "os_error", None), _Inside):
                raise Refused(f"{_named(asked)} leads to an address that is not on the internet") from None
            raise Unanswered(f"{_named(asked)} cannot be reached ({type(error).__name__})") from None
        except (ClientError, OSError) as error:
            raise Unanswered(f"{_named(asked)} broke off ({type(error).__name__})") from None

    def _way(self, call: _Call, asked: URL) -> ClientSession:
        """The session that asks for this address; raises Refused where nobody may, and Unanswered once it is closed."""
        url = call.url
        where = _named(asked) if url is asked else f"where {_named(asked)} redirects to"
        if not url.raw_host or url.scheme not in {"https", "http"}:
            raise Refused(f"{where} is no address of the web")
        if url.raw_user is not None or url.raw_password is not None:
            raise Refused(f"{where} is an address with a user's name in it")
        if not call.hosts.has(url, _PORTS):
            where += f":{url.port}" if url is asked and url.port not in _PORTS else ""
            raise Refused(f"{where} is not among the hosts that this plugin names (hosts=)")
        is_inside = self._private.has(url)
        if url.scheme == "http" and not is_inside:
            raise Refused(f"{where} may be asked over https alone")
        session = self._inside if is_inside else self._outside
        if session.closed:
            raise Unanswered("the way out is closed")
        return session

    async def _whole(self, response: ClientResponse, asked: URL) -> HttpAnswer:
        body = bytearray()
        # Read as it is unpacked, a piece at a time: what unpacks without end is cut off at its first bytes too many.
        async for piece in response.content.iter_chunked(_PIECE):
            body += piece
            if len(body) > self._max_bytes:
                response.close()
                raise Unanswered(f"the answer of {_named(asked)} has more than {self._max_bytes} bytes")
        return HttpAnswer(response.status, bytes(body), response.content_type)


class PluginHttp:
    """`core.plugin.Http`, as one plugin is handed it."""

    def __init__(self, guard: GuardedHttp, hosts: Hosts) -> None:
        self._guard = guard
        self._hosts = hosts

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        return await self._guard.ask(_Call(_address(url, params), self._hosts, _sendable(headers)))

    async def post(self, url: str, *, json: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        return await self._guard.ask(_Call(_address(url), self._hosts, _sendable(headers), is_post=True, body=json))


class _Outside(AbstractResolver):
    """Refuses a name of which any address is inside the house: a mixture is an attack, or a mistake."""

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if not all(is_public(entry["host"]) for entry in found):
            raise _Inside
        return found

    async def close(self) -> None:
        await self._names.close()


def _public_socket(address: AddrInfoType) -> socket.socket:
    """Made for the very address that is connected to next, be it a name's or one that was written in the URL."""
    family, kind, protocol, _, (host, *_) = address
    if not is_public(str(host)):
        raise _Inside
    return socket.socket(family, kind, protocol)


def _session(
    names: AbstractResolver, tls: SSLContext | None, make_socket: SocketFactoryType | None = None
) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            resolver=names, ssl=tls or True, socket_factory=make_socket, use_dns_cache=False, limit=_CONNECTIONS
        ),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=None),  # the whole call has a bound of its own
        headers={"User-Agent": "Parley"},
        trust_env=False,
    )


def _moved(call: _Call, response: ClientResponse) -> URL | None:
    place = response.headers.get("Location")
    if call.is_post or place is None or response.status not in _MOVED:
        return None
    try:
        return call.url.join(URL(place))
    except ValueError:
        raise InvalidURL(call.url) from None


def _onward(call: _Call, place: URL) -> _Call:
    if call.url.scheme == "https" and place.scheme == "http":
        raise Refused(f"{_named(call.url)} redirects from https to http")
    if _origin(call.url) == _origin(place):
        return replace(call, url=place)
    return replace(call, url=place, headers={k: v for k, v in call.headers.items() if k.lower() in _HARMLESS})


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port


def _address(url: str, params: Mapping[str, str] | None = None) -> URL:
    try:
        return URL(url).with_fragment(None).extend_query(params or {})
    except (TypeError, ValueError):
        raise Refused("an address that cannot be read") from None


def _sendable(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    for name, value in (headers or {}).items():
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise Refused(f"the header {name.lower()} is not for a plugin to send")
        if not name.isascii() or set(name + value) & set("\r\n\0"):
            raise Refused("a header that cannot be sent")
    return headers or {}


def _named(url: URL) -> str:
    return (url.host or "an address without a host")[:100]
