"""What Slack's payloads mean. Each shape stands in tests/data/slack, written by hand after docs.slack.dev."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.parse import MAX_COMMENT, REASONS, Place, is_for_us, language_of_modal, parse
from adapters.slack.settings import SlackSettings
from core.codec import dumps, loads
from core.message import (
    Attachment,
    Author,
    Command,
    CommandName,
    Deleted,
    Edited,
    Event,
    Feedback,
    Message,
    Origin,
    PartId,
    ReplyId,
    ThreadId,
    Visibility,
)

FOLDER = Path(__file__).parents[3] / "data/slack"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

TEAM, ORG, US = "T0PARLEY1", "E0PARLEY1", "U0PARLEY1"
CHANNEL, GROUP, MPIM, DIRECT = "C0GENERAL", "G0SECRET1", "G0MPIM001", "D0ANNA001"
ROOT, TS, LATER = "1700000000.000100", "1700000060.000200", "1700000120.000300"
CLICKED = "1700000130.123456"
REPLY = ReplyId("0123456789abcdef" * 2)
NOW = datetime(2030, 1, 2, tzinfo=UTC)
PLACE = Place(workspace=TEAM, bot_user=US, received_at=NOW, scores=SlackSettings().scores)

ANNA = Author("slack", TEAM, "U0ANNA001")
EVE = Author("slack", TEAM, "U0EVE0001", is_external=True)
NOTES = "https://files.slack.com/files-pri/T0PARLEY1-F0NOTES01/download/notes.txt"
ADDRESS = {"user": ANNA.id, "team": TEAM, "ts": TS}
EVES_ADDRESS = {"user": EVE.id, "team": "T0ELSE001", "ts": TS}
CLICK_ADDRESS = {"user": ANNA.id, "team": TEAM, "ts": CLICKED, "whisper": True}
CLICK_URL = "https://hooks.slack.com/actions/T0PARLEY1/6300000000003/invented"
COMMAND_URL = "https://hooks.slack.com/commands/T0PARLEY1/6300000000003/invented"
COMMAND_ID = f"command:{TEAM}:6100000000001.6200000000002.fedcba9876543210fedcba9876543210"

Payload = dict[str, Any]


@cache
def _text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def payload(name: str) -> Payload:
    """A fresh copy of what Slack sends."""
    read: Payload = json.loads(_text_of(name))
    return read


def event_of(name: str, **changes: Any) -> Payload:
    """The payload with some fields of its event changed; None takes a field out."""
    changed = payload(name)
    fields = changed["event"] | changes
    changed["event"] = {key: value for key, value in fields.items() if value is not None}
    return changed


def saying(text: str, name: str = "message_in_direct") -> Event:
    """What a person's words become."""
    (event,) = parse(event_of(name, text=text), PLACE)
    return event


def said(text: str) -> str:
    message = saying(text)
    assert isinstance(message, Message)
    return message.text


