"""What people do in Teams, and what the bot hears of it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.platforms.teams.activities import Bot, Envelope
from bench.platforms.teams.conversations import Conversation, Conversations, Message
from bench.platforms.teams.courier import Courier
from bench.platforms.teams.journal import Delivery, Payload


class People:
    """Each of these returns once the bot has answered what it heard, or Teams has given up telling it.

    `chat` is a conversation's id without `;messageid=`, `user` a person's, `id` a message's.
    """

    def __init__(self, bot: Bot, conversations: Conversations, courier: Courier) -> None:
        self.bot = bot
        self.conversations = conversations
        self.courier = courier
        self.service_url = ""
        self._last_id = 0

    async def say(
        self,
        chat: str,
        user: str,
        text: str,
        *,
        thread: str = "",
        wait: bool = True,
        is_heard: bool | None = None,
        **more: Any,
    ) -> str:
        """Writes a message and returns its id. In a channel `thread` is the root that it answers, "" for a new one.

        `text` is what was typed, with the bot as `bot.mention`. The bot hears of it in a personal chat, where it is
        named and where the conversation `hears_all`; `is_heard` decides otherwise. `more` are fields of the activity,
        other ones or in the place of the usual ones. With `wait` False it is still on its way.
        """
        place = self._place(chat)
        if thread and thread not in place.messages:
            raise LookupError(f"no message {thread} in {chat}")
        message = place.add(Message(self.new_id(), user, text, thread))
        hears = place.kind == "personal" or place.hears_all or self.bot.mention in text
        if not (hears if is_heard is None else is_heard):
            return message.id
        told = self.courier.send(self.envelope(chat, user).message(message.id, text, message.thread, **more))
        if wait:
            await told
        else:
            self.courier.in_background(told)
        return message.id

    async def edit(self, chat: str, id: str, text: str) -> Delivery:
        """Its author changes a message."""
        message = self._place(chat).messages[id]
        message.edits += 1
        message.show(text)
        return await self._of_author(chat, message, lambda envelope: envelope.edited(message, "editMessage"))

    async def delete(self, chat: str, id: str) -> Delivery:
        """Its author deletes a message."""
        message = self._place(chat).messages[id]
        message.is_deleted = True
        return await self._of_author(chat, message, lambda envelope: envelope.deleted(message))

    async def undelete(self, chat: str, id: str) -> Delivery:
        message = self._place(chat).messages[id]
        message.is_deleted = False
        return await self._of_author(chat, message, lambda envelope: envelope.edited(message, "undeleteMessage"))

    async def react(self, chat: str, id: str, user: str, kind: str = "like") -> Delivery:
        """`kind` is like, heart, laugh, surprised, sad, angry or any other emoji's name."""
        message = self._place(chat).get(id)
        message.reactions.add((user, kind))
        return await self._react(chat, message, user, kind, is_removed=False)

    async def unreact(self, chat: str, id: str, user: str, kind: str = "like") -> Delivery:
        message = self._place(chat).get(id)
        message.reactions.remove((user, kind))
        return await self._react(chat, message, user, kind, is_removed=True)

    async def feedback(
        self, chat: str, id: str, user: str, reaction: str = "like", text: str = "", *, with_target: bool = True
    ) -> Delivery:
        """Presses one of the two thumbs under an answer and sends the form; `reaction` is like or dislike.

        Without `with_target` the invoke has no replyToId (teams-sdk#2349). Raises LookupError where the message has no
        thumbs. `problem` of the delivery is what the person reads.
        """
        message = self._place(chat).get(id)
        if not message.has_feedback or message.is_streaming:
            raise LookupError("the message has no feedback buttons")
        target = id if with_target else ""
        envelope = self.envelope(chat, user)
        return await self.courier.send(envelope.feedback(self._f(), reaction, text, message.thread, target))

    async def click(self, chat: str, id: str, user: str, name: str, data: Mapping[str, Any] | None = None) -> Delivery:
        """Presses the card's button with this verb or title; `data` is what was filled in besides.

        Raises LookupError where the card that this person sees has no such button. What Action.Execute is answered
        happens: a card comes in the place of the one that was pressed, for this person.
        """
        message = self._place(chat).get(id)
        action = _button(message.card(user), name)
        given = dict(action.get("data") or {}) | dict(data or {})
        envelope = self.envelope(chat, user)
        if action.get("type") == "Action.Submit":
            return await self.courier.send(envelope.submit(self._f(), given, message))
        delivery = await self.courier.send(envelope.execute(self._f(), action, given, message))
        told = delivery.body
        if not delivery.problem and told.get("type") == "application/vnd.microsoft.card.adaptive":
            message.cards[user] = told["value"]
        return delivery

    async def choose(self, chat: str, id: str, user: str, title: str) -> str:
        """Presses a suggested action: its value is said by the person. Raises LookupError where there is none."""
        for action in self._place(chat).get(id).suggested:
            if action["title"] == title:
                return await self.say(chat, user, action["value"])
        raise LookupError(f"no suggestion {title!r}")

    async def invoke(
        self, chat: str, user: str, name: str, value: Any, *, root: str = "", reply_to: str = ""
    ) -> Delivery:
        """Any invoke, as `message/fetchTask`, or one that no bot knows."""
        return await self.courier.send(self.envelope(chat, user).invoke(self._f(), name, value, root, reply_to))

    async def install(self, chat: str, user: str) -> list[Delivery]:
        """Adds the bot to a conversation; two activities tell so."""
        place, envelope = self._place(chat), self.envelope(chat, user)
        place.has_bot = True
        told = envelope.members(self._f(), [self.bot.account()])
        return [await self.courier.send(envelope.installation(self._f(), "add")), await self.courier.send(told)]

    async def uninstall(self, chat: str, user: str) -> Delivery:
        """Removes it: from now on it is not in the roster."""
        self._place(chat).has_bot = False
        return await self.courier.send(self.envelope(chat, user).installation(self._f(), "remove"))

    async def join(self, chat: str, user: str) -> Delivery:
        self._place(chat).members.add(user)
        account = {"id": user, "aadObjectId": self.conversations.people[user].aad}
        return await self.courier.send(self.envelope(chat, user).members(self._f(), [account]))

    def block(self, chat: str, *, is_blocked: bool = True) -> None:
        """The person blocks the bot; it is told nothing."""
        self._place(chat).is_blocked = is_blocked

    def stop_stream(self, chat: str) -> Message:
        """The person presses Stop: the next request of the stream is refused. Raises LookupError where none is open."""
        message = self._place(chat).streaming()
        if message is None or message.stream is None:
            raise LookupError("nothing is streamed in this chat")
        message.stream.state = "canceled"
        return message

    def envelope(self, chat: str, user: str) -> Envelope:
        """Makes activities of this person that nobody has got yet, for `deliver`."""
        return Envelope(self.bot, self.service_url, self._place(chat), self.conversations.people[user])

    def new_id(self) -> str:
        """A moment in milliseconds, a new one each time."""
        self._last_id = max(self._last_id + 1, time.time_ns() // 1_000_000)
        return str(self._last_id)

    async def _react(self, chat: str, message: Message, user: str, kind: str, *, is_removed: bool) -> Delivery:
        envelope = self.envelope(chat, user)
        return await self.courier.send(envelope.reaction(self._f(), message, [kind], is_removed=is_removed))

    async def _of_author(self, chat: str, message: Message, activity: Callable[[Envelope], Payload]) -> Delivery:
        return await self.courier.send(activity(self.envelope(chat, message.author)))

    def _place(self, chat: str) -> Conversation:
        return self.conversations.all[chat]

    def _f(self) -> str:
        """The id of an activity that is no message."""
        return f"f:{self.new_id()}"


def _button(card: Payload | None, name: str) -> Payload:
    found = list(_actions(card or {}))
    for action in found:
        if name in (action.get("verb"), action.get("title")):
            return action
    raise LookupError(f"the card has no button {name!r}, only {[action.get('title') for action in found]}")


def _actions(part: Any) -> list[Payload]:
    """Every action of a card, wherever it stands."""
    if isinstance(part, list):
        return [action for item in part for action in _actions(item)]
    if not isinstance(part, dict):
        return []
    own = [part] if part.get("type") in ("Action.Execute", "Action.Submit") else []
    return own + [action for key, item in part.items() if key not in ("data", "fallback") for action in _actions(item)]
