"""What Teams' activities mean. Each shape stands in tests/data/teams, written by hand after learn.microsoft.com."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.teams import cards
from adapters.teams.envelope import introduced
from adapters.teams.invoke import MAX_COMMENT, answered
from adapters.teams.parse import Welcome, is_for_us, may_be_ours, parse, welcome_of
from core.codec import dumps, loads
from core.errors import Malformed
from core.message import (
    Attachment,
    Author,
    Command,
    CommandName,
    Deleted,
    Edited,
    Event,
    Feedback,
    LastReplyTo,
    Message,
    Origin,
    PartId,
    ThreadId,
    Visibility,
)

FOLDER = Path(__file__).parents[3] / "data/teams"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

TENANT, ELSEWHERE = "11111111-1111-4111-8111-111111111111", "99999999-9999-4999-8999-999999999999"
US = {"id": "28:22222222-2222-4222-8222-222222222222", "name": "Parley"}
PERSONAL = "a:1personal-conversation-of-anna"
GROUP = "19:group00000000000000000000000000000@thread.v2"
CHANNEL = "19:channel00000000000000000000000000@thread.tacv2"
TEAM = "19:team0000000000000000000000000000@thread.tacv2"
ROOT, ID, ANSWER = "1700000000000", "1700000060000", "1700000061000"
CLICK, REACTION = "f:0f0e0d0c-0b0a-4908-8706-050403020100", "f:1f1e1d1c-0b0a-4908-8706-050403020100"
STAMP, LATER = "2023-11-14T22:14:20.1234567Z", "2023-11-14T22:15:20.7654321Z"
SENT_AT = datetime(2023, 11, 14, 22, 14, 20, 123456, UTC)
EDITED_AT = datetime(2023, 11, 14, 22, 15, 20, 765432, UTC)
NOW = datetime(2030, 1, 2, tzinfo=UTC)
REPLY = "0123456789abcdef" * 2

ANNA = Author("teams", TENANT, "aaaaaaaa-0000-4000-8000-000000000001", "Anna Example", "en-US")
UNHEARD = replace(ANNA, locale="")  # reactions and deletions do not say which language
EVE = replace(ANNA, id="eeeeeeee-0000-4000-8000-000000000002", name="Eve Example", is_external=True)
GUS = replace(ANNA, id="bbbbbbbb-0000-4000-8000-000000000003", name="Gus Example", is_guest=True)
SOMEBODY = replace(ANNA, id="29:nobody", name="Somebody", is_guest=True)
ADDRESS = {
    "service_url": f"https://smba.trafficmanager.net/emea/{TENANT}/",
    "conversation": PERSONAL,
    "conversation_type": "personal",
    "tenant": TENANT,
    "bot": US,
    "user": {"id": "29:anna", "name": ANNA.name, "aadObjectId": ANNA.id},
    "activity": ID,
    "locale": "en-US",
}
IN_GROUP = ADDRESS | {"conversation": GROUP, "conversation_type": "groupChat"}
IN_CHANNEL = ADDRESS | {"conversation": f"{CHANNEL};messageid={ID}", "conversation_type": "channel"}
IN_THREAD = IN_CHANNEL | {"conversation": f"{CHANNEL};messageid={ROOT}"}
EVES = {"user": {"id": "29:eve", "name": EVE.name, "aadObjectId": EVE.id}}

Activity = dict[str, Any]


@cache
def _text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def activity(name: str, **changes: Any) -> Activity:
    """A fresh copy of what Teams sends, with some fields changed; None takes a field out."""
    read: Activity = json.loads(_text_of(name)) | changes
    return {key: value for key, value in read.items() if value is not None}


def events_of(sent: Activity, **options: Any) -> tuple[Event, ...]:
    return parse(sent, now=NOW, **options)


def event_of(name: str, **changes: Any) -> Any:
    (event,) = events_of(activity(name, **changes))
    return event


def thread(root: str = "", channel: str = PERSONAL) -> ThreadId:
    return ThreadId("teams", TENANT, channel, root)


def personal(**changes: Any) -> Message:
    """Anna's message in her own chat."""
    usual = Message(
        id=f"{PERSONAL}:{ID}",
        thread=thread(),
        author=ANNA,
        text="What is 1 < 2 & 3?",
        sent_at=SENT_AT,
        visibility=Visibility.DIRECT,
        is_mention=True,
        return_address=ADDRESS,
    )
    return replace(usual, **changes)


def group(**changes: Any) -> Message:
    usual = personal(
        id=f"{GROUP}:{ID}",
        thread=thread("", GROUP),
        text="Good morning",
        visibility=Visibility.PRIVATE,
        return_address=IN_GROUP,
    )
    return replace(usual, **changes)


