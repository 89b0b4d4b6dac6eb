"""What comes after training: the run's file, measured on photos that it never saw."""

import json

from models.metrics import Metrics
from models.repository import CARD_NAME
from training.pipeline.beginning import Run
from training.reporting.assessment import assess
from training.reporting.report import draw_report
from training.shipping.card import render_card
from training.shipping.stamp import restamp


def evaluate_run(run: Run, *, robustness: bool = False) -> Metrics:
    """Measures the run's file on its test split; stamps the figures into it and renders card and reports beside it."""
    measured = assess(run.folder.onnx, run.manifest.split("test"), robustness=robustness)
    metadata, history = measured.metadata, run.folder.history()
    figures = measured.metrics.model_dump(mode="json")
    run.folder.onnx.write_bytes(restamp(measured.data, metrics=figures))
    (run.folder.path / CARD_NAME).write_text(render_card(metadata), encoding="utf-8")
    (run.folder.path / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n")
    (run.folder.path / "report.html").write_text(measured.page(history), encoding="utf-8")
    draw_report(run.folder.path / "report.png", metadata, measured.answers, history)
    return measured.metrics
