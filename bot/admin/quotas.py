"""How much may be asked in a day, who is near that or over it, and for whom it is lifted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.admin.roles import Role
from bot.admin.texts import Texts
from bot.admin.visit import Action, Done, Html, Page, Visit
from bot.admin.words import CHOICE, shows_words, write_down
from core.errors import Malformed
from core.limits import Allowance, Limits, Quota
from core.message import Author
from core.ports import Consumer, Consumption, Lifted, Neighbourhood

TEXTS: Texts = {
    "nav": ("Quotas", "配额"),
    "title": ("Quotas", "配额"),
    "lead": (
        "A day begins at 00:00 UTC; all of it begins anew in {span}.",
        "每天从 00:00 UTC 开始计算，{span}后重新计数。",
    ),
    "limits": ("What may be used in a day", "每日限额"),
    "no_limits": (
        "There are no limits: app.yaml sets none under “limits”.",
        "没有限额：app.yaml 的“limits”未设置。",
    ),
    "at_once": (
        "Of one person {n} answers are written at once; more wait their turn.",
        "同一个人最多同时生成 {n} 个回答，其余排队等待。",
    ),
    "at_once_any": (
        "How many answers to one person are written at once is not limited.",
        "同一个人同时生成的回答数量不限。",
    ),
    "where": ("Where", "范围"),
    "everywhere": ("everywhere else", "其他所有地方"),
    "everywhere_alone": ("everywhere", "所有地方"),
    "person_messages": ("Questions per person", "每人提问"),
    "person_tokens": ("Tokens per person", "每人 token"),
    "workspace_messages": ("Questions per workspace", "每个工作区提问"),
    "workspace_tokens": ("Tokens per workspace", "每个工作区 token"),
    "no_limit": ("no limit", "不限"),
    "persons": ("Who asked most today", "今天提问最多的人"),
    "persons_lead": (
        "The {n} who asked most, those nearest to a limit first.",
        "提问最多的 {n} 人，最接近限额的排在前面。",
    ),
    "blind": (
        "Only a reader of content is told whose these marks are. The audit log calls each person by the same mark.",
        "这些标记对应的人只对内容阅读者显示。审计日志用同样的标记称呼每个人。",
    ),
    "blind_reader": (
        "The audit log calls each person by the same mark.",
        "审计日志用同样的标记称呼每个人。",
    ),
    "show_names": ("Show who they are", "显示姓名"),
    "hide_names": ("Hide who they are", "隐藏姓名"),
    "show_names_hint": (
        "Each time is written to the audit log first, for each person on this page.",
        "每次显示都会先为此页上的每个人记入审计日志。",
    ),
    "names_shown": (
        "This view is in the audit log, for each person on this page.",
        "这次查看已为此页上的每个人记入审计日志。",
    ),
    "person": ("Person", "人员"),
    "forgotten": ("nobody knows any more who", "已无法得知是谁"),
    "messages": ("Questions", "提问"),
    "tokens": ("Tokens", "Token"),
    "of": ("of {limit}", "/ {limit}"),
    "standing": ("Standing", "情况"),
    "state_over": ("over the limit", "已达限额"),
    "state_near": ("near the limit", "接近限额"),
    "state_within": ("within", "限额内"),
    "state_unlimited": ("no limit", "不限"),
    "state_lifted": ("lifted", "已解除"),
    "until": ("until", "直到"),
    "nobody": ("Nobody has asked anything today.", "今天还没有人提问。"),
    "workspaces": ("Workspaces today", "今天的工作区"),
    "workspace": ("Workspace", "工作区"),
    "unknown_workspace": ("nobody knows any more which", "已无法得知是哪个"),
    "hidden_workspace": ("workspace {n}", "工作区 {n}"),
    "people": ("Persons", "人数"),
    "lifted": ("Lifted", "已解除限额的人"),
    "no_lifted": ("The limits hold for everybody.", "限额对所有人有效。"),
    "action": ("What you can do", "操作"),
    "lift": ("Lift for today", "解除今天的限额"),
    "restore": ("Take back", "恢复限额"),
    "lift_for": ("Lift the limits for somebody", "为某人解除限额"),
    "lift_lead": (
        "A person is named as ADAPTER:WORKSPACE:ID, as on the command line.",
        "人员标识的格式为 ADAPTER:WORKSPACE:ID，与命令行相同。",
    ),
    "key": ("Person", "人员标识"),
    "for_long": ("Until", "期限"),
    "for_day": ("the end of the day (UTC)", "今天结束（UTC）"),
    "for_week": ("a week from now", "一周后"),
    "for_month": ("30 days from now", "30 天后"),
    "do_lift": ("Lift", "解除"),
    "said_lifted": (
        "The limits are lifted, and the audit log says by whom.",
        "限额已解除，操作已记入审计日志。",
    ),
    "said_restored": (
        "The limits hold again, and the audit log says who did it.",
        "限额已恢复，操作已记入审计日志。",
    ),
    "said_held": ("The limits held already, so nothing was changed.", "限额本来有效，没有任何更改。"),
    "said_gone": (
        "Nobody on this page has that mark any more, so nothing was changed.",
        "此页已没有这个标记对应的人，没有任何更改。",
    ),
    "said_malformed": (
        "This is not how a person is named, so nothing was changed. It is ADAPTER:WORKSPACE:ID, with what is in them "
        "percent-encoded, e.g. slack:T012AB3CD:U045EF6GH.",
        "人员标识的格式不正确，没有任何更改。格式为 ADAPTER:WORKSPACE:ID，各部分内部使用 % 编码，"
        "例如 slack:T012AB3CD:U045EF6GH。",
    ),
}

NEAR = 0.8
_PERSONS = 50
_WORKSPACES = 20
_LIFTED = 100
_LENGTHS = {"week": timedelta(days=7), "month": timedelta(days=30)}
_TONES = {"over": "bad", "near": "warn", "within": "good", "unlimited": "", "lifted": "warn"}


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody, or a workspace, has used of what they may; a share is None where there is no limit."""

    used: Consumption
    allowed: Allowance

    @property
    def messages(self) -> float | None:
        return _share(self.used.messages, self.allowed.messages)

    @property
    def tokens(self) -> float | None:
        return _share(self.used.tokens, self.allowed.tokens)

    @property
    def share(self) -> float:
        return max(self.messages or 0.0, self.tokens or 0.0)

    @property
    def state(self) -> str:
        if self.messages is None and self.tokens is None:
            return "unlimited"
        return "over" if self.share >= 1 else "near" if self.share >= NEAR else "within"

    def tone(self, share: float) -> str:
        return "bad" if share >= 1 else "warn" if share >= NEAR else ""


