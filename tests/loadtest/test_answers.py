import pytest

from loadtest.answers import require_predictions

RIGHT = {"label": "b", "probability": 0.75, "certain": True, "probabilities": {"a": 0.25, "b": 0.75}, "attributes": {}}


def answer(*predictions: dict) -> dict:
    return {"model": "m", "version": "1", "predictions": list(predictions)}


def test_right_answers_pass():
    require_predictions(answer(RIGHT), "m", ["a", "b"], images=1)
    require_predictions(answer(*[RIGHT] * 8), "m", ["b", "a"], images=8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"error": "all places are taken", "error_type": "QueueFullError"}, "all places are taken"),
        (answer(RIGHT) | {"model": "other"}, "m was asked and other answered"),
        (answer(), "1 images were sent and 0 predictions came back"),
        (answer(RIGHT, RIGHT), "1 images were sent and 2 predictions"),
        (answer({"error": "broken", "error_type": "UndecodableImageError"}), "broken"),
        (answer(RIGHT | {"probabilities": {"a": 1.0}}), "probabilities came for"),
        (answer(RIGHT | {"probabilities": {"a": 0.5, "b": 0.75}}), "add up to 1.25"),
        (answer(RIGHT | {"label": "a"}), "not that of a"),
        (answer(RIGHT | {"certain": "yes"}), "certain is 'yes'"),
    ],
)
def test_wrong_answers_say_what_is_wrong(wrong, message):
    with pytest.raises(ValueError, match=message):
        require_predictions(wrong, "m", ["a", "b"], images=1)