def channel(**changes: Any) -> Message:
    """Anna's post that begins a thread in the standard channel."""
    usual = personal(
        id=f"{CHANNEL}:{ID}",
        thread=thread(ID, CHANNEL),
        text="Good morning",
        visibility=Visibility.PRIVATE,
        return_address=IN_CHANNEL,
    )
    return replace(usual, **changes)


def in_thread(**changes: Any) -> Message:
    return channel(**({"thread": thread(ROOT, CHANNEL), "return_address": IN_THREAD} | changes))


def order(name: CommandName, args: str = "", said_in: Message | None = None) -> Command:
    """What a message orders."""
    said_in = said_in or personal()
    return Command(
        id=said_in.id,
        name=name,
        args=args,
        thread=said_in.thread,
        author=said_in.author,
        sent_at=said_in.sent_at,
        visibility=said_in.visibility,
        return_address=said_in.return_address,
    )


def click(name: CommandName, value: str = REPLY, args: str = REPLY, **changes: Any) -> Command:
    usual = Command(
        id=f"click:{PERSONAL}:{ANNA.id}:{name}:{value}:{CLICK}@{STAMP}",
        name=name,
        args=args,
        thread=thread(),
        author=ANNA,
        sent_at=SENT_AT,
        visibility=Visibility.DIRECT,
        return_address=ADDRESS | {"activity": ANSWER},
    )
    return replace(usual, **changes)


def edited(**changes: Any) -> Edited:
    usual = Edited(
        id=f"edit:{CHANNEL}:{ID}:{ID}@{LATER}",
        thread=thread(ID, CHANNEL),
        author=ANNA,
        sent_at=EDITED_AT,
        visibility=Visibility.PRIVATE,
        return_address=IN_CHANNEL,
        message_id=f"{CHANNEL}:{ID}",
        text="Good evening",
    )
    return replace(usual, **changes)


def deleted(**changes: Any) -> Deleted:
    usual = Deleted(
        id=f"delete:{CHANNEL}:{ID}:{ID}@{LATER}",
        thread=thread(ID, CHANNEL),
        author=UNHEARD,
        sent_at=EDITED_AT,
        visibility=Visibility.PRIVATE,
        return_address=IN_CHANNEL | {"locale": ""},
        message_id=f"{CHANNEL}:{ID}",
    )
    return replace(usual, **changes)


def reaction(kind: str, name: str, score: int | None = None, channel: str = PERSONAL) -> Feedback:
    return Feedback(
        id=f"reaction:{kind}:{channel}:{ANSWER}:{ANNA.id}:{name}:{REACTION}@{STAMP}",
        target=PartId("teams", TENANT, channel, ANSWER),
        author=UNHEARD,
        origin=Origin.REACTION,
        score=score,
        sent_at=SENT_AT,
        reaction=name,
    )


def vote(thumb: str, score: int, comment: str = "", **changes: Any) -> Feedback:
    usual = Feedback(
        id=f"vote:{PERSONAL}:{ANSWER}:{ANNA.id}:{thumb}:{CLICK}@{STAMP}",
        target=PartId("teams", TENANT, PERSONAL, ANSWER),
        author=ANNA,
        origin=Origin.BUTTON,
        score=score,
        sent_at=SENT_AT,
        comment=comment,
    )
    return replace(usual, **changes)


NOTES = Attachment(
    "f0000000-0000-4000-8000-000000000001",
    "notes.txt",
    "",
    None,
    {
        "url": "https://example.sharepoint.com/_layouts/15/download.aspx?UniqueId=f0&tempauth=invented",
        "needs_token": False,
    },
)
PICTURE = Attachment(
    f"{ID}:0",
    "",
    "image/*",
    None,
    {
        "url": "https://smba.trafficmanager.net/emea/v3/attachments/0-weu-d1-invented/views/original",
        "needs_token": True,
    },
)