def moment(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


def thread(root: str = TS, channel: str = CHANNEL) -> ThreadId:
    return ThreadId("slack", TEAM, channel, root)


def message(**changes: Any) -> Message:
    """Anna's message of TS in the channel."""
    usual = Message(
        id=f"{TEAM}:{CHANNEL}:{TS}",
        thread=thread(),
        author=ANNA,
        text="Good morning",
        sent_at=moment(TS),
        visibility=Visibility.PUBLIC,
        return_address=ADDRESS,
    )
    return replace(usual, **changes)


def mention(**changes: Any) -> Message:
    usual = {"text": "What is 1 < 2 & 3?", "is_mention": True, "visibility": Visibility.PRIVATE}
    return message(**(usual | changes))


def direct(**changes: Any) -> Message:
    usual = {
        "id": f"{TEAM}:{DIRECT}:{TS}",
        "thread": thread(channel=DIRECT),
        "visibility": Visibility.DIRECT,
        "is_mention": True,
    }
    return message(**(usual | changes))


def notes(**changes: Any) -> Attachment:
    usual = Attachment("F0NOTES01", "notes.txt", "text/plain", 12, {"workspace": TEAM, "url": NOTES})
    return replace(usual, **changes)


def edited(**changes: Any) -> Edited:
    usual = Edited(
        id=f"edit:{TEAM}:{CHANNEL}:{TS}:1700000119.000000",
        thread=thread(),
        author=ANNA,
        sent_at=moment("1700000119.000000"),
        visibility=Visibility.PUBLIC,
        message_id=f"{TEAM}:{CHANNEL}:{TS}",
        text="Why & how?",
    )
    return replace(usual, **changes)


def deleted(ts: str = TS, channel: str = CHANNEL, **changes: Any) -> Deleted:
    usual = Deleted(
        id=f"delete:{TEAM}:{channel}:{ts}",
        thread=thread(ts, channel),
        author=ANNA,
        sent_at=moment(LATER),
        visibility=Visibility.PUBLIC,
        message_id=f"{TEAM}:{channel}:{ts}",
    )
    return replace(usual, **changes)


def reaction(emoji: str, score: int | None, kind: str = "added") -> Feedback:
    return Feedback(
        id=f"reaction:{kind}:{TEAM}:{CHANNEL}:{TS}:{ANNA.id}:{emoji}:{LATER}",
        target=PartId("slack", TEAM, CHANNEL, TS),
        author=ANNA,
        origin=Origin.REACTION,
        score=score,
        sent_at=moment(LATER),
        reaction=emoji,
    )


def vote(direction: str, score: int, author: Author = ANNA) -> Feedback:
    return Feedback(
        id=f"click:{TEAM}:{author.id}:feedback:{direction}:{REPLY}:{CLICKED}",
        target=REPLY,
        author=author,
        origin=Origin.BUTTON,
        score=score,
        sent_at=moment(CLICKED),
    )


def click(name: CommandName, value: str = REPLY, args: str = "", **changes: Any) -> Command:
    usual = Command(
        id=f"click:{TEAM}:{ANNA.id}:{name}:{value}:{CLICKED}",
        name=name,
        args=args,
        thread=thread(ROOT),
        author=ANNA,
        sent_at=moment(CLICKED),
        visibility=Visibility.PRIVATE,
        return_address=CLICK_ADDRESS,
    )
    return replace(usual, **changes)


def answers(reason: str = "", comment: str = "") -> Feedback:
    """What a modal brings."""
    return Feedback(
        id=f"view:{TEAM}:{ANNA.id}:V0PARLEY1",
        target=REPLY,
        author=ANNA,
        origin=Origin.BUTTON,
        score=1,
        sent_at=NOW,
        reason=reason,
        comment=comment,
    )


def question(text: str = "What is 1 < 2?", channel: str = CHANNEL) -> Message:
    """What a slash command asks."""
    return Message(
        id=COMMAND_ID,
        thread=thread(f"/{ANNA.id}", channel),
        author=ANNA,
        text=text,
        sent_at=NOW,
        visibility=Visibility.DIRECT,
        is_mention=True,
        return_address={"user": ANNA.id, "response_url": COMMAND_URL},
    )


def order(name: CommandName, args: str = "", channel: str = CHANNEL) -> Command:
    """What a slash command orders."""
    return Command(
        id=COMMAND_ID,
        name=name,
        args=args,
        thread=thread(f"/{ANNA.id}", channel),
        author=ANNA,
        sent_at=NOW,
        visibility=Visibility.DIRECT,
        return_address={"user": ANNA.id, "response_url": COMMAND_URL},
    )


MEANINGS: Mapping[str, Event] = {
    "app_mention": mention(),
    "app_mention_alone": mention(text=""),
    "app_mention_in_organisation": mention(
        author=replace(ANNA, is_external=True), return_address=ADDRESS | {"team": ORG}
    ),
    "app_mention_in_thread": mention(thread=thread(ROOT)),
    "app_mention_with_file": mention(attachments=(notes(),)),
    "message": message(),
    "message_with_mention": mention(visibility=Visibility.PUBLIC),
    "message_in_direct": direct(),
    "message_in_direct_thread": direct(thread=thread(ROOT, DIRECT), text="And then?"),
    "message_in_group": message(id=f"{TEAM}:{MPIM}:{TS}", thread=thread(channel=MPIM), visibility=Visibility.PRIVATE),
    "message_in_private_channel": message(
        id=f"{TEAM}:{GROUP}:{TS}", thread=thread(channel=GROUP), visibility=Visibility.PRIVATE
    ),
    "message_in_thread": message(thread=thread(ROOT), text="And then?"),
    "message_thread_broadcast": message(thread=thread(ROOT), text="Everybody, see"),
    "message_file_share": direct(text="See here", attachments=(notes(),)),
    "message_file_share_alone": direct(text="", attachments=(notes(),)),
    "message_file_share_by_id": message(
        thread=thread(ROOT),
        author=EVE,
        text="See here",
        attachments=(Attachment("F0ELSE001", "", "", None, {"workspace": TEAM, "url": ""}),),
        return_address=EVES_ADDRESS,
    ),
    "message_of_stranger": message(thread=thread(ROOT), author=EVE, text="Hello", return_address=EVES_ADDRESS),
    "message_to_another_in_direct": direct(text="@U0BORIS01 is who?"),
    "message_changed": edited(),
    "message_changed_in_direct": edited(
        id=f"edit:{TEAM}:{DIRECT}:{TS}:1700000119.000000",
        thread=thread(channel=DIRECT),
        visibility=Visibility.DIRECT,
        message_id=f"{TEAM}:{DIRECT}:{TS}",
    ),
    "message_changed_to_tombstone": deleted(ROOT),
    "message_deleted": deleted(thread=thread(ROOT)),
    "message_deleted_in_direct": deleted(channel=DIRECT, visibility=Visibility.DIRECT),
    "reaction_added": reaction("+1", 5),
    "reaction_added_with_skin_tone": reaction("-1::skin-tone-3", 1),
    "reaction_removed": reaction("+1", None, "removed"),
    "block_actions_feedback_up": vote("up", 5),
    "block_actions_feedback_down": vote("down", 1),
    "block_actions_feedback_of_stranger": vote("up", 5, EVE),
    "block_actions_feedback_on_ephemeral": vote("down", 1),
    "block_actions_regenerate": click(CommandName.REGENERATE, args=REPLY),
    "block_actions_regenerate_on_ephemeral": click(
        CommandName.REGENERATE,
        args=REPLY,
        thread=thread(f"/{ANNA.id}"),
        visibility=Visibility.DIRECT,
        return_address={"user": ANNA.id, "team": TEAM, "ts": CLICKED, "response_url": CLICK_URL},
    ),
    "block_actions_stop": click(CommandName.STOP, args=REPLY),
    "block_actions_stop_in_direct": click(
        CommandName.STOP, args=REPLY, thread=thread(ROOT, DIRECT), visibility=Visibility.DIRECT
    ),
    "block_actions_confirm": click(CommandName.CONFIRM, "ask-0001", "ask-0001"),
    "view_submission": answers("incomplete", "It is 41.\nSee above."),
    "view_submission_left_empty": answers(),
    "slash_command": question(),
    "slash_command_alone": order(CommandName.HELP),
    "slash_command_in_direct": order(CommandName.HELP, channel=DIRECT),
    "slash_command_in_organisation": question("What is this?"),
}

# Other bots, we ourselves, what people did and did not say, what Slack tells of itself, and what nobody may press.
NOT_FOR_US = [
    "app_home_opened",
    "app_home_opened_on_home",
    "app_mention_edited",
    "app_rate_limited",
    "app_uninstalled",
    "block_actions_feedback_forged",
    "block_actions_unknown",
    "channel_join",
    "channel_topic",
    "group_join",
    "me_message",
    "message_changed_by_unfurl",
    "message_changed_of_ours",
    "message_deleted_of_ours",
    "message_of_bot",
    "message_of_integration",
    "message_of_ours",
    "message_of_slackbot",
    "message_to_another",
    "reaction_added_of_no_vote",
    "reaction_added_of_ours",
    "reaction_added_to_file",
    "reaction_added_to_person",
    "tokens_revoked",
    "unknown_event",
    "url_verification",
    "view_closed",
    "view_submission_of_another_form",
]


def test_every_shape_has_a_meaning():
    assert sorted([*MEANINGS, *NOT_FOR_US]) == NAMES


@pytest.mark.parametrize("name", MEANINGS)
def test_what_people_do_is_understood(name):
    assert parse(payload(name), PLACE) == (MEANINGS[name],)


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_what_is_not_for_us_is_nothing(name):
    assert parse(payload(name), PLACE) == ()


# ------------------------------------------------------------------------------------------------- one thing, one id


def test_one_post_that_comes_as_mention_and_as_message_is_one_question():
    (first,), (second,) = parse(payload("app_mention"), PLACE), parse(payload("message_with_mention"), PLACE)
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first == replace(second, visibility=first.visibility)


@pytest.mark.parametrize("name", MEANINGS)
def test_a_redelivery_has_the_id_of_the_first_whatever_its_event_is_called(name):
    again = payload(name)
    again |= {"event_id": "Ev0AGAIN01", "event_time": 1700009999} if "event_id" in again else {}
    later = replace(PLACE, received_at=datetime(2031, 1, 2, tzinfo=UTC))
    assert [event.id for event in parse(again, later)] == [MEANINGS[name].id]


def test_two_clicks_on_one_button_are_two():
    again = payload("block_actions_regenerate")
    again["actions"][0]["action_ts"] = "1700000131.000000"
    assert parse(again, PLACE)[0].id != MEANINGS["block_actions_regenerate"].id


def test_a_reaction_given_taken_back_and_given_again_is_three_votes():
    moments = [("added", LATER), ("removed", "1700000121.000000"), ("added", "1700000122.000000")]
    votes = [parse(event_of(f"reaction_{kind}", event_ts=ts), PLACE)[0] for kind, ts in moments]
    assert len({vote.id for vote in votes}) == 3


def test_two_people_have_two_votes():
    assert parse(payload("reaction_added"), PLACE) != parse(event_of("reaction_added", user="U0BORIS01"), PLACE)


def test_two_edits_of_one_message_are_two():
    again = payload("message_changed")
    again["event"]["message"] |= {"text": "What?", "edited": {"user": ANNA.id, "ts": "1700000125.000000"}}
    assert parse(again, PLACE)[0].id != MEANINGS["message_changed"].id


def test_an_event_without_a_time_goes_by_its_own_name():
    bare = event_of("reaction_added", event_ts=None)
    (vote,) = parse(bare, PLACE)
    assert vote.id.endswith(":Ev0PARLEY1")
    assert vote.sent_at == NOW


@pytest.mark.parametrize("value", [None, "", "../1", "1 2", "x" * 81, 17, []])
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("app_mention", "channel"),
        ("app_mention", "ts"),
        ("message_changed", "channel"),
        ("message_changed", "message.ts"),
        ("reaction_added", "user"),
        ("reaction_added", "item.channel"),
        ("reaction_added", "item.ts"),
    ],
)
def test_what_cannot_be_named_is_nothing(name, field, value):
    broken = payload(name)
    put(broken["event"], tuple(field.split(".")), value)
    assert parse(broken, PLACE) == ()


