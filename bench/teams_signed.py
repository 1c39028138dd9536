"""What comes with a good token and no door of ours should have to read: of another form, of no sense, too large."""

import json
from random import Random
from typing import Any

from bench import mutations
from bench.teams_forged import ELSEWHERE, Change
from bench.teams_posts import Post, activity, issuer

_FIELDS = (
    *("type", "id", "timestamp", "serviceUrl", "channelId", "from", "conversation", "recipient", "channelData", "text"),
    *("entities", "attachments", "value", "name", "replyToId", "reactionsAdded", "membersAdded", "locale", "action"),
)
_STAMPS = (
    "yesterday",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59+23:59",
    "2026-02-30T00:00:00Z",
    "1e9",
    "٢٠٢٦-01-01",
)
_IDS = (" ", "a b", "人", "\0", "x" * 401, ";messageid=", ";messageid=1;messageid=2", "../..", "28:x", "a\n", "\ud800")
_TYPES = ("Message", "message ", "message\0", "typing", "event", "endOfConversation", "\ud800", "x" * 65, "invoke\0")
_CHANNELS: tuple[Any, ...] = ("webchat", "directline", "emulator", "MSTEAMS", "msteams ", "", None, 1, [])
_SIZES = (99_999, 100_001, 400_000)


def _whole(post: Post, chance: Random) -> None:
    """Nothing is done to it."""
    document = json.loads(post.body)
    if document["type"] != "invoke":
        post.answers = (202,)
    else:
        post.answers = (200, 400)


def _spoiled(post: Post, chance: Random) -> None:
    _carry(post, mutations.spoiled(json.loads(post.body), chance), chance)


def _field(post: Post, chance: Random) -> None:
    """One of the fields that everything depends on is something else."""
    document = json.loads(post.body)
    document[chance.choice(_FIELDS)] = mutations.any_value(chance)
    _carry(post, document, chance)


def _value(post: Post, chance: Random) -> None:
    """Text where text belongs, and none that Teams writes."""
    document = json.loads(post.body)
    match chance.randrange(4):
        case 0:
            document["type"] = chance.choice(_TYPES)
        case 1:
            document["timestamp"] = chance.choice(_STAMPS)
        case 2:
            document[chance.choice(("from", "conversation", "recipient"))]["id"] = chance.choice(_IDS)
        case _:
            document["id"] = chance.choice(_IDS)
    _carry(post, document, chance)


def _of_another(post: Post, chance: Random) -> None:
    """Half of it is another activity's."""
    document = json.loads(post.body)
    other = activity(chance)
    _carry(post, document | {name: other[name] for name in other if chance.random() < 0.5}, chance)


def _elsewhere(post: Post, chance: Random) -> None:
    """Wants to be answered at another place than the token names."""
    _say(post, "serviceUrl", chance.choice((*ELSEWHERE, None, 1, [], {}, f"{issuer().service_url}x")))


def _other_channel(post: Post, chance: Random) -> None:
    _say(post, "channelId", chance.choice(_CHANNELS))


def _say(post: Post, name: str, value: Any) -> None:
    post.body = json.dumps(json.loads(post.body) | {name: value}).encode()
    post.answers = (401,)


def _not_ours(post: Post, chance: Random) -> None:
    _carry(post, mutations.any_value(chance), chance)


def _damaged(post: Post, chance: Random) -> None:
    post.body = mutations.damaged(post.body, chance)


def _encoding(post: Post, chance: Random) -> None:
    text = post.body.decode()
    encodings = (text.encode(name) for name in ("utf-16", "utf-32", "utf-8-sig", "utf-7"))
    post.body = chance.choice((*encodings, b"\xff" + post.body, post.body + b"\xc3", post.body * 2, b""))


def _long(post: Post, chance: Random) -> None:
    document = json.loads(post.body)
    piece = chance.choice(("a", " ", "<at>x</at>", "&lt;", "<at>", "人", "```\n", "| a |\n", "*"))
    document["text"] = (piece * (size := chance.choice(_SIZES)))[:size]
    if chance.random() < 0.3:
        document["entities"] = [{"type": "mention", "mentioned": {"id": "x"}, "text": piece}] * chance.choice(
            (200, 5_000)
        )
    _carry(post, document, chance)


def _deep(post: Post, chance: Random) -> None:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"value":', b"}")))
    depth = chance.choice((62, 70, 1_000, 50_000))
    deep = opening * depth + b"1" + closing * chance.choice((0, depth))
    post.body = chance.choice((deep, post.body[:-1] + b', "value": ' + deep + b"}"))


def _large(post: Post, chance: Random) -> None:
    post.body = post.body[:-1] + b', "more": "' + b"a" * chance.choice((1_100_000, 3_000_000)) + b'"}'
    post.more = {"is_last": True}


def _carry(post: Post, document: Any, chance: Random) -> None:
    post.body = mutations.encoded(document, chance)


WHOLE: dict[str, Change] = {"whole": _whole}
SPOILED: dict[str, Change] = {"spoiled": _spoiled, "another field": _field, "another value": _value}
SIGNED: dict[str, Change] = {
    "half of another": _of_another,
    "another service URL": _elsewhere,
    "another channel": _other_channel,
    "no activity": _not_ours,
    "damaged": _damaged,
    "another encoding": _encoding,
}
HUGE: dict[str, Change] = {"long": _long, "deep": _deep, "megabytes": _large}
