"""How an engine stands, in the words of the pages that show it."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.admin.pages import size
from bot.admin.texts import Texts
from core.engine import Circuit, Standing

TEXTS: Texts = {
    "engine": ("Engine", "引擎"),
    "state": ("State", "状态"),
    "state_well": ("answers", "正常"),
    "state_trying": ("is tried again", "正在重新尝试"),
    "state_resting": ("let alone for a while", "暂停使用"),
    "state_broken": ("needs a restart", "需要重启"),
    "state_starting": ("not started yet", "尚未启动"),
    "waits_for_it": ("Waiting", "等待"),
    "taken": ("Taken", "占用"),
    "not_known": ("not known", "未知"),
    "elsewhere": ("elsewhere", "其他机器"),
    "rounded": ("weights as {name}", "权重 {name}"),
    "memory_weights": ("{size} for the weights", "权重占用 {size}"),
    "memory_free": ("{free} of {total} free", "空闲 {free} / {total}"),
}

_STATES = {"well": "good", "trying": "warn", "resting": "bad", "broken": "bad", "starting": "warn"}


@dataclass(frozen=True, slots=True)
class Line:
    """An engine as a line of a table; `where` and `memory` are what its own machine says, one thing each."""

    name: str
    stands: Standing
    state: str
    tone: str
    where: tuple[str, ...]
    memory: tuple[str, ...]

    @property
    def taken(self) -> str:
        slots = self.stands.slots
        return f"{self.stands.taken:,}" if slots is None else f"{self.stands.taken:,} / {slots:,}"


def line(stands: Standing, t: Callable[..., str]) -> Line:
    state = state_of(stands)
    name = stands.name or (stands.model.name if stands.model else t("not_known"))
    return Line(name, stands, t(f"state_{state}"), _STATES[state], _where(stands, t), _memory(stands, t))


def state_of(stands: Standing) -> str:
    """What a question would meet there."""
    if stands.circuit is Circuit.OPEN:
        return "resting"
    if stands.model is None:
        return "starting"
    if not stands.is_healthy:
        return "broken"
    return "trying" if stands.circuit is Circuit.HALF_OPEN else "well"


def _where(stands: Standing, t: Callable[..., str]) -> tuple[str, ...]:
    machine = stands.machine
    if machine is None:
        return stands.addresses
    device = f"{machine.chip} ({machine.device})" if machine.chip else machine.device
    rounded = () if machine.quantisation == "none" else (t("rounded", name=machine.quantisation),)
    return (device, machine.dtype, *rounded)


def _memory(stands: Standing, t: Callable[..., str]) -> tuple[str, ...]:
    machine = stands.machine
    if machine is None:
        return ()
    weights = t("memory_weights", size=size(machine.weights))
    if machine.free is None or machine.total is None:
        return (weights,)
    return weights, t("memory_free", free=size(machine.free), total=size(machine.total))
