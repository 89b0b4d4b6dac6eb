"""The wire format of what is said about answers: what they hang on, what is right instead, and whether photos drift."""

from pydantic import BaseModel

from models.drift import Feature
from serving.engine.classifier import Prediction


class Explained(BaseModel):
    """What an answer hangs on.

    ``fall`` has a row for each of seven places from top to bottom, with one from left to right each: by how much the
    probability of ``label`` falls when a sixth of the picture's width and height is hidden there.
    """

    model: str
    version: str
    prediction: Prediction
    label: str
    fall: list[list[float]]


class KeptCorrection(BaseModel):
    """What was written down: the answer, the ``label`` that is right, and whether the photo is kept too."""

    model: str
    version: str
    prediction: Prediction
    label: str
    photo: bool


class FeatureDrift(BaseModel):
    """One feature: the shares of pictures whose value lies below, between and from the edges on.

    ``index`` is the population-stability index of the two; it and ``now`` are null until enough pictures were seen.
    """

    index: float | None
    pictures: int
    edges: list[float]
    reference: list[float]
    now: list[float] | None


class ModelDrift(BaseModel):
    """What the last pictures look like to a model, beside its own photos.

    ``size`` is in megapixels, ``aspect`` the longer side over the shorter one, ``label`` the number of the label.
    """

    model: str
    version: str
    reference_pictures: int
    enough_pictures: int
    features: dict[Feature, FeatureDrift]
