"""What the plugin `time` says, in English and Chinese."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from babel.dates import format_date

from bot.plugins._time.clock import Oddity
from bot.plugins._time.places import Place, SeveralZones, offset_name

_LONGEST_ECHO = 40  # characters of what a person wrote

# Where a name such as UTC stands beside Chinese: a space parts them.
_BESIDE_LATIN = re.compile(r"(?<=[A-Za-z\d])(?=时间|现在|比|早|和|当天|是)|(?<=现在|[^ ][比和])(?=[A-Z])")

_TEXTS = {
    "now": ("In {place} it is **{time}** on {day}{offset}.", "{place}现在是 {day} **{time}**{offset}。"),
    "here": ("It is **{time}** on {day}, {place}{offset}.", "现在是 {day} **{time}**，{place}时间{offset}。"),
    "where": (
        "I do not know where you are. For the time of a place: `/time Tokyo`.",
        "我不知道您所在的时区。查询某地时间：`/time 东京`。",
    ),
    "then": (
        "{time} on {day} in {place}{offset} is **{other_time}** on {other_day} in {other}{other_offset}.",
        "{place}时间 {day} {time}{offset}是{other}时间 {other_day} **{other_time}**{other_offset}。",
    ),
    "ahead": ("{first} is **{hours}** ahead of {second}.", "{first}比{second}早 **{hours}**。"),
    "same": ("{first} and {second} have the same time.", "{first}和{second}时间相同。"),
    "both": (
        "Now it is {time} on {day} in {place}{offset}, and {other_time} on {other_day} in {other}{other_offset}.",
        "现在{place}是 {day} {time}{offset}；{other}是 {other_day} {other_time}{other_offset}。",
    ),
    "seasons": (
        "That holds now; within a year daylight saving time makes it {others} too.",
        "这是现在的时差；由于夏令时，一年之中也会是 {others}。",
    ),
    "skipped": (
        "{wall} does not exist in {place} on that day, as the clocks go forward then: I took it as {time}.",
        "{place}当天进入夏令时，{wall} 并不存在，这里按 {time} 计算。",
    ),
    "twice": (
        "{wall} comes twice in {place} on that day, as the clocks go back then: I took the first one.",
        "{place}当天结束夏令时，{wall} 会出现两次，这里取第一次。",
    ),
    "unknown": (
        "I know no place{name}. Write a city, a country or a time zone, such as `Tokyo`, `India`, `UTC+8` or "
        "`Europe/Berlin`; for a small town, a big city near it.",
        "我不认识{name}这个地点。请写城市、国家或时区，例如 `东京`、`印度`、`UTC+8` 或 `Europe/Berlin`；"
        "小地方请写附近的大城市。",
    ),
    "named": (' called "{name}"', "“{name}”"),
    "half": (
        "`{time}` where, and in which place? Write both: `/time {time} Berlin in Tokyo`.",
        "`{time}` 是哪里的时间，要换算到哪里？请写出两个地点，例如 `/time 北京下午三点是伦敦几点`。",
    ),
    "several": (
        "{country} has several time zones: name a city there{such}.",
        "{country}有多个时区，请写出具体城市{such}。",
    ),
    "such": (", such as {first} or {second}", "，例如{first}或{second}"),
    "unclear": (
        "I cannot read that as a time of day{name}. Write it like `15:00`, `3pm`, `tomorrow 9:30` or "
        "`2026-03-29 14:00`.",
        "我无法把它理解为一个时刻{name}。请这样写：`15:00`、`下午3点`、`明天 9:30` 或 `2026-03-29 14:00`。",
    ),
    "quoted": (': "{name}"', "：“{name}”"),
    "misconfigured": (
        "The time zone set for this assistant (`zone`, under the plugin's settings) is unknown. Please tell its "
        "operator; a place can still be named, such as `/time Tokyo`.",
        "本助手设置的时区（插件设置中的 `zone`）无法识别，请告知管理员；仍可指定地点查询，例如 `/time 东京`。",
    ),
}


def say(key: str, language: str, **values: object) -> str:
    said = _TEXTS[key][language == "zh"].format(**values)
    return _BESIDE_LATIN.sub(" ", said) if language == "zh" else said


def shown(place: Place, moment: datetime, language: str, prefix: str = "") -> dict[str, str]:
    """A moment in a place as the texts name it: place, time, day and offset; with a prefix, "other" names the place."""
    there, name = moment.astimezone(place.zone), place.name(language)
    offset = offset_name(there.utcoffset() or timedelta())
    aside = "（{}）" if language == "zh" else " ({})"
    values = {
        "time": f"{there:%H:%M}",
        "day": format_date(there.date(), "y年M月d日 EEEE" if language == "zh" else "EEEE, d MMMM y", locale=language),
        "offset": "" if offset == name else aside.format(offset),  # "UTC+8" says it already
    }
    named = {f"{prefix}_{key}" if prefix else key: value for key, value in values.items()}
    return named | {prefix or "place": name}


def unknown(name: str, language: str) -> str:
    return say("unknown", language, name=_echo("named", name, language))


def unclear(at: str, language: str) -> str:
    return say("unclear", language, name=_echo("quoted", at, language))


def several(country: SeveralZones, language: str) -> str:
    first, second = [place.name(language) for place in country.examples] or ("", "")
    such = say("such", language, first=first, second=second) if first else ""
    return say("several", language, country=_country(country, language), such=such)


def odd(oddity: Oddity, wall: str, place: Place, taken: datetime, language: str) -> str:
    """What is strange about a time, "" where nothing is."""
    if oddity is Oddity.NONE:
        return ""
    return say(oddity.value, language, wall=wall, place=place.name(language), time=f"{taken:%H:%M}")


def hours(gap: timedelta, language: str) -> str:
    """How long it is, without its sign: "5 hours 30 minutes"."""
    whole, minutes = divmod(round(abs(gap).total_seconds() / 60), 60)
    if language == "zh":
        parts = [f"{whole} 小时" if whole else "", f"{minutes} 分钟" if minutes else ""]
    else:
        parts = [_counted(whole, "hour") if whole else "", _counted(minutes, "minute") if minutes else ""]
    return " ".join(part for part in parts if part) or ("0 小时" if language == "zh" else "0 hours")


def listed(words: Sequence[str], language: str) -> str:
    return (" 或 " if language == "zh" else " or ").join(words)


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _country(country: SeveralZones, language: str) -> str:
    name = country.names[language == "zh"]
    return f"The {name}" if name == "United States" else name


def _echo(key: str, name: str, language: str) -> str:
    """What was written, where it is short: no markup comes back, and no long text."""
    plain = "".join(character for character in " ".join(name.split()) if character not in '`*_~<>[]()|#\\“”"')
    return say(key, language, name=plain) if 0 < len(plain) <= _LONGEST_ECHO else ""
