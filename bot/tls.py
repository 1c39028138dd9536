"""TLS 1.3 for the server: a certificate and its key, read again when their files change."""

import asyncio
import logging
import ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from bot.texts import say
from core.errors import Misconfigured, trace

log = logging.getLogger(__name__)

EXPIRES_SOON = timedelta(days=14)
LOOK_SECONDS = 5.0
_REMIND_SECONDS = 24 * 3600.0
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
_PROBLEMS = {9: "tls_not_yet", 10: "tls_expired"}  # by OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED
_FLIGHTS = 4  # of messages until both sides of a handshake are done, and one to spare

Files = tuple[Path, Path]
"""The certificate, with those above it, and its key."""
State = tuple[tuple[int, int, int], ...]


class _Encrypted(Exception):
    """The key asks for a password, and nobody is there to type one."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows: the names it is for, and until when."""

    names: tuple[str, ...]
    until: datetime

    @property
    def expires_soon(self) -> bool:
        return self.until - datetime.now(UTC) < EXPIRES_SOON


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, loaded: the server's side, and the side of a client that trusts nothing else."""

    file: Path
    server: ssl.SSLContext
    client: ssl.SSLContext


def load(files: Files) -> Pair:
    """For TLS 1.3 and nothing older. Raises Misconfigured: which file, what, what to do."""
    certificate, key = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        for file in files:
            file.read_bytes()  # whose error names the file; the ones below do not
        context.load_cert_chain(certificate, key, password=_no_password)
        return Pair(certificate, context, trusting(certificate))
    except _Encrypted:
        raise Misconfigured(say("tls_encrypted", key=key)) from None
    except ssl.SSLError as error:
        name = "tls_mismatch" if error.reason in _MISMATCH else "tls_no_pair"
        raise Misconfigured(say(name, certificate=certificate, key=key)) from None
    except OSError as error:  # also where a file goes away between the two readings
        which = error.filename or f"{certificate}, {key}"
        raise Misconfigured(say("tls_unreadable", file=which, error=type(error).__name__)) from None


def examine(pair: Pair) -> Certificate:
    """What whoever connects is shown, found out by connecting within this process.

    Raises Misconfigured where it is over, or not to be used yet or for this.
    """
    try:
        shown = _shown(pair)
    except ssl.SSLError as error:
        code = getattr(error, "verify_code", 0)
        problem = getattr(error, "verify_message", "") or error.reason
        name = _PROBLEMS.get(code, "tls_unusable")
        raise Misconfigured(say(name, certificate=pair.file, problem=problem)) from None
    names = tuple(str(name) for _, name in shown.get("subjectAltName", ()))
    return Certificate(names, datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC))


def trusting(certificate: Path) -> ssl.SSLContext:
    """A client's side that trusts this very certificate, by whatever name it is reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def is_open_to_others(key: Path) -> bool:
    """Whether every account of this machine can read the key."""
    return bool(key.stat().st_mode & stat.S_IROTH)


class Server:
    """The server's side, always with the newest pair that is right.

    `context` is for the listening socket and stays the same: which pair is shown is chosen when a connection begins,
    so the open ones notice nothing.
    """

    def __init__(self, files: Files) -> None:
        """Raises Misconfigured. A pair that is over is taken all the same: doors that dial out need none."""
        self._files = files
        self._taken = _state(files)
        self._doubted: State | None = None
        self._refused: State | None = None
        self._reminded = float("-inf")
        self._told: dict[str, str] = {}
        self._newest = load(files)
        self.context = self._newest.server
        self.context.sni_callback = self._choose  # is called where the client names no server, too

    async def watch(self, every: float = LOOK_SECONDS) -> None:
        """Looks at the files until cancelled, and reminds once a day of an end that is near."""
        while True:
            for step in (self.look, self._remind):
                self._go_on_after(step)
            await asyncio.sleep(every)

    def look(self) -> None:
        """Takes the pair in the files where it is another one and right.

        The two are written one after the other: a wrong one is complained of if it is still there at the next look.
        """
        state = _state(self._files)
        if state in (self._taken, self._refused):
            return
        try:
            newest = load(self._files)
            certificate = examine(newest)
        except Misconfigured as error:
            if state == self._doubted:
                log.error("the new certificate is not used, and the earlier one stays: %s", error.detail)
                self._refused = state
            self._doubted = state
        else:
            if state == _state(self._files):
                self._newest, self._taken, self._reminded = newest, state, float("-inf")
                log.info("a new certificate is used, valid until %s", f"{certificate.until:%Y-%m-%d}")

    def _go_on_after(self, step: Callable[[], None]) -> None:
        """Whatever goes wrong in it is told, once for as long as it is the same: nobody else would notice."""
        try:
            step()
        except Exception as error:
            told = trace(error)
            if str(told) != self._told.get(step.__name__):
                log.error("the certificate could not be looked at, and is looked at again: %s", told)
                self._told[step.__name__] = str(told)
        else:
            self._told.pop(step.__name__, None)

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._newest.server

    def _remind(self) -> None:
        if monotonic() - self._reminded < _REMIND_SECONDS:
            return
        self._reminded = monotonic()
        try:
            certificate = examine(self._newest)
        except Misconfigured as error:
            log.error("%s", error.detail)
        else:
            if certificate.expires_soon:
                log.warning("the server's certificate is valid until %s only", f"{certificate.until:%Y-%m-%d}")


def _no_password() -> NoReturn:
    raise _Encrypted


def _state(files: Files) -> State:
    """Changes when a file is written or another one takes its place, also behind a link."""
    state = []
    for file in files:
        try:
            facts = file.stat()
            state.append((facts.st_ino, facts.st_mtime_ns, facts.st_size))
        except OSError:
            state.append((0, 0, 0))
    return tuple(state)


def _shown(pair: Pair) -> dict[str, Any]:
    """The certificate that a client is shown."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = pair.client.wrap_bio(to_client, to_server)
    server = pair.server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return dict(client.getpeercert() or {})
