"""What Slack signed and no door of ours should have to read: of another form, of no sense, almost too large."""

import gzip
import json
from random import Random
from typing import Any
from urllib.parse import quote_plus, urlencode

from bench import mutations
from bench.slack_forged import Change
from bench.slack_posts import FORM, JSON, TYPE, Post, payload

_TYPES = (
    *(b"", b"text/plain", b"text/xml", b"*/*", b"APPLICATION/JSON", JSON, FORM, FORM + b"; charset=latin-1"),
    *(JSON + b"; charset=utf-16", JSON + b";charset=\xff", b"multipart/form-data", b"multipart/form-data; boundary=x"),
    b"a" * 2_000,
)


def _whole(post: Post, chance: Random) -> None:
    """Nothing is done to it."""


def _spoiled(post: Post, chance: Random) -> None:
    """Of Slack's own form, but for one to three places in it."""
    document = mutations.spoiled(payload(chance), chance)
    if isinstance(document, dict) and "command" in document:
        fields = {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
        _write(post, urlencode(fields, errors="surrogatepass").encode(), FORM)
    else:
        _carry(post, document, chance, is_form=post.get(TYPE) == FORM)


def _misplaced(post: Post, chance: Random) -> None:
    """An event as a form, a click as JSON, a command as either."""
    _carry(post, payload(chance), chance, is_form=chance.random() < 0.5)


def _not_ours(post: Post, chance: Random) -> None:
    _carry(post, mutations.any_value(chance), chance, is_form=chance.random() < 0.5)


def _carry(post: Post, document: Any, chance: Random, *, is_form: bool) -> None:
    data = mutations.encoded(document, chance)
    _write(post, b"payload=" + quote_plus(data).encode() if is_form else data, FORM if is_form else JSON)


def _write(post: Post, body: bytes, kind: bytes) -> None:
    post.body = body
    post.put(TYPE, kind)
    post.sign()


def _damaged(post: Post, chance: Random) -> None:
    post.body = mutations.damaged(post.body, chance)
    post.sign()


def _form(post: Post, chance: Random) -> None:
    """Forms without a payload, with two, with a broken one."""
    good = urlencode({"payload": json.dumps(payload(chance))})
    broken = ("payload", "payload=", "payload=%ff", "payload={", "payload=null", "payload=[]", good[: len(good) // 2])
    body = chance.choice((*broken, "", f"{good}&{good}", f"x&{good}", f"PAYLOAD{good[7:]}", "&" * 1_000))
    _write(post, body.encode(), FORM)


def _other_type(post: Post, chance: Random) -> None:
    post.put(TYPE, chance.choice(_TYPES))


def _encoding(post: Post, chance: Random) -> None:
    text = post.body.decode()
    encodings = (text.encode(name) for name in ("utf-16", "utf-32", "utf-8-sig", "utf-7"))
    post.body = chance.choice((*encodings, b"\xff" + post.body, post.body + b"\xc3"))
    post.sign()


def _compressed(post: Post, chance: Random) -> None:
    post.body = gzip.compress(post.body, mtime=0)
    post.headers.append((b"Content-Encoding", b"gzip"))


def _chunked(post: Post, chance: Random) -> None:
    post.framing = b"Transfer-Encoding: chunked\r\n"
    post.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(post.body), post.body)


def _long(post: Post, chance: Random) -> None:
    document = payload(chance)
    event = document.get("event")
    told = event if isinstance(event, dict) else document
    told["text"] = chance.choice(("a ", "<@U1> ", "&lt;", "<!here|", "人", "``` ", "\n> ")) * 60_000
    _carry(post, document, chance, is_form=False)


def _deep(post: Post, chance: Random) -> None:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"event":', b"}")))
    _write(post, opening * 50_000 + b"1" + closing * chance.choice((0, 50_000)), JSON)


WHOLE: dict[str, Change] = {"whole": _whole}
SPOILED: dict[str, Change] = {"spoiled": _spoiled}
SIGNED: dict[str, Change] = {
    "in another's envelope": _misplaced,
    "no payload of ours": _not_ours,
    "damaged before it was signed": _damaged,
    "a form of no sense": _form,
    "another content type": _other_type,
    "another encoding": _encoding,
    "compressed": _compressed,
    "in chunks": _chunked,
}
HUGE: dict[str, Change] = {"long": _long, "deep": _deep}
