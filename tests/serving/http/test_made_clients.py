"""Clients that others' tools make from openapi.json, without a warning, ask a real server."""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
NODE_MODULES = ROOT / ".npm-dev" / "node_modules"
# As .ci/run installs them; or whatever else is in the PATH.
PATH = os.pathsep.join(map(str, (ROOT / ".venv-clients/bin", NODE_MODULES / ".bin", os.environ["PATH"])))
SCRIPTS = ROOT / "tests/serving/protocols/clients"
SCRIPT = """
import json, sys
from io import BytesIO
from made import Client
from made.api.health import health, ready, version
from made.api.models import model_metadata
from made.api.open_inference import infer_model, model_tensors
from made.api.predict import predict, predict_several
from made.api.upright import upright
from made.models import EncodedPhoto, InferRequest, InputTensor, PhotoDocument, PhotoForm
from made.types import File

url, photo, b64 = sys.argv[1], open(sys.argv[2], "rb").read(), open(sys.argv[3]).read()
client = Client(url, raise_on_unexpected_status=True)
file = lambda: File(BytesIO(photo), "photo.png", "image/png")
rows = PhotoDocument(instances=[EncodedPhoto(b64)])
tensor = InputTensor(name="image", datatype="BYTES", shape=[1], data=[b64])
bad = predict.sync("nope", client=client, body=rows)
print(json.dumps({
    "ready": ready.sync(client=client).ready,
    "live": health.sync(client=client).live,
    "version": version.sync(client=client).models["orientation"].version,
    "metadata": model_metadata.sync("orientation", client=client)["model_spec"]["name"],
    "shape": model_tensors.sync("orientation", client=client).inputs[0].shape,
    "form": predict.sync("orientation", client=client, body=PhotoForm(image=[file(), file()])).to_dict(),
    "bytes": predict.sync("orientation", client=client, body=file(), top_k=1).to_dict(),
    "rows": predict.sync("orientation", client=client, body=rows).to_dict(),
    "several": predict_several.sync(client=client, body=rows, models="orientation").to_dict(),
    "infer": infer_model.sync("orientation", client=client, body=InferRequest([tensor])).to_dict(),
    "upright": upright.sync_detailed(client=client, body=file()).headers["Loupe-Rotated-Clockwise"],
    "error": bad.to_dict(),
}))
"""


@pytest.fixture
def photo_files(zoo, tmp_path) -> tuple[Path, Path]:
    """A photo, and its base64."""
    files = tmp_path / "photo.png", tmp_path / "photo.txt"
    files[0].write_bytes(zoo.png("left", (64, 48)))
    files[1].write_text(b64encode(files[0].read_bytes()).decode())
    return files


def tool(name: str) -> str:
    """Where a program lies; the test is skipped where it is not."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def save(client: httpx.Client, folder: Path) -> str:
    (folder / "openapi.json").write_bytes(client.get("/openapi.json").content)
    return str(folder / "openapi.json")


def run(*command: str, folder: Path) -> str:
    environment = os.environ | {
        "REDOCLY_TELEMETRY": "off",
        "PATH": PATH,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_openapi_python_client(client, photo_files, tmp_path):
    program = tool("openapi-python-client")
    (tmp_path / "config.yml").write_text("post_hooks: []\n")
    made = ("--path", save(client, tmp_path), "--output-path", str(tmp_path / "made"), "--config", "config.yml")
    said = run(program, "generate", *made, "--meta", "none", "--fail-on-warning", folder=tmp_path)
    assert "arning" not in said
    url = str(client.base_url).rstrip("/")
    got = json.loads(run(sys.executable, "-c", SCRIPT, url, *map(str, photo_files), folder=tmp_path))
    native = client.post("/v1/models/orientation:predict", content=photo_files[0].read_bytes()).json()
    [prediction] = native["predictions"]
    assert (got["ready"], got["live"], got["version"], got["metadata"]) == (True, True, "1", "orientation")
    assert got["shape"] == [-1, 32, 32, 3]
    assert got["form"] == native | {"predictions": [prediction, prediction]}
    assert got["bytes"]["predictions"][0]["label"] == "left"
    assert got["rows"] == {"predictions": [prediction]}
    assert got["several"] == {"results": {"orientation": native}}
    assert got["infer"]["outputs"][0]["data"] == list(prediction["probabilities"].values())
    assert got["upright"] == "90"
    assert got["error"]["error_type"] == "ModelNotFoundError"


def test_openapi_typescript_and_openapi_fetch(client, photo_files, tmp_path):
    compiler, node = tool("tsc"), tool("node")
    run(tool("openapi-typescript"), save(client, tmp_path), "--output", "api.ts", folder=tmp_path)
    shutil.copy(SCRIPTS / "openapi_fetch.mts", tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    options = ("--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "node")
    run(compiler, "openapi_fetch.mts", *options, folder=tmp_path)
    url = str(client.base_url).rstrip("/")
    got = json.loads(run(node, "openapi_fetch.mjs", url, photo_files[1].read_text(), folder=tmp_path))
    rows = {"instances": [{"b64": photo_files[1].read_text()}]}
    native = client.post("/v1/models/orientation:predict", json=rows).json()
    assert got == {"ready": True, "metadata": 200, "predictions": native, "error": "ModelNotFoundError"}


def test_redocly_finds_nothing(client, tmp_path):
    said = run(tool("redocly"), "lint", save(client, tmp_path), "--format", "json", folder=tmp_path)
    totals = json.loads(said[said.index("{") : said.rindex("}") + 1])["totals"]
    assert totals == {"errors": 0, "warnings": 0, "ignored": 0}


def test_every_reference_leads_somewhere_and_every_call_is_told(client):
    document = client.get("/openapi.json").json()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert names
    for name in names:
        target = document
        for key in name.removeprefix("#/").split("/"):
            target = target[key]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["operationId"].isidentifier()
        assert len(operation["operationId"]) < 30
        assert len(operation["summary"]) > 10
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            assert media_type != "application/json" or content.keys() & {"example", "examples"}, operation
        for parameter in operation.get("parameters", ()):
            assert (parameter["in"], parameter["name"]) != ("query", "version")
            assert parameter["in"] != "path" or parameter["schema"] == {
                "type": "string",
                "title": parameter["schema"]["title"],
            }
    assert "422" not in document["paths"]["/v1/models"]["get"]["responses"]


def test_examples_of_photos_are_answered_as_they_stand(client):
    document = client.get("/openapi.json").json()
    for path in ("/v1/models/{model}:predict", "/v1/predict", "/v2/models/{model}/infer"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        examples = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
        for example in examples:
            assert client.post(path.replace("{model}", "orientation"), json=example).status_code == 200


def test_keys_and_the_token_are_told(client):
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"].keys() == {"apiKey", "bearerKey", "adminToken"}
    assert document["security"] == [{}, {"apiKey": []}, {"bearerKey": []}]
    assert document["paths"]["/health/live"]["get"]["security"] == []
    assert {"adminToken": []} in document["paths"]["/v1/models/{model}/labels"]["put"]["security"]
