"""The fuzzer is only as good as its claims: what it calls forged is forged, what it calls sound would be believed."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random

import pytest

from adapters.teams.client import TeamsClient
from adapters.teams.parse import parse, welcome_of
from adapters.teams.settings import TeamsSettings
from adapters.teams.verify import Forged, activity_of
from bench.fuzz import Tally
from bench.fuzz_teams import CANARY, FORGED_TOKENS, SPOILED_BODIES, request, total
from bench.platforms.teams import APP_ID, APP_PASSWORD, FORGERIES, TENANT, Platform
from bench.teams_forged import FORGED
from bench.teams_posts import AUTHORIZATION, Post, activity, port, post, service_url
from bench.teams_rules import is_sound, type_of
from bench.teams_signed import HUGE, SIGNED, SPOILED, WHOLE
from bench.wire import Answer, Request
from core.errors import Malformed

ALL = [request(number, Random(f"a seed/{number}")) for number in range(2_000)]


@pytest.fixture
async def client() -> AsyncIterator[TeamsClient]:
    async with AsyncPlatform() as platform:
        settings = TeamsSettings(
            app_id=APP_ID,
            app_password=APP_PASSWORD,
            tenant_id=TENANT,
            is_dev=True,
            login_url=platform.login_url,
            keys_url=platform.keys_url,
        )
        client = TeamsClient(settings)
        await client.start()
        yield client
        await client.close()


class AsyncPlatform(Platform):
    """Where the fuzzer's tokens say that it is."""

    async def start(self, at: int = 0) -> None:
        await super().start(at or port())


def made_by(change, seed: int) -> Post:
    made = post(activity(Random(seed)))
    change(made, Random(seed))
    return made


async def is_believed(client: TeamsClient, made: Post) -> bool:
    header = dict(made.headers).get(AUTHORIZATION, b"").decode("utf-8", "surrogateescape").strip()
    try:
        await client.authenticate(header, activity_of(made.body))
    except Forged:
        return False
    return True


async def test_nothing_that_is_called_forged_would_be_believed(client: TeamsClient):
    believed = [
        (name, seed) for name in FORGED for seed in range(40) if await is_believed(client, made_by(FORGED[name], seed))
    ]
    assert believed == []


async def test_what_nothing_was_done_to_would_be_believed(client: TeamsClient):
    assert all([await is_believed(client, made_by(WHOLE["whole"], seed)) for seed in range(100)])


def test_every_forgery_of_the_stand_in_is_among_them():
    assert {f"a token, {name}" for name in FORGERIES} <= set(FORGED)


def test_what_nothing_was_done_to_is_sound():
    assert all(is_sound(made_by(WHOLE["whole"], seed).body) for seed in range(300))


@pytest.mark.parametrize("change", SPOILED.values())
def test_what_the_door_reads_an_event_in_is_sound(change):
    read = [made.body for seed in range(400) if has_event((made := made_by(change, seed)).body)]
    assert read
    assert [body for body in read if not is_sound(body)] == []


def has_event(body: bytes) -> bool:
    now = datetime.now(UTC)
    try:
        told = activity_of(body)
        # Who sent it, the token tells, and with it both of these.
        is_signed = (told.get("serviceUrl"), told.get("channelId")) == (service_url(), "msteams")
        return is_signed and bool(parse(told, now=now, tenant=TENANT) or welcome_of(told, now=now, tenant=TENANT))
    except Malformed:
        return False


@pytest.mark.parametrize(
    "field", [{"type": "message\0"}, {"channelId": "webchat"}, {"from": {}}, {"id": "a b"}, {"timestamp": "yesterday"}]
)
def test_what_lacks_something_is_not_sound(field):
    whole = json.loads(made_by(WHOLE["whole"], 1).body)
    assert not is_sound(json.dumps(whole | field).encode())


