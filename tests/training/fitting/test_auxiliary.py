import keras
import numpy as np
import pytest

from training.fitting.auxiliary import LabelAccuracy, LabelsAndPoints, padded, with_points, without_points
from training.fitting.fit import fit, new_network
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.photos.dataset import Photos
from training.photos.points import UNKNOWN, Points

SIDE = 32


@pytest.fixture
def recipe(workshop) -> Recipe:
    return workshop.recipe(
        task="halves",
        decision_threshold=None,
        input={"height": SIDE, "width": SIDE, "channels": 3},
        architecture={"name": "efficientnet_lite0"},
        fit={"epochs": 3, "batch_size": 16, "warmup_epochs": 0.0, "learning_rate": 3e-3},
        augmentation={"from_size": None},
        auxiliary={"points": "people.csv", "weight": 2.0},
    )


def with_dots(photos: Photos) -> Photos:
    """A point in the half that is brighter, and one in the other half, which is unknown of every third picture."""
    where = np.zeros((len(photos.labels), 2, 3), np.float32)
    where[:, 0] = [[1, 0.5, 0.25 if label == 0 else 0.75] for label in photos.labels]
    where[::3, 1, 0] = UNKNOWN
    return Photos(photos.pixels, photos.labels, photos.sources, Points(where, np.array([0, 1])))


def test_points_are_learned_beside_the_label_and_leave_no_trace_in_the_network(workshop, recipe, tmp_path):
    run, task = RunFolder(tmp_path), workshop.two_labels()
    watched = workshop.halves(16, (SIDE, SIDE, 3), seed=9)
    history = fit(recipe, task, with_dots(workshop.halves(64, (SIDE, SIDE, 3))), watched, run, resume=False)
    assert {"accuracy", "loss", "val_accuracy", "val_loss", "images_per_s"} == history[0].keys()
    assert history[-1]["loss"] < history[0]["loss"]
    checkpoint, epochs = run.load_checkpoint()
    assert epochs == len(history)
    assert isinstance(checkpoint.loss, LabelsAndPoints)  # training can go on from it
    both = checkpoint.predict(watched.pixels, verbose=0)
    assert both.shape == (16, 2 + 2 * 3)
    network = new_network(recipe, task, "float32")
    run.save_best(without_points(checkpoint))
    network.load_weights(run.best_weights)
    np.testing.assert_allclose(network.predict(watched.pixels, verbose=0), both[:, :2], atol=1e-6)
    assert (both[:, 2] > both[:, 5]).all()  # the first point is always seen, the second never


def test_the_loss_is_what_its_words_say():
    one_hot = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    points = np.array([[[1, 0.5, 0.5], [0, 0, 0]], [[UNKNOWN, 9, 9]] * 2, [[0, 0, 0], [1, 0.2, 0.8]]], np.float32)
    told = np.array([[[2, 0.4, 0.7], [-1, 5, 5]], [[3, 1, 1]] * 2, [[0, 7, 7], [1, 0.2, 0.5]]], np.float32)
    answers = np.array([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9]], np.float32)
    loss = LabelsAndPoints(2, 0.5, 0.0, reduction="none")(
        np.hstack([one_hot, points.reshape(3, -1)]), np.hstack([answers, told.reshape(3, -1)])
    )

    def wrong(logit: float, seen: bool) -> float:
        return float(np.log1p(np.exp(-logit if seen else logit)))

    expected = [
        -np.log(0.75) + 0.5 * (wrong(2, True) + 0.3 + wrong(-1, False)) / 2,
        -np.log(0.5),
        -np.log(0.9) + 0.5 * (wrong(0, False) + wrong(1, True) + 0.3) / 2,
    ]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss), expected, rtol=1e-5)


def test_accuracy_is_of_labels_alone():
    accuracy = LabelAccuracy(2)
    true, told = [[1, 0, 1, 0, 0], [1, 0, 1, 0, 0.0]], [[0.9, 0.1, 5, 5, 5], [0.2, 0.8, 5, 5, 5]]
    accuracy.update_state(np.array(true), np.array(told))
    assert float(accuracy.result()) == 0.5


def test_a_network_without_points_is_left_as_it_is(workshop, recipe):
    network = new_network(recipe, workshop.two_labels(), "float32")
    assert without_points(network) is network
    assert with_points(network, 3).output_shape == (None, 2 + 3 * 3)
    targets = np.eye(2, dtype=np.float32)
    assert padded(targets, 2) is targets
    assert padded(targets, 5).tolist() == [[1, 0, -1, -1, -1], [0, 1, -1, -1, -1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "orientation", "decision_threshold": None},
        {"architecture": {"name": "selfie_talk"}},
        {"input": {"fit": "center_crop"}},
    ],
)
def test_points_are_refused_where_nothing_could_learn_them(workshop, changes):
    with pytest.raises(ValueError, match=r"auxiliary\.points are (for|places)"):
        workshop.recipe(
            **{"task": "halves", "architecture": {"name": "efficientnet_lite0"}, "augmentation": {"from_size": None}}
            | changes,
            auxiliary={"points": "people.csv"},
        )
