"""Which IP addresses are those of the internet at large."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# All of IPv6 that is in use outside (iana.org, "IPv6 Global Unicast Address Assignments").
_UNICAST6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: its last 32 bits are an address of IPv4
# Not for the internet, though Python 3.11 takes them for global: documentation (RFC 9637), 6to4 relays (RFC 7526).
_UNUSED = (ip_network("3fff::/20"), ip_network("192.88.99.0/24"))


def is_public(address: str) -> bool:
    """Whether anybody may be there: False inside a house, and where an address of IPv6 wraps one inside a house."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return _is_used(ip)
    wrapped = _wrapped(ip)
    return _is_used(wrapped) if wrapped else ip in _UNICAST6 and _is_used(ip)


def _is_used(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in unused for unused in _UNUSED))


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour
