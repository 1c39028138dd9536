"""The Teams door and what is thrown at it: one request in two with a forged token, others spoiled under a good one."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from adapters.teams import TeamsAdapter
from bench.platforms.teams import APP_ID, APP_PASSWORD, TENANT, Conversation, Platform
from bench.teams_forged import FORGED, Change
from bench.teams_posts import CANARY as CANARY
from bench.teams_posts import activity, port, post
from bench.teams_rules import is_sound, type_of
from bench.teams_signed import HUGE, SIGNED, SPOILED, WHOLE
from bench.wire import Request
from bot.config import Config, HouseSecrets, Settings, TeamsChannelSettings
from bot.teams import teams_door
from bot.telemetry import PrometheusMetrics
from core.message import Event
from core.ports import Receipt, Store

SECRETS: tuple[str, ...] = (APP_PASSWORD, "eyJ")  # the second is how every token begins
_ANYONE = "29:anyone"
_READ = (200, 202, 400, 401, 413)  # 401 where the activity names another place or channel than its token


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one sort, and how many of all requests have one. Of what is not `is_signed` nothing may come."""

    name: str
    share: float
    changes: Mapping[str, Change]
    is_signed: bool = True


_GROUPS = (
    Group("forged", 0.5, FORGED, is_signed=False),
    Group("signed", 0.1, SIGNED),
    Group("signed, of another form", 0.34, SPOILED),
    Group("signed, almost or much too large", 0.005, HUGE),
    Group("as Teams sends it", 0.055, WHOLE),
)
_SHARES = [group.share for group in _GROUPS]


def request(number: int, chance: Random) -> Request:
    """The request of this number; the chance decides what it is."""
    (group,) = chance.choices(_GROUPS, _SHARES)
    name = chance.choice(tuple(group.changes))
    made = post(activity(chance))
    group.changes[name](made, chance)
    # What no bot handles is answered with 501: Teams' own rule for invokes.
    right = (*_READ, 501) if type_of(made.body) == "invoke" else _READ
    data = made.data(number)
    return Request(
        f"{group.name}: {name}",
        data,
        may_count=group.is_signed and is_sound(made.body),
        is_whole=group.changes is WHOLE,
        first=chance.randrange(1, len(data)) if chance.random() < 0.05 else 0,
        answers=made.answers or (right if group.is_signed else (401,)),
        **made.more,
    )


class _Anyone(str):
    """An id that is everybody's: whoever is asked for is in the roster."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = str.__hash__


class _Everywhere(dict[str, Conversation]):
    """Every conversation that anybody names is there."""

    def __contains__(self, id: object) -> bool:
        return True

    def __missing__(self, id: str) -> Conversation:
        kind = "channel" if "tacv2" in id else "groupChat" if id.startswith("19:") else "personal"
        place = self[id] = Conversation(id, kind, TENANT, {_ANYONE})
        return place


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[TeamsAdapter, None]:
    """The door over this store; the Teams it answers to is the stand-in, in this process."""
    platform = Platform()
    platform.conversations.all = _Everywhere()
    platform.add_user(_ANYONE, CANARY, aad=_Anyone(_ANYONE))
    async with AsyncExitStack() as stack:
        await platform.start(port())
        stack.push_async_callback(platform.stop)
        door = teams_door(_config(platform), store, PrometheusMetrics())
        stack.push_async_callback(door.close)

        async def accept(events: Sequence[Event]) -> tuple[Receipt, ...]:
            async with store.unit() as unit:
                return await unit.inbox.add(events)

        await door.listen(accept)
        yield door


def _config(platform: Platform) -> Config:
    teams = TeamsChannelSettings(
        app_id=APP_ID,
        tenant_id=TENANT,
        dev=True,  # answers may go to this machine
        login_url=platform.login_url,
        keys_url=platform.keys_url,
    )
    return Config(Settings(teams=teams), HouseSecrets(teams_app_password=APP_PASSWORD), None)
