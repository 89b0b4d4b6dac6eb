import re

import pytest

from models.errors import InvalidModelError
from serving.http.app import create_app
from serving.settings import Settings


def test_docs_come_from_here(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(asset).status_code == 200


def test_openapi_names_the_calls_and_the_forms_of_a_body(client):
    document = client.get("/openapi.json").json()
    predict = document["paths"]["/v1/models/{model}:predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {
        "application/octet-stream",
        "multipart/form-data",
        "application/json",
    }
    assert set(predict["responses"]) == {
        "200",
        "400",
        "401",
        "404",
        "408",
        "413",
        "415",
        "422",
        "429",
        "431",
        "503",
        "504",
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_wrong_model_keeps_the_service_from_starting(zoo, tmp_path):
    wrong = zoo.golden((0.25, 0.25, 0.25, 0.25))
    root = zoo.publish(tmp_path, zoo.selfie(), zoo.orientation(golden_samples=[wrong]))
    with pytest.raises(InvalidModelError, match="orientation version 1 is off by"):
        create_app(Settings(models=root))
