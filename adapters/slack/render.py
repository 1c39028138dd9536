"""From answers to what Slack shows: text that mentions nobody, in pieces and blocks. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.slack.mrkdwn import fallback, mrkdwn
from adapters.slack.parse import REASONS
from adapters.slack.texts import say
from core.message import Citation
from core.splitting import Pager

__all__ = [
    "LIMIT", "answer_blocks", "confirm_blocks", "fallback", "feedback_blocks", "feedback_modal", "harmless", "mrkdwn",
    "pieces", "settled", "source_lines", "stop_blocks",
]  # fmt: skip

# Of one message: a markdown block takes 12,000 characters (docs.slack.dev, "Markdown block"), and all blocks together
# were refused with `msg_blocks_too_long` from some 13,200 on.
LIMIT = 11_000

_COMMENT = 3_000  # docs.slack.dev, "Plain-text input element": max_length

# What mentions somebody (docs.slack.dev, "Formatting message text"). A bare @channel does so only with `link_names` or
# `parse="full"`, which we never set.
_SPECIAL = ("!channel", "!everyone", "!group", "!here", "!subteam^")
_PING = re.compile(rf"<(?=(?ai:{'|'.join(map(re.escape, _SPECIAL))})|@[BUW][A-Z0-9])")
_BEGUN = re.compile(
    rf"<(?:(?ai:{'|'.join(re.escape(word[:end]) for word in _SPECIAL for end in range(1, len(word)))})|@[BUW]?)?\Z"
)
_LONGEST_BEGUN = max(map(len, _SPECIAL))

Block = dict[str, Any]


def harmless(text: str) -> str:
    """The text with nobody mentioned: `<!here>`, `<@U0ANNA001>` and their like get a word joiner after the `<`.

    That shows nothing and works in code too, where an escape would be seen. All else stays as it is.
    """
    return _PING.sub("<\u2060", text)


def settled(text: str) -> str:
    """A growing text without the end that may yet become a mention.

    What `harmless` makes of it stays the beginning of what it makes of the whole text.
    """
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST_BEGUN))
    return text[: begun.start()] if begun else text


def pieces(text: str, limit: int = LIMIT, *, is_final: bool = False) -> list[str]:
    """The harmless text as the texts of one or more messages, each up to `limit` (256 or more) characters long.

    While the text grows only the last piece does, and only at its end. With `is_final` nothing is held back any more,
    and a code fence that was left open is closed. A Pager does the same for a text that grows in many small steps.
    """
    return Pager(limit).feed(harmless(text if is_final else settled(text)), is_final=is_final)


def source_lines(sources: Sequence[Citation], language: str) -> str:
    """What stands below an answer that was taken from somewhere; "" where it was not."""
    if not sources:
        return ""
    lines = "\n".join(f"{number}. [{source.title}]({source.url})" for number, source in enumerate(sources, 1))
    return f"\n\n{say('sources', language)}\n{lines}"


def answer_blocks(piece: str, *, extra: Sequence[Mapping[str, Any]] = ()) -> list[Block]:
    """The blocks of a message that carries this piece of an answer; `extra` stands under it."""
    return [{"type": "markdown", "text": piece}, *map(dict, extra)]


def feedback_blocks(reply_id: str, language: str) -> list[Block]:
    """What stands under a finished answer: two thumbs and a button that asks for another answer.

    Values are `up:ID`, `down:ID` and the bare id (docs.slack.dev, "Feedback buttons element").
    """
    thumbs = {
        "type": "feedback_buttons",
        "action_id": "feedback",
        "positive_button": _thumb("good", f"up:{reply_id}", language),
        "negative_button": _thumb("bad", f"down:{reply_id}", language),
    }
    return [
        {"type": "context_actions", "elements": [thumbs]},
        {"type": "actions", "elements": [_button("regenerate", reply_id, language)]},
    ]


def stop_blocks(reply_id: str, language: str) -> list[Block]:
    """The small message with a Stop button that stands beside an answer while it grows."""
    text = _plain_text("stop_text", language)
    return [{"type": "section", "text": text, "accessory": _button("stop", reply_id, language)}]


def confirm_blocks(ask_id: str, language: str) -> list[Block]:
    """The button under a question of the house that waits for a yes; its value is the id of the Ask."""
    return [{"type": "actions", "elements": [_button("confirm", ask_id, language) | {"style": "primary"}]}]


def feedback_modal(private_metadata: str, language: str) -> Block:
    """The form behind a thumbs-down: one reason, one comment, both optional.

    `private_metadata` (JSON, up to 3,000 characters) comes back with it; the answers stand in the view's state under
    `reason.reason.selected_option.value` and `comment.comment.value` (docs.slack.dev, "Modal view").
    """
    reasons = [{"text": _plain_text(f"reason_{reason}", language), "value": reason} for reason in REASONS]
    comment = {"type": "plain_text_input", "multiline": True, "max_length": _COMMENT}
    return {
        "type": "modal",
        "callback_id": "feedback",
        "private_metadata": private_metadata,
        "title": _plain_text("feedback_title", language),
        "submit": _plain_text("feedback_send", language),
        "close": _plain_text("feedback_close", language),
        "blocks": [
            _input("reason", "why_bad", {"type": "radio_buttons", "options": reasons}, language),
            _input("comment", "comment", comment, language),
        ],
    }


def _thumb(name: str, value: str, language: str) -> Block:
    label = say(f"{name}_label", language)
    return {"text": _plain_text(name, language), "accessibility_label": label, "value": value}


def _button(name: str, value: str, language: str) -> Block:
    return {"type": "button", "action_id": name, "text": _plain_text(name, language), "value": value}


def _input(name: str, label: str, element: Block, language: str) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": _plain_text(label, language),
        "element": element | {"action_id": name},
    }


def _plain_text(name: str, language: str) -> Block:
    return {"type": "plain_text", "text": say(name, language)}
