"""The load test runs as people run it, in processes of its own: locust patches its whole interpreter."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def answering() -> Iterator[Callable[[dict], str]]:
    """Starts servers that know the models, and answer whatever they are told to; yields their URL."""
    with ExitStack() as stack:

        def start(answer: dict) -> str:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler(answer)))
            threading.Thread(target=server.serve_forever).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start


def handler(answer: dict) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({"models": {"m": {"labels": ["a", "b"]}}})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(answer)

        def reply(self, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def loadtest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.cli", "--users", "2", "--duration-s", "4", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)


def test_it_starts_a_server_asks_it_and_reports(models):
    done = loadtest(LOUPE_MODELS=str(models))
    assert done.returncode == 0, done.stdout + done.stderr
    report = re.search(r"(\d+) images in (\d+) requests and .* images/s; (\d+) failures; p50 \d+ ms, p95", done.stdout)
    images, requests, failures = map(int, report.groups())
    assert images > requests > 10
    assert failures == 0
    assert "Response time percentiles" in done.stderr


def test_a_wrong_answer_is_a_failure(answering):
    wrong = {"label": "a", "probability": 1.0, "certain": True, "probabilities": {"a": 1.0, "b": 1.0}}
    done = loadtest("--url", answering({"model": "m", "version": "1", "predictions": [wrong]}))
    assert done.returncode == 1
    assert "the probabilities add up to 2.0" in done.stderr


def test_nobody_there_is_a_failure():
    done = loadtest("--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "0 images in" in done.stdout


def test_a_server_that_cannot_start_is_a_failure(tmp_path):
    done = loadtest(LOUPE_MODELS=str(tmp_path), LOUPE_PORT="70000", LOUPE_NO_SUCH_SETTING="1")
    assert done.returncode == 1
    assert "ended before it was ready" in done.stderr
