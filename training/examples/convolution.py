"""5. Convolution: a small kernel swept over a photo finds edges or sharpens; pooling forgets where exactly they were.

What networks call convolution is correlation: the kernel is laid on the picture as it is, not turned by 180 degrees.
Sizes: n pixels under a kernel of k at stride s give ⌊(n - k) / s⌋ + 1 without padding ("valid") and ⌈n / s⌉ with
"same", where zeros are laid around, one more behind than in front if their number is odd, as TensorFlow does.

Max-pooling passes on the largest of each cell. A shift that stays within the cells changes nothing; over a whole photo
some pixels always leave theirs, so that pooling makes a shift matter less, not nothing.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.data import camera

from training.examples.drawing import BLUE, GREEN, GREY, ORANGE, command_line, save

Array = NDArray[np.float64]
Padding = Literal["valid", "same"]
KERNELS = {
    "upright edges": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),  # Sobel's
    "level edges": np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "all edges": np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
}
SHIFTS, CELLS = range(9), (1, 2, 4, 8)


def conv2d(picture: Array, kernel: Array, stride: int = 1, padding: Padding = "valid") -> Array:
    """Correlates a picture ``[H, W]`` with a kernel ``[h, w]``: each output is a weighted sum of what lies under it."""
    if padding == "same":
        picture = np.pad(picture, [_zeros(*sides, stride) for sides in zip(picture.shape, kernel.shape, strict=True)])
    rows, columns = ((n - k) // stride + 1 for n, k in zip(picture.shape, kernel.shape, strict=True))
    result = np.zeros((rows, columns))
    for y, x in np.ndindex(*kernel.shape):  # one weight at a time, for all places at once
        result += (
            kernel[y, x] * picture[y : y + stride * rows : stride, x : x + stride * columns : stride][:rows, :columns]
        )
    return result


def _zeros(pixels: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many in front and behind, so that ⌈pixels / stride⌉ outputs come out."""
    total = max(0, (-(-pixels // stride) - 1) * stride + kernel - pixels)
    return total // 2, total - total // 2


def max_pool(picture: Array, cell: int) -> Array:
    """The largest of each ``cell`` x ``cell`` pixels; what does not fill a cell is left out."""
    rows, columns = (side // cell for side in picture.shape)
    cells = picture[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    return np.asarray(cells.max(axis=(1, 3)))


def photo() -> Array:
    """scikit-image's camera man (CC0), halved to 256 x 256, from 0 to 1."""
    return np.asarray(camera().reshape(256, 2, 256, 2).mean(axis=(1, 3)) / 255)


def change(picture: Array, shift: int, cell: int) -> float:
    """How much a shift to the right changes what pooling passes on: mean |difference|, over the mean |deviation|."""
    before, after = (max_pool(part, cell) for part in (picture[:, 8:-8], picture[:, 8 - shift : -8 - shift]))
    return float(np.abs(after - before).mean() / np.abs(before - before.mean()).mean())


def draw(picture: Array) -> Figure:
    """The photo under four kernels; stride, padding and pooling; and what a shift changes."""
    figure = Figure((10, 5.6), layout="constrained")
    plots = figure.subplots(2, 4)
    edges = np.abs(conv2d(picture, KERNELS["all edges"]))
    corner = np.abs(conv2d(picture, KERNELS["all edges"], padding="same"))[:24, -24:]
    shown = {
        "photo, 256 x 256": (picture, 1.0),
        "upright edges": (np.abs(conv2d(picture, KERNELS["upright edges"])), 1.5),
        "level edges": (np.abs(conv2d(picture, KERNELS["level edges"])), 1.5),
        "sharpen": (conv2d(picture, KERNELS["sharpen"]), 1.0),
        "the sky's corner, “same”: the\nzeros around read as an edge": (corner, 1.0),
        "all edges, stride 4:\n64 x 64": (edges[::4, ::4], 1.0),  # what conv2d gives at stride 4
        "all edges, max-pooled by 4:\n63 x 63": (max_pool(edges, 4), 1.0),
    }
    for axes, (title, (result, white)) in zip(plots.flat, shown.items(), strict=False):
        axes.imshow(result, cmap="gray", vmin=0, vmax=white, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[])
    changes = plots[1, 3]
    for cell, colour in zip(CELLS, (GREY, GREEN, BLUE, ORANGE), strict=True):
        label = f"pooled by {cell}" if cell > 1 else "not pooled"
        changes.plot(SHIFTS, [change(edges, shift, cell) for shift in SHIFTS], color=colour, label=label)
    changes.set_title("what a shift changes", fontsize=10)
    changes.set(xlabel="shift, pixels", ylim=(0, 1.4))
    changes.legend(fontsize=7.5, ncols=2, loc="upper center", columnspacing=1)
    return figure


def main(folder: Path) -> None:
    """Prints the figures and draws."""
    picture = photo()
    paddings: tuple[Padding, ...] = ("valid", "same")
    for padding in paddings:
        for stride in (1, 2, 4):
            sizes = [conv2d(picture, np.ones((k, k)), stride, padding).shape for k in (3, 5)]
            print(f"256 x 256, {padding:5} stride {stride}: {sizes[0]} under 3 x 3, {sizes[1]} under 5 x 5")
    edges = np.abs(conv2d(picture, KERNELS["all edges"]))
    for cell in CELLS:
        print(f"shifted by one pixel, pooled by {cell}: the edges change by {change(edges, 1, cell):.0%}")
    save(draw(picture), folder, "convolution")


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
