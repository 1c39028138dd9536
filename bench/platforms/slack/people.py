"""What people do in Slack, and what the app hears of it."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from bench.platforms.slack import answers, blocks, chat, modals, payloads, reactions, uploads, views
from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.courier import Courier
from bench.platforms.slack.errors import ApiError
from bench.platforms.slack.files import File
from bench.platforms.slack.journal import Delivery
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.state import ResponseUrl, State
from bench.platforms.slack.text import escaped
from bench.platforms.slack.views import View
from bench.platforms.slack.workspace import Bot, User


class People:
    """Each of these returns once the app has confirmed what it heard, or Slack has given up telling it."""

    def __init__(self, state: State, courier: Courier) -> None:
        self.state = state
        self.courier = courier

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[File] = (),
        is_broadcast: bool = False,
        wait: bool = True,
    ) -> str:
        """Writes a message and returns its ts. Where it names the bot, two events tell of it, as in Slack.

        `text` is what was typed, with people as `<@U…>`; with `wait` False the events are still on their way.
        """
        place, person = self._place(channel), self.state.user(user)
        if thread_ts and thread_ts not in place.messages:
            raise LookupError(f"no message at {thread_ts} in {channel}")
        message = Message(channel, self.state.clock.ts(), user, person.team, escaped(text, is_typed=True))
        message.thread_ts, message.files = thread_ts or "", tuple(files)
        message.is_broadcast, message.more = is_broadcast, _more(place, person, message, is_broadcast)
        place.add(message)
        told = self._tell_of(place, message)
        if wait:
            await told
        else:
            self.courier.in_background(told)
        return message.ts

    async def edit(self, channel: str, ts: str, text: str) -> None:
        """Its author changes a message; a mention that was not there before is an event of its own."""
        place = self._place(channel)
        message, now = place.get(ts), self.state.clock.ts()
        before, was = message.body(place.thread(ts)), message.text
        message.text, message.edits = escaped(text, is_typed=True), message.edits + 1
        message.edited = {"user": message.user, "ts": now}
        body = message.body(place.thread(ts))
        events = [payloads.changed(body, before, ts=now, channel=channel, channel_type=place.kind)]
        if _names(self._bot(place), message.text, place) and not _names(self._bot(place), was, place):
            events.append(payloads.mention_event(body, channel=channel))
        await self._tell(place, *events)

    async def delete(self, channel: str, ts: str) -> None:
        """Its author deletes a message; a root with replies leaves a tombstone."""
        place = self._place(channel)
        await self._tell(place, chat.removed(self.state, place, place.get(ts)))

    async def unfurl(self, channel: str, ts: str) -> None:
        """Slack looks behind a link in a message: a change that nobody made."""
        place = self._place(channel)
        message, before = place.get(ts), place.get(ts).body()
        message.more = payloads.unfurled(message.more)
        now = self.state.clock.ts()
        await self._tell(
            place, payloads.changed(message.body(), before, ts=now, channel=channel, channel_type=place.kind)
        )

    async def join(self, channel: str, user: str) -> None:
        place = self._place(channel)
        place.members.add(user)
        body = payloads.joined(user=user, ts=self.state.clock.ts(), channel_type=place.kind)
        await self._tell(place, payloads.message_event(body, channel=channel, channel_type=place.kind))

    async def react(self, channel: str, ts: str, user: str, emoji: str) -> None:
        """`emoji` by name, a skin tone behind it: `+1::skin-tone-2`. Raises ApiError where it is there already."""
        await self._react(channel, ts, user, emoji, is_removed=False)

    async def unreact(self, channel: str, ts: str, user: str, emoji: str) -> None:
        await self._react(channel, ts, user, emoji, is_removed=True)

    async def click(self, channel: str, ts: str, user: str, action_id: str, *, is_positive: bool = True) -> Delivery:
        """Presses a button of a message, an ephemeral one too; of a pair of feedback buttons the one that is meant.

        Raises LookupError where the message has no such button.
        """
        place, person = self._place(channel), self.state.user(user)
        message = self._seen(place, ts, user)
        block, element = _button(message, action_id)
        action = payloads.action(element, block["block_id"], ts=self.state.clock.ts(), is_positive=is_positive)
        bot = self._bot(place)
        payload = payloads.block_actions(
            [action],
            message.body(place.thread(ts)),
            channel=channel,
            channel_name=place.name,
            user=user,
            user_name=person.handle,
            user_team=person.team,
            team=bot.team,
            app=bot.app,
            enterprise=bot.enterprise,
            trigger_id=self._trigger(user),
            response_url=self._response_url(ResponseUrl(bot, place, user, message, message.thread_ts)),
            is_ephemeral=bool(message.ephemeral_to),
        )
        return await self.courier.send(payload)

    async def submit(
        self, view: View, user: str, values: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None
    ) -> Delivery:
        """Sends a modal with this written and chosen in it, by block and action.

        Raises LookupError where it has no such field or choice, or where one that has to be filled is empty. What
        the app answers happens: errors stay in the open view, else it closes or becomes another one.
        """
        if not view.is_open or view.user != user:
            raise LookupError("this person has no such view open")
        bot, person = self.state.workspaces.bots[view.team], self.state.user(user)
        payload = payloads.view_submission(
            view.body,
            views.fill(view.body, values or {}),
            user=user,
            user_name=person.handle,
            team=bot.team,
            app=bot.app,
            enterprise=bot.enterprise,
            trigger_id=self._trigger(user),
        )
        delivery = await self.courier.send(payload)
        if delivery.is_accepted:
            self._follow(view, bot, _as_json(delivery.answer))
        return delivery

    async def command(self, channel: str, user: str, command: str, text: str = "") -> Delivery:
        """Writes a slash command; what the app says at once is for the person alone, unless it says otherwise."""
        place, person = self._place(channel), self.state.user(user)
        bot = self._bot(place)
        url = self._response_url(ResponseUrl(bot, place, user, None))
        payload = payloads.slash_command(
            text,
            command=command,
            user=user,
            user_name=person.handle,
            channel=channel,
            channel_name=place.name,
            team=bot.team,
            app=bot.app,
            enterprise=bot.enterprise,
            trigger_id=self._trigger(user),
            response_url=url,
        )
        delivery = await self.courier.send(payload)
        if delivery.is_accepted and delivery.answer:
            answers.respond(self.state, url.rpartition("/")[2], _as_json(delivery.answer))
        return delivery

    async def open_home(self, user: str, tab: str = "messages", team: str = payloads.TEAM) -> None:
        """Opens the app's own place; `tab` is messages or home."""
        bot = self.state.workspaces.bots[team]
        place = self.state.conversations.direct(bot, self.state.user(user).id)
        event = payloads.home_opened(user=user, channel=place.id, tab=tab, event_ts=self.state.clock.ts())
        await self._tell(place, event)

    async def uninstall(self, team: str = payloads.TEAM) -> None:
        """Removes the app: its tokens end, and two events tell so, in no order."""
        bot = self.state.workspaces.bots[team]
        self.state.workspaces.remove(bot)
        ts = self.state.clock.ts()
        events = (payloads.tokens_revoked(bots=[bot.user], event_ts=ts), payloads.app_uninstalled(event_ts=ts))
        heard = [event for event in events if self.courier.is_heard(bot, event, None)]
        await asyncio.gather(*(self.courier.event(bot, event, None) for event in heard))

    def add_file(self, user: str, name: str, content: bytes, mimetype: str = "", *, is_id_only: bool = False) -> File:
        """A file that a message can bring along. `is_id_only`: the event tells its id alone."""
        person = self.state.user(user)
        file = uploads.new_file(self.state, name, content, mimetype, user, person.team)
        file.is_id_only = is_id_only
        return file

    async def _react(self, channel: str, ts: str, user: str, emoji: str, *, is_removed: bool) -> None:
        place = self._place(channel)
        event = reactions.put(self.state, place, place.get(ts), self.state.user(user).id, emoji, is_removed=is_removed)
        await self._tell(place, event)

    async def _tell_of(self, place: Channel, message: Message) -> None:
        body = message.body()
        events = [payloads.message_event(body, channel=place.id, channel_type=place.kind)]
        if _names(self._bot(place), message.text, place):
            events.append(payloads.mention_event(body, channel=place.id))
        await self._tell(place, *events)

    async def _tell(self, place: Channel, *events: Payload) -> None:
        bot = self._bot(place)
        heard = [event for event in events if bot.is_installed and self.courier.is_heard(bot, event, place)]
        await asyncio.gather(*(self.courier.event(bot, event, place) for event in heard))

    def _place(self, channel: str) -> Channel:
        return self.state.conversations.channels[channel]

    def _bot(self, place: Channel) -> Bot:
        return self.state.workspaces.bots[place.team]

    def _seen(self, place: Channel, ts: str, user: str) -> Message:
        for message in self.state.ephemeral:
            if (message.channel, message.ts, message.ephemeral_to) == (place.id, ts, user) and not message.is_deleted:
                return message
        return place.get(ts)

    def _trigger(self, user: str) -> str:
        return self.state.triggers.add(self.state.number(), user)

    def _response_url(self, url: ResponseUrl) -> str:
        id = f"{self.state.number():06d}"
        self.state.response_urls[id] = url
        return f"{self.state.base_url}/response/{id}"

    def _follow(self, view: View, bot: Bot, answer: Payload) -> None:
        """What the app answered to a submission ("Modals", "Response actions")."""
        match answer.get("response_action"):
            case "errors":
                view.errors = dict(answer["errors"])
            case "update":
                modals.replace(self.state, view, views.check(answer["view"]))
            case "push":
                modals.opened(self.state, bot, view.user, views.check(answer["view"]))
            case "clear":
                for other in self.state.views.values():
                    other.is_open = other.is_open and other.user != view.user
            case None if not answer:
                view.is_open = False
            case _:
                raise ApiError("invalid_response_action")


