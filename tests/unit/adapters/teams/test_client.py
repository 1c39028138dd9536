"""Whom the client of Teams believes, and what it makes of what Teams answers. Time is the test's own: nobody waits."""

import asyncio
import base64
import json
import logging
from bisect import bisect_left
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from itertools import count
from random import Random
from time import time as wall_time
from types import SimpleNamespace
from typing import Any

import jwt
import msal  # type: ignore[import-untyped]
import pytest
import requests
from aiohttp import ClientTimeout
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.teams import client as room
from adapters.teams.client import TeamsClient
from adapters.teams.errors import (
    NotAPersonalChat,
    NotLetIn,
    NotSent,
    StreamEnded,
    TeamsRefused,
    TooLarge,
    Unsure,
)
from adapters.teams.keys import PAUSE
from adapters.teams.pacing import READS, TEAMS_READS, TEAMS_WRITES, WRITES, Paces
from adapters.teams.settings import TeamsSettings
from adapters.teams.verify import Forged
from core.errors import ChannelError, RateLimited, Undeliverable
from tests.unit.adapters.teams.microsoft import (
    APP,
    ISSUER,
    KEY,
    OTHER_KEY,
    PASSWORD,
    TAKEN,
    TENANT,
    Answer,
    Microsoft,
    microsoft,
)

ROOT = "19:room@thread.tacv2"
THREAD = f"{ROOT};messageid=1700000000001"
WORDS = "what somebody asked in confidence"
ACTIVITY = {"type": "message", "text": WORDS}
STREAMED = {
    "type": "typing",
    "text": WORDS,
    "entities": [{"type": "streaminfo", "streamType": "streaming", "streamId": "1:s", "streamSequence": 2}],
}


class Time:
    """A clock that a sleep moves on, and what was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Counted:
    """The Metrics port, remembering."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, Mapping[str, str]]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append((name, labels))

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...


@pytest.fixture
def time(monkeypatch) -> Time:
    time = Time()
    monkeypatch.setattr(room, "asyncio", SimpleNamespace(sleep=time.sleep, gather=asyncio.gather))
    return time


@pytest.fixture
async def side() -> AsyncGenerator[Microsoft, None]:
    async with microsoft() as side:
        yield side


@pytest.fixture
def told(side) -> dict[str, Any]:
    return {
        "app_id": APP,
        "app_password": PASSWORD,
        "tenant_id": TENANT,
        "is_dev": True,  # the stand-in is on loopback
        "login_url": side.url,
        "keys_url": side.keys_url,
    }


@pytest.fixture
async def client(told, time) -> AsyncGenerator[TeamsClient, None]:
    client = TeamsClient(TeamsSettings(**told), clock=time)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def address(side) -> dict[str, Any]:
    return {
        "service_url": side.url,
        "conversation": THREAD,
        "conversation_type": "channel",
        "tenant": TENANT,
        "bot": {"id": f"28:{APP}", "name": "Parley"},
        "user": {"id": "29:anna", "name": "Anna"},
        "activity": "1700000000002",
        "locale": "en-GB",
    }


def activity_from(side: Microsoft, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "channelId": "msteams", "serviceUrl": side.url, "text": WORDS, **fields}


async def let_in(client: TeamsClient, side: Microsoft, token: str, **fields: Any) -> None:
    await client.authenticate(f"Bearer {token}", activity_from(side, **fields))


def reworded(token: str, **header: Any) -> str:
    """The same token with another header, and the signature it had."""
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join([head, *token.split(".")[1:]])


# ------------------------------------------------------------------------------------------------- who speaks


async def test_what_teams_signed_for_our_bot_is_believed(side, client):
    await let_in(client, side, side.token())


