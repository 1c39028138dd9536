"""What runs and waits right now, and how the house did in the last hour, day or week."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from markupsafe import Markup

from bot.admin import engines, plot
from bot.admin.pages import number, span
from bot.admin.texts import Texts
from bot.admin.visit import Html, Page, Visit
from core.engine import standing
from core.ports import Load, Queue, Spread, State, Step, Window

TEXTS: Texts = {
    **engines.TEXTS,
    "nav": ("Live", "实时"),
    "title": ("Live", "实时"),
    "window": ("How far back", "时间范围"),
    "hour": ("Hour", "一小时"),
    "day": ("Day", "一天"),
    "week": ("Week", "一周"),
    "pause": ("Pause", "暂停"),
    "go_on": ("Go on", "继续"),
    "away": (
        "The server does not answer. What is shown is from the time below; it is tried again by itself.",
        "服务器没有响应。当前显示的是下方所示时间的数据，页面会自动重试。",
    ),
    "over": (
        "Your session is over, so nothing is refreshed any more.",
        "您的会话已结束，数据不再刷新。",
    ),
    "sign_in_again": ("Sign in again", "重新登录"),
    "reload": (
        "Without JavaScript the figures stay as they are until the page is loaded again.",
        "未启用 JavaScript 时，数据不会自动刷新，需要重新加载页面。",
    ),
    "reload_link": ("Load it again", "重新加载"),
    "as_of": ("As of", "截至"),
    "now": ("Now", "当前"),
    "running": ("Running", "处理中"),
    "waiting": ("Waiting", "等待中"),
    "whole_house": ("in all processes", "所有进程"),
    "this_process": ("in this process", "本进程"),
    "oldest": ("Oldest waits", "最长等待"),
    "answering": ("Answers under way", "正在回答"),
    "slots": ("Engine slots taken", "引擎槽位占用"),
    "slots_of": ("of {slots}", "/ {slots}"),
    "queue": ("In the engine's queue", "引擎队列"),
    "idle": ("Nothing runs and nothing waits.", "没有正在处理或等待的事件。"),
    "doors": ("Channels and lanes", "渠道与队列"),
    "door": ("Channel", "渠道"),
    "lane": ("Lane", "队列"),
    "lane_turn": ("questions", "提问"),
    "lane_control": ("clicks, votes, edits", "点击、评分、编辑"),
    "engines": ("Engines of this process", "本进程的引擎"),
    "in_hour": ("In the last hour", "最近一小时"),
    "in_day": ("In the last day", "最近一天"),
    "in_week": ("In the last week", "最近一周"),
    "turns": ("Questions", "提问"),
    "answered": ("Answered", "已回答"),
    "failed": ("Failed", "失败"),
    "refused": ("Refused", "已拒绝"),
    "stopped": ("Stopped", "已停止"),
    "under_way": ("Under way", "进行中"),
    "times": ("{n} times", "{n} 次"),
    "latest_first": ("First text, p99", "首字延迟 p99"),
    "latest_whole": ("Whole answer, p99", "完整回答 p99"),
    "at_step": ("from {at} UTC", "{at} UTC 起"),
    "tokens_read": ("Tokens read", "读取的 token"),
    "tokens_written": ("Tokens written", "生成的 token"),
    "read": ("Read", "读取"),
    "written": ("Written", "生成"),
    "plot_turns": ("Questions by outcome", "按结果统计的提问"),
    "plot_first": ("Until the first text", "首字延迟"),
    "plot_whole": ("Until the whole answer", "完整回答耗时"),
    "plot_tokens": ("Tokens", "Token 用量"),
    "median": ("Median", "中位数"),
    "p95": ("p95", "p95"),
    "p99": ("p99", "p99"),
    "utc": ("UTC", "UTC"),
    "per_hour": ("per minute", "每分钟"),
    "per_day": ("per 5 minutes", "每 5 分钟"),
    "per_week": ("per hour", "每小时"),
    "in_seconds": ("seconds", "秒"),
    "two_seconds": ("2 s", "2 秒"),
    "no_turns": ("Nobody asked anything.", "没有人提问。"),
    "no_answers": ("Nothing was answered.", "没有回答。"),
    "no_tokens": ("No model read or wrote anything.", "模型没有读取或生成内容。"),
}

SLOW = 2.0  # seconds until the first text, from which on p99 is an incident
_TOO_MANY_FAILED = 0.01
_EVERY = {Window.HOUR: 5, Window.DAY: 15, Window.WEEK: 15}  # seconds from one refreshing to the next
_OUTCOMES: Mapping[str, frozenset[State]] = {
    "answered": frozenset({State.DONE, State.ASKED}),
    "failed": frozenset({State.FAILED}),
    "refused": frozenset({State.REFUSED}),
    "stopped": frozenset({State.STOPPED}),
}
_ALWAYS = ("answered", "failed")


@dataclass(frozen=True, slots=True)
class Now:
    """What the queues of all doors come to."""

    running: int
    waiting: int
    oldest: timedelta

    @classmethod
    def of(cls, queues: Sequence[Queue]) -> "Now":
        oldest = max((queue.oldest for queue in queues), default=timedelta(0))
        return cls(sum(queue.running for queue in queues), sum(queue.waiting for queue in queues), oldest)

    @property
    def tone(self) -> str:
        """How bad it is that somebody waits for so long."""
        seconds = self.oldest.total_seconds()
        return "bad" if seconds > 30 else "warn" if seconds > SLOW else ""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a window comes to; of times the latest step that has any, as they can't be summed up."""

    outcomes: Mapping[str, int]
    read: int
    written: int
    first: tuple[datetime, Spread] | None
    whole: tuple[datetime, Spread] | None

    @classmethod
    def of(cls, load: Load) -> "Sum":
        counted = [outcomes(step) for step in load.steps]
        return cls(
            {name: sum(one[name] for one in counted) for name in (*_OUTCOMES, "under_way")},
            sum(step.usage.prompt_tokens for step in load.steps),
            sum(step.usage.completion_tokens for step in load.steps),
            next(((step.at, step.first) for step in reversed(load.steps) if step.first), None),
            next(((step.at, step.whole) for step in reversed(load.steps) if step.whole), None),
        )

    @property
    def turns(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failed(self) -> float | None:
        """The share of those that ended; None where none did."""
        ended = self.turns - self.outcomes["under_way"]
        return self.outcomes["failed"] / ended if ended else None

    @property
    def failed_tone(self) -> str:
        return "bad" if (self.failed or 0) > _TOO_MANY_FAILED else ""

    @property
    def first_tone(self) -> str:
        return "bad" if self.first and self.first[1].p99 > SLOW else ""


async def show(visit: Visit) -> Html:
    """The whole page; its script asks for the figures of `fragment` from then on."""
    window = window_of(visit.query)
    values = await _figures(visit, window)
    return visit.render("live.html", windows=_windows(visit), every=_EVERY[window], **values)


async def fragment(visit: Visit) -> Html:
    """The figures alone."""
    return visit.render("live_now.html", **await _figures(visit, window_of(visit.query)))


def window_of(query: Mapping[str, str]) -> Window:
    """The one that is asked for, else the hour."""
    name = query.get("window", "")
    return Window(name) if name in set(Window) else Window.HOUR


def _windows(visit: Visit) -> list[tuple[Window, str]]:
    return [(window, visit.t(window)) for window in Window]


async def _figures(visit: Visit, window: Window) -> dict[str, Any]:
    overview = visit.house.store.overview
    load, queues = await asyncio.gather(overview.load(window), overview.queues())
    stands = standing(visit.house.engine)
    known = [each.slots for each in stands if each.machine and each.slots]
    return {
        "window": window,
        "as_of": datetime.now(UTC),
        "queues": queues,
        "now": Now.of(queues),
        "answering": visit.house.manager.active,
        "engines": [engines.line(each, visit.t) for each in stands],
        "slots": sum(known) if known else None,
        "taken": sum(each.taken for each in stands if each.machine),
        "engine_waiting": sum(each.waiting for each in stands),
        "sum": Sum.of(load),
        "plots": _DRAWN.of(visit, load),
    }


def outcomes(step: Step) -> dict[str, int]:
    """The turns of a step by what became of them; those that go on are under way."""
    counted = {name: sum(n for (_, state), n in step.turns.items() if state in of) for name, of in _OUTCOMES.items()}
    return counted | {"under_way": sum(n for (_, state), n in step.turns.items() if not state.is_final)}


class _Drawn:
    """Drawing takes longer than looking: it is done once for everybody who is shown the very same figures."""

    def __init__(self) -> None:
        self._plots: dict[tuple[Window, str], tuple[Load, list[Markup]]] = {}

    def of(self, visit: Visit, load: Load) -> list[Markup]:
        key = (load.window, visit.language)
        kept = self._plots.get(key)
        if kept is None or kept[0] is not load:
            kept = self._plots[key] = (load, _plots(visit, load))
        return kept[1]


_DRAWN = _Drawn()


def _plots(visit: Visit, load: Load) -> list[Markup]:
    t = visit.t
    of_steps = partial(plot.lines, x_label=t("utc"), y_label=t(f"per_{load.window}"), show=number)
    read = [(each.at, float(each.usage.prompt_tokens)) for each in load.steps]
    written = [(each.at, float(each.usage.completion_tokens)) for each in load.steps]
    has_tokens = any(value for _, value in [*read, *written])
    tokens = [plot.Series(t("read"), read), plot.Series(t("written"), written)] if has_tokens else []
    return [
        of_steps(_by_outcome(visit, load), title=t("plot_turns"), none=t("no_turns")),
        _latency(visit, "first", [(each.at, each.first) for each in load.steps], mark=(SLOW, t("two_seconds"))),
        _latency(visit, "whole", [(each.at, each.whole) for each in load.steps]),
        of_steps(tokens, title=t("plot_tokens"), none=t("no_tokens")),
    ]


def _by_outcome(visit: Visit, load: Load) -> list[plot.Series]:
    """Those there were; what is always there keeps its colour."""
    counted = [(step.at, outcomes(step)) for step in load.steps]
    if not any(any(one.values()) for _, one in counted):
        return []
    names = [name for name in (*_OUTCOMES, "under_way") if name in _ALWAYS or any(one[name] for _, one in counted)]
    return [plot.Series(visit.t(name), [(at, float(one[name])) for at, one in counted]) for name in names]


def _latency(
    visit: Visit,
    name: str,
    spreads: Sequence[tuple[datetime, Spread | None]],
    mark: tuple[float, str] | None = None,
) -> Markup:
    series = [
        plot.Series(visit.t(which), [(at, getattr(spread, which) if spread else None) for at, spread in spreads])
        for which in ("median", "p95", "p99")
    ]
    return plot.lines(
        series if any(spread for _, spread in spreads) else [],
        title=visit.t(f"plot_{name}"),
        x_label=visit.t("utc"),
        y_label=visit.t("in_seconds"),
        none=visit.t("no_answers"),
        mark=mark,
        show=lambda value: span(value, t=visit.t),
    )


PAGES = (
    Page("live", "/admin/live", show, texts=TEXTS),
    Page(
        "live_now",
        "/admin/live/now",
        fragment,
        texts={name: text for name, text in TEXTS.items() if name != "nav"},
        under="live",
    ),
)
