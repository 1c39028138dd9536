"""Words of others, made fit to stand among ours."""

import re

# Everything invisible that may rewrite a line or hide in it: controls, direction marks, zero width, tags, lone halves.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """The same without what is not seen; line ends and tabs stay."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n"))


def line(text: str, limit: int) -> str:
    """One line of at most so many characters."""
    # A server's whole text is never walked through for a line of it.
    whole = _SPACES.sub(" ", clean(text[: limit * 4])).strip()
    return whole if len(whole) <= limit else f"{whole[: limit - 1]}…"


def plain(text: str, limit: int) -> str:
    """One line in which nothing is a link, an emphasis or code."""
    return line(re.sub(r"[\[\]<>`*|\\]", " ", text[: limit * 4]), limit)
