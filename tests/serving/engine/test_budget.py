from collections.abc import Callable
from contextlib import ExitStack

import pytest

from models.errors import QueueFullError, RequestTooLargeError
from serving.engine.budget import Budget, Caller, caller


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


def test_no_caller_holds_more_than_a_part_of_it():
    budget = Budget(10, "bytes", caller_percent=50)
    with ExitStack() as stack:

        def request(name: str) -> Callable[[int], None]:
            caller.set(Caller(name))
            return stack.enter_context(budget.lease())

        request("a")(3)
        second = request("a")
        second(2)
        with pytest.raises(QueueFullError, match="other requests of this caller hold 3 bytes already"):
            second(1)
        other = request("b")
        other(5)
        with pytest.raises(QueueFullError, match="it holds 10 of 10"):
            other(1)
    assert budget.taken == 0
    assert not budget._callers


def test_one_request_may_take_all_that_there_is():
    """Else it could never be answered; it may take it in several leases."""
    budget = Budget(10, "bytes", caller_percent=50)
    caller.set(Caller("a"))
    with budget.lease() as take, budget.lease() as again:
        take(6)
        take(3)
        again(1)


def test_what_is_given_back_early_is_there_again():
    budget = Budget(10, "bytes")
    with budget.lease() as take:
        take(10)
        take(-4)
        assert budget.taken == 6
        take(4)
    assert budget.taken == 0
