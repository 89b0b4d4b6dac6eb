"""The dashboard and the alerts name only what a service really tells."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import serving

FOLDER = Path(serving.__file__).parent / "observability"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
ALERTS = (FOLDER / "alerts.yml").read_text()
OF_PROMETHEUS = {"up", "job", "instance"}

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")


def expressions() -> list[str]:
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    variables = [one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    annotations = [one["expr"] for one in DASHBOARD["annotations"]["list"]]
    return [
        *targets,
        *variables,
        *annotations,
        *re.findall(r"expr: (?:\|\n)?(.*?)\n +(?:for|labels):", ALERTS, re.DOTALL),
    ]


@pytest.fixture(scope="module")
def samples(client, zoo) -> dict[str, set[str]]:
    """Labels of every sample, after real traffic."""
    client.post("/v1/predict", content=zoo.png())
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        if not family.samples:  # nothing has happened yet that it counts
            found[family.name + ("_total" if family.type == "counter" else "")] = set()
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_exists(samples):
    named = {name for text in expressions() for name in re.findall(r"\b(?:loupe|process|python)_\w+", text)}
    assert len(named) > 20
    assert named <= set(samples)


def test_every_metric_of_ours_is_shown(samples):
    text = " ".join(expressions())
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples if name.startswith("loupe_")}
    assert {name for name in families if name not in text} == {"loupe_build_info"}


def test_every_label_exists(samples):
    for text in expressions():
        for name, matchers in re.findall(r"\b(loupe_\w+)\{([^}]*)\}", text):
            asked = set(re.findall(r"(\w+)\s*!?=", matchers)) - OF_PROMETHEUS
            assert asked <= samples[name] or not samples[name], (name, asked)


def test_there_is_an_alert_for_each_kind_of_trouble():
    assert len(re.findall(r"- alert: Loupe\w+", ALERTS)) == ALERTS.count("summary:") >= 10


def test_the_manual_explains_every_alert_and_metric(samples):
    manual = (FOLDER.parents[1] / "docs/operating.md").read_text()
    missing = [alert for alert in re.findall(r"alert: (\w+)", ALERTS) if f"`{alert}`" not in manual]
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples if name.startswith("loupe_")}
    assert missing == []
    assert {name for name in families if f"`{name}`" not in manual} == set()


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]],
)
def test_promtool_accepts_the_rules(command):
    done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
