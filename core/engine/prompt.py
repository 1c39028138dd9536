"""What the model reads: a conversation in its own chat template, as token ids."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

from jinja2 import TemplateError

from core.engine.calls import Form, form_of
from core.engine.family import family_of
from core.engine.prefixes import common
from core.engine.text import CLOSE, OPEN
from core.errors import Malformed, Misconfigured
from core.turn import Tool, Utterance

log = logging.getLogger(__name__)

_PROBE = "the system prompt"
_PROBE_TOOL = Tool(
    "a_probe_of_tools",
    "Tries the template.",
    {"type": "object", "properties": {"text": {"type": "string", "description": "Any text."}}, "required": ["text"]},
)


class Prompts:
    """Renders conversations for one tokenizer, as its family was trained. Safe to use from several threads."""

    def __init__(self, tokenizer: Any, model_type: str = "") -> None:
        if not tokenizer.is_fast or not tokenizer.chat_template:
            raise Misconfigured("The model's folder has no chat template or no tokenizer.json; choose a chat model.")
        self._tokenizer = tokenizer
        # Left set, they would be changed and restored around every call, which is not safe across threads.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.model_max_length = sys.maxsize  # too long is for the engine to say, not for a warning
        self._bos = _automatic_bos(tokenizer)
        self.family = family_of(tokenizer.chat_template, model_type, self._ends_with_open())
        self.calls = self._form()
        """How the model calls tools; None where its template takes none, or teaches a form that is not known here."""
        marks = self.calls.marks if self.calls else ()
        self.call_tokens = _parts(tokenizer, marks)
        """The tokens, by id, that its marks are made of: most decoders leave out some of them, or change them."""
        self._marks = _either([*_marks(tokenizer), *self.family.marks, *marks])
        self._takes_system = self.family.takes_system and self._renders_system()
        self._head = lru_cache(maxsize=64)(self._opening)
        self._has_warned = False
        self._has_tool_role = "tool" in tokenizer.chat_template
        self.reasons = CLOSE in tokenizer.get_vocab() or CLOSE in tokenizer.chat_template

    def ids(self, utterances: Sequence[Utterance], tools: Sequence[Tool] = ()) -> list[int]:
        """The whole prompt with the generation prompt; raises Malformed.

        Tools are left out where the template takes none, or can't put these into words.
        """
        return self._ids(utterances, self._offered(tools))

    def _ids(self, utterances: Sequence[Utterance], offered: str) -> list[int]:
        ids = self._encoded(self._messages(utterances), offered)
        # Some templates leave the first token to the tokenizer, which rendering and encoding in one does not ask.
        return ids if ids[: len(self._bos)] == self._bos else [*self._bos, *ids]

    def head(self, utterances: Sequence[Utterance], ids: Sequence[int], tools: Sequence[Tool] = ()) -> int:
        """How many tokens of this prompt every conversation with the same system prompt and tools begins with."""
        if utterances[0].role != "system":
            return 0
        return common(self._head(utterances[0].text, self._offered(tools)), ids)

    def opens_reasoning(self, ids: Sequence[int]) -> bool:
        """Whether the answer to this prompt begins inside the reasoning."""
        return self.reasons and self._tokenizer.decode(ids[-8:]).rstrip().endswith(OPEN)

    def _opening(self, system: str, offered: str) -> list[int]:
        said = ((Utterance("system", system), Utterance("user", text)) for text in ("a", "1"))
        one, other = (self._ids(utterances, offered) for utterances in said)
        return one[: common(one, other)]

    def _encoded(self, messages: list[dict[str, str]], offered: str) -> list[int]:
        if offered:
            try:
                return cast(list[int], self._render(messages, tokenize=True, offered=offered))
            except Exception as error:  # a template may do anything with them
                plain = self._encoded(messages, "")  # raises what is wrong with the conversation itself
                if not self._has_warned:
                    self._has_warned = True
                    log.warning("The model's template can't put the tools into words: %s", type(error).__name__)
                return plain
        return cast(list[int], self._render(messages, tokenize=True))

    def _offered(self, tools: Sequence[Tool]) -> str:
        """The tools as JSON, in the shape of OpenAI's functions; "" where there are none to be offered."""
        if not tools or not self.calls:
            return ""
        return _json(self._plain_tool(tool) for tool in tools)

    def _plain_tool(self, tool: Tool) -> Tool:
        name, description = str(self._plain(tool.name)), str(self._plain(tool.description))
        return Tool(name, description, cast(dict[str, Any], self._plain(tool.parameters)))

    def _plain(self, value: object) -> object:
        """Plain JSON values, in which nobody speaks in the template's own marks either."""
        match value:
            case str():
                return self._defused(value.encode(errors="replace").decode())
            case Mapping():
                return {str(self._plain(str(key))): self._plain(item) for key, item in value.items()}
            case list() | tuple():
                return [self._plain(item) for item in value]
            case None | bool() | int() | float():
                return value
        return self._plain(str(value))

    def _form(self) -> Form | None:
        """Known by trying it: many templates speak of calls and still take no tools."""
        try:
            text = self._render([{"role": "user", "content": "?"}], tokenize=False, offered=_json([_PROBE_TOOL]))
        except Exception:
            return None
        return form_of(f"{self._tokenizer.chat_template}{text}") if _PROBE_TOOL.name in str(text) else None

    def _messages(self, utterances: Sequence[Utterance]) -> list[dict[str, str]]:
        # Some templates refuse two utterances of one role in a row.
        runs = groupby(self._adapted(utterances), key=lambda pair: pair[0])
        return [
            {"role": role, "content": self._ended(role, "\n\n".join(text for _, text in run))} for role, run in runs
        ]

    def _ended(self, role: str, text: str) -> str:
        return text + self.family.after_system if role == "system" and text else text

    def _adapted(self, utterances: Sequence[Utterance]) -> list[tuple[str, str]]:
        said = [(self._role(utterance.role), self._defused(utterance.text)) for utterance in utterances]
        if self.family.brings_system and all(role != "system" for role, _ in said):
            return [("system", ""), *said]
        return said

    def _role(self, role: str) -> str:
        is_known = {"system": self._takes_system, "tool": self._has_tool_role}.get(role, True)
        return role if is_known else "user"

    def _defused(self, text: str) -> str:
        """Nobody may speak in the template's own marks and so put words into another's mouth."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Malformed("the text holds half of a character pair") from None
        return self._marks.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", text)

    def _ends_with_open(self) -> bool:
        try:
            text = cast(str, self._render([{"role": "user", "content": "?"}], tokenize=False))
        except Malformed:
            return False
        return text.rstrip().endswith(OPEN)

    def _renders_system(self) -> bool:
        messages = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "?"}]
        try:
            return _PROBE in cast(str, self._render(messages, tokenize=False))
        except Malformed:
            return False

    def _render(self, messages: list[dict[str, str]], tokenize: bool, offered: str = "") -> object:
        # Rendered and encoded in one call: encoding a rendered text again would put a second BOS before it.
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                tools=json.loads(offered) if offered else None,
                tokenize=tokenize,
                add_generation_prompt=True,
                return_dict=False,
            )
        except TemplateError:
            raise Malformed("the model's template does not allow this order of utterances") from None


def _automatic_bos(tokenizer: Any) -> list[int]:
    """What the tokenizer puts before every text by itself, where it does."""
    return [tokenizer.bos_token_id] if tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id] else []


def _marks(tokenizer: Any) -> list[str]:
    """Special tokens, and added ones that look like marks, such as <think>."""
    added = (str(token) for token in tokenizer.get_added_vocab() if re.fullmatch(r"<.+>|\[.+\]", str(token)))
    return sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)


def _parts(tokenizer: Any, marks: Sequence[str]) -> dict[int, str]:
    """Those added tokens that marks are made of."""
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().items()
    return {id: token.content for id, token in added if any(token.content in mark for mark in marks)}


def _json(tools: Iterable[Tool]) -> str:
    """In the shape of OpenAI's functions."""
    functions = ({"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools)
    return json.dumps([{"type": "function", "function": function} for function in functions])


def _either(words: list[str]) -> re.Pattern[str]:
    # A single character can't be broken in two; (?!) matches nowhere.
    return re.compile("|".join(re.escape(word) for word in words if len(word) > 1) or "(?!)")
