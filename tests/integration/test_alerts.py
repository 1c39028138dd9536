"""The alert rules, by Prometheus' own tool: when they page, and when they must not."""

import subprocess
from typing import Any

import pytest
import yaml

from tests.prometheus import RULES, names_in, needs_prometheus

TESTS = RULES.with_name("rules_test.yml")


def promtool(*words: object) -> str:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


@needs_prometheus
def test_the_rules_are_well_formed():
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)


@needs_prometheus
def test_each_rule_fires_when_it_should_and_stays_quiet_when_it_should_not():
    promtool("test", "rules", TESTS)


@needs_prometheus
@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("demo=\"false\"}[5m])\n          )) > 2", "demo=\"false\"}[5m])\n          )) > 6"),
        ("> 0.01", "> 0.03"),
        ("and on() sum(increase(parley_turns_total[5m])) >= 20", ""),
        ('100 * DCGM_FI_PROF_GR_ENGINE_ACTIVE{job="dcgm"} or ', ""),
        ('DCGM_FI_DEV_GPU_UTIL{job="dcgm"}', "DCGM_FI_DEV_GPU_UTIL"),
        ("lost\"}[2m])) > 0", "lost\"}[5m])) > 0"),
        ("lost\"}[30m] offset 10m)) > 0", "lost\"}[30m] offset 10m)) > 9"),
        ("max by (job, namespace, part) (parley_up)", "min by (job, namespace, part) (parley_up)"),
        ("namespace, part) (parley_up)", "part) (parley_up)"),
        ("> 0.2\n", "> 0.3\n"),
        ("(parley_engine_breaker) == 2\n        for: 5m", "(parley_engine_breaker) == 2\n        for: 1m"),
    ],
    ids=[
        *("slow answers", "failing answers", "idle nights", "divided GPUs", "others' GPUs", "one event"),
        *("a quiet house", "one process", "another house", "refusals", "a short rest"),
    ],
)  # fmt: skip
def test_a_rule_that_is_changed_by_mistake_is_found_out(tmp_path, was, now):
    text = RULES.read_text(encoding="utf-8")
    assert was in text
    (tmp_path / RULES.name).write_text(text.replace(was, now, 1), encoding="utf-8")
    (tmp_path / TESTS.name).write_bytes(TESTS.read_bytes())
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", tmp_path / TESTS.name)


def test_every_rule_has_a_test_that_sees_it_fire():
    fired = TESTS.read_text(encoding="utf-8")
    assert not [rule["alert"] for rule in rules() if f'alertname="{rule["alert"]}", alertstate="firing"' not in fired]


def test_every_alert_says_what_is_the_matter_and_what_to_do_in_both_languages():
    for rule in rules():
        texts = rule["annotations"]
        assert set(texts) == {"summary", "summary_zh", "action", "action_zh", "runbook"}, rule["alert"]
        assert all(any("一" <= sign <= "鿿" for sign in texts[name]) for name in ("summary_zh", "action_zh"))
        assert not any("一" <= sign <= "鿿" for name in ("summary", "action") for sign in texts[name])
        assert rule["labels"]["severity"] in ("page", "warning", "info")


def test_every_alert_is_in_the_chapter_its_runbook_names():
    chapter = (RULES.parents[2] / "docs/operating.md").read_text(encoding="utf-8").partition("## Watch")[2]
    chapter = chapter.partition("\n## ")[0]
    assert not [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in chapter]


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ('sum by (channel) (rate(a_total{error!~"b|c"}[5m])) > 0', {"a_total"}, {"channel", "error"}),
        ("max(a) and on(engine) sum by (engine, le) (b) >= 20", {"a", "b"}, {"engine", "le"}),
        ("avg_over_time((100 * A_B or C)[15m:1m]) < 30 and on() d", {"A_B", "C", "d"}, set()),
        ('up{job="parley"} == 0 or absent(up{job="parley"})', {"up"}, {"job"}),
    ],
)
def test_the_names_of_an_expression_are_known(expression, metrics, labels):
    assert names_in(expression) == (metrics, labels)
