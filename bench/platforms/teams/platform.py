"""The stand-in as a whole: started, filled with people, made to fail, and looked at afterwards."""

from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from uuid import NAMESPACE_URL, uuid5

from bench.platforms.teams import streams
from bench.platforms.teams.activities import Bot
from bench.platforms.teams.connector import Connector
from bench.platforms.teams.conversations import KINDS, Conversation, Conversations, Message, Person
from bench.platforms.teams.courier import Courier
from bench.platforms.teams.errors import ServiceError, throttled
from bench.platforms.teams.faults import Faults, Hung, Lost, Refused
from bench.platforms.teams.issuer import Issuer
from bench.platforms.teams.journal import Call, Delivery, Journal, Payload
from bench.platforms.teams.limits import MAX_BYTES, Limits
from bench.platforms.teams.login import Login
from bench.platforms.teams.people import People
from bench.platforms.teams.server import Server
from bench.platforms.teams.streams import Rules

T = TypeVar("T")

TENANT = "11111111-1111-4111-8111-111111111111"
APP_ID = "22222222-2222-4222-8222-222222222222"
APP_PASSWORD = "app-password"  # noqa: S105 - invented, as all of these are
TEAM = "19:team@thread.tacv2"

_TRANSIENT = {412: "PreconditionFailed", 502: "ServiceError", 503: "ServiceError", 504: "ServiceError"}