# ------------------------------------------------------------------------------------------------ who speaks, to whom


@pytest.mark.parametrize("field", ["bot_id", "edited"])
@pytest.mark.parametrize("name", ["app_mention", "message_with_mention", "message_in_direct"])
def test_no_question_comes_from_a_bot_or_from_an_edit(name, field):
    assert parse(event_of(name, **{field: "B0ELSE001"}), PLACE) == ()


@pytest.mark.parametrize("user", [US, "USLACKBOT", "", "not an id", 7, ["U0ANNA001"]])
def test_we_slackbot_and_nobody_ask_nothing(user):
    for name in ("app_mention", "message_in_direct", "message_with_mention"):
        assert parse(event_of(name, user=user), PLACE) == ()


@pytest.mark.parametrize(
    "subtype", ["channel_leave", "channel_name", "pinned_item", "bot_add", "reminder_add", "huddle_thread", "tomorrows"]
)
def test_what_slack_says_in_a_persons_name_is_no_question(subtype):
    assert parse(event_of("message_in_direct", subtype=subtype), PLACE) == ()


def test_who_names_somebody_else_first_and_us_as_well_asks_us():
    (event,) = parse(event_of("message_to_another", text=f"<@U0BORIS01> look what <@{US}> can do"), PLACE)
    assert isinstance(event, Message)
    assert (event.text, event.is_mention) == ("@U0BORIS01 look what can do", True)


