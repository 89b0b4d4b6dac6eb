"""Rules of the house that no linter knows: lock files, the Makefile's choices, sizes of modules and READMEs."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").rglob("*.txt"))
PEERS = ("bentoml", "litserve", "mlserver", "nvidia-pytriton")
ROOMS = ("models", "training", "serving", "loadtest", "loupe")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Asks make what it would do; MAKE… variables of the make that runs the tests must not reach it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "DEVICE"))}
    command = ["make", "--dry-run", "--directory", str(ROOT), *arguments]
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True)


def pins(lock: str) -> set[str]:
    """Name, version and marker of every package."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return set(re.findall(r"^([\w.-]+==[^\\\n]+?) ?\\?$", text, re.MULTILINE))


def names(lock: str) -> set[str]:
    return {pin.partition("==")[0] for pin in pins(lock)}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_a_hash_for_everything_and_no_address(lock):
    text = lock.read_text()
    assert "/" not in re.sub(r"\([\w/]+\.toml[^)]*\)", "", text), "a lock names no index and no path"
    for block in re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]:
        assert re.match(r"[\w.-]+==\S+ (; [^\\]+ )?\\\n +--hash=sha256:[0-9a-f]{64}\b", block), block.splitlines()[0]


def test_onnxruntime_and_onnxruntime_gpu_never_meet():
    """The two wheels own the same import directory."""
    locks = [lock.relative_to(ROOT / "requirements").with_suffix("").as_posix() for lock in LOCKS]
    found = {lock: names(lock) & {"onnxruntime", "onnxruntime-gpu"} for lock in locks}
    assert found == {
        "serving": {"onnxruntime"},
        "serving-gpu": {"onnxruntime-gpu"},
        "dev": {"onnxruntime"},
        "scale": {"onnxruntime"},
        "uv": set(),
        "build": set(),
    } | {f"peers/{peer}": {"onnxruntime"} for peer in PEERS}


@pytest.mark.parametrize("peer", PEERS)
def test_peers_run_on_the_same_onnxruntime_and_pillow(peer):
    """Else the bench would compare those."""
    same = {pin for pin in pins("serving") if pin.startswith(("onnxruntime==", "pillow=="))}
    assert len(same) == 2
    assert same <= pins(f"peers/{peer}")
    assert peer in names(f"peers/{peer}")


def test_the_tests_run_on_what_is_served():
    assert {pin for pin in pins("serving") if ";" not in pin} <= pins("dev")
    assert {pin for pin in pins("serving") if ";" not in pin} <= pins("scale")
    assert pins("serving") - pins("serving-gpu") == {pin for pin in pins("serving") if pin.startswith("onnxruntime==")}


@pytest.mark.parametrize("lock", ["serving", "serving-gpu"])
@pytest.mark.parametrize("extra", ["grpc", "heif", "tracing"])
def test_make_serve_and_the_images_have_the_extras_that_a_setting_or_a_phone_asks_for(lock, extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[\w-]+", one).group() for one in project["optional-dependencies"][extra]}
    assert wanted <= names(lock)
    assert f"--require-hashes --compile-bytecode requirements/{lock}.txt" in (ROOT / "Dockerfile").read_text()


def test_help_tells_every_target():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split()
    listed = subprocess.run(["make", "--directory", str(ROOT), "help"], capture_output=True, text=True, check=True)
    assert set(re.findall(r"^([a-z-]+) +\S", listed.stdout, re.MULTILINE)) >= set(phony)


@pytest.mark.parametrize(
    ("nvidia_smi", "lock"),
    [
        ("echo '580.95.05, 9.0'", "serving-gpu"),
        ("echo '600.1, 6.1'; echo '600.1, 7.5'", "serving-gpu"),
        ("echo '579.99, 9.0'", "serving"),
        ("echo '580.95.05, 7.0'", "serving"),
        ("echo NVIDIA-SMI has failed because it could not communicate with the driver; exit 9", "serving"),
        ("exit 127", "serving"),
    ],
)
def test_serve_takes_the_gpu_where_one_can_be_used(tmp_path, nvidia_smi, lock):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{nvidia_smi}\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert re.search(r"\.venv/synced-(\S+)", make("serve", PATH=path).stdout).group(1) == lock
    by_hand = make("serve", "DEVICE=cpu", PATH=path).stdout
    assert ".venv/synced-serving\n" in by_hand
    assert "--device 'cpu'" in by_hand


@pytest.mark.parametrize("device", ["gpu", "cuda"])
def test_serve_passes_on_what_is_given_on_the_command_line_only(device):
    asked = make("serve", f"DEVICE={device}", "HOST=0.0.0.0", "PORT=9000", "PYTHON=python3").stdout
    assert ".venv/synced-serving-gpu\n" in asked
    assert "--host '0.0.0.0' --port '9000'" in asked
    assert "--device 'cuda'" in asked
    assert "--host" not in make("serve", HOST="x86_64-conda-linux-gnu", PORT="tcp://10.0.0.1").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve", "DEVICE=tpu"], "DEVICE=tpu is not allowed: it is gpu, which is cuda, or cpu"),
        (["--always-make", ".venv-uv/made", "PYTHON="], "Loupe needs Python 3.11, 3.12 or 3.13 with its venv module"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(arguments, sentence):
    done = make(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_modules_stay_under_250_lines(room):
    written = [path for path in (ROOT / room).rglob("*.py") if "_pb2" not in path.name]  # those `make proto` generates
    long = {str(path) for path in written if len(path.read_text().splitlines()) >= 250}
    assert not long


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_s_readme_is_short_and_ends_in_decisions(room):
    lines = (ROOT / room / "README.md").read_text().splitlines()
    assert len(lines) <= 60
    assert [line for line in lines if line.startswith("## ")][-1] == "## Decisions"


def test_what_lasts_is_measured_by_a_clock_that_nobody_can_set():
    """These tell the time of day, or of files; a new one must be added here, and must not subtract."""
    telling = {
        "observability/blocks.py",
        "observability/recorder.py",
        "album/album.py",
        "album/memory.py",
        "album/undo_log.py",
    }
    telling |= {"service/corrections.py"}
    of_day = re.compile(r"\btime_ns\b|\btime\.time\(|from time import[^#\n]*\btime\b|datetime\.now\(")
    root = ROOT / "serving"
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if of_day.search(path.read_text())}
    assert found == telling
