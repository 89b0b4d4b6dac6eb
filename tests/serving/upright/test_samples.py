"""TIFFs of every kind of samples: turned with all that they hold, or left alone."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, TiffTags

from models.errors import UnsupportedImageError
from serving.upright.photo_file import PhotoFile

BYTE, SHORT, LONG, IFD = 1, 3, 4, 13
MIN_IS_WHITE, MIN_IS_BLACK, RGB, CMYK = 0, 1, 2, 5
SIZES = {BYTE: "B", SHORT: "H", LONG: "I", IFD: "I", 7: "B"}


def tiff(samples: np.ndarray, photometric: int, *tags: tuple[int, int, tuple[int, ...]], order: str = "<") -> bytes:
    """A file of one strip, of ``samples[H, W, C]``, with further tags: number, type, values."""
    height, width, channels = samples.shape
    pixels = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    facts = [
        (256, SHORT, (width,)),
        (257, SHORT, (height,)),
        (258, SHORT, (samples.dtype.itemsize * 8,) * channels),
        (259, SHORT, (1,)),
        (262, SHORT, (photometric,)),
        (273, LONG, (8,)),
        (277, SHORT, (channels,)),
        (278, SHORT, (height,)),
        (279, LONG, (len(pixels),)),
    ]
    file = bytearray(struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0) + pixels)
    given = {number for number, _, _ in tags}
    entries = [one for one in facts if one[0] not in given] + list(tags)
    struct.pack_into(order + "I", file, 4, append_directory(file, entries, order))
    return bytes(file)


def append_directory(file: bytearray, tags: list[tuple[int, int, tuple[int, ...]]], order: str = "<") -> int:
    coded = b""
    for number, kind, values in sorted(tags):
        value = struct.pack(f"{order}{len(values)}{SIZES[kind]}", *values)
        if len(value) > 4:
            file += value
            value = struct.pack(order + "I", len(file) - len(value))
        coded += struct.pack(order + "HHI", number, kind, len(values)) + value.ljust(4, b"\0")
    file += b"\0" * (len(file) % 2)
    file += struct.pack(order + "H", len(tags)) + coded + bytes(4)
    return len(file) - len(coded) - 6


@pytest.fixture
def pixels(picture) -> np.ndarray:
    return np.asarray(picture)


def refusal(data: bytes) -> str:
    """Why its pixels are not turned; its tag is, and nothing else of the file."""
    photo = PhotoFile.open(data)
    with pytest.raises(UnsupportedImageError, match="only its tag is changed") as told:
        photo.with_pixels(90)
    retagged = photo.retagged(90)
    assert Image.open(BytesIO(retagged)).getexif()[274] == 6
    assert retagged[8:1900] == data[8:1900]  # all of it are pixels
    return str(told.value)


def extended(pixels: np.ndarray, channels: int, dtype=np.uint8) -> np.ndarray:
    further = np.full((*pixels.shape[:2], channels), 77, dtype)
    return np.concatenate([pixels.astype(dtype), further], axis=2)


@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_sixteen_bits_are_not_rounded_to_eight(pixels, order):
    assert "unusual samples" in refusal(tiff(pixels.astype(np.uint16) * 257, RGB, order=order))


@pytest.mark.parametrize(
    ("photometric", "channels", "extra"),
    [(RGB, 2, (0, 0)), (RGB, 1, (1,)), (RGB, 1, (0,)), (CMYK, 2, (0,))],
    ids=["infrared", "premultiplied alpha", "a channel without a meaning", "a spot colour"],
)
def test_further_channels_are_not_dropped_nor_changed(pixels, photometric, channels, extra):
    data = tiff(extended(pixels, channels), photometric, (338, SHORT, extra))
    assert "unusual samples" in refusal(data)


def test_plain_alpha_turns(pixels):
    turned = PhotoFile.open(tiff(extended(pixels, 1), RGB, (338, SHORT, (2,)))).with_pixels(90)
    after = np.asarray(Image.open(BytesIO(turned.data)))
    assert turned.lossless
    assert np.array_equal(after, np.rot90(extended(pixels, 1), -1))


def test_sixteen_bits_whose_white_is_zero_do_not_become_a_negative(files, pixels):
    grey = pixels[..., :1].astype(np.uint16) * 257
    data = tiff(65535 - grey, MIN_IS_WHITE)
    shown = files.shown(data)
    assert np.array_equal(shown[..., 0], pixels[..., 0])
    turned = PhotoFile.open(data).with_pixels(90)
    assert turned.lossless
    assert np.array_equal(files.stored(turned.data), np.rot90(shown, -1))
    after = Image.open(BytesIO(turned.data))
    assert after.tag_v2[262] == MIN_IS_WHITE
    assert np.array_equal(np.asarray(after), np.rot90(65535 - grey[..., 0], -1))


def test_eight_bits_whose_white_is_zero_show_the_same(files, pixels):
    data = tiff(255 - pixels[..., :1], MIN_IS_WHITE)
    turned = PhotoFile.open(data).with_pixels(90).data
    assert np.array_equal(files.stored(turned), np.rot90(files.shown(data), -1))


@pytest.mark.parametrize("dtype", [np.uint32, np.int16])
def test_grey_that_pillow_would_convert_is_left_alone(pixels, dtype):
    sample_format = {"u": 1, "i": 2}[np.dtype(dtype).kind]
    data = tiff(pixels[..., :1].astype(dtype), MIN_IS_BLACK, (339, SHORT, (sample_format,)))
    assert "unusual samples" in refusal(data)


def test_grey_of_32_bits_has_its_own_white(files, pixels):
    """Beyond the highest signed number, too, which Pillow knows none of."""
    grey = pixels[..., :1].astype(np.uint32) * (2**32 // 256)
    shown = files.shown(tiff(grey, MIN_IS_BLACK, (339, SHORT, (1,)))).astype(int)
    scaled = pixels[..., 0].astype(float) * 255 / pixels[..., 0].max()
    assert np.abs(shown[..., 0] - scaled).max() <= 1


def test_floats_and_signed_numbers_of_32_bits_turn(pixels):
    for dtype, sample_format in ((np.float32, 3), (np.int32, 2)):
        grey = pixels[..., :1].astype(dtype)
        turned = PhotoFile.open(tiff(grey, MIN_IS_BLACK, (339, SHORT, (sample_format,)))).with_pixels(90).data
        assert np.array_equal(np.asarray(Image.open(BytesIO(turned))), np.rot90(grey[..., 0], -1))


def test_few_bits_of_grey_are_left_alone(pixels):
    """Pillow would write eight."""
    packed = (pixels[:, ::2, :1] >> 4 << 4) | (pixels[:, 1::2, :1] >> 4)
    data = tiff(packed, MIN_IS_BLACK, (256, SHORT, (80,)), (258, SHORT, (4,)))
    assert "unusual samples" in refusal(data)


def test_a_palette_keeps_colours_between_pillow_s(files, picture):
    image = picture.convert("P", palette=Image.Palette.ADAPTIVE)
    colours = tuple(range(0, 65536, 256 // 3))[: 3 * 256]
    data = tiff(np.asarray(image)[..., None], 3, (320, SHORT, colours))
    assert "unusual samples" in refusal(data)
    plain = files.encode(image, "TIFF")
    turned = PhotoFile.open(plain).with_pixels(90).data
    assert np.array_equal(files.stored(turned), np.rot90(files.shown(plain), -1))


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ((37724, 7, tuple(b"Adobe Photoshop Document Data Block\0")), "layers"),
        ((50706, BYTE, (1, 4, 0, 0)), "raw"),
        ((33922, LONG, (0, 0, 0, 0, 0, 0)), "map"),
        ((50990, IFD, (8,)), "directories"),
    ],
)
def test_what_would_not_turn_along_keeps_the_pixels_as_they_are(pixels, tag, what):
    assert what in refusal(tiff(pixels, RGB, tag))


@pytest.mark.parametrize("kind", [LONG, IFD])
def test_a_raw_picture_in_a_directory_of_its_own_is_not_lost(pixels, kind):
    raw = bytearray(tiff(np.repeat(pixels, 3, axis=2), 32803))
    size = len(raw)
    data = tiff(pixels, RGB, (330, kind, (size + 8,)))
    assert "further pictures" in refusal(data)


def test_a_maker_s_notes_are_not_moved(pixels):
    file = bytearray(tiff(pixels, RGB))
    notes = append_directory(file, [(0x927C, 7, tuple(b"MakerNote at a place of its own"))])
    data = tiff(pixels, RGB, (0x8769, LONG, (notes,)))
    file = bytearray(data)
    notes = append_directory(file, [(0x927C, 7, tuple(b"MakerNote at a place of its own"))])
    at = data.index(struct.pack("<HHI", 0x8769, LONG, 1))
    struct.pack_into("<I", file, at + 8, notes)
    assert "maker's notes" in refusal(bytes(file))


def test_slices_that_no_tag_tells_of_are_not_lost(pixels):
    """As ImageJ stores a stack that is too large for its tags."""
    assert "no tag tells of" in refusal(tiff(pixels, RGB) + pixels.tobytes())


@pytest.mark.parametrize("told", [True, False], ids=["by its kind", "by its size"])
def test_a_smaller_copy_is_no_second_picture(files, pixels, told):
    data = with_second_page(pixels, pixels[::2, ::2] if told else pixels[::4, ::4], (254, LONG, (int(told),)))
    assert "smaller copy" in refusal(data)


def test_pages_of_a_document_are_refused_whatever_their_sizes(pixels):
    for page in (pixels, pixels[: 48 // 2], pixels[:40, :70]):
        with pytest.raises(UnsupportedImageError, match="2 pictures"):
            PhotoFile.open(with_second_page(pixels, page, (254, LONG, (2,))))


@pytest.mark.parametrize(
    "following", [b"", b"\0\0", struct.pack("<I", 10**8), None], ids=["none", "half", "far", "own"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_chain_of_pages_that_breaks_off_ends_there(files, pixels, following):
    data = tiff(pixels, RGB)
    (directory,) = struct.unpack_from("<I", data, 4)
    after = struct.pack("<I", directory) if following is None else following
    photo = PhotoFile.open(data[:-4] + after)
    assert files.tag(photo.retagged(90)) == 6
    assert photo.with_pixels(90).lossless


def with_second_page(first: np.ndarray, second: np.ndarray, *tags: tuple[int, int, tuple[int, ...]]) -> bytes:
    file = bytearray(tiff(first, RGB))
    (directory,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, directory)
    height, width, channels = second.shape
    file += second.tobytes()
    pixels_at = len(file) - second.size
    facts = [(256, (width,)), (257, (height,)), (258, (8,) * channels), (259, (1,)), (262, (RGB,)), (277, (channels,))]
    entries = [(number, SHORT, values) for number, values in facts]
    entries += [(273, LONG, (pixels_at,)), (278, LONG, (height,)), (279, LONG, (second.size,)), *tags]
    struct.pack_into("<I", file, directory + 2 + 12 * count, append_directory(file, entries))
    assert TiffTags.lookup(254).name == "NewSubfileType"
    return bytes(file)
