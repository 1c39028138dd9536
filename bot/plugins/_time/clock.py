"""A time of day as people write it, and when that is in a time zone."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

LONGEST_TIME = 60  # characters

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_NUMBER = r"\d{1,2}|[零〇一二两三四五六七八九十]{1,3}"
_PERIODS = "凌晨|清晨|清早|早上|早晨|早|上午|中午|正午|下午|午后|傍晚|晚上|晚间|今晚|夜里|夜晚|深夜|半夜|午夜|晚"
_CHINESE = re.compile(
    rf"(?P<period>{_PERIODS})?(?:的)?(?:(?P<hour>{_NUMBER})(?:点钟?|點鐘?|时|:)"
    rf"(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<minute>{_NUMBER})分?|整)?)"
)
_ENGLISH = re.compile(
    r"(?:at )?(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?::\d{2}(?:\.\d{1,6})?)?)?"
    r" ?(?:o'?clock)? ?(?P<half>a\.?m\.?|p\.?m\.?)?"
    r"(?: ?in the (?P<part>morning|afternoon|evening)| ?(?P<night>at night))?"
)
_NAMED = {"noon": 12, "midday": 12, "12 noon": 12, "midnight": 0, "12 midnight": 0, "中午": 12, "正午": 12, "午夜": 0}
_DAYS = {
    "today": 0, "tomorrow": 1, "yesterday": -1, "tonight": 0,
    "今天": 0, "今日": 0, "明天": 1, "明日": 1, "后天": 2, "昨天": -1, "明早": 1, "明晚": 1, "今早": 0, "今晚": 0,
}  # fmt: skip
_DAY = re.compile("|".join(sorted(_DAYS, key=len, reverse=True)))
_DATE = re.compile(r"(?P<year>\d{4})[-/年.](?P<month>\d{1,2})[-/月.](?P<day>\d{1,2})[日号]?(?:t(?=\d)| |,)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:,? (?P<year>\d{4})(?![\d:]))?"
_ENGLISH_DATES = (
    re.compile(rf"\b{_MONTH} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:.]\d|\d| ?[ap]\.?m){_YEAR}"),
    re.compile(rf"(?:the )?(?<![\d:.])(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}{_YEAR}"),
)
_MONTH_DAY = re.compile(r"(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]")
_HAN_DAY = {"明早": "早上", "今早": "早上", "明晚": "晚上", "今晚": "晚上"}


class UnclearTime(ValueError):
    """Nothing that could be read as a time of day, or one that no day has."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day on a day: so many days after today, unless there is a `day`, or a month and day of this year."""

    hour: int
    minute: int
    days: int = 0
    day: date | None = None
    month_day: tuple[int, int] | None = None

    def on(self, today: date) -> datetime:
        """The wall clock's time, without a zone. Raises UnclearTime for a day that its month does not have."""
        try:
            if self.month_day:
                today = today.replace(month=self.month_day[0], day=self.month_day[1])
            day = self.day or today
            return datetime(day.year, day.month, day.day, self.hour, self.minute) + timedelta(days=self.days)
        except (ValueError, OverflowError):
            raise UnclearTime from None


class Oddity(StrEnum):
    """What daylight saving time does to some times: they do not exist, or come twice."""

    NONE = "none"
    SKIPPED = "skipped"
    TWICE = "twice"


def read(text: str) -> Clock:
    """The time in a text such as "3pm", "15:00", "下午三点半", "tomorrow 9am", "2026-03-29 02:30" or
    "2:30 am on March 29".

    Raises UnclearTime.
    """
    if len(text) > LONGEST_TIME:
        raise UnclearTime
    line = " ".join(unicodedata.normalize("NFKC", text).lower().replace("’", "'").split()).strip(" .,")
    line, day = _dated(line)
    hour, minute, more = _time_of_day(line)
    if hour == 24 and minute == 0:
        hour, more = 0, more + 1
    if hour > 23 or minute > 59:
        raise UnclearTime
    return Clock(hour, minute, day.days + more, day.day, day.month_day)


