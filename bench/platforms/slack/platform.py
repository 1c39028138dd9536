"""The stand-in as a whole: started, filled with people, made to fail, and looked at afterwards."""

from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from bench.platforms.slack import payloads, streams
from bench.platforms.slack.conversations import Channel, Message
from bench.platforms.slack.courier import Courier
from bench.platforms.slack.faults import Broken, Faults, Lost, Refusal, Wait
from bench.platforms.slack.files import Upload
from bench.platforms.slack.grants import Code
from bench.platforms.slack.journal import Call, Delivery
from bench.platforms.slack.limits import Tiers
from bench.platforms.slack.payloads import Payload
from bench.platforms.slack.people import People
from bench.platforms.slack.server import Server
from bench.platforms.slack.sockets import Sockets
from bench.platforms.slack.state import Ping, State, Status
from bench.platforms.slack.views import View
from bench.platforms.slack.workspace import SCOPES, Bot, User

T = TypeVar("T")

SIGNING_SECRET = "signing-secret"  # noqa: S105 - invented, as all of these are
APP_TOKEN = "xapp-parley-test"  # noqa: S105


class Platform(People):
    """Slack for one app, on a free port of 127.0.0.1, with the app in one workspace; people and channels are added.

    `events_url` is where the app takes events, "" for Socket Mode. What people do (`say`, `click`, …) is in People;
    how things are delivered is set on `courier`, what is remembered lies in `state`.
    """

    def __init__(
        self, *, events_url: str = "", signing_secret: str = SIGNING_SECRET, app_token: str = APP_TOKEN
    ) -> None:
        state = State(app_token)
        self.sockets = Sockets(state.journal)
        super().__init__(state, Courier(state.journal, self.sockets, signing_secret))
        self.courier.events_url = events_url
        state.emit = self.courier.echo
        self.faults = Faults()
        self.server = Server(state, self.sockets, self.faults, Tiers(monotonic))
        self.bot = self.install()

    async def start(self, port: int = 0) -> None:
        self.courier.open()
        await self.server.start(port)

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
    def url(self) -> str:
        return self.state.base_url

    @property
    def api_url(self) -> str:
        """With the slash at its end, as slack_sdk wants it."""
        return f"{self.url}/api/"

    @property
    def events_url(self) -> str:
        return self.courier.events_url

    @events_url.setter
    def events_url(self, url: str) -> None:
        self.courier.events_url = url

    def install(
        self,
        team: str = payloads.TEAM,
        token: str = "",
        *,
        scopes: Iterable[str] = SCOPES,
        enterprise: str = "",
        is_org_wide: bool = False,
    ) -> Bot:
        """The app in another workspace."""
        bot = _bot(team, token, tuple(scopes), enterprise, is_org_wide)
        self.state.users[bot.user] = User(bot.user, "Parley", team, is_bot=True)
        return self.state.workspaces.add(bot)

    def code(self, team: str, *, scopes: Iterable[str] = SCOPES, enterprise: str = "", redirect_uri: str = "") -> str:
        """What the consent page would hand to the redirect URI, for `oauth.v2.access`."""
        bot = _bot(team, "", tuple(scopes), enterprise, False)
        self.state.users[bot.user] = User(bot.user, "Parley", team, is_bot=True)
        code = f"code-{self.state.number()}"
        self.state.grants.codes[code] = Code(bot, redirect_uri)
        return code

    def add_user(
        self,
        id: str,
        name: str,
        *,
        locale: str = "en-US",
        is_guest: bool = False,
        is_single_channel: bool = False,
        team: str = payloads.TEAM,
    ) -> User:
        """A person; one of another workspace than the channel's is a stranger there.

        A single-channel guest is both restricted and ultra-restricted ("User object").
        """
        user = User(id, name, team, locale, is_guest or is_single_channel, is_single_channel)
        self.state.users[id] = user
        return user

    def add_channel(
        self,
        id: str,
        kind: str = "channel",
        members: Iterable[str] = (),
        *,
        team: str = payloads.TEAM,
        name: str = "",
        with_bot: bool = True,
        shared_with: Iterable[str] = (),
    ) -> Channel:
        """`kind` is channel, group, im or mpim; `shared_with` names other workspaces (Slack Connect)."""
        if kind not in payloads.CHANNEL_TYPES:
            raise ValueError(f"no such kind of channel: {kind}")
        there = {*members, *([self.state.workspaces.bots[team].user] if with_bot else [])}
        names = {"im": "directmessage", "channel": id.lower()}
        channel = Channel(id, kind, team, name or names.get(kind, "privategroup"), there, frozenset(shared_with))
        return self.state.conversations.add(channel)

    async def deliver(self, payload: Payload) -> Delivery:
        """Sends any payload as it is: a redelivery under another event_id, or something Slack never sends."""
        return await self.courier.send(payload)

    # What the app did.

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """What stands in a channel in its order; with `thread_ts` the thread's root and its replies."""
        found = self.state.conversations.channels[channel]
        if thread_ts is None:
            return list(found.standing())
        root = [message for message in [found.messages[thread_ts]] if not message.is_deleted]
        return [*root, *found.thread(thread_ts)]

    def answers(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """Those of them that the app wrote."""
        return [message for message in self.messages(channel, thread_ts) if message.bot]

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def status(self, channel: str, thread_ts: str) -> str:
        """What stands under a thread now: "is thinking…", or ""."""
        return self.state.status(channel, thread_ts)

    def open_views(self, user: str) -> list[View]:
        return [view for view in self.views.values() if view.is_open and view.user == user]

    @property
    def calls(self) -> list[Call]:
        return self.state.journal.calls

    @property
    def deliveries(self) -> list[Delivery]:
        return self.state.journal.deliveries

    @property
    def ephemeral(self) -> list[Message]:
        return [message for message in self.state.ephemeral if not message.is_deleted]

    @property
    def statuses(self) -> list[Status]:
        return self.state.statuses

    @property
    def prompts(self) -> list[Payload]:
        return self.state.prompts

    @property
    def uploads(self) -> list[Upload]:
        return [upload for upload in self.state.uploads.values() if upload.is_complete]

    @property
    def pings(self) -> list[Ping]:
        return self.state.pings

    @property
    def views(self) -> dict[str, View]:
        return self.state.views

    async def until(self, predicate: Callable[[], T | None], timeout: float = 10) -> T:
        """What `predicate` returns, once that is true; looked at after each change. Raises TimeoutError."""
        return await self.state.journal.until(predicate, timeout)

    async def settle(self) -> None:
        """Returns once everything that was on its way to the app is confirmed or given up."""
        await self.courier.settle()

    # What goes wrong. Methods are named as in the API; also "upload", "download" and "response_url".

    def fail(self, method: str, *, error: str, times: int = 1, **more: str) -> None:
        """Answers `ok: false`; `more` stands beside the error, as `needed` does for missing_scope."""
        self.faults.add(method, Refusal(error, more), times)

    def rate_limit(self, method: str, *, seconds: int = 1, times: int = 1) -> None:
        self.faults.add(method, Wait(seconds), times)

    def break_(self, method: str, *, status: int = 500, times: int = 1) -> None:
        """Fails before anything is done."""
        self.faults.add(method, Broken(status), times)

    def drop(self, method: str, *, times: int = 1) -> None:
        """Ends the connection before anything is done."""
        self.faults.add(method, Lost(is_done=False), times)

    def swallow(self, method: str, *, times: int = 1) -> None:
        """Does it, then ends the connection without an answer: the caller cannot know."""
        self.faults.add(method, Lost(is_done=True), times)

    def delay(self, method: str, seconds: float) -> None:
        """Lets every call wait before it is done; 0 makes the method quick again."""
        self.faults.slow(method, seconds)

    def heal(self) -> None:
        """Takes back every fault that has not happened yet."""
        self.faults.clear()

    def expire_streams(self) -> int:
        """Ends the open streams, as Slack does after a while; how many there were."""
        channels = self.state.conversations.channels.values()
        found = [message for channel in channels for message in channel.messages.values() if message.is_streaming]
        for message in found:
            streams.expire(message)
        return len(found)

    @property
    def tiers(self) -> bool:
        """Whether the rate limits hold."""
        return self.server.is_tiered

    @tiers.setter
    def tiers(self, is_tiered: bool) -> None:
        self.server.is_tiered = is_tiered

    def expire_token(self, token: str) -> None:
        self.state.workspaces.end(token, "token_expired")

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Announces the end of every open socket; `warning` alone leaves them open."""
        await self.sockets.disconnect(reason)

    def mute_sockets(self) -> None:
        """The sockets that are open now stay so, and say nothing any more."""
        self.sockets.mute()

    def cut_sockets(self) -> None:
        self.sockets.cut()


def _bot(team: str, token: str, scopes: tuple[str, ...], enterprise: str, is_org_wide: bool) -> Bot:
    is_first = team == payloads.TEAM
    user, id = (payloads.BOT_USER, payloads.BOT) if is_first else (f"U{team[1:]}B", f"B{team[1:]}")
    kept = token or ("xoxb-parley-test" if is_first else f"xoxb-parley-{team.lower()}")
    return Bot(team, kept, user, id, enterprise=enterprise, is_org_wide=is_org_wide, scopes=scopes)
