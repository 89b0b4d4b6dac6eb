"""POST …:explain: where an answer comes from, what that costs, and who may ask."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

EXPLAIN = "/v1/models/orientation:explain"


@pytest.fixture
def thin_sky(zoo) -> bytes:
    """A sky in the upper third: hidden, it is missed more than ground is."""
    picture = Image.new("RGB", (90, 90), (100, 100, 100))
    picture.paste((120, 120, 120), (0, 0, 90, 30))
    return zoo.encode(picture, "PNG")


def answers_counted(client) -> float:
    found = re.findall(r"^loupe_predictions_total\{.*\} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return sum(map(float, found))


def test_the_map_is_high_where_the_answer_comes_from(client, thin_sky):
    before = answers_counted(client)
    answer = client.post(EXPLAIN, content=thin_sky).json()
    fall = np.array(answer["fall"])
    assert (answer["model"], answer["version"], answer["label"]) == ("orientation", "1", "up")
    assert answer["prediction"]["label"] == "up"
    assert fall.shape == (7, 7)
    assert fall[0].min() > 0
    assert fall[0].mean() > 1.5 * fall[-1].mean() > 0
    assert answers_counted(client) == before  # what was said of hidden parts is no answer
    other = np.array(client.post(EXPLAIN, params={"label": "down"}, content=thin_sky).json()["fall"])
    assert other[0].mean() < 0


def test_it_is_drawn_where_a_picture_is_accepted(client, thin_sky):
    response = client.post(EXPLAIN, content=thin_sky, headers={"Accept": "image/png"})
    assert response.headers["Content-Type"] == "image/png"
    drawn = np.asarray(Image.open(BytesIO(response.content)).convert("RGB"), int)
    assert max(drawn.shape[:2]) == 352
    red = drawn[..., 0] - drawn[..., 2]
    assert red[:60].mean() > red[-60:].mean() + 5


def test_a_form_and_json_are_taken_too(client, zoo):
    form = client.post(EXPLAIN, files={"image": zoo.png()}, data={"label": "left"})
    assert (form.status_code, form.json()["label"]) == (200, "left")


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({"params": {"label": "north"}}, 400, "orientation has no label 'north'; it has: up, right, down, left"),
        ({"params": {"lable": "up"}}, 400, "there is no parameter 'lable' here"),
        ({"content": b"\0 no image"}, 415, "the data is not an image that is served"),
    ],
)
def test_what_cannot_be_explained_is_told(client, zoo, asked, status, sentence):
    answer = client.post(EXPLAIN, **({"content": zoo.png()} | asked))
    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)


def test_one_photo_at_a_time(client, zoo):
    answer = client.post(EXPLAIN, files=[("image", zoo.png())] * 2)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "the request holds 2 images; one at a time is explained",
    )
    assert client.post("/v1/models/nobody:explain", content=zoo.png()).status_code == 404


def test_it_is_off_where_the_operator_says_so(serve_with, zoo):
    answer = serve_with(explain=False).post(EXPLAIN, content=zoo.png())
    assert answer.status_code == 403
    assert answer.json()["error"] == "explanations are off; LOUPE_EXPLAIN=true turns them on"


def test_it_counts_as_what_it_costs(serve_with, zoo):
    client = serve_with(max_request_images=49)
    answer = client.post(EXPLAIN, content=zoo.png())
    assert (answer.status_code, answer.json()["error"]) == (
        403,
        "an explanation counts as 50 images, and LOUPE_MAX_REQUEST_IMAGES=49 allows no request so many",
    )
