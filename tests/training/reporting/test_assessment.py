"""The page that a measurement ends in, as a person's browser gets it."""

import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.errors import TrainingError
from models.images import Size
from models.metadata import ModelMetadata
from models.metrics import Metrics
from models.onnx_file import graph_sha256
from models.preprocessing import Preprocessing
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION
from training.reporting.assessment import assess
from training.reporting.gallery import worst_errors
from training.shipping.card import render_card
from training.shipping.stamp import stamp

UNCLOSED = {"meta", "img", "br", "path", "use", "rect"}


class Page(HTMLParser):
    """What a page holds: tags, what they point to, its text; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses, self.tags, self.text, self._open = [], [], "", []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in UNCLOSED:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in UNCLOSED:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def measured(trained):
    return assess(trained.run.onnx, trained.manifest, robustness=True)


@pytest.fixture(scope="module")
def page(measured, trained):
    return measured.page(trained.run.history())


def test_nothing_in_the_page_is_fetched_from_anywhere(page):
    read = Page(page)
    assert read.addresses
    assert all(address.startswith(("data:image/webp;base64,", "#")) for address in read.addresses)
    assert not re.findall(r"https?:|@import|url\((?!#)", page)
    assert "script" not in read.tags


def test_the_page_shows_all_that_was_measured(page, measured):
    read = Page(page)
    metrics = measured.metrics
    assert read.tags.count("svg") == 5, "reliability, coverage, ROC, precision and recall, learning curve"
    assert f"{metrics.accuracy:.2%}".replace("%", " %") in read.text
    assert all(name in read.text for name in (*metrics.labels, *metrics.sources, *metrics.conditions))
    assert metrics.data_sha256 in read.text
    assert "currentColor" in page


def test_text_in_metadata_stays_text(measured, trained):
    sly = measured.metadata.model_copy(update={"description": "<img src=x onerror=alert(1)>"})
    changed = type(measured)(measured.data, sly, measured.answers, measured.pictures)
    assert "<img src=x" not in changed.page()


def test_without_a_run_there_is_no_learning_curve(measured):
    assert Page(measured.page()).tags.count("svg") == 4


@pytest.fixture
def mistaken(workshop, upright_photos, tmp_path):
    """A model that believes the scene's top to be dark: nearly all its answers are wrong."""
    model = tmp_path / "model.onnx"
    weights = np.zeros((16, 16, 3, 4))
    weights[8:, ..., 0] = weights[:, :8, :, 1] = weights[:8, ..., 2] = weights[:, 8:, :, 3] = 40 / 384
    graph = workshop.linear_graph(weights.reshape(-1, 4), (16, 16, 3))
    metadata = ModelMetadata(
        name="orientation",
        version=1,
        labels=ORIENTATION.labels,
        preprocessing=Preprocessing(height=16, width=16),
        graph_sha256=graph_sha256(graph),
    )
    model.write_bytes(stamp(graph, metadata))
    return assess(model, scan([upright_photos], ORIENTATION))


def test_the_gallery_has_one_error_of_each_photo_the_surest_first(mistaken):
    errors = worst_errors(mistaken.data, mistaken.metadata, mistaken.answers, mistaken.pictures, count=5, explained=2)
    assert 3 <= len(errors) <= 5
    probabilities = [error.probability for error in errors]
    assert probabilities == sorted(probabilities, reverse=True)
    groups = [mistaken.answers.groups[error.sample] for error in errors]
    assert len(set(groups)) == len(groups)
    assert all(error.true != error.answered for error in errors)
    assert [bool(error.evidence) for error in errors[:3]] == [True, True, False]


def test_its_pictures_are_turned_as_they_were_asked_about(mistaken):
    (error, *_) = worst_errors(mistaken.data, mistaken.metadata, mistaken.answers, mistaken.pictures)
    shown = Image.open(BytesIO(b64decode(error.picture.partition(",")[2])))
    assert max(shown.size) == 240
    asked = mistaken.pictures(error.sample, Size(240, 240)).resize(shown.size)
    assert np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(asked, float)).mean() < 8


def test_a_page_of_four_labels_has_no_roc(mistaken):
    read = Page(mistaken.page())
    assert read.tags.count("svg") == 2
    assert "ROC" not in read.text


def test_evaluate_writes_figures_and_page(trained, tmp_path, loupe_train):
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    arguments = ["--robustness", "--json", figures, "--report", page]
    shown = loupe_train("evaluate", trained.run.onnx, trained.run.manifest, *arguments)
    assert shown.exit_code == 0, shown.output
    metrics = Metrics.model_validate(json.loads(figures.read_text()))
    assert len(metrics.conditions) == 6
    assert Page(page.read_text()).tags.count("svg") == 5, "the run's learning curve is found beside the model"
    assert "95 % interval" in shown.stdout


def test_a_run_leaves_its_page(trained):
    assert Page((trained.run.path / "report.html").read_text()).tags.count("svg") == 5


def test_a_file_without_photos_is_no_run(trained, loupe_train):
    refused = loupe_train("evaluate", trained.run.onnx)
    assert refused.exit_code == 1
    assert "on which photos?" in refused.stderr


def test_what_is_not_there_cannot_be_measured(tmp_path, trained):
    with pytest.raises(TrainingError, match="there is no model"):
        assess(tmp_path / "none.onnx", trained.manifest)


def test_the_card_tells_the_same_figures(measured):
    metrics, card = measured.metrics, render_card(measured.metadata)
    for share in (*metrics.accuracy_interval, metrics.calibration_error, metrics.recall_at_95_specificity):
        assert f"{share:.2%}".replace("%", " %") in card
    assert all(f"| {name} |" in card for name in metrics.conditions)
    assert all(f"| {point.coverage:.0%}".replace("%", " %") in card for point in metrics.risk_coverage)
    assert "surest answers of which 99.5 % are right" in card
