"""Who may ask: workspaces, channels and people by platform id; guests and externals are out unless let in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.message import Author, ThreadId


@dataclass(frozen=True, slots=True)
class Rule:
    """What one adapter lets in. An empty set of workspaces or channels means all of them."""

    workspaces: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    guests: bool = False
    externals: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """The rules by adapter name; an adapter without one lets everybody in but guests and externals."""

    rules: Mapping[str, Rule] = field(default_factory=dict)

    def allows(self, author: Author, thread: ThreadId | None = None) -> bool:
        """Whether this person may do anything, and in this thread where one is given. Bots never may."""
        rule = self.rules.get(author.adapter, Rule())
        return (
            not author.is_bot
            and (rule.guests or not author.is_guest)
            and (rule.externals or not author.is_external)
            and _is_listed(author.workspace, rule.workspaces)
            and (thread is None or _is_listed(thread.workspace, rule.workspaces))
            and (thread is None or _is_listed(thread.channel, rule.channels))
        )

    def depends(self, author: Author, thread: ThreadId | None = None) -> bool:
        """Whether it makes a difference here if they turn out to be a guest or an external."""
        stranger = replace(author, is_guest=True, is_external=True)
        return self.allows(author, thread) and not self.allows(stranger, thread)

    def is_admin(self, author: Author) -> bool:
        """Whether this person may stop and regenerate other people's answers."""
        return author.id in self.rules.get(author.adapter, Rule()).admins


def _is_listed(name: str, names: frozenset[str]) -> bool:
    return not names or name in names
