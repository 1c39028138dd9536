"""What a browser is shown of an answer."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.console.render import answer_view, markdown, server_event, settled, step
from core.ports import State


class Tags(HTMLParser):
    """Collects what a piece of HTML consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


ALLOWED_TAGS = {
    *("a", "blockquote", "br", "button", "code", "em", "figcaption", "figure", "hr", "p", "pre", "s", "span", "strong"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "ul", "div", "table", "tbody", "td", "th", "thead", "tr"),
}


def test_html_is_shown_as_the_text_it_is():
    html = markdown("<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n<div onclick=x>hi</div>")
    assert {tag for tag, _ in Tags(html).found} == {"p"}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JaVaScript:x", "data:text/html,x", "vbscript:x", "/path", "//h"]
)
def test_only_web_and_mail_addresses_become_links(url):
    assert "<a" not in markdown(f"[x]({url})\n\n![x]({url})\n\n[y]\n\n[y]: {url}")


def test_links_open_apart_and_give_nothing_away():
    ((_, link),) = [each for each in Tags(markdown("[docs](https://example.com/?a=1&b=2)")).found if each[0] == "a"]
    assert link == {
        "href": "https://example.com/?a=1&b=2",
        "target": "_blank",
        "rel": "noopener noreferrer nofollow",
    }


def test_a_picture_from_elsewhere_is_a_link_that_nobody_fetches():
    html = markdown('![a "chart"](https://example.com/a.png)', "zh")
    assert "<img" not in html
    assert "图片：a &quot;chart&quot;</a>" in html


def test_inert_words_show_where_a_link_leads_and_lead_nowhere():
    html = markdown(
        '[docs](https://example.com/?a=1&b="2") [![chart](https://a.example/x.png)](https://b.example)', inert=True
    )
    assert {tag for tag, _ in Tags(html).found} == {"p", "span"}
    assert 'docs</span> <span class="address">(https://example.com/?a=1&amp;b=%222%22)</span>' in html
    assert html.count("https://a.example/x.png") == html.count("(https://b.example)") == 1
    assert markdown("<https://example.com>", inert=True).count("example.com") == 1
    assert "<button" not in markdown("```\nx\n```", inert=True)


def test_code_comes_with_its_language_and_a_button_to_copy_it():
    html = markdown("```python x=1\nprint('<b>')\n```")
    assert "<span>python</span>" in html
    assert '<button type="button" class="copy">Copy</button>' in html
    assert "print(&#x27;&lt;b&gt;&#x27;)" in html


def test_a_language_that_is_no_language_is_still_text():
    assert "<b>" not in markdown('```"><b>\nx\n```')


def test_tables_and_strikethrough_are_understood():
    assert {"table", "th", "td", "s"} <= {tag for tag, _ in Tags(markdown("|a|b|\n|-|-|\n|~~1~~|2|")).found}


def test_a_column_is_set_to_its_side_without_a_style_of_its_own():
    found = Tags(markdown("|a|b|c|\n|-:|:-:|:-|\n|1|2|3|")).found
    assert [attributes.get("class") for tag, attributes in found if tag in ("th", "td")] == [
        "right",
        "center",
        None,
    ] * 2
    assert not [attributes for _, attributes in found if "style" in attributes]


@given(st.text(alphabet=st.sampled_from("<>&\"'`~*_[]()!|#-\\ \n\tab:/jhtps.=0")))
def test_no_text_becomes_anything_that_runs_or_loads(text):
    for tag, attributes in Tags(markdown(text)).found:
        assert tag in ALLOWED_TAGS
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")]
        assert (attributes.get("href") or "http://").lower().startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize(
    ("growing", "shown"),
    [
        ("Look:\n``", "Look:"),
        ("Look:\n```py\nx = 1\n``", "Look:\n```py\nx = 1"),
        ("Look:\n```py\nx = **kw", "Look:\n```py\nx = **kw"),
        ("It is **impor", "It is **impor**"),
        ("It is **", "It is "),
        ("Run `make", "Run `make`"),
        ("See [the docs](https://exa", "See the docs"),
        ("Open <http://127.0", "Open http://127.0"),
        ("1 < 2 and a<b >c", "1 < 2 and a<b >c"),
        ("So:\n\n| a | b", "So:"),
        ("So:\n\n| a | b |\n|--", "So:"),
        ("So:\n\n| a | b |\n|---|---|\n| 1", "So:\n\n| a | b |\n|---|---|\n| 1"),
        ("All is **said** and `done`.", "All is **said** and `done`."),
    ],
)
def test_marks_that_are_half_written_are_not_shown_as_text(growing, shown):
    assert settled(growing) == shown


def test_a_fence_that_is_still_open_is_shown_as_code():
    assert "<pre" in answer_view("```py\nx = 1", State.ANSWERING).html


def test_what_is_finished_is_shown_as_it_was_written():
    assert "**" in answer_view("a **b", State.DONE).html


@pytest.mark.parametrize(
    ("state", "text", "status", "note"),
    [
        (None, "", "", "Sent"),
        (State.SCREENING, "", "", "Thinking"),
        (State.ANSWERING, "", "thinking", "Thinking"),
        (State.ANSWERING, "", "queued:3", "In the queue, place 3"),
        (State.ANSWERING, "", "queued:None", "In the queue"),
        (State.ANSWERING, "", "working", "Working on it"),
        (State.ANSWERING, "", "something new", "Thinking"),
        (State.ANSWERING, "Well", "", "Writing"),
        (State.DELIVERING, "Well.", "", ""),
        (State.DONE, "Well.", "", ""),
        (State.STOPPED, "Well", "", "Stopped"),
        (State.STOPPED, "", "", "Stopped before anything was written."),
        (State.FAILED, "", "", "Not answered"),
    ],
)
def test_a_note_says_what_is_going_on(state, text, status, note):
    assert answer_view(text, state, status=status).note == note


def test_where_the_house_speaks_its_sentence_is_enough():
    view = answer_view("Stopped, as you asked.", State.STOPPED, model="demo", source="house")
    assert (view.note, view.label) == ("", "Parley")


def test_a_label_says_who_wrote_it():
    assert answer_view("x", State.DONE, model="demo@1", source="engine").label == "demo"
    assert answer_view("x", State.DONE, model="demo", source="cache", language="zh").label == "demo · 来自先前的回答"


def test_growth_is_told_as_what_was_added():
    assert step("Hel", "Hello") == ("delta", {"text": "lo"})
    assert step("Hello", "Hello") is None


def test_text_taken_back_is_replaced_as_a_whole():
    assert step("Hello wor", "I may not say that.") == ("replace", {"text": "I may not say that."})


@given(st.text())
def test_an_event_is_one_line_of_data_whatever_it_says(text):
    name, data, *rest = server_event("delta", {"text": text.encode(errors="ignore").decode()}).decode().split("\n")
    assert (name, rest) == ("event: delta", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {"text": text.encode(errors="ignore").decode()}
