"""Lingering: what is still read of a body that was refused.

A client who reads only once it has sent all would lose the answer if its connection were closed.
"""

_MIB = 1024 * 1024
LINGER_S = 2
"""At least; a body may take longer."""

LINGER_BYTES = 64 * _MIB
"""The largest body that is taken by default. Of one that says it is larger nothing is read: its sender would not get to
the answer anyway."""

_UNTOLD_BYTES, _ON_ITS_WAY_BYTES = 32 * _MIB, _MIB // 4


def most_discarded(declared_bytes: int | None, received_bytes: int) -> int:
    """How much is thrown away before the connection is closed.

    Args:
        declared_bytes: what the body said of its length; None: nothing, as it comes in chunks.
        received_bytes: those of it that had come when it was refused.

    Returns:
        Of a body that says nothing, as much as makes an image with what came, or what is on its way in any case.
    """
    if declared_bytes is not None:
        return LINGER_BYTES
    return max(_ON_ITS_WAY_BYTES, _UNTOLD_BYTES - received_bytes)
