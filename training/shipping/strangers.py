"""Strangers: what a model is told to be worth on sources that it never saw.

The sources (people's albums, say) are dealt to folds, and each is asked about by a model that learned from the others.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.metadata import ModelMetadata
from training.measuring.evaluation import Answers, Verdicts, judge
from training.measuring.ranking import ranking_interval, recall_at_95_specificity, roc_auc
from training.photos.tasks import Task
from training.shipping.deciding import decided, promise
from training.shipping.few_sources import correlation, upper_bound
from training.shipping.temperature import Scaling, fit_scaling, scaled

OWN_THRESHOLDS = "the same, by its own thresholds"
"""Those were chosen on the same answers, and on all folds at once; with fewer, an answer is more seldom certain."""


@dataclass(frozen=True)
class Strangers:
    """Answers about sources, each of a model that never saw the source.

    Attributes:
        answers: as the networks give them, unscaled; a group is a source.
        folds: ``int64[M]``, numbered from 1: answers of one fold are of one model.
    """

    answers: Answers
    folds: NDArray[np.int64]

    @classmethod
    def together(cls, answers: Sequence[Answers]) -> Self:
        """Of the folds' answers, in their order."""
        numbers = [np.full(len(fold.labels), number) for number, fold in enumerate(answers, 1)]
        sources = tuple(source for fold in answers for source in fold.sources)
        probabilities = np.concatenate([fold.probabilities for fold in answers])
        labels = np.concatenate([fold.labels for fold in answers])
        return cls(Answers(probabilities, labels, sources, sources), np.concatenate(numbers))

    @classmethod
    def read(cls, path: Path, about: Sequence[str] = ()) -> Self | None:
        """From a CSV file; None where there is none, or none that says it is ``about`` these digests.

        Raises:
            TrainingError: it was not written by ``write``.
        """
        if not path.is_file():
            return None
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        if not set(about) <= set(header):
            return None
        try:
            folds, labels = (np.array([int(row[place]) for row in rows], np.int64) for place in (0, 2))
            sources = tuple(row[1] for row in rows)
            probabilities = np.array([list(map(float, row[3:])) for row in rows], np.float32)
        except (ValueError, IndexError) as error:
            raise TrainingError(f"{path} does not hold answers about strangers: {error}") from None
        return cls(Answers(probabilities, labels, sources, sources), folds)

    def write(self, path: Path, about: Sequence[str] = ()) -> None:
        """A CSV file: fold, source, number of the true label, and the probability of each label.

        Args:
            path: of the file.
            about: ``learned_from.digests`` of the recipe and the photos, which the header keeps after the columns.
        """
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            count = self.answers.probabilities.shape[1]
            writer.writerow(("fold", "source", "label", *(f"probability_{label}" for label in range(count)), *about))
            for fold, source, label, row in zip(
                self.folds, self.answers.sources, self.answers.labels, self.answers.probabilities, strict=True
            ):
                writer.writerow((fold, source, label, *(f"{probability:.7g}" for probability in row)))
        partial.replace(path)

    def part(self, chosen: NDArray[np.bool_]) -> Answers:
        """Some of the answers, ``chosen``: ``bool[M]``."""
        sources = tuple(np.array(self.answers.sources)[chosen].tolist())
        return Answers(self.answers.probabilities[chosen], self.answers.labels[chosen], sources, sources)


def cross_judged(strangers: Strangers, known: Answers, metadata: ModelMetadata, task: Task) -> Verdicts:
    """Each fold's answers, judged by a scaling and thresholds that were chosen on the other folds.

    Args:
        strangers: of at least two folds.
        known: unscaled answers on the calibration split.
        metadata: of the model.
        task: of the model.

    Returns:
        Verdicts in the order of the answers.
    """
    judged, places = [], []
    for fold in np.unique(strangers.folds):
        mine = strangers.folds == fold
        others = strangers.part(~mine)
        scaling = fit_scaling(others)
        rule = decided(metadata, _scaled(others, scaling), _scaled(known, scaling), task)
        judged.append(judge(_scaled(strangers.part(mine), scaling), rule))
        places.append(np.flatnonzero(mine))
    order = np.argsort(np.concatenate(places))
    return Verdicts(
        np.concatenate([verdicts.answered for verdicts in judged])[order],
        np.concatenate([verdicts.probability for verdicts in judged])[order],
        np.concatenate([verdicts.certain for verdicts in judged])[order],
        np.concatenate([verdicts.right for verdicts in judged])[order],
    )


