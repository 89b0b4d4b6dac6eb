"""On two logical CPU devices, each in a process of its own: TensorFlow divides its devices once, at its start."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from training.fitting.devices import on_devices

ROOT = Path(__file__).parents[3]
SAME_WITHIN = 1e-4
"""Mean difference of weights, and largest of losses: gradients are added in another order. Seen: 1e-6."""

NUMPY_2 = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"  # as pyproject.toml has it

TRAIN = """
import sys
import numpy as np
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from training.photos.dataset import Photos
from training.fitting.devices import on_devices
from training.fitting.fit import fit, new_network
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.photos.tasks import task_named
from pathlib import Path
folder, devices = RunFolder(Path(sys.argv[1])), int(sys.argv[2])
folder.path.mkdir()
recipe = Recipe.read(Path(sys.argv[3]))
labels = np.arange(32) % 2
pixels = np.random.default_rng(0).integers(0, 100, (32, 8, 8, 1)) + 100 * labels[:, None, None, None]
photos = Photos(pixels.astype(np.uint8), labels, ("a",) * 32)
with on_devices(devices, recipe.fit.batch_size):
    history = fit(recipe, task_named("halves", ["dark", "bright"]), photos, photos, folder, resume=False)
    if devices > 1:
        history = fit(recipe, task_named("halves", ["dark", "bright"]), photos, photos, folder, resume=True)
network = new_network(recipe, task_named("halves", ["dark", "bright"]), "float32")
network.load_weights(folder.best_weights)
losses = [[epoch["loss"], epoch["val_loss"], epoch["val_accuracy"]] for epoch in history]
np.savez(sys.argv[1] + ".npz", np.concatenate([array.ravel() for array in network.get_weights()]), losses)
"""

RECIPE = """
name = "halves"
task = "halves"
description = "Dark or bright."
input = { height = 8, width = 8, channels = 1 }
architecture = { name = "small_cnn", dropout = 0.0 }
fit = { epochs = 5, batch_size = 32, learning_rate = 1e-3 }
"""


def train(folder: Path, devices: int) -> list[np.ndarray]:
    (folder / "recipe.toml").write_text(RECIPE)
    arguments = [str(folder / f"run{devices}"), str(devices), str(folder / "recipe.toml")]
    command = [sys.executable, "-W", "error", "-W", NUMPY_2, "-c", TRAIN, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(f"{arguments[0]}.npz") as saved:
        return [saved[name] for name in saved.files]


def test_two_devices_learn_what_one_learns(tmp_path):
    (weights, losses), (of_two, losses_of_two) = train(tmp_path, 1), train(tmp_path, 2)
    assert losses.shape == (5, 3)
    assert losses[-1, 0] < 0.9 * losses[0, 0]
    assert np.abs(weights - of_two).mean() < SAME_WITHIN
    assert np.abs(losses - losses_of_two).max() < SAME_WITHIN


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(TrainingError, match="a batch of 9 cannot be shared evenly by 2"), on_devices(2, 9):
        pass
    with pytest.raises(TrainingError, match="1000 devices are wanted, there is /device:"), on_devices(1000, 1000):
        pass


def test_one_device_is_no_distribution():
    import tensorflow as tf

    with on_devices(1, 7):
        assert not tf.distribute.has_strategy()
