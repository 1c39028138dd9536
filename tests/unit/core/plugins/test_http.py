"""The way out of plugins: real servers on the loopback interface, each attack with a test of its own."""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Thread

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from core.errors import Misconfigured, ParleyError, Refused, Unavailable
from core.plugins import http
from core.plugins.addresses import is_public
from core.plugins.hosts import Hosts
from core.plugins.http import GuardedHttp

SECRET = "k-9f3a-not-for-anybody"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Open = Callable[..., GuardedHttp]


class Names(AbstractResolver):
    """Answers with the addresses it was given: the next one each time, the last one for good."""

    def __init__(self, **names: list[str]) -> None:
        self._names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self._names[host]
        found = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [self._result(host, port, address) for address in found.split(",")]

    def _result(self, host: str, port: int, address: str) -> ResolveResult:
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)

    async def close(self) -> None:
        pass


class Server:
    """Says "hello" to whoever asks, or what it is told to; `requests` are those that came."""

    def __init__(self, answer: Handler | None = None) -> None:
        self._answer = answer
        self.requests: list[web.BaseRequest] = []
        self.port = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return await self._answer(request) if self._answer else web.Response(text="hello")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    async with AsyncExitStack() as stack:

        async def start(answer: Handler | None = None, tls: ssl.SSLContext | None = None) -> Server:
            server = Server(answer)
            runner = web.ServerRunner(web.Server(server, handler_cancellation=True), shutdown_timeout=0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            server.port = int(runner.addresses[0][1])
            return server

        yield start


@pytest.fixture
async def way() -> AsyncIterator[Open]:
    """Opens ways out, and closes them."""
    async with AsyncExitStack() as stack:

        def make(*hosts: str, **options: object) -> GuardedHttp:
            guard = GuardedHttp(hosts, **options)  # type: ignore[arg-type]
            stack.push_async_callback(guard.close)
            return guard

        yield make


async def refusal(asking: Awaitable[object], error: type[ParleyError] = Refused) -> str:
    with pytest.raises(error) as caught:
        await asking
    assert SECRET not in str(caught.value)
    return caught.value.detail


def redirect(place: str, status: int = 302) -> Handler:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": place})

    return answer


# ------------------------------------------------------------------------------------------------- what is answered


async def test_an_answer_comes_with_its_status_body_and_kind(serve, way):
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"a": 1}, status=418)

    server = await serve(answer)
    got = await way(server.host, private_hosts=["127.0.0.1"]).get(f"{server.url}/x", params={"q": "München & 北京"})
    assert (got.status, got.body, got.content_type) == (418, b'{"a": 1}', "application/json")
    assert server.requests[0].query == {"q": "München & 北京"}


async def test_parameters_join_those_that_an_address_has(serve, way):
    server = await serve()
    await way(server.host, private_hosts=["127.0.0.1"]).get(f"{server.url}/x?a=1#part", params={"b": "2"})
    assert server.requests[0].raw_path == "/x?a=1&b=2"


async def test_a_post_carries_json_and_headers(serve, way):
    bodies = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.Response(text="taken")

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    got = await guard.post(server.url, json={"text": "你好"}, headers={"Authorization": "Bearer b"})
    assert (got.body, bodies) == (b"taken", [{"text": "你好"}])
    assert server.requests[0].headers["Authorization"] == "Bearer b"


async def test_a_packed_answer_is_unpacked(serve, way):
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"unpacked"), headers={"Content-Encoding": "gzip"})

    server = await serve(answer)
    assert (await way(server.host, private_hosts=["127.0.0.1"]).get(server.url)).body == b"unpacked"


# --------------------------------------------------------------------------------------------------- who may be asked


async def test_a_host_that_is_not_listed_is_not_asked(serve, way):
    server = await serve()
    guard = way("api.example.org", private_hosts=["127.0.0.1"])
    detail = await refusal(guard.get(f"{server.url}/?key={SECRET}"))
    port = server.url.rpartition(":")[2]
    assert detail == f"127.0.0.1:{port} is not among the hosts that this plugin names (hosts=)"
    assert not server.requests


