"""The stand-in as a whole: started, filled with people, made to fail, and looked at afterwards."""

from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from bench.platforms.wecom.app import App
from bench.platforms.wecom.bot import Bot
from bench.platforms.wecom.chats import APP, Chat, Chats, Message, Person
from bench.platforms.wecom.courier import Courier, Line
from bench.platforms.wecom.crypto import Wire
from bench.platforms.wecom.errors import ApiError
from bench.platforms.wecom.faults import Broken, Faults, Lost, Refused
from bench.platforms.wecom.journal import Call, Delivery, Journal
from bench.platforms.wecom.limits import Limits
from bench.platforms.wecom.media import Media
from bench.platforms.wecom.people import People
from bench.platforms.wecom.pushes import Pushes
from bench.platforms.wecom.server import Server
from bench.platforms.wecom.sockets import Sockets

T = TypeVar("T")

CORP = "ww00000000000000aa"
AGENT = 1000002
APP_SECRET = "app-secret"  # noqa: S105 - invented, as all of these are
BOT_ID = "aibTESTbot"
BOT_SECRET = "bot-secret"  # noqa: S105
BOT_NAME = "Parley"
BOT_TOKEN, BOT_AES_KEY = "BotToken1", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP_TOKEN, APP_AES_KEY = "AppToken1", "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcbQ"


