"""What is particular to TIFFs: tags, and directories of tags, around new pixels."""

import shutil
import struct
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.errors import UndecodableImageError
from serving.upright.photo_file import PhotoFile

EXIF, GPS, INTEROPERABILITY, MAKE = 0x8769, 0x8825, 0xA005, 271
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_directories(data: bytes) -> bytes:
    """The same file with an Exif directory that holds another, a GPS one, and a text; of either byte order."""
    order = "<" if data[:2] == b"II" else ">"
    file = bytearray(data)

    def append(value: bytes) -> int:
        file.extend(b"\0" * (len(file) % 2) + value)
        return len(file) - len(value)

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        inline = value if len(value) <= 4 else struct.pack(order + "I", append(value))
        return struct.pack(order + "HHI", tag, kind, count) + inline.ljust(4, b"\0")

    def directory(*entries: bytes) -> int:
        return append(struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4))

    def pointer(tag: int, at: int) -> bytes:
        return entry(tag, 4, 1, struct.pack(order + "I", at))

    inner = directory(entry(1, 2, 4, b"R98\0"))
    times = entry(0x829A, 5, 1, struct.pack(order + "II", 1, 125))
    exif = directory(times, entry(0x9003, 2, 20, b"2020:01:01 00:00:00\0"), pointer(INTEROPERABILITY, inner))
    gps = directory(entry(1, 2, 2, b"N\0"), entry(2, 5, 3, struct.pack(order + "6I", 47, 1, 22, 1, 30, 1)))
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    old = [data[at : at + 12] for at in range(first + 2, first + 2 + 12 * count, 12)]
    make = entry(MAKE, 2, 7, b"Camera\0")
    entries = [*old, make, pointer(EXIF, exif), pointer(GPS, gps)]
    entries.sort(key=lambda one: struct.unpack_from(order + "H", one)[0])
    struct.pack_into(order + "I", file, 4, directory(*entries))
    return bytes(file)


@pytest.fixture(params=["RGB", "I;16B"])
def tagged(request, files, picture) -> bytes:
    """In little-endian order, and in big-endian."""
    image = picture if request.param == "RGB" else picture.convert("L").convert("I;16").convert("I;16B")
    data = with_directories(files.encode(image, "TIFF", icc_profile=ICC, dpi=(300, 200)))
    assert data[:2] == {"RGB": b"II", "I;16B": b"MM"}[request.param]
    return data


def test_new_pixels_keep_every_tag_and_every_directory_of_tags(tagged):
    before = Image.open(BytesIO(tagged))
    after = Image.open(BytesIO(PhotoFile.open(tagged).with_pixels(90).data))
    assert np.array_equal(np.asarray(after), np.rot90(np.asarray(before), -1))
    old, new = before.getexif(), after.getexif()
    assert new[MAKE] == "Camera"
    assert new.get_ifd(EXIF)[0x9003] == "2020:01:01 00:00:00"
    for directory in (EXIF, GPS, INTEROPERABILITY):
        told = [dict(exif.get_ifd(directory)) for exif in (old, new)]
        for tags in told:
            tags.pop(INTEROPERABILITY, None)  # where it stands
        assert told[0] == told[1] != {}
    assert after.info["icc_profile"] == ICC
    assert (before.info["dpi"], after.info["dpi"]) == ((300, 200), (200, 300))


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_exiftool_finds_the_same(tagged, tmp_path):
    told = []
    for data in (tagged, PhotoFile.open(tagged).with_pixels(180).data):
        path = tmp_path / "photo.tif"
        path.write_bytes(data)
        command = [
            "exiftool",
            "-a",
            "-s",
            "-G1",
            "-ExifIFD:all",
            "-GPS:all",
            "-InteropIFD:all",
            "-IFD0:Make",
            str(path),
        ]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told[0] == told[1]
    assert "1/125" in told[0]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as served: models/images.py switches them off
def test_tags_that_point_at_the_same_bytes_do_not_make_many_of_few(files, picture):
    """A hundred tags of the whole file each."""
    data = bytearray(files.encode(picture, "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    entries = bytes(data[first + 2 : first + 2 + 12 * count])
    many = b"".join(struct.pack("<HHII", 40_000 + number, 7, len(data), 0) for number in range(100))
    at = len(data)
    data += struct.pack("<H", count + 100) + entries + many + bytes(4)
    struct.pack_into("<I", data, 4, at)
    with pytest.raises(UndecodableImageError, match="more bytes"):
        PhotoFile.open(bytes(data)).with_pixels(90)
