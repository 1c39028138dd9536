"""The Grafana dashboard, made from what stands here: `parley dashboard > deploy/grafana/parley.json`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _PANEL_WIDTH, _PANEL_HEIGHT = 24, 8, 8  # in Grafana's grid
_LONG_ENOUGH = 2.0  # seconds until the first words: the line that the page goes by (deploy/prometheus/rules.yml)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot. `lines` are queries with their legends, in which {{label}} stands for a label's value.

    `unit` is one of Grafana's; `limit` is drawn as a line.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    note: str = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, *labels: str, where: str = "") -> str:
    return f"sum by ({', '.join(labels)}) (rate({metric}{where}[5m]))"


def _quantile(share: float, metric: str, *labels: str, where: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', 'le', *labels, where=where)})"


def _slowest(metric: str, *labels: str, where: str = "") -> tuple[tuple[str, str], ...]:
    """The median and what one of a hundred exceeds."""
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    return tuple(
        (_quantile(share, metric, *labels, where=where), f"p{100 * share:.0f} {legend}".strip())
        for share in (0.5, 0.99)
    )


_OWN = '{demo="false"}'
_OURS = '{job="parley"}'  # every program that Prometheus watches tells of its process
_GPUS = '{job="dcgm"}'
_ENGINE = "gen_ai_server"

ROWS = (
    Row(
        "Answers · 回答",
        (
            Panel(
                "First visible text · 首字时间",
                _slowest("parley_first_text_seconds", "kind", where=_OWN),
                unit="s",
                note="From the storing of a question; without the demo model. The page watches kind text.",
                limit=_LONG_ENOUGH,
            ),
            Panel(
                "Finished · 完成时间",
                _slowest("parley_turn_seconds", "kind", where=_OWN),
                unit="s",
                note="Until the answer is final; without the demo model. A long answer is no incident.",
            ),
            Panel(
                "First visible text, demo model · 首字时间（演示模型）",
                _slowest("parley_first_text_seconds", "kind", where='{demo="true"}'),
                unit="s",
            ),
            Panel(
                "Turns by channel · 各渠道的回答",
                ((_rate("parley_turns_total", "channel"), "{{channel}}"),),
                unit="ops",
            ),
            Panel(
                "Turns by state · 各状态的回答",
                ((_rate("parley_turns_total", "state"), "{{state}}"),),
                unit="ops",
            ),
            Panel(
                "Answers that fail · 失败率",
                (
                    (
                        'sum(rate(parley_turns_total{state="failed"}[5m])) / (sum(rate(parley_turns_total[5m])) > 0)',
                        "failed",
                    ),
                ),
                unit="percentunit",
                limit=0.01,
            ),
        ),
    ),
    Row(
        "Queue · 队列",
        (
            Panel(
                "Unfinished events · 未完成的事件",
                (("max by (lane) (parley_inbox_waiting)", "{{lane}}"),),
                note="Of the whole house; waiting or worked on.",
            ),
            Panel(
                "Oldest waiting event · 最早等待的事件",
                (("max by (lane) (parley_inbox_oldest_seconds)", "{{lane}}"),),
                unit="s",
                note="That nobody works on, and that waits for no other of its thread.",
                limit=60,
            ),
            Panel(
                "Turns being answered · 正在回答",
                (("sum by (instance) (parley_turns_active)", "{{instance}}"),),
                note="Of each process, up to turns.concurrency.",
            ),
            Panel(
                "Events · 事件",
                ((_rate("parley_events_total", "channel", "outcome"), "{{channel}} {{outcome}}"),),
                unit="ops",
            ),
            Panel("Intake · 接收耗时", _slowest("parley_intake_seconds", "channel"), unit="s"),
            Panel(
                "Feedback · 反馈",
                ((_rate("parley_feedback_total", "channel", "score"), "{{channel}} {{score}}"),),
                unit="ops",
            ),
        ),
    ),
    Row(
        "Engines · 引擎",
        (
            Panel(
                "Time to first token · 首个 token",
                _slowest(f"{_ENGINE}_time_to_first_token_seconds", "engine"),
                unit="s",
                limit=_LONG_ENOUGH,
            ),
            Panel(
                "Time per token · 每个 token", _slowest(f"{_ENGINE}_time_per_output_token_seconds", "engine"), unit="s"
            ),
            Panel("Request · 请求耗时", _slowest(f"{_ENGINE}_request_duration_seconds", "engine"), unit="s"),
            Panel(
                "Requests by outcome · 请求结果",
                (
                    (_rate("parley_engine_requests_total", "engine", "outcome"), "{{engine}} {{outcome}}"),
                    (_rate("parley_engine_fallbacks_total", "engine"), "{{engine}} in another's place"),
                ),
                unit="ops",
            ),
            Panel(
                "Tokens · token",
                ((_rate("parley_engine_tokens_total", "engine", "kind"), "{{engine}} {{kind}}"),),
                unit="ops",
            ),
            Panel(
                "Tokens of a request · 每次请求的 token",
                _slowest("gen_ai_client_token_usage", "engine", "gen_ai_token_type"),
            ),
            Panel(
                "Waiting for a first word · 等待首字",
                (("sum by (engine) (parley_engine_waiting)", "{{engine}}"),),
            ),
            Panel(
                "Breaker · 熔断器",
                (("max by (engine) (parley_engine_breaker)", "{{engine}}"),),
                note="0: asked; 1: one request tries it out; 2: let alone.",
            ),
            Panel(
                "GPU · GPU 利用率",
                (
                    (
                        f"100 * DCGM_FI_PROF_GR_ENGINE_ACTIVE{_GPUS} or DCGM_FI_DEV_GPU_UTIL{_GPUS}",
                        "{{gpu}} {{GPU_I_ID}}",
                    ),
                ),
                unit="percent",
                note="Of DCGM's exporter; with MIG the share of each instance.",
                limit=30,
            ),
        ),
    ),
    Row(
        "Inside a turn · 回答过程",
        (
            Panel("Answer cache · 答案缓存", ((_rate("parley_cache_total", "outcome"), "{{outcome}}"),), unit="ops"),
            Panel(
                "Moderation hits · 审核命中",
                (
                    (
                        _rate("parley_moderation_hits_total", "where", "category", "action"),
                        "{{where}} {{category}} {{action}}",
                    ),
                    (_rate("parley_moderation_appeals_total", "channel"), "appeals {{channel}}"),
                ),
                unit="ops",
            ),
            Panel(
                "Moderation · 审核",
                (
                    *_slowest("parley_moderation_seconds"),
                    (_rate("parley_moderation_failures_total", "kind"), "failures/s {{kind}}"),
                ),
                unit="s",
            ),
            Panel(
                "Plugin calls · 插件调用",
                ((_rate("parley_plugin_calls_total", "plugin", "outcome"), "{{plugin}} {{outcome}}"),),
                unit="ops",
            ),
            Panel("Plugins · 插件耗时", _slowest("parley_plugin_seconds", "plugin"), unit="s"),
            Panel(
                "Over a limit · 超出用量限制",
                ((_rate("parley_limited_total", "channel", "kind"), "{{channel}} {{kind}}"),),
                unit="ops",
                note="Questions that a limit of the day refused.",
            ),
        ),
    ),
    Row(
        "Doors · 渠道",
        (
            Panel(
                "Delivery failures · 投递失败",
                ((_rate("parley_delivery_failures_total", "channel", "error"), "{{channel}} {{error}}"),),
                unit="ops",
            ),
            Panel(
                "Calls tried again · 重试的调用",
                ((_rate("parley_channel_retries_total", "channel"), "{{channel}}"),),
                unit="ops",
            ),
            Panel(
                "Unsure deliveries · 结果未知的投递",
                (
                    (_rate("parley_deliveries_adopted_total", "channel"), "{{channel}} found again"),
                    (_rate("parley_deliveries_repeated_total", "channel"), "{{channel}} sent again"),
                    (_rate("parley_deliveries_unknown_total", "channel"), "{{channel}} unknown"),
                    (_rate("parley_extras_dropped_total", "channel"), "{{channel}} pictures dropped"),
                ),
                unit="ops",
            ),
        ),
    ),
    Row(
        "Process · 进程",
        (
            Panel(
                "Processes that have all they need · 部件齐备的进程",
                (("sum by (part) (parley_up)", "{{part}}"),),
                note="By part: those that reach the database, and those whose engine answers. At 0 the page comes.",
            ),
            Panel(
                "Database connections · 数据库连接",
                (("sum by (instance, pool, state) (parley_database_connections)", "{{instance}} {{pool}} {{state}}"),),
            ),
            Panel(
                "Waiting for a connection · 等待数据库连接",
                (
                    (_rate("parley_database_waits_total", "pool"), "waits/s {{pool}}"),
                    (_rate("parley_database_waited_seconds_total", "pool"), "seconds/s {{pool}}"),
                    (_rate("parley_database_gave_up_total", "pool"), "gave up/s {{pool}}"),
                ),
            ),
            Panel(
                "Memory · 内存",
                ((f"sum by (instance) (process_resident_memory_bytes{_OURS})", "{{instance}}"),),
                unit="bytes",
            ),
            Panel(
                "Processor · 处理器",
                ((_rate("process_cpu_seconds_total", "instance", where=_OURS), "{{instance}}"),),
            ),
            Panel("Open files · 打开的文件", ((f"sum by (instance) (process_open_fds{_OURS})", "{{instance}}"),)),
            Panel(
                "Models · 模型", (("count by (model) (parley_info)", "{{model}}"),), note="Processes by their model."
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """What Grafana imports."""
    return {
        "uid": "parley",
        "title": "Parley",
        "tags": ["parley"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": list(_laid_out()),
    }


def _laid_out() -> Iterator[dict[str, Any]]:
    ids, y = count(1), 0
    for row in ROWS:
        place = {"x": 0, "y": y, "w": _WIDTH, "h": 1}
        yield {"id": next(ids), "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        y += 1
        for number, panel in enumerate(row.panels):
            down, right = divmod(number, _WIDTH // _PANEL_WIDTH)
            place = {"x": right * _PANEL_WIDTH, "y": y + down * _PANEL_HEIGHT, "w": _PANEL_WIDTH, "h": _PANEL_HEIGHT}
            yield {"id": next(ids), "gridPos": place} | _drawn(panel)
        y += -(-len(row.panels) // (_WIDTH // _PANEL_WIDTH)) * _PANEL_HEIGHT


def _drawn(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.note,
        "datasource": _SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
                "range": True,
            }
            for number, (query, legend) in enumerate(panel.lines)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {
                    "lineWidth": 1,
                    "fillOpacity": 10,
                    "showPoints": "never",
                    "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
                },
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }
