import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import ManifestError, TrainingError
from models.repository import read_metadata
from training.fitting.learned_from import check_about
from training.fitting.run_folder import RunFolder
from training.photos.manifest import Manifest, Photo
from training.pipeline.beginning import Run, open_run
from training.pipeline.crossval import cross_validated, fold_of
from training.shipping.strangers import Strangers


@pytest.fixture(scope="module")
def albums(crops, tmp_path_factory) -> Path:
    """Six albums of photos that no other folder holds."""
    root = tmp_path_factory.mktemp("albums")
    ordered = sorted(crops, key=lambda crop: float(np.asarray(crop).mean()))
    lines = ["file,source,cluster"]
    for label, chosen in (("dark", ordered[60:90]), ("bright", ordered[-90:-60])):
        (root / label).mkdir()
        for index, crop in enumerate(chosen):
            crop.save(root / label / f"{index}.png")
            lines.append(f"{label}/{index}.png,album{index % 6},album{index % 6}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def validated(workshop, folders, albums, tmp_path_factory) -> tuple[RunFolder, str]:
    """What ``loupe-train crossval`` left, of two folds and two epochs each."""
    root = tmp_path_factory.mktemp("crossval")
    recipe = root / "brightness.toml"
    recipe.write_text(workshop.recipe(fit={"epochs": 2, "batch_size": 8, "warmup_epochs": 0.5}).to_toml())
    from typer.testing import CliRunner

    from training.commands.cli import app

    run = root / "runs/brightness"
    beside = root / "beside"
    (beside / "dark").mkdir(parents=True)
    for index in range(4):
        Image.fromarray(np.random.default_rng(index).integers(0, 60, (40, 40, 3), np.uint8)).save(
            beside / f"dark/{index}.png"
        )
    arguments = ["crossval", recipe, folders, "--over", albums, "--with", beside, "--folds", 2, "--run", run]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return RunFolder(run), result.output


def test_each_source_is_answered_by_a_model_that_never_saw_it(validated):
    run, _ = validated
    photos = Manifest.read(run.manifest)
    strangers = Strangers.read(run.strangers)
    fresh = [photo.source for photo in photos.photos if photo.source.startswith("album")]
    assert sorted(strangers.answers.sources) == sorted(fresh)
    assert not any(photo.source.startswith("album") for photo in photos.split("test", "calibration").photos)
    for number in (1, 2):
        fold = Manifest.read(run.path / f"fold-{number}/manifest.csv")
        asked = {photo.source for photo in fold.split("test").photos}
        assert asked == {
            source for source, mine in zip(strangers.answers.sources, strangers.folds, strict=True) if mine == number
        }
        learned = {photo.source for photo in fold.split("train", "validation").photos}
        assert asked.isdisjoint(learned)
        assert "beside" in learned
        assert all(fold.file(photo).is_file() for photo in fold.photos)


def test_the_command_tells_each_fold_and_all(validated):
    _, output = validated
    rows = [line.split("│")[1].strip() for line in output.splitlines() if line.startswith("│")]
    assert rows == ["1", "2", "all"]
    assert "next: loupe-train train" in output


def test_what_is_done_is_not_done_again(validated):
    run, _ = validated
    before = {path: path.stat().st_mtime_ns for path in run.path.glob("fold-*/history.csv")}
    opened = open_run(run.path)
    over = frozenset(f"album{n}" for n in range(6))
    again = cross_validated(opened, over, 2, resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert np.array_equal(again.answers.labels, Strangers.read(run.strangers).answers.labels)


def copy_of(validated, root: Path) -> Run:
    """The validated run, to be changed."""
    shutil.copytree(validated[0].path, root / "copy")
    opened = open_run(validated[0].path)
    opened.manifest.write(root / "copy/manifest.csv")
    for fold in validated[0].path.glob("fold-*"):
        Manifest.read(fold / "manifest.csv").write(root / "copy" / fold.name / "manifest.csv")
    return open_run(root / "copy")


def test_answers_that_do_not_say_what_they_are_about_are_asked_for_again(validated, tmp_path):
    """Such as those of an earlier recipe, where a run without --resume was stopped in that fold."""
    run, over = copy_of(validated, tmp_path), frozenset(f"album{n}" for n in range(6))
    right = Strangers.read(run.folder.strangers).answers.probabilities
    stale = run.folder.path / "fold-2/strangers.csv"
    header, *rows = stale.read_text().splitlines()
    stale.write_text(
        "\n".join(["fold,source,label,probability_0,probability_1", *(f"{row[:-5]}00001" for row in rows)])
    )
    again = cross_validated(run, over, 2, resume=True)
    np.testing.assert_allclose(again.answers.probabilities, right, atol=1e-6)
    assert stale.read_text().splitlines()[0] == header


def test_begun_anew_nothing_of_an_earlier_one_is_left_to_resume(validated, workshop, tmp_path):
    run, over = copy_of(validated, tmp_path), frozenset(f"album{n}" for n in range(6))
    unknown = workshop.recipe(architecture={"weights": str(tmp_path / "never/best.weights.h5")})
    with pytest.raises(TrainingError, match="may have learned"):  # stopped in the first fold
        cross_validated(replace(run, recipe=unknown), over, 2, resume=False)
    assert not list(run.folder.path.glob("fold-*/*"))
    assert not run.folder.strangers.exists()


def test_other_folds_or_another_recipe_are_not_resumed(validated, albums, loupe_train, workshop, tmp_path):
    run, over = copy_of(validated, tmp_path), frozenset(f"album{n}" for n in range(6))
    kept = (run.folder.path / "fold-1/strangers.csv", run.folder.strangers, run.folder.recipe)
    before = [path.read_bytes() for path in kept]
    with pytest.raises(ManifestError, match="6 sources cannot be dealt to 7 folds"):
        cross_validated(run, over, 7, resume=False)
    with pytest.raises(TrainingError, match=r"copy/fold-1 cannot be resumed: of its photos .* changed split"):
        cross_validated(run, over, 3, resume=True)
    with pytest.raises(TrainingError, match=r"copy/fold-1 cannot be resumed: its recipe's fit.epochs is 2, not 3"):
        cross_validated(replace(run, recipe=workshop.recipe(fit={"epochs": 3, "batch_size": 8})), over, 2, resume=True)
    recipe = tmp_path / "other.toml"
    recipe.write_text(workshop.recipe(fit={"epochs": 2, "batch_size": 8, "learning_rate": 0.5}).to_toml())
    known = run.manifest.split("test", "calibration", "train", "validation")
    known = replace(known, photos=tuple(photo for photo in known.photos if photo.source not in over))
    known.write(tmp_path / "known.csv")
    result = loupe_train(
        "crossval", recipe, tmp_path / "known.csv", "--over", albums, "--run", run.folder.path, "--resume"
    )
    assert result.exit_code == 1
    assert "copy cannot be resumed: its recipe's fit.learning_rate is 0.001, not 0.5;" in " ".join(
        result.output.split()
    )
    assert [path.read_bytes() for path in kept] == before


def test_what_the_folds_showed_of_another_recipe_or_other_photos_is_refused(validated, loupe_train, workshop, tmp_path):
    """Before hours of training, in export and in quantize."""
    run = copy_of(validated, tmp_path)
    recipe = tmp_path / "other.toml"
    recipe.write_text(workshop.recipe(fit={"epochs": 2, "batch_size": 8, "learning_rate": 0.5}).to_toml())

    def told(*arguments: object) -> str:
        result = loupe_train(*arguments)
        assert result.exit_code == 1, result.output
        return " ".join(result.output.split())

    train = ("train", recipe, run.folder.manifest, "--run", run.folder.path)
    assert "strangers.csv does not say that it is about this recipe; remove it, or let" in told(*train)
    assert open_run(run.folder.path) == run
    fewer = replace(run.manifest, photos=run.manifest.photos[1:])
    fewer.write(run.folder.manifest)
    (run.folder.path / "model.onnx").write_bytes(workshop.sky_model())
    for command in ("export", "quantize"):
        assert "strangers.csv does not say that it is about these photos" in told(command, run.folder.path)


def test_the_run_s_model_heeds_what_the_folds_showed(validated, loupe_train):
    run, _ = validated
    result = loupe_train("train", run.recipe, run.manifest, "--run", run.path)
    assert result.exit_code == 0, result.output
    metadata = read_metadata(run.onnx.read_bytes())
    assert "AUC" in metadata.training["2-fold over 6 sources"]
    count = len(Strangers.read(run.strangers).folds)
    assert f"{count} photos of sources that were strange" in metadata.training["temperature"]
    assert metadata.decision_threshold != 0.5
    result = loupe_train("quantize", run.path)
    assert result.exit_code == 0, result.output
    smaller = read_metadata((run.path / "model.int8.onnx").read_bytes())
    assert f"{count} photos of sources that were strange" in smaller.training["temperature"]


def test_only_two_labels_of_folders(validated, upright_photos, workshop, tmp_path):
    run, _ = validated
    opened = open_run(run.path)
    turning = workshop.recipe(task="orientation", decision_threshold=None, input={"width": 20})
    with pytest.raises(TrainingError, match="only such are cross-validated"):
        cross_validated(
            type(opened)(opened.folder, turning, opened.manifest, opened.cache), frozenset(), 2, resume=True
        )


def test_a_fold_leaves_the_test_split_alone(validated):
    opened = open_run(validated[0].path)
    fold = fold_of(opened, 9, frozenset({"album1"}))
    assert {photo.source for photo in fold.manifest.split("test").photos} == {"album1"}
    assert fold.recipe == opened.recipe == open_run(fold.folder.path).recipe


def with_own_groups(run: Run) -> Run:
    """None resembles another, though these pieces of a few photographs do."""
    photos = tuple(replace(photo, group=photo.path) for photo in run.manifest.photos)
    return replace(run, manifest=replace(run.manifest, photos=photos))


def test_a_fold_learns_from_no_near_duplicate_of_what_it_is_asked_about(validated, tmp_path):
    opened = with_own_groups(open_run(validated[0].path))
    first, second = (
        next(p.path for p in opened.manifest.photos if p.source == album) for album in ("album1", "album2")
    )
    photos = tuple(replace(p, group=first) if p.path == second else p for p in opened.manifest.photos)
    run = replace(opened, folder=RunFolder(tmp_path), manifest=replace(opened.manifest, photos=photos))
    fold = fold_of(run, 1, frozenset({"album1"})).manifest
    left_out = {photo.path for photo in photos} - {photo.path for photo in fold.photos}
    assert left_out == {second} | {photo.path for photo in opened.manifest.split("test").photos}
    assert not fold.leaked()


def fold_photos(fold: Path) -> tuple[Photo, ...]:
    return Manifest.read(fold / "manifest.csv").split("test").photos


def mean_of(validated, workshop, folder: Path, *others: Path) -> Run:
    """A run over the same photos that takes the mean of the weights of the validated run and of others."""
    opened = open_run(validated[0].path)
    folder.mkdir()
    taken = tuple(str(weights) for weights in (validated[0].best_weights, *others))
    recipe = workshop.recipe(fit={"epochs": 0, "batch_size": 8}, architecture={"weights": taken})
    return replace(opened, folder=RunFolder(folder), recipe=recipe)


def test_what_takes_weights_of_a_run_takes_in_each_fold_those_of_the_run_s_fold(validated, workshop, tmp_path):
    """The run's own weights saw all sources: with them, each fold would be asked about what it knows."""
    over = frozenset(f"album{n}" for n in range(6))
    mean = mean_of(validated, workshop, tmp_path / "mean")
    strangers = cross_validated(mean, over, 2, resume=False, learn_from=0.5)
    before = Strangers.read(validated[0].strangers)
    assert strangers.answers.sources == before.answers.sources
    np.testing.assert_allclose(strangers.answers.probabilities, before.answers.probabilities, atol=1e-6)
    assert mean.recipe.architecture.weights == (str(validated[0].best_weights),)
    with pytest.raises(TrainingError, match=r"does not say that it is about these photos"):  # but about half of them
        check_about(mean.folder.strangers, mean.recipe, mean.manifest)


def test_a_run_s_exported_model_counts_as_its_weights(validated, workshop, tmp_path):
    """Such as its int8 copy, from which others go on; a published model's own sources nobody knows."""
    opened = open_run(validated[0].path)
    taken = (str(validated[0].path / "model.int8.onnx"), "models/selfie/2/model.onnx")
    recipe = workshop.recipe(fit={"epochs": 1}, architecture={"weights": taken})
    held_back = frozenset(photo.source for photo in fold_photos(validated[0].path / "fold-2"))
    fold = fold_of(replace(opened, folder=RunFolder(tmp_path), recipe=recipe), 2, held_back)
    assert fold.recipe.architecture.weights == (str(validated[0].path / "fold-2/best.weights.h5"), taken[1])


def test_weights_that_know_the_sources_are_refused(validated, workshop, tmp_path):
    over = frozenset(f"album{n}" for n in range(6))
    with pytest.raises(TrainingError, match="may have learned from what fold 1 is asked about"):
        cross_validated(mean_of(validated, workshop, tmp_path / "threes"), over, 3, resume=False)
    never = tmp_path / "never/best.weights.h5"
    with pytest.raises(TrainingError, match=r"never/best\.weights\.h5 may have learned"):
        cross_validated(mean_of(validated, workshop, tmp_path / "never", never), over, 2, resume=False)


def test_weights_of_a_run_that_never_saw_the_sources_are_taken_as_they_are(validated, workshop, tmp_path):
    """Such as those of a first stage without albums: to train it once for each fold would make the same again."""
    opened = open_run(validated[0].path)
    stage = RunFolder(tmp_path / "stage")
    stage.path.mkdir()
    left_out = replace(opened.manifest, photos=tuple(p for p in opened.manifest.photos if p.source != "album1"))
    left_out.write(stage.manifest)
    recipe = workshop.recipe(architecture={"weights": str(stage.best_weights)})
    folds = replace(opened, folder=RunFolder(tmp_path), recipe=recipe)
    assert fold_of(folds, 1, frozenset({"album1"})).recipe.architecture.weights == str(stage.best_weights)
    with pytest.raises(TrainingError, match="may have learned from what fold 1 is asked about"):
        fold_of(folds, 1, frozenset({"album1", "album2"}))


def test_a_share_of_the_sources_is_learned_from_and_all_are_asked_about(validated):
    opened = with_own_groups(open_run(validated[0].path))
    unlearned = frozenset({"album1", "album2", "album3"})
    fold = fold_of(opened, 9, frozenset({"album1", "album4"}), unlearned).manifest
    assert {photo.source for photo in fold.split("test").photos} == {"album1", "album4"}
    learned = {photo.source for photo in fold.split("train", "validation").photos}
    assert {source for source in learned if source.startswith("album")} == {"album0", "album5"}
