import pytest
from PIL import Image, ImageEnhance

from models.errors import ManifestError
from training.photos.folds import dealt, drawn, joined
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import task_named

TASK = task_named("folders", ["bright", "dark"])


def photos(workshop, sizes: dict[str, tuple[int, int]]) -> list:
    return [
        workshop.photo(source=source, label=label)
        for source, counts in sizes.items()
        for label, count in zip(("cat", "dog"), counts, strict=True)
        for _ in range(count)
    ]


def test_sources_stay_whole_and_folds_are_alike(workshop):
    sizes = {f"album{n}": (n % 4, 1 + n % 7) for n in range(40)}
    hands = dealt(photos(workshop, sizes), 5)
    assert sorted(source for hand in hands for source in hand) == sorted(sizes)
    for label in (0, 1):
        counts = [sum(sizes[source][label] for source in hand) for hand in hands]
        assert max(counts) - min(counts) <= 6
    assert {len(hand) for hand in hands} == {8}


@pytest.mark.parametrize("folds", [1, 4])
def test_folds_need_sources(workshop, folds):
    with pytest.raises(ManifestError, match=f"3 sources cannot be dealt to {folds} folds"):
        dealt(photos(workshop, dict.fromkeys("abc", (1, 1))), folds)


def test_what_is_known_is_not_joined_without_a_word(folders, tmp_path, caplog):
    known = scan([folders], TASK)
    with pytest.raises(ManifestError, match=r"^each photo under .* is known already, or resembles a known one$"):
        joined(known, [folders], TASK)
    names = ", ".join(sorted(photo.path for photo in known.photos)[:5])
    assert caplog.messages == [f"left out, as they are known or resemble known ones: {names} and 115 more"]


def test_joined_photos_change_no_split_and_join_no_test(folders, tmp_path, crops):
    for label in ("bright", "dark"):
        (tmp_path / label).mkdir()
    for index, crop in enumerate(crops[100:140]):
        crop.rotate(90).save(tmp_path / "bright" / f"new{index}.png")
    old = scan([folders], TASK)
    copied = old.file(old.photos[0])
    (tmp_path / old.photos[0].label / "copy.png").write_bytes(copied.read_bytes())
    with Image.open(copied) as image:
        ImageEnhance.Brightness(image).enhance(0.9).save(tmp_path / old.photos[0].label / "darker.png")
    both = joined(old, [tmp_path], TASK)
    assert [photo.split for photo in both.photos[: len(old.photos)]] == [photo.split for photo in old.photos]
    added = both.photos[len(old.photos) :]
    assert {photo.split for photo in added} <= {"train", "validation"}
    assert not any(
        photo.path.endswith(("copy.png", "darker.png")) for photo in added
    )  # they resemble one that is known
    assert len(added) > 30
    both.write(tmp_path / "both.csv")
    assert all(Manifest.read(tmp_path / "both.csv").file(photo).exists() for photo in both.photos)


def test_a_smaller_share_of_sources_is_part_of_a_larger_one():
    sources = [f"album{number}" for number in range(40)]
    shares = [drawn(sources, share) for share in (0.25, 0.5, 1)]
    assert [len(share) for share in shares] == [10, 20, 40]
    assert shares[0] < shares[1] < shares[2]
    assert shares[0] == drawn(sources[::-1], 0.25) != frozenset(sources[:10])
