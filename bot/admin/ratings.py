"""Ratings: what people think of answers, beside what was asked and answered, and how that went by model and day."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from markupsafe import Markup

from bot.admin import plot, words
from bot.admin.conversations import shown
from bot.admin.pages import Html, percent
from bot.admin.roles import Role
from bot.admin.texts import Texts
from bot.admin.visit import Page, Visit
from bot.admin.words import Words, prose, shows_words, write_down
from core.message import Author
from core.ports import Legible, Opinion, Rated

PER_PAGE = 25
DAYS = 30
_SERIES = 6  # as many as can be told apart
_CHOICES = 20  # of models to look at alone

TEXTS: Texts = {
    **words.TEXTS,
    "nav": ("Ratings", "评分"),
    "title": ("Ratings", "评分"),
    "span_note": ("{n} days", "{n} 天"),
    "votes": ("Votes", "评分数"),
    "share": ("Thumbs up", "好评率"),
    "down_count": ("Thumbs down", "差评数"),
    "share_plot": ("Share of thumbs up, by model", "各模型的好评率"),
    "count_plot": ("Votes per day", "每天的评分数"),
    "day": ("day (UTC)", "日期（UTC）"),
    "share_axis": ("% of a day's votes", "占当天评分的 %"),
    "count_axis": ("votes", "评分数"),
    "up": ("up", "好评"),
    "middle": ("in between", "中评"),
    "down": ("down", "差评"),
    "no_votes": ("Nobody has voted in these days.", "这些天没有评分。"),
    "newest_votes": ("Newest votes", "最新评分"),
    "score_filter": ("Which votes", "评分筛选"),
    "all_votes": ("All votes", "全部评分"),
    "all_models": ("All models", "全部模型"),
    "only_down": ("Thumbs down only", "仅看差评"),
    "model_filter": ("Which model", "模型筛选"),
    "at": ("Voted at", "评分时间"),
    "score": ("Score", "评分"),
    "reason": ("Reason", "原因"),
    "model": ("Model", "模型"),
    "state": ("Question, answer", "问题与回答"),
    "legible_yes": ("kept", "有保存"),
    "has_comment": ("with a comment", "附有评论"),
    "conversation": ("Conversation", "会话"),
    "open": ("Open", "打开"),
    "open_label": ("Open the conversation of this vote of {at}", "打开 {at} 这条评分的会话"),
    "vote_of": ("Vote of {name}", "{name} 的评分"),
    "question": ("Question", "问题"),
    "question_by": ("Question of {name}", "{name} 的问题"),
    "answer": ("Answer", "回答"),
    "comment": ("Comment", "评论"),
    "no_text": ("There is no text.", "没有文本。"),
    "no_question": (
        "No question can be shown beside it: it was a command, or it can no longer be opened.",
        "没有可显示的问题：它是一条命令，或已无法打开。",
    ),
    "empty": ("There are no such votes.", "没有符合条件的评分。"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """The words around a vote, for whoever may read them."""

    rater: str
    asker: str
    question: str
    missing: str
    answer: Words
    comment: str


@dataclass(frozen=True, slots=True)
class RatingView:
    """One vote as the page shows it; without `said`, there is not a word of anybody's in it."""

    at: datetime
    score: int | None
    reasons: tuple[str, ...]
    model: str
    states: tuple[Legible, ...]
    has_comment: bool
    talk: str
    said: Said | None


