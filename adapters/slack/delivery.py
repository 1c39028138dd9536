"""How an answer reaches the person who asked: in the thread, or for their eyes alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any

from adapters.slack.client import Client, MissingScope, SlackRefused, Unsure
from adapters.slack.files import upload
from adapters.slack.installations import Bot
from adapters.slack.render import confirm_blocks, fallback, feedback_blocks, source_lines, stop_blocks
from adapters.slack.texts import say
from adapters.slack.writer import Writer
from core.errors import ChannelError, RateLimited
from core.growing import Growing
from core.language import language_of
from core.message import Chunk, Image, PartId, Source, StatusKind
from core.ports import Delivery, Ledger, Metrics

log = logging.getLogger(__name__)

_AT_ONCE = 0.05  # seconds an answer that has begun may take to be whole, and is posted as one message then
_STATUS_AFTER = 0.3  # seconds without a word until the person is told that somebody is thinking
_STATUS_EVERY = 2.0
_STATUS_LASTS = 100.0  # Slack takes a status back after two minutes (docs.slack.dev, "assistant.threads.setStatus")
_STATUS_PATIENCE = 2.0  # an answer does not wait longer for its status
_STOP_AFTER = 2.0  # seconds of writing until a Stop button is offered
_STATUS = {
    StatusKind.QUEUED: "status_queued",
    StatusKind.THINKING: "status_thinking",
    StatusKind.WORKING: "status_working",
}


class ThreadDelivery:
    """Shows one answer in its thread; an earlier try's messages are found again and replaced."""

    def __init__(self, client: Client, bot: Bot, delivery: Delivery, ledger: Ledger, metrics: Metrics) -> None:
        self._client = client
        self._bot = bot
        self._delivery = delivery
        self._ledger = ledger
        self._metrics = metrics
        self._writer = Writer(client, delivery, ledger)
        self._thread = delivery.reply.thread
        self._language = language_of("", delivery.reply.asker.locale)
        self._status = ""
        self._status_at = float("-inf")
        self._offers_stop = True
        self._stop: str | None = None  # where the button stands, "" where only the thread can tell

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        """Returns once Slack has confirmed the whole answer."""
        if self._writer.is_again:
            await self._tidy()
        async with Growing(chunks) as growing:
            await self._until_words(growing)
            if not self._writer.is_again:
                await growing.completion(_AT_ONCE)
            if not growing.is_complete:
                await self._while_growing(growing)
            if self._is_for_one(growing):
                await self._whisper(growing.text)
            else:
                await self._finish(growing)

    # ----------------------------------------------------------------------------------------------- before and while

    async def _until_words(self, growing: Growing) -> None:
        await growing.change(_STATUS_AFTER)
        while not (growing.text.strip() or growing.is_complete):
            await self._tell(growing)
            await growing.change(_STATUS_EVERY)

    async def _tell(self, growing: Growing) -> None:
        """Says what is going on; where Slack does not take it, the answer will do."""
        status = growing.status
        name = _STATUS[status.kind] if status else "status_thinking"
        text = say(name, self._language, position=status.position if status else None)
        age = monotonic() - self._status_at
        if age < (_STATUS_LASTS if text == self._status else _STATUS_EVERY):
            return
        self._status, self._status_at = text, monotonic()
        try:
            async with asyncio.timeout(_STATUS_PATIENCE):
                await self._client.call(
                    "assistant_threads_setStatus",
                    patience=0,
                    channel_id=self._thread.channel,
                    thread_ts=self._thread.thread,
                    status=text,
                )
        except RateLimited:
            self._status = ""
        except (ChannelError, TimeoutError) as error:
            log.debug("no status is shown: %s", type(error).__name__)
            self._status_at = float("inf")

    async def _while_growing(self, growing: Growing) -> None:
        began = monotonic()
        self._client.paces.writers += 1
        try:
            while not growing.is_complete:
                if growing.text.strip():
                    await self._grow(growing.text)
                if monotonic() - began > _STOP_AFTER and self._offers_stop:
                    await self._offer_stop()
                await growing.completion(self._writer.wait)
                await growing.change(_STATUS_EVERY)
        finally:
            self._client.paces.writers -= 1

    async def _grow(self, text: str) -> None:
        try:
            await self._writer.grow(text)
        except Unsure as unsure:
            log.info("%s; what stands in the thread is looked up, and the answer goes on from there", unsure)
            await self._tidy()

    async def _offer_stop(self) -> None:
        """A message of its own: a native stream takes no button before its end."""
        self._offers_stop = False
        try:
            answer = await self._client.call(
                "chat_postMessage",
                patience=0,
                channel=self._thread.channel,
                thread_ts=self._thread.thread,
                text=say("stop_text", self._language),
                blocks=stop_blocks(self._delivery.reply.id, self._language),
                metadata={"event_type": "parley_stop", "event_payload": {"reply": str(self._delivery.reply.id)}},
            )
        except RateLimited:
            self._offers_stop = True  # later
        except Unsure:
            self._stop = ""
        except ChannelError as error:
            log.info("no Stop button is shown: %s", error)
        else:
            self._stop = str(answer["ts"])

    async def _remove_stop(self) -> None:
        """The answer is there: a button that cannot be removed is no reason to say it again."""
        try:
            if self._stop:
                await self._writer.remove(self._stop)
            elif self._stop is not None:
                await self._remove_stops(await self._ours())
        except SlackRefused as refused:
            log.warning("a Stop button was left standing: %s", refused)
        self._stop = None

    async def _remove_stops(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            if _is_marked(message, "parley_stop", self._delivery.reply.id):
                await self._writer.remove(str(message["ts"]))

    # ---------------------------------------------------------------------------------------------------- at the end

    async def _finish(self, growing: Growing) -> None:
        language = language_of(growing.text, self._delivery.reply.asker.locale)
        extra: list[Mapping[str, Any]] = []
        if growing.ask is not None:
            extra += confirm_blocks(growing.ask.id, language)
        if growing.manuscript.source is not Source.HOUSE:  # its sentences are not up for rating
            extra += feedback_blocks(self._delivery.reply.id, language)
        await self._writer.finish(growing.text + source_lines(growing.sources, language), extra)
        await self._remove_stop()
        for number, image in enumerate(growing.images):
            if number >= self._writer.state.get("images", 0):
                await self._writer.keep(images=number + 1)
                await self._upload(image)

    async def _upload(self, image: Image) -> None:
        """A picture that Slack does not take is no reason to say the answer again."""
        try:
            await upload(self._client, self._thread, image)
        except ChannelError as error:
            log.warning("a picture of reply %s was not shown: %s", self._delivery.reply.id, error)

    def _is_for_one(self, growing: Growing) -> bool:
        """Whether this is a sentence of the house in answer to a click, which nobody else needs to read."""
        is_click = bool(self._delivery.return_address.get("whisper"))
        return is_click and growing.manuscript.source is Source.HOUSE and not self._writer.parts

    async def _whisper(self, text: str) -> None:
        """Shown once at most: Slack keeps no such message, so none could be found again."""
        if self._writer.state.get("whispered"):
            return
        await self._writer.keep(whispered=True)
        try:
            await self._client.call(
                "chat_postEphemeral",
                channel=self._thread.channel,
                user=self._delivery.return_address["user"],
                thread_ts=self._thread.thread,
                text=fallback(text),
            )
        except RateLimited:  # this time it was not shown for certain
            await self._writer.keep(whispered=False)
            raise

    # ------------------------------------------------------------------------------------------------- an earlier try

    async def _tidy(self) -> None:
        """Takes over what an earlier try left in the thread: messages it sent without knowing, a stream, a Stop button.

        Whether Slack took a message whose answer was lost only the thread can tell.
        """
        messages = await self._ours()
        await self._remove_stops(messages)
        self._stop, self._offers_stop = None, True
        for ts in await self._unclaimed(messages):
            log.info("a message that was sent without our knowing carries reply %s", self._delivery.reply.id)
            self._metrics.count("deliveries_adopted", channel="slack")
            await self._writer.adopt(ts)
        await self._writer.end_last_stream()

    async def _ours(self) -> list[Mapping[str, Any]]:
        """Our messages of the thread after the question, oldest first; none where we may not read it."""
        try:
            return await self._read()
        except MissingScope as missing:
            log.warning("whether an answer was sent before cannot be seen, so it may be sent twice: %s", missing)
            return []

    async def _read(self) -> list[Mapping[str, Any]]:
        asked_at = str(self._delivery.return_address.get("ts") or self._thread.thread)
        found: list[Mapping[str, Any]] = []
        cursor = ""
        while True:
            page = await self._client.call(
                "conversations_replies",
                channel=self._thread.channel,
                ts=self._thread.thread,
                oldest=asked_at,
                limit=200,
                include_all_metadata=True,
                cursor=cursor or None,
            )
            found += [message for message in page.get("messages", ()) if self._is_later(message, asked_at)]
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return found

    def _is_later(self, message: Mapping[str, Any], asked_at: str) -> bool:
        is_ours = self._bot.user_id == message.get("user") or self._bot.bot_id == message.get("bot_id")
        return is_ours and str(message.get("ts", "")) > asked_at

    async def _unclaimed(self, messages: Sequence[Mapping[str, Any]]) -> list[str]:
        """Messages that carry this answer and that nobody wrote down: those with our mark, else the first without one.

        A stream bears no mark before its end.
        """
        by_part = {PartId("slack", self._thread.workspace, self._thread.channel, str(m["ts"])): m for m in messages}
        known = await self._ledger.known(list(by_part))
        free = [message for part, message in by_part.items() if part not in known]
        marked = [message for message in free if _is_marked(message, "parley_reply", self._delivery.reply.id)]
        unmarked = [message for message in free if not _mark_of(message) and not message.get("files")]
        if not self._writer.state.get("streams"):  # what bears no mark is not of this answer
            unmarked = []
        return [str(message["ts"]) for message in marked or unmarked[:1]]


def _is_marked(message: Mapping[str, Any], mark: str, reply_id: str) -> bool:
    return _mark_of(message) == (mark, reply_id)


def _mark_of(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """What its metadata says: what the message is, and to which answer it belongs."""
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return (metadata["event_type"], str(payload.get("reply", ""))) if metadata.get("event_type") else None
