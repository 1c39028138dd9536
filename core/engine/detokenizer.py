"""Token ids as text, as soon as it is whole: never half a character."""

from collections.abc import Mapping

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class Detokenizer:
    """Decodes the tokens of one answer, one by one. Special tokens are left out; those in `shown` are that text."""

    def __init__(self, tokenizer: Tokenizer, shown: Mapping[int, str] | None = None) -> None:
        self._tokenizer, self._shown = tokenizer, shown or {}
        self._stream = DecodeStream(skip_special_tokens=True)

    def __call__(self, token: int) -> str | None:
        """The text that became whole with this token, or None."""
        if token in self._shown:
            return self._shown[token]
        try:
            return self._stream.step(self._tokenizer, token)
        except Exception:
            # Some sequences of tokens decode to another text than their beginning did; the library's stream then
            # refuses to go on. A new one loses nothing but the joint.
            self._stream = DecodeStream(skip_special_tokens=True)
            return self._stream.step(self._tokenizer, token)
