"""Strangers: what a model is told to be worth on sources that it never saw."""

import numpy as np

from models.metadata import ModelMetadata
from training.measuring.evaluation import Answers, judge
from training.measuring.ranking import ranking_interval, recall_at_95_specificity, roc_auc
from training.shipping.few_sources import correlation, upper_bound


def told(strangers: Answers, metadata: ModelMetadata) -> str:
    """The figures of what is asked of models that never saw a source, in one line, with 95 % intervals over sources."""
    scores, second = strangers.probabilities[:, 1].astype(np.float64), strangers.labels == 1
    groups, verdicts = strangers.group_numbers, judge(strangers, metadata)
    parts = []
    for name, ranking in (("AUC", roc_auc), ("recall at 95 % specificity", recall_at_95_specificity)):
        low, high = ranking_interval(ranking, scores, second, groups)
        parts.append(f"{name} {ranking(scores, second):.3f} ({low:.3f} to {high:.3f})")
    for index, label in enumerate(metadata.label_names):
        mine, sure = strangers.labels == index, verdicts.certain & (verdicts.answered == index)
        parts.append(f"{label}: {verdicts.right[mine].mean():.1%} found, {sure.mean():.1%} of all answers certain")
        if sure.any():
            wrong = int((~verdicts.right[sure]).sum())
            bound = upper_bound(wrong, groups[sure], correlation(~verdicts.right[sure], groups[sure]))
            parts[-1] += f", {wrong / sure.sum():.1%} of them wrong (at most {bound:.1%})"
    by_source = np.sort([verdicts.right[groups == group].mean() for group in np.unique(groups)])
    tenth = by_source[: max(1, len(by_source) // 10)].mean()
    parts.append(f"right by source: median {np.median(by_source):.1%}, worst tenth {tenth:.1%}")
    return "; ".join(parts)
