"""One native stream of Teams: a message in a personal chat that grows while it is written."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from adapters.teams.errors import TeamsRefused, Unsure
from adapters.teams.render import informative, streaming

PATIENCE = 60.0  # seconds a call that matters waits at most for Teams to take it
_START_PATIENCE = 2.0  # for there is no second chance to stream
_LONG = 2_000  # characters
_LAST = 1_000_000  # a number that no stream of two minutes reaches

Activity = Mapping[str, Any]
Address = Mapping[str, Any]


class Posts(Protocol):
    """What showing an answer needs of a TeamsClient."""

    async def send(self, address: Address, activity: Activity, *, patience: float = PATIENCE) -> str: ...

    async def update(
        self, address: Address, activity_id: str, activity: Activity, *, patience: float = PATIENCE
    ) -> None: ...

    async def delete(self, address: Address, activity_id: str, *, patience: float = PATIENCE) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How long things take and how often they are done, in seconds.

    An answer that is whole `at_once` needs no stream; `status_after` without a word the person is told that somebody
    is thinking. A stream takes one request per `request_every`, and text is best gathered for `stream_every`; it ends
    `stream_lasts` after its start and grows no more for the last `stream_reserve` (learn.microsoft.com, "Stream bot
    messages"). A message that is edited costs one of the 60 calls a conversation has in 30 seconds ("Optimize your bot
    with rate limiting in Teams"), as does each sign that somebody is typing.
    """

    at_once: float = 0.05
    status_after: float = 0.3
    status_every: float = 2.0
    request_every: float = 1.0
    stream_every: float = 1.5
    stream_lasts: float = 120.0
    stream_reserve: float = 10.0
    edit_every: float = 4.0
    typing_every: float = 4.0


async def composed(text: str, compose: Callable[[], Activity]) -> Activity:
    """An activity that says this text. Rendering takes 2 ms for a thousand characters: a long one is no loop's work."""
    return compose() if len(text) < _LONG else await asyncio.to_thread(compose)


class Stream:
    """A stream from its start to its end, which is its message's last activity. `id` is the message's, too.

    Each text has to begin with the one before. Methods raise StreamEnded once Teams has ended it.
    """

    def __init__(self, client: Posts, address: Address, tempo: Tempo, id: str = "") -> None:
        """With the `id` of a stream that an earlier try may have left open, it can be ended only."""
        self.id = id
        self.is_left = bool(id)
        self._client = client
        self._address = address
        self._tempo = tempo
        self.text = ""  # that was streamed, as it was given,
        self._shown = ""  # and as Teams got it
        self._told = ""
        self._sequence = 0
        self._began = monotonic()
        self._asked = float("-inf")

    @property
    def is_over(self) -> bool:
        """Whether Teams has ended it for its age; one that was left open is older than we know."""
        return self._age > self._tempo.stream_lasts

    @property
    def may_grow(self) -> bool:
        return not self.is_left and self._age < self._tempo.stream_lasts - self._tempo.stream_reserve

    @property
    def _age(self) -> float:
        return monotonic() - self._began

    def takes(self, activity: Activity) -> bool:
        """Whether what it says goes on from what is shown."""
        return str(activity["text"]).startswith(self._shown)

    async def tell(self, text: str) -> str:
        """Says what is going on before there is text, for the first time to begin with; the id of the message.

        "" where Teams gives none: then there is no stream.
        """
        if text != self._told:
            self._sequence += 1
            id = await self._send(informative(text, self.id, self._sequence), 0.0 if self.id else _START_PATIENCE)
            self._told = text
            if not self.id:
                self.id, self._began = id, monotonic()
        return self.id

    async def grow(self, text: str) -> None:
        """Shows all the text there is so far, which goes on from what is shown; see `takes`."""
        activity = await composed(text, lambda: streaming(self.id, self._sequence + 1, text))
        if activity["text"] == self._shown or not self.takes(activity):
            return
        self._sequence += 1
        with suppress(Unsure):  # the next text says this one, too
            await self._send(activity)
        self.text, self._shown = text, str(activity["text"])

    async def end(self, activity: Activity, patience: float = PATIENCE) -> None:
        """Ends it with its final activity."""
        await self._send(activity, patience)

    async def break_off(self, patience: float = PATIENCE) -> None:
        """Ends one that takes no final activity, or whose words nobody knows: Teams ends what takes its words back."""
        with suppress(TeamsRefused):
            await self._send(streaming(self.id, _LAST, "…"), patience)

    async def _send(self, activity: Activity, patience: float = 0.0) -> str:
        """One request at a time, none too soon after the answer to the last one."""
        await asyncio.sleep(self._asked + self._tempo.request_every - monotonic())
        try:
            return await self._client.send(self._address, activity, patience=patience)
        finally:
            self._asked = monotonic()
