"""MLflow's registry and Hugging Face's cache, as sources and as targets: real ones, on this disk."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import TrainingError
from models.preprocessing import Preprocessing
from models.repository import ModelRepository, read_metadata
from training.shipping import hugging_face
from training.shipping.destination import send
from training.shipping.golden import golden_samples
from training.shipping.origin import origin_of
from training.shipping.promotion import publish

SIDE = 8


@pytest.fixture
def foreign(tmp_path):
    """A classifier as PyTorch exports it, and what Transformers and timm write beside it."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    weights = np.random.default_rng(7).normal(0, 0.3, (SIDE * SIDE * 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, [numpy_helper.from_array(weights, "matrix")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return folder


VIT = {
    "config.json": {"model_type": "vit", "id2label": {"1": "dog", "0": "cat", "2": "newt"}},
    "preprocessor_config.json": {
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "size": {"height": SIDE, "width": SIDE},
    },
}
CONVNEXT = {
    "config.json": VIT["config.json"],
    "preprocessor_config.json": {
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4],
        "resample": 2,
        "size": {"shortest_edge": 10},
    },
}
TIMM = {
    "config.json": {
        "architecture": "resnet18",
        "label_names": ["cat", "dog", "newt"],
        "pretrained_cfg": {
            "input_size": [3, SIDE, SIDE],
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "crop_pct": 0.875,
            "interpolation": "bicubic",
        },
    }
}


@pytest.mark.parametrize(
    ("files", "mean", "facts"),
    [
        (VIT, "0.5,0.5,0.5", {"fit": "squeeze", "resample": "bicubic"}),
        (CONVNEXT, "0.4,0.5,0.6", {"fit": "center_crop", "crop": 0.8}),
        (TIMM, "0.485,0.456,0.406", {"fit": "center_crop", "crop": 0.875, "resample": "bicubic"}),
    ],
    ids=["vit", "convnext", "timm"],
)
def test_a_folder_of_hugging_face_s_tells_labels_and_pixels(foreign, loupe_train, tmp_path, files, mean, facts):
    for name, document in files.items():
        (foreign / name).write_text(json.dumps(document))
    assert hugging_face.facts_in(foreign)["mean"] == mean
    result = loupe_train("import", foreign, "--name", "pets", "--models", tmp_path / "models")
    assert result.exit_code == 0, result.output
    metadata = read_metadata((tmp_path / "models/pets/1/model.onnx").read_bytes())
    assert metadata.label_names == ("cat", "dog", "newt")
    assert metadata.preprocessing == Preprocessing(height=SIDE, width=SIDE, **facts)
    assert mean.replace(",", ", ") in metadata.training["normalised"]
    said = loupe_train("import", foreign, "--name", "mine", "--mean", "0,0,0", "--models", tmp_path / "models")
    assert said.exit_code == 0, said.output
    ours = read_metadata((tmp_path / "models/mine/1/model.onnx").read_bytes())
    assert "mean 0, 0, 0" in ours.training["normalised"]  # what is said by hand stands above


@pytest.mark.parametrize("size", ["large", {"longest_edge": 8}, {"height": None}, [8]])
def test_a_size_that_is_none_is_told(foreign, size):
    (foreign / "preprocessor_config.json").write_text(json.dumps({"size": size}))
    with pytest.raises(TrainingError, match="tells a size of pictures that is none"):
        hugging_face.facts_in(foreign)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_repository_in_the_cache_is_found_by_branch_and_commit(foreign, cache, loupe_train, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = cache / "models--zoo--pets" / "snapshots" / commit
    shutil.copytree(foreign, folder / "onnx")
    (folder / "config.json").write_text(json.dumps(VIT["config.json"]))
    (cache / "models--zoo--pets/refs").mkdir()
    (cache / "models--zoo--pets/refs/main").write_text(commit)
    for address in ("hf://zoo/pets", f"hf://zoo/pets@{commit}"):
        with origin_of(address) as origin:
            assert origin.file == folder / "onnx/model.onnx"
            assert origin.labels == ("id2label", ("cat", "dog", "newt"))
    result = loupe_train("import", "hf://zoo/pets", "--name", "pets", "--models", tmp_path / "models")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("hf://zoo", "hf://zoo is not of the form hf://owner/name"),
        ("hf://../etc", "hf://../etc is not of the form"),
        ("hf://zoo/pets@../../x", "is not of the form"),
        ("hf://zoo/none", "hf://zoo/none is not in the cache .*; `hf download zoo/none` brings it"),
        ("models:/", "models:/ is not of the form models:/name/alias"),
        ("models:/a/b/c", "models:/a/b/c is not of the form"),
        ("models:/pets", "models:/pets names no version"),
        ("nowhere.onnx", "there is no model nowhere.onnx"),
    ],
)
def test_a_wrong_address_is_one_sentence(cache, address, why):
    with pytest.raises(TrainingError, match=why), origin_of(address):
        pass


