"""What the operator reads: log lines and Prometheus metrics, neither with anybody's words in them."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

# 2 seconds is an edge, with narrow buckets around it: the default ones read a p99 of 2.1 s as 2.5 s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 5, 10, 30, 60, 120, 300)

_COUNTERS = {
    "events": (
        "Events, by what became of them: new, repeated; turned away: not_stored (the database), lost (the same, "
        "and the person has to send it again), refused (the channel does not say who asks or who we are), unsigned "
        "(not the channel's own, or not as it was signed).",
        ("channel", "outcome"),
    ),
    "turns": ("Turns ended, by their final state.", ("channel", "state")),
    "feedback": ("Ratings, by score: 1 to 5, none (taken back) or unknown_target.", ("channel", "score")),
    "engine_requests": (
        "Requests to an engine, by how they ended: answered, timeout, busy, refused, failed, cancelled, turned_away.",
        ("engine", "outcome"),
    ),
    "engine_fallbacks": ("Answers written by an engine in another's place.", ("engine",)),
    "engine_tokens": ("Tokens, by kind: prompt, completion, and what of the prompt was reused.", ("engine", "kind")),
    "channel_retries": ("Calls to a platform that were tried again.", ("channel",)),
    "deliveries_adopted": ("Messages found on a platform that had been sent without our knowing.", ("channel",)),
    "deliveries_unknown": (
        "Messages of which it stays unknown whether they arrived, and that are not sent again.",
        ("channel",),
    ),
    "deliveries_repeated": ("Messages sent again, with a mark: the first may have arrived, or not.", ("channel",)),
    "cache": (
        "Questions, by what the answer cache had for them: hit, near, miss, unfit (theirs alone); and answers offered "
        "to it: kept, not_kept.",
        ("outcome",),
    ),
    "extras_dropped": ("Pictures and sources of answers, too many to be kept for another try.", ("channel",)),
    "moderation_hits": (
        "What moderation found, by where (question, thread, answer, thought), category and what was done.",
        ("where", "category", "action"),
    ),
    "moderation_failures": (
        "What kept moderation from its work: rules (a file that is wrong), slow_pattern, judge (not reached).",
        ("kind",),
    ),
    "moderation_appeals": ("Refusals that somebody said were wrong.", ("channel",)),
    "delivery_failures": ("Deliveries that failed and were tried again or given up.", ("channel", "error")),
}
_HISTOGRAMS = {
    "intake_seconds": ("From the arrival of an event until it is stored.", ("channel",)),
    "engine_first_token_seconds": ("From asking an engine until its first word.", ("engine",)),
    "moderation_seconds": ("Reading a question by the rules, before anybody answers it.", ()),
    "turn_seconds": ("From the storing of a question until its answer is final.", ("channel",)),
}
_GAUGES = {
    "turns_active": ("Turns being answered by this process.", ()),
    "inbox_waiting": ("Events stored and not yet finished.", ()),
    "engine_breaker": ("0: the engine is asked; 1: one request tries it out; 2: it is let alone.", ("engine",)),
    "engine_waiting": ("Requests that wait for an engine's first word.", ("engine",)),
    "info": ("Always 1; names the model that answers.", ("model",)),
}


_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


class PrometheusMetrics:
    """The Metrics port over a registry of its own; an unknown name is a programming error."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._counters = {name: self._make(Counter, name, *about) for name, about in _COUNTERS.items()}
        self._gauges = {name: self._make(Gauge, name, *about) for name, about in _GAUGES.items()}
        self._histograms = {
            name: Histogram(f"parley_{name}", help_, labels, registry=self.registry, buckets=_SECONDS)
            for name, (help_, labels) in _HISTOGRAMS.items()
        }

    def _make(self, kind: type[_Metric], name: str, help_: str, labels: tuple[str, ...]) -> _Metric:
        return kind(f"parley_{name}", help_, labels, registry=self.registry)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        (self._counters[name].labels(**labels) if labels else self._counters[name]).inc(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        (self._histograms[name].labels(**labels) if labels else self._histograms[name]).observe(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        (self._gauges[name].labels(**labels) if labels else self._gauges[name]).set(value)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)


class _WithoutMessages(logging.Filter):
    """Drops foreign tracebacks: an exception's own message may quote what a person wrote."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.getMessage()} ({record.exc_info[0].__name__})"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


def set_up_logging(level: str, form: str) -> None:
    """Logs to standard error; libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else plain)
    handler.addFilter(_WithoutMessages())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in ("bot", "adapters", "core"):
        logging.getLogger(room).setLevel(level.upper())
