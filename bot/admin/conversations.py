"""Conversations: all of them from outside, and one from inside for whoever may read it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.admin import words
from bot.admin.pages import Html
from bot.admin.roles import Role
from bot.admin.texts import Texts
from bot.admin.visit import Page, Visit
from bot.admin.words import Words, prose, write_down
from core.errors import NotFound
from core.message import Author
from core.ports import QUESTIONS_COUNTED, Answered, Asked, Legible, Lines

PER_PAGE = 50
QUESTIONS_PER_PAGE = 10

LIST_TEXTS: Texts = {
    **words.TEXTS,
    "nav": ("Conversations", "会话"),
    "title": ("Conversations", "会话"),
    "lead_reader": (
        "The one with the newest question first. Opening one is written to the audit log before anything is shown.",
        "按最新问题排列。每次打开会话，都会先记入审计日志再显示。",
    ),
    "asked_at": ("Newest question", "最新问题"),
    "channel": ("Channel", "渠道"),
    "questions": ("Questions", "问题数"),
    "state": ("Newest answer", "最新回答"),
    "models": ("Models", "模型"),
    "open": ("Open", "打开"),
    "open_label": ("Open the conversation of {at}", "打开 {at} 的会话"),
    "more_than": ("{n} or more", "{n} 或更多"),
    "empty": ("Nobody has asked anything yet, or it is no longer kept.", "还没有人提问，或内容已不再保留。"),
}
ONE_TEXTS: Texts = {
    **words.TEXTS,
    "title": ("Conversation", "会话"),
    "back": ("All conversations", "全部会话"),
    "opened": (
        "This opening is in the audit log, for each person whose words stand here.",
        "这次打开已为涉及的每个人记入审计日志。",
    ),
    "earlier": ("Earlier questions", "更早的问题"),
    "newest_questions": ("Newest questions", "最新的问题"),
    "question_of": ("Question of {name}", "{name} 的问题"),
    "answer": ("Answer", "回答"),
    "not_answered": ("Not answered yet.", "尚未回答。"),
    "no_text": ("There is no text.", "没有文本。"),
    "again": ("answered anew", "重新回答"),
    "model": ("Model", "模型"),
    "source": ("Source", "来源"),
    "received": ("Received", "收到"),
    "first_text": ("First text after", "首字耗时"),
    "finished": ("Finished after", "完成耗时"),
    "tokens": ("Tokens", "Token"),
    "tokens_of": ("{prompt} read, {completion} written", "读入 {prompt}，写出 {completion}"),
    "attempts": ("Tries", "尝试次数"),
    "screened": ("Moderation", "内容审核"),
    "verdict_unscreened": ("not screened", "未审核"),
    "verdict_clean": ("nothing found", "未发现问题"),
    "verdict_flagged": ("flagged", "已标记"),
    "verdict_masked": ("masked", "已遮盖"),
    "verdict_refused": ("refused", "已拒答"),
    "finds": ("What moderation found", "内容审核的发现"),
    "votes": ("Ratings", "评分"),
    "nothing_left": ("Nothing of this page can be shown any more.", "这一页已没有可以显示的内容。"),
}


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer, rendered."""

    answer: Answered
    words: Words


@dataclass(frozen=True, slots=True)
class AskedView:
    """One question with its answers, rendered; `missing` names the sentence that stands in its place."""

    asked: Asked
    name: str
    missing: str
    answers: tuple[AnswerView, ...]


async def show(visit: Visit) -> Html:
    talks = await visit.house.store.overview.talks(limit=PER_PAGE, before=visit.query.get("before", ""))
    return visit.render(
        "conversations.html", talks=talks, may_read=visit.may(Role.READER), many=QUESTIONS_COUNTED, **shown()
    )


async def one(visit: Visit) -> Html:
    """Written down for each person whose words stand on this page, then shown, the earliest first."""
    talk = visit.match["id"]
    page = await visit.house.store.overview.open(talk, limit=QUESTIONS_PER_PAGE, before=visit.query.get("before", ""))
    if not (page.lines or page.next):
        raise NotFound
    await write_down(visit, "conversation-opened", _people(page), conversation=talk, questions=len(page.lines))
    # A page of long answers takes a while to render, and others are being answered meanwhile.
    exchanges = await asyncio.to_thread(_views, page.lines, visit)
    doors = sorted({asked.asker.adapter for asked in page.lines if asked.asker})
    return visit.render(
        "conversation.html", page=page, exchanges=exchanges, doors=doors, reasons=words.reasons, **shown()
    )


def shown() -> dict[str, object]:
    """What templates that show answers call."""
    return {
        "state_name": words.state_name,
        "tone": words.tone,
        "score_name": words.score_name,
        "score_tone": words.score_tone,
        "called": words.called,
    }


def _people(page: Lines[Asked]) -> Iterator[Author | None]:
    for asked in page.lines:
        yield asked.asker
        yield from (vote.author for answer in asked.answers for vote in answer.votes)


def _views(lines: Sequence[Asked], visit: Visit) -> list[AskedView]:
    return [_view(asked, visit) for asked in reversed(lines)]


def _view(asked: Asked, visit: Visit) -> AskedView:
    missing = "" if asked.legible is Legible.YES else f"{asked.legible}_question"
    answers = (AnswerView(each, prose(each.text, each.legible, visit.language)) for each in asked.answers)
    return AskedView(asked, words.called(asked.asker, visit), missing, tuple(answers))


PAGES = (
    Page("conversations", "/admin/conversations", show, texts=LIST_TEXTS),
    Page("conversation", "/admin/conversations/{id}", one, Role.READER, ONE_TEXTS, under="conversations"),
)
