"""What identifies a person or opens a door: numbers with their checksums, addresses and keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from string import ascii_lowercase, digits

import regex

from core.moderation.patterns import Pattern
from core.moderation.rules import Action, Rule

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_ID_CHECKS = "10x98765432"
_WORD = frozenset(digits + ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One kind of personal data, over the folded text; `names` are in English and Chinese."""

    expression: str
    width: int
    names: tuple[str, str]
    starts: frozenset[str]
    is_right: Callable[[str], bool] | None = None
    needs: str = ""


def is_identity(text: str) -> bool:
    """A Chinese identity number: a day of birth that there was, and the check digit (GB 11643-1999)."""
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _ID_WEIGHTS, strict=True))
    return born.year >= 1850 and _ID_CHECKS[total % 11] == text[17]


def is_card(text: str) -> bool:
    """A payment card number: a length its issuer uses, and the Luhn digit (ISO/IEC 7812-1)."""
    number = "".join(sign for sign in text if sign in digits)
    if len(set(number)) < 2 or not _is_issued(number):
        return False
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_issued(number: str) -> bool:
    first, length = int(number[:4]), len(number)
    if number.startswith("62"):
        return 16 <= length <= 19
    if number.startswith("4"):
        return length in (13, 16, 19)
    if 5100 <= first <= 5599 or 2221 <= first <= 2720 or 3528 <= first <= 3589 or first == 6011 or first // 100 == 65:
        return length == 16
    return first // 100 in (34, 37) and length == 15


_KEYS = "|".join(
    (
        r"sk-[a-z0-9_-]{20,200}",
        r"akia[0-9a-z]{16}",
        r"gh[pousr]_[a-z0-9]{36,40}",
        r"github_pat_[a-z0-9_]{40,100}",
        r"xox[abeoprs]-[a-z0-9-]{10,150}",
        r"aiza[a-z0-9_-]{35}",
        r"ltai[a-z0-9]{12,30}",
    )
)
RECOGNISERS: Mapping[str, Recogniser] = {
    "identity": Recogniser(
        r"(?<![0-9a-z])[1-9][0-9]{16}[0-9x](?![0-9a-z])",
        18,
        ("identity number", "身份证号"),
        frozenset(digits),
        is_identity,
    ),
    "mobile": Recogniser(
        r"(?<![0-9a-z.])(?:\+?86[ -]?)?1[3-9][0-9](?:[ -][0-9]{4}[ -][0-9]{4}|[0-9]{8})(?![0-9a-z])",
        18,
        ("phone number", "手机号"),
        frozenset(digits + "+"),
    ),
    "card": Recogniser(
        r"(?<![0-9a-z.])[0-9]{4}(?:[0-9]{9,15}|(?:[ -][0-9]{4}){2,3}(?:[ -][0-9]{1,3})?"
        r"|[ -][0-9]{6}[ -][0-9]{5})(?![0-9a-z])",
        23,
        ("card number", "银行卡号"),
        frozenset(digits),
        is_card,
    ),
    "email": Recogniser(
        r"(?<![a-z0-9._%+-])[a-z0-9._%+-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?\.[a-z]{2,24}(?![a-z0-9-])",
        154,
        ("e-mail address", "电子邮箱"),
        frozenset(_WORD | set("._%+-")),
        needs="@",
    ),
    "key": Recogniser(
        rf"(?<![a-z0-9_-])(?:{_KEYS})(?![a-z0-9_-])",
        203,
        ("access key", "密钥"),
        frozenset("skaghxl"),
    ),
    "private_key": Recogniser(
        r"-----begin [a-z ]{0,24}private key-----[a-z0-9+/=\s]{1,4500}-----end [a-z ]{0,24}private key-----",
        4_614,
        ("private key", "私钥"),
        frozenset("-"),
    ),
}


def personal(actions: Mapping[str, Action]) -> list[Pattern[Rule]]:
    """The recognisers that something is to be done about, by their names."""
    return [_pattern(name, action) for name, action in actions.items()]


def _pattern(name: str, action: Action) -> Pattern[Rule]:
    recogniser = RECOGNISERS[name]
    english, chinese = recogniser.names
    rule = Rule(f"personal/{name}", f"personal_{name}", action, 3, {"en": english, "zh": chinese})
    expression = regex.compile(recogniser.expression, regex.VERSION0)
    return Pattern(
        expression,
        rule,
        recogniser.width,
        recogniser.is_right,
        recogniser.starts,
        recogniser.needs,
        is_plain=True,
    )
