"""Who asks, where proxies stand between: X-Forwarded-* are believed from those that are named, from nobody else."""

import re
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Address = IPv4Address | IPv6Address

BASE = web.RequestKey("base", tuple[str, str])
"""The scheme and the host that the asker has used: of our own, or of a proxy that is believed."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]{1,255})(:\d{1,5})?", re.ASCII)
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]+)\](:\d+)?|(?P<four>[\d.]+):\d+")


def believing(networks: Sequence[str]) -> Any:
    """A middleware that tells who asks, by which name and over what, as the nearest proxies in `networks` say it.

    A proxy adds whom it heard from at the end of X-Forwarded-For, so the list is read from its end, as far as those
    are that are trusted: what stands before may be anybody's. The headers themselves stay as they came.
    """
    trusted = [ip_network(network) for network in networks]

    def is_trusted(address: Address | None) -> bool:
        return address is not None and any(address in network for network in trusted)

    @web.middleware
    async def believe(request: web.Request, handler: Handler) -> web.StreamResponse:
        told = _as_told(request, is_trusted) if is_trusted(_address(request.remote or "")) else request
        request[BASE] = told[BASE] = told.scheme, told.host  # the answer is prepared for either of them
        return await handler(told)

    return believe


def _as_told(request: web.Request, is_trusted: Callable[[Address | None], bool]) -> web.Request:
    hops = _values(request, "X-Forwarded-For")
    passed = 0  # proxies of ours
    while passed < len(hops) and is_trusted(_address(hops[-1 - passed])):
        passed += 1
    asker = _address(hops[-1 - passed]) if passed < len(hops) else _address(hops[0]) if hops else None
    told: dict[str, Any] = {} if asker is None else {"remote": str(asker)}
    scheme = _said_by(_values(request, "X-Forwarded-Proto"), passed).lower()
    if scheme in ("http", "https"):
        told["scheme"] = scheme
    host = _said_by(_values(request, "X-Forwarded-Host"), passed)
    if _HOST.fullmatch(host):
        headers = request.headers.copy()
        headers["Host"] = host
        told |= {"host": host, "headers": headers}
    return request.clone(**told)


def _values(request: web.Request, name: str) -> list[str]:
    return [value.strip() for line in request.headers.getall(name, ()) for value in line.split(",")]


def _said_by(values: Sequence[str], passed: int) -> str:
    """What the outermost proxy of ours has said: each may have added one, or left what the one before it said."""
    return values[-1 - min(passed, len(values) - 1)] if values else ""


def _address(text: str) -> Address | None:
    if found := _WITH_PORT.fullmatch(text):
        text = found["six"] or found["four"]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
