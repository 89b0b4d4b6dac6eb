"""What was measured, for people who would rather look than read: one HTML page, and one picture."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from models.metadata import ModelMetadata
from models.metrics import Metrics
from training.fitting.run_folder import History
from training.measuring.evaluation import Answers, judge
from training.reporting import figures
from training.reporting.gallery import Mistake

_TEMPLATE = "report.html.j2"


def render_report(
    metadata: ModelMetadata,
    answers: Answers,
    mistakes: Sequence[Mistake] = (),
    history: History = (),  # type: ignore[assignment]
) -> str:
    """The page: no script, and nothing that a browser would have to fetch.

    Args:
        metadata: with metrics.
        answers: that the metrics were made of.
        mistakes: what the gallery shows.
        history: of the fit, where there was one.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "interval": _interval}
    return environment.get_template(_TEMPLATE).render(
        metadata=metadata,
        metrics=_measured(metadata),
        wrong=len(answers.labels) - int(judge(answers, metadata).right.sum()),
        drawings=_drawings(metadata, answers, history),
        mistakes=mistakes,
    )


def draw_report(path: Path, metadata: ModelMetadata, answers: Answers, history: History = ()) -> None:  # type: ignore[assignment]
    """Draws confusion matrix, accuracy by source, accuracy against coverage (two labels: ROC), and the learning curve.

    Args:
        path: of the PNG.
        metadata: with metrics.
        answers: that the metrics were made of.
        history: of the fit, where there was one.
    """
    metrics = _measured(metadata)
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    title = f"{metadata.name}: {metrics.accuracy:.1%} right on {metrics.images:,} test images"
    figure.suptitle(title, fontsize=14)
    figures.draw_confusion(axes[0, 0], metrics)
    figures.draw_sources(axes[0, 1], metrics)
    if metrics.roc_auc is None:
        figures.draw_coverage(axes[1, 0], judge(answers, metadata))
    else:
        figures.draw_roc(axes[1, 0], answers)
    figures.draw_history(axes[1, 1], history)
    with mpl.rc_context({"savefig.dpi": 100}):
        figure.savefig(path)


def _measured(metadata: ModelMetadata) -> Metrics:
    assert metadata.metrics is not None, "draw what was measured"  # noqa: S101
    return metadata.metrics


def _drawings(metadata: ModelMetadata, answers: Answers, history: History) -> list[str]:
    verdicts = judge(answers, metadata)
    draws = [partial(figures.draw_reliability, verdicts=verdicts), partial(figures.draw_coverage, verdicts=verdicts)]
    if _measured(metadata).roc_auc is not None:
        draws += [partial(figures.draw_roc, answers=answers), partial(figures.draw_precision_recall, answers=answers)]
    if history:
        draws.append(partial(figures.draw_history, history=history))
    return [figures.svg(draw) for draw in draws]


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{share:.{digits}%}".replace("%", " %")


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}".replace("%", " %")
