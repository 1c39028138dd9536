"""Markdown as a model writes it, made of what a message of Teams really shows. Pure."""

import re
from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import table as table_rule
from markdown_it.tree import SyntaxTreeNode as Node

from adapters.teams.inline import harmless, inline, without_fences
from adapters.teams.tables import table

_RULE = "─" * 10
_INDENT = 4  # within any list, for parsers old and new
_NESTING = 40  # blocks within blocks; what is deeper is left out

_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
_IN_CODE = re.compile(r"(`+[^`]*`+)")
_ODD_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
_MENTION_BEGUN = re.compile(r"</?(?:at?)?\Z", re.IGNORECASE)

# A line that is still being written, if whatever comes next it will be part of a paragraph.
_WORDS = re.compile(
    r"[ \t]*(?:[^\W\d_]|\d+[^\d.)]|\d{1,9}[.)](?=\S)|\d{10}"
    r"|[*_]{1,3}[^\s*_]|`{1,2}[^`]|~{1,2}[^~]|-[^\s:|-]|\+\S|\#{1,6}[^\s#]|=+[^=\s]"
    r"|[^\w\s*_`~#=+>|:-])"
)


def rendered(text: str) -> str:
    """The whole of a text as Teams shows it; what is still open at its end is closed.

    A message shows bold, italic, code, quotations and links on every client, and lists on the desktop; elsewhere their
    marks stay, which read well too. It shows no headings, tables or rules (learn.microsoft.com, "Format your bot
    messages"): headings become bold lines, rules lines of dashes, pictures links, tables code in columns or lists.
    LaTeX stays as it is, HTML is shown and not read, nobody is mentioned.
    """
    return _text(_with_newlines(text), is_open=False)


def settled(text: str) -> str:
    """A growing text as far as it is certain how it will read: "" at first.

    It is the beginning of what is `settled` and of what is `rendered` of every text that begins with this one, as a
    stream demands (learn.microsoft.com, "Stream bot messages"). Held back are a table until its end, a link or code
    within a line until it is closed, and the start of a line as long as it may become anything.
    """
    lines, newline, last = _with_newlines(text.removesuffix("\r")).rpartition("\n")
    whole = lines + newline
    is_certain = last.strip() and (_WORDS.match(last) or _goes_on_in_code(whole + last))
    return _text(whole + last if is_certain else whole, is_open=True)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(text: str, *, is_open: bool) -> str:
    return _Blocks(text, is_open=is_open).write(_tree(text).children, is_last=True)


def _tree(text: str) -> Node:
    return Node(_parser().parse(text))


@cache
def _parser() -> MarkdownIt:
    """A parser of blocks alone, none of which is changed by what comes after it.

    Definitions of links would change what was said before, a line of dashes what it stands under.
    """
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _NESTING})
    parser.disable(["inline", "lheading", "reference"])
    parser.block.ruler.before("hr", "table", _table_rule, {"alt": ["paragraph", "reference"]})
    return parser


