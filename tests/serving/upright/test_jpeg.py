"""What is particular to JPEGs: which bytes stay, and turns without loss."""

import shutil
import struct
import subprocess
from io import BytesIO
from itertools import pairwise

import jpegio
import numpy as np
import pytest
from PIL import ExifTags, Image

from models.errors import UndecodableImageError, UnsupportedImageError
from serving.upright.formats.dct import turn_coefficients
from serving.upright.photo_file import PhotoFile

SUBSAMPLINGS = {"4:4:4": (8, 8), "4:2:2": (16, 8), "4:2:0": (16, 16)}  # width and height of an MCU


def jpeg(files, image: Image.Image, **options) -> bytes:
    return files.encode(image, "JPEG", **options)


def with_camera_exif(files, picture: Image.Image, orientation: int, own: int | None, order: str = ">") -> bytes:
    """As a camera writes it: JFIF, EXIF with a thumbnail, ICC, a comment; then a film behind the picture."""
    thumbnail = jpeg(files, picture.resize((32, 16)), subsampling="4:4:4")
    exif = files.exif_with_thumbnail(thumbnail, orientation, own, order)
    return (
        jpeg(files, picture, exif=b"Exif\0\0" + exif, icc_profile=b"profile" * 20_000, comment=b"a comment")
        + b"the film"
    )


def coefficients(data: bytes, tmp_path) -> list[np.ndarray]:
    path = tmp_path / "read.jpg"
    path.write_bytes(data)
    return [np.array(one) for one in jpegio.read(path).coef_arrays]


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("own", [None, 6])
def test_a_camera_s_file_changes_in_one_byte_or_two(files, picture, order, own):
    data = with_camera_exif(files, picture, 6, own, order)
    after = PhotoFile.open(data).retagged(90)
    changed = [at for at, (one, other) in enumerate(zip(data, after, strict=True)) if one != other]
    assert len(changed) == (1 if own is None else 2)
    image = Image.open(BytesIO(after))
    assert image.getexif()[274] == 3
    assert image.getexif().get_ifd(ExifTags.IFD.IFD1).get(274) == (None if own is None else 3)


def test_a_tag_is_added_where_there_is_none_and_nothing_else_changes(files, picture):
    bare = jpeg(files, picture)
    jfif_end = 20
    after = PhotoFile.open(bare).retagged(270)
    assert after[:jfif_end] == bare[:jfif_end]
    assert after.endswith(bare[jfif_end:])
    exif = Image.Exif()
    exif[305], exif[0x8769] = "software", {0xA002: 80}
    tagless = jpeg(files, picture, exif=exif)
    after = Image.open(BytesIO(PhotoFile.open(tagless).retagged(270)))
    assert (after.getexif()[274], after.getexif()[305]) == (8, "software")
    assert after.getexif().get_ifd(0x8769) == {0xA002: 80}


@pytest.mark.parametrize("spare", [0, 11, 40])
def test_a_tag_that_finds_no_room_goes_where_browsers_look(files, picture, spare):
    """The block then goes on in a second segment, as exiftool has it."""
    exif = Image.Exif()
    exif[271], exif[305], exif[0x8769], exif[0x8825] = "Loupe", "x", {0x9003: "2020:01:01 00:00:00"}, {1: "N"}
    exif[305] = "x" * (65_520 - len(exif.tobytes()) - spare)
    data = jpeg(files, picture, exif=exif)
    after = PhotoFile.open(data).retagged(90)
    again = Image.open(BytesIO(after)).getexif()
    assert (again[274], again[271], again[305]) == (6, exif[271], exif[305])
    assert again.get_ifd(0x8769) == {0x9003: "2020:01:01 00:00:00"}
    assert again.get_ifd(0x8825) == {1: "N"}
    first = after[after.index(b"Exif\0\0") :][:200]
    assert b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" in first
    assert np.array_equal(files.shown(after), files.turned(files.shown(data), 90))
    onward = PhotoFile.open(after).retagged(90)  # of several segments not one byte more is needed
    assert len(onward) == len(after)
    assert Image.open(BytesIO(onward)).getexif()[274] == 3
    pixels = files.stored(PhotoFile.open(after).with_pixels(0).data).astype(int)
    assert np.abs(pixels - files.shown(after)).mean() < 1  # decoders smooth chroma by direction


def full_of_directories(count: int) -> bytes:
    """A full block, every tag of which leads to another directory of as many tags."""
    entries = b"".join(struct.pack(">HHII", 0x8769, 4, 1, 10 + 12 * (number % 600)) for number in range(count))
    return b"Exif\0\0" + (b"MM\0*" + struct.pack(">IH", 8, count) + entries).ljust(65_520, b"\x87")


