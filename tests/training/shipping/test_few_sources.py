import numpy as np
import pytest

from training.shipping.few_sources import SLACK, certain_from_few, correlation, upper_bound


def albums(count: int, size: int) -> np.ndarray:
    return np.repeat(np.arange(count), size)


def answers(count: int, wrong_places: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """From the surest to the least sure; those at these places are wrong."""
    right = np.full(count, True)
    right[wrong_places] = False
    return np.linspace(0.99, 0.5, count), right


def test_errors_that_come_together_are_told_from_those_that_do_not():
    sources = albums(50, 8)
    rng = np.random.default_rng(1)
    assert correlation(rng.random(400) < 0.1, sources) < 0.05
    assert correlation(np.repeat(rng.random(50) < 0.1, 8), sources) == pytest.approx(1)
    assert correlation(np.full(400, False), sources) == 0


def test_without_correlation_the_bound_is_that_of_clopper_and_pearson():
    assert upper_bound(3, albums(40, 5), 0.0) == pytest.approx(0.03831, abs=1e-4)
    assert upper_bound(0, np.arange(59), 0.0) == pytest.approx(0.05, abs=1e-3)  # the rule of three


def test_with_full_correlation_an_album_counts_once():
    assert upper_bound(0, albums(40, 5), 1.0) == pytest.approx(upper_bound(0, np.arange(40), 0.0))


def test_the_threshold_goes_down_to_where_errors_begin():
    probability, right = answers(600, list(range(400, 600, 2)))
    threshold = certain_from_few(probability, right, 0.03, np.arange(600) % 100)
    certain = probability >= threshold
    assert 380 < certain.sum() < 440
    assert (~right[certain]).mean() <= 0.03


def test_a_few_albums_promise_where_each_taken_as_one_answer_would_not():
    probability, right = answers(600, [100, 250, 380, 470])
    assert certain_from_few(probability, right, 0.03, np.arange(600) % 60) == pytest.approx(probability.min())


def test_errors_of_one_album_together_make_it_stricter():
    probability, scattered = answers(600, list(range(40, 600, 40)))
    together = scattered.copy()
    together[:] = True
    sources = np.arange(600) // 10
    together[sources == 3] = False
    together[sources == 40] = False
    assert certain_from_few(probability, scattered, 0.03, sources) is not None
    assert certain_from_few(probability, together, 0.03, sources) is None


def test_too_few_answers_promise_nothing():
    probability, right = answers(30, [])
    assert certain_from_few(probability, right, 0.03, np.arange(30)) is None
    assert certain_from_few(probability[:0], right[:0], 0.03, np.arange(0)) is None


def test_the_bound_is_kept_in_all_but_a_twentieth_of_cases():
    """Where exactly twice the allowed share is wrong, everywhere alike, a promise would be broken by any threshold."""
    rng = np.random.default_rng(7)
    sources = albums(100, 6)
    broken = [
        certain_from_few(rng.random(600), rng.random(600) >= SLACK * 0.03, 0.03, sources) is not None
        for _ in range(200)
    ]
    assert np.mean(broken) <= 0.05
