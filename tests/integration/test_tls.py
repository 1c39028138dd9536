"""TLS on real sockets: 1.3 and nothing older, and a certificate that changes while connections are open."""

import asyncio
import logging
import re
import shutil
import socket
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import ClientConnectorError, ClientSession, TCPConnector

from bench.process import free_port
from bot import tls
from bot.app import _bind
from bot.web import make_app
from core.errors import Misconfigured
from tests.certificates import make_pair
from tests.fakes.engine import ScriptedEngine
from tests.house import house_with


async def _ready() -> str:
    return ""


async def _accept(events):
    raise NotImplementedError


@asynccontextmanager
async def serving(server: tls.Server):
    """The port on which our own app speaks TLS."""
    app, port = make_app(routes=[], webhooks=[], accept=_accept, ready=_ready), free_port()
    async with AsyncExitStack() as stack:
        await _bind(app, "127.0.0.1", port, stack, server.context)
        yield port


def client(*, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    return context


async def shake(port: int, context: ssl.SSLContext, name: str | None = "any.example") -> tuple[str, bytes]:
    """The protocol that was agreed on, and the certificate that was shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "")
    connection = writer.get_extra_info("ssl_object")
    told = connection.version(), connection.getpeercert(binary_form=True)
    writer.close()
    return told


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """The status of one request on a connection that stays open."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: parley.example\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    (length,) = re.findall(r"Content-Length: (\d+)", head)
    await reader.readexactly(int(length))
    return int(head.split(" ")[1])


def take(pair: tuple[Path, Path], place: tuple[Path, Path]) -> None:
    for new, old in zip(pair, place, strict=True):
        shutil.copyfile(new, old)


def shown_in(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


async def test_a_client_of_tls_1_2_is_refused_and_one_of_1_3_served(tmp_path):
    server, old = tls.Server(make_pair(tmp_path, "parley.example")), client(newest=ssl.TLSVersion.TLSv1_2)
    async with serving(server) as port:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await shake(port, old)
        assert (await shake(port, client()))[0] == "TLSv1.3"
        server.context.minimum_version = ssl.TLSVersion.TLSv1_2
        assert (await shake(port, old))[0] == "TLSv1.2"  # it was for nothing else that it was refused


async def test_plain_http_is_not_served_where_tls_is(tmp_path):
    async with serving(tls.Server(make_pair(tmp_path, "parley.example"))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        heard = await reader.read()
        writer.close()
        assert b"HTTP" not in heard


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_new_certificate_is_shown_to_new_connections_while_the_open_ones_go_on(tmp_path, runner):
    async def work():
        place = make_pair(tmp_path, "old.example")
        server, old = tls.Server(place), shown_in(place[0])
        async with serving(server) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client())
            assert await ask(reader, writer) == 200
            assert (await shake(port, client()))[1] == old
            take(make_pair(tmp_path / "new", "new.example"), place)
            server.look()
            assert (await shake(port, client()))[1] == shown_in(place[0]) != old
            assert await ask(reader, writer) == 200
            writer.close()

    runner(work())


async def test_the_files_are_looked_at_by_and_by(tmp_path):
    place = make_pair(tmp_path, "old.example")
    server = tls.Server(place)
    async with serving(server) as port:
        watching = asyncio.create_task(server.watch(every=0.01))
        take(make_pair(tmp_path / "new", "new.example"), place)
        async with asyncio.timeout(20):
            while (await shake(port, client()))[1] != shown_in(place[0]):
                await asyncio.sleep(0.01)
        watching.cancel()


@pytest.mark.parametrize("bad", ["key", "certificate", "gone", "empty", "expired", "future", "encrypted"])
async def test_a_bad_new_pair_leaves_the_old_one_and_is_complained_of_once(tmp_path, caplog, bad):
    place = make_pair(tmp_path, "old.example")
    server, old = tls.Server(place), shown_in(place[0])
    new = make_pair(
        tmp_path / "new",
        "new.example",
        since=1 if bad == "future" else -5,
        until=-1 if bad == "expired" else 90,
        password="secret" if bad == "encrypted" else "",
    )
    match bad:
        case "key":
            shutil.copyfile(new[1], place[1])
        case "certificate":
            shutil.copyfile(new[0], place[0])
        case "gone":
            place[0].unlink()
        case "empty":
            place[1].write_bytes(b"")
        case _:
            take(new, place)
    async with serving(server) as port:
        for _ in range(4):
            server.look()
            assert (await shake(port, client()))[1] == old
        (complaint,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert "the earlier one stays" in complaint.getMessage()
        take(make_pair(tmp_path / "right", "right.example"), place)
        server.look()
        assert (await shake(port, client()))[1] == shown_in(place[0]) != old


async def test_a_pair_that_is_just_being_written_is_waited_for(tmp_path, caplog):
    place = make_pair(tmp_path, "old.example")
    server, new = tls.Server(place), make_pair(tmp_path / "new", "new.example")
    shutil.copyfile(new[0], place[0])
    server.look()
    shutil.copyfile(new[1], place[1])
    server.look()
    async with serving(server) as port:
        assert (await shake(port, client(), name=None))[1] == shown_in(new[0])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("step", ["load_cert_chain", "load_verify_locations"])
def test_a_file_that_goes_away_while_it_is_read_is_a_problem_like_any_other(tmp_path, monkeypatch, step):
    files, read = make_pair(tmp_path, "parley.example"), getattr(ssl.SSLContext, step)

    def gone(context, *args, **kwargs):
        files[0].unlink()
        return read(context, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, step, gone)
    with pytest.raises(Misconfigured, match=r"server.crt.* cannot be read \(FileNotFoundError\)"):
        tls.load(files)


async def test_the_watch_goes_on_after_whatever_happens_and_says_it_once(tmp_path, caplog, monkeypatch):
    place = make_pair(tmp_path, "soon.example", until=13)
    server, old, looks = tls.Server(place), shown_in(place[0]), 0
    take(make_pair(tmp_path / "new", "new.example"), place)

    def state(files, real=tls._state):
        nonlocal looks
        looks += 1
        if looks < 4:
            raise ValueError("canary")
        return real(files)

    monkeypatch.setattr("bot.tls._state", state)
    async with serving(server) as port:
        watching = asyncio.create_task(server.watch(every=0.01))
        async with asyncio.timeout(20):
            while (await shake(port, client()))[1] == old:
                await asyncio.sleep(0.01)
        watching.cancel()
    (error,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "ValueError" in error.getMessage()
    assert "tls.py" in error.getMessage()
    reminders = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(reminders) == 1, "an end that is near is told all the same"


async def test_an_end_that_is_near_is_told_once_a_day(tmp_path, caplog, monkeypatch):
    server = tls.Server(make_pair(tmp_path, "soon.example", until=13))
    looks = 0

    async def sleep(_):
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("bot.tls.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await server.watch()
    assert [record.levelname for record in caplog.records if record.name == "bot.tls"] == ["WARNING"]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda pair, other: (pair[0], other[1]), "is not the key of"),
        (lambda pair, other: (pair[0].with_name("none"), pair[1]), "cannot be read (FileNotFoundError)"),
        (lambda pair, other: (pair[1], pair[0]), "do not hold a certificate and a key"),
    ],
)
def test_what_is_wrong_with_a_pair_is_said_at_the_start(tmp_path, broken, sentence):
    files = broken(make_pair(tmp_path / "a", "a.example"), make_pair(tmp_path / "b", "b.example"))
    with pytest.raises(Misconfigured) as refused:
        tls.Server(files)
    assert sentence in refused.value.detail


def test_an_expired_certificate_does_not_keep_the_house_from_starting(tmp_path):
    tls.Server(make_pair(tmp_path, "old.example", since=-9, until=-1))


def test_a_client_that_trusts_the_certificate_trusts_no_other(tmp_path):
    pair, other = tls.load(make_pair(tmp_path / "a", "a.example")), tls.load(make_pair(tmp_path / "b", "b.example"))
    with pytest.raises(Misconfigured, match="refused by those who connect"):
        tls.examine(tls.Pair(pair.file, other.server, pair.client))


async def test_the_whole_house_speaks_it(tmp_path, monkeypatch):
    certificate, key = make_pair(tmp_path / "tls", "localhost")
    monkeypatch.setenv("PARLEY_SERVER__TLS__CERTIFICATE", str(certificate))
    monkeypatch.setenv("PARLEY_SERVER__TLS__KEY", str(key))
    async with house_with(ScriptedEngine(), tmp_path, monkeypatch) as plain:
        url = plain.replace("http:", "https:")
        trusted = TCPConnector(ssl=tls.trusting(certificate))
        async with (
            ClientSession(connector=trusted) as http,
            http.post(f"{url}/chat", json={"prompt": "Hello"}) as response,
        ):
            answer, cookie = await response.json(), response.headers["Set-Cookie"]
            assert response.status == 200, answer
            assert cookie.endswith("; Secure")
            assert "Strict-Transport-Security" not in response.headers  # this machine has other servers, too
        async with ClientSession(connector=TCPConnector(ssl=client(newest=ssl.TLSVersion.TLSv1_2))) as http:
            with pytest.raises(ClientConnectorError):
                await http.get(f"{url}/healthz")


def test_a_socket_that_says_nothing_holds_nobody_up(tmp_path):
    async def work():
        async with serving(tls.Server(make_pair(tmp_path, "parley.example"))) as port:
            with socket.create_connection(("127.0.0.1", port)):
                assert (await shake(port, client()))[0] == "TLSv1.3"

    asyncio.run(work())
