"""Who we are in each workspace: found again, sealed, renewed once, forgotten when told to."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from time import time
from typing import Any

import pytest
from slack_sdk.oauth.installation_store import Installation

from adapters.slack import installations as room
from adapters.slack.asking import SlackAway
from adapters.slack.client import SlackRefused
from adapters.slack.installations import Bot, Installations
from adapters.slack.sealed import SealedInstallations, SealedStates
from adapters.slack.settings import SlackSettings
from core.errors import ChannelError, NotStored, RateLimited, Unreadable
from tests.fakes.store import MemoryStore
from tests.unit.adapters.slack.web_api import Answer, Call, WebApi, web_api

TEAM, OTHER_TEAM, ORG = "T0PARLEY1", "T0PARLEY2", "E0PARLEY1"
TOKEN, REFRESH = "xoxb-of-the-tests", "xoxe-1-of-the-tests"
MINUTE, HOUR = 60, 3600

INSTALLABLE = SlackSettings(client_id="1.2", client_secret="a secret of the tests", public_url="https://parley.example")
OWN = SlackSettings(bot_token=TOKEN)


class Clock:
    """Real time that a test moves on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time() + self.ahead


@pytest.fixture
async def slack() -> AsyncGenerator[WebApi, None]:
    async with web_api() as api:
        yield api


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(slack: WebApi, store: MemoryStore, clock: Clock):
    """Opens Installations over the one store, each as another process would."""

    def opened(settings: SlackSettings = INSTALLABLE) -> Installations:
        return Installations(settings, store.secrets, store.leader, slack.client, clock=clock)

    return opened


def installation(**changes: Any) -> Installation:
    values: dict[str, Any] = {
        "app_id": "A0PARLEY1",
        "team_id": TEAM,
        "team_name": "Example",
        "bot_token": TOKEN,
        "bot_id": "B0PARLEY1",
        "bot_user_id": "U0PARLEY1",
        "bot_scopes": "chat:write,im:history",
        "user_id": "U0ANNA001",
        "user_token": "xoxp-that-nobody-asked-for",
    }
    return Installation(**values | changes)


def org_wide(**changes: Any) -> Installation:
    return installation(enterprise_id=ORG, team_id=None, team_name=None, is_enterprise_install=True, **changes)


def rotating(lives: float = 5 * MINUTE, **changes: Any) -> Installation:
    """An installation whose token lives `lives` seconds: due below two hours, pressing below ten minutes."""
    return installation(bot_refresh_token=REFRESH, bot_token_expires_at=int(time() + lives), **changes)


def renew(slack: WebApi) -> None:
    """Every refresh token is good once, as Slack's are."""
    used: set[str] = set()

    def respond(call: Call) -> Answer:
        old = call.fields["refresh_token"]
        if old in used:
            return Answer({"ok": False, "error": "invalid_refresh_token"})
        used.add(old)
        fresh = {"access_token": f"{TOKEN}-{len(used)}", "refresh_token": f"{REFRESH}-{len(used)}"}
        return Answer({"ok": True, "token_type": "bot", "expires_in": 12 * HOUR, **fresh})

    slack.answers["oauth.v2.access"] = respond


def introduce(slack: WebApi, **changes: Any) -> None:
    identity = {"ok": True, "team_id": TEAM, "user_id": "U0PARLEY1", "bot_id": "B0PARLEY1", **changes}
    slack.answer("auth.test", identity)


def name_of(value: Bot | None) -> str:
    return value.token if value else ""


# ------------------------------------------------------------------------------------------------------------ finding


async def test_what_was_installed_is_found_by_another_process(process):
    await process().save(installation())
    expected = Bot(TEAM, "", "U0PARLEY1", "B0PARLEY1", TOKEN)
    assert await process().bot(None, TEAM) == expected
    assert await process().of_workspace(TEAM) == expected


async def test_where_nothing_is_installed_we_are_nobody(process):
    assert await process().bot(None, TEAM) is None
    assert await process().bot(ORG, TEAM) is None
    assert await process().bot(None, None) is None
    assert await process().of_workspace(TEAM) is None


