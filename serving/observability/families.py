"""Family: a metric whose series are looked up once, as prometheus_client joins and checks all labels at each look."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric

_Series = TypeVar("_Series", Counter, Gauge, Histogram)


class Observed(Histogram):
    """A histogram that finds the bucket by bisection and asks nothing twice, as each request is observed ten times."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Counts one; ``exemplar`` is not kept."""
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


class Family(Generic[_Series]):
    """A metric and its series.

    Attributes:
        labels: the labels' values, in order → their series.
        collect: all of them, as they are now.
    """

    def __init__(self, kind: type[_Series], *facts: Any, **more: Any) -> None:  # noqa: ANN401 - what the kind takes
        metric = kind(*facts, **more)
        self.labels: Callable[..., _Series] = cache(metric.labels)
        self.collect: Callable[[], Iterable[Metric]] = metric.collect
