"""What went wrong with a server, said in our own words: its own may quote what a person wrote."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from core.errors import Busy, EngineError, TooLong, Unavailable, trace

log = logging.getLogger(__name__)

# How the servers say that a prompt does not fit: vLLM, SGLang, llama.cpp, OpenAI.
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)|max(imum)?[ _](model[ _])?len(gth)?\b|too long|longer than", re.IGNORECASE
)
_AWAY = frozenset({502, 503, 504})
_FULL = frozenset({408, 429})  # 408: SGLang's gateway, once a request has waited too long in its queue
_REFUSED = frozenset({None, 400, 422})  # None: said within a stream that began well
_LOST = frozenset({"APIConnectionError", "APITimeoutError"})
_FORM = (
    "it does not take the form of the request; where it knows OpenAI's own parameters only, set remote.top_k: false "
    "and remote.repetition_penalty: false"
)
_HINTS = {
    401: "it refuses the key in PARLEY_ENGINE_KEY",
    403: "it refuses the key in PARLEY_ENGINE_KEY",
    404: "it knows no such model or path; does the address end in /v1?",
    400: _FORM,
    422: _FORM,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`error` is what the asker is told. `is_away` means that the server was not there at all."""

    error: EngineError
    is_away: bool = False
    is_slow: bool = False

    @property
    def may_pass_on(self) -> bool:
        """Whether another server may be asked: this one was away, or full."""
        return self.is_away or isinstance(self.error, Busy)


def fault(error: Exception, server: str) -> Fault:
    """Understands what calling or reading failed with, and tells the operator; `server` is its address."""
    if isinstance(error, EngineError):
        return Fault(error)
    if isinstance(error, TimeoutError):
        log.warning("%s gave no answer in time.", server)
        return Fault(Unavailable("it took too long"), is_slow=True)
    name, status = type(error).__name__, status_of(error)
    if name in _LOST:
        log.warning("%s could not be reached, or broke off (%s).", server, name)
        return Fault(Unavailable("the connection was lost"), is_away=True)
    if status in _FULL:
        return Fault(Busy("please ask again in a moment"))
    if status == 413 or (status in _REFUSED and _TOO_LONG.search(str(getattr(error, "message", "")))):
        return Fault(TooLong())
    if status is None:
        log.warning("%s broke off: %s", server, trace(error))
        return Fault(Unavailable())
    log.warning("%s answered with status %d: %s.", server, status, _HINTS.get(status, "it has an error of its own"))
    return Fault(Unavailable(), is_away=status in _AWAY)


def status_of(error: Exception) -> int | None:
    """The HTTP status, also where it stands inside an event of a stream that began well."""
    status: Any = getattr(error, "status_code", None) or getattr(error, "code", None)
    return int(status) if str(status).isdecimal() else None
