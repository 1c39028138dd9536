"""What Slack did not send: forged, stale or lost on its way, so that nothing may come of it."""

import gzip
from collections.abc import Callable
from functools import cache
from random import Random

from bench import mutations
from bench.platforms.slack import SIGNING_SECRET, payloads
from bench.slack_posts import CANARY, PATH, SIGNATURE, TIMESTAMP, Post, now, payload

Change = Callable[[Post, Random], None]

_WINDOW = 300  # seconds a signature is good for, "Verifying requests from Slack"
_STRANGE = (
    *(
        b"",
        b"\t\t",
        b"0",
        b"\xff\xfe",
        "é人".encode(),
        "１７００".encode(),
        "٣٤٥".encode(),
        b"x" * 4_000,
        b"x" * 40_000,
    ),
    *(b"v0=", b"v0=" + b"\xe9" * 64, b"v0=" + b"g" * 64, b"v1=" + b"0" * 64, b"v0=" + b"0" * 64, CANARY.encode()),
)
_COMPRESSIONS = (b"gzip", b"deflate", b"br", b"zstd", b"x", b"\xff")

# ---------------------------------------------------------------------------------------------------------- signatures


def _absent(post: Post, chance: Random) -> None:
    post.drop(*chance.choice(((SIGNATURE,), (TIMESTAMP,), (SIGNATURE, TIMESTAMP))))


def _strange_signature(post: Post, chance: Random) -> None:
    post.put(SIGNATURE, chance.choice(_STRANGE))


def _flipped_signature(post: Post, chance: Random) -> None:
    signature = bytearray(post.get(SIGNATURE))
    at = chance.randrange(3, len(signature))
    signature[at] = ord("0") if signature[at] != ord("0") else ord("1")
    post.put(SIGNATURE, bytes(signature))


def _cut_signature(post: Post, chance: Random) -> None:
    signature = post.get(SIGNATURE)
    pieces = [signature[: chance.randrange(1, len(signature))], signature[3:], signature + b"," + signature]
    post.put(SIGNATURE, chance.choice((*pieces, b"v1" + signature[2:], b"V0" + signature[2:])))


def _anothers_secret(post: Post, chance: Random) -> None:
    post.sign(secret=chance.choice(("another secret", "", SIGNING_SECRET[:-1], SIGNING_SECRET.upper())))


def _another_body(post: Post, chance: Random) -> None:
    body = payloads.encode(payload(chance))[0]
    post.body = body if body != post.body else body + b" "


def _another_time(post: Post, chance: Random) -> None:
    post.put(TIMESTAMP, b"%d" % (int(post.get(TIMESTAMP)) + chance.choice((-299, -1, 1, 299))))


def _two_signatures(post: Post, chance: Random) -> None:
    post.forge()
    post.headers.insert(chance.randrange(len(post.headers)), (SIGNATURE, chance.choice(_STRANGE)[:1_000]))


def _stale(post: Post, chance: Random) -> None:
    post.sign(str(now() - _WINDOW - chance.choice((2, 60, 86_400, 10**8))))


def _early(post: Post, chance: Random) -> None:
    post.sign(str(now() + _WINDOW + chance.choice((60, 86_400, 10**9, 10**11))))


def _signed_over_no_time(post: Post, chance: Random) -> None:
    at = str(now())
    odd = ("now", "1e9", f"-{at}", f"+{at}", f"{at}.0", f"{at}_0", f"0x{int(at):x}", "NaN", "inf", "９" * 10, "٣" * 10)
    post.sign(chance.choice((*odd, at[:-1], f"{at}L", *("9" * digits for digits in (12, 13, 20, 400, 5_000)))))


def _strange_time(post: Post, chance: Random) -> None:
    post.put(TIMESTAMP, chance.choice(_STRANGE))


def _damaged_body(post: Post, chance: Random) -> None:
    post.body = mutations.damaged(post.body, chance)


def _not_compressed(post: Post, chance: Random) -> None:
    post.headers.append((b"Content-Encoding", chance.choice(_COMPRESSIONS)))
    post.forge()


FORGED: dict[str, Change] = {
    "a header missing": _absent,
    "a signature that is none": _strange_signature,
    "a signature with one digit changed": _flipped_signature,
    "a piece of a signature": _cut_signature,
    "another secret": _anothers_secret,
    "the signature of another body": _another_body,
    "the signature of another time": _another_time,
    "two signatures": _two_signatures,
    "older than five minutes": _stale,
    "from the future": _early,
    "signed over what is no time": _signed_over_no_time,
    "a time that is none": _strange_time,
    "a body damaged after it was signed": _damaged_body,
    "a compression that is none": _not_compressed,
}

