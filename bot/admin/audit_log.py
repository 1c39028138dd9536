"""The audit log: what was done, by whom, newest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.admin.visit import Html, Page, Visit
from core.ports import Recorded

PER_PAGE = 50
# What is shown together. Lines of other kinds are seen under "all".
KINDS: Mapping[str, tuple[str, ...]] = {
    "signing": ("sign-in", "sign-in-failed", "sign-out", "admin-signed-out"),
    "admins": ("admin-added", "admin-roles", "admin-password", "admin-removed"),
    "content": ("conversation-opened", "ratings-opened", "hits-opened", "names-opened"),
    "people": ("forget", "export"),
    "keys": ("rotate", "backup", "restore"),
    "moderation": ("appeal-ruled",),
    "limits": ("lift", "lift-ended"),
}

TEXTS = {
    "nav": ("Audit log", "审计日志"),
    "title": ("Audit log", "审计日志"),
    "lead": (
        "What was done with what people entrusted to the house, and who looked at it. Lines are added and never "
        "changed: each is linked to the one before it. Whether all are whole is told by",
        "记录对人们数据所做的操作，以及谁查看过。记录只增加、不修改，每一条都与前一条相链接。检查是否完整：",
    ),
    "kind": ("Kinds", "类别"),
    "kind_signing": ("Sign-ins", "登录"),
    "kind_admins": ("Who may sign in", "管理者"),
    "kind_content": ("Content opened", "查看内容"),
    "kind_people": ("People's data", "个人数据"),
    "kind_keys": ("Keys and backups", "密钥与备份"),
    "kind_moderation": ("Appeals", "申诉"),
    "kind_limits": ("Limits", "限额"),
    "number": ("No.", "编号"),
    "at": ("When (UTC)", "时间（UTC）"),
    "action": ("What", "操作"),
    "by": ("By", "操作者"),
    "details": ("Details", "详情"),
    "themselves": ("the person themselves", "本人"),
    "somebody": ("somebody unknown", "未知"),
    "damaged": ("This line was changed in the database and can't be read.", "这条记录在数据库中被改动，无法读取。"),
    "action_sign-in": ("signed in", "登录"),
    "action_sign-in-failed": ("sign-in failed", "登录失败"),
    "action_sign-out": ("signed out", "退出登录"),
    "action_admin-signed-out": ("admin signed out", "强制管理者退出"),
    "action_admin-added": ("admin added", "添加管理者"),
    "action_admin-roles": ("roles of an admin changed", "更改管理者角色"),
    "action_admin-password": ("password of an admin changed", "更改管理者密码"),
    "action_admin-removed": ("admin removed", "删除管理者"),
    "action_conversation-opened": ("conversation opened", "查看会话"),
    "action_ratings-opened": ("words of ratings opened", "查看评分内容"),
    "action_hits-opened": ("words of hits opened", "查看命中内容"),
    "action_names-opened": ("names of who asked most opened", "查看提问最多者的姓名"),
    "action_forget": ("person forgotten", "删除个人数据"),
    "action_export": ("data exported", "导出个人数据"),
    "action_rotate": ("keys rotated", "更换密钥"),
    "action_backup": ("backup written", "写入备份"),
    "action_restore": ("backup restored", "恢复备份"),
    "action_lift": ("limits lifted", "解除限额"),
    "action_lift-ended": ("limits hold again", "恢复限额"),
    "action_appeal-ruled": ("appeal ruled on", "处理申诉"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is shown."""

    line: Recorded
    action: str
    by: str
    details: str
    is_failure: bool


async def show(visit: Visit) -> Html:
    kind = visit.query.get("kind", "")
    kind = kind if kind in KINDS else ""
    before = _number(visit.query.get("before", ""))
    found = await visit.house.store.audit.newest(limit=PER_PAGE + 1, before=before, actions=KINDS.get(kind, ()))
    lines = [_line(visit, line) for line in found[:PER_PAGE]]
    older = visit.url(before=lines[-1].line.number) if len(found) > PER_PAGE else ""
    newest = visit.url(before=None) if before is not None else ""
    kinds = [("", visit.t("all")), *((name, visit.t(f"kind_{name}")) for name in KINDS)]
    return visit.render("audit_log.html", lines=lines, kinds=kinds, kind=kind, older=older, newest=newest)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _line(visit: Visit, line: Recorded) -> Line:
    name = f"action_{line.action}"
    action = visit.t(name) if name in TEXTS else line.action
    if line.by == "?":  # so the store says of one that it can't open
        return Line(line, action, "?", visit.t("damaged"), True)
    nobody = "somebody" if line.action == "sign-in-failed" else "themselves"
    details = "; ".join(f"{key}: {value}" for key, value in _told(line.details))
    return Line(line, action, line.by or visit.t(nobody), details, line.action == "sign-in-failed")


def _told(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in details.items():
        yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


PAGES = (Page("audit", "/admin/audit", show, texts=TEXTS),)
