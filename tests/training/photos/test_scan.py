import csv
import hashlib
import os
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from models.errors import ManifestError, SplitLeakError, TrainingError
from training.photos.manifest import Manifest, Photo, split_of
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION, SELFIE, task_named

FOLDERS = task_named("folders")


def by_name(manifest: Manifest) -> dict[str, Photo]:
    return {Path(photo.path).stem: photo for photo in manifest.photos}


def with_facts(folder: Path, *rows: dict[str, str]) -> None:
    """Writes the ``manifest.csv`` that a data set tells about itself."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", *sorted({name for row in rows for name in row} - {"file"})])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def album(tmp_path, photographs) -> Path:
    """cats/chelsea.png and others/{china,flower,rocket}.jpg, others/deep/coffee.png."""
    for name, place in {
        "chelsea": "cats/chelsea.png",
        "china": "others/china.jpg",
        "flower": "others/flower.jpg",
        "rocket": "others/rocket.JPG",
        "coffee": "others/deep/coffee.png",
    }.items():
        path = tmp_path / "album" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photographs[name])
    return tmp_path / "album"


def test_each_photo_is_described(album, photographs):
    (album / "notes.txt").write_text("no photo")
    photos = by_name(scan([album], FOLDERS))
    assert sorted(photos) == ["chelsea", "china", "coffee", "flower", "rocket"]
    china = photos["china"]
    digest = hashlib.sha256(photographs["china"]).hexdigest()
    assert china.sha256 == digest
    assert china.bytes == len(photographs["china"])
    assert (china.width, china.height) == (640, 427)
    assert (china.group, china.split) == (digest[:16], split_of(digest[:16]))
    assert (china.source, china.licence) == ("album", "unknown")
    assert {name: photo.label for name, photo in photos.items()} == {
        "chelsea": "cats",
        "china": "others",
        "flower": "others",
        "rocket": "others",
        "coffee": "others",
    }
    assert len({photo.group for photo in photos.values()}) == 5


def test_labels_made_by_turning_need_no_folders(album):
    assert {photo.label for photo in scan([album], ORIENTATION).photos} == {""}


def test_near_duplicates_fall_in_one_group(album, photographs, crops):
    china = Image.open(album / "others/china.jpg")
    china.save(album / "others/reencoded.jpg", quality=60)
    china.resize((500, 333), Image.Resampling.LANCZOS).save(album / "others/resized.png")
    ImageEnhance.Brightness(china).enhance(1.08).save(album / "others/brightened.jpg", quality=90)
    (album / "others/copied.jpg").write_bytes(photographs["china"])
    for index, crop in enumerate(crops[::20]):
        crop.save(album / f"others/other{index}.png")
    photos = by_name(scan([album], FOLDERS))
    copies = {"china", "reencoded", "resized", "brightened", "copied"}
    assert {name for name, photo in photos.items() if photo.group == photos["china"].group} == copies
    assert len({photo.split for name, photo in photos.items() if name in copies}) == 1


def test_what_a_data_set_says_of_itself_is_honoured(album, caplog):
    with_facts(
        album,
        {"file": "cats/chelsea.png", "source": "zoo", "licence": "CC0", "cluster": "x", "label": "tabby"},
        {"file": "others/deep/coffee.png", "cluster": "x"},
        {"file": "others/gone.jpg", "cluster": "x"},
    )
    photos = by_name(scan([album], FOLDERS))
    assert caplog.messages == [f"rows of {album}/manifest.csv that name no photo: others/gone.jpg"]
    chelsea, coffee = photos["chelsea"], photos["coffee"]
    assert (chelsea.source, chelsea.licence, chelsea.label) == ("zoo", "CC0", "tabby")
    assert (coffee.source, coffee.licence, coffee.label) == ("album", "unknown", "others")
    assert chelsea.group == coffee.group == min(chelsea.sha256, coffee.sha256)[:16]
    assert len({photo.group for photo in photos.values()}) == 4


def test_rows_that_name_no_photo_are_told(album, caplog):
    with_facts(album, {"file": "./cats/chelsea.png", "label": "tabby"}, {"file": "cats\\chelsea.png", "label": "lion"})
    assert by_name(scan([album], FOLDERS))["chelsea"].label == "tabby"
    assert caplog.messages == [f"rows of {album}/manifest.csv that name no photo: cats\\chelsea.png"]


def test_a_spreadsheet_s_byte_order_mark_hides_no_column(album, tmp_path):
    (album / "manifest.csv").write_text("file,label,licence\ncats/chelsea.png,tabby,CC0\n", encoding="utf-8-sig")
    listed = scan([album], FOLDERS)
    chelsea = by_name(listed)["chelsea"]
    assert (chelsea.label, chelsea.licence) == ("tabby", "CC0")
    listed.write(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text((tmp_path / "list.csv").read_text(), encoding="utf-8-sig")
    assert by_name(Manifest.read(tmp_path / "list.csv"))["chelsea"].label == "tabby"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"file;label\ncats/chelsea.png;tabby\n", r"has no column `file` to say of which; it has: file;label \(commas"),
        (b"path,label\ncats/chelsea.png,tabby\n", r"has no column `file` to say of which; it has: path, label \("),
        (
            b'file,label\ncats/chelsea.png,"tabby\nothers/china.jpg,x\n',
            r"line 2: unexpected end of data; are its quotation",
        ),
        (b"", r"has no column `file` to say of which; it has: nothing"),
        (b"file,label\ncats/chelsea.png,K\xe4tzchen\n", r"manifest.csv is not UTF-8: its byte 30 is 0xe4; save it as"),
    ],
)
def test_what_a_data_set_says_of_itself_is_not_overlooked(album, text, sentence):
    (album / "manifest.csv").write_bytes(text)
    with pytest.raises(TrainingError, match=sentence):
        scan([album], FOLDERS)


def test_a_list_of_ours_among_the_photos_says_nothing_of_them(album, monkeypatch):
    monkeypatch.chdir(album)
    first = scan([Path()], FOLDERS)
    first.write(Path("manifest.csv"))
    assert scan([Path()], FOLDERS) == first


def test_linked_folders_are_looked_through_once(album, tmp_path, photographs, caplog):
    """A label on another disk, a way back up, and a second way to a label."""
    away = tmp_path / "disk/dogs"
    (away / "deep").mkdir(parents=True)
    (away / "deep/astronaut.png").write_bytes(photographs["astronaut"])
    (album / "dogs").symlink_to(away)
    (away / "deep/up").symlink_to(album)
    (away / "deep/round").symlink_to(away)
    (album / "others/more").symlink_to("../cats")
    (album / "others/lost.jpg").symlink_to(tmp_path / "no disk/lost.jpg")
    photos = by_name(scan([album], FOLDERS))
    assert {name: photo.label for name, photo in photos.items()} == {
        "chelsea": "cats",
        "astronaut": "dogs",
        "china": "others",
        "coffee": "others",
        "flower": "others",
        "rocket": "others",
    }
    assert caplog.messages == [
        "left out, as these links lead to folders that are looked through anyway: "
        "dogs/deep/round, dogs/deep/up, others/more",
        "left out, as these links lead nowhere: others/lost.jpg",
    ]


def test_a_label_that_is_no_text_is_told(album, photographs, caplog):
    folder = album / os.fsdecode(b"K\xe4tzchen")
    folder.mkdir()
    (folder / "astronaut.png").write_bytes(photographs["astronaut"])
    assert "astronaut" not in by_name(scan([album], FOLDERS))
    assert caplog.messages[0].endswith("K\N{REPLACEMENT CHARACTER}tzchen/astronaut.png: its folder's name is not UTF-8")


def test_photos_added_later_move_no_others(tmp_path, crops):
    """Each of the crops gets a brighter near-duplicate later, which may well have the smaller digest."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, crop in enumerate(crops[::8]):
        crop.save(folder / f"{index}.png")
    first = scan([folder], ORIENTATION)
    for index, crop in enumerate(crops[::8]):
        ImageEnhance.Brightness(crop).enhance(1.02).save(folder / f"{index}-brighter.png")
    for index, crop in enumerate(crops[1::16]):
        crop.save(folder / f"new{index}.png")
    known, later = by_name(first), by_name(scan([folder], ORIENTATION, known=first))
    assert {name: (later[name].group, later[name].split) for name in known} == {
        name: (photo.group, photo.split) for name, photo in known.items()
    }
    followed = [name for name in known if f"{name}-brighter" in later]
    assert len(followed) > len(known) / 2
    smaller = [name for name in followed if later[f"{name}-brighter"].sha256 < later[name].sha256]
    assert smaller, "without `known` these would have renamed their groups"
    assert any(by_name(scan([folder], ORIENTATION))[name].group != known[name].group for name in smaller)


