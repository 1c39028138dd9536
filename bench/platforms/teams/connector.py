"""The connector's operations on conversations: "Bot Connector REST API reference", as far as Teams has it."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.platforms.teams import checks, streams
from bench.platforms.teams.conversations import CARD, Conversation, Conversations, Message
from bench.platforms.teams.errors import ServiceError, bad, no_activity
from bench.platforms.teams.journal import Payload
from bench.platforms.teams.streams import Rules

Answer = tuple[int, Payload | list[Payload] | None]


@dataclass(slots=True)
class Connector:
    """Does what the bot asks for, and raises ServiceError where it may not. `new_id` gives ids that rise."""

    bot: str
    conversations: Conversations
    rules: Rules
    new_id: Callable[[], str]
    max_bytes: int

    def create(self, args: Payload) -> Answer:
        """A personal chat with one person, or a new thread in a channel ("Send proactive messages")."""
        channel = ((args.get("channelData") or {}).get("channel") or {}).get("id")
        if channel:
            conversation, _ = self._open(str(channel))
            message = self._post(conversation, "", args.get("activity") or {}, "")
            return 201, {"id": f"{conversation.id};messageid={message.id}", "activityId": message.id}
        members = args.get("members") or []
        if len(members) != 1 or args.get("isGroup"):
            raise bad("One member is wanted")
        found = self.conversations.personal(str(members[0].get("id")))
        if found is None or not found.has_bot:
            raise ServiceError(403, "ForbiddenOperationException", "The bot is not installed in user's personal scope")
        told: Payload = {"id": found.id}
        if args.get("activity"):
            told["activityId"] = self._post(found, "", args["activity"], "").id
        return 201, told

    def send(self, address: str, activity: Payload, reply_to: str = "") -> Answer:
        """The thread is the one in the address; `reply_to` alone makes none (botframework-sdk#6626).

        It need not be known either: what the SDK sends on its own accord carries an id that it made up.
        """
        conversation, root = self._open(address)
        if streams.info(activity) is not None:
            return self._stream(conversation, activity)
        match activity.get("type"):
            case "message":
                return self._message(conversation, root, activity, reply_to)
            case "typing":
                return 202, {}
            case _:
                raise bad("Unknown activity type")

    def update(self, address: str, id: str, activity: Payload) -> Answer:
        conversation, _ = self._open(address)
        message = self._own(conversation, id)
        if activity.get("type") != "message":
            raise bad("Unknown activity type")
        if streams.info(activity) is not None:
            raise bad("An update cannot be a part of a stream")
        streams.expire(self.rules, conversation)
        if message.is_streaming and not self.rules.edits_open_streams:
            raise bad("The message is still streamed")
        checks.message(activity, conversation.kind)
        self._measure(activity)
        self._write(message, activity)
        message.edits += 1
        return 200, {"id": id}

    def delete(self, address: str, id: str) -> Answer:
        conversation, _ = self._open(address)
        message = self._own(conversation, id)
        message.is_deleted = True
        if message.stream is not None and message.is_streaming:
            message.stream.state = "completed"
        return 200, None

    def members(self, address: str) -> Answer:
        conversation, _ = self._open(address)
        return 200, [person.member() for person in self.conversations.roster(conversation)]

    def paged_members(self, address: str) -> Answer:
        conversation, _ = self._open(address)
        return 200, {"members": [person.member() for person in self.conversations.roster(conversation)]}

    def member(self, address: str, id: str) -> Answer:
        """By `29:…` or by the object id."""
        conversation, _ = self._open(address)
        for person in self.conversations.roster(conversation):
            if id in (person.id, person.aad):
                return 200, person.member()
        raise ServiceError(404, "MemberNotFoundInConversation", "Member not found in conversation.")

    def _open(self, address: str) -> tuple[Conversation, str]:
        conversation, root = self.conversations.find(address)
        if not conversation.has_bot:
            raise ServiceError(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        if conversation.is_blocked:
            raise ServiceError(403, "ConversationBlockedByUser", "User blocked the conversation with the bot.")
        if root and root not in conversation.messages:
            raise no_activity()
        return conversation, root

    def _own(self, conversation: Conversation, id: str) -> Message:
        message = conversation.get(id)
        if not message.is_bot:
            raise ServiceError(403, "NotEnoughPermissions", "The message is not the bot's.")
        return message

    def _stream(self, conversation: Conversation, activity: Payload) -> Answer:
        status, body = streams.take(self.rules, conversation, activity, lambda: self._new(""))
        entity = streams.info(activity) or {}
        if entity.get("streamType") == "final":
            self._write(conversation.messages[str(entity["streamId"])], activity)
        return status, body

    def _message(self, conversation: Conversation, root: str, activity: Payload, reply_to: str) -> Answer:
        cards = [a for a in activity.get("attachments") or () if isinstance(a, dict) and a.get("contentType") == CARD]
        if activity.get("text") and cards:
            # Teams makes two messages of it, and tells the id of neither.
            checks.message(activity, conversation.kind)
            rest = [attachment for attachment in activity["attachments"] if attachment not in cards]
            self._post(conversation, root, activity | {"attachments": rest}, reply_to)
            self._post(conversation, root, {"type": "message", "attachments": cards}, reply_to)
            return 202, {}
        return 201, {"id": self._post(conversation, root, activity, reply_to).id}

    def _post(self, conversation: Conversation, root: str, activity: Payload, reply_to: str) -> Message:
        checks.message(activity, conversation.kind)
        self._measure(activity)
        message = self._new(root)
        message.reply_to = reply_to
        self._write(message, activity)
        return conversation.add(message)

    def _new(self, root: str) -> Message:
        return Message(self.new_id(), self.bot, root=root, is_bot=True)

    def _measure(self, activity: Payload) -> None:
        if checks.size(activity) > self.max_bytes:
            raise ServiceError(413, "MessageSizeTooBig", "Message size too large.")

    def _write(self, message: Message, activity: Payload) -> None:
        message.show(activity.get("text") or "")
        message.attachments = list(activity.get("attachments") or ())
        message.entities = [entity for entity in activity.get("entities") or () if entity["type"] != "streaminfo"]
        message.channel_data = activity.get("channelData") or {}
        message.suggested = list((activity.get("suggestedActions") or {}).get("actions") or ())
        message.cards.clear()
