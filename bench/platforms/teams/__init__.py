"""A stand-in for Teams: its connector, its keys and its login, on this machine and by Teams' own rules.

    async with Platform(endpoint="http://127.0.0.1:3978/channels/teams") as teams:
        teams.add_user("29:anna", "Anna Example")
        teams.add_chat("a:anna", "personal", ["29:anna"])
        question = await teams.say("a:anna", "29:anna", "What is 6 times 7?")
        answer = await teams.until(lambda: next((m for m in teams.answers("a:anna") if not m.is_streaming), None))

The bot is told `APP_ID`, `APP_PASSWORD`, `TENANT`, `teams.login_url` and `teams.keys_url`, and to answer to this
machine. What is slow, refused or lost is set on the platform (`fail`, `rate_limit`, `drop`, `swallow`, `hang`,
`delay`); what happened is read from it (`messages`, `answers`, `calls`, `deliveries`).
"""

from bench.platforms.teams.activities import Bot
from bench.platforms.teams.conversations import Conversation, Message, Person
from bench.platforms.teams.courier import TEAMS_ACK_SECONDS
from bench.platforms.teams.issuer import FORGERIES, Issuer, Key
from bench.platforms.teams.journal import Call, Delivery
from bench.platforms.teams.platform import APP_ID, APP_PASSWORD, TENANT, Platform

__all__ = [
    "APP_ID",
    "APP_PASSWORD",
    "FORGERIES",
    "TEAMS_ACK_SECONDS",
    "TENANT",
    "Bot",
    "Call",
    "Conversation",
    "Delivery",
    "Issuer",
    "Key",
    "Message",
    "Person",
    "Platform",
]
