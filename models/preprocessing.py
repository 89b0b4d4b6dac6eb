"""RGB image → the uint8 array that a model's graph takes; everything after that is arithmetic inside the graph."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from models.images import Size

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


class Preprocessing(BaseModel):
    """How a picture of any shape becomes ``uint8[height, width, channels]``.

    Attributes:
        height: rows of the model's input, in pixels.
        width: columns of the model's input, in pixels.
        channels: 3 for RGB, 1 for grey (ITU-R 601 luma, as Pillow's mode L).
        fit: how the picture meets the rectangle: ``squeeze`` keeps all of it and changes its aspect,
            ``center_crop`` keeps its aspect and cuts what stands over.
        resample: Pillow's filter, antialiased when reducing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    channels: Literal[1, 3] = 3
    fit: Literal["squeeze", "center_crop"] = "squeeze"
    resample: Literal["bilinear", "bicubic", "box"] = "bilinear"

    @property
    def size(self) -> Size:
        """The smallest decoded size that loses nothing: pass it to ``decode`` as ``at_least``."""
        return Size(self.width, self.height)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def apply(self, image: Image.Image) -> NDArray[np.uint8]:
        """Fits an RGB image to the model's input.

        Args:
            image: an RGB image of any size, as ``decode`` returns it.

        Returns:
            ``uint8[height, width, channels]``.
        """
        if self.channels == 1:
            image = image.convert("L")
        size = (self.width, self.height)
        if image.size != size:
            filter_ = _RESAMPLING[self.resample]
            fitted = image.resize(size, filter_) if self.fit == "squeeze" else ImageOps.fit(image, size, filter_)
        else:
            fitted = image
        return np.asarray(fitted, dtype=np.uint8).reshape(self.shape)
