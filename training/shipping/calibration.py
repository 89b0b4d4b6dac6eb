"""Makes probabilities mean what they say, and finds from which one on an answer counts as certain.

A label's threshold is the lowest probability from which, with 95 % confidence, at most a stated share of the answers is
wrong. Two things would make a plain confidence bound promise too much:

- **Answers depend on each other**: four turns of one photo, near-duplicates. So m answers of one group count as the
  group would if its answers were all wrong or all right together: n answers in groups of sizes m have the weight of
  n² / Σm² independent ones (Kish's effective sample size), and errors shrink in proportion.
- **Many thresholds are tried** on the same answers, and the luckiest would be taken. So what one test must show is set
  by simulation: were groups wrong at exactly the allowed rate, no threshold at all would pass in 95 % of the cases
  (Westfall and Young's min-p; for the problem see Angelopoulos et al. 2021, "Learn then Test").
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from models.counted import counted
from models.metadata import ModelMetadata
from models.onnx_file import graph_sha256
from training.measuring.evaluation import Answers, ask, judge
from training.photos.manifest import Manifest
from training.photos.tasks import Task
from training.shipping.golden import golden_samples
from training.shipping.stamp import stamp
from training.shipping.strangers import Strangers, for_strangers, without_promises
from training.shipping.temperature import UNSCALED, fit_scaling, scaled, with_scaling

CONFIDENCE = 0.95
_CANDIDATES = 50  # more would find little better thresholds, at a stricter test for each
_SIMULATIONS = 2000


def calibrated(
    data: bytes,
    metadata: ModelMetadata,
    photos: Manifest,
    task: Task,
    pictures: NDArray[np.uint8],
    *,
    together: bool = False,
    strangers: Strangers | None = None,
) -> bytes:
    """Fits scaling and thresholds to what the file that ships answers: rounding makes a network less sure, or surer.

    Args:
        data: an ONNX file of any precision.
        metadata: its facts but for what is found here.
        photos: the calibration split; where it is empty, the network's answers stay as they are.
        task: of the model.
        pictures: ``uint8[M,H,W,C]`` to check the baked scaling on.
        together: one threshold for all labels; those made by turning share one in any case.
        strangers: where the recipe was cross-validated: scaling and thresholds hold for them too.

    Returns:
        The file, scaled and stamped, with its golden samples.
    """
    facts = {"temperature": "1, as there are no photos to fit it on"}
    if photos.photos:
        metadata = metadata.model_copy(update={"training": without_promises(metadata.training)})
        data = with_scaling(data, UNSCALED, pictures)
        answers = ask(data, metadata.preprocessing, photos, task)
        scaling = fit_scaling(answers if strangers is None else strangers.answers)
        data = with_scaling(data, scaling, pictures)
        if strangers is None:
            answers = replace(answers, probabilities=scaled(answers.probabilities, scaling))
            together = together or task.made_by == "turning"
            metadata = with_certainty(metadata, answers, task.allowed_error, together=together)
            facts = {"temperature": f"{scaling}, fitted on {counted(len(photos.photos), 'photo')}"}
        else:
            metadata, facts = for_strangers(metadata, strangers, answers, task), {}
    changes = {
        "graph_sha256": graph_sha256(data),
        "golden_samples": golden_samples(data, metadata.preprocessing),
        "training": metadata.training | facts,
    }
    return stamp(data, metadata.model_copy(update=changes))


def with_certainty(
    metadata: ModelMetadata, answers: Answers, allowed_error: float, *, together: bool = False
) -> ModelMetadata:
    """Chooses each label's ``certain_from`` for a stated error rate.

    Args:
        metadata: of the model that gave the answers.
        answers: on the calibration split.
        allowed_error: largest share of wrong answers among certain ones.
        together: one threshold for all labels, chosen on all answers. For labels that are made by turning: they differ
            in nothing but the turn, and one choice on all answers leaves fewer uncertain than four on a quarter each.
            Otherwise the share holds label by label, however rare a label is.

    Returns:
        The metadata with the lowest thresholds for which the error stays within it; see ``certain_from``.
    """
    verdicts = judge(answers, metadata)
    labels = []
    for index, label in enumerate(metadata.labels):
        mine = np.full(len(verdicts.right), True) if together else verdicts.answered == index
        threshold = certain_from(
            verdicts.probability[mine], verdicts.right[mine], allowed_error, answers.group_numbers[mine]
        )
        labels.append(label.model_copy(update={"certain_from": threshold}))
    return metadata.model_copy(update={"labels": tuple(labels)})


def certain_from(
    probability: NDArray[np.float64],
    right: NDArray[np.bool_],
    allowed_error: float,
    groups: NDArray[np.int64] | None = None,
) -> float | None:
    """The lowest probability from which at most ``allowed_error`` of the answers are wrong; None where there is none.

    "At most" holds with 95 % confidence if the error falls, or stays, as probability rises; see the module's docstring.

    Args:
        probability: ``float64[M]`` of the answers with one label.
        right: ``bool[M]``.
        allowed_error: between 0 and 1.
        groups: ``int64[M]``; answers that depend on each other share one. By default all are independent.
    """
    if not len(probability):
        return None
    order = np.argsort(-probability, kind="stable")
    sure = probability[order]
    numbers = np.unique(np.arange(len(order)) if groups is None else groups[order], return_inverse=True)[1]
    counts = _candidates(sure)
    p_values = _p_values(counts, _effective_counts(numbers)[counts - 1], allowed_error)
    wrong = np.cumsum(~right[order])[counts - 1]
    passed = p_values[wrong, np.arange(len(counts))] <= _critical(p_values, counts, numbers, allowed_error)
    return float(sure[counts[passed][-1] - 1]) if passed.any() else None


def _candidates(sure: NDArray[np.float64]) -> NDArray[np.int64]:
    """At most 50 numbers of surest answers; equal probabilities stay on one side."""
    last_of_its_value = np.flatnonzero(np.append(sure[1:] < sure[:-1], True)) + 1
    steps = np.linspace(0, len(last_of_its_value) - 1, _CANDIDATES).round().astype(int)
    counts: NDArray[np.int64] = last_of_its_value[np.unique(steps)]
    return counts


def _effective_counts(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Kish's effective number of the first answer, of the first two, …, of all."""
    order = np.argsort(numbers, kind="stable")
    first = np.searchsorted(numbers[order], numbers[order])
    earlier = np.empty(len(numbers))  # answers of the same group that are surer: the square of m grows by 2 m + 1
    earlier[order] = np.arange(len(numbers)) - first
    effective: NDArray[np.float64] = np.arange(1, len(numbers) + 1) ** 2 / np.cumsum(2 * earlier + 1)
    return effective