@pytest.mark.parametrize("claims", [{"exp": -280}, {"nbf": 280}, {"iat": 280}])
async def test_clocks_may_differ_by_five_minutes(side, client, claims):
    await let_in(client, side, side.token(**{name: int(wall_time()) + by for name, by in claims.items()}))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": lambda: int(wall_time()) - 320}, "expired"),
        ({"nbf": lambda: int(wall_time()) + 320}, "not valid yet"),
        ({"exp": None}, "no end"),
        ({"exp": "soon"}, "cannot be read"),
        ({"aud": "33333333-3333-4333-8333-333333333333"}, "another bot"),
        ({"aud": [APP]}, "another bot"),
        ({"aud": None}, "another bot"),
        ({"iss": "https://login.microsoftonline.com"}, "no bearer token of the Bot Framework"),
        ({"iss": "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"}, "no bearer token"),
        ({"iss": None}, "no bearer token"),
        ({"serviceurl": "https://smba.trafficmanager.net/emea/"}, "another service URL"),
        ({"serviceurl": None}, "another service URL"),
    ],
)
async def test_a_token_of_microsofts_that_is_not_for_this_is_forged(side, client, claims, reason):
    token = side.token(**{name: value() if callable(value) else value for name, value in claims.items()})
    with pytest.raises(Forged, match=reason):
        await let_in(client, side, token)


async def test_a_token_that_microsoft_did_not_sign_is_forged(side, client):
    sound = side.token()
    head, body, signature = sound.split(".")
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    forged = [
        side.token(OTHER_KEY),
        side.token(public, algorithm="HS256"),
        side.token(KEY, algorithm="RS512"),
        jwt.encode({"iss": ISSUER, "aud": APP, "serviceurl": side.url}, "", "none", headers={"kid": "key-1"}),
        reworded(sound, alg="none", kid="key-1"),
        reworded(sound, alg="RS256", kid=["key-1"]),
        reworded(sound, alg="RS256", kid="key-1", crit=["b64"]),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        side.token(kid=None),
        side.token(kid="key-2"),
        side.token(OTHER_KEY, kid="key-2"),
    ]
    for token in forged:
        with pytest.raises(Forged):
            await let_in(client, side, token)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic YTpi",
        "Bearer \x00",
        "Bearer é.ü.ß",
        "a b c",
        "Bearer " + "a" * 99_999,
    ],
)
async def test_a_missing_token_or_garbage_is_forged(side, client, header):
    with pytest.raises(Forged):
        await client.authenticate(header, activity_from(side))
    assert side.key_fetches == 1


async def test_the_scheme_has_to_be_bearer(side, client):
    for header in (side.token(), f"bearer {side.token()}", f"Bearer  {side.token()}", f"Bearer {side.token()} x"):
        with pytest.raises(Forged):
            await client.authenticate(header, activity_from(side))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_a_token_with_anything_changed_is_forged(side, client, data):
    token = side.token()
    at = data.draw(st.integers(0, len(token) - 2))  # the very last character has bits that mean nothing
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != token[at]))
    with pytest.raises(Forged):
        await let_in(client, side, token[:at] + other + token[at + 1 :])


async def test_a_refusal_tells_its_reason_and_never_the_token(side, client):
    tokens = [side.token(OTHER_KEY), side.token(exp=1), side.token(kid="key-2"), "a.b.c", reworded(side.token(), kid=1)]
    for token in tokens:
        with pytest.raises(Forged) as caught:
            await let_in(client, side, token)
        assert caught.value.detail
        assert not any(piece in str(caught.value) for piece in token.split(".") if len(piece) > 3)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("fields", [{"serviceUrl": None}, {"serviceUrl": ["x"]}, {"serviceUrl": "http://127.0.0.1:1"}])
async def test_a_token_is_good_for_its_own_service_url_alone(side, client, fields):
    with pytest.raises(Forged, match="service URL"):
        await let_in(client, side, side.token(), **fields)


@pytest.mark.parametrize("channel", ["webchat", "directline", "emulator", None, 7])
async def test_what_comes_through_another_channel_is_forged(side, client, channel):
    with pytest.raises(Forged, match="another channel"):
        await let_in(client, side, side.token(), channelId=channel)


async def test_a_key_that_may_not_sign_for_teams_is_not_enough(told, time, side):
    side.endorsements = ["webchat", "directline"]
    client = TeamsClient(TeamsSettings(**told), clock=time)
    await client.start()
    with pytest.raises(Forged, match="endorsement"):
        await let_in(client, side, side.token())
    await client.close()


async def test_a_key_without_endorsements_may_sign_for_all(told, time, side):
    side.endorsements = None
    client = TeamsClient(TeamsSettings(**told), clock=time)
    await client.start()
    await let_in(client, side, side.token())
    await client.close()


