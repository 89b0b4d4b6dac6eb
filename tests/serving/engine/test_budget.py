import pytest

from models.errors import QueueFullError, RequestTooLargeError
from serving.engine.budget import Budget


def test_leases_share_the_limit_and_give_everything_back():
    budget = Budget(10, "bytes")
    with budget.lease() as first, budget.lease() as second:
        first(4)
        first(2)
        second(4)
        with pytest.raises(QueueFullError, match="it holds 10 of 10 bytes"):
            second(1)
    assert budget.taken == 0


def test_a_refused_request_gives_back_what_it_had():
    budget = Budget(10, "bytes")
    with budget.lease() as other:
        other(1)
        with budget.lease() as take:
            take(6)
            with pytest.raises(QueueFullError):
                take(4)
        assert budget.taken == 1


def test_what_could_never_fit_is_not_told_to_try_again():
    with Budget(10, "bytes").lease() as take:
        take(6)
        with pytest.raises(RequestTooLargeError, match="more than the 10 bytes"):
            take(5)
