"""What the model reads: a conversation in its own chat template, as token ids."""

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

from jinja2 import TemplateError

from core.engine.family import family_of
from core.engine.prefixes import common
from core.engine.text import CLOSE, OPEN
from core.errors import Malformed, Misconfigured
from core.turn import Utterance

_PROBE = "the system prompt"


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
        self._marks = _either([*_marks(tokenizer), *self.family.marks])
        self._takes_system = self.family.takes_system and self._renders_system()
        self._head = lru_cache(maxsize=64)(self._opening)
        self._has_tool_role = "tool" in tokenizer.chat_template
        self.reasons = CLOSE in tokenizer.get_vocab() or CLOSE in tokenizer.chat_template

    def ids(self, utterances: Sequence[Utterance]) -> list[int]:
        """The whole prompt with the generation prompt; raises Malformed."""
        ids = cast(list[int], self._render(self._messages(utterances), tokenize=True))
        # Some templates leave the first token to the tokenizer, which rendering and encoding in one does not ask.
        return ids if ids[: len(self._bos)] == self._bos else [*self._bos, *ids]

    def head(self, utterances: Sequence[Utterance], ids: Sequence[int]) -> int:
        """How many tokens of this prompt every conversation with the same system prompt begins with."""
        if utterances[0].role != "system":
            return 0
        return common(self._head(utterances[0].text), ids)

    def opens_reasoning(self, ids: Sequence[int]) -> bool:
        """Whether the answer to this prompt begins inside the reasoning."""
        return self.reasons and self._tokenizer.decode(ids[-8:]).rstrip().endswith(OPEN)

    def _opening(self, system: str) -> list[int]:
        one, other = (self.ids((Utterance("system", system), Utterance("user", text))) for text in ("a", "1"))
        return one[: common(one, other)]

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

    def _render(self, messages: list[dict[str, str]], tokenize: bool) -> object:
        # Rendered and encoded in one call: encoding a rendered text again would put a second BOS before it.
        try:
            return self._tokenizer.apply_chat_template(
                messages, tokenize=tokenize, add_generation_prompt=True, return_dict=False
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


def _either(words: list[str]) -> re.Pattern[str]:
    # A single character can't be broken in two; (?!) matches nowhere.
    return re.compile("|".join(re.escape(word) for word in words if len(word) > 1) or "(?!)")
