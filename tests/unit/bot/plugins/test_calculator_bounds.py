"""What is wrong, too much or too deep is answered at once, with a sentence that says what to write."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.plugins._calculation import evaluate, functions, phrases
from bot.plugins._calculation.faults import Fault, quoted
from bot.plugins._calculation.functions import FUNCTIONS
from bot.plugins._calculation.units import PRECISION
from bot.plugins.calculator import answer, reads

WRONG = [
    ("", "nothing to work out", "没有要计算的内容"),
    ("1+" * 100 + "1", "up to 200 characters", "最多读 200 个字符"),
    ("(" * 30 + "1" + ")" * 30, "25 levels", "25 层"),
    ("-" * 60 + "1", "25 levels", "25 层"),
    ("^".join("2" * 60), "25 levels", "25 层"),
    ("2" + " cubed" * 30 + "+1", "25 levels", "25 层"),
    ("2" + "的平方" * 60, "25 levels", "25 层"),
    ("1" * 51, "50 at most", "最多 50 位"),
    ("9**9**9", "between 10^-1000 and 10^1000", "10^1000"),
    ("9^9^6", "between 10^-1000 and 10^1000", "10^1000"),
    ("2^(2^40)", "between 10^-1000 and 10^1000", "10^1000"),
    ("0.5^99999", "between 10^-1000 and 10^1000", "10^1000"),
    ("1e999999", "between 10^-1000 and 10^1000", "10^1000"),
    ("10^900 * 10^900", "between 10^-1000 and 10^1000", "10^1000"),
    ("10^-900 / 10^900", "between 10^-1000 and 10^1000", "10^1000"),
    ("exp(9999)", "between 10^-1000 and 10^1000", "10^1000"),
    ("10**10**8 m", "between 10^-1000 and 10^1000", "10^1000"),
    ("10**10**8 m in km", "between 10^-1000 and 10^1000", "10^1000"),
    ("1/0", "Division by zero", "除数不能为零"),
    ("0^-1", "Division by zero", "除数不能为零"),
    ("5 mod 0", "Division by zero", "除数不能为零"),
    ("10^100 // 3", "too large for an exact whole result", "无法得到准确的整数结果"),
    ("sqrt(-1)", "not a real number", "不是实数"),
    ("root(-16, 4)", "not a real number", "不是实数"),
    ("(-2)^0.5", "Write a whole exponent", "请用整数指数"),
    ("ln(0)", "above 0", "大于 0"),
    ("log(8, 1)", "above 0", "大于 0"),
    ("tan(90°)", "no value there", "没有值"),
    ("sin(10^20)", "too large", "太大"),
    ("171!", "from 0 to 170", "0 到 170"),
    ("factorial(2.5)", "from 0 to 170", "0 到 170"),
    ("(9!)!", "from 0 to 170", "0 到 170"),
    ("gcd(1.5, 2)", "whole numbers", "整数"),
    ("lcm(10^50, 3)", "whole numbers", "整数"),
    ("round(2, 10^9)", "from -40 to 40", "-40 到 40"),
    ("sqrt(1, 2)", "takes 1 number here", "需要 1 个数"),
    ("root(1)", "takes 2 numbers here", "需要 2 个数"),
    ("sin(1, 2)", "takes 1 angle here", "需要 1 个角"),
    ("foo(3)", "do not know what `foo` is", "不认识 `foo`"),
    ("__import__('os')", "do not know what", "不认识"),
    ("3 + ", "ends too early", "算式不完整"),
    ("(3+4", "ends too early", "算式不完整"),
    ("3 4", "did not expect `4`", "`4` 不应该出现"),
    ("2(3+4)", "did not expect `(`", "`(` 不应该出现"),
    ("3 @ 4", "cannot read `@ 4`", "无法把 `@ 4`"),
    ("12除3", "Write “除以”", "请写“除以”"),
    ("10 km in kg", "measure different things", "不是同一种量"),
    ("10 km in furlongs", "do not know the unit `furlongs`", "不认识单位 `furlongs`"),
    ("3 in miles", "no unit to convert from", "没有写要换算的单位"),
    ("3 km * 4 km", "With units I can", "带单位时"),
    ("3 km + 4", "With units I can", "带单位时"),
    ("2 ^ (3 kg)", "With units I can", "带单位时"),
    ("20 °C + 5 °C", "can be converted, not added", "不能相加"),
    ("100 USD in EUR", "do not know exchange rates", "不知道汇率"),
    ("100美元是多少人民币", "do not know exchange rates", "不知道汇率"),
]

FRAGMENTS = [
    *"0123456789+-*/^%!(),.°×÷√ 的加减乘除百千万亿两点半负",
    *(
        "**",
        "//",
        " mod ",
        " of ",
        "1e9",
        "9" * 40,
        "10^999",
        " plus ",
        " times ",
        " in ",
        " to ",
        " km",
        " m",
        " °C",
        "GB",
    ),
    *(f"{name}(" for name in FUNCTIONS),
    *("sin(", "tan(", "pi", "e", "twenty ", "hundred ", "million ", "and ", "half ", "square root of ", "what is "),
    *(
        "百分之",
        "分之",
        "平方",
        "次方",
        "根号",
        "打",
        "折",
        "等于多少",
        "是多少",
        "公里",
        "斤",
        "英里",
        "和",
        "、",
        "平均数",
        "多少",
    ),
]


@pytest.mark.parametrize(("expression", "english", "chinese"), WRONG)
def test_a_wrong_sum_gets_a_sentence_in_both_languages(expression, english, chinese):
    assert english in answer(expression, "en")
    assert chinese in answer(expression, "zh")


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))
def test_whatever_is_written_is_answered_with_a_sentence_or_a_number(text):
    for language in ("en", "zh"):
        said = answer(text, language)
        assert said
        assert "{" not in said
    if (arguments := reads(text)) is not None:
        assert answer(arguments["expression"], "en")


@given(st.text(max_size=320))
def test_any_text_is_read_without_harm(text):
    arguments = reads(text)
    assert arguments is None or answer(arguments["expression"], "zh")


@pytest.mark.parametrize("text", ["9**9**9", "9^9^6", "10**10**8 m", "exp(10^9)", "2^(2^40)", "(1+10^-40)^(10^45)"])
def test_no_power_is_computed_that_does_not_fit(monkeypatch, text):
    """The bound is checked before, not after: what is handed to the arithmetic stays within it."""
    computed: list[Decimal] = []

    def power(base, exponent):
        result = original(base, exponent)
        computed.append(result)
        return result

    original = functions.power
    monkeypatch.setitem(evaluate._OPERATIONS, "^", power)
    assert "10^1000" in answer(text, "en")
    assert all(abs(number.adjusted()) <= functions.REACH for number in computed)


def test_no_unit_of_a_person_reaches_the_parser_of_units(monkeypatch):
    def fail(*_):
        raise AssertionError("units are looked up in a table of ours")

    monkeypatch.setattr("bot.plugins._calculation.units.converted", fail)
    for text in ("10 m**99999999 in km", "5 (km) in m^9", "1 km*mile in m"):
        assert not answer(text, "en").startswith("`")


def test_results_carry_fifty_digits():
    node = phrases.understood("1/3")
    value = evaluate.value_of(node)
    assert len(str(value)) == PRECISION + len("0.")


def test_a_users_words_cannot_leave_the_code_they_are_quoted_in():
    assert quoted("a`b\n**c**") == "`a'b **c**`"
    assert len(quoted("x" * 500)) == 42
    with pytest.raises(Fault):
        phrases.understood("`x`")
    assert answer("`*x*`", "en").count("`") % 2 == 0
