"""Observer: what the engine tells of its work, to whoever counts or traces it. Knows neither HTTP nor Prometheus."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.drift import Shape
from models.metadata import ModelMetadata

DropReason = Literal["cancelled", "deadline"]
ReloadOutcome = Literal["loaded", "refused", "unloaded"]


class Observer:
    """Called from any thread; must neither wait nor raise. Here all methods do nothing."""

    def asked(self, versions: Mapping[str, str]) -> None:
        """A request's images have arrived for these models (name → version); in the request's own context."""

    def answered(self, stages_s: Mapping[str, float]) -> None:
        """The images are answered; seconds of decode, preprocess, queue and inference, of each the longest."""

    def predicted(self, model: str, version: str, predictions: Sequence[tuple[str, bool, float]]) -> None:
        """A version said these (label, certain, probability), one for each image."""

    def batch_ran(self, model: str, version: str, images: int) -> None:
        """One call of a version took this many images."""

    def saw(
        self, metadata: ModelMetadata, images: Sequence[NDArray[np.uint8]], probabilities: NDArray[np.float32]
    ) -> None:
        """A version answered these images, ``uint8[H,W,C]``, with ``float32[N,K]``; they must not be kept."""

    def pictured(self, metadata: ModelMetadata, shape: Shape) -> None:
        """A version is asked about a whole photo of this shape."""

    def dropped(self, model: str, images: int, reason: DropReason) -> None:
        """Images went unanswered: their caller left, or their time was up."""

    def reloaded(self, model: str, outcome: ReloadOutcome) -> None:
        """A version was taken on, refused (the old one keeps serving) or given up."""

    def compared(self, model: str, shadow: str, *, same_label: bool, same_certain: bool) -> None:
        """A shadow version judged an image that another version answered."""


UNOBSERVED = Observer()
"""Nobody looks."""
