"""6. A small CNN: three convolutions and two dense layers read digits of 28 x 28 pixels, watched with TensorBoard.

Weights without biases: 5·5·1·16 = 400, 5·5·16·8 = 3,200, 4·4·8·12 = 1,536, 7·7·12·200 = 117,600, 200·10 = 2,000. The
talk's slide gives the second layer 3,600, which would be nine filters, 5·5·16·9: as the slide shapes it, with eight, it
has 3,200. Nearly all weights are in the first dense layer, with one for each pixel; a kernel's serve all places.
The digits are scikit-learn's of 8 x 8, scaled. For graph, scalars, embeddings: ``tensorboard --logdir runs/examples``.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from training.examples.drawing import BARE, BLUE, ORANGE, command_line, save

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
SLIDE = (400, 3_600, 1_536, 117_600, 2_000)
PROJECTOR = 'embeddings { tensor_name: "digits" tensor_path: "vectors.tsv" metadata_path: "labels.tsv" }'
EPOCHS, BATCH, LOGS = 8, 64, Path("runs/examples/small_cnn")


class Answer(NamedTuple):
    """Keras' history, one figure an epoch; of each held-out digit, what was answered and 200 activations."""

    history: dict[str, list[float]]
    answers: Labels
    activations: Floats


def digits() -> tuple[Floats, Floats, Labels, Labels]:
    """``float32[N, 28, 28, 1]`` from 0 to 1 to learn from, those held out, and the labels of both."""
    given = load_digits()
    large = [Image.fromarray(picture).resize((28, 28)) for picture in given.images]  # bicubic
    pixels = (np.stack([np.asarray(picture) for picture in large])[..., None] / 16).clip(0, 1).astype(np.float32)
    return tuple(train_test_split(pixels, given.target, random_state=0, stratify=given.target))


def network() -> keras.Model:
    """28 x 28 x 1 → 28 x 28 x 16 → 14 x 14 x 8 → 7 x 7 x 12 → 200 → 10."""
    x = image = keras.Input((28, 28, 1))
    for filters, kernel, stride in ((16, 5, 1), (8, 5, 2), (12, 4, 2)):
        x = layers.Conv2D(filters, kernel, strides=stride, padding="same", activation="relu", name=f"conv{filters}")(x)
    x = layers.Dense(200, activation="relu", name="embedding")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x))


def weight_counts(model: keras.Model) -> list[int]:
    """Weights of each layer that has some, without biases."""
    return [int(np.prod(layer.kernel.shape)) for layer in model.layers if hasattr(layer, "kernel")]


def placements(model: keras.Model, pixels: Floats) -> dict[str, str]:
    """The device that each layer's output was computed on."""
    every = keras.Model(model.input, [layer.output for layer in model.layers[1:]])
    return {layer.name: out.device for layer, out in zip(model.layers[1:], every(pixels), strict=True)}


def learn(model: keras.Model, logs: Path) -> Answer:
    """Fits it under TensorBoard's eyes, and leaves what the 200 units say of the held-out digits for its projector."""
    pixels, test_pixels, labels, test_labels = digits()
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    watch = {"validation_data": (test_pixels, test_labels), "callbacks": [keras.callbacks.TensorBoard(str(logs))]}
    told = model.fit(pixels, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0, **watch)
    inner = keras.Model(model.input, [model.get_layer("embedding").output, model.output])
    activations, probabilities = inner.predict(test_pixels, verbose=0)
    np.savetxt(logs / "vectors.tsv", activations, fmt="%.5g", delimiter="\t")
    np.savetxt(logs / "labels.tsv", test_labels, fmt="%d")
    (logs / "projector_config.pbtxt").write_text(PROJECTOR)
    return Answer(told.history, probabilities.argmax(axis=1), activations)


def draw(answer: Answer, pixels: Floats, labels: Labels) -> Figure:
    """Accuracy while learning, the 200 activations on a plane, and what was misread of the held-out digits."""
    figure = Figure((10, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(7, 3)).flat
    curve, plane = left.subplots(1, 2)
    for metric, name, colour in (("accuracy", "learnt from", BLUE), ("val_accuracy", "held out", ORANGE)):
        curve.plot(range(1, EPOCHS + 1), answer.history[metric], color=colour, label=name)
    curve.set(title="accuracy", xlabel="epoch")
    curve.legend()
    for place, label in zip(PCA(2, random_state=0).fit_transform(answer.activations), labels, strict=True):
        plane.plot(*place, marker=f"${label}$", color=f"C{label}", markersize=5, markeredgewidth=0.1)
    plane.set(title="200 activations, seen from\ntheir two widest directions", xticks=[], yticks=[])
    _draw_mistakes(right, pixels, labels, answer.answers)
    return figure


def _draw_mistakes(figure: SubFigure, pixels: Floats, labels: Labels, answers: Labels) -> None:
    wrong = np.flatnonzero(answers != labels)
    figure.suptitle(f"misread, {len(wrong)} of {len(labels)}")
    for axes, index in zip(figure.subplots(3, 3, subplot_kw=BARE).flat, wrong, strict=False):
        axes.imshow(pixels[index], cmap="gray_r")
        axes.set_title(f"{labels[index]} as {answers[index]}", fontsize=9)


def main(folder: Path, logs: Path = LOGS) -> Answer:
    """Prints the figures and draws."""
    keras.utils.set_random_seed(1)
    model, (_, pixels, _, labels) = network(), digits()
    print(f"weights without biases: {weight_counts(model)}; on the slide: {list(SLIDE)}")
    print(*(f"  {layer:9} on {device}" for layer, device in placements(model, pixels[:1]).items()), sep="\n")
    shutil.rmtree(logs, ignore_errors=True)  # or TensorBoard draws this run and the last as one
    answer = learn(model, logs)
    print(f"{(answer.answers == labels).mean():.1%} of {len(labels)} held-out digits right; TensorBoard's logs: {logs}")
    save(draw(answer, pixels, labels), folder, "small_cnn")
    return answer


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
