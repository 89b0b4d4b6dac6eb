"""1. A line: how fast crickets chirp at a temperature, as weight * x + bias, found by gradient descent.

The loss is the mean squared error. The closed form finds its minimum at once; 50 steps of descent reach nearly the
same loss with another weight and bias. Why: the loss is a quadratic bowl whose curvatures are the eigenvalues of
2/n XᵀX, and they differ by a factor of almost a million, as all temperatures lie far from zero. A step multiplies the
distance to the minimum along each axis of the bowl by (1 - rate * curvature): across the valley, where the slope of
the line changes, it is gone after a few steps; along the valley's floor, which is nearly the direction of the bias
(the intercept), 99.99 % of it is left after fifty. The loss hardly notices: being flat is what makes the floor slow.
"""

from pathlib import Path

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.examples.drawing import BLUE, GREEN, GREY, ORANGE, command_line, save

Array = NDArray[np.float64]
FAHRENHEIT = np.array([88.6, 71.6, 93.3, 84.3, 80.6, 75.2, 69.7, 71.6, 69.4, 83.3, 79.6, 82.6, 80.6, 83.5, 76.3])
CHIRPS_PER_S = np.array([20, 16, 19.8, 18.4, 17.1, 15.5, 14.7, 15.7, 15.4, 16.3, 15, 17.2, 16, 17, 14.4])
X = np.column_stack([FAHRENHEIT, np.ones(15)])  # a column of ones, so that X @ [weight, bias] is the line
RATE, STEPS = 1e-4, 50
SLOW, TOO_FAST = 1e-5, 1.6e-4  # above 2 / the largest curvature, 1.58e-4, every step overshoots more than the last


def loss(line: Array) -> Array:
    """Mean squared error of each (weight, bias) in ``[..., 2]``."""
    return np.asarray(((line @ X.T - CHIRPS_PER_S) ** 2).mean(axis=-1))


def closed_form() -> Array:
    """(XᵀX)⁻¹Xᵀy."""
    return np.asarray(np.linalg.solve(X.T @ X, X.T @ CHIRPS_PER_S))


def descend(rate: float, steps: int = STEPS) -> Array:
    """Weight and bias from (0, 0) down the gradient 2/n Xᵀ(X @ line - y): ``[steps + 1, 2]``."""
    path = [np.zeros(2)]
    for _ in range(steps):
        path.append(path[-1] - rate * 2 / len(X) * X.T @ (X @ path[-1] - CHIRPS_PER_S))
    return np.stack(path)


def descend_with_keras(rate: float, steps: int = STEPS) -> Array:
    """The same by a network of one neuron: its last weight and bias."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mean_squared_error")
    model.fit(FAHRENHEIT[:, None], CHIRPS_PER_S, batch_size=len(X), epochs=steps, verbose=0)
    return np.concatenate([np.ravel(values) for values in model.get_weights()])


def bowl() -> tuple[Array, Array]:
    """Curvatures of the loss, the flattest first, and the unit vectors in (weight, bias) along which they hold."""
    curvatures, axes = np.linalg.eigh(2 / len(X) * X.T @ X)
    return curvatures, axes.T


def draw(best: Array, path: Array) -> Figure:
    """Both lines, the loss surface, three rates, and what is left of the distance along each axis."""
    figure = Figure((10, 8), layout="constrained")
    (lines, surface), (rates, distances) = figure.subplots(2, 2)
    _draw_lines(lines, {"50 steps": path[-1], "closed form": best})
    _draw_surface(surface, best, path)
    for rate, colour in ((SLOW, GREEN), (RATE, BLUE), (TOO_FAST, ORANGE)):
        rates.semilogy(loss(descend(rate)), color=colour, label=f"rate {rate:g}")
    rates.set(title="A rate too high overshoots ever farther", xlabel="step", ylabel="loss", ylim=(0.3, None))
    rates.legend()
    left = np.abs((path - best) @ bowl()[1].T)
    for axis, name, colour in ((1, "across the valley", BLUE), (0, "along its floor", ORANGE)):
        distances.semilogy(left[:, axis] / left[0, axis], color=colour, label=name)
    distances.set(title="Share of the distance to the minimum left", xlabel="step", ylim=(1e-6, 4))
    distances.legend(loc="center right")
    return figure


def _draw_lines(axes: Axes, lines: dict[str, Array]) -> None:
    ends = np.array([67.0, 95.0])
    axes.plot(FAHRENHEIT, CHIRPS_PER_S, "o", color=GREY, label="15 measurements")
    for (name, line), style, colour in zip(lines.items(), ("-", "--"), (BLUE, ORANGE), strict=True):
        axes.plot(ends, line[0] * ends + line[1], style, color=colour, label=f"{name}: {line[0]:.4f} x {line[1]:+.4f}")
    axes.set(title="Crickets chirp faster when it is warm", xlabel="temperature, °F", ylabel="chirps per second")
    axes.legend()


def _draw_surface(axes: Axes, best: Array, path: Array) -> None:
    weights, biases = np.meshgrid(np.linspace(-0.03, 0.33, 200), np.linspace(-3, 3, 200))
    losses = np.log10(loss(np.stack([weights, biases], axis=-1)))
    shades = axes.contourf(weights, biases, losses, levels=24, cmap="Blues_r")
    axes.figure.colorbar(shades, ax=axes, label="log₁₀ loss")
    axes.plot(*path.T, "o-", color=ORANGE, markersize=4, linewidth=1, label="descent from (0, 0)")
    axes.plot(*best, "*", color="black", markersize=13, label="minimum")
    axes.set(title="Loss: a valley, and the path across it", xlabel="weight", ylabel="bias")
    axes.legend(loc="upper left")


def main(folder: Path) -> None:
    """Prints the figures and draws."""
    best, path = closed_form(), descend(RATE)
    for name, line in {"closed form": best, "50 steps": path[-1], "with Keras": descend_with_keras(RATE)}.items():
        print(f"{name:11}  weight {line[0]:.5f}  bias {line[1]:+.5f}  loss {loss(line):.5f}")
    flat, steep = bowl()[0]
    print(f"curvatures {steep:.0f} and {flat:.4f}: {steep / flat:,.0f} times; rates above {2 / steep:.3g} diverge")
    print(f"after {STEPS} steps {(1 - RATE * flat) ** STEPS:.4%} of the distance along the valley's floor is left")
    save(draw(best, path), folder, "line")


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
