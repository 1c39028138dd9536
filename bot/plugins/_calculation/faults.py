"""What may be wrong with a sum, and what to write instead, in English and Chinese."""

_EXAMPLES = "`3*(4+5)`, `15% of 240`, `sqrt(2)`, `10 km in miles`"
_EXAMPLES_ZH = "`3*(4+5)`、`240的15%`、`12乘以3`、`5公里是多少英里`"

_TEXTS: dict[str, tuple[str, str]] = {
    "empty": (
        f"There is nothing to work out yet. Write a sum, such as {_EXAMPLES}.",
        f"还没有要计算的内容。请写一个算式，例如 {_EXAMPLES_ZH}。",
    ),
    "long": (
        "This sum is too long: I read up to {limit} characters. Please split it into shorter ones.",
        "这个算式太长：我最多读 {limit} 个字符。请把它拆成几个较短的算式。",
    ),
    "deep": (
        "This sum is nested too deeply: {limit} levels at most. Please work out an inner part first.",
        "这个算式嵌套太深：最多 {limit} 层。请先计算里面的一部分。",
    ),
    "digits": (
        "{text} has too many digits: a number may have {limit} at most. Please write a shorter one.",
        "{text} 的位数太多：一个数最多 {limit} 位。请写短一些。",
    ),
    "character": (
        f"I cannot read {{text}} as part of a sum. Write it like {_EXAMPLES}.",
        f"我无法把 {{text}} 当作算式的一部分。请写成例如 {_EXAMPLES_ZH}。",
    ),
    "name": (
        "I do not know what {text} is. I know + - * / // % ^, the functions {functions}, and the constants pi and e.",
        "我不认识 {text}。我会 + - * / // % ^，函数 {functions}，以及常数 pi 和 e。",
    ),
    "unfinished": (
        f"The sum ends too early: a number or a closing bracket is missing. Write it like {_EXAMPLES}.",
        f"算式不完整：缺少一个数或右括号。请写成例如 {_EXAMPLES_ZH}。",
    ),
    "unexpected": (
        f"I did not expect {{text}} there. Write a sign such as + or * between two numbers, for example {_EXAMPLES}.",
        f"{{text}} 不应该出现在那里。两个数之间请写 + 或 * 等符号，例如 {_EXAMPLES_ZH}。",
    ),
    "chu": (
        "“除” alone can be read in two ways. Write “除以” or `/`, such as `12/3`.",
        "“除”有两种理解：请写“除以”或 `/`，例如 `12除以3`。",
    ),
    "arguments": (
        "{text} takes {wanted} here. Write it like `{example}`.",
        "{text} 需要{wanted}。请写成例如 `{example}`。",
    ),
    "zero": (
        "Division by zero has no result. Please write another number after the division sign.",
        "除数不能为零，没有结果。请换一个除数。",
    ),
    "bounds": (
        "The result is beyond what I work out: its size must stay between 10^-{limit} and 10^{limit}. "
        "Please write smaller numbers or exponents.",
        "结果超出了我能计算的范围：大小须在 10^-{limit} 与 10^{limit} 之间。请用小一些的数或指数。",
    ),
    "precision": (
        "These numbers are too large for an exact whole result. Please write smaller ones, up to {limit} digits.",
        "这些数太大，无法得到准确的整数结果。请用小一些的数，最多 {limit} 位。",
    ),
    "root": (
        "An even root of a negative number is not a real number. Write a number of 0 or more, such as `sqrt(2)`.",
        "负数的偶次方根不是实数。请写 0 或更大的数，例如 `根号2`。",
    ),
    "negative_power": (
        "A negative number to a broken power is not a real number. Write a whole exponent, such as `(-2)^3`.",
        "负数的非整数次方不是实数。请用整数指数，例如 `(-2)^3`。",
    ),
    "logarithm": (
        "A logarithm needs a number above 0, and a base above 0 other than 1, such as `log(8, 2)`.",
        "对数需要大于 0 的数，底数须大于 0 且不等于 1，例如 `log(8, 2)`。",
    ),
    "tangent": (
        "The tangent has no value there. Please write another angle, such as `tan(45°)`.",
        "正切在这个角没有值。请换一个角，例如 `tan(45°)`。",
    ),
    "angle": (
        "This angle is too large for an exact result: up to 10^{limit}. Please write a smaller one.",
        "这个角太大，无法得到准确结果：最大 10^{limit}。请写小一些。",
    ),
    "factorial": (
        "A factorial takes a whole number from 0 to {limit}, such as `5!`.",
        "阶乘需要 0 到 {limit} 的整数，例如 `5!`。",
    ),
    "double_factorial": (
        "Two signs `!!` can be read in two ways. Write `(3!)!` for a factorial of a factorial, or the product itself, "
        "such as `5*3*1`.",
        "两个 `!!` 有两种理解。阶乘的阶乘请写成 `(3!)!`，否则请直接写出乘积，例如 `5*3*1`。",
    ),
    "base": (
        "I read numbers to the base of ten alone, and {text} is none. For a product, write `*` or spaces, such as "
        "`0 * 10`.",
        "我只认识十进制的数，{text} 不是。如果是乘法，请写 `*` 或空格，例如 `0 * 10`。",
    ),
    "whole": (
        "{text} takes whole numbers of up to {limit} digits, such as `{example}`.",
        "{text} 需要整数，最多 {limit} 位，例如 `{example}`。",
    ),
    "places": (
        "Rounding takes a whole number of places from -{limit} to {limit}, such as `round(3.14159, 2)`.",
        "四舍五入的位数须为 -{limit} 到 {limit} 的整数，例如 `round(3.14159, 2)`。",
    ),
    "currency": (
        "I do not know exchange rates, so I cannot convert {text}. Write the rate into the sum, such as `100*7.1`.",
        "我不知道汇率，无法换算 {text}。请把汇率写进算式，例如 `100*7.1`。",
    ),
    "unit": (
        "I do not know the unit {text}. Write one such as km, miles, kg, lb, °C, °F, L, GB or hours.",
        "我不认识单位 {text}。请使用公里、英里、公斤、斤、磅、摄氏度、华氏度、升、GB、小时等单位。",
    ),
    "no_unit": (
        "There is no unit to convert from. Write a number with its unit first, such as `10 km in miles`.",
        "没有写要换算的单位。请先写数和单位，例如 `5公里是多少英里`。",
    ),
    "incompatible": (
        "{one} and {other} measure different things, so one cannot be turned into the other. "
        "Write two units of one kind, such as `10 km in miles`.",
        "“{one}”和“{other}”不是同一种量，不能互相换算。请写同一种量的两个单位，例如 `5公里是多少英里`。",
    ),
    "unit_sum": (
        "With units I can add, subtract and convert, and multiply or divide by a plain number. "
        "Write it like `3 lb + 200 g` or `10 km in miles`.",
        "带单位时，我可以加、减、换算，以及乘除一个不带单位的数。请写成例如 `3 kg + 200 g` 或 `5公里是多少英里`。",
    ),
    "temperature": (
        "Temperatures can be converted, not added or multiplied. Write it like `100 F to C`.",
        "温度可以换算，不能相加或相乘。请写成例如 `37摄氏度是多少华氏度`。",
    ),
}


class Fault(Exception):
    """A sum that cannot be worked out; `key` names the sentence that says why.

    With `is_bound` it may well be a sum, but a longer or deeper one than is read.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self._values = values

    @property
    def is_bound(self) -> bool:
        return self.key in {"deep", "digits", "long"}

    def said(self, language: str) -> str:
        """The sentence, as Markdown; values that are pairs are worded in both languages."""
        is_chinese = language == "zh"
        values = {
            name: value[is_chinese] if isinstance(value, tuple) else value for name, value in self._values.items()
        }
        return _TEXTS[self.key][is_chinese].format_map(values)


def quoted(text: str, limit: int = 40) -> str:
    """Somebody's own words as Markdown code, cut short."""
    plain = " ".join(text.replace("`", "'").split())
    return f"`{plain if len(plain) <= limit else plain[: limit - 1] + '…'}`"
