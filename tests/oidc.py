"""A provider of OpenID Connect that was not written by us: npm's `oidc-provider`, on the loopback interface.

Certified by the OpenID Foundation for the Basic profile. Whoever signs in there is asked for a name, and known by it.
"""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest

from bench.process import free_port
from tests.peers import npm

PEER = Path(__file__).parent / "peers" / "oidc"
SECRET = "an invented secret: with + and %"


@cache
def _installed() -> Path | npm.Unreachable:
    try:
        return npm.installed(PEER)
    except npm.Unreachable as error:
        return error


def _home() -> Path:
    """Where it is installed; a loud skip where npm cannot get it."""
    if isinstance(found := _installed(), npm.Unreachable):
        pytest.skip(f"NO OPENID PROVIDER to test with: {PEER.name} comes from npm. {found}")
    return found


@asynccontextmanager
async def provider(origin: str, people: dict[str, list[str]]) -> AsyncIterator[str]:
    """Its issuer, with one client, `parley`, at `origin`. It ends with its standard input."""
    client: dict[str, Any] = {
        "client_id": "parley",
        "client_secret": SECRET,
        "redirect_uris": [f"{origin}/admin/oidc"],
        "post_logout_redirect_uris": [f"{origin}/admin/sign-in?out"],
    }
    process = await asyncio.create_subprocess_exec(
        npm.NODE, PEER / "provider.mjs", _home(), env={}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        wanted = {"port": free_port(), "client": client, "people": people}
        process.stdin.write(json.dumps(wanted).encode() + b"\n")
        await process.stdin.drain()
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        if not line:
            _, said = await process.communicate()
            raise RuntimeError(f"the provider did not start:\n{said.decode(errors='replace')}")
        yield json.loads(line)["issuer"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def vouched(there: aiohttp.ClientSession, address: str, name: str) -> str:
    """Where the provider sends whoever signs in there under this name: the address of our callback, with the code."""
    origin = address.partition("/auth?")[0]
    form: dict[str, str] | None = None
    for _ in range(8):
        method = "POST" if form else "GET"
        async with there.request(method, address, data=form, allow_redirects=False) as answer:
            text, location, form = await answer.text(), answer.headers.get("Location"), None
            if location is None:
                assert answer.status == 200, text
                found = re.search(r'<form[^>]*action="([^"]+)"', text)
                assert found, text
                address, form = found[1], {"prompt": "login", "login": name, "password": "any"}
                continue
        address = urljoin(address, location)
        if not address.startswith(origin):
            return address
    raise AssertionError(f"the provider sent nobody back; last to {address}")
