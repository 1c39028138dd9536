"""Which finished answers are fit to be given to others."""

from core.message import Source, Verdict
from core.ports import Finished, State


def is_fit(finished: Finished, version: str, *, is_screened: bool) -> bool:
    """Whether an answer is clean, whole, and by the model itself that was to write it.

    Where there is no screen in the house (`is_screened` is False) none could say that it is clean.
    """
    reply, written = finished.reply, finished.written
    is_clean = reply.verdict is Verdict.CLEAN or (reply.verdict is Verdict.UNSCREENED and not is_screened)
    is_whole = finished.state is State.DELIVERING and bool(reply.text.strip()) and not finished.has_extras
    if written is None or not (is_clean and is_whole):
        return False
    is_by_model = reply.source is written.source is Source.ENGINE and not written.is_fallback
    return is_by_model and written.finish == "stop" and written.model == version
