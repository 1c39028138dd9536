"""What is missing or wrong in the set-up, found out by asking WeCom and ourselves: for `parley check`."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_hex
from time import monotonic, time
from typing import Final, Literal

from aiohttp import ClientConnectorDNSError, ClientError, ClientSession, ClientSSLError, ClientTimeout

from adapters.wecom.api import Agent
from adapters.wecom.crypto import Crypto
from adapters.wecom.errors import UNTRUSTED_IP, WRONG_BOT, WRONG_SECRET, NotLetIn, NotSent, WecomRefused
from adapters.wecom.settings import AppSettings, BotSettings, Callback
from core.errors import ChannelError, Misconfigured, NotStored
from core.ports import Leader

Kind = Literal["fine", "hint", "fault"]
Both = tuple[str, str]  # English and Chinese

_WRONG_CORP = 40013
_WRONG_AGENT = frozenset({40056, 301002})
_TIMEOUT = ClientTimeout(total=10, sock_connect=5)
_PROMPT = 1.0  # seconds that WeCom waits for the answer to its check of the URL (documents 90238 and 101033)
_LEAD_WITHIN = 1.2  # seconds in which the name of a connection that nobody has is to be had
_AWAY = frozenset({502, 503, 504})  # what a proxy says whose server is not there
_MOST_READ = 1024
# What errors.failure says: both languages, and what belongs to either.
_BOTH = re.compile(r"(.+?) · (.+?)((?: \([0-9a-fA-F.:]+\))? \[errcode -?[0-9]+\])")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `name` is that of its text."""

    kind: Kind
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """The sentence in "en" or "zh"."""
        is_chinese = language == "zh"
        facts = {name: _in_one(fact, is_chinese=is_chinese) for name, fact in self.facts.items()}
        return TEXTS[self.name][is_chinese].format(**facts)


def _in_one(fact: str, *, is_chinese: bool) -> str:
    """What was told in both languages in one of them."""
    both = _BOTH.fullmatch(fact)
    return f"{both[2 if is_chinese else 1]}{both[3]}" if both else fact


async def examine_bot(
    settings: BotSettings,
    check: Callable[[], Awaitable[None]],
    lead: Leader | None,
    *,
    public_url: str,
    has_rule: bool,
) -> tuple[Finding, ...]:
    """Everything that can be told of the AI bot; raises nothing that WeCom or the network causes.

    `check` is Connection's, and ends any connection of this bot: it is called only while we hold `lead`, the leader's
    name of that connection, so never where a process of ours has it. Without a `lead`, or an id, nothing is tried.
    """
    findings: list[Finding] = []
    if settings.is_socket:
        findings += [await _subscribed(settings, check, lead)] if settings.bot_id else []
        if settings.callback is not None:
            findings.append(Finding("hint", "both_modes"))
    elif settings.callback is not None:
        findings += await _callback(settings.callback, public_url, "/channels/wecom", "bot_page")
    if not has_rule:
        findings.append(Finding("hint", "no_rule", {"access": "access.wecom"}))
    return tuple(findings)


async def examine_app(
    settings: AppSettings, check: Callable[[], Awaitable[Agent]], *, public_url: str, has_rule: bool
) -> tuple[Finding, ...]:
    """Everything that can be told of the self-built app; raises nothing that WeCom or the network causes.

    What is not set at all is not asked for. `check` is Api's.
    """
    is_named = bool(settings.corp_id and settings.agent_id and settings.secret)
    findings = [await _agent(settings, check)] if is_named else []
    findings += await _callback(settings.callback, public_url, "/channels/wecom-app", "app_page")
    if not has_rule:
        findings.append(Finding("hint", "no_rule", {"access": "access.wecom-app"}))
    return tuple(findings)


# ---------------------------------------------------------------------------------------------------------- the bot


