from io import BytesIO

import numpy as np
from PIL import Image

from models.images import decode
from models.preprocessing import Preprocessing
from training.graph.inference import OnnxClassifier
from training.shipping.golden import golden_pictures, golden_samples

SMALL = Preprocessing(height=16, width=16)


def test_the_pictures_are_the_same_each_time_and_small():
    pictures = golden_pictures()
    assert pictures == golden_pictures()
    assert len(pictures) == 4
    assert all(len(picture) < 16_000 for picture in pictures)
    images = [Image.open(BytesIO(picture)) for picture in pictures]
    assert {(image.format, image.mode, max(image.size)) for image in images} == {("PNG", "RGB", 64)}
    assert all(np.asarray(image).std() > 20 for image in images)


def test_a_sample_holds_what_the_model_answers(workshop):
    model = workshop.sky_model()
    samples = golden_samples(model, SMALL)
    assert samples == golden_samples(model, SMALL)
    assert [sample.image_bytes() for sample in samples] == golden_pictures()
    for sample in samples:
        pixels = SMALL.apply(decode(sample.image_bytes(), SMALL.size))
        answer = OnnxClassifier(model).predict(pixels[None])[0]
        np.testing.assert_allclose(sample.probabilities, answer, atol=1e-6)
    assert len({sample.probabilities for sample in samples}) == 4