MEANINGS: Mapping[str, Event] = {
    "message_in_personal": personal(),
    "message_in_personal_in_chinese": personal(
        text="你好", author=replace(ANNA, locale="zh-CN"), return_address=ADDRESS | {"locale": "zh-CN"}
    ),
    "message_in_personal_with_file": personal(text="See here", attachments=(NOTES,)),
    "message_in_personal_with_image": personal(text="", attachments=(PICTURE,)),
    "message_in_personal_with_card": personal(text="Look"),
    "message_stop_in_personal": order(CommandName.STOP),
    "message_help_in_personal": order(CommandName.HELP),
    "message_in_group": group(),
    "message_in_channel": channel(),
    "message_in_channel_without_root": channel(),
    "message_in_channel_alone": channel(text=""),
    "message_in_channel_overheard": channel(is_mention=False),
    "message_in_private_channel": channel(visibility=Visibility.PRIVATE),
    "message_in_shared_channel_of_stranger": channel(
        author=EVE, visibility=Visibility.PRIVATE, return_address=IN_CHANNEL | EVES
    ),
    "message_in_unknown_channel": channel(visibility=Visibility.PRIVATE),
    "message_in_thread": order(CommandName.CODE, "Sort a list", in_thread()),
    "message_in_thread_overheard": in_thread(text="And then?", is_mention=False),
    "message_in_thread_to_both": in_thread(text="@Boris Example and hello"),
    "message_without_entities": channel(),
    "message_of_stranger": personal(
        text="Hello",
        thread=ThreadId("teams", ELSEWHERE, PERSONAL, ""),
        author=replace(EVE, workspace=ELSEWHERE),
        return_address=ADDRESS | EVES | {"tenant": ELSEWHERE},
    ),
    "message_of_guest": group(
        text="Hello",
        author=GUS,
        return_address=IN_GROUP | {"user": {"id": "29:gus", "name": GUS.name, "aadObjectId": GUS.id}},
    ),
    "message_of_anonymous": group(
        text="Hello",
        author=SOMEBODY,
        return_address=IN_GROUP | {"user": {"id": SOMEBODY.id, "name": SOMEBODY.name}},
    ),
    "submit_regenerate": click(CommandName.REGENERATE),
    "edit_in_channel": edited(),
    "edit_in_personal": edited(
        id=f"edit:{PERSONAL}:{ID}:{ID}@{LATER}",
        thread=thread(),
        visibility=Visibility.DIRECT,
        return_address=ADDRESS,
        message_id=f"{PERSONAL}:{ID}",
    ),
    "edit_in_thread_overheard": edited(thread=thread(ROOT, CHANNEL), text="Why?", return_address=IN_THREAD),
    "undelete_in_channel": edited(text="Good morning"),
    "delete_in_channel": deleted(),
    "delete_in_personal": deleted(
        id=f"delete:{PERSONAL}:{ID}:{ID}@{LATER}",
        thread=thread(),
        visibility=Visibility.DIRECT,
        return_address=ADDRESS | {"locale": ""},
        message_id=f"{PERSONAL}:{ID}",
    ),
    "reaction_added": reaction("added", "like", 5),
    "reaction_added_in_channel": reaction("added", "angry", 1, CHANNEL),
    "reaction_removed": reaction("removed", "like", None),
    "invoke_feedback_like": vote("like", 5),
    "invoke_feedback_dislike": vote("dislike", 1, "It is 41.\nSee above."),
    "invoke_feedback_in_channel": vote(
        "like",
        5,
        "Good",
        id=f"vote:{CHANNEL}:{ANSWER}:{ANNA.id}:like:{CLICK}@{STAMP}",
        target=PartId("teams", TENANT, CHANNEL, ANSWER),
    ),
    "invoke_feedback_without_target": vote(
        "dislike",
        1,
        "Wrong",
        id=f"vote:{PERSONAL}::{ANNA.id}:dislike:{CLICK}@{STAMP}",
        target=LastReplyTo(ANNA, thread()),
    ),
    "invoke_action_regenerate": click(CommandName.REGENERATE),
    "invoke_action_regenerate_in_channel": click(
        CommandName.REGENERATE,
        id=f"click:{CHANNEL}:{ANNA.id}:regenerate:{REPLY}:{CLICK}@{STAMP}",
        thread=thread(ROOT, CHANNEL),
        visibility=Visibility.PRIVATE,
        return_address=IN_THREAD | {"activity": ANSWER},
    ),
    "invoke_action_confirm": click(CommandName.CONFIRM, "ask-0001", "ask-0001"),
}

SEVERAL = ["reaction_changed"]  # one is taken back, another given

# Bots, we ourselves, what people did and did not say, and what nobody may press.
NOT_FOR_US = [
    "channel_created",
    "delete_unknown",
    "installation_in_personal",
    "installation_in_team",
    "installation_removed",
    "installation_upgraded",
    "invoke_action_forged",
    "invoke_action_unknown",
    "invoke_feedback_unknown",
    "invoke_fetch_task",
    "invoke_submit_other",
    "invoke_unknown",
    "members_added_in_personal",
    "members_added_in_team",
    "members_added_of_person",
    "message_in_group_overheard",
    "message_in_thread_to_another",
    "message_of_agent",
    "message_of_bot",
    "message_of_ours",
    "message_of_web_chat",
    "reaction_unknown",
    "read_receipt",
    "submit_unknown",
    "typing",
    "update_unknown",
]


def test_each_shape_is_accounted_for():
    assert sorted([*MEANINGS, *SEVERAL, *NOT_FOR_US]) == NAMES


