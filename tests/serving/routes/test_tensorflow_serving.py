def test_what_is_loaded(client):
    loaded = {model.pop("name"): model for model in client.get("/v1/models").json()["models"]}
    assert list(loaded) == ["orientation", "selfie"]
    assert loaded["orientation"]["labels"] == ["up", "right", "down", "left"]
    assert (loaded["selfie"]["version"], loaded["selfie"]["default"]) == ("3", True)


def test_status_is_tensorflow_servings(client):
    status = {
        "model_version_status": [
            {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert client.get("/v1/models/selfie").json() == status
    assert client.get("/v1/models/selfie/versions/3").json() == status


def test_metadata_is_tensorflow_servings_and_all_that_the_file_says(client):
    answer = client.get("/v1/models/orientation/metadata").json()
    assert client.get("/v1/models/orientation/versions/1/metadata").json() == answer
    assert answer["model_spec"] == {"name": "orientation", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert list(signature["inputs"]) == ["image"]
    assert signature["outputs"]["probabilities"]["tensor_shape"]["dim"][1]["size"] == "4"
    assert answer["metadata"]["loupe"]["preprocessing"]["height"] == 32


def test_what_is_not_loaded_is_not_found(client):
    for path in ("/v1/models/nope", "/v1/models/selfie/versions/1", "/v1/models/nope/metadata"):
        response = client.get(path)
        assert (response.status_code, response.json()["error_type"]) == (404, "ModelNotFoundError")
