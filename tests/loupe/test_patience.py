"""Pauses grow, heed Retry-After, and never pass the deadline."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from loupe.patience import Patience


def test_pauses_grow_to_two_seconds_and_end():
    patience = Patience(timeout_s=60, retries=8)
    pauses = [patience.pause_s() for _ in range(9)]
    assert pauses.pop() is None
    for pause, longest in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2], strict=True):
        assert longest / 2 <= pause <= longest


def test_retry_after_is_the_least():
    in_seconds, as_a_date = "3", format_datetime(datetime.now(UTC) + timedelta(seconds=3.9))
    for retry_after in (in_seconds, as_a_date):
        assert 2 <= Patience(timeout_s=60, retries=1).pause_s(retry_after) <= 6


@pytest.mark.parametrize("retry_after", ["soon", "", "-1", "1e9999"])
def test_what_is_no_time_is_ignored(retry_after: str):
    assert Patience(timeout_s=60, retries=1).pause_s(retry_after) <= 0.1


def test_no_pause_passes_the_deadline():
    assert Patience(timeout_s=5, retries=8).pause_s("5") is None
    assert Patience(timeout_s=0.01, retries=8).pause_s() is None
    assert Patience(timeout_s=5, retries=0).pause_s() is None
