import keras
import numpy as np
import pytest

from training.fitting.run_folder import RunFolder, best_epoch


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.fixture
def model() -> keras.Model:
    image = keras.Input((3,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)  # an optimizer that was never used cannot be loaded
    return model


def names(run: RunFolder) -> set[str]:
    return {path.name for path in run.path.iterdir()}


def test_the_history_comes_back_exactly(run):
    history = [{"loss": 1 / 3, "val_accuracy": 0.1}, {"loss": 1e-17, "val_accuracy": 1.0}]
    assert run.history() == []
    for kept in (history, history[:1], []):
        run.write_history(kept)
        assert run.history() == kept
    assert names(run) == {"history.csv"}


def test_the_newest_checkpoint_is_kept_with_its_optimizer(run, model):
    assert run.load_checkpoint() is None
    run.save_checkpoint(model, 1)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    run.save_checkpoint(model, 2)
    assert names(run) == {"epoch-0002.keras"}
    loaded, epoch = run.load_checkpoint()
    assert epoch == 2
    assert int(loaded.optimizer.iterations.numpy()) == 2
    for ours, kept in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, kept)
    for ours, kept in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, kept)


def test_what_a_kill_leaves_half_written_is_passed_over(run, model):
    run.save_checkpoint(model, 3)
    (run.path / "partial.keras").write_bytes(b"half a file")
    assert run.load_checkpoint()[1] == 3
    run.save_checkpoint(model, 4)
    assert names(run) == {"epoch-0004.keras"}


def test_best_weights_are_replaced(run, model):
    for value in (1.0, 2.0):
        model.set_weights([np.full_like(weights, value) for weights in model.get_weights()])
        run.save_best(model)
    model.set_weights([weights * 0 for weights in model.get_weights()])
    model.load_weights(run.best_weights)
    assert {float(weights.max()) for weights in model.get_weights()} == {2.0}
    assert names(run) == {"best.weights.h5"}


def test_clearing_leaves_nothing_to_go_on_from(run, model):
    run.clear()
    run.save_checkpoint(model, 3)
    run.save_best(model)
    run.write_history([{"loss": 1.0}])
    run.manifest.write_text("photos")
    run.clear()
    assert names(run) == {"manifest.csv"}
    assert run.load_checkpoint() is None
    assert run.history() == []


def test_clearing_leaves_no_model_that_would_pass_for_a_new_one(run):
    for name in ("model.onnx", "model.int8.onnx", "metrics.json"):
        (run.path / name).write_bytes(b"of an earlier run")
    run.clear()
    assert [path.name for path in run.path.glob("m*")] == ["metrics.json"]


def test_the_best_epoch_is_the_most_accurate_and_of_those_the_surest():
    accuracies_and_losses = [(0.5, 0.1), (0.9, 0.4), (0.9, 0.2), (0.9, 0.2), (0.8, 0.1)]
    history = [{"val_accuracy": accuracy, "val_loss": loss} for accuracy, loss in accuracies_and_losses]
    assert best_epoch(history) == 3
    assert best_epoch([]) == 0
