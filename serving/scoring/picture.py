"""Picture: what is to be judged, wherever it is kept."""

from typing import NamedTuple


class Picture(NamedTuple):
    """One that is to be judged.

    Attributes:
        name: as its rows will name it.
        place: the file or address that it is at; empty where its bytes are here.
        data: the encoded picture, if it is here.
    """

    name: str
    place: str
    data: bytes | None = None