def test_a_member_of_the_whole_organisation_is_no_stranger():
    (event,) = parse(payload("app_mention_in_organisation"), replace(PLACE, enterprise=ORG))
    assert not event.author.is_external


def test_a_colleague_of_another_workspace_of_the_organisation_is_no_stranger_by_the_payload_alone():
    told = payload("app_mention_in_organisation")
    told["event"] |= {"user_team": "T0OTHER01", "team": "T0OTHER01"}
    (colleague,) = parse(told, replace(PLACE, enterprise=ORG))
    (stranger,) = parse(told, PLACE)
    assert (colleague.author.is_external, stranger.author.is_external) == (False, True)


def test_who_comes_from_another_workspace_is_a_stranger_whatever_they_do():
    asked, clicked = payload("message_of_stranger"), payload("block_actions_feedback_of_stranger")
    assert [parse(each, PLACE)[0].author.is_external for each in (asked, clicked)] == [True, True]
    at_home = replace(PLACE, workspace="T0ELSE001")
    assert [parse(each, at_home)[0].author.is_external for each in (asked, clicked)] == [False, False]


@pytest.mark.parametrize(
    ("teams", "is_external", "told"),
    [
        ({"user_team": "T0ELSE001", "team": TEAM}, True, "T0ELSE001"),
        ({"user_team": TEAM, "team": "T0ELSE001"}, False, TEAM),
        ({"user_team": None, "team": "T0ELSE001"}, True, "T0ELSE001"),
        ({"user_team": "T0ELSE001", "team": None}, True, "T0ELSE001"),
        ({"user_team": None, "team": None}, False, TEAM),
    ],
)
def test_a_person_is_of_the_team_that_is_said_to_be_theirs(teams, is_external, told):
    (event,) = parse(event_of("message_in_direct", **teams), PLACE)
    assert isinstance(event, Message)
    assert (event.author.is_external, event.return_address["team"]) == (is_external, told)


def test_a_reaction_to_what_nobody_is_said_to_have_written_may_be_to_ours():
    (vote,) = parse(event_of("reaction_added", item_user=None), PLACE)
    assert vote == MEANINGS["reaction_added"]


@pytest.mark.parametrize("name", ["message_changed", "message_deleted", "message_changed_to_tombstone"])
def test_who_edits_or_deletes_is_the_one_who_wrote_it(name):
    (event,) = parse(payload(name), PLACE)
    assert event.author == ANNA


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("app_mention", True),
        ("app_mention_alone", True),
        ("message_with_mention", True),
        ("message_in_direct", True),
        ("message_in_direct_thread", True),
        ("message", False),
        ("message_in_thread", False),
        ("message_in_group", False),
        ("message_thread_broadcast", False),
        ("message_changed", False),
        ("message_deleted", False),
        ("message_changed_in_direct", True),
        ("message_deleted_in_direct", True),
        ("reaction_added", True),
        ("block_actions_stop", True),
        ("block_actions_feedback_up", True),
        ("view_submission", True),
        ("slash_command", True),
        ("slash_command_alone", True),
    ],
)
def test_what_does_not_name_us_concerns_us_in_our_threads_alone(name, is_ours):
    (event,) = parse(payload(name), PLACE)
    assert is_for_us(event, payload(name), PLACE) is is_ours


