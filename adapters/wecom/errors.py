"""What WeCom refuses, and what that means to us: a sentence for the operator for each code people meet."""

from datetime import timedelta

from adapters.wecom.texts import TOLD, say_to_operator
from core.errors import ChannelError, RateLimited, Undeliverable, Unreached

BUSY, WRONG_SECRET, BAD_TOKEN, EXPIRED_TOKEN, TOO_LONG = -1, 40001, 40014, 42001, 40058
LIMITED, NO_PERMISSION, NO_MEMBER, UNTRUSTED_IP, NO_RECEIVER = 45009, 48002, 60011, 60020, 81013
NO_REQUEST, STREAM_OVER, WRONG_BOT, CONCURRENT = 846605, 846608, 853000, 6000
STALE_TOKEN = frozenset({WRONG_SECRET, BAD_TOKEN, EXPIRED_TOKEN})  # one fresh token is worth a try

_LIMIT_WAIT = timedelta(seconds=60)
_BUSY_WAIT = timedelta(seconds=2)
_SETTINGS_WAIT = timedelta(seconds=30)


class WecomRefused(ChannelError):
    """WeCom refuses this."""

    def __init__(self, code: int, detail: str = "") -> None:
        self.code = code
        super().__init__(detail or f"errcode {code}")


class StreamOver(WecomRefused):
    """The stream or its request is over; what is left goes out as a new message."""


class NotLetIn(RateLimited):
    """WeCom does not let this server in, and answers wait until it does."""

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        super().__init__(_SETTINGS_WAIT, detail)


class Unsure(ChannelError):
    """WeCom did not say whether it took the message."""


class NotSent(Unreached):
    """WeCom could not be reached, and nothing was sent."""


def failure(code: int, message: str = "") -> ChannelError:
    """What an errcode other than 0 means. Of WeCom's own message only the address in a 60020 is kept."""
    told = say_to_operator(TOLD[code]) if code in TOLD else ""
    if code == UNTRUSTED_IP and (address := _address(message)):
        told = f"{told} ({address})"
    detail = f"{told} [errcode {code}]".strip()
    match code:
        case _ if code in (LIMITED,):
            return RateLimited(_LIMIT_WAIT, detail)
        case _ if code in (BUSY, CONCURRENT):
            return RateLimited(_BUSY_WAIT, detail)
        case _ if code in STALE_TOKEN | {UNTRUSTED_IP, WRONG_BOT, NO_PERMISSION}:
            return NotLetIn(code, detail)
        case _ if code in (NO_REQUEST, STREAM_OVER):
            return StreamOver(code, detail)
        case _ if code in (NO_RECEIVER, NO_MEMBER):
            return Undeliverable(detail)
        case _:
            return WecomRefused(code, detail)


def _address(message: str) -> str:
    """The IP address that WeCom names: "not allow to access from your ip, from ip: 203.0.113.7, hint: …"."""
    _, _, rest = message.partition("from ip:")
    address = rest.strip().split(",")[0].split(" ")[0]
    return address if address and all(c in "0123456789abcdefABCDEF.:" for c in address) else ""
