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
from core.ports import Forgotten, Vote
from core.store import Keys, PostgresStore
from core.store.schema import upgrade


@asynccontextmanager
async def opened_store(config: Config, progress: Progress, keys: Keys | None = None) -> AsyncIterator[PostgresStore]:
    """The house's store beside whatever else runs on it. Raises Misconfigured where it cannot be opened."""
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
    """What they said, were told and voted, as it goes into JSON: times in ISO 8601, texts in Markdown."""
    theirs: dict[str, Any] = {"messages": [], "answers": [], "ratings": []}
    async with opened_store(config, progress) as store:
        await store.audit.record("export", by=operator(), person=whom)
        async for item in store.people.everything(whom):
            match item:
                case Message():
                    theirs["messages"].append(_said(item))
                case Reply():
                    theirs["answers"].append(_told(item))
                case Vote():
                    theirs["ratings"].append(_rated(item))
    return {"person": whom.key, "exported_at": datetime.now(UTC).isoformat(), **theirs}


def _said(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "thread": str(message.thread),
        "sent_at": message.sent_at.isoformat(),
        "name": message.author.name,
        "visibility": message.visibility.value,
        "text": message.text,
        "attachments": [attachment.name for attachment in message.attachments],
    }


def _told(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.id,
        "in_reply_to": reply.in_reply_to,
        "thread": str(reply.thread),
        "text": reply.text,
        "source": reply.source.value,
        "model": reply.model,
        "verdict": reply.verdict.value,
    }


def _rated(vote: Vote) -> dict[str, Any]:
    return {"answer": vote.reply_id, "score": vote.score, "reason": vote.reason, "comment": vote.comment}
