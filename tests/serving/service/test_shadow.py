"""A canary gets its share, a shadow judges copies: counted over real requests to a real server."""

from collections import Counter

import httpx
import pytest

from models.metadata import Label
from serving.versions.labels import Labels

PATH = "/v1/models/orientation:predict"
REQUESTS = 400
SHARE = 0.25


@pytest.fixture
def root(zoo, tmp_path):
    """Version 2 answers as 1 does, but is never certain; version 3 names every side by its opposite."""
    known = {"up": 0, "right": 270, "down": 180, "left": 90}

    def labels(sides, **facts):
        return [Label(name=side, attributes={"rotate_clockwise": known[side]}, **facts) for side in sides]

    return zoo.publish(
        tmp_path / "models",
        zoo.orientation(),
        zoo.orientation(version=2, labels=labels(zoo.sides, certain_from=None)),
        zoo.orientation(version=3, labels=labels(("down", "left", "up", "right"), certain_from=0.9)),
        zoo.selfie(),
    )


def compared(client: httpx.Client) -> dict[str, float]:
    """Images judged twice, by version, same label, same certain."""
    found = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("loupe_shadow_predictions_total{"):
            labels, value = line.removeprefix("loupe_shadow_predictions_total").rsplit(" ", 1)
            facts = dict(part.split("=") for part in labels.strip("{}").replace('"', "").split(","))
            found[facts["version"], facts["same_label"], facts["same_certain"]] = float(value)
    return found


def test_a_canary_gets_its_share_and_names_stay_what_they_are(root, serve_with, zoo):
    Labels.parse(b'{"stable": 1, "canary": {"version": 2, "share": 0.25}}').write(root / "orientation")
    client = serve_with(models=root)
    photo = zoo.png("left")
    paths = {"v1": PATH, "v2": "/v2/models/orientation/infer"}
    raw = {"Inference-Header-Content-Length": "0"}
    answers = {
        "v1": [client.post(paths["v1"], content=photo).json()["version"] for _ in range(REQUESTS)],
        "v2": [client.post(paths["v2"], content=photo, headers=raw).json()["model_version"] for _ in range(REQUESTS)],
    }
    for versions in answers.values():
        counts = Counter(versions)
        assert set(counts) == {"1", "2"}
        deviation = (REQUESTS * SHARE * (1 - SHARE)) ** 0.5
        assert abs(counts["2"] - REQUESTS * SHARE) < 6 * deviation  # one run in 500 million
    for path, version in (("labels/stable", "1"), ("labels/canary", "2"), ("versions/1", "1"), ("versions/2", "2")):
        for _ in range(20):
            assert client.post(f"/v1/models/orientation/{path}:predict", content=photo).json()["version"] == version
    several = [client.post("/v1/predict", content=photo).json()["results"] for _ in range(60)]
    assert {answer["orientation"]["version"] for answer in several} == {"1", "2"}


def test_an_unknown_label_is_not_found(client, zoo):
    response = client.post("/v1/models/orientation/labels/stable:predict", content=zoo.png())
    assert (response.status_code, response.json()["error_type"]) == (404, "ModelNotFoundError")
    assert "no label 'stable'; there are: none" in response.json()["error"]


@pytest.mark.parametrize(("shadow", "expected"), [(2, ("2", "true", "false")), (3, ("3", "false", "true"))])
def test_a_shadow_judges_copies_and_never_answers(root, serve_with, zoo, shadow, expected):
    Labels.parse(b'{"stable": 1, "shadow": %d}' % shadow).write(root / "orientation")
    client = serve_with(models=root)
    for number in range(20):
        side = zoo.sides[number % 4]
        answer = client.post(PATH, content=zoo.png(side)).json()
        assert (answer["version"], answer["predictions"][0]["label"]) == ("1", side)
    client.post("/v1/models/orientation/versions/1:predict", content=zoo.png())  # of these there is no copy
    client.post("/v1/models/selfie:predict", content=zoo.png())
    for _ in range(100):
        if sum(compared(client).values()) == 20:
            break
    assert compared(client) == {expected: 20}
