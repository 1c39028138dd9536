"""What an operator sees of a whole conversation: it names nobody, and every panel and rule asks for what is there."""

import asyncio
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from prometheus_client.core import Sample
from prometheus_client.parser import text_string_to_metric_families

from bench.process import free_port
from bot.dashboard import dashboard
from bot.telemetry import PrometheusMetrics
from core.texts import say
from tests.acceptance.test_engines import house
from tests.acceptance.test_house import Person
from tests.fakes.wire import DONE, HELLO, USAGE, Refusal, WireServer, piece
from tests.prometheus import RULES, Prometheus, names_in, needs_prometheus

pytestmark = [pytest.mark.slow]

DASHBOARD = RULES.parents[1] / "grafana/parley.json"
NAME, TOKEN, WORD = "Canarinette", "a-token-nobody-has", "zebrafish"
WORDS = "category: games\nnames: {en: betting games, zh: 博彩}\nwords: [zorbling, 赌博]\n"
THOUGHT = (
    piece(role="assistant"),
    piece("", reasoning_content=f"{WORD}?"),
    piece("Yes."),
    piece("", "stop"),
    USAGE,
    DONE,
)
LABELS = {
    *(
        "action",
        "category",
        "channel",
        "demo",
        "engine",
        "error",
        "error_type",
        "kind",
        "lane",
        "le",
        "model",
        "outcome",
    ),
    *("part", "plugin", "pool", "score", "state", "where"),
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"),
}
# As the exporter tells it of a whole GPU, and of one that is divided.
GPUS = """# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0"} 61
# TYPE DCGM_FI_PROF_GR_ENGINE_ACTIVE gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="1",GPU_I_ID="7"} 0.5
"""
# What goes wrong, and does not in this conversation.
QUIET = {
    *("parley_channel_retries_total", "parley_deliveries_adopted_total", "parley_deliveries_repeated_total"),
    *("parley_deliveries_unknown_total", "parley_delivery_failures_total", "parley_engine_fallbacks_total"),
    *("parley_extras_dropped_total", "parley_limited_total", "parley_moderation_failures_total"),
}


@dataclass
class Watched:
    """What was scraped after the conversation, `ids` of it, and whoever scraped; `at` is when all of it was known."""

    scraped: str
    ids: set[str]
    prometheus: Prometheus | None
    at: float

    @property
    def samples(self) -> list[Sample]:
        families = text_string_to_metric_families(self.scraped + GPUS)
        return [sample for family in families for sample in family.samples]

    def labels(self) -> dict[str, set[str]]:
        """The labels of every metric that has been said, and of those that would be."""
        declared: dict[str, set[str]] = {}
        for name, collector in PrometheusMetrics().registry._names_to_collectors.items():
            declared[name] = set(getattr(collector, "_labelnames", ())) | (
                {"le"} if name.endswith("_bucket") else set()
            )
        for sample in self.samples:
            declared.setdefault(sample.name, set()).update(sample.labels)
        return declared | {"up": set()}


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Watched]:
    folder: Path = tmp_path_factory.mktemp("watched")
    (folder / "rules").mkdir()
    (folder / "rules/games.yaml").write_text(WORDS, encoding="utf-8")
    with exporter() as gpus:
        yield from watch(folder, gpus)


def watch(folder: Path, gpus: str) -> Iterator[Watched]:
    """Prometheus goes on with what it has scraped, once the house is closed."""
    is_there = shutil.which("prometheus") is not None
    port = free_port()
    targets = {"parley": f"127.0.0.1:{port}", "dcgm": gpus}
    with Prometheus(folder, targets) if is_there else nullcontext() as prometheus:
        yield asyncio.run(talk(folder, port, prometheus))


async def talk(folder: Path, port: int, prometheus: Prometheus | None) -> Watched:
    settings = {
        "PARLEY_MODERATION__RULES": json.dumps([str(folder / "rules")]),
        "PARLEY_SERVER__METRICS_HOST": "127.0.0.1",
        "PARLEY_SERVER__METRICS_PORT": str(port),
        "PARLEY_CONSOLE__TOKENS": json.dumps({NAME: sha256(TOKEN.encode()).hexdigest()}),
    }
    async with house(folder, models := WireServer(), **settings) as person:
        person.session.headers["Authorization"] = f"Bearer {TOKEN}"
        if prometheus is not None:  # what grows is seen to grow where it was seen before
            await asyncio.to_thread(prometheus.wait, "parley_turns_total")
        ids = await converse(person, models, f"http://127.0.0.1:{port}/metrics")
        at = time.time() + 2.5  # two scrapes later
        if prometheus is not None:
            await asyncio.to_thread(
                prometheus.wait, f"timestamp(parley_turns_total) > {at} and on() DCGM_FI_DEV_GPU_UTIL"
            )
        return Watched(await scraped(person, f"http://127.0.0.1:{port}/metrics"), ids, prometheus, at)


