"""The work that no server can avoid: Pillow and ONNX Runtime, and nothing around them.

The floor of the bench, and what the peers' programs call; so it imports nothing that their environments lack.
"""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageOps

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


class Work:
    """One model file on one thread.

    Attributes:
        size: width and height of what it takes, in pixels.
        channels: 3, or 1 for grey.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        facts = json.loads(self._session.get_modelmeta().custom_metadata_map["loupe"])["preprocessing"]
        self.size = (int(facts["width"]), int(facts["height"]))
        self.channels = int(facts["channels"])
        self._filter, self._cuts = _FILTERS[facts["resample"]], facts["fit"] == "center_crop"

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Fits an RGB image: ``uint8[1, H, W, C]``."""
        if self.channels == 1:
            image = image.convert("L")
        fitted = ImageOps.fit(image, self.size, self._filter) if self._cuts else image.resize(self.size, self._filter)
        return np.asarray(fitted, np.uint8).reshape(1, self.size[1], self.size[0], self.channels)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Runs the session: ``float32[N, K]`` probabilities of ``uint8[N, H, W, C]``."""
        probabilities: Any = self._session.run(None, {"image": batch})[0]
        return np.asarray(probabilities, np.float32)


def scaled(photo: bytes, size: tuple[int, int]) -> Image.Image:
    """Decodes a photo; a JPEG at the smallest scale that is not below that size."""
    image = Image.open(BytesIO(photo))
    image.draft(None, size)
    return image.convert("RGB")


def whole(photo: bytes) -> Image.Image:
    """Decodes a photo at its full size, as most programs do."""
    return Image.open(BytesIO(photo)).convert("RGB")
