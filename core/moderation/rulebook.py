"""The rules as they stand in their files: compiled once, and again when a file has changed."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from core.errors import Malformed, Misconfigured
from core.moderation.patterns import Pattern, pattern_of
from core.moderation.personal import RECOGNISERS, personal
from core.moderation.readings import GUESSES, as_letters, by_sound, is_fair_guess, is_guessable, plainly, sounded
from core.moderation.rules import Action, Rule, Rules
from core.moderation.views import View, Word, word_of

log = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0  # seconds
_FIELDS = frozenset({"category", "names", "severity", "action", "words", "files", "patterns", "sound", "exceptions"})
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class _Lists:
    """What the sections of all files come to."""

    words: list[Word[Rule]] = field(default_factory=list)
    sounds: list[Word[Rule]] = field(default_factory=list)
    patterns: list[Pattern[Rule]] = field(default_factory=list)


def compiled(texts: Mapping[str, str], actions: Mapping[str, Action], files: Mapping[str, str] | None = None) -> Rules:
    """The rules of these files, by name, with what is to be done about personal data.

    `files` are the plain lists that they name, one word a line. Raises Misconfigured: which file, what, what to do.
    """
    lists = _Lists(patterns=personal(actions))
    for name, text in texts.items():
        try:
            for section in _sections(text):
                _read(lists, name, section, files or {})
        except (Malformed, yaml.YAMLError) as error:
            raise Misconfigured(f"{name}: {_said(error)}") from None
    views = [
        View(lists.words, plainly),
        View([word for word in lists.words if is_guessable(word)], as_letters, accepts=is_fair_guess, guesses=GUESSES),
        *([View(lists.sounds, by_sound)] if lists.sounds else []),
    ]
    digest = sha256(repr((sorted(texts.items()), sorted(actions.items()), sorted((files or {}).items()))).encode())
    count = len(lists.words) + len(lists.sounds) + len(lists.patterns)
    return Rules([view for view in views if view.longest], lists.patterns, digest.hexdigest()[:12], count=count)


def _said(error: Exception) -> str:
    if isinstance(error, Malformed):
        return error.detail
    mark = getattr(error, "problem_mark", None)
    return f"no YAML, see line {mark.line + 1}" if mark else "no YAML"


def _sections(text: str) -> Iterator[Mapping[str, Any]]:
    content = yaml.safe_load(text) or []
    for section in content if isinstance(content, list) else [content]:
        if not isinstance(section, dict):
            raise Malformed("a section has the fields " + ", ".join(sorted(_FIELDS)))
        if unknown := set(section) - _FIELDS:
            raise Malformed(f"unknown field {min(map(str, unknown))}; there are " + ", ".join(sorted(_FIELDS)))
        yield section


def _read(lists: _Lists, file: str, section: Mapping[str, Any], files: Mapping[str, str]) -> None:
    rule = _rule(file, section)
    words = [
        *_strings(section, "words"),
        *(word for name in _strings(section, "files") for word in _listed(name, files)),
    ]
    lists.words += _words(words, rule)
    lists.words += _words(_strings(section, "exceptions"), replace(rule, is_exception=True))
    lists.sounds += [sounded(word) for word in _words(_strings(section, "sound"), rule)]
    lists.patterns += [_pattern(item, rule) for item in _items(section, "patterns")]


def _rule(file: str, section: Mapping[str, Any]) -> Rule:
    category, names, severity = section.get("category"), section.get("names", {}), section.get("severity", 3)
    if not (isinstance(category, str) and category.replace("_", "a").isalnum() and category.isascii()):
        raise Malformed("each section has a category, of letters, digits and _")
    if not (isinstance(names, dict) and all(isinstance(name, str) for name in names.values())):
        raise Malformed(f"names of {category}: a name for each language, such as {{en: gambling, zh: 赌博}}")
    if not (isinstance(severity, int) and 1 <= severity <= 5):
        raise Malformed(f"severity of {category}: 1 to 5")
    try:
        action = Action(section.get("action", Action.REFUSE))
    except ValueError:
        raise Malformed(f"action of {category}: " + ", ".join(Action)) from None
    return Rule(f"{file}/{category}", category, action, severity, names)


def _words(texts: Iterable[str], rule: Rule) -> Iterator[Word[Rule]]:
    for text in texts:
        word = word_of(text, replace(rule, name=f"{rule.name}: {text}"))
        if word is None:
            raise Malformed(f"{rule.category}: “{text}” has no letter and no digit in it")
        yield word


def _pattern(item: object, rule: Rule) -> Pattern[Rule]:
    if not (isinstance(item, dict) and isinstance(item.get("regex"), str) and isinstance(item.get("width"), int)):
        raise Malformed(f"patterns of {rule.category}: each has a regex and the width it can match at most")
    source = item["regex"]
    try:
        return pattern_of(source, replace(rule, name=f"{rule.name}: {source}"), item["width"])
    except Malformed as error:
        raise Malformed(f"{rule.category}: the regex {source}: {error.detail}") from None


def _items(section: Mapping[str, Any], name: str) -> list[Any]:
    items = section.get(name) or []
    if not isinstance(items, list):
        raise Malformed(f"{name} is a list")
    return items


def _strings(section: Mapping[str, Any], name: str) -> list[str]:
    items = _items(section, name)
    if wrong := next((item for item in items if not isinstance(item, str)), None):
        raise Malformed(f"{name}: put {wrong} in quotes")
    return items


def _listed(name: str, files: Mapping[str, str]) -> list[str]:
    if name not in files:
        raise Malformed(f"there is no file {name} beside it")
    return [line for line in map(str.strip, files[name].splitlines()) if line and not line.startswith("#")]


class Rulebook:
    """The rules of some folders: every .yaml in them, and the .txt lists these name. A later folder adds to an earlier.

    A file that is wrong when it changes leaves the rules as they were; `on_problem` is told, and the log.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        actions: Mapping[str, Action],
        *,
        on_problem: Callable[[str], None] = lambda kind: None,
    ) -> None:
        if unknown := set(actions) - set(RECOGNISERS):
            raise Misconfigured(f"there is no recogniser {min(unknown)}")
        self._folders = folders
        self._actions = actions
        self._on_problem = on_problem
        self._stamp: Stamp = ()
        self._looked = 0.0
        self.rules = Rules()

    def load(self) -> None:
        """Raises Misconfigured."""
        stamp = self._look()
        self.rules, self._stamp = self._compile(), stamp
        self._looked = monotonic()

    async def current(self) -> Rules:
        """The rules as the files say now, or said two seconds ago."""
        if monotonic() - self._looked >= _LOOK_AGAIN:
            self._looked = monotonic()
            await self._refresh()
        return self.rules

    async def _refresh(self) -> None:
        try:
            stamp = await asyncio.to_thread(self._look)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.rules = await asyncio.to_thread(self._compile)
        except Misconfigured as error:
            log.error("the moderation rules stay as they were: %s", error)
            self._on_problem("rules")
        else:
            log.info("%d moderation rules, version %s", self.rules.count, self.rules.version)

    def _files(self) -> list[Path]:
        for folder in self._folders:
            if not folder.is_dir():
                raise Misconfigured(f"there is no folder {folder} with moderation rules")
        return [
            path for folder in self._folders for path in sorted(folder.iterdir()) if path.suffix in (".yaml", ".txt")
        ]

    def _look(self) -> Stamp:
        try:
            return tuple((str(path), (stat := path.stat()).st_mtime_ns, stat.st_size) for path in self._files())
        except OSError as error:
            raise Misconfigured(f"moderation rules can't be read: {type(error).__name__}") from None

    def _compile(self) -> Rules:
        texts: dict[str, str] = {}
        for path in self._files():
            try:
                texts[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Misconfigured(f"{path}: it can't be read: {type(error).__name__}") from None
        lists = {name.rpartition("/")[2]: text for name, text in texts.items() if name.endswith(".txt")}
        rules = compiled({k: v for k, v in texts.items() if k.endswith(".yaml")}, self._actions, lists)
        return replace(rules, on_slow=self._on_slow)

    def _on_slow(self, rule: Rule) -> None:
        log.error("a moderation pattern took too long and is looked for no more: %s", rule.name)
        self._on_problem("slow_pattern")
