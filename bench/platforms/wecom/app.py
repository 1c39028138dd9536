"""The self-built app's side of the server API (documents 90236, 94867, 94888, 90253, 91039)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from bench.platforms.wecom import contents
from bench.platforms.wecom.chats import APP, Chat, Chats, Message
from bench.platforms.wecom.contents import Content
from bench.platforms.wecom.errors import (
    BAD_AGENT,
    BAD_CORP,
    BAD_MEDIA,
    BAD_TOKEN,
    EXPIRED,
    NO_RECEIVER,
    NO_TOKEN,
    WRONG_SECRET,
    ApiError,
    invalid,
)
from bench.platforms.wecom.journal import Journal, Payload
from bench.platforms.wecom.limits import CODE_SECONDS, RECALL_SECONDS, TEXT_BYTES, Limits
from bench.platforms.wecom.media import Media, Stored

_KINDS: Final = ("text", "markdown", "template_card", *contents.MEDIA)
_RECEIVERS = 1000
_INTERVAL, _LONGEST = 1800, 4 * 3600


@dataclass(slots=True)
class Code:
    """A response_code: it changes the card of `task` once, within 72 hours."""

    task: str
    at: float


class App:
    """One app of one corporation.

    With `tells_duplicates` a message that the duplicate check drops is answered with the msgid of the first; what is
    told then is not documented. `token_seconds` is how long an access token lives by the clock.
    """

    def __init__(
        self,
        corp: str,
        agent: int,
        secret: str,
        chats: Chats,
        media: Media,
        journal: Journal,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self.corp = corp
        self.agent = agent
        self.secret = secret
        self.chats = chats
        self.media = media
        self.limits = limits
        self.clock = clock
        self.is_limited = False
        self.tells_duplicates = True
        self.token_seconds = 7200
        self.ips = ["203.0.113.10", "203.0.113.11"]
        self.codes: dict[str, Code] = {}
        self._tokens: dict[str, float] = {}
        self._seen: dict[str, tuple[float, str]] = {}
        self._sent: dict[str, float] = {}
        self._journal = journal

    # Tokens.

    def token(self, args: Payload) -> Payload:
        """The same one until it is over, as WeCom does."""
        if args.get("corpid") != self.corp:
            raise ApiError(BAD_CORP)
        if args.get("corpsecret") != self.secret:
            raise ApiError(WRONG_SECRET)
        now = self.clock()
        living = [token for token, end in self._tokens.items() if end > now]
        token = living[-1] if living else f"token-{uuid4().hex}{uuid4().hex}"
        end = self._tokens.setdefault(token, now + self.token_seconds)
        return {"access_token": token, "expires_in": int(end - now)}

    def revoke(self) -> None:
        """Ends every token before its time."""
        self._tokens.clear()

    def admit(self, token: str | None) -> None:
        if not token:
            raise ApiError(NO_TOKEN)
        if token not in self._tokens:
            raise ApiError(BAD_TOKEN)
        if self.clock() >= self._tokens[token]:
            raise ApiError(EXPIRED)

    # Messages.

    def send(self, body: Payload) -> Payload:
        self._own(body)
        kind = str(body.get("msgtype"))
        if kind not in _KINDS or not isinstance(body.get(kind), dict):
            raise invalid(f"msgtype {kind}")
        receivers, unknown = self._receivers(body)
        told: Payload = {"invaliduser": "|".join(unknown)} if unknown else {}
        seen = json.dumps(body, sort_keys=True)
        if body.get("enable_duplicate_check") == 1 and (first := self._duplicate(seen, body)):
            return told | ({"msgid": first} if self.tells_duplicates else {})
        shown = self._content(kind, body[kind])
        id = f"msg-{uuid4().hex}"
        self._sent[id] = self.clock()
        self._seen[seen] = (self.clock(), id)
        for chat in receivers:
            self._show(chat, id, shown)
        if kind == "template_card" and shown.card and shown.card.get("button_list"):
            told["response_code"] = self.code(str(shown.card["task_id"]))
        return told | {"msgid": id}

    def recall(self, body: Payload) -> Payload:
        """Within 24 hours (document 94867)."""
        found = [
            m for chat, m in self.chats.messages() if chat.kind == "app" and m.is_bot and m.id == body.get("msgid")
        ]
        if not found:
            raise invalid("msgid")
        if self.clock() - self._sent[found[0].id] > RECALL_SECONDS:
            raise invalid("msgid is too old")
        for message in found:
            message.is_recalled = True
        return {}

    def update_card(self, body: Payload) -> Payload:
        """A button's new name, or another card, for `userids` (document 94888)."""
        self._own(body)
        code = self.codes.pop(str(body.get("response_code")), None)
        if code is None or self.clock() - code.at > CODE_SECONDS:
            raise invalid("response_code")
        people = body.get("userids")
        if not isinstance(people, list) or not people:
            if not body.get("atall"):
                raise invalid("userids")
            people = list(self.chats.people)
        self.change(code.task, people, (body.get("button") or {}).get("replace_name"), body.get("template_card"))
        return {}

    def code(self, task: str) -> str:
        code = uuid4().hex
        self.codes[code] = Code(task, self.clock())
        return code

    def change(self, task: str, people: list[str], name: str | None, card: Any = None) -> None:
        """These people see another card: the old one with one button that can no longer be pressed, or `card`."""
        found = [m for chat, m in self.chats.messages() if chat.kind == "app" and task in m.tasks]
        if not found or not (name or isinstance(card, dict)):
            raise invalid("button or template_card")
        changed = contents.card({"task_id": task} | card) if isinstance(card, dict) else None
        if changed is not None and not self._is_free(str(changed["task_id"]), found):
            raise invalid("task_id is used already")
        for message in found:
            for person in people:
                message.cards[person] = changed or {**(message.card or {}), "button_list": [], "replaced": name}
        self._journal.tell()

    # The rest.

    def agent_info(self, args: Payload) -> Payload:
        self._own(args)
        return {"agentid": self.agent, "name": "Parley", "close": 0, "redirect_domain": "", "home_url": ""}

    def callback_ips(self) -> Payload:
        return {"ip_list": self.ips}

    def upload(self, kind: str, name: str, content: bytes) -> Payload:
        stored = self.media.keep(kind, name, content)
        return {"type": kind, "media_id": stored.id, "created_at": str(int(stored.at))}

    def fetch(self, id: str) -> Stored:
        if (stored := self.media.get(id)) is None:
            raise ApiError(BAD_MEDIA)
        return stored

    def _own(self, body: Payload) -> None:
        if str(body.get("agentid")) != str(self.agent):
            raise ApiError(BAD_AGENT)

    def _receivers(self, body: Payload) -> tuple[list[Chat], list[str]]:
        asked = str(body.get("touser") or "").split("|")
        people = self.chats.people
        if asked == ["@all"]:
            asked = [id for id, person in people.items() if person.is_visible]
        if len(asked) > _RECEIVERS:
            raise invalid("touser")
        known = [id for id in asked if id in people and people[id].is_visible]
        if not known:
            raise ApiError(NO_RECEIVER)
        return [self.chats.all[APP + id] for id in known], [id for id in asked if id not in known]

    def _is_free(self, task: str, own: list[Message]) -> bool:
        owner = self.chats.by_task(task, of_app=True)
        return owner is None or owner in own

    def _duplicate(self, seen: str, body: Payload) -> str:
        """The first message's id, where one like it was sent within the interval."""
        interval = min(int(body.get("duplicate_check_interval", _INTERVAL)), _LONGEST)
        at, id = self._seen.get(seen, (0.0, ""))
        return id if id and self.clock() - at < interval else ""

    def _content(self, kind: str, given: Payload) -> Content:
        if kind == "template_card":
            card = contents.card(given)
            if self.chats.by_task(str(card.get("task_id", "")), of_app=True) and card.get("task_id"):
                raise invalid("task_id is used already")
            return Content(kind, card=card)
        if kind in contents.MEDIA:
            return Content(kind, media=contents.found(given, kind, self.media.find))
        text = given.get("content")
        if not isinstance(text, str) or not text:
            raise invalid("content")
        if kind == "markdown" and len(text.encode()) > TEXT_BYTES:
            raise invalid(f"content exceeds {TEXT_BYTES} bytes")
        return Content(kind, text)

    def _show(self, chat: Chat, id: str, content: Content) -> None:
        """A text that is too long is cut, and what is too much is dropped: neither is told to anybody."""
        message = Message(id, str(self.agent), kind=content.kind, is_bot=True)
        text = content.text.encode()[:TEXT_BYTES].decode(errors="ignore")
        message.is_cut = text != content.text
        message.card, message.media = content.card, content.media
        message.show(text)
        is_dropped = self.is_limited and not self.limits.takes(chat.id)
        (chat.dropped if is_dropped else chat.messages).append(message)
        self._journal.tell()
