"""What the door takes in, in which order, and what it answers; on this machine alone, where nobody is verified."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.teams import TeamsAdapter, TeamsSettings
from adapters.teams.adapter import PATH
from adapters.teams.client import TeamsClient
from core.errors import NotStored, Refused
from core.message import Command, CommandName, Event, Feedback, LastReplyTo, Message, PartId, ThreadId
from core.ports import Receipt, Received, Webhook
from tests.fakes.metrics import Numbers

TENANT, BOT = (
    "11111111-1111-4111-8111-111111111111",
    {"id": "28:22222222-2222-4222-8222-222222222222", "name": "Parley"},
)
ANNA = {"id": "29:anna", "name": "Anna Example", "aadObjectId": "aaaaaaaa-0000-4000-8000-000000000001"}
DIRECT, CHANNEL = "a:anna", "19:town@thread.tacv2"
NOW = datetime(2030, 1, 2, tzinfo=UTC)


def said(text: str, **more: Any) -> dict[str, Any]:
    """What Anna writes in her personal chat."""
    told = {
        "type": "message",
        "id": "1700000000000",
        "channelId": "msteams",
        "serviceUrl": "http://127.0.0.1:9/",
        "from": ANNA,
        "recipient": BOT,
        "conversation": {"id": DIRECT, "conversationType": "personal", "tenantId": TENANT},
        "text": text,
    }
    return told | more


def in_thread(text: str, *, root: str = "1600000000000", **more: Any) -> dict[str, Any]:
    """The same in a thread of the channel."""
    place = {"id": f"{CHANNEL};messageid={root}", "conversationType": "channel", "tenantId": TENANT}
    return said(text, conversation=place) | more


def invoked(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return said("") | {"type": "invoke", "id": "f:1", "name": name, "value": value} | more


def thumb(**more: Any) -> dict[str, Any]:
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": '{"feedbackText":"why"}'}}
    return invoked("message/submitAction", value, **more)


HERE = {"host": "127.0.0.1:8080"}


def post(
    activity: Mapping[str, Any] | bytes,
    *,
    method: str = "POST",
    path: str = PATH,
    headers: Mapping[str, str] = HERE,
    remote: str = "127.0.0.1",
) -> Webhook:
    body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
    return Webhook(method, path, {}, headers, body, NOW, remote)


@dataclass
class Door:
    """The door with a house behind it, that keeps what it hears unless `closed`, and knows its own unless `blind`."""

    settings: TeamsSettings = field(default_factory=lambda: TeamsSettings(is_dev=True))
    ours: set[ThreadId] = field(default_factory=set)
    parts: set[PartId] = field(default_factory=set)
    lets_in: bool = True
    guests: bool = True
    closed: bool = False
    blind: bool = False
    heard: list[Event] = field(default_factory=list)
    looked_up: list[ThreadId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = Numbers()
        self.adapter = TeamsAdapter(
            self.settings,
            metrics=self.numbers,
            knows=self._knows,
            may=lambda author, thread: self.lets_in and (self.guests or not author.is_guest),
            is_part=self._is_part,
        )

    async def told(self, activity: Mapping[str, Any] | bytes, **more: Any) -> Received:
        return await self.adapter.receive(post(activity, **more), self._accept)

    async def _accept(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        if self.closed:
            raise NotStored
        self.heard += events
        return ()

    async def _knows(self, thread: ThreadId) -> bool:
        if self.blind:
            raise NotStored
        self.looked_up.append(thread)
        return thread in self.ours

    async def _is_part(self, part: PartId) -> bool:
        if self.blind:
            raise NotStored
        return part in self.parts


class TestWhatItAnswers:
    async def test_a_message_is_handed_over_and_acknowledged(self):
        door = Door()
        assert await door.told(said("hello?")) == Received(202)
        (message,) = door.heard
        assert isinstance(message, Message)
        assert (message.id, message.text, message.author.name) == (f"{DIRECT}:1700000000000", "hello?", "Anna Example")

    @pytest.mark.parametrize("remote", ["127.0.0.1", "::1"])
    @pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
    async def test_without_an_app_id_this_machine_is_answered(self, host, remote):
        assert await Door().told(said("hello?"), headers={"host": host}, remote=remote) == Received(202)

    @pytest.mark.parametrize(
        ("headers", "remote"),
        [
            (HERE, "203.0.113.9"),
            (HERE, ""),
            ({"host": "parley.example.com"}, "127.0.0.1"),
            ({}, "127.0.0.1"),
            (HERE | {"x-forwarded-for": "203.0.113.9"}, "127.0.0.1"),
            (HERE | {"forwarded": "for=203.0.113.9"}, "127.0.0.1"),
            (HERE | {"origin": "https://evil.example"}, "127.0.0.1"),
        ],
    )
    async def test_without_an_app_id_nobody_else_is(self, headers, remote):
        door = Door()
        assert (await door.told(said("hello?"), headers=headers, remote=remote)).status == 401
        assert door.heard == []

    async def test_a_strangers_body_is_not_even_read(self):
        door = Door(TeamsSettings(app_id="22222222-2222-4222-8222-222222222222", app_password="p", tenant_id=TENANT))
        for body in (b"{", b"[" * 100_000, json.dumps(said("hello?")).encode()):
            assert (await door.told(body)).status == 401

    @pytest.mark.parametrize("activity", [said("hello?"), thumb()])
    async def test_what_is_not_stored_is_not_acknowledged(self, activity):
        with pytest.raises(NotStored):
            await Door(closed=True).told(activity)

    async def test_a_thumb_is_answered_with_an_empty_object_once_it_is_stored(self):
        door = Door()
        assert await door.told(thumb()) == Received(200, b"{}")
        (vote,) = door.heard
        assert isinstance(vote, Feedback)
        assert (vote.score, vote.comment) == (1, "why")

    async def test_another_path_is_not_found_and_another_method_not_allowed(self):
        door = Door()
        assert (await door.told(said("hello?"), path=f"{PATH}/more")).status == 404
        assert (await door.told(said("hello?"), method="GET")).status == 405
        assert door.heard == []

    async def test_a_body_that_is_too_large_is_refused(self):
        door = Door()
        assert (await door.told(said("x" * 1024 * 1024))).status == 413
        assert door.heard == []

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"type": 5}', said("hello?") | {"from": {}}])
    async def test_what_is_no_activity_is_refused(self, body):
        door = Door()
        assert (await door.told(body)).status == 400
        assert door.heard == []

    @pytest.mark.parametrize(
        "settings",
        [TeamsSettings(), TeamsSettings(is_dev=True), TeamsSettings(app_id="22222222-2222-4222-8222-222222222222")],
    )
    async def test_what_does_not_show_that_it_is_of_teams_is_refused_and_said_once_a_minute(
        self, settings, caplog, monkeypatch
    ):
        clock = [0.0]
        monkeypatch.setattr("adapters.teams.adapter.monotonic", lambda: clock[0])
        caplog.set_level(logging.WARNING)
        door = Door(settings)
        activity = said("let me in", serviceUrl="https://smba.trafficmanager.net/emea/")
        for clock[0] in (0.0, 1.0, 59.0):
            assert (await door.told(activity)).status == 401
        assert caplog.text.count("is not believed to be Teams'") == 1
        clock[0] = 61.0
        await door.told(activity)
        assert caplog.text.count("is not believed to be Teams'") == 2
        assert "let me in" not in caplog.text
        assert door.heard == []
        await door.adapter.close()


class TestWhatItTakesIn:
    OURS = ThreadId("teams", TENANT, CHANNEL, "1600000000000")

    async def test_a_personal_chat_and_a_mention_need_no_look_into_the_house(self):
        door = Door()
        await door.told(said("hello?"))
        mention = {"type": "mention", "mentioned": BOT, "text": "<at>Parley</at>"}
        await door.told(in_thread("<at>Parley</at> hello?", entities=[mention]))
        assert ([type(event) for event in door.heard], door.looked_up) == ([Message, Message], [])

    @pytest.mark.parametrize(("is_ours", "lets_in"), [(True, True), (False, True), (True, False)])
    async def test_what_is_said_in_a_thread_is_heard_where_we_are_part_of_it_and_the_person_may_ask(
        self, is_ours, lets_in
    ):
        door = Door(ours={self.OURS} if is_ours else set(), lets_in=lets_in)
        assert await door.told(in_thread("and what about me?")) == Received(202)
        assert len(door.heard) == (is_ours and lets_in)
        assert door.looked_up == [self.OURS]

    @pytest.mark.parametrize("activity", [in_thread("and what about me?"), thumb(replyToId="1700000000001")])
    async def test_where_it_cannot_be_looked_up_whom_it_concerns_it_counts_as_not_stored(self, activity):
        door = Door(blind=True)
        with pytest.raises(NotStored):
            await door.told(activity)
        assert door.numbers.counts["events", "teams", "not_stored"] == 1

    async def test_what_the_inbox_does_not_take_is_left_to_the_inbox_to_count(self):
        door = Door(closed=True)
        with pytest.raises(NotStored):
            await door.told(said("hello?"))
        assert not door.numbers.counts

    async def test_a_post_that_begins_a_thread_needs_no_look_either(self):
        door = Door()
        await door.told(in_thread("Lunch, anybody?", id="1600000000000"))
        assert (door.heard, door.looked_up) == ([], [])

    async def test_the_two_ways_in_which_an_installation_is_told_are_one_greeting(self):
        door = Door()
        await door.told(said("") | {"type": "installationUpdate", "action": "add", "id": "f:1"})
        await door.told(said("") | {"type": "conversationUpdate", "membersAdded": [BOT], "id": "f:2"})
        first, second = door.heard
        assert isinstance(first, Command)
        assert (first.id, first.name) == (second.id, CommandName.HELP)

    async def test_a_removal_and_what_teams_tells_besides_are_acknowledged_and_dropped(self):
        door = Door()
        for more in (
            {"type": "installationUpdate", "action": "remove"},
            {"type": "conversationUpdate", "membersAdded": [ANNA]},
            {"type": "typing"},
            {"type": "event", "name": "application/vnd.example"},
        ):
            assert (await door.told(said("") | more)).status == 202
        assert (await door.told(invoked("composeExtension/query", {}))).status == 400
        assert door.heard == []


class TestWhoItIsFrom:
    """Asked only once an event is stored; before that nothing is asked of Teams."""

    SETTINGS = TeamsSettings(app_id="22222222-2222-4222-8222-222222222222", app_password="p", tenant_id=TENANT)
    OURS = ThreadId("teams", TENANT, CHANNEL, "1600000000000")

    @pytest.fixture
    def asked(self, monkeypatch) -> list[tuple[str, str]]:
        """Whom the roster was asked about and where; it calls everybody a guest. The posts are believed."""
        asked: list[tuple[str, str]] = []

        async def member(client: TeamsClient, address: Mapping[str, Any], user: str, *, patience: float) -> Any:
            asked.append((address["conversation"], user))
            return {"id": user, "name": "Anna of the Roster", "tenantId": TENANT, "userRole": "guest"}

        async def claims(client: TeamsClient, header: str) -> Mapping[str, Any]:
            return {}

        monkeypatch.setattr(TeamsClient, "member", member)
        monkeypatch.setattr(TeamsClient, "claims", claims)
        monkeypatch.setattr(TeamsClient, "vouch", lambda client, claims, activity: None)
        return asked

    async def heard(self, door: Door, *activities: Mapping[str, Any]) -> list[Event]:
        for activity in activities:
            assert (await door.told(activity)).status in (200, 202)
        return door.heard

    async def test_whatever_has_an_author_says_where_to_ask_about_them(self, asked):
        door = Door(self.SETTINGS)
        reaction = said("") | {"type": "messageReaction", "replyToId": "1700000000001", "id": "f:1"}
        gone = said("") | {"type": "messageDelete", "channelData": {"eventType": "softDeleteMessage"}}
        events = await self.heard(
            door, said("hello?"), thumb(), reaction | {"reactionsAdded": [{"type": "like"}]}, gone
        )
        assert asked == []
        for event in events:
            author = await door.adapter.introduce(event)
            assert (author.name, author.is_guest, author.key) == ("Anna of the Roster", True, event.author.key)
        assert (asked, len(events)) == ([(DIRECT, "29:anna")], 4)

    async def test_who_was_asked_about_is_known_from_then_on(self, asked):
        door = Door(self.SETTINGS, ours={self.OURS}, guests=False)
        first, *_ = await self.heard(door, in_thread("and what about me?"))
        with pytest.raises(Refused):
            await door.adapter.introduce(first)
        events = await self.heard(door, in_thread("and now?", id="1700000000002"), said("a question", id="f:3"))
        assert [event.author.is_guest for event in events] == [False, True], "what nobody may hear is not written down"

    @pytest.mark.parametrize("words", ["and what about me?", "stop", "/reset"])
    async def test_who_did_not_call_us_and_may_not_ask_is_told_nothing_and_who_did_is(self, asked, words):
        door = Door(self.SETTINGS, ours={self.OURS}, guests=False)
        mention = {"type": "mention", "mentioned": BOT, "text": "<at>Parley</at>"}
        called = in_thread(f"<at>Parley</at> {words}", entities=[mention], id="1700000000002")
        overheard, meant = await self.heard(door, in_thread(words), called)
        with pytest.raises(Refused):
            await door.adapter.introduce(overheard)
        assert (await door.adapter.introduce(meant)).is_guest

    async def test_a_greeting_is_for_whomever(self, asked):
        door = Door(self.SETTINGS)
        (greeting,) = await self.heard(door, said("") | {"type": "installationUpdate", "action": "add", "id": "f:1"})
        assert (await door.adapter.introduce(greeting), asked) == (greeting.author, [])

    async def test_on_this_machine_alone_nobody_is_asked_about(self, asked):
        door = Door()
        (event,) = await self.heard(door, said("hello?"))
        assert (await door.adapter.introduce(event), asked) == (event.author, [])

    async def test_where_it_is_not_said_whom_to_ask_about_they_are_a_stranger(self, asked, monkeypatch):
        door = Door(self.SETTINGS)
        (vote,) = await self.heard(door, thumb())
        assert isinstance(vote, Feedback)
        monkeypatch.undo()
        author = await door.adapter.introduce(replace(vote, return_address={}))
        assert (author.is_guest, author.is_external) == (True, True)


class TestWhichAnswerAThumbIsAbout:
    NAMED = PartId("teams", TENANT, DIRECT, "1700000000001")

    async def target(self, door: Door, activity: Mapping[str, Any]) -> Any:
        await door.told(activity)
        (vote,) = door.heard
        assert isinstance(vote, Feedback)
        return vote.target

    async def test_the_one_that_it_names(self):
        assert await self.target(Door(parts={self.NAMED}), thumb(replyToId=self.NAMED.id)) == self.NAMED

    async def test_the_persons_last_one_where_the_named_one_is_nobodys(self):
        target = await self.target(Door(), thumb(replyToId=self.NAMED.id))
        assert isinstance(target, LastReplyTo)
        assert (target.author.id, target.thread) == (ANNA["aadObjectId"], ThreadId("teams", TENANT, DIRECT, ""))

    async def test_a_reaction_is_about_what_it_stands_under_and_nothing_else(self):
        reaction = said("") | {"type": "messageReaction", "replyToId": self.NAMED.id, "id": "f:1"}
        target = await self.target(Door(), reaction | {"reactionsAdded": [{"type": "like"}]})
        assert target == self.NAMED
