"""What the disk does to a running server: folders that cannot be read, vanish, or come back; and SIGKILL.

``make kills`` kills 200 times.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from serving.versions.labels import Labels

ROOT = Path(__file__).parents[3]
READY = "Loupe is ready at "
PATH = "/v1/models/orientation:predict"
KILLS = int(os.environ.get("KILLS", "3"))
# To root every folder is readable, unless it gives up this right.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

needs_setpriv = pytest.mark.skipif(
    bool(WITHOUT_RIGHTS) and not shutil.which("setpriv"), reason="needs setpriv, of util-linux"
)


@contextmanager
def serving(models: Path, log: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that may do no more than its user; yields its URL and process."""
    command = [*WITHOUT_RIGHTS, sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0"]
    command += ["--models", str(models)]
    environment = os.environ | {"LOUPE_LOG_LEVEL": "warning"} | environment
    with (
        log.open("w") as written,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=written, text=True
        ) as process,
    ):
        try:
            yield next(line for line in process.stdout if line.startswith(READY)).split()[-1], process
        finally:
            process.terminate()


def messages(log: Path) -> list[str]:
    return [json.loads(line)["message"] for line in log.read_text().splitlines()]


def wait_for(condition) -> None:
    until = time.monotonic() + 30  # a watch that is blind looks again after 60
    while not condition():
        assert time.monotonic() < until, "it did not come about within 30 s"
        time.sleep(0.05)


@needs_setpriv
def test_what_cannot_be_read_does_not_stop_a_server(zoo, tmp_path):
    """It starts beside a ``lost+found``, sees new versions, and keeps what it has when the folder vanishes."""
    root, log = zoo.publish(tmp_path / "models", zoo.orientation()), tmp_path / "log"
    (root / "lost+found").mkdir(mode=0)
    with serving(root, log, LOUPE_RELOAD="watch") as (url, process):

        def version() -> str:
            return httpx.post(url + PATH, content=zoo.png()).raise_for_status().json()["version"]

        def index() -> list[str]:
            answer = httpx.post(url + "/v2/repository/index").raise_for_status().json()
            return [one["version"] for one in answer if one["state"] == "READY"]

        assert version() == "1"
        zoo.publish(root, zoo.orientation(version=2))
        wait_for(lambda: version() == "2")
        root.chmod(0)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("no models on disk" in message for message in messages(log)))
        assert (version(), index()) == ("2", ["2"])
        root.chmod(0o755)
        (root / "lost+found").chmod(0o755)
        shutil.rmtree(root)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: sum("no models on disk" in message for message in messages(log)) > 1)
        assert (version(), index()) == ("2", ["2"])
    assert process.returncode == 0, log.read_text()
    unreadable = [message for message in messages(log) if message.startswith("a folder cannot be read")]
    assert unreadable == [
        f"a folder cannot be read and is passed over: {folder}: Permission denied"
        for folder in (root / "lost+found", root)
    ]
    assert "Traceback" not in log.read_text()


@needs_setpriv
def test_a_repository_that_cannot_be_read_is_one_sentence(zoo, tmp_path):
    root = zoo.publish(tmp_path / "models", zoo.orientation())
    root.chmod(0)
    command = [*WITHOUT_RIGHTS, sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0"]
    environment = os.environ | {"LOUPE_MODELS": str(root)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    root.chmod(0o755)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"loupe: there are no models in {root}")


WRITE = """
import itertools, sys
from pathlib import Path
from serving.versions.labels import Labels
print("begun", flush=True)
for number in itertools.count():
    Labels.model_validate({"stable": 1 + number % 2, "shadow": 2 - number % 2}).write(Path(sys.argv[1]))
"""


def test_labels_are_whole_whenever_their_writer_is_killed(tmp_path):
    chance = random.Random(0)
    both = [Labels.model_validate({"stable": 1 + one, "shadow": 2 - one}) for one in (0, 1)]
    both[0].write(tmp_path)
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", WRITE, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.02))
            writer.kill()
        assert Labels.read(tmp_path) in both


def test_a_server_that_is_killed_while_it_reloads_starts_again(zoo, tmp_path):
    """It only ever reads models: what it was doing leaves nothing behind."""
    chance = random.Random(1)
    root = zoo.publish(tmp_path / "models", zoo.orientation())
    for kill in range(KILLS):
        with serving(root, tmp_path / "log") as (url, process):
            assert httpx.post(url + PATH, content=zoo.png()).json()["version"] == str(kill + 1)
            zoo.publish(root, zoo.orientation(version=kill + 2))
            before = contents(root)
            process.send_signal(signal.SIGHUP)
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
        assert contents(root) == before


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
