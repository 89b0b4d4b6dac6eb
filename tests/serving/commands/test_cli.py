import json
import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

OK, FAILED, USAGE = 0, 1, 2


@pytest.fixture
def loupe(models):
    """Runs the command as a person does."""

    def loupe(*arguments, **environment) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "serving.commands.cli", *map(str, arguments)]
        variables = {**os.environ, "LOUPE_MODELS": str(models), "COLUMNS": "200", **environment}
        return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60, check=False)

    return loupe


@pytest.fixture
def photo(zoo, tmp_path):
    path = tmp_path / "[photo].png"
    path.write_bytes(zoo.png("right", (640, 480)))
    return path


def test_models_lists_the_repository(loupe):
    result = loupe("models")
    assert result.returncode == OK
    assert "orientation" in result.stdout
    assert "not_selfie, selfie" in result.stdout


def test_predict_prints_a_table(loupe, photo):
    result = loupe("predict", photo)
    assert (result.returncode, result.stderr) == (OK, "")
    assert "[photo].png" in result.stdout
    assert "right" in result.stdout
    assert "selfie" in result.stdout


def test_predict_prints_json_and_names_files_that_failed(loupe, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    result = loupe("predict", photo, broken, tmp_path / "missing.jpg", "--model", "orientation", "--json")
    assert result.returncode == FAILED
    good, bad, missing = map(json.loads, result.stdout.splitlines())
    assert good["file"] == str(photo)
    assert list(good["results"]) == ["orientation"]
    assert good["results"]["orientation"]["label"] == "right"
    assert bad["error_type"] == "UnsupportedImageError"
    assert missing == {
        "file": str(tmp_path / "missing.jpg"),
        "error": "No such file or directory",
        "error_type": "FileNotFoundError",
    }


def test_wrong_use_is_told(loupe, photo):
    for arguments in ((), ("predict",), ("predict", photo, "--model", "nope"), ("serve", "--port", 65536)):
        result = loupe(*arguments)
        assert result.returncode == USAGE
        assert "Traceback" not in result.stderr


def test_what_keeps_it_from_starting_is_one_sentence(loupe, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for result in (
            loupe("serve", "--models", tmp_path),
            loupe("serve", "--port", port),
            loupe("serve", LOUPE_PRT="1"),
            loupe("serve", LOUPE_PORT="x"),
        ):
            assert result.returncode == FAILED
            assert result.stdout == ""
            assert result.stderr.startswith("loupe: ")
            assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_where_it_is_and_ends_with_0(models, stop):
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--models", str(models), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        said, _, url = process.stdout.readline().strip().rpartition(" ")
        assert said == "Loupe is ready at"
        assert httpx.get(f"{url}/health/ready", timeout=30).json() == {"ready": True}
        process.send_signal(stop)
        assert process.wait(30) == OK
        lines = [json.loads(line) for line in process.stderr]
        assert {line["level"] for line in lines} == {"INFO"}
        assert [line["message"] for line in lines if line["logger"] == "loupe.server"] == [stop.name, "stopped"]
        assert lines[-1]["message"] == "stopped", "the last line says why it ended"


def test_the_event_loop_waits_less_than_a_millisecond_for_the_interpreter():
    """Where others compute in Python; by default they keep it for 5 ms each."""
    asked = "import sys; from serving.commands.cli import app\ntry: app()\nfinally: print(sys.getswitchinterval())"
    command = [sys.executable, "-c", asked, "serve", "--models", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == FAILED
    assert float(done.stdout) < 0.001


def test_it_says_which_one_it_is(loupe):
    result = loupe("--version")
    assert result.returncode == 0
    assert re.fullmatch(r"loupe (\d+\.\d+\.\d+|unknown) \([0-9a-f]{12}\)\n", result.stdout)
