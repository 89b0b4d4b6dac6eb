from dataclasses import replace

import pytest
from PIL import Image

from models.errors import SplitLeakError
from training.photos.leakage import check_leakage
from training.photos.manifest import Manifest
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION


@pytest.fixture
def planted(tmp_path, crops) -> Manifest:
    """Twelve photos, and near-duplicates of two: saved again as JPEG, and a little brighter."""
    for index, crop in enumerate(crops[:96:8]):
        crop.resize((256, 256)).save(tmp_path / f"{index:02}.png")
    Image.open(tmp_path / "03.png").save(tmp_path / "copy.jpg", quality=60)
    Image.open(tmp_path / "05.png").point(lambda value: min(255, value + 6)).save(tmp_path / "brighter.png")
    return scan([tmp_path], ORIENTATION)


def edited(manifest: Manifest, **splits: str) -> Manifest:
    """What a person may do by hand: a photo gets a split and a group of its own."""
    photos = tuple(
        replace(photo, split=splits[name], group=f"by hand {name}") if (name := _stem(photo.path)) in splits else photo
        for photo in (replace(photo, split="train") for photo in manifest.photos)
    )
    return replace(manifest, photos=photos)


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].partition(".")[0]


def test_a_scan_groups_the_planted_ones(planted):
    groups = {_stem(photo.path): photo.group for photo in planted.photos}
    assert groups["copy"] == groups["03"]
    assert groups["brighter"] == groups["05"]
    check_leakage(planted)


@pytest.mark.parametrize("name", ["copy", "brighter"])
def test_near_duplicates_that_were_put_into_other_groups_are_found(planted, name):
    moved = edited(planted, **{name: "test"})
    moved.check_splits()
    with pytest.raises(SplitLeakError, match=rf"1 pair.*{name}.*(test).*"):
        check_leakage(moved)


def test_different_groups_in_one_split_do_no_harm(planted):
    check_leakage(edited(planted, copy="train", brighter="train"))


def test_unlike_photos_may_cross(planted):
    check_leakage(edited(planted, **{"07": "test", "08": "validation"}))


def test_a_group_across_splits_is_found_first(planted):
    whole = replace(planted, photos=tuple(replace(photo, group="g", split="train") for photo in planted.photos))
    torn = replace(whole, photos=(replace(whole.photos[0], split="test"), *whole.photos[1:]))
    with pytest.raises(SplitLeakError, match="1 group"):
        check_leakage(torn)


def test_train_refuses_an_edited_manifest_unless_told(tmp_path, planted, workshop, loupe_train):
    labelled = tuple(
        replace(photo, label=str(index % 2)) for index, photo in enumerate(edited(planted, copy="test").photos)
    )
    replace(planted, photos=labelled).write(tmp_path / "edited.csv")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(workshop.recipe_text)
    run = ["train", recipe, tmp_path / "edited.csv", "--run", tmp_path / "run"]
    refused = loupe_train(*run)
    assert refused.exit_code == 1
    assert "near-duplicates in different groups and splits" in refused.stderr
    assert "near-duplicates" not in loupe_train(*run, "--allow-leaks").stderr, "it goes on, to find too few photos"
