"""Answers → errors, Loupe's own and those of a proxy before it."""

import pickle

import httpx
import pytest

from loupe import errors
from loupe.errors import error_of
from models import errors as of_the_service
from serving.http.errors import STATUSES, error_response


@pytest.mark.parametrize("error", list(STATUSES), ids=lambda error: error.__name__)
def test_every_error_of_the_service_has_its_class(error: type[of_the_service.LoupeError]):
    sent = error_response(error("one sentence"))
    got = error_of(httpx.Response(sent.status_code, content=sent.body))
    assert (str(got), got.error_type, got.status) == ("one sentence", error.__name__, sent.status_code)
    if issubclass(error, of_the_service.ImageError):
        assert isinstance(got, errors.ImageError)
    elif issubclass(error, of_the_service.ServiceError):
        assert isinstance(got, errors.ServiceError)
    elif sent.status_code not in (408, 413):
        assert isinstance(got, errors.RequestError)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(413, errors.TooLargeError), (404, errors.NotFoundError), (502, errors.ProxyError), (418, errors.RequestError)],
)
@pytest.mark.parametrize("body", ["<html>", "[]", '{"error": "x"}', ""])
def test_a_proxy_s_error_is_told_by_its_status(status: int, expected: type, body: str):
    got = error_of(httpx.Response(status, text=body))
    assert type(got) is expected
    assert str(status) in str(got)
    assert got.error_type == "HTTPError"


def test_errors_travel_between_processes():
    error = errors.BusyError("full", "QueueFullError", 429)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.error_type, copy.status) == ("full", "QueueFullError", 429)


def test_the_tree_is_drawn_as_it_is():
    drawn = {line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line}
    classes = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    assert drawn | {"LoupeError"} == classes
