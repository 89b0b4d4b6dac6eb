from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ManifestError, TrainingError
from models.images import decode
from models.preprocessing import Preprocessing
from training.photos.augmentation import Augmentation
from training.photos.dataset import (
    Batch,
    Photos,
    load_photos,
    mixed_within_labels,
    one_hot,
    sampling_weights,
    steps_per_epoch,
    training_batches,
)
from training.photos.scan import scan
from training.photos.share import WHOLE, Share
from training.photos.tasks import ORIENTATION, SELFIE, task_named, turn_array
from training.photos.validation import SharedValidation, ValidationBatches

SMALL = Preprocessing(height=24, width=24)
SHAPE = SMALL.shape
CHANGES = Augmentation(mirror=True, min_area=0.6, max_stretch=0.3, colour=0.2, noise=0.3, jpeg=0.3)


@pytest.fixture(scope="module")
def manifest(upright_photos):
    return scan([upright_photos], ORIENTATION)


@pytest.fixture
def cached(manifest, tmp_path) -> Photos:
    return load_photos(manifest, ORIENTATION, SMALL, tmp_path)


def batches(photos: Photos, count: int, *, augmentation=CHANGES, task=ORIENTATION, size=4, seed=1, first=0) -> list:
    return list(islice(training_batches(photos, task, augmentation, SHAPE, size, seed, first), count))


def assert_same(ours: list[Batch], others: list[Batch]) -> None:
    assert len(ours) == len(others)
    for (pixels, labels), (other_pixels, other_labels) in zip(ours, others, strict=True):
        np.testing.assert_array_equal(pixels, other_pixels)
        np.testing.assert_array_equal(labels, other_labels)


@pytest.mark.parametrize("augmentation", [CHANGES, CHANGES.model_copy(update={"mixup": 0.9})], ids=["apart", "mixed"])
def test_workers_shares_together_are_the_whole_batch(workshop, augmentation):
    photos, task = workshop.halves(130, SHAPE), workshop.two_labels()

    def drawn(share: Share) -> list[Batch]:
        return list(islice(training_batches(photos, task, augmentation, SHAPE, 60, 1, share=share), 3))

    shares = zip(*(drawn(Share(number, 3)) for number in range(3)), strict=True)
    assert_same(
        drawn(WHOLE), [tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True)) for parts in shares]
    )


def test_a_batch_that_cannot_be_shared_is_told(cached):
    with pytest.raises(TrainingError, match=r"^a batch of 6 cannot be shared evenly by 4 workers$"):
        next(training_batches(cached, ORIENTATION, CHANGES, SHAPE, 64, 1, share=Share(0, 4)))


def test_photos_are_decoded_by_the_one_decoder(manifest, cached, upright_photos):
    assert (cached.pixels.shape, cached.pixels.dtype) == ((6, *SHAPE), np.uint8)
    for pixels, photo in zip(cached.pixels, manifest.photos, strict=True):
        data = (upright_photos / photo.path.rpartition("/")[2]).read_bytes()
        np.testing.assert_array_equal(pixels, SMALL.apply(decode(data, SMALL.size)))
    assert not cached.labels.any()


def test_the_cache_is_used_again(manifest, tmp_path):
    first = load_photos(manifest, ORIENTATION, SMALL, tmp_path)
    [file] = tmp_path.iterdir()
    marked = np.load(file, mmap_mode="r+")
    marked[0] = 77  # not what the photo holds: only a cache can give it back
    marked.flush()
    again = load_photos(manifest, ORIENTATION, SMALL, tmp_path)
    assert (again.pixels[0] == 77).all()
    np.testing.assert_array_equal(again.pixels[1:], first.pixels[1:])
    other = load_photos(manifest, ORIENTATION, SMALL.model_copy(update={"fit": "center_crop"}), tmp_path)
    assert not (other.pixels[0] == 77).all()
    fewer = load_photos(replace(manifest, photos=manifest.photos[:2]), ORIENTATION, SMALL, tmp_path)
    assert not (fewer.pixels[0] == 77).all()
    assert len(list(tmp_path.iterdir())) == 3
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy"}


