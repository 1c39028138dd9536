"""The door to Slack."""

from adapters.slack.adapter import SlackAdapter
from adapters.slack.manifest import manifest
from adapters.slack.settings import SlackSettings

__all__ = ["SlackAdapter", "SlackSettings", "manifest"]
