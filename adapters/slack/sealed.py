"""slack_sdk's two stores over `Secrets`: what was installed where, and the states of installs under way."""

import asyncio
import hashlib
import hmac
import json
import logging
import secrets as random_secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from logging import Logger
from time import time
from typing import Any

from slack_sdk.oauth.installation_store import Bot as StoredBot
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from core.errors import NotStored, Unreadable
from core.ports import Leader, Secrets

STATE_SECONDS = 600
"""How long an install may take, from our page to Slack and back."""

log = logging.getLogger(__name__)

_VERSION = 1
_LOCK_PATIENCE = 10.0
_USED = "slack/oauth states"
_USED_KEPT = 1000  # states that were used within their 600 s; a flood pushes out its own


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation belongs; without a team to the whole organisation (docs.slack.dev, "Org-ready apps")."""

    enterprise: str
    team: str

    @property
    def name(self) -> str:
        return f"slack/installation/{self.enterprise or '-'}/{self.team or '-'}"

    @property
    def workspace(self) -> str:
        return self.team or self.enterprise


class SealedInstallations(AsyncInstallationStore):
    """slack_sdk's installation store over `Secrets`: one sealed JSON value for each workspace or organisation.

    Only the bot's side is kept: nobody's own token is asked for. Raises NotStored, and Unreadable for a value that
    this release cannot read.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    @property
    def logger(self) -> Logger:
        return log

    async def async_save(self, installation: Installation) -> None:
        await self._put(installation.to_bot(), installer=installation.user_id or "")

    async def async_save_bot(self, bot: StoredBot) -> None:
        known = await self._get(place_of(bot))
        await self._put(bot, installer=known["installer"] if known else "")

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> StoredBot | None:
        """The workspace's own installation, else that of its whole organisation."""
        found = await self._find(enterprise_id, None if is_enterprise_install else team_id)
        return _bot_from(found) if found else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """As `async_find_bot`; with `user_id` only what this person installed."""
        found = await self._find(enterprise_id, None if is_enterprise_install else team_id)
        if not found or user_id not in (None, found["installer"]):
            return None
        return Installation(user_id=found["installer"], **_fields(found))

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.delete(Place(enterprise_id or "", team_id or ""))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """With `user_id` nothing: a person who takes back their own token takes back none of ours."""
        if user_id is None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def at(self, place: Place) -> StoredBot | None:
        """What is installed at this very place."""
        found = await self._get(place)
        return _bot_from(found) if found else None

    async def delete(self, place: Place) -> None:
        await self._secrets.delete(place.name)
        await self._secrets.delete(_index(place.workspace))

    async def enterprise_of(self, workspace: str) -> str | None:
        """The organisation of a workspace that was seen before, "" where it has none; None where it was never seen."""
        value = await self._secrets.get(_index(workspace))
        return str(_opened(value)["enterprise"]) if value is not None else None

    async def remember(self, workspace: str, enterprise: str) -> None:
        """So that an answer finds its way when only the workspace is known."""
        if await self.enterprise_of(workspace) != enterprise:
            await self._secrets.put(_index(workspace), _closed({"enterprise": enterprise}))

    async def _find(self, enterprise_id: str | None, team_id: str | None) -> Mapping[str, Any] | None:
        enterprise, team = enterprise_id or "", team_id or ""
        if team and not enterprise:
            enterprise = await self.enterprise_of(team) or ""
        found = await self._get(Place(enterprise, team))
        return found if found or not (team and enterprise) else await self._get(Place(enterprise, ""))

    async def _get(self, place: Place) -> Mapping[str, Any] | None:
        if not place.workspace:
            return None
        value = await self._secrets.get(place.name)
        return _opened(value) if value is not None else None

    async def _put(self, bot: StoredBot, *, installer: str) -> None:
        place = place_of(bot)
        await self.remember(place.workspace, place.enterprise)
        await self._secrets.put(place.name, _closed({**_stored(bot), "installer": installer}))


