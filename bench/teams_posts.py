"""Activities as Teams sends them, on their way to be spoiled: a canary in all that people write, every id new."""

import json
from dataclasses import dataclass, field
from functools import cache, lru_cache
from random import Random
from time import time
from typing import Any

from bench.platforms.teams import APP_ID, TENANT, Bot, Issuer
from bench.platforms.teams.activities import Envelope
from bench.platforms.teams.conversations import Conversation, Message, Person
from bench.platforms.teams.journal import Payload
from bench.process import free_port

PATH = b"/channels/teams"
CANARY = "canary-7b2d90e4"
AUTHORIZATION = b"Authorization"

_BOT = Bot(APP_ID)
_PEOPLE = tuple(
    Person(f"29:{name}", f"{name.title()} {CANARY}", f"aad-{name}", TENANT, locale)
    for name, locale in (("anna", "en-US"), ("ben", "zh-CN"), ("eve", "de-DE"))
)
_PLACES = {"personal": "a:{}", "groupChat": "19:{}@thread.v2", "channel": "19:{}@thread.tacv2"}
_TEXTS = (
    "What is 6 times 7?",
    "/help",
    "stop",
    "**bold** `code` | a | b |",
    "人人生而自由",
    "<b>&amp;</b> http://a.example",
)
_ACTIONS = ("regenerate", "stop", "confirm", "something else")


@dataclass(slots=True)
class Post:
    """A request while it is being made. `answers` are the statuses that are right for it, any below 500 where none."""

    body: bytes
    headers: list[tuple[bytes, bytes]]
    method: bytes = b"POST"
    path: bytes = PATH
    answers: tuple[int, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def data(self, number: int) -> bytes:
        """All of it; the number comes first, so that whatever follows can be told apart."""
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        first = self.method + b" " + self.path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fuzz: %d\r\n" % number
        return first + lines + b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body

    def authorize(self, header: str | bytes) -> None:
        """In place of the header that stood there; an empty one is left out."""
        value = header.encode("latin-1") if isinstance(header, str) else header
        self.headers = [each for each in self.headers if each[0] != AUTHORIZATION]
        if value:
            self.headers.append((AUTHORIZATION, value))


@cache
def port() -> int:
    """Where the stand-in listens: what Teams signs names that place."""
    return free_port()


@cache
def issuer() -> Issuer:
    """Signs with the keys that the stand-in publishes: a name has one key in a process."""
    made = Issuer(APP_ID)
    made.service_url = service_url()
    return made


def service_url() -> str:
    return f"http://127.0.0.1:{port()}/teams/"


def post(activity: Payload) -> Post:
    """The whole request that carries this activity, as Teams signs it."""
    made = Post(json.dumps(activity).encode(), [(b"Content-Type", b"application/json; charset=utf-8")])
    made.authorize(f"Bearer {token()}")
    return made


def token() -> str:
    """A good one, a new one each minute: to sign takes as long as ten answers."""
    return _token(int(time() // 60))


@lru_cache(maxsize=1)
def _token(minute: int) -> str:
    return issuer().sign()


def activity(chance: Random) -> Payload:
    """One of every shape that Teams sends, each in a conversation of its own, for those have limits."""
    kind = chance.choice(tuple(_PLACES))
    place = Conversation(_PLACES[kind].format(f"{chance.getrandbits(64):x}"), kind, TENANT, set())
    place.team = "19:team@thread.tacv2" if kind == "channel" else ""
    envelope = Envelope(_BOT, service_url(), place, chance.choice(_PEOPLE))
    return _shape(envelope, Message(_id(chance), envelope.person.id, _text(chance)), chance)


def _shape(envelope: Envelope, message: Message, chance: Random) -> Payload:
    id, root = _id(chance), _id(chance)
    match chance.randrange(14):
        case 0:
            return envelope.edited(message, chance.choice(("editMessage", "undeleteMessage")))
        case 1:
            return envelope.deleted(message)
        case 2:
            kinds = chance.choice((["like"], ["sad"], ["laugh"], ["like", "angry"]))
            return envelope.reaction(f"f:{id}", message, kinds, is_removed=chance.random() < 0.5)
        case 3:
            return envelope.feedback(f"f:{id}", chance.choice(("like", "dislike")), CANARY, root, message.id)
        case 4:
            action = {"type": "Action.Execute", "verb": chance.choice(_ACTIONS)}
            return envelope.execute(f"f:{id}", action, {"id": f"{chance.getrandbits(128):032x}"}, message)
        case 5:
            return envelope.submit(id, {"action": chance.choice(_ACTIONS), "id": "a-1"}, message)
        case 6:
            return envelope.invoke(f"f:{id}", chance.choice(("message/fetchTask", "composeExtension/query")), {})
        case 7:
            return envelope.installation(f"f:{id}", chance.choice(("add", "remove")))
        case 8:
            account = chance.choice((_BOT.account(), envelope.person.account()))
            return envelope.members(f"f:{id}", [account], is_removed=chance.random() < 0.3)
        case 9:
            file = {"contentType": "image/png", "contentUrl": "https://files.example.com/a.png", "name": CANARY}
            return envelope.message(id, _text(chance), root, attachments=[file])
        case _:
            return envelope.message(id, _text(chance), chance.choice((root, id)))


def _text(chance: Random) -> str:
    mention = chance.choice((f"{_BOT.mention} ", f"{_BOT.mention} ", "", "<at>Ben</at> "))
    return f"{mention}{chance.choice(_TEXTS)} {CANARY if chance.random() < 0.8 else ''}".rstrip()


def _id(chance: Random) -> str:
    return str(chance.randrange(1_700_000_000_000, 1_800_000_000_000))
