"""What was found in one turn: a verdict, and what is kept of it for the operator."""

from collections.abc import Iterable

from core.message import Verdict
from core.moderation.rules import Action, Hit, Rule
from core.ports import Incident
from core.turn import Turn

_EXCERPT = 200  # characters
_RULES = 20


class Findings:
    """Hits, gathered by where they were, their category and what was done about them."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._kept: dict[tuple[str, str, Action], Incident] = {}

    def add(self, where: str, hits: Iterable[Hit]) -> None:
        """`where` is question, thread, answer or thought."""
        for hit in hits:
            self.note(where, hit.rule, hit.words)

    def note(self, where: str, rule: Rule, excerpt: str = "") -> None:
        key = (where, rule.category, rule.action)
        kept = self._kept.get(key)
        names = dict.fromkeys([*(kept.rules if kept else ()), rule.name])
        self._kept[key] = Incident(
            where,
            rule.category,
            rule.action,
            max(rule.severity, kept.severity if kept else 0),
            tuple(names)[:_RULES],
            kept.excerpt if kept else excerpt[:_EXCERPT],
        )

    def incidents(self) -> list[Incident]:
        return list(self._kept.values())

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(category for _, category, _ in self._kept))

    @property
    def verdict(self) -> Verdict:
        """Of an answer that was not refused: what was thought and may not be read counts as masked."""
        actions = {action for _, _, action in self._kept}
        if actions & {Action.MASK, Action.REFUSE}:
            return Verdict.MASKED
        return Verdict.FLAGGED if actions else Verdict.CLEAN
