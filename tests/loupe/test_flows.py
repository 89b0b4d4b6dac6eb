"""What is sent and retried, without sending: the answers are made up, the flows are those of both clients."""

import json
from collections.abc import Callable

import httpx
import pytest

from loupe.errors import (
    BusyError,
    DeadlineError,
    ImageError,
    ProxyError,
    RequestError,
    ServiceError,
    TooLargeError,
    UnreachableError,
)
from loupe.flows import Asked, Attempt, Flow, Flows, Pause, Send

PNG = "image/png"
ASKED = Asked(["m"], "apply", None)
FLOWS = Flows("http://service", timeout_s=60, retries=3)
FULL = httpx.Response(429, json={"error": "full", "error_type": "QueueFullError"}, headers={"Retry-After": "1"})
NOT_READY = httpx.Response(503, json={"error": "not ready", "error_type": "NotReadyError"})
TOO_LARGE = httpx.Response(413, json={"error": "too many", "error_type": "RequestTooLargeError"})


def play(flow: Flow, answer: Callable[[Send], httpx.Response | Exception]) -> tuple[object, list[Send | float]]:
    """Runs a flow; returns its result, and what it sent and how long it paused."""
    done = []
    try:
        step = next(flow)
        while True:
            if isinstance(step, Pause):
                done.append(step.seconds)
                step = flow.send(None)
                continue
            assert isinstance(step, Attempt)
            assert 0 < step.timeout_s <= 60
            done.append(step.send)
            answered = answer(step.send)
            step = flow.throw(answered) if isinstance(answered, Exception) else flow.send(answered)
    except StopIteration as end:
        return end.value, done


def predictions(send: Send) -> httpx.Response:
    """Each photo is one letter; its label is that letter, and x is broken."""
    rows = [
        {"error": "broken", "error_type": "UndecodableImageError"}
        if photo == b"x"
        else {"label": photo.decode(), "probability": 1.0, "certain": True, "probabilities": {}, "attributes": {}}
        for photo in send.images
    ]
    if len(rows) == 1 and "error" in rows[0]:
        return httpx.Response(422, json=rows[0])
    return httpx.Response(200, json={"results": {"m": {"model": "m", "version": "1", "predictions": rows}}})


def labels(answers: object) -> str:
    return "".join("!" if isinstance(one, ImageError) else one["m"].label for one in answers)


def in_turn(*answers: httpx.Response | Exception) -> Callable[[Send], httpx.Response | Exception]:
    left = iter(answers)
    return lambda send: next(left, None) or predictions(send)


@pytest.mark.parametrize(
    ("trouble", "pause"),
    [(FULL, (1, 1.5)), (NOT_READY, (0.05, 0.1)), (httpx.ConnectError("refused"), (0.05, 0.1))],
    ids=["429", "503", "refused"],
)
def test_what_passes_by_itself_is_waited_for(trouble, pause):
    answer, (first, paused, second) = play(FLOWS.predict(b"a", ASKED), in_turn(trouble))
    assert answer["m"].label == "a"
    assert first == second == Send("POST", "/v1/predict", {"models": "m"}, [b"a"])
    assert pause[0] <= paused <= pause[1]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [(FULL, BusyError), (NOT_READY, BusyError), (httpx.ReadError("reset"), UnreachableError)],
    ids=["429", "503", "reset"],
)
def test_retries_end(trouble, error):
    sent = []
    with pytest.raises(error) as raised:
        play(FLOWS.predict(b"a", ASKED), lambda send: sent.append(send) or trouble)
    assert len(sent) == 4
    assert raised.value.status == (None if isinstance(trouble, Exception) else trouble.status_code)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (httpx.ReadTimeout("late"), DeadlineError),
        (httpx.Response(504), DeadlineError),
        (httpx.Response(500, json={"error": "our fault", "error_type": "RuntimeError"}), ServiceError),
        (httpx.Response(400), RequestError),
    ],
)
def test_what_does_not_pass_is_not_tried_again(trouble, error):
    with pytest.raises(error):
        play(FLOWS.predict(b"a", ASKED), in_turn(trouble))


def test_a_proxy_s_own_error_is_tried_again_twice():
    """Ray's HAProxy answers so in the place of a replica that was killed."""
    killed = httpx.Response(500, text="Internal Server Error")
    answer, done = play(FLOWS.predict(b"a", ASKED), in_turn(killed, httpx.Response(502)))
    assert answer["m"].label == "a"
    assert len(done) == 5
    assert 0.05 <= done[1] <= 0.1 <= done[3] <= 0.2
    sent = []
    with pytest.raises(ProxyError, match=r"^the answer was 500 Internal Server Error$"):
        play(FLOWS.predict(b"a", ASKED), lambda send: sent.append(send) or killed)
    assert len(sent) == 3


