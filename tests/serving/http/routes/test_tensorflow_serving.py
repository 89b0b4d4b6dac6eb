from base64 import b64encode


def test_what_is_loaded(client):
    loaded = {model.pop("name"): model for model in client.get("/v1/models").json()["models"]}
    assert list(loaded) == ["orientation", "selfie"]
    assert loaded["orientation"]["labels"] == ["up", "right", "down", "left"]
    assert (loaded["selfie"]["version"], loaded["selfie"]["default"]) == ("3", True)


def test_status_is_tensorflow_servings_and_kserves(client):
    status = {
        "model_version_status": [
            {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
        "name": "selfie",
        "ready": True,
    }
    assert client.get("/v1/models/selfie").json() == status
    assert client.get("/v1/models/selfie/versions/3").json() == status


def test_versions_and_labels_are_told_apart(serve_with, zoo, tmp_path):
    root = zoo.publish(tmp_path, *(zoo.orientation(version=version) for version in (1, 2, 3)))
    (root / "orientation/labels.json").write_text('{"stable": 2}')
    client = serve_with(models=root, versions="latest:2")
    versions = client.get("/v1/models/orientation").json()["model_version_status"]
    assert [(one["version"], one["state"]) for one in versions] == [("3", "AVAILABLE"), ("2", "AVAILABLE")]
    for path in ("versions/2", "labels/stable"):
        [one] = client.get(f"/v1/models/orientation/{path}").json()["model_version_status"]
        assert (one["version"], one["state"]) == ("2", "AVAILABLE")
        spec = client.get(f"/v1/models/orientation/{path}/metadata").json()["model_spec"]
        assert (spec["name"], spec["version"]) == ("orientation", "2")
        answer = client.post(f"/v1/models/orientation/{path}:predict", json={"instances": [photo(zoo.png("left"))]})
        assert answer.json()["predictions"][0]["label"] == "left"
    assert client.get("/v2/models/orientation").json()["versions"] == ["2", "3"]
    for path, version in (("", "2"), ("/versions/3", "3")):
        call = {"content": zoo.png(), "headers": {"Inference-Header-Content-Length": "0"}}
        assert client.post(f"/v2/models/orientation{path}/infer", **call).json()["model_version"] == version


def photo(data: bytes) -> dict[str, str]:
    return {"b64": b64encode(data).decode()}


def test_a_client_written_for_the_signature_gets_all_its_outputs(client, zoo):
    """It knows its server by the metadata alone, as clients of TensorFlow Serving do."""
    metadata = client.get("/v1/models/orientation/metadata").json()["metadata"]
    signature = metadata["signature_def"]["signature_def"]["serving_default"]
    [name] = signature["inputs"]
    body = {"signature_name": "serving_default", "inputs": {name: [photo(zoo.png(side)) for side in ("up", "down")]}}
    outputs = client.post("/v1/models/orientation:predict", json=body).json()["outputs"]
    for output, tensor in signature["outputs"].items():
        sizes = [int(dim["size"]) for dim in tensor["tensor_shape"]["dim"]]
        assert len(outputs[output]) == 2
        assert all(len(row) == sizes[1] for row in outputs[output] if len(sizes) == 2)
        python = {"DT_STRING": str, "DT_FLOAT": float, "DT_BOOL": bool}[tensor["dtype"]]
        assert isinstance(outputs[output][0][0] if len(sizes) == 2 else outputs[output][0], python)
    rows = {"signature_name": "serving_default", "instances": [{name: photo(zoo.png("down"))}]}
    [row] = client.post("/v1/models/orientation:predict", json=rows).json()["predictions"]
    assert (row["label"], row["probability"]) == (outputs["label"][1], outputs["probability"][1])


def test_metadata_is_tensorflow_servings_and_all_that_the_file_says(client):
    answer = client.get("/v1/models/orientation/metadata").json()
    assert client.get("/v1/models/orientation/versions/1/metadata").json() == answer
    assert answer["model_spec"] == {"name": "orientation", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert list(signature["inputs"]) == ["image"]
    assert signature["outputs"]["probabilities"]["tensor_shape"]["dim"][1]["size"] == "4"
    assert answer["metadata"]["loupe"]["preprocessing"]["height"] == 32


def test_what_is_not_loaded_is_not_found(client):
    missing = ("nope", "selfie/versions/1", "selfie/labels/stable", "nope/metadata", "selfie/labels/stable/metadata")
    for path in (f"/v1/models/{end}" for end in missing):
        response = client.get(path)
        assert (response.status_code, response.json()["error_type"]) == (404, "ModelNotFoundError")
