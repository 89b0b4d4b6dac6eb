import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from models.errors import TrainingError
from training.fitting.fit import fit, new_network, start_from
from training.fitting.run_folder import RunFolder, best_epoch
from training.photos.dataset import Photos

SAME_ENOUGH = 1e-5
"""Largest difference of a weight between a run in one go and one that was killed and resumed: threads add up in no
fixed order. Seen here: 0."""

TWO_LABELS = {"task": "halves", "decision_threshold": None, "augmentation": {"from_size": None}}


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.fixture
def train(workshop, run):
    """Fits the selfie network to pictures whose brighter half is the label."""

    def train(*, photos=48, resume=False, **values):
        recipe = workshop.recipe(**TWO_LABELS, fit={"batch_size": 16, "warmup_epochs": 0.0, **values})
        task = workshop.two_labels()
        return fit(recipe, task, workshop.halves(photos), workshop.halves(20, seed=9), run, resume=resume)

    return train


def network(workshop, run: RunFolder, dtype_policy: str = "float32") -> keras.Model:
    model = new_network(workshop.recipe(**TWO_LABELS), workshop.two_labels(), dtype_policy)
    model.load_weights(run.best_weights)
    return model


def test_what_anyone_can_tell_apart_is_learned(workshop, train, run):
    """In a folder where an earlier run lies, from which a new one must not go on."""
    (run.path / "epoch-0005.keras").write_bytes(b"of an earlier run")
    run.best_weights.write_bytes(b"of an earlier run")
    history = train(epochs=8)
    assert len(history) == 8
    assert max(epoch["val_accuracy"] for epoch in history) == 1.0
    photos = workshop.halves(40, seed=5)
    answers = network(workshop, run).predict(photos.pixels, verbose=0)[:, 0]
    assert ((answers > 0.5) == photos.labels).all()
    assert list(run.tensorboard.rglob("events.out.tfevents.*"))
    assert {"accuracy", "loss", "val_accuracy", "val_loss", "images_per_s"} == history[0].keys()
    assert run.load_checkpoint()[1] == 8


def test_what_is_learned_from_small_pictures_is_used_on_larger_ones(workshop, run):
    recipe = workshop.recipe(
        **TWO_LABELS | {"augmentation": {"from_size": None, "to_size": 32}},
        input={"height": 64, "width": 64, "channels": 3},
        architecture={"name": "efficientnet_lite0"},
        fit={"epochs": 1, "batch_size": 8},
    )
    photos = workshop.halves(8, (64, 64, 3))
    fit(recipe, workshop.two_labels(), photos, photos, run, resume=False)
    model = new_network(recipe, workshop.two_labels(), "float32")
    model.load_weights(run.best_weights)
    assert model.input_shape == (None, 64, 64, 3)
    loss, _ = model_loss(model, photos)
    assert loss == pytest.approx(run.history()[0]["val_loss"], rel=1e-4)  # measured on the larger ones


def model_loss(model: keras.Model, photos: Photos) -> list[float]:
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    return model.evaluate(photos.pixels, np.eye(2)[photos.labels], verbose=0)


def test_patience_ends_a_run_and_the_best_epoch_s_weights_stay(workshop, train, run):
    """With a rate this high the accuracy jumps about, so that the best epoch is not the last."""
    history = train(epochs=30, patience=2, learning_rate=0.02, schedule="constant", photos=24)
    accuracies = [epoch["val_accuracy"] for epoch in history]
    best = best_epoch(history)
    assert len(history) < 30
    assert len(history) - best == 3, "it ends once it has lasted longer than patience"
    watched = workshop.halves(20, seed=9)
    answers = network(workshop, run).predict(watched.pixels, verbose=0)[:, 0]
    assert ((answers > 0.5) == watched.labels).mean() == pytest.approx(max(accuracies))
    before = run.history_file.read_bytes()
    assert train(epochs=30, patience=2, resume=True) == history, "nothing is left to do"
    assert run.history_file.read_bytes() == before


def test_a_rate_without_measure_ends_in_one_sentence(train, run):
    with pytest.raises(TrainingError, match=r"^the loss became (nan|inf) in epoch 1; try a lower learning rate$"):
        train(epochs=3, learning_rate=1e38)
    assert not run.best_weights.exists()


