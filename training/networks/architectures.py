"""The networks, by the names that recipes give them. Each takes ``uint8[N,H,W,C]``; rescaling is its first layer."""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from models.errors import TrainingError
from training.networks.efficientnet_lite import VARIANTS, efficientnet_lite

Shape = tuple[int | None, int | None, int]  # None: any size; for networks that take it
Builder = Callable[[Shape, int, float], keras.Model]


def build(name: str, shape: Shape, labels: int, dropout: float) -> keras.Model:
    """Builds a network with fresh weights.

    Args:
        name: a key of ``ARCHITECTURES``.
        shape: (height, width, channels) of the input, in pixels.
        labels: number of classes.
        dropout: share of units dropped before the last layer.

    Returns:
        A functional model ``uint8[N,H,W,C]`` → ``float32[N,labels]`` softmax or, for the selfie network,
        ``float32[N,1]`` sigmoid: the probability of the second of two labels.

    Raises:
        TrainingError: there is no such network.
    """
    if name not in ARCHITECTURES:
        raise TrainingError(f"there is no architecture {name!r}; there are: {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[name](shape, labels, dropout)


def orientation_talk(shape: Shape, labels: int, dropout: float) -> keras.Model:
    """The talk's orientation network: five 3 x 3 convolutions, 912,836 parameters at 256 x 256 x 3 and four labels."""
    image = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for filters in (16, 32, 48, 64, 80):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(160, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(labels, activation="softmax", dtype="float32")(x), name="orientation_talk")


def selfie_talk(shape: Shape, labels: int, dropout: float) -> keras.Model:
    """The talk's selfie network: two 2 x 2 convolutions, 213,857 parameters at 20 x 20 x 1."""
    if labels != 2:
        raise TrainingError(f"selfie_talk tells two labels apart, not {labels}")
    image = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for filters in (64, 32):
        x = layers.Conv2D(filters, 2, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.3)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", dtype="float32")(x), name="selfie_talk")


def small_cnn(shape: Shape, labels: int, dropout: float) -> keras.Model:
    """Of the talks' kind, for pictures of 8 to 64 pixels: 3 x 3 convolutions, halved until at most 4 pixels remain."""
    image = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for filters in (32, 64, 96, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        if min(x.shape[1:3]) > 4:
            x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(labels, activation="softmax", dtype="float32")(x), name="small_cnn")


ARCHITECTURES: dict[str, Builder] = {
    "orientation_talk": orientation_talk,
    "selfie_talk": selfie_talk,
    "small_cnn": small_cnn,
    **{name: partial(efficientnet_lite, name) for name in VARIANTS},
    **{f"{name}_halved": partial(efficientnet_lite, name, halved=True) for name in VARIANTS},
}