async def test_a_plugin_reaches_its_own_hosts_alone(serve, way):
    mine, others = await serve(), await serve()
    guard = way(mine.host, others.host, private_hosts=["127.0.0.1"])
    own = guard.for_plugin([mine.host])
    assert (await own.get(mine.url)).body == b"hello"
    await refusal(own.get(others.url))
    await refusal(own.post(others.url, json={}))
    await refusal(guard.for_plugin([]).get(mine.url))
    assert not others.requests


@pytest.mark.parametrize(
    ("line", "url", "expected"),
    [
        ("api.example.org", "https://api.example.org/", True),
        ("API.Example.org", "https://api.EXAMPLE.org/", True),
        ("api.example.org", "https://api.example.org:8443/", False),
        ("api.example.org:8443", "https://api.example.org:8443/", True),
        ("api.example.org:8443", "https://api.example.org/", False),
        ("api.example.org", "https://evil-api.example.org/", False),
        ("api.example.org", "https://api.example.org.evil.test/", False),
        ("api.example.org", "https://api.example.org@evil.test/", False),
        ("api.example.org", "https://a.api.example.org/", False),
        (".example.org", "https://a.b.example.org/", True),
        (".example.org", "https://example.org/", False),
        (".example.org", "https://evilexample.org/", False),
        (".example.org:8443", "https://a.example.org:8443/", True),
        ("例子.example.org", "https://xn--fsqu00a.example.org/", True),
        ("[::1]:8443", "https://[0:0::1]:8443/", True),
        ("::1", "https://[::1]/", True),
        ("::1", "https://[::1]:8443/", False),
    ],
)
def test_a_list_of_hosts_means_what_it_says(line, url, expected):
    assert Hosts([line]).has(URL(url), (80, 443)) is expected


@pytest.mark.parametrize(
    "line", ["", ".", "*.example.org", "https://example.org", "example.org/x", "a:b", "a:0", "a b"]
)
def test_what_is_no_host_is_not_listed(line):
    with pytest.raises(Misconfigured):
        Hosts([line])


async def test_plain_http_leads_nowhere_outside(serve, way):
    server = await serve()
    names = Names(api_example_org=["127.0.0.1"])
    guard = way(f"api.example.org:{server.port}", resolver=names)
    detail = await refusal(guard.get(f"http://api.example.org:{server.port}/?key={SECRET}"))
    assert detail == "api.example.org may be asked over https alone"
    assert not server.requests
    assert not names.asked


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/hostname", "//127.0.0.1/", "gopher://127.0.0.1/", "x"]
)
async def test_other_schemes_lead_nowhere(way, url):
    await refusal(way("127.0.0.1", private_hosts=["127.0.0.1"]).get(url))


@pytest.mark.parametrize("url", ["http://[::1", "http://h:99999/", "http://a\\@b/"])
async def test_what_is_no_address_is_refused(way, url):
    assert await refusal(way("127.0.0.1").get(url)) == "an address that cannot be read"


async def test_a_name_and_password_in_an_address_are_refused(serve, way):
    server = await serve()
    guard = way(server.host, private_hosts=["127.0.0.1"])
    await refusal(guard.get(f"http://anna:{SECRET}@{server.host}/"))
    assert not server.requests


# ------------------------------------------------------------------------------------------------ addresses inside


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",  # shared by providers
        "127.0.0.1",
        "127.8.9.1",
        "169.254.169.254",  # where clouds keep their machines' credentials
        "172.16.0.1",
        "192.0.0.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "localhost",
        "",
    ],
)
def test_an_address_inside_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "100.128.0.1",
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_an_address_outside_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1"])
async def test_a_name_that_leads_inside_is_refused(serve, way, tls, address):
    server = await serve(tls=tls.server)
    guard = way(f"api.example.org:{server.port}", resolver=Names(api_example_org=[address]), tls=tls.client)
    detail = await refusal(guard.get(f"https://api.example.org:{server.port}/?key={SECRET}"))
    assert detail == "api.example.org leads to an address that is not on the internet"
    assert not server.requests


