"""Spans, as a collector gets them over OTLP/HTTP."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from models.extras import how_to_install
from serving.observability.recorder import RequestRecord
from serving.observability.tracing import Tracing

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = ["receive", "decode", "preprocess", "queue", "inference", "respond"]


class Collector:
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    @property
    def spans(self) -> list:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def facts(span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def wait_for(condition) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about within 30 s")


def test_a_request_is_a_span_of_the_caller_s_trace(serve_with, collector, zoo):
    client = serve_with(tracing_endpoint=collector.endpoint)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine-1"}
    files = [("image", ("secret-name.png", zoo.png()))]
    assert client.post("/v1/predict?models=orientation&top_k=1", files=files, headers=headers).status_code == 200
    client.get("/health/live", headers=headers)
    wait_for(lambda: len(collector.spans) >= 7)
    [root] = [span for span in collector.spans if span.name == "POST /v1/predict"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert facts(root) == {
        "http.request.method": "POST",
        "http.route": "/v1/predict",
        "http.response.status_code": 200,
        "loupe.protocol": "predict",
        "loupe.models": "orientation:1",
        "loupe.request_id": "mine-1",
    }
    steps = [span for span in collector.spans if span is not root]
    assert [span.name for span in steps] == STAGES
    assert {(span.trace_id, span.parent_span_id) for span in steps} == {(root.trace_id, root.span_id)}
    for span in collector.spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    assert "secret" not in str(collector.requests)
    [resource] = {str(one.resource) for request in collector.requests for one in request.resource_spans}
    assert "loupe" in resource


def test_a_failure_is_told_and_no_path_is(serve_with, collector):
    client = serve_with(tracing_endpoint=collector.endpoint)
    client.post("/v1/models/secret-model:predict", content=b"x")
    wait_for(lambda: collector.spans)
    [span] = collector.spans
    assert span.name == "POST /v1/models/{model}:predict"
    assert facts(span)["error.type"] == "ModelNotFoundError"
    assert facts(span)["http.response.status_code"] == 404
    assert len(span.trace_id) == 16
    assert not span.parent_span_id
    assert "secret" not in str(collector.requests)


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_a_traceparent_that_is_none_begins_a_trace(collector, traceparent):
    tracing = Tracing(collector.endpoint)
    tracing.trace([RequestRecord("predict", "POST", "/v1/predict", headers={"traceparent": traceparent})])
    tracing.close()
    [span] = collector.spans
    assert not span.parent_span_id


def test_a_caller_who_does_not_sample_is_not_sampled(collector):
    tracing = Tracing(collector.endpoint)
    tracing.trace([RequestRecord("predict", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})])
    tracing.close()
    assert collector.spans == []


def test_a_collector_that_is_gone_harms_nobody(serve_with, zoo):
    client = serve_with(tracing_endpoint="http://127.0.0.1:1/v1/traces")
    assert client.post("/v1/predict", content=zoo.png()).status_code == 200


def test_off_its_machinery_is_not_even_imported(models):
    script = f"""
import sys
from serving.http.app import create_app
from serving.settings import Settings
app = create_app(Settings(models={str(models)!r}))
assert app.state.tracing is None
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_process_with_a_tracer_of_its_own_gets_nothing(models):
    """FastAPI's own spans would hold paths and queries."""
    script = f"""
import asyncio
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serving.http.app import create_app
from serving.settings import Settings
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(Settings(models={str(models)!r})))) as client:
        await client.get("http://test/v1/models/secret?also=secret")
asyncio.run(ask())
print(exporter.get_finished_spans())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "()\n"


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_the_extra_it_is_one_sentence(missing):
    """FastAPI brings opentelemetry-api: that alone is not the extra."""
    script = f"""
import sys
sys.modules["{missing}"] = None
from models.errors import SettingsError
from serving.observability.tracing import Tracing
try:
    Tracing("http://127.0.0.1:1/v1/traces")
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"LOUPE_TRACING_ENDPOINT needs the extra `tracing`: {how_to_install('tracing')}\n"


def test_the_operator_may_name_the_service(serve_with, collector, zoo, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "photos")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.version=9")
    client = serve_with(tracing_endpoint=collector.endpoint)
    client.post("/v1/predict", content=zoo.png())
    wait_for(lambda: collector.requests)
    told = {one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes}
    assert told["service.name"] == "photos"
    assert told["deployment.environment"] == "test"
    assert told["service.version"] == "9"