async def test_a_service_url_that_is_not_listed_is_not_answered_though_microsoft_signed_it(side, client):
    url = "https://teams.example.com/"
    with pytest.raises(Forged, match=r"teams\.services"):
        await let_in(client, side, side.token(serviceurl=url), serviceUrl=url)
    url = "https://smba.trafficmanager.net/emea/"
    await let_in(client, side, side.token(serviceurl=url), serviceUrl=url)


@pytest.mark.parametrize("is_dev", [True, False])
async def test_without_an_app_id_development_alone_believes_and_only_this_machine(is_dev):
    client = TeamsClient(TeamsSettings(is_dev=is_dev))
    await client.start()
    for url, may in {
        "http://127.0.0.1:56150": is_dev,
        "http://localhost:56150/": is_dev,
        "http://[::1]:1": is_dev,
        "https://smba.trafficmanager.net/emea/": False,
        "http://127.0.0.1.example.com": False,
        "http://10.0.0.7": False,
        None: False,
    }.items():
        if may:
            await client.authenticate("", {"type": "message", "serviceUrl": url})
        else:
            with pytest.raises(Forged):
                await client.authenticate("", {"type": "message", "serviceUrl": url})
    await client.close()


# ------------------------------------------------------------------------------------------------------- keys


async def test_keys_are_fetched_once_for_any_number_of_requests(side, client):
    for _ in range(20):
        await let_in(client, side, side.token())
    assert side.key_fetches == 1


async def test_a_rotation_of_keys_is_survived_at_once(side, client):
    side.keys = {"key-2": OTHER_KEY}
    await asyncio.gather(*(let_in(client, side, side.token(OTHER_KEY, kid="key-2")) for _ in range(8)))
    assert side.key_fetches == 2
    with pytest.raises(Forged):
        await let_in(client, side, side.token())


async def test_tokens_of_unknown_keys_make_no_storm(side, client, time):
    async def forge(number: int) -> None:
        with pytest.raises(Forged):
            await let_in(client, side, side.token(OTHER_KEY, kid=f"invented-{number}"))

    await asyncio.gather(*map(forge, range(50)))
    assert side.key_fetches == 2
    time.now += PAUSE - 1
    await asyncio.gather(*map(forge, range(50)))
    assert side.key_fetches == 2
    time.now += 2
    await asyncio.gather(*map(forge, range(50)))
    assert side.key_fetches == 3
    await let_in(client, side, side.token())


async def test_an_outage_of_the_key_server_makes_no_storm_and_takes_no_key_away(side, client, time, caplog):
    side.are_keys_down = True
    for number in range(50):
        with pytest.raises(Forged):
            await let_in(client, side, side.token(OTHER_KEY, kid=f"invented-{number}"))
    assert side.key_fetches == 2
    await let_in(client, side, side.token())
    assert "teams.keys_url" in caplog.text


async def test_a_start_without_keys_believes_nobody_and_goes_on_trying(side, told, time, caplog):
    side.are_keys_down = True
    client = TeamsClient(TeamsSettings(**told), clock=time)
    await client.start()
    with pytest.raises(Forged, match="no keys yet"):
        await let_in(client, side, side.token())
    assert "nobody in Teams is believed" in caplog.text
    side.are_keys_down = False
    time.now += PAUSE + 1
    await let_in(client, side, side.token())
    await client.close()


async def test_keys_are_fetched_again_after_hours(side, told, monkeypatch):
    monkeypatch.setattr("adapters.teams.keys._EVERY", 0.01)
    client = TeamsClient(TeamsSettings(**told))
    await client.start()
    side.keys = {"key-2": OTHER_KEY}
    async with asyncio.timeout(5):
        while side.key_fetches < 4:
            await asyncio.sleep(0.01)
    fetched = side.key_fetches
    await let_in(client, side, side.token(OTHER_KEY, kid="key-2"))
    assert side.key_fetches >= fetched
    await client.close()


async def test_keys_from_an_unsafe_place_are_not_fetched(told, caplog):
    client = TeamsClient(TeamsSettings(**told | {"keys_url": "http://keys.example.com/"}))
    with pytest.raises(ChannelError, match="https"):
        await client.check()
    await client.close()