def _p_values(counts: NDArray[np.int64], effective: NDArray[np.float64], allowed_error: float) -> NDArray[np.float64]:
    """The chance of no more errors than 0, 1, …, M (rows) among each candidate's answers, were so many allowed wrong.

    The binomial distribution, continued between whole numbers as in the interval of Clopper and Pearson.
    """
    wrong = np.arange(counts[-1] + 1)[:, None] * (effective / counts)
    p: NDArray[np.float64] = betainc(np.maximum(effective - wrong, 1e-9), wrong + 1, 1 - allowed_error)
    return p


def _critical(
    p_values: NDArray[np.float64], counts: NDArray[np.int64], numbers: NDArray[np.int64], allowed_error: float
) -> float:
    """The p-value that, in 95 % of the cases where ``allowed_error`` of the groups are wrong, no candidate reaches."""
    sizes = np.zeros((int(numbers.max()) + 1, len(counts)), np.float32)  # of each group in each candidate
    np.add.at(sizes, (numbers[: counts[-1]], np.searchsorted(counts, np.arange(counts[-1]), side="right")), 1)
    groups_wrong = np.random.default_rng(0).random((_SIMULATIONS, len(sizes)), np.float32) < allowed_error
    wrong = (groups_wrong.astype(np.float32) @ np.cumsum(sizes, axis=1)).astype(int)
    smallest, times = np.unique(p_values[wrong, np.arange(len(counts))].min(axis=1), return_counts=True)
    rare = smallest[np.cumsum(times) <= (1 - CONFIDENCE) * _SIMULATIONS]
    return min(float(rare[-1]), 1 - CONFIDENCE) if len(rare) else 0.0  # more is the luck of the draw