async def test_a_workspace_that_installs_is_served_at_once(process):
    elsewhere = process()
    assert await elsewhere.bot(None, TEAM) is None
    await process().save(installation())
    assert await elsewhere.bot(None, TEAM) is not None


async def test_an_organisations_installation_serves_all_its_workspaces(process):
    await process().save(org_wide())
    bot = await process().bot(ORG, TEAM)
    assert bot == Bot(TEAM, ORG, "U0PARLEY1", "B0PARLEY1", TOKEN)
    assert (await process().bot(ORG, None)).workspace == ORG
    assert await process().bot("E0STRANGE", OTHER_TEAM) is None


async def test_a_workspaces_own_installation_comes_before_its_organisations(process):
    await process().save(org_wide())
    await process().save(installation(enterprise_id=ORG, bot_token="xoxb-its-own"))
    assert name_of(await process().bot(ORG, TEAM)) == "xoxb-its-own"
    assert name_of(await process().bot(ORG, OTHER_TEAM)) == TOKEN


async def test_an_answer_finds_its_workspace_without_knowing_the_organisation(process):
    await process().save(org_wide())
    asked = process()
    assert await asked.of_workspace(TEAM) is None  # nobody there has asked yet
    await asked.bot(ORG, TEAM)
    after_a_restart = process()
    assert (await after_a_restart.of_workspace(TEAM)).enterprise == ORG
    assert (await after_a_restart.bot(None, TEAM)).enterprise == ORG
    assert (await after_a_restart.of_workspace(ORG)).workspace == ORG


async def test_a_workspace_off_the_list_has_no_bot_even_where_one_is_installed(process):
    settings = SlackSettings(client_id="1.2", client_secret="s", workspaces=frozenset({OTHER_TEAM}))
    await process().save(installation())
    await process().save(org_wide())
    assert await process(settings).bot(None, TEAM) is None
    assert await process(settings).of_workspace(TEAM) is None
    assert await process(settings).bot(ORG, None) is None
    assert (await process(settings).bot(ORG, OTHER_TEAM)).workspace == OTHER_TEAM


async def test_a_known_workspace_costs_the_database_nothing_for_a_minute(process, store, clock):
    installations = process()
    await installations.save(installation())
    await installations.bot(None, TEAM)
    store.is_down = True
    clock.ahead = 59
    assert await installations.bot(None, TEAM) is not None
    assert await installations.of_workspace(TEAM) is not None
    clock.ahead = 61
    with pytest.raises(NotStored):
        await installations.bot(None, TEAM)


async def test_the_token_is_in_no_representation(process):
    await process().save(installation())
    assert TOKEN not in repr(await process().bot(None, TEAM))


async def test_what_another_release_stored_is_not_guessed_at(process, store):
    await store.secrets.put(f"slack/installation/-/{TEAM}", b'{"version": 2}')
    with pytest.raises(Unreadable):
        await process().bot(None, TEAM)


# --------------------------------------------------------------------------------------------------- slack_sdk's store


async def test_the_store_gives_back_what_slack_sdk_saved(store):
    sealed = SealedInstallations(store.secrets)
    saved = rotating(enterprise_id=ORG, enterprise_name="Example Group", installed_at=1_700_000_000.5)
    await sealed.async_save(saved)
    found = await sealed.async_find_bot(enterprise_id=ORG, team_id=TEAM)
    assert found
    assert found.to_dict() == saved.to_bot().to_dict()
    whole = await sealed.async_find_installation(enterprise_id=ORG, team_id=TEAM)
    assert whole
    assert whole.to_bot().to_dict() == saved.to_bot().to_dict()
    assert whole.user_id == "U0ANNA001"


async def test_nobodys_own_token_is_kept(store):
    await SealedInstallations(store.secrets).async_save(installation())
    assert not any(b"xoxp-" in value for value in store.secrets._values.values())


async def test_a_person_finds_only_what_they_installed(store):
    sealed = SealedInstallations(store.secrets)
    await sealed.async_save(installation())
    place: dict[str, Any] = {"enterprise_id": None, "team_id": TEAM}
    assert await sealed.async_find_installation(**place, user_id="U0ANNA001") is not None
    assert await sealed.async_find_installation(**place, user_id="U0BERND01") is None


