"""Callers: whose request it is where no key says so, for budgets that no one of them may fill; of HTTP and gRPC."""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address

_NETWORK_GROUPS = 4  # of 16 bits: the 64 of an IPv6 address that one household or machine has to itself
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
    # A socket for both kinds has IPv4 addresses as ::ffff:192.0.2.1.
    return str(parsed.ipv4_mapped or ":".join(parsed.exploded.split(":")[:_NETWORK_GROUPS]))
