"""What can go wrong, said in a sentence: the docstring of an exception is its message."""

from datetime import timedelta
from inspect import cleandoc
from traceback import format_tb


class ParleyError(Exception):
    """Something went wrong inside Parley."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        sentence = cleandoc(type(self).__doc__ or "").split("\n\n")[0]
        super().__init__(_composed(sentence, detail))


class Malformed(ParleyError):
    """The input does not have the form it should have."""


class Refused(ParleyError):
    """This is not allowed here."""


class NotFound(ParleyError):
    """There is no such thing here."""


class NotStored(ParleyError):
    """The database did not take it; nothing was acknowledged, please send it again."""


class Unstorable(NotStored):
    """The database takes no such value: it would refuse it again."""


class LeaseLost(ParleyError):
    """Another process has taken this work over; what was done here is discarded."""


class Unreadable(ParleyError):
    """A sealed value could not be opened: it was changed, moved, or its key is gone."""


class KeyMissing(Unreadable):
    """This process has not been given the encryption key that it needs here; another process may have it."""


class Misconfigured(ParleyError):
    """The configuration does not allow this."""


class EngineError(ParleyError):
    """The engine could not answer."""


class TooLong(EngineError):
    """The conversation is longer than the model can read."""


class Busy(EngineError):
    """The engine has as many requests as it can take."""


class Unavailable(EngineError):
    """The engine did not answer."""


class ChannelError(ParleyError):
    """The channel did not take the message."""


class RateLimited(ChannelError):
    """The channel asked us to wait."""

    def __init__(self, retry_after: timedelta, detail: str = "") -> None:
        self.retry_after = min(retry_after, timedelta(days=1))  # whatever it asks for
        super().__init__(detail)


class DoorLost(ChannelError):
    """This process no longer holds the connection the answer must go through."""


class Unreached(ChannelError):
    """The channel could not be reached, and nothing was sent."""


class Undeliverable(ChannelError):
    """The channel refuses this message for good; sending it again would not help."""


def _composed(sentence: str, detail: str) -> str:
    """A detail that begins small goes on after a colon; any other is a sentence of its own."""
    return f"{sentence.removesuffix('.')}: {detail}" if detail[:1].islower() else f"{sentence} {detail}".strip()


class Traced(str):
    """What `trace` says, with the error that it says it of: a report of errors is made from that."""

    error: BaseException


def trace(error: BaseException) -> Traced:
    """Where an error came from, without its message: a foreign message may quote what a person wrote."""
    frames = "".join(format_tb(error.__traceback__)).rstrip()
    sentence = str(error) if isinstance(error, ParleyError) else "(its message is kept out of the log)"
    traced = Traced(f"{type(error).__name__} {sentence}\n{frames}")
    traced.error = error
    return traced
