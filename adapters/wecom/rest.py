"""What is left of an answer that was too long for its stream and its one push: sent on when the person says so."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from adapters.wecom.board import Shown
from adapters.wecom.pages import left
from adapters.wecom.render import for_bot
from adapters.wecom.texts import say
from core.message import Message, ReplyId, ThreadId
from core.ports import Drafts, Notes

_LASTS = timedelta(days=7)
_WORDS = frozenset({"继续", "continue", "go on", "more"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Where to read on in an answer: at page `page` of what came after `shown`; `foot` stands under the text.

    `told` is the message that was answered with the page before this one: a callback that comes again gets it again.
    """

    reply: str
    asker: str
    page: int
    shown: Shown | None = None
    foot: str = ""
    told: str = ""


def is_continue(message: Message) -> bool:
    """Whether somebody asks for the rest, in so many words."""
    return not message.attachments and message.text.strip().strip("。.!！").casefold() in _WORDS


class Rests:
    """One rest for each person in a thread, the newest; `notes` keep where it is and `drafts` have the text."""

    def __init__(self, notes: Notes, drafts: Drafts) -> None:
        self._notes = notes
        self._drafts = drafts

    async def keep(self, thread: ThreadId, rest: Rest) -> None:
        note, about = json.dumps(asdict(rest)).encode(), ReplyId(rest.reply)
        await self._notes.put(_name(thread, rest.asker), note, about=about, lifetime=_LASTS)

    async def drop(self, thread: ThreadId, asker: str) -> None:
        """A newer answer leaves nothing over."""
        await self._notes.delete(_name(thread, asker))

    async def page(self, message: Message, language: str) -> Mapping[str, Any] | None:
        """The finished stream with the next page, None where this asks for none. Raises NotStored."""
        if not is_continue(message) or (rest := await self._of(message)) is None:
            return None
        number = rest.page - 1 if rest.told == message.id else rest.page
        draft = await self._drafts.latest(ReplyId(rest.reply))
        found = left(for_bot(draft.text) + rest.foot, rest.shown) if draft is not None and draft.is_final else []
        if number >= len(found):
            await self.drop(message.thread, message.author.key)
            return None
        await self.keep(message.thread, replace(rest, page=number + 1, told=message.id))
        has_more = number + 1 < len(found)
        content = f"{found[number]}\n\n{say('say_continue', language)}" if has_more else found[number]
        return {"msgtype": "stream", "stream": {"id": f"{rest.reply}-{number}", "finish": True, "content": content}}

    async def _of(self, message: Message) -> Rest | None:
        note = await self._notes.get(_name(message.thread, message.author.key))
        if note is None:
            return None
        fields = json.loads(note)
        shown = Shown(**fields["shown"]) if fields["shown"] else None
        return Rest(**{**fields, "shown": shown})


def _name(thread: ThreadId, asker: str) -> str:
    return f"wecom/rest/{thread}/{asker}"
