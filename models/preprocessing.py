"""RGB image → the uint8 array that a model's graph takes; everything after that is arithmetic inside the graph."""

from functools import cached_property
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from models.images import Size

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}
# Pillow's filter has a weight for each pixel along a side: of one that is 50 million long they are 800 MB, and hold the
# interpreter for a second. So from twice so many times the wanted side on, whole pixels are averaged first.
_REDUCING_GAP = 256


class Preprocessing(BaseModel):
    """How a picture of any shape becomes ``uint8[height, width, channels]``.

    Attributes:
        height: rows of the model's input, in pixels.
        width: columns of the model's input, in pixels.
        channels: 3 for RGB, 1 for grey (ITU-R 601 luma, as Pillow's mode L).
        fit: how the picture meets the rectangle: ``squeeze`` keeps all of it and changes its aspect,
            ``center_crop`` keeps its aspect and cuts what stands over.
        resample: Pillow's filter, antialiased when reducing.
        crop: share of each side that is kept, about the centre; the rest is cut off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    channels: Literal[1, 3] = 3
    fit: Literal["squeeze", "center_crop"] = "squeeze"
    resample: Literal["bilinear", "bicubic", "box"] = "bilinear"
    crop: float = Field(1.0, gt=0, le=1)

    @cached_property
    def size(self) -> Size:
        """The smallest decoded size that loses nothing: pass it to ``decode`` as ``at_least``."""
        return Size(ceil(self.width / self.crop), ceil(self.height / self.crop))

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
        if image.size != size or self.crop < 1:
            image = self._fitted(image, size)
        return np.asarray(image, dtype=np.uint8).reshape(self.shape)

    def _fitted(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        filter_, border = _RESAMPLING[self.resample], (1 - self.crop) / 2
        if self.fit == "center_crop":
            return ImageOps.fit(image, size, filter_, bleed=border)
        left, top = image.width * border, image.height * border
        return image.resize(size, filter_, (left, top, image.width - left, image.height - top), _REDUCING_GAP)

    @model_serializer(mode="wrap")
    def _without_crop(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """So that files that cut nothing off are read by versions that know no ``crop``."""
        document: dict[str, Any] = handler(self)
        if self.crop == 1:
            document.pop("crop", None)
        return document
