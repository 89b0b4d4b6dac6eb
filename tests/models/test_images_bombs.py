"""Pictures whose headers promise gigabytes are refused before they take any."""

import struct
import subprocess
import sys
import textwrap
import zlib
from io import BytesIO

import pytest
from PIL import Image

from models.errors import ImageTooLargeError
from models.images import decode

SIDE = 60_000  # 3.6 gigapixels as a square


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb() -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(10**6))) + png_chunk(b"IEND", b"")


def gif_bomb() -> bytes:
    screen = struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, SIDE, SIDE, 0) + b"\x08\x01\0\0;"


def gif_frame_bomb() -> bytes:
    """The frame is larger than the screen that the header tells."""
    screen = struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, SIDE, SIDE, 0) + b"\x08\x01\0\0;"


def bmp_bomb() -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, SIDE, -SIDE, 1, 24, *[0] * 6)


def jpeg_bomb() -> bytes:
    data = bytearray(encode(Image.new("RGB", (16, 16)), "JPEG"))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, SIDE, SIDE)
    return bytes(data)


def webp_bomb() -> bytes:
    data = bytearray(encode(Image.new("RGB", (16, 16)), "WEBP"))
    struct.pack_into("<HH", data, data.index(b"\x9d\x01\x2a") + 3, 16_383, 16_383)
    return bytes(data)


def tiff(*entries: tuple[int, int, int], order: str = "<", big: bool = False) -> bytes:
    """A compressed grey TIFF of 16 x 16 pixels, unless the entries (tag, type, value) tell otherwise."""
    default = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1}
    given_tags = {tag for tag, _, _ in entries}
    tags = sorted([*entries, *((tag, 4, value) for tag, value in default.items() if tag not in given_tags)])
    offset, count = ("Q", "Q") if big else ("I", "H")
    start = b"II" if order == "<" else b"MM"
    version = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    body = b"".join(struct.pack(order + "HH" + offset * 2, tag, kind, 1, value) for tag, kind, value in tags)
    return start + version + struct.pack(order + count, len(tags)) + body + bytes(600)


def tiff_bomb() -> bytes:
    return tiff((256, 4, SIDE), (257, 4, SIDE), (273, 4, 8), (278, 4, SIDE), (279, 4, 500))


def tiff_tile_bomb(**layout: object) -> bytes:
    return tiff((322, 4, SIDE), (323, 4, SIDE), (324, 4, 200), (325, 4, 300), **layout)


def tiff_twofold_tile_bomb() -> bytes:
    """Pillow reads the last of two equal tags, libtiff the first."""
    return tiff(
        (322, 4, SIDE), (323, 4, SIDE), (322, 4, SIDE + 16), (322, 3, 16), (323, 3, 16), (324, 4, 200), (325, 4, 300)
    )


BOMBS = {
    "png": png_bomb(),
    "gif": gif_bomb(),
    "gif frame": gif_frame_bomb(),
    "bmp": bmp_bomb(),
    "jpeg": jpeg_bomb(),
    "webp": webp_bomb(),
    "tiff": tiff_bomb(),
    "tiff tile": tiff_tile_bomb(),
    "big tiff tile": tiff_tile_bomb(big=True),
    "motorola tiff tile": tiff_tile_bomb(order=">"),
    "twofold tiff tile": tiff_twofold_tile_bomb(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name):
    with pytest.raises(ImageTooLargeError, match="at most 50 megapixels are allowed"):
        decode(BOMBS[name])


def test_bombs_take_no_memory(tmp_path):
    """In a process of its own, as the peak of this one is above it already."""
    for name, data in BOMBS.items():
        (tmp_path / name).write_bytes(data)
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from models.errors import ImageTooLargeError
        from models.images import decode
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for path in Path(sys.argv[1]).iterdir():
            try:
                decode(path.read_bytes())
            except ImageTooLargeError:
                print(path.name)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    *refused, grown_kib = done.stdout.splitlines()
    assert set(refused) == set(BOMBS)
    assert int(grown_kib) < 40_000  # the smallest of the bombs decodes to 270 megapixels
