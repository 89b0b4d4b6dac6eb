"""Callers: whose request it is, for budgets that no one of them may fill; of HTTP and gRPC."""

from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv4Address, ip_address

_NETWORK_GROUPS = 4  # of 16 bits: the 64 of an IPv6 address that one household or machine has to itself


def name_of(headers: Mapping[str, str], address: str, *, keyed: bool) -> str:
    """The key's digest where keys are asked for, else the address; of IPv6 its network of 64 bits.

    Args:
        headers: with names in lower case.
        address: of the connection, or the one that a trusted proxy tells.
        keyed: whether a key has been asked for.
    """
    given = headers.get("x-api-key") or headers.get("authorization", "")
    if keyed and given:
        return sha256(given.encode("latin-1", "backslashreplace")).hexdigest()[:16]
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    # A socket for both kinds has IPv4 addresses as ::ffff:192.0.2.1.
    return str(parsed.ipv4_mapped or ":".join(parsed.exploded.split(":")[:_NETWORK_GROUPS]))
