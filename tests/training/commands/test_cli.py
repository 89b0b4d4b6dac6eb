import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageEnhance

from models.preprocessing import Preprocessing
from models.repository import ModelRepository, read_metadata
from training.photos.manifest import Manifest

COMMANDS = ("manifest", "train", "evaluate", "export", "import", "publish")
OK, FAILED, USAGE = 0, 1, 2


def one_line(result) -> str:
    assert result.exit_code == FAILED, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def plain(text: str) -> str:
    """Without colours and the frames around options."""
    return re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text)


def test_help_tells_every_command(loupe_train):
    result = loupe_train("--help")
    assert result.exit_code == OK
    assert set(COMMANDS) <= set(plain(result.output).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for(loupe_train, command):
    result = loupe_train(command, "--help")
    assert result.exit_code == OK
    assert f"Usage: loupe-train {command}" in plain(result.output)
    assert "runs/." not in result.output, "what stands in angle brackets is dropped as HTML"


def test_help_comes_without_tensorflow():
    """It takes seconds to import."""
    slow = {"tensorflow", "keras", "sklearn", "onnx"}
    code = f"import sys, training.commands.cli; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tain",),
        ("train",),
        ("train", "recipe.toml", "photos", "--epochs", "3"),
        ("import", onnx.__file__, "--labels", "a,b"),
        ("import", "m.onnx", "--name", "x", "--labels", "a,b", "--size", "8", "--layout", "hwc"),
        ("publish", "run", "--version", "0"),
        ("train", "--task", "foldr", "photos"),
        ("manifest", "--task", "orientaton", "photos"),
        ("evaluate", "run", "--json", "figures.json"),
    ],
)
def test_wrong_use_ends_with_2(loupe_train, arguments):
    assert loupe_train(*arguments).exit_code == USAGE


@pytest.mark.parametrize(
    ("arguments", "suffix"),
    [
        (("evaluate", "m.onnx", "photos", "--json"), ".json"),
        (("evaluate", "m.onnx", "photos", "--report"), ".html"),
        (("refit", "m.onnx", "photos.csv", "--with", "more", "-o"), ".onnx"),
        (("reference", "m.onnx", "photos", "-o"), ".onnx"),
        (("cascade", "m.onnx", "n.onnx", "photos.csv", "-o"), ".onnx"),
    ],
)
def test_no_photo_is_written_over(loupe_train, tmp_path, arguments, suffix):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"mine")
    result = loupe_train(*arguments, photo)
    assert (result.exit_code, photo.read_bytes()) == (FAILED, b"mine")
    assert f"what is written there is a {suffix} file" in one_line(result)


