"""Callbacks as WeCom sends them, on their way to be spoiled: a canary in all that people write, every person new."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Literal
from urllib.parse import quote_from_bytes, urlencode

from bench.platforms.wecom.crypto import Wire
from bench.platforms.wecom.payloads import xml
from bench.platforms.wecom.platform import AGENT, APP_AES_KEY, APP_TOKEN, BOT_AES_KEY, BOT_ID, BOT_TOKEN, CORP
from bench.process import free_port

CANARY = "canary-5e1f7c02"
WIRES = {"wecom": Wire(BOT_TOKEN, BOT_AES_KEY), "wecom-app": Wire(APP_TOKEN, APP_AES_KEY, CORP)}

Way = Literal["wecom", "wecom-app"]
Told = dict[str, Any]

_TEXTS = ("What is 6 times 7?", "/help", "/code print it", "stop", "**bold** `code` | a | b |", "人人生而自由", "继续")
_REASONS = (1, 2, 3, 4)


@dataclass(slots=True)
class Post:
    """A callback while it is being made: `told` is what it says, `message` how that is written, `encrypt` how sealed.

    `answers` are the statuses that are right for it, those of a signed message where none is named.
    """

    way: Way
    told: Told
    chance: Random
    message: bytes = b""
    encrypt: str = ""
    body: bytes = b""
    query: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    raw_query: bytes | None = None
    answers: tuple[int, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def say(self, told: Told) -> None:
        """Says this instead, as well signed and sealed."""
        self.told = told
        self.write(json.dumps(told, ensure_ascii=False).encode() if self.way == "wecom" else xml(told).encode())

    def write(self, message: bytes) -> None:
        """Carries these bytes instead, as well signed and sealed."""
        self.message = message
        self.seal(self.wire.seal(message, prefix=self.chance.randbytes(16)))

    def seal(self, encrypt: str) -> None:
        """Signs what is said to be encrypted, and puts it into its envelope."""
        timestamp, nonce = str(self.chance.randrange(10**9, 2 * 10**9)), str(self.chance.randrange(1, 10**10))
        signature = self.wire.sign(timestamp, nonce, encrypt)
        self.query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}
        self.wrap(encrypt)

    def wrap(self, encrypt: str, **around: Any) -> None:
        """The envelope; nothing around the encrypted part is signed."""
        self.encrypt = encrypt
        if self.way == "wecom":
            self.body = json.dumps({**around, "encrypt": encrypt}).encode()
        else:
            self.body = xml({"ToUserName": CORP, "Encrypt": encrypt, "AgentID": str(AGENT), **around}).encode()

    @property
    def wire(self) -> Wire:
        return WIRES[self.way]

    def data(self, number: int) -> bytes:
        """All of it; the number comes first, so that whatever follows can be told apart."""
        query = urlencode(self.query).encode() if self.raw_query is None else self.raw_query
        target = quote_from_bytes((self.path or f"/channels/{self.way}").encode(), safe=b"/%").encode() + b"?" + query
        first = self.method.encode() + b" " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fuzz: %d\r\n" % number
        kind = b"application/json" if self.way == "wecom" else b"text/xml"
        return first + b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(self.body) + self.body


@cache
def port() -> int:
    """Where WeCom's own servers are played: a callback names that place."""
    return free_port()


def post(chance: Random) -> Post:
    """The whole request that carries one of all shapes there are."""
    way: Way = chance.choice(("wecom", "wecom-app"))
    made = Post(way, {}, chance)
    made.say(_to_bot(chance) if way == "wecom" else _to_app(chance))
    return made


def _to_bot(chance: Random) -> Told:
    told: Told = {"msgid": _id(chance), "aibotid": BOT_ID, "from": {"userid": f"u{_id(chance)}"}}
    is_group = chance.random() < 0.4
    told |= {"chattype": "group", "chatid": f"wr{_id(chance)}"} if is_group else {"chattype": "single"}
    told["response_url"] = f"http://127.0.0.1:{port()}/response?code={_id(chance)}"
    kind, content = _content(chance)
    if kind == "event":
        told["create_time"] = chance.randrange(10**9, 2 * 10**9)
    if chance.random() < 0.2 and kind in ("text", "mixed"):
        told["quote"] = {"msgtype": "text", "text": {"content": f"quoted {CANARY}\n\n> and so on"}}
    return {**told, "msgtype": kind, kind: content}


