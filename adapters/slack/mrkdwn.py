"""Markdown as Slack's own mrkdwn, or as bare words: for the places where no markdown block can stand. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode as Node

_FALLBACK = 3_000  # characters; chat.update takes 4,000 (docs.slack.dev, "chat.update")
_MARKS = {"strong": "*", "em": "_", "s": "~"}
_DEPTH = 20  # of emphasis within emphasis: the parser bounds blocks within blocks alone
_RULE = "─" * 10
_INDENT = "    "

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
# A mark of mrkdwn counts only at the edge of a word; where a letter is next to it, a space of no width makes an edge.
_EDGE = "\u200b"
_NEEDLESS_EDGE = re.compile(r"(?<![^\W_])\u200b(?![^\W_])")
# The last word of a text that was cut, if it is not too long, or what is left of an `&amp;`.
_LAST_WORD = re.compile(r"\s\S{0,40}\Z|&\w*\Z")


def mrkdwn(text: str) -> str:
    """Markdown as mrkdwn, in which nobody is mentioned: `&`, `<` and `>` are escaped.

    Headings become bold, lists get •, tables become code in columns, pictures links. mrkdwn has no escape for its own
    `*`, `_`, `~` and backtick: one that stands at the edge of a word may be read as a mark
    (docs.slack.dev, "Formatting message text").
    """
    return _blocks(_tree(text).children)


def fallback(text: str) -> str:
    """Markdown as the words of a notification: escaped, up to 3,000 characters, never empty.

    It is the `text` beside blocks, which is read out, searched, and shown where blocks are not.
    """
    start = text[: _FALLBACK * 4]
    plain = escape("\n".join(_plain(_tree(start))).strip(), quote=False)
    if len(plain) > _FALLBACK or len(text) > len(start):
        return _LAST_WORD.sub("", plain[: _FALLBACK - 1]).rstrip() + "…"
    return plain or "…"


def _tree(text: str) -> Node:
    tokens = _parser().parse(text)
    for token in tokens:
        token.children = [_flat(child) for child in token.children or () if not child.nesting or child.level < _DEPTH]
    return Node(tokens)


def _flat(token: Token) -> Token:
    token.children = None  # of a picture: its content is its label
    return token


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe_link  # type: ignore[method-assign]
    return parser


def _is_safe_link(url: str) -> bool:
    return bool(_SAFE_LINK.match(url.strip()))


# -------------------------------------------------------------------------------------------------------------- blocks


def _blocks(nodes: Sequence[Node], gap: str = "\n\n", depth: int = 0) -> str:
    return gap.join(filter(None, (_block(node, depth) for node in nodes)))


def _block(node: Node, depth: int) -> str:
    match node.type:
        case "heading":
            label = escape(_label(node), quote=False)
            return label and f"*{label}*"
        case "bullet_list" | "ordered_list":
            return "\n".join(_item(item, depth) for item in node.children)
        case "blockquote":
            return "\n".join(f"> {line}" for line in _blocks(node.children).split("\n"))
        case "fence" | "code_block":
            return _code_block(node.content)
        case "table":
            return _code_block(_columns([row for row in node.walk() if row.type == "tr"]))
        case "hr":
            return _RULE
    return "".join(map(_inline, node.children))


def _item(node: Node, depth: int) -> str:
    content = "\n".join(_block(child, depth + 1) for child in node.children)
    return f"{_INDENT * depth}{_bullet(node)}{content}"


def _bullet(item: Node) -> str:
    return f"{item.info}. " if item.info else "• "


def _code_block(code: str) -> str:
    code = re.sub("`(?=``)", "`\u2060", code.rstrip("\n"))  # a fence within would end it
    return f"```\n{escape(code, quote=False)}\n```"


def _columns(rows: Sequence[Node]) -> str:
    cells = [[_label(cell) for cell in row.children] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=False)]
    lines = [" | ".join(map(_padded, row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many columns it takes: a Chinese character two, an accent none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)


# -------------------------------------------------------------------------------------------------------------- inline


def _inline(node: Node) -> str:
    match node.type:
        case "text":
            return escape(node.content, quote=False)
        case "strong" | "em" | "s":
            return _marked(_MARKS[node.type], "".join(map(_inline, node.children)))
        case "code_inline":
            return _code(node.content)
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            return _link(str(node.attrs["href"]), _label(node))
        case "image":
            return _link(str(node.attrs["src"]), _label(node))
    return _NEEDLESS_EDGE.sub("", "".join(map(_inline, node.children)))


def _marked(mark: str, text: str) -> str:
    """Line by line: no mark of mrkdwn reaches over a line's end."""
    return "\n".join(f"{_EDGE}{mark}{line}{mark}{_EDGE}" for line in text.split("\n"))


def _code(code: str) -> str:
    return _code_block(code) if "`" in code else f"`{escape(code, quote=False)}`"


def _link(url: str, label: str) -> str:
    # The parser has percent-encoded what would end the address: < > |
    parts = [url, label] if label and label != url else [url]
    return f"<{'|'.join(escape(part, quote=False) for part in parts)}>"


def _label(node: Node) -> str:
    return " ".join(_words(node).split())


def _words(node: Node) -> str:
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    return "".join(map(_words, node.children)) if node.children else node.content


# --------------------------------------------------------------------------------------------------------------- plain


def _plain(node: Node) -> Iterator[str]:
    """Its lines, without any mark but the bullets."""
    match node.type:
        case "inline":
            yield _words(node)
        case "fence" | "code_block":
            yield node.content.rstrip("\n")
        case "tr":
            yield " | ".join(map(_words, node.children))
        case "list_item":
            yield _bullet(node) + "\n".join(line for child in node.children for line in _plain(child))
        case _:
            for child in node.children:
                yield from _plain(child)
