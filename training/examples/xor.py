"""3. XOR: one neuron draws one straight border and cannot part {00, 11} from {01, 10}; a hidden layer can.

The best that one neuron can do about its loss is to answer one half everywhere: the four points' pulls cancel. A hidden
layer of one unit is no better, as its output only bends the values on either side of the same straight border. Two
units suffice: two borders with a strip between them. With so few, descent often ends where only three points are right
or all answers are one half; then it starts again from other weights. From five units on hardly any start goes wrong.
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.examples.drawing import command_line, save

Array = NDArray[np.float64]
POINTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])
HIDDEN = (1, 2, 3, 4, 5, 20, 50)
STEPS, STARTS = 400, 20  # half of all starts with two units fail, an eighth with three
SIDE = np.linspace(-0.5, 1.5, 121)


class Learnt(NamedTuple):
    """Share of the four points that is right, the start that led there (from 1), p(x, y) on the plane ``[y, x]``."""

    accuracy: float
    start: int
    plane: Array


def network(hidden: int) -> keras.Model:
    """Two inputs, ``hidden`` tanh units (0: none), one sigmoid output."""
    units = [keras.layers.Dense(hidden, activation="tanh")] if hidden else []
    model = keras.Sequential([keras.Input((2,)), *units, keras.layers.Dense(1, activation="sigmoid")])
    # All steps in one call: four points are learnt faster than Python can ask for it.
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", steps_per_execution=STEPS)
    return model


def learn(hidden: int) -> Learnt:
    """Trains on the four points; two units and more get up to ``STARTS`` starts, fewer cannot do it from any."""
    for start in range(1, STARTS + 1):
        keras.utils.set_random_seed(start)
        model = network(hidden)
        model.fit(np.tile(POINTS, (STEPS, 1)), np.tile(XOR, STEPS), batch_size=4, shuffle=False, verbose=0)
        accuracy = float(((_probability(model, POINTS) > 0.5) == XOR).mean())
        if accuracy == 1 or hidden < 2:
            break
    grid = np.stack(np.meshgrid(SIDE, SIDE), axis=-1)
    return Learnt(accuracy, start, _probability(model, grid.reshape(-1, 2)).reshape(grid.shape[:2]))


def _probability(model: keras.Model, points: Array) -> Array:
    return np.ravel(model(points).numpy())


def draw(learnt: dict[int, Learnt]) -> Figure:
    """The plane as each network sees it; the border is where the probability is one half."""
    figure = Figure((10, 5.4), layout="constrained")
    plots = figure.subplots(2, 4, sharex=True, sharey=True)
    for axes, (hidden, result) in zip(plots.flat, learnt.items(), strict=True):
        shades = axes.contourf(SIDE, SIDE, result.plane, levels=np.linspace(0, 1, 12), cmap="RdBu_r")
        axes.contour(SIDE, SIDE, result.plane, levels=[0.5], colors="black", linewidths=1)
        for answer, marker in ((0, "o"), (1, "s")):
            axes.plot(*POINTS[answer == XOR].T, marker, color="white", markeredgecolor="black", markersize=9)
        axes.set_title(f"{_name(hidden)}: {4 * result.accuracy:.0f} of 4")
        axes.set(xticks=[0, 1], yticks=[0, 1], aspect="equal")
    figure.colorbar(shades, ax=plots, label="probability of 1 (squares); circles are 0", ticks=[0, 0.5, 1])
    return figure


def _name(hidden: int) -> str:
    return f"{hidden} hidden" if hidden else "one neuron"


def main(folder: Path) -> dict[int, Learnt]:
    """Prints the figures and draws; the key is the number of hidden units."""
    learnt = {hidden: learn(hidden) for hidden in (0, *HIDDEN)}
    for hidden, result in learnt.items():
        print(f"{_name(hidden):10}  {4 * result.accuracy:.0f} of 4 right, start {result.start}")
    save(draw(learnt), folder, "xor")
    return learnt


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
