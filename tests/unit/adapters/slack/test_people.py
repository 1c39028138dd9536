"""Who somebody is, as Slack says it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from adapters.slack import people as room
from adapters.slack.client import Clients, SlackRefused, Unsure
from adapters.slack.people import People, Person
from core.message import Author
from tests.unit.adapters.slack.web_api import Answer, Call, WebApi, web_api

TEAM, OTHER_TEAM, ORG = "T0PARLEY1", "T0PARLEY2", "E0PARLEY1"
ANNA, BORIS = "U0ANNA001", "U0BORIS01"


def user(id: str = ANNA, **changes: Any) -> dict[str, Any]:
    """A user object."""
    return {
        "id": id,
        "team_id": TEAM,
        "name": "anna",
        "deleted": False,
        "real_name": "Anna Example",
        "locale": "zh-CN",
        "profile": {"display_name": "Anna", "real_name": "Anna Example", "team": TEAM},
        "is_bot": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_app_user": False,
        **changes,
    }


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        api.answer("users.info", {"ok": True, "user": user()})
        yield api


async def token_of(workspace: str) -> str:
    return f"xoxb-of-{workspace}"


@pytest.fixture
async def people(slack) -> AsyncGenerator[People, None]:
    clients = Clients(slack.url, token_of)
    yield People(clients)
    await clients.close()


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time that a test sets: its only item."""
    now = [1000.0]
    monkeypatch.setattr(room, "monotonic", lambda: now[0])
    return now


async def test_a_person_has_the_name_and_the_language_they_chose(slack, people):
    assert await people.person(TEAM, ANNA) == Person("Anna", "zh-CN")
    (call,) = slack.calls
    assert (call.fields["user"], call.fields["include_locale"], call.token) == (ANNA, "true", f"xoxb-of-{TEAM}")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"profile": {"display_name": "", "real_name": "Anna E."}}, "Anna E."),
        ({"profile": {}}, "Anna Example"),
        ({"profile": None, "real_name": None}, "anna"),
        ({"profile": {}, "real_name": "", "name": ""}, ""),
    ],
)
async def test_who_chose_no_name_goes_by_the_next_best(slack, people, changes, name):
    slack.answer("users.info", {"ok": True, "user": user(**changes)})
    assert (await people.person(TEAM, ANNA)).name == name


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"is_restricted": True}, Person("Anna", "zh-CN", is_guest=True)),
        ({"is_restricted": True, "is_ultra_restricted": True}, Person("Anna", "zh-CN", is_guest=True)),
        ({"is_bot": True}, Person("Anna", "zh-CN", is_bot=True)),
        ({"is_stranger": True}, Person("Anna", "zh-CN", is_external=True)),
        ({"team_id": OTHER_TEAM}, Person("Anna", "zh-CN", is_external=True)),
        ({"locale": None}, Person("Anna")),
    ],
)
async def test_guests_bots_and_strangers_are_told_apart(slack, people, changes, expected):
    slack.answer("users.info", {"ok": True, "user": user(**changes)})
    assert await people.person(TEAM, ANNA) == expected


@pytest.mark.parametrize(
    ("changes", "enterprise", "is_external"),
    [
        ({"team_id": OTHER_TEAM, "enterprise_user": {"enterprise_id": ORG}}, ORG, False),
        ({"team_id": ORG}, ORG, False),
        ({"team_id": OTHER_TEAM, "enterprise_user": {"enterprise_id": "E0ELSE001"}}, ORG, True),
        ({"team_id": OTHER_TEAM, "enterprise_user": {"enterprise_id": ORG}}, "", True),
        ({"team_id": OTHER_TEAM, "enterprise_user": {}}, "", True),
        ({"team_id": OTHER_TEAM, "enterprise_user": {"enterprise_id": ""}}, "", True),
        ({"team_id": OTHER_TEAM, "enterprise_user": {"enterprise_id": ORG}, "is_stranger": True}, ORG, True),
    ],
)
async def test_who_is_of_the_same_organisation_is_no_stranger(slack, people, changes, enterprise, is_external):
    slack.answer("users.info", {"ok": True, "user": user(**changes)})
    assert (await people.person(TEAM, ANNA, enterprise)).is_external is is_external


async def test_who_was_met_without_the_organisation_is_no_stranger_in_it_afterwards(slack, people):
    colleague = user(team_id=OTHER_TEAM, enterprise_user={"enterprise_id": ORG})
    slack.answer("users.info", {"ok": True, "user": colleague})
    assert (await people.person(TEAM, ANNA)).is_external
    assert not (await people.person(TEAM, ANNA, ORG)).is_external


async def test_an_author_keeps_what_the_payload_said(slack, people):
    introduced = await people.introduce(Author("slack", TEAM, ANNA, is_bot=True, is_external=True))
    assert introduced == Author("slack", TEAM, ANNA, "Anna", "zh-CN", is_bot=True, is_external=True)


