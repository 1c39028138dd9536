"""What every store promises of those who see the operator's pages."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import NotFound, Refused
from core.ports import Brake, SignedIn, Store

IDLE = timedelta(hours=1)
BY = "operator root"


def signed_in(name: str = "ann", *roles: str, origin: str = "local", lasts: float = 3600) -> SignedIn:
    now = datetime.now(UTC)
    expires = now + timedelta(seconds=lasts)
    return SignedIn(name, frozenset(roles or {"viewer"}), name, origin, now, expires, grant="as it is")


async def add(store: Store, name: str = "ann", *roles: str) -> None:
    await store.admins.add(name, roles=roles or {"viewer"}, password="a hash", by=BY)


async def lines(store: Store) -> list[tuple[str, str]]:
    return [(line.action, line.by) for line in await store.audit.newest(limit=20)]


async def test_one_who_was_added_is_known_by_their_name_in_any_case(store: Store):
    await add(store, "Ann Lee", "viewer", "reader")
    admin = await store.admins.named("ANN LEE")
    assert admin is not None
    assert (admin.name, admin.password) == ("Ann Lee", "a hash")
    assert admin.roles == {"viewer", "reader"}
    assert "a hash" not in repr(admin)
    assert await store.admins.named("bob") is None


async def test_a_name_is_given_once(store: Store):
    await add(store, "Ann")
    with pytest.raises(Refused):
        await store.admins.add("ann", roles={"operator"}, password="another", by=BY)
    (admin,) = await store.admins.all()
    assert admin.roles == {"viewer"}


async def test_all_are_listed_by_name(store: Store):
    for name in ("bob", "ann", "zoe"):
        await add(store, name)
    assert [admin.name for admin in await store.admins.all()] == ["ann", "bob", "zoe"]


async def test_two_of_the_same_name_can_be_told_apart_in_the_log(store: Store):
    """Whoever vouches for people may let them choose what they are called."""
    for token, subject in (("a", "sub-1"), ("b", "sub-2"), ("c", "ann")):
        session = replace(signed_in("ann", origin="oidc"), subject=subject)
        await store.admins.begin(token, session)
        await store.admins.end(token)
    by = [line.by for line in await store.audit.newest(limit=6)]
    assert by[::2] == by[1::2] == ["admin ann (oidc)", "admin ann (oidc sub-2)", "admin ann (oidc sub-1)"]


async def test_whoever_shows_the_token_of_a_session_is_its_person(store: Store):
    await add(store)
    session = signed_in()
    await store.admins.begin("a token", session, password="a hash")
    found = await store.admins.session("a token", idle=IDLE)
    assert found is not None
    assert replace(found, seen_at=None) == session
    assert await store.admins.session("another token", idle=IDLE) is None


async def test_a_session_is_over_where_it_was_idle_or_has_lasted_long_enough(store: Store):
    await store.admins.begin("over", signed_in(origin="oidc", lasts=-1))
    await store.admins.begin("idle", signed_in(origin="oidc"))
    assert await store.admins.session("over", idle=IDLE) is None
    assert await store.admins.session("idle", idle=timedelta(0)) is None
    assert [session.expires_at > datetime.now(UTC) for session in await store.admins.sessions()] == [True]


async def test_a_session_ends_when_its_person_says_so(store: Store):
    await add(store)
    for token in ("one", "two"):
        await store.admins.begin(token, signed_in(), password="a hash")
    await store.admins.end("one")
    await store.admins.end("one")
    assert await store.admins.session("one", idle=IDLE) is None
    assert await store.admins.session("two", idle=IDLE) is not None
    assert [action for action, _ in await lines(store)] == ["sign-out", "sign-in", "sign-in", "admin-added"]


@pytest.mark.parametrize("what", ["roles", "password", "removed"])
async def test_whatever_changes_of_somebody_ends_their_sessions_and_nobody_elses(store: Store, what: str):
    for name in ("ann", "bob"):
        await add(store, name)
        await store.admins.begin(f"token of {name}", signed_in(name), password="a hash")
    await store.admins.begin("token of another ann", signed_in("ann", origin="oidc"))
    if what == "roles":
        assert await store.admins.change("Ann", roles={"operator"}, by=BY) == 1
    elif what == "password":
        assert await store.admins.change("Ann", password="a new hash", by=BY) == 1
    else:
        assert await store.admins.remove("Ann", by=BY) == 1
        assert await store.admins.named("ann") is None
    assert await store.admins.session("token of ann", idle=IDLE) is None
    assert await store.admins.session("token of bob", idle=IDLE) is not None
    assert await store.admins.session("token of another ann", idle=IDLE) is not None


async def test_a_change_of_nobody_is_told(store: Store):
    for work in (store.admins.change("ann", roles=(), by=BY), store.admins.remove("ann", by=BY)):
        with pytest.raises(NotFound):
            await work
    assert await lines(store) == []


async def test_nobody_comes_in_on_what_has_changed_meanwhile(store: Store):
    await add(store)
    await store.admins.change("ann", password="a new hash", by=BY)
    with pytest.raises(NotFound):
        await store.admins.begin("a token", signed_in(), password="a hash")
    await store.admins.change("ann", roles={"operator"}, by=BY)
    with pytest.raises(NotFound):
        await store.admins.begin("a token", signed_in("ann", "viewer"), password="a new hash")
    await store.admins.remove("ann", by=BY)
    with pytest.raises(NotFound):
        await store.admins.begin("a token", signed_in("ann", "operator"), password="a new hash")
    assert await store.admins.session("a token", idle=IDLE) is None


async def test_a_name_is_signed_out_everywhere(store: Store):
    await add(store)
    await store.admins.begin("one", signed_in(), password="a hash")
    await store.admins.begin("two", signed_in("Ann", origin="oidc"))
    await store.admins.begin("three", signed_in("bob", origin="oidc"))
    assert await store.admins.end_all("ann", by=BY) == 2
    assert await store.admins.end_all("ann", by=BY) == 0
    assert [session.name for session in await store.admins.sessions()] == ["bob"]
    assert (await lines(store))[0] == ("admin-signed-out", BY)


async def test_the_audit_log_says_who_did_it(store: Store):
    await add(store)
    await store.admins.begin("one", signed_in(), password="a hash")
    await store.admins.change("ann", roles={"operator", "reader"}, by=BY)
    await store.admins.remove("ann", by=BY)
    assert await lines(store) == [
        ("admin-removed", BY),
        ("admin-roles", BY),
        ("sign-in", "admin ann (local)"),
        ("admin-added", BY),
    ]
    changed = (await store.audit.newest(limit=2))[1]
    assert changed.details == {"name": "ann", "roles": ["operator", "reader"], "before": ["viewer"]}


async def test_failures_that_are_free_are_followed_by_none_that_waits(store: Store):
    brake = Brake("ann", free=3, longest=timedelta(minutes=15))
    assert [await store.admins.attempt([brake]) for _ in range(4)] == [timedelta(0)] * 4
    wait = await store.admins.attempt([brake])
    assert timedelta(0) < wait <= timedelta(seconds=1)


async def test_waits_grow_up_to_the_longest(store: Store):
    none = timedelta(0)
    brake = Brake("ann", free=0, longest=timedelta(hours=2))
    assert await store.admins.attempt([brake]) == none
    assert none < await store.admins.attempt([brake]) <= timedelta(seconds=1)
    free, closed = Brake("bob", free=9, longest=none), Brake("bob", free=0, longest=timedelta(hours=2))
    for _ in range(9):
        assert await store.admins.attempt([free]) == none
    assert await store.admins.attempt([closed]) == none  # the tenth
    assert timedelta(minutes=8) < await store.admins.attempt([closed]) <= timedelta(seconds=512)


async def test_where_one_key_has_to_wait_nothing_is_counted_for_the_others(store: Store):
    closed, other = Brake("closed", free=0, longest=timedelta(hours=1)), Brake("other", free=1, longest=IDLE)
    await store.admins.attempt([closed])
    for _ in range(5):
        assert await store.admins.attempt([closed, other]) > timedelta(0)
    assert await store.admins.attempt([other]) == timedelta(0)


async def test_what_was_no_failure_is_forgiven(store: Store):
    brake = Brake("ann", free=0, longest=IDLE)
    await store.admins.attempt([brake])
    await store.admins.forgive(["ann", "nobody"])
    assert await store.admins.attempt([brake]) == timedelta(0)


async def test_tries_at_once_are_all_counted(store: Store):
    brake = Brake("ann", free=3, longest=IDLE)
    waits = await asyncio.gather(*(store.admins.attempt([brake]) for _ in range(8)))
    assert sum(wait == timedelta(0) for wait in waits) == 4