async def show(visit: Visit) -> Html:
    """What a list of words shows is written down first, for each person whose words are on the page."""
    overview, query, may_read = visit.house.store.overview, visit.query, visit.may(Role.READER)
    is_down, model = query.get("score") == "down", query.get("model", "")
    newest = overview.ratings(limit=PER_PAGE, before=query.get("before", ""), is_down=is_down, model=model)
    page, opinions = await asyncio.gather(newest, overview.opinions(DAYS))
    with_words = shows_words(visit)
    if with_words and page.lines:
        await write_down(visit, "ratings-opened", _people(page.lines), votes=len(page.lines))
    lines = await asyncio.to_thread(_views, page.lines, visit, may_read, with_words)
    return visit.render(
        "ratings.html",
        lines=lines,
        next=page.next,
        may_read=may_read,
        with_words=with_words,
        is_down=is_down,
        model=model,
        models=_models(opinions, model),
        figures=_figures(opinions),
        days=DAYS,
        plots=(_shares(opinions, visit), _counts(opinions, visit)),
        **shown(),
    )


def _people(lines: Sequence[Rated]) -> Iterator[Author | None]:
    for rated in lines:
        yield from (rated.rater, rated.asker)


def _views(lines: Sequence[Rated], visit: Visit, may_read: bool, with_words: bool) -> list[RatingView]:
    return [
        RatingView(
            rated.at,
            rated.score,
            words.reasons(rated.reason, visit, may_read=with_words),
            rated.model,
            tuple(dict.fromkeys((rated.question_legible, rated.answer_legible))),
            bool(rated.comment),
            rated.talk if may_read else "",
            _said(rated, visit) if with_words else None,
        )
        for rated in lines
    ]


def _said(rated: Rated, visit: Visit) -> Said:
    missing = {Legible.YES: "", Legible.ERASED: "erased_question", Legible.LOST: "no_question"}
    return Said(
        words.called(rated.rater, visit),
        words.called(rated.asker, visit) if rated.asker else "",
        rated.question,
        missing[rated.question_legible],
        prose(rated.answer, rated.answer_legible, visit.language),
        rated.comment,
    )


def _models(opinions: Sequence[Opinion], chosen: str) -> list[str]:
    """Those that were voted on lately, the busiest first; and the one that is shown."""
    votes: dict[str, int] = {chosen: 0} if chosen else {}
    for each in opinions:
        votes[each.model] = votes.get(each.model, 0) + each.votes
    return [model for model in sorted(votes, key=lambda model: (-votes[model], model)) if model][:_CHOICES]


def _figures(opinions: Sequence[Opinion]) -> tuple[int, float | None, int]:
    """Votes, the share of thumbs up, and thumbs down."""
    votes, up, down = (sum(getattr(each, name) for each in opinions) for name in ("votes", "up", "down"))
    return votes, up / votes if votes else None, down


def _shares(opinions: Sequence[Opinion], visit: Visit) -> Markup:
    shares = {(each.model, each.day): 100 * each.up / each.votes for each in opinions if each.votes}
    series = [
        plot.Series(model.partition("@")[0], [(_midnight(day), shares.get((model, day))) for day in last(DAYS)])
        for model in _models(opinions, "")[:_SERIES]
    ]
    return plot.lines(
        series,
        title=visit.t("share_plot"),
        x_label=visit.t("day"),
        y_label=visit.t("share_axis"),
        none=visit.t("no_votes"),
        show=lambda value: percent(value / 100, 0),
    )


def _counts(opinions: Sequence[Opinion], visit: Visit) -> Markup:
    by_day = {day: [each for each in opinions if each.day == day] for day in last(DAYS)}
    bars = [plot.Bar(f"{day:%m-%d}", _parts(mine)) for day, mine in by_day.items()]
    return plot.bars(
        bars,
        title=visit.t("count_plot"),
        x_label=visit.t("day"),
        y_label=visit.t("count_axis"),
        none=visit.t("no_votes"),
        names=[visit.t(name) for name in ("up", "down", "middle")],
    )


def _parts(opinions: Sequence[Opinion]) -> tuple[int, int, int]:
    votes, up, down = (sum(getattr(each, name) for each in opinions) for name in ("votes", "up", "down"))
    return up, down, votes - up - down


def last(days: int) -> list[date]:
    """These days, the running one (UTC) last."""
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(days))]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


PAGES = (Page("ratings", "/admin/ratings", show, texts=TEXTS),)
