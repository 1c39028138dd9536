"""From answers to what a self-built app may send: WeCom's small Markdown, or plain text. Pure.

App Markdown knows headings, bold, links, quotations and code of one line; no lists, tables, pictures or blocks of code
(developer.work.weixin.qq.com, document 90236). A text may bear line breaks and `<a href>`, and nothing in it is read as
a mark: what holds a block of code goes out as text. An AI bot reads Markdown as people write it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode as Node

from adapters.wecom.texts import say
from core.message import Citation
from core.splitting import Pager, utf8_bytes

LIMIT = 2_048  # bytes of an app's text or Markdown, which WeCom cuts without a word
PIECE = 1_900  # bytes of an answer's own Markdown that make a message: what is flattened may grow
_MARK = 12  # characters of three bytes each
_ROOM = LIMIT - 3 * _MARK

_INVISIBLE = "\u200b\u200c\u200d"
_JOINER = "\u2060"  # breaks what WeCom would read as a mark, and is not seen
_INDENT = "\u3000"  # a space that no client takes away at the start of a line
_RULE = "┄" * 4
_DEEPEST = 20  # blocks within blocks: what is in still deeper ones the parser leaves out
_LINK = re.compile(r"https?://", re.IGNORECASE)
_MARKS = frozenset({"heading_open", "blockquote_open", "strong_open", "link_open", "image", "code_inline"})
_CODE = frozenset({"fence", "code_block"})
_IN_TEXT = re.compile(r"<(?=/?a\b)", re.IGNORECASE)
_IN_MARKDOWN = re.compile(r"<(?=/?font\b|@)|\](?=\()|\*(?=\*)", re.IGNORECASE)
_AT_LINE_START = re.compile(r"^(?=[#>])", re.MULTILINE)
_IN_BOT = re.compile(r"<(?=/?think|@)", re.IGNORECASE)

Kind = Literal["markdown", "text"]


@dataclass(frozen=True, slots=True)
class Content:
    """What one message of a self-built app says."""

    kind: Kind
    text: str

    @property
    def message(self) -> dict[str, Any]:
        """As message/send takes it, without whom it is for."""
        return {"msgtype": self.kind, self.kind: {"content": self.text}}


def contents(piece: str) -> tuple[Content, ...]:
    """The messages that say this piece of Markdown, mostly one; each has room for a mark."""
    content = rendered(piece)
    if utf8_bytes(content.text) <= _ROOM:
        return (content,) if content.text else ()
    parts = Pager(_ROOM, size=utf8_bytes).feed(content.text, is_final=True)
    return tuple(Content(content.kind, part.strip("\n")) for part in parts)


def marked(content: Content, *seed: object) -> Content:
    """The content with an invisible mark at its end, the same for the same seed.

    WeCom drops a message that is the same as one before (document 90236, enable_duplicate_check): with the mark that is
    only the very one that is sent again, and not the equal answer to another question.
    """
    number = int.from_bytes(sha256(repr(seed).encode()).digest()[:8])
    mark = "".join(_INVISIBLE[number // 3**place % 3] for place in range(_MARK))
    return Content(content.kind, content.text + mark)


def rendered(text: str) -> Content:
    """Markdown in the documented subset where it makes use of that, else as text; far too deep it stays as it is."""
    tokens = _parser().parse(text)
    if any(token.level + 2 >= _DEEPEST for token in tokens):
        return Content("text", _IN_TEXT.sub("<" + _JOINER, text).strip("\n"))
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
    kind: Kind = "markdown" if kinds & _MARKS and not kinds & _CODE else "text"
    writer = _Writer(kind)
    for token in tokens:
        if token.type == "inline":
            token.meta = {"rich": writer.inline(token.children or ()), "plain": _words(token.children or ())}
            token.children = None  # the tree takes no account of how deep emphasis may stand within emphasis
    return Content(kind, writer.blocks(Node(tokens).children).strip("\n"))


def for_bot(text: str) -> str:
    """Markdown for an AI bot: as it is, but nothing in it calls anybody or passes for thinking (document 101031)."""
    return _IN_BOT.sub("<" + _JOINER, text)


def sources(items: Sequence[Citation], language: str) -> str:
    """Where the answer was taken from, as Markdown that stands under it; "" where there is nothing."""
    if not items:
        return ""
    lines = [f"{number}. {_source(item)}" for number, item in enumerate(items, 1)]
    return "\n".join([say("sources", language), "", *lines])


def _source(item: Citation) -> str:
    title = " ".join(re.sub(r"[\[\]<>`*_\\]", " ", item.title or item.url).split()) or "…"
    url = item.url.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    return f"[{title}]({url})" if _LINK.match(url) and "\n" not in url else title


@cache
def _parser() -> MarkdownIt:
    """Without references: `[1]: https://…` is left out by the parser, and would often stand in another message."""
    return MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable("table").disable("reference")


def _words(tokens: Sequence[Token]) -> str:
    """What is read of a line, without any mark; an address stands behind what it is the link of."""
    read, links = list[str](), list[tuple[str, int]]()
    for token in tokens:
        match token.type:
            case "softbreak" | "hardbreak":
                read.append(" ")
            case "link_open":
                links.append((str(token.attrs["href"]), len(read)))
            case "link_close":
                url, begin = links.pop()
                read.append(f" ({url})" if _LINK.match(url) and "".join(read[begin:]) != url else "")
            case _:
                read.append(token.content)
    return " ".join("".join(read).split())


# -------------------------------------------------------------------------------------------------------------- blocks


class _Writer:
    def __init__(self, kind: Kind) -> None:
        self._is_markdown = kind == "markdown"

    def blocks(self, nodes: Sequence[Node], gap: str = "\n\n", depth: int = 0) -> str:
        return gap.join(filter(None, (self._block(node, depth) for node in nodes)))

    def _block(self, node: Node, depth: int) -> str:
        match node.type:
            case "heading":
                return self._heading(_plain(node), int(node.tag[1:]))
            case "bullet_list" | "ordered_list":
                return "\n".join(self._item(item, depth) for item in node.children)
            case "blockquote":
                return self._quotation(self.blocks(node.children, depth=depth + 1), depth)
            case "fence" | "code_block":
                return self._code(node.content, node.info)
            case "table":
                return "\n".join(self._rows([row for row in node.walk() if row.type == "tr"]))
            case "hr":
                return _RULE
            case "paragraph":
                return _AT_LINE_START.sub(_JOINER, _rich(node)) if self._is_markdown else _rich(node)
        return self.blocks(node.children, depth=depth)

    def _heading(self, label: str, level: int) -> str:
        if not label:
            return ""
        return f"{'#' * level} {self._escaped(label)}" if self._is_markdown else f"【{self._escaped(label)}】"

    def _item(self, node: Node, depth: int) -> str:
        bullet = f"{node.info}. " if node.info else "•◦▪"[min(depth, 2)] + " "
        return _INDENT * depth + bullet + self.blocks(node.children, "\n", depth + 1)

    def _quotation(self, text: str, depth: int) -> str:
        sign = "> " if self._is_markdown and not depth else "│ "
        return "\n".join(sign + line for line in text.split("\n"))

    def _code(self, code: str, info: str) -> str:
        language = info.split(maxsplit=1)[0][:20] if info.strip() else ""
        head = f"┄┄ {language} ┄┄" if language else _RULE
        return "\n".join([head, self._escaped(code.rstrip("\n")), _RULE])

    def _rows(self, rows: Sequence[Node]) -> Iterator[str]:
        """A table row by row: "• first — second column: its value; third column: its value"."""
        head, *body = rows
        names = [_plain(cell) for cell in head.children]
        if not body:
            yield " | ".join(filter(None, names))
        for row in body:
            first, *others = [_rich(cell) for cell in row.children]
            named = [f"{self._escaped(name)}: {value}" if name else value
                     for name, value in zip(names[1:], others, strict=False) if value]  # fmt: skip
            yield "• " + " — ".join(filter(None, [first, "; ".join(named)]))

    # ---------------------------------------------------------------------------------------------------------- inline

    def inline(self, tokens: Sequence[Token]) -> str:
        """Token by token: a tree of emphasis within emphasis could be deeper than Python goes."""
        written, links, bold = [""], list[str](), 0
        for token in tokens:
            match token.type:
                case "strong_open" | "strong_close":
                    bold += token.nesting
                    is_outermost = bold == max(token.nesting, 0)
                    written[-1] += "**" if is_outermost and self._is_markdown else ""
                case "softbreak" | "hardbreak":
                    written[-1] += "**\n**" if self._is_markdown and bold else "\n"
                case "link_open":
                    links.append(str(token.attrs["href"]))
                    written.append("")
                case "link_close":
                    label = written.pop()
                    written[-1] += self._link(links.pop(), label)
                case "image":
                    written[-1] += self._link(str(token.attrs["src"]), self._escaped(token.content))
                case "code_inline":
                    written[-1] += f"`{token.content if self._is_markdown else self._escaped(token.content)}`"
                case _:
                    written[-1] += self._escaped(token.content)
        return written[0]

    def _link(self, url: str, label: str) -> str:
        label = label.replace("\n", " ")
        if not _LINK.match(url) or label in ("", url):
            return label or url
        url = url.replace("(", "%28").replace(")", "%29").replace('"', "%22")
        return f"[{label}]({url})" if self._is_markdown else f'<a href="{url}">{label}</a>'

    def _escaped(self, text: str) -> str:
        """Text in which nothing is read as a mark that was not meant as one."""
        pattern = _IN_MARKDOWN if self._is_markdown else _IN_TEXT
        return pattern.sub(lambda found: found[0] + _JOINER, text)


def _rich(node: Node) -> str:
    return "".join(str(child.meta.get("rich", "")) for child in node.children)


def _plain(node: Node) -> str:
    return "".join(str(child.meta.get("plain", "")) for child in node.children)
