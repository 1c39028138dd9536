"""Which MCP servers there are, and which of their tools may be used."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from core.errors import Misconfigured
from core.plugin import Setup

ALL = "*"
WAIT = 20.0  # seconds; a server that is not there by then has no tools until the next start
TIMEOUT = 30.0  # seconds, for one call
_SECRET = "{secret}"  # noqa: S105 - stands in `env` for the server's secret

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServerSettings(Model):
    """One server: a `command` that is started, or a `url` that is asked. `confirm` are tools that ask first, or all."""

    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    url: str | None = None
    allow: tuple[Text, ...]
    confirm: bool | tuple[Text, ...] = True
    timeout: float = Field(default=TIMEOUT, gt=0, le=600)
    secret: str = Field(default="", repr=False)

    @model_validator(mode="before")
    @classmethod
    def _all(cls, given: Any) -> Any:
        """`allow: "*"` is a list of one."""
        return given | {"allow": (ALL,)} if isinstance(given, dict) and given.get("allow") == ALL else given

    @model_validator(mode="after")
    def _whole(self) -> "ServerSettings":
        if bool(self.command) == bool(self.url):
            raise ValueError("name either a command or a url")
        if not self.allow:
            raise ValueError('allow names no tool: name those that may be used, or "*" for all')
        if self.url and (self.args or self.env):
            raise ValueError("args and env belong to a command")
        if self.url and not _is_address(self.url):
            raise ValueError("url is no http(s) address, or has a password in it: that belongs to the secrets")
        if any(_SECRET in value for value in self.env.values()) and not self.secret:
            raise ValueError("env asks for its secret, which PARLEY_PLUGIN_SECRETS does not name")
        if (
            isinstance(self.confirm, tuple)
            and ALL not in self.allow
            and (strangers := set(self.confirm) - {*self.allow})
        ):
            raise ValueError(f"confirm names {', '.join(sorted(strangers))}, which allow does not")
        return self

    def allows(self, tool: str) -> bool:
        return ALL in self.allow or tool in self.allow

    def confirms(self, tool: str) -> bool:
        return tool in self.confirm or ALL in self.confirm if isinstance(self.confirm, tuple) else self.confirm

    @property
    def environment(self) -> dict[str, str]:
        """`env`, with the secret put in where it is asked for."""
        return {name: value.replace(_SECRET, self.secret) for name, value in self.env.items()}

    @property
    def named(self) -> frozenset[str]:
        """The tools that are meant to be there."""
        confirmed = self.confirm if isinstance(self.confirm, tuple) else ()
        return frozenset({*self.allow, *confirmed} - {ALL})


class Settings(Model):
    """All servers by name; at the start each is waited for `wait` seconds."""

    servers: Mapping[Name, ServerSettings] = Field(default_factory=dict)
    wait: float = Field(default=WAIT, gt=0, le=120)


def settings_of(setup: Setup) -> Settings:
    """Raises Misconfigured, with the place and the reason, and no value."""
    given = dict(setup.settings)
    servers = given.get("servers") or {}
    if not isinstance(servers, Mapping):
        raise Misconfigured("plugins.mcp.servers is no mapping of names to servers")
    given["servers"] = {name: _with_secret(name, server, setup) for name, server in servers.items()}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise Misconfigured("; ".join(_sentence(problem) for problem in error.errors())) from None


def _with_secret(name: str, server: Any, setup: Setup) -> Any:
    return {**server, "secret": setup.secrets.get(name, "")} if isinstance(server, Mapping) else server


def _sentence(problem: Any) -> str:
    place = ".".join(("plugins", "mcp", *(str(step) for step in problem["loc"])))
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"@|\s", parts.netloc)
    except ValueError:
        return False
