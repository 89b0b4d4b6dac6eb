from pathlib import Path

import pytest
from pydantic import ValidationError

import models
from models.errors import SettingsError
from models.images import ImageLimits
from serving.access.control import check_token
from serving.settings import Settings
from serving.settings.environment import passed_over


def test_the_design_is_the_default():
    settings = Settings.load()
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 8000, "auto")
    assert settings.models == Path(models.__file__).parent
    assert settings.image_limits == ImageLimits()
    assert (settings.max_request_bytes, settings.max_request_images) == (64 * 1024**2, 64)
    assert settings.request_timeout_s == 30


def test_every_setting_is_described():
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []


def test_variables_set_and_options_win(monkeypatch):
    monkeypatch.setenv("LOUPE_PORT", "9000")
    monkeypatch.setenv("LOUPE_HOST", "0.0.0.0")
    settings = Settings.load(port=9001, host=None)
    assert (settings.host, settings.port) == ("0.0.0.0", 9001)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("LOUPE_PORT", "99999", "LOUPE_PORT=99999 is not allowed"),
        ("LOUPE_ROOT_PATH", "loupe", "=loupe is not allowed: it must begin with / and not end with it, such as /loupe"),
        ("LOUPE_TRACING_ENDPOINT", "host", "=host is not allowed: it must begin with http:// or https://"),
        ("LOUPE_FEEDBACK_PHOTOS", "true", "LOUPE_FEEDBACK_PHOTOS=true needs LOUPE_FEEDBACK, the folder"),
        ("LOUPE_GRPC_PORT", "8000", "LOUPE_PORT and LOUPE_GRPC_PORT are both 8000: each needs one of its own"),
        ("LOUPE_ADMIN_TOKEN", " \n", "LOUPE_ADMIN_TOKEN=… is not allowed: a token has one printable"),
        ("LOUPE_ADMIN_TOKEN", "schlüssel", "LOUPE_ADMIN_TOKEN=… is not allowed: a token has one printable"),
        ("LOUPE_DEVICE", "tpu", "LOUPE_DEVICE=tpu is not allowed"),
        ("LOUPE_REQUEST_TIMEOUT_S", "nan", "LOUPE_REQUEST_TIMEOUT_S=nan is not allowed"),
        ("LOUPE_PRT", "1", "LOUPE_PRT is not a setting; did you mean LOUPE_PORT[?] There are: LOUPE_A"),
        ("LOUPE_MAX_IMAGES_BYTES", "1", "did you mean LOUPE_MAX_IMAGE_BYTES[?]"),
        ("LOUPE_CORS", "1", "LOUPE_CORS is not a setting; there are: LOUPE_A"),
        ("LOUPE_WORKERS", "1", "LOUPE_WORKERS is not a setting; there are: LOUPE_A"),
        ("LOUPE_MAX_QUEUED_IMAGES", "1", "LOUPE_MAX_QUEUED_IMAGES must not be below LOUPE_MAX_REQUEST_IMAGES"),
    ],
)
def test_a_bad_variable_is_one_sentence(monkeypatch, variable, value, sentence):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=sentence) as caught:
        Settings.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("*", "*"),
        ("https://A.example:443, http://b.example:80", "https://a.example,http://b.example"),
        ("https://a.example:80,http://localhost:3000", "https://a.example:80,http://localhost:3000"),
    ],
)
def test_origins_are_those_that_browsers_send(given, meant):
    assert Settings(cors_origins=given).cors_origins == meant


def test_the_line_break_at_the_end_of_a_secret_is_none_of_it(monkeypatch):
    """As Kubernetes hands it on from a file that a shell wrote: every control call was a 401."""
    monkeypatch.setenv("LOUPE_ADMIN_TOKEN", "token\n")
    monkeypatch.setenv("LOUPE_ROOT_PATH", "/loupe\n")
    monkeypatch.setenv("LOUPE_CORS_ORIGINS", "https://Photos.example.org\n")
    settings = Settings.load()
    check_token(settings, "Bearer token")
    assert (settings.root_path, settings.cors_origins) == ("/loupe", "https://photos.example.org")


