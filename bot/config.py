"""app.yaml and the environment as frozen settings, read once; the only room that looks at the environment."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from bot.texts import say, speaking
from core.access import Access, Rule
from core.errors import Misconfigured
from core.hall import Terms
from core.limits import Allowance, Limits, Quota
from core.plugin import Misdeclared
from core.retention import Retention

DEFAULT_FILE = Path("app.yaml")

_ORIGIN = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
_SERVER = re.compile(r"https?://[^/@?#\s]+(/[^@?#\s]*)?", re.IGNORECASE)
_SOCKET = re.compile(r"wss?://[^\s/?#@]+(/[^\s?#]*)?")
_PUBLIC = re.compile(r"https://[^/@?#\s]+(/[^@?#\s]*)?", re.IGNORECASE)
_WEBHOOK = re.compile(r"/channels/[a-z-]+(/|$)")
_MCP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_COMMAND = re.compile(r"/[a-z0-9_-]{1,31}")
_SLACK_SECRETS = (
    "PARLEY_SLACK_SIGNING_SECRET",
    "PARLEY_SLACK_BOT_TOKEN",
    "PARLEY_SLACK_APP_TOKEN",
    "PARLEY_SLACK_CLIENT_SECRET",
    "PARLEY_SLACK_CONFIG_TOKEN",
)
_WECOM_SECRETS = (
    "PARLEY_WECOM_BOT_SECRET",
    "PARLEY_WECOM_BOT_TOKEN",
    "PARLEY_WECOM_BOT_AES_KEY",
    "PARLEY_WECOM_APP_SECRET",
    "PARLEY_WECOM_APP_TOKEN",
    "PARLEY_WECOM_APP_AES_KEY",
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DSN = re.compile(r"https?://[^:@/\s]+(:[^@/\s]*)?@[^@/?#\s]+(/[^?#\s]*)?/\d+")
_AES_KEY = re.compile(r"[0-9A-Za-z+/]{43}")
_SECRETS = (
    "DATABASE_URL",
    "PARLEY_KEYS",
    "PARLEY_METRICS_TOKEN",
    "PARLEY_ENGINE_KEY",
    *_SLACK_SECRETS,
    "PARLEY_TEAMS_APP_PASSWORD",
    *_WECOM_SECRETS,
    "PARLEY_MODERATION_KEY",
    "PARLEY_PLUGIN_SECRETS",
    "PARLEY_SENTRY_DSN",
    "PARLEY_ADMIN_OIDC_SECRET",
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class TlsSettings(_Section):
    certificate: str = ""
    key: str = ""

    @model_validator(mode="after")
    def _are_a_pair(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError(say("config_tls_pair"))
        return self


class ServerSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    tls: TlsSettings = TlsSettings()
    trusted_proxies: tuple[str, ...] = ()
    shutdown_seconds: float = Field(30, ge=0)
    metrics_host: str = ""
    metrics_port: int = Field(9464, ge=0, le=65535)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(say("config_network", name=network)) from None
        return networks

    @property
    def url(self) -> str:
        """Where this machine itself reaches it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls.certificate else 'http'}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class DatabaseSettings(_Section):
    pool_size: int = Field(10, ge=2, le=200)


class EngineSettings(_Section):
    backend: Literal["local", "remote", "echo"] = "local"
    model: str = Field("demo", min_length=1)
    coder: str = ""
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantisation: Literal["none", "nf4", "int8"] = "none"
    device_map: Literal["", "auto"] = ""
    context: int = Field(8192, ge=128)
    slots: int = Field(16, ge=1, le=1024)
    max_waiting: int = Field(96, ge=0)
    threads: int = Field(0, ge=0, le=1024)
    kept_mb: int | None = Field(None, ge=0)
    kept_seconds: float = Field(1800, ge=0)
    request_seconds: float = Field(600, gt=0)
    step_seconds: float = Field(20, gt=0)


class RemoteSettings(_Section):
    urls: tuple[str, ...] = ()
    model: str = ""
    coder: str = ""
    context: int = Field(8192, ge=128)
    top_k: bool = True
    repetition_penalty: bool = True
    reasoning: bool = False
    tools: bool = False
    silence_seconds: float = Field(20, gt=0)
    request_seconds: float = Field(300, gt=0)
    limit: int = Field(128, ge=1)

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not _SERVER.fullmatch(url):  # its password must be shown to nobody
                raise ValueError(say("config_server", name=url.rpartition("@")[2] or url))
        return urls


