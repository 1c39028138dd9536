"""A list of hosts, as a plugin or the operator writes it."""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from core.plugin import Misdeclared


@dataclass(frozen=True, slots=True)
class _Entry:
    host: str
    port: int | None

    def is_for(self, host: str) -> bool:
        return host.endswith(self.host) if self.host.startswith(".") else host == self.host


class Hosts:
    """Exact names, ".example.org" for all names below it, "host:8443" for one port alone; raises Misdeclared."""

    def __init__(self, lines: Collection[str]) -> None:
        self._entries = tuple(map(_read, lines))

    def has(self, url: URL, ports: Collection[int] = ()) -> bool:
        """Whether the host is listed with this port; without a port it is meant on `ports`, or on all where none."""
        try:
            host = canonical(url.raw_host or "")
        except ValueError:
            return False
        return any(_meant(entry, url.port, ports) for entry in self._entries if entry.is_for(host))


def canonical(host: str) -> str:
    """One spelling of a host: addresses shortened, other alphabets as the DNS has them; raises ValueError."""
    try:
        return str(ip_address(host))
    except ValueError:
        return (URL.build(scheme="https", host=host).raw_host or "").lower()


def _meant(entry: _Entry, port: int | None, ports: Collection[int]) -> bool:
    if entry.port is None:
        return not ports or port in ports
    return entry.port == port


def _read(line: str) -> _Entry:
    is_strange = bool(set(line.strip()) & set("/*@?# "))  # asked first: of an address, "//" would be the port
    host, port = ("", None) if is_strange else _split(line.strip().lower())
    name = host.removeprefix(".")
    if not name:
        raise Misdeclared(
            f'a host is written as a name, as ".example.org" or as "host:8443", not as {line!r}',
            f'主机应写成名称、".example.org" 或 "host:8443"，不能写成 {line!r}',
        )
    try:
        return _Entry("." * (name != host) + canonical(name), port)
    except ValueError:
        raise Misdeclared(f"{line!r} is not the name of a host", f"{line!r} 不是主机名") from None


def _split(line: str) -> tuple[str, int | None]:
    """A port stands behind the last colon, save in an IPv6 address, which needs brackets to have one."""
    host, _, port = line.rpartition(":")
    if not host or line.endswith("]") or (":" in host and not host.endswith("]")):
        return line.strip("[]"), None
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise Misdeclared(
            f"a host's port is a number from 1 to 65535, not {port!r}", f"主机的端口是 1 到 65535 的数字，不是 {port!r}"
        )
    return host.strip("[]"), int(port)
