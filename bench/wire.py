"""HTTP as bytes on a connection: for requests that no client library would send."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

_PATIENCE = 20.0  # seconds
_MOMENT = 0.002
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request as it goes out. `kind` says what is wrong with it.

    `may_count` is whether anything may come of it, `is_whole` whether nothing is wrong with it at all. `first` bytes
    are sent a moment before the others where that is not 0. `is_cut`: we hang up in the middle of it. `is_last`: where
    it ends is not certain, so nothing can follow it. `is_head`: its answer has no body, whatever it says. `answers` are
    the statuses that are right for it; any below 500 where none is named.
    """

    kind: str
    data: bytes
    may_count: bool = False
    is_whole: bool = False
    first: int = 0
    is_cut: bool = False
    is_last: bool = False
    is_head: bool = False
    answers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 where none came, because the connection ended or was silent.

    `seconds` from the last piece of the request to the first line.
    """

    status: int
    seconds: float


class Wire:
    """One connection at a time to a server of this machine, opened again where one has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: Request) -> Answer:
        is_reused = self._is_open
        answer = await self._try(request)
        if answer.status or request.is_cut or not is_reused:
            return answer
        return await self._try(request)  # the server may have ended the connection after the last answer

    async def _try(self, request: Request) -> Answer:
        reader, writer = await self._open()
        if request.first:
            writer.write(request.data[: request.first])
            await asyncio.sleep(_MOMENT)
        began = perf_counter()
        try:
            writer.write(request.data[request.first :])
            if request.is_cut:
                await writer.drain()
                return Answer(0, perf_counter() - began)
            async with asyncio.timeout(_PATIENCE):
                return await self._read(reader, request, began)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            await self.close()
            return Answer(0, perf_counter() - began)
        finally:
            if request.is_cut or request.is_last:
                await self.close()

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()
            with suppress(ConnectionError):
                await streams[1].wait_closed()

    @property
    def _is_open(self) -> bool:
        return self._streams is not None and not (self._streams[0].at_eof() or self._streams[1].is_closing())

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or not self._is_open:
            await self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_HEAD)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader, request: Request, began: float) -> Answer:
        status = 100
        headers: dict[bytes, bytes] = {}
        while status < 200:  # "100 Continue" is no answer yet
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            status = int(first.split(b" ", 2)[1])
            headers = dict(_header(line) for line in lines if line)
        seconds = perf_counter() - began
        await _skip_body(reader, headers, status, request)
        if headers.get(b"connection", b"").lower() == b"close":
            await self.close()
        return Answer(status, seconds)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


async def _skip_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes], status: int, request: Request) -> None:
    if request.is_head or status in (204, 304):
        return
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(headers.get(b"content-length", b"0")))
