import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
READY = "Loupe is ready at "


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("first-key")
    return path


def status(url: str, key: str) -> int:
    return httpx.get(f"{url}/version", headers={"X-API-Key": key}).status_code


def wait_for(condition) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about within 30 s")


def test_keys_are_read_again_and_a_broken_file_keeps_them(models, file):
    command = [sys.executable, "-m", "serving.commands.cli", "serve", "--models", str(models), "--port", "0"]
    environment = os.environ | {"LOUPE_API_KEYS_FILE": str(file), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as server:
        try:
            url = next(line for line in server.stdout if line.startswith(READY)).removeprefix(READY).strip()
            assert (status(url, "first-key"), status(url, "second-key")) == (200, 401)
            file.write_text("second-key")
            server.send_signal(signal.SIGHUP)
            wait_for(lambda: status(url, "second-key") == 200)
            assert status(url, "first-key") == 401
            file.unlink()
            server.send_signal(signal.SIGHUP)
            said = next(record for line in server.stderr if (record := json.loads(line))["level"] == "ERROR")
            assert said["message"].endswith("cannot be read: No such file or directory")
            assert status(url, "second-key") == 200
        finally:
            server.terminate()
            server.communicate(timeout=30)
    assert server.returncode == 0
