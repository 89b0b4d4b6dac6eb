"""HEIC and AVIF, turned by their containers."""

import json
import shutil
import struct
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.errors import UndecodableImageError, UnsupportedImageError
from models.heif import open_heif
from serving.upright.formats.boxes import items
from serving.upright.photo_file import PhotoFile

pytest.importorskip("pillow_heif", reason="needs the extra heif")


def avif(files, picture: Image.Image, orientation: int | None) -> bytes:
    """Pillow writes the orientation as irot and imir."""
    return files.encode(picture, "AVIF", orientation, quality=100, subsampling="4:4:4")


def heic(
    picture: Image.Image, angle: int | None = 0, *, exif: Image.Exif | None = None, xmp: bytes | None = None
) -> bytes:
    """With a turn of its own, as phones write it: a property that the picture has, and its size as a free box."""
    from pillow_heif import from_pillow

    made = BytesIO()
    file = from_pillow(picture)
    file.save(
        made, quality=90, **({} if exif is None else {"exif": exif.tobytes()}), **({} if xmp is None else {"xmp": xmp})
    )
    data = made.getvalue()
    return data if angle is None else with_turn(data, angle)


def with_turn(data: bytes, angle: int) -> bytes:
    """Adds an irot property, and moves what lies behind the boxes."""
    grown = 9 + 1
    file = bytearray(data)
    ipma = file.index(b"ipma")
    count_at = ipma + 4 + 4 + 4 + 2
    file.insert(count_at + 1 + file[count_at], 0x80 | len(items(data).properties) + 1)
    file[count_at] += 1
    ipco = file.index(b"ipco")
    (size,) = struct.unpack_from(">I", file, ipco - 4)
    file[ipco - 4 + size : ipco - 4 + size] = struct.pack(">I4sB", 9, b"irot", angle)
    for kind, more in ((b"ipma", 1), (b"ipco", 9), (b"iprp", grown), (b"meta", grown)):
        at = file.index(kind) - 4
        struct.pack_into(">I", file, at, struct.unpack_from(">I", file, at)[0] + more)
    iloc = file.index(b"iloc") + 4
    (count,) = struct.unpack_from(">H", file, iloc + 6)
    for item in range(count):  # of 4 bytes each: a base, and an offset from it
        at = iloc + 8 + 18 * item + 4
        struct.pack_into(">I", file, at, struct.unpack_from(">I", file, at)[0] + grown)
    return bytes(file)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_an_avif_turns_by_its_container(files, picture, orientation, clockwise):
    """Mirrored ones too; not one byte moves. Of 2 and 4 the container tells no turn, but a mirror."""
    data = avif(files, picture, orientation)
    if orientation in (2, 4) and b"irot" not in data:
        with pytest.raises(UnsupportedImageError, match="no turn"):
            PhotoFile.open(data).retagged(clockwise)
        return
    after = PhotoFile.open(data).retagged(clockwise)
    assert len(after) == len(data)
    assert sum(one != other for one, other in zip(after, data, strict=True)) == 1
    assert np.array_equal(files.shown(after), files.turned(files.shown(data), clockwise))


@pytest.mark.parametrize("angle", range(4))
@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_a_heic_turns_by_its_container(files, picture, angle, clockwise):
    data = heic(picture, angle)
    before = files.shown(data)
    assert before.shape[:2] == ((48, 80) if angle % 2 == 0 else (80, 48))
    after = PhotoFile.open(data).retagged(clockwise)
    assert sum(one != other for one, other in zip(after, data, strict=True)) == 1
    assert np.array_equal(files.shown(after), files.turned(before, clockwise))
    assert PhotoFile.open(after).media_type == "image/heic"


def test_four_turns_end_where_they_began(picture):
    data = start = heic(picture, 3)
    for _ in range(4):
        data = PhotoFile.open(data).retagged(90)
    assert data == start


@pytest.mark.parametrize(("told", "then"), [(6, 3), (1, 1)])
def test_exif_and_xmp_that_repeat_the_turn_go_on_doing_so(files, picture, told, then):
    """A phone's say what the container says; libheif's say 1, whatever that is."""
    exif = Image.Exif()
    exif[274], exif[305] = told, "Loupe's tests"
    data = heic(picture, exif=exif, xmp=files.xmp_packet % told)
    data = with_own_tag(data.replace(struct.pack(">I4sB", 9, b"irot", 0), struct.pack(">I4sB", 9, b"irot", 3)), told)
    after = PhotoFile.open(data).retagged(90)
    block = after[after.rindex(b"Exif\0\0") + 6 :]
    told_after = Image.Exif()
    told_after.load(block[: block.index(b"Loupe's tests") + 20])
    assert told_after[274] == then
    assert files.xmp_packet % then in after


