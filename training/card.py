"""MODEL_CARD.md, rendered from a model's metadata and from nothing else."""

from collections.abc import Iterable, Sequence

from models.metadata import Metrics, ModelMetadata

_TERMS = (
    "Trained for research and demonstration on research-use photos; retrain on your own for other uses. "
    "The photos are not part of this repository."
)


def render_card(metadata: ModelMetadata) -> str:
    """The card as Markdown."""
    sections = [
        f"# {metadata.name} {metadata.version}",
        metadata.description,
        _table(("", ""), _facts(metadata)),
        "## Labels",
        _table(("label", "certain from", "attributes"), _labels(metadata)),
        *(_measured(metadata.metrics) if metadata.metrics else ["Not measured."]),
        "## Training",
        _table(
            ("", ""), [(name, f"`{text}`" if name == "recipe" else text) for name, text in metadata.training.items()]
        ),
        "## Photos",
        _TERMS,
        _table(("source", "photos", "origin and licence"), [(s.name, s.images, s.licence) for s in metadata.sources]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(metadata: ModelMetadata) -> list[tuple[str, object]]:
    size = metadata.preprocessing
    rule = "the likeliest label"
    if metadata.decision_threshold is not None:
        rule = f"`{metadata.labels[1].name}` from {metadata.decision_threshold:g} on"
    return [
        ("input", f"{size.height} x {size.width} x {size.channels} uint8, {size.fit}"),
        ("answer", rule),
        ("precision", metadata.precision),
        ("licence of the weights", metadata.licence),
        ("created", f"{metadata.created}, at revision {metadata.git_revision}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in metadata.tools.items())),
    ]


def _labels(metadata: ModelMetadata) -> list[tuple[object, ...]]:
    return [
        (
            label.name,
            "never" if label.certain_from is None else f"{label.certain_from:.3f}",
            ", ".join(f"{key}: {value}" for key, value in label.attributes.items()),
        )
        for label in metadata.labels
    ]


def _measured(metrics: Metrics) -> Iterable[str]:
    yield "## Measured on the file, on photos that training never saw"
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
        [(name, source.images, _percent(source.accuracy)) for name, source in metrics.sources.items()],
    )


def _figures(metrics: Metrics) -> list[tuple[str, object]]:
    figures: list[tuple[str, object]] = [
        ("images", metrics.images),
        ("accuracy", _percent(metrics.accuracy)),
        ("answers that are certain", _percent(metrics.certain_share)),
    ]
    if metrics.certain_accuracy is not None:
        figures.append(("accuracy among those", _percent(metrics.certain_accuracy)))
    if metrics.roc_auc is not None:
        figures.append(("ROC-AUC", f"{metrics.roc_auc:.4f}"))
    return [*figures, ("digest of the test images", f"`{metrics.data_sha256[:16]}`")]


def _percent(share: float) -> str:
    return f"{share:.2%}".replace("%", " %")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
