"""Files that cameras and programs write against their formats: what viewers show is turned, and seen by them turned."""

import json
import shutil
import struct
import subprocess
import zlib
from base64 import b64encode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from models.errors import UndecodableImageError, UnsupportedImageError
from serving.upright.formats import mpf
from serving.upright.photo_file import PhotoFile
from serving.upright.tasks import turn

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as served: models/images.py switches them off

BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, SSHORT, SLONG = 1, 2, 3, 4, 5, 6, 8, 9
EXIF = b"Exif\0\0"


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def block(kind: int, count: int, value: bytes, *, following: bytes = bytes(4), order: str = ">") -> bytes:
    """An EXIF block of one tag, the orientation."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHI", 274, kind, count) + value.ljust(4, b"\0")
    return head + struct.pack(order + "IH", 8, 1) + entry + following


def with_exif(data: bytes, exif: bytes) -> bytes:
    """A JPEG with this block behind its JFIF segment."""
    return data[:20] + segment(0xE1, EXIF + exif) + data[20:]


@pytest.fixture
def bare(files, picture) -> bytes:
    return files.encode(picture, "JPEG")


def is_one_short(data: bytes, orientation: int) -> bool:
    """What browsers heed: one tag, of type SHORT and count 1."""
    order = "<" if b"Exif\0\0II" in data else ">"
    tags = data.count(struct.pack(order + "HHI", 274, SHORT, 1) + struct.pack(order + "H", orientation))
    return tags == 1 and Image.open(BytesIO(data)).getexif()[274] == orientation


ODD_TAGS = {
    "long": block(LONG, 1, struct.pack(">I", 6)),
    "long of the other order": block(LONG, 1, struct.pack("<I", 6), order="<"),
    "slong": block(SLONG, 1, struct.pack(">i", 6)),
    "sshort": block(SSHORT, 1, struct.pack(">h", 6)),
    "byte": block(BYTE, 1, b"\6"),
    "two shorts": block(SHORT, 2, struct.pack(">HH", 6, 6)),
    "four shorts elsewhere": block(SHORT, 4, struct.pack(">I", 26)) + struct.pack(">HHHH", 6, 1, 1, 1),
    "rational": block(RATIONAL, 1, struct.pack(">I", 26)) + struct.pack(">II", 6, 1),
    "text": block(ASCII, 2, b"6\0"),
}


@pytest.mark.parametrize("name", ODD_TAGS)
def test_a_tag_of_any_type_is_read_and_written_as_one_short(files, bare, name):
    photo = PhotoFile.open(with_exif(bare, ODD_TAGS[name]))
    assert photo.orientation == 6
    assert not photo.is_heeded
    after = photo.retagged(90)
    assert is_one_short(after, 3)
    assert PhotoFile.open(after).is_heeded
    assert np.array_equal(files.shown(after), files.turned(files.stored(bare), 180))
    assert is_one_short(photo.with_pixels(90).data, 1)


def test_a_tag_that_is_there_twice_says_the_same_twice(bare):
    entry = struct.pack(">HHIHH", 274, SHORT, 1, 6, 0)
    twice = b"MM\0*" + struct.pack(">IH", 8, 2) + entry + entry + bytes(4)
    after = PhotoFile.open(with_exif(bare, twice)).retagged(90)
    assert after.count(struct.pack(">HHIH", 274, SHORT, 1, 3)) == 2


def test_nothing_odd_is_a_plain_tag(bare):
    plain = with_exif(bare, block(SHORT, 1, struct.pack(">H", 6)))
    assert PhotoFile.open(plain).is_heeded
    assert PhotoFile.open(bare).is_heeded


BROKEN_BLOCKS = {
    "empty": b"",
    "zeroed": bytes(64),
    "of another kind": b"no TIFF structure at all",
    "cut within its header": b"MM\0*\0\0",
    "cut before its directory": b"MM\0*\0\0\0\x08",
    "whose directory lies beyond": b"MM\0*\0\1\0\0" + bytes(30),
    "whose directory is its header": b"MM\0*\0\0\0\0" + bytes(30),
    "without an offset of the next directory": block(SHORT, 1, struct.pack(">H", 1), following=b""),
    "with half such an offset": block(SHORT, 1, struct.pack(">H", 1), following=b"\0\0"),
    "whose second directory is its first": block(SHORT, 1, struct.pack(">H", 1), following=struct.pack(">I", 8)),
    "whose second directory lies beyond": block(SHORT, 1, struct.pack(">H", 1), following=struct.pack(">I", 9999)),
    "of more tags than it has room for": b"MM\0*" + struct.pack(">IH", 8, 50) + struct.pack(">HHIHH", 274, 3, 1, 1, 0),
}


@pytest.mark.parametrize("name", BROKEN_BLOCKS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_broken_block_does_not_keep_a_photo_from_being_turned(files, picture, bare, kind, name):
    broken = BROKEN_BLOCKS[name]
    data = with_exif(bare, broken) if kind == "JPEG" else with_chunk(files.encode(picture, kind, 1), kind, broken)
    photo = PhotoFile.open(data)
    before = files.shown(data)
    if kind != "WEBP":
        assert np.array_equal(files.shown(photo.retagged(90)), files.turned(before, 90))
        assert files.tag(photo.retagged(90)) == 6
    turned = photo.with_pixels(180)
    assert turned.lossless
    assert np.abs(files.stored(turned.data).astype(int) - files.turned(before, 180)).mean() < 1


def with_chunk(data: bytes, kind: str, exif: bytes) -> bytes:
    """With another block in the place of its EXIF."""
    name = {"PNG": b"eXIf", "WEBP": b"EXIF"}[kind]
    at = data.index(name)
    if kind == "PNG":
        (size,) = struct.unpack_from(">I", data, at - 4)
        chunk = struct.pack(">I", len(exif)) + name + exif + struct.pack(">I", zlib.crc32(name + exif))
        return data[: at - 4] + chunk + data[at + 8 + size :]
    file = data[:at] + name + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return file[:4] + struct.pack("<I", len(file) - 8) + file[8:]


def test_other_tags_of_a_cut_block_stay(bare):
    make = struct.pack(">HHI", 271, ASCII, 4) + b"Mac\0"
    cut = b"MM\0*" + struct.pack(">IH", 8, 9) + make + make[:5]
    after = Image.open(BytesIO(PhotoFile.open(with_exif(bare, cut)).retagged(90)))
    assert (after.getexif()[274], after.getexif()[271]) == (6, "Mac")


def test_an_exif_directory_beyond_the_block_keeps_its_pixels_turning(files, bare):
    entries = struct.pack(">HHIHH", 274, SHORT, 1, 1, 0) + struct.pack(">HHII", 0x8769, LONG, 1, 5000)
    photo = PhotoFile.open(with_exif(bare, b"MM\0*" + struct.pack(">IH", 8, 2) + entries + bytes(4)))
    assert photo.with_pixels(180).lossless


@pytest.mark.parametrize("junk", [b"\0\0\0", b"\xff\0\xff", b"\xff\xff\xff"])
@pytest.mark.parametrize("place", [20, 20 + 69])
def test_junk_between_segments_is_passed_over_and_stays(files, bare, junk, place):
    data = bare[:place] + junk + bare[place:]
    photo = PhotoFile.open(data)
    after = photo.retagged(90)
    assert after.startswith(bare[:20] + segment(0xE1, EXIF)[:2])  # before the junk, at which some readers stop
    assert after.endswith(data[20:])
    assert np.array_equal(files.shown(after), files.turned(files.shown(bare), 90))
    assert photo.with_pixels(90).lossless


def album(first: bytes, second: bytes, kind: int, *, exif: bytes | None = None, before: bool = False) -> bytes:
    """A JPEG whose MPF index tells of a second picture behind it; EXIF stands before or behind the index."""
    exif_segment = b"" if exif is None else segment(0xE1, EXIF + exif)
    index_bytes = len(segment(0xE2, b"MPF\0" + bytes(82)))
    base = 20 + (len(exif_segment) if before else 0) + 4 + 4
    size = len(first) + len(exif_segment) + index_bytes
    entries = struct.pack("<IIIHH", 0x030000, size, 0, 0, 0) + struct.pack(
        "<IIIHH", kind, len(second), size - base, 0, 0
    )
    tags = struct.pack("<HHI4s", 0xB000, 7, 4, b"0100") + struct.pack("<HHII", 0xB001, 4, 1, 2)
    tags += struct.pack("<HHII", 0xB002, 7, 32, 50)
    payload = b"MPF\0II*\0" + struct.pack("<IH", 8, 3) + tags + bytes(4) + entries
    segments = [exif_segment, segment(0xE2, payload)]
    return b"".join([first[:20], *(segments if before else segments[::-1]), first[20:], second])


SIX = block(SHORT, 1, struct.pack(">H", 6))
EIGHT = block(SHORT, 1, struct.pack(">H", 8))
WITHOUT_ORIENTATION = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHI", 305, ASCII, 2) + b"A\0\0\0" + bytes(4)


@pytest.mark.parametrize("exif", [None, WITHOUT_ORIENTATION, ODD_TAGS["long"]])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("kind", [0x010001, 0], ids=["preview", "gain map"])
def test_the_second_picture_is_found_again(files, picture, bare, exif, before, kind):
    second = files.encode(picture.resize((40, 24)), "JPEG")
    data = album(bare, second, kind, exif=exif, before=before)
    for given in (data, data + b"a trailer"):
        after = PhotoFile.open(given).retagged(90)
        first, other = mpf.index(after).pictures
        assert after[other.start : other.start + other.size] == second
        assert after[first.start : first.start + first.size].endswith(b"\xff\xd9")
        assert first.size == other.start
        image = Image.open(BytesIO(after))
        assert image.format == "MPO"
        image.seek(1)
        assert image.size == (40, 24)


PREVIEW, FULL_HD, GAIN_MAP, PANORAMA, STEREO, VIEWS = 0x010001, 0x010002, 0, 0x020001, 0x020002, 0x020003


@pytest.mark.parametrize("kind", [PREVIEW, FULL_HD, GAIN_MAP])
def test_a_preview_or_a_gain_map_is_no_second_picture(files, picture, bare, kind):
    photo = PhotoFile.open(album(bare, files.encode(picture.resize((40, 24)), "JPEG"), kind))
    assert photo.media_type == "image/jpeg"
    assert files.tag(photo.retagged(90)) == 6


@pytest.mark.parametrize("size", [(40, 24), (37, 23)])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("exif", [None, SIX, b"MM\0*" + struct.pack(">IH", 8, 0) + bytes(4)])
def test_a_preview_turns_with_the_picture(files, picture, bare, size, before, exif):
    """And is found again; what follows stays."""
    preview = files.encode(picture.resize(size), "JPEG", subsampling="4:4:4")
    data = album(bare, preview, PREVIEW, exif=exif, before=before) + b"a trailer"
    turned = PhotoFile.open(data).with_pixels(90)
    assert turned.lossless == (size == (40, 24))
    assert turned.data.endswith(b"\xff\xd9a trailer")
    first, other = mpf.index(turned.data).pictures
    assert first.size == other.start
    quarters = 2 if exif == SIX else 1
    for one, stored in ((first, bare), (other, preview)):
        expected = np.rot90(files.stored(stored), -quarters).astype(int)
        assert np.abs(files.stored(one.of(turned.data)) - expected).mean() < 7
    image = Image.open(BytesIO(turned.data))
    image.seek(1)
    assert image.size == (size if quarters == 2 else size[::-1])


def test_a_preview_that_is_stored_otherwise_keeps_the_pixels_as_they_are(files, picture, bare):
    preview = files.encode(picture.resize((40, 24)), "JPEG", 3)
    with pytest.raises(UnsupportedImageError, match="further pictures"):
        PhotoFile.open(album(bare, preview, PREVIEW, exif=SIX)).with_pixels(90)


def test_a_gain_map_keeps_the_pixels_as_they_are(files, picture, bare):
    """XMP tells its length, too."""
    gain_map = files.encode(picture.resize((40, 24)), "JPEG", xmp=b'<x hdrgm:Version="1.0"/>')
    data = album(bare, gain_map, GAIN_MAP)
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b'<x Container:Directory=""/>')
    with pytest.raises(UnsupportedImageError, match="further pictures"):
        PhotoFile.open(data[:20] + xmp + data[20:]).with_pixels(90)


@pytest.mark.parametrize("kind", [PANORAMA, STEREO, VIEWS, GAIN_MAP])
def test_several_full_pictures_are_refused(files, picture, bare, kind):
    with pytest.raises(UnsupportedImageError, match="2 pictures"):
        PhotoFile.open(album(bare, files.encode(picture.rotate(180), "JPEG"), kind))


def test_an_index_of_very_many_pictures_is_refused_at_once(bare):
    """Each would be looked into, and all may be the same megabytes."""
    entries = struct.pack("<IIIHH", 0, len(bare), 0, 0, 0) * 4000
    tags = struct.pack("<HHII", 0xB001, 4, 1, 4000) + struct.pack("<HHII", 0xB002, 7, len(entries), 38)
    payload = b"MPF\0II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4) + entries
    with pytest.raises(UnsupportedImageError, match="4000 pictures"):
        PhotoFile.open(bare[:20] + segment(0xE2, payload) + bare[20:])


def test_an_index_that_leads_nowhere_does_no_harm(files, bare):
    data = album(bare, b"no picture", PANORAMA)
    assert files.tag(PhotoFile.open(data).retagged(90)) == 6
    cut = bare[:20] + segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff") + bare[20:]
    assert files.tag(PhotoFile.open(cut).retagged(90)) == 6


@pytest.mark.parametrize("trailer", [b"", b"\0\0\x30\x0aMotionPhoto_Data" + bytes(range(250)) * 4])
def test_a_jpeg_without_its_end_marker_is_turned_by_its_tag(files, bare, trailer):
    photo = PhotoFile.open(bare[:-2] + trailer)
    after = photo.retagged(90)
    assert after.endswith(bare[20:-2] + trailer)
    assert np.array_equal(files.shown(after), files.turned(files.shown(bare), 90))
    with pytest.raises(UnsupportedImageError, match="end is not marked"):
        photo.with_pixels(90)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_profile(exif: bytes, name: bytes = b"exif") -> bytes:
    return b"\n%s\n%8d\n" % (name, len(exif)) + exif.hex().encode() + b"\n"


def test_exif_behind_the_pixels_of_a_png_comes_before_them(files, picture):
    bare = files.encode(picture, "PNG")
    photo = PhotoFile.open(bare[:-12] + png_chunk(b"eXIf", SIX) + bare[-12:])
    assert (photo.orientation, photo.is_heeded) == (6, False)
    after = photo.retagged(90)
    assert after.index(b"eXIf") < after.index(b"IDAT")
    assert after.count(b"eXIf") == 1
    assert (files.tag(after), PhotoFile.open(after).is_heeded) == (3, True)


def test_apple_s_map_of_the_pixels_goes_on_leading_to_them(files, picture):
    """It tells how far from it the second half of the pixels lies: nothing comes between."""
    bare = files.encode(picture, "PNG")
    dot = png_chunk(b"iDOT", bytes(28))
    photo = PhotoFile.open(bare[:33] + dot + bare[33:])
    assert dot + bare[33:] in photo.retagged(90)
    assert b"iDOT" not in photo.with_pixels(90).data  # whose pixels are others


def test_exif_in_a_png_with_a_jpeg_s_prefix_loses_that(files, picture):
    bare = files.encode(picture, "PNG")
    after = PhotoFile.open(bare[:33] + png_chunk(b"eXIf", EXIF + SIX) + bare[33:]).retagged(90)
    assert b"eXIfMM\0*" in after
    assert files.tag(after) == 3


@pytest.mark.parametrize("prefix", [b"", EXIF])
@pytest.mark.parametrize("form", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
@pytest.mark.parametrize("with_chunk", [True, False])
def test_exif_in_a_png_s_text_is_kept_up_to_date(files, picture, prefix, form, with_chunk):
    bare = files.encode(picture, "PNG")
    keyword, text = b"Raw profile type exif\0", raw_profile(prefix + SIX)
    data = {
        "tEXt": keyword + text,
        "zTXt": keyword + b"\0" + zlib.compress(text),
        "iTXt": keyword + b"\0\0\0\0" + text,
        "iTXt packed": keyword + b"\1\0\0\0" + zlib.compress(text),
    }[form]
    chunks = png_chunk(form[:4].encode(), data) + (png_chunk(b"eXIf", SIX) if with_chunk else b"")
    photo = PhotoFile.open(bare[:33] + chunks + bare[33:])
    assert (photo.orientation, photo.is_heeded) == (6, with_chunk)
    after = Image.open(BytesIO(photo.retagged(90)))
    assert after.info["exif"].endswith(block(SHORT, 1, struct.pack(">H", 3)))
    assert block(SHORT, 1, struct.pack(">H", 3)).hex() in after.info["Raw profile type exif"].replace("\n", "")


def with_copies(files, picture, kind: str, copies: int) -> bytes:
    photo = files.encode(picture, kind)
    if kind == "PNG":
        return (
            photo[:33]
            + png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(SIX))) * copies
            + photo[33:]
        )
    chunk = b"EXIF" + struct.pack("<I", len(SIX)) + SIX
    sides = b"".join((side - 1).to_bytes(3, "little") for side in picture.size)
    extended = b"VP8X" + struct.pack("<IBxxx", 10, 8) + sides
    body = b"WEBP" + extended + photo[12:] + chunk * copies
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_told_over_and_over_is_not_written_over_and_over(files, picture, kind):
    """Each takes up to 0.1 s: 75 of them, 400 kB, took ten seconds of a thread."""
    assert PhotoFile.open(with_copies(files, picture, kind, 8)).retagged(90)
    with pytest.raises(UndecodableImageError, match="more than 8 blocks of metadata that tell an orientation"):
        PhotoFile.open(with_copies(files, picture, kind, 9)).retagged(90)


def test_text_that_is_no_profile_stays(files, picture):
    bare = files.encode(picture, "PNG")
    for text in (b"no profile", b"\nexif\n  many\nzz\n", raw_profile(b"http://ns.adobe.com/xap/1.0/\0<x/>", b"APP1")):
        chunk = png_chunk(b"tEXt", b"Raw profile type APP1\0" + text)
        assert chunk in PhotoFile.open(bare[:33] + chunk + bare[33:]).retagged(90)


def test_pixels_that_are_no_squares_lie_across_once_turned(files, picture):
    bare = files.encode(picture, "PNG", dpi=(300, 200))
    photo = PhotoFile.open(bare)
    across = Image.open(BytesIO(photo.with_pixels(90).data)).info["dpi"]
    assert across == pytest.approx((200, 300), abs=0.1)
    assert Image.open(BytesIO(photo.with_pixels(180).data)).info["dpi"] == pytest.approx((300, 200), abs=0.1)


needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
needs_magick = pytest.mark.skipif(shutil.which("convert") is None, reason="needs ImageMagick")
EVERYWHERE = {"plain": SIX, **ODD_TAGS, "empty": b"", "zeroed": bytes(64)}


@needs_exiftool
@pytest.mark.parametrize("name", EVERYWHERE)
def test_exiftool_reads_the_new_orientation(bare, tmp_path, name):
    photo = PhotoFile.open(with_exif(bare, EVERYWHERE[name]))
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo.retagged(90))
    command = ["exiftool", "-j", "-n", "-Orientation", "-Warning", str(path)]
    [told] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["Orientation"] == {6: 3, 1: 6}[photo.orientation]
    assert "Warning" not in told


@needs_magick
@pytest.mark.parametrize("name", EVERYWHERE)
def test_imagemagick_turns_it_the_same_way(files, bare, tmp_path, name):
    photo = PhotoFile.open(with_exif(bare, EVERYWHERE[name]))
    source, target = tmp_path / "photo.jpg", tmp_path / "photo.png"
    source.write_bytes(photo.retagged(90))
    subprocess.run(["convert", str(source), "-auto-orient", str(target)], check=True)
    expected = files.shown(source.read_bytes()).astype(int)
    seen = np.asarray(Image.open(target).convert("RGB")).astype(int)
    assert seen.shape == expected.shape
    assert np.abs(seen - expected).mean() < 2


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.mark.parametrize("method", ["tag", "pixels"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", *EVERYWHERE])
def test_a_browser_shows_it_turned(files, picture, bare, browser, kind, method):
    """Whatever it showed before: what is turned is seen as it was judged, and turned by 90 degrees."""
    data = with_exif(bare, EVERYWHERE[kind]) if kind in EVERYWHERE else files.encode(picture, kind, 6)
    if (kind, method) == ("AVIF", "pixels"):
        pytest.skip("its pixels are not coded again")
    made = turn(data, PhotoFile.open(data).kind, PhotoFile.open(data).orientation, 90, method).parts[0]
    page = browser.new_page()
    source = f"data:{PhotoFile.open(data).media_type};base64,{b64encode(made).decode()}"
    page.set_content(f'<body style="margin: 0"><img src="{source}" style="display: block">')
    page.wait_for_function("document.images[0].complete")
    expected = files.turned(files.shown(data), 90).astype(int)
    height, width = expected.shape[:2]
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
    page.close()
    seen = np.asarray(Image.open(BytesIO(shot)).convert("RGB")).astype(int)
    assert np.abs(seen - expected).mean() < 4


def many_tags(count: int) -> bytes:
    """An EXIF block whose first tag is the orientation."""
    others = b"".join(struct.pack(">HHII", 1000 + number, LONG, 1, 7) for number in range(count - 1))
    return b"MM\0*" + struct.pack(">IHHHIHH", 8, count, 274, SHORT, 1, 6, 0) + others + bytes(4)


@pytest.mark.parametrize(("tags", "read"), [(1000, True), (1001, False)])
def test_exif_of_more_tags_than_any_program_writes_gives_way_to_a_new_block(files, picture, bare, tags, read):
    """It is not read where the photo is shown either; 65,000 tags held the interpreter for 0.09 s to edit one."""
    for data in (with_exif(bare, many_tags(tags)), files.encode(picture, "PNG", exif=many_tags(tags))):
        photo = PhotoFile.open(data)
        assert photo.orientation == (6 if read else 1)
        turned = photo.retagged(90)
        assert PhotoFile.open(turned).orientation == (3 if read else 6)
        assert (many_tags(tags)[30:] in turned) == read
