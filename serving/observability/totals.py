"""Totals: what the metrics have counted of one version of a model, for those who ask in another way than Prometheus."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.samples import Sample

_FAILED = 400


@dataclass(frozen=True)
class Seconds:
    """So many of something, and how long they took together."""

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Totals:
    """Since the start.

    Attributes:
        images: that were answered.
        batches: calls of the model.
        succeeded: requests that got an answer.
        failed: requests that asked it and ended in an error.
        stages: by name: receive, decode, preprocess, queue, inference, respond; of a request's images the longest.
        last: when an image was last answered, in seconds since 1970; 0: never.
    """

    images: int
    batches: int
    succeeded: Seconds
    failed: Seconds
    stages: Mapping[str, Seconds]
    last: float

    @classmethod
    def by_version(cls, samples: Iterable[Sample]) -> dict[tuple[str, str], Self]:
        """Adds up the samples of each model and version; of what was never asked, there are none."""
        told = defaultdict[tuple[str, str], list[Sample]](list)
        for one in samples:
            told[one.labels["model"], one.labels["version"]].append(one)
        return {version: cls.of(ones) for version, ones in told.items()}

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Self:
        """Adds up the samples of one version."""
        told = list(samples)
        failed_s = _total(told, "loupe_failed_request_seconds_total")
        failed = sum(one.value for one in _named(told, "loupe_requests_total") if int(one.labels["status"]) >= _FAILED)
        all_, all_s = _total(told, "loupe_requests_total"), _total(told, "loupe_request_duration_seconds_sum")
        return cls(
            images=int(_total(told, "loupe_predictions_total")),
            batches=int(_total(told, "loupe_batch_images_count")),
            succeeded=Seconds(int(all_ - failed), max(0.0, all_s - failed_s)),
            failed=Seconds(int(failed), failed_s),
            stages=_stages(told),
            last=_total(told, "loupe_last_prediction_timestamp_seconds"),
        )


def _named(samples: Iterable[Sample], name: str) -> list[Sample]:
    return [one for one in samples if one.name == name]


def _total(samples: Iterable[Sample], name: str) -> float:
    return sum(one.value for one in _named(samples, name))


def _stages(samples: list[Sample]) -> dict[str, Seconds]:
    name = "loupe_request_stage_duration_seconds"
    told = [one for one in samples if "stage" in one.labels]
    stages = {one.labels["stage"] for one in told}
    by_stage = {stage: [one for one in told if one.labels["stage"] == stage] for stage in stages}
    return {
        stage: Seconds(int(_total(ones, f"{name}_count")), _total(ones, f"{name}_sum"))
        for stage, ones in by_stage.items()
    }
