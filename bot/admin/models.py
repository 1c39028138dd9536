"""Which models serve, what stands in for them, and how each one did."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.admin import engines
from bot.admin.live import window_of
from bot.admin.texts import Texts
from bot.admin.visit import Html, Page, Visit
from core.engine import Standing, standing
from core.ports import ModelLoad, Window

TEXTS: Texts = {
    **engines.TEXTS,
    "nav": ("Models", "模型"),
    "title": ("Models", "模型"),
    "window": ("How far back", "时间范围"),
    "hour": ("Hour", "一小时"),
    "day": ("Day", "一天"),
    "week": ("Week", "一周"),
    "serving": ("What serves in this process", "本进程提供服务的模型"),
    "serving_lead": (
        "In the order in which they are asked: the next one answers where one before it does not.",
        "按询问顺序排列：前一个无法回答时，由下一个回答。",
    ),
    "model": ("Model", "模型"),
    "demo": ("demo", "演示模型"),
    "version": ("version {version}", "版本 {version}"),
    "not_loaded": ("not loaded yet", "尚未加载"),
    "for": ("For", "用于"),
    "route_": ("everything", "所有问题"),
    "route_chat": ("talk", "对话"),
    "route_code": ("code", "代码"),
    "place": ("{route}: choice {place}", "{route}：第 {place} 选择"),
    "context": ("Context", "上下文"),
    "context_tokens": ("{count} tokens", "{count} 个 token"),
    "where": ("Runs on", "运行于"),
    "memory": ("Memory", "内存"),
    "did_hour": ("What they did in the last hour", "最近一小时的表现"),
    "did_day": ("What they did in the last day", "最近一天的表现"),
    "did_week": ("What they did in the last week", "最近一周的表现"),
    "answers": ("Answers", "回答"),
    "read": ("Tokens read", "读取的 token"),
    "written": ("Tokens written", "生成的 token"),
    "first": ("First text, mean", "首字延迟（平均）"),
    "whole": ("Whole answer, mean", "完整回答（平均）"),
    "votes": ("Votes", "评价"),
    "up_down": ("{up} good, {down} bad", "好评 {up}，差评 {down}"),
    "score": ("Mean score", "平均分"),
    "no_model": ("no model", "无模型"),
    "no_model_who": ("the house itself, a plugin, moderation", "系统自身、插件、审核"),
    "serves": ("serves", "正在服务"),
    "nothing": ("Nothing was answered in this time.", "这段时间内没有回答。"),
    "versions_note": (
        "Of a model whose weights, settings or quantisation changed, each version is counted by itself.",
        "模型的权重、设置或量化方式变化后，每个版本单独统计。",
    ),
}
_ROUTES = ("", "chat", "code")


@dataclass(frozen=True, slots=True)
class Did:
    """A model's part in a window. One that `serves` answers now in this process."""

    load: ModelLoad
    serves: bool
    is_demo: bool


async def show(visit: Visit) -> Html:
    window = window_of(visit.query)
    load = await visit.house.store.overview.load(window)
    stands = standing(visit.house.engine)
    served = {each.model.version: each.model for each in stands if each.model}
    did = [Did(one, one.model in served, one.model in served and served[one.model].is_demo) for one in load.models]
    return visit.render(
        "models.html",
        window=window,
        windows=[(each, visit.t(each)) for each in Window],
        engines=[(engines.line(each, visit.t), asked_for(visit, each, stands)) for each in stands],
        did=did,
    )


def asked_for(visit: Visit, stands: Standing, all_: Sequence[Standing]) -> list[str]:
    """For which questions, and where others are asked for them too, after how many."""
    asked = Counter(route for each in all_ for route in each.places)
    names = {route: visit.t(f"route_{route}") if route in _ROUTES else route for route in stands.places}
    return [
        visit.t("place", route=names[route], place=place) if asked[route] > 1 else names[route]
        for route, place in stands.places.items()
    ]


PAGES = (Page("models", "/admin/models", show, texts=TEXTS),)
