"""HEIC and AVIF: read with the extra, turned once, guarded like the others."""

import struct
import subprocess
import sys
import textwrap
from contextlib import suppress
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import ImageError, ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from models.heif import is_heif
from models.images import ImageLimits, Size, decode, open_header

KINDS = ["HEIC", "AVIF"]
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def encode(image: Image.Image, kind: str, orientation: int = 1, maker: str = "", **options: object) -> bytes:
    """Both encoders write the orientation into the container too, as cameras do."""
    exif, buffer = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    if maker:
        exif[0x010F] = maker
    if kind == "AVIF":
        image.save(buffer, "AVIF", exif=exif, **options)
    else:
        pillow_heif.from_pillow(image).save(buffer, exif=exif.tobytes(), **options)
    return buffer.getvalue()


def resized(data: bytes, side: int) -> bytes:
    """The same file with another size in its header."""
    changed = bytearray(data)
    struct.pack_into(">II", changed, data.index(b"ispe") + 8, side, side)
    return bytes(changed)


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


@pytest.fixture(scope="module")
def small(photograph: Image.Image) -> Image.Image:
    return photograph.resize((96, 64), Image.Resampling.LANCZOS)


@pytest.fixture(scope="module")
def samples(small: Image.Image) -> dict[str, bytes]:
    return {kind: encode(small, kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_that_which_was_encoded(small, kind):
    data = encode(small, kind, quality=95)
    assert is_heif(data)
    assert difference(decode(data, Size(8, 8)), small) < 4


@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_general_brand_may_stand_first(small, samples, kind, brand):
    data = bytearray(samples[kind])
    data[8:12] = brand
    assert difference(decode(bytes(data)), decode(samples[kind])) == 0


@pytest.mark.parametrize("apply_exif", [True, False])
@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_container_s_turn_is_applied_once(small, kind, orientation, apply_exif):
    turn = TURNS[orientation]
    shown = small if turn is None else small.transpose(turn)
    data = encode(small, kind, orientation, quality=95)
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    assert difference(decode(data, apply_exif=apply_exif), shown) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_exif_alone_turns_nothing(small, kind):
    data = bytearray(encode(small, kind, 6, quality=95))
    data[data.index(b"irot") + 4] = 0  # quarter turns
    assert difference(decode(bytes(data)), small) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_exif_is_not_even_read(small, kind):
    """65,000 entries, and an orientation other than the container's: Pillow wrote an AVIF's anew, which took 1.9 s."""
    data = encode(small, kind, 6, maker="of cameras")
    assert b"of cameras" in data
    assert b"of cameras" not in (open_header(data).info.get("exif") or b"")


def test_xmp_alone_turns_nothing(small):
    buffer = BytesIO()
    small.save(buffer, "AVIF", quality=95, xmp=b'<x:xmpmeta tiff:Orientation="6"/>')
    assert difference(decode(buffer.getvalue()), small) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_is_laid_over_white(kind):
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    assert np.asarray(decode(encode(picture, kind))).min() > 250


@pytest.mark.parametrize("kind", KINDS)
def test_bombs_are_refused_from_the_header(samples, kind):
    with pytest.raises(ImageTooLargeError, match="16000 x 16000 pixels; at most 50 megapixels"):
        decode(resized(samples[kind], 16_000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_cut_file_is_undecodable(samples, kind, share):
    data = samples[kind]
    with pytest.raises(UndecodableImageError) as caught:
        decode(data[: max(40, int(len(data) * share))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_mutated_files_raise_nothing_but_image_errors(samples, kind, data):
    mutant = bytearray(samples[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        start, cut = data.draw(st.integers(0, len(mutant) - 1)), data.draw(st.integers(0, 4))
        mutant[start : start + cut] = data.draw(st.binary(max_size=4))
    with suppress(ImageError):
        assert decode(bytes(mutant), limits=ImageLimits(max_pixels=10**6)).mode == "RGB"


def run(script: str, **constants: object) -> str:
    """Runs in a process of its own."""
    values = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    command = [sys.executable, "-c", values + textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_files_that_hold_more_than_they_announce_take_bounded_memory_even_at_once():
    """libheif refuses it; Pillow's AVIF decodes it and reduces it, hence one at a time."""
    flat = Image.new("RGB", (4000, 4000), "green")
    data = [resized(encode(flat, "HEIC"), 64), *[resized(encode(flat, "AVIF", speed=10), 64)] * 8]
    grown_kib = run(
        """
        import resource
        from concurrent.futures import ThreadPoolExecutor
        from contextlib import suppress
        from models.errors import UndecodableImageError
        from models.images import decode

        def attempt(data):
            with suppress(UndecodableImageError):
                decode(data)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(attempt, data))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """,
        data=data,
    )
    assert int(grown_kib) < 90_000  # 16 megapixels of 4:2:0 are 24 MB; eight at once would be 192


def test_without_the_extra_both_name_it(samples):
    said = run(
        """
        import sys
        sys.modules["pillow_heif"] = None
        from models.errors import UnsupportedImageError
        from models.images import decode
        for data in samples:
            try:
                decode(data)
            except UnsupportedImageError as error:
                print(error)
        """,
        samples=list(samples.values()),
    )
    assert said.splitlines() == ["HEIC and AVIF images need the extra `heif`, which is not installed"] * 2


def test_other_files_of_the_same_container_are_unsupported():
    with pytest.raises(UnsupportedImageError):
        decode(struct.pack(">I", 24) + b"ftyp" + b"isom" + bytes(12))


def test_pillow_itself_is_left_as_it_was():
    loaded = run(
        """
        from PIL import Image
        Image.init()
        before = set(Image.OPEN)
        from models.images import decode
        decode(data)
        print(set(Image.OPEN) - before)
        """,
        data=encode(Image.new("RGB", (64, 64)), "HEIC"),
    )
    assert loaded.strip() == "set()"
