"""Callers: whose request it is where no key says so, for budgets that no one of them may fill; of HTTP and gRPC."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

_NETWORK_GROUPS = 4  # of 16 bits: the 64 of an IPv6 address that one household or machine has to itself
_MAPPED_BITS = 96  # of ::ffff:192.0.2.1, as a socket for both kinds tells of IPv4
_KNOWN = 1024  # callers come again, and to parse an address costs as much as to find a route


@lru_cache(_KNOWN)
def network_of(address: str) -> str:
    """The address itself, or of IPv6 its network of 64 bits.

    Args:
        address: of the connection, or the one that a trusted proxy tells.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    # As sockets for both kinds have IPv4.
    return str(parsed.ipv4_mapped or ":".join(parsed.exploded.split(":")[:_NETWORK_GROUPS]))


def believed(proxies: Sequence[str]) -> list[str]:
    """Networks of IPv4 as both kinds of sockets tell them; ``*`` among others is all.

    Args:
        proxies: addresses and networks, or ``*``.
    """
    if "*" in proxies:
        return ["*"]
    networks = [network for one in proxies if isinstance(network := ip_network(one), IPv4Network)]
    return [*proxies, *(f"::ffff:{one.network_address}/{_MAPPED_BITS + one.prefixlen}" for one in networks)]