def test_directories_that_lead_to_each_other_are_no_way_without_an_end(files, picture):
    photo = PhotoFile.open(jpeg(files, picture, exif=full_of_directories(1000)))
    with pytest.raises(UndecodableImageError, match=r"directories|cannot be edited"):
        photo.retagged(90)


def test_a_block_of_more_tags_than_is_read_gives_way_to_a_new_one(files, picture):
    after = PhotoFile.open(jpeg(files, picture, exif=full_of_directories(5400))).retagged(90)
    assert dict(Image.open(BytesIO(after)).getexif()) == {274: 6}


def test_a_maker_s_notes_are_not_moved_to_make_room(files, picture):
    exif = Image.Exif()
    exif[0x8769] = {0x927C: b"x" * 65_480}
    photo = PhotoFile.open(jpeg(files, picture, exif=exif))
    with pytest.raises(UndecodableImageError, match="maker's notes"):
        photo.retagged(90)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_coefficients_turn_without_loss_wherever_whole_mcus_allow(files, picture, subsampling, options, orientation):
    across, down = SUBSAMPLINGS[subsampling]
    for extra_across in (0, 3):
        for extra_down in (0, 5):
            image = picture.resize((4 * across + extra_across, 3 * down + extra_down))
            data = jpeg(files, image, quality=80, subsampling=subsampling, **options)
            turned = turn_coefficients(data, orientation)
            # Which edge of the source comes to lie where the turned picture begins; a padded edge must not.
            right_first, bottom_first = orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)
            perfect = not (right_first and extra_across) and not (bottom_first and extra_down)
            assert (turned is not None) == perfect
            if turned is not None:
                undone = turn_coefficients(turned, {6: 8, 8: 6}.get(orientation, orientation))
                if undone is not None:
                    assert np.array_equal(files.stored(undone), files.stored(data))


needs_jpegtran = pytest.mark.skipif(shutil.which("jpegtran") is None, reason="needs jpegtran")


@needs_jpegtran
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("size", [(96, 64), (97, 64), (96, 70), (33, 47)])
@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_jpegtran_agrees(files, picture, tmp_path, subsampling, mode, size, clockwise):
    """It refuses what is refused here, and else finds the same coefficients."""
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    source.write_bytes(jpeg(files, picture.resize(size).convert(mode), subsampling=subsampling))
    command = ["jpegtran", "-rotate", str(clockwise), "-perfect", "-outfile", str(target), str(source)]
    perfect = subprocess.run(command, capture_output=True, check=False).returncode == 0
    ours = turn_coefficients(source.read_bytes(), {90: 6, 180: 3, 270: 8}[clockwise])
    assert (ours is not None) == perfect
    if ours is not None:
        theirs = coefficients(target.read_bytes(), tmp_path)
        for one, other in zip(coefficients(ours, tmp_path), theirs, strict=True):
            assert np.array_equal(one, other)
        assert Image.open(BytesIO(ours)).quantization == Image.open(BytesIO(target.read_bytes())).quantization


def test_pixels_turn_with_everything_else_of_the_file(files, picture):
    data = with_camera_exif(files, picture, 6, 6)
    turned = PhotoFile.open(data).with_pixels(0)
    assert turned.lossless
    assert turned.data.endswith(b"the film")
    before, after = (Image.open(BytesIO(one)) for one in (data, turned.data))
    assert (before.size, after.size) == ((80, 48), (48, 80))
    assert after.info["icc_profile"] == before.info["icc_profile"]
    assert after.info["comment"] == before.info["comment"]
    exif, thumbnails = after.getexif(), after.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert (exif[274], thumbnails[274]) == (1, 1)
    assert exif.get_ifd(0x8769) == {0xA002: 480, 0xA003: 640}
    start = turned.data.index(b"Exif\0\0") + 6 + thumbnails[0x0201]
    thumbnail = Image.open(BytesIO(turned.data[start : start + thumbnails[0x0202]]))
    assert thumbnail.size == (16, 32)
    assert np.abs(np.asarray(thumbnail, int) - np.asarray(after.resize((16, 32)), int)).mean() < 8


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_what_cannot_turn_without_loss_keeps_its_tables(files, picture, subsampling, mode):
    data = jpeg(files, picture.resize((75, 45)).convert(mode), quality=70, subsampling=subsampling, icc_profile=b"icc")
    for clockwise in (90, 180, 270):
        turned = PhotoFile.open(data).with_pixels(clockwise)
        assert not turned.lossless
        after, before = Image.open(BytesIO(turned.data)), Image.open(BytesIO(data))
        assert (after.mode, after.info["icc_profile"]) == (before.mode, b"icc")
        for number, table in before.quantization.items():
            expected = np.reshape(table, (8, 8)) if clockwise == 180 else np.reshape(table, (8, 8)).T
            assert np.array_equal(np.reshape(after.quantization[number], (8, 8)), expected)
        assert len(turned.data) < 1.5 * len(data)
        expected = files.turned(files.shown(data), clockwise).astype(int)
        assert np.abs(files.stored(turned.data) - expected).mean() < 5


