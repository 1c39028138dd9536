"""From answers to what a browser shows: safe HTML out of Markdown, and server-sent events. Pure."""

import json
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from adapters.console.texts import TEXTS, say
from core.message import Source
from core.ports import State

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
# What a growing text may end with and not yet mean: the start of a fence, half of a link, the head of a table.
_HALF_FENCE = re.compile(r"(?:^|\n)[ ]{0,3}(?:`{1,2}|~{1,2})$")
_HALF_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*$")
_HALF_AUTOLINK = re.compile(r"<([^<>\s]*)$")
_HALF_TABLE = re.compile(r"(?:^|\n\n)\|[^\n]*(?:\n[|:\- ]*)?$")
_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})", re.MULTILINE)

_INERT = '<span class="link">'

_Env = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer as a page shows it. `note` says what is going on while it grows, `label` who wrote it.

    Where it `has_reasoning`, the page offers to fetch what was thought.
    """

    html: str
    note: str
    label: str
    state: str
    is_final: bool
    has_reasoning: bool


def answer_view(
    text: str,
    state: State | None,
    *,
    status: str = "",
    model: str = "",
    source: str = "",
    has_reasoning: bool = False,
    language: str = "en",
) -> AnswerView:
    """What to show of an answer in this state; `state` is None while its question waits."""
    is_final = _is_over(state)
    return AnswerView(
        html=markdown(text if is_final else settled(text), language),
        note=_note(text, state, status, source, language),
        label=_label(model, source, language),
        state=state or "waiting",
        is_final=is_final,
        has_reasoning=has_reasoning,
    )


def markdown(text: str, language: str = "en", *, inert: bool = False) -> str:
    """Markdown as HTML that carries no foreign HTML, no script, no picture from elsewhere.

    Where it is `inert` there is nothing to press in it either: behind the words of a link stands its address.
    """
    return str(_parser().render(text, {"language": language, "inert": inert}))


def settled(text: str) -> str:
    """A growing text without the marks at its end that are only half written, and with its emphasis closed."""
    text = _HALF_FENCE.sub("", text)
    if _is_within_fence(text):
        return text
    text = _HALF_AUTOLINK.sub(r"\1", _HALF_LINK.sub(r"\1", _HALF_TABLE.sub("", text)))
    block = text.rpartition("\n\n")[2]
    if block.count("`") % 2:
        return text + "`"
    return text.rstrip("*") if block.endswith("*") and block.count("**") % 2 else text + "**" * (block.count("**") % 2)


def step(before: str, after: str) -> tuple[str, Mapping[str, str]] | None:
    """How a reader who has `before` comes to `after`: a delta, or a replacement where text was taken back."""
    if before == after:
        return None
    if after.startswith(before):
        return "delta", {"text": after[len(before) :]}
    return "replace", {"text": after}


def server_event(event: str, data: Mapping[str, Any]) -> bytes:
    """One server-sent event; its data is a line of JSON."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _is_within_fence(text: str) -> bool:
    opened = ""
    for mark in _FENCE.findall(text):
        if not opened:
            opened = mark
        elif mark[0] == opened[0] and len(mark) >= len(opened):
            opened = ""
    return bool(opened)


def _note(text: str, state: State | None, status: str, source: str, language: str) -> str:
    if state is None:
        return say("sent", language)
    if state is State.STOPPED and not text:
        return say("stopped_empty", language)
    if state in (State.STOPPED, State.FAILED, State.REFUSED):
        # Where the house speaks, its sentence says as much.
        return "" if source == Source.HOUSE and text else say(state, language)
    if _is_over(state):
        return ""
    return say("writing", language) if text else _status(status, language)


def _is_over(state: State | None) -> bool:
    return state is not None and (state.is_final or state is State.DELIVERING)


def _status(status: str, language: str) -> str:
    """What a Draft's status says: a StatusKind, for `queued` with the place after a colon."""
    kind, _, position = status.partition(":")
    if kind == "queued" and position.isdigit():
        return say("queued_at", language, position=position)
    return say(kind if kind in ("queued", "working") else "thinking", language)


def _label(model: str, source: str, language: str) -> str:
    origin = say(f"source_{source}", language) if f"source_{source}" in TEXTS else ""
    name = "" if source == Source.HOUSE else model.partition("@")[0].removeprefix("plugin/")
    return " · ".join(filter(None, (name, origin)))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe_link  # type: ignore[method-assign]
    rules = {
        "image": _image,
        "link_open": _link_open,
        "link_close": _link_close,
        "fence": _code_block,
        "code_block": _code_block,
        "table_open": _table_open,
        "table_close": _table_close,
        "th_open": _cell_open,
        "td_open": _cell_open,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _is_safe_link(url: str) -> bool:
    return bool(_SAFE_LINK.match(url.strip()))


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    # A picture from elsewhere would tell its server who reads what: it is offered as a link instead.
    url = str(tokens[index].attrs["src"])
    name = say("image", env["language"], title=escape(tokens[index].content or url))
    return f"{_INERT}{name}</span>{_address(url)}" if env["inert"] else f"{_anchor(url)}{name}</a>"


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    return _INERT if env["inert"] else _anchor(str(tokens[index].attrs["href"]))


def _link_close(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    if not env["inert"]:
        return "</a>"
    opened = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
    return "</span>" + ("" if opened.info == "auto" else _address(str(opened.attrs["href"])))


def _address(url: str) -> str:
    return f' <span class="address">({escape(url)})</span>'


def _anchor(url: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">'


def _code_block(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    token = tokens[index]
    words = token.info.split()
    name = escape(words[0] if words else say("code", env["language"]))
    copy = "" if env["inert"] else f'<button type="button" class="copy">{escape(say("copy", env["language"]))}</button>'
    return (
        f'<figure class="code"><figcaption><span>{name}</span>{copy}</figcaption>'
        f'<pre tabindex="0"><code>{escape(token.content)}</code></pre></figure>\n'
    )


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    return '<div class="table" tabindex="0"><table>\n'


def _cell_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    # As a class: the page's policy allows no style of its own to any element.
    style = str(tokens[index].attrs.get("style", ""))
    side = next((side for side in ("right", "center") if side in style), "")
    return f'<{tokens[index].tag} class="{side}">' if side else f"<{tokens[index].tag}>"


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: _Env) -> str:
    return "</table></div>\n"
