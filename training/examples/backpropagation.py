"""3, continued. Back-propagation: the chain rule on a 1-1-1-1 network, by hand, against automatic differentiation.

A number goes through three neurons in a row, each a = σ(w·a + b) of the one before; the loss is E = ½(a₃ - t)². With
z = w·a + b and σ' = σ(1 - σ), the chain rule gives each layer its δ = ∂E/∂z from the layer after it:

    δ₃ = (a₃ - t) σ'(z₃)        δₗ = δₗ₊₁ wₗ₊₁ σ'(zₗ)        ∂E/∂wₗ = δₗ aₗ₋₁        ∂E/∂bₗ = δₗ

As σ' is at most ¼, a layer's δ is usually a fraction of that of the layer after it: it vanishes towards the input.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.examples.drawing import BLUE, GREEN, ORANGE, command_line, save

Array = NDArray[np.float64]
INPUT, TARGET = 0.8, 0.2
RATE, STEPS = 2.0, 120
LAYERS = 3


class Gradients(NamedTuple):
    """∂E/∂w and ∂E/∂b of the three layers, ``[3]`` each."""

    weights: Array
    biases: Array


class Answer(NamedTuple):
    """Gradients by hand and by machine at the start, and while learning losses ``[STEPS]``, ∂E/∂w ``[STEPS, 3]``."""

    by_hand: Gradients
    automatic: Gradients
    losses: Array
    while_learning: Array


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z))."""
    return np.asarray(1 / (1 + np.exp(-z)))


def forward(weights: Array, biases: Array, x: float) -> Array:
    """The activations: the input and each layer's output, ``[4]``."""
    activations = [np.asarray(x)]
    for weight, bias in zip(weights, biases, strict=True):
        activations.append(sigmoid(weight * activations[-1] + bias))
    return np.stack(activations)


def backward(weights: Array, activations: Array, target: float) -> Gradients:
    """The chain rule from the loss back to the first layer; see the top of this file."""
    slopes = activations[1:] * (1 - activations[1:])  # σ'(z) = σ(z) (1 - σ(z)), and σ(z) is the activation
    deltas = np.zeros(LAYERS)
    deltas[-1] = (activations[-1] - target) * slopes[-1]
    for layer in range(LAYERS - 2, -1, -1):
        deltas[layer] = deltas[layer + 1] * weights[layer + 1] * slopes[layer]
    return Gradients(deltas * activations[:-1], deltas)


def automatic(weights: Array, biases: Array, x: float, target: float) -> Gradients:
    """The same gradients from TensorFlow's tape, at float64."""
    w, b = tf.Variable(weights), tf.Variable(biases)
    with tf.GradientTape() as tape:
        activation = tf.constant(x, tf.float64)
        for layer in range(LAYERS):
            activation = tf.sigmoid(w[layer] * activation + b[layer])
        loss = (activation - target) ** 2 / 2
    # Slices have sparse gradients; convert_to_tensor makes them dense.
    return Gradients(*(tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, (w, b))))


def learn() -> Answer:
    """Descends along the gradients by hand."""
    weights, biases = np.random.default_rng(3).uniform(-1, 1, (2, LAYERS))
    by_hand = backward(weights, forward(weights, biases, INPUT), TARGET)
    checked = automatic(weights, biases, INPUT, TARGET)
    losses, gradients = [], []
    for _ in range(STEPS):
        activations = forward(weights, biases, INPUT)
        gradient = backward(weights, activations, TARGET)
        losses.append((activations[-1] - TARGET) ** 2 / 2)
        gradients.append(gradient.weights)
        weights, biases = weights - RATE * gradient.weights, biases - RATE * gradient.biases
    return Answer(by_hand, checked, np.array(losses), np.array(gradients))


def draw(answer: Answer) -> Figure:
    """The loss, and how much less of the gradient reaches the layers in front."""
    figure = Figure((10, 3.8), layout="constrained")
    loss, gradients = figure.subplots(1, 2)
    loss.semilogy(answer.losses, color=BLUE)
    loss.set(title="The output learns its target", xlabel="step", ylabel="loss ½(a₃ - t)²")
    for layer, colour in enumerate((ORANGE, GREEN, BLUE)):
        gradients.semilogy(np.abs(answer.while_learning[:, layer]), color=colour, label=f"layer {layer + 1}")
    gradients.set(title="The gradient vanishes towards the input", xlabel="step", ylabel="|∂E/∂w|")
    gradients.legend()
    return figure


def main(folder: Path) -> Answer:
    """Prints the figures and draws."""
    answer = learn()
    for layer in range(LAYERS):
        for name, hand, machine in zip(("w", "b"), answer.by_hand, answer.automatic, strict=True):
            print(f"∂E/∂{name}{layer + 1}  by hand {hand[layer]:+.9f}  automatic {machine[layer]:+.9f}")
    print(f"loss {answer.losses[0]:.6f} at the start, {answer.losses[-1]:.2g} after {STEPS} steps")
    save(draw(answer), folder, "backpropagation")
    return answer


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
