"""What the WeCom door is told by its operator."""

from dataclasses import dataclass, field

SOCKET_URL = "wss://openws.work.weixin.qq.com"
API_URL = "https://qyapi.weixin.qq.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What WeCom signs and encrypts its callbacks with: the Token, the EncodingAESKey, and whom they are meant for.

    `receive_id` is the corp id for a self-built app and "" for an AI bot of the own house
    (developer.work.weixin.qq.com, documents 90238 and 101033).
    """

    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    receive_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSettings:
    """An AI bot: by long connection with a `secret`, else by URL callback."""

    bot_id: str
    secret: str = field(default="", repr=False)
    callback: Callback | None = None
    name: str = ""  # what the bot is called in groups: only a leading "@name" is stripped
    url: str = SOCKET_URL

    @property
    def is_socket(self) -> bool:
        return bool(self.secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """A self-built app of one corporation."""

    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    callback: Callback
    api_url: str = API_URL
