"""What it changes that large JPEGs are decoded at a scale: ``python tests/models/scaled_decodes.py FOLDER``.

Of each photo of a folder, and of five parts of it at three sizes, so that all scales come up: the answers to the four
turns, decoded at so many times the input's size at least, beside those to the photo decoded whole; and the CPU time of
decoding and fitting it to the input.
"""

import io
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.images import decode
from models.limits import Size
from models.preprocessing import Preprocessing
from models.repository import ModelRepository
from serving.engine.onnx_model import OnnxModel
from serving.settings import Settings

MODEL = "orientation"
TIMES = (None, 1, 1.5, 2)  # the input's size; None: decoded whole
PLACES, SHARE = ((0, 0), (0.4, 0), (0, 0.4), (0.4, 0.4), (0.2, 0.2)), 0.6
SIZES = (1, 1.6, 2.4)  # parts are made smaller by these


def parts(photo: bytes) -> Iterator[bytes]:
    yield photo
    whole = decode(photo)
    for left, top in PLACES:
        corners = (left * whole.width, top * whole.height, (left + SHARE) * whole.width, (top + SHARE) * whole.height)
        part = whole.crop(tuple(map(int, corners)))
        for size in SIZES:
            buffer = io.BytesIO()
            smaller = part.resize((int(part.width / size), int(part.height / size)), Image.Resampling.LANCZOS)
            smaller.save(buffer, "JPEG", quality=90)
            yield buffer.getvalue()


def fitted(photo: bytes, preprocessing: Preprocessing, times: float | None) -> NDArray[np.uint8]:
    wanted = times and Size(int(times * preprocessing.width), int(times * preprocessing.height))
    return preprocessing.apply(decode(photo, wanted or None))


def main(folder: Path) -> None:
    model = OnnxModel(ModelRepository(Settings().models).path(MODEL), "cpu")
    photos = [part for file in sorted(folder.glob("*.jpg")) for part in parts(file.read_bytes())]
    preprocessing, right = model.metadata.preprocessing, np.tile(np.arange(4), len(photos))
    whole = None
    for times in TIMES:
        answers, taken = [], []
        for photo in photos:
            started = time.process_time()
            pixels = fitted(photo, preprocessing, times)
            taken.append(1000 * (time.process_time() - started))
            answers += [model.run([np.ascontiguousarray(np.rot90(pixels, -turn))])[0] for turn in range(4)]
        found = np.array(answers)
        whole = found if whole is None else whole
        same, change = found.argmax(1) == whole.argmax(1), np.abs(found - whole).max(1)
        print(  # noqa: T201
            f"{times or 'whole':>5}: {np.mean(found.argmax(1) == right):.2%} of {len(right)} right, {same.mean():.2%} "
            f"the same label, mean change {change.mean():.4f}; {statistics.mean(taken):.2f} ms, median "
            f"{statistics.median(taken):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
