"""Who somebody is: name, language, guest or stranger, asked of Slack once and remembered for a while."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from adapters.slack.client import Clients, MissingScope, SlackRefused
from core.errors import ChannelError
from core.message import Author

log = logging.getLogger(__name__)

_KNOWN = 20_000
_SECONDS = 900.0  # somebody who became a guest is one within this
_GUESS_SECONDS = 5.0  # the same where Slack may not say it: once the scope is there, people are answered at once
_UNSEEN = frozenset({"user_not_found", "user_not_visible"})

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """What Slack says of a user."""

    name: str = ""
    locale: str = ""
    is_bot: bool = False
    is_guest: bool = False
    is_external: bool = False
    is_guessed: bool = False


class People:
    """Looks people up; raises ChannelError where Slack does not say."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: OrderedDict[Key, tuple[float, Person]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Person]] = {}
        self._has_told = False

    async def introduce(self, author: Author, enterprise: str = "") -> Author:
        """The author with all that Slack says of them; what the payload said already stays."""
        person = await self.person(author.workspace, author.id, enterprise)
        return replace(
            author,
            name=person.name,
            locale=person.locale,
            is_bot=author.is_bot or person.is_bot,
            is_guest=person.is_guest,
            is_external=author.is_external or person.is_external,
        )

    async def person(self, workspace: str, user: str, enterprise: str = "") -> Person:
        """A user of this workspace, or one who meets it in a shared channel."""
        key = workspace, user, enterprise  # who is no stranger in the organisation may be one in the workspace
        kept = self._known.get(key)
        if kept is not None and monotonic() < kept[0]:
            return kept[1]
        if key not in self._asking:  # one post comes as several events at once
            self._asking[key] = task = asyncio.create_task(self._find_out(key), name="slack user")
            task.add_done_callback(_look_at)
        try:
            return await asyncio.shield(self._asking[key])  # whoever waits for it may leave
        except ChannelError:
            if kept is None:
                raise
            return kept[1]  # who they were a while ago is better than not to hear them

    async def _find_out(self, key: Key) -> Person:
        try:
            person = await self._ask(*key)
        finally:
            del self._asking[key]
        self._known[key] = monotonic() + (_GUESS_SECONDS if person.is_guessed else _SECONDS), person
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return person

    async def _ask(self, workspace: str, user: str, enterprise: str) -> Person:
        client = await self._clients.of(workspace)
        try:
            answer = await client.call("users_info", user=user, include_locale=True)
        except MissingScope:
            # Nobody can be told from a guest then, and guests are out unless let in.
            self._tell()
            return Person(is_guest=True, is_guessed=True)
        except SlackRefused as refused:
            if refused.code not in _UNSEEN:
                raise
            return Person(is_external=True)
        self._has_told = False
        user_of = answer.get("user")
        return _person(user_of if isinstance(user_of, Mapping) else {}, workspace, enterprise)

    def _tell(self) -> None:
        if not self._has_told:
            log.error(
                "Slack lacks the scope users:read: guests cannot be told from members, so everybody counts as a guest "
                "and, unless access.slack.guests is true, nobody is answered. Add the scope and install the app again."
            )
        self._has_told = True


def _look_at(task: "asyncio.Task[Person]") -> None:
    """Nobody may be waiting for it any more, and then nobody misses its error."""
    if not task.cancelled():
        task.exception()


def _person(user: Mapping[str, Any], workspace: str, enterprise: str) -> Person:
    """From a user object (docs.slack.dev, "User object")."""
    profile, grid = user.get("profile") or {}, user.get("enterprise_user") or {}
    names = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
    is_from_grid = bool(enterprise) and grid.get("enterprise_id") == enterprise
    is_foreign = user.get("team_id", workspace) not in (workspace, enterprise) and not is_from_grid
    return Person(
        name=next((name for name in names if isinstance(name, str) and name), ""),
        locale=user.get("locale") or "",
        is_bot=bool(user.get("is_bot")),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_external=bool(user.get("is_stranger")) or is_foreign,
    )
