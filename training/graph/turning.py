"""One network asked about several quarter turns of a picture, its answers turned back and averaged: in the graph."""

import keras
import numpy as np
from keras import ops

from training.graph.quarters import LABELS


def averaged_over_turns(network: keras.Model, turns: int) -> keras.Model:
    """Wraps an orientation network: its geometric mean over turns of each picture, all in one batch.

    With four turns the answers for a picture and its turned copies are exactly each other's turned versions.

    Args:
        network: ``uint8[N,S,S,C]`` → softmax ``float32[N,4]``.
        turns: 1 leaves it as it is; 2 also asks about the picture upside down; 4 about all quarter turns.

    Returns:
        A network of the same form that takes ``turns`` times as long.
    """
    if turns == 1:
        return network
    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    clockwise = range(0, LABELS, LABELS // turns)
    answers = network(ops.concatenate([_turned(image, turn) for turn in clockwise]))
    logs = ops.reshape(ops.log(ops.maximum(answers, keras.config.epsilon())), (turns, -1, LABELS))
    turned_back = [_turned_back(logs[index], turn) for index, turn in enumerate(clockwise)]
    return keras.Model(image, ops.softmax(sum(turned_back) / turns), name=network.name)


def _turned_back(answers: keras.KerasTensor, quarter_turns: int) -> keras.KerasTensor:
    """What ``[N,4]`` answers for turned pictures say of the pictures as they were."""
    return ops.take(answers, (np.arange(LABELS) + quarter_turns) % LABELS, axis=1)


def _turned(pictures: keras.KerasTensor, quarter_turns: int) -> keras.KerasTensor:
    """Clockwise; a transposition and flips, which every ONNX Runtime does to ``uint8``."""
    if quarter_turns == 0:
        return pictures
    if quarter_turns == 2:
        return pictures[:, ::-1, ::-1]
    sides_swapped = ops.transpose(pictures, (0, 2, 1, 3))
    return sides_swapped[:, :, ::-1] if quarter_turns == 1 else sides_swapped[:, ::-1]
