"""Somebody signed in to the operator's pages, as a browser is: with cookies, and the tokens that forms bring."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bench.process import free_port
from bot import config
from bot.admin import password
from bot.admin.routes import Routes
from bot.app import House, open_house
from bot.telemetry import PrometheusMetrics
from bot.web import make_app
from core.manager import DialogManager
from core.ports import Engine, Store
from core.store import Keys
from tests.fakes.engine import ScriptedEngine
from tests.fakes.store import MemoryStore
from tests.postgres import database

PASSWORD = "a long enough password"


async def add_admin(store: Store, name: str = "ann", *roles: str) -> None:
    """A local admin whose password is PASSWORD."""
    kept = password.hashed(PASSWORD, n=2**4)  # at once
    await store.admins.add(name, roles=roles or {"viewer"}, password=kept, by="operator test")


@dataclass(eq=False)
class Answer:
    """What the server said; `headers` may hold several of a name."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def cookies(self) -> list[str]:
        """Each Set-Cookie."""
        return list(cast(Any, self.headers).getall("Set-Cookie", ()))

    @property
    def csrf(self) -> str:
        """What the forms of this page send back."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        assert found, self.text
        return found[1]

    @property
    def location(self) -> str:
        return self.headers["Location"]


@dataclass(eq=False)
class Browser:
    """Follows nothing by itself, and says where its posts come from."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        return await self._ask("POST", path, form, {"Origin": self.url, **headers})

    async def sign_in(self, name: str = "ann", secret: str = PASSWORD, to: str = "") -> Answer:
        page = await self.get("/admin/sign-in")
        form = {"name": name, "password": secret, "csrf": page.csrf, "to": to}
        return await self.post("/admin/sign-in", form)

    async def _ask(self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, f"{self.url}{path}", data=form, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[Browser]:
    """One with no cookies yet."""
    jar = aiohttp.CookieJar(unsafe=True)  # of an address that is a number, too
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Browser(url, session)


@asynccontextmanager
async def signed_in(house: House, url: str, *roles: str, name: str = "ann") -> AsyncIterator[Browser]:
    """An admin with these roles, at their pages."""
    await add_admin(house.store, name, *roles)
    async with browser(url) as somebody:
        assert (await somebody.sign_in(name)).status == 303
        yield somebody


@asynccontextmanager
async def pages_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, store: Store | None = None, /, **settings: Any
) -> AsyncIterator[tuple[House, str]]:
    """The pages alone, over a store in memory where no other is given: a house in which nobody works."""
    monkeypatch.chdir(folder)
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    engine = ScriptedEngine()
    manager = cast(DialogManager, SimpleNamespace(active=0))
    house = House(config.load(), store or MemoryStore(), engine, PrometheusMetrics(), {}, manager)
    async with pages_at(house) as url:
        yield house, url


@asynccontextmanager
async def pages_at(house: House, port: int | None = None) -> AsyncIterator[str]:
    """The address of the pages of this house."""
    app = make_app(
        routes=Routes(house, b"a secret of the tests" * 2).table(),
        webhooks=[],
        accept=house.accept,
        ready=house.why_not_ready,
        trusted_proxies=house.config.settings.server.trusted_proxies,
    )
    async with TestServer(app, host="127.0.0.1", port=port) as server:
        yield f"http://127.0.0.1:{server.port}"


@asynccontextmanager
async def house_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine | None = None, **settings: str
) -> AsyncIterator[tuple[House, str]]:
    """A whole house in this process, on a real database, and its address; `settings` are variables."""
    port = free_port()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PARLEY_SERVER__PORT", str(port))
    monkeypatch.setenv("PARLEY_KEYS", Keys.generate().dump())
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    with database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        engine = engine or ScriptedEngine()
        async with open_house(config.load(), lambda step: None, engine=engine) as house:
            yield house, f"http://127.0.0.1:{port}"
