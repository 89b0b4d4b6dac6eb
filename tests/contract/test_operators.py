"""Manifests for KServe and KubeRay: fields are those of KServe's SDK, pods Kubernetes', and the rest is the code's."""

import ast
import json
import re
from importlib.util import find_spec
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PATHS = set(json.loads((ROOT / "tests/contract/openapi.json").read_text())["paths"])
RUNTIME = yaml.safe_load((DEPLOY / "kserve/runtime.yaml").read_text())
SERVICE = yaml.safe_load((DEPLOY / "kserve/photos.yaml").read_text())
RAY = yaml.safe_load((DEPLOY / "kuberay/rayservice.yaml").read_text())
CLUSTER = RAY["spec"]["rayClusterConfig"]


def fields(kind: str) -> dict[str, str]:
    """Field → type, of a class of KServe's SDK; read, as importing it takes seconds."""
    spec = find_spec("kserve")
    assert spec is not None
    assert spec.origin is not None
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    tree = ast.parse((Path(spec.origin).parent / f"models/{module}.py").read_text())
    held = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("openapi_types", "attribute_map")
    }
    return {held["attribute_map"][name]: kind for name, kind in held["openapi_types"].items()}


OF_PYTHON = {"str": str, "int": int, "bool": bool}


def unknown(value: object, kind: str, where: str = "") -> list[str]:
    """Fields that KServe does not know or that are of another type; what is Kubernetes' own is not looked into."""
    if inner := re.fullmatch(r"list\[(\w+)\]", kind):
        if not isinstance(value, list):
            return [where]
        return [one for index, item in enumerate(value) for one in unknown(item, inner[1], f"{where}[{index}]")]
    if kind in OF_PYTHON:
        return [] if type(value) is OF_PYTHON[kind] else [where]
    if not re.match(r"V1(alpha|beta)1", kind):
        return []
    if not isinstance(value, dict):
        return [where]
    known = fields(kind)
    return [
        one
        for name, item in value.items()
        for one in (unknown(item, known[name], f"{where}.{name}") if name in known else [f"{where}.{name}"])
    ]


@pytest.mark.parametrize(
    ("document", "kind"),
    [(RUNTIME, "V1alpha1ServingRuntime"), (SERVICE, "V1beta1InferenceService")],
    ids=["runtime", "service"],
)
def test_kserve_knows_every_field(document, kind):
    assert unknown(document, kind) == []
    wrong = {**document, "spec": {**document["spec"], "replica": 1}}
    assert unknown(wrong, kind) == [".spec.replica"]


def as_pod(spec: dict) -> dict:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}


PODS = {
    "kserve": {"containers": RUNTIME["spec"]["containers"]},
    "ray-head": CLUSTER["headGroupSpec"]["template"]["spec"],
    "ray-workers": CLUSTER["workerGroupSpecs"][0]["template"]["spec"],
}


@pytest.mark.parametrize("spec", PODS.values(), ids=PODS)
def test_pods_fit_the_schemas_of_kubernetes_and_may_do_little(spec):
    kubernetes_validate.validate(as_pod(spec), "1.34", strict=True)
    [container] = spec["containers"]
    allowed = container["securityContext"]
    assert allowed["allowPrivilegeEscalation"] is False
    assert allowed["capabilities"] == {"drop": ["ALL"]}
    assert {**spec.get("securityContext", {}), **allowed}["runAsNonRoot"] is True
    assert spec.get("enableServiceLinks", False) is False


def test_kserve_s_container_is_ours(monkeypatch):
    [container] = RUNTIME["spec"]["containers"]
    assert container["name"] == "kserve-container", "the one that KServe merges with an InferenceService's model"
    for variable in container["env"]:
        assert variable["name"].startswith(PREFIX)
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = Settings.load()
    assert str(settings.models) == "/mnt/models", "where KServe puts what it fetches"
    [port] = container["ports"]
    assert port["containerPort"] == settings.port
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    annotations = RUNTIME["spec"]["annotations"]
    assert {probe["path"] for probe in probes} | {annotations["prometheus.kserve.io/path"]} <= PATHS
    assert (
        {str(probe["port"]) for probe in probes} == {annotations["prometheus.kserve.io/port"]} == {str(settings.port)}
    )
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    target = container["image"].removeprefix("loupe:")
    assert re.search(rf"^FROM runtime AS {target}$", DOCKERFILE, re.MULTILINE)
    predictor = SERVICE["spec"]["predictor"]
    assert predictor["timeout"] == 2 * settings.request_timeout_s
    assert predictor["terminationGracePeriodSeconds"] > settings.drain_pause_s + 2 * settings.request_timeout_s


def test_the_service_is_served_by_the_runtime():
    model = SERVICE["spec"]["predictor"]["model"]
    assert model["runtime"] == RUNTIME["metadata"]["name"]
    assert model["modelFormat"].items() <= RUNTIME["spec"]["supportedModelFormats"][0].items()
    assert model["protocolVersion"] in RUNTIME["spec"]["protocolVersions"]


def test_every_ray_has_one_version_and_haproxy():
    build = (DEPLOY / "kuberay/Dockerfile").read_text()
    assert set(re.findall(r"ray(?:\[serve\]==|:)([0-9.]+)", build)) == {CLUSTER["rayVersion"]}
    for spec in (PODS["ray-head"], PODS["ray-workers"]):
        [container] = spec["containers"]
        assert {one["name"]: one["value"] for one in container["env"]} == {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        }
        assert container["image"] == "loupe:ray"
    tested = yaml.safe_load((DEPLOY / "kuberay/serve_config.yaml").read_text())  # by make test-scale
    assert yaml.safe_load(RAY["spec"]["serveConfigV2"]) == tested
