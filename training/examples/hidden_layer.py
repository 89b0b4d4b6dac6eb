"""2. A hidden layer: ten sigmoid units bend the line, and with ten measurements to learn from they bend it too far.

Ten of the crickets' measurements are learnt from, five are held out. The network has 31 numbers to choose for ten
points: it ends up closer to those than any line, and farther from the five. The held-out loss is what tells.
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.examples.drawing import BLUE, GREEN, GREY, ORANGE, command_line, save
from training.examples.line import CHIRPS_PER_S, FAHRENHEIT

Array = NDArray[np.float64]
UNITS, EPOCHS, STEPS_PER_EPOCH = 10, 40, 80
HELD_OUT = np.arange(0, 15, 3)  # every third
LEARNT = np.setdiff1d(np.arange(15), HELD_OUT)
GRID = np.linspace(68, 95, 300)


class Answer(NamedTuple):
    """Mean squared errors on learnt and held-out points: the line's, the network's after each epoch ``[EPOCHS]``.

    ``curves`` are the network's answers on ``GRID`` after each epoch, ``line`` the line's.
    """

    line_learnt: float
    line_held_out: float
    learnt: Array
    held_out: Array
    line: Array
    curves: Array

    @property
    def best(self) -> int:
        """The epoch, from 0, to stop after."""
        return int(np.argmin(self.held_out))


def scaled(fahrenheit: Array) -> Array:
    """Temperatures as a column of mean 0 and deviation 1, where sigmoids are neither flat nor straight."""
    return np.asarray((fahrenheit[:, None] - FAHRENHEIT[LEARNT].mean()) / FAHRENHEIT[LEARNT].std())


def network() -> keras.Model:
    """One input, ten sigmoid units, one output: 10 + 10 + 10 + 1 = 31 parameters."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((1,)), keras.layers.Dense(UNITS, activation="sigmoid"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    # All steps of an epoch in one call: ten points are learnt faster than Python can ask for it.
    model.compile(keras.optimizers.Adam(0.05), "mean_squared_error", steps_per_execution=STEPS_PER_EPOCH)
    return model


def learn() -> Answer:
    """Fits the network, asking it after each epoch, and a line to the same ten points."""
    model, answers = network(), []
    everywhere = scaled(np.concatenate([FAHRENHEIT, GRID]))
    ask = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: answers.append(model(everywhere).numpy()))
    model.fit(
        np.tile(scaled(FAHRENHEIT[LEARNT]), (STEPS_PER_EPOCH, 1)),
        np.tile(CHIRPS_PER_S[LEARNT], STEPS_PER_EPOCH),
        batch_size=len(LEARNT),  # every batch is all ten points
        epochs=EPOCHS,
        shuffle=False,
        callbacks=[ask],
        verbose=0,
    )
    points, curves = np.split(np.stack(answers)[..., 0], [len(FAHRENHEIT)], axis=1)
    line = np.polyfit(FAHRENHEIT[LEARNT], CHIRPS_PER_S[LEARNT], 1)
    line_learnt, line_held_out = _losses(np.polyval(line, FAHRENHEIT))
    return Answer(
        float(line_learnt), float(line_held_out), *_losses(points), np.asarray(np.polyval(line, GRID), float), curves
    )


def _losses(answers: Array) -> tuple[Array, Array]:
    errors = (answers - CHIRPS_PER_S) ** 2
    return errors[..., LEARNT].mean(axis=-1), errors[..., HELD_OUT].mean(axis=-1)


def draw(answer: Answer) -> Figure:
    """The curves over the measurements, and both losses while learning."""
    figure = Figure((10, 4.2), layout="constrained")
    fits, losses = figure.subplots(1, 2)
    fits.plot(FAHRENHEIT[LEARNT], CHIRPS_PER_S[LEARNT], "o", color=GREY, label="learnt from")
    fits.plot(FAHRENHEIT[HELD_OUT], CHIRPS_PER_S[HELD_OUT], "o", color="black", fillstyle="none", label="held out")
    fits.plot(GRID, answer.line, "--", color=GREY, label="line")
    fits.plot(GRID, answer.curves[answer.best], color=GREEN, label="ten units, stopped in time")
    fits.plot(GRID, answer.curves[-1], color=ORANGE, label="ten units, at the end")
    fits.set(title="Ten sigmoid units", xlabel="temperature, °F", ylabel="chirps per second", ylim=(12.5, 22))
    fits.legend(fontsize=8.5)
    steps = np.arange(1, EPOCHS + 1) * STEPS_PER_EPOCH
    losses.loglog(steps, answer.learnt, color=BLUE, label="on the ten learnt from")
    losses.loglog(steps, answer.held_out, color=ORANGE, label="on the five held out")
    losses.axvline(steps[answer.best], color=GREEN, linestyle=":", label="best for the held out")
    losses.set(title="Over-fitting: the two losses part", xlabel="step", ylabel="mean squared error")
    losses.legend(fontsize=8.5)
    return figure


def main(folder: Path) -> Answer:
    """Prints the figures and draws."""
    answer = learn()
    print(f"line         loss on ten learnt {answer.line_learnt:.3f}, on five held out {answer.line_held_out:.3f}")
    for epoch in (answer.best, EPOCHS - 1):
        learnt, held_out = answer.learnt[epoch], answer.held_out[epoch]
        print(
            f"{(epoch + 1) * STEPS_PER_EPOCH:6} steps loss on ten learnt {learnt:.3f}, on five held out {held_out:.3f}"
        )
    save(draw(answer), folder, "hidden_layer")
    return answer


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
