"""The keys Teams signs with: who waits for which look."""

import asyncio
import json

import pytest
from jwt.algorithms import RSAAlgorithm

from adapters.teams.keys import Keys
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