def _share(used: int, allowed: int | None) -> float | None:
    """Of nothing that is allowed all is used."""
    return None if allowed is None else used / allowed if allowed else 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A person, or a workspace, as a line of a table; `mark` is what an action names them by, "" where nobody can."""

    name: str
    key: str
    mark: str
    use: Use
    persons: int = 0
    until: datetime | None = None

    @property
    def state(self) -> str:
        return "lifted" if self.until else self.use.state

    @property
    def tone(self) -> str:
        return _TONES[self.state]


async def show(visit: Visit) -> Html:
    quotas, limits = visit.house.store.quotas, visit.house.config.settings.within()
    persons = await quotas.persons(limit=_PERSONS)
    workspaces = await quotas.workspaces(limit=_WORKSPACES)
    lifted = await quotas.lifted(limit=_LIFTED)
    names, with_names = {one.id: one.person for one in persons}, shows_words(visit)
    if with_names:
        shown = [*(one.person for one in persons), *(one.person for one in lifted)]
        await write_down(visit, "names-opened", shown, persons=len(persons), lifted=len(lifted))
    return visit.render(
        "quotas.html",
        limits=limits,
        has_limits=any(not quota.is_none for _, quota in _quotas(limits)),
        quotas=list(_quotas(limits)),
        persons=sorted((_person(visit, one, limits, with_names) for one in persons), key=lambda line: -line.use.share),
        workspaces=[_workspace(visit, one, limits, n) for n, one in enumerate(workspaces, start=1)],
        lifted=[(_called(visit, names.get(one.id) or one.person, one.id, with_names), one) for one in lifted],
        frees_in=_until_midnight(),
        lengths=("day", *_LENGTHS),
        is_reader=visit.may(Role.READER),
        with_names=with_names,
        is_operator=visit.may(Role.OPERATOR),
    )


def _quotas(limits: Limits) -> Iterator[tuple[str, Quota]]:
    """By the workspace's name, "" for everywhere else."""
    yield "", limits.everywhere
    for (adapter, workspace), quota in sorted(limits.workspaces.items()):
        yield f"{adapter}:{workspace}", quota