def _content(chance: Random) -> tuple[str, Told]:
    match chance.randrange(60):
        case 0:
            return "stream", {"id": _reply(chance)}
        case place if place < 12:
            return "event", _event(chance)
        case place if place < 16:
            return "image", _file(chance)
        case place if place < 20:
            return "voice", chance.choice(({"content": f"spoken {CANARY}"}, _file(chance)))
        case place if place < 24:
            return chance.choice(("file", "video", "hologram")), _file(chance)
        case place if place < 30:
            items = [
                {"msgtype": "text", "text": {"content": _text(chance)}},
                {"msgtype": "image", "image": _file(chance)},
            ]
            return "mixed", {"msg_item": items * chance.choice((1, 1, 3))}
        case _:
            return "text", {"content": _text(chance)}


def _event(chance: Random) -> Told:
    match chance.randrange(5):
        case 0:
            return {"eventtype": "enter_chat"}
        case 1:
            told = {"card_type": "button_interaction", "event_key": _key(chance), "task_id": f"t{_id(chance)}"}
            return {"eventtype": "template_card_event", "template_card_event": told}
        case 2:
            return {"eventtype": chance.choice(("delete_robot", "disconnected_event", "something_new"))}
        case _:
            kind = chance.choice((1, 2, 2, 3))
            vote: Told = {"id": _reply(chance), "type": kind}
            if kind == 2:
                vote |= {"content": CANARY, "inaccurate_reason_list": chance.sample(_REASONS, 2)}
            return {"eventtype": "feedback_event", "feedback_event": vote}


def _to_app(chance: Random) -> Told:
    told: Told = {
        "ToUserName": CORP,
        "FromUserName": f"u{_id(chance)}",
        "CreateTime": chance.randrange(10**9, 2 * 10**9),
    }
    kind, fields = _said(chance)
    told |= {"MsgType": kind, **fields}
    return told | ({} if kind == "event" else {"MsgId": chance.randrange(10**18, 9 * 10**18)}) | {"AgentID": AGENT}


def _said(chance: Random) -> tuple[str, Mapping[str, Any]]:
    media = {"MediaId": _id(chance), "PicUrl": "https://files.example.com/a.png", "Format": "amr"}
    match chance.randrange(16):
        case 0:
            return "location", {"Location_X": 23.1, "Location_Y": 113.3, "Scale": 15, "Label": CANARY}
        case 1:
            return "link", {"Title": CANARY, "Description": "", "Url": "https://a.example/"}
        case 2 | 3:
            return chance.choice(("image", "voice", "video", "hologram")), media
        case 4:
            return "event", {"Event": "subscribe"}
        case 5 | 6 | 7:
            selected = {"SelectedItem": {"QuestionKey": "q", "OptionIds": {"OptionId": ["1", "2"]}}}
            told = {"EventKey": _key(chance), "TaskId": f"t{_id(chance)}", "CardType": "button_interaction"}
            code = {"ResponseCode": _id(chance), "SelectedItems": selected}
            return "event", {"Event": "template_card_event", **told, **code}
        case 8:
            return "event", {"Event": chance.choice(("unsubscribe", "enter_agent", "click", "view", "new"))}
        case _:
            return "text", {"Content": _text(chance)}


def _text(chance: Random) -> str:
    mention = chance.choice(("@Parley ", "", "@bo "))
    return f"{mention}{chance.choice(_TEXTS)} {CANARY if chance.random() < 0.8 else ''}".rstrip()


def _file(chance: Random) -> Told:
    return {"url": f"http://127.0.0.1:{port()}/file/{_id(chance)}", "filename": chance.choice(("", "a.txt"))}


def _key(chance: Random) -> str:
    return chance.choice(("fb:up:{}", "fb:down:{}", "again:{}", "ask:a-1", "else:{}")).format(_reply(chance))


def _reply(chance: Random) -> str:
    return f"{chance.getrandbits(128):032x}"


def _id(chance: Random) -> str:
    return f"{chance.getrandbits(64):x}"