@pytest.mark.parametrize(
    ("command", "more"),
    [("speed", ("--reference", "broken.onnx")), ("evaluate", (".",)), ("calibrate", (".", "--models", "."))],
)
def test_a_file_that_is_no_model_is_named(loupe_train, tmp_path, monkeypatch, command, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    result = loupe_train(command, "broken.onnx", *more)
    assert result.exit_code == FAILED
    assert "broken.onnx: the " in one_line(result)


def test_the_whole_way_publishes_a_model(trained):
    """From photos to a version of a repository in one command."""
    assert "120 photos in " in trained.output
    assert re.search(r"\d+\.\d\d% right on \d+ test images", trained.output)
    assert "ROC-AUC " in trained.output
    path = ModelRepository(trained.repository).path("brightness")
    assert f"published {path}" in trained.output
    assert path.with_name("MODEL_CARD.md").read_text().startswith("# brightness 1\n")
    assert read_metadata(path.read_bytes()).metrics.images == len(trained.manifest.split("test").photos)
    left = {path.name for path in trained.run.path.iterdir()}
    assert left >= {
        "recipe.toml",
        "manifest.csv",
        "history.csv",
        "tensorboard",
        "best.weights.h5",
        "epoch-0006.keras",
        "model.onnx",
        "metrics.json",
        "report.png",
        "MODEL_CARD.md",
    }
    assert (trained.run.path.parent / "cache").is_dir()


def test_step_by_step_leads_to_the_same(trained, loupe_train, tmp_path):
    """The steps after training, on a copy of the run."""
    run = tmp_path / "runs/copy"
    shutil.copytree(trained.run.path, run)
    Manifest.read(trained.run.manifest).write(run / "manifest.csv")  # its paths are relative
    for name in ("model.onnx", "metrics.json", "report.png", "MODEL_CARD.md"):
        (run / name).unlink()
    assert loupe_train("export", run).exit_code == OK
    unmeasured = loupe_train("publish", run, "--models", tmp_path / "models")
    assert "was never measured; run `loupe-train evaluate` first" in one_line(unmeasured)
    measured = loupe_train("evaluate", run)
    assert measured.exit_code == OK, measured.output
    ours, whole = read_metadata((run / "model.onnx").read_bytes()), trained.metadata
    assert ours.metrics == whole.metrics
    assert ours.labels == whole.labels
    published = loupe_train("publish", run, "--models", tmp_path / "models", "--version", 4)
    assert published.exit_code == OK, published.output
    assert ModelRepository(tmp_path / "models").list() == {"brightness": (4,)}


def test_a_file_is_measured_on_any_photos(trained, loupe_train, tmp_path):
    figures = tmp_path / "figures.json"
    result = loupe_train("evaluate", trained.run.onnx, trained.run.manifest, "--split", "all", "--json", figures)
    assert result.exit_code == OK, result.output
    written = json.loads(figures.read_text())
    assert written["images"] == 120
    assert f"{written['accuracy']:.2%} right on 120 test images" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("photos", "--split", "all", "--without-leaks"),
            "all photos of a folder are measured on; leave out --split, --w",
        ),
        (("photos", "--sensor", "--split", "all"), "with --sensor, all photos are shown as stored; leave out --split"),
        (("photos", "--with-upright"), "all photos of a folder are measured on; leave out --with-upright"),
        (("list.csv", "--with-upright"), "that goes with --sensor; leave out --with-upright"),
        (("list.csv", "--split", "nonsense"), "'nonsense' is not one of 'train', 'validation', 'calibration', 'test'"),
    ],
)
def test_options_that_would_be_overlooked_are_refused(loupe_train, arguments, sentence):
    result = loupe_train("evaluate", "model.onnx", *arguments)
    assert result.exit_code == USAGE, result.output
    assert sentence in " ".join(plain(result.output).split())


def test_a_name_beside_a_recipe_and_ranges_of_floats_are_refused(loupe_train):
    named = loupe_train("train", "recipe.toml", "photos", "--name", "mine")
    assert one_line(named) == "--name goes with --task: a recipe says its model's name itself"
    ranged = loupe_train("quantize", "model.onnx", "photos", "--precision", "fp16", "--ranges", "entropy")
    assert ranged.exit_code == USAGE
    assert "ranges of activations are for int8; leave out --ranges" in plain(ranged.output)


def test_photos_of_a_label_that_the_model_lacks_are_told(trained, loupe_train, tmp_path):
    strange = tmp_path / "strange.csv"
    photos = tuple(replace(photo, label="dusk") for photo in trained.manifest.photos[:1])
    replace(trained.manifest, photos=(*photos, *trained.manifest.photos[1:])).write(strange)
    model = trained.run.onnx
    shutil.copytree(trained.photos / "dark", tmp_path / "photos/dusk")
    for arguments in (("compare", model, model, tmp_path / "photos"), ("quantize", model, strange)):
        assert one_line(loupe_train(*arguments)) == "the model has no label 'dusk'; it has: bright, dark"


def test_a_list_of_photos_is_not_replaced_by_a_model(trained, loupe_train, tmp_path):
    listed = tmp_path / "list.csv"
    trained.manifest.write(listed)
    before = listed.read_bytes(), trained.run.onnx.read_bytes()
    said = one_line(loupe_train("quantize", trained.run.path, "-o", listed))
    assert said == f"what is written there is a .onnx file; {listed} does not end so"
    said = one_line(loupe_train("quantize", trained.run.path, "-o", trained.run.onnx))
    assert said == f"{trained.run.onnx} would be replaced by its copy; name another --output"
    assert (listed.read_bytes(), trained.run.onnx.read_bytes()) == before


