"""A stand-in for WeCom: its long connection, its callbacks and its server API, on this machine and by WeCom's rules.

    async with Platform() as wecom:
        wecom.add_user("anna")
        wecom.add_group("wrGROUP01", ["anna"])
        ...                                                  # the bot dials wecom.ws_url with BOT_ID and BOT_SECRET
        await wecom.connected()
        await wecom.say("anna", "anna", "What is 6 times 7?")
        answer = await wecom.until(lambda: next((m for m in wecom.answers("anna") if not m.is_streaming), None))

By callback `wecom.bot_url` is set, and the bot is told `BOT_TOKEN` and `BOT_AES_KEY`. The app is told `CORP`, `AGENT`,
`APP_SECRET`, `APP_TOKEN`, `APP_AES_KEY` and `wecom.api_url`, and is called back at `wecom.app_url`; people talk to it
in the chat `app:anna`. What is slow, refused or lost is set on the platform (`fail`, `break_down`, `drop`, `swallow`,
`delay`, `kick`, `mute_sockets`, `cut_sockets`, `expire_streams`); what happened is read from it (`messages`, `answers`,
`cards`, `calls`, `deliveries`).
"""

from bench.platforms.wecom.chats import Chat, Message, Person
from bench.platforms.wecom.courier import ACK_SECONDS
from bench.platforms.wecom.crypto import Wire
from bench.platforms.wecom.journal import Attempt, Call, Delivery
from bench.platforms.wecom.platform import (
    AGENT,
    APP_AES_KEY,
    APP_SECRET,
    APP_TOKEN,
    BOT_AES_KEY,
    BOT_ID,
    BOT_NAME,
    BOT_SECRET,
    BOT_TOKEN,
    CORP,
    Platform,
)

__all__ = [
    "ACK_SECONDS",
    "AGENT",
    "APP_AES_KEY",
    "APP_SECRET",
    "APP_TOKEN",
    "BOT_AES_KEY",
    "BOT_ID",
    "BOT_NAME",
    "BOT_SECRET",
    "BOT_TOKEN",
    "CORP",
    "Attempt",
    "Call",
    "Chat",
    "Delivery",
    "Message",
    "Person",
    "Platform",
    "Wire",
]
