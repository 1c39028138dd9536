"""What Teams is sent of an answer."""

import json
from base64 import b64decode
from typing import Any

import pytest

from adapters.teams.render import LIMIT, Foot, final, informative, message, picture, streaming, suggesting, typing
from adapters.teams.texts import TEXTS, say, suggestions
from core.message import Citation, Image
from core.splitting import Pager

SOURCES = (Citation("Timetable", "https://example.com/t", "The boat leaves at nine."), Citation("Map", "", ""))
ANSWER = Foot(is_answer=True)


def entities(activity: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entity for entity in activity.get("entities", ()) if entity["type"] == kind]


def label(activity: dict[str, Any]) -> dict[str, Any]:
    [found] = entities(activity, "https://schema.org/Message")
    return found


# ------------------------------------------------------------------------------------------------------------- streams


def test_a_stream_begins_with_what_is_going_on():
    assert informative("Thinking…") == {
        "type": "typing",
        "text": "Thinking…",
        "entities": [{"type": "streaminfo", "streamType": "informative", "streamSequence": 1}],
    }
    assert len(informative("x" * 5000)["text"]) == 1000


def test_a_stream_goes_on_with_all_the_text_there_is():
    assert streaming("S1", 3, "# Title\nThe **bo") == {
        "type": "typing",
        "text": "**Title**\n\nThe **bo",
        "entities": [{"type": "streaminfo", "streamType": "streaming", "streamSequence": 3, "streamId": "S1"}],
    }
    assert informative("Waiting…", "S1", 2)["entities"][0]["streamId"] == "S1"


def test_a_stream_ends_with_a_message_that_bears_no_sequence():
    activity = final("S1", "The **boat**.", ANSWER)
    assert (activity["type"], activity["text"]) == ("message", "The **boat**.")
    assert entities(activity, "streaminfo") == [{"type": "streaminfo", "streamId": "S1", "streamType": "final"}]
    assert label(activity)["additionalType"] == ["AIGeneratedContent"]
    assert final("S1", "The")["entities"] == entities(activity, "streaminfo")


@pytest.mark.parametrize("text", ["| a |\n|-|\n| 1 |", "Look: [a](https://e.co", "x\n# Title", "```\ncode"])
def test_the_end_of_a_stream_goes_on_from_what_was_streamed(text):
    shown = [streaming("S1", 2, text[:end])["text"] for end in range(len(text) + 1)]
    assert all(str(final("S1", text, Foot(sources=SOURCES))["text"]).startswith(each) for each in shown)


# ------------------------------------------------------------------------------------------------------------ messages


def test_an_answer_is_labelled_and_can_be_rated():
    assert message("Hello.", ANSWER) == {
        "type": "message",
        "textFormat": "markdown",
        "text": "Hello.",
        "entities": [
            {
                "type": "https://schema.org/Message",
                "@type": "Message",
                "@context": "https://schema.org",
                "@id": "",
                "additionalType": ["AIGeneratedContent"],
            }
        ],
        "channelData": {"feedbackLoop": {"type": "default"}},
    }


def test_a_message_above_the_last_one_is_labelled_and_cannot_be_rated():
    activity = message("Hello.", Foot(is_answer=True, sources=SOURCES).above)
    assert label(activity) == label(message("Hello.", ANSWER))
    assert "channelData" not in activity
    assert message("Hello.", Foot(sources=SOURCES).above) == message("Hello.")


def test_what_is_no_answer_bears_nothing():
    assert message("There is nothing to stop.") == {
        "type": "message",
        "textFormat": "markdown",
        "text": "There is nothing to stop.",
    }


@pytest.mark.parametrize("text", ["", "#", " \n"])
def test_no_message_is_empty(text):
    assert message(text)["text"] == "…"


