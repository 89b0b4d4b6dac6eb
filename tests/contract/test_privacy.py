"""docs/privacy.md keeps its word: what we start writes nothing that nobody asked for, and speaks to this machine alone.

Every command runs with an empty home folder under strace, which sees what the libraries do, too.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.conftest import SELFIE

ROOT = Path(__file__).parents[2]
SEEN = "execve,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
SEEN += "connect,sendto,sendmmsg"
WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT)|^\d+ +(creat|mkdir|rename|link|symlink)")
ADDRESS = re.compile(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"')
DNS = re.compile(r"port=htons\(53\)")
# Devices; names of threads; locks between processes, which are unlinked as soon as they are made; memory.
NOBODYS = re.compile(r'"/dev/(null|tty|nvidia\S*|shm/sem\.\S+)"|"/proc/self/\S+"|/memfd:')
# Matplotlib draws the reports, and keeps a list of the fonts that it found; privacy.md says so.
FONTS = re.compile(r"home/\.(cache|config)(/matplotlib(/fontlist\S+)?)?\"")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")

SERVE = """
import subprocess, sys, urllib.request
command = [sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
url = next(line for line in server.stdout if "ready" in line).split()[-1]
photo = open("photo.jpg", "rb").read()
for path in ("/v1/predict", "/v1/upright?method=pixels", "/version", "/metrics"):
    data = None if path in ("/version", "/metrics") else photo
    headers = {"Content-Type": "image/jpeg"}
    assert urllib.request.urlopen(urllib.request.Request(url + path, data, headers)).status == 200
server.terminate()
sys.exit(server.wait(60))
"""
# Both in one process, as TensorFlow takes seconds to import. ``train`` exports, too.
TRAIN = """
from training.commands.cli import app
for words in (
    "train recipe.toml photos --run asked/run --mlflow asked/mlflow --publish --models asked/models",
    "search search.toml photos --run asked/search --trials 1",
):
    app(words.split(), standalone_mode=False)
"""
SEARCH = "\n[search.fit]\nlearning_rate = [0.001, 0.002]\n"


@dataclass(frozen=True)
class Watched:
    """What strace saw of a command and of all that it started."""

    folder: Path
    calls: tuple[str, ...]

    def written(self) -> list[str]:
        """Calls that wrote something where nobody asked for it."""
        asked = tuple(f'"{place}' for place in ("asked", self.folder / "asked", self.folder / "tmp"))
        done = [call for call in self.calls if ") = -1 " not in call]
        wrote = [call for call in done if WRITES.search(call) and not NOBODYS.search(call)]
        return [call for call in wrote if not FONTS.search(call) and not any(place in call for place in asked)]

    def spoken(self) -> list[str]:
        """Calls that looked a name up, or reached for another machine, whether they got there or not."""
        named = [call for call in self.calls if ADDRESS.search(call)]
        return [call for call in named if DNS.search(call) or not _is_here(ADDRESS.search(call)[1])]


def _is_here(address: str) -> bool:
    return address == "::1" or address.startswith(("127.", "::ffff:127."))


@pytest.fixture
def watch(tmp_path: Path, photos: Path, photographs: dict[str, bytes]):
    for name in ("home", "tmp", "asked"):
        (tmp_path / name).mkdir()
    (tmp_path / "photo.jpg").write_bytes(photographs["rocket"])
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "recipe.toml").write_text(SELFIE)
    (tmp_path / "search.toml").write_text(SELFIE + SEARCH)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
    }

    def run(*arguments: str, statuses: tuple[int, ...] = (0,)) -> Watched:
        trace = tmp_path / "trace"
        strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "256", "-e", f"trace={SEEN}", "-e", "signal=none"]
        command = [*strace, "-o", str(trace), sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode in statuses, done.stdout + done.stderr
        return Watched(tmp_path, tuple(trace.read_text(errors="replace").splitlines()))

    return run


ENTRIES = {
    "serve": ("-c", SERVE),
    "predict": ("-m", "serving.commands.cli", "predict", "photo.jpg"),
    "upright": ("-m", "serving.commands.cli", "upright", "photo.jpg"),
    "floor": ("-m", "loadtest.bench.floor"),
    "load test": ("-m", "loadtest.cli", "--users", "1", "--duration-s", "1"),
    "train": ("-c", TRAIN),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_nothing_leaves_the_house(entry: str, watch, tmp_path: Path):
    statuses = (0, 1) if entry == "load test" else (0,)  # 1: on a busy machine nothing was answered within a second
    watched = watch(*ENTRIES[entry], statuses=statuses)
    assert len(watched.calls) > 100, "strace saw the command"
    assert watched.written() == []
    assert watched.spoken() == []
    assert [path for path in (tmp_path / "home").rglob("*") if not FONTS.search(f'{path}"')] == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_service_starts_no_program(watch):
    """But ``git`` in a checkout, for ``/version``; the image has no checkout."""
    started = re.findall(r'execve\("[^"]*/([^"/]+)"[^\n]*\) = 0', "\n".join(watch(*ENTRIES["serve"]).calls))
    assert set(started) - {Path(sys.executable).name} == {"git"}


def test_the_watcher_notices(watch, tmp_path: Path):
    """A file in the home folder, and a look-up: a test that cannot fail is none."""
    bad = "import socket, pathlib; pathlib.Path.home().joinpath('x').touch(); "
    bad += "[socket.socket(2, 2).connect(to) for to in (('127.0.0.53', 53), ('192.0.2.1', 443))]"
    watched = watch("-c", bad)
    assert len(watched.written()) == 1
    assert len(watched.spoken()) == 2
