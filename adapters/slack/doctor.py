"""What is missing or wrong in the set-up, found out by asking Slack: for `parley check`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.asking import ClientFactory, SlackAway, asking
from adapters.slack.client import SlackRefused
from adapters.slack.installations import Installations
from adapters.slack.manifest import (
    CALLBACK_PATH,
    ESSENTIAL,
    ESSENTIAL_EVENTS,
    EVENTS,
    EVENTS_PATH,
    INSTALL_PATH,
    SCOPES,
    address,
)
from adapters.slack.settings import SlackSettings
from adapters.slack.texts import TEXTS as SAID
from core.errors import ParleyError, RateLimited

Kind = Literal["fine", "hint", "fault"]
Both = tuple[str, str]  # English and Chinese

_APP_TOKEN = re.compile(r"xapp-\d+-(A[A-Z0-9]+)-")  # it names its app

_SKEW = 60.0  # seconds; from 300 on Slack's requests are refused as stale
_STALE = 240.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `name` is that of its text, a fact may be a pair of English and Chinese."""

    kind: Kind
    name: str
    facts: Mapping[str, str | Both] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """The sentence in "en" or "zh"."""
        which = language == "zh"
        facts = {name: fact[which] if isinstance(fact, tuple) else fact for name, fact in self.facts.items()}
        return TEXTS[self.name][which].format(**facts)


@dataclass(frozen=True, slots=True)
class _Pass:
    """A token: what it is called, and where another one is found."""

    name: Both
    remedy: Both


