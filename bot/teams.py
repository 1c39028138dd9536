"""The Teams channel's part of the household: its settings, its door, its package."""

import logging
from importlib.metadata import version

from adapters.teams import TeamsAdapter, TeamsSettings
from adapters.teams.adapter import PATH
from adapters.teams.client import TeamsClient
from adapters.teams.doctor import Finding, examine
from adapters.teams.package import App, package
from bot.config import Config, operator_language
from bot.texts import say
from core.errors import Misconfigured
from core.message import PartId
from core.ports import Metrics, Store


def teams_settings(config: Config) -> TeamsSettings:
    """What the door is told, secrets and all."""
    teams = config.settings.teams
    return TeamsSettings(
        app_id=teams.app_id,
        app_password=config.secrets.teams_app_password or "",
        tenant_id=teams.tenant_id,
        is_dev=teams.dev,
        up=teams.up,
        down=teams.down,
        login_url=teams.login_url,
        keys_url=teams.keys_url,
        services=teams.services,
    )


def teams_package(config: Config) -> bytes:
    """The app as Teams installs it, a zip; it describes itself in the operator's language.

    Raises Misconfigured where `teams.app_id` or `teams.public_url` is not set.
    """
    teams = config.settings.teams
    if not teams.app_id:
        raise Misconfigured(say("teams_no_app"))
    if not teams.public_url:
        raise Misconfigured(say("teams_no_url"))
    app = App(app_id=teams.app_id, public_url=teams.public_url, version=version("parley"))
    return package(app, language=operator_language())


async def teams_findings(config: Config) -> tuple[Finding, ...]:
    """What is wrong or missing, by the settings and by Microsoft's own answers."""
    settings, url = teams_settings(config), config.settings.teams.public_url
    # What goes wrong is a line of the report, and would be on the terminal twice where no logging is set up.
    logging.getLogger("adapters.teams").addHandler(logging.NullHandler())
    client = TeamsClient(settings)
    try:
        return await examine(
            settings,
            client.check,
            endpoint=f"{url}{PATH}" if url else "",
            has_rule="teams" in config.settings.access,
        )
    finally:
        await client.close()


def teams_door(config: Config, store: Store, metrics: Metrics) -> TeamsAdapter:
    """The door to Teams; raises Misconfigured where nobody could be verified."""
    access = config.settings.who_may()

    async def is_part(part: PartId) -> bool:
        async with store.unit(autocommit=True) as unit:
            return part in await unit.outbox.known((part,))

    return TeamsAdapter(
        teams_settings(config),
        metrics=metrics,
        knows=store.archive.is_conversation,
        may=access.allows,
        is_part=is_part,
    )