def test_a_folder_without_one_model_is_told(tmp_path):
    with pytest.raises(TrainingError, match=r"one ONNX file is needed in .*, and there are none"):
        hugging_face.onnx_in(tmp_path)
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(TrainingError, match=r"and there are a\.onnx, b\.onnx"):
        hugging_face.onnx_in(tmp_path)


@pytest.fixture
def published(workshop, tmp_path):
    """A model of ours in a repository, as ``send`` gets it."""
    data = workshop.sky_model()
    samples = golden_samples(data, read_metadata(data).preprocessing)
    stamped = workshop.sky_model(golden_samples=samples)
    return publish(stamped, ModelRepository(tmp_path / "from"), require_metrics=False)


def test_what_goes_to_the_cache_comes_back_as_it_was(published, cache, loupe_train, tmp_path):
    folder = send(published, "hf://zoo/orientation")
    assert (cache / "models--zoo--orientation/refs/main").read_text() in folder
    config = json.loads((cache / folder / "config.json").read_text())
    assert config["id2label"] == {"0": "up", "1": "right", "2": "down", "3": "left"}
    assert (cache / folder / "model.onnx").is_symlink()
    assert send(published, "hf://zoo/orientation") == folder
    result = loupe_train("import", "hf://zoo/orientation", "--models", tmp_path / "to")
    assert result.output == f"published {tmp_path}/to/orientation/1/model.onnx\n"
    assert (tmp_path / "to/orientation/1/model.onnx").read_bytes() == published.read_bytes()


def test_what_one_of_ours_says_itself_cannot_be_told(published, loupe_train, tmp_path):
    result = loupe_train("import", published, "--name", "mine", "--channels", "rgb", "--models", tmp_path / "to")
    assert result.exit_code == 2
    assert "leave out --name, --channels" in " ".join(result.output.replace("│", "").split())
    assert not (tmp_path / "to").exists()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs the extra `tracking`")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)  # artifacts lie beside


def test_what_goes_to_mlflow_s_registry_comes_back_by_alias_and_number(published, registry, loupe_train, tmp_path):
    from mlflow.tracking import MlflowClient

    assert send(published, "models:/sky@champion") == "models:/sky/1"
    assert send(published, "models:/sky") == "models:/sky/2"
    client = MlflowClient()
    assert client.get_model_version_by_alias("sky", "champion").version in ("1", 1)
    assert client.get_model_version("sky", "2").tags["loupe.version"] == "1"
    for number, address in enumerate(("models:/sky/champion", "models:/sky@champion", "models:/sky/2")):
        result = loupe_train("import", address, "--models", tmp_path / f"to{number}")
        assert result.output == f"published {tmp_path}/to{number}/orientation/1/model.onnx\n"
        assert (tmp_path / f"to{number}/orientation/1/model.onnx").read_bytes() == published.read_bytes()
    told = pytest.raises(TrainingError, match=r"^MLflow does not give models:/sky/nobody: ")
    with told, origin_of("models:/sky/nobody"):
        pass
    with pytest.raises(TrainingError, match=r"^models:/sky/3: MLflow numbers its versions itself"):
        send(published, "models:/sky/3")


def test_publish_tells_a_wrong_target_before_it_publishes(trained, loupe_train, tmp_path):
    for address in ("s3://bucket", "hf://zoo", "models:/a/1"):
        result = loupe_train("publish", trained.run.path, "--models", tmp_path / "models", "--to", address)
        assert result.exit_code == 1
        assert not (tmp_path / "models").exists()
