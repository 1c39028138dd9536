"""How an answer reaches a member through a self-built app: message by message, as each of them is complete."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any, Protocol

from adapters.wecom.api import Sent
from adapters.wecom.cards import confirm, rating
from adapters.wecom.errors import NO_PERMISSION, NotLetIn, Unsure, WecomRefused
from adapters.wecom.render import PIECE, Content, contents, marked, sources
from adapters.wecom.texts import say
from core.errors import ChannelError, Refused, Undeliverable
from core.growing import Growing
from core.language import language_of
from core.message import Chunk, Image, PartId, Source
from core.ports import Delivery, Ledger, Metrics
from core.splitting import Pager, utf8_bytes

log = logging.getLogger(__name__)

_CHANNEL = "wecom-app"
_TOLD_AFTER = 2  # tries: what WeCom refuses is told of


class Posts(Protocol):
    """What a delivery needs of the Api."""

    async def send(self, message: Mapping[str, Any]) -> Sent: ...

    async def recall(self, msgid: str) -> None: ...

    async def upload(self, image: Image) -> str: ...


class Paces(Protocol):
    """What a delivery needs of the Pacer."""

    async def place(self, conversation: str, *, is_interim: bool = False) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTempo:
    """Seconds: until a person is told that somebody works for them, and between two looks at a growing answer."""

    note_after: float = 15.0
    look_every: float = 0.25


_TEMPO = AppTempo()


class AppDelivery:
    """Shows one answer to one person. What is sent is written down before the next call goes out.

    A message cannot be changed, only recalled: what is taken back is recalled, and the new text sent. Kept with the
    delivery: `pieces`, what was sent, each as {"id", "digest"}; `sending`, digest or name of what is on its way;
    `round`, how often the answer was begun anew; `recalling`, ids that are still to be recalled; `is_above`, whether
    something that was taken back could not be recalled; `noted`; `media`, ids of uploaded pictures, and `beside`, those
    of the messages of pictures and cards, by name.
    """

    def __init__(
        self,
        api: Posts,
        delivery: Delivery,
        ledger: Ledger,
        metrics: Metrics,
        pacer: Paces,
        *,
        tempo: AppTempo = _TEMPO,
    ) -> None:
        self._api = api
        self._delivery = delivery
        self._ledger = ledger
        self._metrics = metrics
        self._pacer = pacer
        self._tempo = tempo
        self._user = str(delivery.return_address.get("user", ""))
        self._state: dict[str, Any] = dict(delivery.state)
        self._pager = Pager(PIECE, size=utf8_bytes)
        self._text = ""  # what was looked at last
        self._language = language_of("", delivery.reply.asker.locale)
        self._note_at = monotonic() + tempo.note_after

    async def show(self, chunks: AsyncIterator[Chunk]) -> None:
        """Returns once WeCom has taken all of it. Raises RateLimited, Undeliverable or another ChannelError."""
        if not self._user or "|" in self._user or self._user == "@all":
            raise Undeliverable("the person's id is missing")  # or would name others, too
        if self._state.get("sending"):
            self._metrics.count("deliveries_repeated", channel=_CHANNEL)
        async with Growing(chunks) as growing:
            await growing.change(self._tempo.look_every)
            while not growing.is_complete:
                await self._grow(growing.text)
                await growing.completion(self._tempo.look_every)
            await self._finish(growing)

    # --------------------------------------------------------------------------------------------------- while it grows

    async def _grow(self, text: str) -> None:
        """Sends what is complete; what an engine or a screen took back disappears at once."""
        is_taken_back = not text.startswith(self._text)
        self._text = text
        pieces = self._pager.feed(text)
        await self._bring(_contents(pieces[:-1]), is_all=is_taken_back)
        if not self._has_shown and monotonic() >= self._note_at:
            await self._note()

    @property
    def _has_shown(self) -> bool:
        return bool(self._pieces or self._state.get("noted"))

    async def _note(self) -> None:
        """That somebody works for them, once: to an app WeCom offers no other sign of life."""
        if not await self._pacer.place(self._user, is_interim=True):
            return
        await self._keep(noted=True)
        note = marked(Content("text", say("working", self._language)), self._delivery.reply.id, "note")
        try:
            await self._api.send(self._addressed(note.message))
        except ChannelError as error:
            log.info("nobody was told that an answer is on its way: %s", error)

    # ------------------------------------------------------------------------------------------------- once it is whole

    async def _finish(self, growing: Growing) -> None:
        text = growing.text
        language = language_of(text, self._delivery.reply.asker.locale)
        foot = sources(growing.sources, language)
        whole = "\n\n".join(filter(None, (text.rstrip() if foot else text, foot)))
        await self._bring(_contents(self._pager.feed(whole, is_final=True)) or [Content("text", "…")], is_all=True)
        for number, image in enumerate(growing.images, 1):
            await self._add_picture(f"picture {number}", image, language)
        if growing.ask is not None:
            card = confirm(growing.ask.id, language, round=self._round)
            await self._add("card", _card(card), is_needed=True)
        elif growing.manuscript.source is not Source.HOUSE:  # whose sentences are not up for rating
            await self._add("card", _card(rating(self._delivery.reply.id, language, round=self._round)))

    async def _add_picture(self, name: str, image: Image, language: str) -> None:
        media = dict(self._state.get("media", {}))
        if name not in media and name not in self._beside:
            try:
                media[name] = await self._api.upload(image)
            except (WecomRefused, Refused, Unsure) as error:
                log.warning("a picture is not shown: %s", error)
                media[name] = ""
            # Uploaded again it would have another id, and WeCom could not tell that the message is the same.
            await self._keep(media=media)
        if id := media.get(name):
            await self._add(name, {"msgtype": "image", "image": {"media_id": id}})
        elif image.alt.strip():
            words = Content("text", say("picture", language, alt=image.alt.strip()[:200]))
            await self._add(name, marked(words, self._delivery.reply.id, self._round, name).message)

    async def _add(self, name: str, message: Mapping[str, Any], *, is_needed: bool = False) -> None:
        """A message beside the answer, once. One that WeCom refuses is no reason to fail, unless it is needed."""
        if name in self._beside:
            return
        await self._pacer.place(self._user)
        await self._keep(sending=name)
        try:
            sent = await self._api.send(self._addressed(message))
        except (WecomRefused, Unsure) as error:
            if is_needed:
                raise
            log.warning("the %s of an answer is not shown: %s", name, error)
            self._state["sending"] = "" if isinstance(error, WecomRefused) else name
            return
        await self._keep(beside=self._beside | {name: sent.msgid}, sending="")
        await self._part(sent.msgid)

    # -------------------------------------------------------------------------------------------------------- the parts

    async def _bring(self, wanted: Sequence[Content], *, is_all: bool) -> None:
        """Sends what of `wanted` was not sent yet, and recalls what was sent otherwise. `is_all`: there is no more."""
        same = self._same(wanted)
        if same < len(self._pieces) and (is_all or same < len(wanted)):
            await self._take_back(same)
        await self._recall()
        for number in range(len(self._pieces), len(wanted)):
            await self._send(number, wanted[number])

    def _same(self, wanted: Sequence[Content]) -> int:
        """How many of the messages that were sent say what they should."""
        same = 0
        for piece, content in zip(self._pieces, wanted, strict=False):
            if piece["digest"] != _digest(content):
                break
            same += 1
        return same

    async def _take_back(self, first: int) -> None:
        """Everything from message `first` on, and what stands beside the answer below it."""
        wrong = [piece["id"] for piece in self._pieces[first:]] + list(self._beside.values())
        has_unknown = "" in wrong or bool(self._state.get("sending"))  # stands there, perhaps, and nobody knows its id
        log.info("%d messages of an answer are recalled", len(wrong))
        await self._keep(
            pieces=self._pieces[:first],
            beside={},
            media={},
            sending="",
            round=self._round + 1,
            recalling=[id for id in wrong if id],
            is_above=bool(self._state.get("is_above")) or has_unknown,
        )

    async def _recall(self) -> None:
        """Within 24 hours, and from WeCom's own apps alone; what stays is said to be out of date."""
        while ids := self._state.get("recalling"):
            try:
                await self._api.recall(ids[0])
            except (WecomRefused, Undeliverable, Unsure, NotLetIn) as error:
                if isinstance(error, NotLetIn) and error.code != NO_PERMISSION:
                    raise  # else an app that may send, but not recall, would never answer this person again
                log.warning("a message of an answer could not be recalled: %s", error)
                self._state["is_above"] = True
            await self._keep(recalling=ids[1:])

    async def _send(self, number: int, content: Content) -> None:
        """The same message is the same to the letter when it is sent again, and dropped by WeCom if it had it."""
        digest = _digest(content)
        if self._state.get("sending") not in (None, "", digest):
            self._state["is_above"] = True  # an earlier try may have said something else here, and nobody knows its id
            self._state["round"] = self._round + 1
        if self._state.get("is_above"):
            await self._say_what_it_replaces(language_of(content.text, self._delivery.reply.asker.locale))
        await self._pacer.place(self._user)
        await self._keep(sending=digest)
        sent = await self._send_or_say(self._marked(content, number), number)
        pieces = [*self._pieces, {"id": sent.msgid, "digest": digest}]
        await self._keep(pieces=pieces, sending="")
        await self._part(sent.msgid)

    async def _send_or_say(self, content: Content, number: int) -> Sent:
        """What WeCom does not take for what it is is not left out without a word."""
        try:
            return await self._api.send(self._addressed(content.message))
        except WecomRefused as refused:
            if self._delivery.failures < _TOLD_AFTER:
                raise
            words = say("refused_piece", language_of(content.text, self._delivery.reply.asker.locale))
            sent = await self._api.send(self._addressed(self._marked(Content("text", words), number).message))
            log.error("a part of an answer was not shown: %s", refused)
            return sent

    async def _say_what_it_replaces(self, language: str) -> None:
        words = marked(Content("text", say("replaces_above", language)), self._delivery.reply.id, self._round, "above")
        await self._pacer.place(self._user)
        await self._api.send(self._addressed(words.message))
        await self._keep(is_above=False, sending="")

    def _marked(self, content: Content, number: int) -> Content:
        """By reply, place and round: two answers may be equal, and what was recalled may be said again."""
        return marked(content, self._delivery.reply.id, self._round, number)

    # ----------------------------------------------------------------------------------------------------------- inside

    @property
    def _pieces(self) -> list[dict[str, str]]:
        return list(self._state.get("pieces", []))

    @property
    def _beside(self) -> dict[str, str]:
        return dict(self._state.get("beside", {}))

    @property
    def _round(self) -> int:
        return int(self._state.get("round", 0))

    async def _keep(self, **facts: Any) -> None:
        """Writes down what is about to happen, or has."""
        self._state |= facts
        await self._ledger.state(self._state)

    async def _part(self, id: str) -> None:
        if id:
            thread = self._delivery.reply.thread
            await self._ledger.part(PartId(thread.adapter, thread.workspace, thread.thread, id))

    def _addressed(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"touser": self._user, **message}


def _contents(pieces: Sequence[str]) -> list[Content]:
    return [content for piece in pieces for content in contents(piece)]


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    return {"msgtype": "template_card", "template_card": card}


def _digest(content: Content) -> str:
    return sha256(f"{content.kind}:{content.text}".encode(errors="replace")).hexdigest()[:16]
