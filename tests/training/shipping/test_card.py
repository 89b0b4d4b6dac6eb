import pytest

from models.metadata import Label, ModelMetadata, Source
from models.metrics import LabelMetrics, Metrics, SourceMetrics
from models.preprocessing import Preprocessing
from training.shipping.card import render_card

METRICS = Metrics(
    data_sha256="abcdef0123456789" * 4,
    images=1234,
    accuracy=0.8123,
    labels={
        "no": LabelMetrics(precision=0.7111, recall=0.7222, support=1001),
        "yes": LabelMetrics(precision=0.6333, recall=0.6444, support=233),
    },
    confusion_matrix=((723, 278), (83, 150)),
    certain_share=0.4555,
    certain_accuracy=0.9666,
    roc_auc=0.8777,
    sources={"flickr": SourceMetrics(images=700, accuracy=0.8888), "sun": SourceMetrics(images=534, accuracy=0.7777)},
)


@pytest.fixture
def metadata() -> ModelMetadata:
    return ModelMetadata(
        name="selfie",
        version=3,
        description="Whether it is one.",
        labels=(
            Label(name="no", certain_from=0.9123),
            Label(name="yes", certain_from=None, attributes={"rotate_clockwise": 270}),
        ),
        preprocessing=Preprocessing(height=20, width=30, channels=1, fit="center_crop"),
        decision_threshold=0.35,
        graph_sha256="0" * 64,
        metrics=METRICS,
        sources=(Source(name="flickr", images=4321, licence="research use"),),
        training={"recipe": '{"epochs": 3}', "epochs": "17"},
        tools={"keras": "3.99"},
        git_revision="0123456789ab",
        created="2026-11-21",
        licence="Apache-2.0",
    )


def rows(card: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line[:1] == "|"]


def test_limits_stand_first(metadata):
    assert "**Limits.**" not in render_card(metadata)
    card = render_card(metadata.model_copy(update={"limits": "Never ask it about owls."}))
    assert card.startswith("# selfie 3\n\nWhether it is one.\n\n**Limits.** Never ask it about owls.\n")


def test_every_fact_stands_in_it(metadata):
    card = render_card(metadata)
    assert card.startswith("# selfie 3\n\nWhether it is one.\n")
    told = rows(card)
    for row in (
        ["input", "20 x 30 x 1 uint8, center_crop, bilinear"],
        ["answer", "`yes` from 0.35 on"],
        ["precision", "fp32"],
        ["licence of the weights", "Apache-2.0"],
        ["created", "2026-11-21, at revision 0123456789ab"],
        ["made with", "keras 3.99"],
        ["no", "0.912", ""],
        ["yes", "never", "rotate_clockwise: 270"],
        ["epochs", "17"],
        ["recipe", '`{"epochs": 3}`'],
        ["flickr", "4321", "research use"],
    ):
        assert row in told
    assert "retrain on your own for other uses" in card


def test_every_figure_stands_in_it(metadata):
    told = rows(render_card(metadata))
    for name, figure in {
        "images": "1234",
        "accuracy": "81.23 %",
        "answers that are certain": "45.55 %",
        "accuracy among those": "96.66 %",
        "ROC-AUC": "0.8777",
        "digest of the test images": "`abcdef0123456789`",
    }.items():
        assert any(row[0] == name and row[1].startswith(figure) for row in told), name
    for row in (["no", "71.11 %", "72.22 %", "1001"], ["yes", "63.33 %", "64.44 %", "233"]):
        assert row in told
    assert ["no", "723", "278"] in told
    assert ["yes", "83", "150"] in told
    for start in (["flickr", "700", "88.88 %"], ["sun", "534", "77.77 %"]):
        assert any(" ".join(row).startswith(" ".join(start)) for row in told)


def test_a_model_that_was_never_measured_says_so(metadata):
    card = render_card(metadata.model_copy(update={"metrics": None, "decision_threshold": None}))
    assert "Not measured." in card
    assert ["answer", "the likeliest label"] in rows(card)


def test_an_imported_model_claims_no_photos_of_ours(metadata):
    card = render_card(metadata.model_copy(update={"sources": ()}))
    assert "Photos" not in card
    assert "retrain" not in card


def test_the_card_of_a_run_is_that_of_its_file(trained):
    assert (trained.run.path / "MODEL_CARD.md").read_text() == render_card(trained.metadata)
