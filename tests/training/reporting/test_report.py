import warnings

import numpy as np
import pytest
from PIL import Image

from models.metadata import ModelMetadata
from models.repository import read_metadata
from training.measuring.evaluation import Answers, measure
from training.reporting.report import draw_report


def drawn(path, metadata: ModelMetadata, answers: Answers, history=()) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_report(path, metadata, answers, history)
    with Image.open(path) as image:
        image.load()
        return image


def answers_of(columns: int) -> Answers:
    """Eighty answers from two sources, most of them right."""
    rng = np.random.default_rng(1)
    labels = np.arange(80) % columns
    scores = rng.random((80, columns)) + 0.8 * np.eye(columns)[labels]
    return Answers((scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), labels, ("a", "b") * 40)


@pytest.fixture
def four_turns(workshop) -> ModelMetadata:
    metadata = read_metadata(workshop.sky_model())
    return metadata.model_copy(update={"metrics": measure(answers_of(4), metadata, "d")})


@pytest.mark.parametrize("columns", [2, 4])
def test_the_report_is_a_picture_that_a_screen_can_show(tmp_path, trained, four_turns, columns):
    metadata, answers = (trained.metadata if columns == 2 else four_turns), answers_of(columns)
    history = [{"accuracy": 0.5, "val_accuracy": 0.4}, {"accuracy": 0.7, "val_accuracy": 0.6}]
    with_curve = drawn(tmp_path / "with.png", metadata, answers, history)
    assert with_curve.format == "PNG"
    assert 800 <= with_curve.width <= 2000
    assert 600 <= with_curve.height <= 2000
    assert (tmp_path / "with.png").stat().st_size < 500_000
    assert np.asarray(with_curve.convert("L")).std() > 20, "something is drawn"
    without = drawn(tmp_path / "without.png", metadata, answers)
    assert not np.array_equal(np.asarray(with_curve), np.asarray(without))


def test_the_run_s_report_lies_beside_its_model(trained):
    with Image.open(trained.run.path / "report.png") as image:
        assert image.width >= 800
