"""An answer to a slash command: only the person who typed it sees it, through the address Slack gave for it."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import ClientConnectorError, ClientError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.slack.client import QUIET, Client, Clients, MissingScope
from adapters.slack.render import Block, answer_blocks, confirm_blocks, fallback, feedback_blocks, pieces, source_lines
from core.errors import ChannelError
from core.growing import Growing
from core.language import language_of
from core.message import Chunk, PartId, Source
from core.ports import Delivery, Ledger, Metrics

log = logging.getLogger(__name__)

# Of one response_url, within 30 minutes (docs.slack.dev, "Handling user interaction"); the first says we heard.
_USES = 5


class WhisperDelivery:
    """Shows an answer to one person. Through the address each message is sent once at most: none could be found again.

    Where the address is used up or has expired, the rest goes into their direct messages, and is looked for there
    before it is said once more.
    """

    def __init__(self, clients: Clients, client: Client, delivery: Delivery, ledger: Ledger, metrics: Metrics) -> None:
        self._clients = clients
        self._client = client
        self._delivery = delivery
        self._ledger = ledger
        self._metrics = metrics
        self._url = str(delivery.return_address.get("response_url") or "")
        self._said = int(delivery.state.get("said", 0))
        self._is_direct = bool(delivery.state.get("is_direct")) or not clients.is_slacks(self._url)

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        async with Growing(chunks) as growing:
            while not growing.is_complete:
                await growing.change(3600)
        language = language_of(growing.text, self._delivery.reply.asker.locale)
        texts = pieces(growing.text + source_lines(growing.sources, language), is_final=True)
        for number, text in enumerate(texts):
            is_last = number == len(texts) - 1
            if number >= self._said:
                extra = self._below(growing, language) if is_last else ()
                await self._say(number, {"text": fallback(text), "blocks": answer_blocks(text, extra=extra)})

    def _below(self, growing: Growing, language: str) -> list[Block]:
        asked = confirm_blocks(growing.ask.id, language) if growing.ask is not None else []
        is_answer = growing.manuscript.source is not Source.HOUSE
        return [*asked, *(feedback_blocks(self._delivery.reply.id, language) if is_answer else ())]

    async def _say(self, number: int, content: dict[str, Any]) -> None:
        if not self._is_direct and number < _USES - 1:
            await self._keep(number + 1)
            try:
                if await self._respond(content):
                    return
            except ClientConnectorError:  # nothing was sent
                await self._keep(number)
                raise ChannelError("the address of a private answer cannot be reached") from None
        self._is_direct = True
        await self._keep(number)
        await self._write_directly(number, content)
        await self._keep(number + 1)

    async def _keep(self, said: int) -> None:
        await self._ledger.state({"said": said, "is_direct": self._is_direct})

    async def _respond(self, content: dict[str, Any]) -> bool:
        """Whether the address took it; where that stays unknown it counts as taken.

        Raises ClientConnectorError where it was never reached.
        """
        webhook = AsyncWebhookClient(self._url, session=self._clients.session, retry_handlers=[], logger=QUIET)
        try:
            response = await webhook.send(**content, response_type="ephemeral", replace_original=False)
        except ClientConnectorError:
            raise
        except (ClientError, TimeoutError) as error:
            self._metrics.count("deliveries_unknown", channel="slack")
            log.warning("whether a private answer arrived is not known (%s); it is not repeated", type(error).__name__)
            return True
        return bool(response.status_code == 200)

    async def _write_directly(self, number: int, content: dict[str, Any]) -> None:
        opened = await self._client.call("conversations_open", users=self._delivery.return_address["user"])
        try:
            channel = str(opened["channel"]["id"])
        except (KeyError, TypeError):
            raise ChannelError("Slack opened no direct message") from None
        mark = {"reply": str(self._delivery.reply.id), "number": number}
        ts = await self._find(channel, mark) if self._delivery.attempts > 1 else ""
        if not ts:
            metadata = {"event_type": "parley_reply", "event_payload": mark}
            answer = await self._client.call("chat_postMessage", channel=channel, metadata=metadata, **content)
            ts = str(answer["ts"])
        await self._ledger.part(PartId("slack", self._delivery.reply.thread.workspace, channel, ts))

    async def _find(self, channel: str, mark: Mapping[str, Any]) -> str:
        """The message that an earlier try sent without knowing, "" where there is none."""
        try:
            page = await self._client.call(
                "conversations_history", channel=channel, limit=100, include_all_metadata=True
            )
        except MissingScope as missing:
            log.warning("whether an answer was sent before cannot be seen, so it may be sent twice: %s", missing)
            return ""
        marked = (
            each for each in page.get("messages", ()) if (each.get("metadata") or {}).get("event_payload") == mark
        )
        return next((str(each["ts"]) for each in marked), "")