@pytest.mark.parametrize("name", MEANINGS)
def test_an_activity_means_one_event(name):
    assert events_of(activity(name), tenant=TENANT) == (MEANINGS[name],)


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_what_is_not_for_us_is_no_event(name):
    assert events_of(activity(name)) == ()


@pytest.mark.parametrize("name", MEANINGS)
def test_an_event_is_stored_and_read_back_as_it_was(name):
    event = event_of(name)
    assert loads(dumps(event)) == event


# -------------------------------------------------------------------------------------------------- who is answered


ASIDE = {"message_in_channel_overheard", "message_in_thread_overheard", "edit_in_thread_overheard"}


@pytest.mark.parametrize("name", MEANINGS)
def test_what_does_not_mention_us_concerns_us_only_in_a_thread_of_ours(name):
    assert is_for_us(event_of(name), activity(name)) is (name not in ASIDE)


def test_a_post_that_begins_a_thread_is_in_none_of_ours():
    assert not may_be_ours(event_of("message_in_channel_overheard"))
    assert not may_be_ours(event_of("message_in_channel_overheard", text="/help"))
    assert may_be_ours(event_of("message_in_thread_overheard"))
    assert may_be_ours(event_of("edit_in_thread_overheard"))
    assert not may_be_ours(event_of("reaction_added_in_channel"))


def test_a_stop_word_in_a_thread_stops_without_a_mention():
    command = event_of("message_in_thread_overheard", text="stop")
    assert command == order(CommandName.STOP, said_in=in_thread())
    assert not is_for_us(command, activity("message_in_thread_overheard", text="stop"))


def test_a_mention_before_a_command_is_no_part_of_it():
    assert event_of("message_in_group", text="<at>Parley</at>&nbsp;/reset").name is CommandName.RESET


@pytest.mark.parametrize(
    ("kind", "is_group", "id", "visibility", "address"),
    [
        (None, None, PERSONAL, Visibility.DIRECT, "personal"),
        (None, True, "x", Visibility.PRIVATE, "groupChat"),
        (None, None, GROUP, Visibility.PRIVATE, "groupChat"),
        (None, None, CHANNEL, Visibility.PRIVATE, "channel"),
        ("meeting", None, PERSONAL, Visibility.PRIVATE, "groupChat"),
        ("channel", None, "x", Visibility.PRIVATE, "channel"),
    ],
)
def test_where_the_kind_of_a_conversation_is_not_said_it_is_seen_from_its_id(kind, is_group, id, visibility, address):
    conversation = {"id": id, "tenantId": TENANT, "conversationType": kind, "isGroup": is_group}
    event = event_of("message_in_group", conversation=conversation)
    assert (event.visibility, event.return_address["conversation_type"]) == (visibility, address)


def test_a_thread_is_one_of_channels_alone():
    conversation = {"id": f"{GROUP};messageid={ROOT}", "tenantId": TENANT, "conversationType": "groupChat"}
    event = event_of("message_in_group", conversation=conversation)
    assert (event.thread, event.return_address["conversation"]) == (thread("", GROUP), GROUP)


def test_a_reply_that_does_not_name_its_thread_is_in_that_of_what_it_replies_to():
    event = event_of("message_in_channel_without_root", replyToId=ROOT)
    assert (event.thread.thread, event.return_address["conversation"]) == (ROOT, f"{CHANNEL};messageid={ROOT}")


@pytest.mark.parametrize(("home", "is_external"), [(TENANT, False), (TENANT.upper(), False), ("", False), ("x", True)])
def test_who_comes_from_another_tenant_than_ours_is_external(home, is_external):
    (event,) = events_of(activity("message_in_personal"), tenant=home)
    assert event.author.is_external is is_external


def test_the_tenant_of_the_channel_data_counts_where_the_conversation_has_none():
    event = event_of("message_in_personal", conversation={"id": PERSONAL, "conversationType": "personal"})
    assert event == personal()


@pytest.mark.parametrize(
    ("member", "changes"),
    [
        ({}, {}),
        ({"name": "Anna E.", "userRole": "user", "tenantId": TENANT}, {"name": "Anna E."}),
        ({"userRole": "Guest"}, {"is_guest": True}),
        ({"userRole": "anonymous"}, {"is_guest": True}),
        ({"userPrincipalName": "anna_example.org#EXT#@example.com"}, {"is_guest": True}),
        ({"tenantId": ELSEWHERE}, {"is_external": True}),
    ],
)
def test_the_roster_tells_who_is_a_guest(member, changes):
    assert introduced(ANNA, member) == replace(ANNA, **changes)