@pytest.mark.parametrize("name", ["message_changed", "message_deleted", "message_changed_to_tombstone"])
def test_what_becomes_of_a_mention_concerns_us_everywhere(name):
    happened = deepcopy(payload(name))
    happened["event"]["previous_message"]["text"] = f"<@{US}> a question"
    (event,) = parse(happened, PLACE)
    assert is_for_us(event, happened, PLACE)
    happened["event"]["previous_message"]["text"] = "just talking"
    happened["event"].get("message", {})["text"] = f"<@{US}> what do you think?"
    (event,) = parse(happened, PLACE)
    assert not is_for_us(event, happened, PLACE)


def test_an_edit_of_words_for_somebody_else_is_none_of_a_question():
    changed = payload("message_changed")
    changed["event"]["previous_message"]["text"] = "<@U0BEN0001> are you there?"
    assert parse(changed, PLACE) == ()
    changed["event"]["previous_message"]["text"] = f"<@{US}> are you there?"
    assert len(parse(changed, PLACE)) == 1


def test_a_stop_word_in_a_strange_thread_is_not_for_us():
    for text, is_ours in (("stop", False), (f"<@{US}> stop", True)):
        spoken = event_of("message_in_thread", text=text)
        (command,) = parse(spoken, PLACE)
        assert isinstance(command, Command)
        assert is_for_us(command, spoken, PLACE) is is_ours


@pytest.mark.parametrize(
    ("kind", "visibility"),
    [
        ("channel", Visibility.PUBLIC),
        ("group", Visibility.PRIVATE),
        ("mpim", Visibility.PRIVATE),
        ("im", Visibility.DIRECT),
        ("app_home", Visibility.PRIVATE),
        (None, Visibility.PRIVATE),
    ],
)
def test_a_place_that_is_not_known_to_be_public_is_private(kind, visibility):
    (event,) = parse(event_of("message_with_mention", channel_type=kind), PLACE)
    assert isinstance(event, Message)
    assert event.visibility is visibility


def test_a_direct_channel_is_one_by_its_letter_where_its_kind_is_not_told():
    (event,) = parse(event_of("message_in_direct", channel_type=None), PLACE)
    assert event == MEANINGS["message_in_direct"]


def test_a_mention_is_one_also_where_its_words_do_not_show_it():
    assert parse(event_of("app_mention", text="hello"), PLACE) == (mention(text="hello"),)


# ---------------------------------------------------------------------------------------------------------- the words


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("stop", CommandName.STOP, ""),
        ("Stop!", CommandName.STOP, ""),
        ("停止", CommandName.STOP, ""),
        (f"<@{US}> stop", CommandName.STOP, ""),
        (f"<@{US}>: 停止", CommandName.STOP, ""),
        (f"<@{US}> /reset", CommandName.RESET, ""),
        (f"<@{US}>, /reset", CommandName.RESET, ""),
        (f"<@{US}> /code print &lt;hi&gt;", CommandName.CODE, "print <hi>"),
        ("/help", CommandName.HELP, ""),
    ],
)
def test_orders_are_understood_with_and_without_a_mention(text, name, args):
    command = saying(text)
    assert isinstance(command, Command)
    assert (command.name, command.args) == (name, args)


@pytest.mark.parametrize(
    ("name", "text", "is_aside"),
    [
        ("message_in_thread", "stop", True),
        ("message_in_thread", "停止", True),
        ("message_in_thread", f"<@{US}> /reset", False),
        ("message_in_thread", "stop the server", False),
        ("message_in_direct", "stop", False),
    ],
)
def test_a_stop_word_among_others_is_answered_aside(name, text, is_aside):
    event = saying(text, name)
    assert isinstance(event, Message | Command)
    assert event.return_address.get("whisper", False) is is_aside


@pytest.mark.parametrize("text", ["stop the server", "how do I stop?", "help", "reset", "/unknown order", "停止服务"])
def test_what_only_begins_like_an_order_is_a_question(text):
    assert said(text) == text


@pytest.mark.parametrize("text", [f"<@{US}>", f" <@{US}>: ", ""])
def test_a_bare_call_says_nothing_by_itself_there_may_be_a_thread_to_read(text):
    assert said(text) == ""


def test_what_was_escaped_is_decoded_once():
    assert said("&amp;lt; &lt;b&gt; <https://example.com|x> <#C0GENERAL|general> <@U0BORIS01|boris>") == (
        "&lt; <b> [x](https://example.com) #general @boris"
    )
    assert said("<!subteam^S0CREW001|@crew> at <!date^1700000000^{time}|22:13>") == "@crew at 22:13"


def test_what_no_database_takes_is_left_out_of_all_texts():
    assert said("a\0b\ud800c") == "ab?c"
    hurt = payload("message_file_share")
    hurt["event"]["files"][0] |= {
        "name": "a\0\ud800.txt",
        "mimetype": "text/\0plain",
        "url_private_download": "h\ud800",
    }
    (event,) = parse(hurt, PLACE)
    assert isinstance(event, Message)
    expected = notes(name="a?.txt", media_type="text/plain", address={"workspace": TEAM, "url": "h?"})
    assert event.attachments == (expected,)


