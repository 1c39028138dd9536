"""One payload of every shape that the door must know, by name: for the parser's tests and for the fuzzer."""

from bench.platforms.slack import payloads as p

BUTTONS: p.Payload = {
    "type": "context_actions",
    "block_id": "feedback-block",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "feedback",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up:reply-1"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down:reply-1"},
        }
    ],
}
ACTIONS: p.Payload = {
    "type": "actions",
    "block_id": "actions-block",
    "elements": [
        {
            "type": "button",
            "action_id": name,
            "value": "reply-1",
            "text": {"type": "plain_text", "text": name.title(), "emoji": True},
        }
        for name in ("regenerate", "stop")
    ],
}
_LATER = "1700000009.000900"
_ROOT = p.TS
_MENTION = f"<@{p.BOT_USER}> What is 1 &lt; 2 &amp; 3?"


def shapes() -> dict[str, p.Payload]:
    """Fresh payloads, ready for `payloads.encode`."""
    return {name: p.event_callback(event) for name, event in _events().items()} | _others() | _interactions()


def _events() -> dict[str, p.Payload]:
    dm, group = {"channel": p.DM, "channel_type": "im"}, {"channel": "G0SECRET1", "channel_type": "group"}
    return {
        "app_mention": p.mention_event(p.said(_MENTION)),
        "app_mention in a thread": p.mention_event(p.said(_MENTION, ts=_LATER, thread_ts=_ROOT)),
        "app_mention with a file": p.mention_event(p.said(_MENTION, files=[p.file()])),
        "app_mention by an edit": p.mention_event(p.edited(p.said("What?"), _MENTION, at=_LATER)),
        "message in a channel": p.message_event(p.said("Good morning")),
        "message with a mention": p.message_event(p.said(_MENTION)),
        "message in a private channel": p.message_event(p.said("Good morning"), **group),
        "message in a direct conversation": p.message_event(p.said("Hello"), **dm),
        "message in a group conversation": p.message_event(p.said("Hello"), channel="G0MPIM001", channel_type="mpim"),
        "message in a thread": p.message_event(p.said("And then?", ts=_LATER, thread_ts=_ROOT)),
        "message in a direct thread": p.message_event(p.said("And then?", ts=_LATER, thread_ts=_ROOT), **dm),
        "message of a stranger": p.message_event(_stranger()),
        "file_share": p.message_event(p.said("See here", files=[p.file()]), **dm),
        "file_share without text": p.message_event(p.said("", files=[p.file()]), **dm),
        "file_share by id": p.message_event(p.said("See here", files=[p.id_only_file()])),
        "thread_broadcast": p.message_event(_broadcast()),
        "me_message": p.message_event(p.said("thinks", subtype="me_message")),
        "message_changed": p.changed(p.edited(p.said("Why?"), "Why not?", at=_LATER), p.said("Why?"), ts=_LATER),
        "message_changed in a direct conversation": p.changed(
            p.edited(p.said("Why?"), "Why not?", at=_LATER), p.said("Why?"), ts=_LATER, **dm
        ),
        "message_changed by an unfurl": p.changed(p.unfurled(p.said("See")), p.said("See"), ts=_LATER),
        "message_changed by a bot": p.changed(p.said_by_bot("42"), p.said_by_bot("4"), ts=_LATER),
        "tombstone": p.changed(p.tombstone(_root()), _root(), ts=_LATER),
        "message_deleted": p.deleted(p.said("Why?"), ts=_LATER),
        "message_deleted of a bot": p.deleted(p.said_by_bot("42"), ts=_LATER),
        "message of a bot": p.message_event(p.said_by_bot("42", thread_ts=_ROOT)),
        "message of our own": p.message_event(p.said_by_bot("42"), **dm),
        "bot_message": p.message_event(p.said_by_integration("deployed")),
        "channel_join": p.message_event(p.joined()),
        "group_join": p.message_event(p.joined(channel_type="group"), **group),
        "channel_topic": p.message_event(p.said("set the topic", subtype="channel_topic", topic="News")),
        "reaction_added": p.reaction("+1", ts=p.TS),
        "reaction_added with a skin tone": p.reaction("-1::skin-tone-3", ts=p.TS),
        "reaction_added to a person": p.reaction("+1", ts=p.TS, item_user="U0BORIS01"),
        "reaction_added to a file": p.reaction("+1", ts=p.TS) | {"item": {"type": "file", "file": "F0NOTES01"}},
        "reaction_removed": p.reaction("+1", ts=p.TS, is_removed=True),
        "app_home_opened": p.home_opened(),
        "app_home_opened on home": p.home_opened(tab="home"),
        "tokens_revoked": p.tokens_revoked(),
        "app_uninstalled": p.app_uninstalled(),
        "event of tomorrow": {"type": "weather_changed", "event_ts": p.TS},
    }


def _others() -> dict[str, p.Payload]:
    mention = p.mention_event(p.said(_MENTION))
    return {
        "event of an organisation": p.event_callback(mention, enterprise=p.ENTERPRISE, is_org_wide=True),
        "event of a shared channel": p.event_callback(p.message_event(_stranger()), is_shared=True),
        "url_verification": p.url_verification(),
        "app_rate_limited": {
            "token": p.VERIFICATION_TOKEN,
            "type": "app_rate_limited",
            "team_id": p.TEAM,
            "minute_rate_limited": 1700000000,
            "api_app_id": p.APP,
        },
    }


def _interactions() -> dict[str, p.Payload]:
    answer = p.said_by_bot("42", ts=_LATER, thread_ts=_ROOT, blocks=[BUTTONS, ACTIONS])
    feedback, (regenerate, stop) = BUTTONS["elements"][0], ACTIONS["elements"]
    up, down = (p.action(feedback, "feedback-block", is_positive=is_up) for is_up in (True, False))
    return {
        "feedback up": p.block_actions([up], answer),
        "feedback down": p.block_actions([down], answer),
        "feedback on an ephemeral message": p.block_actions([down], answer, is_ephemeral=True),
        "feedback of a stranger": p.block_actions([down], answer, user="U0EVE0001", user_team="T0ELSE001"),
        "regenerate": p.block_actions([p.action(regenerate, "actions-block")], answer),
        "stop": p.block_actions([p.action(stop, "actions-block")], answer),
        "stop on an ephemeral message": p.block_actions([p.action(stop, "actions-block")], answer, is_ephemeral=True),
        "view_submission": p.view_submission(
            p.modal(private_metadata='{"reply": "reply-1"}'),
            {"reason": {"reason": p.choice("wrong")}, "comment": {"comment": "It is 41."}},
        ),
        "view_submission without a comment": p.view_submission(p.modal(), {"comment": {"comment": None}}),
        "view_closed": p.view_submission(p.modal(), {}) | {"type": "view_closed", "is_cleared": False},
        "slash command": p.slash_command("What is 1 < 2?"),
        "slash command without text": p.slash_command(""),
        "slash command in a direct conversation": p.slash_command("help", channel=p.DM, channel_name="directmessage"),
    }


def _stranger() -> p.Payload:
    """A message through Slack Connect: its author belongs to another workspace."""
    return p.said("Hello", user="U0EVE0001", team="T0ELSE001", user_team="T0ELSE001", source_team="T0ELSE001")


def _root() -> p.Payload:
    return p.said("Why?", thread_ts=p.TS, reply_count=1, reply_users=[p.BOT_USER], latest_reply=_LATER)


def _broadcast() -> p.Payload:
    return p.said("Everybody, see", ts=_LATER, thread_ts=_ROOT, subtype="thread_broadcast", root=_root())
