"""What somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(given: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: the nearest one, and all."""
    names = list(known)
    if not names:
        return "none is allowed"
    meant = get_close_matches(given[:100].lower(), names, 1, 0.6)
    all_ = ", ".join(names)
    return f"did you mean {meant[0]!r}? Allowed are: {all_}" if meant else f"allowed are: {all_}"
