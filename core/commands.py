"""Orders typed as text: slash commands and stop words, the same at every door."""

import re
from dataclasses import replace
from typing import Any

from core.message import Command, CommandName, Edited, Event, Message

_STOP_WORDS = frozenset({"stop", "stop!", "stop.", "/stop", "停止", "停", "停!", "停止!", "停止。", "停下"})
_TYPED = {name.value: name for name in CommandName}
_YES = frozenset({"yes", "是", "是的", "确认", "確認"})
# A Chinese keyboard writes the wide stroke.
_SLASH = re.compile(r"[/／](?P<name>[a-z]+(?:-[a-z]+)*)(?:\s+(?P<args>.*))?", re.DOTALL | re.IGNORECASE)


def command_of(text: str) -> tuple[CommandName, str] | None:
    """The command a text is and its arguments; None where it is something to answer.

    A stop word counts only as the whole text: "stop the server" is a question.
    """
    line = text.strip()
    if line.casefold().replace("！", "!").replace("／", "/") in _STOP_WORDS:
        return CommandName.STOP, ""
    match = _SLASH.fullmatch(line)
    name = _TYPED.get(match["name"].lower()) if match else None
    return (name, (match["args"] or "").strip()) if match and name else None


def question_in(event: Event) -> Message | None:
    """What an event asks: a message itself, or what stands behind `/code` or `/chat`; None where nothing is asked."""
    if isinstance(event, Message):
        return event
    if not (isinstance(event, Command) and event.name in (CommandName.CODE, CommandName.CHAT) and event.args):
        return None
    return Message(text=event.args, **_envelope(event))


def is_farewell(event: Event) -> bool:
    """Whether somebody wants all that they said forgotten, and has said yes to what that means."""
    if not (isinstance(event, Command) and event.name is CommandName.FORGET):
        return False
    return event.args.strip(" .!。！").casefold() in _YES


def question_of(text: str) -> str:
    """A text without the `/code` or `/chat` before its question."""
    command = command_of(text)
    return command[1] if command and command[0] in (CommandName.CODE, CommandName.CHAT) else text


def as_edited(event: Message | Command, edited: Edited) -> Message | Command:
    """The event as its author has changed it since; one that asks nothing, or is newer than the edit, as it is."""
    if question_in(event) is None or event.sent_at > edited.sent_at or not edited.author.is_same_person(event.author):
        return event
    text = question_of(edited.text)
    return replace(event, text=text) if isinstance(event, Message) else replace(event, args=text)


def understood(message: Message) -> Message | Command:
    """The message, or the command it is."""
    command = command_of(message.text)
    if command is None:
        return message
    name, args = command
    return Command(name=name, args=args, **_envelope(message))


def _envelope(event: Message | Command) -> dict[str, Any]:
    """What the same words have in common as a message and as a command."""
    fields = ("id", "thread", "author", "sent_at", "visibility", "return_address")
    return {name: getattr(event, name) for name in fields}
