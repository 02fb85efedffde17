"""Where a request may go whose address came from data: a webhook, a link that somebody sent.

Asked twice: for what an address says literally when it is taken in, and for what it really leads to when the connection is made.
A name that leads outwards today may lead inwards tomorrow.
"""

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# What `getaddrinfo` tells of one address, and what makes a socket for it.
Found = tuple[int, int, int, str, tuple[str | int | bytes, ...]]

# They count as public, at least in some versions of Python, and carry another address inside (6to4), were meant for one site,
# or are set aside for protocols.
_ODD = tuple(map(ipaddress.ip_network, ("2002::/16", "fec0::/10", "192.0.0.0/24")))
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


def permitted(address: Address, allowed: Iterable[Network]) -> bool:
    """Public addresses, and those in the networks that were allowed by name."""
    address = getattr(address, "ipv4_mapped", None) or address
    odd = address.is_multicast or address.is_reserved or _inside(address, _ODD)
    return (address.is_global and not odd) or _inside(address, allowed)


def guarded(allowed: Sequence[Network]) -> Callable[[Found], socket.socket]:
    """Makes the sockets of a client (`TCPConnector(socket_factory=...)`): it sees each address that is really connected to, however
    the host was written and whatever its name has come to mean since. Raises PermissionError.
    """

    def made(found: Found) -> socket.socket:
        family, kind, protocol, _, target = found
        address = ipaddress.ip_address(str(target[0]).partition("%")[0])
        if not permitted(address, allowed):
            raise PermissionError(errno.EACCES, f"{address} is no address that may be connected to")
        return socket.socket(family, kind, protocol)

    return made


def literal(host: str) -> Address | None:
    """The address that a host is, however it is written; None for a name that has to be looked up."""
    host = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if host in _LOOPBACK_NAMES or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433: what the resolver takes
    except (OSError, ValueError):
        return None


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