async def _subscribed(settings: BotSettings, check: Callable[[], Awaitable[None]], lead: Leader | None) -> Finding:
    facts = {"bot": settings.bot_id, "url": settings.url}
    if lead is None:
        return Finding("hint", "bot_untried", facts)
    try:
        async with asyncio.timeout(_LEAD_WITHIN) as until_held, lead.hold():
            until_held.reschedule(None)
            return await _asked(check, facts)
    except TimeoutError:
        return Finding("fine", "bot_held", facts)
    except NotStored:
        return Finding("hint", "bot_untried", facts)


async def _asked(check: Callable[[], Awaitable[None]], facts: Mapping[str, str]) -> Finding:
    try:
        await check()
    except NotSent as error:
        return Finding("fault", "bot_unreachable", {**facts, "problem": error.detail})
    except ChannelError as error:
        is_wrong = isinstance(error, NotLetIn) and error.code == WRONG_BOT
        return Finding("fault", "wrong_bot" if is_wrong else "bot_refused", {**facts, "problem": _problem(error)})
    return Finding("fine", "bot_ok", facts)


# ---------------------------------------------------------------------------------------------------------- the app


async def _agent(settings: AppSettings, check: Callable[[], Awaitable[Agent]]) -> Finding:
    facts = {"corp": settings.corp_id, "agent": str(settings.agent_id), "url": settings.api_url}
    try:
        agent = await check()
    except (NotLetIn, WecomRefused) as error:
        named = {WRONG_SECRET: "wrong_secret", _WRONG_CORP: "wrong_corp", UNTRUSTED_IP: "untrusted_ip"}
        name = "wrong_agent" if error.code in _WRONG_AGENT else named.get(error.code, "app_refused")
        return Finding("fault", name, {**facts, "problem": _problem(error)})
    except NotSent as error:
        return Finding("fault", "app_unreachable", {**facts, "problem": error.detail})
    except ChannelError as error:
        return Finding("fault", "app_refused", {**facts, "problem": _problem(error)})
    facts["name"] = agent.name
    return Finding("fault", "app_closed", facts) if agent.is_closed else Finding("fine", "app_ok", facts)


def _problem(error: ChannelError) -> str:
    return error.detail or type(error).__name__


# ----------------------------------------------------------------------------------------------------- the callback


async def _callback(callback: Callback, public_url: str, path: str, page: str) -> list[Finding]:
    """What has to be entered in the admin console, and whether we answer there as WeCom wants it."""
    if not (callback.token and callback.aes_key):
        return []
    if not public_url:
        return [Finding("hint", "no_public_url", {"path": path})]
    url = f"{public_url.rstrip('/')}{path}"
    entered = Finding("fine", page, {"url": url})
    try:
        crypto = Crypto(callback)
    except Misconfigured:  # which the settings' own line says
        return [entered]
    return [entered, await _answering(url, crypto)]


async def _answering(url: str, crypto: Crypto) -> Finding:
    """Asks as WeCom does when the URL is saved: GET with an encrypted echostr, to be answered with what it says."""
    echo, began = token_hex(8), monotonic()
    sealed = crypto.seal(echo.encode(), timestamp=int(time()), nonce=token_hex(5))
    query = {
        "msg_signature": sealed.signature,
        "timestamp": str(sealed.timestamp),
        "nonce": sealed.nonce,
        "echostr": sealed.encrypt,
    }
    try:
        async with (
            ClientSession(timeout=_TIMEOUT) as http,
            http.get(url, params=query, allow_redirects=False) as answer,
        ):
            status, body = answer.status, await answer.content.read(_MOST_READ)
    except ClientConnectorDNSError:
        return Finding("fault", "callback_no_name", {"url": url})
    except ClientSSLError as error:
        return Finding("fault", "callback_no_tls", {"url": url, "problem": type(error).__name__})
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        return Finding("hint", "callback_away", {"url": url, "problem": type(error).__name__})
    if status in _AWAY:
        return Finding("hint", "callback_away", {"url": url, "problem": f"HTTP status {status}"})
    if status == HTTPStatus.UNAUTHORIZED:
        return Finding("fault", "callback_other_keys", {"url": url})
    if status != HTTPStatus.OK or body != echo.encode():
        return Finding("fault", "callback_elsewhere", {"url": url, "problem": f"HTTP status {status}"})
    if (seconds := monotonic() - began) > _PROMPT:
        return Finding("hint", "callback_slow", {"url": url, "seconds": f"{seconds:.1f}"})
    return Finding("fine", "callback_ok", {"url": url})