def test_a_file_that_cannot_be_named_is_left_out_and_a_long_name_is_cut():
    files = [{"id": "F/../1"}, {"name": "x"}, "F0NOTES01", None, {"id": "F0LONG001", "name": "n" * 300, "size": -1}]
    (event,) = parse(event_of("message_file_share", files=files), PLACE)
    assert isinstance(event, Message)
    assert [(file.id, len(file.name), file.size) for file in event.attachments] == [("F0LONG001", 255, None)]


# ---------------------------------------------------------------------------------------------- edits and what is gone


@pytest.mark.parametrize("field", ["attachments", "blocks", "reply_count", "pinned_to"])
def test_a_message_that_changed_in_all_but_its_words_was_not_edited(field):
    changed = payload("message_changed_in_direct")
    changed["event"]["message"]["text"] = changed["event"]["previous_message"]["text"]
    changed["event"]["message"][field] = ["new"]
    assert parse(changed, PLACE) == ()


def test_an_edit_without_its_time_goes_by_the_time_it_was_told():
    changed = payload("message_changed")
    del changed["event"]["message"]["edited"]
    (event,) = parse(changed, PLACE)
    assert event.id == f"edit:{TEAM}:{CHANNEL}:{TS}:{LATER}"
    changed["event"]["event_ts"] = 5
    (event,) = parse(changed, PLACE)
    assert (event.id, event.sent_at) == (f"edit:{TEAM}:{CHANNEL}:{TS}:{TS}", moment(TS))


def test_what_is_deleted_twice_over_is_one_deletion():
    (tombstone,) = parse(payload("message_changed_to_tombstone"), PLACE)
    gone = payload("message_changed_to_tombstone")
    gone["event"] |= {"subtype": "message_deleted", "deleted_ts": ROOT}
    (deletion,) = parse(gone, PLACE)
    assert tombstone == deletion


def test_a_deletion_that_does_not_say_whose_words_they_were_is_nothing():
    assert parse(event_of("message_deleted", previous_message=None), PLACE) == ()


@pytest.mark.parametrize("change", [{"channel": None}, {"channel": "C 1"}, {"deleted_ts": None}, {"deleted_ts": "1/2"}])
def test_a_deletion_that_does_not_say_what_is_gone_is_nothing(change):
    assert parse(event_of("message_deleted", **change), PLACE) == ()


# -------------------------------------------------------------------------------------------------------------- votes


@pytest.mark.parametrize(
    ("emoji", "score"),
    [("+1", 5), ("thumbsup", 5), ("-1", 1), ("thumbsdown", 1), ("+1::skin-tone-6", 5), ("thumbsdown::skin-tone-2", 1)],
)
def test_thumbs_count_in_every_colour(emoji, score):
    (vote,) = parse(event_of("reaction_added", reaction=emoji), PLACE)
    assert isinstance(vote, Feedback)
    assert vote.score == score


def test_each_reaction_is_a_vote_of_its_own_and_taken_back_by_its_name():
    names = ["+1", "+1::skin-tone-2", "-1"]
    given, taken = ([vote_of(kind, name) for name in names] for kind in ("reaction_added", "reaction_removed"))
    assert [vote.reaction for vote in given] == [vote.reaction for vote in taken] == names
    assert [vote.score for vote in taken] == [None] * 3


def vote_of(kind: str, emoji: str) -> Feedback:
    (vote,) = parse(event_of(kind, reaction=emoji), PLACE)
    assert isinstance(vote, Feedback)
    return vote


@pytest.mark.parametrize(
    "emoji", ["", "heart", "+1::", "+1::skin-tone-7", "+1::skin-tone-2\n", "+1::skin-tone-٣", "::skin-tone-2", "+2", 1]
)
def test_any_other_emoji_is_no_vote(emoji):
    assert parse(event_of("reaction_added", reaction=emoji), PLACE) == ()


def test_which_emoji_count_is_for_the_operator_to_say():
    told = SlackSettings(up=frozenset({"heart"}), down=frozenset({"no_entry"}))
    place = replace(PLACE, scores=told.scores)
    (vote,) = parse(event_of("reaction_added", reaction="heart"), place)
    assert isinstance(vote, Feedback)
    assert vote.score == 5
    assert parse(payload("reaction_added"), place) == ()


@pytest.mark.parametrize(
    "value", ["", "up", "up:", f"up:{REPLY}0", f"up:{REPLY.upper()}", f"left:{REPLY}", f"up:{REPLY}\n", REPLY, 5]
)
def test_a_thumb_that_we_did_not_offer_is_no_vote(value):
    pressed = payload("block_actions_feedback_up")
    pressed["actions"][0]["value"] = value
    assert parse(pressed, PLACE) == ()


