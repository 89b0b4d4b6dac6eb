"""The eight EXIF orientations as a group: how one of them and a further turn make another."""

_TURNS = ((1, 6, 3, 8), (2, 7, 4, 5))  # plain and mirrored; each entry is its left neighbour turned clockwise
_QUARTER = 90

UPRIGHT = 1


def turned(orientation: int, clockwise: int) -> int:
    """The orientation of a picture that is shown as ``orientation`` says and then turned.

    Args:
        orientation: 1 to 8; any other value counts as 1, as viewers have it.
        clockwise: degrees, a multiple of 90.
    """
    cycle = next((cycle for cycle in _TURNS if orientation in cycle), _TURNS[0])
    start = cycle.index(orientation) if orientation in cycle else 0
    return cycle[(start + clockwise // _QUARTER) % len(cycle)]


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation >= 5