class AnswerSettings(_Section):
    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    repetition_penalty: float | None = Field(None, gt=0, le=5)
    max_new_tokens: int = Field(1024, ge=1)
    system_en: str = "You are Parley, a private assistant. Answer briefly and honestly."
    system_zh: str = "你是 Parley，一个私有的助手。请简短而诚实地回答。"


class TurnSettings(_Section):
    concurrency: int = Field(32, ge=1, le=1024)
    lease_seconds: float = Field(10, ge=1, le=600)
    max_attempts: int = Field(5, ge=1, le=100)
    draft_seconds: float = Field(0.5, gt=0, le=10)


class CacheSettings(_Section):
    enabled: bool = True
    hours: float = Field(24, gt=0, le=24 * 365)
    near: bool = False
    cosine: float = Field(0.92, ge=0, le=1)
    embedder: str = Field("ngrams", min_length=1)


PersonalAction = Literal["mask", "flag", "refuse", "none"]


class PersonalSettings(_Section):
    identity: PersonalAction = "mask"
    mobile: PersonalAction = "mask"
    card: PersonalAction = "mask"
    email: PersonalAction = "mask"
    key: PersonalAction = "mask"
    private_key: PersonalAction = "mask"


class OpenAiModerationSettings(_Section):
    enabled: bool = False
    fail: Literal["closed", "open"] = "closed"
    url: str = "https://api.openai.com/v1"
    model: str = Field("omni-moderation-latest", min_length=1)
    seconds: float = Field(5, gt=0, le=60)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return url.rstrip("/")


class ModerationSettings(_Section):
    enabled: bool = True
    defaults: bool = True
    rules: tuple[Path, ...] = ()
    personal: PersonalSettings = PersonalSettings()
    openai: OpenAiModerationSettings = OpenAiModerationSettings()