@pytest.mark.parametrize("kind", ["message\0", "invoke\0", "message ", "", "\ud800"])
def test_the_door_takes_no_type_that_reads_like_another(kind):
    whole = json.loads(made_by(WHOLE["whole"], 1).body)
    with pytest.raises(Malformed):
        activity_of(json.dumps(whole | {"type": kind}).encode())


@pytest.mark.parametrize("text", [False, 0, [], {}])
def test_the_door_takes_no_press_whose_text_is_none(text):
    activities = (activity(Random(seed)) for seed in range(5_000))
    told = next(
        told
        for told in activities
        if told["type"] == "message"
        and has_event(json.dumps(told).encode())
        and told.get("value") == {"action": "confirm", "id": "a-1"}
    )
    pressed = json.dumps(told | {"text": text}).encode()
    assert not has_event(pressed)
    assert not is_sound(pressed)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"type": 1}', b'{"type": NaN}', b"[" * 100_000])
def test_what_is_no_activity_has_no_type_and_is_not_sound(body):
    assert (type_of(body), is_sound(body)) == ("", False)


def test_a_number_and_a_seed_name_a_request():
    again = [request(number, Random(f"a seed/{number}")) for number in range(300)]
    assert [(each.kind, each.may_count, each.answers) for each in again] == [
        (each.kind, each.may_count, each.answers) for each in ALL[:300]
    ]


def test_every_change_has_its_turn():
    spoiled = {f"{SPOILED_BODIES}: {name}" for name in SPOILED | SIGNED | HUGE}
    assert {f"{FORGED_TOKENS}: {name}" for name in FORGED} | spoiled <= {each.kind for each in ALL}


@pytest.mark.parametrize("count", [1, 19, 20, 21, 400])
def test_a_count_is_of_forged_tokens_and_of_spoiled_bodies_alike(count):
    assert numbers_of(FORGED_TOKENS, total(count)) == numbers_of(SPOILED_BODIES, total(count)) == count


def numbers_of(kind: str, among: int) -> int:
    return sum(each.kind.startswith(f"{kind}: ") for each in ALL[:among])


def test_what_is_forged_may_be_answered_with_401_alone():
    forged = [each for each in ALL if each.kind.startswith(FORGED_TOKENS)]
    assert {each.answers for each in forged if "endless" not in each.kind} == {(401,)}
    assert not any(each.may_count for each in forged)


async def test_a_spoiled_body_comes_under_a_token_that_is_believed(client: TeamsClient):
    made = [made_by(change, seed) for change in (SPOILED | SIGNED | HUGE).values() for seed in range(5)]
    headers = {dict(each.headers)[AUTHORIZATION].decode() for each in made}
    assert all([await client.claims(header) for header in headers])


@pytest.mark.parametrize("name", ["another service URL", "another channel"])
async def test_an_activity_that_is_not_its_tokens_is_not_believed(client: TeamsClient, name):
    made = [made_by(SIGNED[name], seed) for seed in range(40)]
    assert not any([await is_believed(client, each) for each in made])
    assert {each.answers for each in made} == {(401,)}


def test_what_teams_sends_comes_all_along():
    assert sum(each.is_whole for each in ALL) == len(ALL) // 41 + 1


def test_what_people_write_carries_the_canary():
    assert sum(CANARY.encode() in each.data for each in ALL) > len(ALL) // 2


def test_the_tally_counts_what_was_answered_otherwise():
    tally = Tally()
    tally.add(1, Request("forged: any", b"", answers=(401,)), Answer(401, 0.001))
    tally.add(2, Request("forged: any", b"", answers=(401,)), Answer(202, 0.001))
    tally.add(3, Request("whole: any", b"", is_whole=True, answers=(200, 501)), Answer(501, 0.001))
    tally.add(4, Request("whole: any", b"", is_whole=True, answers=(202,)), Answer(200, 0.001))
    tally.add(5, Request("signed: any", b"", answers=(200,)), Answer(503, 0.001))
    assert (tally.otherwise, tally.turned_away, tally.failed) == (3, 1, 1)
