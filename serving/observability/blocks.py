"""Blocks: what is told of many requests or answers is first added up by labels, and counted then.

prometheus_client locks and checks at each look, so that one look a request at each of ten series took a twentieth of
the event loop's time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import time_ns

from serving.observability.recorder import RequestRecord

_OURS = 500
_FAILED = 400


class Amounts(defaultdict[tuple[str, ...], list[float]]):
    """The labels' values, in order → what is to be added to their series."""

    def __init__(self) -> None:
        super().__init__(list)


@dataclass
class Requests:
    """Of requests; the names are those of metrics.py."""

    ended: Amounts = field(default_factory=Amounts)
    duration: Amounts = field(default_factory=Amounts)
    failed_s: Amounts = field(default_factory=Amounts)
    stage: Amounts = field(default_factory=Amounts)
    rejected: Amounts = field(default_factory=Amounts)

    def add(self, record: RequestRecord, known: Callable[[str | None], str]) -> None:
        """Adds one; ``known`` tells which name of a path's model makes a series."""
        protocol, seconds, failed = record.protocol, record.duration_s, record.status >= _FAILED
        for asked in record.versions.items() or [(known(record.path_model), "")]:
            self.ended[protocol, *asked, str(record.status)].append(1)
        for asked in record.versions.items():
            self.duration[protocol, *asked].append(seconds)
            if failed:
                self.failed_s[protocol, *asked].append(seconds)
            for stage, stage_s in record.stages_s.items():
                self.stage[protocol, *asked, stage].append(stage_s)
        if record.error_type is not None and record.status != _OURS:
            self.rejected[protocol, record.error_type].append(1)


@dataclass
class Predictions:
    """Of answers."""

    answered: Amounts = field(default_factory=Amounts)
    probability: Amounts = field(default_factory=Amounts)
    last: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, model: str, version: str, predictions: Sequence[tuple[str, bool, float]]) -> None:
        """Adds those of one version: label, certain, probability."""
        for label, certain, probability in predictions:
            self.answered[model, version, label, "true" if certain else "false"].append(1)
            self.probability[model,].append(probability)
            self.last[model, version] = time_ns() / 1e9


def added_up(ended: Iterable[RequestRecord], known: Callable[[str | None], str]) -> Requests:
    """Of a block of requests."""
    requests = Requests()
    for record in ended:
        requests.add(record, known)
    return requests
