"""What an operator does with a person as a whole: forgets them, or hands them what is theirs."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pwd import getpwuid
from typing import Any

from bot.app import Progress, database_url, load_keys
from bot.config import Config
from bot.texts import say
from core.errors import Malformed, Misconfigured, NotStored, Unreadable
from core.message import Author, Message, Reply
from core.ports import Appeal, Awaited, Consumer, Forgotten, Kept, LeftOut, Read, Thought, TurnFacts, Vote
from core.reading import Reading
from core.store import Keys, PostgresStore
from core.store.embedded import is_there
from core.store.schema import upgrade


def must_exist(config: Config) -> None:
    """A command without the service's environment is to fail, and not to find an empty house of its own making.

    Raises Misconfigured.
    """
    if config.secrets.database_url is None and not is_there(config.data_dir / "pg"):
        raise Misconfigured(say("house_nowhere", folder=config.data_dir))
    must_have_keys(config)


def must_have_keys(config: Config) -> None:
    """Raises Misconfigured where one would have to be made."""
    if not config.secrets.keys and not os.path.exists(config.data_dir / "keys"):
        raise Misconfigured(say("house_no_keys"))


@asynccontextmanager
async def opened_store(config: Config, progress: Progress, keys: Keys | None = None) -> AsyncIterator[PostgresStore]:
    """The house's store beside whatever else runs on it. Raises Misconfigured where there is none, or it can't be."""
    must_exist(config)
    async with AsyncExitStack() as stack:
        try:
            url = await database_url(config, progress, stack)
            await upgrade(url)
            store = PostgresStore(url, keys or load_keys(config))
            await store.start()
        except NotStored as error:
            raise Misconfigured(say("store_away", problem=error.detail or type(error).__name__)) from None
        except Unreadable as error:
            problem = f" ({error.detail})" if error.detail else ""
            raise Misconfigured(say("store_other_key", problem=problem)) from None
        stack.push_async_callback(store.stop)
        yield store


def person(key: str) -> Author:
    """Whom the operator names, as ADAPTER:WORKSPACE:ID. Raises Misconfigured."""
    try:
        author = Author.parse(key)
    except Malformed:
        raise Misconfigured(say("person_malformed", key=key)) from None
    if not (author.adapter and author.workspace and author.id):
        raise Misconfigured(say("person_malformed", key=key))
    return author


def operator() -> str:
    """Who works at the command line, as the system knows them: what the audit log says."""
    try:
        return f"operator {getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container's user need not have a name
        return f"operator {os.getuid()}"


async def forget(config: Config, progress: Progress, whom: Author) -> Forgotten:
    async with opened_store(config, progress) as store:
        return await store.people.forget(whom, by=operator())


async def export(config: Config, progress: Progress, whom: Author) -> dict[str, Any]:
    """All that is kept of them, as it goes into JSON: times in ISO 8601, texts in Markdown.

    Not in it is what is another's: what others had said in a thread, and what operators noted for each other.
    """
    theirs: dict[str, Any] = {"messages": [], "answers": [], "ratings": [], "moderation": [], "calls": []}
    left_out = 0
    async with opened_store(config, progress) as store:
        await store.audit.record("export", by=operator(), person=whom)
        today = await store.quotas.of(whom)
        async for item in store.people.everything(whom):
            match item:
                case Message():
                    theirs["messages"].append(_said(item))
                case Read():
                    theirs["messages"][-1]["files"] = _files(item.reading)
                case Reply():
                    theirs["answers"].append(_told(item))
                case TurnFacts():
                    theirs["answers"][-1] |= _timed(item)
                case Thought():
                    theirs["answers"][-1]["thoughts"] = item.words
                case Vote():
                    theirs["ratings"].append(_rated(item))
                case Kept():
                    theirs["moderation"].append(_found(item))
                case Awaited():
                    theirs["calls"].append(_awaited(item))
                case LeftOut():
                    left_out = item.count
    named = {"person": whom.key, "exported_at": datetime.now(UTC).isoformat()}
    return {**named, **theirs, "limits": _used(today), "left_out": left_out}


def _said(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "thread": str(message.thread),
        "sent_at": message.sent_at.isoformat(),
        "name": message.author.name,
        "visibility": message.visibility.value,
        "text": message.text,
        "attachments": [attachment.name for attachment in message.attachments],
        "files": [],
    }


def _files(reading: Reading) -> list[dict[str, str]]:
    """What was read of the attachments."""
    return [{"name": file.name, "text": file.text} for file in reading.files]


def _told(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.id,
        "in_reply_to": reply.in_reply_to,
        "thread": str(reply.thread),
        "text": reply.text,
        "source": reply.source.value,
        "model": reply.model,
        "verdict": reply.verdict.value,
        "thoughts": "",
        "asked_at": None,
        "answered_at": None,
        "state": "",
    }


def _timed(turn: TurnFacts) -> dict[str, Any]:
    return {"asked_at": _moment(turn.received_at), "answered_at": _moment(turn.finished_at), "state": turn.state.value}


def _rated(vote: Vote) -> dict[str, Any]:
    return {
        "answer": vote.reply_id,
        "at": _moment(vote.at),
        "score": vote.score,
        "reason": vote.reason,
        "comment": vote.comment,
    }


def _found(kept: Kept) -> dict[str, Any]:
    """Of what was found in a question the words, which are theirs; an answer that was held back stays so."""
    incident = kept.incident
    return {
        "answer": kept.reply_id,
        "at": _moment(kept.at),
        "where": incident.where,
        "category": incident.category,
        "action": incident.action,
        "severity": incident.severity,
        "excerpt": incident.excerpt if incident.where == "question" else "",
        "appeal": _appealed(kept.appeal) if kept.appeal else None,
    }


def _appealed(appeal: Appeal) -> dict[str, Any]:
    """Whether they were found to be right, without the name and the note, which are an operator's."""
    ruling = appeal.ruling
    return {
        "at": _moment(appeal.at),
        "comment": appeal.comment,
        "ruling": {"at": _moment(ruling.at), "is_right": ruling.is_right} if ruling else None,
    }


def _awaited(asked: Awaited) -> dict[str, Any]:
    return {
        "answer": asked.reply_id,
        "plugin": asked.call.plugin,
        "arguments": dict(asked.call.arguments),
        "waits_until": _moment(asked.until),
        "was_confirmed": asked.is_taken,
    }


def _used(today: Consumer) -> dict[str, Any]:
    return {
        "questions_today": today.used.messages,
        "tokens_today": today.used.tokens,
        "lifted_until": _moment(today.lifted_until),
    }


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
