"""A long answer as pages that WeCom takes, and what is left of it once some was shown. Pure."""

from dataclasses import dataclass
from hashlib import sha256

from adapters.wecom.board import Shown
from core.splitting import Context, Pager, utf8_bytes

LIMIT = 20_480  # bytes of UTF-8 in a stream, and in a response_url's Markdown (documents 101031 and 101138)
_NOTE = 256  # of these, kept for the line that says that more follows


def pages(text: str) -> list[str]:
    """The whole text, in pages that fit with a note under them."""
    return Pager(LIMIT - _NOTE, size=utf8_bytes).feed(text, is_final=True)


@dataclass(frozen=True, slots=True)
class Page:
    """The beginning of a text as it is shown. With `has_more` it is a full page, and there is more of the text."""

    content: str
    shown: Shown

    @property
    def has_more(self) -> bool:
        return self.shown.is_page


def first_page(text: str, *, is_final: bool) -> Page:
    """As much of a text as fits; of a growing one, what is shown is always the beginning of what will be."""
    first, *more = Pager(LIMIT - _NOTE, size=utf8_bytes).feed(text, is_final=is_final) or [""]
    if more:
        return Page(first, Shown(len(text), _digest(first), is_page=True))
    return Page(_closed(text), Shown(len(text), _digest(text)))


def left(text: str, shown: Shown | None) -> list[str]:
    """The pages of a finished text that come after what was shown; all of them where it begins otherwise by now."""
    if shown is None:
        return pages(text)
    if shown.is_page:
        first, *more = pages(text) or [""]
        return more if _digest(first) == shown.digest else [first, *more]
    before, after = text[: shown.length], text[shown.length :]
    if _digest(before) != shown.digest:
        return pages(text)
    return pages(_context(before).opening + after.lstrip("\n")) if after.strip() else []


def is_begun_by(text: str, shown: Shown | None) -> bool:
    """Whether the text goes on from what was shown, which may be nothing."""
    if shown is None or not shown.length:
        return True
    return _digest(next(iter(pages(text)), "") if shown.is_page else text[: shown.length]) == shown.digest


def _closed(text: str) -> str:
    """The text with a fence that is still open closed."""
    closing = _context(text).closing
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{closing}" if closing else text


def _context(text: str) -> Context:
    context = Context()
    for line in text.splitlines():
        context = context.after(line + "\n")
    return context


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