async def test_a_person_who_takes_back_their_token_leaves_the_bot_alone(store):
    sealed = SealedInstallations(store.secrets)
    await sealed.async_save(installation())
    place: dict[str, Any] = {"enterprise_id": None, "team_id": TEAM}
    await sealed.async_delete_installation(**place, user_id="U0ANNA001")
    assert await sealed.async_find_bot(**place) is not None
    await sealed.async_delete_all(**place)
    assert await sealed.async_find_bot(**place) is None
    assert store.secrets._values == {}


# --------------------------------------------------------------------------------------------------------- forgetting


async def test_an_uninstall_is_honoured_here_at_once_and_elsewhere_within_a_minute(process, clock):
    here, elsewhere = process(), process()
    await here.save(installation())
    assert await elsewhere.bot(None, TEAM) is not None
    await here.forget(None, TEAM)
    assert await here.bot(None, TEAM) is None
    clock.ahead = 61
    assert await elsewhere.bot(None, TEAM) is None


async def test_an_old_uninstall_does_not_undo_a_new_installation(process):
    installations = process()
    await installations.save(installation(installed_at=1_700_000_100.0))
    await installations.forget(None, TEAM, before=datetime.fromtimestamp(1_700_000_000, UTC))
    assert await installations.bot(None, TEAM) is not None
    await installations.forget(None, TEAM, before=datetime.fromtimestamp(1_700_000_200, UTC))
    assert await installations.bot(None, TEAM) is None


async def test_a_workspace_that_leaves_takes_nothing_from_its_organisation(process):
    installations = process()
    await installations.save(org_wide())
    await installations.bot(ORG, TEAM)
    await installations.forget(ORG, TEAM)
    await installations.forget(None, TEAM)
    assert await installations.bot(ORG, OTHER_TEAM) is not None
    await installations.forget(ORG, None)
    assert await installations.bot(ORG, OTHER_TEAM) is None


async def test_an_uninstall_that_cannot_be_stored_is_an_error(process, store):
    await process().save(installation())
    store.is_down = True
    with pytest.raises(NotStored):
        await process().forget(None, TEAM)


# ----------------------------------------------------------------------------------------------------------- renewing


async def test_a_token_with_enough_life_is_left_alone(process, slack):
    await process().save(rotating(lives=3 * HOUR))
    assert name_of(await process().bot(None, TEAM)) == TOKEN
    assert slack.calls == []


async def test_a_token_that_still_lives_is_used_while_it_is_renewed_beside(process, slack, monkeypatch):
    monkeypatch.setattr(room, "_PATIENCE", 600)
    renew(slack)
    installations = process()
    await installations.save(rotating(lives=HOUR))
    slack.gate.clear()
    async with asyncio.timeout(5):
        assert [name_of(await installations.bot(None, TEAM)) for _ in range(3)] == [TOKEN] * 3
        await slack.arrived.wait()
        assert name_of(await installations.of_workspace(TEAM)) == TOKEN
    slack.gate.set()
    await installations.stop()
    assert name_of(await installations.bot(None, TEAM)) == f"{TOKEN}-1"
    assert name_of(await process().bot(None, TEAM)) == f"{TOKEN}-1"
    assert len(slack.calls) == 1


@pytest.mark.parametrize(("lives", "token"), [(11 * MINUTE, TOKEN), (9 * MINUTE, f"{TOKEN}-1")])
async def test_a_renewal_is_waited_for_in_the_last_ten_minutes_alone(process, slack, lives, token):
    renew(slack)
    installations = process()
    await installations.save(rotating(lives))
    assert name_of(await installations.bot(None, TEAM)) == token
    await installations.stop()
    assert name_of(await installations.bot(None, TEAM)) == f"{TOKEN}-1"


async def test_a_token_near_its_end_is_renewed_and_stored(process, slack):
    renew(slack)
    await process().save(rotating())
    assert name_of(await process().bot(None, TEAM)) == f"{TOKEN}-1"
    assert slack.calls[0].fields["grant_type"] == "refresh_token"
    assert slack.calls[0].fields["refresh_token"] == REFRESH
    assert slack.calls[0].client == ("1.2", "a secret of the tests")
    assert name_of(await process().bot(None, TEAM)) == f"{TOKEN}-1"
    assert len(slack.calls) == 1


