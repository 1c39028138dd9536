"""What the operator measures by: Prometheus metrics, without anybody's words in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from core.ports import FINAL
from core.store import Pool

# The moment a series began is a series of its own for each, and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

# 2 seconds is an edge, with narrow buckets around it: the default ones read a p99 of 2.1 s as 2.5 s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 5, 10, 30, 60, 120, 300)
# One token is much shorter than an answer. Both as OpenTelemetry's conventions for generative AI have it.
_PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
# What those conventions want said of every request to a model; it is the same for all of ours.
_OF_EVERY_REQUEST = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "deepseek"}
_REQUEST = ("engine", "gen_ai_request_model", *_OF_EVERY_REQUEST)

_COUNTERS = {
    "events": (
        "Events, by what became of them: new, repeated; turned away: not_stored (the database), lost (the same, "
        "and the person has to send it again), refused (the channel does not say who asks or who we are), unsigned "
        "(not the channel's own, or not as it was signed).",
        ("channel", "outcome"),
    ),
    "turns": (
        "Turns ended, by their final state; refused is also what nobody could answer: too long, or not readable.",
        ("channel", "state"),
    ),
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
    "limited": (
        "Questions that a limit of the day kept from being answered: person_messages, person_tokens, "
        "workspace_messages, workspace_tokens.",
        ("channel", "kind"),
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
    "plugin_calls": (
        "Calls of plugins, by how they ended: ok, failed, timeout, hung (switched off), refused (arguments that do not "
        "fit), asked (waits for its asker's yes).",
        ("plugin", "outcome"),
    ),
    "delivery_failures": ("Deliveries that failed and were tried again or given up.", ("channel", "error")),
}
_ANSWER = ("channel", "kind", "demo")
_HISTOGRAMS = {
    "intake_seconds": ("From the arrival of an event until it is stored.", ("channel",)),
    "gen_ai_server_time_to_first_token_seconds": ("From asking an engine until its first word.", _REQUEST),
    "gen_ai_server_time_per_output_token_seconds": ("For each token after the first one.", _REQUEST),
    "gen_ai_server_request_duration_seconds": (
        "From asking an engine until its last word; error_type is how it ended, where that was no whole answer.",
        (*_REQUEST, "error_type"),
    ),
    "gen_ai_client_token_usage": ("Tokens of one request: input, output.", (*_REQUEST, "gen_ai_token_type")),
    "moderation_seconds": ("Reading a question by the rules, before anybody answers it.", ()),
    "plugin_seconds": ("From calling a plugin until it is done, however it ends.", ("plugin",)),
    "first_text_seconds": (
        "From the storing of a question until the first visible text of its answer. kind: text; thought (by a model "
        "that thinks first); image (with a picture); sentence (one of the house's own). demo: by the demo model.",
        _ANSWER,
    ),
    "turn_seconds": ("From the storing of a question until its answer is final; kind and demo as above.", _ANSWER),
}
_BUCKETS = {"gen_ai_server_time_per_output_token_seconds": _PER_TOKEN, "gen_ai_client_token_usage": _TOKENS}
_GAUGES = {
    "turns_active": ("Turns being answered by this process.", ()),
    "inbox_waiting": ("Events stored and not yet finished, of the whole house.", ("lane",)),
    "inbox_oldest_seconds": (
        "How long the oldest event waits that nobody works on, and that waits for no other of its thread; of the "
        "whole house.",
        ("lane",),
    ),
    "up": (
        "1: this process has it, 0: it does not. part: database; engine (one that answers for every kind of question; "
        "it does not from the opening of its breaker on until it has answered again).",
        ("part",),
    ),
    "engine_breaker": ("0: the engine is asked; 1: one request tries it out; 2: it is let alone.", ("engine",)),
    "engine_waiting": ("Requests that wait for an engine's first word.", ("engine",)),
    "info": ("Always 1; names the model that answers.", ("model",)),
}


_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


class PrometheusMetrics:
    """The Metrics port over a registry of its own; an unknown name is a programming error."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str | tuple[str, str], ...], Any] = {}
        ProcessCollector(registry=self.registry)
        self._counters = {name: self._make(Counter, name, *about) for name, about in _COUNTERS.items()}
        self._gauges = {name: self._make(Gauge, name, *about) for name, about in _GAUGES.items()}
        self._histograms = {
            name: self._make(Histogram, name, *about, buckets=_BUCKETS.get(name, _SECONDS))
            for name, about in _HISTOGRAMS.items()
        }

    def _make(self, kind: type[_Metric], name: str, help_: str, labels: tuple[str, ...], **more: Any) -> _Metric:
        exported = name if name.startswith("gen_ai_") else f"parley_{name}"
        return kind(exported, help_, labels, registry=self.registry, **more)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        child: Counter = self._children.get((name, *labels.items())) or self._child(self._counters[name], name, labels)
        child.inc(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        found = self._children.get((name, *labels.items()))
        child: Histogram = found or self._child(self._histograms[name], name, labels)
        child.observe(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        child: Gauge = self._children.get((name, *labels.items())) or self._child(self._gauges[name], name, labels)
        child.set(value)

    def _child(self, metric: MetricWrapperBase, name: str, labels: dict[str, str]) -> Any:
        """Found once: to look it up by its labels takes the library longer than all the rest."""
        more = _OF_EVERY_REQUEST if name.startswith("gen_ai_") else {}
        child = metric.labels(**labels, **more) if labels else metric
        self._children[name, *labels.items()] = child
        return child

    def expect_events(self, channel: str) -> None:
        """Shows what this channel's events may come to, at worst, before the first: as `expect` does."""
        for outcome in ("not_stored", "lost"):
            self._counters["events"].labels(channel=channel, outcome=outcome)

    def expect(self, channel: str, *, demo: str) -> None:
        """Shows this channel's answers before the first: what appears with a 1 is no increase to Prometheus."""
        for state in FINAL:
            self._counters["turns"].labels(channel=channel, state=state)
        for name in ("first_text_seconds", "turn_seconds"):
            self._histograms[name].labels(channel=channel, kind="text", demo=demo)

    def counted(self, name: str) -> tuple[tuple[Mapping[str, str], float], ...]:
        """What this counter has come to since the process began, each with its labels."""
        samples = (sample for family in self._counters[name].collect() for sample in family.samples)
        return tuple((sample.labels, sample.value) for sample in samples if sample.name.endswith("_total"))

    def watch(self, pools: Callable[[], Sequence[Pool]]) -> None:
        """Tells at each scrape how these pools of connections are used."""
        self.registry.register(_Pools(pools))

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


_OF_POOLS = {
    "waits": "Times that somebody found all connections lent.",
    "waited_seconds": "Spent waiting for a connection.",
    "gave_up": "Waits for a connection that came to nothing.",
}


class _Pools(Collector):
    """What the pools of connections say of themselves."""

    def __init__(self, read: Callable[[], Sequence[Pool]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        pools = self._read()
        connections = GaugeMetricFamily(
            "parley_database_connections",
            "Connections of this process: lent, free (open and idle), and the limit of both together.",
            labels=("pool", "state"),
        )
        for pool in pools:
            for state, number in (("lent", pool.lent), ("free", pool.free), ("limit", pool.size)):
                connections.add_metric((pool.name, state), number)
        yield connections
        for field, help_ in _OF_POOLS.items():
            family = CounterMetricFamily(f"parley_database_{field}", help_, labels=("pool",))
            for pool in pools:
                family.add_metric((pool.name,), getattr(pool, field))
            yield family
