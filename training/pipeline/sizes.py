"""How often a run's weights are right at other input sizes and averaged over turns: both are free to choose afterwards.

A network that takes any size is often best in larger pictures than it learned from, as crops make things look larger
than they are in whole pictures (Touvron et al., "Fixing the train-test resolution discrepancy", 2019).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.errors import TrainingError
from training.fitting.recipe import Export
from training.graph.export import export
from training.graph.quarters import averages_over_turns
from training.measuring.evaluation import ask
from training.photos.dataset import load_photos
from training.photos.manifest import Manifest
from training.pipeline.beginning import Run
from training.pipeline.pipeline import PARITY_PICTURES, best_network


@dataclass(frozen=True)
class AtSize:
    """One input size.

    Attributes:
        side: of the square input, in pixels.
        data: the ONNX file in fp32, of one turn, neither calibrated nor stamped.
        accuracy: by the number of turns averaged over, as far as labels are made by turning; each takes so many times
            as long as one.
    """

    side: int
    data: bytes
    accuracy: dict[int, float]


def at_sizes(run: Run, sides: Sequence[int], photos: Manifest) -> Iterator[AtSize]:
    """Measures a run's best weights at several sizes.

    Args:
        run: a run with weights.
        sides: of the square input, in pixels.
        photos: to measure on; not those of the test split, if the figures are to choose a size.

    Raises:
        TrainingError: there are no photos, or the network takes no other size than its own, or has no weights yet.
    """
    if not run.recipe.takes_any_size:
        raise TrainingError(f"{run.recipe.architecture.name} takes pictures of one size only")
    if not photos.photos:
        raise TrainingError("there are no photos to measure on")
    for side in sides:
        yield _at_size(run, side, photos)


def _at_size(run: Run, side: int, photos: Manifest) -> AtSize:
    size = run.recipe.input.model_copy(update={"height": side, "width": side})
    resized = replace(run, recipe=run.recipe.model_copy(update={"input": size, "export": Export()}))
    pictures = load_photos(run.manifest.split("validation"), run.task, size, run.cache).pixels[:PARITY_PICTURES]
    data = export(best_network(resized), np.array(pictures))
    answers = ask(data, size, photos, run.task)
    turning = run.task.made_by == "turning"
    means = averages_over_turns(answers.probabilities) if turning else {1: answers.probabilities}
    return AtSize(side, data, {n: float((mean.argmax(axis=1) == answers.labels).mean()) for n, mean in means.items()})