def test_a_photo_that_would_join_two_known_groups_is_left_out(album, workshop):
    first = scan([album], FOLDERS)
    with_facts(
        album,
        {"file": "cats/chelsea.png", "cluster": "one"},
        {"file": "others/china.jpg", "cluster": "one"},
        {"file": "others/bridge.png", "cluster": "one"},
    )
    Image.new("RGB", (80, 80), "red").save(album / "others/bridge.png")
    later = by_name(scan([album], FOLDERS, known=first))
    assert "bridge" not in later
    assert {name: photo.group for name, photo in later.items()} == {
        name: photo.group for name, photo in by_name(first).items()
    }


def test_broken_and_unreadable_photos_are_left_out_and_named(album, photographs, caplog):
    (album / "others/cut.jpg").write_bytes(photographs["china"][:5000])
    (album / "others/forbidden.jpg").symlink_to("/proc/self/mem")  # a file that even root cannot read from its start
    manifest = scan([album], FOLDERS)
    cut, forbidden = caplog.messages
    assert cut.startswith(f"left out: {album}/others/cut.jpg: the JPEG image cannot be decoded: ")
    assert forbidden == f"left out: {album}/others/forbidden.jpg: Input/output error"
    assert sorted(by_name(manifest)) == ["chelsea", "china", "coffee", "flower", "rocket"]