@pytest.mark.parametrize("value", ["", "up", f"up:{REPLY}", f"{REPLY}0", REPLY.upper(), f"{REPLY}\n", f" {REPLY}", 5])
@pytest.mark.parametrize("name", ["block_actions_regenerate", "block_actions_stop"])
def test_a_button_under_no_answer_of_ours_does_nothing(name, value):
    pressed = payload(name)
    pressed["actions"][0]["value"] = value
    assert parse(pressed, PLACE) == ()


@pytest.mark.parametrize("value", ["", "a b", "a:b", "x" * 81, "\ud800", "1\n"])
def test_a_confirmation_of_nothing_we_asked_is_nothing(value):
    pressed = payload("block_actions_confirm")
    pressed["actions"][0]["value"] = value
    assert parse(pressed, PLACE) == ()


@pytest.mark.parametrize("actions", [None, [], {}, {"a": {}}, "stop", 5, [None], [[]], ["stop"]])
def test_a_click_on_nothing_is_nothing(actions):
    assert parse(payload("block_actions_stop") | {"actions": actions}, PLACE) == ()


def test_a_click_on_a_root_message_concerns_the_thread_below_it():
    pressed = payload("block_actions_stop")
    for part in ("message", "container"):
        del pressed[part]["thread_ts"]
    assert parse(pressed, PLACE) == (click(CommandName.STOP, args=REPLY, thread=thread(TS)),)


@pytest.mark.parametrize(
    "left_out",
    [
        ("channel",),
        ("container",),
        ("message",),
        ("message", "channel"),
        ("container.thread_ts",),
        ("message.thread_ts",),
        ("container.channel_id", "container.message_ts"),
    ],
)
def test_where_a_click_was_made_is_told_twice_and_once_is_enough(left_out):
    pressed = payload("block_actions_stop")
    for name in left_out:
        *way, last = name.split(".")
        del (pressed[way[0]] if way else pressed)[last]
    assert parse(pressed, PLACE) == (MEANINGS["block_actions_stop"],)


@pytest.mark.parametrize("told_by", ["message", "container"])
def test_the_root_itself_is_named_by_either_of_the_two(told_by):
    pressed = payload("block_actions_stop")
    pressed["message"] = {"ts": TS} if told_by == "message" else None
    pressed["container"] = {"message_ts": TS} if told_by == "container" else {}
    assert parse(pressed, PLACE) == (click(CommandName.STOP, args=REPLY, thread=thread(TS)),)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": {}, "container": {"thread_ts": ROOT}},
        {"message": {}, "container": {}},
        {"actions": [{"action_id": "stop", "value": REPLY}]},
    ],
)
def test_a_click_of_which_place_or_time_is_missing_is_nothing(change):
    assert parse(payload("block_actions_stop") | change, PLACE) == ()


@pytest.mark.parametrize(("team", "told"), [("T0ELSE001", "T0ELSE001"), (None, TEAM), (5, TEAM)])
def test_who_clicked_is_answered_as_a_member_of_their_team(team, told):
    pressed = payload("block_actions_stop")
    pressed["user"]["team_id"] = team
    (command,) = parse(pressed, PLACE)
    assert isinstance(command, Command)
    assert command.return_address == CLICK_ADDRESS | {"team": told}


def test_an_ephemeral_message_in_a_thread_concerns_that_thread():
    pressed = payload("block_actions_regenerate_on_ephemeral")
    pressed["container"]["thread_ts"] = ROOT
    assert parse(pressed, PLACE) == (MEANINGS["block_actions_regenerate"],)


def test_a_click_of_nobody_is_nothing():
    assert parse(payload("block_actions_stop") | {"user": None}, PLACE) == ()


def test_a_form_without_a_name_or_of_nobody_is_nothing():
    for part in ("view", "user"):
        sent = payload("view_submission")
        del sent[part]["id"]
        assert parse(sent, PLACE) == ()


def test_the_reasons_that_are_stored_keep_their_names():
    assert REASONS == ("incorrect", "incomplete", "unclear", "off_topic", "unsafe")


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_that_is_offered_is_kept(reason):
    sent = payload("view_submission")
    sent["view"]["state"]["values"]["reason"]["reason"]["selected_option"]["value"] = reason
    (feedback,) = parse(sent, PLACE)
    assert isinstance(feedback, Feedback)
    assert feedback.reason == reason


@pytest.mark.parametrize("reason", ["mood", "", "INCOMPLETE", None, 3, {}])
def test_a_reason_that_was_not_offered_is_none(reason):
    sent = payload("view_submission")
    sent["view"]["state"]["values"]["reason"]["reason"]["selected_option"]["value"] = reason
    assert parse(sent, PLACE) == (answers("", "It is 41.\nSee above."),)


def test_a_comment_is_cut_where_it_is_too_long_and_cleaned():
    sent = payload("view_submission")
    comment = sent["view"]["state"]["values"]["comment"]["comment"]
    comment["value"] = "  字\0" + "x" * MAX_COMMENT
    (feedback,) = parse(sent, PLACE)
    assert isinstance(feedback, Feedback)
    assert feedback.comment == "字" + "x" * (MAX_COMMENT - 1)
    assert MAX_COMMENT == 3_000