@pytest.mark.parametrize("addresses", ["8.8.8.8,127.0.0.1", "127.0.0.1,8.8.8.8"])
async def test_a_name_with_one_address_inside_is_refused_whole(addresses):
    names = http._Outside(Names(api_example_org=[addresses]))
    with pytest.raises(http._Inside):
        await names.resolve("api.example.org")


async def test_a_name_that_changes_its_address_is_looked_at_each_time(serve, way, tls, monkeypatch):
    """The name is harmless the first time and leads inside the next."""
    seen: list[str] = []

    def is_outside(address: str) -> bool:  # as if 127.0.0.1 stood on the internet
        seen.append(address)
        return address == "127.0.0.1"

    monkeypatch.setattr(http, "is_public", is_outside)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(text="hello")
        response.force_close()  # so that the next call has to connect anew
        return response

    server = await serve(answer, tls=tls.server)
    names = Names(api_example_org=["127.0.0.1", "127.0.0.2"])
    guard = way(f"api.example.org:{server.port}", resolver=names, tls=tls.client)
    url = f"https://api.example.org:{server.port}/"
    assert (await guard.get(url)).body == b"hello"
    await refusal(guard.get(url))
    assert len(server.requests) == 1
    assert seen == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]  # by its name, at connect, by its name again


async def test_the_very_address_is_looked_at_when_connecting(serve, way, tls, monkeypatch):
    """Even where whoever resolves the name says nothing against it."""
    monkeypatch.setattr(http, "_Outside", lambda names: names)
    server = await serve(tls=tls.server)
    guard = way(f"api.example.org:{server.port}", resolver=Names(api_example_org=["127.0.0.1"]), tls=tls.client)
    assert "not on the internet" in await refusal(guard.get(f"https://api.example.org:{server.port}/"))
    assert not server.requests


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "169.254.169.254",
    ],
)
async def test_an_address_in_any_spelling_is_refused(serve, way, tls, host):
    server = await serve(tls=tls.server)
    guard = way(f"{host}:{server.port}", tls=tls.client)
    await refusal(guard.get(f"https://{host}:{server.port}/"))
    assert not server.requests


async def test_full_width_digits_are_still_an_address(serve, way, tls):
    server = await serve(tls=tls.server)
    guard = way(f"127.0.0.1:{server.port}", tls=tls.client)
    await refusal(guard.get(f"https://１２７.0.0.1:{server.port}/"))
    assert not server.requests


async def test_a_private_host_is_private_by_its_name_alone(serve, way):
    server = await serve()
    names = Names(tools_corp=["127.0.0.1"], api_example_org=["127.0.0.1"])
    guard = way(
        f"tools.corp:{server.port}", f"api.example.org:{server.port}", private_hosts=["tools.corp"], resolver=names
    )
    assert (await guard.get(f"http://tools.corp:{server.port}/")).body == b"hello"
    await refusal(guard.get(f"https://api.example.org:{server.port}/"))
    assert len(server.requests) == 1


async def test_a_private_host_with_a_port_is_private_there_alone(serve, way):
    mine, other = await serve(), await serve()
    guard = way(mine.host, other.host, private_hosts=[mine.host])
    assert (await guard.get(mine.url)).status == 200
    await refusal(guard.get(other.url))
    assert not other.requests


async def test_what_is_private_need_not_be_reachable_for_every_plugin(serve, way):
    server = await serve()
    await refusal(way("api.example.org", private_hosts=[server.host]).get(server.url))
    assert not server.requests


# ------------------------------------------------------------------------------------------------------------- TLS