async def examine(
    settings: SlackSettings,
    client_factory: ClientFactory,
    *,
    installations: Installations | None = None,
    guests_may_ask: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> tuple[Finding, ...]:
    """Everything that can be told from the settings and from what Slack answers; raises nothing that Slack causes.

    Where workspaces install the app themselves, theirs are looked at if `installations` knows them.
    """
    visit = _Visit(settings, client_factory, guests_may_ask=guests_may_ask, now=now)
    visit.findings += _configured(settings)
    try:
        await visit.tokens(installations)
        await visit.socket()
        await visit.manifest()
    except SlackAway as error:
        visit.add("fault", "away", api=settings.api_url, problem=(error.detail, _in_chinese(error.detail)))
    return tuple(visit.findings)


# ------------------------------------------------------------------------------------------------ what is configured


def _configured(settings: SlackSettings) -> Iterator[Finding]:
    if not settings.is_socket:
        if not settings.signing_secret.strip():
            yield Finding("fault", "no_signing_secret")
        if not settings.public_url:
            yield Finding("fault", "no_public_url")
    if settings.public_url and not settings.public_url.startswith("https://"):
        yield Finding("hint" if settings.is_socket else "fault", "plain_public_url", {"url": settings.public_url})
    if settings.bot_token and settings.client_id:
        yield Finding("hint", "unused_client_id")
    if not (settings.bot_token or settings.client_id):
        yield Finding("fault", "no_token")
    if settings.is_installable:
        yield from _installable(settings)


def _installable(settings: SlackSettings) -> Iterator[Finding]:
    if not settings.client_secret:
        yield Finding("fault", "no_client_secret")
    if not settings.workspaces:
        yield Finding("fault", "nobody_may_install")
    if not settings.public_url.startswith("https://"):
        yield Finding("fault", "install_needs_https")


# ------------------------------------------------------------------------------------------------- what Slack answers


class _Visit:
    """One round of questions. A refusal is a finding; SlackAway ends the round."""

    def __init__(
        self,
        settings: SlackSettings,
        client_factory: ClientFactory,
        *,
        guests_may_ask: bool,
        now: Callable[[], datetime],
    ) -> None:
        self.findings: list[Finding] = []
        self._settings = settings
        self._client_factory = client_factory
        self._guests_may_ask = guests_may_ask
        self._now = now
        named = _APP_TOKEN.match(settings.app_token)
        self._app_id = named[1] if named else ""
        self._has_clock = False

    def add(self, kind: Kind, name: str, /, **facts: str | Both) -> None:
        self.findings.append(Finding(kind, name, facts))

    async def tokens(self, installations: Installations | None) -> None:
        settings = self._settings
        if settings.bot_token:
            await self._token(settings.bot_token, _BOT)
        elif settings.is_installable and installations is None:
            self.add("hint", "installs_unseen")
        elif settings.is_installable and installations is not None:
            for workspace in sorted(settings.workspaces):
                await self._installed(workspace, installations)

    async def socket(self) -> None:
        """docs.slack.dev, "apps.connections.open": needs connections:write; the address it gives is left unused."""
        token = self._settings.app_token
        if token and await self._asked("apps.connections.open", token, _APP, app_token=token) is not None:
            self.add("fine", "socket_ok")

    async def manifest(self) -> None:
        """docs.slack.dev, "apps.manifest.export": with a configuration token, which lives for 12 hours."""
        token = self._settings.config_token
        if not token:
            self.add("hint", "events_unseen")
            return
        if not self._app_id:
            self.add("hint", "app_unknown")
            return
        answer = await self._asked("apps.manifest.export", token, _CONFIG, kind="hint", app_id=self._app_id)
        if answer is not None:
            exported = answer.get("manifest")
            differences = tuple(_differences(exported if isinstance(exported, Mapping) else {}, self._settings))
            self.findings += differences or (Finding("fine", "manifest_ok"),)

    async def _installed(self, workspace: str, installations: Installations) -> None:
        try:
            bot = await installations.of_workspace(workspace)
        except ParleyError:
            self.add("hint", "installs_unseen")
            return
        if bot is None:
            self.add("hint", "not_installed", workspace=workspace, url=address(self._settings, INSTALL_PATH))
        else:
            name = (f"The token of {workspace}", f"{workspace} 的令牌")
            await self._token(bot.token, _Pass(name, _INSTALL_AGAIN))

    async def _token(self, token: str, which: _Pass) -> None:
        answer = await self._asked("auth.test", token, which)
        if answer is None:
            return
        self._clock(answer)
        team, name = str(answer.get("team_id") or answer.get("enterprise_id") or ""), str(answer.get("team") or "")
        if not answer.get("bot_id"):
            self.add("fault", "no_bot", token=which.name)
            return
        self.add("fine", "bot_ok", bot=str(answer.get("user") or ""), name=name, workspace=team)
        if self._settings.workspaces and team not in self._settings.workspaces:
            self.add("fault", "foreign_workspace", workspace=team)
        if token.startswith("xoxe.") and token == self._settings.bot_token:
            self.add("fault", "rotating_token")
        self._scopes(_scopes_of(answer.headers), team)
        await self._app(token, str(answer["bot_id"]))

    def _scopes(self, scopes: frozenset[str], workspace: str) -> None:
        if not scopes:
            self.add("hint", "scopes_unseen")
            return
        missing = [scope for scope in SCOPES if scope not in scopes]
        for scope in missing:
            if scope == "users:read" and not self._guests_may_ask:
                self.add("fault", "members_unknown", workspace=workspace)
                continue
            kind: Kind = "fault" if scope in ESSENTIAL else "hint"
            self.add(kind, "scope_missing", workspace=workspace, scope=scope, why=SCOPES[scope])
        if not missing:
            self.add("fine", "scopes_ok", workspace=workspace, count=str(len(SCOPES)))

    async def _app(self, token: str, bot_id: str) -> None:
        """docs.slack.dev, "bots.info": which app the bot belongs to."""
        try:
            with asking("bots.info"):
                answer = await self._client_factory(token).bots_info(bot=bot_id)
        except (SlackRefused, RateLimited):  # without users:read: that was said before
            return
        described = answer.get("bot")
        app_id = str(described.get("app_id") or "") if isinstance(described, Mapping) else ""
        if app_id and self._app_id and app_id != self._app_id:
            self.add("fault", "other_app", app=self._app_id, bot_app=app_id)
        self._app_id = app_id or self._app_id

    def _clock(self, answer: AsyncSlackResponse) -> None:
        """Slack asks to refuse what is five minutes old (docs.slack.dev, "Verifying requests from Slack")."""
        if self._has_clock or self._settings.is_socket:
            return
        try:
            theirs = parsedate_to_datetime(str(answer.headers.get("Date")))
            seconds = (self._now() - theirs).total_seconds()
        except (TypeError, ValueError):
            return
        self._has_clock = True
        if abs(seconds) > _SKEW:
            direction = ("ahead", "快") if seconds > 0 else ("behind", "慢")
            kind: Kind = "fault" if abs(seconds) > _STALE else "hint"
            self.add(kind, "clock", seconds=f"{abs(seconds):.0f}", direction=direction)

    async def _asked(
        self, method: str, token: str, which: _Pass, *, kind: Kind = "fault", **arguments: str
    ) -> AsyncSlackResponse | None:
        """Slack's answer; None where it refused, which is a finding of this kind then."""
        try:
            with asking(method):
                call = getattr(self._client_factory(token), method.replace(".", "_"))
                answer: AsyncSlackResponse = await call(**arguments)
                return answer
        except RateLimited as error:
            self.add("hint", "limited", method=method, seconds=f"{error.retry_after.total_seconds():.0f}")
        except SlackRefused as error:
            self._refused(method, error.code, which, kind)
        return None

    def _refused(self, method: str, code: str, which: _Pass, kind: Kind) -> None:
        if method == "apps.connections.open" and code in ("missing_scope", "no_permission"):
            self.add(kind, "app_scope")
        elif code in _TOKEN_CODES:
            self.add(kind, "token_refused", token=which.name, code=code, why=_TOKEN_CODES[code], remedy=which.remedy)
        else:
            why = _CODES.get(code, _UNKNOWN_CODE)
            self.add(kind, "refused", method=method, code=code, why=why)


def _scopes_of(headers: Mapping[str, Any]) -> frozenset[str]:
    """What a token may do: each answer tells it in x-oauth-scopes (docs.slack.dev, "Scopes")."""
    return frozenset(filter(None, str(headers.get("x-oauth-scopes", "")).replace(" ", "").split(",")))


def _differences(exported: Mapping[str, Any], settings: SlackSettings) -> Iterator[Finding]:
    """What the app's own manifest has otherwise than ours, as far as it matters to us."""
    events = _at(exported, "settings", "event_subscriptions", "bot_events") or []
    for event in EVENTS:
        if event not in events:
            kind: Kind = "fault" if event in ESSENTIAL_EVENTS else "hint"
            yield Finding(kind, "event_missing", {"event": event, "why": EVENTS[event]})
    if bool(_at(exported, "settings", "socket_mode_enabled")) is not settings.is_socket:
        yield Finding("fault", "socket_off" if settings.is_socket else "socket_on")
    if not _at(exported, "settings", "interactivity", "is_enabled"):
        yield Finding("fault", "no_interactivity")
    yield from _command(exported, settings)
    if not settings.is_socket and settings.public_url:
        yield from _addresses(exported, address(settings, EVENTS_PATH))
    yield from _home(exported)
    if settings.is_installable and settings.public_url:
        yield from _install(exported, address(settings, CALLBACK_PATH))


def _command(exported: Mapping[str, Any], settings: SlackSettings) -> Iterator[Finding]:
    listed = _at(exported, "features", "slash_commands") or []
    commands = {command.get("command"): command for command in listed if isinstance(command, Mapping)}
    if settings.command not in commands:
        yield Finding("hint", "no_command", {"command": settings.command})
    elif not settings.is_socket and settings.public_url:
        expected, url = address(settings, EVENTS_PATH), str(commands[settings.command].get("url") or "")
        yield from _same("command", url, expected)


def _addresses(exported: Mapping[str, Any], expected: str) -> Iterator[Finding]:
    yield from _same("events", str(_at(exported, "settings", "event_subscriptions", "request_url") or ""), expected)
    if _at(exported, "settings", "interactivity", "is_enabled"):
        yield from _same("clicks", str(_at(exported, "settings", "interactivity", "request_url") or ""), expected)


def _same(what: str, url: str, expected: str) -> Iterator[Finding]:
    if url.rstrip("/") != expected:
        yield Finding("fault", "other_url", {"what": _WHAT[what], "url": url or "–", "expected": expected})


def _home(exported: Mapping[str, Any]) -> Iterator[Finding]:
    home = _at(exported, "features", "app_home") or {}
    if not home.get("messages_tab_enabled") or home.get("messages_tab_read_only_enabled"):
        yield Finding("fault", "no_messages_tab")
    if not _at(exported, "features", "agent_view"):
        yield Finding("hint", "no_agent_view")


def _install(exported: Mapping[str, Any], expected: str) -> Iterator[Finding]:
    urls = _at(exported, "oauth_config", "redirect_urls") or []
    if not any(expected.startswith(str(url).rstrip("/")) for url in urls):
        yield Finding("fault", "no_redirect_url", {"expected": expected})
    if not _at(exported, "settings", "token_rotation_enabled"):
        yield Finding("hint", "no_rotation")


def _in_chinese(problem: str) -> str:
    for english, chinese in _AWAY.items():
        problem = problem.replace(english, chinese)
    return problem


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# ---------------------------------------------------------------------------------------------------------- the words

_WHAT: Final[Mapping[str, Both]] = {
    "events": ("events", "事件"),
    "clicks": ("clicks", "点击"),
    "command": ("the slash command", "斜杠命令"),
}

_AWAY: Final[Mapping[str, str]] = {
    "no connection": "无法建立连接",
    "no answer in time": "没有按时回应",
    "the connection broke": "连接中断",
    "gave an answer that cannot be read": "的回应无法读取",
}

_BOT: Final = _Pass(
    ("The bot token (PARLEY_SLACK_BOT_TOKEN)", "Bot Token（PARLEY_SLACK_BOT_TOKEN）"),
    (
        "Copy the Bot User OAuth Token again from OAuth & Permissions of your app on api.slack.com/apps; where there "
        "is none, press Install to Workspace there.",
        "请在 api.slack.com/apps 上打开您的应用，从 OAuth & Permissions 重新复制 Bot User OAuth Token；"
        "如果那里没有，请点 Install to Workspace。",
    ),
)
_INSTALL_AGAIN: Final[Both] = ("Install the app in this workspace again.", "请在该工作区重新安装应用。")
_APP: Final = _Pass(
    ("The app token (PARLEY_SLACK_APP_TOKEN)", "App Token（PARLEY_SLACK_APP_TOKEN）"),
    (
        "Copy it again from Basic Information, App-Level Tokens; it begins with xapp-.",
        "请从 Basic Information → App-Level Tokens 重新复制；它以 xapp- 开头。",
    ),
)
_CONFIG: Final = _Pass(
    ("The configuration token (PARLEY_SLACK_CONFIG_TOKEN)", "配置令牌（PARLEY_SLACK_CONFIG_TOKEN）"),
    (
        "It is valid for 12 hours. Generate another one under Your App Configuration Tokens on api.slack.com/apps, in "
        "the workspace the app belongs to; Parley itself runs without one.",
        "它的有效期为 12 小时。请在 api.slack.com/apps 的 Your App Configuration Tokens 中为应用所属的工作区"
        "重新生成；Parley 运行本身不需要它。",
    ),
)

# docs.slack.dev, "Errors" of auth.test, apps.connections.open and apps.manifest.export.
_TOKEN_CODES: Final[Mapping[str, Both]] = {
    "account_inactive": (
        "the app was removed from its workspace, or the workspace is gone",
        "应用已从工作区移除，或工作区已不存在",
    ),
    "invalid_auth": (
        "it is wrong, was copied incompletely, or may not be used from this network",
        "令牌有误、复制不完整，或不允许从当前网络使用",
    ),
    "not_allowed_token_type": ("it is another kind of token", "这是另一种令牌"),
    "not_authed": ("it is empty", "令牌为空"),
    "token_expired": ("it has expired", "令牌已过期"),
    "token_revoked": ("it was revoked", "令牌已被撤销"),
}
_CODES: Final[Mapping[str, Both]] = {
    "access_denied": ("the token may not see this app", "该令牌无权查看这个应用"),
    "accesslimited": (
        "this network is not on the list of addresses that the app or workspace allows",
        "当前网络不在应用或工作区允许的地址列表中",
    ),
    "app_not_eligible": ("Slack gives no manifest of this app", "Slack 不提供该应用的清单（manifest）"),
    "app_not_found": ("the token belongs to another workspace than the app", "该令牌与应用不属于同一个工作区"),
    "enterprise_is_restricted": ("the organisation forbids it", "企业组织禁止此操作"),
    "failed_export": ("Slack could not write the manifest; try again", "Slack 未能导出应用清单；请重试"),
    "invalid_app_id": ("the token belongs to another workspace than the app", "该令牌与应用不属于同一个工作区"),
    "missing_scope": (
        "the token lacks a scope; add it under OAuth & Permissions and install the app again",
        "令牌缺少权限；请在 OAuth & Permissions 中添加并重新安装应用",
    ),
    "no_permission": ("the token may not do this", "该令牌无权执行此操作"),
    "org_login_required": (
        "the workspace is being moved to an organisation; try again later",
        "工作区正在迁移到企业组织；请稍后再试",
    ),
    "team_access_not_granted": (
        "the app was not granted access to this workspace; an administrator of its organisation can change that",
        "应用未获准进入该工作区；请联系企业组织的管理员",
    ),
}
_UNKNOWN_CODE: Final[Both] = (
    "the page of this method on docs.slack.dev explains the code",
    "docs.slack.dev 上该方法的页面对此代码有说明",
)

TEXTS: Final[Mapping[str, Both]] = {
    "no_signing_secret": SAID["no_signing_secret"],
    "no_public_url": (
        "slack.public_url is empty, so Slack cannot be told where to send events. Set it to this server's https "
        "address, or set PARLEY_SLACK_APP_TOKEN: Socket Mode needs no address.",
        "slack.public_url 为空，因此无法告诉 Slack 把事件发送到哪里。请设为本服务器的 https 地址；"
        "或设置 PARLEY_SLACK_APP_TOKEN：Socket Mode 不需要地址。",
    ),
    "plain_public_url": (
        "slack.public_url is {url}: Slack only sends to https addresses. Put a TLS proxy in front, or use Socket "
        "Mode, which needs no address.",
        "slack.public_url 为 {url}：Slack 只向 https 地址发送。请在前面加 TLS 代理，或使用不需要地址的 Socket Mode。",
    ),
    "no_token": (
        "There is no token: set PARLEY_SLACK_BOT_TOKEN for one workspace, or slack.client_id and "
        "PARLEY_SLACK_CLIENT_SECRET so that several can install the app.",
        "没有令牌：单个工作区请设置 PARLEY_SLACK_BOT_TOKEN；多个工作区自行安装请设置 slack.client_id 和 "
        "PARLEY_SLACK_CLIENT_SECRET。",
    ),
    "unused_client_id": (
        "slack.client_id is not used while PARLEY_SLACK_BOT_TOKEN is set: the token serves its one workspace.",
        "设置了 PARLEY_SLACK_BOT_TOKEN 时不使用 slack.client_id：该令牌只服务它自己的工作区。",
    ),
    "no_client_secret": (
        "PARLEY_SLACK_CLIENT_SECRET is empty, so no workspace can install the app. Copy it from Basic "
        "Information, App Credentials.",
        "PARLEY_SLACK_CLIENT_SECRET 为空，因此任何工作区都无法安装应用。"
        "请从 Basic Information → App Credentials 复制。",
    ),
    "nobody_may_install": (
        "access.slack.workspaces is empty, so no workspace may install the app: otherwise anybody could use these "
        "machines. List the workspaces' ids (T…) in app.yaml.",
        "access.slack.workspaces 为空，因此不允许任何工作区安装应用：否则任何人都能使用这些机器。"
        "请在 app.yaml 中列出工作区的 ID（T…）。",
    ),
    "install_needs_https": (
        "Installing needs slack.public_url to be an https address: people come back to it from Slack.",
        "安装功能要求 slack.public_url 是 https 地址：用户会从 Slack 跳转回来。",
    ),
    "away": (
        "Slack cannot be reached at {api} ({problem}). Check that this machine may open https connections there, and "
        "HTTPS_PROXY where it needs a proxy; status.slack.com tells whether Slack itself is down.",
        "无法连接 Slack：{api}（{problem}）。请检查本机是否可以建立到该地址的 https 连接；需要代理时请设置 "
        "HTTPS_PROXY。Slack 自身的状态见 status.slack.com。",
    ),
    "limited": (
        "Slack limits {method} right now. Check again in {seconds} s.",
        "Slack 目前限制调用 {method}。请在 {seconds} 秒后重新检查。",
    ),
    "token_refused": (
        "{token} was refused ({code}): {why}. {remedy}",
        "{token}被拒绝（{code}）：{why}。{remedy}",
    ),
    "refused": ("Slack refused {method} ({code}): {why}.", "Slack 拒绝了 {method}（{code}）：{why}。"),
    "no_bot": (
        "{token} does not belong to a bot. Use the Bot User OAuth Token, which begins with xoxb-.",
        "{token}不属于机器人。请使用以 xoxb- 开头的 Bot User OAuth Token。",
    ),
    "bot_ok": ("@{bot} is in {name} ({workspace})", "@{bot} 已加入 {name}（{workspace}）"),
    "foreign_workspace": (
        "{workspace} is not in access.slack.workspaces, so nobody there is answered. Add it in app.yaml.",
        "{workspace} 不在 access.slack.workspaces 中，因此不会回答那里的任何人。请在 app.yaml 中加入。",
    ),
    "rotating_token": (
        "PARLEY_SLACK_BOT_TOKEN expires within 12 hours, because the app has token rotation on, and only installed "
        "tokens can be renewed. Use slack.client_id and PARLEY_SLACK_CLIENT_SECRET instead, or an app "
        "without token rotation.",
        "应用开启了令牌轮换，PARLEY_SLACK_BOT_TOKEN 会在 12 小时内过期，而只有通过安装得到的令牌才能续期。"
        "请改用 slack.client_id 和 PARLEY_SLACK_CLIENT_SECRET，或使用未开启令牌轮换的应用。",
    ),
    "scope_missing": (
        "The scope {scope} is missing in {workspace}: without it, Parley cannot {why}. Add it under OAuth & "
        "Permissions (`parley slack manifest` has them all), and install the app again.",
        "{workspace} 缺少权限 {scope}：没有它，Parley 无法{why}。请在 OAuth & Permissions 中添加"
        "（`parley slack manifest` 包含全部权限），然后重新安装应用。",
    ),
    "members_unknown": (
        "The scope users:read is missing in {workspace}: without it everybody counts as a guest, so nobody is "
        "answered. Add it under OAuth & Permissions and install the app again, or set access.slack.guests to true.",
        "{workspace} 缺少权限 users:read：没有它，所有人都算访客，因此谁都得不到回答。"
        "请在 OAuth & Permissions 中添加并重新安装应用，或把 access.slack.guests 设为 true。",
    ),
    "scopes_ok": ("{workspace} has granted all {count} scopes", "{workspace} 已授予全部 {count} 项权限"),
    "scopes_unseen": (
        "Slack did not say which scopes the token has. Compare OAuth & Permissions with `parley slack manifest`.",
        "Slack 没有说明令牌有哪些权限。请将 OAuth & Permissions 与 `parley slack manifest` 对照。",
    ),
    "clock": (
        "This machine's clock is {seconds} s {direction}. Slack's requests are refused from 300 s on: set the clock "
        "(NTP).",
        "本机时钟{direction}了 {seconds} 秒。相差 300 秒以上时 Slack 的请求会被拒绝：请校准时钟（NTP）。",
    ),
    "not_installed": (
        "{workspace} has not installed the app yet: open {url} in a browser.",
        "{workspace} 尚未安装应用：请在浏览器中打开 {url}。",
    ),
    "installs_unseen": (
        "The tokens of workspaces that installed the app themselves were not checked: they are sealed in the database, "
        "which could not be read from here. Set DATABASE_URL and PARLEY_KEYS to have them checked: an embedded "
        "database is not looked into.",
        "没有检查各工作区自行安装得到的令牌：它们加密保存在数据库中，这里无法读取。"
        "设置 DATABASE_URL 和 PARLEY_KEYS 后即可检查；内置数据库不在检查范围内。",
    ),
    "socket_ok": ("Socket Mode accepts the app token", "Socket Mode 接受该 App Token"),
    "app_scope": (
        "PARLEY_SLACK_APP_TOKEN lacks the scope connections:write. Generate another one that has it under Basic "
        "Information, App-Level Tokens.",
        "PARLEY_SLACK_APP_TOKEN 缺少权限 connections:write。请在 Basic Information → App-Level Tokens 中"
        "重新生成带有该权限的令牌。",
    ),
    "other_app": (
        "PARLEY_SLACK_APP_TOKEN belongs to the app {app}, the bot token to {bot_app}: events of one would be answered "
        "as the other. Take both from the same app.",
        "PARLEY_SLACK_APP_TOKEN 属于应用 {app}，而 Bot Token 属于 {bot_app}：收到的是一个应用的事件，"
        "却会以另一个应用的身份回答。请从同一个应用获取两者。",
    ),
    "events_unseen": (
        "A bot token cannot see which events the app is subscribed to. If Parley does not hear you, compare Event "
        "Subscriptions on api.slack.com/apps with `parley slack manifest`; or set PARLEY_SLACK_CONFIG_TOKEN (Your "
        "App Configuration Tokens, same page) and check again.",
        "Bot Token 看不到应用订阅了哪些事件。如果 Parley 收不到消息，请将 api.slack.com/apps 的 Event Subscriptions "
        "与 `parley slack manifest` 对照；或设置 PARLEY_SLACK_CONFIG_TOKEN"
        "（同一页面的 Your App Configuration Tokens）后重新检查。",
    ),
    "app_unknown": (
        "Which app this is could not be found out (that takes the scope users:read), so its manifest was not checked.",
        "无法得知这是哪个应用（需要权限 users:read），因此没有检查它的应用清单。",
    ),
    "manifest_ok": ("The app's manifest has everything Parley needs", "应用清单满足 Parley 的全部需要"),
    "event_missing": (
        "The app is not subscribed to {event}: without it, Parley cannot {why}. Add it under Event Subscriptions, "
        "Subscribe to bot events.",
        "应用没有订阅 {event}：没有它，Parley 无法{why}。请在 Event Subscriptions → Subscribe to bot events 中添加。",
    ),
    "socket_off": (
        "PARLEY_SLACK_APP_TOKEN is set, but the app's Socket Mode is off, so no events arrive. Switch it on.",
        "设置了 PARLEY_SLACK_APP_TOKEN，但应用没有开启 Socket Mode，因此收不到事件。请开启它。",
    ),
    "socket_on": (
        "The app's Socket Mode is on, so Slack sends nothing over HTTP. Switch it off, or set PARLEY_SLACK_APP_TOKEN.",
        "应用开启了 Socket Mode，因此 Slack 不会通过 HTTP 发送任何内容。请关闭它，或设置 PARLEY_SLACK_APP_TOKEN。",
    ),
    "no_interactivity": (
        "Interactivity is off, so the buttons that rate, regenerate and stop an answer do nothing. Switch it on "
        "under Interactivity & Shortcuts.",
        "没有开启交互功能，因此评价、重新回答和停止按钮都不起作用。请在 Interactivity & Shortcuts 中开启。",
    ),
    "other_url": (
        "Slack sends {what} to {url}; Parley listens at {expected}. Change it in the app's settings.",
        "Slack 把{what}发送到 {url}，而 Parley 的地址是 {expected}。请在应用设置中修改。",
    ),
    "no_command": (
        "The app has no slash command {command}. Add it under Slash Commands, or set slack.command to the one it has.",
        "应用没有斜杠命令 {command}。请在 Slash Commands 中添加，或把 slack.command 设为已有的命令。",
    ),
    "no_messages_tab": (
        "People cannot write to the app directly: under App Home, switch on Messages Tab and let users send messages "
        "there.",
        "用户无法直接给应用发消息：请在 App Home 中开启 Messages Tab 并允许用户发送消息。",
    ),
    "no_agent_view": (
        "The app is not set up as an agent, so it has no place of its own in Slack's top bar. Switch it on under "
        "Agents, as in `parley slack manifest`.",
        "应用没有设置为 agent，因此在 Slack 顶栏没有入口。请按 `parley slack manifest` 在 Agents 中开启。",
    ),
    "no_redirect_url": (
        "Slack will not send people back to {expected} after an install. Add it under OAuth & Permissions, Redirect "
        "URLs.",
        "安装后 Slack 不会跳转回 {expected}。请在 OAuth & Permissions → Redirect URLs 中添加。",
    ),
    "no_rotation": (
        "Token rotation is off, so installed tokens never expire. Once on, it cannot be switched off again; Parley "
        "then renews them by itself.",
        "没有开启令牌轮换，因此安装得到的令牌永不过期。开启后无法再关闭；届时 Parley 会自动续期。",
    ),
}