def _person(visit: Visit, one: Consumer, limits: Limits, with_names: bool) -> Line:
    """A person is taken to ask in their own workspace."""
    quota = limits.everywhere
    if one.person:
        quota = limits.workspaces.get((one.person.adapter, one.person.workspace), quota)
    name, key = _called(visit, one.person, one.id, with_names)
    mark = one.id if one.person else ""
    return Line(name, key, mark, Use(one.used, quota.person), until=one.lifted_until)


def _called(visit: Visit, person: Author | None, mark: str, with_names: bool) -> tuple[str, str]:
    """What the audit log calls them; on a reader's wish their name with their key."""
    if person is None:
        return mark[:8], visit.t("forgotten")
    if not with_names:
        return mark[:8], ""
    return person.name or person.key, person.key if person.name else ""


def _workspace(visit: Visit, one: Neighbourhood, limits: Limits, number: int) -> Line:
    place = one.name.partition(":")
    quota = limits.workspaces.get((place[0], place[2]), limits.everywhere)
    if not visit.may(Role.READER) and (place[0], place[2]) not in limits.workspaces:
        name = visit.t("hidden_workspace", n=number)
    else:
        name = one.name or visit.t("unknown_workspace")
    return Line(name, "", "", Use(one.used, quota.workspace), one.persons)


def _until_midnight() -> timedelta:
    now = datetime.now(UTC)
    return timedelta(days=1) - timedelta(hours=now.hour, minutes=now.minute, seconds=now.second)


# ------------------------------------------------------------------------------------------------------------- actions


async def lift(visit: Visit) -> Done:
    """For whoever has this mark, or is named; the store writes the audit log in the same transaction."""
    try:
        person = await _meant(visit)
    except Malformed:
        return _back(visit, "malformed")
    if person is None:
        return _back(visit, "gone")
    length = _LENGTHS.get(visit.form.get("for", ""))
    until = datetime.now(UTC) + length if length else None
    await visit.house.store.quotas.lift(person, until=until, by=visit.who.by)
    return _back(visit, "lifted")


async def restore(visit: Visit) -> Done:
    try:
        person = await _meant(visit)
    except Malformed:
        return _back(visit, "malformed")
    if person is None:
        return _back(visit, "gone")
    was_lifted = await visit.house.store.quotas.restore(person, by=visit.who.by)
    return _back(visit, "restored" if was_lifted else "held")


async def _meant(visit: Visit) -> Author | None:
    """Whom the form means; None where nobody has that mark any more. Raises Malformed."""
    if key := visit.form.get("key", "").strip():
        return _named(key)
    mark, quotas = visit.form.get("mark", ""), visit.house.store.quotas
    shown: Sequence[Consumer | Lifted] = (
        *await quotas.persons(limit=_PERSONS),
        *await quotas.lifted(limit=_LIFTED),
    )
    return next((one.person for one in shown if mark and one.id == mark and one.person), None)


def _named(key: str) -> Author:
    """Raises Malformed."""
    person = Author.parse(key)
    if not (person.adapter and person.workspace and person.id):
        raise Malformed
    return person


def _back(visit: Visit, said: str) -> Done:
    """To the page as it was, with or without names."""
    return Done(f"/admin/quotas?{CHOICE}=yes" if visit.form.get(CHOICE) else "/admin/quotas", said=said)


PAGES = (Page("quotas", "/admin/quotas", show, texts=TEXTS),)
ACTIONS = (
    Action("/admin/quotas/lift", lift, Role.OPERATOR, TEXTS),
    Action("/admin/quotas/restore", restore, Role.OPERATOR, TEXTS),
)
