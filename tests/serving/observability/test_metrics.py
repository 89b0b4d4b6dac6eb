"""Metrics as Prometheus gets them, after real traffic."""

import re
import shutil
import subprocess
from collections import defaultdict

import pytest
from prometheus_client.parser import text_string_to_metric_families

STAGES = {"receive", "decode", "preprocess", "queue", "inference", "respond"}


def scrape(client, **headers) -> dict[tuple[str, frozenset], float]:
    """Every sample's value by its name and labels."""
    families = text_string_to_metric_families(client.get("/metrics", headers=headers).text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def total(samples, name: str, **labels: str) -> float:
    """The sum over the samples that have these labels."""
    return sum(
        value for (found, given), value in samples.items() if found == name and labels.items() <= dict(given).items()
    )


@pytest.fixture
def used(serve_with, zoo):
    """A server of its own, after some traffic."""
    client = serve_with(max_request_images=4)
    client.post("/v1/predict", content=zoo.png())
    client.post("/v1/models/orientation:predict", files=[("image", zoo.png(side)) for side in zoo.sides])
    client.post("/v1/models/orientation:predict", content=b"\0 no image")
    client.post("/v1/models/orientation:predict", files=[("image", b"x")] * 5)
    client.post("/v2/models/selfie/infer", content=zoo.png(), headers={"Inference-Header-Content-Length": "0"})
    for number in range(3):
        client.post(f"/v1/models/made-up-{number}:predict", content=b"x")
        client.post(f"/made/up/{number}")
    return client


def test_requests_count_once_for_each_model_asked(used):
    samples = scrape(used)
    requests = "loupe_requests_total"
    assert total(samples, requests, model="orientation", version="1", protocol="predict", status="200") == 2
    assert total(samples, requests, model="selfie", version="3", protocol="predict", status="200") == 1
    assert total(samples, requests, model="selfie", version="3", protocol="open_inference", status="200") == 1
    assert total(samples, requests, model="orientation", version="1", status="415") == 1
    assert total(samples, requests, model="orientation", version="", status="413") == 1


def test_reasons_are_the_error_types_of_the_bodies(used):
    samples = scrape(used)
    assert total(samples, "loupe_rejected_requests_total", reason="UnsupportedImageError") == 1
    assert total(samples, "loupe_rejected_requests_total", reason="RequestTooLargeError", protocol="predict") == 1
    assert total(samples, "loupe_rejected_requests_total", reason="ModelNotFoundError") == 3
    assert ("loupe_rejected_requests_total", frozenset({("protocol", "predict"), ("reason", "QueueFullError")})) in (
        samples
    )


def test_names_that_callers_make_up_make_no_series(used):
    samples = scrape(used)
    assert "made" not in str(samples.keys())
    assert total(samples, "loupe_requests_total", model="", protocol="predict", status="404") == 3
    assert total(samples, "loupe_requests_total", model="", protocol="other", status="404") == 3


def test_every_step_is_timed(used):
    samples, timed = scrape(used), defaultdict(set)
    for (name, labels), value in samples.items():
        if name == "loupe_request_stage_duration_seconds_count":
            assert value > 0
            timed[dict(labels)["protocol"], dict(labels)["model"]].add(dict(labels)["stage"])
    pairs = {("predict", "orientation"), ("predict", "selfie"), ("open_inference", "selfie")}
    assert timed == dict.fromkeys(pairs, STAGES)
    for protocol, model in pairs:
        labels = {"protocol": protocol, "model": model}
        whole = total(samples, "loupe_request_duration_seconds_sum", **labels)
        receive, respond = (
            total(samples, "loupe_request_stage_duration_seconds_sum", **labels, stage=stage)
            for stage in ("receive", "respond")
        )
        assert 0 < receive + respond < whole


def test_answers_are_counted(used):
    samples = scrape(used)
    for side in ("right", "down", "left"):
        assert total(samples, "loupe_predictions_total", model="orientation", label=side, certain="true") == 1
    assert total(samples, "loupe_predictions_total", model="orientation", version="1", label="up") == 2
    assert total(samples, "loupe_prediction_probability_ratio_count", model="orientation") == 5
    assert total(samples, "loupe_batch_images_sum", model="orientation") == 5


def test_the_state_is_told(used):
    samples = scrape(used)
    assert total(samples, "loupe_ready") == 1
    assert total(samples, "loupe_requests_in_flight") == 1  # the scrape
    assert total(samples, "loupe_held_bytes") == total(samples, "loupe_held_images") == 0
    assert total(samples, "loupe_held_bytes_limit") == 512 * 1024**2
    models = used.get("/version").json()["models"]
    for name, model in models.items():
        facts = {"version": model["version"], "sha256": model["sha256"], "provider": model["provider"]}
        assert total(samples, "loupe_model_info", model=name, **facts) == 1
    assert total(samples, "process_resident_memory_bytes") > 0


def test_openmetrics_is_answered_where_it_is_asked_for(used):
    answer = used.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_names_follow_the_conventions(used):
    """https://prometheus.io/docs/practices/naming/."""
    for family in text_string_to_metric_families(used.get("/metrics").text):
        assert re.fullmatch(r"(loupe|process|python)_[a-z0-9_]+", family.name)
        assert family.documentation
        assert not family.name.endswith(("_created", "_milliseconds", "_ms", "_kb", "_percent"))
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "histogram" and family.samples:
            assert family.name.endswith(("_seconds", "_images", "_ratio"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus")
def test_promtool_finds_nothing(used):
    done = subprocess.run(["promtool", "check", "metrics"], input=used.get("/metrics").content, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_two_applications_count_apart(used, client):
    before = total(scrape(used), "loupe_predictions_total")
    client.get("/health/live")
    assert total(scrape(used), "loupe_predictions_total") == before


def test_a_version_that_is_refused_is_counted(serve_with, zoo, tmp_path):
    client = serve_with(models=zoo.publish(tmp_path, zoo.selfie(version=1)), admin_token="token")
    zoo.publish(tmp_path, zoo.selfie(version=2, golden_samples=[zoo.golden((1.0, 0.0))]))
    answer = client.post("/v2/repository/models/selfie/load", headers={"Authorization": "Bearer token"})
    assert answer.status_code >= 400
    samples = scrape(client)
    assert total(samples, "loupe_reloads_total", model="selfie", outcome="refused") == 1
    assert total(samples, "loupe_model_info", model="selfie") == 1
    assert total(samples, "loupe_requests_total", protocol="other", status=str(answer.status_code)) == 1


def test_images_whose_time_was_up_are_counted(serve_with, zoo):
    client = serve_with()
    files = [("image", zoo.png(size=(3000, 3000)))] * 8
    headers = {"Request-Timeout": "0.001"}
    assert client.post("/v1/models/selfie:predict", files=files, headers=headers).status_code == 504
    samples = scrape(client)
    assert total(samples, "loupe_dropped_images_total", model="selfie", reason="deadline") == 8
    assert total(samples, "loupe_rejected_requests_total", reason="DeadlineExceededError") == 1
