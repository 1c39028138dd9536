"""What a plugin is made of: a typed function, when it is to be called, and what it is handed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from inspect import getdoc
from typing import Any, Protocol

from core.errors import Misconfigured
from core.message import Chunk, Message

Result = str | Chunk | Sequence[Chunk]
"""Markdown in the asker's language, or what else an answer is made of."""

Run = Callable[..., Awaitable[Result]]
Reads = Callable[[str], Mapping[str, Any] | None]
"""What a message asks of the plugin, as its arguments; None where it asks nothing of it."""


class Misdeclared(Misconfigured):
    """A plugin is not declared as it has to be."""

    def __init__(self, english: str, chinese: str) -> None:
        self.whys: Mapping[str, str] = {"en": english, "zh": chinese}
        super().__init__(english)


class Permission(StrEnum):
    """Who may use it; admins are those named under `access:`."""

    EVERYBODY = "everybody"
    ADMINS = "admins"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered; redirects were followed, as far as they lead to hosts that may be asked."""

    status: int
    body: bytes
    content_type: str = ""


class Http(Protocol):
    """The only way out to the network: to the hosts that are allowed, with bounds on time and size."""

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Raises Refused where it leads to where nobody may ask, and Unavailable where no whole answer comes."""
        ...

    async def post(self, url: str, *, json: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """As `get`; redirects are not followed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a plugin is told by app.yaml (`settings`) and PARLEY_PLUGIN_SECRETS (`secrets`), and its way out."""

    http: Http
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Asked(Setup):
    """What a plugin is handed besides its arguments, where a parameter is annotated with it.

    `language` is "en" or "zh", `now` is in UTC, `help` is what the house says of itself and of every plugin.
    """

    message: Message
    language: str
    now: datetime
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """Something the assistant can do besides talking: an async function, and when it is called.

    `name` and `description` are for the model, `about` is a line for people by language. `slash` is the command without
    its "/". `words` are forms of a whole message with parameters in braces, such as "weather in {place}"; `reads` finds
    the arguments where forms do not do. `timeout` is in seconds. With `confirm` a person says yes first. What is
    `outward` tells somebody outside something, or changes something there: words of others never set it off unasked.
    `hosts` are those it may ask. `parameters` is a JSON schema, None where the function's own types tell it.
    """

    name: str
    run: Run
    description: str
    about: Mapping[str, str]
    words: tuple[str, ...] = ()
    reads: Reads | None = None
    slash: str = ""
    permission: Permission = Permission.EVERYBODY
    timeout: float = 10.0
    confirm: bool = False
    outward: bool = False
    hosts: tuple[str, ...] = ()
    parameters: Mapping[str, Any] | None = None


def plugin(
    *,
    name: str = "",
    about: Mapping[str, str] | None = None,
    words: Sequence[str] = (),
    reads: Reads | None = None,
    slash: str = "",
    permission: Permission = Permission.EVERYBODY,
    timeout: float = 10.0,
    confirm: bool = False,
    outward: bool = False,
    hosts: Sequence[str] = (),
) -> Callable[[Run], Plugin]:
    """Makes a plugin of an async function; its docstring tells the model, and people, what it does.

    Raises Misdeclared where it has none, and where something is not of the kind that it has to be.
    """

    def declare(function: Run) -> Plugin:
        own = name or function.__name__
        description = getdoc(function)
        if not description:
            raise Misdeclared(
                f"the plugin {own} needs a docstring that says what it does", f"插件 {own} 需要用文档字符串说明用途"
            )
        for field_name, value in given.items():
            fits, english, chinese = _KINDS[field_name]
            if not fits(value):
                raise Misdeclared(
                    f"`{field_name}` of the plugin {own} has to be {english}",
                    f"插件 {own} 的 `{field_name}` 必须是{chinese}",
                )
        return Plugin(
            name=own,
            run=function,
            description=description,
            about=about or dict.fromkeys(("en", "zh"), description.partition("\n")[0]),
            words=tuple(words),
            reads=reads,
            slash=slash,
            permission=permission,
            timeout=timeout,
            confirm=confirm,
            outward=outward,
            hosts=tuple(hosts),
        )

    given: dict[str, object] = {
        "name": name,
        "about": about,
        "words": words,
        "reads": reads,
        "slash": slash,
        "permission": permission,
    }
    given |= {"timeout": timeout, "confirm": confirm, "outward": outward, "hosts": hosts}
    return declare


def _is_list(value: object) -> bool:
    """Whether it is several texts; a text alone would be taken for as many as it has characters."""
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _is_about(value: object) -> bool:
    return value is None or (isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values()))


def _kind(kind: type, english: str, chinese: str) -> tuple[Callable[[object], bool], str, str]:
    return lambda value: isinstance(value, kind), english, chinese


_TEXT = _kind(str, "a text", "文字")
_FLAG = _kind(bool, "True or False", " True 或 False")
_LIST = (_is_list, 'a list of texts, such as ["one"]', '由文字组成的列表，例如 ["一"]')
_KINDS: Mapping[str, tuple[Callable[[object], bool], str, str]] = {
    "name": _TEXT,
    "about": (_is_about, 'a line for each language: {"en": "…", "zh": "…"}', '每种语言各一行：{"en": "…", "zh": "…"}'),
    "words": _LIST,
    "reads": (lambda value: value is None or callable(value), "a function", "函数"),
    "slash": _TEXT,
    "permission": _kind(Permission, "Permission.ADMINS or .EVERYBODY", " Permission.ADMINS 或 .EVERYBODY"),
    "timeout": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "a number of seconds",
        "秒数",
    ),
    "confirm": _FLAG,
    "outward": _FLAG,
    "hosts": _LIST,
}
"""What each thing that is declared has to be: a test, and how that is said in English and Chinese."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Makes plugins when the house opens: `open` is entered then, and left when it closes."""

    name: str
    open: Callable[[Setup], AbstractAsyncContextManager[Sequence[Plugin]]]


def provider(open_: Callable[[Setup], AbstractAsyncContextManager[Sequence[Plugin]]]) -> Provider:
    """Makes a provider of an `@asynccontextmanager` function that is handed a Setup and yields plugins."""
    return Provider(open_.__name__, open_)