def test_what_kubernetes_injects_is_passed_over(monkeypatch):
    monkeypatch.setenv("LOUPE_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("LOUPE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("LOUPE_SERVICE_PORT_HTTP", "8000")
    monkeypatch.setenv("LOUPE_PORT_8000_TCP_ADDR", "10.0.0.1")
    assert Settings.load().port == 8000


def test_so_is_what_it_injects_for_a_service_named_loupe_grpc(monkeypatch):
    monkeypatch.setenv("LOUPE_GRPC_PORT", "tcp://10.0.0.1:8001")
    monkeypatch.setenv("LOUPE_GRPC_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("LOUPE_GRPC_PORT_8001_TCP_ADDR", "10.0.0.1")
    assert Settings.load().grpc_port is None


LINKS = {
    "LOUPE_CANARY_PORT": "tcp://10.0.0.1:8000",
    "LOUPE_CANARY_SERVICE_HOST": "10.0.0.1",
    "LOUPE_CANARY_SERVICE_PORT": "8000",
    "LOUPE_CANARY_SERVICE_PORT_HTTP": "8000",
    "LOUPE_CANARY_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "LOUPE_CANARY_PORT_8000_TCP_PROTO": "tcp",
    "LOUPE_PORT": "tcp://10.0.0.1:8000",
}


def test_so_is_what_it_injects_for_any_service_of_the_namespace(monkeypatch):
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().port == 8000
    assert passed_over() == sorted(LINKS)
    monkeypatch.setenv("LOUPE_CANARY_PORT", "8000")
    with pytest.raises(SettingsError, match="LOUPE_CANARY_PORT is not a setting"):
        Settings.load()


@pytest.mark.parametrize("name", ["GRPC_PORT", "ROOT_PATH", "PORT", "ADMIN_TOKEN", "API_KEYS_FILE", "THREADS"])
def test_an_empty_variable_is_an_unset_one(monkeypatch, name):
    monkeypatch.setenv(f"LOUPE_{name}", "")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({"AIP_HTTP_PORT": "8080"}, 8080),
        ({"SAGEMAKER_BIND_TO_PORT": "8081"}, 8081),
        ({"AIP_HTTP_PORT": "8080", "LOUPE_PORT": "9000"}, 9000),
        ({"AIP_HTTP_PORT": "8080", "LOUPE_PORT": ""}, 8080),
        ({"AIP_HTTP_PORT": ""}, 8000),
    ],
)
def test_a_platform_may_say_the_port(monkeypatch, environment, port):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().port == port
    assert Settings.load(port=1234).port == 1234


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOUPE_CORS_ORIGINS", "example.org"),
        ("LOUPE_CORS_ORIGINS", "https://a.example.org,"),
        ("LOUPE_TRUSTED_PROXIES", "10.0.0.1,proxy"),
        ("LOUPE_ROOT_PATH", "loupe"),
        ("LOUPE_ROOT_PATH", "/loupe/"),
        ("LOUPE_TRACING_ENDPOINT", "localhost:4318"),
    ],
)
def test_what_a_proxy_or_page_would_stumble_over_is_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}={value} is not allowed"):
        Settings.load()


def test_gpu_and_cuda_are_one(monkeypatch):
    """The Makefile says gpu, ONNX Runtime CUDA."""
    monkeypatch.setenv("LOUPE_DEVICE", "gpu")
    assert Settings.load().device == "cuda"
    assert Settings.load(device="gpu").device == Settings.load(device="cuda").device == "cuda"


def test_models_may_be_at_an_address(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_MODELS", "s3://bucket/models/")
    settings = Settings.load(models_cache=tmp_path)
    assert settings.models == "s3://bucket/models"
    assert settings.models_folder.parent == tmp_path
    assert settings.models_folder != Settings.load(models="s3://bucket/other", models_cache=tmp_path).models_folder
    assert Settings.load(models="some/folder/").models_folder == Path("some/folder")