async def test_many_who_ask_at_once_renew_once(process, slack):
    renew(slack)
    one, two = process(), process()
    await one.save(rotating())
    slack.gate.clear()
    asking = [asyncio.create_task(each.bot(None, TEAM)) for each in (one, two) * 5]
    await slack.arrived.wait()
    slack.gate.set()
    assert {name_of(bot) for bot in await asyncio.gather(*asking)} == {f"{TOKEN}-1"}
    assert len(slack.calls) == 1


async def test_an_organisations_token_is_renewed_for_all_its_workspaces(process, slack):
    renew(slack)
    installations = process()
    await installations.save(org_wide(bot_refresh_token=REFRESH, bot_token_expires_at=int(time() + 3 * HOUR)))
    await installations.bot(ORG, OTHER_TEAM)
    await installations.save(org_wide(bot_refresh_token=REFRESH, bot_token_expires_at=int(time() + 5 * MINUTE)))
    assert name_of(await installations.bot(ORG, TEAM)) == f"{TOKEN}-1"
    assert name_of(await installations.bot(ORG, OTHER_TEAM)) == f"{TOKEN}-1"
    assert len(slack.calls) == 1


async def test_a_slow_renewal_holds_nobody_up_for_long(process, slack, monkeypatch):
    monkeypatch.setattr(room, "_PATIENCE", 0.01)
    renew(slack)
    installations = process()
    await installations.save(rotating())
    slack.gate.clear()
    assert name_of(await installations.bot(None, TEAM)) == TOKEN
    slack.gate.set()
    await installations.stop()
    assert name_of(await installations.bot(None, TEAM)) == f"{TOKEN}-1"


async def test_whoever_gives_up_waiting_does_not_lose_the_new_token(process, slack):
    renew(slack)
    installations = process()
    await installations.save(rotating())
    slack.gate.clear()
    waiting = asyncio.create_task(installations.bot(None, TEAM))
    await slack.arrived.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    slack.gate.set()
    await installations.stop()
    assert name_of(await process().bot(None, TEAM)) == f"{TOKEN}-1"
    assert len(slack.calls) == 1


@pytest.mark.parametrize("lives", [HOUR, 5 * MINUTE])
async def test_a_renewal_that_fails_leaves_the_old_token_and_tells_the_operator_once(
    process, slack, clock, caplog, lives
):
    slack.refuse("oauth.v2.access", "bad_client_secret")
    installations = process()
    await installations.save(rotating(lives))
    for ahead in (0, 30, 61, 122):
        clock.ahead = ahead
        assert name_of(await installations.bot(None, TEAM)) == TOKEN
        await installations.stop()
    assert len(slack.calls) == 3  # a minute between two tries
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "client secret" in caplog.text
    assert "bad_client_secret" in caplog.text
    assert TOKEN not in caplog.text
    assert REFRESH not in caplog.text


async def test_another_trouble_is_told_again_and_an_end_of_it_forgets_it(process, slack, clock, caplog):
    installations = process()
    await installations.save(rotating())
    slack.answer("oauth.v2.access", "<html>bad gateway</html>", status=502)
    await installations.bot(None, TEAM)
    slack.answer("oauth.v2.access", {"ok": True, "token_type": "user", "access_token": "xoxp-1", "expires_in": 1})
    clock.ahead = 61
    await installations.bot(None, TEAM)
    assert len(caplog.records) == 2
    renew(slack)
    clock.ahead = 122
    assert name_of(await installations.bot(None, TEAM)) == f"{TOKEN}-1"
    assert "xoxp-1" not in caplog.text


async def test_an_expired_token_is_still_an_identity_while_it_cannot_be_renewed(process, slack):
    slack.answer("oauth.v2.access", "", status=503)
    await process().save(rotating(lives=-HOUR))
    assert (await process().bot(None, TEAM)).user_id == "U0PARLEY1"


