from io import BytesIO

import pytest
from PIL import Image

from loadtest.photos import PHONE, THUMBNAIL, WEB, jpeg


@pytest.mark.parametrize("size", [THUMBNAIL, WEB, PHONE])
def test_photos_cost_as_much_as_photographs(size):
    data = jpeg(size, seed=1)
    image = Image.open(BytesIO(data))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
    assert 0.15 < len(data) / (size[0] * size[1]) < 0.35  # a phone's photo of 12 megapixels has 2 to 4 MB


def test_the_same_seed_makes_the_same_bytes():
    assert jpeg((64, 48), seed=1) == jpeg((64, 48), seed=1) != jpeg((64, 48), seed=2)
