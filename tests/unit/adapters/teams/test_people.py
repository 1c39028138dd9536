"""Who somebody is: asked once, kept for a while, and never guessed."""

import pytest

from adapters.teams.people import People
from core.errors import ChannelError, NotStored, Undeliverable
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

    async def member(self, address, user_id, *, patience):
        self.asked.append(user_id)
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


async def test_who_is_unknown_while_teams_is_away_is_not_taken_for_a_member():
    roster = Roster()
    roster.trouble = ChannelError("away")
    with pytest.raises(NotStored):
        await roster.people().introduce(ANNA, ADDRESS)


async def test_who_was_known_is_heard_while_teams_is_away():
    roster = Roster(userRole="guest")
    people = roster.people()
    await people.introduce(ANNA, ADDRESS)
    roster.trouble, roster.now = ChannelError("away"), 901.0
    assert (await people.introduce(ANNA, ADDRESS)).is_guest


async def test_a_roster_that_makes_no_sense_lets_nobody_in():
    with pytest.raises(NotStored):
        await Roster(userRole=7).people().introduce(ANNA, ADDRESS)


async def test_who_is_not_in_the_roster_is_a_stranger_until_they_are():
    roster = Roster()
    roster.trouble = Undeliverable("no such member")
    people = roster.people()
    author = await people.introduce(ANNA, ADDRESS)
    assert (author.is_guest, author.is_external) == (True, True)
    roster.trouble = None
    assert not (await people.introduce(ANNA, ADDRESS)).is_guest
