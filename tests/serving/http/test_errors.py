import asyncio
import inspect

import httpx
import pytest
from fastapi import FastAPI

from models import errors
from serving.http.errors import STATUSES, add_error_handlers, documented
from serving.observability.recorder import Recorder
from serving.observability.requests import RecordRequests


def answer_of(error: Exception) -> httpx.Response:
    app = FastAPI()
    add_error_handlers(app)
    app.add_middleware(RecordRequests, recorder=Recorder([]))

    @app.get("/")
    async def fail() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    return asyncio.run(ask())


@pytest.mark.parametrize("class_", STATUSES)
def test_every_class_has_its_status_and_the_one_body(class_):
    response = answer_of(class_("a sentence"))
    assert response.status_code == STATUSES[class_]
    assert response.json() == {"error": "a sentence", "error_type": class_.__name__}


@pytest.mark.parametrize("class_", [errors.DeviceError, errors.SettingsError, errors.LoupeError])
def test_our_own_faults_are_500(class_):
    assert answer_of(class_("a sentence")).status_code == 500


def test_a_mistake_of_ours_shows_its_id_and_nothing_else():
    response = answer_of(ZeroDivisionError("secret"))
    assert response.status_code == 500
    assert response.json()["error_type"] == "ZeroDivisionError"
    assert response.headers["X-Request-ID"] in response.json()["error"]
    assert "secret" not in response.text


def test_no_error_goes_through_a_thread():
    app = FastAPI()
    add_error_handlers(app)
    ours = [handler for handler in app.exception_handlers.values() if handler.__module__ == "serving.http.errors"]
    assert len(ours) == 5
    assert all(inspect.iscoroutinefunction(handler) for handler in ours)


def test_a_full_house_says_when_to_come_again():
    assert answer_of(errors.QueueFullError("full")).headers["Retry-After"] == "1"


def test_the_frameworks_errors_have_the_same_body(client):
    for response, status, sentence in (
        (client.get("/nope"), 404, "GET /nope: Not Found; all calls are at /docs"),
        (client.get("/v1/predict"), 405, "GET /v1/predict: Method Not Allowed; allowed: POST"),
        (
            client.get("/static-offline-docs/nope"),
            404,
            "GET /static-offline-docs/nope: Not Found; all calls are at /docs",
        ),
    ):
        assert response.status_code == status
        assert response.json() == {"error": sentence, "error_type": "HTTPException"}


def test_documented_joins_classes_of_one_status():
    said = documented(errors.ImageTooLargeError, errors.RequestTooLargeError)
    assert list(said) == [413]
    assert said[413]["description"] == (
        "The picture has too many bytes or pixels. The request holds too many bytes or images."
    )