class Certificates:
    """A certificate for api.example.org, made here and trusted by `client` alone."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.org")])
        today = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("api.example.org"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = folder / "certificate.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.load_cert_chain(file)
        self.client = ssl.create_default_context(cafile=str(file))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


async def test_https_works_with_a_certificate_that_is_trusted(serve, way, tls):
    server = await serve(tls=tls.server)
    guard = way(server.host, private_hosts=["127.0.0.1"], tls=tls.client)
    assert (await guard.get(f"https://{server.host}/")).body == b"hello"


async def test_a_certificate_of_nobody_is_not_trusted(serve, way, tls):
    server = await serve(tls=tls.server)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    detail = await refusal(guard.get(f"https://{server.host}/?key={SECRET}"), Unavailable)
    assert detail == "127.0.0.1 cannot be reached (ClientConnectorCertificateError)"
    assert not server.requests


async def test_a_certificate_for_another_name_is_not_trusted(serve, way, tls):
    server = await serve(tls=tls.server)
    names = Names(other_example_org=["127.0.0.1"])
    host = f"other.example.org:{server.port}"
    guard = way(host, private_hosts=["other.example.org"], tls=tls.client, resolver=names)
    await refusal(guard.get(f"https://{host}/"), Unavailable)
    assert not server.requests


# ------------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(serve, way, status):
    end = await serve()
    start = await serve(redirect(f"{end.url}/there?a=1", status))
    guard = way(start.host, end.host, private_hosts=["127.0.0.1"])
    assert (await guard.get(start.url)).body == b"hello"
    assert end.requests[0].raw_path == "/there?a=1"


async def test_a_relative_redirect_stays_on_its_host(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/end":
            return web.Response(text=request.headers["X-Key"])
        return web.Response(status=302, headers={"Location": "../end"})

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    got = await guard.get(f"{server.url}/a/b", headers={"X-Key": "k"})
    assert got.body == b"k"  # the same server reads the same headers


async def test_three_redirects_are_followed_and_no_fourth(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        left = int(request.path[1:])
        return web.Response(status=302, headers={"Location": f"/{left - 1}"}) if left else web.Response(text="end")

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    assert (await guard.get(f"{server.url}/3")).body == b"end"
    assert await refusal(guard.get(f"{server.url}/4"), Unavailable) == "127.0.0.1 redirects more than 3 times"


async def test_a_redirect_to_a_host_that_is_not_listed_is_refused(serve, way):
    end = await serve()
    start = await serve(redirect(f"{end.url}/?key={SECRET}"))
    detail = await refusal(way(start.host, private_hosts=["127.0.0.1"]).get(start.url))
    assert detail.startswith("where 127.0.0.1 redirects to is not among the hosts")
    assert not end.requests


async def test_a_redirect_cannot_carry_a_secret_into_the_log_by_its_host(serve, way):
    start = await serve(redirect(f"https://{SECRET}.evil.test/"))
    await refusal(way(start.host, private_hosts=["127.0.0.1"]).get(start.url))


async def test_a_redirect_into_the_house_is_refused(serve, way, tls):
    inside = await serve(tls=tls.server)
    names = Names(api_example_org=["127.0.0.1"])
    start = await serve(redirect(f"https://api.example.org:{inside.port}/"))
    guard = way(start.host, f"api.example.org:{inside.port}", private_hosts=["127.0.0.1"], resolver=names)
    assert "not on the internet" in await refusal(guard.get(start.url))
    assert not inside.requests


async def test_a_redirect_from_https_to_http_is_refused(serve, way, tls):
    end = await serve()
    start = await serve(redirect(f"{end.url}/"), tls=tls.server)
    guard = way(start.host, end.host, private_hosts=["127.0.0.1"], tls=tls.client)
    assert await refusal(guard.get(f"https://{start.host}/")) == "127.0.0.1 redirects from https to http"
    assert not end.requests


@pytest.mark.parametrize(
    "place", ["file:///etc/hostname", "mailto:a@example.org", "https://", "http://[::1", "data:,x"]
)
async def test_a_redirect_to_no_address_of_the_web_is_refused(serve, way, place):
    start = await serve(redirect(place))
    await refusal(way(start.host, private_hosts=["127.0.0.1"]).get(start.url))


async def test_another_host_does_not_read_the_headers_of_the_first_one(serve, way):
    end = await serve()
    start = await serve(redirect(f"{end.url}/"))
    guard = way(start.host, end.host, private_hosts=["127.0.0.1"])
    secret = {"Authorization": SECRET, "X-Api-Key": SECRET, "cookie": SECRET}
    await guard.get(start.url, headers={**secret, "Accept-Language": "zh"})
    assert secret.keys() <= {*start.requests[0].headers, "cookie"}
    assert SECRET not in str(end.requests[0].headers)
    assert end.requests[0].headers["Accept-Language"] == "zh"


async def test_a_post_is_not_redirected(serve, way):
    end = await serve()
    start = await serve(redirect(f"{end.url}/", 307))
    guard = way(start.host, end.host, private_hosts=["127.0.0.1"])
    assert (await guard.post(start.url, json={})).status == 307
    assert not end.requests


# ------------------------------------------------------------------------------------------------------ the request


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Proxy-Authorization"])
async def test_a_plugin_does_not_say_where_a_request_ends_or_whom_it_is_for(serve, way, name):
    server = await serve()
    await refusal(way(server.host, private_hosts=["127.0.0.1"]).get(server.url, headers={name: "1"}))
    assert not server.requests


@pytest.mark.parametrize(("name", "value"), [("X", f"1\r\nX-Key: {SECRET}"), ("X\r\nY", "1"), ("X", "1\0"), ("Ж", "1")])
async def test_a_header_cannot_smuggle_another_one(serve, way, name, value):
    server = await serve()
    guard = way(server.host, private_hosts=["127.0.0.1"])
    await refusal(guard.get(server.url, headers={name: value}))
    assert not server.requests


async def test_no_cookie_is_kept(serve, way):
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello", headers={"Set-Cookie": "a=1"})

    server = await serve(answer)
    guard = way(f"localhost:{server.port}", private_hosts=["localhost"])
    for _ in range(2):
        await guard.get(f"http://localhost:{server.port}/")
    assert "Cookie" not in server.requests[1].headers


async def test_no_proxy_is_taken_from_the_environment(serve, way, monkeypatch):
    proxy, server = await serve(), await serve()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    await way(server.host, private_hosts=["127.0.0.1"]).get(server.url)
    assert len(server.requests) == 1
    assert not proxy.requests


async def test_no_password_is_taken_from_netrc(serve, way, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login anna password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = await serve()
    await way(server.host, private_hosts=["127.0.0.1"]).get(server.url)
    assert "Authorization" not in server.requests[0].headers


# ------------------------------------------------------------------------------------------------------- the bounds


async def test_a_server_that_says_nothing_is_given_up(serve, way):
    never = asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"], seconds=0.2)
    detail = await refusal(guard.get(server.url, params={"key": SECRET}), Unavailable)
    assert detail == "127.0.0.1 took longer than 0.2 s"


async def test_a_server_that_trickles_is_given_up_all_the_same(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.02)

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"], seconds=0.3)
    assert "took longer" in await refusal(guard.get(server.url), Unavailable)


async def test_the_time_is_that_of_all_redirects_together(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.6)
        return web.Response(status=302, headers={"Location": "/on"})

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"], seconds=1.0)
    assert "took longer" in await refusal(guard.get(server.url), Unavailable)
    assert len(server.requests) == 2


async def test_an_answer_may_be_as_large_as_the_bound_and_no_larger(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * int(request.path[1:]))

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"], max_bytes=1000)
    assert len((await guard.get(f"{server.url}/1000")).body) == 1000
    detail = await refusal(guard.get(f"{server.url}/1001?key={SECRET}"), Unavailable)
    assert detail == "the answer of 127.0.0.1 has more than 1000 bytes"


async def test_an_answer_without_end_is_cut_off(serve, way):
    ended = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:
            ended.set()

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    assert "more than 1048576 bytes" in await refusal(guard.get(server.url), Unavailable)
    await asyncio.wait_for(ended.wait(), 10)  # the server was hung up on


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
async def test_a_bomb_is_cut_off_before_it_is_unpacked(serve, way, packing):
    """Of 128 MiB in 128 KiB no more is unpacked than what it takes to know that it is too much."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31 if packing == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(128)) + packer.flush()
    assert len(bomb) < 1 << 20

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": packing})

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    tracemalloc.start()
    try:
        assert "more than 1048576 bytes" in await refusal(guard.get(server.url), Unavailable)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 << 20


