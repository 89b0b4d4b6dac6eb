"""Gauges: what is read of the service at each scrape, and costs nothing between."""

from collections.abc import Callable, Iterator
from itertools import chain

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.engine.classifier import Classifier
from serving.observability.drift import Drift
from serving.observability.recorder import Recorder
from serving.service import PredictionService
from serving.settings.version import git_revision, service_version


class Gauges(Collector):
    """How full the service is, and which models it has."""

    def __init__(self, recorder: Recorder, drift: Drift, service: Callable[[], PredictionService | None]) -> None:
        """Prepares.

        Args:
            recorder: knows the requests that are being answered.
            drift: knows what each version sees.
            service: tells which one is watched, once there is one.
        """
        self._recorder = recorder
        self._drift = drift
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yields the gauges."""
        yield InfoMetricFamily(
            "loupe_build", "Which Loupe this is.", {"version": service_version(), "git_revision": git_revision()}
        )
        in_flight = self._recorder.in_flight
        yield GaugeMetricFamily("loupe_requests_in_flight", "Requests that are being answered, all kinds.", in_flight)
        if (service := self._service()) is not None:
            yield from _gauges(service)
            yield from _models(service)
            yield _drift(service, self._drift)


def _gauges(service: PredictionService) -> Iterator[Metric]:
    for name, help_, value in (
        ("loupe_ready", "1 while requests are taken.", service.ready),
        ("loupe_held_images", "Images that are being answered or wait for it.", service.images.taken),
        ("loupe_held_images_limit", "LOUPE_MAX_QUEUED_IMAGES.", service.images.limit),
        ("loupe_held_bytes", "Bytes of all bodies that are arriving or held.", service.bodies.taken),
        ("loupe_held_bytes_limit", "LOUPE_MAX_HELD_BYTES.", service.bodies.limit),
    ):
        yield GaugeMetricFamily(name, help_, float(value))


def _models(service: PredictionService) -> Iterator[Metric]:
    info = InfoMetricFamily(
        "loupe_model", "Which file answers, and where it runs.", labels=["model", "version", "sha256", "provider"]
    )
    waiting = GaugeMetricFamily(
        "loupe_queue_images", "Decoded images that wait for a version's worker.", labels=["model", "version"]
    )
    for classifier in _classifiers(service):
        name, version = classifier.metadata.name, str(classifier.metadata.version)
        info.add_metric([name, version, classifier.model.sha256, classifier.model.provider], {})
        waiting.add_metric([name, version], classifier.waiting)
    yield info
    yield waiting


def _drift(service: PredictionService, drift: Drift) -> Metric:
    """Nothing of a version without a reference, nor before enough pictures were seen."""
    family = GaugeMetricFamily(
        "loupe_drift",
        "Population-stability index of the last pictures against the model's own; from 0.25 on they differ.",
        labels=["model", "version", "feature"],
    )
    for metadata in (classifier.metadata for classifier in _classifiers(service)):
        for feature, one in drift.of(metadata).items():
            if one.index is not None:
                family.add_metric([metadata.name, str(metadata.version), feature], one.index)
    return family


def _classifiers(service: PredictionService) -> Iterator[Classifier]:
    return chain.from_iterable(model.versions.values() for model in service.models.values())
