"""Who somebody is, guest or stranger: asked of the conversation's roster once and remembered for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol

from adapters.teams.envelope import introduced
from core.errors import ChannelError, Malformed, Undeliverable
from core.message import Author

_KNOWN = 20_000
_SECONDS = 900.0  # somebody who became a guest is one within this
_PATIENCE = 1.0  # seconds that an event waits; it is tried again, and Teams may have said it by then
_ASKING = 10.0  # seconds that Teams is given in all

Key = tuple[str, str]


class Roster(Protocol):
    """What of the client is needed here."""

    async def member(self, address: Mapping[str, Any], user_id: str, *, patience: float) -> Mapping[str, Any]: ...


class People:
    """Looks people up. Activities seldom say that somebody is a guest; `clock` gives seconds that never run back."""

    def __init__(self, roster: Roster, tenant: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._roster = roster
        self._tenant = tenant
        self._clock = clock
        self._known: OrderedDict[Key, tuple[float, Author]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Author]] = {}

    def recalled(self, author: Author) -> Author:
        """The author with what is remembered of them, which may be nothing."""
        kept = self._known.get(_key(author))
        return _with(author, kept[1]) if kept is not None and self._clock() <= kept[0] else author

    async def introduce(self, author: Author, address: Mapping[str, Any]) -> Author:
        """The author with what Teams says of them. Raises ChannelError where it does not say so soon."""
        kept = self._known.get(_key(author))
        if kept is not None and self._clock() <= kept[0]:
            return _with(author, kept[1])
        try:
            async with asyncio.timeout(_PATIENCE):
                return _with(author, await self._shared(author, address))
        except Undeliverable:
            # Nobody in the roster: a sentence is better than to ask again and again what Teams will say again.
            return replace(author, is_guest=True, is_external=True)
        except (ChannelError, TimeoutError) as error:
            if kept is not None:
                return _with(author, kept[1])  # who they were a while ago is better than not to hear them
            if isinstance(error, ChannelError):
                raise
            raise ChannelError("Teams does not say in time who asks") from None

    async def _shared(self, author: Author, address: Mapping[str, Any]) -> Author:
        """One look for all that want to know the same at once; it goes on where nobody waits for it any more."""
        key = _key(author)
        if key not in self._asking:
            self._asking[key] = task = asyncio.create_task(self._find_out(author, address), name="teams member")
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(self._asking[key])

    def _asked(self, key: Key, done: asyncio.Task[Author]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # it is raised to those who wait, if any still do

    async def _find_out(self, author: Author, address: Mapping[str, Any]) -> Author:
        user = address.get("user")
        user_id = str(user.get("id", "")) if isinstance(user, Mapping) else ""
        async with asyncio.timeout(_ASKING):
            member = await self._roster.member(address, user_id, patience=_ASKING)
        nobody = Author(author.adapter, author.workspace, author.id)  # one activity's word is not the roster's
        try:
            person = introduced(nobody, member, tenant=self._tenant)
        except Malformed:
            raise ChannelError("Teams says who asks in a form that is not understood") from None
        self._keep(person)
        return person

    def _keep(self, person: Author) -> None:
        key = _key(person)
        self._known[key] = self._clock() + _SECONDS, person
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)


def _key(author: Author) -> Key:
    return author.workspace, author.id


def _with(author: Author, person: Author) -> Author:
    """What the activity itself says of somebody stays."""
    return replace(
        author,
        name=person.name or author.name,
        is_guest=author.is_guest or person.is_guest,
        is_external=author.is_external or person.is_external,
    )