# ---------------------------------------------------------------------------------------------------- sending


async def test_an_activity_goes_into_the_thread_as_it_is_and_its_id_comes_back(side, client, address):
    citation = {"@type": "Claim", "position": 1, "appearance": {"@type": "DigitalDocument", "name": "名"}}
    entity = {"type": "https://schema.org/Message", "additionalType": ["AIGeneratedContent"], "citation": [citation]}
    loop = {"feedbackLoop": {"type": "default"}}
    activity = {"type": "message", "text": "你好 [1]", "entities": [entity], "channelData": loop, "unknownToTheSdk": 1}
    assert await client.send(address, activity) == "1:answer"
    (call,) = side.calls
    assert call.method == "POST"
    assert call.path == "/v3/conversations/19:room@thread.tacv2;messageid=1700000000001/activities"
    assert call.token == "granted-1"
    assert {name: call.body[name] for name in activity} == activity
    assert call.body["from"] == address["bot"]
    assert call.body["conversation"] == {"id": THREAD, "conversationType": "channel", "tenantId": TENANT}


async def test_half_a_character_does_not_keep_an_answer_back(side, client, address):
    await client.send(address, {"type": "message", "text": "half \ud83d of it"})
    assert side.calls[0].body["text"] == "half ? of it"


async def test_a_part_of_a_stream_has_no_id(side, client, address):
    side.answers(Answer({}, 202))
    assert await client.send(address, STREAMED) == ""
    side.answers(Answer(None, 202))
    assert await client.send(address, STREAMED) == ""


async def test_messages_are_replaced_taken_back_and_people_looked_up(side, client, address):
    side.answers(Answer({"id": "1:answer"}), Answer(None), Answer({"id": "29:anna", "userRole": "guest"}))
    await client.update(address, "f:1/2", ACTIVITY)
    await client.delete(address, "f:1/2")
    assert (await client.member(address, "29:anna"))["userRole"] == "guest"
    thread, channel = "19:room@thread.tacv2;messageid=1700000000001", "19:room@thread.tacv2"
    assert [(call.method, call.path) for call in side.calls] == [
        ("PUT", f"/v3/conversations/{thread}/activities/f:1%2F2"),
        ("DELETE", f"/v3/conversations/{thread}/activities/f:1%2F2"),
        ("GET", f"/v3/conversations/{channel}/members/29:anna"),
    ]
    assert side.calls[0].body["id"] == "f:1/2"


@pytest.mark.parametrize("conversation", ["", "..", None])
async def test_an_id_that_would_name_another_place_is_not_sent(side, client, address, conversation):
    with pytest.raises(Undeliverable):
        await client.send(address | {"conversation": conversation}, ACTIVITY)
    with pytest.raises(Undeliverable):
        await client.update(address, conversation, ACTIVITY)
    assert side.calls == []


@pytest.mark.parametrize("url", ["https://teams.example.com", "http://smba.trafficmanager.net", "", None])
async def test_nothing_goes_to_a_service_url_that_is_not_listed(side, client, address, url):
    with pytest.raises(Undeliverable, match=r"teams\.services"):
        await client.send(address | {"service_url": url}, ACTIVITY)


async def test_without_an_app_id_no_token_goes_along(side, address):
    client = TeamsClient(TeamsSettings(is_dev=True, login_url=side.url))
    await client.start()
    assert await client.send(address, ACTIVITY) == "1:answer"
    assert (side.calls[0].token, side.sign_ins) == ("", [])
    await client.close()


async def test_24_answers_go_out_side_by_side(side, client, address):
    side.gate.clear()
    sends = [asyncio.create_task(client.send(address | {"conversation": f"a:{n}"}, ACTIVITY)) for n in range(24)]
    async with asyncio.timeout(10):
        while side.waiting < 24:
            await asyncio.sleep(0.001)
    side.gate.set()
    assert await asyncio.gather(*sends) == ["1:answer"] * 24


# ------------------------------------------------------------------------------------------------ the token


async def test_one_token_serves_all_answers(side, client, address):
    await asyncio.gather(*(client.send(address | {"conversation": f"a:{n}"}, ACTIVITY) for n in range(24)))
    assert side.sign_ins == [
        {
            "tenant": TENANT,
            "grant_type": "client_credentials",
            "client_id": APP,
            "client_secret": PASSWORD,
            "scope": "https://api.botframework.com/.default",
        }
    ]


