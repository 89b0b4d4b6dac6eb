import numpy as np

from training.graph.inference import OnnxClassifier


def test_pictures_are_asked_batch_by_batch_in_order(workshop):
    weights = np.zeros((4 * 4 * 3, 2))
    weights[:, 1] = 1 / 12
    pictures = np.random.default_rng(1).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    expected = 1 / (1 + np.exp(-pictures.reshape(9, -1).sum(axis=1, dtype=float) / (12 * 255)))
    classifier = OnnxClassifier(workshop.linear_graph(weights, (4, 4, 3)))
    for batch in (1, 2, 9, 64):
        answers = classifier.predict(pictures, batch)
        assert answers.shape == (9, 2)
        np.testing.assert_allclose(answers[:, 1], expected, atol=1e-6)
