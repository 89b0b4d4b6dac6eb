"""OpenTelemetry: a span for each request to a model and for each of its steps; with the extra ``tracing``."""

from collections.abc import Mapping, Sequence

from models.errors import SettingsError
from models.extras import how_to_install
from serving.observability.recorder import RequestRecord
from serving.settings.version import service_version

_NANOSECONDS = 1_000_000_000


class Tracing:
    """Sends spans to a collector from a thread of its own; they hold figures and names of models, nothing of photos."""

    def __init__(self, endpoint: str) -> None:
        """Prepares the exporter; ``OTEL_…`` variables tune the rest, such as the sampler.

        Args:
            endpoint: the collector's address for traces over OTLP/HTTP.

        Raises:
            SettingsError: the extra is not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, set_span_in_context
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ModuleNotFoundError:  # FastAPI brings a part of it: opentelemetry-api alone
            raise SettingsError(
                f"LOUPE_TRACING_ENDPOINT needs the extra `tracing`: {how_to_install('tracing')}"
            ) from None

        ours = {"service.name": "loupe", "service.version": service_version()}
        resource = Resource.create(
            ours | dict(OTELResourceDetector().detect().attributes)
        )  # the operator's stand above
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self._tracer = self._provider.get_tracer("loupe")
        self._extract = TraceContextTextMapPropagator().extract
        self._inside, self._kind = set_span_in_context, SpanKind.SERVER

    def trace(self, ended: Sequence[RequestRecord]) -> None:
        """Sends the spans of requests that have ended, each as a part of its caller's trace if there is one.

        The steps' lengths are exact. They are laid end to end, although waiting is spread over the request, and those
        of several images overlap.
        """
        for record in ended:
            self._trace(record)

    def _trace(self, record: RequestRecord) -> None:
        if record.protocol == "other":
            return
        started, ended = record.started_ns, record.started_ns + round(record.duration_s * _NANOSECONDS)
        span = self._tracer.start_span(
            f"{record.method} {record.route}", self._extract(record.headers), self._kind, _facts(record), None, started
        )
        inside = self._inside(span)
        for stage, stage_started, stage_ended in _laid_out(record.stages_s, started, ended):
            self._tracer.start_span(stage, inside, start_time=stage_started).end(stage_ended)
        span.end(ended)

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


def _facts(record: RequestRecord) -> dict[str, str | int]:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/, and ours."""
    facts: dict[str, str | int] = {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.status,
        "loupe.protocol": record.protocol,
        "loupe.models": ",".join(f"{name}:{version}" for name, version in record.versions.items()),
        "loupe.request_id": record.request_id,
    }
    return facts if record.error_type is None else facts | {"error.type": record.error_type}


def _laid_out(stages_s: Mapping[str, float], started: int, ended: int) -> list[tuple[str, int, int]]:
    laid, at = list[tuple[str, int, int]](), started
    for stage, seconds in stages_s.items():
        length = round(seconds * _NANOSECONDS)
        begin = ended - length if stage == "respond" else at
        laid.append((stage, begin, begin + length))
        at += length
    return laid