async def test_a_token_is_renewed_before_its_end_and_beside_the_work(side, client, address, time):
    time.now += 3600 - 599
    await client.send(address, ACTIVITY)
    async with asyncio.timeout(5):
        while len(side.sign_ins) < 2:
            await asyncio.sleep(0.001)
        while (await client._credential.token()) != "granted-2":
            await asyncio.sleep(0.001)
    await client.send(address, ACTIVITY)
    assert [call.token for call in side.calls] == ["granted-1", "granted-2"]


async def test_a_token_that_is_over_is_not_sent(side, client, address, time):
    time.now += 3600
    await asyncio.gather(*(client.send(address | {"conversation": f"a:{n}"}, ACTIVITY) for n in range(8)))
    assert {call.token for call in side.calls} == {"granted-2"}
    assert len(side.sign_ins) == 2


async def test_a_token_that_teams_takes_no_more_is_replaced_once(side, client, address, time):
    time.now += 31
    side.respond = lambda call: TAKEN if call.token == "granted-2" else Answer(None, 401)
    assert await client.send(address, ACTIVITY) == "1:answer"
    assert len(side.sign_ins) == 2


async def test_a_conversation_that_takes_no_token_of_ours_leaves_the_others_alone(side, client, address, time):
    foreign = address | {"conversation": "19:foreign@thread.v2"}
    side.respond = lambda call: Answer(None, 401) if "foreign" in call.path else TAKEN
    for _ in range(3):
        time.now += 31
        with pytest.raises(NotLetIn):
            await client.send(foreign, ACTIVITY)
        with pytest.raises(NotLetIn):
            await client.send(foreign, ACTIVITY)
        assert await client.send(address, ACTIVITY) == "1:answer"
    assert len(side.sign_ins) == 4


async def test_where_teams_takes_no_token_none_is_asked_for_for_a_while(side, client, address, caplog, time):
    time.now += 31
    side.answers(Answer(None, 401))
    for _ in range(10):
        with pytest.raises(NotLetIn) as caught:
            await client.send(address, ACTIVITY)
        assert caught.value.code == "turned_away"
    assert len(side.sign_ins) == 2
    time.now += 31
    side.answers(TAKEN)
    caplog.set_level(logging.INFO)
    assert await client.send(address, ACTIVITY) == "1:answer"
    assert [record.levelname for record in caplog.records if "let in" in record.message] == ["ERROR", "INFO"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer({"error": "invalid_client", "error_codes": [7000215]}, 401), "wrong_password"),
        (Answer({"error": "invalid_client", "error_codes": [7000222]}, 401), "expired_password"),
        (Answer({"error": "unauthorized_client", "error_codes": [700016]}, 400), "unknown_app"),
        (Answer({"error": "invalid_request", "error_codes": [90002]}, 400), "unknown_tenant"),
        (Answer({"error": "x", "error_codes": [1]}, 400), "rejected"),
        (Answer({"error": "x", "error_codes": "1"}, 400), "rejected"),
        (Answer(["no object"], 400), "rejected"),
        (Answer({}, 503), "unreachable"),
        (Answer({"access_token": "a b", "expires_in": 3600}), "rejected"),
        (Answer({"access_token": "a", "expires_in": "never"}), "rejected"),
        (Answer({"access_token": "a", "expires_in": -1}), "rejected"),
        (Answer({"access_token": None, "expires_in": 3600}), "rejected"),
    ],
)
async def test_a_refused_sign_in_is_told_once_and_holds_the_answers(side, told, time, address, caplog, answer, code):
    side.sign_in = answer
    client = TeamsClient(TeamsSettings(**told), clock=time)
    await client.start()
    for _ in range(5):
        with pytest.raises(NotLetIn) as caught:
            await client.send(address, ACTIVITY)
        assert caught.value.code == code
    assert (len(side.sign_ins), side.calls) == (1, [])
    assert caplog.text.count("not let in") == 1
    assert PASSWORD not in caplog.text + repr(client._settings)
    side.sign_in = Answer()
    time.now += 31
    assert await client.send(address, ACTIVITY) == "1:answer"
    await client.close()


