"""What a page of the operator's is asked with, and what it answers: the seam between the frame and the pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bot.admin import pages
from bot.admin.pages import Html as Html
from bot.admin.pages import Look, NavEntry
from bot.admin.roles import Role
from bot.admin.texts import Texts, say
from core.errors import ParleyError
from core.message import Author

if TYPE_CHECKING:
    from bot.app import House


class Forbidden(ParleyError):
    """Another role is needed for this."""

    def __init__(self, role: Role) -> None:
        self.role = role
        super().__init__()


@dataclass(frozen=True, slots=True)
class Who:
    """Who is signed in: their name, what they may do, and how the audit log calls them."""

    name: str
    roles: frozenset[Role]
    by: str

    def may(self, role: Role) -> bool:
        return role in self.roles


@dataclass(frozen=True, slots=True)
class Done:
    """Where the browser goes after an action. With `said="lifted"` that page
    shows its own text `said_lifted` on top: a sentence without facts.
    """

    path: str
    said: str = ""

    @property
    def location(self) -> str:
        mark = "&" if "?" in self.path else "?"
        return f"{self.path}{mark}{urlencode({'said': self.said})}" if self.said else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who may make it.

    `query` and `form` hold one value for each name, `match` what stands in the path's braces. `csrf` is what a form
    must send back, in a field of that name: the macro `csrf()` of macros.html writes it.
    """

    house: "House"
    who: Who
    look: Look
    page: "Page"
    path: str
    csrf: str = field(repr=False)
    nav: tuple[NavEntry, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    match: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def language(self) -> str:
        return self.look.language

    def t(self, name: str, /, **facts: object) -> str:
        """A text of this page, else one that all pages share."""
        return say(name, self.language, self.page.texts, **facts)

    def may(self, role: Role) -> bool:
        return self.who.may(role)

    def need(self, role: Role) -> None:
        """Raises Forbidden where they don't have it."""
        if not self.may(role):
            raise Forbidden(role)

    def url(self, **changes: object) -> str:
        """This page's address with other values in its query; None takes one away, `said` never stays."""
        query: dict[str, object] = {**self.query, "said": None, "lang": None, "theme": None, **changes}
        left = {name: value for name, value in query.items() if value is not None}
        return f"{self.path}?{urlencode(left)}" if left else self.path

    async def audit(self, action: str, *, person: Author | None = None, **details: Any) -> None:
        """Writes down that they do this, before it is done. Raises NotStored: then it must not be done."""
        await self.house.store.audit.record(action, by=self.who.by, person=person, **details)

    @property
    def said(self) -> str:
        """What came of the action that led here, in words; "" where none did."""
        name = f"said_{self.query['said']}" if "said" in self.query else ""
        return self.t(name) if name in self.page.texts else ""

    def render(self, template: str, **values: Any) -> Html:
        """The template with `t`, `visit`, `who`, `look`, `csrf`, `assets`, `ago`, `span`, and these values."""
        frame = {"visit": self, "who": self.who, "nav": self.nav, "csrf": self.csrf}
        return pages.render(template, self.look, self.page.texts, **frame, **values)

    def told(self, form: Mapping[str, str]) -> "Visit":
        return replace(self, form=form)


Show = Callable[[Visit], Awaitable[Html]]
Act = Callable[[Visit], Awaitable[Done]]


@dataclass(frozen=True, slots=True)
class Page:
    """An address that shows something. Raises NotFound, Forbidden or NotStored: each has a page of its own.

    `texts` are its own words by name, each in English and Chinese. One called "nav" puts it into the menu; a page of
    details goes without, and names in `under` the page that is marked there.
    """

    name: str
    path: str
    show: Show
    role: Role = Role.VIEWER
    texts: Texts = field(default_factory=dict, repr=False)
    under: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """An address that is posted to. The session, the role, the origin and the CSRF token were looked at before."""

    path: str
    act: Act
    role: Role = Role.OPERATOR
    texts: Texts = field(default_factory=dict, repr=False)
