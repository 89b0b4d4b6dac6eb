"""README.md keeps its word: its commands run, its answers come, its tables are those of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from io import BytesIO
from itertools import product
from pathlib import Path

import httpx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from models.repository import ModelRepository, read_metadata
from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLERANCE = 0.02  # of a probability: JPEG decoders differ between processors

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(word: str) -> str:
    """The one shell block that has this word."""
    (block,) = [block for block in blocks("sh") if word in block]
    return block


def run(script: str, folder: Path) -> str:
    """Runs a block as a person would in the repository's root, with this interpreter in place of the environments."""
    for program, module in (
        (".venv-dev/bin/loupe-train", "training.commands.cli"),
        (".venv/bin/loupe", "serving.commands.cli"),
    ):
        script = script.replace(program, f"{sys.executable} -W ignore -m {module}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, photographs: dict[str, bytes]) -> Path:
    """A folder with the README's photos, and the recipes that its commands name."""
    rocket = Image.open(BytesIO(photographs["rocket"])).convert("RGB")
    rocket.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "photo.jpg", quality=95)
    rocket.save(tmp_path / "other.jpg", quality=95)
    (tmp_path / "training").symlink_to(ROOT / "training")
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


@needs_curl
def test_the_first_curl_gets_the_answer_that_is_shown(folder: Path, shipped_url: str):
    answer = json.loads(run(local(commands("photo.jpg http"), shipped_url), folder))
    (shown,) = [json.loads(block) for block in blocks("json")]
    (got,), (expected,) = answer.pop("predictions"), shown.pop("predictions")
    assert answer == shown
    assert got["probabilities"] == pytest.approx(expected["probabilities"], abs=TOLERANCE)
    assert {key: got[key] for key in ("label", "certain", "attributes")} == {
        key: expected[key] for key in ("label", "certain", "attributes")
    }


@needs_curl
def test_the_other_ways_to_ask_answer_alike(folder: Path, shipped_url: str):
    lines = commands("--form").replace("curl ", "curl --fail --silent --write-out '\\n' ")
    two, both, rows, version, *table = [line for line in run(local(lines, shipped_url), folder).splitlines() if line]
    first, second = json.loads(two)["predictions"]
    assert json.loads(both)["results"]["orientation"]["predictions"] == [first]
    assert json.loads(rows)["predictions"] == [first]
    assert set(json.loads(version)["models"]) >= {"orientation", "selfie"}
    assert first["label"] in "".join(table)
    assert second["label"] in "".join(table)


def test_version_fits_on_a_screen(shipped_url: str):
    """With reliability tables and confusion matrices it had 17,343 bytes."""
    answer = httpx.get(f"{shipped_url}/version", timeout=60)
    assert len(answer.content) < 1500
    for model in answer.json()["models"].values():
        assert model["metrics"].keys() == {"accuracy", "certain_share", "certain_accuracy"}


def local(script: str, url: str) -> str:
    return script.replace("http://127.0.0.1:8000", url)


@needs_curl
def test_training_on_ones_own_folder_publishes_a_model(folder: Path, photographs: dict[str, bytes], serve):
    setup, train, start = commands("make setup").splitlines()
    assert (setup, start) == ("make setup", ".venv/bin/loupe serve --models my-models")
    for label in ("astronaut", "coffee"):
        (folder / "photos" / label).mkdir(parents=True)
        image = Image.open(BytesIO(photographs[label])).convert("RGB")
        for index, (left, top) in enumerate(product(range(0, image.width - 63, 64), range(0, image.height - 63, 64))):
            image.crop((left, top, left + 64, top + 64)).resize((20, 20)).save(
                folder / "photos" / label / f"{index}.png"
            )
    output = run(train, folder)
    assert "published my-models/photos/1/model.onnx" in output.replace("\n", "")
    assert (folder / "my-models/photos/1/MODEL_CARD.md").is_file()
    url = serve(folder / "my-models")
    assert '"astronaut"' in run(f"curl --fail --silent --data-binary @photo.jpg {url}/v1/predict", folder)


def test_importing_a_model_publishes_it(folder: Path):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 224, 224])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])]
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["means"]),
        helper.make_node("Flatten", ["means"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "colours", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "resnet.onnx").write_bytes(model.SerializeToString())
    run(commands("resnet.onnx"), folder)
    metadata = read_metadata(ModelRepository(folder / "my-models").path("animals").read_bytes())
    assert metadata.label_names == ("cat", "dog", "horse")


def test_every_make_target_that_is_named_exists():
    for target in set(re.findall(r"`?make ([a-z]+)", README)):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)


def test_the_settings_table_is_that_of_the_code():
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    assert table in README, f"README.md lacks this table:\n{table}"


def _default(value: object) -> str:
    if isinstance(value, Path):
        return "the shipped ones"
    return "none" if value is None else f"`{value}`"


@pytest.mark.parametrize("name", ["orientation", "orientation-small", "selfie"])
def test_the_shipped_models_figures_are_those_of_their_files(name: str):
    metadata = read_metadata(ModelRepository(ROOT / "models").path(name).read_bytes())
    assert metadata.metrics is not None
    assert f"{metadata.metrics.accuracy:.1%}".replace("%", " %") in README


def test_readme_is_short():
    assert len(README.splitlines()) <= 250