async def test_a_sign_in_that_cannot_be_reached_is_told_as_that(told, time):
    client = TeamsClient(TeamsSettings(**told | {"login_url": "http://127.0.0.1:9"}), clock=time)
    with pytest.raises(NotLetIn) as caught:
        await client.check()
    assert caught.value.code == "unreachable"
    await client.close()


async def test_a_bot_without_a_password_speaks_by_the_machines_identity(side, told, address, monkeypatch):
    asked: list[tuple[dict[str, str], str]] = []

    class Identity:
        def __init__(self, identity: dict[str, str], *, http_client: Any, token_cache: Any) -> None:
            self._identity = identity
            assert http_client.request.keywords["timeout"]

        def acquire_token_for_client(self, *, resource: str) -> dict[str, Any]:
            asked.append((dict(self._identity), resource))
            return {"access_token": "of-the-machine", "expires_in": 86400}

    monkeypatch.setattr(msal, "ManagedIdentityClient", Identity)
    client = TeamsClient(TeamsSettings(**told | {"app_password": ""}))
    await client.start()
    await let_in(client, side, side.token())
    await client.send(address, ACTIVITY)
    assert [call.token for call in side.calls] == ["of-the-machine"]
    assert asked == [({"ManagedIdentityIdType": "ClientId", "Id": APP}, "https://api.botframework.com")]
    await client.close()


@pytest.fixture
def machine(monkeypatch) -> list[str]:
    """What the identity service of a machine in Azure was asked for; each time it gives another token for a day."""
    asked: list[str] = []
    numbers = count(1)

    def request(self: requests.Session, method: str, url: str, **more: Any) -> SimpleNamespace:
        asked.append(more["params"]["resource"])
        granted = {"access_token": f"machine-{next(numbers)}", "expires_in": "86400", "token_type": "Bearer"}
        return SimpleNamespace(status_code=200, text=json.dumps(granted), headers={})

    for name in ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(requests.Session, "request", request)
    return asked


async def test_the_machine_is_asked_anew_where_its_token_is_refused(side, told, address, time, machine):
    client = TeamsClient(TeamsSettings(**told | {"app_password": ""}), clock=time)
    await client.start()
    time.now += 60
    side.answers(Answer(None, 401), TAKEN)
    assert await client.send(address, ACTIVITY) == "1:answer"
    assert [call.token for call in side.calls] == ["machine-1", "machine-2"]
    await client.close()


async def test_a_token_of_the_machine_that_ends_soon_is_followed_by_another(side, told, address, time, machine):
    client = TeamsClient(TeamsSettings(**told | {"app_password": ""}), clock=time)
    await client.start()
    time.now += 86400 - 590
    await client.send(address, ACTIVITY)
    renewal = client._credential._renewal
    assert renewal
    await renewal
    await client.send(address, ACTIVITY)
    assert [call.token for call in side.calls] == ["machine-1", "machine-2"]
    assert machine == ["https://api.botframework.com"] * 2
    await client.close()


