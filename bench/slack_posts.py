"""Webhooks as Slack sends them, on their way to be spoiled: a canary in all that people write, every id new."""

import json
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.platforms.slack import SIGNING_SECRET, payloads
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.shapes import shapes

PATH = b"/channels/slack"
CANARY = "canary-5e1f0c7a"
SIGNATURE, TIMESTAMP, TYPE = b"X-Slack-Signature", b"X-Slack-Request-Timestamp", b"Content-Type"
JSON, FORM = payloads.JSON.encode(), payloads.FORM.encode()

_TEMPLATES = tuple(json.dumps(payload) for payload in shapes().values())
_SPOKEN = frozenset({"text", "name", "title", "username", "topic", "challenge", "user_name", "url_private"})


@dataclass(slots=True)
class Post:
    """A request while it is being made. `framing` are its lines about length, `more` is what its sender has to know."""

    body: bytes
    headers: list[tuple[bytes, bytes]]
    method: bytes = b"POST"
    path: bytes = PATH
    framing: bytes | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def data(self, number: int) -> bytes:
        """All of it; the number comes first, so that whatever follows can be told apart."""
        framing = b"Content-Length: %d\r\n" % len(self.body) if self.framing is None else self.framing
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        first = self.method + b" " + self.path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fuzz: %d\r\n" % number
        return first + lines + framing + b"\r\n" + self.body

    def get(self, name: bytes) -> bytes:
        return next(value for each, value in self.headers if each == name)

    def put(self, name: bytes, value: bytes) -> None:
        """In place of what stood there."""
        self.headers = [(each, value if each == name else old) for each, old in self.headers]

    def drop(self, *names: bytes) -> None:
        self.headers = [header for header in self.headers if header[0] not in names]

    def sign(self, at: str = "", secret: str = SIGNING_SECRET) -> None:
        """As Slack signs: the body as it is now, at this time, whatever that says; now where it says nothing."""
        at = at or str(now())
        self.put(TIMESTAMP, at.encode())
        self.put(SIGNATURE, payloads.sign(self.body, secret, at).encode())

    def forge(self) -> None:
        """Takes the signature's worth away."""
        self.put(SIGNATURE, b"v0=" + b"0" * 64)


def now() -> int:
    return int(time.time())


def post(content: Payload, chance: Random) -> Post:
    """The whole request that carries this payload; one in ten is a redelivery."""
    body, content_type = payloads.encode(content)
    headers = [(b"User-Agent", f"Slackbot 1.0 {CANARY}".encode()), (TYPE, content_type.encode())]
    made = Post(body, [*headers, (TIMESTAMP, b""), (SIGNATURE, b"")])
    if chance.random() < 0.1:
        made.headers += [(b"X-Slack-Retry-Num", b"1"), (b"X-Slack-Retry-Reason", b"http_timeout")]
    made.sign()
    return made


def payload(chance: Random) -> Payload:
    """One of every shape that Slack sends."""
    text = chance.choice(_TEMPLATES)
    text = text.replace(payloads.TS, f"{chance.randrange(1_600_000_000, 1_700_000_000)}.{chance.randrange(10**6):06d}")
    text = text.replace("reply-1", f"{chance.getrandbits(128):032x}")
    text = text.replace("1.2.trigger", f"{chance.getrandbits(60)}.2.trigger")
    text = text.replace("V0PARLEY1", f"V{chance.getrandbits(40):010X}")
    made: Payload = json.loads(text)
    _mark(made)
    return made


def _mark(node: dict[str, Any] | list[Any]) -> None:
    pairs: list[tuple[Any, Any]] = list(node.items() if isinstance(node, dict) else enumerate(node))
    for key, value in pairs:
        if isinstance(value, dict | list):
            _mark(value)
        elif isinstance(value, str) and (key in _SPOKEN or (key == "value" and " " in value)):
            node[key] = f"{value} {CANARY}"