def _table_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Only a line that begins with a bar may turn out to be the head of a table, so that all others can be shown."""
    place = state.bMarks[start] + state.tShift[start]
    return state.src[place : place + 1] == "|" and table_rule(state, start, end, silent)


def _goes_on_in_code(text: str) -> bool:
    """Whether the last line, which is still being written, is certain to be a line of code."""
    leaf = _tree(text)
    while leaf.children and leaf.type not in ("paragraph", "heading", "table"):
        leaf = leaf.children[-1]
    if leaf.type == "code_block":  # with a mark of a list before it, it may yet become a rule
        return leaf.content.strip("\n").rpartition("\n")[2].strip() == text.rpartition("\n")[2].strip()
    line = leaf.content.rpartition("\n")[2].strip() if leaf.type == "fence" and not _is_closed(leaf) else ""
    return line[:1] not in ("", "`", "~") and text.rstrip().endswith(line)


# -------------------------------------------------------------------------------------------------------------- blocks


class _Blocks:
    """Writes blocks. Where the text `is_open`, the last of them may go on: what may change then is left out."""

    def __init__(self, text: str, *, is_open: bool) -> None:
        self._lines = text.split("\n")
        self._is_open = is_open

    def write(self, nodes: Sequence[Node], *, is_last: bool, is_nested: bool = False) -> str:
        text, before = "", None
        for index, node in enumerate(nodes):
            block = self._block(node, is_last=is_last and index == len(nodes) - 1)
            if block:
                text += f"{self._gap(before, node, is_nested=is_nested)}{block}"
                before = node
        return text

    def _gap(self, before: Node | None, node: Node, *, is_nested: bool) -> str:
        if before is None:
            return ""
        is_close = before.type == node.type == "list_item" or (
            is_nested and before.type == "paragraph" and node.type in ("bullet_list", "ordered_list", "fence")
        )
        return "\n" if is_close and self._lines[_span(node)[0] - 1].strip(" \t>") else "\n\n"

    def _block(self, node: Node, *, is_last: bool) -> str:
        is_open = self._is_open and is_last and self._reaches_end(node)
        match node.type:
            case "bullet_list" | "ordered_list":
                return self.write(node.children, is_last=is_last)
            case "list_item":
                return _item(node, self.write(node.children, is_last=is_last, is_nested=True))
            case "blockquote":
                return _quotation(self.write(node.children, is_last=is_last, is_nested=True))
            case "paragraph":
                return _paragraph(node.children[0].content, is_open=is_open)
            case "heading":
                return _heading(node.children[0].content)
            case "fence" | "code_block":
                return self._code(node, is_open=self._is_open and is_last and not _is_closed(node))
            case "table":
                return "" if is_open else _table(node)
        return _RULE

    def _reaches_end(self, node: Node) -> bool:
        """Whether it goes on to the last line: a blank one would have ended it."""
        return _span(node)[1] >= len(self._lines) - 1

    def _code(self, node: Node, *, is_open: bool) -> str:
        """A code block with the fence it has, or one of backticks."""
        is_foreign = not node.markup.startswith("`")
        fence = "`" * max(3, len(node.markup))
        code = node.content.removesuffix("\n")
        if is_open and _span(node)[1] >= len(self._lines):
            code = _certain(code, len(fence) if is_foreign else 0)
        language = _LANGUAGE.match(node.info.strip())
        text = f"{fence}{language[0] if language else ''}"
        if node.content:
            text += f"\n{without_fences(code, len(fence)) if is_foreign else harmless(code)}"
        return text if is_open else f"{text}\n{fence}"


def _span(node: Node) -> tuple[int, int]:
    """Its lines, from the first to before the last."""
    return node.map or (0, 0)


def _is_closed(node: Node) -> bool:
    """Whether a fence has the line that ends it."""
    start, end = _span(node)
    count = len(node.content.removesuffix("\n").split("\n")) if node.content else 0
    return node.type == "fence" and end - start - 1 > count


def _certain(code: str, length: int) -> str:
    """The code without an end that may yet become a mention, or a fence of this length."""
    code = _MENTION_BEGUN.sub("", code)
    return re.sub(rf"^([ \t]*)`{{1,{length - 1}}}\Z", r"\1", code, flags=re.MULTILINE) if length else code


def _item(node: Node, text: str) -> str:
    """An item with its mark; one with nothing in it is left out."""
    marker = f"{node.info}{node.markup}" if node.info else "-"
    indent = " " * max(_INDENT, len(marker) + 1)
    first, *others = text.split("\n")
    return text and "\n".join([f"{marker} {first}", *(f"{indent}{line}" if line else "" for line in others)])


def _quotation(text: str) -> str:
    return text and "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def _paragraph(content: str, *, is_open: bool) -> str:
    *lines, last = content.split("\n")
    if is_open and last.lstrip().startswith("|"):
        content = "\n".join(lines)  # it may be the head of a table
    return inline(content, is_open=is_open)


def _heading(content: str) -> str:
    """In bold as a whole; what is bold in it is so already."""
    parts = _IN_CODE.split(inline(content))
    text = "".join(part if part.startswith("`") else part.replace("**", "") for part in parts).strip()
    if _ODD_BACKSLASH.search(text):
        text += "\\"
    return text and f"**{text}**"


def _table(node: Node) -> str:
    head, *rows = ([cell.children[0].content for cell in row.children] for row in node.walk() if row.type == "tr")
    return table(head, rows)
