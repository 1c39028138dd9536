"""The cards under an answer of the self-built app, and what they become once a button was pressed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring

from adapters.wecom.buttons import pressed
from adapters.wecom.cards import confirm, pressed_card, pressed_xml, rating, refused_card, unsaved_card
from adapters.wecom.heard import Card
from core.message import Author, Command, Feedback, ThreadId, Visibility

REPLY = "0123456789abcdef" * 2
ANNA = Author("wecom-app", "ww00000000000000aa", "anna")
NOW = datetime(2027, 1, 15, tzinfo=UTC)
FIELDS = {
    "thread": ThreadId("wecom-app", "ww00000000000000aa", "1000002", "anna"),
    "visibility": Visibility.DIRECT,
    "return_address": {},
}


def press(card: dict[str, Any], text: str) -> Card:
    """What WeCom tells when the button of this text is pressed."""
    (key,) = [button["key"] for button in card["button_list"] if button["text"] == text]
    return Card(task_id=card["task_id"], event_key=key, card_type=card["card_type"], user="anna")


def texts(card: dict[str, Any]) -> list[str]:
    return [button["text"] for button in card["button_list"]]


def events(card: dict[str, Any]) -> list[Any]:
    """What the buttons of a card mean to the house."""
    return [event for button in card["button_list"] for event in pressed(button["key"], "an id", ANNA, NOW, FIELDS)]


def test_the_card_under_an_answer_takes_a_vote_and_writes_it_again():
    card = rating(REPLY, "en")
    up, down, again = events(card)
    assert texts(card) == ["👍", "👎", "Answer again"]
    assert isinstance(up, Feedback)
    assert isinstance(down, Feedback)
    assert (up.score, down.score, up.target) == (5, 1, REPLY)
    assert isinstance(again, Command)
    assert (again.name, again.args) == ("regenerate", REPLY)


def test_the_card_under_a_question_confirms_it():
    card = confirm("ask.1-2", "zh")
    (event,) = events(card)
    assert (event.name, event.args) == ("confirm", "ask.1-2")
    assert texts(card) == ["确认执行"]


def test_every_card_has_a_task_id_of_its_own_in_the_letters_that_wecom_takes():
    ids = [card["task_id"] for card in (rating(REPLY, "zh"), rating(REPLY, "zh", round=1), confirm("a.b", "zh"))]
    ids.append(confirm("x" * 80, "en", round=12)["task_id"])
    assert len(set(ids)) == 4
    for id in ids:
        assert 0 < len(id) <= 128
        assert not set(id) - set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-@")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_titles_and_buttons_are_as_short_as_wecom_shows_them(language):
    card = rating(REPLY, language)
    cards = [card, confirm("a", language)]
    cards += [pressed_card(press(card, text), language=language)["template_card"] for text in texts(card)]
    for each in cards:
        assert len(each["main_title"]["title"]) <= 26
        assert all(len(button["text"]) <= 15 and len(button["key"]) <= 1024 for button in each["button_list"])


def test_after_a_vote_the_card_thanks_and_the_mind_may_be_changed():
    card = rating(REPLY, "en")
    changed = pressed_card(press(card, "👎"), language="zh")["template_card"]
    assert changed["main_title"]["title"].startswith("👎")
    assert changed["button_list"][1]["style"] != changed["button_list"][0]["style"]
    assert [event.score for event in events(changed)[:2]] == [5, 1]
    back = pressed_card(press(changed, "👍"), language="zh")["template_card"]
    assert back["main_title"]["title"].startswith("👍")


def test_an_answer_is_not_written_again_twice_by_pressing_twice():
    card = rating(REPLY, "en")
    changed = pressed_card(press(card, "Answer again"), language="zh")["template_card"]
    assert texts(changed) == ["👍", "👎"]


def test_a_confirmation_is_given_once():
    changed = pressed_card(press(confirm("a", "en"), "Yes, go ahead"), language="en")["template_card"]
    assert events(changed) == []


def test_a_confirmation_that_could_not_be_stored_can_be_given_again():
    card = confirm("a", "en")
    press_ = press(card, "Yes, go ahead")
    body = unsaved_card(press_, language="zh")
    changed = body["template_card"]
    assert (body["userids"], changed["task_id"]) == (["anna"], card["task_id"])
    assert changed["main_title"]["title"] == "Not saved, press again"
    assert [event.name for event in events(changed)] == ["confirm"]


def test_whoever_was_not_asked_is_told_so_and_their_button_does_nothing():
    changed = refused_card(press(confirm("a", "zh"), "确认执行"), language="en")["template_card"]
    assert (changed["main_title"]["title"], events(changed)) == ("只有提问者可以确认", [])


def test_a_confirmation_whose_address_is_too_old_says_where_its_result_is_read():
    pressed_ = press(confirm("a", "en"), "Yes, go ahead")
    assert (
        "continue" in pressed_card(pressed_, language="en", note="read_by_word")["template_card"]["main_title"]["desc"]
    )


def test_a_pressed_card_goes_on_in_the_language_it_came_in():
    for own, other, thanks in (("en", "zh", "Thank you"), ("zh", "en", "感谢")):
        changed = pressed_card(press(rating(REPLY, own), "👍"), language=other)["template_card"]
        assert thanks in changed["main_title"]["title"]


def test_an_ai_bots_card_changes_for_whoever_pressed_it_and_keeps_its_task_id():
    card = confirm("a", "en")
    body = pressed_card(press(card, "Yes, go ahead"), language="en")
    assert (body["response_type"], body["userids"]) == ("update_template_card", ["anna"])
    assert body["template_card"]["task_id"] == card["task_id"]


@pytest.mark.parametrize("key", ["", "done", "fb:up:", "fb:up:short", "fb:sideways:" + REPLY, "again:" + "g" * 32])
def test_a_button_that_is_not_ours_does_nothing_more(key):
    card = Card(task_id="x", event_key=key, card_type="button_interaction", user="anna")
    changed = pressed_card(card, language="en")["template_card"]
    assert changed["task_id"] == "x"
    assert events(changed) == []


def test_the_apps_card_is_changed_by_xml_and_has_a_new_task_id_with_each_press():
    card = rating(REPLY, "en")
    ids = {card["task_id"]}
    for _ in range(3):
        xml = fromstring(pressed_xml(press(card, "👍"), corp_id="ww00000000000000aa", created=1_800_000_000))
        found = xml.find("TemplateCard")
        assert xml.findtext("MsgType") == "update_template_card"
        assert [xml.findtext(name) for name in ("ToUserName", "FromUserName", "CreateTime")] == [
            "anna",
            "ww00000000000000aa",
            "1800000000",
        ]
        buttons = [{part.tag.lower(): part.text for part in button} for button in found.findall("ButtonList")]
        assert found.findtext("CardType") == "button_interaction"
        assert "Thank you" in found.findtext("MainTitle/Title")
        assert [button["key"] for button in buttons][:2] == [f"fb:up:{REPLY}", f"fb:down:{REPLY}"]
        card = {**card, "task_id": found.findtext("TaskId"), "button_list": buttons}
        ids.add(card["task_id"])
    assert len(ids) == 4


def test_nothing_in_the_xml_is_read_as_a_mark():
    card = Card(task_id="<x>&", event_key="<>", card_type="", user="</ToUserName>&")
    assert fromstring(pressed_xml(card)).findtext("ToUserName") == "</ToUserName>&"
    assert fromstring(pressed_xml(card)).findtext("TemplateCard/TaskId") == "<x>&"
