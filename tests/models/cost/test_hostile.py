"""Files of few bytes and great cost: refused for what they are made of, before Pillow looks at them, and quickly."""

import struct
import zlib
from io import BytesIO
from time import thread_time

import numpy as np
import pytest
from PIL import Image

from models.cost import estimate
from models.cut_off import picture_end
from models.errors import ImageTooLargeError, UndecodableImageError
from models.images import ImageLimits, Size, decode, exif_orientation

QUICK_S = 1.0  # of a core, the largest of them; what they cost Pillow was 5 s to minutes
MIB = 1024 * 1024


def encode(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def jpeg(**options: object) -> bytes:
    return encode(Image.new("RGB", (64, 64), "teal"), "JPEG", **options)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def repeated_scans(times: int) -> bytes:
    """A progressive JPEG whose last scan comes so many times more."""
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + data[-2:]


def app_segments(count: int, payload: bytes = b"") -> bytes:
    data = jpeg()
    return data[:2] + (b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload) * count + data[2:]


def directories(count: int) -> bytes:
    """A TIFF of one small picture and many directories of no tag."""
    data = bytearray(encode(Image.new("L", (8, 8)), "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    start = len(data)
    struct.pack_into("<I", data, first + 2 + 12 * entries, start)
    ends = np.arange(1, count + 1, dtype="<u4") * 6 + start
    ends[-1] = 0
    tail = np.zeros(count, dtype=[("entries", "<u2"), ("next", "<u4")])
    tail["next"] = ends
    return bytes(data) + tail.tobytes()


def strips(count: int) -> bytes:
    tags = [(256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(278, 4, 1, 1), (273, 4, count, 200), (279, 4, count, 200)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)).ljust(200, b"\0") + bytes(4 * count)


def big_tags(count: int) -> bytes:
    """A BigTIFF of one tag, so many times; a directory of one in the older format has at most 65,535."""
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, count) + struct.pack("<HHQQ", 256, 3, 1, 8) * count


def png_chunks(count: int) -> bytes:
    data = encode(Image.new("L", (8, 8)), "PNG")
    return data[:33] + png_chunk(b"teSt", b"") * count + data[33:]


def gif_comment(blocks: int) -> bytes:
    """Pillow joins the blocks one by one."""
    return b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"!\xfe" + (b"\xff" + bytes(255)) * blocks + b"\0"


HOSTILE = {
    "scans": repeated_scans(1000),
    "small app segments": app_segments(100_000),
    "exif segments": app_segments(20_000, b"Exif\0\0" + bytes(100)),
    "fill": jpeg()[:2] + b"\xff" * (30 * MIB) + jpeg()[2:],
    "junk": jpeg()[:20] + bytes(30 * MIB) + jpeg()[20:],  # behind the first segment
    "photoshop": app_segments(1, b"").replace(b"\xff\xe1\0\2", b"")[:2]
    + (b"\xff\xed\xff\xfe" + b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5460 + bytes(2)) * 100,
    "strips": strips(1_000_000),
    "tags": big_tags(1_500_000),
    "chunks": png_chunks(2_700_000),
    "comment": gif_comment(100_000),
    "webp frames": b"RIFF\xff\xff\xff\0WEBP" + (b"ANMF" + bytes(4)) * 100_000,
    "items": b"\0\0\0\x18ftypheic\0\0\0\0heic" + b"infe" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_for_what_it_is_made_of(name):
    data = HOSTILE[name]
    started = thread_time()
    with pytest.raises(ImageTooLargeError, match=r"more than (100 scans|65536 parts), the most that are allowed"):
        decode(data, Size(64, 64), ImageLimits(max_bytes=64 * MIB))
    assert thread_time() - started < QUICK_S


def test_limits_are_settable_and_exact():
    data = repeated_scans(0)
    scans = data.count(b"\xff\xda")
    assert decode(data, limits=ImageLimits(max_scans=scans)).size == (64, 64)
    with pytest.raises(ImageTooLargeError, match=f"more than {scans - 1} scans"):
        decode(data, limits=ImageLimits(max_scans=scans - 1))
    tiny = png_chunks(7)  # and three of its own
    assert decode(tiny, limits=ImageLimits(max_parts=10)).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="more than 9 parts"):
        decode(tiny, limits=ImageLimits(max_parts=9))


def test_scans_are_counted_however_they_are_hidden():
    """An end marker within a segment ends nothing, and what follows the picture is none of its scans."""
    data = repeated_scans(150)
    last = data.rindex(b"\xff\xda")
    comment = b"\xff\xfe" + struct.pack(">H", 4) + b"\xff\xd9"
    with pytest.raises(ImageTooLargeError, match="scans"):
        estimate(data[:last].replace(b"\xff\xda", comment + b"\xff\xda") + data[last:])
    film = jpeg(progressive=True) + b"\xff\xda" * 1000
    assert decode(film).size == (64, 64)
    assert estimate(jpeg() + b"\xff\xda" * 1000).seconds < 0.01  # a baseline picture has one scan


def test_fill_within_a_scan_costs_what_pillow_makes_of_it():
    """A copy for each 64 KiB that it reads: 20 MB, 20 kB of gzip, took 1.8 s of a thread that nobody could end."""
    data = jpeg()
    filled = data[:-2] + b"\xff" * (4 * MIB) + data[-2:]
    assert decode(filled).size == (64, 64)
    assert 0.4 < estimate(filled).held_s < 0.5
    assert estimate(data[:-2] + b"\xff" * 100 + data[-2:]).held_s < 0.001


@pytest.mark.parametrize("bytes_", [b"\xff", b"\xff\0", b"\xff\xd0"])
def test_a_scan_s_stuffed_bytes_are_counted(bytes_):
    """The search for the next marker halts at each: 1 MiB, of which fill takes 13 ms, is none to be looked at in a
    loop."""
    data = jpeg()
    stuffed = data[:-2] + bytes_ * (MIB // len(bytes_))
    assert estimate(stuffed).pixels == 64 * 64
    with pytest.raises(ImageTooLargeError, match="more than 1024 parts"):
        estimate(stuffed, limits=ImageLimits(max_parts=1024))


@pytest.mark.parametrize("size", [3, 4, 7])
def test_where_a_picture_ends_is_told_in_pieces(monkeypatch, photograph, size):
    """One search over 20 MB of stuffed bytes held the interpreter for 0.25 s."""
    whole = encode(photograph.resize((64, 64)), "JPEG", progressive=True)
    files = [whole, whole[:-2], whole[:300], whole + b"\xff\xda\xff\xd9", whole[:-2] + b"\xff\0\xff\xd0" * 9]
    ends = [picture_end(file) for file in files]
    assert ends[0] == (len(whole), True)
    monkeypatch.setattr("models.cost.jpeg._PIECE", size)
    assert [picture_end(file) for file in files] == ends


def test_what_never_fits_is_told_with_the_limit():
    data = encode(Image.new("RGB", (2000, 2000)), "PNG")
    assert decode(data, Size(64, 64), ImageLimits(max_decoded_bytes=64 * MIB)).size == (2000, 2000)
    with pytest.raises(ImageTooLargeError, match=r"takes up to \d+ bytes of memory; at most 16777216 are allowed"):
        decode(data, Size(64, 64), ImageLimits(max_decoded_bytes=16 * MIB))


def test_a_tiff_of_many_directories_is_its_first_picture():
    started = thread_time()
    assert decode(directories(300_000)).size == (8, 8)
    assert thread_time() - started < QUICK_S


@pytest.mark.parametrize("how", ["flipped", "zeros"])
def test_a_png_with_broken_pixels_is_an_error(photograph, how):
    """Reading its EXIF decoded it, and the second decode did nothing."""
    data = bytearray(encode(photograph, "PNG"))
    if how == "flipped":
        data[len(data) // 2] ^= 0xFF
    else:
        data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    with pytest.raises(UndecodableImageError, match="the PNG image cannot be decoded"):
        decode(bytes(data))


def test_a_png_tells_its_orientation_behind_its_pixels(photograph):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(photograph.crop((0, 0, 60, 40)), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + struct.unpack_from(">I", data, start)[0]
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    for one in (data, late):
        assert decode(one).size == (40, 60)
        assert exif_orientation(one) == 6
    assert exif_orientation(data[:start] + data[end:]) == 1