async def test_headers_without_end_are_cut_off(serve, way):
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(headers={f"X-{number}": "1" for number in range(1000)})

    server = await serve(answer)
    await refusal(way(server.host, private_hosts=["127.0.0.1"]).get(server.url), Unavailable)


async def test_an_answer_that_breaks_off_is_none(serve, way):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"only this")
        assert request.transport is not None
        request.transport.abort()
        return response

    server = await serve(answer)
    guard = way(server.host, private_hosts=["127.0.0.1"])
    assert "broke off" in await refusal(guard.get(server.url, params={"key": SECRET}), Unavailable)


async def test_a_server_that_is_away_is_named_without_the_query(way):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        guard = way(host, private_hosts=["127.0.0.1"])
        detail = await refusal(guard.get(f"http://{host}/{SECRET}?key={SECRET}"), Unavailable)
    assert detail == "127.0.0.1 cannot be reached (ClientConnectorError)"


async def test_nothing_of_what_went_wrong_is_chained_to_what_is_raised(way):
    """A log shows what an error came from; aiohttp's own quote the whole address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable) as caught:
            await way(host, private_hosts=["127.0.0.1"]).get(f"http://{host}/?key={SECRET}")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ------------------------------------------------------------------------------------------------ loops and closing


class Elsewhere:
    """An event loop in a thread of its own, as a plugin has one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Elsewhere":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def test_a_plugin_in_a_loop_of_its_own_is_answered(serve, way):
    server = await serve()
    own = way(private_hosts=["127.0.0.1"]).for_plugin([server.host])
    with Elsewhere() as elsewhere:
        asking = asyncio.run_coroutine_threadsafe(own.get(server.url), elsewhere.loop)
        got = await asyncio.wrap_future(asking)
    assert got.body == b"hello"


