"""A few thousand mutations from a fixed seed, in seconds; ``make fuzz`` goes on for minutes, led by coverage.

``FUZZ=100000 python -m pytest tests/fuzz/test_seeded.py`` tries more.
"""

import os
from contextlib import suppress
from random import Random

import pytest

from models.cost import estimate
from models.errors import ImageError
from tests.fuzz.targets import TARGETS, photos

TIMES = int(os.environ.get("FUZZ", "1500"))
FOUND: dict[str, list[bytes]] = {
    "decoding": [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x18\x00\x00"],
}
"""What fuzzing found, by target; each was a bug once."""


def mutated(data: bytes, chance: Random) -> bytes:
    """A few changes of the kinds that parsers stumble over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at : at + 4] = chance.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01"))
            case 2:
                del changed[at : at + chance.choice((1, 2, 8, 64))]
            case 3:
                changed[at:at] = changed[at : at + chance.choice((1, 4, 32))]
            case 4:
                changed[at:at] = chance.randbytes(chance.choice((1, 2, 4, 12)))
    return bytes(changed)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_raise_nothing_that_is_not_promised(name):
    run, seeds = TARGETS[name]
    chance, begun = Random(0), seeds()
    for seed in begun:
        run(seed)
    for number in range(TIMES):
        data = mutated(begun[number % len(begun)], chance)
        try:
            run(data)
        except Exception as error:
            pytest.fail(f"{name}({data!r}): {error!r}")


def test_whatever_is_cut_off_has_a_cost():
    for photo in photos():
        for end in range(len(photo)):
            with suppress(ImageError):
                estimate(photo[:end])


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, found in FOUND.items() for data in found])
def test_what_was_found_stays_right(name, data):
    TARGETS[name][0](data)
