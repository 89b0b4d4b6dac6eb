"""What deploy/ says is true: files fit their schemas; settings, ports, paths, users and times are those of the code."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
import yaml

from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")


def settings_of(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Refuses what is no setting, and values that are not allowed."""
    for name, value in environment.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return Settings.load()


def test_compose_fits_its_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_sets_what_there_is(monkeypatch):
    loupe = COMPOSE["services"]["loupe"]
    settings = settings_of(loupe.get("environment", {}), monkeypatch)
    assert settings.threads is None, "it follows from the CPUs"
    assert loupe["cpus"] >= 1
    assert int(loupe["stop_grace_period"].removesuffix("s")) > settings.drain_pause_s + 2 * settings.request_timeout_s
    assert loupe["ports"] == [f"127.0.0.1:{settings.port}:{settings.port}"]
    assert gibibytes(loupe["mem_limit"]) >= 2 * settings.max_held_bytes
    assert re.search(rf"^FROM runtime AS {loupe['build']['target']}$", DOCKERFILE, re.MULTILINE)
    assert f"loupe:{loupe['build']['target']}" == loupe["image"]
    assert (DEPLOY / loupe["build"]["context"] / "Dockerfile").is_file()


def gibibytes(text: str) -> int:
    return int(text.removesuffix("g")) << 30


def mounts() -> Iterator[tuple[Path, str]]:
    """Files of ours, and where a service finds them."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                yield (DEPLOY / source).resolve(), target


def test_all_that_compose_mounts_is_there():
    assert len(list(mounts())) == 5
    assert [path for path, _ in mounts() if not path.is_file()] == []
    home = COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    [provider] = yaml.safe_load((DEPLOY / "grafana/dashboards.yaml").read_text())["providers"]
    assert home in [target for _, target in mounts()]
    assert str(Path(home).parent) == provider["options"]["path"]


def test_the_image_asks_for_its_health_past_any_proxy(shipped_url):
    """Docker injects http_proxy where its user has set one."""
    [line] = re.findall(r"^HEALTHCHECK .*?CMD (\[.*?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    program, *arguments = json.loads(line)
    assert program == "python"
    port = shipped_url.rsplit(":", 1)[1]
    for given, status in (
        ({"LOUPE_PORT": port}, 0),
        ({"LOUPE_PORT": "", "AIP_HTTP_PORT": port}, 0),
        ({"LOUPE_PORT": "1"}, 1),
    ):
        proxy = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
        done = subprocess.run([sys.executable, *arguments], env=proxy | given, capture_output=True, timeout=60)
        assert done.returncode == status, done.stderr


@needs_promtool
def test_promtool_accepts_what_compose_mounts(tmp_path: Path):
    for path, target in mounts():
        if target.startswith("/etc/prometheus/"):
            shutil.copy(path, tmp_path / Path(target).name)
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rules = re.findall(r"^ +- alert: ", (ROOT / "serving/observability/alerts.yml").read_text(), re.MULTILINE)
    assert f"{len(rules)} rules found" in done.stdout


def test_prometheus_and_grafana_find_each_other(shipped_url):
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    [[host, port]] = [target.split(":") for target in job["static_configs"][0]["targets"]]
    assert host in COMPOSE["services"]
    assert int(port) == Settings.model_fields["port"].default
    assert job["job_name"] == "loupe", "the alerts and the dashboard ask for this job"
    assert "loupe_ready 1.0" in httpx.get(shipped_url + job["metrics_path"]).text
    [source] = yaml.safe_load((DEPLOY / "grafana/datasources.yaml").read_text())["datasources"]
    assert httpx.URL(source["url"]).host in COMPOSE["services"]


def test_helm_test_asks_a_server_that_answers(shipped_url):
    """test_chart.py looks at the rest of the chart."""
    template = (DEPLOY / "helm/loupe/templates/tests/asks.yaml").read_text()
    [program] = re.findall(r"args:\n +- \|\n(.*?)\n +env:", template, re.DOTALL)
    command = [sys.executable, "-c", dedent(program)]
    for keys in ("", "a-key\nanother\n"):
        given = {"URL": shipped_url, "KEYS": keys}
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert set(json.loads(done.stdout)["results"]) == {"orientation", "selfie"}


def test_compose_drops_what_the_chart_drops():
    loupe = COMPOSE["services"]["loupe"]
    assert (loupe["cap_drop"], loupe["security_opt"], loupe["read_only"]) == (["ALL"], ["no-new-privileges:true"], True)
    assert not {"cap_add", "privileged", "devices", "network_mode", "pid", "ipc"} & set(loupe)


def test_the_image_needs_no_shell():
    """Commands in their JSON form are executed directly; test_privacy.py sees that the service starts no program."""
    runtime = DOCKERFILE.partition(" AS runtime")[2]
    commands = re.findall(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK(?:[^\n]*\\\n)?\s*CMD) *(.)", runtime, re.MULTILINE)
    assert commands == ["["] * 3
