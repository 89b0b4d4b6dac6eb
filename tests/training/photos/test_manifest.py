import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ManifestError, SplitLeakError, TrainingError, UndecodableImageError
from models.images import Size
from training.photos.manifest import SPLITS, Manifest, split_of

# What a file name, a folder or a note may hold: quotes, commas, line ends, and bytes that are no UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20)
file_names = (texts | st.binary(min_size=1, max_size=9).map(lambda data: data.decode(errors="surrogateescape"))).filter(
    lambda name: name not in (".", "..") and not set(name) & {"/", "\0"}
)
facts = st.fixed_dictionaries(
    {"path": file_names, "label": texts, "group": texts, "source": texts, "licence": texts}
    | {"split": st.sampled_from(list(SPLITS)), "bytes": st.integers(0), "width": st.integers(1)}
)


@given(st.lists(facts, max_size=5))
def test_what_is_written_is_read(workshop, tmp_path_factory, lines):
    folder = tmp_path_factory.getbasetemp() / "round_trip"
    manifest = Manifest(folder, tuple(workshop.photo(**line) for line in lines))
    manifest.write(folder / "manifest.csv")
    assert Manifest.read(folder / "manifest.csv") == manifest


def test_paths_follow_the_manifest_to_another_folder(workshop, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    manifest = Manifest(tmp_path, (workshop.photo(path="photos/a.jpg"),))
    manifest.write(tmp_path / "lists/deep/manifest.csv")
    moved = Manifest.read(tmp_path / "lists/deep/manifest.csv")
    assert moved.photos[0].path == "../../photos/a.jpg"
    assert moved.file(moved.photos[0]).is_file()


def test_paths_hold_where_the_manifest_s_folder_is_a_link(workshop, tmp_path):
    """Such as ``runs`` on a bigger disk: from there, two folders up is another place."""
    (tmp_path / "home/photos").mkdir(parents=True)
    (tmp_path / "disk/deep/runs").mkdir(parents=True)
    (tmp_path / "home/runs").symlink_to(tmp_path / "disk/deep/runs")
    (tmp_path / "home/photos/a.jpg").touch()
    (tmp_path / "home/photos/b.jpg").symlink_to("a.jpg")
    photos = tuple(workshop.photo(path=f"photos/{name}.jpg") for name in "ab")
    Manifest(tmp_path / "home", photos).write(tmp_path / "home/runs/one/manifest.csv")
    one = Manifest.read(tmp_path / "home/runs/one/manifest.csv")
    one.write(tmp_path / "home/runs/two/deep/manifest.csv")
    two = Manifest.read(tmp_path / "home/runs/two/deep/manifest.csv")
    for manifest in (one, two):
        assert all(manifest.file(photo).is_file() for photo in manifest.photos)
        assert [Path(photo.path).name for photo in manifest.photos] == ["a.jpg", "b.jpg"]


def test_a_missing_manifest_is_told(tmp_path):
    with pytest.raises(ManifestError, match=r"there is no manifest .*/none.csv; `loupe-train manifest DIR` writes one"):
        Manifest.read(tmp_path / "none.csv")


def test_a_quotation_mark_that_is_left_open_swallows_no_rows(workshop, tmp_path):
    path = tmp_path / "manifest.csv"
    Manifest(tmp_path, (workshop.photo(), workshop.photo())).write(path)
    path.write_text(path.read_text().replace(",CC0", ',"CC0', 1))
    with pytest.raises(
        TrainingError, match=r"manifest.csv, line 2: unexpected end of data; are its quotation marks in"
    ):
        Manifest.read(path)


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("path,label,group,split,sha256,bytes,width,height,source\n")
    with pytest.raises(ManifestError, match=r"lacks the columns dhash, licence$"):
        Manifest.read(path)
    path.write_text("")
    with pytest.raises(ManifestError, match="lacks the columns path, label"):
        Manifest.read(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": "wide"}, "the width is 'wide', which is no whole number"),
        ({"bytes": ""}, "the bytes is '', which is no whole number"),
        ({"split": "dev"}, "the split is 'dev'; allowed are train, validation, calibration, test"),
        ({"source": "K\udce4tzchen"}, "the source is not UTF-8"),
        ({"licence": None}, "the line has no licence"),
        ({"height": None}, "the line has no height"),
    ],
)
def test_a_bad_line_is_named(workshop, tmp_path, changes, reason):
    """A value of None and all behind it are cut off, as in a file that was not written to its end."""
    path = tmp_path / "manifest.csv"
    Manifest(tmp_path, (workshop.photo(), workshop.photo())).write(path)
    head, first, second = csv.reader(path.read_text().splitlines())
    row = dict(zip(head, second, strict=True)) | changes
    kept = [value for index, value in enumerate(row.values()) if None not in list(row.values())[: index + 1]]
    with path.open("w", newline="", errors="surrogateescape") as file:
        csv.writer(file).writerows([head, first, kept])
    with pytest.raises(ManifestError) as raised:
        Manifest.read(path)
    assert str(raised.value) == f"{path}, line 3: {reason}"