@pytest.mark.parametrize("answer", [{"error": "invalid_resource"}, OSError("no such host")])
async def test_a_machine_without_that_identity_is_told_as_that(told, monkeypatch, answer):
    def acquire(*, resource: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = SimpleNamespace(acquire_token_for_client=acquire)
    monkeypatch.setattr(msal, "ManagedIdentityClient", lambda *_, **__: made)
    client = TeamsClient(TeamsSettings(**told | {"app_password": ""}))
    with pytest.raises(NotLetIn, match="managed identity"):
        await client.check()
    await client.close()


async def test_the_governments_cloud_has_an_issuer_of_its_own(side, told):
    client = TeamsClient(TeamsSettings(**told | {"login_url": "https://login.microsoftonline.us/"}))
    await client._keys.renew()
    await let_in(client, side, side.token(iss="https://api.botframework.us"))
    with pytest.raises(Forged):
        await let_in(client, side, side.token())
    await client.close()


# ---------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_where_teams_asks_for_it_a_call_is_repeated(side, told, address, time, status):
    metrics = Counted()
    client = TeamsClient(TeamsSettings(**told), metrics, clock=time)
    side.answers(Answer(None, status, {"Retry-After": "7"}), Answer(None, status), TAKEN)
    assert await client.send(address, ACTIVITY) == "1:answer"
    first, second = time.slept
    assert 7.5 <= first <= 8
    assert 2 <= second <= 3  # nothing said: a second, and the longer the oftener
    assert metrics.counted == [("channel_retries", {"channel": "teams"})] * 2
    await client.close()


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_tries_come_to_an_end(side, client, address, time, status):
    side.answers(Answer({"error": {"code": "Throttled"}}, status))
    with pytest.raises(RateLimited) as caught:
        await client.send(address, ACTIVITY)
    assert (len(side.calls), caught.value.retry_after) == (5, timedelta(seconds=1))
    assert len(set(time.slept)) == 4  # jitter


async def test_a_wait_beyond_all_patience_is_told_at_once_and_holds_the_conversation(side, client, address, time):
    side.answers(Answer(None, 429, {"Retry-After": "61"}))
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await client.send(address, ACTIVITY)
        assert caught.value.retry_after == timedelta(seconds=61)
    assert (len(side.calls), time.slept) == (1, [])
    side.answers(TAKEN)
    await client.send(address | {"conversation": "a:other"}, ACTIVITY)
    assert time.slept == []


@pytest.mark.parametrize(("told_wait", "seconds"), [("soon", 1.0), ("-3", 0.1), ("nan", 0.1), ("inf", 3600.0)])
async def test_a_wait_that_makes_no_sense_is_bounded(side, client, address, told_wait, seconds):
    side.answers(Answer(None, 429, {"Retry-After": told_wait}))
    with pytest.raises(RateLimited) as caught:
        await client.send(address, ACTIVITY, patience=0)
    assert caught.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("Content stream is not allowed", "not_allowed"),
        ("Content stream is not allowed on an already completed streamed message", "completed"),
        ("Content stream finished due to exceeded streaming time.", "too_long"),
        ("Message size too large", "too_large"),
        ("Content stream was canceled by user.", "canceled"),
        ("Request streamed content should contain the previously streamed content", "rewritten"),
        ("something new", "not_allowed"),
    ],
)
async def test_the_ends_of_a_stream_are_told_apart_and_nothing_is_repeated(side, client, address, message, why):
    side.answers(Answer({"error": {"code": "ContentStreamNotAllowed", "message": message}}, 403))
    with pytest.raises(StreamEnded) as caught:
        await client.send(address, STREAMED)
    assert (caught.value.why, len(side.calls)) == (why, 1)


@pytest.mark.parametrize(
    ("answer", "activity", "error"),
    [
        (Answer({"error": {"code": "BotNotInConversationRoster", "message": WORDS}}, 403), ACTIVITY, Undeliverable),
        (Answer({"error": {"code": "BotNotInConversationRoster", "message": WORDS}}, 403), STREAMED, Undeliverable),
        (Answer({"error": {"code": "MessageWritesBlocked"}}, 403), STREAMED, Undeliverable),
        (Answer("<html>", 403), ACTIVITY, Undeliverable),
        (Answer("<html>", 403), STREAMED, StreamEnded),
        (Answer({"error": {"code": "ConversationNotFound"}}, 404), ACTIVITY, Undeliverable),
        (Answer({"error": {"code": "BadSyntax"}}, 405), STREAMED, NotAPersonalChat),
        (Answer(None, 405), ACTIVITY, TeamsRefused),
        (Answer({"error": {"code": "MessageSizeTooBig"}}, 413), ACTIVITY, TooLarge),
        (Answer({"error": {"code": "BadArgument", "message": WORDS}}, 400), ACTIVITY, TeamsRefused),
        (Answer({"error": {"code": "ServiceError", "message": "(ServiceError) Unknown"}}, 400), ACTIVITY, TeamsRefused),
        (Answer({"error": WORDS}, 400), ACTIVITY, TeamsRefused),
        (Answer({"error": {"code": WORDS, "message": [WORDS]}}, 400), ACTIVITY, TeamsRefused),
        (Answer(None, 302, {"Location": "https://example.com/"}), ACTIVITY, TeamsRefused),
        (Answer(None, 500), ACTIVITY, Unsure),
        (Answer(None, 503), ACTIVITY, Unsure),
        (Answer(None, 408), ACTIVITY, Unsure),
    ],
)
async def test_each_refusal_has_its_name_and_quotes_nobody(side, client, address, answer, activity, error):
    side.answers(answer)
    with pytest.raises(ChannelError) as caught:
        await client.send(address, activity)
    assert type(caught.value) is error
    assert WORDS not in str(caught.value)
    assert len(side.calls) == 1


