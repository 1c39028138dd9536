"""What the calculator answers: the sum as it was understood, its result, or what is wrong with it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot.plugins._calculation.numerals import chinese, english
from bot.plugins._calculation.units import CELSIUS, FAHRENHEIT, converted, unit_named
from bot.plugins.calculator import answer, calculator
from core.message import Author, Message, ThreadId
from core.plugin import Asked, Http

RESULTS = [
    ("0.1+0.2", "0.1 + 0.2 = 0.3"),
    ("1/3*3", "1 ÷ 3 × 3 = 1"),
    ("2/3", "2 ÷ 3 ≈ 0.666666666666667"),
    ("1+2*3", "1 + 2 × 3 = 7"),
    ("8/4/2", "8 ÷ 4 ÷ 2 = 1"),
    ("8/(4/2)", "8 ÷ (4 ÷ 2) = 4"),
    ("10-(4-3)", "10 - (4 - 3) = 9"),
    ("2^3^2", "2^3^2 = 512"),
    ("(2^3)^2", "(2^3)^2 = 64"),
    ("-3^2", "-3^2 = -9"),
    ("(-3)^2", "(-3)^2 = 9"),
    ("2^-1", "2^(-1) = 0.5"),
    ("7 // 2", "7 // 2 = 3"),
    ("-7 // 2", "-7 // 2 = -4"),
    ("-7 mod 3", "-7 mod 3 = 2"),
    ("17 % 5", "17 mod 5 = 2"),
    ("15%", "15% = 0.15"),
    ("5% + 3%", "5% + 3% = 0.08"),
    ("200 - 10% + 5", "200 - 10% + 5 = 185"),
    ("240 + 15% of 100", "240 + 15% × 100 = 255"),
    ("2 * 50 + 10%", "2 × 50 + 10% = 110"),
    ("1,234,567 + 1", "1,234,567 + 1 = 1,234,568"),
    ("max(1,200)", "max(1, 200) = 200"),
    ("1e3 * 2", "1,000 × 2 = 2,000"),
    ("2^100", "2^100 = 1,267,650,600,228,229,401,496,703,205,376"),
    ("2^200", "2^200 ≈ 1.60693804425899 × 10^60"),
    ("1/3^30", "1 ÷ 3^30 ≈ 4.85693574961886 × 10^-15"),
    ("5² + ½", "5^2 + 1 ÷ 2 = 25.5"),
    ("sqrt(2)*sqrt(2)", "sqrt(2) × sqrt(2) = 2"),
    ("root(27, 3)", "root(27, 3) = 3"),
    ("cbrt(-8)", "cbrt(-8) = -2"),
    ("abs(-5)", "abs(-5) = 5"),
    ("round(2.5)", "round(2.5) = 3"),
    ("round(3.14159, 2)", "round(3.14159, 2) = 3.14"),
    ("round(1234, -2)", "round(1234, -2) = 1,200"),
    ("floor(-2.5)", "floor(-2.5) = -3"),
    ("ceil(2.1)", "ceil(2.1) = 3"),
    ("min(3, 5)", "min(3, 5) = 3"),
    ("average(3, 4, 5)", "mean(3, 4, 5) = 4"),
    ("median(9, 3, 4)", "median(9, 3, 4) = 4"),
    ("log(100)", "log10(100) = 2"),
    ("log(8, 2)", "log(8, 2) = 3"),
    ("log2 8", "log2(8) = 3"),
    ("ln(e)", "ln(e) = 1"),
    ("exp(0)", "exp(0) = 1"),
    ("gcd(12, 18, 27)", "gcd(12, 18, 27) = 3"),
    ("lcm(4, 6)", "lcm(4, 6) = 12"),
    ("mod(17, 5)", "mod(17, 5) = 2"),
    ("10! / 8!", "factorial(10) ÷ factorial(8) = 90"),
    ("0^0", "0^0 = 1"),
    ("(-1)^(10^30)", "(-1)^10^30 = 1"),
    ("cos(60°)", "cos(60°) = 0.5"),
    ("tan(45°)", "tan(45°) = 1"),
    ("sin(180°)", "sin(180°) = 0"),
    ("sin(-390 degrees)", "sin(-390°) = -0.5"),
    ("3 kg / 500 g", "3 kg ÷ 500 g = 6"),
    ("2 * 3 km", "2 × 3 km = 6 km"),
    ("10^3 m", "10^3 m = 1,000 m"),
    ("1 km + 1 mile in m", "1 km + 1 mile = 2,609.344 m"),
    ("1 mi/h in m/s", "1 mph = 0.44704 m/s"),
    ("1 kWh in kJ", "1 kWh = 3,600 kJ"),
    ("100 Mbps in MB/s", "100 Mbit/s = 12.5 MB/s"),
    ("1 Mb in MB", "1 Mbit = 0.125 MB"),
    ("42", "42"),
    (
        "负1234567890123456789012345678901234567 + 0",
        "-1,234,567,890,123,456,789,012,345,678,901,234,567 + 0 = -1,234,567,890,123,456,789,012,345,678,901,234,567",
    ),
    ("What is 15% of 240?", "15% × 240 = 36"),
]


def asked(language: str) -> Asked:
    thread = ThreadId("console", "", "room", "1")
    author = Author("console", "", "somebody")
    now = datetime(2026, 5, 1, tzinfo=UTC)
    message = Message(id="1", thread=thread, author=author, sent_at=now, text="")
    return Asked(http=NoHttp(), message=message, language=language, now=now)


class NoHttp(Http):
    """Nothing here asks anybody."""

    async def get(self, url, *, params=None, headers=None):
        raise AssertionError(url)

    async def post(self, url, *, json, headers=None):
        raise AssertionError(url)


@pytest.mark.parametrize(("expression", "expected"), RESULTS)
def test_the_sum_is_repeated_as_it_was_understood_with_its_result(expression, expected):
    assert answer(expression, "en") == f"`{expected}`"


def test_an_angle_without_a_unit_is_taken_in_radians_and_that_is_said():
    assert answer("sin(pi)", "en").startswith("`sin(pi) = 0`\n\nThe angle is taken in radians")
    assert answer("cos(0) + sin(30)", "zh").endswith("角按弧度计算；要用度，请写成例如 `sin(30°)`。")
    assert "radians" not in answer("sin(30°)", "en")


@pytest.mark.parametrize("expression", ["5!!", "3*4!!", "5! !+1", "(2+3)!!"])
def test_two_signs_of_a_factorial_are_not_guessed_at(expression):
    assert "can be read in two ways" in answer(expression, "en")
    assert "两种理解" in answer(expression, "zh")


def test_a_factorial_of_a_factorial_has_brackets():
    assert answer("(3!)!", "en").endswith("= 720`")


@pytest.mark.parametrize("expression", ["0x10", "0xFF + 1", "2*0X1f"])
def test_a_number_of_another_base_is_no_product(expression):
    assert "to the base of ten" in answer(expression, "en")
    assert "十进制" in answer(expression, "zh")


def test_nought_times_ten_may_be_written_with_spaces():
    assert answer("0 x 10", "en") == "`0 × 10 = 0`"


def test_digits_are_grouped_as_suits_the_language():
    assert answer("5000+1", "en") == "`5,000 + 1 = 5,001`"
    assert answer("5000+1", "zh") == "`5000 + 1 = 5001`"
    assert answer("50000+1", "zh") == "`50,000 + 1 = 50,001`"


def test_units_are_named_in_the_language_of_the_asker():
    assert answer("10 km in miles", "zh") == "`10 公里 ≈ 6.213711922 英里`"
    assert answer("10公里是多少英里", "en") == "`10 km ≈ 6.213711922 miles`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("零", 0),
        ("十二", 12),
        ("二十", 20),
        ("一百零五", 105),
        ("二百五", 250),
        ("一千二", 1200),
        ("三万五", 35_000),
        ("一万零五", 10_005),
        ("两百五十", 250),
        ("一万二千三百四十五", 12_345),
        ("两亿三千万", 230_000_000),
        ("一万亿", 10**12),
        ("一百一十", 110),
        ("三点一四", Decimal("3.14")),
        ("半", Decimal("0.5")),
        ("一九八四", 1984),
    ],
)
def test_chinese_numbers_are_read(text, expected):
    assert chinese(text, 0) == (Decimal(expected), len(text))


@pytest.mark.parametrize("text", ["万", "十百", "一百千", "二三百"])
def test_what_is_no_chinese_number_is_not_read(text):
    assert chinese(text, 0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zero", 0),
        ("seventeen", 17),
        ("twenty-three", 23),
        ("a hundred", 100),
        ("one hundred and five", 105),
        ("two thousand three hundred forty-five", 2345),
        ("three million two thousand", 3_002_000),
        ("three point one four", Decimal("3.14")),
    ],
)
def test_english_numbers_are_read(text, expected):
    assert english(text, 0) == (Decimal(expected), len(text))


@pytest.mark.parametrize(
    ("text", "end"), [("seven plus", 5), ("five and six", 4), ("twenty thirty", 6), ("one thousand million", 12)]
)
def test_an_english_number_ends_where_another_word_begins(text, end):
    found = english(text, 0)
    assert found is not None
    assert found[1] == end


def test_the_case_of_a_unit_tells_bits_from_bytes():
    assert unit_named("Mb") != unit_named("MB")
    assert unit_named("KILOMETERS") == unit_named("公里") == unit_named("km")
    assert unit_named("furlongs") is None


def test_conversions_are_exact_where_the_units_are():
    assert abs(converted(Decimal(-40), CELSIUS, FAHRENHEIT) + 40) < Decimal("1e-45")
    mile, metre = unit_named("mile"), unit_named("m")
    assert mile is not None
    assert metre is not None
    assert converted(Decimal(1), mile, metre) == Decimal("1609.344")


async def test_the_plugin_answers_in_the_language_of_the_asker():
    assert await calculator.run("1/0", asked("en")) == answer("1/0", "en")
    assert await calculator.run("12乘以3", asked("zh")) == "`12 × 3 = 36`"


def test_the_plugin_says_what_it_is_for():
    assert (calculator.name, calculator.slash, calculator.confirm, calculator.outward) == (
        "calculator",
        "calc",
        False,
        False,
    )
    assert set(calculator.about) == {"en", "zh"}
    assert calculator.reads is not None
    assert calculator.reads("What is 15% of 240?") == {"expression": "15% of 240"}