def for_strangers(metadata: ModelMetadata, strangers: Strangers, known: Answers, task: Task) -> ModelMetadata:
    """The thresholds that hold for strangers and for known photos alike, and in the card what strangers may expect.

    Args:
        metadata: of a model of the same recipe that learned from all sources.
        strangers: what models that did not said of the sources.
        known: unscaled answers of the model on the calibration split.
        task: of the model.
    """
    scaling = fit_scaling(strangers.answers)
    all_of_them = _scaled(strangers.answers, scaling)
    found = decided(metadata, all_of_them, _scaled(known, scaling), task)
    verdicts = cross_judged(strangers, known, metadata, task)
    count, folds = len(set(strangers.answers.sources)), int(strangers.folds.max())
    on = f"{len(strangers.folds)} photos of sources that were strange to who answered"
    facts = {
        "temperature": f"{scaling}, fitted on {on}",
        "certain": promise(strangers.answers, task),
        f"{folds}-fold over {count} sources": told(strangers.answers, verdicts, metadata.label_names),
        OWN_THRESHOLDS: told(all_of_them, judge(all_of_them, found), metadata.label_names),
    }
    return found.model_copy(update={"training": metadata.training | facts})


def without_promises(training: Mapping[str, str]) -> dict[str, str]:
    """What a file says of its making, but for what ``for_strangers`` said: with other thresholds it is true no more."""
    return {
        fact: text
        for fact, text in training.items()
        if fact not in ("certain", OWN_THRESHOLDS) and "-fold over " not in fact
    }


def _scaled(answers: Answers, scaling: Scaling) -> Answers:
    return replace(answers, probabilities=scaled(answers.probabilities, scaling))


def told(strangers: Answers, verdicts: Verdicts, labels: Sequence[str]) -> str:
    """The figures of what is asked of models that never saw a source, in one line, with 95 % intervals over sources.

    Args:
        strangers: answers of two labels; a group is a source.
        verdicts: on them.
        labels: names.
    """
    return "; ".join((*_rankings(strangers), *_by_label(strangers, verdicts, labels), _by_source(strangers, verdicts)))


def _rankings(strangers: Answers) -> Iterable[str]:
    scores, second = strangers.probabilities[:, 1].astype(np.float64), strangers.labels == 1
    for name, ranking in (("AUC", roc_auc), ("recall at 95 % specificity", recall_at_95_specificity)):
        low, high = ranking_interval(ranking, scores, second, strangers.group_numbers)
        yield f"{name} {ranking(scores, second):.3f} ({low:.3f} to {high:.3f})"


def _by_label(strangers: Answers, verdicts: Verdicts, labels: Sequence[str]) -> Iterable[str]:
    groups = strangers.group_numbers
    for index, label in enumerate(labels):
        mine, sure = strangers.labels == index, verdicts.certain & (verdicts.answered == index)
        text = f"{label}: {verdicts.right[mine].mean():.1%} found, {sure.mean():.1%} of all answers certain"
        if sure.any():
            wrong = int((~verdicts.right[sure]).sum())
            bound = upper_bound(wrong, groups[sure], correlation(~verdicts.right[sure], groups[sure]))
            text += f", {wrong / sure.sum():.1%} of them wrong (at most {bound:.1%})"
        yield text


def _by_source(strangers: Answers, verdicts: Verdicts) -> str:
    groups = strangers.group_numbers
    by_source = np.sort([verdicts.right[groups == group].mean() for group in np.unique(groups)])
    tenth = by_source[: max(1, len(by_source) // 10)].mean()
    return f"right by source: median {np.median(by_source):.1%}, worst tenth {tenth:.1%}"