def test_hidden_and_loose_files_and_other_kinds_are_left_out_and_named(album, photographs, caplog):
    """Such as notebooks leave behind: three labels more, and a model that is published."""
    for name in (".ipynb_checkpoints/chelsea-checkpoint.png", "cats/.thumbs/x.png", "loose.png", "cats/._x.png"):
        (album / name).parent.mkdir(exist_ok=True)
        (album / name).write_bytes(photographs["chelsea"])
    for name in ("notes.txt", "cats/raw.CR2", "cats/other.cr2"):
        (album / name).write_bytes(b"")
    (album / "dogs").mkdir()
    photos = by_name(scan([album], FOLDERS))
    assert {photo.label for photo in photos.values()} == {"cats", "others"}
    assert len(photos) == 5
    assert caplog.messages == [
        "left out, as they are hidden: .ipynb_checkpoints/chelsea-checkpoint.png, cats/._x.png, cats/.thumbs/x.png",
        "left out, as they are no photos: 1 .txt, 2 .cr2",
        "left out, as they lie in no label's folder: loose.png",
        "no label, as there is no photo in the folder: dogs",
    ]


def test_where_labels_are_made_by_turning_loose_photos_count(album, photographs, caplog):
    (album / "loose.png").write_bytes(photographs["astronaut"])
    (album / "empty").mkdir()
    assert len(scan([album], ORIENTATION).photos) == 6
    assert caplog.messages == []


