"""What Slack is shown of an answer."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block, InputBlock, PlainTextInputElement, RadioButtonsElement
from slack_sdk.models.views import View

from adapters.slack.parse import REASONS
from adapters.slack.render import (
    LIMIT,
    answer_blocks,
    confirm_blocks,
    feedback_blocks,
    feedback_modal,
    harmless,
    pieces,
    settled,
    stop_blocks,
)
from adapters.slack.texts import TEXTS, say

REPLY = "0123456789abcdef0123456789abcdef"

PINGS = [
    "<!channel>", "<!here>", "<!everyone>", "<!group>", "<!here|here>", "<!CHANNEL>", "<!subteam^S0TEAM001>",
    "<!subteam^S0TEAM001|@team>", "<@U0ANNA001>", "<@W0ANNA001|anna>", "<@B0BOT0001>",
]  # fmt: skip
NO_PINGS = [
    "<!DOCTYPE html>", "<!-- here -->", "<!date^1392734382^{date_short}|then>", "List<@NonNull T>", "<@Bean>",
    "< !here>", "<!her>", "<#C0GENERAL>", "<https://example.com>", "Map<U, W>", "a <b> c", "&lt;!here&gt;",
    "@channel", "!here", "<@", "<!", "<", "",
]  # fmt: skip
bits = st.sampled_from([*PINGS, *NO_PINGS, "<", "!", "@", "U", "here", "subteam", "\n", "`", "hello "])
texts = st.lists(bits, max_size=12).map("".join)


def pings(text: str) -> list[str]:
    return re.findall(r"(?i)<!(?:channel|here|everyone|group|subteam\^)|<@(?-i:[UWB][A-Z0-9])", text)


# ------------------------------------------------------------------------------------------------------------ mentions


@pytest.mark.parametrize("ping", PINGS)
@pytest.mark.parametrize("around", ["{}", "`{}`", "**{}**", "```\n{}\n```"])
def test_nobody_is_mentioned_and_the_text_reads_the_same(ping, around):
    text = harmless(around.format(ping))
    assert text == around.format(f"<\u2060{ping[1:]}")
    assert pings(text) == []


@pytest.mark.parametrize("text", NO_PINGS)
def test_what_mentions_nobody_is_not_touched(text):
    assert harmless(text) == text


@given(texts)
def test_only_word_joiners_are_added(text):
    assert pings(harmless(text)) == []
    assert harmless(text).replace("\u2060", "") == text
    assert harmless(harmless(text)) == harmless(text)


@example("<!subteam^S0TEAM001> <@U0ANNA001>")
@given(texts)
def test_what_was_shown_of_a_growing_text_is_the_beginning_of_it_all(text):
    whole = harmless(text)
    for end in range(len(text) + 1):
        assert whole.startswith(harmless(settled(text[:end])))


@given(texts)
def test_no_more_is_held_back_than_may_become_a_mention(text):
    held = text.removeprefix(settled(text))
    assert held == "" or any(ping.lower().startswith(held.lower()) for ping in PINGS)


# -------------------------------------------------------------------------------------------------------------- pieces


def test_a_growing_answer_holds_back_what_a_finished_one_shows():
    assert pieces("Is 1 <") == ["Is 1 "]
    assert pieces("Is 1 <", is_final=True) == ["Is 1 <"]
    assert pieces("```\nx") == ["```\nx"]
    assert pieces("```\nx", is_final=True) == ["```\nx\n```"]
    assert pieces("") == pieces("", is_final=True) == pieces("<") == []


@given(st.lists(bits, min_size=1, max_size=6).map("".join), st.integers(0, 800))
def test_the_limit_is_kept_by_what_is_shown(text, count):
    found = pieces(text * count, 256, is_final=True)
    assert all(len(piece) <= 256 and pings(piece) == [] for piece in found)
    assert said("".join(found)) == said(harmless(text * count))


def said(text: str) -> str:
    """The text without what a fence that is closed and opened again may add."""
    return "".join(text.replace("`", "").split())


def test_the_pieces_of_an_answer_fit_its_block():
    found = pieces("A sentence of some words. " * 2000, is_final=True)
    assert len(found) > 4
    for piece in found:
        assert vouched(answer_blocks(piece)) == ["markdown"]
        assert LIMIT // 2 < len(piece) <= LIMIT or piece is found[-1]


# -------------------------------------------------------------------------------------------------------------- blocks


def vouched(blocks: list[dict[str, Any]]) -> list[str]:
    """The types of the blocks, each of which slack_sdk's own classes read, check and write as it was."""
    for block in blocks:
        read = Block.parse(block)
        assert read is not None
        read.validate_json()
        assert read.to_dict() == block
    return [block["type"] for block in blocks]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_answer_ends_with_thumbs_and_a_button_for_another_answer(language):
    blocks = answer_blocks("Hello.", extra=feedback_blocks(REPLY, language))
    assert vouched(blocks) == ["markdown", "context_actions", "actions"]
    (thumbs,) = blocks[1]["elements"]
    assert (thumbs["type"], thumbs["action_id"]) == ("feedback_buttons", "feedback")
    assert thumbs["positive_button"]["value"] == f"up:{REPLY}"
    assert thumbs["negative_button"]["value"] == f"down:{REPLY}"
    (button,) = blocks[2]["elements"]
    assert (button["action_id"], button["value"]) == ("regenerate", REPLY)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_thumbs_and_buttons_have_words_of_the_length_slack_takes(language):
    thumbs = feedback_blocks(REPLY, language)[0]["elements"][0]
    for button in (thumbs["positive_button"], thumbs["negative_button"]):
        assert 0 < len(button["text"]["text"]) <= 75
        assert 0 < len(button["accessibility_label"]) <= 75


