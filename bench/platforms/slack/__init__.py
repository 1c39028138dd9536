"""A stand-in for Slack: its Web API, its events and its sockets, on this machine and by Slack's own rules."""

from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.courier import SLACK_RETRY_DELAYS
from bench.platforms.slack.files import File
from bench.platforms.slack.journal import Call, Delivery
from bench.platforms.slack.platform import APP_TOKEN, SIGNING_SECRET, Platform
from bench.platforms.slack.views import View
from bench.platforms.slack.workspace import Bot, User

__all__ = [
    "APP_TOKEN",
    "SIGNING_SECRET",
    "SLACK_RETRY_DELAYS",
    "Bot",
    "Call",
    "Channel",
    "Delivery",
    "File",
    "Message",
    "Platform",
    "User",
    "View",
]