async def test_of_a_post_that_was_not_answered_it_is_unsure_whether_it_arrived(side, client, address, monkeypatch):
    monkeypatch.setattr(room, "_TIMEOUT", ClientTimeout(total=0.2))
    side.gate.clear()
    with pytest.raises(Unsure):
        await client.send(address, ACTIVITY)
    assert len(side.calls) == 1


async def test_what_may_be_repeated_is_repeated_where_it_is_unsure(side, client, address):
    side.answers(Answer(None, 503), Answer(None, 500), Answer({"id": "1:answer"}))
    await client.update(address, "1:answer", ACTIVITY)
    assert len(side.calls) == 3
    side.answers(Answer(None, 503))
    with pytest.raises(Unsure):
        await client.member(address, "29:anna")
    assert len(side.calls) == 3 + 5


async def test_what_was_never_sent_is_tried_again_and_told_as_that(client, address, time):
    with pytest.raises(NotSent):
        await client.send(address | {"service_url": "http://127.0.0.1:9"}, ACTIVITY)
    assert len(time.slept) == 4


# ---------------------------------------------------------------------------------------------------- pacing


def most_within(moments: list[float], seconds: float) -> int:
    """Of moments in order."""
    return max(bisect_left(moments, begin + seconds - 1e-6) - at for at, begin in enumerate(moments))


@pytest.mark.parametrize("limits", [WRITES, READS])
def test_no_window_of_a_conversation_is_ever_overfull(limits):
    time = Time()
    paces = Paces(limits, clock=time)
    moments = [time.now + paces.take("a:1", 1e9) for _ in range(4000)]
    assert moments == sorted(moments)
    for calls, seconds in limits:
        assert most_within(moments, seconds) == calls


@pytest.mark.parametrize(("ours", "teams"), [(WRITES, TEAMS_WRITES), (READS, TEAMS_READS)])
def test_what_arrives_a_little_late_overfills_no_window_of_teams(ours, teams):
    time, chance = Time(), Random(7)
    paces = Paces(ours, clock=time)
    moments = [time.now + paces.take("a:1", 1e9) for _ in range(4000)]
    arrived = sorted(moment + chance.uniform(0, 0.05) for moment in moments)
    for calls, seconds in teams:
        assert most_within(arrived, seconds) <= calls


def test_conversations_do_not_wait_for_each_other():
    paces = Paces(clock=Time())
    assert [paces.take("a:1", 60) for _ in range(8)] == [0.0] * 7 + [pytest.approx(1.05)]
    assert paces.take("a:2", 60) == 0.0


def test_who_has_no_patience_takes_no_moment_away_from_others():
    time = Time()
    paces = Paces(clock=time)
    for _ in range(7):
        paces.take("a:1", 0)
    assert [paces.take("a:1", 0.5) for _ in range(100)] == [pytest.approx(1.05)] * 100
    time.now += 1.05
    assert paces.take("a:1", 0) == 0.0


def test_conversations_long_silent_are_forgotten():
    time = Time()
    paces = Paces(clock=time)
    for number in range(5000):
        paces.take(f"a:{number}", 0)
        time.now += 10
    assert len(paces._taken) < 1100


async def test_the_threads_of_a_channel_share_its_pace_and_the_roster_has_its_own(side, client, address, time):
    for number in range(7):
        await client.send(address | {"conversation": f"{ROOT};messageid={number}"}, ACTIVITY)
    await client.member(address, "29:anna")
    assert time.slept == []
    await client.send(address | {"conversation": f"{ROOT};messageid=8"}, ACTIVITY)
    assert time.slept == [pytest.approx(1.05)]
    with pytest.raises(RateLimited) as caught:
        await client.send(address, ACTIVITY, patience=0)
    assert caught.value.retry_after.total_seconds() == pytest.approx(1.05)