async def test_what_is_refused_is_refused_in_another_loop_too(serve, way):
    own = way(private_hosts=["127.0.0.1"]).for_plugin(["api.example.org"])
    with Elsewhere() as elsewhere:
        asking = asyncio.run_coroutine_threadsafe(own.get("https://127.0.0.1/"), elsewhere.loop)
        await refusal(asyncio.wrap_future(asking))


async def test_a_call_that_is_cancelled_in_another_loop_is_hung_up(serve, way):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    server = await serve(answer)
    own = way(private_hosts=["127.0.0.1"], seconds=60).for_plugin([server.host])
    with Elsewhere() as elsewhere:
        asking = asyncio.run_coroutine_threadsafe(own.get(server.url), elsewhere.loop)
        await asyncio.wait_for(begun.wait(), 10)
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 10)


async def test_whoever_asks_after_the_end_is_told_so(serve, way):
    server = await serve()
    guard = way(server.host, private_hosts=["127.0.0.1"])
    await guard.close()
    assert await refusal(guard.get(server.url), Unavailable) == "the way out is closed"
    assert not server.requests


def test_whoever_asks_when_the_loop_is_gone_is_told_so():
    async def make() -> GuardedHttp:
        guard = GuardedHttp(["127.0.0.1"], private_hosts=["127.0.0.1"])
        await guard.close()
        return guard

    guard = asyncio.run(make())
    asyncio.run(_told(guard))


async def _told(guard: GuardedHttp) -> None:
    assert await refusal(guard.get("http://127.0.0.1/"), Unavailable) == "the way out is closed"
