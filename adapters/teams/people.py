"""Who somebody is, guest or stranger: asked of the conversation's roster once and remembered for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol

from adapters.teams.envelope import introduced
from core.errors import ChannelError, Malformed, NotStored, Undeliverable
from core.message import Author

_KNOWN = 20_000
_SECONDS = 900.0  # somebody who became a guest is one within this
_PATIENCE = 3.0  # Teams sends again what is not acknowledged within 10 s

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
        self._known: OrderedDict[Key, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Mapping[str, Any]]] = {}

    async def introduce(self, author: Author, address: Mapping[str, Any]) -> Author:
        """The author with what Teams says of them. Raises NotStored where it does not say: who may ask is unknown."""
        key = author.workspace, author.id
        kept = self._known.get(key)
        if kept is None or self._clock() > kept[0]:
            try:
                kept = self._clock() + _SECONDS, await self._shared(key, address)
            except Undeliverable:
                # Nobody in the roster: a sentence is better than the silence of refusing what Teams will say again.
                return replace(author, is_guest=True, is_external=True)
            except (ChannelError, TimeoutError) as error:
                if kept is None:
                    raise NotStored(f"(Teams does not say who asks: {type(error).__name__})") from None
                # Who they were a while ago is better than not to hear them.
            self._known[key] = kept
            self._known.move_to_end(key)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        try:
            return introduced(author, kept[1], tenant=self._tenant)
        except Malformed:
            raise NotStored("(Teams does not say who asks in a form that is understood)") from None

    async def _shared(self, key: Key, address: Mapping[str, Any]) -> Mapping[str, Any]:
        """One look for all that want to know the same at once; whoever waits for it may leave."""
        if key not in self._asking:
            self._asking[key] = task = asyncio.create_task(self._ask(address), name="teams member")
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(self._asking[key])

    def _asked(self, key: Key, done: asyncio.Task[Mapping[str, Any]]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # it is raised to those who wait, if any still do

    async def _ask(self, address: Mapping[str, Any]) -> Mapping[str, Any]:
        async with asyncio.timeout(_PATIENCE):
            return await self._roster.member(address, str(address["user"]["id"]), patience=_PATIENCE)