def test_folder_labels_are_numbered_as_the_task_says(manifest, tmp_path):
    labels = ["b", "a", "c", "a", "b", "c"]
    named = replace(
        manifest,
        photos=tuple(replace(photo, label=label) for photo, label in zip(manifest.photos, labels, strict=True)),
    )
    loaded = load_photos(named, task_named("letters", ["a", "b", "c"]), SMALL, tmp_path)
    assert loaded.labels.tolist() == [1, 0, 2, 0, 1, 2]
    with pytest.raises(TrainingError, match=r"has the label 'b'; those of selfie are not_selfie, selfie$"):
        load_photos(named, SELFIE, SMALL, tmp_path)


def test_a_photo_that_went_is_named(manifest, workshop, tmp_path):
    gone = replace(manifest, photos=(*manifest.photos, workshop.photo(path="gone.jpg")))
    with pytest.raises(ManifestError, match=r"^gone\.jpg cannot be used any more"):
        load_photos(gone, ORIENTATION, SMALL, tmp_path)
    assert not list(tmp_path.glob("*.npy"))


def test_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), np.array([[0, 0, 1], [1, 0, 0]], np.float32))


def test_every_photo_is_shown_once_an_epoch(cached):
    steps = steps_per_epoch(cached, 2)
    assert steps == 3
    for epoch in range(3):
        shown = [pixels for pixels, _ in batches(cached, 3, augmentation=Augmentation(), size=2, first=epoch)]
        upright = {
            turned.tobytes(): i for i, p in enumerate(cached.pixels) for turned in map(turn_array, [p] * 4, range(4))
        }
        assert sorted(upright[picture.tobytes()] for batch in shown for picture in batch) == [0, 1, 2, 3, 4, 5]


def test_the_label_is_the_turn(cached):
    originals = {turn_array(pixels, k).tobytes(): k for pixels in cached.pixels for k in range(4)}
    seen = set()
    for pixels, labels in batches(cached, 12, augmentation=Augmentation(), size=6):
        assert (pixels.dtype, labels.dtype, labels.shape) == (np.uint8, np.float32, (6, 4))
        for picture, label in zip(pixels, labels, strict=True):
            assert originals[picture.tobytes()] == label.argmax()
            seen.add(int(label.argmax()))
    assert seen == {0, 1, 2, 3}


def test_batches_are_the_same_for_the_same_seed_only(cached):
    assert_same(batches(cached, 5), batches(cached, 5))
    assert not np.array_equal(batches(cached, 1)[0][0], batches(cached, 1, seed=2)[0][0])


def test_a_picture_is_mixed_with_one_of_its_own_label_and_stays_the_stronger_one():
    """Pictures of one label are 0 or 80, of the other 160 or 240: so each value tells what it was mixed of."""
    labels = np.repeat([0, 1], 200)
    values = np.tile([0, 80], 200) + 160 * labels
    pixels = np.broadcast_to(values.astype(np.uint8)[:, None, None, None], (400, *SHAPE))
    mixed = mixed_within_labels(pixels, labels, 0.5, np.random.default_rng(1))
    assert (mixed.shape, mixed.dtype) == (pixels.shape, np.uint8)
    moved = np.abs(mixed[:, 0, 0, 0].astype(int) - values)
    assert moved.max() <= 40
    assert (mixed == mixed[:, :1, :1, :1]).all()
    assert ((mixed[:, 0, 0, 0] >= 120) == labels).all()
    changed = np.count_nonzero(moved) / 400  # half are chosen, half of those get a partner that differs
    assert abs(changed - 0.25) < 4 * (0.25 * 0.75 / 400) ** 0.5
    np.testing.assert_array_equal(mixed_within_labels(pixels, labels, 0.0, np.random.default_rng(1)), pixels)