# ----------------------------------------------------------------------------------------------- methods, paths, frames


def _method(post: Post, chance: Random) -> None:
    post.method = chance.choice((b"GET", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"PURGE", b"post"))


def _path(post: Post, chance: Random) -> None:
    below = (b"/", b"/install", b"/oauth", b"/oauth?code=x&state=y", b"/oauth?state=%ff%00", b"/x", b"/%00", b"/%ff")
    long = (b"/a/b", b"/" + b"a" * 9_000, b"/\xe9\xff")
    others = (b"/channels/SLACK", b"//channels/slack", b"/channels//slack", b"/channels/slack%2f", b"/", b"*", b"/..")
    post.path = chance.choice((*(PATH + page for page in (*below, *long)), *others))


def _length(post: Post, chance: Random) -> None:
    """A length that is not the body's, or none."""
    size = len(post.body)
    odd = (b"-1", b"x", b"0x10", b"%d" % 10**30, b"", b"1e3", b"+%d" % size, b"%d, %d" % (size, size + 1), b"\xff")
    lines = [b"Content-Length: " + value + b"\r\n" for value in odd]
    twice = b"Content-Length: %d\r\nContent-Length: %d\r\n" % (size, size - 1)
    post.framing, post.more = chance.choice((*lines, twice, b"")), {"is_last": True}
    post.forge()


def _chunks(post: Post, chance: Random) -> None:
    """Chunks that are none, and sometimes a length beside them."""
    body = post.body
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    post.body = chance.choice(
        (b"zz\r\n" + body, b"-1\r\n" + body + b"\r\n0\r\n\r\n", b"f" * 20 + b"\r\n" + body, whole)
    )
    length = b"Content-Length: %d\r\n" % chance.choice((0, 1, len(body)))
    post.framing, post.more = b"Transfer-Encoding: chunked\r\n" + chance.choice((length, b"")), {"is_last": True}
    post.forge()


def _hung_up(post: Post, chance: Random) -> None:
    """A body that never comes to its end."""
    post.framing = b"Content-Length: %d\r\n" % len(post.body)
    post.body, post.more = post.body[: chance.randrange(len(post.body))], {"is_cut": True}


def _headers(post: Post, chance: Random) -> None:
    """Lines that are no headers, or too many of them."""
    odd: tuple[tuple[bytes, bytes], ...] = (
        *((b"X-\xff\xfe", b"1"), (b"X Y", b"1"), (b"", b"1"), (b"X-Nul", b"a\0b"), (b"X-Bare", b"a\rb")),
        *((b"X-Folded", b"a\r\n b"), (b"X-Long", b"x" * 100_000), (b"Host", b"elsewhere.example")),
        *((b"Expect", b"a miracle"), (b"Upgrade", b"websocket"), (b"Cookie", b"\xff=\xff; " * 100)),
        (b"Accept-Language", b"\xff, *;q=x, zh" * 50),
    )
    post.headers.insert(chance.randrange(len(post.headers)), chance.choice(odd))
    if chance.random() < 0.2:
        post.headers += [(b"X-%d" % number, CANARY.encode()) for number in range(300)]
    post.more = {"is_last": True}
    post.forge()


ASTRAY: dict[str, Change] = {
    "another method": _method,
    "another path": _path,
    "another length": _length,
    "broken chunks": _chunks,
    "an end in the middle": _hung_up,
    "strange headers": _headers,
}

# -------------------------------------------------------------------------------------------------- larger than we take


def _megabytes(post: Post, chance: Random) -> None:
    beginning = chance.choice((b"\0", b'{"type":"event_callback","event":{"text":"', b"payload="))
    post.body = beginning + b"a" * chance.choice((1_100_000, 5_000_000, 10_000_000))
    post.sign()


def _compressed(post: Post, chance: Random) -> None:
    """Ten megabytes in a few kilobytes, signed as they are once they are unpacked, or as they lie there."""
    inside, packed = _packed()
    post.body = inside if chance.random() < 0.5 else packed
    post.sign()
    post.body = packed
    post.headers.append((b"Content-Encoding", b"gzip"))


@cache
def _packed() -> tuple[bytes, bytes]:
    inside = b'{"type":"event_callback","a":"' + b"a" * 10_000_000 + b'"}'
    return inside, gzip.compress(inside, 1, mtime=0)


LARGE: dict[str, Change] = {"megabytes": _megabytes, "megabytes, compressed": _compressed}