class Platform(People):
    """Teams for one bot in one tenant, on a free port of 127.0.0.1; people and conversations are added.

    `endpoint` is where the bot takes activities. What people do (`say`, `feedback`, …) is in People; how things are
    delivered is set on `courier`, tokens are made by `issuer` and `login`. `clock` gives the seconds by which streams
    end, limits are counted and tokens of the bot expire; a test may bring its own.
    """

    def __init__(
        self,
        *,
        endpoint: str = "",
        app_id: str = APP_ID,
        password: str = APP_PASSWORD,
        tenant: str = TENANT,
        name: str = "Parley",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.tenant = tenant
        self.journal = Journal()
        self.issuer = Issuer(app_id)
        super().__init__(Bot(app_id, name), Conversations(), Courier(self.journal, self.issuer.sign))
        self.courier.url = endpoint
        self.faults = Faults()
        self.login = Login(app_id, password, tenant, clock)
        self.streams = Rules(clock, max_bytes=MAX_BYTES)
        self.connector = Connector(self.bot.id, self.conversations, self.streams, self.new_id, MAX_BYTES)
        self.server = Server(self.journal, self.connector, self.login, self.issuer, self.faults, Limits(clock))

    async def start(self, port: int = 0) -> None:
        self.courier.open()
        await self.server.start(port)
        self.service_url = self.issuer.service_url = self.server.service_url
        self.issuer.keys_uri = f"{self.url}/keys/v1/.well-known/keys"

    async def stop(self) -> None:
        await self.courier.close()
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
        return self.server.url

    @property
    def keys_url(self) -> str:
        """The OpenID configuration, in the place of login.botframework.com's."""
        return self.server.keys_url

    @property
    def login_url(self) -> str:
        """In the place of https://login.microsoftonline.com, without a slash at its end."""
        return self.server.login_url

    @property
    def endpoint(self) -> str:
        return self.courier.url

    @endpoint.setter
    def endpoint(self, url: str) -> None:
        self.courier.url = url

    def add_user(
        self, id: str, name: str, *, aad: str = "", locale: str = "en-US", tenant: str = "", role: str = "user"
    ) -> Person:
        """`role` guest is a guest; one of another `tenant` is an external person. The object id is made of `id`."""
        person = Person(id, name, aad or str(uuid5(NAMESPACE_URL, id)), tenant or self.tenant, locale, role)
        self.conversations.people[id] = person
        return person

    def add_chat(
        self, id: str, kind: str = "personal", members: Iterable[str] = (), *, team: str = TEAM, hears_all: bool = False
    ) -> Conversation:
        """`kind` is personal, groupChat or channel; `members` are people's ids."""
        if kind not in KINDS:
            raise ValueError(f"no such kind of conversation: {kind}")
        place = Conversation(id, kind, self.tenant, set(members), hears_all=hears_all)
        place.team = team if kind == "channel" else ""
        return self.conversations.add(place)

    async def deliver(self, activity: Payload, header: str | None = None) -> Delivery:
        """Sends any activity as it is, with any Authorization header: something Teams never sends."""
        return await self.courier.send(activity, header)

    # What the bot did.

    def messages(self, chat: str, thread: str | None = None, *, viewer: str = "") -> list[Message]:
        """What stands in a conversation in its order; with `thread` the thread's root and its replies.

        With `viewer` what this person sees: nothing, where they are not a member.
        """
        place = self.conversations.all[chat]
        streams.expire(self.streams, place)
        if viewer and viewer not in place.members:
            return []
        return [message for message in place.standing() if thread is None or message.thread == thread]

    def answers(self, chat: str, thread: str | None = None) -> list[Message]:
        """Those of them that the bot wrote."""
        return [message for message in self.messages(chat, thread) if message.is_bot]

    def message(self, chat: str, id: str) -> Message:
        return self.conversations.all[chat].messages[id]

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
        """Returns once everything that was on its way to the bot is answered or given up."""
        await self.courier.settle()

    # What goes wrong. `kind` is one of faults.KINDS, or "*" for every call of the connector.

    def fail(
        self, kind: str, status: int, code: str = "", message: str = "", *, retry_after: int = 0, times: int = 1
    ) -> None:
        """Refuses before anything is done: 412, 502, 503 and 504 as the connector does, others with `code`."""
        error = ServiceError(status, code or _TRANSIENT.get(status, "ServiceError"), message or "Unknown", retry_after)
        self.faults.add(kind, Refused(error), times)

    def rate_limit(self, kind: str, *, seconds: int = 1, times: int = 1) -> None:
        """429, with Retry-After where `seconds` is above 0."""
        self.faults.add(kind, Refused(throttled(seconds)), times)

    def drop(self, kind: str, *, times: int = 1) -> None:
        """Ends the connection before anything is done."""
        self.faults.add(kind, Lost(is_done=False), times)

    def swallow(self, kind: str, *, times: int = 1) -> None:
        """Does it, then ends the connection without an answer: the caller cannot know."""
        self.faults.add(kind, Lost(is_done=True), times)

    def hang(self, kind: str, *, is_done: bool = False, times: int = 1) -> None:
        """Gives no answer until `heal`; with `is_done` after all was done, as a timeout after it was taken."""
        self.faults.add(kind, Hung(is_done), times)

    def delay(self, kind: str, seconds: float) -> None:
        """Lets every call wait before it is done; 0 makes the kind quick again."""
        self.faults.slow(kind, seconds)

    def heal(self) -> None:
        """Takes back every fault that has not happened yet, and lets go whoever hangs."""
        self.faults.clear()

    def expire_streams(self) -> int:
        """Ends the open streams as after two minutes; how many there were."""
        found = [message for chat in self.conversations.all.values() if (message := chat.streaming())]
        for message in found:
            if message.stream is not None:
                message.stream.state = "expired"
        return len(found)

    @property
    def has_limits(self) -> bool:
        """Whether the rate limits hold; they are in `limits`."""
        return self.server.is_limited

    @has_limits.setter
    def has_limits(self, is_limited: bool) -> None:
        self.server.is_limited = is_limited

    @property
    def limits(self) -> Limits:
        return self.server.limits

    @property
    def max_bytes(self) -> int:
        """How large an activity may be, in bytes of UTF-16."""
        return self.connector.max_bytes

    @max_bytes.setter
    def max_bytes(self, size: int) -> None:
        self.connector.max_bytes = self.streams.max_bytes = size
