import re

import pytest

from models.errors import SettingsError, UnauthorizedError
from serving.access.keys import ApiKeys

PHOTO = "/v1/models/orientation:predict"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# the upload form\nfirst-key\n\n  second-key   # the photo library\n")
    return path


@pytest.fixture
def guarded(serve_with, file):
    return serve_with(api_keys_file=file)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "first-key"},
        {"X-API-Key": "second-key"},
        {"Authorization": "Bearer first-key"},
        {"Authorization": "bearer second-key"},
        {"Authorization": "Bearer the-admin-token", "X-API-Key": "first-key"},
    ],
)
def test_a_key_opens(guarded, zoo, headers):
    assert guarded.post(PHOTO, content=zoo.png(), headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "first"},
        {"X-API-Key": "first-key2"},
        {"X-API-Key": "# the upload form"},
        {"Authorization": "Basic first-key"},
        {"Authorization": "Bearer"},
        {"X-API-Key": "schlüssel".encode()},
    ],
)
def test_anything_else_does_not(guarded, headers):
    """Not one byte of the body is asked for."""
    answer = guarded.post(PHOTO, content=iter([b"x"]), headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "the API key is missing or wrong; it belongs into `Authorization: Bearer …` or `X-API-Key`",
        "error_type": "UnauthorizedError",
    }
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["X-Request-ID"]


def test_every_route_but_health_needs_one(guarded):
    paths = guarded.get("/openapi.json", headers={"X-API-Key": "first-key"}).json()["paths"]
    open_ = {path for path in paths if guarded.get(path).status_code != 401}
    assert open_ == {"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"}
    assert guarded.post("/health/live/../../v1/predict").status_code == 401
    for path in ("//v1/predict", "/v1/predict/", "/health//../v1/predict", "/docsx", "/static-offline-docs"):
        assert guarded.post(str(guarded.base_url).rstrip("/") + path).status_code == 401


def test_documentation_is_open_unless_it_is_closed(serve_with, file):
    open_, closed = serve_with(api_keys_file=file), serve_with(api_keys_file=file, docs_need_key=True)
    page = open_.get("/docs").text
    for path in ("/docs", "/openapi.json", *re.findall(r'(?:src|href)="(/[^"]+)"', page)):
        assert (open_.get(path).status_code, closed.get(path).status_code) == (200, 401)
    assert closed.get("/docs", headers={"X-API-Key": "first-key"}).status_code == 200


def test_metrics_may_be_open(serve_with, file):
    client = serve_with(api_keys_file=file, metrics_need_key=False)
    assert client.get("/metrics").status_code == 200
    assert client.get("/version").status_code == 401
    assert (
        'loupe_rejected_requests_total{protocol="other",reason="UnauthorizedError"} 1.0' in client.get("/metrics").text
    )


def test_reloading_takes_new_keys_and_keeps_the_old_ones_if_it_fails(file):
    keys = ApiKeys(file)
    file.write_text("third-key")
    keys.check({"x-api-key": "first-key"})
    keys.reload()
    keys.check({"x-api-key": "third-key"})
    with pytest.raises(UnauthorizedError):
        keys.check({"x-api-key": "first-key"})
    file.write_text("# nobody")
    with pytest.raises(SettingsError, match="there is no API key in"):
        keys.reload()
    keys.check({"x-api-key": "third-key"})


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot be read: No such file or directory$"):
        ApiKeys(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"cannot be read: it is no text$"):
        ApiKeys(tmp_path / "binary")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_comment_begins_behind_white_space(tmp_path, mark):
    """Of the second key all but its first letter had been a comment, and that letter a key."""
    (file := tmp_path / "keys").write_text(f"{mark}first\na#9fJ2kLq8Zt0PwX7v\t# the app\n#b\n", encoding="utf-8")
    keys = ApiKeys(file)
    for key in ("first", "a#9fJ2kLq8Zt0PwX7v"):
        keys.check({"x-api-key": key})
    for key in ("a", "#b", "b", ""):
        with pytest.raises(UnauthorizedError):
            keys.check({"x-api-key": key})


def test_a_key_that_no_header_carries_is_refused_and_not_told(tmp_path):
    (file := tmp_path / "keys").write_text("first\nschlüssel\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"the API key in line 2 of .* are not printable ASCII") as raised:
        ApiKeys(file)
    assert "schl" not in str(raised.value)


def test_keys_are_not_kept(file):
    assert "first-key" not in str(vars(ApiKeys(file)))


def test_without_a_file_nobody_is_asked(client):
    assert client.get("/version").status_code == 200
