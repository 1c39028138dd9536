"""What the app asks of Slack, as the manifest that sets it up: scopes, events, addresses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from adapters.slack.settings import SlackSettings
from adapters.slack.texts import say, say_to_operator, suggestions
from core.errors import Misconfigured

EVENTS_PATH = "/channels/slack"
INSTALL_PATH = "/channels/slack/install"
CALLBACK_PATH = "/channels/slack/oauth"

Reasons = Mapping[str, tuple[str, str]]

SCOPES: Reasons = MappingProxyType(
    {
        "app_mentions:read": ("hear when somebody mentions it", "收到提及它的消息"),
        "assistant:write": ("show that it is thinking, and suggest what to ask", "显示思考状态，并给出提问建议"),
        "channels:history": (
            "read follow-up questions in public channels without a new mention",
            "在公开频道中读取没有再次提及它的后续问题",
        ),
        "chat:write": ("answer", "回答"),
        "commands": ("receive its slash command", "接收斜杠命令"),
        "files:read": ("read text files that are attached to a question", "读取问题所附的文本文件"),
        "files:write": ("send images and files", "发送图片和文件"),
        "groups:history": (
            "read follow-up questions in private channels without a new mention",
            "在私密频道中读取没有再次提及它的后续问题",
        ),
        "im:history": ("read direct messages", "读取私信"),
        "im:write": ("start a direct message", "主动发起私信"),
        "metadata.message:read": (
            "recognise which messages it has sent already",
            "认出自己已经发送过的消息",
        ),
        "mpim:history": (
            "read follow-up questions in group messages without a new mention",
            "在群组私信中读取没有再次提及它的后续问题",
        ),
        "reactions:read": ("count 👍 and 👎 reactions as ratings", "把 👍 和 👎 表情回应计为评价"),
        "users:read": (
            "tell members from guests, and know which language to use",
            "区分成员和访客，并判断使用哪种语言",
        ),
    }
)
"""Each bot scope, and what it is needed for: in English and Chinese, to be read after "without it, Parley cannot"."""

ESSENTIAL = frozenset({"app_mentions:read", "assistant:write", "chat:write", "im:history"})
"""Without these scopes nobody gets an answer in the place they ask in."""

EVENTS: Reasons = MappingProxyType(
    {
        "app_home_opened": ("suggest questions to people who open it", "在用户打开它时给出提问建议"),
        "app_mention": ("hear when somebody mentions it", "收到提及它的消息"),
        "app_uninstalled": ("forget a workspace that removed it", "在工作区移除应用后清除其信息"),
        "message.channels": (
            "hear follow-up questions in public channels without a new mention",
            "在公开频道中收到没有再次提及它的后续问题",
        ),
        "message.groups": (
            "hear follow-up questions in private channels without a new mention",
            "在私密频道中收到没有再次提及它的后续问题",
        ),
        "message.im": ("hear direct messages", "收到私信"),
        "message.mpim": (
            "hear follow-up questions in group messages without a new mention",
            "在群组私信中收到没有再次提及它的后续问题",
        ),
        "reaction_added": ("count 👍 and 👎 reactions as ratings", "把 👍 和 👎 表情回应计为评价"),
        "reaction_removed": ("take a rating back when its reaction is removed", "在表情回应被移除时撤回评价"),
        "tokens_revoked": ("forget a token that was revoked", "在令牌被撤销后清除它"),
    }
)
"""Each bot event, and what it is needed for, in the same words."""

ESSENTIAL_EVENTS = frozenset({"app_mention", "message.im"})


def manifest(settings: SlackSettings, *, mode: Literal["http", "socket"], language: str = "en") -> dict[str, Any]:
    """The app's manifest, as JSON values (docs.slack.dev, "App manifest reference").

    Over HTTP every event comes to one address below `public_url`; with Socket Mode there is none. An app describes
    itself in one language, "en" or "zh". Raises Misconfigured where an address is needed and `public_url` is empty.
    """
    if not settings.public_url and (mode == "http" or settings.is_installable):
        raise Misconfigured(say_to_operator("no_address"))
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {"name": "Parley", "description": say("app_description", language)},
        "features": _features(settings, mode, language),
        "oauth_config": _oauth(settings),
        "settings": _settings(settings, mode),
    }


def address(settings: SlackSettings, path: str) -> str:
    """The public address of one of our paths."""
    return settings.public_url.rstrip("/") + path


def _features(settings: SlackSettings, mode: str, language: str) -> dict[str, Any]:
    command = {
        "command": settings.command,
        "description": say("command_description", language),
        "usage_hint": say("command_hint", language),
        "should_escape": False,
    }
    return {
        "agent_view": {
            "agent_description": say("agent_description", language),
            "suggested_prompts": suggestions(language),
        },
        "app_home": {
            "home_tab_enabled": False,  # nothing is ever shown there
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