async def test_an_author_is_given_what_slack_says(slack, people):
    slack.answer("users.info", {"ok": True, "user": user(is_restricted=True, is_stranger=True)})
    introduced = await people.introduce(Author("slack", TEAM, ANNA))
    assert introduced == Author("slack", TEAM, ANNA, "Anna", "zh-CN", is_guest=True, is_external=True)


# ------------------------------------------------------------------------------------------------------ remembering


async def test_slack_is_asked_once_in_a_while(slack, people, clock):
    await people.person(TEAM, ANNA)
    slack.answer("users.info", {"ok": True, "user": user(is_restricted=True)})
    clock[0] += 899
    assert not (await people.person(TEAM, ANNA)).is_guest
    clock[0] += 2
    assert (await people.person(TEAM, ANNA)).is_guest
    assert slack.count("users.info") == 2


async def test_everybody_is_remembered_by_workspace_and_id(slack, people):
    def by_token(call: Call) -> Answer:
        return Answer({"ok": True, "user": user(profile={"display_name": f"{call.fields['user']} {call.token}"})})

    slack.answers["users.info"] = by_token
    asked = [(TEAM, ANNA), (TEAM, BORIS), (OTHER_TEAM, ANNA)]
    names = {(await people.person(*each)).name for each in asked * 2}
    assert names == {f"{id} xoxb-of-{team}" for team, id in asked}
    assert slack.count("users.info") == 3


async def test_who_was_asked_about_longest_ago_is_forgotten_first(monkeypatch, slack, people, clock):
    monkeypatch.setattr(room, "_KNOWN", 2)
    for id in ("U1", "U2"):
        await people.person(TEAM, id)
    clock[0] += 901
    await people.person(TEAM, "U1")  # asked about anew, so U2 is the oldest
    clock[0] += 1
    await people.person(TEAM, "U3")
    assert slack.count("users.info") == 4
    await people.person(TEAM, "U1")
    await people.person(TEAM, "U3")
    assert slack.count("users.info") == 4
    await people.person(TEAM, "U2")
    assert slack.count("users.info") == 5


async def test_many_who_ask_at_once_ask_slack_once(slack, people):
    slack.gate.clear()
    asking = [asyncio.create_task(people.person(TEAM, ANNA)) for _ in range(5)]
    await slack.arrived.wait()
    slack.gate.set()
    assert set(await asyncio.gather(*asking)) == {Person("Anna", "zh-CN")}
    assert slack.count("users.info") == 1


async def test_who_asked_first_and_left_takes_nobody_elses_answer_along(slack, people):
    slack.gate.clear()
    first, second = (asyncio.create_task(people.person(TEAM, ANNA)) for _ in range(2))
    await slack.arrived.wait()
    first.cancel()
    slack.gate.set()
    assert await second == Person("Anna", "zh-CN")
    assert first.cancelled()
    assert slack.count("users.info") == 1


# ------------------------------------------------------------------------------------------------ where Slack says no


async def test_without_the_scope_everybody_is_a_guest_and_the_operator_is_told_once(slack, people, caplog):
    caplog.set_level(logging.DEBUG)
    slack.refuse("users.info", "missing_scope", needed="users:read", provided="chat:write")
    for id in (ANNA, BORIS, "U0CARL001", ANNA):
        assert await people.person(TEAM, id) == Person(is_guest=True, is_guessed=True)
    (told,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "users:read" in told.getMessage()
    assert "access.slack.guests" in told.getMessage()


async def test_once_the_scope_is_there_people_are_known_within_seconds(slack, people, clock):
    slack.refuse("users.info", "missing_scope", needed="users:read", provided="chat:write")
    assert (await people.person(TEAM, ANNA)).is_guest
    slack.answer("users.info", {"ok": True, "user": user()})
    clock[0] += 6
    assert await people.person(TEAM, ANNA) == Person("Anna", "zh-CN")


@pytest.mark.parametrize("code", ["user_not_found", "user_not_visible"])
async def test_whom_slack_does_not_show_us_is_a_stranger(slack, people, code):
    slack.refuse("users.info", code)
    assert await people.person(TEAM, ANNA) == Person(is_external=True)


async def test_any_other_refusal_is_no_word_about_a_person(slack, people):
    slack.refuse("users.info", "account_inactive")
    with pytest.raises(SlackRefused, match="account_inactive"):
        await people.person(TEAM, ANNA)


async def test_an_error_reaches_all_who_asked_and_is_not_remembered(monkeypatch, slack, people):
    monkeypatch.setattr("adapters.slack.client._TRIES", 1)
    slack.answer("users.info", {"ok": False}, status=500)
    slack.gate.clear()
    asking = [asyncio.create_task(people.person(TEAM, ANNA)) for _ in range(2)]
    await slack.arrived.wait()
    slack.gate.set()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in errors] == [Unsure, Unsure]
    slack.answer("users.info", {"ok": True, "user": user()})
    assert (await people.person(TEAM, ANNA)).name == "Anna"


async def test_an_answer_without_a_user_is_nobody_in_particular(slack, people):
    slack.answer("users.info", {"ok": True, "user": None})
    assert await people.person(TEAM, ANNA) == Person()