class WeatherSettings(_Section):
    url: str = ""
    geocoding_url: str = ""

    @field_validator("url", "geocoding_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return url.rstrip("/")


class McpServerSettings(_Section):
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict)
    url: str = ""
    allow: tuple[str, ...] = Field((), validate_default=True)
    confirm: bool | tuple[str, ...] = True
    timeout: float = Field(30, gt=0, le=600)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return _private(url) if url else url

    @field_validator("allow", mode="before")
    @classmethod
    def _is_list(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("allow")
    @classmethod
    def _names_some(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError(say("config_mcp_allow"))
        return names

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError(say("config_mcp_server"))
        return self


class McpSettings(_Section):
    wait: float = Field(20, gt=0, le=120)
    servers: Mapping[str, McpServerSettings] = Field(default_factory=dict)

    @field_validator("servers")
    @classmethod
    def _are_named(cls, servers: Mapping[str, McpServerSettings]) -> Mapping[str, McpServerSettings]:
        for name in servers:
            if not _MCP_NAME.fullmatch(name):
                raise ValueError(say("config_mcp_name", name=name))
        return servers


class PluginSettings(_Section):
    enabled: bool = True
    folders: tuple[Path, ...] = ()
    disabled: frozenset[str] = frozenset()
    confirm: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    model_calls: bool = True
    private_hosts: frozenset[str] = frozenset()
    settings: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    weather: WeatherSettings = WeatherSettings()
    mcp: McpSettings = McpSettings()

    @field_validator("private_hosts")
    @classmethod
    def _are_hosts(cls, hosts: frozenset[str]) -> frozenset[str]:
        if hosts:
            from core.plugins.hosts import Hosts  # takes its time, which those who name none are spared

            try:
                Hosts(hosts)
            except Misdeclared as error:
                raise ValueError(error.whys[speaking()]) from None
        return hosts


class OidcSettings(_Section):
    issuer: str = ""
    label: str = ""
    client_id: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claim: str = Field("groups", min_length=1)
    name: str = Field("preferred_username", min_length=1)
    roles: Mapping[str, tuple[Literal["viewer", "operator", "reader"], ...]] = Field(default_factory=dict)

    @field_validator("issuer")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        if url:
            _private(url)
        return url  # as it stands: a provider's own name may end in a slash

    @field_validator("scopes")
    @classmethod
    def _has_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return scopes if "openid" in scopes else ("openid", *scopes)


class AdminSettings(_Section):
    enabled: bool = True
    url: str = ""
    hours: float = Field(12, gt=0, le=24 * 30)
    idle_minutes: float = Field(60, ge=1, le=60 * 24 * 30)
    oidc: OidcSettings = OidcSettings()

    @field_validator("url")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        url = url.rstrip("/").lower()
        if url and not _ORIGIN.fullmatch(url):
            raise ValueError(say("config_origin", name=url))
        url = url.removesuffix(":443" if url.startswith("https:") else ":80")  # as browsers write it
        return _private(url) if url else url


class ConsoleChannelSettings(_Section):
    enabled: bool = True
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    answer_seconds: float = Field(300, gt=0)
    tokens: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if "/" in host or not host.strip():
                raise ValueError(say("config_host", name=host))
        return tuple(host.lower() for host in hosts)

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(say("config_origin", name=origin))
        return tuple(origin.lower() for origin in origins)

    @field_validator("tokens")
    @classmethod
    def _are_hashes(cls, tokens: Mapping[str, str]) -> Mapping[str, str]:
        for name, digest in tokens.items():
            if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
                raise ValueError(say("config_token", name=name))
        return tokens


def _public(url: str) -> str:
    """The address others reach this server by, without what the channels add to it. Raises ValueError."""
    if url and not _PUBLIC.fullmatch(url):
        raise ValueError(say("config_public_url", name=url.rpartition("@")[2]))
    if found := _WEBHOOK.search(url):
        raise ValueError(say("config_public_url_path", base=url[: found.start()], path=found[0].rstrip("/")))
    return url.rstrip("/")


def _private(url: str) -> str:
    """An address that a secret is sent to: over TLS, or on this machine. Raises ValueError."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in ("https", "wss") and not is_loopback(parts.hostname or ""):
        raise ValueError(say("config_plain_url", scheme="wss" if scheme == "ws" else "https", name=url))
    return url.rstrip("/")


class SlackChannelSettings(_Section):
    enabled: bool = False
    public_url: str = ""
    client_id: str = ""
    command: str = "/parley"
    up: frozenset[str] = frozenset({"+1", "thumbsup"})
    down: frozenset[str] = frozenset({"-1", "thumbsdown"})
    api_url: str = "https://slack.com/api/"

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str) -> str:
        return _public(url)

    @field_validator("command")
    @classmethod
    def _is_command(cls, command: str) -> str:
        if not _COMMAND.fullmatch(command):
            raise ValueError(say("config_command", name=command))
        return command

    @field_validator("api_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return url.rstrip("/") + "/"

    @field_validator("up", "down")
    @classmethod
    def _are_emoji(cls, names: frozenset[str]) -> frozenset[str]:
        return frozenset(name.strip(":").lower() for name in names)


class TeamsChannelSettings(_Section):
    enabled: bool = False
    public_url: str = ""
    app_id: str = ""
    tenant_id: str = ""
    dev: bool = False
    up: frozenset[str] = frozenset({"like", "heart"})
    down: frozenset[str] = frozenset({"sad", "angry"})
    login_url: str = "https://login.microsoftonline.com"
    keys_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    services: tuple[str, ...] = ("smba.trafficmanager.net", ".botframework.com")

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str) -> str:
        return _public(url)

    @field_validator("app_id", "tenant_id")
    @classmethod
    def _is_guid(cls, value: str) -> str:
        if value and not _GUID.fullmatch(value):
            raise ValueError(say("config_guid", name=value))
        return value.lower()

    @field_validator("login_url", "keys_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return url.rstrip("/")


class WecomBotSettings(_Section):
    enabled: bool = False
    id: str = ""
    name: str = ""
    socket_url: str = "wss://openws.work.weixin.qq.com"

    @field_validator("socket_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _SOCKET.fullmatch(url):
            raise ValueError(say("config_socket_url", name=url.rpartition("@")[2]))
        return _private(url)


class WecomAppSettings(_Section):
    enabled: bool = False
    corp_id: str = ""
    agent_id: int = Field(0, ge=0)
    api_url: str = "https://qyapi.weixin.qq.com"

    @field_validator("api_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not _SERVER.fullmatch(url):
            raise ValueError(say("config_api_url", name=url.rpartition("@")[2]))
        return _private(url)


class WecomChannelSettings(_Section):
    public_url: str = ""
    bot: WecomBotSettings = WecomBotSettings()
    app: WecomAppSettings = WecomAppSettings()

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str) -> str:
        return _public(url)


class AccessRule(_Section):
    workspaces: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    guests: bool = False
    externals: bool = False


_Days = Annotated[int, Field(ge=1, le=36500)]


class RetentionSettings(_Section):
    days: _Days | None = None
    workspaces: Mapping[str, _Days | None] = Field(default_factory=dict)

    @field_validator("workspaces")
    @classmethod
    def _are_named(cls, workspaces: Mapping[str, int | None]) -> Mapping[str, int | None]:
        for name in workspaces:
            if not all(name.partition(":")):
                raise ValueError(say("config_workspace", name=name))
        return workspaces


_Count = Annotated[int, Field(ge=0)]


class AllowanceSettings(_Section):
    messages: _Count | None = None
    tokens: _Count | None = None

    def over(self, base: Allowance) -> Allowance:
        """What stands here, and otherwise what holds everywhere."""
        return Allowance(
            self.messages if "messages" in self.model_fields_set else base.messages,
            self.tokens if "tokens" in self.model_fields_set else base.tokens,
        )


class PersonLimitSettings(AllowanceSettings):
    concurrency: Annotated[int, Field(ge=1)] | None = 4


class QuotaSettings(_Section):
    person: AllowanceSettings = AllowanceSettings()
    workspace: AllowanceSettings = AllowanceSettings()

    def over(self, base: Quota) -> Quota:
        return Quota(self.person.over(base.person), self.workspace.over(base.workspace))


class LimitSettings(_Section):
    person: PersonLimitSettings = PersonLimitSettings()
    workspace: AllowanceSettings = AllowanceSettings()
    workspaces: Mapping[str, QuotaSettings] = Field(default_factory=dict)

    @field_validator("workspaces")
    @classmethod
    def _are_named(cls, workspaces: Mapping[str, QuotaSettings]) -> Mapping[str, QuotaSettings]:
        for name in workspaces:
            if not all(name.partition(":")):
                raise ValueError(say("config_workspace", name=name))
        return workspaces


class Settings(BaseSettings):
    """Everything that can be set, validated. Sections have the names they have in app.yaml."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_", env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Path = Path("var")
    production: bool = False
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    database: DatabaseSettings = DatabaseSettings()
    engine: EngineSettings = EngineSettings()
    remote: RemoteSettings = RemoteSettings()
    answers: AnswerSettings = AnswerSettings()
    turns: TurnSettings = TurnSettings()
    moderation: ModerationSettings = ModerationSettings()
    cache: CacheSettings = CacheSettings()
    plugins: PluginSettings = PluginSettings()
    admin: AdminSettings = AdminSettings()
    console: ConsoleChannelSettings = ConsoleChannelSettings()
    slack: SlackChannelSettings = SlackChannelSettings()
    teams: TeamsChannelSettings = TeamsChannelSettings()
    wecom: WecomChannelSettings = WecomChannelSettings()
    access: Mapping[str, AccessRule] = Field(default_factory=dict)
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    def terms(self) -> Terms:
        answers, turns = self.answers, self.turns
        params = answers.model_dump(exclude_none=True, exclude={"system_en", "system_zh"})
        return Terms(
            lease=timedelta(seconds=turns.lease_seconds),
            max_attempts=turns.max_attempts,
            concurrency=turns.concurrency,
            draft_interval=turns.draft_seconds,
            params=params,
            system={"en": answers.system_en, "zh": answers.system_zh},
            limits=self.within(),
        )

    def within(self) -> Limits:
        """How much may be asked in a day, and at once."""
        limits, none = self.limits, Allowance()
        everywhere = Quota(limits.person.over(none), limits.workspace.over(none))
        places = {name.partition(":")[::2]: quota.over(everywhere) for name, quota in limits.workspaces.items()}
        return Limits(everywhere, places, limits.person.concurrency)

    def kept_for(self) -> Retention:
        def age(days: int | None) -> timedelta | None:
            return timedelta(days=days) if days is not None else None

        places = {name.partition(":")[::2]: age(days) for name, days in self.retention.workspaces.items()}
        return Retention(age(self.retention.days), places)

    def who_may(self) -> Access:
        return Access({name: Rule(**rule.model_dump()) for name, rule in self.access.items()})


@dataclass(frozen=True, slots=True)
class HouseSecrets:
    """What must not stand in app.yaml. Never printed: the representation is empty."""

    database_url: str | None = field(default=None, repr=False)
    keys: str | None = field(default=None, repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    engine_key: str | None = field(default=None, repr=False)
    slack_signing_secret: str | None = field(default=None, repr=False)
    slack_bot_token: str | None = field(default=None, repr=False)
    slack_app_token: str | None = field(default=None, repr=False)
    slack_client_secret: str | None = field(default=None, repr=False)
    slack_config_token: str | None = field(default=None, repr=False)
    teams_app_password: str | None = field(default=None, repr=False)
    wecom_bot_secret: str | None = field(default=None, repr=False)
    wecom_bot_token: str | None = field(default=None, repr=False)
    wecom_bot_aes_key: str | None = field(default=None, repr=False)
    wecom_app_secret: str | None = field(default=None, repr=False)
    wecom_app_token: str | None = field(default=None, repr=False)
    wecom_app_aes_key: str | None = field(default=None, repr=False)
    moderation_key: str | None = field(default=None, repr=False)
    plugin_secrets: str | None = field(default=None, repr=False)
    sentry_dsn: str | None = field(default=None, repr=False)
    admin_oidc_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings, the secrets, and where they came from."""

    settings: Settings
    secrets: HouseSecrets
    file: Path | None

    @property
    def data_dir(self) -> Path:
        return self.beside(self.settings.data_dir)

    def beside(self, path: Path | str) -> Path:
        """A path of the settings, which is relative to their file."""
        return ((self.file.parent if self.file else Path.cwd()) / path).resolve()

    @property
    def pair(self) -> tuple[Path, Path] | None:
        """The files of the server's certificate and its key; None where it speaks plain HTTP."""
        tls = self.settings.server.tls
        return (self.beside(tls.certificate), self.beside(tls.key)) if tls.certificate else None


def load(file: Path | None = None, *, must_do: bool = True) -> Config:
    """Reads app.yaml (the one named, else the one here, else none) and the environment.

    Raises Misconfigured with a line for each fault: where it stands, what is wrong, what to do. Whether all that a
    start needs is there is asked only where it `must_do`; else `problems` tells.
    """
    path = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    values, lines = _read(path) if path else ({}, {})
    try:
        settings = Settings(**values)
    except SettingsError:
        raise Misconfigured(say("config_json", names=", ".join(_not_json()) or "PARLEY_…")) from None
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(item, path, lines) for item in error.errors())) from None
    secrets = HouseSecrets(*(_secret(name) for name in _SECRETS))
    config = Config(settings, secrets, path)
    if must_do and (found := [sentence for _, sentence in problems(config)]):
        raise Misconfigured("\n".join(found))
    return config


def line_of(file: Path, *keys: str) -> int | None:
    """The line a setting stands on, counted from 1; None where it is not set in the file."""
    return _read(file)[1].get(keys) if file.exists() else None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unknown_variables() -> tuple[str, ...]:
    """PARLEY_ variables that set nothing: most likely misspelt."""
    known = {f"PARLEY_{name.upper()}" for name in Settings.model_fields} | set(_SECRETS)
    known |= {f"{name}_FILE" for name in _SECRETS} | {"PARLEY_TOKEN"}
    return tuple(
        name for name in sorted(os.environ) if name.startswith("PARLEY_") and name.split("__")[0].upper() not in known
    )


def operator_language() -> str:
    """The language of the terminal: "zh" or "en"."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"


def go_offline() -> None:
    """Model libraries stay away from the network unless a model is pulled on purpose."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """What keeps Parley from starting: the section of the settings it belongs to, and a sentence that says so."""
    settings, secrets = config.settings, config.secrets
    if settings.production:
        for name, value in (("PARLEY_KEYS", secrets.keys), ("DATABASE_URL", secrets.database_url)):
            if not value:
                yield "production", say(f"config_missing_{name.lower()}")
    if settings.engine.backend == "remote" and not settings.remote.urls:
        yield "remote", say("config_no_servers")
    if settings.moderation.openai.enabled and not secrets.moderation_key:
        yield "moderation", say("config_moderation_key")
    if settings.plugins.mcp.servers and find_spec("mcp") is None:
        yield "plugins", say("config_mcp_package")
    if settings.admin.enabled and settings.admin.oidc.issuer and (problem := _oidc_problem(settings.admin)):
        yield "admin", say(problem)
    console = settings.console
    if console.enabled and not settings.server.is_loopback and not console.tokens:
        yield "console", say("config_open_door", host=settings.server.host)
    if console.enabled and not console.tokens and (outside := _outside(console)):
        yield "console", say("config_open_proxy", names=", ".join(outside))
    if secrets.sentry_dsn is not None and (problem := _sentry_problem(secrets.sentry_dsn)):
        yield "sentry", say(problem)
    if settings.slack.enabled:
        for name in _slack_problems(settings, secrets):
            yield "slack", say(name)
    if settings.teams.enabled and (problem := _teams_problem(settings)):
        yield "teams", say(problem)
    for name in _wecom_problems(settings, secrets):
        yield "wecom", say(name)
    if settings.server.metrics_host and not is_loopback(settings.server.metrics_host) and not secrets.metrics_token:
        yield "server", say("config_open_metrics", host=settings.server.metrics_host)


def _oidc_problem(admin: AdminSettings) -> str:
    """What keeps whoever the provider vouches for from signing in, "" where nothing does."""
    if not (admin.oidc.client_id and admin.url):
        return "config_oidc_incomplete"
    if not admin.oidc.roles:
        return "config_oidc_roles"
    return "" if find_spec("authlib") else "config_oidc_package"


def _sentry_problem(dsn: str) -> str:
    """What keeps errors from being reported, "" where nothing does."""
    if not _DSN.fullmatch(dsn):
        return "config_sentry_dsn"
    return "" if find_spec("sentry_sdk") else "config_sentry_package"


def _slack_problems(settings: Settings, secrets: HouseSecrets) -> Iterator[str]:
    """What keeps the Slack door from opening."""
    slack, rule = settings.slack, settings.access.get("slack")
    if not ((secrets.slack_signing_secret or "").strip() or secrets.slack_app_token):
        yield "config_slack_secret"
    if secrets.slack_bot_token:
        return
    if not (slack.client_id and secrets.slack_client_secret):
        yield "config_slack_token"
    elif not (rule and rule.workspaces):
        yield "config_slack_workspaces"


def _teams_problem(settings: Settings) -> str:
    """What keeps the Teams door from opening, "" where nothing does. Without a password the bot's identity is used."""
    teams = settings.teams
    if teams.app_id:
        return "" if teams.tenant_id else "config_teams_tenant"
    if not teams.dev or settings.production:
        return "config_teams_app"
    return "" if settings.server.is_loopback else "config_teams_dev"


def _wecom_problems(settings: Settings, secrets: HouseSecrets) -> Iterator[str]:
    """What keeps the WeCom doors from opening."""
    bot, app = settings.wecom.bot, settings.wecom.app
    if bot.enabled:
        if not bot.id:
            yield "config_wecom_bot_id"
        if not (secrets.wecom_bot_secret or (secrets.wecom_bot_token and secrets.wecom_bot_aes_key)):
            yield "config_wecom_bot_secret"
        if not secrets.wecom_bot_secret and secrets.wecom_bot_aes_key and not _is_aes_key(secrets.wecom_bot_aes_key):
            yield "config_wecom_bot_key"
    if app.enabled:
        if not (app.corp_id and app.agent_id):
            yield "config_wecom_app_id"
        if not (secrets.wecom_app_secret and secrets.wecom_app_token and secrets.wecom_app_aes_key):
            yield "config_wecom_app_secret"
        elif not _is_aes_key(secrets.wecom_app_aes_key):
            yield "config_wecom_app_key"


def _is_aes_key(text: str) -> bool:
    """Whether it has the form of an EncodingAESKey (developer.work.weixin.qq.com, document 90238)."""
    return bool(_AES_KEY.fullmatch(text))


def _secret(name: str) -> str | None:
    if value := os.environ.get(name, "").strip():  # as a file's: a copied space would make every signature a wrong one
        return value
    if not (file := os.environ.get(f"{name}_FILE")):
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(say("config_secret_file", name=name, file=file, error=type(error).__name__)) from None


def _outside(console: ConsoleChannelSettings) -> list[str]:
    """The names under which others would reach the page."""
    hosts = {name: name for name in console.allowed_hosts}
    hosts |= {origin: origin.partition("://")[2] for origin in console.allowed_origins}
    return [name for name, host in hosts.items() if not is_loopback(_without_port(host))]


def _without_port(host: str) -> str:
    return host.rpartition("]")[0].lstrip("[") if "]" in host else host.partition(":")[0]


def _not_json() -> Iterator[str]:
    """Variables that should hold JSON (a list, a map, a whole section) and do not."""
    for name, value in os.environ.items():
        keys = tuple(name.removeprefix("PARLEY_").lower().split("__"))
        if name.startswith("PARLEY_") and _holds_several(Settings, keys):
            try:
                json.loads(value)
            except ValueError:
                yield name


def _holds_several(model: type[BaseModel], keys: tuple[str, ...]) -> bool:
    field = model.model_fields.get(keys[0])
    kind = field.annotation if field else None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return len(keys) == 1 or _holds_several(kind, keys[1:])
    return get_origin(kind) in (tuple, frozenset, Mapping)


# ------------------------------------------------------------------------------------------------------- the file


def _read(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The file's values, and the line each key stands on."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(say("config_unreadable", file=path, error=type(error).__name__)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise Misconfigured(say("config_yaml", where=where, problem=getattr(error, "problem", ""))) from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise Misconfigured(say("config_yaml", where=path, problem="key: value"))
    return values, dict(_lines(node, (), path))


def _lines(node: yaml.MappingNode, above: tuple[str, ...], path: Path) -> Iterator[tuple[tuple[str, ...], int]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        here = (*above, str(key.value))
        line = key.start_mark.line + 1
        if key.tag != "tag:yaml.org,2002:str":
            raise Misconfigured(say("config_key", where=f"{path}:{line}", key=key.value))
        if key.value in seen:
            where, name, first = f"{path}:{line}", ".".join(here), seen[key.value]
            raise Misconfigured(say("config_twice", where=where, key=name, first=first, second=line))
        seen[key.value] = line
        yield here, line
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, here, path)


def _explain(item: Mapping[str, Any], path: Path | None, lines: Mapping[tuple[str, ...], int]) -> str:
    keys = tuple(str(part) for part in item["loc"] if not isinstance(part, int))
    key = ".".join(str(part) for part in item["loc"])
    line = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), None)
    variable = "PARLEY_" + "__".join(keys).upper()
    where = variable if variable in os.environ else f"{path}:{line}" if line else str(path or variable)
    if item["type"] == "extra_forbidden":
        return say("config_unknown", where=where, key=key, remedy=_remedy(keys))
    return say("config_value", where=where, key=key, problem=_problem(item))


