"""The Helm chart, rendered by Helm for each set of values in its examples, and held to the schemas and to the code.

After a change of a setting: ``python tests/contract/test_chart.py`` rewrites settings in values.schema.json.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/loupe"
SCHEMA = CHART / "values.schema.json"
NPM = ROOT / ".npm-dev"
# As .ci/run installs it; or whichever is in the PATH.
HELM = shutil.which("helm", path=os.pathsep.join((str(NPM / "bin"), os.environ["PATH"])))
SETS = ["values", *sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OBSERVABILITY = ROOT / "serving/observability"
PATHS = set(json.loads((ROOT / "tests/contract/openapi.json").read_text())["paths"])

pytestmark = pytest.mark.skipif(HELM is None, reason="needs Helm 4: .ci/run installs it")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")

Object = dict  # of Kubernetes


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60)


def values(name: str) -> tuple[str | Path, ...]:
    return () if name == "values" else ("--values", CHART / "examples" / f"{name}.yaml")


@cache
def rendered(*arguments: str | Path) -> list[Object]:
    done = helm("template", "loupe", CHART, "--namespace", "photos", *arguments)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one is not None]


def objects(name: str) -> dict[str, Object]:
    """By kind, and name where it is not the release's; without those of ``helm test``."""
    found = [one for one in rendered(*values(name)) if "helm.sh/hook" not in one["metadata"].get("annotations", {})]
    keys = [one["kind"] + one["metadata"]["name"].removeprefix("loupe") for one in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def pod(of: dict[str, Object]) -> Object:
    return of["Deployment"]["spec"]["template"]["spec"]


def container(of: dict[str, Object]) -> Object:
    [one] = pod(of)["containers"]
    return one


def environment(of: dict[str, Object]) -> dict[str, str]:
    return {one["name"]: one.get("value", "from a Secret") for one in container(of)["env"]}


def settings_of(of: dict[str, Object], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Refuses what is no setting, and values that are not allowed."""
    for name, value in environment(of).items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return Settings.load()


def gibibytes(text: str) -> int:
    return int(text.removesuffix("Gi")) << 30


@pytest.fixture(params=SETS)
def chart(request: pytest.FixtureRequest) -> dict[str, Object]:
    return objects(request.param)


def test_there_is_an_example_for_each_use():
    assert len(SETS) == 12
    used = {kind for name in SETS for kind in objects(name)}
    assert used == {
        *("Deployment", "Service", "Service-pods", "HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget"),
        *("NetworkPolicy", "Ingress", "ServiceMonitor", "PrometheusRule", "ConfigMap-dashboard"),
    }


def test_helm_has_nothing_to_say():
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


OF_OTHERS = {
    "ScaledObject": "keda/keda.sh/v1alpha1/ScaledObject",
    "ServiceMonitor": "prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
    "PrometheusRule": "prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
}
"""Kinds that are not Kubernetes' own, and the module of their types."""


@pytest.mark.parametrize("name", SETS)
def test_objects_fit_the_schemas_of_kubernetes(name):
    for one in rendered(*values(name)):
        if one["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(one, "1.34", strict=True)


def typescript(folder: Path, of_others: list[Object]) -> str:
    """What the compiler says about them, as literals of the types that were generated of KEDA's and the operator's."""
    program = NPM / "node_modules/.bin/tsc"
    if not program.exists() or not (NPM / "node_modules/@kubernetes-models/keda").exists():
        pytest.skip("needs the types of KEDA and of the Prometheus Operator: .ci/run installs them")
    packages = NPM / "node_modules/@kubernetes-models"
    lines = [
        f'const _{index}: import("{packages / OF_OTHERS[one["kind"]]}").I{one["kind"]} = {json.dumps(one)};'
        for index, one in enumerate(of_others)
    ]
    (folder / "objects.mts").write_text("\n".join(lines))
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
    return subprocess.run([program, *options, "objects.mts"], cwd=folder, capture_output=True, text=True).stdout


def test_objects_fit_the_types_of_keda_and_the_prometheus_operator(tmp_path):
    found = [one for name in SETS for kind, one in objects(name).items() if kind in OF_OTHERS]
    assert {one["kind"] for one in found} == set(OF_OTHERS)
    [scaled] = [one for one in found if one["kind"] == "ScaledObject"]
    wrong = {**scaled, "spec": {**scaled["spec"], "minReplicas": 2}}
    [said] = typescript(tmp_path, [*found, wrong]).splitlines()
    assert said.startswith(f"objects.mts({len(found) + 1},"), "of all only the last is wrong"
    assert '"minReplicas"\' does not exist in type' in said


def test_variables_are_settings(chart, monkeypatch):
    settings = settings_of(chart, monkeypatch)
    limits = container(chart)["resources"]["limits"]
    assert settings.threads is None, "it follows from the CPUs"
    assert int(limits["cpu"]) >= 1
    assert gibibytes(limits["memory"]) >= 2 * settings.max_held_bytes
    gpu = "nvidia.com/gpu" in limits
    assert (settings.device in ("cuda", "tensorrt")) == gpu
    image = container(chart)["image"]
    if image.startswith("loupe:"):
        target = image.removeprefix("loupe:")
        assert (target == "gpu") == gpu
        assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)


def test_who_is_inside_may_finish(chart, monkeypatch):
    settings = settings_of(chart, monkeypatch)
    before = container(chart)["lifecycle"]["preStop"]["sleep"]["seconds"] + settings.drain_pause_s
    assert settings.drain_pause_s > 0
    assert pod(chart)["terminationGracePeriodSeconds"] > before + 2 * settings.request_timeout_s


def test_probes_ask_what_there_is(chart):
    probes = {name: one["httpGet"] for name, one in container(chart).items() if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }
    assert {probe["path"] for probe in probes.values()} <= PATHS
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_ports_have_one_name_everywhere(chart, monkeypatch):
    settings = settings_of(chart, monkeypatch)
    ports = {port["name"]: port["containerPort"] for port in container(chart)["ports"]}
    assert ports == {"http": settings.port} | ({"grpc": settings.grpc_port} if settings.grpc_port else {})
    assert f"EXPOSE {ports['http']}" in DOCKERFILE
    assert {port["name"]: port["targetPort"] for port in chart["Service"]["spec"]["ports"]} == {
        one: one for one in ports
    }
    [opened] = chart["NetworkPolicy"]["spec"]["ingress"]
    assert {port["port"] for port in opened["ports"]} == set(ports)
    annotations = chart["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations.get("prometheus.io/port", str(settings.port)) == str(settings.port)
    assert annotations.get("prometheus.io/path", "/metrics") in PATHS
    if "ServiceMonitor" in chart:
        [endpoint] = chart["ServiceMonitor"]["spec"]["endpoints"]
        assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
        assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "loupe"}], "the alerts ask for it"
    for rule in chart.get("Ingress", {}).get("spec", {}).get("rules", ()):
        [path] = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": "loupe", "port": {"name": "http"}}
        assert path["path"] == (settings.root_path or "/")


def test_everything_means_the_same_pods(chart):
    labels = chart["Deployment"]["spec"]["template"]["metadata"]["labels"]
    chosen = {"app.kubernetes.io/name": "loupe", "app.kubernetes.io/instance": "loupe"}
    assert chosen.items() <= labels.items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert chart[kind]["spec"]["selector"]["matchLabels"] == chosen
    assert chart["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == chosen
    assert chart["Service"]["spec"]["selector"] == chosen
    assert chart.get("Service-pods", chart["Service"])["spec"]["selector"] == chosen
    [spread] = pod(chart)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == chosen
    if "ServiceMonitor" in chart:
        wanted = chart["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= chart["Service"]["metadata"]["labels"].items()


def test_one_alone_says_how_many_pods_there_are(chart):
    scalers = [chart[kind] for kind in ("HorizontalPodAutoscaler", "ScaledObject") if kind in chart]
    assert len(scalers) + ("replicas" in chart["Deployment"]["spec"]) == 1
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", chart["Deployment"]["metadata"]["name"])


# https://kubernetes.io/docs/concepts/security/pod-security-standards: "restricted" allows these kinds of volumes alone.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@pytest.mark.parametrize("name", SETS)
def test_pods_may_do_nothing_but_answer(name):
    tested = [one["spec"] for one in rendered(*values(name)) if one["kind"] == "Pod"]
    assert len(tested) == 1
    for spec in (pod(objects(name)), *tested):
        assert not {"hostNetwork", "hostPID", "hostIPC", "ephemeralContainers"} & set(spec)
        assert {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"} <= VOLUMES
        of_pod = spec["securityContext"]
        assert f"USER {of_pod['runAsUser']}:{of_pod['runAsGroup']}" in DOCKERFILE
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in (*spec["containers"], *spec.get("initContainers", ())):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in one.get("ports", ()))
        assert spec["automountServiceAccountToken"] is False


def test_every_mount_has_its_volume(chart):
    mounted = [mount["name"] for mount in container(chart)["volumeMounts"]]
    assert sorted(mounted) == sorted(volume["name"] for volume in pod(chart)["volumes"])


def test_what_is_configured_lies_where_it_is_mounted():
    keys = objects("keys")
    [mount] = [one for one in container(keys)["volumeMounts"] if one["name"] == "keys"]
    [volume] = [one for one in pod(keys)["volumes"] if one["name"] == "keys"]
    [item] = volume["secret"]["items"]
    assert environment(keys)["LOUPE_API_KEYS_FILE"] == f"{mount['mountPath']}/{item['path']}"
    for name in ("volume", "store"):
        [models] = [one for one in container(objects(name))["volumeMounts"] if one["name"] == "models"]
        assert environment(objects(name))["LOUPE_MODELS"] == models["mountPath"]
        assert models["readOnly"] is True
    [engines] = [one for one in container(objects("tensorrt"))["volumeMounts"] if one["name"] == "tensorrt-cache"]
    assert environment(objects("tensorrt"))["LOUPE_ENGINE_CACHE"] == engines["mountPath"]


@pytest.mark.parametrize(
    ("address", "remote", "variable"),
    [
        ("s3://models/production", ":s3:models/production", "RCLONE_S3_ENV_AUTH"),
        ("gs://models", ":gcs:models", "RCLONE_GCS_ENV_AUTH"),
        ("az://models/a b", ":azureblob:models/a b", "RCLONE_AZUREBLOB_ENV_AUTH"),
    ],
)
def test_models_are_fetched_to_where_they_are_looked_for(address, remote, variable):
    given = ("--set-string", f"models.store={address}")
    [deployment] = [one for one in rendered(*given) if one["kind"] == "Deployment"]
    [fetch] = deployment["spec"]["template"]["spec"]["initContainers"]
    [mount] = fetch["volumeMounts"]
    assert fetch["args"] == ["copy", "--config", "", "--checksum", remote, mount["mountPath"]]
    assert fetch["env"] == [{"name": variable, "value": "true"}]
    assert environment({"Deployment": deployment})["LOUPE_MODELS"] == mount["mountPath"]


def test_loupe_fetches_by_itself_what_it_shall_watch(monkeypatch):
    watched = objects("store-watched")
    settings = settings_of(watched, monkeypatch)
    assert (settings.models, settings.reload) == ("s3://models/production", "watch")
    [mount] = [one for one in container(watched)["volumeMounts"] if one["name"] == "models"]
    assert (str(settings.models_cache), "readOnly" in mount) == (mount["mountPath"], False)
    assert container(watched)["envFrom"] == [{"secretRef": {"name": "models-store"}}]
    assert "initContainers" not in pod(watched)


def test_a_roll_out_takes_a_second_gpu_where_there_is_one():
    rollouts = {
        name: objects(name)["Deployment"]["spec"]["strategy"]["rollingUpdate"] for name in ("values", "gpu", "one-gpu")
    }
    assert rollouts["values"] == rollouts["gpu"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert rollouts["one-gpu"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert pod(objects("gpu"))["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]


def test_a_pod_calls_nobody_unless_it_must():
    assert objects("values")["NetworkPolicy"]["spec"]["egress"] == []
    assert ports_out("store") == {53, 443, 9000}
    assert ports_out("bulk") == {53, 4318}


def ports_out(name: str) -> set[int]:
    rules = objects(name)["NetworkPolicy"]["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


@pytest.mark.parametrize(
    ("arguments", "asked_for"),
    [
        (["keys.secret=a"], False),
        (["keys.secret=a", "ingress.enabled=true", "ingress.hosts={photos.example.org}"], True),
        (["keys.secret=a", "monitoring.serviceMonitor.keySecret=b"], True),
    ],
)
def test_metrics_are_open_to_a_prometheus_without_a_key_but_not_to_the_world(arguments, asked_for, monkeypatch):
    given = [word for one in arguments for word in ("--set", one)]
    deployment = {one["kind"]: one for one in rendered(*given)}
    assert settings_of(deployment, monkeypatch).metrics_need_key is asked_for


def test_the_dashboard_and_the_alerts_are_those_of_the_service(tmp_path):
    bulk = objects("bulk")
    assert bulk["ConfigMap-dashboard"]["data"] == {"loupe.json": (OBSERVABILITY / "dashboard.json").read_text()}
    assert bulk["PrometheusRule"]["spec"] == yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())
    assert [path.resolve().parent for path in sorted((CHART / "files").iterdir())] == [OBSERVABILITY] * 2, "no copies"
    assert helm("package", CHART, "--destination", tmp_path).returncode == 0
    [package] = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        held = archive.extractfile("loupe/files/dashboard.json")
        assert held is not None
        assert held.read() == (OBSERVABILITY / "dashboard.json").read_bytes()
        assert not [name for name in archive.getnames() if "examples" in name]


def test_the_hpa_counts_the_share_of_what_a_pod_may_hold():
    """The limit is known here, so that no adapter needs to divide."""
    for given, limit in (((), Settings.model_fields["max_queued_images"].default), (values("bulk"), 1024)):
        [scaler] = [
            one for one in rendered(*given, "--set", "autoscaling.by=queue") if one["kind"] == "HorizontalPodAutoscaler"
        ]
        [metric] = scaler["spec"]["metrics"]
        assert metric["pods"]["metric"]["name"] == "loupe_held_images"
        assert int(metric["pods"]["target"]["averageValue"]) == limit // 4
        assert {"scaleUp", "scaleDown"} == set(scaler["spec"]["behavior"])


SERIES = """
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {series: 'loupe_held_images{namespace="photos", pod="loupe-7d4b9c-x2kqp"}', values: 64x20}
      - {series: 'loupe_held_images{namespace="photos", pod="loupe-7d4b9c-zz8wd"}', values: 128x20}
      - {series: 'loupe_held_images_limit{namespace="photos", pod="loupe-7d4b9c-x2kqp"}', values: 256x20}
      - {series: 'loupe_held_images_limit{namespace="photos", pod="loupe-7d4b9c-zz8wd"}', values: 256x20}
      - {series: 'loupe_held_images{namespace="photos", pod="loupe-canary-7d4b9c-x2kqp"}', values: 256x20}
      - {series: 'loupe_held_images_limit{namespace="photos", pod="loupe-canary-7d4b9c-x2kqp"}', values: 256x20}
      - {series: 'loupe_held_images{namespace="others", pod="loupe-7d4b9c-x2kqp"}', values: 256x20}
      - {series: 'loupe_held_images_limit{namespace="others", pod="loupe-7d4b9c-x2kqp"}', values: 256x20}
      - {series: 'loupe_requests_total{namespace="photos", pod="loupe-7d4b9c-x2kqp", protocol="predict"}', values: 0+100x20}
      - {series: 'loupe_rejected_requests_total{namespace="photos", pod="loupe-7d4b9c-x2kqp", reason="QueueFullError"}', values: 0+25x20}
    promql_expr_test:
      - {expr: held, eval_time: 5m, exp_samples: [{labels: held, value: 0.75}]}
      - {expr: refused, eval_time: 5m, exp_samples: [{labels: refused, value: 0.25}]}
"""  # noqa: E501 - one series a line


@needs_promtool
def test_keda_asks_how_full_these_pods_are_and_what_they_turn_away(tmp_path):
    triggers = objects("tensorrt")["ScaledObject"]["spec"]["triggers"]
    rules = [{"record": one["name"], "expr": one["metadata"]["query"]} for one in triggers]
    assert [(one["name"], one["metricType"], one["metadata"]["threshold"]) for one in triggers] == [
        ("held", "AverageValue", "0.25"),
        ("refused", "Value", "0.02"),
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "keda", "rules": rules}]}))
    (tmp_path / "series.yml").write_text(SERIES)
    done = subprocess.run(["promtool", "test", "rules", "series.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ("settings.LOUPE_MAX_WAITS=1", "additional properties 'LOUPE_MAX_WAITS' not allowed"),
        ("settings.LOUPE_PORT=9000", "additional properties 'LOUPE_PORT' not allowed"),
        ("settings.LOUPE_MAX_QUEUED_IMAGES=0", "/settings/LOUPE_MAX_QUEUED_IMAGES"),
        ("settings.LOUPE_LOG_LEVEL=loud", "/settings/LOUPE_LOG_LEVEL"),
        ("gpu.device=tpu", "/gpu/device"),
        ("autoscaling.minReplicas=0", "/autoscaling/minReplicas"),
        ("autoscaling.minReplicas=9", "minReplicas must not be above autoscaling.maxReplicas"),
        ("gpu.enabled=true,autoscaling.by=cpu", "tells nothing of how busy a GPU is"),
        ("ingress.enabled=true", "/ingress/hosts"),
        ("ingress.path=loupe", "/ingress/path"),
        ("models.store=s3://a,models.volume.emptyDir.medium=Memory", "/models/store"),
        ("models.store=bucket", "/models/store"),
        ("models.store=s3://a,models.watch=true", "/models/watch"),
        ("grpc.port=8000", "/grpc/port"),
        ("resources.limits.cpu=two", "/resources/limits/cpu"),
        ("image.tag=a b", "/image/tag"),
        ("extraEnv[0].name=LOUPE_WEB", "/extraEnv/0/name"),
    ],
)
def test_wrong_values_are_refused(given, words):
    done = helm("template", "loupe", CHART, "--set", given)
    assert done.returncode == 1
    assert words in done.stderr.replace("'/", "/"), done.stderr


def notes(*given: str | Path) -> str:
    done = helm("install", "loupe", CHART, "--namespace", "photos", "--dry-run=client", *given)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


def test_the_notes_say_how_to_ask():
    plain, public = notes(), notes(*values("public"))
    assert "port-forward service/loupe 8000:80 &" in plain
    assert "curl --data-binary @photo.jpg http://127.0.0.1:8000/v1/predict\n" in plain
    key = 'curl --header "X-API-Key: $KEY" --data-binary @photo.jpg '
    assert f"{key}https://photos.example.org/loupe/v1/predict\n" in public
    assert "/v1/predict" in PATHS
    assert "dns:///loupe-pods.photos.svc:8001" in notes(*values("bulk"))
    assert "each roll-out is an outage" in notes(*values("one-gpu"))


def test_helm_test_asks_the_service():
    """test_deploy.py runs its program."""
    [asks] = [one for one in rendered(*values("keys")) if one["kind"] == "Pod"]
    [one] = asks["spec"]["containers"]
    assert one["env"] == [
        {"name": "URL", "value": "http://loupe.photos.svc:80"},
        {"name": "KEYS", "valueFrom": {"secretKeyRef": {"name": "loupe-keys", "key": "keys"}}},
    ]
    assert one["image"] == container(objects("keys"))["image"]


OF_OTHER_VALUES = {
    *(
        "models",
        "models_cache",
        "reload",
        "host",
        "port",
        "grpc_port",
        "device",
        "drain_pause_s",
        "admin_token",
        "api_keys_file",
    ),
    "root_path",
}
"""Settings that follow from other values of the chart."""


def settings_schema() -> dict[str, object]:
    """The settings that may be given, with their types and bounds."""
    described = Settings.model_json_schema()["properties"]
    return {
        f"{PREFIX}{name.upper()}": dict(_of_value(one))
        for name, one in described.items()
        if name not in OF_OTHER_VALUES
    }


def _of_value(described: dict) -> Iterator[tuple[str, object]]:
    kinds = [one for one in described.get("anyOf", [described]) if one.get("type") != "null"]
    assert len(kinds) == 1
    known = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "minLength", "pattern")
    return ((key, value) for key, value in kinds[0].items() if key in known)


def test_the_schema_knows_every_setting():
    """See the first lines of this file."""
    told = json.loads(SCHEMA.read_text())["properties"]["settings"]["properties"]
    assert told == settings_schema()
    assert set(Settings.model_fields) >= OF_OTHER_VALUES


def test_the_schema_knows_every_value():
    """So that a default that nobody may change, or a value without one, is noticed."""

    def keys(of: dict, where: str = "") -> Iterator[str]:
        for name, one in of.items():
            yield f"{where}{name}"
            if name != "settings" and one.get("additionalProperties") is False:
                yield from keys(one["properties"], f"{where}{name}.")

    told = set(keys(json.loads(SCHEMA.read_text())["properties"])) - {"global"}
    given = yaml.safe_load((CHART / "values.yaml").read_text())
    missing = {path for path in told if not _has(given, path.split("."))}
    assert missing == {"autoscaling.behavior.scaleUp.selectPolicy", "autoscaling.behavior.scaleDown.selectPolicy"} | {
        f"resources.{one}" for one in ("requests", "limits")
    }


def _has(of: object, path: list[str]) -> bool:
    return not path or (isinstance(of, dict) and path[0] in of and _has(of[path[0]], path[1:]))


def test_the_chart_is_of_this_release():
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    released = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert released is not None
    assert (described["version"], described["appVersion"]) == (released[1], released[1])


if __name__ == "__main__":
    document = json.loads(SCHEMA.read_text())
    document["properties"]["settings"]["properties"] = settings_schema()
    SCHEMA.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