def test_bfloat16_weights_fit_a_float32_network(workshop, train, run):
    train(epochs=2, dtype_policy="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32", "the policy is set back"
    photos = workshop.halves(20, seed=5)
    exact, coarse = (
        network(workshop, run, policy).predict(photos.pixels, verbose=0) for policy in ("float32", "mixed_bfloat16")
    )
    assert exact.dtype == np.float32
    np.testing.assert_allclose(exact, coarse, atol=0.05)
    assert np.abs(exact - coarse).max() > 0


def test_killed_and_resumed_ends_where_one_go_does(trained, loupe_train, tmp_path):
    """The process is killed in the middle of an epoch, and another one goes on."""
    run = RunFolder(tmp_path / "runs/killed")
    arguments = ["train", trained.recipe, trained.run.manifest, "--run", run.path]
    command = [sys.executable, "-m", "training.commands.cli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for(lambda: (run.path / "epoch-0002.keras").exists(), process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    _, epochs = run.load_checkpoint()
    assert 2 <= epochs < 6
    assert not run.onnx.exists()

    result = loupe_train(*arguments, "--resume")
    assert result.exit_code == 0, result.output
    assert f"Epoch {epochs + 1}/6" in result.output
    assert f"Epoch {epochs}/6" not in result.output
    model, epoch = run.load_checkpoint()
    whole, same_epoch = trained.run.load_checkpoint()
    assert epoch == same_epoch == 6
    for ours, others in zip(_state(model), _state(whole), strict=True):
        np.testing.assert_allclose(ours, others, rtol=0, atol=SAME_ENOUGH)
    for ours, others in zip(run.history(), trained.run.history(), strict=True):
        for name in ours.keys() - {"images_per_s"}:
            assert ours[name] == pytest.approx(others[name], abs=1e-4)


def _state(model: keras.Model) -> list[np.ndarray]:
    """Weights and the optimizer's moments; not the seeds of dropout, which each epoch sets anew."""
    return [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]


def _wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_can_start_from_the_mean_of_several(workshop, tmp_path):
    files = tuple(str(tmp_path / f"{name}.weights.h5") for name in ("one", "other"))
    networks = [new_network(workshop.recipe(), workshop.two_labels(), "float32") for _ in files]
    for network, file in zip(networks, files, strict=True):
        network.save_weights(file)
    mean = new_network(workshop.recipe(), workshop.two_labels(), "float32")
    start_from(mean, files)
    for array, one, other in zip(*(network.get_weights() for network in (mean, *networks)), strict=True):
        np.testing.assert_allclose(array, (one + other) / 2, rtol=1e-6)
    assert not all(map(np.array_equal, networks[0].get_weights(), networks[1].get_weights()))


def test_no_epoch_leaves_the_weights_as_they_are(workshop, run, tmp_path):
    """Such as the mean of several."""
    given = tmp_path / "given.weights.h5"
    recipe = workshop.recipe(**TWO_LABELS, fit={"epochs": 0}, architecture={"weights": str(given)})
    new_network(recipe, workshop.two_labels(), "float32").save_weights(given)
    halves = workshop.halves(20)
    assert fit(recipe, workshop.two_labels(), halves, halves, run, resume=False) == []
    start = new_network(recipe, workshop.two_labels(), "float32")
    start.load_weights(given)
    for array, wanted in zip(network(workshop, run).get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("weights", ["resnet.h5", "imagenet"])
def test_weights_that_are_not_there_are_told(workshop, weights):
    model = new_network(workshop.recipe(), workshop.two_labels(), "float32")
    with pytest.raises(TrainingError, match=r"^there are no (weights resnet\.h5|ImageNet weights for selfie_talk)"):
        start_from(model, weights)


def test_a_run_can_start_from_another_s_weights(workshop, train, run):
    """What fits is taken; the last layer, of another number of labels, starts afresh."""
    image = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="hidden")(image)
    two, three = (keras.Model(image, keras.layers.Dense(count, name="labels")(hidden)) for count in (2, 3))
    fresh = keras.Model(image, keras.layers.Dense(3, name="labels")(keras.layers.Dense(3, name="hidden")(image)))
    run.save_best(two)
    before = fresh.get_layer("labels").get_weights()
    start_from(fresh, str(run.best_weights))
    for ours, others in zip(
        fresh.get_layer("hidden").get_weights(), two.get_layer("hidden").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, others)
    np.testing.assert_array_equal(fresh.get_layer("labels").get_weights()[0], before[0])
    assert three is not two
