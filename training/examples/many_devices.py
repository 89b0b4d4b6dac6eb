"""7. Many devices: the same CNN, data-parallel on two devices, learns the same weights as on one.

Each device holds a copy of the weights and gets half of a batch. The mean of the halves' gradients is the gradient of
the whole batch, so all copies take the same step. What differs is the order in which rounded numbers are added up: the
first step ends within ``TOLERANCE`` of float32's. It does not stay so: at the eighth step (where we ran
it) one unit, at 1e-9, is on here and off there, and from then on the runs drift apart, both equally good.
That it is rounding and nothing else, float64 shows: it begins a billion times closer, and all its steps are within
``TOLERANCE``.

Two halves of one CPU stand for two devices, so that this runs anywhere: it shows that the result is the same, not that
it comes sooner. TensorFlow must be told before it computes anything: this runs in a process of its own.
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.examples.drawing import BLUE, GREEN, GREY, ORANGE, command_line, save
from training.examples.small_cnn import BATCH, digits, network

Array = NDArray[np.float64]
DEVICES, EPOCHS, RATE = 2, 3, 0.02
TOLERANCE = {"float32": 1e-6, "float64": 1e-9}  # |one - two| of any weight: float32 after a step, float64 after all


class Trained(NamedTuple):
    """Each step's loss ``[steps]``, and all weights after it in a row ``[steps, weights]``."""

    losses: Array
    weights: Array


def split_cpu() -> None:
    """Makes two devices of one CPU."""
    tf.config.set_visible_devices([], "GPU")
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * DEVICES)
    # Or Grappler complains in fifty lines that it has no fused float64 layers.
    tf.config.optimizer.set_experimental_options({"remapping": False})


def train(strategy: tf.distribute.Strategy, precision: str) -> Trained:
    """The same first weights and the same batches in the same order, whatever the strategy."""
    pixels, _, labels, _ = digits()
    whole = len(pixels) // BATCH * BATCH  # halves of equal size, or the mean of the means is not the mean
    with strategy.scope():
        keras.utils.set_random_seed(1)
        keras.config.set_dtype_policy(precision)
        model = network()
        keras.config.set_dtype_policy("float32")
        # Not Adam: it divides by a gradient's size, and makes much of a difference where the gradient is nearly zero.
        model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy")
    notes = _Notes()
    model.fit(
        pixels[:whole], labels[:whole], batch_size=BATCH, epochs=EPOCHS, shuffle=False, callbacks=[notes], verbose=0
    )
    return Trained(np.array(notes.losses), np.stack(notes.weights))


class _Notes(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.weights: list[Array] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.model.reset_metrics()  # or the loss told is the mean of the epoch so far

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append((logs or {})["loss"])
        self.weights.append(np.concatenate([np.ravel(values) for values in self.model.get_weights()]))


def apart(one: Trained, two: Trained) -> Array:
    """The largest difference of a weight after each step."""
    return np.asarray(np.abs(one.weights - two.weights).max(axis=1))


def draw(runs: dict[str, tuple[Trained, Trained]]) -> Figure:
    """The losses, one over the other, and how far the weights are apart."""
    figure = Figure((10, 3.8), layout="constrained")
    losses, differences = figure.subplots(1, 2)
    one, two = runs["float64"]
    steps = np.arange(1, len(one.losses) + 1)
    losses.plot(steps, one.losses, color=GREY, linewidth=5, alpha=0.5, label="one device")
    losses.plot(steps, two.losses, color=BLUE, linewidth=1.5, label="two devices")
    losses.set(title="The same loss (float64)", xlabel="step", ylabel="loss of the step's batch")
    losses.legend()
    for (precision, pair), colour in zip(runs.items(), (ORANGE, GREEN), strict=True):
        differences.semilogy(steps, apart(*pair), color=colour, label=precision)
    differences.set(title="Rounding, magnified by learning", xlabel="step", ylabel="largest |one - two| of a weight")
    differences.legend()
    return figure


def main(folder: Path) -> dict[str, tuple[Trained, Trained]]:
    """Prints the figures and draws."""
    split_cpu()
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategies = (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(devices))
    print(" and ".join(f"{strategy.num_replicas_in_sync} device(s)" for strategy in strategies), *devices)
    runs: dict[str, tuple[Trained, Trained]] = {}
    for precision in TOLERANCE:
        one, two = (train(strategy, precision) for strategy in strategies)
        runs[precision] = one, two
        for step in (1, len(one.losses)):
            differ, losses = apart(one, two)[step - 1], (one.losses[step - 1], two.losses[step - 1])
            print(f"{precision} step {step:2}: weights {differ:.1e} apart, losses {losses[0]:.9f} and {losses[1]:.9f}")
    save(draw(runs), folder, "many_devices")
    return runs


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
