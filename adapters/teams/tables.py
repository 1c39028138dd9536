"""A table as Teams can show it within a message: columns of code, or a list. Pure.

A card could show a table as one, but not at its place in the text, and not in a stream.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt

from adapters.teams.inline import escaped, inline, without_fences

Row = Sequence[str]

_COLUMNS = 72  # a wider one would scroll or wrap in its block
_LINK = re.compile(r"\]\(|https?://", re.IGNORECASE)


def table(head: Row, rows: Sequence[Row]) -> str:
    """A table of cells that are Markdown, each row as long as the head: in columns, as far as it fits and has no links.

    Else each row is an item of a list: the first cell says what it is about, the others are listed under it.
    """
    words = [[_words(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(_width, column)) for column in zip(*words, strict=True)]
    has_links = any(_LINK.search(cell) for row in (head, *rows) for cell in row)
    if rows and (has_links or sum(widths) + 3 * (len(widths) - 1) > _COLUMNS):
        return "\n".join(_record(words[0], row) for row in rows)
    lines = [" | ".join(map(_padded, row, widths)).rstrip() for row in words]
    code = "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])
    return f"```\n{without_fences(code)}\n```"


def _record(names: Row, row: Row) -> str:
    first, *others = map(inline, row)
    told = [
        f"    - {f'{escaped(name)}: ' if name else ''}{cell}"
        for name, cell in zip(names[1:], others, strict=True)
        if cell
    ]
    return "\n".join([f"- {first or '…'}", *told])


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


def _words(content: str) -> str:
    """The words of a line without its marks."""
    [line] = _parser().parseInline(content)
    return " ".join("".join(token.content for token in line.children or ()).split())


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many columns it takes: a Chinese character two, an accent none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)