def test_typing_says_nothing_else():
    assert typing() == {"type": "typing"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_up_to_three_things_to_ask_next_are_sent_back_as_they_stand(language):
    actions = suggesting(message("Hello."), (*suggestions(language), "and more"))["suggestedActions"]["actions"]
    assert [action["title"] for action in actions] == list(suggestions(language))
    assert all(action == {"type": "imBack", "title": action["title"], "value": action["title"]} for action in actions)


def test_a_picture_comes_with_its_words():
    activity = picture(Image(b"\x89PNG", "image/png", "A boat"))
    [attachment] = activity["attachments"]
    assert (activity["summary"], attachment["name"], attachment["contentType"]) == ("A boat", "A boat", "image/png")
    assert b64decode(attachment["contentUrl"].removeprefix("data:image/png;base64,")) == b"\x89PNG"


# ------------------------------------------------------------------------------------------------------------- sources


def test_sources_are_claims_of_the_one_label():
    activity = message("At nine [1].", Foot(is_answer=True, sources=SOURCES))
    assert label(activity)["citation"] == [
        {
            "@type": "Claim",
            "position": 1,
            "appearance": {
                "@type": "DigitalDocument",
                "name": "Timetable",
                "abstract": "The boat leaves at nine.",
                "url": "https://example.com/t",
            },
        },
        {
            "@type": "Claim",
            "position": 2,
            "appearance": {"@type": "DigitalDocument", "name": "Map", "abstract": "Map"},
        },
    ]


def test_sources_of_what_no_ai_made_bear_no_such_label():
    assert "additionalType" not in label(message("At nine [1].", Foot(sources=SOURCES)))


def test_a_source_that_the_text_does_not_number_is_numbered_under_it():
    assert message("At nine [1].", Foot(sources=SOURCES))["text"] == "At nine [1].\n\nSources: [2]"
    assert message("九点。", Foot(sources=SOURCES, language="zh"))["text"] == "九点。\n\n来源： [1] [2]"
    assert message("[1] says [2].", Foot(sources=SOURCES))["text"] == "[1] says [2]."


def test_of_many_sources_twenty_are_claims_and_the_others_links():
    many = tuple(Citation(f"Page *{number}*", f"https://example.com/{number}") for number in range(1, 23))
    activity = message("Look.", Foot(sources=many))
    assert len(label(activity)["citation"]) == 20
    assert activity["text"].endswith(
        "[20] [Page \\*21\\*](https://example.com/21) [Page \\*22\\*](https://example.com/22)"
    )


def test_a_source_keeps_the_lengths_teams_takes():
    long = Citation("Title " * 50, f"https://example.com/{'x' * 5000}", "Words\nand " * 100)
    [claim] = label(message("[1]", Foot(sources=(long,))))["citation"]
    assert len(claim["appearance"]["name"]) <= 80
    assert claim["appearance"]["name"].endswith("…")
    assert len(claim["appearance"]["abstract"]) <= 160
    assert "url" not in claim["appearance"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/path", ""])
def test_a_source_leads_nowhere_but_to_a_page(url):
    activity = message("[1]", Foot(sources=(*[Citation("Page", url)] * 20, Citation("Last <b>", url))))
    assert all("url" not in claim["appearance"] for claim in label(activity)["citation"])
    assert "](" not in activity["text"]
    assert "<" not in activity["text"]


# -------------------------------------------------------------------------------------------------------------- limits

LONG = {
    "prose": "A sentence of some words, and *more* of them in `code`. " * 2000,
    "chinese": "这是一个很长的句子，里面有很多的字。" * 4000,
    "code": "```py\n" + "if a < b and c > d:\n    print(a, b)\n" * 2000 + "```",
    "html": "```\n" + "<p>words</p>\n" * 4000 + "```",
    "tables": "| Name | Value |\n|---|---|\n" + "| a name | 12 < 13 |\n" * 3000,
    "generics": "It is a Map<String, List<Integer>> of them. " * 2000,
}


@pytest.mark.parametrize("kind", LONG)
def test_a_full_message_with_all_that_may_stand_under_it_is_below_what_teams_advises(kind):
    sources = tuple(Citation("T" * 100, f"https://example.com/{'x' * 200}", "E" * 300) for _ in range(20))
    foot = Foot(is_answer=True, sources=sources)
    pieces = Pager(LIMIT).feed(LONG[kind], is_final=True)
    assert len(pieces) > 1
    for piece in pieces:
        activity = json.dumps(final("S" * 40, piece, foot), ensure_ascii=False)
        assert len(activity.encode("utf-16-le")) <= 80_000


@pytest.mark.parametrize("name", TEXTS)
def test_everything_is_said_in_both_languages(name):
    english, chinese = (say(name, language, position=3) for language in ("en", "zh"))
    assert english != chinese
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
    assert not any("\u4e00" <= character <= "\u9fff" for character in english)
