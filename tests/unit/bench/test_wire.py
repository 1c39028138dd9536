"""What is sent as bytes arrives as these bytes, and what comes back is told apart from silence."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bench.wire import Request, Wire

GET = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handler) -> AsyncGenerator[Wire, None]:
    tasks: list[asyncio.Task[None]] = []

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(handled(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    wire = Wire(server.sockets[0].getsockname()[1])
    yield wire
    await wire.close()
    server.close()
    await server.wait_closed()
    await asyncio.gather(*tasks)


def saying(*answers: bytes, heard: list[bytes] | None = None, connections: list[int] | None = None) -> Handler:
    """Says one answer after the other on each connection, and ends it after the last one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connections is not None:
            connections.append(len(connections))
        for answer in answers:
            data = await reader.read(100_000)
            if heard is not None:
                heard.append(data)
            writer.write(answer)
        await writer.drain()

    return handle


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, 200),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", 417),
        (b"", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 0),
    ],
)
async def test_an_answer_is_its_status_and_a_missing_end_is_none(answer, status):
    async with listening(saying(answer)) as wire:
        assert (await wire.send(Request("any", GET))).status == status


async def test_a_connection_is_used_again_and_bytes_are_not_touched():
    heard: list[bytes] = []
    connections: list[int] = []
    async with listening(saying(OK, OK, heard=heard, connections=connections)) as wire:
        first = await wire.send(Request("any", b"\xff\0 nonsense\r\n\r\n"))
        second = await wire.send(Request("any", GET))
    assert (first.status, second.status) == (200, 200)
    assert heard == [b"\xff\0 nonsense\r\n\r\n", GET]
    assert connections == [0]


async def test_a_connection_that_the_server_ended_is_opened_again():
    connections: list[int] = []
    async with listening(saying(OK, connections=connections)) as wire:
        assert [(await wire.send(Request("any", GET))).status for _ in range(3)] == [200, 200, 200]
    assert connections == [0, 1, 2]


async def test_nothing_follows_a_request_whose_end_is_not_certain():
    connections: list[int] = []
    async with listening(saying(OK, OK, connections=connections)) as wire:
        await wire.send(Request("any", GET, is_last=True))
        await wire.send(Request("any", GET))
    assert connections == [0, 1]


async def test_a_request_that_is_cut_waits_for_no_answer():
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1_000)
        ended.set()

    async with listening(handle) as wire:
        assert (await wire.send(Request("any", GET, is_cut=True))).status == 0
        await asyncio.wait_for(ended.wait(), 5)


async def test_an_answer_to_head_has_no_body():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    async with listening(saying(head, OK)) as wire:
        assert (await wire.send(Request("any", b"HEAD / HTTP/1.1\r\n\r\n", is_head=True))).status == 200
        assert (await wire.send(Request("any", GET))).status == 200


async def test_two_pieces_arrive_one_after_the_other():
    pieces: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(b"".join(pieces)) < len(GET):
            pieces.append(await reader.read(100))
        writer.write(OK)
        await writer.drain()

    async with listening(handle) as wire:
        assert (await wire.send(Request("any", GET, first=5))).status == 200
    assert pieces == [GET[:5], GET[5:]]
