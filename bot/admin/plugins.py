"""What the assistant can do besides talking: each plugin, how it did, and why others are not in use."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from bot.admin.texts import Texts
from bot.admin.visit import Html, Page, Visit
from core.plugin import Permission, Plugin
from core.plugins import Kind, Loaded, Origin, Problem

TEXTS: Texts = {
    "nav": ("Plugins", "插件"),
    "title": ("Plugins", "插件"),
    "since": (
        "Calls are counted in this process, which began {ago}.",
        "调用次数为本进程的统计，本进程启动于 {ago}。",
    ),
    "off": (
        "Plugins are switched off: “plugins.enabled” in app.yaml is false.",
        "插件已关闭：app.yaml 中的“plugins.enabled”为 false。",
    ),
    "nothing": ("No plugin is in use.", "没有正在使用的插件。"),
    "in_use": ("In use", "使用中"),
    "plugin": ("Plugin", "插件"),
    "from": ("From", "来源"),
    "builtin": ("built in", "内置"),
    "package": ("package", "软件包"),
    "folder": ("file", "文件"),
    "terms": ("Terms", "使用条件"),
    "admins": ("admins only", "仅管理员"),
    "confirm": ("asks first", "需确认"),
    "outward": ("acts outside", "对外操作"),
    "everybody": ("everybody", "所有人"),
    "within": ("within {seconds:g} s", "限时 {seconds:g} 秒"),
    "hosts": ("May ask", "可访问"),
    "no_hosts": ("no server", "无"),
    "mcp": ("MCP server {name}: {where}", "MCP 服务器 {name}：{where}"),
    "program": ("a program on this machine", "本机上的程序"),
    "calls": ("Calls", "调用"),
    "failures": ("Failed", "失败"),
    "state": ("State", "状态"),
    "ok": ("ok", "正常"),
    "hung": ("hangs", "没有响应"),
    "switched_off": ("Switched off", "已停用"),
    "is_off": ("switched off", "已停用"),
    "switched_off_lead": (
        "These were in use and blocked their thread. They come back when the process is started again.",
        "这些插件曾在使用，但阻塞了自己的线程。重新启动进程后恢复使用。",
    ),
    "left_out": ("Left out at loading", "加载时跳过"),
    "why": ("Why", "原因"),
    "disabled": ("Switched off in app.yaml", "在 app.yaml 中关闭"),
    "out_timeout": ("{n} too slow", "超时 {n}"),
    "out_hung": ("{n} hung", "无响应 {n}"),
    "out_failed": ("{n} failed", "出错 {n}"),
    "out_refused": ("{n} with wrong input", "输入不合要求 {n}"),
    "out_asked": ("{n} asked about first", "先请求确认 {n}"),
}

_FAILED = ("failed", "timeout", "hung")
_BESIDE = ("refused", "asked")


@dataclass(frozen=True, slots=True)
class Calls:
    """How often a plugin was called in this process, by outcome."""

    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def all(self) -> int:
        """What was asked about first was not called yet."""
        return sum(n for outcome, n in self.outcomes.items() if outcome != "asked")

    @property
    def failed(self) -> int:
        return sum(self.outcomes.get(outcome, 0) for outcome in _FAILED)

    def told(self, *outcomes: str) -> list[tuple[str, int]]:
        """Those of these there were."""
        return [(outcome, n) for outcome in outcomes if (n := self.outcomes.get(outcome, 0))]

    @property
    def failures(self) -> list[tuple[str, int]]:
        return self.told(*_FAILED)

    @property
    def beside(self) -> list[tuple[str, int]]:
        return self.told(*_BESIDE)


@dataclass(frozen=True, slots=True)
class Line:
    """A plugin as a line of a table."""

    name: str
    about: Markup
    slash: str
    kind: str
    place: str
    terms: tuple[tuple[str, str], ...]
    seconds: float
    hosts: tuple[str, ...]
    calls: Calls
    is_hung: bool


async def show(visit: Visit) -> Html:
    registry = visit.house.registry
    settings = visit.house.config.settings.plugins
    calls = _calls(visit)
    problems = registry.problems if registry else ()
    return visit.render(
        "plugins.html",
        is_off=registry is None,
        began_at=visit.house.began_at,
        lines=[_line(visit, loaded, calls) for loaded in (registry.plugins if registry else ())],
        switched_off=[_told(visit, problem, calls) for problem in problems if problem.is_off],
        left_out=[_told(visit, problem, calls) for problem in problems if not problem.is_off],
        disabled=sorted(settings.disabled),
    )


def _calls(visit: Visit) -> Mapping[str, Calls]:
    counted: dict[str, Counter[str]] = {}
    for labels, value in visit.house.metrics.counted("plugin_calls"):
        counted.setdefault(labels["plugin"], Counter())[labels["outcome"]] += int(value)
    return {name: Calls(outcomes) for name, outcomes in counted.items()}


def _line(visit: Visit, loaded: Loaded, calls: Mapping[str, Calls]) -> Line:
    plugin = loaded.plugin
    return Line(
        name=plugin.name,
        about=about(plugin, visit.language),
        slash=plugin.slash,
        kind=loaded.origin.kind,
        place=place_of(loaded.origin),
        terms=tuple(_terms(plugin)),
        seconds=plugin.timeout,
        hosts=_hosts(visit, loaded),
        calls=calls.get(plugin.name, Calls()),
        is_hung=loaded.worker.is_hung,
    )


def _terms(plugin: Plugin) -> Iterator[tuple[str, str]]:
    """The name of each text, with its tone."""
    if plugin.permission is Permission.ADMINS:
        yield "admins", "warn"
    if plugin.confirm:
        yield "confirm", "warn"
    if plugin.outward:
        yield "outward", "warn"


def _hosts(visit: Visit, loaded: Loaded) -> tuple[str, ...]:
    """Those it declares; of a tool of an MCP server that server, which asks whom it will."""
    servers = visit.house.config.settings.plugins.mcp.servers
    name = max((name for name in servers if loaded.plugin.name.startswith(f"{name}_")), key=len, default="")
    if loaded.origin.name != "mcp" or not name:
        return loaded.plugin.hosts
    where = urlsplit(servers[name].url).hostname or visit.t("program")
    return (visit.t("mcp", name=name, where=where),)


def _told(visit: Visit, problem: Problem, calls: Mapping[str, Calls]) -> dict[str, object]:
    return {
        "name": problem.name,
        "about": about(problem.plugin, visit.language) if problem.plugin else "",
        "kind": problem.origin.kind,
        "place": place_of(problem.origin),
        "why": problem.whys[visit.language],
        "calls": calls.get(problem.name, Calls()),
    }


def about(plugin: Plugin, language: str) -> Markup:
    """Its line for people, with the examples in it set as such."""
    line = plugin.about.get(language) or plugin.description.partition("\n")[0]
    return Markup().join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(line.split("`"))
    )


def place_of(origin: Origin) -> str:
    """Where it came from, with the version of what brought it: the house's own, a package's, a file's place."""
    return f"Parley {version('parley')}" if origin.kind is Kind.BUILTIN else str(origin)


PAGES = (Page("plugins", "/admin/plugins", show, texts=TEXTS),)
