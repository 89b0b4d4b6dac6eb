"""8. Looking inside: what the orientation model's first layer looks for, what it finds, and what decides the answer.

All is read from the ONNX file that is served. Any tensor inside can be made an output: the kernels of the first
convolution, also of a quantised model, and the feature maps that it gives. The occlusion map asks the model about
the photo again and again, each time with another grey square on it: where the answer's probability falls, it looked.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut, coffee

from models.repository import ModelRepository, read_metadata
from training.examples.drawing import BARE, command_line, save
from training.graph.inference import OnnxClassifier

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
SQUARE, GREY = 1 / 5, 127  # the side of the square that hides, as a share of the picture's; its grey level
PLACES, SHOWN = 21, 16  # places of the square from edge to edge, each way; kernels, those with the strongest maps


class Seen(NamedTuple):
    """Of one picture: its pixels, the likeliest label, its probability, and what of it each square left ``[y, x]``."""

    pixels: Pixels
    label: int
    probability: float
    left: Floats


def first_layer(data: bytes, picture: Pixels) -> tuple[Floats, Floats]:
    """Kernels ``[filters, channels, h, w]`` of the first convolution, and its feature maps ``[filters, H, W]``."""
    model = onnx.load_from_string(data)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    wanted = [convolution.input[1], convolution.output[0]]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted)
    options = onnxruntime.SessionOptions()
    # Optimising would fuse away the tensors that are asked for.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kernels, features = session.run(wanted, {session.get_inputs()[0].name: picture[None]})
    return kernels, np.maximum(features[0], 0)  # ReLU, which follows in all our networks


def look(model: OnnxClassifier, pixels: Pixels) -> Seen:
    """Asks about a picture as it is, and with a grey square around each place."""
    middles = [np.linspace(0, size, PLACES) for size in pixels.shape[:2]]
    half = SQUARE * min(pixels.shape[:2]) / 2
    covered = np.repeat(pixels[None], PLACES**2, axis=0)
    for picture, (y, x) in zip(covered, ((y, x) for y in middles[0] for x in middles[1]), strict=True):
        picture[max(0, round(y - half)) : round(y + half), max(0, round(x - half)) : round(x + half)] = GREY
    probabilities = model.predict(pixels[None])[0]
    label = int(probabilities.argmax())
    left = model.predict(covered)[:, label].reshape(PLACES, PLACES)
    return Seen(pixels, label, float(probabilities[label]), left)


def draw(kernels: Floats, features: Floats, seen: list[Seen], labels: list[str]) -> Figure:
    """Kernels beside their feature maps; below, each photo beside its occlusion map."""
    figure = Figure((10, 8.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(5, 3)).flat
    left, right = upper.subfigures(1, 2, squeeze=False).flat
    strongest = np.argsort(-features.mean(axis=(1, 2)))[:SHOWN]
    shown = kernels[strongest].transpose(0, 2, 3, 1)  # three channels are shown as red, green and blue, zero as grey
    largest = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)  # of each kernel: they differ much
    _draw_tiles(left, f"the first layer: {len(shown)} of {len(kernels)} kernels", 0.5 + shown / largest / 2)
    brightest = np.maximum(features.max(axis=(1, 2), keepdims=True), 1e-6)  # a map may be all zero
    _draw_tiles(right, "what each finds in the first photo", (features / brightest)[strongest])
    plots = lower.subplots(1, 2 * len(seen), subplot_kw=BARE).reshape(-1, 2)
    for (photo, occlusion), one in zip(plots, seen, strict=True):
        photo.imshow(one.pixels, cmap="gray")
        photo.set_title(f"“{labels[one.label]}”, {one.probability:.1%}", fontsize=10)
        _draw_occlusion(occlusion, one)
    return figure


def _draw_tiles(figure: SubFigure, title: str, pictures: Floats) -> None:
    figure.suptitle(title, fontsize=11)
    for axes, picture in zip(figure.subplots(4, SHOWN // 4, subplot_kw=BARE).flat, pictures, strict=False):
        axes.imshow(picture, cmap="gray", interpolation="nearest", vmin=0, vmax=1)


def _draw_occlusion(axes: Axes, one: Seen) -> None:
    lost, (height, width) = one.probability - one.left, one.pixels.shape[:2]
    most, place = np.abs(lost).max(), (0, width, height, 0)
    axes.imshow(one.pixels.mean(axis=-1), cmap="gray", extent=place)
    shades = axes.imshow(lost, cmap="RdBu_r", alpha=0.6, vmin=-most, vmax=most, extent=place, interpolation="bilinear")
    axes.set_title("probability lost\nwhere it is hidden", fontsize=10)
    axes.figure.colorbar(shades, ax=axes, orientation="horizontal")


def main(folder: Path, model: Path | None = None) -> tuple[Floats, Floats, list[Seen]]:
    """Prints the figures and draws; by default of the newest orientation model that is published."""
    data = (model or ModelRepository(Path("models")).path("orientation")).read_bytes()
    metadata = read_metadata(data)
    labels = [label.name for label in metadata.labels]
    # Both are free: the astronaut in the public domain, the coffee CC0; it is turned clockwise by 90 degrees.
    photos = Image.fromarray(astronaut()), Image.fromarray(coffee()).transpose(Image.Transpose.ROTATE_270)
    pictures = [metadata.preprocessing.apply(photo) for photo in photos]
    kernels, features = first_layer(data, pictures[0])
    print(f"{metadata.name} {metadata.version}: the first layer's kernels {kernels.shape}, its maps {features.shape}")
    seen = [look(OnnxClassifier(data), picture) for picture in pictures]
    for one in seen:
        print(f"{labels[one.label]:5} {one.probability:.1%}; {one.left.min():.1%} where hiding costs it most")
    save(draw(kernels, features, seen, labels), folder, "looking_inside", dither=True)
    return kernels, features, seen


if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("--model", type=Path, help="a published ONNX file; by default models/orientation's newest")
    main(**vars(parser.parse_args()))
