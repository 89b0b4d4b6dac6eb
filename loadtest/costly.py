"""What strangers may send that has few bytes and great cost: each once took gigabytes, or all of the service."""

import gzip
import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from loadtest.mischief import Asked, encoded

_HUGE = 7000
_PREDICT = "/v1/models/orientation:predict"
_INFER = "/v2/models/orientation/infer"
_UPRIGHT = "/v1/upright"
_MIB = 1 << 20


class Crowd(NamedTuple):
    """So many clients that all send the same at once; ``made`` makes it, as some are large."""

    clients: int
    made: Callable[[], Asked]


def _packed(path: str, made: Callable[[], bytes], *, is_json: bool = False) -> Callable[[], Asked]:
    headers = {"Content-Encoding": "gzip", **({"Content-Type": "application/json"} if is_json else {})}
    return lambda: Asked("packed", path, gzip.compress(made(), 6), headers)


def _plain(path: str, made: Callable[[], bytes]) -> Callable[[], Asked]:
    return lambda: Asked("plain", path, made())


def _instances(photos: list[bytes]) -> bytes:
    return json.dumps({"instances": [{"b64": b64encode(photo).decode()} for photo in photos]}).encode()


def _webp() -> bytes:
    return encoded("WEBP", "RGB", lossless=True)


def _lines() -> bytes:
    """A BMP in run lengths that has ends of lines alone."""
    rows = b"\0\0" * _HUGE + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, _HUGE, _HUGE, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(head) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + bytes(1024) + rows


def _interlaced() -> bytes:
    """RGBA of 16 bits, all zeros, in the seven passes of Adam7."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    packing, packed = zlib.compressobj(9), b""
    for left, top, across, down in passes:
        row = bytes(1 + 8 * -(-(_HUGE - left) // across))
        packed += b"".join(packing.compress(row) for _ in range(-(-(_HUGE - top) // down)))
    header = struct.pack(">IIBBBBB", _HUGE, _HUGE, 16, 6, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed + packing.flush()) + _chunk(b"IEND")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _turned() -> bytes:
    """Lying on its side by its tag: its EXIF is read too."""
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (_HUGE, _HUGE), "teal").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _scans(times: int) -> bytes:
    photo = encoded("JPEG", "RGB", progressive=True)
    last = photo.rindex(b"\xff\xda")
    return photo[:-2] + photo[last:-2] * times + photo[-2:]


def _segments(size: int) -> bytes:
    photo = encoded("JPEG", "RGB", (64, 64))
    segment = b"\xff\xe1\xff\xff" + bytes(65_533)
    return photo[:2] + segment * (size // len(segment) - 1) + photo[2:]


def _strips(count: int) -> bytes:
    tags = [(256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, count, 200), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 200)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)).ljust(200, b"\0") + bytes(4 * count)


def _directories(count: int) -> bytes:
    """A small picture, and directories of no tag that follow each other."""
    photo = bytearray(encoded("TIFF", "L", (8, 8)))
    (first,) = struct.unpack_from("<I", photo, 4)
    (tags,) = struct.unpack_from("<H", photo, first)
    start = len(photo)
    struct.pack_into("<I", photo, first + 2 + 12 * tags, start)
    ends = [start + 6 * number for number in range(1, count)]
    return bytes(photo) + b"".join(struct.pack("<HI", 0, end) for end in [*ends, 0])


def _xmp(size: int) -> bytes:
    """Pillow passes it over, as its method is none that there is."""
    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(_MIB)) for _ in range(size // _MIB)) + packing.flush()
    photo = encoded("PNG", "RGB", (64, 64))
    return photo[:33] + _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\1\0\0" + packed) + photo[33:]


def _empty(count: int) -> bytes:
    return b'{"instances":[' + b",".join([b'{"b64":""}'] * count) + b"]}"


def _deep(depth: int, size: int) -> bytes:
    one = b"[" * depth + b"]" * depth
    data = b",".join([one] * (size // (len(one) + 1)))
    return b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1],"data":[' + data + b"]}]}"


CROWDS: Mapping[str, Crowd] = {
    "16 WebPs of 49 MP": Crowd(16, _plain(_PREDICT, _webp)),
    "16 times four WebPs of 49 MP": Crowd(16, _packed(_PREDICT, lambda: _instances([_webp()] * 4), is_json=True)),
    "3 times 64 BMPs of 49 MP": Crowd(3, _packed(_PREDICT, lambda: _instances([_lines()] * 64), is_json=True)),
    "8 interlaced PNGs of 49 MP and 16 bits": Crowd(8, _plain(_PREDICT, _interlaced)),
    "3 JPEGs of 49 MP to look at twice": Crowd(3, _plain(f"{_UPRIGHT}?method=pixels", _turned)),
    "2 JPEGs of 1,000 scans": Crowd(2, _packed(_PREDICT, lambda: _scans(1000))),
    "2 JPEGs of 32 MB of segments": Crowd(2, _packed(_PREDICT, lambda: _segments(32 * _MIB))),
    "2 TIFFs of a million strips": Crowd(2, _packed(_PREDICT, lambda: _strips(1_000_000))),
    "2 TIFFs of 300,000 directories": Crowd(2, _packed(_UPRIGHT, lambda: _directories(300_000))),
    "2 times XMP that unpacks to a gigabyte": Crowd(2, _packed(_UPRIGHT, lambda: _xmp(1 << 30))),
    "2 times five million empty photos": Crowd(2, _packed(_PREDICT, lambda: _empty(5_000_000), is_json=True)),
    "2 times lists 180 deep": Crowd(2, _packed(_INFER, lambda: _deep(180, 67_000_000), is_json=True)),
}
"""By what is sent; the server's answers are photos, or refusals."""
