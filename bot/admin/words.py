"""What people wrote, as the pages show it to those who may read it, and the line in the audit log before that."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.console.parse import REASONS
from adapters.console.render import markdown
from bot.admin.roles import Role
from bot.admin.texts import Texts
from bot.admin.visit import Visit
from core.message import Author
from core.ports import Legible, State

CHOICE = "words"  # of the query, where a list shows words on wish alone

TEXTS: Texts = {
    "state_waiting": ("waiting", "等待中"),
    "state_received": ("waiting", "等待中"),
    "state_screening": ("being screened", "审核中"),
    "state_answering": ("being written", "回答中"),
    "state_delivering": ("being delivered", "发送中"),
    "state_done": ("answered", "已回答"),
    "state_asked": ("asks back", "等待确认"),
    "state_refused": ("refused", "已拒答"),
    "state_stopped": ("stopped", "已停止"),
    "state_failed": ("failed", "失败"),
    "source_engine": ("model", "模型"),
    "source_cache": ("cache", "缓存"),
    "source_plugin": ("plugin", "插件"),
    "source_moderation": ("moderation", "内容审核"),
    "source_house": ("Parley's own sentence", "Parley 的固定语句"),
    "no_model": ("no model", "无模型"),
    "reason_incorrect": ("incorrect", "不正确"),
    "reason_incomplete": ("incomplete", "不完整"),
    "reason_unclear": ("hard to follow", "不易理解"),
    "reason_off_topic": ("not what was asked", "答非所问"),
    "reason_unsafe": ("unsafe or offensive", "不安全或冒犯"),
    "reason_data_analysis": ("wrong analysis of data", "数据分析有误"),
    "reason_other": ("other", "其他"),
    "where_question": ("in the question", "问题中"),
    "where_thread": ("in what the thread said before", "此前的对话中"),
    "where_answer": ("in the answer", "回答中"),
    "where_thought": ("in what was thought", "思考过程中"),
    "action_refuse": ("refused", "拒答"),
    "action_mask": ("masked", "遮盖"),
    "action_flag": ("flagged", "标记"),
    "severity": ("severity {n} of 5", "严重程度 {n}/5"),
    "score_up": ("thumbs up", "赞"),
    "score_down": ("thumbs down", "踩"),
    "score_middle": ("{n} of 5", "{n}/5"),
    "score_none": ("taken back", "已撤回"),
    "score_of": ("{n}/5", "{n}/5"),
    "erased_question": (
        "Its author took this question back: the words are erased.",
        "提问者已撤回这个问题，内容已删除。",
    ),
    "erased_answer": (
        "This answer was erased together with its question.",
        "这个回答已随问题一起删除。",
    ),
    "lost_question": (
        "This question can no longer be opened: it was changed in the database, or its key is gone.",
        "这个问题已无法打开：它在数据库中被改动，或者密钥已不存在。",
    ),
    "lost_answer": (
        "This answer can no longer be opened: it was changed in the database, or its key is gone.",
        "这个回答已无法打开：它在数据库中被改动，或者密钥已不存在。",
    ),
    "erased": ("erased", "已删除"),
    "lost": ("cannot be opened", "无法打开"),
    "show_words": ("Show what was written", "显示内容"),
    "hide_words": ("Hide what was written", "隐藏内容"),
    "show_words_hint": (
        "Each page that shows it is written to the audit log first.",
        "每显示一页内容，都会先记入审计日志。",
    ),
    "words_shown": (
        "This view is in the audit log, for each person whose words stand here.",
        "这次查看已为此页涉及的每个人记入审计日志。",
    ),
    "somebody": ("somebody", "某人"),
}

_TONES = {State.DONE: "good", State.REFUSED: "warn", State.FAILED: "bad"}
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_KNOWN = frozenset({*REASONS, "data_analysis"})


@dataclass(frozen=True, slots=True)
class Words:
    """A text that can be shown: as HTML, or why not, as the name of a sentence."""

    html: str = ""
    missing: str = ""


def prose(text: str, legible: Legible, language: str) -> Words:
    """An answer as the console renders it, with nothing in it to press; or why there is none."""
    return Words(markdown(text, language, inert=True)) if legible is Legible.YES else Words(missing=f"{legible}_answer")


def shows_words(visit: Visit) -> bool:
    """Whether this view of a list shows words: to a reader, on wish. Who leafs through it has opened nobody's."""
    return visit.may(Role.READER) and visit.query.get(CHOICE) == "yes"


async def write_down(visit: Visit, action: str, people: Iterable[Author | None], **details: object) -> None:
    """Before their words are shown: a line of the audit log for each of these people. Raises NotStored.

    Where none of them is known any more, one line without a person.
    """
    known = {person.key: person for person in people if person}
    for person in known.values() or (None,):
        await visit.audit(action, person=person, **details)


def state_name(state: State | None) -> str:
    """The name of its text."""
    return f"state_{state or 'waiting'}"


def tone(state: State | None) -> str:
    """The colour of its badge."""
    return _TONES.get(state, "") if state else ""


def score_name(score: int | None) -> str:
    """The name of its text."""
    if score is None:
        return "score_none"
    return "score_up" if score >= 4 else "score_down" if score <= 2 else "score_middle"


def score_tone(score: int | None) -> str:
    return {"score_up": "good", "score_down": "bad"}.get(score_name(score), "")


def reasons(text: str, visit: Visit, *, may_read: bool) -> tuple[str, ...]:
    """Why somebody voted so. Only the reasons that doors offer are known; anything else is somebody's words."""
    codes = [code for code in text.split(", ") if code]
    shown = (visit.t(f"reason_{code}") if code in _KNOWN else code if may_read else "" for code in codes)
    return tuple(dict.fromkeys(label or visit.t("reason_other") for label in shown))


def called(person: Author | None, visit: Visit) -> str:
    """Somebody's name as their platform tells it, else their id there; it turns no other words around."""
    return f"\u2068{(person.name or person.id).translate(_TURNING)}\u2069" if person else visit.t("somebody")
