"""How well questions find their model, on prompts that nothing was tuned on, and how long finding it takes."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import thread_time_ns
from typing import Any

from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, report, told
from core.routing import route_of
from core.routing.samples import Labelled, normalised, read, samples

PROMPTS = Path(__file__).parents[1] / "tests/data/routes.jsonl"
ACCURACY = 0.95
LENGTH, WITHIN = 100_000, 20_000.0  # characters, microseconds
_ROUNDS = 500


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Routes every prompt as the first of its thread; the figures with their goals. No prompt is ever shown."""
    parser = argparse.ArgumentParser("parley bench routing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: it is short")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="the labelled prompts, one JSON object a line")
    path = parser.parse_args(argv).prompts
    if not path.exists():
        parser.error(f"there are no labelled prompts at {path}")
    progress = Progress("routing")
    prompts = read(path)
    progress(f"routing {len(prompts)} prompts")
    figures = [
        at_least("right", right(prompts), "share", ACCURACY),
        *(told(f"right_{name}", share, "share") for name, share in shares(prompts)),
        told("prompts", len(prompts), "count"),
        none_of("prompts_in_the_corpus", known(prompts)),
    ]
    progress(f"timing {_ROUNDS} decisions on {LENGTH} characters each")
    return report("routing", [*figures, *speed(prompts)])


def right(prompts: Sequence[Labelled]) -> float:
    """The share of prompts that go where their label says."""
    return sum(route_of(prompt.text) == prompt.route for prompt in prompts) / (len(prompts) or 1)


def shares(prompts: Sequence[Labelled]) -> Iterable[tuple[str, float]]:
    """The same by language, by route and by kind."""
    for field in ("language", "route", "kind"):
        for value in sorted({getattr(prompt, field) for prompt in prompts}):
            yield f"{field}_{value}", right([prompt for prompt in prompts if getattr(prompt, field) == value])


def known(prompts: Iterable[Labelled]) -> int:
    """How many prompts the classifier was trained on, give or take case, spaces and punctuation."""
    heard = {normalised(sample.text) for sample in samples()}
    return sum(normalised(prompt.text) in heard for prompt in prompts)


def speed(prompts: Sequence[Labelled]) -> list[Figure]:
    """Microseconds of processor time for one decision: on prompts grown to `LENGTH`, and on the prompts themselves."""
    texts = [grown(prompts, start) for start in range(_ROUNDS)]
    taken = [timed(text) for text in texts]
    return [
        at_most("decision_p99", percentile(taken, 0.99), "us", WITHIN),
        told("decision_p50", percentile(taken, 0.5), "us"),
        told("short_decision_p50", percentile([timed(prompt.text) for prompt in prompts], 0.5), "us"),
    ]


def grown(prompts: Sequence[Labelled], start: int) -> str:
    """A text of `LENGTH` characters: chat prompts one behind the other, for a rule cuts the search short on code."""
    chat = [prompt.text for prompt in prompts if prompt.route == "chat"] or ["hello"]
    text = ""
    for step in range(LENGTH):
        if len(text) >= LENGTH:
            break
        text += f"{chat[(start + step * (1 + start % 7)) % len(chat)]} "
    return text[:LENGTH]


def timed(text: str) -> float:
    began = thread_time_ns()
    route_of(text)
    return (thread_time_ns() - began) / 1000