@pytest.mark.parametrize(
    "metadata",
    ["", "{", "[]", "null", '"reply"', "[" * 100_000, "{}", '{"reply": 5}', '{"reply": "of-another"}', None, 7],
)
def test_a_form_that_names_no_answer_of_ours_is_nothing(metadata):
    sent = payload("view_submission")
    sent["view"]["private_metadata"] = metadata
    assert parse(sent, PLACE) == ()
    assert language_of_modal(sent["view"]) == "en"


def test_a_form_speaks_on_in_the_language_it_was_opened_in():
    assert language_of_modal(payload("view_submission")["view"]) == "zh"
    assert language_of_modal({"private_metadata": '{"language": "fr"}'}) == "en"


# ----------------------------------------------------------------------------------------------------- slash commands


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("", order(CommandName.HELP)),
        ("   ", order(CommandName.HELP)),
        ("help", order(CommandName.HELP)),
        ("HELP", order(CommandName.HELP)),
        ("reset", order(CommandName.RESET)),
        ("stop", order(CommandName.STOP)),
        ("停止", order(CommandName.STOP)),
        ("regenerate", order(CommandName.REGENERATE)),
        ("/code print hi", order(CommandName.CODE, "print hi")),
        ("forget-me", order(CommandName.FORGET)),
        ("forget-me yes", order(CommandName.FORGET, "yes")),
        ("help me write", question("help me write")),
        ("help\nme write", question("help\nme write")),
        ("stop the server", question("stop the server")),
        ("confirm", order(CommandName.CONFIRM)),
        ("what is a <div>?", question("what is a <div>?")),
        ("1 &lt; 2", question("1 < 2")),
        (f"<@{US}> hello", question("hello")),
        ("a\0b", question("ab")),
    ],
)
def test_one_word_after_the_slash_command_may_be_an_order_a_sentence_is_a_question(text, event):
    assert parse(payload("slash_command") | {"text": text}, PLACE) == (event,)


@pytest.mark.parametrize("field", ["user_id", "channel_id", "trigger_id"])
def test_a_slash_command_that_lacks_what_names_it_is_nothing(field):
    assert parse(payload("slash_command") | {field: ""}, PLACE) == ()


def test_fields_that_belong_to_no_command_are_nothing():
    fields = payload("slash_command")
    del fields["command"]
    assert parse(fields, PLACE) == ()


def test_the_command_may_have_another_name():
    assert parse(payload("slash_command") | {"command": "/ask"}, PLACE) == (question(),)


# -------------------------------------------------------------------------------------------------------------- fuzz

ODD = [
    "\0",
    "\ud800",
    "U0ANNA001\n",
    "../..",
    f"<@{US}>",
    str(REPLY),
    f"up:{REPLY}",
    "nan",
    "1e999",
    "-99999999999",
    "9" * 80,
    US,
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
Way = tuple[Any, ...]


def paths(value: Any, at: Way = ()) -> list[Way]:
    """Where something stands in a payload."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in inner for path in [(*at, key), *paths(item, (*at, key))]]


def put(value: Any, path: Way, new: Any) -> None:
    *way, last = path
    for key in way:
        value = value[key]
    value[last] = new


@st.composite
def mutated(draw: st.DrawFn) -> Payload:
    """Any payload with up to three of its values replaced by anything at all."""
    broken = deepcopy(payload(draw(st.sampled_from(NAMES))))
    for _ in range(draw(st.integers(1, 3))):
        put(broken, draw(st.sampled_from(paths(broken))), draw(JSON))
    return broken


def ids_of(event: Event) -> list[str]:
    """All that names something: what it is made of ends up in keys, addresses and queries."""
    ids = [event.id, event.author.id]
    if isinstance(event, Feedback):
        return [*ids, *str(event.target).split(":")]
    ids += [event.thread.workspace, event.thread.channel, event.thread.thread]
    ids += [str(value) for name, value in event.return_address.items() if name != "response_url"]
    if isinstance(event, Message):
        ids += [file.id for file in event.attachments]
    return [*ids, event.message_id] if isinstance(event, Edited | Deleted) else ids


@settings(max_examples=500)
@given(mutated(), st.sampled_from([PLACE, replace(PLACE, enterprise=ORG), replace(PLACE, scores={})]))
def test_whatever_is_sent_is_understood_or_is_nothing(broken, place):
    events = parse(broken, place)
    assert isinstance(events, tuple)
    for event in events:
        assert is_for_us(event, broken, place) in (True, False)
        assert all(re.fullmatch(r"[\w:./+%-]*", each, re.ASCII) for each in ids_of(event)), ids_of(event)
        assert "\\u0000" not in dumps(event).decode()
        assert loads(dumps(event)) == event


@given(
    JSON.filter(lambda value: isinstance(value, dict))
    | st.dictionaries(st.sampled_from(["type", "event", "view"]), JSON)
)
def test_what_is_no_payload_at_all_is_nothing(value):
    assert parse(value, PLACE) == ()
