"""HEIC pictures of tiles, each place of which may name the same one; AVIFs that are not what they tell."""

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.cost import Cost, estimate
from models.errors import ImageError, ImageTooLargeError
from models.images import Size, decode
from models.limits import MEGAPIXEL, ImageLimits

SMALL, SIDE = Size(64, 64), 512
GRID, TILE = 1, 2


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24) + content)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    while data:
        size, kind = struct.unpack_from(">I4s", data)
        yield kind, data[:size]
        data = data[size:]


def tiled(rows: int, columns: int, width: int, height: int, numbers: str = "H") -> bytes:
    """A grid of so many tiles, all of which are the same one; numbers of items have two bytes or four."""
    buffer = BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (SIDE, SIDE), (90, 200, 30))).save(buffer)
    outer = dict(boxes(buffer.getvalue()))
    inner = dict(boxes(dict(boxes(outer[b"meta"][12:]))[b"iprp"][8:]))
    known = dict(boxes(inner[b"ipco"][8:]))
    extent = full(b"ispe", struct.pack(">II", width, height))
    properties = box(b"ipco", known[b"ispe"] + known[b"hvcC"] + known[b"pixi"] + known[b"colr"] + extent)
    has = full(b"ipma", struct.pack(">I" + "HB2B" + "HB4B", 2, GRID, 2, 3, 5, TILE, 4, 1, 2 | 0x80, 3, 4))
    items = [(GRID, b"grid", struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, width, height))]
    items.append((TILE, b"hvc1", outer[b"mdat"][8:]))
    told = b"".join(full(b"infe", struct.pack(">HH4sB", number, 0, kind, 0), 2) for number, kind, _ in items)
    count = rows * columns
    made_of = box(b"dimg", struct.pack(f">{numbers}H{count}{numbers}", GRID, count, *[TILE] * count))

    def head(start: int) -> bytes:
        places = b""
        for number, _, content in items:
            places += struct.pack(">4H2I", number, 0, 0, 1, start, len(content))
            start += len(content)
        return box(b"ftyp", b"heic\0\0\0\0heicmif1") + full(
            b"meta",
            full(b"hdlr", b"\0\0\0\0pict".ljust(21, b"\0"))
            + full(b"pitm", struct.pack(">H", GRID))
            + full(b"iloc", struct.pack(">2BH", 0x44, 0, len(items)) + places, 1)
            + full(b"iinf", struct.pack(">H", len(items)) + told)
            + full(b"iref", made_of, int(numbers == "I"))
            + box(b"iprp", properties + has),
        )

    return head(len(head(0)) + 8) + box(b"mdat", b"".join(content for _, _, content in items))


def test_tiles_that_fill_a_picture_cost_what_it_does():
    file = tiled(2, 2, 2 * SIDE, 2 * SIDE)
    assert decode(file).size == (2 * SIDE, 2 * SIDE)
    plain = BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (2 * SIDE, 2 * SIDE))).save(plain)
    assert 0.9 < estimate(file, SMALL).seconds / estimate(plain.getvalue(), SMALL).seconds < 1.1


def test_a_tile_costs_as_often_as_it_is_decoded():
    """In 225 places, of which the picture has room for one: 1 kB that takes 0.3 s, and a megabyte takes a minute."""
    for numbers in "HI":
        once, often = (estimate(tiled(count, count, SIDE, SIDE, numbers), SMALL) for count in (1, 15))
        assert decode(tiled(15, 15, SIDE, SIDE, numbers)).size == (SIDE, SIDE)
        assert often.pixels == once.pixels == SIDE * SIDE
        assert 220 < often.seconds / once.seconds < 230
        assert often.held_s == often.seconds


def test_a_picture_that_is_made_of_a_grid_is_decoded_once():
    """As phones tell of one with a gain map: made of the grid and of the map, which viewers without it pass over."""
    file = tiled(2, 2, 2 * SIDE, 2 * SIDE)
    at = file.index(b"iref") + 8
    reference = box(b"dimg", struct.pack(">3H", 9, 1, GRID))
    grown = bytearray(file[:at] + reference + file[at:])
    for kind in (b"meta", b"iref"):
        start = grown.index(kind) - 4
        (size,) = struct.unpack_from(">I", grown, start)
        struct.pack_into(">I", grown, start, size + len(reference))
    assert estimate(bytes(grown), SMALL).seconds == pytest.approx(estimate(file, SMALL).seconds, rel=0.001)


def test_tiles_whose_size_is_not_told_count_as_the_largest_picture_of_the_file():
    file = tiled(15, 15, SIDE, SIDE)
    known, unknown = estimate(file, SMALL), estimate(file.replace(b"ipma", b"ipmb"), SMALL)
    assert unknown.seconds == pytest.approx(known.seconds, rel=0.001)


