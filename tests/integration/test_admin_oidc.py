"""Signing in to the operator's pages by OpenID Connect: with a provider of another house, and with one that lies."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bench.process import free_port
from bot.admin import oidc
from bot.admin.vouching import NotVouched
from tests.admin import Browser, browser, pages_at, pages_of
from tests.fakes.oidc import CODE, Liar, lying, new_key
from tests.oidc import SECRET, provider, vouched

ROLES = json.dumps({"ops": ["operator"], "legal": ["reader"]})


@asynccontextmanager
async def pages_with(tmp_path, monkeypatch, issuer: str, origin: str = "", **settings: str):
    """The pages of a house that believes this issuer; at `origin`, which its provider was told."""
    settings = {
        "PARLEY_ADMIN__OIDC__ISSUER": issuer,
        "PARLEY_ADMIN__OIDC__CLIENT_ID": "parley",
        "PARLEY_ADMIN__OIDC__ROLES": ROLES,
        "PARLEY_ADMIN__OIDC__SCOPES": '["openid", "profile", "groups"]',
        "PARLEY_ADMIN__URL": origin or "http://127.0.0.1:9",
        "PARLEY_ADMIN_OIDC_SECRET": SECRET,
        **settings,
    }
    async with pages_of(tmp_path, monkeypatch, **settings) as (house, _):
        port = urlsplit(origin).port if origin else None
        async with pages_at(house, port=port) as url:
            yield house, url


@pytest.fixture
async def liar():
    async with lying() as found:
        yield found


@pytest.fixture
async def pages(tmp_path, monkeypatch, liar: Liar):
    origin = f"http://127.0.0.1:{free_port()}"
    async with pages_with(tmp_path, monkeypatch, liar.url, origin) as found:
        yield found


@pytest.fixture
async def ann(pages):
    async with browser(pages[1]) as somebody:
        yield somebody


async def sent(somebody: Browser, to: str = "/admin/health") -> dict[str, str]:
    """What the provider is asked with."""
    answer = await somebody.get(f"/admin/sign-in/oidc?to={to}")
    assert answer.status == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}


async def back(somebody: Browser, liar: Liar, **changed: str):
    """Sent to the provider, and back with a code."""
    asked = await sent(somebody)
    liar.nonce = liar.nonce or asked["nonce"]
    query = {"state": asked["state"], "code": CODE} | changed
    return await somebody.get("/admin/oidc?" + "&".join(f"{name}={value}" for name, value in query.items()))


# ---------------------------------------------------------------------------------------- with one of another house


@pytest.mark.peers
async def test_whoever_a_certified_provider_vouches_for_comes_in_with_the_roles_of_their_groups(tmp_path, monkeypatch):
    origin = f"http://127.0.0.1:{free_port()}"
    people = {"ann": ["ops", "chess"], "bob": ["chess"], "zoe": ["legal", "ops"]}
    async with (
        provider(origin, people) as issuer,
        pages_with(tmp_path, monkeypatch, issuer, origin) as (house, url),
    ):
        for name, roles in (("ann", {"operator"}), ("zoe", {"operator", "reader"})):
            async with browser(url) as somebody, aiohttp.ClientSession(cookie_jar=jar()) as there:
                address = (await somebody.get("/admin/sign-in/oidc?to=/admin/health")).location
                answer = await somebody.get((await vouched(there, address, name)).removeprefix(url))
                assert (answer.status, answer.location) == (303, "/admin/health"), answer.text
                page = await somebody.get("/admin/health")
                assert f"Signed in as {name}" in page.text
                session = next(each for each in await house.store.admins.sessions() if each.name == name)
                assert (session.origin, session.roles) == ("oidc", roles)
        async with browser(url) as somebody, aiohttp.ClientSession(cookie_jar=jar()) as there:
            address = (await somebody.get("/admin/sign-in/oidc")).location
            answer = await somebody.get((await vouched(there, address, "bob")).removeprefix(url))
            assert answer.status == 403
            assert "none of their groups has a role" in answer.text
            assert (await somebody.get("/admin/health")).status == 303


@pytest.mark.peers
async def test_a_certified_provider_refuses_a_code_twice_and_without_its_verifier(tmp_path, monkeypatch, caplog):
    origin = f"http://127.0.0.1:{free_port()}"
    async with (
        provider(origin, {"ann": ["ops"]}) as issuer,
        pages_with(tmp_path, monkeypatch, issuer, origin) as (_, url),
        browser(url) as somebody,
        aiohttp.ClientSession(cookie_jar=jar()) as there,
    ):
        address = (await somebody.get("/admin/sign-in/oidc")).location
        kept = next(f"{each.key}={each.value}" for each in somebody.session.cookie_jar if "_errand_" in each.key)
        callback = (await vouched(there, address, "ann")).removeprefix(url)
        assert (await somebody.get(callback)).status == 303
        again = await somebody.get(callback)
        assert (again.status, "begun too long ago" in again.text) == (400, True)
        somebody.session.cookie_jar.clear()
        stolen = await somebody.get(callback, Cookie=kept)  # with all that the browser had
        assert stolen.status == 400
        assert "does not hold" in stolen.text
        assert "invalid_grant" in caplog.text
        monkeypatch.setattr(
            oidc, "create_s256_code_challenge", lambda verifier: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        )
        address = (await somebody.get("/admin/sign-in/oidc")).location
        callback = (await vouched(there, address, "ann")).removeprefix(url)
        assert (await somebody.get(callback)).status == 400


@pytest.mark.peers
async def test_who_signs_out_here_may_sign_out_there_too(tmp_path, monkeypatch):
    origin = f"http://127.0.0.1:{free_port()}"
    async with (
        provider(origin, {"ann": ["ops"]}) as issuer,
        pages_with(tmp_path, monkeypatch, issuer, origin) as (_, url),
        browser(url) as somebody,
        aiohttp.ClientSession(cookie_jar=jar()) as there,
    ):
        address = (await somebody.get("/admin/sign-in/oidc")).location
        await somebody.get((await vouched(there, address, "ann")).removeprefix(url))
        page = await somebody.get("/admin/health")
        out = await somebody.post("/admin/sign-out", {"csrf": page.csrf})
        door = await somebody.get(out.location)
        assert 'href="/admin/sign-in/oidc/out"' in door.text
        end = (await somebody.get("/admin/sign-in/oidc/out")).location
        async with there.get(end) as answer:
            assert answer.status == 200, await answer.text()
            assert "Do you want to sign-out" in await answer.text()


def jar() -> aiohttp.CookieJar:
    return aiohttp.CookieJar(unsafe=True)


# ---------------------------------------------------------------------------------------------- with one that lies


async def test_what_is_asked_for_is_a_code_with_a_challenge_a_state_and_a_nonce(pages, ann: Browser):
    one, two = await sent(ann), await sent(ann)
    assert one["response_type"] == "code"
    assert one["client_id"] == "parley"
    assert one["redirect_uri"] == f"{pages[1]}/admin/oidc"
    assert one["code_challenge_method"] == "S256"
    assert one["scope"] == "openid profile groups"
    for name in ("state", "nonce", "code_challenge"):
        assert len(one[name]) == 43
        assert one[name] != two[name]


async def test_one_sets_out_from_where_the_provider_sends_people_back_to(pages, ann: Browser):
    port = pages[1].rpartition(":")[2]
    moved = await ann.get("/admin/sign-in/oidc?to=/admin/audit", Host=f"localhost:{port}")
    assert (moved.status, moved.location) == (303, f"{pages[1]}/admin/sign-in/oidc?to=/admin/audit&moved=1")
    assert (await ann.get("/admin/sign-in/oidc?moved=1", Host=f"localhost:{port}")).status == 421
    assert (await ann.get("/admin/sign-in/oidc?moved=1")).status == 303


async def test_an_honest_answer_is_taken(liar: Liar, ann: Browser, pages):
    answer = await back(ann, liar)
    assert (answer.status, answer.location) == (303, "/admin/health")
    (form,) = liar.forms
    assert (form["code"], len(form["code_verifier"])) == (CODE, 43)
    assert form["authorization"].startswith("Basic ")
    assert "client_secret" not in form
    assert [line.action for line in await pages[0].store.audit.newest(limit=9)] == ["sign-in"]


NOW = 2_000_000_000


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": ["parley", "another client"]},  # without azp
        {"azp": "another client"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": None},
        {"nbf": NOW + 10**8},
        {"sub": None},
        {"sub": ""},
        {"at_hash": "not of this access token"},
    ],
    ids=str,
)
async def test_an_id_token_that_is_not_for_us_now_lets_nobody_in(liar: Liar, ann: Browser, pages, claims):
    liar.claims = claims
    answer = await back(ann, liar)
    assert answer.status == 400
    assert "does not hold" in answer.text
    assert (await ann.get("/admin/health")).status == 303
    (line,) = await pages[0].store.audit.newest(limit=9)
    assert (line.action, dict(line.details)) == ("sign-in-failed", {"origin": "oidc", "why": "invalid"})


@pytest.mark.parametrize("how", ["unsigned", "signed_with_what_everybody_knows", "by another key", "nonsense"])
async def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(liar: Liar, ann: Browser, how):
    liar.published = [liar.key]
    asked = await sent(ann)
    liar.nonce = asked["nonce"]
    match how:
        case "by another key":
            liar.key = new_key("first")
        case "nonsense":
            liar.token = "a.b.c"
        case _:
            liar.token = getattr(liar, how)()
    answer = await ann.get(f"/admin/oidc?state={asked['state']}&code={CODE}")
    assert answer.status == 400
    assert (await ann.get("/admin/health")).status == 303


async def test_whatever_algorithm_it_offers_only_what_it_alone_can_sign_is_taken(liar: Liar, ann: Browser):
    liar.said = {"id_token_signing_alg_values_supported": ["none", "HS256"]}
    asked = await sent(ann)
    liar.nonce, liar.token = asked["nonce"], liar.unsigned()
    assert (await ann.get(f"/admin/oidc?state={asked['state']}&code={CODE}")).status == 400


async def test_a_new_key_of_the_provider_is_fetched_once_it_is_met(liar: Liar, ann: Browser, monkeypatch):
    assert (await back(ann, liar)).status == 303
    liar.key, liar.nonce = new_key("second"), ""
    ann.session.cookie_jar.clear()
    assert (await back(ann, liar)).status == 400  # asked a moment ago
    monkeypatch.setattr(oidc, "_KEYS_AGAIN", 0.0)
    liar.nonce = ""
    assert (await back(ann, liar)).status == 303
    assert liar.asked.count("keys") == 2
    assert liar.asked.count("discovery") == 1


async def test_a_key_that_the_provider_has_withdrawn_is_not_believed_for_ever(liar: Liar, ann: Browser, monkeypatch):
    """Also where the new one has the name of the old one, so that no unknown name is met."""
    assert (await back(ann, liar)).status == 303
    liar.key, liar.nonce = new_key("first"), ""
    ann.session.cookie_jar.clear()
    assert (await back(ann, liar)).status == 400
    monkeypatch.setattr(oidc, "_KEYS_KEPT", 0.0)
    liar.nonce = ""
    assert (await back(ann, liar)).status == 303


async def test_a_provider_that_is_away_is_asked_for_everybody_at_once(pages, liar: Liar, ann: Browser, monkeypatch):
    """Each asking may take ten seconds, and they go one after the other."""
    asked: list[str] = []

    async def away(_: object, method: str, url: str, **more: object) -> dict[str, str]:
        asked.append(url)
        raise NotVouched("away", "(TimeoutError)")

    with monkeypatch.context() as now:
        now.setattr(oidc.Provider, "_ask", away)
        answers = await asyncio.gather(*(ann.get("/admin/sign-in/oidc") for _ in range(8)))
        assert {answer.status for answer in answers} == {503}
        assert (await ann.get("/admin/sign-in?out")).status == 200
        assert len(asked) == 1
    monkeypatch.setattr(oidc, "_DISCOVER_AGAIN", 0.0)
    assert (await back(ann, liar)).status == 303
    with monkeypatch.context() as later:
        later.setattr(oidc, "_DISCOVERED", 0.0)
        later.setattr(oidc, "_DISCOVER_AGAIN", 10.0)
        later.setattr(oidc.Provider, "_ask", away)
        for _ in range(3):
            assert (await ann.get("/admin/sign-in/oidc")).status == 303  # what it said before will do
        assert len(asked) == 2


async def test_the_port_that_a_scheme_has_anyway_may_be_written_out(tmp_path, monkeypatch, liar: Liar):
    url = "https://chat.example.com:443"
    async with (
        pages_with(tmp_path, monkeypatch, liar.url, PARLEY_ADMIN__URL=url) as (_, here),
        browser(here) as somebody,
    ):
        answer = await somebody.get("/admin/sign-in/oidc", Host="chat.example.com")
        assert answer.status == 303
    asked = parse_qs(urlsplit(answer.location).query)
    assert asked["redirect_uri"] == ["https://chat.example.com/admin/oidc"]


@pytest.mark.parametrize("state", ["", "another"])
async def test_another_state_is_another_sign_in(liar: Liar, ann: Browser, state):
    answer = await back(ann, liar, state=state)
    assert answer.status == 400
    assert "token" not in liar.asked


async def test_another_browser_cannot_end_what_this_one_has_begun(liar: Liar, ann: Browser, pages):
    asked = await sent(ann)
    liar.nonce = asked["nonce"]
    async with browser(pages[1]) as another:
        assert (await another.get(f"/admin/oidc?state={asked['state']}&code={CODE}")).status == 400
        assert (await another.get("/admin/health")).status == 303


async def test_what_the_browser_keeps_meanwhile_is_not_believed_once_it_is_changed_or_old(
    liar, ann, pages, monkeypatch
):
    asked = await sent(ann)
    liar.nonce = asked["nonce"]
    kept = next(each for each in ann.session.cookie_jar if "_errand_" in each.key)
    text, _, signature = kept.value.partition(".")
    ann.session.cookie_jar.clear()
    for value in (f"{text[:-4]}AAAA.{signature}", f".{signature}", "nonsense", ""):
        answer = await ann.get(f"/admin/oidc?state={asked['state']}&code={CODE}", Cookie=f"{kept.key}={value}")
        assert answer.status == 400
    monkeypatch.setattr("bot.admin.sign_in._ERRAND", timedelta(seconds=-1))
    assert (await back(ann, liar)).status == 400


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/admin//evil.example",
        "/admin/../evil",
        "/elsewhere",
        "/admin/x%0d%0aSet-Cookie:y",
        "javascript:alert(1)",
    ],
)
async def test_nobody_is_sent_anywhere_else_afterwards(liar: Liar, ann: Browser, to):
    asked = await sent(ann, to)
    liar.nonce = asked["nonce"]
    answer = await ann.get(f"/admin/oidc?state={asked['state']}&code={CODE}")
    assert answer.status == 303
    assert urlsplit(answer.location).netloc == ""
    assert answer.location.startswith("/admin")
    assert "evil" not in answer.location or answer.location.startswith("/admin/x%0d%0a")


async def test_a_refusal_at_the_provider_is_said(liar: Liar, ann: Browser):
    asked = await sent(ann)
    answer = await ann.get(f"/admin/oidc?state={asked['state']}&error=access_denied&error_description=%3Cscript%3E")
    assert answer.status == 403
    assert "did not sign you in" in answer.text
    assert "<script>" not in answer.text


async def test_an_answer_of_another_issuer_is_not_taken(liar: Liar, ann: Browser):
    assert (await back(ann, liar, iss="https://elsewhere.example")).status == 400
    assert "token" not in liar.asked


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
async def test_a_provider_that_calls_itself_another_or_would_be_told_secrets_in_the_open_is_not_asked(liar, ann, said):
    liar.said = said
    answer = await ann.get("/admin/sign-in/oidc")
    assert answer.status == 400
    assert liar.asked == ["discovery"]


async def test_a_provider_that_is_away_is_said_and_leaves_the_password(tmp_path, monkeypatch):
    origin, nobody = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    async with pages_with(tmp_path, monkeypatch, nobody, origin) as (_, url), browser(url) as somebody:
        answer = await somebody.get("/admin/sign-in/oidc")
    assert answer.status == 503
    assert "does not answer just now" in answer.text
    assert 'name="password"' in answer.text


async def test_groups_may_stand_in_the_user_info_of_the_same_person(liar: Liar, ann: Browser):
    liar.claims, liar.told = {"groups": None}, {"sub": "248289761001", "groups": ["legal"]}
    assert (await back(ann, liar)).status == 303
    assert "reader of content" in (await ann.get("/admin/health")).text


async def test_user_info_of_somebody_else_lets_nobody_in(liar: Liar, ann: Browser):
    liar.claims, liar.told = {"groups": None}, {"sub": "somebody else", "groups": ["ops"]}
    assert (await back(ann, liar)).status == 400


@pytest.mark.parametrize("groups", [[], "chess", ["OPS"], {"ops": True}, None, 7, [["ops"]]], ids=str)
async def test_without_a_group_that_has_a_role_nobody_comes_in(liar: Liar, ann: Browser, groups):
    liar.claims = {"groups": groups}
    assert (await back(ann, liar)).status == 403


async def test_whoever_comes_without_a_role_again_and_again_fills_no_log(liar: Liar, ann: Browser, pages):
    liar.claims = {"groups": ["chess"]}
    for _ in range(25):
        liar.nonce = ""
        assert (await back(ann, liar)).status == 403
    lines = [line for line in await pages[0].store.audit.newest(limit=100) if line.action == "sign-in-failed"]
    assert len(lines) == 21, "as many as are free, and the one that begins to wait"


async def test_where_the_terms_change_everybody_signs_in_again(liar: Liar, ann: Browser, pages, monkeypatch):
    house = pages[0]
    assert (await back(ann, liar)).status == 303
    token = next(each.value for each in ann.session.cookie_jar if "_session_" in each.key)
    terms = house.config.settings.admin.oidc.model_copy(update={"roles": {"ops": ("viewer",)}})
    changed = oidc.Provider(terms, SECRET, pages[1])
    session = await house.store.admins.session(token, idle=timedelta(hours=1))
    assert session is not None
    assert session.grant == oidc.Provider(house.config.settings.admin.oidc, SECRET, pages[1]).grant
    assert session.grant != changed.grant


async def test_no_secret_and_no_code_is_logged(liar: Liar, ann: Browser, caplog):
    liar.status = 400
    assert (await back(ann, liar)).status == 400
    assert "invalid_grant" in caplog.text
    for secret in (SECRET, CODE, liar.nonce):
        assert secret not in caplog.text