def with_own_tag(data: bytes, orientation: int) -> bytes:
    """pillow-heif writes 1 in any case."""
    order = ">" if b"Exif\0\0MM" in data else "<"
    entry = struct.pack(order + "HHI", 274, 3, 1)
    at = data.index(entry) + len(entry)
    return data[:at] + struct.pack(order + "H", orientation) + data[at + 2 :]


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_what_tells_no_turn_gets_one(files, picture, clockwise):
    """As most AVIFs are. What lies behind the boxes moves, and none of it changes; another turn moves nothing."""
    exif = Image.Exif()
    exif[305] = "Loupe's tests"
    for data in (heic(picture, None, exif=exif), avif(files, picture, None)):
        assert b"irot" not in data
        after = PhotoFile.open(data).retagged(clockwise)
        assert np.array_equal(files.shown(after), files.turned(files.shown(data), clockwise))
        assert len(after) == len(data) + 9 + 1
        coded = items(data).places[items(data).primary]
        moved = items(after).places[items(after).primary]
        assert data[coded.start :][: coded.size] == after[moved.start :][: moved.size]
        back = PhotoFile.open(after).retagged(360 - clockwise)
        assert len(back) == len(after)
        assert np.array_equal(files.shown(back), files.shown(data))


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_exiftool_reads_a_turn_that_was_added(picture, tmp_path):
    exif = Image.Exif()
    exif[305] = "Loupe's tests"
    path = tmp_path / "photo.heic"
    path.write_bytes(PhotoFile.open(heic(picture, None, exif=exif)).retagged(90))
    command = ["exiftool", "-j", "-n", "-Rotation", "-Software", "-Warning", "-Error", str(path)]
    [told] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told == {"SourceFile": str(path), "Rotation": 270, "Software": "Loupe's tests"}


def without_turns(data: bytes, kind: bytes = b"free") -> bytes:
    """As many properties as there were, none of them a turn."""
    return data.replace(b"irot", kind)


def test_a_turn_that_is_added_is_its_thumbnail_s_and_maps_too():
    kinds = {1: b"grid", 2: b"hvc1", 3: b"hvc1", 4: b"tmap", 5: b"hvc1", 6: b"hvc1", 7: b"hvc1"}
    refers = [(b"dimg", 1, [6]), (b"thmb", 2, [1]), (b"dimg", 4, [1, 3]), (b"auxl", 5, [1])]
    has = {1: 1, 2: 2, 3: 3, 4: 1, 5: 4, 7: 5}
    after = PhotoFile(without_turns(items_of_several(kinds, has, refers)), "HEIF", 1).retagged(90)
    assert angles(after) == [3]
    turned = {item for item, numbers in items(after).has.items() if 6 in numbers}
    assert turned == {1, 2, 3, 4, 5}


def test_where_a_turn_cannot_be_added_the_photo_is_left_alone():
    two, alone = {1: b"hvc1", 2: b"hvc1"}, {1: 1}
    thumbnail = [(b"thmb", 2, [1])]
    plain = without_turns(items_of_several(two, alone, []))
    large = items_of_several(two, {1: 1}, [])
    for data in (
        without_turns(items_of_several(two, alone, thumbnail)),  # whose thumbnail has no properties
        without_turns(items_of_several(two, {1: 1, 2: 1}, thumbnail), b"imir"),  # mirrored
        without_turns(items_of_several(two, {1: 1, 2: 127}, [])),  # 127 properties: a byte can name no more
        plain + box(b"moov"),  # a film, whose places would have to move
        large.replace(b"irot", b"free") + box(b"moof"),
    ):
        with pytest.raises(UnsupportedImageError, match="no turn of its own"):
            PhotoFile(data, "HEIF", 1).retagged(90)
    assert angles(PhotoFile(plain, "HEIF", 1).retagged(90)) == [3]


@pytest.mark.parametrize(
    ("version", "sizes", "item", "expected"),
    [
        (0, b"\x44\x00", struct.pack(">HHHII", 1, 0, 1, 500, 9), struct.pack(">HHHII", 1, 0, 1, 510, 9)),
        (0, b"\x44\x40", struct.pack(">HHIHII", 1, 0, 400, 1, 100, 9), struct.pack(">HHIHII", 1, 0, 400, 1, 110, 9)),
        (0, b"\x04\x40", struct.pack(">HHIHI", 1, 0, 500, 1, 9), struct.pack(">HHIHI", 1, 0, 510, 1, 9)),
        (1, b"\x44\x00", struct.pack(">HHHHII", 1, 1, 0, 1, 500, 9), None),  # in a box
        (2, b"\x84\x00", struct.pack(">IHHHQI", 1, 0, 0, 1, 500, 9), struct.pack(">IHHHQI", 1, 0, 0, 1, 510, 9)),
        (0, b"\x44\x00", struct.pack(">HHHII", 1, 0, 1, 20, 9), None),  # before the boxes
    ],
)
def test_places_move_in_every_form(version, sizes, item, expected):
    one = struct.pack(">I" if version > 1 else ">H", 1)
    iloc = box(b"iloc", bytes([version, 0, 0, 0]), sizes, one, item)
    bare = without_turns(items_of_several({1: b"hvc1"}, {1: 1}, []))
    at, end = bare.index(b"iloc") - 4, len(bare)
    meta = bare.index(b"meta") - 4
    data = bytearray(bare[:at] + iloc)
    struct.pack_into(">I", data, meta, len(data) - meta)
    data += box(b"mdat", bytes(600))
    after = PhotoFile(bytes(data), "HEIF", 1).retagged(90)
    assert end < len(data) < len(after)
    assert (item if expected is None else expected) in after[after.index(b"iloc") :]


