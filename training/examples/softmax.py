"""4. Softmax: scores become probabilities that add up to one; one layer of it reads handwritten digits.

softmax(s)ᵢ = exp(sᵢ) / Σⱼ exp(sⱼ). The digits are scikit-learn's 1,797 of 8 x 8 pixels. With a single layer, each
class's 64 weights are a picture of what speaks for it (red) and against it (blue).
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from training.examples.drawing import BLUE, GREY, command_line, save

Array = NDArray[np.float64]
SCORES = np.array([1.0, 2.0, 3.0, 4.0])


class Answer(NamedTuple):
    """Softmax of ``SCORES``; of the digits, accuracy, weights ``[64, 10]`` and counts ``[digit, answer]``."""

    probabilities: Array
    accuracy: float
    weights: Array
    confusion: NDArray[np.int64]


def softmax(scores: Array) -> Array:
    """Probabilities along the last axis; taking the largest score off first changes nothing and avoids overflow."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def learn() -> Answer:
    """Fits one softmax layer to three quarters of the digits and asks it about the rest."""
    digits = load_digits()
    pixels, test_pixels, labels, test_labels = train_test_split(
        digits.data / 16, digits.target, random_state=0, stratify=digits.target
    )
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", steps_per_execution=21)
    model.fit(pixels, labels, batch_size=64, epochs=40, verbose=0)
    answers = model.predict(test_pixels, verbose=0).argmax(axis=1)
    confusion = np.zeros((10, 10), np.int64)
    np.add.at(confusion, (test_labels, answers), 1)
    return Answer(softmax(SCORES), float((answers == test_labels).mean()), model.get_weights()[0], confusion)


def draw(answer: Answer) -> Figure:
    """Bars of scores and probabilities, the confusion matrix, and the ten pictures that the layer learnt."""
    figure = Figure((10, 6.8), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2.6)).flat
    scores, probabilities, confusion = upper.subplots(1, 3, width_ratios=(1, 1, 1.2))
    places = np.arange(4)
    bars = scores.bar(places, SCORES, color=GREY)
    scores.bar_label(bars)
    bars = probabilities.bar(places, answer.probabilities, color=BLUE)
    probabilities.bar_label(bars, fmt="%.4f")
    scores.set(title="scores", xticks=places, ylim=(0, 4.5))
    probabilities.set(title="their softmax", xticks=places, ylim=(0, 0.75))
    confusion.imshow(np.sqrt(answer.confusion), cmap="Blues")  # the root lets single mistakes be seen
    for digit, given in np.argwhere(answer.confusion):
        count, colour = answer.confusion[digit, given], "white" if digit == given else "black"
        confusion.text(given, digit, str(count), ha="center", va="center", fontsize=8, color=colour)
    confusion.set(title=f"{answer.accuracy:.1%} of held-out digits right", xlabel="answer", ylabel="digit")
    confusion.set(xticks=range(10), yticks=range(10))
    _draw_weights(lower, answer.weights)
    return figure


def _draw_weights(figure: SubFigure, weights: Array) -> None:
    figure.suptitle("the 64 weights of each class")
    limit = np.abs(weights).max()
    for digit, axes in enumerate(figure.subplots(2, 5).flat):
        axes.imshow(weights[:, digit].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_ylabel(digit, rotation=0, labelpad=10, va="center", fontsize=12)
        axes.set(xticks=[], yticks=[])


def main(folder: Path) -> Answer:
    """Prints the figures and draws."""
    answer = learn()
    print(f"softmax({SCORES.tolist()}) = {np.round(answer.probabilities, 8).tolist()}")
    print(
        f"{answer.accuracy:.1%} of {answer.confusion.sum()} held-out digits right, with 64 x 10 weights and 10 biases"
    )
    save(draw(answer), folder, "softmax")
    return answer


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