async def scraped(person: Person, url: str) -> str:
    async with person.session.get(url) as response:
        assert response.status == 200
        return str(await response.text())


@contextmanager
def exporter() -> Iterator[str]:
    """The address of somebody who tells of GPUs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(GPUS.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


async def converse(person: Person, models: WireServer, told: str) -> set[str]:
    """Nearly everything that can be done on a console; the ids of its threads and answers."""
    ids: set[str] = set()

    async def ask(text: str, path: str = "/chat", **more: str) -> dict[str, str]:
        status, answer = await person.post(path, ({"prompt": text} if text else {}) | more)
        assert status == 200, answer
        ids.update((answer["thread"], answer["reply_id"]))
        return dict(answer)

    first = await ask(f"Hello, I am {NAME} and like {WORD}")
    assert first["response"] == "Hello there"
    grown = {"json": {"prompt": f"And {WORD}?", "thread": first["thread"]}, "headers": {"Accept": "text/event-stream"}}
    async with person.session.post(f"{person.url}/chat", **grown) as response:
        assert "Hello there" in await response.text()
    again = await ask("", "/regenerate", reply_id=first["reply_id"])
    assert (await ask("What is 15% of 240?"))["source"] == "plugin"
    async with asyncio.timeout(10):
        while (await ask("How do I install Docker?"))["source"] != "cache":
            await asyncio.sleep(0.05)
    assert (await ask("/help"))["response"]
    await ask(f"/code How do I sort {WORD}?")
    models.answer = THOUGHT
    assert (await ask(f"Do you think of {WORD}?"))["response"] == "Yes."
    refused = await ask("哪里可以賭*博？")
    assert refused["response"] == say("refused_question", "zh").format(category="博彩")
    await ask(f"/appeal {WORD} is a sport", thread=refused["thread"])
    models.answer = Refusal(503)
    assert (await ask(f"Where is {WORD}?"))["response"] == say("unavailable", "en")
    models.answer = HELLO
    for rating in ("up", "down"):
        vote = {"reply_id": again["reply_id"], "rating": rating, "comment": f"{WORD}, says {NAME}"}
        assert (await person.post("/feedback", vote))[0] == 200
    async with asyncio.timeout(10):
        while 'parley_feedback_total{channel="console",score="1"}' not in await scraped(person, told):
            await asyncio.sleep(0.05)
    return ids


def test_no_label_has_content_or_a_person_in_it(watched):
    samples = watched.samples
    assert {label for sample in samples for label in sample.labels} - {"gpu", "GPU_I_ID"} <= LABELS
    values = {value for sample in samples for value in sample.labels.values()}
    assert {"console", "done", "failed", "refused", "thought", "sentence", "calculator", "games", "hit"} <= values
    secret = {NAME, WORD, TOKEN, "Docker", "博", "sport", "Hello", *watched.ids}
    assert not [value for value in values for word in secret if word.lower() in value.lower()]
    assert not [value for value in values if re.search(r"[0-9a-f]{12}", value) or len(value) > 40]
    assert not [word for word in secret if word.lower() in watched.scraped.lower()]


def queries() -> list[str]:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def expressions() -> list[str]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for rule in group["rules"]]


def test_the_dashboard_is_what_its_generator_makes():
    assert json.loads(DASHBOARD.read_text(encoding="utf-8")) == dashboard(), (
        "parley dashboard > deploy/grafana/parley.json"
    )


def test_every_panel_and_every_rule_names_metrics_and_labels_that_there_are(watched):
    known = watched.labels()
    for expression in (*queries(), *expressions()):
        metrics, labels = names_in(expression)
        assert metrics
        assert metrics <= known.keys(), expression
        # Beside those that the scrape adds.
        assert labels - {"instance", "job", "namespace"} <= set().union(*(known[name] for name in metrics)), expression


def test_every_legend_names_labels_that_its_query_keeps():
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - {"gpu", "GPU_I_ID"}
            assert named <= names_in(target["expr"])[1], target


def test_no_two_panels_of_the_dashboard_lie_on_each_other():
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    taken = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(places)


@needs_prometheus
def test_every_panel_shows_something_after_a_whole_conversation(watched):
    silent = [query for query in queries() if not watched.prometheus.query(query, watched.at)]
    assert {name for query in silent for name in names_in(query)[0]} == QUIET | {"parley_first_text_seconds_bucket"}
    assert [query for query in silent if 'demo="true"' not in query and not names_in(query)[0] <= QUIET] == []


@needs_prometheus
def test_every_rule_is_taken_by_prometheus_and_none_fires_over_a_conversation(watched):
    (group,) = watched.prometheus.ask("rules")["groups"]
    assert len(group["rules"]) == len(expressions())
    assert not [rule for rule in group["rules"] if rule["health"] != "ok"]
    assert not watched.prometheus.query('ALERTS{alertstate="firing"}', watched.at)
    assert watched.prometheus.query('up{job="parley"} == 1', watched.at)