def test_batches_are_mixed_where_the_recipe_says_so(cached):
    one, other = (batches(cached, 4, augmentation=Augmentation(mixup=share), size=6) for share in (0.0, 1.0))
    for (pixels, labels), (mixed, same_labels) in zip(one, other, strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        alone = labels.sum(axis=0)[labels.argmax(axis=1)] == 1
        np.testing.assert_array_equal(pixels[alone], mixed[alone])
    assert any(not np.array_equal(pixels, mixed) for (pixels, _), (mixed, _) in zip(one, other, strict=True))


@given(first=st.integers(0, 5), size=st.integers(1, 9))
def test_going_on_at_an_epoch_gives_what_would_have_come(workshop, first, size):
    photos = workshop.halves(9, SHAPE)
    steps = steps_per_epoch(photos, size)
    whole = batches(photos, steps * (first + 2), size=size, task=workshop.two_labels())
    assert_same(batches(photos, steps * 2, size=size, task=workshop.two_labels(), first=first), whole[steps * first :])


def test_balanced_batches_show_labels_evenly_and_sources_by_the_root_of_their_size(workshop):
    """90 of one label against 10 of the other, of which 9 come from one source and 1 from another."""
    photos = workshop.halves(100, SHAPE)
    labels = np.array([0] * 90 + [1] * 10)
    sources = ("big",) * 90 + ("nine",) * 9 + ("one",)
    uneven = Photos(photos.pixels, labels, sources)
    weights = sampling_weights(uneven)
    assert weights.sum() == pytest.approx(1)
    assert weights[:90].sum() == pytest.approx(0.5)
    assert weights[90:99].sum() == pytest.approx(0.5 * 3 / 4), "the roots of 9 and 1 are 3 and 1"
    drawn = list(
        islice(training_batches(uneven, workshop.two_labels(), Augmentation(), SHAPE, 50, 1, balanced=True), 40)
    )
    assert 0.45 < np.concatenate([labels for _, labels in drawn])[:, 1].mean() < 0.55
    plain = list(islice(training_batches(uneven, workshop.two_labels(), Augmentation(), SHAPE, 50, 1), 40))
    assert np.concatenate([labels for _, labels in plain])[:, 1].mean() == pytest.approx(0.1)


def test_a_set_smaller_than_a_batch_makes_one(cached):
    assert steps_per_epoch(cached, 64) == 1
    [(pixels, _)] = batches(cached, 1, size=64)
    assert len(pixels) == 6


def all_of(validation: ValidationBatches) -> Iterator[tuple[np.ndarray, int]]:
    for index in range(len(validation)):
        pixels, labels = validation[index]
        yield from zip(pixels, labels.argmax(axis=1).tolist(), strict=True)


@pytest.mark.parametrize("size", [1, 5, 24, 100])
def test_validation_shows_all_four_turns(cached, size):
    samples = list(all_of(ValidationBatches(cached, ORIENTATION, size)))
    assert len(samples) == 24
    for index, (picture, label) in enumerate(samples):
        assert label == index % 4
        np.testing.assert_array_equal(picture, turn_array(cached.pixels[index // 4], index % 4))


def test_validation_shows_a_folder_s_photos_once(workshop):
    photos = workshop.halves(10, SHAPE)
    samples = list(all_of(ValidationBatches(photos, workshop.two_labels(), 4)))
    assert [label for _, label in samples] == photos.labels.tolist()
    np.testing.assert_array_equal([picture for picture, _ in samples], photos.pixels)


def test_workers_validation_together_has_each_sample_once_and_means_over_samples(workshop):
    photos = workshop.halves(10, SHAPE)
    whole = ValidationBatches(photos, workshop.two_labels(), 4)
    parts = [SharedValidation(whole, Share(number, 2)) for number in range(2)]
    assert [len(part) for part in parts] == [3, 3]
    shown = np.concatenate([part[batch][0] for batch in range(3) for part in parts])
    weights = np.concatenate([part[batch][2] for batch in range(3) for part in parts])
    assert len(shown) == 12
    np.testing.assert_array_equal(shown[weights > 0], photos.pixels)
    losses = np.arange(10.0)
    assert (weights[weights > 0] * losses).sum() / 12 == pytest.approx(losses.mean())
