"""Moderation: what was found, how much of it by day, and what people say against it, on which an operator rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from markupsafe import Markup

from bot.admin import plot, words
from bot.admin.conversations import shown
from bot.admin.pages import Html
from bot.admin.ratings import last
from bot.admin.roles import Role
from bot.admin.texts import Texts
from bot.admin.visit import Action, Done, Page, Visit
from bot.admin.words import shows_words, write_down
from core.ports import Found, Incident, Incidents, Kept

PATH = "/admin/moderation"
PER_PAGE = 25
DAYS = 30
MAX_NOTE = 1_000  # characters
ACTIONS_TAKEN = ("refuse", "mask", "flag")
APPEALS = ("made", "open")
_BATCH = 100
_BATCHES = 20  # of these, sealed each, one page opens at most

TEXTS: Texts = {
    **words.TEXTS,
    "nav": ("Moderation", "内容审核"),
    "title": ("Moderation", "内容审核"),
    "span_note": ("{n} days", "{n} 天"),
    "hits": ("Hits", "命中数"),
    "refused": ("Refused", "拒答数"),
    "appealed": ("Appealed against", "申诉数"),
    "hits_plot": ("Hits per day", "每天的命中数"),
    "appeals_plot": ("Appeals against hits of that day", "针对当天命中的申诉"),
    "appeals_axis": ("appeals", "申诉数"),
    "no_appeals": ("Nobody appealed against a hit of these days.", "这些天的命中没有申诉。"),
    "day": ("day (UTC)", "日期（UTC）"),
    "hits_axis": ("hits", "命中数"),
    "no_hits": ("Moderation found nothing in these days.", "这些天内容审核没有发现问题。"),
    "newest_hits": ("Newest hits", "最新命中"),
    "action_filter": ("Which action", "处理方式筛选"),
    "appeal_filter": ("Which appeals", "申诉筛选"),
    "all_actions": ("All actions", "全部处理方式"),
    "all_hits": ("All hits", "全部命中"),
    "appeals_made": ("Appealed against", "已申诉"),
    "appeals_open": ("Not yet ruled on", "未裁定"),
    "category": ("Category", "类别"),
    "apply": ("Show", "显示"),
    "at": ("Found at", "发现时间"),
    "action": ("Action", "处理方式"),
    "where": ("Where", "位置"),
    "severity_head": ("Severity", "严重程度"),
    "rules": ("Rules", "规则"),
    "asker": ("Person", "用户"),
    "excerpt": ("What was written", "内容摘录"),
    "no_excerpt": ("not kept: it was masked, erased or changed", "未保存：已遮盖、删除或修改"),
    "conversation": ("Conversation", "会话"),
    "appeal": ("Appeal", "申诉"),
    "appeal_at": ("Appealed", "申诉于"),
    "appeal_says": ("What they say to it", "申诉说明"),
    "appeal_silent": ("They said nothing to it.", "没有附上说明。"),
    "appeal_unread": ("What they say to it is for a reader of content.", "申诉说明仅内容阅读者可见。"),
    "ruled": ("Ruled by {by}", "{by} 裁定"),
    "ruling_right": ("the person is right", "申诉成立"),
    "ruling_wrong": ("it stays as it is", "维持原处理"),
    "not_ruled": ("not yet ruled on", "未裁定"),
    "rule_label": ("Note for other operators (optional)", "给其他操作员的备注（可不填）"),
    "rule_right": ("The person is right", "申诉成立"),
    "rule_wrong": ("It stays as it is", "维持原处理"),
    "rule_anew": ("Rule anew", "重新裁定"),
    "rule": ("Rule on it", "裁定"),
    "rule_hint": (
        "Nobody is told. To let such questions through, change the rules.",
        "不会通知任何人。若要放行这类问题，请修改规则。",
    ),
    "said_ruled": ("The ruling is kept, and in the audit log.", "裁定已保存，并已记入审计日志。"),
    "said_no_appeal": (
        "There is no such appeal any more: it was taken away with the person's data, or was too old.",
        "这条申诉已不存在：可能已随用户数据删除，或超过保存期限。",
    ),
    "said_no_verdict": ("Choose one of the two rulings. Nothing was changed.", "请选择一种裁定。没有做任何更改。"),
    "empty": ("There are no such hits.", "没有符合条件的命中。"),
    "searched": (
        "Looked through {n} hits for this category; older ones are on the next page.",
        "已在 {n} 条命中里查找这个类别；更早的在下一页。",
    ),
}


@dataclass(frozen=True, slots=True)
class Which:
    """The hits somebody wants to see: of one action or category, or those that were appealed against."""

    action: str = ""
    category: str = ""
    appeals: str = ""

    @classmethod
    def of(cls, told: Mapping[str, str]) -> "Which":
        """What a query asks for; nonsense asks for nothing."""
        action, appeals = told.get("action", ""), told.get("appeals", "")
        return cls(
            action if action in ACTIONS_TAKEN else "",
            told.get("category", "").strip()[:100],
            appeals if appeals in APPEALS else "",
        )

    async def read(self, incidents: Incidents, *, limit: int, before: int | None) -> tuple[Kept, ...]:
        return await incidents.newest(
            limit=limit,
            before=before,
            appealed=self.appeals == "made",
            unruled=self.appeals == "open",
            action=self.action,
        )


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of hits; `next` is where to go on, None where there are no more."""

    lines: tuple[Kept, ...]
    next: int | None
    seen: int


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a hit, for whoever may read them."""

    asker: str
    excerpt: str
    comment: str


@dataclass(frozen=True, slots=True)
class HitView:
    """One hit as the page shows it; without `said` or a `note`, there is not a word of anybody's in it."""

    cursor: int
    at: datetime
    incident: Incident
    appealed_at: datetime | None
    ruled_by: str
    is_right: bool
    note: str
    talk: str
    said: Said | None


