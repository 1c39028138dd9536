"""The Slack door and what is thrown at it: one request in two forged, one in three signed and of no sense."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from adapters.slack import SlackAdapter, SlackSettings
from bench import mutations
from bench.platforms.slack import SIGNING_SECRET, Platform, payloads
from bench.slack_forged import ASTRAY, FORGED, LARGE, Change
from bench.slack_posts import CANARY as CANARY
from bench.slack_posts import payload, post
from bench.slack_signed import HUGE, SIGNED, SPOILED, WHOLE
from bench.wire import Request
from bot.telemetry import PrometheusMetrics
from core.access import Access
from core.ports import Store

QUICK = 5_000
TOKEN = "xoxb-parley-test"  # noqa: S105 - the stand-in's own
SECRETS: tuple[str, ...] = (SIGNING_SECRET, TOKEN)
_PEOPLE = ("U0ANNA001", "U0BORIS01", "U0EVE0001")


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one sort, and how many of all requests have one. Of what is not `is_signed` nothing may come."""

    name: str
    share: float
    changes: Mapping[str, Change]
    is_signed: bool = True


_GROUPS = (
    Group("forged", 0.48, FORGED, is_signed=False),
    Group("astray", 0.1, ASTRAY, is_signed=False),
    Group("too large", 0.002, LARGE, is_signed=False),
    Group("signed", 0.12, SIGNED),
    Group("signed, of another form", 0.25, SPOILED),
    Group("signed, almost too large", 0.003, HUGE),
    Group("as Slack sends it", 0.045, WHOLE),
)
_SHARES = [group.share for group in _GROUPS]


def total(count: int) -> int:
    """How many requests `count` are: all of them together."""
    return count


def request(number: int, chance: Random) -> Request:
    """The request of this number; the chance decides what it is."""
    (group,) = chance.choices(_GROUPS, _SHARES)
    name = chance.choice(tuple(group.changes))
    made = post(payload(chance), chance)
    if not group.is_signed and chance.random() < 0.3:
        made.body = mutations.encoded(mutations.spoiled(payload(chance), chance), chance)
        made.sign()
    group.changes[name](made, chance)
    data = made.data(number)
    return Request(
        f"{group.name}: {name}",
        data,
        may_count=group.is_signed,
        is_whole=group.changes is WHOLE,
        first=chance.randrange(1, len(data)) if chance.random() < 0.1 else 0,
        is_head=made.method == b"HEAD",
        **made.more,
    )


@asynccontextmanager
async def opened(store: Store) -> AsyncGenerator[SlackAdapter, None]:
    """The door over this store; the Slack it asks is the stand-in, in this process."""
    async with Platform() as platform:
        for person in _PEOPLE:
            platform.add_user(person, person, is_guest=person == _PEOPLE[-1])
        platform.add_channel(payloads.CHANNEL, members=_PEOPLE)
        settings = SlackSettings(signing_secret=SIGNING_SECRET, bot_token=TOKEN, api_url=platform.api_url)
        door = SlackAdapter(
            settings,
            secrets=store.secrets,
            leader=store.leader,
            metrics=PrometheusMetrics(),
            knows=store.archive.is_conversation,
            may=Access().allows,
        )
        try:
            yield door
        finally:
            await door.close()
