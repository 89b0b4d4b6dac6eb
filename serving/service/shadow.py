"""A shadow version judges copies of the traffic, and nobody waits for it."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.errors import ServiceError
from serving.engine.batcher import Batched
from serving.engine.classifier import Classifier, Prediction
from serving.engine.observer import Observer


def judge(shadow: Classifier, pixels: NDArray[np.uint8], observer: Observer) -> Callable[[Prediction], None]:
    """Queues a copy of one image, ``uint8[H, W, C]`` as the shadow takes it; where its queue is full, does nothing.

    Returns:
        What wants the answer that the caller got: the observer is told how the two compare.
    """
    try:
        future = shadow.submit(pixels)
    except ServiceError:
        return lambda _: None
    return lambda answered: future.add_done_callback(partial(_compare, shadow, observer, answered))


def _compare(
    shadow: Classifier, observer: Observer, answered: Prediction, future: "Future[Batched[Prediction]]"
) -> None:
    if future.exception() is not None:
        return
    copy = future.result().result
    observer.compared(
        shadow.metadata.name,
        str(shadow.metadata.version),
        same_label=copy.label == answered.label,
        same_certain=copy.certain == answered.certain,
    )