def avif(side: int, told: int | None = None, mode: str = "RGB", **options: object) -> bytes:
    """A square, and what its container tells of it."""
    buffer = BytesIO()
    Image.new(mode, (side, side), 90).save(buffer, "AVIF", speed=10, **options)
    extent = struct.pack(">II", side, side)
    return buffer.getvalue().replace(extent, struct.pack(">II", told or side, told or side))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_an_avif_is_as_large_as_its_frame(mode):
    honest = estimate(avif(640, mode=mode, exif=b"Exif\0\0MM\0*\0\0\0\x08" + bytes(6)), SMALL)
    assert (honest.pixels, honest.seconds < 0.05) == (640 * 640, True)
    hidden = estimate(avif(2000, 640, mode), SMALL)
    assert hidden.pixels == 640 * 640
    assert hidden.bytes > honest.bytes + 10 * (2000 * 2000 - 640 * 640)
    assert hidden.held_s > 0.2


def test_an_avif_with_a_frame_beyond_the_limit_is_refused():
    """4 kB with a frame of 16,000 x 16,000 took a second of a thread and 520 MB that nobody had counted."""
    with pytest.raises(ImageTooLargeError, match="a frame of 4000000 pixels; at most 1 megapixels are allowed"):
        estimate(avif(2000, 64), SMALL, ImageLimits(max_pixels=MEGAPIXEL))


def test_an_avif_that_does_not_tell_its_frame_s_size_gets_a_process():
    film = BytesIO()
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "teal")]
    frames[0].save(film, "AVIF", save_all=True, append_images=frames[1:])
    file = avif(64)
    twice = file[: file.index(b"mdat") - 4] + file[file.index(b"iloc") - 4 :]
    without_items = film.getvalue().replace(b"infe", b"infx")
    for untold in (film.getvalue(), without_items, file.replace(b"iloc", b"ilok"), twice, file[:-5]):
        assert estimate(untold, SMALL).held_s == 0.1
    assert estimate(file, SMALL).held_s < 0.001


def items_in_one_place(count: int, size: int) -> bytes:
    """An AVIF that says of each of its items that it is all of the file, which is units of no bytes."""
    told = b"".join(full(b"infe", struct.pack(">HH4s", number, 0, b"av01"), 2) for number in range(count))
    places = b"".join(struct.pack(">3H2I", number, 0, 1, 0, size) for number in range(count))
    head = box(b"ftyp", b"avif" + bytes(4)) + told + full(b"iloc", b"\x44\0" + struct.pack(">H", count) + places)
    return head.ljust(size, b"\0")


HAS_255 = full(b"ipma", struct.pack(">I", 40) + b"".join(struct.pack(">HB", n, 255) + bytes(255) for n in range(40)))
MANY_STEPS = {
    "references to nothing": box(b"ftyp", b"avif" + bytes(4))
    + struct.pack(">I4sI", 0, b"iref", 0) * 800
    + bytes(20_000),
    "properties of items": tiled(1, 1, SIDE, SIDE) + HAS_255,
    "units of frames": items_in_one_place(400, 20_000),
}


@pytest.mark.parametrize("what", MANY_STEPS)
def test_whatever_takes_a_step_is_counted(what):
    """800 boxes of references to nothing, 30 kB, were each followed to the end of the file: 1.9 s of the event loop."""
    with pytest.raises(ImageTooLargeError, match="more than 1024 parts"):
        estimate(MANY_STEPS[what], SMALL, ImageLimits(max_parts=1024))


def test_boxes_are_found_wherever_pieces_end(monkeypatch):
    costs = [estimate(file, SMALL) for file in FILES]
    monkeypatch.setattr("models.cost.searching._PIECE", 3)
    assert [estimate(file, SMALL) for file in FILES] == costs


def test_an_item_is_looked_at_where_it_lies():
    """A thousand items that are all of a file of 4 MB were as many copies of it."""
    data = items_in_one_place(40, 4_000_000)
    tracemalloc.start()
    try:
        estimate(data, SMALL)
        assert tracemalloc.get_traced_memory()[1] < len(data) / 10
    finally:
        tracemalloc.stop()


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_has_a_cost_or_is_refused(data):
    changed = bytearray(data.draw(st.sampled_from(FILES)))
    last = len(changed) - 1
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, last), st.integers(0, 255)), max_size=8)):
        changed[at] = byte
    with suppress(ImageError):
        assert isinstance(estimate(bytes(changed), SMALL), Cost)


FILES = [tiled(3, 3, 3 * SIDE, 3 * SIDE), avif(64)]
