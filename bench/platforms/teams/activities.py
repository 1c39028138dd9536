"""What Teams sends to a bot, as it stands on the wire.

After learn.microsoft.com, "Channel and group chat conversations with a bot", "Conversation events in your Teams bot"
and "Bot messages with AI-generated content", and after payloads that others have shown.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.platforms.teams.conversations import Conversation, Message, Person
from bench.platforms.teams.journal import Payload

_MENTION = re.compile(r"<at>(.*?)</at>")


@dataclass(frozen=True, slots=True)
class Bot:
    app_id: str
    name: str = "Parley"

    @property
    def id(self) -> str:
        return f"28:{self.app_id}"

    @property
    def mention(self) -> str:
        """How the bot is called in a text."""
        return f"<at>{self.name}</at>"

    def account(self) -> Payload:
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is the same in every activity of one person in one conversation."""

    bot: Bot
    service_url: str
    conversation: Conversation
    person: Person

    def activity(self, kind: str, id: str, root: str = "", **more: Any) -> Payload:
        """`root` is the thread that it is about, in a channel."""
        now = datetime.now(UTC)
        told: Payload = {
            "type": kind,
            "id": id,
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "serviceUrl": self.service_url,
            "channelId": "msteams",
            "from": self.person.account(),
            "conversation": self._conversation(root),
            "recipient": self.bot.account(),
            "channelData": self._channel_data(),
        }
        return told | more

    def message(self, id: str, text: str, root: str = "", **more: Any) -> Payload:
        """A message that was typed, with people in it as `<at>name</at>`; the attachment repeats it as HTML."""
        now = datetime.now(UTC)
        told = {
            "text": text,
            "textFormat": "plain",
            "attachments": [{"contentType": "text/html", "content": _as_html(text)}],
            "entities": [*self._mentions(text), self._client()],
            "locale": self.person.locale,
            "localTimestamp": now.isoformat(timespec="milliseconds"),
            "localTimezone": "Europe/Berlin",
        }
        return self.activity("message", id, root, **told | more)

    def edited(self, message: Message, event: str) -> Payload:
        """`event` is editMessage or undeleteMessage ("Update and delete messages sent from your bot")."""
        told = self.message(message.id, message.text, message.thread)
        return told | {"type": "messageUpdate", "channelData": told["channelData"] | {"eventType": event}}

    def deleted(self, message: Message) -> Payload:
        told = self.activity("messageDelete", message.id, message.thread)
        return told | {"channelData": told["channelData"] | {"eventType": "softDeleteMessage"}}

    def reaction(self, id: str, message: Message, kinds: Sequence[str], *, is_removed: bool) -> Payload:
        name = "reactionsRemoved" if is_removed else "reactionsAdded"
        more = {name: [{"type": kind} for kind in kinds], "replyToId": message.id}
        return self.activity("messageReaction", id, message.thread, **more)

    def invoke(self, id: str, name: str, value: Any, root: str = "", reply_to: str = "") -> Payload:
        more = {"name": name, "value": value, "locale": self.person.locale, "entities": [self._client()]}
        return self.activity("invoke", id, root, **more | ({"replyToId": reply_to} if reply_to else {}))

    def feedback(self, id: str, reaction: str, text: str, root: str, reply_to: str) -> Payload:
        """The text of it is JSON in a string."""
        said = json.dumps({"feedbackText": text}, ensure_ascii=False)
        value = {"actionName": "feedback", "actionValue": {"reaction": reaction, "feedback": said}}
        return self.invoke(id, "message/submitAction", value, root, reply_to)

    def execute(self, id: str, action: Mapping[str, Any], data: Payload, message: Message) -> Payload:
        """An Action.Execute was pressed ("Universal Actions for Adaptive Cards")."""
        told = {key: action[key] for key in ("type", "id", "title", "verb") if key in action} | {"data": data}
        return self.invoke(id, "adaptiveCard/action", {"action": told, "trigger": "manual"}, message.thread, message.id)

    def submit(self, id: str, data: Payload, message: Message) -> Payload:
        """An Action.Submit was pressed: a message without a text."""
        more = {"value": data, "replyToId": message.id, "locale": self.person.locale, "entities": [self._client()]}
        return self.activity("message", id, message.thread, **more)

    def installation(self, id: str, action: str) -> Payload:
        """`action` is add or remove."""
        return self.activity(
            "installationUpdate", id, action=action, locale=self.person.locale, entities=[self._client()]
        )

    def members(self, id: str, accounts: Sequence[Payload], *, is_removed: bool = False) -> Payload:
        name, event = ("membersRemoved", "teamMemberRemoved") if is_removed else ("membersAdded", "teamMemberAdded")
        told = self.activity("conversationUpdate", id) | {name: list(accounts)}
        if self.conversation.kind == "channel":
            told["channelData"] = told["channelData"] | {"eventType": event}
        return told

    def _conversation(self, root: str) -> Payload:
        place = self.conversation
        told: Payload = {"conversationType": place.kind, "tenantId": place.tenant, "id": place.id}
        if place.kind == "channel" and root:
            told["id"] = f"{place.id};messageid={root}"
        return told if place.kind == "personal" else told | {"isGroup": True}

    def _channel_data(self) -> Payload:
        place = self.conversation
        told: Payload = {"tenant": {"id": place.tenant}}
        if place.kind != "channel":
            return told
        told |= {"teamsChannelId": place.id, "teamsTeamId": place.team}
        return told | {"channel": {"id": place.id}, "team": {"id": place.team}}

    def _mentions(self, text: str) -> list[Payload]:
        """One entity for each time that the bot is named."""
        mentioned = self.bot.account()
        return [{"type": "mention", "mentioned": mentioned, "text": self.bot.mention}] * text.count(self.bot.mention)

    def _client(self) -> Payload:
        country = self.person.locale.partition("-")[2]
        told = {"locale": self.person.locale, "country": country, "platform": "Web", "timezone": "Europe/Berlin"}
        return {"type": "clientInfo"} | told


def _as_html(text: str) -> str:
    marked, count = [], 0
    for index, part in enumerate(_MENTION.split(text)):
        if index % 2:
            kind = "http://schema.org/Mention"
            marked.append(f'<span itemscope="" itemtype="{kind}" itemid="{count}">{html.escape(part)}</span>')
            count += 1
        else:
            marked.append(html.escape(part, quote=False).replace("\n", "<br>"))
    return f"<div><div>{''.join(marked)}</div></div>"
