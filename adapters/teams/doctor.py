"""What is missing or wrong in the set-up, found out by asking Microsoft: for `parley check`."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.teams.errors import NotLetIn
from adapters.teams.settings import TeamsSettings
from core.errors import ChannelError

Kind = Literal["fine", "hint", "fault"]
Both = tuple[str, str]  # English and Chinese


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `name` is that of its text."""

    kind: Kind
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """The sentence in "en" or "zh"."""
        return TEXTS[self.name][language == "zh"].format(**self.facts)


async def examine(
    settings: TeamsSettings, check: Callable[[], Awaitable[None]], *, endpoint: str, has_rule: bool
) -> tuple[Finding, ...]:
    """Everything that can be told from the settings and from what Microsoft answers; raises nothing that it causes.

    `check` is TeamsClient's. `endpoint` is the https address that Azure is to be given, "" where it is not known;
    `has_rule` tells whether somebody decided who may ask. An id that is missing keeps the door shut, and is no finding.
    """
    if not settings.app_id:
        return tuple(_undressed(settings))
    return (*await _asked(settings, check), *_configured(settings, endpoint=endpoint, has_rule=has_rule))


def _undressed(settings: TeamsSettings) -> Iterator[Finding]:
    if settings.is_dev:
        yield Finding("hint", "nobody_verified")


def _configured(settings: TeamsSettings, *, endpoint: str, has_rule: bool) -> Iterator[Finding]:
    yield Finding("fine", "endpoint", {"url": endpoint}) if endpoint else Finding("fault", "no_public_url")
    if settings.is_dev:
        yield Finding("hint", "dev")
    if not has_rule:
        yield Finding("hint", "no_rule", {"tenant": settings.tenant_id})


async def _asked(settings: TeamsSettings, check: Callable[[], Awaitable[None]]) -> tuple[Finding, ...]:
    if not settings.tenant_id:
        return ()
    try:
        await check()
    except NotLetIn as error:
        return (_refused(settings, error),)
    except ChannelError as error:
        return (Finding("fault", "no_keys", {"url": settings.keys_url, "problem": error.detail}),)
    return (Finding("fine", "identity_ok" if settings.has_managed_identity else "let_in", {"app": settings.app_id}),)


def _refused(settings: TeamsSettings, error: NotLetIn) -> Finding:
    facts = {"app": settings.app_id, "tenant": settings.tenant_id, "url": settings.login_url, "problem": error.detail}
    if settings.has_managed_identity:
        return Finding("fault", "no_identity", facts)
    return Finding("fault", error.code if error.code in _REFUSALS else "rejected", facts)


# What Microsoft's sign-in may say, by the code of NotLetIn.
_REFUSALS: Final[Mapping[str, Both]] = {
    "wrong_password": (
        "PARLEY_TEAMS_APP_PASSWORD is wrong. It takes the secret's Value, which Azure shows once, and not its Secret "
        "ID: make another one under Certificates & secrets of the bot's app registration.",
        "PARLEY_TEAMS_APP_PASSWORD 不正确。要填客户端密码的“值”（Value，Azure 只显示一次），"
        "而不是“机密 ID”（Secret ID）。"
        "请在机器人的应用注册的“证书和密码”（Certificates & secrets）中新建一个。",
    ),
    "expired_password": (
        "PARLEY_TEAMS_APP_PASSWORD has expired. Make a new client secret under Certificates & secrets of the bot's app "
        "registration, set it and start again.",
        "PARLEY_TEAMS_APP_PASSWORD 已过期。"
        "请在机器人的应用注册的“证书和密码”（Certificates & secrets）中新建客户端密码，"
        "设置后重新启动。",
    ),
    "unknown_app": (
        "The tenant {tenant} has no app {app}. Copy Microsoft App ID and App Tenant ID again, both from Configuration "
        "of the Azure Bot, into teams.app_id and teams.tenant_id.",
        "租户 {tenant} 中没有应用 {app}。请从 Azure Bot 的“配置”（Configuration）页面重新复制 Microsoft App ID 和 "
        "App Tenant ID，分别填入 teams.app_id 和 teams.tenant_id。",
    ),
    "unknown_tenant": (
        "There is no tenant {tenant}. Copy App Tenant ID from Configuration of the Azure Bot into teams.tenant_id.",
        "没有租户 {tenant}。请从 Azure Bot 的“配置”（Configuration）页面复制 App Tenant ID，填入 teams.tenant_id。",
    ),
    "unreachable": (
        "Microsoft's sign-in cannot be reached at {url} ({problem}). Check that this machine may open https "
        "connections there.",
        "无法连接 Microsoft 登录服务：{url}（{problem}）。请检查本机是否可以建立到该地址的 https 连接。",
    ),
    "rejected": (
        "Microsoft does not let the bot in: {problem}.",
        "Microsoft 拒绝了机器人的登录：{problem}。请检查 teams.app_id、teams.tenant_id 和 PARLEY_TEAMS_APP_PASSWORD。",
    ),
}

