"""Whether a callback is WeCom's own, and what it says. What stands around the encrypted part is not believed."""

import re
from collections.abc import Callable

from adapters.wecom.crypto import Crypto, Forged
from adapters.wecom.payload import object_of
from adapters.wecom.xml import MAX_BODY, fields_of
from core.errors import Malformed
from core.ports import Webhook

__all__ = ["MAX_BODY", "Forged", "echo_of", "envelope_json", "envelope_xml", "opened"]

Envelope = Callable[[bytes], str]
"""Finds the encrypted part of a body; raises Malformed."""

_ECHO = re.compile(rb"[0-9A-Za-z_.+/=-]{1,256}")


def envelope_json(body: bytes) -> str:
    """`{"encrypt": "…"}`: the AI bot's (developer.work.weixin.qq.com, document 101033)."""
    encrypted = object_of(body).get("encrypt")
    return encrypted if isinstance(encrypted, str) else ""  # as it is: it is signed to the letter


def envelope_xml(body: bytes) -> str:
    """`<xml><Encrypt>…</Encrypt></xml>`: the self-built app's (document 90238)."""
    return fields_of(body).get("Encrypt", "")


def opened(webhook: Webhook, crypto: Crypto, envelope: Envelope) -> bytes:
    """The message of a POST. Raises Forged, whatever it is that is wrong.

    Its age is not asked for: WeCom sends a callback again as it was, and whoever else does is told nothing new.
    """
    if len(webhook.body) > MAX_BODY:
        raise Forged
    try:
        encrypted = envelope(webhook.body)
    except Malformed:
        raise Forged from None
    return _verified(webhook, crypto, encrypted)


def echo_of(webhook: Webhook, crypto: Crypto) -> bytes:
    """What the GET that checks the URL is to be answered with. Raises Forged.

    A message is signed as an `echostr` is: only what is none is given away in plain text.
    """
    # A "+" that somebody forgot to escape arrives as a space.
    echo = _verified(webhook, crypto, webhook.query.get("echostr", "").replace(" ", "+"))
    if not _ECHO.fullmatch(echo):
        raise Forged
    return echo


def _verified(webhook: Webhook, crypto: Crypto, encrypted: str) -> bytes:
    signature, timestamp, nonce = (webhook.query.get(name, "") for name in ("msg_signature", "timestamp", "nonce"))
    return crypto.verify(signature, timestamp, nonce, encrypted)
