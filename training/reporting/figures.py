"""One drawing for each thing that was measured; pages and pictures put them together."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from models.metrics import Metrics
from training.fitting.run_folder import History
from training.measuring.evaluation import Answers, Verdicts
from training.measuring.reliability import accuracy_of_surest, reliability

COLOUR, SECOND_COLOUR = "#3d8bbd", "#d98032"  # readable on white and on near-black
_INK = "#010203"  # stands for the page's own colour of text
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


def svg(draw: Callable[[Axes], None]) -> str:
    """Draws into an ``<svg>`` element that takes the colour of the text around it and names no address."""
    style: dict[Any, str] = dict.fromkeys(_INKED, _INK) | {"svg.hashsalt": "loupe"}  # the same drawing, the same ids
    with mpl.rc_context(style):
        figure = Figure(figsize=(4.6, 3.5), layout="constrained")
        draw(figure.subplots())
        buffer = StringIO()
        figure.savefig(buffer, format="svg", transparent=True)
    drawn = buffer.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    element = re.sub(r' xmlns(:\w+)?="[^"]*"', "", element).replace("xlink:href", "href")
    return element.replace(_INK, "currentColor")


def draw_confusion(axes: Axes, metrics: Metrics) -> None:
    """Counts and shares of each true label."""
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


def draw_sources(axes: Axes, metrics: Metrics) -> None:
    """Accuracy by source, the worst at the bottom."""
    ordered = sorted(metrics.sources.items(), key=lambda item: item[1].accuracy)
    names = [f"{name} ({source.images:,})" for name, source in ordered]
    bars = axes.barh(names, [source.accuracy for _, source in ordered], color=COLOUR)
    axes.bar_label(bars, fmt="{:.1%}", padding=-38, color="white", fontsize=8)
    axes.axvline(metrics.accuracy, color=_line(), linestyle=":", linewidth=1)
    axes.set(title="accuracy by source (images)", xlim=(0, 1))
    axes.tick_params(axis="y", labelsize=8)


def draw_reliability(axes: Axes, verdicts: Verdicts) -> None:
    """Accuracy against probability, in bins of equally many answers; honest ones lie on the dotted line."""
    bins = reliability(verdicts.probability, verdicts.right)
    low = min(float(bins.probability.min()), float(bins.accuracy.min()))
    axes.plot([low, 1], [low, 1], color=_line(), linestyle=":", linewidth=1)
    spread = 1.96 * np.sqrt(bins.accuracy * (1 - bins.accuracy) / bins.count)
    axes.errorbar(bins.probability, bins.accuracy, spread, fmt="o-", color=COLOUR, markersize=4, linewidth=1)
    axes.set(title="reliability", ylim=(None, 1.02), xlabel="probability of the answer", ylabel="share that is right")
    axes.grid(alpha=0.25)


def draw_coverage(axes: Axes, verdicts: Verdicts) -> None:
    """Accuracy among the answers that the model is surest of, from few to all; the dot is what it calls certain."""
    accuracy = accuracy_of_surest(verdicts.probability, verdicts.right)
    axes.plot(np.arange(1, len(accuracy) + 1) / len(accuracy), accuracy, color=COLOUR)
    if verdicts.certain.any():
        right = verdicts.right[verdicts.certain].mean()
        axes.plot([verdicts.certain.mean()], [right], "o", color=SECOND_COLOUR, label="called certain")
        axes.legend(loc="lower left", frameon=False)
    lowest = float(accuracy[len(accuracy) // 20 :].min())  # the first few answers jump
    axes.set(title="accuracy of the surest answers", xlabel="share answered", ylabel="accuracy", xlim=(0, 1))
    axes.set_ylim(lowest - 0.1 * (1.02 - lowest), 1 + 0.05 * (1.02 - lowest))
    axes.grid(alpha=0.25)


def draw_roc(axes: Axes, answers: Answers) -> None:
    """Recall of the second label against false alarms; for two labels."""
    false_alarms, recall, _ = roc_curve(answers.labels, answers.probabilities[:, 1])
    axes.plot(false_alarms, recall, color=COLOUR)
    axes.plot([0, 1], [0, 1], color=_line(), linestyle=":", linewidth=1)
    axes.set(title="ROC", xlabel="false alarms", ylabel="recall", xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.25)


def draw_precision_recall(axes: Axes, answers: Answers) -> None:
    """Precision against recall of the second label; for two labels."""
    precision, recall, _ = precision_recall_curve(answers.labels, answers.probabilities[:, 1])
    axes.plot(recall, precision, color=COLOUR)
    axes.axhline(float(np.mean(answers.labels == 1)), color=_line(), linestyle=":", linewidth=1)
    axes.set(title="precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.25)


def draw_history(axes: Axes, history: History) -> None:
    """Accuracy of each epoch."""
    axes.set(title="learning curve", xlabel="epoch", ylabel="accuracy")
    if not history:
        axes.text(0.5, 0.5, "no training run given", ha="center", va="center", transform=axes.transAxes)
        return
    epochs = range(1, len(history) + 1)
    for name, label, colour in (("accuracy", "training", SECOND_COLOUR), ("val_accuracy", "validation", COLOUR)):
        axes.plot(epochs, _column(history, name), color=colour, label=label)
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.25)


def _column(history: History, name: str) -> NDArray[np.float64]:
    return np.array([epoch[name] for epoch in history])


def _line() -> str:
    return str(mpl.rcParams["text.color"])
