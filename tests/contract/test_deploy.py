"""What deploy/ says is true: files fit their schemas; settings, ports, paths, users and times are those of the code."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import kubernetes_validate
import pytest
import yaml

from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OVERLAYS = ("base", "gpu", "with-keys")

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl, for kustomize")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")


def built(overlay: str, folder: Path) -> list[dict]:
    """The manifests as a cluster gets them; built from a copy, as the file of keys is nobody's but the operator's."""
    shutil.copytree(DEPLOY / "kubernetes", folder / "kubernetes")
    (folder / "kubernetes/with-keys/keys").write_text("a-key\n")
    command = ["kubectl", "kustomize", str(folder / "kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, dict]:
    """By kind."""
    return {one["kind"]: one for one in built(request.param, tmp_path)}


def pod(manifests: dict[str, dict]) -> dict:
    return manifests["Deployment"]["spec"]["template"]["spec"]


def container(manifests: dict[str, dict]) -> dict:
    [one] = pod(manifests)["containers"]
    return one


def environment(manifests: dict[str, dict]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(manifests)["env"]}


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
    return int(text.removesuffix("g").removesuffix("Gi")) << 30


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
    assert "10 rules found" in done.stdout


def test_prometheus_and_grafana_find_each_other(shipped_url):
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    [[host, port]] = [target.split(":") for target in job["static_configs"][0]["targets"]]
    assert host in COMPOSE["services"]
    assert int(port) == Settings.model_fields["port"].default
    assert job["job_name"] == "loupe", "the alerts and the dashboard ask for this job"
    assert "loupe_ready 1.0" in httpx.get(shipped_url + job["metrics_path"]).text
    [source] = yaml.safe_load((DEPLOY / "grafana/datasources.yaml").read_text())["datasources"]
    assert httpx.URL(source["url"]).host in COMPOSE["services"]


@needs_kubectl
def test_manifests_fit_the_schemas_of_kubernetes(manifests):
    newest = kubernetes_validate.latest_version()
    for one in manifests.values():
        kubernetes_validate.validate(one, newest, strict=True)


@needs_kubectl
def test_manifests_set_what_there_is(manifests, monkeypatch):
    settings = settings_of(environment(manifests), monkeypatch)
    limits = container(manifests)["resources"]["limits"]
    assert settings.threads is None, "it follows from the CPUs"
    assert int(limits["cpu"]) >= 1
    assert gibibytes(limits["memory"]) >= 2 * settings.max_held_bytes
    assert 0 < settings.drain_pause_s < pod(manifests)["terminationGracePeriodSeconds"] - 2 * settings.request_timeout_s
    name, target = container(manifests)["image"].split(":")
    assert name == "loupe"
    assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
    assert (settings.device == "cuda") == (target == "gpu") == ("nvidia.com/gpu" in limits)


@needs_kubectl
def test_probes_ask_what_there_is(manifests, shipped_url):
    probes = {name: one["httpGet"] for name, one in container(manifests).items() if name.endswith("Probe")}
    assert set(probes) == {"startupProbe", "readinessProbe", "livenessProbe"}
    for probe in probes.values():
        assert httpx.get(shipped_url + probe["path"]).status_code == 200
        assert probe["port"] == "http"
    annotations = manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert httpx.get(shipped_url + annotations["prometheus.io/path"]).status_code == 200
    [port] = container(manifests)["ports"]
    assert {str(port["containerPort"]), annotations["prometheus.io/port"]} == {"8000"}
    assert port["containerPort"] == Settings.model_fields["port"].default
    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE


@needs_kubectl
def test_pods_may_do_nothing_but_answer(manifests):
    of_pod, of_container = pod(manifests)["securityContext"], container(manifests)["securityContext"]
    assert f"USER {of_pod['runAsUser']}:{of_pod['runAsGroup']}" in DOCKERFILE
    assert of_pod["runAsNonRoot"]
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(manifests)["automountServiceAccountToken"] is False


# https://kubernetes.io/docs/concepts/security/pod-security-standards: "restricted" allows these kinds of volumes alone.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@needs_kubectl
def test_pods_fit_restricted_pod_security(manifests):
    spec = pod(manifests)
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(spec)
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= VOLUMES
    assert set(spec["securityContext"]) == {"runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile"}
    assert spec["securityContext"]["runAsUser"] != 0
    assert "privileged" not in container(manifests)["securityContext"]
    assert all("hostPort" not in port for port in container(manifests)["ports"])


def test_compose_drops_what_kubernetes_drops():
    loupe = COMPOSE["services"]["loupe"]
    assert (loupe["cap_drop"], loupe["security_opt"], loupe["read_only"]) == (["ALL"], ["no-new-privileges:true"], True)
    assert not {"cap_add", "privileged", "devices", "network_mode", "pid", "ipc"} & set(loupe)


def test_the_image_needs_no_shell():
    """Commands in their JSON form are executed directly; test_privacy.py sees that the service starts no program."""
    runtime = DOCKERFILE.partition(" AS runtime")[2]
    commands = re.findall(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK(?:[^\n]*\\\n)?\s*CMD) *(.)", runtime, re.MULTILINE)
    assert commands == ["["] * 3


@needs_kubectl
def test_everything_means_the_same_pods(manifests):
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    [spread] = pod(manifests)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels
    if "HorizontalPodAutoscaler" in manifests:
        target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", manifests["Deployment"]["metadata"]["name"])
        assert "replicas" not in manifests["Deployment"]["spec"]


@needs_kubectl
def test_the_file_of_keys_is_mounted_where_it_is_looked_for(tmp_path: Path):
    manifests = {one["kind"]: one for one in built("with-keys", tmp_path)}
    [mount] = [one for one in container(manifests)["volumeMounts"] if one["name"] == "keys"]
    [volume] = [one for one in pod(manifests)["volumes"] if one["name"] == "keys"]
    assert volume["secret"]["secretName"] == manifests["Secret"]["metadata"]["name"]
    [file] = manifests["Secret"]["data"]
    assert environment(manifests)["LOUPE_API_KEYS_FILE"] == f"{mount['mountPath']}/{file}"
    assert not (DEPLOY / "kubernetes/with-keys" / file).exists()