@pytest.mark.parametrize("item", [struct.pack(">HHHII", 1, 1, 1, 500, 9), struct.pack(">HHHII", 1, 0, 1, 2**32 - 5, 9)])
def test_a_place_in_another_file_or_without_room_is_told(item):
    bare = without_turns(items_of_several({1: b"hvc1"}, {1: 1}, []))
    iloc = box(b"iloc", bytes(4), b"\x44\x00", struct.pack(">H", 1), item)
    meta, data = bare.index(b"meta") - 4, bytearray(bare[: bare.index(b"iloc") - 4] + iloc)
    struct.pack_into(">I", data, meta, len(data) - meta)
    with pytest.raises(UndecodableImageError, match="cannot be edited"):
        PhotoFile(bytes(data), "HEIF", 1).retagged(90)


def test_pixels_are_not_coded_again(picture):
    with pytest.raises(UnsupportedImageError, match="method=tag"):
        PhotoFile.open(heic(picture)).with_pixels(90)


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def items_of_several(
    kinds: dict[int, bytes], turns: dict[int, int], refers: list[tuple[bytes, int, list[int]]]
) -> bytes:
    """A file of these items, of which the first is shown; ``turns`` names the turn that each has."""
    full = bytes(4)
    infos = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", item, 0, kind), b"\0") for item, kind in kinds.items()]
    properties = [box(b"irot", bytes([0])) for _ in range(max(turns.values()))]
    has = [struct.pack(">HBB", item, 1, 0x80 | turn) for item, turn in turns.items()]
    references = [
        box(kind, struct.pack(f">HH{len(others)}H", item, len(others), *others)) for kind, item, others in refers
    ]
    meta = box(
        b"meta",
        full,
        box(b"pitm", full, struct.pack(">H", 1)),
        box(b"iinf", full, struct.pack(">H", len(infos)), *infos),
        box(b"iref", full, *references),
        box(b"iprp", box(b"ipco", *properties), box(b"ipma", full, struct.pack(">I", len(has)), *has)),
        box(b"iloc", full, b"\x44\x40", struct.pack(">H", 0)),
    )
    return box(b"ftyp", b"heic", full) + meta


def angles(data: bytes) -> list[int]:
    return [data[at + 4] for at in range(len(data)) if data[at : at + 4] == b"irot"]


def test_a_thumbnail_and_the_maps_of_a_picture_turn_with_it_and_no_other_picture_does():
    kinds = {1: b"grid", 2: b"hvc1", 3: b"hvc1", 4: b"tmap", 5: b"hvc1", 6: b"hvc1", 7: b"hvc1"}
    refers = [(b"dimg", 1, [6]), (b"thmb", 2, [1]), (b"dimg", 4, [1, 3]), (b"auxl", 5, [1])]
    data = items_of_several(kinds, {1: 1, 2: 2, 3: 3, 4: 1, 5: 4, 7: 5}, refers)
    assert angles(PhotoFile(data, "HEIF", 1).retagged(90)) == [3, 3, 3, 3, 0]


def test_a_turn_that_another_picture_shares_is_left_alone():
    data = items_of_several({1: b"hvc1", 2: b"hvc1"}, {1: 1, 2: 1}, [])
    with pytest.raises(UnsupportedImageError, match="no turn of its own"):
        PhotoFile(data, "HEIF", 1).retagged(90)


def test_broken_boxes_are_told_in_one_sentence(picture):
    data = heic(picture)
    generator = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(data)
        for _ in range(generator.integers(1, 4)):
            broken[generator.integers(30, 430)] = generator.integers(0, 256)
        try:
            after = PhotoFile(bytes(broken), "HEIF", 1).retagged(90)
        except (UnsupportedImageError, UndecodableImageError):
            continue
        assert len(after) - len(data) in (0, 10)  # where what was broken is the turn


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_exiftool_reads_the_new_turn(picture, tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(PhotoFile.open(heic(picture, 0)).retagged(90))
    command = ["exiftool", "-j", "-n", "-Rotation", "-Warning", str(path)]
    [told] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["Rotation"] == 270  # anticlockwise
    assert "Warning" not in told
    assert open_heif(path.read_bytes()).size == (48, 80)
