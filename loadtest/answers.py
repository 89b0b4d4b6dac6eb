"""What a right answer looks like, as the README tells it; whether it is true, a load test cannot know."""

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any

_TOLERANCE = 1e-3  # of a sum of float32 probabilities that became decimal text


def require_predictions(answer: Mapping[str, Any], model: str, labels: Sequence[str], images: int) -> None:
    """Checks one model's answer for so many images.

    Raises:
        ValueError: it is not of that shape, or one of the images was not answered.
    """
    if "error" in answer:
        raise ValueError(answer["error"])
    if answer["model"] != model:
        raise ValueError(f"{model} was asked and {answer['model']} answered")
    if len(answer["predictions"]) != images:
        raise ValueError(f"{images} images were sent and {len(answer['predictions'])} predictions came back")
    for prediction in answer["predictions"]:
        _require_prediction(prediction, labels)


def _require_prediction(prediction: Mapping[str, Any], labels: Sequence[str]) -> None:
    if "error" in prediction:
        raise ValueError(prediction["error"])
    probabilities = prediction["probabilities"]
    if set(probabilities) != set(labels):
        raise ValueError(f"the labels are {list(labels)}, and probabilities came for {list(probabilities)}")
    if not isclose(sum(probabilities.values()), 1, abs_tol=_TOLERANCE):
        raise ValueError(f"the probabilities add up to {sum(probabilities.values())}")
    if prediction["probability"] != probabilities[prediction["label"]]:
        raise ValueError(f"the probability is not that of {prediction['label']}")
    if not isinstance(prediction["certain"], bool):
        raise ValueError(f"certain is {prediction['certain']!r}")
