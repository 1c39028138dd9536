"""An answer in a chat of the AI bot: one stream that may change until it ends, and pushed pieces that may not."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.wecom.errors import StreamOver, Unsure, WecomRefused
from adapters.wecom.pacing import Pacer
from adapters.wecom.pages import LIMIT
from adapters.wecom.render import for_bot
from adapters.wecom.socket_record import Record
from adapters.wecom.texts import say
from adapters.wecom.upload import Sends
from adapters.wecom.waiting import Opening
from core.errors import ChannelError, RateLimited, Undeliverable
from core.ports import Delivery, Ledger, Metrics
from core.splitting import Context, Pager, utf8_bytes

log = logging.getLogger(__name__)

_ROOM = 1_024  # bytes of a message, for what stands above and under a piece
_PUSHED_AFTER, _TOLD_AFTER = (
    1,
    2,
)  # tries: what WeCom refuses in a stream is pushed, and what it refuses at all is told of
_TRIES = 2  # to end a stream, which may be said twice


class Writer:
    """Writes one answer. What is sent is written down before the next call goes out."""

    def __init__(
        self, connection: Sends, delivery: Delivery, ledger: Ledger, metrics: Metrics, pacer: Pacer, language: str
    ) -> None:
        self.language = language
        self._connection = connection
        self._id = delivery.reply.id
        self._address = delivery.return_address
        self._chat = str(self._address["chat"])
        self._failures = delivery.failures
        self._metrics = metrics
        self._pacer = pacer
        self._record = Record(delivery, ledger)
        self._pager = Pager(LIMIT - _ROOM, size=utf8_bytes)
        self._text = ""
        # What was said for good can be compared with the whole text only, where that is not the text it was said of.
        self._waits = self._record.has_said
        if not self._waits:
            self._record.forget_cuts()

    @property
    def is_streaming(self) -> bool:
        """Whether there is a stream, or can be, that takes the answer."""
        return bool(self._address.get("req_id")) and not self._record.has_ended

    @property
    def age(self) -> float:
        """Seconds since the first frame of the stream, also of one that an earlier try began."""
        return self._record.age

    @property
    def interim_wait(self) -> float:
        """Seconds until the growing answer may be written again."""
        return self._pacer.interim_wait(self._chat)

    async def adopt(self, opening: Opening) -> None:
        """Goes on in a stream that was opened before."""
        await self._record.adopt(opening.at, has_ended=opening.has_ended)

    # --------------------------------------------------------------------------------------------------- while it grows

    async def grow(self, text: str, note: str = "", *, is_rated: bool = True) -> bool:
        """Shows what there is so far, with a note about what is going on; whether there was room for it just now."""
        pieces = self._grown(text)
        if self.is_streaming:
            content = _under(pieces[0] if pieces else "", self._rest_note if self._pager.full else note)
            # The first sign of life matters; what follows says it all again.
            if not await self._pacer.place(self._chat, is_interim=self._record.has_begun):
                return False
            await self._frame(content, is_rated=is_rated)
        return await self._push_full(pieces)

    async def end_stream(self, text: str, *, is_rated: bool = True) -> None:
        """Ends the stream with what there is, before WeCom does: the rest is pushed."""
        pieces = self._cut(text)
        piece = pieces[0] if self._pager.full else None
        note = say("answer_follows", self.language) if piece is None else self._rest_note
        if await self._last_frame(_under(piece or "", note), is_rated=is_rated):
            await self._record.end(piece)

    async def push_on(self, text: str, *, may_cut: bool) -> bool:
        """Pushes what is full or, where it may be cut, all there is; whether anything was, and had room."""
        pushed = self._record.pushed
        await self._push_full(self._cut(text) if may_cut else self._grown(text))
        return self._record.pushed > pushed

    async def push_sign(self, note: str) -> bool:
        """Pushes a sign of life, where there is room for it."""
        if not await self._pacer.place(self._chat, is_interim=True):
            return False
        await self._push(_markdown(note))
        return True

    def _grown(self, text: str) -> list[str]:
        """The pieces of a text that goes on from the last one, or else replaces it."""
        if not text.startswith(self._text):
            self._waits = self._record.has_said
            self._record.forget_cuts()
        self._text = text
        return self._pager.feed(text)

    def _cut(self, text: str) -> list[str]:
        """The pieces, of which the last one ends here where it can."""
        pieces = self._grown(text)
        if self._waits or not self._pager.cut():
            return pieces
        self._record.cut(len(text))
        return self._pager.feed(text)

    async def _push_full(self, pieces: Sequence[str]) -> bool:
        """Pushes the pieces that grow no more; whether there was room for them."""
        if self._waits:
            return True
        for index in range(self.is_streaming, self._pager.full):
            if not self._record.is_said(index):
                if not await self._pacer.place(self._chat, is_interim=True):
                    return False
                await self._push_piece(index, pieces[index], pieces[index])
        return True

    # ------------------------------------------------------------------------------------------------- once it is whole

    async def finish(self, text: str, foot: str, *, is_rated: bool = True) -> None:
        """The whole answer, with what stands under its last piece."""
        pieces, contents = self._final(text, foot)
        if self._record.contradicts(pieces, count=len(contents), is_streaming=self.is_streaming):
            await self._start_over(is_rated=is_rated)
            pieces, contents = self._final(text, foot)
        if self.is_streaming:
            content = _under(contents[0], self._rest_note) if len(contents) > 1 else contents[0]
            if await self._last_frame(content, is_rated=is_rated):
                await self._record.end(pieces[0])
        for index, content in enumerate(contents):
            if not self._record.is_said(index):
                await self._pacer.place(self._chat)
                await self._push_piece(index, pieces[index] if index < len(pieces) else content, content)

    async def _start_over(self, *, is_rated: bool) -> None:
        """What was pushed cannot be taken back; all of it is pushed anew and said to take its place."""
        if self.is_streaming:
            await self._last_frame(say("answer_follows", self.language), is_rated=is_rated)
        self._record.forget_cuts()
        await self._record.start_over(replaces=True)

    def _final(self, text: str, foot: str) -> tuple[list[str], list[str]]:
        """Its pieces, cut where they were, and the same as messages."""
        pager = Pager(LIMIT - _ROOM, size=utf8_bytes)
        for length in self._record.cuts:
            pager.feed(text[:length])
            pager.cut()
        pieces = pager.feed(text, is_final=True) or ["…"]
        return pieces, _footed(pieces, foot)

    async def add(self, name: str, body: Mapping[str, Any], *, may_repeat: bool = False) -> None:
        """A message beside the answer, once: a picture, a card. One that WeCom refuses is no reason to fail.

        One that `may_repeat`, for WeCom refuses the second, is sent until it is known to be there.
        """
        if self.has_added(name):
            return
        await self._pacer.place(self._chat)
        is_known = False
        try:
            await self._push(body)
            is_known = True
        except Unsure:
            if may_repeat:
                raise
            self._metrics.count("deliveries_unknown", channel="wecom")
        except (WecomRefused, Undeliverable) as error:
            log.warning("the %s of an answer is not shown: %s", name, error)
        await self._record.add(name, is_known=is_known)

    async def add_words(self, name: str, text: str) -> None:
        """A message beside the answer, in Markdown."""
        await self.add(name, _markdown(text))

    def has_added(self, name: str) -> bool:
        return self._record.has_added(name)

    # ------------------------------------------------------------------------------------------------------- the stream

    async def _last_frame(self, content: str, *, is_rated: bool) -> bool:
        """Ends the stream, once more where that is not confirmed; False where it is over already."""
        await self._pacer.place(self._chat)
        for again in range(_TRIES):
            try:
                return await self._frame(content, is_last=True, is_rated=is_rated)
            except Unsure:
                if again + 1 == _TRIES:
                    raise
        raise AssertionError

    async def _frame(self, content: str, *, is_last: bool = False, is_rated: bool) -> bool:
        """All that the stream says; False where WeCom takes no more of it, and everything is to be pushed.

        Each frame replaces the one before, and may be sent twice.
        """
        stream: dict[str, Any] = {"id": self._id, "finish": is_last, "content": _fitting(content)}
        if is_rated and not self._record.has_stream:
            stream["feedback"] = {"id": self._id}
        has_begun = self._record.has_begun
        await self._record.begin()
        try:
            await self._send("aibot_respond_msg", {"msgtype": "stream", "stream": stream}, str(self._address["req_id"]))
        except WecomRefused as over:
            if not (isinstance(over, StreamOver) or self._failures >= _PUSHED_AFTER):
                raise
            log.log(logging.INFO if isinstance(over, StreamOver) else logging.WARNING, "%s The answer is pushed", over)
            await self._record.start_over(replaces=has_begun)
            return False
        await self._record.show()
        return True

    @property
    def _rest_note(self) -> str:
        return say("rest_follows", self.language)

    # ------------------------------------------------------------------------------------------------------- the pushes

    async def _push_piece(self, index: int, piece: str, content: str) -> None:
        """A new message, for which there is room. Where one like it may be there already it says so."""
        is_again = self._record.is_sending(index)
        if is_again:
            self._metrics.count("deliveries_repeated", channel="wecom")
        await self._record.send(index, piece)
        try:
            await self._push_or_say(_under(self._above(is_again=is_again), content))
        except Unsure:
            raise
        except ChannelError:
            if not is_again:
                await self._record.withdraw()
            raise
        await self._record.push(index, piece)

    async def _push_or_say(self, content: str) -> None:
        """What WeCom does not take for what it is is not left out without a word."""
        try:
            await self._push(_markdown(content))
        except WecomRefused as refused:
            if self._failures < _TOLD_AFTER:
                raise
            await self._push(_markdown(say("refused_piece", self.language)))
            log.error("a part of an answer was not shown: %s", refused)

    def _above(self, *, is_again: bool) -> str:
        names = [*(["replaces_above"] if self._record.replaces else []), *(["sent_again"] if is_again else [])]
        return "\n".join(say(name, self.language) for name in names)

    async def _push(self, body: Mapping[str, Any]) -> None:
        to = {"chatid": self._chat, "chat_type": self._address.get("chat_type", 0)}
        await self._send("aibot_send_msg", {**to, **body})

    async def _send(self, cmd: str, body: Mapping[str, Any], req_id: str = "") -> None:
        try:
            await self._connection.send(cmd, body, req_id=req_id)
        except RateLimited as limited:
            self._pacer.hold(self._chat, limited.retry_after.total_seconds())
            raise


def _markdown(text: str) -> Mapping[str, Any]:
    return {"msgtype": "markdown", "markdown": {"content": _fitting(text)}}


def _fitting(content: str) -> str:
    """Nothing in it calls anybody or passes for thinking; where there is no room to say so unseen, brackets change."""
    safe = for_bot(content)
    return safe if utf8_bytes(safe) <= LIMIT else safe.replace("<\u2060", "[")


def _footed(pieces: Sequence[str], foot: str) -> list[str]:
    """The pieces with the foot under the last one, or in a message of its own."""
    if not foot:
        return list(pieces)
    *others, last = pieces
    if utf8_bytes(last) + utf8_bytes(foot) + 2 <= LIMIT - _ROOM:
        return [*others, _under(last, foot)]
    return [*pieces, *Pager(LIMIT - _ROOM, size=utf8_bytes).feed(foot, is_final=True)]


def _under(text: str, note: str) -> str:
    """A note under a text, whose open fence is closed."""
    if not text.strip() or not note:
        return text if text.strip() else note
    context = Context()
    for line in text.splitlines(keepends=True):
        context = context.after(line if line.endswith("\n") else line + "\n")
    closing = f"\n{context.closing}" if context.closing else ""
    return f"{text.rstrip()}{closing}\n\n{note}"
