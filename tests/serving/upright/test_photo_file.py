import struct
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO
from time import thread_time

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from models.errors import ImageError, ImageTooLargeError, UndecodableImageError, UnsupportedImageError
from models.images import ImageLimits, decode
from serving.upright.formats.orientation import turned
from serving.upright.photo_file import PhotoFile

TAGS = (None, *range(1, 9))
TURNS = (0, 90, 180, 270)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("tag", TAGS)
def test_the_tag_alone_turns_what_is_shown(files, picture, kind, tag):
    data = files.encode(picture, kind, tag)
    before = files.shown(data)
    for clockwise in TURNS:
        after = PhotoFile.open(data).retagged(clockwise)
        assert np.array_equal(files.shown(after), files.turned(before, clockwise))
        assert np.array_equal(files.stored(after), files.stored(data))
        if tag is not None:
            assert len(after) == len(data)
            assert (
                sum(one != other for one, other in zip(after, data, strict=True)) <= 5
            )  # a PNG's checksum changes too


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_turning_four_times_ends_where_it_began(files, picture, kind):
    data = start = files.encode(picture, kind, 7)
    for _ in range(4):
        data = PhotoFile.open(data).retagged(90)
    assert data == start


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("tag", TAGS)
def test_turned_pixels_are_what_the_tag_would_show(files, picture, kind, tag):
    data = files.encode(picture, kind, tag, icc_profile=ICC)
    before = files.shown(data)
    for clockwise in TURNS:
        after = PhotoFile.open(data).with_pixels(clockwise)
        assert after.lossless
        assert files.tag(after.data) in (None, 1)
        assert Image.open(BytesIO(after.data)).info["icc_profile"] == ICC
        expected = files.turned(before, clockwise)
        if kind == "JPEG":  # of whole MCUs, so not one coefficient is rounded; decoders smooth chroma by direction
            assert np.abs(files.stored(after.data).astype(int) - expected).mean() < 1
        else:
            assert np.array_equal(files.stored(after.data), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pngs_of_every_mode_lose_nothing(files, picture, mode):
    image = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(picture.convert("L"))
    data = files.encode(image, "PNG")
    after = PhotoFile.open(data).with_pixels(90).data
    expected = np.rot90(np.asarray(Image.open(BytesIO(data))), -1)
    assert np.array_equal(np.asarray(Image.open(BytesIO(after))), expected)
    assert Image.open(BytesIO(after)).mode == image.mode


@pytest.mark.parametrize("options", [{"transparency": 7}, {"transparency": bytes(range(256))}])
def test_a_palette_keeps_its_transparency(files, picture, options):
    data = files.encode(picture.convert("P"), "PNG", **options)
    after = PhotoFile.open(data).with_pixels(180).data
    colours = [np.asarray(Image.open(BytesIO(one)).convert("RGBA")) for one in (data, after)]
    assert np.array_equal(colours[1], colours[0][::-1, ::-1])


def png(width: int, depth: int, colour: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """One row of pixels."""
    header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    all_chunks = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    coded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in all_chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


def deep_png() -> bytes:
    """Two pixels of 16 bits a colour."""
    return png(2, 16, 2, bytes(range(12)))


def test_the_transparent_grey_of_few_bits_stays_transparent():
    """Four pixels of two bits, of which the last is transparent."""
    data = png(4, 2, 0, bytes([0b00011011]), (b"tRNS", b"\0\3"))
    after = Image.open(BytesIO(PhotoFile.open(data).with_pixels(180).data)).convert("RGBA")
    assert np.asarray(after).tolist() == [[[255, 255, 255, 0], [170, 170, 170, 255], [85, 85, 85, 255], [0, 0, 0, 255]]]


def test_what_would_lose_is_refused_and_its_tag_is_not(files):
    with pytest.raises(UnsupportedImageError, match="16 bits"):
        PhotoFile.open(deep_png()).with_pixels(90)
    assert files.tag(PhotoFile.open(deep_png()).retagged(90)) == 6


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "I;16"])
def test_tiffs_keep_their_tags_and_their_compression(files, picture, compression, mode):
    image = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    data = files.encode(image, "TIFF", compression=compression, description="Zürich", dpi=(300, 200))
    after = Image.open(BytesIO(PhotoFile.open(data).with_pixels(270).data))
    before = Image.open(BytesIO(data))
    assert np.array_equal(np.asarray(after), np.rot90(np.asarray(before)))
    assert after.info["compression"] == before.info["compression"]
    assert after.tag_v2[270] == before.tag_v2[270]


def test_a_big_tiff_s_tag_is_edited(files, picture):
    data = files.encode(picture, "TIFF", big_tiff=True)
    assert data[2:4] == b"\x2b\0"
    after = PhotoFile.open(data).retagged(90)
    assert np.array_equal(files.shown(after), files.turned(files.shown(data), 90))
    assert files.tag(PhotoFile.open(after).retagged(90)) == 3


def test_a_lossy_webp_is_coded_again_and_says_so(files, picture):
    data = files.encode(picture, "WEBP", 6, lossless=False, icc_profile=ICC)
    after = PhotoFile.open(data).with_pixels(0)
    assert not after.lossless
    assert files.tag(after.data) == 1
    assert Image.open(BytesIO(after.data)).info["icc_profile"] == ICC
    assert np.abs(files.stored(after.data).astype(int) - files.shown(data)).mean() < 4


