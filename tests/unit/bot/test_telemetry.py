"""The numbers as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.telemetry import PrometheusMetrics
from core.store import Pool


def samples(metrics: PrometheusMetrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, *(f"{k}={v}" for k, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_a_series_is_the_same_in_whatever_order_its_labels_are_named():
    metrics = PrometheusMetrics()
    for labels in ({"channel": "slack", "outcome": "new"}, {"outcome": "new", "channel": "slack"}):
        metrics.count("events", 2, **labels)
    assert samples(metrics)["parley_events_total", "channel=slack", "outcome=new"] == 4


def test_an_unknown_name_or_label_is_a_programming_error():
    metrics = PrometheusMetrics()
    with pytest.raises(KeyError):
        metrics.count("evens")
    with pytest.raises(ValueError, match="label"):
        metrics.count("events", channel="slack")


@pytest.mark.parametrize("name", ["first_text_seconds", "turn_seconds"])
def test_two_seconds_are_an_edge(name):
    metrics = PrometheusMetrics()
    for seconds in (2.0, 2.01):
        metrics.observe(name, seconds, channel="slack", kind="text", demo="false")
    told = samples(metrics)
    labels = ("channel=slack", "demo=false", "kind=text")
    assert told[f"parley_{name}_bucket", *labels, "le=2.0"] == 1
    assert told[f"parley_{name}_bucket", *labels, "le=2.25"] == 2


def test_requests_to_a_model_have_the_names_and_labels_of_the_conventions():
    metrics = PrometheusMetrics()
    metrics.observe("gen_ai_server_time_to_first_token_seconds", 0.3, engine="local", gen_ai_request_model="m")
    labels = ("engine=local", "gen_ai_operation_name=chat", "gen_ai_provider_name=deepseek", "gen_ai_request_model=m")
    assert samples(metrics)["gen_ai_server_time_to_first_token_seconds_count", *labels] == 1


def test_the_answers_of_a_channel_are_there_before_the_first_one():
    metrics = PrometheusMetrics()
    metrics.expect("slack", demo="false")
    told = samples(metrics)
    assert told["parley_turns_total", "channel=slack", "state=failed"] == 0
    assert told["parley_first_text_seconds_count", "channel=slack", "demo=false", "kind=text"] == 0


def test_what_events_may_come_to_at_worst_is_there_before_the_first_one():
    metrics = PrometheusMetrics()
    metrics.expect_events("wecom")
    told = samples(metrics)
    assert told["parley_events_total", "channel=wecom", "outcome=not_stored"] == 0
    assert told["parley_events_total", "channel=wecom", "outcome=lost"] == 0


def test_pools_are_told_as_they_are_when_somebody_asks():
    metrics, pools = PrometheusMetrics(), [Pool("main", 10, 3, 4, 7, 1.5, 2)]
    metrics.watch(lambda: pools)
    told = samples(metrics)
    connections = [
        told["parley_database_connections", "pool=main", f"state={state}"] for state in ("lent", "free", "limit")
    ]
    assert connections == [3, 4, 10]
    pools[0] = Pool("main", 10, 9, 0, 8, 1.75, 3)
    told = samples(metrics)
    assert told["parley_database_connections", "pool=main", "state=lent"] == 9
    assert told["parley_database_waits_total", "pool=main"] == 8
    assert told["parley_database_waited_seconds_total", "pool=main"] == 1.75
    assert told["parley_database_gave_up_total", "pool=main"] == 3


def test_a_counter_is_read_back_by_its_labels():
    metrics = PrometheusMetrics()
    assert metrics.counted("plugin_calls") == ()
    metrics.count("plugin_calls", 2, plugin="time", outcome="ok")
    metrics.count("plugin_calls", plugin="time", outcome="failed")
    found = {(labels["plugin"], labels["outcome"]): value for labels, value in metrics.counted("plugin_calls")}
    assert found == {("time", "ok"): 2, ("time", "failed"): 1}


def test_no_series_tells_when_it_began():
    metrics = PrometheusMetrics()
    metrics.expect("slack", demo="false")
    assert "_created" not in metrics.render().decode()
