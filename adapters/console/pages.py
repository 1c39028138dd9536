"""The pages as HTML: Jinja templates filled with what the archive holds."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.console.assets import assets
from adapters.console.parse import REASONS
from adapters.console.render import AnswerView, answer_view, markdown
from adapters.console.texts import SCRIPT_TEXTS, say
from adapters.console.verify import Visitor
from core.ports import Entry, Model, ThreadSummary

THREADS_PER_PAGE = 50
ENTRIES_PER_PAGE = 30


@dataclass(frozen=True, slots=True)
class Look:
    """How a reader wants their pages: language "en" or "zh"; theme "light", "dark" or "" for the system's."""

    language: str
    theme: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """One question with its answer. `events` is where the answer is followed while it grows."""

    entry: Entry
    answer: AnswerView
    events: str


def exchange_view(entry: Entry, events: Callable[[Entry], str], language: str) -> ExchangeView:
    """How an entry of the archive is shown."""
    if not entry.question:
        entry = replace(entry, question=say("lost", language))
    answer = answer_view(
        entry.answer,
        entry.state,
        model=entry.model,
        source=entry.source,
        has_reasoning=entry.has_reasoning,
        language=language,
    )
    return ExchangeView(entry, answer, "" if answer.is_final else events(entry))


def chat_page(
    look: Look,
    visitor: Visitor,
    model: Model | None,
    threads: Sequence[ThreadSummary],
    exchanges: Sequence[ExchangeView],
    *,
    thread: str = "",
    max_prompt: int,
) -> str:
    """The page: the list of threads, one of them open, and the box to write in."""
    title = next((summary.title for summary in threads if summary.thread.thread == thread), "")
    return _render(
        "chat.html",
        look,
        visitor=visitor,
        model=model,
        threads=threads,
        more_threads=len(threads) == THREADS_PER_PAGE,
        exchanges=exchanges,
        earlier=exchanges[0].entry.cursor if len(exchanges) == ENTRIES_PER_PAGE else None,
        thread=thread,
        title=title,
        max_prompt=max_prompt,
        reasons=REASONS,
        blank=answer_view("", None, language=look.language),
        steps=markdown(say("demo_steps", look.language), look.language),
        texts=json.dumps({name: say(name, look.language) for name in SCRIPT_TEXTS}, ensure_ascii=False),
    )


def threads_fragment(look: Look, threads: Sequence[ThreadSummary], *, thread: str) -> str:
    """The list of threads alone."""
    more = len(threads) == THREADS_PER_PAGE
    return _render("threads.html", look, threads=threads, thread=thread, more_threads=more)


def exchanges_fragment(look: Look, exchanges: Sequence[ExchangeView]) -> str:
    """Earlier exchanges of a thread alone."""
    earlier = exchanges[0].entry.cursor if len(exchanges) == ENTRIES_PER_PAGE else None
    return _render("exchanges.html", look, exchanges=exchanges, earlier=earlier, reasons=REASONS)


def notice_page(look: Look, name: str, **values: Any) -> str:
    """A page of a few words: the sign-in, a refusal."""
    return _render(f"{name}.html", look, **values)


def _render(template: str, look: Look, **values: Any) -> str:
    t = partial(say, language=look.language)
    return _environment().get_template(template).render(t=t, look=look, assets=assets(), **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("adapters.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
