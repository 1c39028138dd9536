"""Who gets in at the console's door, and as whom."""

from dataclasses import replace
from hashlib import sha256

import pytest

from adapters.console.problem import Problem
from adapters.console.settings import ConsoleSettings
from adapters.console.verify import Visitor, admit, check_stamp, cookie_header, cookie_name, stamp, verify
from core.message import Author
from core.ports import Webhook

TOKEN = "one-of-256-random-bits"
LOCAL = ConsoleSettings(secret=b"a secret")
WIDE = replace(
    LOCAL,
    is_loopback=False,
    allowed_hosts=frozenset({"chat.example.com"}),
    allowed_origins=frozenset({"https://chat.example.com"}),
    tokens={"ann": sha256(TOKEN.encode()).hexdigest(), "bob": "0" * 64},
)


@pytest.fixture
def knock(now):
    def knock(settings: ConsoleSettings = LOCAL, method: str = "GET", newcomer: str = "new", **headers: str) -> Visitor:
        host = {"host": "127.0.0.1:8080" if settings.is_loopback else "chat.example.com"}
        json = {"content-type": "application/json"} if method == "POST" else {}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        webhook = Webhook(method, "/chat", {}, {**host, **json, **given}, b"", now)
        return verify(webhook, settings, newcomer=lambda: newcomer)

    return knock


def cookie_of(visitor: Visitor, settings: ConsoleSettings = LOCAL) -> str:
    return cookie_header(visitor, settings).partition(";")[0]


def refused(status: int, name: str):
    return pytest.raises(Problem, check=lambda problem: (problem.status, problem.name) == (status, name))


@pytest.mark.parametrize("tokens", [{}, WIDE.tokens])
def test_a_public_name_needs_a_token_though_the_address_is_loopback(knock, tokens):
    behind_a_proxy = replace(LOCAL, allowed_hosts=LOCAL.allowed_hosts | {"chat.example.com"}, tokens=tokens)
    with refused(401, "token_needed"):
        knock(behind_a_proxy, host="chat.example.com")
    newcomer = knock(behind_a_proxy)
    with refused(401, "token_needed"):
        knock(behind_a_proxy, host="chat.example.com", cookie=cookie_of(newcomer, behind_a_proxy))


def test_a_proxy_that_only_says_that_it_is_one_is_one(knock):
    with refused(403, "forwarded"):
        knock(via="1.1 proxy")


def test_a_browser_that_was_never_here_becomes_a_new_author(knock):
    visitor = knock(newcomer="0af3")
    assert visitor.author == Author("console", "local", "browser-0af3")
    assert visitor.is_new


def test_its_cookie_makes_it_the_same_author_again(knock):
    first = knock()
    again = knock(cookie=f"other=1; {cookie_of(first)}", newcomer="another")
    assert again.author == first.author
    assert not again.is_new


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(knock):
    header = cookie_header(knock(), LOCAL)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(header.split("; "))
    assert "Secure" not in header
    assert cookie_header(admit(TOKEN, WIDE), WIDE).endswith("; Secure")


def test_a_cookie_that_was_tampered_with_is_worth_nothing(knock):
    name, _, value = cookie_of(knock()).partition("=")
    signature = value.rpartition(".")[2]
    for forged in (f"browser-other.{signature}", f"token-ann.{signature}", "x", ".", signature, "\ud800.\udcff"):
        assert knock(cookie=f"{name}={forged}", newcomer="fresh").author.id == "browser-fresh"


def test_a_cookie_of_another_installation_is_not_ours(knock):
    other = replace(LOCAL, secret=b"another secret")
    assert cookie_name(other) != cookie_name(LOCAL)
    value = cookie_of(knock(other), other).partition("=")[2]
    assert knock(cookie=f"{cookie_name(LOCAL)}={value}", newcomer="fresh").author.id == "browser-fresh"


@pytest.mark.parametrize("sent", ["", "wrong", "\udcff"])
def test_whoever_sends_a_cookie_must_send_the_csrf_token_too(knock, sent):
    cookie = cookie_of(knock())
    with refused(403, "csrf"):
        knock(method="POST", cookie=cookie, x_csrf_token=sent)


def test_the_csrf_token_of_one_author_does_not_serve_another(knock):
    ann, bob = knock(newcomer="ann"), knock(newcomer="bob")
    with refused(403, "csrf"):
        knock(method="POST", cookie=cookie_of(ann), x_csrf_token=bob.csrf)
    assert knock(method="POST", cookie=cookie_of(ann), x_csrf_token=ann.csrf).author == ann.author