class Platform(People):
    """WeCom for one AI bot and one self-built app of one corporation, on a free port of 127.0.0.1.

    The bot dials `ws_url`, unless `bot_url` is set: then it is called back there. The app is called back at `app_url`
    and calls `api_url`. What people do (`say`, `click`, `rate`, …) is in People. `clock` gives the seconds by which
    streams end, tokens expire and limits are counted; a test may bring its own.
    """

    def __init__(
        self, *, bot_url: str = "", app_url: str = "", name: str = BOT_NAME, clock: Callable[[], float] = monotonic
    ) -> None:
        journal, chats, media, limits = Journal(), Chats(), Media(clock), Limits(clock)
        bot = Bot(BOT_ID, BOT_SECRET, name, chats, media, journal, limits, clock)
        self.app = App(CORP, AGENT, APP_SECRET, chats, media, journal, limits, clock)
        self.faults = Faults()
        courier = Courier(
            journal,
            Line("callback", Wire(BOT_TOKEN, BOT_AES_KEY), bot_url),
            Line("app", Wire(APP_TOKEN, APP_AES_KEY, CORP), app_url, CORP, str(AGENT)),
        )
        sockets = Sockets(bot, journal, self.faults)
        super().__init__(bot, chats, media, courier, sockets, journal, Pushes(self.app, courier, journal))
        self.server = Server(journal, self.faults, sockets, bot, self.app, media)
        self.limits = limits

    async def start(self, port: int = 0) -> None:
        self.courier.open()
        await self.server.start(port)
        self.file_url = self.server.url

    async def stop(self) -> None:
        await self.courier.close()
        await self.sockets.close()
        await self.server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Where, and for whom.

    @property
    def ws_url(self) -> str:
        """In the place of wss://openws.work.weixin.qq.com."""
        return f"{self.server.url.replace('http', 'ws', 1)}/openws"

    @property
    def api_url(self) -> str:
        """In the place of https://qyapi.weixin.qq.com, without /cgi-bin."""
        return self.server.url

    @property
    def bot_url(self) -> str:
        return self.courier.bot.url

    @bot_url.setter
    def bot_url(self, url: str) -> None:
        self.courier.bot.url = url

    @property
    def app_url(self) -> str:
        return self.courier.app.url

    @app_url.setter
    def app_url(self, url: str) -> None:
        self.courier.app.url = url

    def add_user(self, id: str, name: str = "", *, is_visible: bool = True) -> Person:
        """With their single chats: `id` with the bot, `app:` and `id` with the app. `is_visible`: the app may write."""
        return self.chats.add_person(Person(id, name or id.capitalize(), is_visible))

    def add_group(self, id: str, members: Iterable[str]) -> Chat:
        return self.chats.add_group(id, set(members))

    def app_chat(self, user: str) -> str:
        """A person's chat with the app."""
        return APP + user

    async def connected(self, timeout: float = 15) -> None:
        """Returns once a bot has subscribed."""
        await self.until(lambda: self.sockets.live is not None, timeout)

    @property
    def is_connected(self) -> bool:
        return self.sockets.live is not None

    async def check_url(self, way: str, word: str = "") -> str:
        """The URL check of `way` callback or app: "" where it is answered rightly and within a second."""
        return await self.courier.check(self.courier.bot if way == "callback" else self.courier.app, word)

    # What was said and done.

    def messages(self, chat: str, *, viewer: str = "") -> list[Message]:
        """What stands in a chat in its order; with `viewer` nothing, where this person is not in it."""
        self.bot.age()
        place = self.chats.all[chat]
        if viewer and viewer not in place.members:
            return []
        return list(place.standing())

    def answers(self, chat: str) -> list[Message]:
        """Those of them that the bot or the app wrote, cards left out."""
        return [message for message in self.messages(chat) if message.is_bot and not message.card]

    def cards(self, chat: str) -> list[Message]:
        return [message for message in self.messages(chat) if message.is_bot and message.card]

    def called(self, kind: str) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]

    def delivered(self, kind: str) -> list[Delivery]:
        return [delivery for delivery in self.deliveries if delivery.kind == kind]

    @property
    def calls(self) -> list[Call]:
        return self.journal.calls

    @property
    def deliveries(self) -> list[Delivery]:
        return self.journal.deliveries

    async def until(self, predicate: Callable[[], T | None], timeout: float = 10) -> T:
        """What `predicate` returns, once that is true; looked at after each change. Raises TimeoutError."""
        return await self.journal.until(predicate, timeout)

    async def settle(self) -> None:
        """Returns once every callback is answered or given up and no stream is asked for any more."""
        await self.courier.settle()

    # What goes wrong. `kind` is one of faults.KINDS: a frame's cmd, what follows /cgi-bin/, response_url or file.

    def fail(self, kind: str, code: int, message: str = "", *, times: int = 1) -> None:
        """Answers with this errcode before anything is done; `message` in the place of its usual errmsg."""
        self.faults.add(kind, Refused(ApiError(code, message=message)), times)

    def break_down(self, kind: str, status: int = 503, *, times: int = 1) -> None:
        """Answers with this HTTP status and a page."""
        self.faults.add(kind, Broken(status), times)

    def drop(self, kind: str, *, times: int = 1) -> None:
        """Does nothing and never answers; the connection of a request ends, the long one stays."""
        self.faults.add(kind, Lost(is_done=False), times)

    def swallow(self, kind: str, *, times: int = 1) -> None:
        """Does it, then never answers: the caller cannot know."""
        self.faults.add(kind, Lost(is_done=True), times)

    def delay(self, kind: str, seconds: float) -> None:
        """Lets every call wait before it is done; 0 makes the kind quick again."""
        self.faults.slow(kind, seconds)

    def heal(self) -> None:
        """Takes back every fault that has not happened yet."""
        self.faults.clear()

    async def kick(self) -> None:
        """Another program subscribes with the same bot: the live connection is told so, and closed."""
        await self.sockets.kick()

    def mute_sockets(self) -> None:
        """The sockets that are open now stay so, and nothing is heard or said through them any more."""
        self.sockets.mute()

    def cut_sockets(self) -> None:
        """The open sockets end without a word."""
        self.sockets.cut()

    def expire_streams(self) -> int:
        """Ends the open streams as after six minutes; how many there were."""
        found = [message for message in self.bot.streams.values() if message.is_streaming]
        for message in found:
            if message.stream is not None:
                message.stream.state = "expired"
        return len(found)

    @property
    def has_limits(self) -> bool:
        """Whether the limits per conversation hold: the bot reads 45009, what the app sends too much is dropped."""
        return self.bot.is_limited

    @has_limits.setter
    def has_limits(self, is_limited: bool) -> None:
        self.bot.is_limited = self.app.is_limited = is_limited