TEXTS: Final[Mapping[str, Both]] = {
    # The AI bot by long connection.
    "bot_ok": ("WeCom lets the AI bot {bot} in", "企业微信接受智能机器人 {bot} 的长连接"),
    "bot_held": (
        "a running Parley holds the connection of the AI bot {bot}; it is not tried here, for that would end it",
        "正在运行的 Parley 持有智能机器人 {bot} 的连接；再次尝试会断开它，因此这里不测试",
    ),
    "bot_untried": (
        "whether WeCom lets the AI bot {bot} in was not tried: a bot has one connection, and without DATABASE_URL and "
        "PARLEY_KEYS it is not known whether a running Parley has it. Start Parley, and look in its log for "
        "“connected to WeCom as bot {bot}”.",
        "没有测试企业微信是否接受智能机器人 {bot}：一个机器人只能有一个连接，没有 DATABASE_URL 和 PARLEY_KEYS，"
        "就无法知道运行中的 Parley 是否正持有它。请启动 Parley，并在日志中查找“connected to WeCom as bot {bot}”。",
    ),
    "wrong_bot": (
        "WeCom does not let the AI bot {bot} in: the Bot ID or its Secret is wrong. Copy both again from the bot's "
        "page (API mode, long connection) into wecom.bot.id and PARLEY_WECOM_BOT_SECRET.",
        "企业微信拒绝了智能机器人 {bot}：Bot ID 或 Secret 有误。请从机器人页面（API 模式，长连接）"
        "重新复制到 wecom.bot.id 和 PARLEY_WECOM_BOT_SECRET。",
    ),
    "bot_refused": (
        "WeCom does not let the AI bot {bot} in: {problem}",
        "企业微信拒绝了智能机器人 {bot}：{problem}",
    ),
    "bot_unreachable": (
        "WeCom cannot be reached at {url} ({problem}). Check that this machine may open connections there.",
        "无法连接企业微信：{url}（{problem}）。请检查本机是否可以建立到该地址的连接。",
    ),
    "both_modes": (
        "PARLEY_WECOM_BOT_SECRET is set, so the long connection is used; PARLEY_WECOM_BOT_TOKEN and "
        "PARLEY_WECOM_BOT_AES_KEY are not needed. A bot has one of the two modes.",
        "设置了 PARLEY_WECOM_BOT_SECRET，因此使用长连接；不需要 PARLEY_WECOM_BOT_TOKEN 和 PARLEY_WECOM_BOT_AES_KEY。"
        "一个机器人只能使用两种模式之一。",
    ),
    # The self-built app.
    "app_ok": ("WeCom lets the app {name} (agent {agent}) in", "企业微信接受应用 {name}（AgentId {agent}）"),
    "app_closed": (
        "The app {name} (agent {agent}) is switched off. Switch it on, on its page in the admin console.",
        "应用 {name}（AgentId {agent}）已停用。请在管理后台的应用详情页启用。",
    ),
    "wrong_secret": (
        "PARLEY_WECOM_APP_SECRET is not the Secret of the app {agent}. Look it up on the app's page in the admin "
        "console; it is sent to the WeCom client of an administrator.",
        "PARLEY_WECOM_APP_SECRET 不是应用 {agent} 的 Secret。请在管理后台的应用详情页查看，"
        "它会发送到管理员的企业微信客户端。",
    ),
    "wrong_corp": (
        "There is no corporation {corp}. Copy 企业ID from 我的企业 (My Company) in the admin console into "
        "wecom.app.corp_id.",
        "没有企业 {corp}。请从管理后台“我的企业”复制企业 ID，填入 wecom.app.corp_id。",
    ),
    "wrong_agent": (
        "The Secret belongs to another app than {agent} ({problem}). Copy AgentId and Secret from one and the same "
        "page into wecom.app.agent_id and PARLEY_WECOM_APP_SECRET.",
        "该 Secret 不属于应用 {agent}（{problem}）。请从同一个应用详情页复制 AgentId 和 Secret，"
        "分别填入 wecom.app.agent_id 和 PARLEY_WECOM_APP_SECRET。",
    ),
    "untrusted_ip": (
        "The app may not be used from here: {problem}. What is added there counts after about a minute.",
        "不能从这里使用该应用：{problem}。添加后约一分钟生效。",
    ),
    "app_refused": ("WeCom does not let the app {agent} in: {problem}", "企业微信拒绝了应用 {agent}：{problem}"),
    "app_unreachable": (
        "WeCom cannot be reached at {url} ({problem}). Check that this machine may open https connections there.",
        "无法连接企业微信：{url}（{problem}）。请检查本机是否可以建立到该地址的 https 连接。",
    ),
    # Where callbacks come.
    "bot_page": (
        "the URL on the bot's page (API mode, URL callback) has to be {url}",
        "机器人页面（API 模式，URL 回调）中的 URL 应为 {url}",
    ),
    "app_page": (
        "the URL under 接收消息 (Receive Messages) on the app's page has to be {url}",
        "应用详情页“接收消息”中的 URL 应为 {url}",
    ),
    "callback_ok": ("{url} answers a signed check as WeCom wants it", "{url} 能够正确回应签名的验证请求"),
    "callback_slow": (
        "{url} answered a signed check only after {seconds} s, and WeCom waits for one second",
        "{url} 用了 {seconds} 秒才回应签名的验证请求，而企业微信只等待一秒",
    ),
    "callback_away": (
        "Nobody answers at {url} ({problem}). Start Parley and check again; if it runs, look at the reverse proxy and "
        "the firewall.",
        "{url} 没有回应（{problem}）。请先启动 Parley 再检查；如果已经启动，请检查反向代理和防火墙。",
    ),
    "callback_no_name": (
        "The host name in {url} is not known here. Check wecom.public_url and the DNS.",
        "无法解析 {url} 中的主机名。请检查 wecom.public_url 和 DNS。",
    ),
    "callback_no_tls": (
        "{url} has no certificate that can be trusted ({problem}). WeCom asks for https with a valid one.",
        "{url} 没有可信的证书（{problem}）。请使用有效的 https 证书。",
    ),
    "callback_other_keys": (
        "{url} refuses a check that is made with the Token, the EncodingAESKey and, for an app, the corp id set here: "
        "the Parley that answers there was started with others.",
        "{url} 拒绝了用此处的 Token、EncodingAESKey（应用还包括企业 ID）生成的验证请求："
        "在那里运行的 Parley 使用的是另一组。",
    ),
    "callback_elsewhere": (
        "{url} answers, but not as this channel does ({problem}): perhaps the channel is off there, or the reverse "
        "proxy leads elsewhere or leaves out the query.",
        "{url} 有回应，但不是本频道的回应（{problem}）：可能那里没有启用该频道，或者反向代理转发到了别处，"
        "或丢掉了查询参数。",
    ),
    "no_public_url": (
        "wecom.public_url is empty, so it is not tried whether WeCom can reach {path} here. Set it to the https "
        "address of this server.",
        "wecom.public_url 为空，因此没有测试企业微信能否访问本服务器的 {path}。请设为本服务器的 https 地址。",
    ),
    "no_rule": (
        "{access} is not set: everybody who can see it in WeCom may ask",
        "没有设置 {access}：在企业微信中能看到它的所有人都可以提问",
    ),
}