def _names(bot: Bot, text: str, place: Channel) -> bool:
    """Whether it is an app_mention; in a direct conversation nothing is ("app_mention")."""
    return place.kind != "im" and (f"<@{bot.user}>" in text or f"<@{bot.user}|" in text)


def _more(place: Channel, person: User, message: Message, is_broadcast: bool) -> Payload:
    more: Payload = {}
    if place.is_shared:
        more |= {"user_team": person.team, "source_team": person.team}
    if message.thread_ts:
        root = place.messages[message.thread_ts]
        more["parent_user_id"] = root.user
        if is_broadcast:
            more |= {"subtype": "thread_broadcast", "root": root.body(place.thread(root.ts))}
    return more


def _button(message: Message, action_id: str) -> tuple[Payload, Payload]:
    for block, element in blocks.elements(blocks.identified(message.blocks)):
        if element.get("action_id") == action_id:
            return block, element
    there = [element.get("action_id") for _, element in blocks.elements(message.blocks)]
    raise LookupError(f"the message has no button {action_id!r}, only {there}")


def _as_json(answer: bytes) -> Payload:
    """An acknowledgement: JSON, or plain text."""
    if not answer:
        return {}
    try:
        told = json.loads(answer)
    except ValueError:
        return {"text": answer.decode()}
    return told if isinstance(told, dict) else {"text": str(told)}
