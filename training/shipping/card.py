"""MODEL_CARD.md, rendered from a model's metadata and from nothing else."""

from collections.abc import Iterable, Sequence

from models.metadata import ModelMetadata, Source
from models.metrics import Interval, Metrics
from models.preprocessing import Preprocessing

IMPORTED = "imported from"
"""The fact that models trained elsewhere have."""

_TERMS = (
    "Trained for research and demonstration on research-use photos; retrain on your own for other uses. "
    "The photos are not part of this repository."
)


def render_card(metadata: ModelMetadata) -> str:
    """The card as Markdown."""
    sections = [
        f"# {metadata.name} {metadata.version}",
        metadata.description,
        f"**Limits.** {metadata.limits}" if metadata.limits else "",
        _table(("", ""), _facts(metadata)),
        "## Labels",
        _table(("label", "certain from", "attributes"), _labels(metadata)),
        *(_measured(metadata.metrics, _whose(metadata)) if metadata.metrics else ["Not measured."]),
        "## Training",
        _table(
            ("", ""), [(name, f"`{text}`" if name == "recipe" else text) for name, text in metadata.training.items()]
        ),
        *(_photos(metadata.sources) if metadata.sources else ()),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(metadata: ModelMetadata) -> list[tuple[str, object]]:
    rule = "the likeliest label"
    if metadata.decision_threshold is not None:
        rule = f"`{metadata.labels[1].name}` from {metadata.decision_threshold:g} on"
    return [
        ("input", _input(metadata.preprocessing)),
        ("answer", rule),
        ("precision", _precision(metadata)),
        ("licence of the weights", metadata.licence),
        ("created", f"{metadata.created}, at revision {metadata.git_revision}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in metadata.tools.items())),
        ("photos to tell drift by", metadata.reference.pictures if metadata.reference else "none"),
    ]


def _input(size: Preprocessing) -> str:
    cut = "" if size.crop == 1 else f", the middle {size.crop:.1%}".replace("%", " %")
    return f"{size.height} x {size.width} x {size.channels} uint8, {size.fit}{cut}, {size.resample}"


def _precision(metadata: ModelMetadata) -> str:
    against = metadata.against_fp32
    if against is None:
        return metadata.precision
    return (
        f"{metadata.precision}; beside fp32: accuracy {100 * against.accuracy_change:+.2f} points, the same label for "
        f"{_percent(against.agreement)}, {against.time_ratio:.2f} of its time ({against.provider})"
    )


def _labels(metadata: ModelMetadata) -> list[tuple[object, ...]]:
    return [
        (
            label.name,
            "never" if label.certain_from is None else f"{label.certain_from:.3f}",
            ", ".join(f"{key}: {value}" for key, value in label.attributes.items()),
        )
        for label in metadata.labels
    ]


def _whose(metadata: ModelMetadata) -> str:
    """What is known of the photos that a model was measured on."""
    return "of whoever calibrated it" if IMPORTED in metadata.training else "that training never saw"


def _measured(metrics: Metrics, whose: str) -> Iterable[str]:
    yield f"## Measured on the file, on photos {whose}"
    yield _table(("", ""), _figures(metrics))
    yield _table(
        ("label", "precision", "recall", "images"),
        [(name, _percent(m.precision), _percent(m.recall), m.support) for name, m in metrics.labels.items()],
    )
    names = list(metrics.labels)
    rows = [(name, *row) for name, row in zip(names, metrics.confusion_matrix, strict=True)]
    yield _table(("true \\ answered", *names), rows)
    yield _table(
        ("source", "images", "accuracy"),
        [
            (name, source.images, _percent(source.accuracy) + _between(source.accuracy_interval))
            for name, source in metrics.sources.items()
        ],
    )
    if metrics.risk_coverage:
        yield "If only the surest answers count:"
        yield _table(
            ("answered", "accuracy"),
            [(f"{p.coverage:.0%}".replace("%", " %"), _percent(p.accuracy)) for p in metrics.risk_coverage],
        )
    if metrics.conditions:
        yield "On damaged copies of the test images:"
        yield _table(("damage", "accuracy", "ROC-AUC"), _conditions(metrics))


def _photos(sources: Iterable[Source]) -> Iterable[str]:
    yield "## Photos"
    yield _TERMS
    yield _table(("source", "photos", "origin and licence"), [(s.name, s.images, s.licence) for s in sources])


def _conditions(metrics: Metrics) -> Iterable[tuple[str, str, str]]:
    for name, condition in metrics.conditions.items():
        auc = "" if condition.roc_auc is None else f"{condition.roc_auc:.4f}"
        yield name, _percent(condition.accuracy), auc


def _figures(metrics: Metrics) -> list[tuple[str, object]]:
    figures: list[tuple[str, object]] = [
        ("images", metrics.images),
        ("accuracy", _percent(metrics.accuracy) + _between(metrics.accuracy_interval)),
        ("answers that are certain", _percent(metrics.certain_share)),
    ]
    if metrics.groups is not None:
        figures.insert(1, ("independent photos", metrics.groups))
    if metrics.certain_accuracy is not None:
        figures.append(("accuracy among those", _percent(metrics.certain_accuracy)))
    if metrics.roc_auc is not None:
        figures.append(("ROC-AUC", f"{metrics.roc_auc:.4f}" + _between(metrics.roc_auc_interval, "{:.4f}")))
    if metrics.recall_at_95_specificity is not None:
        interval = _between(metrics.recall_at_95_specificity_interval)
        figures.append(("recall at 95 % specificity", _percent(metrics.recall_at_95_specificity) + interval))
    if metrics.calibration_error is not None and metrics.calibration_error_by_chance is not None:
        chance = f", where chance alone gives {_percent(metrics.calibration_error_by_chance)}"
        figures.append(("calibration error (15 bins of equally many)", _percent(metrics.calibration_error) + chance))
    for wanted, share in metrics.coverage_at_accuracy.items():
        figures.append((f"surest answers of which {float(wanted):.1%} are right".replace("%", " %"), _percent(share)))
    return [*figures, ("digest of the test images", f"`{metrics.data_sha256[:16]}`")]


def _between(interval: Interval | None, form: str = "{:.2%}") -> str:
    if interval is None:
        return ""
    low, high = (form.format(bound).replace("%", " %") for bound in interval)
    return f" (95 % interval {low} to {high})"


def _percent(share: float) -> str:
    return f"{share:.2%}".replace("%", " %")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
