import json
import logging
import time
from io import BytesIO

import pytest
from PIL import ExifTags, Image

from models.images import decode
from serving.observability.logging import RequestLine, _JsonLines, configure_logging, request_id
from serving.observability.recorder import RequestRecord
from serving.observability.requests import log_requests


@pytest.fixture
def root_logger():
    """Puts the root logger and ours back as they were."""
    root, ours = logging.getLogger(), logging.getLogger("loupe")
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)


def test_a_record_is_one_line_of_json(root_logger, capfd):
    configure_logging("info")
    request_id.set("abc")
    logging.getLogger("loupe.somewhere").info("a %s", "message", extra={"count": 3})
    logging.getLogger("loupe.somewhere").debug("not this one")
    logging.getLogger("library").info("nor this one")
    [line] = capfd.readouterr().err.splitlines()
    record = json.loads(line)
    assert record.pop("time")
    assert record == {
        "level": "INFO",
        "logger": "loupe.somewhere",
        "message": "a message",
        "count": 3,
        "request_id": "abc",
    }


def test_a_request_has_the_line_that_any_record_would_have(root_logger, capfd):
    configure_logging("info")
    paths = ["/v1/predict", '/a "quoted" path\nwith ü', ""]
    records = [RequestRecord(method="POST", path=path, status=200, request_id="mine") for path in paths]
    for record in records:
        record.ended()
    log_requests(records)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(one["path"], one["status"], one["request_id"]) for one in lines] == [
        (path, 200, "mine") for path in paths[:2]
    ]
    assert all(one["duration_ms"] >= 0 for one in lines)
    request_id.set("mine")
    line = RequestLine(1_700_000_000.25, "GET", paths[1], 404, 1.5, "mine")
    assert line.json == _JsonLines().format(line)


def test_debug_lines_hold_no_exif(root_logger, capfd, photograph):
    configure_logging("debug")
    logging.getLogger("loupe.somewhere").debug("ours")
    exif, written = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Artist] = "A Name"
    photograph.save(written, "TIFF", exif=exif)
    decode(written.getvalue())
    said = capfd.readouterr().err
    assert "ours" in said
    assert "A Name" not in said


def test_libraries_tell_errors_where_only_errors_are_wanted(root_logger, capfd):
    configure_logging("error")
    logging.getLogger("library").warning("not this one")
    logging.getLogger("library").error("this one")
    [line] = capfd.readouterr().err.splitlines()
    assert "this one" in line


def test_a_request_is_one_record_without_its_query(client, caplog):
    with caplog.at_level(logging.INFO, "loupe.access"):
        response = client.post("/v1/predict?models=secret", content=b"x", headers={"X-Request-ID": "mine-1"})
        [record] = access_records(caplog, "mine-1")
    assert response.headers["X-Request-ID"] == "mine-1"
    assert (record.method, record.path, record.status) == ("POST", "/v1/predict", 404)
    assert record.duration_ms >= 0
    assert "secret" not in str(vars(record))


def access_records(caplog, request_id: str) -> list[logging.LogRecord]:
    """The line is written in a block, a while after the answer is out."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if records := [one for one in caplog.records if getattr(one, "request_id", "") == request_id]:
            return records
        time.sleep(0.01)
    return []


def test_an_id_that_is_not_sane_is_replaced(client):
    for given in ("two words", "x" * 129, '"quoted"'):
        assert client.get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given
