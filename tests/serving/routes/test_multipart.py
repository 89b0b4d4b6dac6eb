"""Multipart forms that are not as they should be, sent byte by byte by hand."""

import pytest

PATH = "/v1/models/orientation:predict"


def form(*parts: bytes, end: bytes = b"--cut--\r\n") -> bytes:
    return b"".join(b"--cut\r\n" + part + b"\r\n" for part in parts) + end


def part(data: bytes = b"x", headers: bytes = b"", name: bytes = b"image", file: bytes = b'; filename="f"') -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + file + b"\r\n" + headers + b"\r\n" + data


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, form(part(headers=b"A: b\r\n" * 8)), "the multipart body is malformed: Maximum header count exceeded"),
        (400, form(part(headers=b"A: " + b"b" * 5000 + b"\r\n")), "the multipart body is malformed: Maximum header"),
        (400, form(part(name=b"photo")), "the multipart body has a part 'photo'; allowed are file parts named 'image'"),
        (400, form(part(name=b"n" * 999)), "the multipart body has a part '" + "n" * 50 + "'; allowed"),
        (400, form(part(file=b"")), "the multipart body has a part 'image'; allowed are file parts named 'image'"),
        (400, form(part(), end=b""), "the multipart body is malformed: its closing boundary is missing"),
        (400, form(b"\r\nno headers"), "the multipart body is malformed: "),
        (400, b"no form", "the multipart body is malformed: "),
        (413, form(*[part()] * 5), "the request has more than the 4 images that are allowed"),
    ],
)
def test_errors_are_one_sentence(serve_with, status, body, sentence):
    client = serve_with(max_request_images=4)
    answer = client.post(PATH, content=body, headers={"Content-Type": "multipart/form-data; boundary=cut"})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)
    assert len(answer.json()["error"]) < 200


def test_a_part_too_many_ends_it_before_the_rest_is_sent(serve_with):
    """The generator would go on for ever."""
    client, sent = serve_with(max_request_images=4), 0

    def endless():
        nonlocal sent
        while True:
            sent += 1
            yield form(part(bytes(10_000)), end=b"")

    try:
        answer = client.post(PATH, content=endless(), headers={"Content-Type": "multipart/form-data; boundary=cut"})
        assert answer.status_code == 413
    except Exception as error:  # the connection may be cut while the client still writes
        assert "closed" in str(error).lower() or "reset" in str(error).lower() or "broken" in str(error).lower()  # noqa: PT017
    assert sent < 10_000


def test_an_address_is_no_image(client):
    """No image is ever fetched from somewhere else."""
    for body in ({"instances": [{"url": "http://127.0.0.1:1/x.png"}]}, {"instances": ["http://127.0.0.1:1/x.png"]}):
        assert client.post(PATH, json=body).status_code == 400
    assert client.post(PATH, content=b"http://127.0.0.1:1/x.png").status_code == 415
