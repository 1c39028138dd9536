"""What comes rightly signed and sealed: as WeCom sends it, with lies around it, and of another form or no sense."""

import json
from random import Random
from typing import Any, NoReturn

from bench import mutations
from bench.platforms.wecom.payloads import xml
from bench.platforms.wecom.platform import AGENT, BOT_ID, CORP
from bench.wecom_forged import Change
from bench.wecom_posts import CANARY, Post, post

_FIELDS = ("msgid", "aibotid", "chatid", "chattype", "from", "response_url", "msgtype", "create_time", "quote", "event")
_IDS = (" ", "a b", "人", "\0", "x" * 257, "../..", "a\n", "\ud800", "", "@all", "a|b")
_TIMES = ("", "0", "-1", "9" * 10, "9" * 400, "1e9", "٢٠٢٦", " 1700000000", "\ud800", "yesterday")
_WORDS = ("", " ", "<", "]]>", "&amp;", "\ufffe", "\u202e", "😀", "'\"", "a" * 70_000, "\r\n", f"{CANARY}\0")
_SIZES = (20_000, 200_000, 700_000)


def _whole(post: Post, chance: Random) -> None:
    """Nothing is done to it."""
    post.answers = (200,)


def _echo(post: Post, chance: Random) -> None:
    """The check of the address, as the admin console makes it; now and then with a "+" that nobody escaped."""
    post.method = "GET"
    post.write(str(chance.getrandbits(62)).encode())
    post.query["echostr"], post.body = post.encrypt, b""
    if chance.random() < 0.3:
        post.query["echostr"] = post.encrypt.replace("+", " ")
    post.answers = (200,)


def _again(post: Post, chance: Random) -> None:
    """What WeCom may change in sending the same once more: time, nonce, the random bytes, so all that is signed."""
    post.write(post.message)
    post.answers = (200,)


def _lies(post: Post, chance: Random) -> None:
    """The envelope says what it likes: nothing in it counts but what is signed."""
    lie = chance.choice((CORP, "ww00000000000000bb", "", "0", CANARY, "1000003", str(AGENT), "<!-- -->"))
    if post.way == "wecom":
        around = {name: mutations.any_value(chance) for name in ("tousername", "agentid", "Encrypt", "msgtype", "from")}
        encrypt = post.encrypt
        post.body = (
            mutations.encoded({**around, "msg_signature": lie}, chance)[:-1] + f', "encrypt": "{encrypt}"}}'.encode()
        )
        try:
            json.loads(post.body.decode(), parse_constant=_no_number)
        except (ValueError, RecursionError):  # what no reader of JSON must take, signed or not
            post.wrap(encrypt, tousername=lie)
    else:
        names = ("ToUserName", "AgentID", "FromUserName", "MsgType", "Content", "MsgSignature")
        post.wrap(post.encrypt, **dict.fromkeys(chance.sample(names, 3), lie))
    post.answers = (200,)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _astray(post: Post, chance: Random) -> None:
    """For another bot, another app, another corporation; the envelope says that it is ours."""
    told = dict(post.told)
    if post.way == "wecom":
        told["aibotid"] = chance.choice(("aibANOTHER", BOT_ID.lower(), f"{BOT_ID} ", "", None, [BOT_ID], {}, 0))
    elif chance.random() < 0.5:
        told["AgentID"] = chance.choice((1000003, 0, -AGENT, f"0{AGENT}", f"{AGENT}.0", f" {AGENT}", "", CORP))
    else:
        told["ToUserName"] = chance.choice(("ww00000000000000bb", CORP.upper(), f"{CORP} ", "", str(AGENT)))
    post.say(told)
    post.answers = (200, 400)


def _spoiled(post: Post, chance: Random) -> None:
    """Anything in any place; of XML that is any field."""
    if post.way == "wecom":
        post.write(mutations.encoded(mutations.spoiled(post.told, chance), chance))
    else:
        _fields(post, chance)


def _fields(post: Post, chance: Random) -> None:
    told = dict(post.told)
    for name in chance.sample(sorted(told), chance.choice((1, 1, 2))):
        match chance.randrange(4):
            case 0:
                del told[name]
            case 1:
                told[chance.choice((name.lower(), f"{name}s", "Content", "X"))] = told.pop(name)
            case 2:
                told[name] = {"Deeper": str(told[name])}
            case _:
                told[name] = chance.choice((*_WORDS, *_IDS, *_TIMES))
    post.write(xml(told).encode(errors="surrogatepass"))


