"""The keys Teams signs with: who waits for which look."""

import asyncio
import json

import pytest
from jwt.algorithms import RSAAlgorithm

from adapters.teams.keys import PAUSE, Keys
from adapters.teams.verify import Forged
from tests.unit.adapters.teams.microsoft import KEY

DOCUMENT = "https://login.example.com/openid"


class Issuer:
    """Has the keys of these ids, and tells them once the gate is open."""

    def __init__(self, *ids):
        self.ids = ids
        self.gate = asyncio.Event()
        self.fetched = 0

    async def fetch(self, url):
        await self.gate.wait()
        if url == DOCUMENT:
            return {"jwks_uri": "https://login.example.com/keys"}
        self.fetched += 1
        key = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [key | {"kid": id, "endorsements": ["msteams"]} for id in self.ids]}


async def test_what_comes_during_the_first_look_spends_none_for_a_key_that_is_new_later():
    issuer = Issuer("old")
    keys = Keys(DOCUMENT, issuer.fetch)
    starting = asyncio.create_task(keys.start())
    await asyncio.sleep(0)
    early = [asyncio.create_task(keys.get(id)) for id in ("old", "invented")]
    await asyncio.sleep(0)
    issuer.gate.set()
    await starting
    assert (await early[0]).endorsements == ("msteams",)
    with pytest.raises(Forged):
        await early[1]
    assert issuer.fetched == 1
    issuer.ids = ("new",)
    assert (await keys.get("new")).endorsements == ("msteams",)
    with pytest.raises(Forged):
        await keys.get("invented")
    assert issuer.fetched == 2
    await keys.close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked(keys: Keys, id: str) -> bool:
    """Whether a token that names this key may be believed."""
    try:
        await keys.get(id)
    except Forged:
        return False
    return True


async def test_whoever_invents_keys_all_the_time_delays_a_new_one_by_half_a_minute_at_most():
    issuer, clock = Issuer("old"), Clock()
    issuer.gate.set()
    keys = Keys(DOCUMENT, issuer.fetch, clock=clock)
    assert await asked(keys, "old")
    believed = []
    for second in range(600):
        clock.now += 1
        await asked(keys, f"invented-{second}")
        if second == 300:
            issuer.ids = ("new",)
        believed.append(await asked(keys, "new"))
    assert 300 < believed.index(True) <= 330
    assert all(believed[330:])
    assert issuer.fetched <= 21
    await keys.close()


async def test_a_key_that_stood_there_for_a_pause_before_it_signs_is_believed_at_once_under_attack():
    issuer, clock = Issuer("old"), Clock()
    issuer.gate.set()
    keys = Keys(DOCUMENT, issuer.fetch, clock=clock)
    issuer.ids = ("old", "new")
    for second in range(int(PAUSE) + 1):
        clock.now += 1
        await asked(keys, f"invented-{second}")
    assert await asked(keys, "new")
    await keys.close()


async def test_any_number_of_unknown_keys_share_one_look():
    issuer, clock = Issuer("old"), Clock()
    keys = Keys(DOCUMENT, issuer.fetch, clock=clock)
    asking = [asyncio.create_task(asked(keys, f"invented-{number}")) for number in range(200)]
    genuine = asyncio.create_task(asked(keys, "old"))
    await asyncio.sleep(0)
    clock.now += 10 * PAUSE  # the look takes long
    late = asyncio.create_task(asked(keys, "invented-late"))
    await asyncio.sleep(0)
    issuer.gate.set()
    assert await genuine
    assert not any(await asyncio.gather(*asking, late))
    assert issuer.fetched == 1
    await keys.close()
