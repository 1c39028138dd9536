"""Which plugin a message is for: by its slash command, or by what the whole of it asks."""

import asyncio
import logging
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from core.errors import Malformed
from core.language import language_of
from core.plugin import Permission
from core.plugins.line import TakesNothing, arguments
from core.plugins.registry import Loaded, Registry
from core.plugins.signature import Unfit
from core.plugins.worker import Broken, Hung, Worker

_log = logging.getLogger(__name__)

LONGEST_INTENT = 300  # characters; who writes more wants more than a tool does
SLOW = 0.25  # seconds of this thread's own time, for reading one message
HUNG = 1.0  # seconds until whoever reads a message is given up
_PATIENCE = 3  # times that a plugin may read slowly: the first ones may have had something to load

_SLASH = re.compile(r"[/／](?P<name>[^\s/／]+)(?:\s+(?P<rest>.*))?", re.DOTALL)
# Asks about a thing, and not for it: what a plugin would read in it is only spoken of.
_ABOUT_IT = re.compile(
    r"\W*(?:(?:please|can you|could you|so|and|but|hi|hello)\W+)*"
    r"(?:why\b|explain\b|how (?:do|does|did|can|could|would|should|to)\b)|"
    r"\W*(?:请问?|麻烦|你好|那)?\W*(?:为什么|为何|为啥|解释|如何|怎么(?!样)|怎样)|"
    r".*(?:为什么|为何|为啥|是什么意思|怎么回事)\W*$",
    re.IGNORECASE,
)
# But who asks how the assistant itself is used asks for that. "How do you" is often how anybody does.
_OF_THE_ASSISTANT = re.compile(
    r"(?!.*\bhow (?:do|does|did|can|could|would|should) you (?!(?:help|assist|support|serve|be|make|best)\b))"
    r"(?!.*\bwhy\b)(?!.*为[什何啥])"
    r".*(?:\b(?:you|your|bot|assistant|parley|get started|use this)\b|[你您]|助手|机器人|怎么用parley)",
    re.IGNORECASE,
)
_TEXTS = {
    "misfit": (
        "`/{slash}` cannot take this. {why} What it is for: {about}",
        "`/{slash}` 无法处理这样的输入。{why}用途：{about}",
    ),
    "how": ("{why} Write it like `{example}`.", "{why}请写成 `{example}`。"),
    "nothing": ("Nothing may stand behind this command.", "这个命令后面不能再写内容。"),
    "unfit": ("What stands behind it does not fit.", "命令后面的内容不合要求。"),
    "admins_only": (
        "`/{slash}` is for administrators alone. Please ask one of them.",
        "`/{slash}` 只有管理员可以使用，请联系管理员。",
    ),
}
# How often the reading of each plugin failed or was slow.
_failures: WeakKeyDictionary[Registry, Counter[str]] = WeakKeyDictionary()
_delays: WeakKeyDictionary[Registry, Counter[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Choice:
    """The plugin a message is for; `by` is "slash" or "intent". A `problem` is all there is to say: nothing runs."""

    loaded: Loaded
    arguments: Mapping[str, Any]
    by: str
    problem: str = ""


class Chooser:
    """Chooses in a thread of its own: a plugin that never ends reading a message is switched off, and stops nobody.

    Only code in C that keeps the interpreter's lock, such as a pattern gone wild, holds everything up.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._worker = Worker("choosing")
        self._alone = asyncio.Lock()  # one message at a time: whoever only waits is never the one that hangs
        self._reading = ""

    async def choose(self, text: str, is_admin: bool, language: str) -> Choice | None:
        """As the function `choose`; nothing is chosen for a message over which somebody hangs or ends the program."""

        def chosen() -> Choice | None:
            self._reading = ""
            return choose(text, self._registry, is_admin, language, self._note)

        async with self._alone:
            try:
                return await self._worker.load(chosen, seconds=HUNG)
            except TimeoutError:  # it was not even begun: the thread had no time
                return None
            except Hung:
                self._worker = Worker("choosing")
                self._registry.switch_off(self._reading, "it never ends reading a message", "读取消息时没有结束")
            except Broken:  # such as argparse does with words it does not know
                why = "it ends the program where it reads a message"
                self._registry.switch_off(self._reading, why, "读取消息时试图结束程序")
        return None

    async def close(self) -> None:
        await self._worker.close()

    def _note(self, name: str) -> None:
        self._reading = name


def choose(
    text: str, registry: Registry, is_admin: bool, language: str = "", on_reading: Callable[[str], object] = str
) -> Choice | None:
    """The plugin that a message is for; None where it is for the model.

    A slash command is the whole message; an unknown one is no plugin's, whatever follows. An intent is a single line of
    up to 300 characters that a plugin's form or `reads` finds its arguments in, all of which check out. Where several
    plugins do, it is the one whose form fixes the most characters (`reads` fixes none), then the first in order.
    `language` is for the problem, else the text tells it; `on_reading` hears whose code reads and checks next.
    """
    line = text.strip()
    if line.startswith(("/", "／")):
        return _by_slash(line, registry, is_admin, language or language_of(line), on_reading)
    if not line or len(line) > LONGEST_INTENT or len(line.splitlines()) > 1:
        return None
    claims = list(_claims(line, registry, is_admin, on_reading))
    return max(claims, key=lambda claim: claim[0])[1] if claims else None  # the first of those that weigh the same


def _by_slash(
    line: str, registry: Registry, is_admin: bool, language: str, on_reading: Callable[[str], object]
) -> Choice | None:
    match = _SLASH.fullmatch(line)
    slash = unicodedata.normalize("NFKC", match["name"]).lower() if match else ""
    loaded = registry.by_slash(slash) if slash else None
    if match is None or loaded is None:
        return None
    if not _may(loaded, is_admin):
        return Choice(loaded, {}, "slash", _say("admins_only", language, slash=slash))
    on_reading(loaded.plugin.name)
    try:
        given = arguments(match["rest"] or "", loaded.signature)
        loaded.signature.checked(given)
    except Malformed as error:
        return Choice(loaded, {}, "slash", _misfit(slash, loaded, error, language))
    return Choice(loaded, given, "slash")


def _misfit(slash: str, loaded: Loaded, error: Malformed, language: str) -> str:
    about = loaded.plugin.about.get(language) or loaded.plugin.description.partition("\n")[0]
    why, example = _why(error, language), _example(slash, loaded.signature.parameters)
    why = _say("how", language, why=why, example=example) if example else why
    return _say("misfit", language, slash=slash, why=why, about=about)


def _example(slash: str, schema: Mapping[str, Any]) -> str:
    """How several parameters are given, those in brackets that may be left out; "" where there is one at most."""
    names, needed = list(schema.get("properties") or ()), schema.get("required", ())
    pairs = " ".join(f"{name}=…" if name in needed else f"[{name}=…]" for name in names)
    return f"/{slash} {pairs}" if len(names) > 1 else ""


def _why(error: Malformed, language: str) -> str:
    if isinstance(error, Unfit):
        return error.said(language)
    return _say("nothing" if isinstance(error, TakesNothing) else "unfit", language)


def _claims(
    line: str, registry: Registry, is_admin: bool, on_reading: Callable[[str], object]
) -> Iterator[tuple[int, Choice]]:
    """Every plugin that the line is for, with how many characters its form fixes."""
    is_about_it = bool(_ABOUT_IT.match(line)) and not _OF_THE_ASSISTANT.match(line)
    for loaded in registry.plugins:
        if not _may(loaded, is_admin):
            continue
        on_reading(loaded.plugin.name)
        for form in loaded.forms:
            found = form.match(line)
            if found is not None and _checks_out(loaded, found):
                yield form.weight, Choice(loaded, found, "intent")
        read = None if is_about_it else _read(line, loaded, registry)
        if read is not None and _checks_out(loaded, read):
            yield 0, Choice(loaded, read, "intent")


def _may(loaded: Loaded, is_admin: bool) -> bool:
    return is_admin or loaded.plugin.permission is Permission.EVERYBODY


def _checks_out(loaded: Loaded, found: Mapping[str, Any]) -> bool:
    try:
        loaded.signature.checked(found)
    except Malformed:
        return False
    return True


def _read(line: str, loaded: Loaded, registry: Registry) -> Mapping[str, Any] | None:
    """What a plugin reads in the line. One whose reading fails reads nothing; one that is slow is not asked again."""
    reads, name = loaded.plugin.reads, loaded.plugin.name
    delays = _delays.setdefault(registry, Counter())
    if reads is None or delays[name] >= _PATIENCE:
        return None
    start = time.thread_time()
    try:
        found = reads(line)
        return found if found is None else dict(found)
    except Exception as error:
        _note_failure(name, registry, error)
        return None
    finally:
        if time.thread_time() - start > SLOW:
            _note_delay(name, delays)


def _note_failure(name: str, registry: Registry, error: Exception) -> None:
    failures = _failures.setdefault(registry, Counter())
    failures[name] += 1
    if failures[name] == 1:  # its message may quote what a person wrote
        _log.warning("The plugin %s fails to read messages (%s): so it is not chosen", name, type(error).__name__)


def _note_delay(name: str, delays: Counter[str]) -> None:
    delays[name] += 1
    if delays[name] == _PATIENCE:
        _log.warning("The plugin %s reads messages too slowly: from now on only by its forms or its command", name)


def _say(key: str, language: str, **values: object) -> str:
    return _TEXTS[key][language == "zh"].format(**values)