def _remedy(keys: tuple[str, ...]) -> str:
    name, names = keys[-1].lower(), list(_names(Settings, keys[:-1]))
    if close := get_close_matches(name, names, n=1):
        return say("config_did_you_mean", name=close[0])
    if name.endswith("url") or any(word in name for word in ("secret", "password", "token", "key")):
        return say("config_no_secrets", names=", ".join(_SECRETS))
    return say("config_choices", names=", ".join(names))


def _names(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[str]:
    kind: Any = model
    for name in above:  # a map has any names, and what they hold tells which are known there
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        kind = (kind.model_fields[name].annotation if name in kind.model_fields else None) if is_model else kind
        kind = get_args(kind)[-1] if not is_model and get_args(kind) else kind
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from kind.model_fields


def _problem(item: Mapping[str, Any]) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "int_parsing" | "int_type" | "int_from_float":
            return say("config_int")
        case "float_parsing" | "float_type":
            return say("config_number")
        case "bool_parsing" | "bool_type":
            return say("config_bool")
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            name, bound = next(iter(context.items()))
            return say(f"config_{name}", bound=bound)
        case "literal_error":
            return say("config_one_of", choices=context.get("expected", ""))
        case "string_type" if isinstance(item.get("input"), int | float):  # YAML takes it for a number
            return say("config_quotes")
        case "missing":
            return say("config_missing")
        case "too_short":
            return say("config_too_short")
        case "string_type" | "string_too_short":
            return say("config_string")
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return say("config_section")
        case "tuple_type" | "list_type" | "frozen_set_type" | "set_type":
            return say("config_list")
        case "string_pattern_mismatch":  # the one pattern there is
            return say("config_device")
        case "path_type":
            return say("config_path")
        case "value_error":
            return str(context.get("error", item["msg"]))
        case _:
            return str(item["msg"])
