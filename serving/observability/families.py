"""Family: a metric whose series are looked up once, as prometheus_client joins and checks all labels at each look."""

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.samples import Sample


class Total(Counter):
    """A counter."""

    def add_all(self, amounts: Sequence[float]) -> None:
        """Adds several."""
        self._value.inc(sum(amounts))


class Observed(Histogram):
    """A histogram that finds the bucket by bisection and asks nothing twice."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Counts one; ``exemplar`` is not kept."""
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def add_all(self, amounts: Sequence[float]) -> None:
        """Counts several."""
        self._sum.inc(sum(amounts))
        for bucket, count in Counted(bisect_left(self._upper_bounds, one) for one in amounts).items():
            self._buckets[bucket].inc(count)


_Series = TypeVar("_Series", Total, Gauge, Observed)


class Family(Generic[_Series]):
    """A metric and its series.

    Attributes:
        labels: the labels' values, in order → their series.
    """

    def __init__(self, kind: type[_Series], *facts: Any, **more: Any) -> None:  # noqa: ANN401 - what the kind takes
        metric = kind(*facts, **more)
        self.labels: Callable[..., _Series] = cache(metric.labels)
        self._collect: Callable[[], Iterable[Metric]] = metric.collect

    def samples(self) -> Iterator[Sample]:
        """Yields those of all series, as they are now."""
        for metric in self._collect():
            yield from metric.samples


def add_all(*amounts: tuple[Family[Total] | Family[Observed], Mapping[tuple[str, ...], Sequence[float]]]) -> None:
    """Adds to each family what there is for its series."""
    for family, by_labels in amounts:
        for labels, several in by_labels.items():
            family.labels(*labels).add_all(several)