def moment(clock: Clock, zone: tzinfo, now: datetime) -> tuple[datetime, Oddity]:
    """When a clock in this zone shows it, and what is odd about it: "today" is the day it is there.

    Of a time that comes twice it is the first; one that is skipped is taken as what clocks show that went on.
    """
    wall = clock.on(now.astimezone(zone).date())
    try:
        first = wall.replace(tzinfo=zone)
        shown = first.astimezone(UTC).astimezone(zone)
        second = wall.replace(tzinfo=zone, fold=1)
    except OverflowError:
        raise UnclearTime from None
    if shown.replace(tzinfo=None) != wall:
        return shown, Oddity.SKIPPED
    return shown, Oddity.TWICE if first.utcoffset() != second.utcoffset() else Oddity.NONE


def _dated(line: str) -> tuple[str, Clock]:
    """The line without its day, and the day."""
    if match := _DATE.search(line):
        try:
            found = Clock(0, 0, day=date(int(match["year"]), int(match["month"]), int(match["day"])))
        except ValueError:
            raise UnclearTime from None
    elif match := next(filter(None, (pattern.search(line) for pattern in _ENGLISH_DATES)), None):
        found = _english_day(match)
    elif match := _MONTH_DAY.search(line):
        found = Clock(0, 0, month_day=(int(match["month"]), int(match["day"])))
    elif match := _DAY.search(line):
        found = Clock(0, 0, days=_DAYS[match[0]])
    else:
        return line, Clock(0, 0)
    kept = _HAN_DAY.get(match[0], "")
    rest = f"{line[: match.start()]} {kept}{line[match.end() :].lstrip()}"
    return re.sub(r"^at |(?: at| on)$", "", rest.strip(" ,")), found


def _english_day(match: re.Match[str]) -> Clock:
    month, day = _MONTHS.index(match["month"][:3]) + 1, int(match["day"])
    if not match["year"]:
        return Clock(0, 0, month_day=(month, day))
    try:
        return Clock(0, 0, day=date(int(match["year"]), month, day))
    except ValueError:
        raise UnclearTime from None


def _time_of_day(line: str) -> tuple[int, int, int]:
    """Hour, minute, and days that it adds."""
    if line in _NAMED:
        return _NAMED[line], 0, int(line in ("midnight", "12 midnight", "午夜"))
    if match := _ENGLISH.fullmatch(line):
        return _english(match)
    if match := _CHINESE.fullmatch(line.replace(" ", "")):
        return _chinese(match)
    raise UnclearTime


def _english(match: re.Match[str]) -> tuple[int, int, int]:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = (match["half"] or "")[:1] or {"morning": "a", "afternoon": "p", "evening": "p"}.get(match["part"] or "", "")
    if match["night"]:
        half = "p" if 6 <= hour < 12 else "a"
    if not half:
        return hour, minute, 0
    if not 1 <= hour <= 12 and (hour < 13 or half == "a"):  # 15:00 pm is only said twice
        raise UnclearTime
    return (hour if hour > 12 else hour % 12 + (12 if half == "p" else 0)), minute, 0


def _chinese(match: re.Match[str]) -> tuple[int, int, int]:
    hour, period = _number(match["hour"]), match["period"] or ""
    minute = 30 if match["half"] else {"一": 15, "三": 45}.get(match["quarter"] or "", 0)
    minute = _number(match["minute"]) if match["minute"] else minute
    if period in ("下午", "午后", "傍晚") or (period in ("中午", "正午") and hour < 11):
        return (hour + 12 if hour < 12 else hour), minute, 0
    if period in ("晚上", "晚间", "夜里", "夜晚", "深夜", "半夜", "午夜", "晚"):
        if hour == 12:
            return 0, minute, 1
        return (hour + 12 if 5 <= hour < 12 else hour), minute, 0
    if period in ("凌晨", "半夜") and hour == 12:
        return 0, minute, 0
    return hour, minute, 0


def _number(text: str) -> int:
    """A number below 100 in digits of either kind."""
    if text.isdecimal():
        return int(text)
    if "十" not in text:
        if len(text) > 2 or (len(text) == 2 and text[0] not in "零〇"):
            raise UnclearTime
        return _DIGITS[text[-1]]
    tens, _, ones = text.partition("十")
    if "十" in ones or len(tens) > 1 or len(ones) > 1:
        raise UnclearTime
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