def test_what_is_known_of_a_person_the_roster_does_not_take_back():
    assert introduced(replace(EVE, is_guest=True), {"tenantId": TENANT}).is_external
    assert introduced(GUS, {"userRole": "user"}).is_guest


# ---------------------------------------------------------------------------------------------- delivered twice


@pytest.mark.parametrize("name", MEANINGS)
def test_what_comes_again_is_the_same_event(name):
    assert event_of(name).id == event_of(name).id


CLICKS = [name for name in MEANINGS if name.startswith(("invoke", "reaction", "submit", "edit", "undelete", "delete"))]


@pytest.mark.parametrize("name", CLICKS)
@pytest.mark.parametrize("field", ["id", "timestamp"])
def test_two_clicks_are_two_events(name, field):
    other = {"id": "f:another", "timestamp": "2023-11-14T22:16:00Z"}[field]
    assert event_of(name).id != event_of(name, **{field: other}).id


@pytest.mark.parametrize("name", [name for name in CLICKS if name.startswith(("invoke", "reaction", "submit"))])
def test_a_click_of_another_person_is_another_event(name):
    boris = {"id": "29:boris", "name": "Boris Example"}
    assert event_of(name).id != event_of(name, **{"from": boris}).id


@pytest.mark.parametrize("name", [name for name in CLICKS if name.startswith(("invoke", "reaction", "submit"))])
def test_a_click_without_a_name_goes_by_its_time_and_one_without_both_is_malformed(name):
    assert event_of(name, id=None).id.endswith(f":{STAMP}")
    with pytest.raises(Malformed):
        events_of(activity(name, id=None, timestamp=None))


def test_a_message_without_a_time_is_of_now():
    assert event_of("message_in_personal", timestamp=None) == personal(sent_at=NOW)


def test_a_time_without_an_offset_is_utc():
    assert event_of("message_in_personal", timestamp="2023-11-14T22:14:20.123456").sent_at == SENT_AT
    assert event_of("message_in_personal", timestamp="2023-11-14T23:14:20.123456+01:00").sent_at == SENT_AT


# -------------------------------------------------------------------------------------------------------- feedback


@pytest.mark.parametrize(
    ("feedback", "comment"),
    [
        ('{"feedbackText":"Too long"}', "Too long"),
        ('{"feedbackText":"  "}', ""),
        ('{"feedbackText":null}', ""),
        ('{"feedbackText":["x"]}', ""),
        ("{}", ""),
        ("", ""),
        (None, ""),
        ("Too long", "Too long"),
        ('"Too long"', "Too long"),
        ("10", "10"),
        ("[1", "[1"),
        ("9" * 5000, "9" * MAX_COMMENT),
        ("[" * 5000, "[" * MAX_COMMENT),
        ({"feedbackText": "Too long"}, "Too long"),
        ({"other": "x"}, ""),
        (["x"], ""),
        (7, ""),
        ("a\0\ud800", "a?"),
        ('{"feedbackText":"a\\u0000\\ud800"}', "a?"),
    ],
)
def test_the_words_in_a_vote_are_read_however_they_are_written(feedback, comment):
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": feedback}}
    assert event_of("invoke_feedback_dislike", value=value).comment == comment


def test_a_vote_without_words_is_a_vote():
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike"}}
    assert event_of("invoke_feedback_dislike", value=value) == vote("dislike", 1)


def test_which_reactions_are_votes_is_the_operators_choice():
    options = {"up": frozenset({"laugh"}), "down": frozenset({"like"})}
    assert events_of(activity("reaction_added"), **options) == (reaction("added", "like", 1),)
    assert events_of(activity("reaction_unknown"), **options) == (reaction("added", "laugh", 5),)


def test_each_reaction_that_is_a_vote_is_one_of_its_own():
    added = [{"type": "like"}, {"type": "angry"}, {"type": "laugh"}, {"type": "like"}]
    votes = events_of(activity("reaction_added", reactionsAdded=added))
    assert votes == (reaction("added", "like", 5), reaction("added", "angry", 1))
    assert len({vote.id for vote in votes}) == 2


def test_who_changes_a_reaction_takes_one_vote_back_and_gives_another():
    assert events_of(activity("reaction_changed")) == (reaction("removed", "like"), reaction("added", "sad", 1))


def test_a_vote_that_gives_way_to_another_emoji_is_taken_back():
    (taken,) = events_of(activity("reaction_changed", reactionsAdded=[{"type": "laugh"}]))
    assert taken == reaction("removed", "like")


# ---------------------------------------------------------------------------------------------------------- buttons


def button_of(message: Mapping[str, Any]) -> Any:
    return message["attachments"][0]["content"]["actions"][0]


