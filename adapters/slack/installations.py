"""Who we are in each workspace: its token, kept sealed and renewed before it expires."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import time

from slack_sdk.oauth.installation_store import Bot as StoredBot
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.asking import ClientFactory, asking, exchange
from adapters.slack.sealed import Place, SealedInstallations, alone, place_of, renewed
from adapters.slack.settings import SlackSettings
from core.errors import ChannelError, NotStored, ParleyError, RateLimited, trace
from core.ports import Leader, Secrets

log = logging.getLogger(__name__)

_KEPT_SECONDS = 60.0  # an uninstall that another process saw is honoured within this
# Seconds of life a token has left when its renewal begins, and when somebody waits for it, and how long.
_RENEW_BEFORE = 120 * 60
_WAIT_BELOW = 10 * 60
_PATIENCE = 2.0
_STOP_PATIENCE = 10.0
_AGAIN = 60.0  # seconds between two tries to renew a token
_ASK_AGAIN = 5.0  # seconds between two questions who we are while Slack does not say


@dataclass(frozen=True, slots=True)
class Bot:
    """Ourselves in one workspace. `workspace` is the team's id, else the organisation's; `enterprise` "" where none."""

    workspace: str
    enterprise: str
    user_id: str
    bot_id: str
    token: str = field(repr=False)


class Installations:
    """Finds the bot of a workspace: the environment's one token, or what was installed there.

    A workspace outside `settings.workspaces`, where that names any, has no bot. `leader` names a lock over all
    processes; `clock` gives Unix seconds.
    """

    def __init__(
        self,
        settings: SlackSettings,
        secrets: Secrets,
        leader: Callable[[str], Leader],
        client_factory: ClientFactory,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        self.store = SealedInstallations(secrets)
        self._settings = settings
        self._leader = leader
        self._client_factory = client_factory
        self._clock = clock
        self._own = _Own(settings.bot_token, client_factory, clock) if settings.bot_token else None
        self._known: dict[Place, _Known] = {}
        self._renewals: dict[Place, asyncio.Task[None]] = {}
        self._unsaved: dict[Place, _Unsaved] = {}
        self._not_before: dict[Place, float] = {}
        self._complaints: dict[Place, str] = {}

    async def bot(self, enterprise_id: str | None, team_id: str | None) -> Bot | None:
        """Ourselves there, None where we are not installed.

        A token with less than 120 minutes to live is renewed beside; with less than 10, this waits up to 2 s for it.
        Until then, and where that fails, the present one is given; the operator is told of a failure. Raises
        ChannelError where Slack does not say who we are, NotStored, Unreadable.
        """
        place = Place(enterprise_id or "", team_id or "")
        if place.workspace and not self._serves(place.workspace):
            return None
        if self._own is not None:
            own = await self._own.bot(place)
            return own if own and self._serves(own.workspace) else None
        return await self._installed(place) if place.workspace else None

    async def greet(self) -> None:
        """Asks Slack who the environment's token is, so that a wrong one is told at start and not by a question."""
        if self._own is not None:
            with suppress(ChannelError):  # what is wrong was logged
                await self._own.bot(Place("", ""))

    async def of_workspace(self, workspace: str) -> Bot | None:
        """As `bot`, where no more than the workspace's id is known."""
        if self._own is not None:
            return await self.bot(None, workspace)
        now = self._clock()
        for asked, known in self._known.items():
            if asked.workspace == workspace and known.until > now:
                return await self.bot(asked.enterprise, asked.team)
        enterprise = await self.store.enterprise_of(workspace)
        return await self.bot(enterprise, None if workspace == enterprise else workspace)

    async def save(self, installation: Installation) -> None:
        """Keeps a new installation in place of an earlier one. Raises NotStored."""
        place = place_of(installation.to_bot())
        async with self._changing(place):
            await self.store.async_save(installation)
        self._drop(place)

    async def forget(self, enterprise_id: str | None, team_id: str | None, *, before: datetime | None = None) -> None:
        """The app was uninstalled there, or its token revoked, at the moment `before`: what was installed later stays.

        Raises NotStored.
        """
        if self._own is not None:
            self._own.forget()
            return
        enterprise = enterprise_id or (await self.store.enterprise_of(team_id) if team_id else None)
        place = Place(enterprise or "", team_id or "")
        self._drop(place)
        if await self.store.at(place) is not None:
            async with self._changing(place):
                stored = await self.store.at(place)
                if stored and (before is None or stored.installed_at <= before.timestamp()):
                    await self.store.delete(place)
            self._drop(place)

    async def stop(self) -> None:
        """Waits for the renewals under way: a refresh token that was used up must not be all that is stored."""
        if self._renewals:
            _, late = await asyncio.wait(self._renewals.values(), timeout=_STOP_PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _serves(self, workspace: str) -> bool:
        return not self._settings.workspaces or workspace in self._settings.workspaces

    async def _installed(self, asked: Place) -> Bot | None:
        known = self._known.get(asked)
        if known is None or known.until <= self._clock():
            known = await self._look_up(asked)
        if known is None:
            return None
        place = place_of(known.bot)
        if self._lives_less(known.bot, _RENEW_BEFORE) and self._not_before.get(place, 0.0) <= self._clock():
            renewal = self._renewal(place)
            if self._lives_less(known.bot, _WAIT_BELOW):
                await asyncio.wait({renewal}, timeout=_PATIENCE)
                known = self._known.get(asked) or await self._look_up(asked)  # installed anew meanwhile, or uninstalled
        return _ourselves(known.bot, asked) if known else None

    async def _look_up(self, asked: Place) -> "_Known | None":
        stored = await self.store.async_find_bot(enterprise_id=asked.enterprise, team_id=asked.team)
        if stored is None:
            self._known.pop(asked, None)
            return None
        await self.store.remember(asked.workspace, place_of(stored).enterprise)
        known = self._known[asked] = _Known(stored, self._clock() + _KEPT_SECONDS)
        return known

    def _lives_less(self, bot: StoredBot, seconds: float) -> bool:
        expires = bot.bot_token_expires_at
        return expires is not None and expires - self._clock() <= seconds

    # --------------------------------------------------------------------------------------------------- renewing

    def _renewal(self, place: Place) -> asyncio.Task[None]:
        """The renewal under way for this place, begun where there is none. Whoever waits for it may leave."""
        task = self._renewals.get(place)
        if task is None:
            task = asyncio.create_task(self._renew(place), name=f"slack rotate {place.workspace}")
            self._renewals[place] = task
            task.add_done_callback(lambda _: self._renewals.pop(place, None))
        return task

    async def _renew(self, place: Place) -> None:
        try:
            async with self._changing(place):
                await self._renew_alone(place)
        except Exception as error:
            self._not_before[place] = self._clock() + _AGAIN
            self._complain(place, error)
        else:
            self._complaints.pop(place, None)

    async def _renew_alone(self, place: Place) -> None:
        stored = await self.store.at(place)  # read again: another process may have done it while we waited
        if stored is None:
            self._drop(place)
            return
        if self._lives_less(stored, _RENEW_BEFORE):
            stored = await self._refreshed(place, stored)
        for asked, known in list(self._known.items()):
            if place_of(known.bot) == place:
                self._known[asked] = _Known(stored, self._clock() + _KEPT_SECONDS)

    async def _refreshed(self, place: Place, stored: StoredBot) -> StoredBot:
        """A refresh token works once, so what it gave is kept here until it is stored."""
        unsaved = self._unsaved.get(place)
        if unsaved is None or unsaved.used != stored.bot_refresh_token:
            unsaved = self._unsaved[place] = _Unsaved(stored.bot_refresh_token or "", await self._asked(stored))
        await self.store.async_save_bot(unsaved.bot)
        del self._unsaved[place]
        return unsaved.bot

    async def _asked(self, stored: StoredBot) -> StoredBot:
        """docs.slack.dev, "Using token rotation": both tokens are new, the refresh token that was used is dead."""
        settings = self._settings
        with asking("oauth.v2.access"):
            answer = await exchange(
                self._client_factory(None),
                settings.client_id,
                settings.client_secret,
                grant_type="refresh_token",
                refresh_token=stored.bot_refresh_token or "",
            )
            if answer["token_type"] != "bot":  # noqa: S105 - a kind, no secret
                raise TypeError
            expires = int(self._clock()) + int(answer["expires_in"])
            return renewed(stored, str(answer["access_token"]), str(answer["refresh_token"]), expires)

    def _complain(self, place: Place, error: Exception) -> None:
        why = str(error) if isinstance(error, ParleyError) else trace(error)
        if self._complaints.get(place) == why:
            return
        self._complaints[place] = why
        remedy = (
            "It is tried again every minute."
            if isinstance(error, NotStored)
            else "Check client id and client secret; if this goes on, install the app in this workspace again."
        )
        log.error(
            "The Slack token of %s could not be renewed; the old one is used while it lives. %s %s",
            place.workspace,
            remedy,
            why,
        )

    def _changing(self, place: Place) -> AbstractAsyncContextManager[None]:
        """One process at a time changes an installation: no renewal undoes a new installation, or an uninstall."""
        return alone(self._leader(f"slack rotate {place.workspace}").hold())

    def _drop(self, place: Place) -> None:
        self._not_before.pop(place, None)
        for asked, known in list(self._known.items()):
            if place_of(known.bot) == place:
                del self._known[asked]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of the store, believed until then."""

    bot: StoredBot
    until: float


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """What the refresh token `used` was exchanged for."""

    used: str = field(repr=False)
    bot: StoredBot


class _Own:
    """The bot of the one token in the environment: asked of Slack once, and again after a failure or a revocation."""

    def __init__(self, token: str, client_factory: ClientFactory, clock: Callable[[], float]) -> None:
        self._token = token
        self._client_factory = client_factory
        self._clock = clock
        self._asking: asyncio.Task[Bot] | None = None
        self._found: Bot | None = None
        self._is_org_wide = False
        self._failure: tuple[float, ChannelError] | None = None
        self._complaint = ""

    async def bot(self, place: Place) -> Bot | None:
        own = self._found or await self._asked()
        if not place.workspace or place.team == own.workspace:
            return own
        if self._is_org_wide and place.enterprise in ("", own.enterprise):
            return replace(own, workspace=place.workspace)
        return own if not place.team and place.enterprise == own.enterprise else None

    def forget(self) -> None:
        self._found = None

    async def _asked(self) -> Bot:
        """Asked once, however many want to know; whoever waits may leave, as an event does that must be answered."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="slack auth.test")
            self._asking.add_done_callback(_look_at)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Bot:
        if self._failure is not None and self._clock() < self._failure[0]:
            raise self._failure[1].with_traceback(None)
        try:
            self._found = await self._answer()
        except ChannelError as error:
            wait = error.retry_after.total_seconds() if isinstance(error, RateLimited) else _ASK_AGAIN
            self._failure = self._clock() + wait, error
            if self._complaint != str(error):
                self._complaint = str(error)
                log.error(
                    "Slack does not say who the bot is, so nobody is answered. What it sends is not acknowledged, and "
                    "comes again for about six minutes; `parley check` tells more. %s",
                    error,
                )
            raise
        self._failure, self._complaint = None, ""
        return self._found

    async def _answer(self) -> Bot:
        with asking("auth.test"):
            answer = await self._client_factory(self._token).auth_test()
            team, enterprise = str(answer.get("team_id") or ""), str(answer.get("enterprise_id") or "")
            user, bot = str(answer["user_id"] or ""), str(answer.get("bot_id") or "")
            self._is_org_wide = answer.get("is_enterprise_install") is True
        if not (bot and (team or enterprise)):
            raise ChannelError("The token is not a bot's: PARLEY_SLACK_BOT_TOKEN must begin with xoxb-.")
        return Bot(team or enterprise, enterprise, user, bot, self._token)


def _look_at(task: "asyncio.Task[Bot]") -> None:
    """Nobody may be waiting for it any more, and then nobody misses its error."""
    if not task.cancelled():
        task.exception()


def _ourselves(bot: StoredBot, asked: Place) -> Bot:
    return Bot(
        workspace=asked.workspace,
        enterprise=bot.enterprise_id or "",
        user_id=bot.bot_user_id,
        bot_id=bot.bot_id,
        token=bot.bot_token,
    )
