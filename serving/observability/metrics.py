"""Prometheus metrics of one application; docs/operating.md says what each of them means."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from typing import Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from models.drift import Shape
from models.metadata import ModelMetadata
from serving.engine.observer import DropReason, ReloadOutcome
from serving.observability.blocks import Predictions, added_up
from serving.observability.drift import Drift
from serving.observability.families import Family, Observed, Total, add_all
from serving.observability.gauges import Gauges
from serving.observability.recorder import Listener, Recorder, RecordingObserver, RequestProtocol, RequestRecord
from serving.observability.totals import Totals
from serving.service import PredictionService

_Made = TypeVar("_Made")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, *_SECONDS)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)
_PROBABILITY = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1)
_WATCHED = ("QueueFullError", "DeadlineExceededError", "NotReadyError", "UnauthorizedError")


class Metrics(RecordingObserver):
    """Counts what the engine tells and what becomes of requests; in a registry of its own.

    Attributes:
        recorder: keeps the records that are counted here.
        drift: what people's photos look like to each version.
    """

    def __init__(self, listeners: Sequence[Listener] = (), drift: Drift | None = None) -> None:
        """Makes the registry.

        Args:
            listeners: who else wants each request's record, such as tracing.
            drift: what watches for drift; by default one that looks at a picture in four.
        """
        self.recorder = Recorder((self._count, *listeners))
        self.drift = drift or Drift()
        self._registry = _Registry(auto_describe=True)
        self._service: PredictionService | None = None
        self._told = Predictions()
        self._thread = ThreadPoolExecutor(1, "metrics")
        self._make_request_metrics()
        self._make_model_metrics()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(Gauges(self.recorder, self.drift, lambda: self._service))

    def watch(self, service: PredictionService) -> None:
        """Reads this service's queues and models at each scrape."""
        self._service = service
        self._begin_at_zero(service)

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """Returns all metrics and their content type, in the format that an ``Accept`` header asks for."""
        encode, content_type = choose_encoder(accept)
        return await self._beside(lambda: encode(self._registry)), content_type

    async def totals(self) -> Mapping[tuple[str, str], Totals]:
        """What has been counted since the start, by model and version."""
        counted: list[Family[Any]] = [self._requests, self._duration, self._failed_s, self._stage]
        counted += [self._predictions, self._batch, self._last]
        return await self._beside(lambda: Totals.by_version(chain.from_iterable(one.samples() for one in counted)))

    def predicted(self, model: str, version: str, predictions: Sequence[tuple[str, bool, float]]) -> None:
        """See Observer."""
        self._told.add(model, version, predictions)

    def batch_ran(self, model: str, version: str, images: int) -> None:
        """See Observer."""
        self._batch.labels(model, version).observe(images)

    def saw(
        self, metadata: ModelMetadata, images: Sequence[NDArray[np.uint8]], probabilities: NDArray[np.float32]
    ) -> None:
        """See Observer."""
        self.drift.saw(metadata, images, probabilities)

    def pictured(self, metadata: ModelMetadata, shape: Shape) -> None:
        """See Observer."""
        self.drift.pictured(metadata, shape)

    def dropped(self, model: str, images: int, reason: DropReason) -> None:
        """See Observer."""
        self._dropped.labels(model, reason).inc(images)

    def reloaded(self, model: str, outcome: ReloadOutcome) -> None:
        """See Observer."""
        self._reloads.labels(model, outcome).inc()

    def compared(self, model: str, shadow: str, *, same_label: bool, same_certain: bool) -> None:
        """See Observer."""
        self._compared.labels(model, shadow, str(same_label).lower(), str(same_certain).lower()).inc()

    def _make_request_metrics(self) -> None:
        self._requests = Family(
            Total,
            "loupe_requests",
            "Requests that ended; one that asks several models counts for each.",
            ["protocol", "model", "version", "status"],
            registry=self._registry,
        )
        self._duration = Family(
            Observed,
            "loupe_request_duration_seconds",
            "From a request's headers to the last byte of its answer, where a model was asked.",
            ["protocol", "model", "version"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stage = Family(
            Observed,
            "loupe_request_stage_duration_seconds",
            "A request's steps: receive, decode, preprocess, queue, inference, respond; of its images the longest.",
            ["protocol", "model", "version", "stage"],
            buckets=_STAGE_SECONDS,
            registry=self._registry,
        )
        self._failed_s = Family(
            Total,
            "loupe_failed_request_seconds",
            "Of those seconds, the ones of requests that ended in an error.",
            ["protocol", "model", "version"],
            registry=self._registry,
        )
        self._rejected = Family(
            Total,
            "loupe_rejected_requests",
            "Requests that got an error other than 500; the reason is the error_type of its body.",
            ["protocol", "reason"],
            registry=self._registry,
        )

    def _make_model_metrics(self) -> None:
        self._predictions = Family(
            Total,
            "loupe_predictions",
            "Images that were answered.",
            ["model", "version", "label", "certain"],
            registry=self._registry,
        )
        self._last = Family(
            Gauge,
            "loupe_last_prediction_timestamp_seconds",
            "When an image was last answered, in seconds since 1970.",
            ["model", "version"],
            registry=self._registry,
        )
        self._probability = Family(
            Observed,
            "loupe_prediction_probability_ratio",
            "Calibrated probability of the label that was answered.",
            ["model"],
            buckets=_PROBABILITY,
            registry=self._registry,
        )
        self._batch = Family(
            Observed,
            "loupe_batch_images",
            "Images in one call of a model.",
            ["model", "version"],
            buckets=_IMAGES,
            registry=self._registry,
        )
        self._dropped = Family(
            Total,
            "loupe_dropped_images",
            "Images that were not answered as their caller had left (cancelled) or their time was up (deadline).",
            ["model", "reason"],
            registry=self._registry,
        )
        self._reloads = Family(
            Total,
            "loupe_reloads",
            "Versions that were loaded, refused (the old one keeps serving) or unloaded.",
            ["model", "outcome"],
            registry=self._registry,
        )
        self._compared = Family(
            Total,
            "loupe_shadow_predictions",
            "Images that a shadow version judged too, by whether it agreed.",
            ["model", "version", "same_label", "same_certain"],
            registry=self._registry,
        )

    def _begin_at_zero(self, service: PredictionService) -> None:
        """What alerts watch is there from the start, else Prometheus would not see the first as an increase."""
        for model in service.models:
            for outcome in get_args(ReloadOutcome):
                self._reloads.labels(model, outcome)
            for dropped in get_args(DropReason):
                self._dropped.labels(model, dropped)
        for protocol, reason in product(get_args(RequestProtocol), _WATCHED):
            self._rejected.labels(protocol, reason)

    async def _beside(self, collect: Callable[[], _Made]) -> _Made:
        """In a thread, and one at a time: five models of a thousand labels have ten thousand series."""
        self.recorder.tell()
        self._count_predictions()
        return await asyncio.get_running_loop().run_in_executor(self._thread, collect)

    def _count(self, ended: Sequence[RequestRecord]) -> None:
        told = added_up(ended, self._known)
        add_all(
            (self._requests, told.ended),
            (self._duration, told.duration),
            (self._failed_s, told.failed_s),
            (self._stage, told.stage),
            (self._rejected, told.rejected),
        )
        self._count_predictions()

    def _count_predictions(self) -> None:
        told, self._told = self._told, Predictions()
        add_all((self._predictions, told.answered), (self._probability, told.probability))
        for labels, at in told.last.items():
            self._last.labels(*labels).set(at)

    def _known(self, model: str | None) -> str:
        """A name that a caller made up makes no series."""
        if model is not None and self._service is not None and model in self._service.models:
            return model
        return ""


class _Registry(CollectorRegistry):
    def collect(self) -> Iterator[Metric]:
        """Leaves out the time at which each series began, a third of all: rates need none."""
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
