"""Which language to speak to a person: Chinese where they write or read it, else English."""

import re

LANGUAGES = ("en", "zh")

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")


def language_of(text: str, locale: str = "") -> str:
    """The language of a text, "en" or "zh"; where it says nothing (a symbol, a number) the person's locale decides."""
    if _HAN.search(text) and not _KANA_OR_HANGUL.search(text):
        return "zh"
    if any(character.isalpha() for character in text):
        return "en"
    return "zh" if locale.lower().startswith("zh") else "en"