async def test_a_new_token_that_could_not_be_stored_is_stored_later_and_not_asked_for_again(
    process, slack, store, clock
):
    renew(slack)
    installations = process()
    await installations.save(rotating())
    fresh = slack.answers["oauth.v2.access"]

    def respond_and_lose_the_database(call: Call) -> Answer:
        store.is_down = True
        answer: Answer = fresh(call)
        return answer

    slack.answers["oauth.v2.access"] = respond_and_lose_the_database
    assert name_of(await installations.bot(None, TEAM)) == TOKEN
    store.is_down = False
    clock.ahead = 61
    assert name_of(await installations.bot(None, TEAM)) == f"{TOKEN}-1"
    assert name_of(await process().bot(None, TEAM)) == f"{TOKEN}-1"
    assert len(slack.calls) == 1


async def test_no_renewal_brings_back_what_was_uninstalled(process, slack, monkeypatch):
    monkeypatch.setattr(room, "_PATIENCE", 0.01)
    renew(slack)
    installations, elsewhere = process(), process()
    await installations.save(rotating())
    slack.gate.clear()
    await installations.bot(None, TEAM)
    await slack.arrived.wait()
    leaving = asyncio.create_task(elsewhere.forget(None, TEAM))
    slack.gate.set()
    await leaving
    await installations.stop()
    assert await process().bot(None, TEAM) is None


async def test_no_renewal_undoes_a_new_installation(process, slack, monkeypatch):
    monkeypatch.setattr(room, "_PATIENCE", 0.01)
    renew(slack)
    installations = process()
    await installations.save(rotating())
    slack.gate.clear()
    await installations.bot(None, TEAM)
    await slack.arrived.wait()
    again = asyncio.create_task(process().save(rotating(lives=12 * HOUR, bot_token="xoxb-installed-again")))
    slack.gate.set()
    await again
    await installations.stop()
    assert name_of(await process().bot(None, TEAM)) == "xoxb-installed-again"


# ---------------------------------------------------------------------------------------- the token of the environment


async def test_the_one_token_is_asked_once_who_it_is(process, slack):
    introduce(slack)
    installations = process(OWN)
    bots = await asyncio.gather(*(installations.bot(None, TEAM) for _ in range(5)))
    expected = Bot(TEAM, "", "U0PARLEY1", "B0PARLEY1", TOKEN)
    assert bots == [expected] * 5
    assert await installations.of_workspace(TEAM) == expected
    assert await installations.bot(None, None) == expected
    assert [call.token for call in slack.calls] == [TOKEN]


async def test_the_one_token_serves_no_other_workspace(process, slack):
    introduce(slack)
    assert await process(OWN).bot(None, OTHER_TEAM) is None
    assert await process(OWN).of_workspace(OTHER_TEAM) is None
    elsewhere = SlackSettings(bot_token=TOKEN, workspaces=frozenset({OTHER_TEAM}))
    assert await process(elsewhere).bot(None, None) is None


async def test_an_organisations_token_serves_the_workspaces_on_the_list(process, slack):
    introduce(slack, enterprise_id=ORG, is_enterprise_install=True)
    installations = process(SlackSettings(bot_token=TOKEN, workspaces=frozenset({OTHER_TEAM})))
    assert (await installations.bot(ORG, OTHER_TEAM)).workspace == OTHER_TEAM
    assert (await installations.of_workspace(OTHER_TEAM)).enterprise == ORG
    assert await installations.bot(ORG, TEAM) is None
    assert await installations.bot("E0STRANGE", OTHER_TEAM) is None


async def test_slack_away_is_an_error_and_asked_again_a_little_later(process, slack, clock, caplog):
    slack.answer("auth.test", {}, status=503)
    installations = process(OWN)
    for _ in range(3):
        with pytest.raises(SlackAway):
            await installations.bot(None, TEAM)
    assert len(slack.calls) == 1
    assert len(caplog.records) == 1
    introduce(slack)
    clock.ahead = 6
    assert await installations.bot(None, TEAM) is not None


async def test_a_rejected_token_is_an_error_that_does_not_show_it(process, slack, caplog):
    slack.refuse("auth.test", "invalid_auth")
    with pytest.raises(SlackRefused) as caught:
        await process(OWN).bot(None, TEAM)
    assert caught.value.code == "invalid_auth"
    assert TOKEN not in str(caught.value) + caplog.text


