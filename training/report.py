"""One picture of what was measured, for people who would rather look than read."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from models.metadata import Metrics, ModelMetadata
from training.evaluation import Answers
from training.run_folder import History

_BLUE = "#2a6f97"


def draw_report(path: Path, metadata: ModelMetadata, answers: Answers, history: History = ()) -> None:  # type: ignore[assignment]
    """Draws confusion matrix, accuracy by source, accuracy against coverage (two labels: ROC), and the learning curve.

    Args:
        path: of the PNG.
        metadata: with metrics.
        answers: that the metrics were made of.
        history: of the fit, where there was one.
    """
    metrics = metadata.metrics
    assert metrics is not None, "draw what was measured"  # noqa: S101
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    title = f"{metadata.name}: {metrics.accuracy:.1%} right on {metrics.images:,} test images"
    figure.suptitle(title, fontsize=14)
    _draw_confusion(axes[0, 0], metrics)
    _draw_sources(axes[0, 1], metrics)
    if metrics.roc_auc is None:
        _draw_coverage(axes[1, 0], answers)
    else:
        _draw_roc(axes[1, 0], answers, metrics.roc_auc)
    _draw_history(axes[1, 1], history)
    with mpl.rc_context({"savefig.dpi": 100}):
        figure.savefig(path)


def _draw_confusion(axes: Axes, metrics: Metrics) -> None:
    counts = np.array(metrics.confusion_matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = list(metrics.labels)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count:,}\n{share[row, column]:.1%}", ha="center", va="center", color=colour)
    axes.set(title="confusion", xlabel="answered", ylabel="true")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)


def _draw_sources(axes: Axes, metrics: Metrics) -> None:
    ordered = sorted(metrics.sources.items(), key=lambda item: item[1].accuracy)
    names = [f"{name} ({source.images:,})" for name, source in ordered]
    bars = axes.barh(names, [source.accuracy for _, source in ordered], color=_BLUE)
    axes.bar_label(bars, fmt="{:.1%}", padding=-38, color="white", fontsize=8)
    axes.axvline(metrics.accuracy, color="black", linestyle=":", linewidth=1)
    axes.set(title="accuracy by source (images)", xlim=(0, 1))
    axes.tick_params(axis="y", labelsize=8)


def _draw_coverage(axes: Axes, answers: Answers) -> None:
    """Accuracy among the answers that the model is surest of, from few to all."""
    order = np.argsort(-answers.probabilities.max(axis=1))
    right = (answers.probabilities.argmax(axis=1) == answers.labels)[order]
    count = np.arange(1, len(right) + 1)
    axes.plot(count / len(right), np.cumsum(right) / count, color=_BLUE)
    axes.set(title="accuracy among the surest answers", xlabel="share answered", ylabel="accuracy", xlim=(0, 1))
    axes.grid(alpha=0.3)


def _draw_roc(axes: Axes, answers: Answers, area: float) -> None:
    false_positive, true_positive, _ = roc_curve(answers.labels, answers.probabilities[:, 1])
    axes.plot(false_positive, true_positive, color=_BLUE)
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
    axes.set(title=f"ROC, area {area:.3f}", xlabel="false alarms", ylabel="recall", xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.3)


def _draw_history(axes: Axes, history: History) -> None:
    axes.set(title="learning curve", xlabel="epoch", ylabel="accuracy")
    if not history:
        axes.text(0.5, 0.5, "no training run given", ha="center", va="center", transform=axes.transAxes)
        return
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, [epoch["accuracy"] for epoch in history], color="grey", label="training")
    axes.plot(epochs, [epoch["val_accuracy"] for epoch in history], color=_BLUE, label="validation")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