def test_what_is_only_learned_from_joins_no_test(folders, loupe_train, tmp_path, crops):
    (tmp_path / "more/bright").mkdir(parents=True)
    for index, crop in enumerate(crops[100:130]):
        crop.rotate(90).save(tmp_path / f"more/bright/{index}.png")
    path = tmp_path / "photos.csv"
    assert loupe_train("manifest", folders, "-o", path, "--with", tmp_path / "more").exit_code == OK
    photos = Manifest.read(path)
    splits = {photo.split for photo in photos.photos if photo.source == "more"}
    assert splits <= {"train", "validation"}
    assert len([photo for photo in photos.photos if photo.source == folders.name]) == 120
    count = len(photos.photos) - 120
    assert (
        loupe_train("manifest", folders, "-o", path, "--with", tmp_path / "more", "--learn-from", 0.3).exit_code == OK
    )
    kept = [photo.source for photo in Manifest.read(path).photos]
    assert kept.count("more") >= count  # all of them, and those that resemble only what is no longer learned from
    assert kept.count(folders.name) < 120


def test_manifest_lists_photos_and_keeps_what_it_listed(folders, loupe_train, tmp_path, crops):
    photos = tmp_path / "photos"
    shutil.copytree(folders, photos)
    output = tmp_path / "lists/manifest.csv"
    result = loupe_train("manifest", photos, "--output", output)
    assert result.exit_code == OK, result.output
    assert result.output.splitlines()[-1] == f"wrote {output}"
    first = {photo.sha256: (photo.group, photo.split) for photo in Manifest.read(output).photos}
    (photos / "new").mkdir()
    for index, crop in enumerate(crops[:20]):
        crop.resize((100, 100)).save(photos / f"new/{index}.png")
    assert loupe_train("manifest", photos, "-o", output).exit_code == OK
    later = {photo.sha256: (photo.group, photo.split) for photo in Manifest.read(output).photos}
    assert len(later) > len(first)
    assert {sha256: later[sha256] for sha256 in first} == first
    assert loupe_train("manifest", photos, "-o", tmp_path / "part.csv", "--learn-from", "0.5").exit_code == OK
    assert {
        split: len(Manifest.read(tmp_path / "part.csv").split(split).photos)
        < len(Manifest.read(output).split(split).photos)
        for split in ("train", "test")
    } == {"train": True, "test": False}


def test_what_was_moved_by_hand_or_left_out_stays_so(folders, loupe_train, tmp_path, crops):
    photos, output = tmp_path / "photos", tmp_path / "list.csv"
    shutil.copytree(folders, photos)
    assert loupe_train("manifest", photos, "-o", output).exit_code == OK
    listed = Manifest.read(output)
    moved = next(photo for photo in listed.photos if photo.split == "train")
    group = [photo for photo in listed.photos if photo.group == moved.group]
    chosen = tuple(replace(photo, split="test") if photo in group else photo for photo in listed.photos)
    replace(listed, photos=chosen).write(output)
    with Image.open(listed.file(moved)) as image:
        ImageEnhance.Brightness(image).enhance(1.02).save(photos / moved.label / "brighter.png")
    assert loupe_train("manifest", photos, "-o", output).exit_code == OK
    later = Manifest.read(output)
    before = {photo.sha256: photo.split for photo in chosen}
    assert {photo.sha256: photo.split for photo in later.photos if photo.sha256 in before} == before
    assert next(photo for photo in later.photos if photo.path.endswith("brighter.png")).split == "test"
    other = tmp_path / "other"
    (other / "bright").mkdir(parents=True)
    for index, crop in enumerate(crops[::16]):
        crop.rotate(90).save(other / f"bright/{index}.png")
    result = loupe_train("manifest", photos, other, "-o", output, "--leave-out", "other")
    assert result.exit_code == OK, result.output
    assert loupe_train("manifest", photos, other, "-o", output).exit_code == OK
    assert {photo.split for photo in Manifest.read(output).photos if photo.source == "other"} == {"test"}