TEXTS: Final[Mapping[str, Both]] = {
    **_REFUSALS,
    "no_identity": (
        "PARLEY_TEAMS_APP_PASSWORD is not set, so the managed identity {app} is asked for, and this machine does not "
        "get it ({problem}). For a bot of the type Single Tenant set the password; for User-Assigned Managed Identity "
        "run Parley on a machine in Azure that the identity is assigned to.",
        "没有设置 PARLEY_TEAMS_APP_PASSWORD，因此使用托管标识 {app}，但本机无法取得它（{problem}）。"
        "“单租户”（Single Tenant）类型的机器人请设置密码；"
        "“用户分配的托管标识”（User-Assigned Managed Identity）类型的，"
        "请在已分配该标识的 Azure 机器上运行 Parley。",
    ),
    "no_keys": (
        "Microsoft's keys could not be fetched from {url} ({problem}), and without them nobody in Teams is believed. "
        "Check that this machine may open https connections there, and teams.keys_url.",
        "无法从 {url} 取得 Microsoft 的密钥（{problem}），没有它们就无法确认请求来自 Teams。"
        "请检查本机是否可以建立到该地址的 https 连接，以及 teams.keys_url。",
    ),
    "let_in": ("Microsoft lets the bot {app} in", "Microsoft 接受机器人 {app} 的登录"),
    "identity_ok": (
        "Microsoft lets the bot {app} in by its managed identity",
        "Microsoft 通过托管标识接受机器人 {app} 的登录",
    ),
    "endpoint": (
        "the Messaging endpoint of the Azure Bot has to be {url}; Azure does not tell whether it is",
        "Azure Bot 的“消息传送终结点”（Messaging endpoint）应为 {url}；是否如此无法从这里查到",
    ),
    "no_public_url": (
        "teams.public_url is empty. Set it to the https address by which Microsoft reaches this server: the Azure "
        "Bot's Messaging endpoint is that address with /channels/teams, and `parley teams package` needs it.",
        "teams.public_url 为空。请设为 Microsoft 访问本服务器所用的 https 地址：Azure Bot 的“消息传送终结点”"
        "（Messaging endpoint）是该地址加上 /channels/teams，`parley teams package` 也需要它。",
    ),
    "no_rule": (
        "access.teams is not set: everybody in the tenant {tenant} may ask; guests and other companies' people may not",
        "没有设置 access.teams：租户 {tenant} 中的所有人都可以提问；访客和其他公司的人不可以",
    ),
    "dev": (
        "teams.dev is true: answers, and the bot's token with them, may also go to this machine. Set it to false where "
        "people use it.",
        "teams.dev 为 true：回答以及机器人的令牌也可能发往本机。正式使用时请设为 false。",
    ),
    "nobody_verified": (
        "teams.dev is true and there is no teams.app_id: nobody is verified, and only what runs on this machine, such "
        "as the Agents Playground, is answered",
        "teams.dev 为 true 且没有 teams.app_id：不验证任何请求，只回答本机上运行的程序，例如 Agents Playground",
    ),
}
