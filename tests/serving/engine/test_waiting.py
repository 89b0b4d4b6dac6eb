"""What a busy house teaches: here the clock is the test's."""

from contextlib import ExitStack

import pytest

from serving.engine.waiting import Waiting


class House:
    """Images come in at once and leave one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
        self.now = 100.0
        monkeypatch.setattr("serving.engine.waiting.perf_counter", lambda: self.now)
        self.waiting = Waiting(workers)
        self.inside: list[ExitStack] = []

    def enter(self, count: int, images: int = 1) -> None:
        for _ in range(count):
            stack = ExitStack()
            self.waiting.enter(images)
            stack.callback(self.waiting.leave, images)
            self.inside.append(stack)

    def leave(self, count: int, every_s: float) -> None:
        for _ in range(count):
            self.now += every_s
            self.inside.pop(0).close()


def test_it_learns_how_fast_images_leave(monkeypatch):
    house = House(monkeypatch, workers=1)
    house.enter(30)
    assert house.waiting.expected_s() == 0  # nothing is known yet, so nobody is refused
    house.leave(20, 0.010)
    assert house.waiting.expected_s() == pytest.approx(10 * 0.010)
    house.enter(20)
    assert house.waiting.expected_s() == pytest.approx(30 * 0.010)


def test_workers_take_turns(monkeypatch):
    """Four that leave together every 40 ms are one every 10 ms."""
    house = House(monkeypatch, workers=4)
    house.enter(104)
    for _ in range(10):
        house.leave(1, 0.040)
        house.leave(3, 0)
    assert house.waiting.expected_s() == pytest.approx((64 - 4 + 1) * 0.010, rel=0.2)


def test_what_follows_counts_more_than_what_was(monkeypatch):
    house = House(monkeypatch, workers=1)
    house.enter(1000)
    house.leave(20, 0.5)
    house.leave(300, 0.010)
    assert house.waiting.expected_s() == pytest.approx(680 * 0.010, rel=0.25)


def test_idle_hours_teach_nothing(monkeypatch):
    house = House(monkeypatch, workers=1)
    house.enter(12)
    house.leave(12, 0.010)
    house.now += 3600
    house.enter(10)
    assert house.waiting.expected_s() == pytest.approx(10 * 0.010)


def test_a_request_of_many_images_is_many_images(monkeypatch):
    house = House(monkeypatch, workers=1)
    house.enter(2, images=64)
    house.leave(1, 0.64)
    assert house.waiting.expected_s() == pytest.approx(64 * 0.010)


def test_who_has_but_one_before_him_is_let_in(monkeypatch):
    """However long that one takes: two workers take four, or no two callers could send large photos."""
    house = House(monkeypatch, workers=2)
    house.enter(11)
    house.leave(8, 2)
    assert house.waiting.expected_s() == 0
    house.enter(1)
    assert house.waiting.expected_s() == pytest.approx(3 * 2)