def test_splits_sources_and_leaks_are_chosen(workshop, tmp_path):
    photos = tuple(
        workshop.photo(path=path, group=group, split=split, source=source)
        for path, group, split, source in [
            ("1", "a", "train", "s"),
            ("2", "a", "test", "s"),
            ("3", "b", "train", "t"),
            ("4", "c", "validation", "t"),
        ]
    )
    manifest = Manifest(tmp_path, photos)

    def names(chosen: Manifest) -> str:
        return "".join(photo.path for photo in chosen.photos)

    assert names(manifest.split("train")) == "13"
    assert names(manifest.split("validation", "test")) == "24"
    assert manifest.leaked() == {"a"}
    assert names(manifest.without_leaks()) == "34"
    manifest.without_leaks().check_splits()
    message = r"^there are near-duplicates in several splits, 1 group of them, e.g. 1 \(train\) and 2 \(test\)$"
    with pytest.raises(SplitLeakError, match=message):
        manifest.check_splits()


def test_sources_that_are_left_out_are_what_is_tested(workshop, tmp_path):
    photos = tuple(
        workshop.photo(path=path, group=group, split=split, source=source)
        for path, group, split, source in [
            ("1", "a", "train", "new"),
            ("2", "a", "train", "known"),  # resembles a photo that is left out
            ("3", "b", "train", "known"),
            ("4", "c", "calibration", "new"),
            ("5", "d", "test", "known"),
            ("6", "e", "validation", "known"),
        ]
    )
    manifest = Manifest(tmp_path, photos)
    left = manifest.leaving_out(["new"])
    assert {photo.path: photo.split for photo in left.photos} == {
        "1": "test",
        "3": "train",
        "4": "test",
        "6": "validation",
    }
    left.check_splits()
    with pytest.raises(ManifestError, match="no photo comes from u, v"):
        manifest.leaving_out(["v", "new", "u"])


@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_smaller_shares_to_learn_from_are_parts_of_larger_ones_and_nothing_else_changes(workshop, one, other):
    groups = [f"group {number}" for number in range(400)]
    photos = tuple(workshop.photo(path=group, group=group, split=split_of(group)) for group in groups)
    manifest = Manifest(Path("a"), photos)
    smaller, larger = (manifest.learning_from(share) for share in sorted((one, other)))
    assert set(smaller.photos) <= set(larger.photos) <= set(photos)
    others = ("validation", "calibration", "test")
    assert smaller.split(*others) == manifest.split(*others)
    whole = len(manifest.split("train").photos)
    assert abs(len(larger.split("train").photos) - max(one, other) * whole) < 4 * (whole / 4) ** 0.5


def test_the_shares_are_near_75_7_8_10():
    groups = 20_000
    counts = Counter(split_of(f"group {number}") for number in range(groups))
    for name, share in {"train": 0.75, "validation": 0.07, "calibration": 0.08, "test": 0.10}.items():
        deviation = (share * (1 - share) / groups) ** 0.5
        assert abs(counts[name] / groups - share) < 4 * deviation


def test_the_digest_depends_on_pictures_labels_and_the_set_of_labels_only(workshop):
    one, other = workshop.photo(sha256="1" * 64), workshop.photo(sha256="2" * 64, label="dog")
    labels = ["cat", "dog"]
    digest = Manifest(Path("a"), (one, other)).digest(labels)
    renamed = workshop.photo(sha256="1" * 64, path="x.jpg", split="test", source="elsewhere")
    assert Manifest(Path("b"), (other, renamed)).digest(labels) == digest
    for photos, names in [
        ((one,), labels),
        ((one, workshop.photo(sha256="2" * 64)), labels),
        ((one, workshop.photo(sha256="3" * 64, label="dog")), labels),
        ((one, other), ["dog", "cat"]),
    ]:
        assert Manifest(Path("a"), photos).digest(names) != digest


def test_a_photo_is_decoded_and_a_bad_one_named(workshop, tmp_path, photographs):
    (tmp_path / "good.jpg").write_bytes(photographs["china"])
    (tmp_path / "cut.jpg").write_bytes(photographs["china"][: len(photographs["china"]) // 2])
    manifest = Manifest(tmp_path, tuple(workshop.photo(path=f"{name}.jpg") for name in ("good", "cut", "missing")))
    good, cut, missing = manifest.photos
    assert manifest.decode(good, Size(1000, 1000)).size == (640, 427)
    with pytest.raises(
        ManifestError, match=r"^cut.jpg cannot be used any more: the JPEG image cannot be decoded"
    ) as raised:
        manifest.decode(cut, Size(1, 1))
    assert isinstance(raised.value.__cause__, UndecodableImageError)
    with pytest.raises(ManifestError, match=r"^missing.jpg cannot be used any more: No such file or directory$"):
        manifest.decode(missing, Size(1, 1))