async def show(visit: Visit) -> Html:
    """Excerpts and what people say in appeals are written down before they are shown, for each of these people."""
    which, may_read = Which.of(visit.query), visit.may(Role.READER)
    hits = await _hits(visit, which, visit.query.get("before", ""))
    found = await visit.house.store.overview.found(DAYS)
    with_words = shows_words(visit)
    if with_words and hits.lines:
        await write_down(visit, "hits-opened", [kept.asker for kept in hits.lines], hits=len(hits.lines))
    return visit.render(
        "moderation.html",
        lines=[_view(kept, visit, with_words) for kept in hits.lines],
        hits=hits,
        which=which,
        categories=sorted({kept.incident.category for kept in hits.lines}),
        may_read=may_read,
        may_rule=visit.may(Role.OPERATOR),
        with_words=with_words,
        max_note=MAX_NOTE,
        figures=_figures(found),
        days=DAYS,
        plots=(_per_day(found, visit), _appeals(found, visit)),
        **shown(),
    )


async def rule(visit: Visit) -> Done:
    """Whether somebody who appealed is right, with a note for other operators."""
    form = visit.form
    back, cursor, verdict = _back(visit), _number(form.get("cursor", "")), form.get("verdict", "")
    if verdict not in ("right", "wrong"):
        return Done(back, said="no_verdict")
    kept = await _appealed(visit, cursor) if cursor is not None else None
    if kept is None:
        return Done(back, said="no_appeal")
    is_right, note = verdict == "right", form.get("note", "").strip()[:MAX_NOTE]
    facts = {"hit": kept.cursor, "category": kept.incident.category, "is_right": is_right}
    await visit.audit("appeal-ruled", person=kept.asker, **facts)
    async with visit.house.store.unit() as unit:
        is_done = await unit.incidents.rule(kept.cursor, by=visit.who.by, is_right=is_right, note=note)
    return Done(back, said="ruled" if is_done else "no_appeal")


async def _hits(visit: Visit, which: Which, cursor: str) -> Hits:
    """Categories are sealed: they are looked for among what was opened, in batches, up to a limit."""
    found: list[Kept] = []
    before, seen = _number(cursor), 0
    async with visit.house.store.unit() as unit:
        for _ in range(_BATCHES):
            rows = await which.read(unit.incidents, limit=_BATCH if which.category else PER_PAGE + 1, before=before)
            seen += len(rows)
            found += [kept for kept in rows if which.category in ("", kept.incident.category)]
            if not rows or len(found) > PER_PAGE:
                break
            before = rows[-1].cursor
        else:
            return Hits(tuple(found), before, seen)
    lines = tuple(found[:PER_PAGE])
    return Hits(lines, lines[-1].cursor if len(found) > PER_PAGE else None, seen)


async def _appealed(visit: Visit, cursor: int) -> Kept | None:
    async with visit.house.store.unit() as unit:
        rows = await unit.incidents.newest(limit=1, before=cursor + 1, appealed=True)
    return next((kept for kept in rows if kept.cursor == cursor), None)


def _view(kept: Kept, visit: Visit, with_words: bool) -> HitView:
    """The words of an operator's ruling are for those who act or read: they may repeat somebody's."""
    appeal = kept.appeal
    ruling = appeal.ruling if appeal else None
    may_note = visit.may(Role.OPERATOR) or with_words
    return HitView(
        kept.cursor,
        kept.at,
        replace(kept.incident, excerpt=""),
        appeal.at if appeal else None,
        ruling.by if ruling else "",
        bool(ruling and ruling.is_right),
        ruling.note if ruling and may_note else "",
        kept.talk if visit.may(Role.READER) else "",
        Said(words.called(kept.asker, visit), kept.incident.excerpt, appeal.comment if appeal else "")
        if with_words
        else None,
    )


def _back(visit: Visit) -> str:
    """The page that the form stood on."""
    names = ("action", "category", "appeals", words.CHOICE, "before")
    query = {name: visit.form[name] for name in names if visit.form.get(name)}
    return f"{PATH}?{urlencode(query)}" if query else PATH


def _figures(found: Sequence[Found]) -> tuple[int, int, int]:
    """Hits, refusals, and how many were appealed against."""
    refused = sum(each.count for each in found if each.action == "refuse")
    return sum(each.count for each in found), refused, sum(each.appealed for each in found)


def _per_day(found: Sequence[Found], visit: Visit) -> Markup:
    counts = {(each.day, each.action): each.count for each in found}
    bars = [plot.Bar(f"{day:%m-%d}", [counts.get((day, action), 0) for action in ACTIONS_TAKEN]) for day in last(DAYS)]
    return plot.bars(
        bars,
        title=visit.t("hits_plot"),
        x_label=visit.t("day"),
        y_label=visit.t("hits_axis"),
        none=visit.t("no_hits"),
        names=[visit.t(f"action_{action}") for action in ACTIONS_TAKEN],
    )


def _appeals(found: Sequence[Found], visit: Visit) -> Markup:
    counts = {day: sum(each.appealed for each in found if each.day == day) for day in last(DAYS)}
    return plot.bars(
        [plot.Bar(f"{day:%m-%d}", [count]) for day, count in counts.items()],
        title=visit.t("appeals_plot"),
        x_label=visit.t("day"),
        y_label=visit.t("appeals_axis"),
        none=visit.t("no_appeals"),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


PAGES = (Page("moderation", PATH, show, texts=TEXTS),)
ACTIONS = (Action(f"{PATH}/rule", rule, Role.OPERATOR, TEXTS),)