def test_a_webp_that_tells_more_bytes_than_it_has_is_turned_and_then_tells_as_many_as_it_has(files, picture):
    data = files.encode(picture, "WEBP", 6)
    photo = PhotoFile.open(data[:4] + (len(data) + 1000).to_bytes(4, "little") + data[8:])
    for after in (photo.retagged(90), photo.with_pixels(90).data):
        assert np.array_equal(files.shown(after), files.turned(files.shown(data), 90))
        assert int.from_bytes(after[4:8], "little") == len(after) - 8


def test_a_webp_with_alpha_stays_transparent(files, picture):
    image = picture.convert("RGBA")
    image.putalpha(picture.convert("L"))
    for lossless in (True, False):
        data = files.encode(image, "WEBP", lossless=lossless)
        for after in (PhotoFile.open(data).retagged(90), PhotoFile.open(data).with_pixels(180).data):
            assert Image.open(BytesIO(after)).mode == "RGBA"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_xmp_says_the_same(files, picture, kind):
    options = {"tiffinfo": {700: files.xmp_packet % 6, 274: 6}} if kind == "TIFF" else {"xmp": files.xmp_packet % 6}
    photo = PhotoFile.open(files.encode(picture, kind, None if kind == "TIFF" else 6, **options))
    for after, expected in ((photo.retagged(90), 3), (photo.with_pixels(90).data, 1)):
        assert files.xmp_packet % expected in after
        assert files.tag(after) == expected


@pytest.mark.parametrize("compressed", [False, True])
def test_xmp_in_a_png_says_the_same(files, picture, compressed):
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", (files.xmp_packet % 6).decode(), zip=compressed)
    photo = PhotoFile.open(files.encode(picture, "PNG", 6, pnginfo=info))
    for after, expected in ((photo.retagged(90), 3), (photo.with_pixels(90).data, 1)):
        assert Image.open(BytesIO(after)).info["xmp"] == files.xmp_packet % expected
        assert files.tag(after) == expected


def test_xmp_in_a_png_that_unpacks_to_a_gigabyte_is_refused_before_it_does(files, picture):
    """Its method byte is 1, which Pillow passes over and so does not guard."""
    packer = zlib.compressobj()
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(100)), packer.flush()])
    text = b"XML:com.adobe.xmp\0\1\1\0\0" + packed
    chunk = struct.pack(">I", len(text)) + b"iTXt" + text + struct.pack(">I", zlib.crc32(b"iTXt" + text))
    data = files.encode(picture, "PNG")
    photo = PhotoFile.open(data[:33] + chunk + data[33:])
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLargeError, match="XMP unpacks to more than the 8388608 bytes"):
            photo.retagged(90)
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    finally:
        tracemalloc.stop()


def test_a_png_of_too_many_pixels_is_refused_from_its_header():
    """Reading its EXIF decoded it, 390 MB, before it was refused."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(20_000 * 2501))
    chunks = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (ihdr, pixels))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + b"\0\0\0\0IEND\xaeB`\x82"
    started = thread_time()
    with pytest.raises(ImageTooLargeError, match="20000 x 20000 pixels; at most 50 megapixels"):
        PhotoFile.open(data)
    assert thread_time() - started < 0.1


def test_a_tiff_of_many_directories_is_refused_before_they_are_walked(files, picture):
    """Pillow's count of them is quadratic: 300,000 kept SIGTERM waiting."""
    data = bytearray(files.encode(picture, "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data))
    data += b"".join(struct.pack("<HI", 0, len(data) + 6 * (number + 1)) for number in range(300_000))
    started = thread_time()
    with pytest.raises(UndecodableImageError, match="too many tags"):
        PhotoFile.open(bytes(data))
    assert thread_time() - started < 1.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_that_xmp_alone_tells_does_not_count(files, picture, kind):
    """As in browsers; and what it tells is then set right."""
    packet = files.xmp_packet % 8
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    options = {"PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: packet}}}.get(kind, {"xmp": packet})
    data = files.encode(picture, kind, **options)
    photo = PhotoFile.open(data)
    assert photo.orientation == 1
    assert np.array_equal(files.shown(data), files.stored(data))
    assert files.xmp_packet % 6 in photo.retagged(90)
    assert files.xmp_packet % 1 in photo.with_pixels(90).data


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
def test_files_of_several_pictures_are_refused(files, picture, kind):
    data = files.encode(picture, kind, save_all=True, append_images=[picture.rotate(180)])
    with pytest.raises(UnsupportedImageError, match=r"2 pictures|GIF"):
        PhotoFile.open(data)


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
def test_other_formats_are_refused(files, picture, kind):
    with pytest.raises(UnsupportedImageError, match=kind):
        PhotoFile.open(files.encode(picture, kind))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_damaged_files_are_told_in_one_sentence_or_still_edited(files, picture, kind):
    """Whatever byte is wrong: an ImageError, or a file of the orientation that was wanted."""
    data = files.encode(picture, kind, 6)
    generator = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(generator.integers(1, 4)):
            broken[generator.integers(0, min(len(broken), 400))] = generator.integers(0, 256)
        if generator.random() < 0.3:
            broken = broken[: generator.integers(1, len(broken))]
        with suppress(ImageError):
            decode(bytes(broken), limits=ImageLimits(max_pixels=100_000))  # which is asked first, and guards from bombs
            photo = PhotoFile.open(bytes(broken))
            assert PhotoFile.open(photo.retagged(90)).orientation == turned(photo.orientation, 90)
            photo.with_pixels(90)
