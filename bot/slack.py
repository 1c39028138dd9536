"""The Slack channel's part of the household: its settings, its door, its manifest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.slack import SlackAdapter, SlackSettings, manifest
from adapters.slack.client import Clients
from adapters.slack.doctor import Finding, examine
from adapters.slack.installations import Installations
from bot.config import Config, operator_language
from bot.texts import say
from core.errors import Misconfigured, ParleyError
from core.ports import Metrics, Store
from core.store import Keys, PostgresStore


def slack_settings(config: Config) -> SlackSettings:
    """What the door is told, secrets and all."""
    slack, secrets = config.settings.slack, config.secrets
    rule = config.settings.access.get("slack")
    return SlackSettings(
        signing_secret=secrets.slack_signing_secret or "",
        bot_token=secrets.slack_bot_token or "",
        app_token=secrets.slack_app_token or "",
        config_token=secrets.slack_config_token or "",
        client_id=slack.client_id,
        client_secret=secrets.slack_client_secret or "",
        public_url=slack.public_url,
        workspaces=rule.workspaces if rule else frozenset(),
        command=slack.command,
        up=slack.up,
        down=slack.down,
        api_url=slack.api_url,
    )


def slack_manifest(config: Config, *, is_socket: bool) -> dict[str, Any]:
    """The manifest to make the app from; for Socket Mode where that is asked for, or an app token is set.

    The app describes itself in the operator's language. Raises Misconfigured where `slack.public_url` is needed and
    not set.
    """
    settings = slack_settings(config)
    is_socket = is_socket or settings.is_socket
    if not settings.public_url and (settings.is_installable or not is_socket):
        raise Misconfigured(say("slack_no_install_url" if settings.is_installable else "slack_no_url"))
    return manifest(settings, mode="socket" if is_socket else "http", language=operator_language())


async def slack_findings(config: Config) -> tuple[Finding, ...]:
    """What is wrong or missing, by the settings and by Slack's own answers."""
    settings = slack_settings(config)
    clients = Clients(settings.api_url, _no_token)
    try:
        async with _installed(config, settings, clients) as installations:
            rule = config.settings.access.get("slack")
            return await examine(
                settings, clients.sdk, installations=installations, guests_may_ask=rule is not None and rule.guests
            )
    finally:
        await clients.close()


@asynccontextmanager
async def _installed(config: Config, settings: SlackSettings, clients: Clients) -> AsyncIterator[Installations | None]:
    """What workspaces have installed, None where there is nothing to look into: the embedded database may be in use."""
    url, keys = config.secrets.database_url, config.secrets.keys
    if not (settings.is_installable and url and keys):
        yield None
        return
    try:
        store = PostgresStore(url, Keys.parse(keys), pool_size=2)
        await store.start()
    except ParleyError:  # what is wrong with keys or database is said in their own lines
        yield None
        return
    installations = Installations(settings, store.secrets, store.leader, clients.sdk)
    try:
        yield installations
    finally:
        await installations.stop()
        await store.stop()


async def _no_token(_: str) -> str | None:
    return None


def slack_door(config: Config, store: Store, metrics: Metrics) -> SlackAdapter:
    """The door to Slack; raises Misconfigured where requests could not be verified."""
    access = config.settings.who_may()

    return SlackAdapter(
        slack_settings(config),
        secrets=store.secrets,
        leader=store.leader,
        metrics=metrics,
        knows=store.archive.is_conversation,
        may=access.allows,
    )
