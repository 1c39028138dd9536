"""What was said in a thread before we were asked into it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from adapters.slack.client import Client
from adapters.slack.installations import Bot
from adapters.slack.people import People
from adapters.slack.words import clean, decoded
from core.errors import ChannelError
from core.message import Message
from core.turn import Utterance

_PATIENCE = 2.0  # seconds: an answer without the thread is better than one that waits for Slack's limit to pass
_PAGES = 10  # of 200 messages: of a longer thread the end is left out


async def earlier(client: Client, people: People, bot: Bot, message: Message, limit: int) -> tuple[Utterance, ...]:
    """The newest `limit` messages of the thread before this one, oldest first, with their authors' names.

    conversations.replies gives the oldest first (docs.slack.dev), so all pages are read. Raises ChannelError.
    """
    thread, asked_at = message.thread, str(message.return_address.get("ts") or "")
    if not asked_at or asked_at == thread.thread or thread.thread.startswith("/"):
        return ()
    found: list[Mapping[str, Any]] = []
    cursor = ""
    for _ in range(_PAGES):
        page = await client.call(
            "conversations_replies",
            patience=_PATIENCE,
            channel=thread.channel,
            ts=thread.thread,
            latest=asked_at,
            limit=200,
            cursor=cursor or None,
        )
        read_to = str(found[-1]["ts"]) if found else ""  # a page may begin with the root once more
        said = [each for each in page.get("messages", ()) if read_to < str(each.get("ts", "")) < asked_at]
        found = [*found, *(each for each in said if each.get("text"))][-limit:]
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            break
    saying = (_utterance(each, people, thread.workspace, bot) for each in found)
    return tuple(await asyncio.gather(*saying))


async def _utterance(said: Mapping[str, Any], people: People, workspace: str, bot: Bot) -> Utterance:
    user, text = str(said.get("user") or ""), decoded(clean(str(said["text"])), bot.user_id)
    if user == bot.user_id:
        return Utterance("assistant", text)
    return Utterance("user", text, await _name(said, people, workspace, bot, user))


async def _name(said: Mapping[str, Any], people: People, workspace: str, bot: Bot, user: str) -> str:
    """Of a person, or of a bot; "" where Slack does not say: what was said is worth reading all the same."""
    if not user:
        profile = said.get("bot_profile") or {}
        return str(profile.get("name") or said.get("username") or "")
    try:
        return (await people.person(workspace, user, bot.enterprise)).name
    except ChannelError:
        return ""
