import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from models.errors import ManifestError, SplitLeakError, TrainingError
from models.repository import read_metadata
from training.fitting.learned_from import LONGER
from training.graph.inference import OnnxClassifier
from training.photos.manifest import Manifest
from training.photos.scan import listed
from training.photos.tasks import task_named
from training.pipeline.beginning import begin, open_run
from training.pipeline.defaults import begin_by_task
from training.pipeline.pipeline import export_run


@pytest.fixture
def recipe(workshop, tmp_path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(workshop.recipe_text)
    return path


def test_a_run_folder_holds_recipe_and_photos(recipe, folders, tmp_path, workshop):
    run = begin(recipe, [folders], tmp_path / "runs/one")
    assert run.recipe == workshop.recipe()
    assert run.folder.recipe.read_bytes() == recipe.read_bytes()
    assert len(run.manifest.photos) == 120
    assert run.task.label_names == ("bright", "dark")
    assert run.cache == tmp_path / "runs/cache"
    again = begin(run.folder.recipe, [run.folder.manifest], run.folder.path)
    assert again == run == open_run(run.folder.path)


def test_what_only_a_later_step_would_trip_over_is_told_at_once(recipe, folders, tmp_path, crops):
    run = tmp_path / "run"
    alone = tmp_path / "alone"
    shutil.copytree(folders / "dark", alone / "dark")
    with pytest.raises(TrainingError, match=r"^at least two labels are needed, a folder for each; there is dark$"):
        begin(recipe, [alone], run)
    for label in "abc":
        (alone / label).mkdir()
        crops[ord(label)].save(alone / label / "one.png")
    with pytest.raises(TrainingError, match=r"a decision_threshold is for two labels, there are 4: a, b, c, dark$"):
        begin(recipe, [alone], run)
    few = tmp_path / "few"
    for label in ("a", "b"):
        (few / label).mkdir(parents=True)
        crops[ord(label)].save(few / label / "one.png")
    with pytest.raises(TrainingError, match=r"^at least 20 photos of each label are needed; there are 1 of a, 1 of b$"):
        begin(recipe, [few], run)
    shutil.copytree(folders / "dark", few / "b", dirs_exist_ok=True)
    with pytest.raises(TrainingError, match=r"^at least 20 photos of each label are needed; there are 1 of a$"):
        begin(recipe, [few], run)


def test_a_label_of_the_task_that_has_no_photos_or_none_to_learn_from_is_told(recipe, folders, trained, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copytree(folders / "dark", tmp_path / "photos/selfie")
    with pytest.raises(
        TrainingError, match=r"^at least 20 photos of each label are needed; there are 0 of not_selfie$"
    ):
        begin_by_task("selfie", "one", [tmp_path / "photos"], tmp_path / "run")
    path = tmp_path / "list.csv"
    trained.manifest.write(path)
    lines = [
        line.replace(",train,", ",test,") if ",bright," in line else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(
        TrainingError, match=r"^no photo of bright lies in the train split, so nothing could be learned"
    ):
        begin(recipe, [path], tmp_path / "run", allow_leaks=True)


def test_what_cannot_begin_leaves_an_earlier_run_as_it_was(recipe, folders, tmp_path, crops):
    run, other = begin(recipe, [folders], tmp_path / "runs/one"), tmp_path / "other"
    before = {path: path.read_bytes() for path in run.folder.path.iterdir()}
    (other / "a").mkdir(parents=True)
    crops[0].save(other / "a" / "one.png")
    with pytest.raises(TrainingError, match="at least two labels"):
        begin(recipe, [other], run.folder.path)
    with pytest.raises(TrainingError, match="at least two labels"):
        begin_by_task("folder", "one", [other], run.folder.path)
    assert {path: path.read_bytes() for path in run.folder.path.iterdir()} == before
    with pytest.raises(TrainingError, match="at least two labels"):
        begin_by_task("folder", "two", [other], tmp_path / "runs/two")
    assert not (tmp_path / "runs/two").exists()


def test_another_recipe_or_other_photos_are_not_resumed(recipe, folders, tmp_path):
    """Else the epochs before would have learned from photos that are tested on from now on."""
    photos = tmp_path / "photos"
    shutil.copytree(folders, photos)
    run = begin(recipe, [photos], tmp_path / "runs/one", resumed_but=LONGER)  # there is nothing to resume yet
    recipe.write_text(recipe.read_text().replace("epochs = 6", "epochs = 9").replace("bright or dark", "light or not"))
    assert begin(recipe, [photos], run.folder.path, resumed_but=LONGER).recipe.fit.epochs == 9
    before = {path: path.read_bytes() for path in run.folder.path.iterdir()}
    recipe.write_text(recipe.read_text().replace("batch_size = 2", "batch_size = 4"))
    with pytest.raises(TrainingError, match=r"one cannot be resumed: its recipe's fit.batch_size is 2, not 4; without"):
        begin(recipe, [photos], run.folder.path, resumed_but=LONGER)
    recipe.write_text(recipe.read_text().replace("batch_size = 4", "batch_size = 2"))
    shutil.copy(photos / "dark/000.png", photos / "dark/copy.png")
    (photos / "bright/000.png").unlink()
    with pytest.raises(TrainingError, match=r"of its photos 1 went, 1 came, and 0 changed split, label or source"):
        begin(recipe, [photos], run.folder.path, resumed_but=LONGER)
    moved = run.folder.manifest.read_text().replace(",train,", ",calibration,", 3)
    (run.folder.path / "moved.csv").write_text(moved)
    with pytest.raises(TrainingError, match=r"of its photos 0 went, 0 came, and 3 changed split, label or source"):
        begin(recipe, [run.folder.path / "moved.csv"], run.folder.path, allow_leaks=True, resumed_but=LONGER)
    (run.folder.path / "moved.csv").unlink()
    assert {path: path.read_bytes() for path in run.folder.path.iterdir()} == before


def test_train_resume_goes_by_what_the_folder_holds(recipe, trained, loupe_train, tmp_path):
    begin(recipe, [trained.run.manifest], tmp_path / "runs/one")
    recipe.write_text(recipe.read_text().replace("learning_rate = 1e-3", "learning_rate = 1e-2"))
    result = loupe_train("train", recipe, trained.run.manifest, "--run", tmp_path / "runs/one", "--resume")
    assert result.exit_code == 1
    assert "cannot be resumed: its recipe's fit.learning_rate is 0.001, not 0.01" in " ".join(result.output.split())


def test_a_split_without_photos_is_told(recipe, trained, tmp_path):
    path = tmp_path / "manifest.csv"
    trained.manifest.write(path)
    path.write_text(path.read_text().replace(",validation,", ",train,"))
    with pytest.raises(TrainingError, match=r"^the validation split is empty: there are too few photos$"):
        begin(recipe, [path], tmp_path / "run", allow_leaks=True)


def test_a_planted_leak_is_refused_unless_it_is_accepted(recipe, trained, tmp_path):
    leaking = _with_a_leak(trained.manifest, tmp_path / "leaking.csv")
    with pytest.raises(SplitLeakError, match=r"near-duplicates in several splits, 1 group of them"):
        begin(recipe, [leaking], tmp_path / "run")
    assert begin(recipe, [leaking], tmp_path / "run", allow_leaks=True).manifest.leaked()


def _with_a_leak(manifest: Manifest, path: Path) -> Path:
    manifest.write(path)
    header, *lines = path.read_text().splitlines()
    line = next(line for line in lines if ",train," in line)
    path.write_text("\n".join([header, *lines, line.replace(",train,", ",test,")]) + "\n")
    return path


def test_folders_and_manifests_don_t_mix(trained, folders, tmp_path):
    task = task_named("folders")
    assert listed([trained.run.manifest], task) == trained.manifest
    with pytest.raises(ManifestError, match="either folders or one manifest can be given"):
        listed([trained.run.manifest, folders], task)


def test_a_run_that_is_none_is_told(tmp_path):
    with pytest.raises(TrainingError, match="is not a run folder; `loupe-train train` makes one"):
        open_run(tmp_path)


def test_a_run_without_weights_cannot_be_exported(recipe, folders, tmp_path):
    with pytest.raises(TrainingError, match="has no weights yet"):
        export_run(begin(recipe, [folders], tmp_path / "run"))


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras' first word about it
def test_weights_of_another_recipe_are_told_without_their_numbers(trained, tmp_path, workshop):
    folder = tmp_path / "run"
    shutil.copytree(trained.run.path, folder)
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("channels = 1", "channels = 3"))
    with pytest.raises(TrainingError, match=r"best.weights.h5 does not fit the network of the recipe") as caught:
        export_run(open_run(folder))
    assert len(str(caught.value)) < 500


def test_the_figures_are_those_of_the_test_photos_asked_one_by_one(trained):
    metadata, test = trained.metadata, trained.manifest.split("test")
    classifier = OnnxClassifier(trained.run.onnx.read_bytes())
    right = 0
    for photo in test.photos:
        with Image.open(test.file(photo)) as image:
            pixels = metadata.preprocessing.apply(image.convert("RGB"))
        answer = metadata.decide(classifier.predict(pixels[None])[0])
        right += metadata.label_names[answer.index] == photo.label
    assert metadata.metrics.images == len(test.photos)
    assert metadata.metrics.accuracy == pytest.approx(right / len(test.photos))
    assert metadata.metrics.data_sha256 == test.digest(metadata.label_names)
    assert right > len(test.photos) / 2
    written = json.loads((trained.run.path / "metrics.json").read_text())
    assert written == metadata.metrics.model_dump(mode="json")


def test_everything_of_the_run_is_in_its_file(trained):
    metadata = trained.metadata
    assert metadata.name == "brightness"
    assert len(metadata.golden_samples) == 4
    assert metadata.training["epochs"].startswith("6, the best of them number ")
    assert [(source.name, source.images) for source in metadata.sources] == [(trained.photos.name, 120)]
    published = read_metadata((trained.repository / "brightness/1/model.onnx").read_bytes())
    assert published == metadata