class SealedStates(AsyncOAuthStateStore):
    """slack_sdk's state store: a state is good once, for 600 s.

    Anybody may ask for one, so issuing writes nothing: the state carries its own end under a MAC made with `key` (the
    app's client secret). Only what was used is stored, in one value of a bounded size.
    """

    def __init__(
        self, secrets: Secrets, leader: Callable[[str], Leader], key: str, *, clock: Callable[[], float] = time
    ) -> None:
        self._secrets = secrets
        self._leader = leader
        self._key = key.encode()
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    @property
    def logger(self) -> Logger:
        return log

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        told = f"{int(self._clock()) + STATE_SECONDS:x}.{random_secrets.token_urlsafe(16)}"
        return f"{told}.{self._mac(told)}"

    async def async_consume(self, state: str) -> bool:
        """Whether it is ours, still good and used for the first time. Raises NotStored."""
        told, _, mac = state.rpartition(".")
        if not hmac.compare_digest(mac.encode(errors="replace"), self._mac(told).encode()):
            return False
        end, now = int(told.partition(".")[0], 16), self._clock()
        return end > now and await self._use(told, end, now)

    async def _use(self, told: str, end: int, now: float) -> bool:
        async with alone(self._one_at_a_time, self._leader(_USED).hold()):
            value = await self._secrets.get(_USED)
            used: dict[str, int] = _opened(value)["used"] if value is not None else {}
            if told in used:
                return False
            kept = [(other, until) for other, until in used.items() if until > now][1 - _USED_KEPT :]
            await self._secrets.put(_USED, _closed({"used": {**dict(kept), told: end}}))
            return True

    def _mac(self, told: str) -> str:
        return hmac.new(self._key, b"slack oauth state " + told.encode(errors="replace"), hashlib.sha256).hexdigest()


@asynccontextmanager
async def alone(*locks: AbstractAsyncContextManager[Any]) -> AsyncGenerator[None, None]:
    """Holds them all; raises NotStored where they cannot be had in time, as a `Leader` waits through an outage."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_LOCK_PATIENCE):
                for lock in locks:
                    await stack.enter_async_context(lock)
        except TimeoutError:
            raise NotStored from None
        yield


def place_of(bot: StoredBot) -> Place:
    """Where this installation is kept."""
    return Place(bot.enterprise_id or "", "" if bot.is_enterprise_install else bot.team_id or "")


def renewed(bot: StoredBot, token: str, refresh_token: str, expires_at: int) -> StoredBot:
    """The same bot with other tokens; `expires_at` in Unix seconds."""
    tokens = {"bot_token": token, "bot_refresh_token": refresh_token, "bot_token_expires_at": expires_at}
    return _bot_from({**_stored(bot), **tokens})


# ------------------------------------------------------------------------------------------------- the sealed values


def _index(workspace: str) -> str:
    return f"slack/workspace/{workspace}"


def _closed(values: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": _VERSION, **values}).encode()


def _opened(value: bytes) -> Mapping[str, Any]:
    values = json.loads(value)
    if not isinstance(values, dict) or values.get("version") != _VERSION:
        raise Unreadable("a Slack installation was stored by another release; install the app there again.")
    return values


def _stored(bot: StoredBot) -> dict[str, Any]:
    return {
        "app_id": bot.app_id,
        "enterprise_id": bot.enterprise_id,
        "enterprise_name": bot.enterprise_name,
        "team_id": bot.team_id,
        "team_name": bot.team_name,
        "bot_token": bot.bot_token,
        "bot_id": bot.bot_id,
        "bot_user_id": bot.bot_user_id,
        "bot_scopes": list(bot.bot_scopes or ()),
        "bot_refresh_token": bot.bot_refresh_token,
        "bot_token_expires_at": bot.bot_token_expires_at,
        "is_enterprise_install": bot.is_enterprise_install,
        "installed_at": bot.installed_at,
    }


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("version", "installer")}


def _bot_from(values: Mapping[str, Any]) -> StoredBot:
    return StoredBot(**_fields(values))
