"""The operator's pages over HTTP: who comes in, how they are remembered, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.admin.roles import Role
from bot.admin.routes import Routes
from bot.admin.sign_in import brakes_of
from bot.admin.texts import say
from bot.admin.visit import Action, Done, Html, Page, Visit
from bot.app import House
from core.errors import NotStored
from core.ports import SignedIn
from tests.admin import PASSWORD, Browser, add_admin, browser, pages_at, pages_of, signed_in

NAME = "parley_admin_session_"


@pytest.fixture
async def place(tmp_path, monkeypatch):
    """A house, and the address of its pages."""
    async with pages_of(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def house(place: tuple[House, str]) -> House:
    return place[0]


@pytest.fixture
async def stranger(place):
    async with browser(place[1]) as somebody:
        yield somebody


@pytest.fixture
async def ann(place):
    async with signed_in(*place, "operator") as somebody:
        yield somebody


def cookie_of(browser: Browser) -> str:
    return next(cookie.value for cookie in browser.session.cookie_jar if cookie.key.startswith(NAME))


async def audited(house: House) -> list[tuple[str, str]]:
    return [(line.action, line.by) for line in await house.store.audit.newest(limit=20)]


async def test_whoever_is_not_signed_in_is_sent_to_the_door_and_then_where_they_wanted(house: House, stranger: Browser):
    await add_admin(house.store)
    sent = await stranger.get("/admin/health?x=1")
    assert (sent.status, sent.location) == (303, "/admin/sign-in?to=%2Fadmin%2Fhealth%3Fx%3D1")
    welcome = await stranger.sign_in(to="/admin/health?x=1")
    assert (welcome.status, welcome.location) == (303, "/admin/health?x=1")
    assert (await stranger.get("/admin/health")).status == 200


async def test_the_first_one_is_told_how_to_be_made(stranger: Browser):
    page = await stranger.get("/admin/sign-in")
    assert "parley admin add NAME --role operator" in page.text
    assert 'name="password"' not in page.text


async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(house: House, stranger: Browser):
    await add_admin(house.store)
    wrong = [await stranger.sign_in("ann", "not hers"), await stranger.sign_in("bob", PASSWORD)]
    assert [page.status for page in wrong] == [401, 401]
    texts = [page.text.replace(page.csrf, "").replace('value="bob"', 'value="ann"') for page in wrong]
    assert texts[0] == texts[1]
    assert (await stranger.get("/admin/health")).status == 303


async def test_what_is_typed_for_a_name_that_nobody_has_is_kept_nowhere(house: House, stranger: Browser, caplog):
    await add_admin(house.store)
    await stranger.sign_in("my secret password", "not hers")
    await stranger.sign_in("ann", "my other secret")
    lines = await house.store.audit.newest(limit=2)
    assert [(line.action, line.by, dict(line.details)) for line in lines] == [
        ("sign-in-failed", "", {"origin": "local", "name": "ann"}),
        ("sign-in-failed", "", {"origin": "local"}),
    ]
    assert "secret" not in f"{lines}{caplog.text}"


async def test_after_some_failures_the_next_try_has_to_wait_in_every_browser(house: House, place, stranger: Browser):
    await add_admin(house.store)
    near, *_ = brakes_of("ann", "127.0.0.1")
    for _ in range(11):  # six of them are beyond what is free
        await house.store.admins.attempt([replace(near, free=11)])
    assert (await stranger.sign_in("Ann", "not hers")).status == 401
    waits = await stranger.sign_in("ann", PASSWORD)
    assert waits.status == 429
    assert 30 < int(waits.headers["Retry-After"]) <= 65
    async with browser(place[1]) as another:
        assert (await another.sign_in("ANN", PASSWORD)).status == 429
        assert (await another.sign_in("bob", PASSWORD)).status == 401


async def test_whoever_comes_in_after_a_slip_begins_anew(house: House, stranger: Browser):
    await add_admin(house.store)
    for _ in range(3):
        for _ in range(4):
            assert (await stranger.sign_in("ann", "not hers")).status == 401
        assert (await stranger.sign_in("ann", PASSWORD)).status == 303
        page = await stranger.get("/admin/audit")
        await stranger.post("/admin/sign-out", {"csrf": page.csrf})


async def test_signing_in_gives_another_token_and_ends_the_one_before(ann: Browser):
    first = cookie_of(ann)
    await ann.post("/admin/sign-in", {"name": "ann", "password": PASSWORD, "csrf": await door(ann)})
    assert cookie_of(ann) != first
    ann.session.cookie_jar.clear()
    answer = await ann.get("/admin/health", Cookie=f"{NAME}{ann.url.rpartition(':')[2]}={first}")
    assert answer.status == 303


async def door(browser: Browser) -> str:
    """What the form of the sign-in is checked with: one that is signed in is not shown it."""
    from bot.admin.sessions import csrf_of

    return csrf_of(next(cookie.value for cookie in browser.session.cookie_jar if "_door_" in cookie.key))


async def test_signing_out_ends_the_session_and_needs_the_token_of_the_page(house: House, ann: Browser):
    kept, page = cookie_of(ann), await ann.get("/admin/health")
    assert (await ann.post("/admin/sign-out", {"csrf": "0" * 64})).status == 403
    assert (await ann.get("/admin/health")).status == 200
    out = await ann.post("/admin/sign-out", {"csrf": page.csrf})
    assert (out.status, out.location) == (303, "/admin/sign-in?out")
    assert await house.store.admins.session(kept, idle=timedelta(hours=1)) is None
    assert (await audited(house))[0] == ("sign-out", "admin ann (local)")


@pytest.mark.parametrize("what", ["roles", "password", "removed", "signed out"])
async def test_whatever_changes_of_somebody_is_felt_at_their_next_click(house: House, ann: Browser, what: str):
    match what:
        case "roles":
            await house.store.admins.change("ann", roles={"viewer"}, by="operator test")
        case "password":
            await house.store.admins.change("ann", password="another", by="operator test")
        case "removed":
            await house.store.admins.remove("ann", by="operator test")
        case _:
            await house.store.admins.end_all("ann", by="operator test")
    assert (await ann.get("/admin/health")).status == 303


async def test_cookies_are_the_pages_own_alone(house: House, stranger: Browser):
    await add_admin(house.store)
    welcome = await stranger.sign_in()
    (session,) = [line for line in welcome.cookies if line.startswith(NAME)]
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in session.split(";")}
    assert "Secure" not in session  # on this machine, without TLS
    token = session.partition("=")[2].partition(";")[0]
    assert len(token) == 43
    sessions = await house.store.admins.sessions()
    assert token not in repr(sessions)


async def test_pages_tell_the_browser_what_they_may_do(ann: Browser):
    page = await ann.get("/admin/health")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert {"frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} <= set(policy.split("; "))
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "style=" not in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
async def test_a_form_of_another_site_does_nothing(ann: Browser, headers: dict[str, str]):
    page = await ann.get("/admin/health")
    answer = await ann.post("/admin/sign-out", {"csrf": page.csrf}, **headers)
    assert answer.status == 403
    assert (await ann.get("/admin/health")).status == 200


async def test_who_signs_in_for_another_from_another_site_fails(house: House, stranger: Browser):
    await add_admin(house.store)
    form = {"name": "ann", "password": PASSWORD}
    assert (await stranger.post("/admin/sign-in", {**form, "csrf": "0" * 64})).status == 403
    page = await stranger.get("/admin/sign-in")
    stranger.session.cookie_jar.clear()
    assert (await stranger.post("/admin/sign-in", {**form, "csrf": page.csrf})).status == 403


async def test_another_name_and_a_plain_way_from_outside_are_not_answered(stranger: Browser):
    assert (await stranger.get("/admin/sign-in", Host="evil.example")).status == 421
    assert (await stranger.get("/admin/sign-in", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")).status == 403
    link = await stranger.get("/admin/sign-in", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert link.status == 200


async def test_behind_a_proxy_that_ends_tls_cookies_insist_on_it(tmp_path, monkeypatch):
    async with (
        pages_of(tmp_path, monkeypatch, PARLEY_ADMIN__URL="https://chat.example.com") as (house, url),
        browser(url) as somebody,
    ):
        await add_admin(house.store)
        page = await somebody.get("/admin/sign-in", Host="chat.example.com")
        (kept,) = page.cookies
        assert kept.startswith("__Host-parley_admin_door=")
        assert "Secure" in kept
        sent = {"Host": "chat.example.com", "Cookie": kept.partition(";")[0]}
        form = {"name": "ann", "password": PASSWORD, "csrf": page.csrf}
        refused = await somebody.post("/admin/sign-in", form, **sent, Origin="http://chat.example.com")
        assert refused.status == 403
        welcome = await somebody.post("/admin/sign-in", form, **sent, Origin="https://chat.example.com")
        session, known = welcome.cookies
        assert session.startswith("__Host-parley_admin_session=")
        assert known.startswith("__Host-parley_admin_known=")
        for kept in (session, known):
            assert "Secure" in kept
            assert "HttpOnly" in kept


async def test_over_a_network_without_tls_nobody_is_asked_for_a_password(tmp_path, monkeypatch):
    hosts = {"PARLEY_CONSOLE__ALLOWED_HOSTS": '["chat.example.com"]', "PARLEY_CONSOLE__ENABLED": "false"}
    async with pages_of(tmp_path, monkeypatch, **hosts) as (_, url), browser(url) as somebody:
        page = await somebody.get("/admin/sign-in", Host="chat.example.com")
    assert page.status == 403
    assert "HTTPS alone" in page.text
    assert "password" not in page.text


@pytest.mark.parametrize(("held", "needed", "status"), [
    ("viewer", Role.OPERATOR, 403),
    ("operator", Role.READER, 403),
    ("reader", Role.OPERATOR, 403),
    ("operator", Role.VIEWER, 200),
    ("reader", Role.READER, 200),
])  # fmt: skip
async def test_a_page_for_another_role_says_which_one_and_who_gives_it(place, held, needed, status, monkeypatch):
    house = place[0]

    async def show(visit: Visit) -> Html:
        return visit.render("error.html", sentence="It is shown.")

    page = Page("it", "/admin/it", show, needed, {"nav": ("It", "它"), "title": ("It", "它")})
    monkeypatch.setattr(Routes.__init__, "__defaults__", ((page,), (Action("/admin/do", done, needed),)))
    async with pages_at(house) as url, signed_in(house, url, held) as somebody:
        answer = await somebody.get("/admin/it")
        acted = await somebody.post("/admin/do", {"csrf": answer.csrf})
    assert (answer.status, acted.status) == (status, 303 if status == 200 else 403)
    assert ("It is shown." in answer.text) == (status == 200)
    if status == 403:
        assert f"“{say(f'role_{needed}', 'en')}”" in answer.text
        assert "parley admin roles" in answer.text
        assert ">It</a>" not in answer.text


async def done(visit: Visit) -> Done:
    return Done("/admin/it", said="done")


async def test_an_action_needs_the_token_of_this_very_session(place, monkeypatch):
    house = place[0]
    monkeypatch.setattr(Routes.__init__, "__defaults__", ((), (Action("/admin/do", done),)))
    async with (
        pages_at(house) as url,
        signed_in(house, url, "operator", name="ann") as ann,
        signed_in(house, url, "operator", name="bob") as bob,
    ):
        hers, his = (await ann.get("/admin/none")).csrf, (await bob.get("/admin/none")).csrf
        assert hers != his
        for token in (his, "", hers[:-1]):
            assert (await ann.post("/admin/do", {"csrf": token})).status == 403
        answer = await ann.post("/admin/do", {"csrf": hers})
        assert (answer.status, answer.location) == (303, "/admin/it?said=done")
        assert (await ann.post("/admin/do", {"csrf": hers}, Content_Type="text/plain")).status == 415


async def test_whatever_needs_the_database_says_so_without_it(house: House, ann: Browser, monkeypatch):
    async def away(*_, **__) -> SignedIn:
        raise NotStored

    monkeypatch.setattr(house.store.admins, "session", away)
    page = await ann.get("/admin/health")
    assert page.status == 503
    assert "The database does not answer" in page.text


async def test_the_language_and_the_theme_that_are_chosen_stay(ann: Browser):
    page = await ann.get("/admin/health?lang=zh&theme=dark")
    assert 'lang="zh-CN"' in page.text
    again = await ann.get("/admin/health")
    assert 'lang="zh-CN" data-theme="dark"' in again.text
    assert "健康状况" in again.text


async def test_a_fragment_of_whoever_is_not_signed_in_any_more_is_a_status(stranger: Browser):
    assert (await stranger.get("/admin/health", Sec_Fetch_Dest="empty")).status == 401


async def test_the_audit_log_is_shown_page_by_page_and_by_kind(house: House, ann: Browser):
    for number in range(60):
        await house.store.audit.record("export", by=f"operator {number}")
    page = await ann.get("/admin/audit")
    assert "operator 59" in page.text
    assert "admin ann (local)" not in page.text
    assert "before=13" in page.text
    older = await ann.get("/admin/audit?before=13")
    assert "admin ann (local)" in older.text
    signing = await ann.get("/admin/audit?kind=signing")
    assert "admin ann (local)" in signing.text
    assert "operator 59" not in signing.text
    assert (await ann.get("/admin/audit?before=nonsense&kind=nonsense")).status == 200
