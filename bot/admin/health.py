"""Whether this process is well: its engines, its database, its doors."""

import os
import platform
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING

from bot.admin.visit import Html, Page, Visit
from bot.engines import models_of
from core.errors import NotStored
from core.ports import Backlog, Model
from core.stopwatch import is_demo

if TYPE_CHECKING:
    from bot.app import House

TEXTS = {
    "nav": ("Health", "健康状况"),
    "title": ("Health", "健康状况"),
    "lead": (
        "Of the process that answers you now; others of the same house have a page of their own. {ready}",
        "仅表示当前响应您的进程；同一系统的其他进程各有自己的页面。{ready}",
    ),
    "ready": ("It would answer a question.", "它可以回答问题。"),
    "waits_engine": ("It would not answer a question: the engine is not ready.", "它无法回答问题：引擎尚未就绪。"),
    "waits_database": (
        "It would not answer a question: the database does not take messages.",
        "它无法回答问题：数据库不接受消息。",
    ),
    "waits_other": ("It is being stopped, and takes no more questions.", "它正在停止，不再接受新的问题。"),
    "process": ("Process", "进程"),
    "version": ("Version", "版本"),
    "uptime": ("Running for", "已运行"),
    "since": ("since {at}", "自 {at}"),
    "machine": ("Machine", "主机"),
    "pid": ("process {pid}", "进程 {pid}"),
    "memory": ("Memory", "内存"),
    "turns": ("Turns at work", "处理中的对话"),
    "engines": ("Engines", "引擎"),
    "engine": ("Engine", "引擎"),
    "model": ("Model", "模型"),
    "state": ("State", "状态"),
    "breaker_0": ("answers", "正常"),
    "breaker_1": ("is tried again", "正在重新尝试"),
    "breaker_2": ("let alone for a while: it does not answer", "暂停使用：没有响应"),
    "models": ("Models", "模型"),
    "demo": ("demo model", "演示模型"),
    "context": ("Reads up to", "上下文上限"),
    "tokens": ("{n} tokens", "{n} 个 token"),
    "no_engine": ("No engine has told of itself yet.", "还没有引擎上报状态。"),
    "database": ("Database", "数据库"),
    "answered_in": ("Answers in", "响应时间"),
    "no_answer": ("does not answer", "没有响应"),
    "pool_main": ("Connections at work", "工作连接"),
    "pool_keys": ("Connections for keys", "密钥连接"),
    "of": ("of {size}", "共 {size}"),
    "waited": ("waits for a connection so far: {n}", "至今等待连接的次数：{n}"),
    "queue": ("Queue", "队列"),
    "lane_turn": ("Questions waiting or at work", "等待或处理中的问题"),
    "lane_control": ("Clicks, votes, edits waiting", "等待的点击、评分与编辑"),
    "oldest": ("the oldest waits {span}", "最早的已等待 {span}"),
    "doors": ("Channels", "渠道"),
    "door": ("Channel", "渠道"),
    "way": ("How it hears", "接收方式"),
    "way_listens": ("dials out", "主动连接平台"),
    "way_webhook": ("is called over HTTP", "接收 HTTP 请求"),
    "is_open": ("open", "已开启"),
    "is_held": ("connected here", "由本进程连接"),
    "is_elsewhere": ("not connected here", "未由本进程连接"),
    "no_doors": ("No channel is enabled.", "没有启用任何渠道。"),
}


@dataclass(frozen=True, slots=True)
class Door:
    """A channel as this process has it: `state` is open, held or elsewhere."""

    name: str
    way: str
    state: str


async def show(visit: Visit) -> Html:
    house = visit.house
    seconds, backlog = await _database(house)
    return visit.render(
        "health.html",
        waits=await house.why_not_ready(),
        version=version("parley"),
        python=platform.python_version(),
        machine=socket.gethostname(),
        pid=os.getpid(),
        began_at=house.began_at,
        uptime=datetime.now(UTC) - house.began_at,
        memory=_memory(),
        turns=house.manager.active,
        models=_models(house),
        is_demo=is_demo(house.engine) if house.is_engine_ready else False,
        engines=list(_engines(house)),
        seconds=seconds,
        backlog=backlog,
        pools=_pools(house),
        doors=list(_doors(house)),
    )


async def _database(house: "House") -> tuple[float | None, Sequence[Backlog]]:
    """How long it took to answer, and what is left to do; None where it is away."""
    try:
        began = monotonic()
        await house.store.check()
        seconds = monotonic() - began
        async with house.store.unit(autocommit=True) as unit:
            return seconds, await unit.inbox.backlog()
    except NotStored:
        return None, ()


def _models(house: "House") -> Sequence[Model]:
    return models_of(house.engine) if house.is_engine_ready else ()


def _engines(house: "House") -> Iterator[tuple[str, int]]:
    """Each with what its breaker does, as the metrics have it."""
    for family in house.metrics.registry.restricted_registry(["parley_engine_breaker"]).collect():
        for sample in sorted(family.samples, key=lambda sample: sample.labels.get("engine", "")):
            yield sample.labels.get("engine", ""), int(sample.value)


def _pools(house: "House") -> Sequence[object]:
    pools = getattr(house.store, "pools", None)
    return pools() if pools else ()


def _doors(house: "House") -> Iterator[Door]:
    for name, door in sorted(house.adapters.items()):
        way = "listens" if hasattr(door, "listen") else "webhook"
        is_connected = getattr(door, "is_connected", None)
        yield Door(name, way, "open" if is_connected is None else "held" if is_connected else "elsewhere")


def _memory() -> int | None:
    """Bytes that this process holds; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


PAGES = (Page("health", "/admin/health", show, texts=TEXTS),)
