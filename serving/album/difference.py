"""Difference: how to get a file's old bytes from its new ones, where few of them changed."""

from base64 import b64decode, b64encode
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_GAP = 16  # equal bytes between two changes that are not worth two patches


class Patch(NamedTuple):
    """``new[start:end]`` were these bytes."""

    start: int
    end: int
    old: bytes

    def to_json(self) -> list[object]:
        """As a line of the undo log holds it."""
        return [self.start, self.end, b64encode(self.old).decode()]

    @classmethod
    def from_json(cls, value: list[int | str]) -> "Patch":
        """Reads it back; ValueError if it is none."""
        start, end, old = value
        return cls(int(start), int(end), b64decode(str(old), validate=True))


def difference(old: bytes, new: bytes) -> list[Patch]:
    """Patches in order of their place: bytes changed where they stand and at the end, or one piece in the middle."""
    in_place = _in_place(old, new)
    if len(old) == len(new):
        return in_place
    one_piece = [_one_piece(old, new)]
    return min(one_piece, in_place, key=lambda patches: sum(len(patch.old) for patch in patches))


def restored(new: bytes, patches: list[Patch]) -> bytes:
    """The old bytes."""
    parts, position = list[bytes](), 0
    for patch in patches:
        parts += [new[position : patch.start], patch.old]
        position = patch.end
    return b"".join([*parts, new[position:]])


def _in_place(old: bytes, new: bytes) -> list[Patch]:
    common = min(len(old), len(new))
    changed = _changed(old[:common], new[:common])
    ends = np.flatnonzero(np.diff(changed) > _GAP)
    starts = changed[np.r_[0, ends + 1]] if len(changed) else changed
    stops = changed[np.r_[ends, -1]] + 1 if len(changed) else changed
    pairs = zip(starts.tolist(), stops.tolist(), strict=True)
    patches = [Patch(start, stop, old[start:stop]) for start, stop in pairs]
    return patches if len(old) == len(new) else [*patches, Patch(common, len(new), old[common:])]


def _one_piece(old: bytes, new: bytes) -> Patch:
    common = min(len(old), len(new))
    before = _equal_bytes(old[:common], new[:common])
    after = _equal_bytes(old[::-1][: common - before], new[::-1][: common - before])
    return Patch(before, len(new) - after, old[before : len(old) - after])


def _equal_bytes(one: bytes, other: bytes) -> int:
    changed = _changed(one, other)
    return int(changed[0]) if len(changed) else len(one)


def _changed(one: bytes, other: bytes) -> NDArray[np.intp]:
    return np.flatnonzero(np.frombuffer(one, np.uint8) != np.frombuffer(other, np.uint8))