async def test_slack_is_not_asked_again_before_the_time_it_names(process, slack, clock):
    slack.answer("auth.test", {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "20"})
    installations = process(OWN)
    for ahead in (0, 19):
        clock.ahead = ahead
        with pytest.raises(RateLimited):
            await installations.bot(None, TEAM)
    assert len(slack.calls) == 1
    introduce(slack)
    clock.ahead = 21
    assert await installations.bot(None, TEAM) is not None


async def test_a_persons_token_is_no_bot(process, slack):
    introduce(slack, bot_id=None)
    with pytest.raises(ChannelError, match="xoxb-"):
        await process(OWN).bot(None, TEAM)


async def test_a_revoked_token_is_asked_again_who_it_is(process, slack):
    introduce(slack)
    installations = process(OWN)
    await installations.bot(None, TEAM)
    await installations.forget(None, TEAM)
    slack.refuse("auth.test", "token_revoked")
    with pytest.raises(SlackRefused):
        await installations.bot(None, TEAM)


@pytest.mark.parametrize("body", ["", "not JSON", "<html>"])
async def test_an_answer_that_is_none_is_slack_being_away(process, slack, body):
    slack.answer("auth.test", body)
    with pytest.raises(SlackAway):
        await process(OWN).bot(None, TEAM)


async def test_a_server_that_is_not_there_is_slack_being_away(store):
    nowhere = Installations(OWN, store.secrets, store.leader, WebApi(url="http://127.0.0.1:9/").client)
    with pytest.raises(SlackAway):
        await nowhere.bot(None, TEAM)


# ------------------------------------------------------------------------------------------------------------- states


@pytest.fixture
def states(store: MemoryStore, clock: Clock) -> SealedStates:
    return SealedStates(store.secrets, store.leader, "a secret of the tests", clock=clock)


async def test_a_state_is_good_once(states):
    state = await states.async_issue()
    assert await states.async_consume(state)
    assert not await states.async_consume(state)
    assert await states.async_consume(await states.async_issue())


async def test_two_who_bring_one_state_at_once_are_not_both_let_in(states, store, clock):
    elsewhere = SealedStates(store.secrets, store.leader, "a secret of the tests", clock=clock)
    state = await states.async_issue()
    both = await asyncio.gather(states.async_consume(state), elsewhere.async_consume(state))
    assert sorted(both) == [False, True]


@pytest.mark.parametrize(("seconds", "is_good"), [(599, True), (601, False)])
async def test_a_state_is_good_for_ten_minutes(states, clock, seconds, is_good):
    state = await states.async_issue()
    clock.ahead = seconds
    assert await states.async_consume(state) is is_good


@pytest.mark.parametrize("forged", ["", ".", "..", "a.b.c", "ffffffff.x.", "ffffffff.x." + "0" * 64, "é.\udcff.0"])
async def test_a_forged_state_is_refused(states, forged):
    assert not await states.async_consume(forged)


async def test_a_state_cannot_be_made_to_live_longer(states):
    _, nonce, mac = (await states.async_issue()).split(".")
    assert not await states.async_consume(f"ffffffff.{nonce}.{mac}")


async def test_asking_for_states_stores_nothing_and_using_them_little(states, store, monkeypatch):
    monkeypatch.setattr("adapters.slack.sealed._USED_KEPT", 3)
    issued = [await states.async_issue() for _ in range(10)]
    assert store.secrets._values == {}
    for state in issued:
        assert await states.async_consume(state)
    assert len(store.secrets._values) == 1
    assert not await states.async_consume(issued[-3])
    assert b"".join(store.secrets._values.values()).count(b".") == 3


async def test_a_state_that_cannot_be_noted_as_used_is_an_error(states, store):
    state = await states.async_issue()
    store.is_down = True
    with pytest.raises(NotStored):
        await states.async_consume(state)


async def test_a_lock_that_cannot_be_had_is_the_database_being_away(states, store, monkeypatch):
    monkeypatch.setattr("adapters.slack.sealed._LOCK_PATIENCE", 0.01)
    state = await states.async_issue()
    async with store.leader("slack/oauth states").hold():
        with pytest.raises(NotStored):
            await states.async_consume(state)
    assert await states.async_consume(state)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="adapters")
    caplog.set_level(logging.WARNING, logger="slack_sdk")