def test_a_deadline_that_would_pass_in_the_pause_is_not_waited_for():
    hurried = Flows("http://service", timeout_s=0.9, retries=100)
    sent = []
    with pytest.raises(BusyError):
        play(hurried.predict(b"a", ASKED), lambda send: sent.append(send) or FULL)
    assert len(sent) == 1


def test_a_request_that_is_too_large_is_halved_until_it_fits():
    sizes = []

    def small(send: Send) -> httpx.Response:
        sizes.append(len(send.images))
        return TOO_LARGE if len(send.images) > 2 or b"L" in send.images else predictions(send)

    answers, _ = play(FLOWS.predict_batch([*map(str.encode, "abcdeLg")], ASKED), small)
    assert labels(answers) == "abcde!g"
    assert isinstance(answers[5], TooLargeError)
    assert sizes == [7, 3, 1, 2, 4, 2, 2, 1, 1]


def test_a_connection_that_breaks_under_several_photos_is_tried_again():
    answers, (first, _, second) = play(FLOWS.predict_batch([b"a", b"b"], ASKED), in_turn(httpx.ReadError("reset")))
    assert labels(answers) == "ab"
    assert first == second


def test_bad_photos_stand_in_their_places():
    unread = ImageError("no such file", "FileNotFoundError")
    answers, [sent] = play(FLOWS.predict_batch([b"a", unread, b"x", b"b"], ASKED), predictions)
    assert labels(answers) == "a!!b"
    assert answers[1] is unread
    assert (answers[2].error_type, answers[2].status) == ("UndecodableImageError", None)
    assert sent.images == [b"a", b"x", b"b"]
    assert labels(play(FLOWS.predict_batch([b"x"], ASKED), predictions)[0]) == "!"
    assert play(FLOWS.predict_batch([unread], ASKED), predictions) == ([unread], [])
    with pytest.raises(ImageError, match="broken"):
        play(FLOWS.predict(b"x", ASKED), predictions)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"{}", b'{"results": {"m": {"predictions": []}}}'])
def test_an_answer_of_something_else_is_an_error(body: bytes):
    with pytest.raises(ServiceError, match="http://service/v1/predict answered something that Loupe does not"):
        play(FLOWS.predict(b"a", ASKED), lambda _: httpx.Response(200, content=body))


def test_health_is_asked_once():
    with pytest.raises(UnreachableError):
        play(FLOWS.health(), in_turn(httpx.ConnectError("refused")))


def test_only_what_differs_from_the_default_is_sent():
    assert Asked(None, "apply", None).params() == {}
    assert Asked(["a", "b"], "ignore", 3).params() == {"models": "a,b", "exif": "ignore", "top_k": "3"}


def test_several_photos_travel_as_a_form_without_their_names():
    assert Send("POST", "/", images=[b"a"]).body() == {"content": b"a"}
    parts = Send("POST", "/", images=[b"a", b"b"]).body()["files"]
    assert [(name, filename) for name, (filename, _, _) in parts] == [("image", "image")] * 2
    assert json.dumps(Send("GET", "/").body()) == "{}"


@pytest.mark.parametrize(
    ("flow", "sent"),
    [
        (FLOWS.explain(b"a", "m", None, "apply"), Send("POST", "/v1/models/m:explain", {}, [b"a"])),
        (
            FLOWS.explain(b"a", "a/b c", "x", "ignore"),
            Send("POST", "/v1/models/a%2Fb%20c:explain", {"label": "x", "exif": "ignore"}, [b"a"]),
        ),
        (
            FLOWS.explain_drawn(b"a", "m", "x", "apply"),
            Send("POST", "/v1/models/m:explain", {"label": "x"}, [b"a"], PNG),
        ),
        (FLOWS.feedback(b"a", "m", "x"), Send("POST", "/v1/models/m:feedback", {"label": "x"}, [b"a"])),
        (FLOWS.drift("m", None), Send("GET", "/v1/models/m/drift")),
        (FLOWS.drift("m", "2?"), Send("GET", "/v1/models/m/versions/2%3F/drift")),
    ],
)
def test_second_looks_are_asked_for_once_and_read_strictly(flow, sent):
    assert next(flow).send == sent
    with pytest.raises(ServiceError, match="answered something that Loupe does not"):
        flow.send(httpx.Response(200, json={"else": 1}))


def test_photos_are_asked_for_as_pictures():
    assert Send("POST", "/", images=[b"a"], accept=PNG).headers == {
        "Accept": PNG,
        "Content-Type": "application/octet-stream",
    }


def test_drift_that_is_told_is_read():
    feature = {"index": 0.3, "pictures": 500, "edges": [1.5], "reference": [0.25, 0.75], "now": [0.5, 0.5]}
    body = {
        "model": "m",
        "version": "2",
        "reference_pictures": 9,
        "enough_pictures": 500,
        "features": {"size": feature},
    }
    drift, _ = play(FLOWS.drift("m", None), lambda _: httpx.Response(200, json=body))
    assert (drift.version, drift.features["size"].index, drift.features["size"].now) == ("2", 0.3, (0.5, 0.5))
