import numpy as np
import onnxruntime
import pytest

from training.measuring.speed import ratio, seconds_per_image, talk_network


@pytest.fixture(scope="module")
def wide_and_narrow(workshop) -> tuple[bytes, bytes]:
    """Two graphs, the first with 64 times as much to multiply."""
    rng = np.random.default_rng(0)
    return tuple(workshop.linear_graph(rng.normal(size=(side * side * 3, 64)), (side, side, 3)) for side in (256, 32))


def test_more_work_takes_longer(wide_and_narrow):
    wide, narrow = wide_and_narrow
    assert ratio(wide, narrow) > 4


def test_a_model_takes_as_long_as_itself(wide_and_narrow):
    assert 0.5 < ratio(wide_and_narrow[0], wide_and_narrow[0]) < 2


def test_times_are_told_by_name_and_for_one_image(wide_and_narrow):
    one = seconds_per_image({"wide": wide_and_narrow[0]}, rounds=5)
    eight = seconds_per_image({"wide": wide_and_narrow[0]}, rounds=5, batch_size=8)
    assert one.keys() == eight.keys() == {"wide"}
    assert eight["wide"] < 3 * one["wide"]


def test_what_budgets_are_told_in_is_the_talks_network():
    session = onnxruntime.InferenceSession(talk_network(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["N", 256, 256, 3]
    assert session.get_outputs()[0].shape == ["N", 4]


def test_the_command_fails_over_budget(loupe_train, trained):
    model = trained.run.path
    done = loupe_train("speed", model, "--reference", model, "--budget", 50)
    assert done.exit_code == 0, done.output
    done = loupe_train("speed", model, "--reference", model, "--budget", 0.001)
    assert done.exit_code == 1
    assert "times as long; at most 0.001 is allowed" in done.output
