"""Who somebody is: asked once, kept for a while, and never guessed."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.teams.people import People
from core.errors import ChannelError, RateLimited, Undeliverable
from core.message import Author

TENANT = "11111111-1111-4111-8111-111111111111"
ANNA = Author("teams", TENANT, "anna-object-id")
ADDRESS = {"user": {"id": "29:anna"}, "conversation": "a:anna"}


class Roster:
    """Says the same of everybody, unless it is away."""

    def __init__(self, **said):
        self.said = {"id": "29:anna", "name": "Anna Example", "tenantId": TENANT, "userRole": "user"} | said
        self.asked = []
        self.trouble = None
        self.now = 0.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def member(self, address, user_id, *, patience):
        self.asked.append(user_id)
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return self.said

    def people(self):
        return People(self, TENANT, clock=lambda: self.now)


async def test_a_member_is_neither_guest_nor_stranger_and_has_a_name():
    author = await Roster().people().introduce(ANNA, ADDRESS)
    assert (author.name, author.is_guest, author.is_external) == ("Anna Example", False, False)


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({"userRole": "guest"}, (True, False)),
        ({"userRole": "anonymous"}, (True, False)),
        ({"userPrincipalName": "anna_example.org#EXT#@contoso.example"}, (True, False)),
        ({"tenantId": "33333333-3333-4333-8333-333333333333"}, (False, True)),
    ],
)
async def test_the_roster_tells_guests_and_strangers(said, flags):
    author = await Roster(**said).people().introduce(ANNA, ADDRESS)
    assert (author.is_guest, author.is_external) == flags


async def test_somebody_is_asked_about_once_and_again_after_a_quarter_of_an_hour():
    roster = Roster()
    people = roster.people()
    for _ in range(3):
        await people.introduce(ANNA, ADDRESS)
    assert roster.asked == ["29:anna"]
    roster.now, roster.said = 901.0, roster.said | {"userRole": "guest"}
    assert (await people.introduce(ANNA, ADDRESS)).is_guest
    assert len(roster.asked) == 2


async def test_what_is_remembered_is_recalled_without_asking_until_it_is_too_old():
    roster = Roster(userRole="guest")
    people = roster.people()
    assert people.recalled(ANNA) == ANNA
    await people.introduce(ANNA, ADDRESS)
    assert people.recalled(ANNA).is_guest
    roster.now = 901.0
    assert people.recalled(ANNA) == ANNA
    assert roster.asked == ["29:anna"]


async def test_what_the_activity_itself_says_of_somebody_stays():
    roster = Roster()
    people = roster.people()
    for _ in range(2):
        author = await people.introduce(replace(ANNA, locale="de-DE", is_external=True), ADDRESS)
        assert (author.name, author.locale, author.is_external) == ("Anna Example", "de-DE", True)
    assert not (await people.introduce(ANNA, ADDRESS)).is_external


@pytest.mark.parametrize("trouble", [ChannelError("away"), RateLimited(timedelta(seconds=9))])
async def test_who_is_unknown_while_teams_is_away_is_not_taken_for_a_member(trouble):
    roster = Roster()
    roster.trouble = trouble
    with pytest.raises(type(trouble)) as raised:
        await roster.people().introduce(ANNA, ADDRESS)
    assert raised.value is trouble, "with the time that Teams asks us to wait"


async def test_teams_is_not_waited_for_long_and_heard_all_the_same_and_asked_once_for_all(monkeypatch):
    monkeypatch.setattr("adapters.teams.people._PATIENCE", 0.0)
    roster = Roster(userRole="guest")
    roster.gate.clear()
    people = roster.people()
    for _ in range(3):
        with pytest.raises(ChannelError, match="does not say in time"):
            await people.introduce(ANNA, ADDRESS)
    roster.gate.set()
    async with asyncio.timeout(5):
        while people.recalled(ANNA) == ANNA:
            await asyncio.sleep(0)
    assert (await people.introduce(ANNA, ADDRESS)).is_guest
    assert roster.asked == ["29:anna"]


async def test_a_look_that_never_ends_is_given_up_and_begun_anew(monkeypatch):
    monkeypatch.setattr("adapters.teams.people._ASKING", 0.0)
    roster = Roster()
    roster.gate.clear()
    people = roster.people()
    for _ in range(2):
        with pytest.raises(ChannelError, match="does not say in time"):
            await people.introduce(ANNA, ADDRESS)
    assert len(roster.asked) == 2


@pytest.mark.parametrize("is_silent", [True, False])
async def test_who_was_known_is_heard_while_teams_is_away(monkeypatch, is_silent):
    monkeypatch.setattr("adapters.teams.people._PATIENCE", 0.05)
    roster = Roster(userRole="guest")
    people = roster.people()
    await people.introduce(ANNA, ADDRESS)
    roster.now = 901.0
    if is_silent:
        roster.gate.clear()
    else:
        roster.trouble = ChannelError("away")
    assert (await people.introduce(ANNA, ADDRESS)).is_guest
    roster.gate.set()


async def test_a_roster_that_makes_no_sense_lets_nobody_in_and_is_not_remembered():
    roster = Roster(userRole=7)
    people = roster.people()
    with pytest.raises(ChannelError, match="not understood"):
        await people.introduce(ANNA, ADDRESS)
    roster.said["userRole"] = "user"
    assert (await people.introduce(ANNA, ADDRESS)).name == "Anna Example"


async def test_who_is_not_in_the_roster_is_a_stranger_until_they_are():
    roster = Roster()
    roster.trouble = Undeliverable("no such member")
    people = roster.people()
    author = await people.introduce(ANNA, ADDRESS)
    assert (author.is_guest, author.is_external) == (True, True)
    roster.trouble = None
    assert not (await people.introduce(ANNA, ADDRESS)).is_guest
