"""The operator's pages are sent what no browser sends: it is refused in a sentence, and is no error of ours."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from bot.admin import password
from bot.admin.sign_in import brakes_of
from bot.app import House
from tests.admin import PASSWORD, add_admin, browser, house_of, pages_of, signed_in


@pytest.fixture
async def place(tmp_path, monkeypatch):
    """A house, and the address of its pages."""
    async with pages_of(tmp_path, monkeypatch) as found:
        yield found


async def said(url: str, head: str, body: bytes = b"") -> int:
    """The status of what is answered to these very bytes."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write(f"{head}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


@pytest.mark.parametrize(
    "host",
    ["localhost:", "localhost:abc", "localhost:99999", "localhost:-1", "localhost:٣", "127.0.0.1:[", "[::1]:x",
     "localhost:80@evil.example", "localhost:80/x"],
)  # fmt: skip
async def test_a_host_that_is_none_is_not_answered_to(place: tuple[House, str], host: str, caplog):
    assert await said(place[1], f"GET /admin/sign-in HTTP/1.1\r\nHost: {host}") in (400, 421)
    assert "failed" not in caplog.text


@pytest.mark.parametrize(
    ("charset", "name"), [("utf-7", b"+2AA-"), ("unicode_escape", b"\\ud800"), ("utf-16", b"x"), ("rot13", b"x")]
)
async def test_a_form_in_another_alphabet_is_not_read(place: tuple[House, str], charset: str, name: bytes, caplog):
    house, url = place
    await add_admin(house.store)
    async with browser(url) as stranger:
        page = await stranger.get("/admin/sign-in")
        cookies = "; ".join(f"{each.key}={each.value}" for each in stranger.session.cookie_jar)
    form = f"csrf={page.csrf}&password={PASSWORD}&name=".encode() + name
    head = f"POST /admin/sign-in HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nOrigin: {url}\r\nCookie: {cookies}"
    kind = "Content-Type: application/x-www-form-urlencoded; charset="
    assert await said(url, f"{head}\r\n{kind}{charset}", form) == 415
    assert await said(url, f"{head}\r\n{kind}UTF-8", form) in (400, 401)
    assert "sign-in failed" not in caplog.text


async def test_a_form_that_does_not_tell_its_length_is_no_longer_than_others(place: tuple[House, str]):
    async with browser(place[1]) as stranger:

        async def parts():
            for _ in range(80):
                yield b"a" * 1024

        headers = {"Origin": place[1], "Content-Type": "application/x-www-form-urlencoded"}
        url = f"{place[1]}/admin/sign-in"
        async with stranger.session.post(url, data=parts(), headers=headers) as answer:
            assert answer.status == 413
            assert answer.headers["Content-Type"].startswith("text/html")


async def test_somebody_named_wrongly_is_told_so_also_where_limits_shall_hold_again(place: tuple[House, str], caplog):
    async with signed_in(*place, "operator") as ann:
        csrf = (await ann.get("/admin/quotas")).csrf
        for action in ("lift", "restore"):
            done = await ann.post(f"/admin/quotas/{action}", {"key": "nobody", "csrf": csrf})
            assert (done.status, done.location) == (303, "/admin/quotas?said=malformed")
    assert "failed" not in caplog.text


async def test_what_no_row_can_hold_is_found_in_none(tmp_path, monkeypatch):
    async with house_of(tmp_path, monkeypatch) as (house, url), signed_in(house, url, "reader") as ann:
        for path in (
            "ratings?model=%00",
            "ratings?model=%00&score=down&words=yes",
            "ratings?before=-1",
            "ratings?before=99999999999999999999",
            "moderation?category=%00",
            "moderation?before=%D9%A3",
            "audit?kind=%00&before=%00",
            "conversations?before=1-%00",
        ):
            assert (await ann.get(f"/admin/{path}")).status == 200, path


async def test_a_name_that_is_typed_holds_back_nobody_elses_tries(place: tuple[House, str]):
    admins = place[0].store.admins
    for typed in ("ann from 203.0.113.9", "ann", "203.0.113.9"):
        other = brakes_of(typed, "198.51.100.7")
        assert not {brake.key for brake in other} & {brake.key for brake in brakes_of("ann", "203.0.113.9")[::2]}
    for _ in range(9):
        await admins.attempt(brakes_of("ann from 203.0.113.9", "198.51.100.7")[1:2])
    assert await admins.attempt(brakes_of("ann", "203.0.113.9")) == timedelta(0)


async def test_a_flood_of_tries_is_turned_away_and_counts_against_nobody(place: tuple[House, str], monkeypatch):
    """However many come: each would wait for the one before it, and hold its connection meanwhile."""
    house, url = place
    await add_admin(house.store)
    begun, gate = asyncio.Semaphore(0), asyncio.Event()

    async def slowly(*_: object) -> bool:
        begun.release()
        await gate.wait()
        return False

    monkeypatch.setattr(password.Judge, "is_right", slowly)
    monkeypatch.setattr(password, "PLACES", 4)
    async with browser(url) as stranger, browser(url) as ann:
        await stranger.get("/admin/sign-in")
        tries = [asyncio.create_task(stranger.sign_in(f"nobody {number}")) for number in range(4)]
        for _ in tries:
            await begun.acquire()
        for _ in range(8):  # more than a name has free
            turned_away = await ann.sign_in()
            assert (turned_away.status, turned_away.headers["Retry-After"]) == (429, "2")
            assert "too many tries" in turned_away.text
        gate.set()
        assert {answer.status for answer in await asyncio.gather(*tries)} == {401}
    monkeypatch.undo()
    async with browser(url) as ann:
        assert (await ann.sign_in()).status == 303


async def test_whoever_floods_a_name_from_everywhere_keeps_nobody_out_of_a_browser_they_have_used(
    place: tuple[House, str],
):
    house, url = place
    async with signed_in(house, url, "operator", name="ann") as ann, browser(url) as new:
        page = await ann.get("/admin/live")
        await ann.post("/admin/sign-out", {"csrf": page.csrf})
        await add_admin(house.store, "bob")
        for name in ("ann", "bob"):
            for number in range(22):
                await house.store.admins.attempt(brakes_of(name, f"198.51.100.{number}"))
        assert (await new.sign_in("ann")).status == 429
        assert (await ann.sign_in("bob")).status == 429  # it is known for ann alone
        assert (await ann.sign_in("Ann")).status == 303


async def test_a_browser_that_was_used_before_has_a_brake_of_its_own(place: tuple[House, str]):
    house, url = place
    async with signed_in(house, url, "operator", name="ann") as ann, browser(url) as new:
        await ann.post("/admin/sign-out", {"csrf": (await ann.get("/admin/live")).csrf})
        tries = [(await ann.sign_in("ann", "not hers")).status for _ in range(7)]
        assert tries == [401] * 6 + [429]
        assert (await new.sign_in("ann")).status == 303
        known = next(each for each in ann.session.cookie_jar if "_known_" in each.key)
        assert "ann" not in known.value
        kept = f"{known.key.replace('known', 'errand')}={known.value}"
        assert (await ann.get("/admin/oidc?state=x", Cookie=kept)).status == 404