def test_an_adobe_rgb_jpeg_keeps_its_colours(files, picture):
    """Its colours are coded as RGB, and a marker says so; coded anew they are YCbCr."""
    for size in ((80, 48), (75, 45)):
        data = jpeg(files, picture.resize(size), quality=90, keep_rgb=True)
        turned = PhotoFile.open(data).with_pixels(180)
        assert turned.lossless == (size == (80, 48))
        expected = files.turned(files.shown(data), 180).astype(int)
        assert np.abs(files.stored(turned.data) - expected).mean() < 3


def test_a_broken_thumbnail_stays_as_it_is(files, picture):
    exif = files.exif_with_thumbnail(b"no thumbnail", 6, None)
    turned = PhotoFile.open(jpeg(files, picture, exif=b"Exif\0\0" + exif)).with_pixels(90)
    assert b"no thumbnail" in turned.data


def test_pictures_behind_the_first_are_not_lost(files, picture):
    """Stereo pairs are refused; of a photo with a gain map, which counts as one picture, the tag alone changes."""
    several = files.encode(picture, "MPO", save_all=True, append_images=[picture.rotate(180)])
    with pytest.raises(UnsupportedImageError, match="2 pictures"):
        PhotoFile.open(several)
    gain_map = several.replace(b"Exif", b"Fixe")
    xmp = b'<x hdrgm:Version="1.0"/>'
    segment = b"\xff\xe1" + (len(xmp) + 31).to_bytes(2, "big") + b"http://ns.adobe.com/xap/1.0/\0" + xmp
    photo = PhotoFile.open(gain_map[:2] + segment + gain_map[2:])
    assert photo.retagged(90).endswith(gain_map[-1000:])
    with pytest.raises(UnsupportedImageError, match="further pictures"):
        photo.with_pixels(90)


def test_generations_of_turns_lose_nothing(files, picture):
    data = jpeg(files, picture, quality=60)
    turns = [data]
    for _ in range(8):
        turns.append(PhotoFile.open(turns[-1]).with_pixels(90).data)
    assert np.array_equal(files.stored(turns[8]), files.stored(data))
    assert all(files.stored(one).shape != files.stored(other).shape for one, other in pairwise(turns))


def test_a_file_of_many_scans_is_left_to_pillow(files, picture):
    """Each scan would hold the interpreter for as long as it takes to go over the picture."""
    data = jpeg(files, picture, progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:-2] + data[last:-2] * 64 + data[-2:]
    with pytest.raises(RuntimeError, match="scans"):
        turn_coefficients(many, 6)


def test_tables_that_are_not_used_do_no_harm(files, picture):
    data = jpeg(files, picture)
    table = b"\xff\xdb\x00\x43\x03" + bytes(range(1, 65))
    at = data.index(b"\xff\xdb")
    turned = turn_coefficients(data[:at] + table + data[at:], 6)
    assert Image.open(BytesIO(turned)).quantization == Image.open(BytesIO(turn_coefficients(data, 6))).quantization
    assert np.array_equal(files.stored(turned), files.stored(turn_coefficients(data, 6)))


def test_a_jpeg_of_no_coefficients_is_left_to_pillow(files, picture):
    data = jpeg(files, picture)
    lossless = data.replace(b"\xff\xc0", b"\xff\xc3")
    with pytest.raises(RuntimeError, match="no frame"):
        turn_coefficients(lossless, 6)


def test_a_bomb_in_the_place_of_a_thumbnail_stays_as_it_is(files, picture):
    """It says that it has four gigapixels."""
    thumbnail = bytearray(jpeg(files, picture.resize((16, 16))))
    frame = thumbnail.index(b"\xff\xc0")
    thumbnail[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    data = jpeg(files, picture, exif=b"Exif\0\0" + files.exif_with_thumbnail(bytes(thumbnail), 6, 6))
    turned = PhotoFile.open(data).with_pixels(0)
    assert bytes(thumbnail) in turned.data
    assert Image.open(BytesIO(turned.data)).size == (48, 80)


def test_a_wrong_tag_is_taken_back_and_so_is_the_thumbnail_s(files, picture):
    data = with_camera_exif(files, picture, 6, 6)
    turned = PhotoFile.open(data).with_pixels(270)
    assert turned.lossless
    exif = Image.open(BytesIO(turned.data)).getexif()
    assert (exif[274], exif.get_ifd(ExifTags.IFD.IFD1)[274]) == (1, 1)
    assert np.array_equal(files.stored(turned.data), files.stored(data))
