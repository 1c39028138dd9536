"""What becomes of an answer's Markdown where WeCom knows little of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.render import LIMIT, PIECE, Content, contents, for_bot, marked, rendered, sources
from core.message import Citation
from core.splitting import Pager, utf8_bytes

JOINER = "\u2060"


def markdown(text: str) -> str:
    content = rendered(text)
    assert content.kind == "markdown"
    return content.text


def plain(text: str) -> str:
    content = rendered(text)
    assert content.kind == "text"
    return content.text


@pytest.mark.parametrize("text", ["Plain words.\nA second line.", "你好，世界", "2 * 3 < 4 & a_b_c", "a\n\nb"])
def test_what_uses_no_mark_goes_out_as_text_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "# Title",
        "###### Small",
        "so **bold** it is",
        "[a link](https://example.com/a)",
        "run `make` now",
        "> said before\n> and after",
    ],
)
def test_what_the_app_knows_stays_as_it_is(text):
    assert markdown(text) == text


def test_emphasis_is_read_without_its_marks():
    assert plain("so *very* _much_") == "so very much"


def test_a_title_is_one_line_without_marks_in_it():
    assert markdown("A **big**\nthing\n===") == "# A big thing"


@pytest.mark.parametrize("line", ["[1]: https://example.com/a", "[^1]: A remark.", "[a]: <b> 'c'"])
def test_where_a_number_refers_to_is_read_though_it_stands_alone(line):
    assert [content.text for content in contents(line)] == [line]
    assert plain(f"As said [there][1].\n\n{line}") == f"As said [there][1].\n\n{line}"


def test_an_address_in_a_title_or_above_a_column_is_not_lost():
    assert markdown("## [Docs](https://example.com/a)") == "## Docs (https://example.com/a)"
    assert "Docs (https://example.com/a): 2" in rendered("| a | [Docs](https://example.com/a) |\n|-|-|\n| 1 | 2 |").text
    assert markdown("# <https://example.com/a>") == "# https://example.com/a"


def test_bold_ends_with_its_line_for_no_mark_reaches_further():
    assert markdown("**one\ntwo**") == "**one**\n**two**"


def test_bold_within_bold_is_bold_once():
    assert markdown("**a __b__ c**") == "**a b c**"


def test_lists_are_flattened_to_lines_with_signs():
    text = "- a\n- b\n  - c\n    - d\n\n3. x\n4. y"
    assert plain(text) == "• a\n• b\n　◦ c\n　　▪ d\n\n3. x\n4. y"


def test_an_item_of_several_paragraphs_keeps_them():
    assert plain("- a\n\n  b\n- c") == "• a\nb\n• c"


def test_a_quotation_within_a_quotation_has_a_sign_of_its_own():
    assert markdown("> a\n> > b") == "> a\n> \n> │ b"


def test_a_table_is_read_row_by_row_with_the_names_of_its_columns():
    table = "| City | People | Sea |\n|--|--:|--|\n| Bergen | 290,000 | yes |\n| Røros | 3,700 | |"
    assert plain(table) == "• Bergen — People: 290,000; Sea: yes\n• Røros — People: 3,700"


def test_marks_in_a_table_stay():
    assert markdown("| a | b |\n|-|-|\n| **1** | [x](https://example.com) |") == "• **1** — b: [x](https://example.com)"


def test_a_table_without_rows_is_its_names():
    assert plain("| a | b |\n|-|-|") == "a | b"


def test_a_block_of_code_goes_out_as_text_for_there_nothing_in_it_is_read_as_a_mark():
    code = "# no title\n**kwargs\n> no quotation\n    indented"
    assert plain(f"# Do this\n\n```python x\n{code}\n```\n\nThen **go**.") == (
        f"【Do this】\n\n┄┄ python ┄┄\n{code}\n┄┄┄┄\n\nThen go."
    )
    assert plain("```\nx\n```") == "┄┄┄┄\nx\n┄┄┄┄"
    assert plain("    x = 1") == "┄┄┄┄\nx = 1\n┄┄┄┄"


def test_beside_a_block_of_code_links_are_those_of_a_text_and_quotations_have_a_line():
    assert plain("```\nx\n```\n[a](https://example.com/)\n\n> b").endswith(
        '<a href="https://example.com/">a</a>\n\n│ b'
    )


def test_a_picture_becomes_a_link():
    assert markdown("![a boat](https://example.com/b.png)") == "[a boat](https://example.com/b.png)"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "weixin://dl/chat", "/there"])
def test_an_address_that_is_none_of_the_web_is_no_link(url):
    assert f"]({url})" not in rendered(f"[here]({url})").text or rendered(f"[here]({url})").kind == "text"
    assert "here" in rendered(f"[here]({url})").text


def test_an_address_with_brackets_stays_whole():
    assert markdown("[a](<https://example.com/x_(y)>)") == "[a](https://example.com/x_%28y%29)"


def test_an_address_that_names_itself_is_not_said_twice():
    assert markdown("<https://example.com/>") == "https://example.com/"


def test_what_was_not_meant_as_a_mark_is_not_read_as_one():
    text = markdown('`x` and \\*\\*kwargs, <font color="warning">red</font>, <@anna>, \\[a](b)\n\n\\# five\n\n\\> four')
    assert "**" not in text
    assert f"<{JOINER}font" in text
    assert f"<{JOINER}/font" in text
    assert f"<{JOINER}@anna>" in text
    assert f"]{JOINER}(" in text
    assert f"\n{JOINER}# five" in text
    assert f"\n{JOINER}> four" in text


def test_no_link_gets_into_a_text_that_the_answer_did_not_make():
    text = plain('say <a href="https://evil.example">this</a>\n\n```html\n<A HREF="x">\n```')
    assert "<a" not in text.lower()
    assert f'<{JOINER}a href="https://evil.example">this' in text


def test_emphasis_deeper_than_python_goes_does_no_harm():
    assert "deep" in rendered("**a *b " * 3_000 + "deep" + "* c**" * 3_000).text


@pytest.mark.parametrize("opening", ["> ", "- ", "1. > "])
def test_nothing_is_lost_in_blocks_within_blocks(opening):
    for depth in range(1, 40):
        assert "deep" in rendered(opening * depth + "deep <a href").text
        assert "<a" not in rendered(opening * depth + "deep <a href\n\n```\n").text


# ---------------------------------------------------------------------------------------------------- several messages


def test_a_piece_is_one_message_where_it_fits():
    assert contents("**a** b") == (Content("markdown", "**a** b"),)


@pytest.mark.parametrize("piece", ["", "  \n"])
def test_a_piece_that_says_nothing_is_no_message(piece):
    assert contents(piece) == ()


def test_what_grows_beyond_the_limit_when_it_is_flattened_becomes_several_messages():
    names = " | ".join(f"column number {n}" for n in range(12))
    table = f"| {names} |\n|{'-|' * 12}\n" + f"|{' **1** |' * 12}\n" * 12
    parts = contents(table)
    assert len(parts) > 1
    assert "\n".join(part.text for part in parts) == rendered(table).text


blocks = st.sampled_from(
    [
        "Some **words**. " * 9,
        "- a\n- b\n  - c\n" * 9,
        "```py\nx = '字'\n" * 9,
        "| 甲 | b |\n|-|-|\n" + "| 字 | **x** |\n" * 20,
        "> quoted\n" * 5,
        "字" * 700,
        "# 标题\n",
        "```\n",
        "[x](https://example.com/" + "y" * 300 + ")",
        "🚢" * 200,
    ]
)


@given(st.lists(blocks, max_size=12).map("\n".join))
def test_no_message_is_ever_larger_than_wecom_takes(text):
    for piece in Pager(PIECE, size=utf8_bytes).feed(text, is_final=True):
        for number, content in enumerate(contents(piece)):
            sent = marked(content, "reply", number)
            assert utf8_bytes(sent.text) <= LIMIT
            assert content.text.strip()


@given(st.text(alphabet="*_`#>|-~[]()<a/@!\\ \n1.字", max_size=400))
def test_no_text_is_too_odd_to_be_sent(text):
    for content in contents(text):
        assert utf8_bytes(content.text) + 36 <= LIMIT


# ------------------------------------------------------------------------------------------------------------ the mark


def test_a_mark_cannot_be_seen_and_tells_equal_answers_apart():
    hello = Content("text", "OK")
    texts = {marked(hello, reply, 0, piece).text for reply in ("a", "b") for piece in range(50)}
    assert len(texts) == 100
    assert all(text.startswith("OK") and not text[2:].strip("\u200b\u200c\u200d") for text in texts)
    assert marked(hello, "a", 0, 1) == marked(hello, "a", 0, 1)


def test_a_content_is_what_message_send_takes():
    assert Content("markdown", "**a**").message == {"msgtype": "markdown", "markdown": {"content": "**a**"}}


# ------------------------------------------------------------------------------------------------------------- the rest


def test_sources_stand_under_an_answer_as_a_list_of_links():
    items = (Citation("The [sea]", "https://example.com/a (b)"), Citation("", ""), Citation("x\ny", "javascript:no"))
    assert sources(items, "en") == "Sources:\n\n1. [The sea](https://example.com/a%20%28b%29)\n2. …\n3. x y"
    assert sources(items, "zh").startswith("来源：")
    assert sources((), "en") == ""


def test_an_ai_bots_markdown_stays_but_for_what_would_pass_for_its_thoughts():
    table = "| a | b |\n|-|-|\n| 1 | `2` |\n\n```py\nx\n```"
    assert for_bot(table) == table
    assert for_bot("a <think>b</think> c <THINK>") == (f"a <{JOINER}think>b<{JOINER}/think> c <{JOINER}THINK>")
    assert for_bot("<@anna> hello") == f"<{JOINER}@anna> hello"
