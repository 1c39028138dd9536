"""X-Forwarded-* are believed from the proxies that are named, and from nobody else."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapters.console.problem import Problem
from adapters.console.settings import ConsoleSettings
from adapters.console.verify import check_place
from bot.web import make_app
from core.ports import Received, Webhook

HERE = "127.0.0.0/8"


class Door:
    """Keeps what it receives."""

    name = "test"

    def __init__(self) -> None:
        self.webhooks: list[Webhook] = []

    async def receive(self, webhook, accept):
        self.webhooks.append(webhook)
        return Received(200, b"heard")

    async def deliver(self, delivery, chunks, ledger):
        raise NotImplementedError


async def ready() -> str:
    return ""


async def accept(events):
    raise NotImplementedError


async def received(trusted, headers, body=b"hello"):
    """What a door sees of a request from this machine, and the answer's headers."""
    door = Door()
    app = make_app(routes=[], webhooks=[door], accept=accept, ready=ready, trusted_proxies=trusted)
    async with (
        TestServer(app) as server,
        ClientSession() as http,
        http.post(server.make_url("/channels/test"), data=body, headers=headers) as response,
    ):
        assert response.status == 200
        assert door.webhooks[0].body == body
        return door.webhooks[0], response.headers


FORWARDED = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "chat.example.com",
}


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8"], ["::1/128", "203.0.113.0/24"]])
async def test_a_stranger_may_say_what_it_likes(trusted):
    webhook, headers = await received(trusted, FORWARDED)
    assert webhook.remote == "127.0.0.1"
    assert webhook.headers["host"].startswith("127.0.0.1:")
    assert "Strict-Transport-Security" not in headers


async def test_a_trusted_proxy_is_believed():
    webhook, headers = await received([HERE], FORWARDED)
    assert webhook.remote == "198.51.100.7"
    assert webhook.headers["host"] == "chat.example.com"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_over_plain_http_to_the_proxy_nothing_strict_is_said():
    _, headers = await received([HERE], FORWARDED | {"X-Forwarded-Proto": "http"})
    assert "Strict-Transport-Security" not in headers


async def cookies_over(proto, trusted):
    """What a page's cookies look like where the proxy says it was asked over `proto`."""

    async def page(_: web.Request) -> web.Response:
        response = web.Response(headers={"Set-Cookie": "secure=1; Path=/; HttpOnly"})
        response.headers.add("Set-Cookie", "kept=1; Secure; Path=/")
        response.set_cookie("lang", "zh")
        return response

    app = make_app(routes=[web.get("/", page)], webhooks=[], accept=accept, ready=ready, trusted_proxies=trusted)
    told = FORWARDED | {"X-Forwarded-Proto": proto}
    async with (
        TestServer(app) as server,
        ClientSession() as http,
        http.get(server.make_url("/"), headers=told) as response,
    ):
        return response.headers.getall("Set-Cookie")


async def test_a_cookie_that_is_set_over_https_is_kept_to_it_once():
    cookies = await cookies_over("https", [HERE])
    assert len(cookies) == 3
    assert [cookie.count("; Secure") for cookie in cookies] == [1, 1, 1]


@pytest.mark.parametrize(("proto", "trusted"), [("http", [HERE]), ("https", [])])
async def test_over_plain_http_or_by_a_strangers_word_a_cookie_stays_as_it_was(proto, trusted):
    assert [cookie.count("; Secure") for cookie in await cookies_over(proto, trusted)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("hops", "asker"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.5, 198.51.100.7", "198.51.100.7"),  # the first one was made up by whoever asks
        ("198.51.100.7, 10.0.0.3, 10.0.0.4", "198.51.100.7"),
        ("10.9.9.9, 198.51.100.7, 10.0.0.4", "198.51.100.7"),
        ("10.0.0.3", "10.0.0.3"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("198.51.100.7:4711, 10.0.0.4", "198.51.100.7"),
        ("::ffff:198.51.100.7, ::ffff:10.0.0.4", "198.51.100.7"),
        ("unknown", "127.0.0.1"),
        ("198.51.100.7, _hidden", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_the_asker_is_whom_the_outermost_proxy_of_ours_heard(hops, asker):
    webhook, _ = await received([HERE, "10.0.0.0/8"], {"X-Forwarded-For": hops})
    assert webhook.remote == asker


async def test_of_several_values_the_outermost_proxy_of_ours_has_the_word():
    told = {"X-Forwarded-For": "198.51.100.7, 10.0.0.4", "X-Forwarded-Host": "made.up, chat.example.com, inner"}
    webhook, _ = await received([HERE, "10.0.0.0/8"], told)
    assert webhook.headers["host"] == "chat.example.com"


@pytest.mark.parametrize("host", ["", "a b", "chat.example.com/path", "user@chat.example.com", "x" * 300])
async def test_what_is_no_host_is_not_believed_of_anybody(host):
    webhook, _ = await received([HERE], {"X-Forwarded-Host": host})
    assert webhook.headers["host"].startswith("127.0.0.1:")


async def test_the_console_without_tokens_refuses_a_trusted_proxy_as_before():
    """Through a proxy everybody would look local, whoever vouches for it."""
    webhook, _ = await received([HERE], {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost"})
    with pytest.raises(Problem) as refused:
        check_place(webhook, ConsoleSettings(secret=b"x"))
    assert refused.value.name == "forwarded"


async def test_every_answer_tells_browsers_to_be_careful():
    _, headers = await received([], {})
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "Parley"


async def test_a_page_keeps_its_own_policy_and_an_error_has_one_too():
    async def page(_: web.Request) -> web.Response:
        return web.Response(headers={"Content-Security-Policy": "default-src 'self'"})

    app = make_app(routes=[web.get("/", page)], webhooks=[], accept=accept, ready=ready)
    async with TestServer(app) as server, ClientSession() as http:
        async with http.get(server.make_url("/")) as response:
            assert response.headers["Content-Security-Policy"] == "default-src 'self'"
        async with http.get(server.make_url("/nowhere")) as response:
            assert response.status == 404
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
