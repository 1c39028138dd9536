"""How Teams writes what a person said, and what they said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.teams.mentions import said
from core.errors import Malformed

BOT = {"id": "28:22222222-2222-4222-8222-222222222222", "name": "Parley"}
OURS = {"type": "mention", "text": "<at>Parley</at>", "mentioned": BOT}
BORIS = {
    "type": "mention",
    "text": "<at>Boris</at>",
    "mentioned": {"id": "29:boris", "name": "Boris Example"},
}


def activity(text: Any, *entities: Any, bot: Any = BOT) -> dict[str, Any]:
    return {"text": text, "entities": list(entities), "recipient": bot}


def text(words: str, *entities: Any, bot: Any = BOT) -> str:
    return said(activity(words, *entities, bot=bot)).text


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("<at>Parley</at> hi", "hi"),
        ("<at>Parley</at>&nbsp;hi", "hi"),
        ("<at>Parley</at>, hi", "hi"),
        ("<at>Parley</at>：你好", "你好"),
        ("hi <at>Parley</at>", "hi"),
        ("say <at>Parley</at> what Parley is", "say what Parley is"),
        ("<at>Parley</at>", ""),
        ("<at>Parley</at> <at>Parley</at> twice", "@Parley twice"),
        ("<at>Parley</at> <at>Carla</at> hi", "@Carla hi"),
        ("\r\n<at>Parley</at> one\r\ntwo\n", "one\ntwo"),
    ],
)
def test_our_own_mention_is_taken_out_once(words, read):
    assert text(words, OURS) == read


def test_of_two_mentions_with_two_entities_none_is_left():
    assert text("<at>Parley</at> is <at>Parley</at> there?", OURS, OURS) == "is there?"


def test_the_name_elsewhere_in_the_text_stays():
    assert text("<at>Parley</at> Parley (Parley) is Parley.*", OURS) == "Parley (Parley) is Parley.*"


def test_a_name_is_no_pattern():
    bot = BOT | {"name": "Par.*(ley"}
    tag = OURS | {"text": "<at>Par.*(ley</at>", "mentioned": bot}
    assert text("<at>Parxley</at> <at>Par.*(ley</at> hi", tag, bot=bot) == "@Parxley hi"


@pytest.mark.parametrize("tag", ["<at>Parley</at>", '<at id="0">Parley</at>'])
@pytest.mark.parametrize("entity", [OURS, OURS | {"text": None}, OURS | {"text": "<at>Par</at>"}])
def test_a_tag_written_in_another_way_than_its_entity_is_found_by_the_name(tag, entity):
    assert text(f"{tag} hi", entity) == "hi"


def test_a_name_that_is_escaped_in_the_text_is_found():
    bot = BOT | {"name": "R&D Bot"}
    assert text("<at>R&amp;D Bot</at> hi", bot=bot) == "hi"
    assert text("<at>R&amp;D Bot</at> hi", OURS | {"text": "<at>R&D Bot</at>", "mentioned": bot}, bot=bot) == "hi"


def test_without_entities_the_name_in_the_tag_is_believed_once():
    words = said(activity("<at>Parley</at> hi <at>Parley</at>"))
    assert (words.text, words.is_mention) == ("hi @Parley", True)


def test_somebody_with_our_name_is_not_us():
    namesake = OURS | {"mentioned": {"id": "29:parley", "name": "Parley"}}
    words = said(activity("<at>Parley</at> hi", namesake))
    assert (words.text, words.is_mention, words.begins_with_another) == ("@Parley hi", False, True)


@pytest.mark.parametrize("bot", [{"id": BOT["id"]}, BOT | {"name": None}, BOT | {"name": ""}])
def test_without_a_name_there_is_nothing_to_fall_back_upon(bot):
    assert not said(activity("<at></at> hi", bot=bot)).is_mention


def test_a_mention_that_the_text_does_not_show_is_one():
    words = said(activity("hi", OURS))
    assert (words.text, words.is_mention) == ("hi", True)


def test_no_mention_is_none():
    words = said(activity("Parley, hi"))
    assert (words.text, words.is_mention, words.begins_with_another) == ("Parley, hi", False, False)


def test_others_are_called_by_their_whole_name():
    assert text("Ask <at>Boris</at>, or <at>@Carla</at>", BORIS) == "Ask @Boris Example, or @Carla"


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ("<at>Boris</at> hi <at>Parley</at>", True),
        ("  <at>Boris</at> hi", True),
        ("<at>Parley</at> <at>Boris</at> hi", False),
        ("hi <at>Boris</at>", False),
        ("hi", False),
    ],
)
def test_whom_a_text_turns_to_is_whom_it_begins_with(words, begins):
    assert said(activity(words, OURS, BORIS)).begins_with_another is begins


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&quot;a&quot; &#39;b&#x27; &apos;c&apos;", "\"a\" 'b' 'c'"),
        ("a&nbsp;b", "a b"),
        ("&amp;lt;", "&lt;"),
        ("https://example.com/?a=1&copy=2&lt=3", "https://example.com/?a=1&copy=2&lt=3"),
        ("&lt;at&gt;Parley&lt;/at&gt;", "<at>Parley</at>"),
        ("&#0;&#xd800;x\0\ud800", "\ufffd\ufffdx?"),
    ],
)
def test_characters_of_html_are_read_once(words, read):
    assert text(words) == read


@pytest.mark.parametrize("words", [5, [], {}, True, "x" * 100_001])
def test_a_text_of_another_kind_is_malformed(words):
    with pytest.raises(Malformed):
        said(activity(words))


@pytest.mark.parametrize(
    "entities",
    [
        "mention",
        {},
        ["mention"],
        [None],
        [OURS] * 201,
        [OURS | {"mentioned": "28:x"}],
        [OURS | {"mentioned": {"id": 7}}],
        [OURS | {"mentioned": {"id": "28:\n"}}],
        [OURS | {"text": 7}],
        [OURS | {"text": "x" * 1001}],
    ],
)
def test_entities_of_another_kind_are_malformed(entities):
    with pytest.raises(Malformed):
        said({"text": "hi", "entities": entities, "recipient": BOT})


PIECES = st.sampled_from(
    ["<at>", "</at>", "<at>Parley</at>", "<at>Boris</at>", "Parley", "Boris", "&nbsp;", "&lt;", " ", ",", "z"]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.sampled_from([OURS, BORIS]), max_size=4))
def test_as_many_mentions_are_taken_out_as_teams_says_and_nothing_else(words, entities):
    read = text(words, *entities)
    taken = min(words.count("<at>Parley</at>"), entities.count(OURS) if entities else 1)
    assert read.count("Parley") == words.count("Parley") - taken
    assert read.count("z") == words.count("z")


def test_a_place_is_for_one_mention_and_the_first_one_for_ours():
    namesake = OURS | {"mentioned": {"id": "29:parley", "name": "Parley Jones"}}
    assert text("<at>Parley</at> ask <at>Parley</at>", namesake, OURS) == "ask @Parley Jones"


def test_mentions_written_as_no_tag_are_found_up_to_a_number():
    names = [f"Parley{number:02}" for number in range(30)]
    assert text(" ".join(names), *[OURS | {"text": name} for name in names]) == " ".join(names[20:])


@pytest.mark.parametrize("tag", ["<at>", "<at ", "</at>", "<at></at>", "<at>Parley</at>", "<at>Boris</at>"])
@pytest.mark.parametrize("entity", [OURS, BORIS, OURS | {"text": "<at>"}, BORIS | {"text": "<at>" * 240 + "z"}])
def test_a_text_full_of_tags_keeps_its_last_word(tag, entity):
    words = said(activity(tag * (99_000 // len(tag)) + " z", *[entity] * 200))
    assert words.text.endswith("z")
    assert words.text.count("z") == 1


def test_of_ten_thousand_tags_as_many_are_taken_out_as_there_are_entities():
    read = text("<at>Parley</at>" * 6_000, *[OURS] * 200)
    assert read.count("@Parley") == 6_000 - 200


def test_two_hundred_mentions_of_one_in_a_long_text_are_read_in_no_time():
    words = "<at>Parley</at> " * 200 + "a " * 40_000
    assert text(words, *[OURS] * 200) == ("a " * 40_000).strip()
