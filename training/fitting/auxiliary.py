"""A second thing to learn: where points of a photo are, beside its label; the network that ships does not tell them.

Features that must tell where eyes and hands are serve the label too where labels are few (Caruana 1997, "Multitask
learning"). One output holds both, the probabilities and behind them three numbers a point, so that training, validation
and checkpoints need to know nothing of it.
"""

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.photos.points import UNKNOWN


def with_points(network: keras.Model, count: int) -> keras.Model:
    """A network that tells ``count`` points too: ``float32[N,K]`` becomes ``float32[N,K+3P]``.

    Behind the probabilities lie, for each point, the logit of its being seen, and x and y.
    """
    points = layers.Dense(3 * count, dtype="float32", name="points")(network.layers[-1].input)
    both = layers.Concatenate(dtype="float32", name="labels_and_points")([network.output, points])
    return keras.Model(network.input, both, name=network.name)


def without_points(model: keras.Model) -> keras.Model:
    """The network that ``with_points`` was given, or one that it was not given as it is."""
    last = model.layers[-1]
    return keras.Model(model.input, last.input[0], name=model.name) if last.name == "labels_and_points" else model


def padded(targets: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Targets ``float32[B,K]`` of photos whose points nobody knows, as ``float32[B,width]``."""
    missing = width - targets.shape[1]
    return np.pad(targets, ((0, 0), (0, missing)), constant_values=UNKNOWN) if missing else targets


@keras.saving.register_keras_serializable("loupe")
class LabelsAndPoints(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of the labels and, so much times, what is wrong about the points.

    That is the mean over the points of the cross-entropy of being seen and, of those that are, of the distance along
    each axis.
    """

    def __init__(
        self,
        labels: int,
        weight: float,
        label_smoothing: float,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self._labels, self._weight, self._smoothing = labels, weight, label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """``float32[B]`` of what ``with_points`` answers."""
        count = self._labels
        entropy = keras.losses.categorical_crossentropy(
            y_true[:, :count], y_pred[:, :count], label_smoothing=self._smoothing
        )
        true, told = (
            ops.reshape(both[:, count:], (-1, (y_pred.shape[1] - count) // 3, 3)) for both in (y_true, y_pred)
        )
        return entropy + self._weight * _points_loss(true, told)

    def get_config(self) -> dict[str, object]:
        """What a checkpoint keeps of it."""
        mine = {"labels": self._labels, "weight": self._weight, "label_smoothing": self._smoothing}
        return {"name": self.name, "reduction": self.reduction, **mine}


def _points_loss(true: keras.KerasTensor, told: keras.KerasTensor) -> keras.KerasTensor:
    known = ops.cast(true[..., 0] >= 0, "float32")
    seen = ops.maximum(true[..., 0], 0.0)
    entropy = ops.binary_crossentropy(seen, told[..., 0], from_logits=True)
    distance = ops.sum(ops.abs(true[..., 1:] - told[..., 1:]), axis=-1)
    return ops.mean(known * entropy + seen * distance, axis=-1)


@keras.saving.register_keras_serializable("loupe")
class LabelAccuracy(keras.metrics.CategoricalAccuracy):  # type: ignore[misc]
    """The accuracy of the labels alone."""

    def __init__(self, labels: int, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._labels = labels

    def update_state(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, sample_weight: keras.KerasTensor | None = None
    ) -> None:
        """Takes a batch."""
        super().update_state(y_true[:, : self._labels], y_pred[:, : self._labels], sample_weight)

    def get_config(self) -> dict[str, object]:
        """What a checkpoint keeps of it."""
        return {"name": self.name, "dtype": self.dtype, "labels": self._labels}
