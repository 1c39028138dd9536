"""What `parley check` says of Teams, for each way in which a set-up can be wrong."""

from collections.abc import Awaitable, Callable
from string import Formatter

import pytest

from adapters.teams.doctor import TEXTS, Finding, examine
from adapters.teams.errors import NotLetIn, NotSent
from adapters.teams.settings import TeamsSettings
from tests.unit.adapters.teams.microsoft import APP, PASSWORD, TENANT

ENDPOINT = "https://parley.example.com/channels/teams"
SOUND = TeamsSettings(app_id=APP, app_password=PASSWORD, tenant_id=TENANT)
IDENTITY = TeamsSettings(app_id=APP, tenant_id=TENANT)


def answering(error: Exception | None = None) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if error is not None:
            raise error

    return check


async def never() -> None:
    raise AssertionError("nobody was to be asked")


async def found(settings: TeamsSettings = SOUND, error: Exception | None = None) -> dict[str, Finding]:
    findings = await examine(settings, answering(error), endpoint=ENDPOINT, has_rule=True)
    return {finding.name: finding for finding in findings}


async def test_a_sound_set_up_is_told_which_bot_is_let_in_and_what_azure_has_to_be_given():
    findings = await found()
    assert {name: finding.kind for name, finding in findings.items()} == {"let_in": "fine", "endpoint": "fine"}
    assert APP in findings["let_in"].say("en")
    assert ENDPOINT in findings["endpoint"].say("zh")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("wrong_password", "PARLEY_TEAMS_APP_PASSWORD is wrong"),
        ("expired_password", "PARLEY_TEAMS_APP_PASSWORD has expired"),
        ("unknown_app", f"The tenant {TENANT} has no app {APP}"),
        ("unknown_tenant", f"There is no tenant {TENANT}"),
        ("unreachable", "https://login.microsoftonline.com"),
        ("rejected", "AADSTS53003"),
        ("something new", "AADSTS53003"),
    ],
)
async def test_what_the_sign_in_refuses_is_a_fault_with_its_remedy_and_without_the_secret(code, remedy):
    findings = await found(error=NotLetIn(code, "HTTP status 400, AADSTS53003"))
    (fault,) = [finding for finding in findings.values() if finding.kind == "fault"]
    assert remedy in fault.say("en")
    assert PASSWORD not in fault.say("en") + fault.say("zh")


@pytest.mark.parametrize("code", ["unreachable", "rejected"])
async def test_without_a_password_it_is_the_managed_identity_that_is_missing(code):
    findings = await found(IDENTITY, NotLetIn(code, "the managed identity does not answer"))
    assert findings["no_identity"].kind == "fault"
    assert "PARLEY_TEAMS_APP_PASSWORD" in findings["no_identity"].say("en")


async def test_a_managed_identity_that_is_granted_is_fine():
    assert (await found(IDENTITY))["identity_ok"].kind == "fine"


async def test_keys_that_cannot_be_fetched_are_a_fault_of_their_own():
    findings = await found(error=NotSent("ClientConnectorError"))
    assert findings["no_keys"].kind == "fault"
    assert "ClientConnectorError" in findings["no_keys"].say("zh")
    assert SOUND.keys_url in findings["no_keys"].say("zh")


async def test_an_unknown_address_is_a_fault_and_access_that_nobody_decided_a_hint():
    findings = await examine(SOUND, answering(), endpoint="", has_rule=False)
    assert [(each.kind, each.name) for each in findings[1:]] == [("fault", "no_public_url"), ("hint", "no_rule")]


async def test_development_is_a_hint_beside_a_real_bot():
    settings = TeamsSettings(app_id=APP, app_password=PASSWORD, tenant_id=TENANT, is_dev=True)
    assert (await found(settings))["dev"].kind == "hint"


async def test_in_development_without_an_app_nobody_is_asked_and_nothing_else_is_missing():
    findings = await examine(TeamsSettings(is_dev=True), never, endpoint="", has_rule=False)
    assert [(each.kind, each.name) for each in findings] == [("hint", "nobody_verified")]


async def test_without_a_tenant_there_is_nobody_to_ask():
    settings = TeamsSettings(app_id=APP, app_password=PASSWORD)
    findings = await examine(settings, never, endpoint=ENDPOINT, has_rule=True)
    assert [each.name for each in findings] == ["endpoint"]


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_tell_the_same_facts(name):
    english, chinese = ({fact for _, fact, _, _ in Formatter().parse(text) if fact} for text in TEXTS[name])
    assert english == chinese or name == "rejected"
    assert {"app", "tenant", "url", "problem"} >= english | chinese
