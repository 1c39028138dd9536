"""Questions that wait for their turn in a chat by long connection: whoever asked sees that they were heard."""

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import Any

from adapters.wecom.errors import Unsure
from adapters.wecom.pacing import Pacer
from adapters.wecom.tempo import Tempo
from adapters.wecom.texts import say
from adapters.wecom.upload import Sends
from core.commands import question_in
from core.errors import ChannelError, DoorLost, RateLimited
from core.language import language_of
from core.message import Command, Message

log = logging.getLogger(__name__)

_REMEMBERED = 10_000  # answers that were begun
_TEMPO = Tempo()


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream that was opened before its answer was begun: when, in seconds since 1970, and whether it is over."""

    at: float
    has_ended: bool = False


class Waiting:
    """Opens the stream of an answer that is not begun soon, and shows there how long it waits, until it is begun."""

    def __init__(self, connection: Sends, pacer: Pacer, tempo: Tempo = _TEMPO) -> None:
        self._connection = connection
        self._pacer = pacer
        self._tempo = tempo
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._opened: dict[str, Opening] = {}
        self._begun: OrderedDict[str, None] = OrderedDict()

    def expect(self, reply: str, event: Message | Command) -> None:
        """What asks for this answer is stored; it may be begun already."""
        if reply in self._begun or reply in self._tasks:
            return
        task = self._tasks[reply] = asyncio.create_task(self._wait(reply, event), name=f"waiting {reply}")
        task.add_done_callback(lambda _: self._tasks.pop(reply, None))

    async def begin(self, reply: str) -> Opening | None:
        """The answer itself is shown from now on: the stream that was opened for it, None where there is none."""
        self._begun[reply] = None
        if len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)
        if task := self._tasks.get(reply):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return self._opened.pop(reply, None)

    async def close(self) -> None:
        """Nobody can be shown anything any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, reply: str, event: Message | Command) -> None:
        asked_at = time()
        question = question_in(event)
        language = language_of(question.text if question else "", event.author.locale)
        await asyncio.sleep(self._tempo.waiting_after)
        try:
            while not (opening := self._opened.get(reply)) or time() - opening.at < self._tempo.stream_lasts:
                seconds = round(time() - asked_at)
                with suppress(DoorLost):  # until there is a connection again
                    await self._say(reply, event, say("status_waiting", language, seconds=seconds))
                await asyncio.sleep(self._tempo.sign_every)
            self._opened[reply] = Opening(opening.at, has_ended=True)
            await self._frame(reply, event, say("answer_follows", language), is_last=True)
        except ChannelError as error:
            log.info("%s Somebody who waits is not shown that they do", error)

    async def _say(self, reply: str, event: Message | Command, words: str) -> None:
        """A sign of life, where there is room for one. One more may come later, whatever became of this one."""
        if not await self._pacer.place(str(event.return_address["chat"]), is_interim=True):
            return
        is_first = reply not in self._opened
        self._opened.setdefault(reply, Opening(time()))  # it may be taken though we are not told so
        try:
            await self._frame(reply, event, words, is_first=is_first)
        except Unsure:
            return
        except ChannelError as error:
            if is_first:
                del self._opened[reply]
            if not isinstance(error, RateLimited):
                raise
            self._pacer.hold(str(event.return_address["chat"]), error.retry_after.total_seconds())

    async def _frame(
        self, reply: str, event: Message | Command, words: str, *, is_first: bool = False, is_last: bool = False
    ) -> None:
        stream: dict[str, Any] = {"id": reply, "finish": is_last, "content": words}
        if is_first:
            stream["feedback"] = {"id": reply}  # which the first frame alone may name
        body = {"msgtype": "stream", "stream": stream}
        await self._connection.send("aibot_respond_msg", body, req_id=str(event.return_address["req_id"]))