def test_what_a_source_left_out_takes_from_the_list_is_told(folders, loupe_train, tmp_path, caplog):
    photos = tmp_path / "photos"
    shutil.copytree(folders, photos)
    lines = [f"{path.relative_to(photos)},{path.parent.name}" for path in photos.rglob("*.png")]
    (photos / "manifest.csv").write_text("\n".join(["file,source", *lines]))
    assert loupe_train("manifest", photos, "-o", tmp_path / "list.csv", "--leave-out", "dark").exit_code == OK
    listed = Manifest.read(tmp_path / "list.csv")
    gone = 60 - sum(photo.source == "bright" for photo in listed.photos)
    assert gone > 0
    assert f"not listed, as it was to be tested on, or resembles what is: {gone} of bright" in caplog.text


def test_a_planted_leak_is_one_sentence(trained, loupe_train, tmp_path):
    leaking = tmp_path / "leaking.csv"
    trained.manifest.write(leaking)
    with leaking.open(newline="") as file:
        rows = list(csv.DictReader(file))
    photo = next(row for row in rows if row["split"] == "train")
    with leaking.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows([*rows, {**photo, "split": "test"}])
    result = loupe_train("train", trained.recipe, leaking, "--run", tmp_path / "run")
    assert one_line(result).startswith("there are near-duplicates in several splits, 1 group of them, e.g. ")


def test_errors_are_one_sentence(trained, loupe_train, tmp_path, workshop):
    run, wrong = tmp_path / "run", tmp_path / "wrong.toml"
    wrong.write_text(workshop.recipe_text.replace("epochs = 6", "epochs = -1"))
    sky = tmp_path / "sky.onnx"
    sky.write_bytes(workshop.sky_model())
    for arguments, sentence in [
        (("manifest", tmp_path / "none"), "there is no folder "),
        (("train", tmp_path / "none.toml", trained.photos, "--run", run), "there is no recipe "),
        (("train", wrong, trained.photos, "--run", run), "is wrong at fit.epochs: "),
        (("train", trained.recipe, tmp_path / "none.csv", "--run", run), "there is no manifest "),
        (("export", tmp_path), "is not a run folder"),
        (("evaluate", tmp_path), "is not a run folder"),
        (("evaluate", tmp_path / "none.onnx", trained.photos), "No such file or directory"),
        (("publish", tmp_path / "none.onnx"), "there is no model "),
        (("publish", trained.recipe), ""),
    ]:
        assert sentence in one_line(loupe_train(*arguments))