def test_a_growing_answer_can_be_stopped():
    (block,) = stop_blocks(REPLY, "zh")
    assert vouched([block]) == ["section"]
    assert (block["accessory"]["action_id"], block["accessory"]["value"]) == ("stop", REPLY)
    assert block["accessory"]["text"]["text"] == "停止"


def test_a_question_of_the_house_can_be_confirmed():
    (block,) = confirm_blocks("ask-1", "en")
    assert vouched([block]) == ["actions"]
    assert (block["elements"][0]["action_id"], block["elements"][0]["value"]) == ("confirm", "ask-1")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_thumbs_down_can_be_explained(language):
    view = feedback_modal(json.dumps({"reply": REPLY}), language)
    read = View(**view)
    read.validate_json()
    assert read.to_dict() == view
    assert (view["type"], view["callback_id"], view["private_metadata"]) == (
        "modal",
        "feedback",
        f'{{"reply": "{REPLY}"}}',
    )
    assert all(0 < len(view[name]["text"]) <= 24 for name in ("title", "submit", "close"))
    assert vouched(view["blocks"]) == ["input", "input"]
    assert all(block["optional"] for block in view["blocks"])


def test_its_answers_stand_where_they_are_looked_for():
    reason, comment = (InputBlock(**block) for block in feedback_modal("{}", "en")["blocks"])
    assert isinstance(reason.element, RadioButtonsElement)
    assert isinstance(comment.element, PlainTextInputElement)
    assert (reason.block_id, reason.element.action_id) == ("reason", "reason")
    assert (comment.block_id, comment.element.action_id) == ("comment", "comment")
    assert [option["value"] for option in reason.element.to_dict()["options"]] == list(REASONS)
    assert (comment.element.multiline, comment.element.max_length) == (True, 3000)


# --------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_facts(name):
    english, chinese = TEXTS[name]
    assert english
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert sorted(re.findall(r"{(\w+)}", english)) == sorted(re.findall(r"{(\w+)}", chinese))


def test_any_other_language_reads_english():
    assert say("stop", "fr") == say("stop", "en") != say("stop", "zh")