def test_a_broken_cookie_is_refused_before_it_can_act_as_somebody_new(knock):
    with refused(403, "csrf"):
        knock(method="POST", cookie=f"{cookie_name(LOCAL)}=broken")


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:8080", "evil.example:127.0.0.1", "\udcff"]
)
def test_a_host_name_that_is_not_ours_is_refused(knock, host):
    with refused(421, "bad_host"):
        knock(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]"])
def test_this_machine_goes_by_several_names(knock, host):
    assert knock(host=host)


def test_a_host_listed_with_its_port_is_that_port_alone(knock):
    settings = replace(LOCAL, allowed_hosts=frozenset({"127.0.0.1:8080"}))
    assert knock(settings)
    with refused(421, "bad_host"):
        knock(settings, host="127.0.0.1:8081")


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:9", "http://localhost:8080", ""])
def test_another_sites_page_may_not_ask(knock, origin):
    with refused(403, "bad_origin"):
        knock(method="POST", origin=origin)


def test_our_own_page_may_ask(knock):
    assert knock(method="POST", origin="http://127.0.0.1:8080", sec_fetch_site="same-origin")
    listed = replace(LOCAL, allowed_origins=frozenset({"https://portal.example"}))
    assert knock(listed, method="POST", origin="https://portal.example")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_the_browser_calls_cross_site_is_refused(knock, site):
    with refused(403, "bad_origin"):
        knock(sec_fetch_site=site)


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"])
def test_nothing_comes_through_a_proxy_where_no_token_is_asked_for(knock, name):
    with refused(403, "forwarded"):
        knock(**{name: "203.0.113.7"})


def test_behind_a_proxy_on_this_machine_a_token_is_asked_for(knock):
    settings = replace(LOCAL, tokens=WIDE.tokens)
    with refused(401, "token_needed"):
        knock(settings, x_forwarded_for="203.0.113.7")
    with refused(401, "token_needed"):
        knock(settings, x_forwarded_for="203.0.113.7", cookie=cookie_of(knock(settings)))
    assert knock(settings, x_forwarded_for="203.0.113.7", authorization=f"Bearer {TOKEN}").author.id == "token-ann"
    assert knock(settings).author.id == "browser-new"


def test_beyond_this_machine_everybody_needs_a_token(knock):
    with refused(401, "token_needed"):
        knock(WIDE)
    with refused(401, "token_needed"):
        knock(WIDE, cookie=cookie_of(knock()).replace(cookie_name(LOCAL), cookie_name(WIDE)))


def test_a_token_names_its_author(knock):
    visitor = knock(WIDE, authorization=f"bearer {TOKEN}")
    assert visitor.author == Author("console", "local", "token-ann", "ann")
    assert not visitor.is_new
    assert not visitor.cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN.upper(), "0" * 64, "\udcff"])
def test_a_token_nobody_was_given_is_refused(knock, token):
    with refused(401, "token_unknown"):
        knock(WIDE, authorization=f"Bearer {token}")


def test_another_scheme_than_bearer_is_refused(knock):
    with refused(401, "token_needed"):
        knock(WIDE, authorization="Basic YW5uOng=")


def test_who_signed_in_is_remembered_until_the_token_is_renewed(knock):
    cookie = cookie_of(admit(TOKEN, WIDE), WIDE)
    assert knock(WIDE, cookie=cookie).author == Author("console", "local", "token-ann", "ann")
    for tokens in ({"ann": "1" * 64}, {"bob": "0" * 64}):
        with refused(401, "token_needed"):
            knock(replace(WIDE, tokens=tokens), cookie=cookie)


def test_a_name_may_hold_anything_a_person_is_called(knock):
    settings = replace(WIDE, tokens={"王 芳; Path=/": WIDE.tokens["ann"]})
    visitor = admit(TOKEN, settings)
    assert knock(settings, cookie=cookie_of(visitor, settings)).author == visitor.author


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken_so_that_no_form_can_post(knock, media_type):
    with refused(415, "not_json_type"):
        knock(method="POST", content_type=media_type)


def test_json_may_name_its_charset(knock):
    assert knock(method="POST", content_type="Application/JSON; charset=utf-8")


def test_a_compressed_body_is_refused_unread(knock):
    with refused(415, "encoded"):
        knock(method="POST", content_encoding="gzip")


def test_a_stamp_holds_for_one_author_and_one_reply():
    ann, bob = (Author("console", "local", name) for name in ("ann", "bob"))
    check_stamp(LOCAL, ann, "one", stamp(LOCAL, ann, "one"))
    for author, reply in ((bob, "one"), (ann, "two")):
        with refused(404, "no_reply"):
            check_stamp(LOCAL, author, reply, stamp(LOCAL, ann, "one"))