def _value(post: Post, chance: Random) -> None:
    """What everything depends on, and none that WeCom writes."""
    told = dict(post.told)
    if post.way == "wecom":
        name = chance.choice(_FIELDS)
        ids = name in ("msgid", "chatid", "chattype", "msgtype")
        told[name] = chance.choice(_IDS) if ids else mutations.any_value(chance)
        if name == "from" and chance.random() < 0.5:
            told[name] = {"userid": chance.choice(_IDS)}
        post.write(mutations.encoded(told, chance))
        return
    name = chance.choice(("FromUserName", "CreateTime", "MsgId", "MsgType", "Event", "EventKey", "MediaId"))
    told[name] = chance.choice(_TIMES if name == "CreateTime" else _IDS)
    post.write(xml(told).encode(errors="surrogatepass"))


def _of_another(made: Post, chance: Random) -> None:
    """Half of it is another's."""
    other = post(chance)
    while other.way != made.way:
        other = post(chance)
    made.say(made.told | {name: other.told[name] for name in other.told if chance.random() < 0.5})


def _damaged(post: Post, chance: Random) -> None:
    post.write(mutations.damaged(post.message, chance))


def _not_ours(post: Post, chance: Random) -> None:
    any_json = mutations.encoded(mutations.any_value(chance), chance)
    text = post.message.decode()
    encodings = [text.encode(name) for name in ("utf-16", "utf-32", "utf-8-sig", "utf-7")]
    post.write(chance.choice((any_json, b"", b"\xff" + post.message, post.message * 2, *encodings)))


def _grammar(post: Post, chance: Random) -> None:
    """A grammar and entities inside: what is signed is not trusted either."""
    entity = chance.choice(('"x"', 'SYSTEM "file:///etc/passwd"'))
    post.write(f"<!DOCTYPE xml [<!ENTITY c {entity}>]>".encode() + post.message.replace(CANARY.encode(), b"&c;"))


def _long(post: Post, chance: Random) -> None:
    piece = chance.choice(("a", " ", "@", "@a ", "人", "```\n", "| a |\n", "*", "> ", "\n"))
    text = (piece * (size := chance.choice(_SIZES)))[:size] if piece != "人" else piece * (chance.choice(_SIZES) // 4)
    told = dict(post.told)
    if post.way == "wecom":
        told |= {"msgtype": "text", "text": {"content": text}}
        told |= chance.choice(({}, {"quote": {"msgtype": "text", "text": {"content": text[:90_000]}}}))
    else:
        told |= {"MsgType": "text", "Content": text, "MsgId": 1}
    post.say(told)


def _deep(post: Post, chance: Random) -> None:
    depth = chance.choice((20, 900, 5_000, 100_000))
    if post.way == "wecom":
        deep = b"[" * depth + b"]" * depth
        post.write(post.message[:-1] + b', "more": ' + deep + b"}")
    else:
        post.write(post.message[: -len(b"</xml>")] + b"<a>" * depth + b"</a>" * depth + b"</xml>")


def _many(post: Post, chance: Random) -> None:
    """Thousands of items, or fields."""
    many = chance.choice((200, 5_000))
    if post.way == "wecom":
        item: Any = chance.choice(({"msgtype": "image"}, {"msgtype": "text", "text": {"content": "a"}}, {}, []))
        post.say(post.told | {"msgtype": "mixed", "mixed": {"msg_item": [item] * many}})
    else:
        post.write(post.message[: -len(b"</xml>")] + b"<Content>a</Content>" * many + b"</xml>")


WHOLE: dict[str, Change] = {
    "whole": _whole,
    "sent again": _again,
    "lies around it": _lies,
    "a check of the address": _echo,
}
ELSEWHERE: dict[str, Change] = {"for another": _astray}
SPOILED: dict[str, Change] = {
    "spoiled": _spoiled,
    "another value": _value,
    "half of another": _of_another,
    "damaged": _damaged,
    "no message": _not_ours,
    "a grammar of its own": _grammar,
}
HUGE: dict[str, Change] = {"long": _long, "deep": _deep, "many": _many}
