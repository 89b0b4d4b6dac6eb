"""What decoders find wrong in a stranger's file is told to whoever sent it, and not printed."""

import os
import struct
import sys
from io import BytesIO

import pytest
from PIL import Image

from models.errors import ImageError
from models.images import decode
from models.quiet import without_stderr
from serving.upright.formats.dct import turn_coefficients


def encoded(kind: str, **options: object) -> bytearray:
    buffer = BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(buffer, kind, **options)
    return bytearray(buffer.getvalue())


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "jpeg", "zstd", "lzma"])
def test_libtiff_prints_nothing(capfd, compression):
    data = encoded("TIFF", compression=compression)
    data[8 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 8)
    with pytest.raises(ImageError):
        decode(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_nor_does_pillow(capfd, caplog):
    data = encoded("TIFF", compression="tiff_deflate")
    tag = data.index(struct.pack("<HHI", 277, 3, 1))
    data[tag + 8 : tag + 10] = struct.pack("<H", 999)
    with pytest.raises(ImageError):
        decode(bytes(data))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_nor_does_what_turns_a_jpeg(capfd):
    data = encoded("JPEG")
    damaged = data[:-40] + data[-2:]
    assert turn_coefficients(bytes(damaged), 6) is not None
    assert capfd.readouterr() == ("", "")


def test_what_is_kept_quiet_is_quiet_no_longer(capfd):
    with without_stderr():
        os.write(2, b"native\n")
    os.write(2, b"later\n")
    sys.stderr.write("python\n")
    assert capfd.readouterr().err == "later\npython\n"