@pytest.mark.parametrize(
    ("message", "name", "value", "args"),
    [
        (cards.answer_again(REPLY, "en"), CommandName.REGENERATE, REPLY, REPLY),
        (cards.confirm("ask-0001", "en"), CommandName.CONFIRM, "ask-0001", "ask-0001"),
    ],
)
def test_the_buttons_of_our_own_cards_are_understood_in_both_ways(message, name, value, args):
    button = button_of(message)
    pressed = {"action": {key: button[key] for key in ("type", "verb", "data")}}
    assert event_of("invoke_action_regenerate", value=pressed) == click(name, value, args)
    assert event_of("submit_regenerate", value=button["fallback"]["data"]) == click(name, value, args)


IN_CHANNEL_WITHOUT_ROOT = {"id": CHANNEL, "tenantId": TENANT, "conversationType": "channel"}


@pytest.mark.parametrize("card", [cards.answer_again(REPLY, "en", ROOT), cards.confirm("ask-0001", "en", ROOT)])
def test_a_button_pressed_in_a_thread_that_teams_does_not_name_names_it_itself(card):
    button = button_of(card)
    invoke = event_of(
        "invoke_action_regenerate_in_channel", value={"action": button}, conversation=IN_CHANNEL_WITHOUT_ROOT
    )
    submit = event_of("submit_regenerate", value=button["fallback"]["data"], conversation=IN_CHANNEL_WITHOUT_ROOT)
    for event in (invoke, submit):
        assert (event.thread, event.return_address["conversation"]) == (
            thread(ROOT, CHANNEL),
            f"{CHANNEL};messageid={ROOT}",
        )


def test_the_thread_that_teams_names_goes_before_that_of_the_button():
    button = button_of(cards.answer_again(REPLY, "en", "1600000000000"))
    event = event_of("invoke_action_regenerate_in_channel", value={"action": button})
    assert event.thread == thread(ROOT, CHANNEL)


@pytest.mark.parametrize("root", [7, None, {}, "", "x" * 81, f"1;messageid={ROOT}", "../x", "a b", f"{ROOT}\n"])
def test_a_root_that_we_cannot_have_given_is_none(root):
    data = {"action": "regenerate", "id": REPLY, "root": root}
    event = event_of("submit_regenerate", value=data, conversation=IN_CHANNEL_WITHOUT_ROOT)
    assert event.thread == thread(ANSWER, CHANNEL)


def test_words_that_bring_a_value_along_are_in_no_thread_of_its_choice():
    sent = activity("submit_regenerate", text="Hello", value={"root": ROOT}, conversation=IN_CHANNEL_WITHOUT_ROOT)
    assert event_of_sent(sent | {"replyToId": ""}).thread == thread(sent["id"], CHANNEL)


def event_of_sent(sent: Activity) -> Any:
    (event,) = events_of(sent)
    return event


@pytest.mark.parametrize("name", ["invoke_feedback_in_channel", "reaction_added_in_channel"])
def test_a_vote_finds_its_answer_where_teams_does_not_name_the_thread(name):
    assert event_of(name, conversation=IN_CHANNEL_WITHOUT_ROOT) == MEANINGS[name]


def test_a_vote_that_names_neither_thread_nor_answer_is_for_none_of_another_thread():
    vote = event_of("invoke_feedback_in_channel", conversation=IN_CHANNEL_WITHOUT_ROOT, replyToId=None)
    assert vote.target == LastReplyTo(ANNA, thread(CLICK, CHANNEL))


def test_regenerate_without_an_id_is_of_the_newest_answer():
    assert event_of("submit_regenerate", value={"action": "regenerate"}).args == ""


@pytest.mark.parametrize("id", ["", "a b", "x" * 81, "../1"])
def test_a_confirmation_of_nothing_is_none(id):
    assert events_of(activity("submit_regenerate", value={"action": "confirm", "id": id})) == ()


def test_a_message_with_words_and_a_value_is_what_the_words_say():
    assert isinstance(event_of("submit_regenerate", text="Hello"), Message)


# ---------------------------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize("name", [name for name in NAMES if "feedback" in name or name == "invoke_submit_other"])
def test_a_vote_is_answered_with_an_empty_object(name):
    received = answered(activity(name))
    assert (received.status, received.body, received.content_type) == (200, b"{}", "application/json")


@pytest.mark.parametrize(
    ("name", "locale", "line"),
    [
        ("invoke_action_regenerate", "en-US", "Answering again…"),
        ("invoke_action_regenerate", "zh-CN", "正在重新回答……"),
        ("invoke_action_confirm", "en-US", "Confirmed."),
    ],
)
def test_a_button_is_answered_with_a_line(name, locale, line):
    received = answered(activity(name, locale=locale))
    assert received.status == 200
    assert json.loads(received.body) == {
        "statusCode": 200,
        "type": "application/vnd.microsoft.activity.message",
        "value": line,
    }


