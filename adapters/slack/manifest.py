"""What the app asks of Slack, as the manifest that sets it up: scopes, events, addresses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from adapters.slack.settings import SlackSettings
from core.errors import Misconfigured

EVENTS_PATH = "/channels/slack"
INSTALL_PATH = "/channels/slack/install"
CALLBACK_PATH = "/channels/slack/oauth"

Reasons = Mapping[str, tuple[str, str]]

SCOPES: Reasons = MappingProxyType(
    {
        "app_mentions:read": ("hear when somebody mentions it", "收到提及它的消息"),
        "assistant:write": ("show that it is thinking, and suggest what to ask", "显示正在思考，并给出提问建议"),
        "channels:history": (
            "read follow-up questions in public channels without a new mention",
            "在公开频道中不需要再次提及就读到后续问题",
        ),
        "chat:write": ("answer", "回答"),
        "commands": ("take its slash command", "接收斜杠命令"),
        "files:read": ("read text files that are attached to a question", "读取问题所附的文本文件"),
        "files:write": ("send images and files", "发送图片和文件"),
        "groups:history": (
            "read follow-up questions in private channels without a new mention",
            "在私密频道中不需要再次提及就读到后续问题",
        ),
        "im:history": ("read direct messages", "读取私信"),
        "im:write": ("begin a direct message", "主动发起私信"),
        "metadata.message:read": (
            "recognise which messages it has sent already",
            "认出自己已经发送过的消息",
        ),
        "mpim:history": (
            "read follow-up questions in group messages without a new mention",
            "在群组私信中不需要再次提及就读到后续问题",
        ),
        "reactions:read": ("count 👍 and 👎 reactions as ratings", "把 👍 和 👎 表情回应计为评价"),
        "users:read": (
            "tell members from guests, and know in which language to speak",
            "区分成员和访客，并知道用哪种语言",
        ),
    }
)
"""Each bot scope, and what it is needed for: in English and Chinese, to be read after "without it, Parley cannot"."""

ESSENTIAL = frozenset({"app_mentions:read", "assistant:write", "chat:write", "im:history"})
"""Without these scopes nobody gets an answer in the place they ask in."""

EVENTS: Reasons = MappingProxyType(
    {
        "app_home_opened": ("greet people who open it, and suggest what to ask", "在用户打开它时问候并给出提问建议"),
        "app_mention": ("hear when somebody mentions it", "收到提及它的消息"),
        "app_uninstalled": ("forget a workspace that removed it", "在工作区移除应用后清除其信息"),
        "message.channels": (
            "hear follow-up questions in public channels without a new mention",
            "在公开频道中不需要再次提及就收到后续问题",
        ),
        "message.groups": (
            "hear follow-up questions in private channels without a new mention",
            "在私密频道中不需要再次提及就收到后续问题",
        ),
        "message.im": ("hear direct messages", "收到私信"),
        "message.mpim": (
            "hear follow-up questions in group messages without a new mention",
            "在群组私信中不需要再次提及就收到后续问题",
        ),
        "reaction_added": ("count 👍 and 👎 reactions as ratings", "把 👍 和 👎 表情回应计为评价"),
        "reaction_removed": ("take a rating back when its reaction is removed", "在表情回应被移除时撤回评价"),
        "tokens_revoked": ("forget a token that was taken from it", "在令牌被撤销后清除它"),
    }
)
"""Each bot event, and what it is needed for, in the same words."""

ESSENTIAL_EVENTS = frozenset({"app_mention", "message.im"})

_PROMPTS = (
    ("What can you do?", "What can you do, and how do I use you?"),
    ("Explain", "Explain this in plain words: "),
    ("Draft a message", "Draft a short, friendly message that says: "),
    ("Help with code", "What is wrong with this code? "),
)


def manifest(settings: SlackSettings, *, mode: Literal["http", "socket"]) -> dict[str, Any]:
    """The app's manifest, as JSON values (docs.slack.dev, "App manifest reference").

    Over HTTP every event comes to one address below `public_url`; with Socket Mode there is none. Raises
    Misconfigured where an address is needed and `public_url` is empty.
    """
    if not settings.public_url and (mode == "http" or settings.is_installable):
        raise Misconfigured("slack.public_url is empty: Slack must be told under which https address it reaches us.")
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Parley",
            "description": "A private assistant. What you write stays on this company's own machines.",
        },
        "features": _features(settings, mode),
        "oauth_config": _oauth(settings),
        "settings": _settings(settings, mode),
    }


def address(settings: SlackSettings, path: str) -> str:
    """The public address of one of our paths."""
    return settings.public_url.rstrip("/") + path


def _features(settings: SlackSettings, mode: str) -> dict[str, Any]:
    command = {
        "command": settings.command,
        "description": "Ask Parley; only you see the answer",
        "usage_hint": "[your question, or help]",
        "should_escape": False,
    }
    return {
        "agent_view": {
            "agent_description": "Answers questions, explains and drafts texts, and helps with code.",
            "suggested_prompts": [{"title": title, "message": message} for title, message in _PROMPTS],
        },
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": "Parley", "always_online": True},
        "slash_commands": [command | _request_url("url", settings, mode)],
    }


def _oauth(settings: SlackSettings) -> dict[str, Any]:
    redirects = {"redirect_urls": [address(settings, CALLBACK_PATH)]} if settings.is_installable else {}
    return {**redirects, "scopes": {"bot": list(SCOPES)}}


def _settings(settings: SlackSettings, mode: str) -> dict[str, Any]:
    request_url = _request_url("request_url", settings, mode)
    return {
        "event_subscriptions": {**request_url, "bot_events": list(EVENTS)},
        "interactivity": {"is_enabled": True, **request_url},
        "org_deploy_enabled": settings.is_installable,
        "socket_mode_enabled": mode == "socket",
        "token_rotation_enabled": settings.is_installable,
    }


def _request_url(name: str, settings: SlackSettings, mode: str) -> dict[str, str]:
    return {name: address(settings, EVENTS_PATH)} if mode == "http" else {}
