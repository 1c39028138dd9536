"""An answer in a thread of Slack: streamed while it grows, continued by edits where Slack ends the stream."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from adapters.slack.client import PATIENCE, Client, SlackRefused, StreamEnded, Unsure
from adapters.slack.render import LIMIT, answer_blocks, fallback, harmless, mrkdwn, settled
from core.errors import ChannelError, RateLimited
from core.message import PartId
from core.ports import Delivery, Ledger
from core.splitting import Pager

log = logging.getLogger(__name__)

_PLAIN_LIMIT = 2_500  # of one message without blocks: chat.update takes 4,000, and escapes are longer than signs

# Seconds between two writings of one answer, alone and where many grow at once: Slack's tiers are by minute, method and
# workspace (docs.slack.dev, "Rate limits": appendStream tier 4, 100 and more; chat.update tier 3, 50 and more).
_STREAM_EVERY, _STREAM_TIER = 0.5, 100
_EDIT_EVERY, _EDIT_TIER = 1.5, 50
_WITHOUT_STREAMS = 600.0  # seconds until a workspace that has no streams is asked again

# Refuses streams as such, not this one; the rest is about a channel or a person.
_STREAMLESS = frozenset(
    {"access_denied", "feature_not_enabled", "method_deprecated", "missing_scope", "no_permission", "unknown_method"}
)
_TOO_MUCH = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
_UNCHANGEABLE = frozenset({"block_mismatch", "cant_update_message", "edit_window_closed"})

Blocks = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Part:
    """One message of the answer; `shown` is what it says, None where that is not known."""

    ts: str
    shown: str | None = None
    is_streaming: bool = False


class Writer:
    """Writes one answer, message by message. What is sent is written down before the next call goes out."""

    def __init__(self, client: Client, delivery: Delivery, ledger: Ledger) -> None:
        thread, address = delivery.reply.thread, delivery.return_address
        self.parts = [Part(part.id) for part in delivery.parts]
        self.state: dict[str, Any] = dict(delivery.state)
        self._client = client
        self._delivery = delivery
        self._ledger = ledger
        self._place: dict[str, Any] = {"channel": thread.channel, "thread_ts": thread.thread}
        self._recipient: dict[str, Any] = {
            "recipient_user_id": address.get("user"),
            "recipient_team_id": address.get("team"),
        }
        self._can_stream = not self.is_again
        self._pager = Pager(LIMIT)
        self._is_plain = False
        self._patience = 0.0
        self._next = 0.0

    @property
    def is_again(self) -> bool:
        """Whether this answer may have been sent before, wholly or in part."""
        return self._delivery.attempts > 1 or bool(self._delivery.parts)

    @property
    def wait(self) -> float:
        """Seconds until the growing answer may be written again."""
        return max(0.05, self._next - monotonic())

    async def keep(self, **facts: Any) -> None:
        """Writes down what is about to happen."""
        self.state |= facts
        await self._ledger.state(self.state)

    async def grow(self, text: str) -> None:
        """Shows what there is so far; what Slack does not take now comes with the next writing."""
        self._patience = 0.0
        try:
            await self._write(self._pager.feed(harmless(settled(text))), (), is_final=False)
        except RateLimited as limited:
            self._next = monotonic() + limited.retry_after.total_seconds()
            return
        except SlackRefused as refused:
            log.info("%s; the answer is shown once it is whole", refused)
            self._next = float("inf")
            return
        streaming = bool(self.parts) and self.parts[-1].is_streaming
        every, tier = (_STREAM_EVERY, _STREAM_TIER) if streaming else (_EDIT_EVERY, _EDIT_TIER)
        self._next = monotonic() + max(every, self._client.paces.writers * 60 / tier)

    async def finish(self, text: str, extra: Blocks) -> None:
        """The whole answer, with the blocks that stand under it."""
        self._patience = PATIENCE
        texts = self._pager.feed(harmless(text), is_final=True)
        try:
            await self._write(texts, extra, is_final=True)
        except SlackRefused as refused:
            if refused.code not in _TOO_MUCH or self._is_plain:
                raise
            log.error("%s; the answer is sent again as plain text", refused)
            texts = await self._write_plainly(text)
        for part in self.parts[max(1, len(texts)) :]:
            if part.is_streaming:  # Slack deletes no message that is still growing
                await self._give_up_stream(part)
            await self.remove(part.ts)

    async def _write_plainly(self, text: str) -> list[str]:
        self._is_plain = True
        for part in self.parts:
            if part.is_streaming:
                await self._give_up_stream(part)
        texts = Pager(_PLAIN_LIMIT).feed(harmless(text), is_final=True)
        await self._write(texts, (), is_final=True)
        return texts

    async def end_last_stream(self) -> None:
        """Ends the stream that an earlier try may have left open; from here on the answer is shown by edits."""
        self._can_stream = False
        self._next = monotonic() + _EDIT_EVERY
        if self.parts:
            await self._give_up_stream(self.parts[-1])

    async def _end_stream(self, part: Part, rest: str = "", **arguments: Any) -> None:
        """Ends a stream with the rest of its text. Raises StreamEnded where Slack has ended it."""
        chunks = [{"type": "markdown_text", "text": rest}] if rest else []
        try:
            await self._client.call(
                "chat_stopStream", channel=self._place["channel"], ts=part.ts, chunks=chunks, **arguments
            )
        except StreamEnded:
            part.is_streaming = False
            raise
        part.is_streaming = False

    async def remove(self, ts: str) -> None:
        """Deletes a message of ours; the answer is no worse where it is gone already, or where we may not."""
        try:
            await self._client.call("chat_delete", channel=self._place["channel"], ts=ts)
        except SlackRefused as refused:
            log.info("%s; the message stays", refused)

    async def adopt(self, ts: str) -> None:
        """A message of ours that was sent without our knowing carries the next part."""
        self.parts.append(Part(ts))
        await self._ledger.part(self._part_id(ts))

    # ------------------------------------------------------------------------------------------------------ the parts

    async def _write(self, texts: Sequence[str], extra: Blocks, *, is_final: bool) -> None:
        for index, text in enumerate(texts):
            is_last = index == len(texts) - 1
            await self._bring(index, text, extra if is_last else (), is_done=is_final or not is_last)

    async def _bring(self, index: int, text: str, extra: Blocks, *, is_done: bool) -> None:
        """Makes message `index` say `text`."""
        if index == len(self.parts):
            await self._open(text, extra, is_done=is_done)
            return
        part = self.parts[index]
        if part.is_streaming and part.shown is not None and text.startswith(part.shown):
            await self._continue(part, text, extra, is_done=is_done)
        elif part.shown != text or extra:
            await self._edit(part, text, extra)

    async def _continue(self, part: Part, text: str, extra: Blocks, *, is_done: bool) -> None:
        rest = text[len(part.shown or "") :]
        try:
            if is_done:
                blocks = {"blocks": list(extra)} if extra else {}
                await self._end_stream(part, rest, metadata=self._metadata, **blocks)
            elif rest:
                await self._append(part, rest)
        except StreamEnded as ended:
            log.info("%s; the answer goes on by editing its message", ended)
            part.shown = None
            await self._edit(part, text, extra)
        except Unsure:
            # It may have been taken: only a message that is replaced as a whole is certain.
            await self._give_up_stream(part)
            await self._edit(part, text, extra)
        else:
            part.shown = text

    async def _append(self, part: Part, rest: str) -> None:
        chunks = [{"type": "markdown_text", "text": rest}]
        await self._client.call(
            "chat_appendStream", patience=0, channel=self._place["channel"], ts=part.ts, chunks=chunks
        )

    async def _give_up_stream(self, part: Part) -> None:
        part.shown = None
        try:
            await self._end_stream(part)
        except SlackRefused as refused:
            part.is_streaming = False
            log.info("%s", refused)

    async def _edit(self, part: Part, text: str, extra: Blocks) -> None:
        if part.is_streaming:  # a stream only grows: what is taken back is replaced after its end
            await self._give_up_stream(part)
        try:
            await self._client.call(
                "chat_update",
                patience=self._patience,
                channel=self._place["channel"],
                ts=part.ts,
                parse="none",
                **self._content(text, extra),
            )
        except SlackRefused as refused:
            is_lost = refused.code == "message_not_found" and self.is_again
            if not is_lost and refused.code not in _UNCHANGEABLE:
                raise
            await self._replace(part, text, extra)
        part.shown = text

    async def _replace(self, part: Part, text: str, extra: Blocks) -> None:
        """Another message takes the place of one that Slack lets nobody change any more."""
        old, new = part.ts, await self._post(text, extra)
        part.ts = new.ts
        await self._ledger.part(self._part_id(new.ts))
        try:
            await self.remove(old)
        except ChannelError as error:
            log.warning("an old message of the answer was left standing: %s", error)

    async def _open(self, text: str, extra: Blocks, *, is_done: bool) -> None:
        part = None if is_done or not self._can_stream else await self._stream(text)
        part = part or await self._post(text, extra)
        self.parts.append(part)
        await self._ledger.part(self._part_id(part.ts))

    async def _stream(self, text: str) -> Part | None:
        """A native stream; None where there is none to be had now. It bears no mark before its end."""
        await self.keep(streams=True)
        chunks = [{"type": "markdown_text", "text": text}]
        try:
            answer = await self._client.call(
                "chat_startStream", patience=0, **self._place, **self._recipient, chunks=chunks
            )
        except RateLimited:
            self._can_stream = False
            return None
        except SlackRefused as refused:
            if refused.code in _STREAMLESS:
                log.warning("%s; answers are shown by editing a message for a while", refused)
                self._client.paces.hold("chat_startStream", _WITHOUT_STREAMS)
            # Whether the stream or the place was refused, the plain message will show.
            self._can_stream = False
            return None
        return Part(str(answer["ts"]), text, is_streaming=True)

    async def _post(self, text: str, extra: Blocks) -> Part:
        answer = await self._client.call(
            "chat_postMessage",
            **self._place,
            **self._content(text, extra),
            metadata=self._metadata,
            unfurl_links=False,
            unfurl_media=False,
        )
        return Part(str(answer["ts"]), text)

    def _content(self, text: str, extra: Blocks) -> dict[str, Any]:
        if self._is_plain:
            return {"text": mrkdwn(text) or "…", "blocks": []}  # an update without blocks would keep those of before
        return {"text": fallback(text), "blocks": answer_blocks(text, extra=extra)}

    @property
    def _metadata(self) -> dict[str, Any]:
        return {"event_type": "parley_reply", "event_payload": {"reply": str(self._delivery.reply.id)}}

    def _part_id(self, ts: str) -> PartId:
        thread = self._delivery.reply.thread
        return PartId(thread.adapter, thread.workspace, thread.channel, ts)