@pytest.fixture
def foreign(tmp_path):
    """A classifier from elsewhere: the mean of each channel, 3 labels, 8 x 8 pixels, NCHW."""
    weights = np.random.default_rng(3).normal(0, 1, (192, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    path = tmp_path / "foreign.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_name_that_no_url_can_hold_is_one_sentence(foreign, loupe_train):
    must = "a model's name must be 1 to 64 small letters, digits, '.', '_' or '-', no sign first; "
    for arguments, given in [
        (("train", "--task", "folder", "кошки"), "''"),
        (("train", "--task", "folder", "pets", "--name", "My pets"), "'My pets'"),
        (("import", foreign, "--name", "My pets", "--labels", "a,b,c"), "'My pets'"),
    ]:
        assert one_line(loupe_train(*arguments)) == f"{must}{given} was given; give one with --name"


@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_foreign_model_is_imported_and_published(foreign, loupe_train, tmp_path, in_a_file):
    labels = ["a cat, sleeping", "dog", "newt"] if in_a_file else ["cat", "dog", "newt"]
    (tmp_path / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8-sig")
    given = tmp_path / "labels.txt" if in_a_file else "cat, dog,newt"
    arguments = ["import", foreign, "--name", "pets", "--labels", given, "--size", "8"]
    result = loupe_train(*arguments, "--models", tmp_path / "models", "--description", "Pets.")
    assert result.exit_code == OK, result.output
    path = tmp_path / "models/pets/1/model.onnx"
    assert result.output == f"published {path}; it is certain of nothing until `loupe-train calibrate {path} PHOTOS`\n"
    metadata = read_metadata(path.read_bytes())
    assert metadata.label_names == tuple(labels)
    assert metadata.preprocessing.shape == (8, 8, 3)
    assert "Not measured." in path.with_name("MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"--size": "eight"}, "the input is wrong at height: must be a whole number such as 5; 'eight' was given"),
        ({"--size": "9"}, "the input is [3, 8, 8]"),
        ({"--mean": "0.5;0.5"}, "'0.5;0.5' is not a list of numbers separated by commas"),
        ({"--mean": "0.5,0.5", "--std": "1,1"}, "the input is wrong at channels: must be 1 or 3; 2 was given"),
        ({"--std": "1,1"}, "mean and std need a number for each channel"),
        ({"--fit": "stretch"}, "at fit: must be 'squeeze' or 'center_crop'; 'stretch' was given"),
        ({"--resample": "lanczos"}, "at resample: must be "),
        ({"--crop": "1.5"}, "at crop: must be at most 1"),
        ({"--labels": "a,b"}, "answers 3 labels, 2 were named"),
        ({"--labels": ",".join(f"label-{index}" for index in range(1000))}, "answers 3 labels, 1000 were named"),
        ({"--name": "Pets!"}, "a model's name must be 1 to 64 small letters"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(foreign, loupe_train, tmp_path, changes, sentence):
    options = {"--name": "pets", "--labels": "a,b,c", "--size": "8", "--models": tmp_path / "models", **changes}
    result = loupe_train("import", foreign, *(part for option in options.items() for part in option))
    assert sentence in one_line(result)
    assert not (tmp_path / "models").exists()


def changed(path, tmp_path, properties=(), shape=None):
    model = onnx.load(path)
    for key, value in dict(properties).items():
        model.metadata_props.add(key=key, value=value)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape or (), strict=False):
        dimension.dim_value = size
    onnx.save(model, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def test_labels_and_size_are_taken_from_the_file(foreign, loupe_train, tmp_path):
    path = changed(foreign, tmp_path, {"names": "{0: 'cat', 1: 'dog', 2: 'newt'}"})
    how = ("--resample", "bicubic", "--crop", "0.875", "--channels", "bgr")
    result = loupe_train("import", path, "--name", "pets", "--models", tmp_path / "models", *how)
    assert result.exit_code == OK, result.output
    assert result.output.startswith("3 labels from the file's `names`: cat, dog, newt\n")
    metadata = read_metadata((tmp_path / "models/pets/1/model.onnx").read_bytes())
    assert metadata.label_names == ("cat", "dog", "newt")
    expected = Preprocessing(height=8, width=8, fit="center_crop", resample="bicubic", crop=0.875)
    assert metadata.preprocessing == expected
    card = (tmp_path / "models/pets/1/MODEL_CARD.md").read_text()
    assert "| input | 8 x 8 x 3 uint8, center_crop, the middle 87.5 %, bicubic |" in card


def test_what_the_file_leaves_open_must_be_said(foreign, loupe_train, tmp_path):
    result = loupe_train("import", foreign, "--name", "pets", "--models", tmp_path / "models")
    assert one_line(result) == f"{foreign} carries no labels; name them with --labels, in the order of its output"
    path = changed(foreign, tmp_path, shape=(-1, 3, -1, -1))
    result = loupe_train("import", path, "--name", "pets", "--labels", "a,b,c", "--models", tmp_path / "models")
    assert one_line(result) == (
        "the graph does not tell the size of its pictures; say what it was trained at with --size"
    )


def test_it_says_which_one_it_is(loupe_train):
    result = loupe_train("--version")
    assert result.exit_code == OK
    assert re.fullmatch(r"loupe-train \d+\.\d+\.\d+ \([0-9a-f]{12}(-dirty)?\)\n", result.output)
