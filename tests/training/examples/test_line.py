import re

import numpy as np
import pytest
from PIL import Image

from training.examples import line


@pytest.fixture(scope="module")
def fitted():
    return line.closed_form(), line.descend(line.RATE)


def test_there_are_fifteen_measurements():
    assert len(line.FAHRENHEIT) == len(line.CHIRPS_PER_S) == 15
    assert (line.FAHRENHEIT.sum(), line.CHIRPS_PER_S.sum()) == pytest.approx((1190.2, 248.5))
    assert (line.RATE, line.STEPS) == (1e-4, 50)


def test_the_closed_form_is_the_minimum(fitted):
    best, _ = fitted
    np.testing.assert_allclose(best, np.polyfit(line.FAHRENHEIT, line.CHIRPS_PER_S, 1), rtol=1e-9)
    np.testing.assert_allclose(best, [0.20300, 0.45931], atol=1e-5)
    assert line.loss(best) == pytest.approx(0.8425656, abs=1e-6)


def test_after_fifty_steps_the_losses_agree_and_the_lines_do_not(fitted):
    best, path = fitted
    assert line.loss(path[-1]) == pytest.approx(0.8440783, abs=1e-6)
    assert line.loss(best) < line.loss(path[-1]) < 1.01 * line.loss(best)
    assert (np.abs(path[-1] - best) > 0.01 * np.abs(best)).all()
    np.testing.assert_allclose(path[-1], [0.20871, 0.00264], atol=1e-5)


def test_what_is_left_is_along_the_flat_axis(fitted):
    best, path = fitted
    curvatures, axes = line.bowl()
    assert curvatures[1] / curvatures[0] == pytest.approx(874_592, rel=1e-3)
    assert abs(axes[0] @ [0, 1]) > 0.999, "the flat axis is nearly the bias"
    left = (path[-1] - best) @ axes.T
    np.testing.assert_allclose(left, -best @ axes.T * (1 - line.RATE * curvatures) ** line.STEPS, rtol=1e-6, atol=1e-12)
    assert left[0] / (-best @ axes[0]) == pytest.approx(0.999927, abs=1e-6)


def test_the_gradient_is_that_of_the_loss():
    first = line.descend(line.RATE, 1)[-1] / -line.RATE
    tiny = 1e-6
    slopes = [(line.loss(tiny * axis) - line.loss(-tiny * axis)) / (2 * tiny) for axis in np.eye(2)]
    np.testing.assert_allclose(first, slopes, rtol=1e-6)


def test_a_rate_above_two_over_the_largest_curvature_diverges():
    limit = 2 / line.bowl()[0][1]
    assert line.RATE < limit < line.TOO_FAST
    losses = line.loss(line.descend(line.TOO_FAST))
    assert (np.diff(losses) > 0).all()
    assert (np.diff(line.loss(line.descend(line.SLOW))) < 0).all()


def test_a_keras_neuron_takes_the_same_way_and_all_is_drawn(fitted, tmp_path, capsys):
    line.main(tmp_path)
    figures = re.findall(r"weight ([\d.]+)  bias \+([\d.]+)  loss ([\d.]+)", capsys.readouterr().out)
    np.testing.assert_allclose(np.array(figures[2], float), np.array(figures[1], float), atol=2e-5)
    with Image.open(tmp_path / "line.png") as picture:
        assert (picture.mode, picture.size) == ("P", (1320, 1060))