@pytest.mark.parametrize("name", ["invoke_fetch_task", "invoke_unknown", "invoke_action_unknown"])
def test_what_nobody_here_handles_is_said_so(name):
    received = answered(activity(name))
    assert (received.status, received.body) == (400, b"")


# --------------------------------------------------------------------------------------------------------- welcome


def test_the_one_who_installs_us_is_greeted_in_their_language():
    welcome = welcome_of(activity("installation_in_personal"), now=NOW)
    chinese = replace(ANNA, locale="zh-CN")
    address = ADDRESS | {"activity": "f:2f2e2d2c-0b0a-4908-8706-050403020100", "locale": "zh-CN"}
    assert welcome == Welcome(
        id=f"welcome:{PERSONAL}",
        thread=thread(),
        author=chinese,
        sent_at=SENT_AT,
        visibility=Visibility.DIRECT,
        return_address=address,
    )


def test_a_team_is_greeted_in_a_post_of_its_own():
    welcome = welcome_of(activity("installation_in_team"), now=NOW)
    assert welcome is not None
    assert (welcome.thread, welcome.return_address["conversation"]) == (thread("", TEAM), TEAM)


@pytest.mark.parametrize("place", ["personal", "team"])
def test_an_installation_and_a_new_member_are_one_welcome(place):
    both = [welcome_of(activity(f"{kind}_in_{place}"), now=NOW) for kind in ("installation", "members_added")]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].id == both[1].id


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.startswith(("installation_in", "members_added_in"))]
)
def test_nobody_is_greeted_for_anything_else(name):
    assert welcome_of(activity(name), now=NOW) is None


def test_a_welcome_of_another_channel_is_none():
    assert welcome_of(activity("installation_in_personal", channelId="webchat"), now=NOW) is None


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "attachment",
    [
        {"contentType": "text/html", "contentUrl": "https://example.com/x"},
        {"contentType": "application/vnd.microsoft.card.hero", "contentUrl": "https://example.com/x"},
        {"contentType": "image/png"},
        {"contentType": "image/png", "contentUrl": "data:image/png;base64,AAAA"},
        {"contentType": "image/png", "contentUrl": "file:///etc/passwd"},
        {"contentType": "image/png", "contentUrl": "https://example.com/a b\n"},
        {"contentType": "image/png", "contentUrl": "https://example.com/" + "x" * 8192},
        {"contentType": "application/vnd.microsoft.teams.file.download.info", "contentUrl": "https://example.com/x"},
        {},
    ],
)
def test_what_cannot_be_fetched_is_no_attachment(attachment):
    assert event_of("message_in_personal", attachments=[attachment]).attachments == ()


def test_two_files_without_ids_have_two():
    picture = {"contentType": "image/png", "contentUrl": "https://example.com/x", "name": "x.png"}
    first, second = event_of("message_in_personal", attachments=[picture, picture]).attachments
    assert first.id != second.id
    assert (first.name, first.media_type) == ("x.png", "image/png")


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("value", ["", 7, [], {}, True, "x" * 401, "a b", "a\n", "é", "\ud800"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("message_in_personal", ("id",)),
        ("message_in_personal", ("from", "id")),
        ("message_in_personal", ("conversation", "id")),
        ("message_in_personal", ("recipient", "id")),
        ("message_in_personal", ("serviceUrl",)),
        ("edit_in_channel", ("id",)),
        ("delete_in_channel", ("id",)),
        ("reaction_added", ("replyToId",)),
    ],
)
def test_without_its_ids_an_activity_is_malformed(name, path, value):
    broken = activity(name)
    put(broken, path, value)
    with pytest.raises(Malformed):
        events_of(broken)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": None},
        {"type": 7},
        {"channelId": None},
        {"channelId": 7},
        {"text": 7},
        {"text": "x" * 100_001},
        {"timestamp": 7},
        {"timestamp": "yesterday"},
        {"timestamp": "2023-11-14T22:14:20+99:99"},
        {"timestamp": "2023-02-30T22:14:20Z"},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": "9999-12-31T23:59:59-14:00"},
        {"timestamp": "2023-11-14 22:14:20"},
        {"locale": 7},
        {"entities": {}},
        {"attachments": "x"},
        {"attachments": [{}] * 201},
        {"attachments": [{"contentType": 7}]},
        {"attachments": [{"contentType": "application/vnd.microsoft.teams.file.download.info", "content": "x"}]},
        {"channelData": "x"},
        {"channelData": {"tenant": "x"}},
        {"conversation": {"id": f";messageid={ID}", "tenantId": TENANT}},
        {"conversation": {"id": PERSONAL}, "channelData": {}},
        {"conversation": {"id": PERSONAL, "tenantId": TENANT, "isGroup": "yes"}},
        {"serviceUrl": "ftp://example.com"},
        {"serviceUrl": "https://example.com/a b"},
    ],
)
def test_a_field_of_another_kind_is_malformed(changes):
    with pytest.raises(Malformed):
        events_of(activity("message_in_personal", **changes))


