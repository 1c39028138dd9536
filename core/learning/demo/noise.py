"""How people really type: capitals, marks, polite words, slips of the finger."""

import random
import re

from core.learning.demo.corpus import Language, Voice

NAMES = {
    "parley": "Parley",
    "slack": "Slack",
    "teams": "Teams",
    "microsoft": "Microsoft",
    "wecom": "WeCom",
    "deepseek": "DeepSeek",
    "chatgpt": "ChatGPT",
    "openai": "OpenAI",
    "python": "Python",
    "english": "English",
    "chinese": "Chinese",
    "german": "German",
    "french": "French",
    "gpu": "GPU",
    "api": "API",
    "i": "I",
    "i'm": "I'm",
    "i'd": "I'd",
    "postgresql": "PostgreSQL",
    "telegram": "Telegram",
    "vllm": "vLLM",
}
_NAME = re.compile(r"(?<![\w/.-])(" + "|".join(map(re.escape, NAMES)) + r")(?![\w-])")
_BORDER = re.compile(r"(?<=[一-鿿]) (?=[a-zA-Z0-9/])|(?<=[a-zA-Z0-9]) (?=[一-鿿])")
_MARKS: dict[Language, tuple[str, ...]] = {
    "en": ("", "", "", "?", "?", "?", ".", "!", "??", " ?", "...", "?!"),
    "zh": ("", "", "", "？", "？", "？", "?", "。", "！", "～", "？？", "…", "!"),
}
_KEYS = "abcdefghijklmnopqrstuvwxyz"


def typed(phrase: str, lang: Language, voice: Voice, rng: random.Random, *, polite: bool = True) -> str:
    """A phrase as a person may type it; `polite` allows words before and after it."""
    if polite and rng.random() < 0.25:
        phrase = _beside(rng.choice(voice.words["before"]), phrase, lang)
    if polite and rng.random() < 0.2:
        phrase = _beside(rng.choice(voice.words["context"]), phrase, lang)
    if polite and rng.random() < 0.15:
        phrase = _beside(phrase, rng.choice(voice.words["after"]), lang)
    if rng.random() < 0.15:
        phrase = hurried(phrase, lang, voice, rng)
    if rng.random() < 0.12:
        phrase = slip(phrase, lang, rng)
    if rng.random() < 0.5:
        phrase = _BORDER.sub("", phrase)
    return cased(phrase, rng) + rng.choice(_MARKS[lang])


def _beside(left: str, right: str, lang: Language) -> str:
    if lang == "en":
        return f"{left}{'' if right[0] in ',?!.' else ' '}{right}"
    return f"{left}{right}"


def hurried(phrase: str, lang: Language, voice: Voice, rng: random.Random) -> str:
    """Some of the small words left out; the question stays the same without them."""
    words = phrase.split(" ") if lang == "en" else list(phrase)
    if len(words) < 4:
        return phrase
    kept = [word for word in words if word not in voice.words["small"] or rng.random() < 0.5]
    return (" " if lang == "en" else "").join(kept) or phrase


def cased(text: str, rng: random.Random) -> str:
    """As typed in a hurry, as in a book, or shouted."""
    style = rng.random()
    if style < 0.3:
        return text
    if style < 0.33:
        return text.upper()
    if style < 0.37:
        return text.title()
    text = _NAME.sub(lambda match: NAMES[match[1]], text)
    return text[:1].upper() + text[1:] if style < 0.85 else text


def slip(text: str, lang: Language, rng: random.Random) -> str:
    """One slip of the finger: a character lost, doubled, exchanged with its neighbour, or (in English) mistyped."""
    if len(text) < (8 if lang == "en" else 5):
        return text
    at = rng.randrange(1, len(text) - 1)
    kinds = ["lost", "doubled", "exchanged"] + (["mistyped"] if lang == "en" else [])
    match rng.choice(kinds):
        case "lost":
            return text[:at] + text[at + 1 :]
        case "doubled":
            return text[:at] + text[at] + text[at:]
        case "exchanged":
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case _:
            return text[:at] + rng.choice(_KEYS) + text[at + 1 :]
