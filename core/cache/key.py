"""What an answer is kept under: everything that shaped it, and who may be given it again."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from core.cache.canonical import canonical
from core.cache.words import is_for_everybody
from core.message import Message, Visibility
from core.reading import EMPTY
from core.turn import Tool, Turn

MAX_QUESTION = 1000  # characters; nobody asks more than that twice in the same words
_VERSION = "2"  # of these rules: whatever an earlier release kept under others is not found any more


@dataclass(frozen=True, slots=True)
class Key:
    """The place of a question: `shelf` names all that shapes its answer but the question itself.

    Both are hexadecimal digests. `question` is the canonical form.
    """

    shelf: str
    question: str

    def __str__(self) -> str:
        return _digest(self.shelf, self.question)


def key_of(turn: Turn, version_of: Callable[[str], str]) -> Key | None:
    """Where the answer to this turn may be kept; None where it is this asker's own, or of this moment.

    `version_of` gives the version of the model that answers on a route.
    """
    if not _stands_alone(turn) or len(turn.message.text) > MAX_QUESTION:
        return None
    question = canonical(turn.message.text)
    if not question or not is_for_everybody(question):
        return None
    told, offered = _digest(turn.system), _offered(turn.tools)
    shelf = _digest(*scope(turn.message), version_of(turn.model), told, offered, asdict(turn.params), turn.language)
    return Key(shelf, question)


def _stands_alone(turn: Turn) -> bool:
    """Whether nothing but the question itself is asked: the first of its thread, with nothing to read, not again."""
    is_alone = not (turn.history or turn.message.attachments) and turn.reading == EMPTY
    return is_alone and not turn.skips_cache


def scope(message: Message) -> tuple[str, ...]:
    """Whom an answer may be shown to: its asker, its channel, or its workspace.

    What was said to us alone stays with whoever said it. Guests and people of other houses are not in every channel:
    they share no more than the one they ask in.
    """
    place = message.thread
    if message.visibility is Visibility.DIRECT:
        return "person", message.author.key
    if message.visibility is Visibility.PRIVATE or message.author.is_guest or message.author.is_external:
        return "channel", place.adapter, place.workspace, place.channel
    return "workspace", place.adapter, place.workspace


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps([_VERSION, *values]).encode()).hexdigest()


# There may be hundreds of kilobytes of them, and they are the same ones for as long as the house is open.
_offers: list[tuple[tuple[Tool, ...], str]] = [((), _digest())]


def _offered(tools: tuple[Tool, ...]) -> str:
    known, digest = _offers[0]
    if tools is not known:
        digest = _digest([[tool.name, tool.description, tool.parameters] for tool in tools])
        _offers[0] = tools, digest
    return digest