@pytest.mark.parametrize(
    "value",
    [
        "x",
        7,
        [],
        {"actionName": 7},
        {"actionName": "feedback", "actionValue": "x"},
        {"actionName": "feedback", "actionValue": {"reaction": 7}},
        {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": "x" * 100_001}},
    ],
)
def test_a_vote_of_another_form_is_malformed(value):
    with pytest.raises(Malformed):
        events_of(activity("invoke_feedback_like", value=value))


@pytest.mark.parametrize("value", ["x", {"action": "x"}, {"action": {"verb": 7}}, {"action": {"data": "x"}}])
def test_a_button_of_another_form_is_malformed(value):
    broken = activity("invoke_action_regenerate", value=value)
    for read in (events_of, answered):
        with pytest.raises(Malformed):
            read(broken)


def test_what_is_malformed_is_told_without_its_words():
    with pytest.raises(Malformed) as caught:
        events_of(activity("message_in_personal", id="a secret"))
    assert "secret" not in str(caught.value)


def test_null_is_as_good_as_missing():
    bare: Activity = dict.fromkeys(activity("message_in_channel"))
    kept = ("type", "id", "channelId", "serviceUrl", "from", "conversation", "recipient", "text", "channelData")
    bare |= {name: value for name, value in activity("message_in_channel").items() if name in kept}
    event: Any = events_of(bare)[0]
    assert event.text == "Good morning"
    assert event.is_mention


Way = tuple[Any, ...]
WORDS = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "../../etc",
        "28:x",
        "f:1",
        ";messageid=",
        "<at>Parley</at>",
        "like",
        "regenerate",
        "personal",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, at: Way = ()) -> list[Way]:
    """Where something stands in an activity."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in inner for path in [(*at, key), *paths(item, (*at, key))]]


def put(value: Any, path: Way, new: Any) -> None:
    *way, last = path
    for key in way:
        value = value[key]
    value[last] = new


@st.composite
def mutated(draw: st.DrawFn) -> Activity:
    """Any activity with up to three of its values replaced by anything at all, or by another's."""
    broken = deepcopy(activity(draw(st.sampled_from(NAMES))))
    for _ in range(draw(st.integers(1, 3))):
        put(broken, draw(st.sampled_from(paths(broken))), draw(JSON))
    other = activity(draw(st.sampled_from(NAMES)))
    for name in draw(st.lists(st.sampled_from(sorted(other)), max_size=2)):
        broken[name] = other[name]
    return broken


def names_of(event: Event) -> list[str]:
    """All that names something: what it is made of ends up in keys, addresses and queries."""
    names = [event.id, event.author.id, event.author.workspace]
    if isinstance(event, Feedback):
        return names
    address = event.return_address
    names += [event.thread.workspace, event.thread.channel, event.thread.thread]
    names += [address[name] for name in ("service_url", "conversation", "conversation_type", "tenant", "activity")]
    names += [address["bot"]["id"], address["user"]["id"], address["locale"], event.author.locale]
    if isinstance(event, Message):
        names += [file.id for file in event.attachments] + [file.address["url"] for file in event.attachments]
    return [*names, event.message_id] if isinstance(event, Edited | Deleted) else names


@settings(max_examples=1000)
@given(mutated(), st.sampled_from(["", TENANT]))
def test_whatever_is_sent_is_understood_or_is_nothing_or_is_malformed(broken, tenant):
    try:
        events = parse(broken, now=NOW, tenant=tenant)
        for event in events:
            assert is_for_us(event, broken) in (True, False)
            assert may_be_ours(event) in (True, False)
    except Malformed:
        return
    for event in events:
        assert all(re.fullmatch(r"[!-~]*", name) for name in names_of(event)), names_of(event)
        assert "\\u0000" not in dumps(event).decode()
        assert loads(dumps(event)) == event


@settings(max_examples=500)
@given(mutated())
def test_whatever_is_sent_is_greeted_or_answered_or_malformed(broken):
    for read in (lambda: welcome_of(broken, now=NOW), lambda: answered(broken)):
        with suppress(Malformed):
            read()


@given(JSON.filter(lambda value: isinstance(value, dict)) | st.dictionaries(st.sampled_from(["type", "from"]), JSON))
def test_what_is_no_activity_at_all_is_malformed_or_nothing(value):
    with suppress(Malformed):
        assert parse(value, now=NOW) == ()
