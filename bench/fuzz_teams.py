"""The Teams door and what is thrown at it: as many forged tokens as spoiled bodies under a good one."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from adapters.teams import TeamsAdapter
from bench.platforms.teams import APP_ID, APP_PASSWORD, TENANT, Conversation, Platform
from bench.teams_forged import FORGED, Change
from bench.teams_posts import CANARY as CANARY
from bench.teams_posts import Post, activity, port, post
from bench.teams_rules import is_sound
from bench.teams_signed import HUGE, SIGNED, SPOILED, WHOLE
from bench.wire import Request
from bot.config import Config, HouseSecrets, Settings, TeamsChannelSettings
from bot.teams import teams_door
from bot.telemetry import PrometheusMetrics
from core.message import Event
from core.ports import Receipt, Store

SECRETS: tuple[str, ...] = (APP_PASSWORD, "eyJ")  # the second is how every token begins
QUICK = 2_500
FORGED_TOKENS, SPOILED_BODIES = "a forged token", "a spoiled body under a good token"
_ANYONE = "29:anyone"
_READ = (200, 202, 400, 401, 413)  # 401 where the activity names another place or channel than its token


# How many of all spoiled bodies are spoiled in one of these ways.
_SPOILED = ((0.76, SPOILED), (0.23, SIGNED), (0.01, HUGE))
_CYCLE = 20  # forged tokens and as many spoiled bodies, after which comes what Teams sends


def total(count: int) -> int:
    """How many requests there are with `count` forged tokens and as many spoiled bodies under a good one."""
    cycles, rest = divmod(count, _CYCLE)
    return cycles * (2 * _CYCLE + 1) + (2 * rest + 1 if rest else 0)


def request(number: int, chance: Random) -> Request:
    """The request of this number, which decides whether its token is forged or its body spoiled."""
    made = post(activity(chance))
    place = number % (2 * _CYCLE + 1)
    if place == 0:
        return _made("as Teams sends it", number, made, WHOLE, chance)
    if place % 2:
        return _made(FORGED_TOKENS, number, made, FORGED, chance)
    (changes,) = chance.choices([changes for _, changes in _SPOILED], [share for share, _ in _SPOILED])
    return _made(SPOILED_BODIES, number, made, changes, chance)


def _made(kind: str, number: int, made: Post, changes: Mapping[str, Change], chance: Random) -> Request:
    name = chance.choice(tuple(changes))
    changes[name](made, chance)
    is_signed = changes is not FORGED
    data = made.data(number)
    return Request(
        f"{kind}: {name}",
        data,
        may_count=is_signed and is_sound(made.body),
        is_whole=changes is WHOLE,
        first=chance.randrange(1, len(data)) if chance.random() < 0.05 else 0,
        answers=made.answers or (_READ if is_signed else (401,)),
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
    platform.has_limits = False  # thousands are answered here, of whom one tenant takes 50 a second
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