def test_a_photo_whose_label_is_written_down_may_lie_anywhere(album, photographs, caplog):
    (album / "loose.png").write_bytes(photographs["astronaut"])
    with_facts(album, {"file": "loose.png", "label": "people"})
    assert by_name(scan([album], FOLDERS))["loose"].label == "people"
    assert caplog.messages == []


def test_what_phones_store_is_read(album, heic):
    (album / "cats/phone.HEIC").write_bytes(heic)
    photo = by_name(scan([album], FOLDERS))["phone"]
    assert (photo.label, photo.width, photo.height) == ("cats", 64, 48)


def test_many_unreadable_files_are_counted(album, caplog):
    for index in range(23):
        (album / f"cats/{index:02}.jpg").write_bytes(b"")
    scan([album], FOLDERS)
    assert len(caplog.messages) == 21
    assert caplog.messages[-1] == "left out: 3 more files that cannot be read"


@pytest.fixture
def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    image, buffer = Image.radial_gradient("L").resize((64, 48)).convert("RGB"), BytesIO()
    pillow_heif.from_pillow(image).save(buffer)
    return buffer.getvalue()


def test_nothing_to_read_is_told(tmp_path):
    with pytest.raises(ManifestError, match=r"there is no folder .*/none$"):
        scan([tmp_path / "none"], FOLDERS)
    with pytest.raises(ManifestError, match=r"^there is no photo under .*; each label has a folder in it$"):
        scan([tmp_path], FOLDERS)
    with pytest.raises(ManifestError, match=r"^there is no photo under [^;]*$"):
        scan([tmp_path], ORIENTATION)


def test_several_folders_are_several_sources(album, tmp_path, photographs):
    second = tmp_path / "second/cats"
    second.mkdir(parents=True)
    (second / "astronaut.png").write_bytes(photographs["astronaut"])
    photos = by_name(scan([album, second.parent], FOLDERS))
    assert (photos["astronaut"].source, photos["chelsea"].source) == ("second", "album")
    assert photos["astronaut"].label == photos["chelsea"].label == "cats"


def test_a_foreign_test_split_is_kept_and_only_that(tmp_path, crops):
    for index, crop in enumerate(crops[:120]):
        path = tmp_path / f"selfie/{index:03}.png"
        path.parent.mkdir(exist_ok=True)
        crop.save(path)
    rows = [{"file": f"selfie/{index:03}.png", "split": "test" if index % 5 == 0 else "train"} for index in range(120)]
    with_facts(tmp_path, *rows)
    photos = by_name(scan([tmp_path], SELFIE, own_splits=True))
    assert {int(name) for name, photo in photos.items() if photo.split == "test"} == set(range(0, 120, 5))
    assert {photo.split for photo in photos.values()} == {"train", "validation", "calibration", "test"}
    without = by_name(scan([tmp_path], SELFIE))
    assert all(photo.split == split_of(photo.group) for photo in without.values())


def test_a_foreign_test_split_that_leaks_is_found(album, tmp_path):
    shutil.copy(album / "others/china.jpg", album / "others/again.jpg")
    with_facts(album, {"file": "others/china.jpg", "split": "test"}, {"file": "others/again.jpg", "split": "train"})
    with pytest.raises(SplitLeakError, match=r"china.jpg"):
        scan([album], FOLDERS, own_splits=True).check_splits()


def test_the_paths_lead_to_the_files_from_wherever_the_manifest_lies(album, tmp_path, monkeypatch):
    monkeypatch.chdir(album.parent)
    scan([Path("album")], FOLDERS).write(tmp_path / "lists/manifest.csv")
    monkeypatch.chdir("/")
    manifest = Manifest.read(tmp_path / "lists/manifest.csv")
    assert all(manifest.file(photo).is_file() for photo in manifest.photos)


def test_the_stored_size_is_given_whatever_exif_says(tmp_path, photographs):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a/turned.jpg", exif=exif)
    [photo] = scan([tmp_path], FOLDERS).photos
    assert (photo.width, photo.height) == (60, 40)
