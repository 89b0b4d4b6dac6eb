"""What installs is what is meant: the server's wheel, and the client's in an environment that holds nothing else."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv-uv" / "bin" / "uv"
UNREACHED = re.compile("connection broken by|Failed to fetch|error sending request|dns error", re.IGNORECASE)
PIP = {"PIP_RETRIES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1"}
ASK = """
import sys
from loupe.client import Client
with Client(sys.argv[1]) as loupe:
    print(loupe.predict(sys.argv[2], models="orientation")["orientation"].label)
assert not {"numpy", "PIL", "pydantic"} & set(sys.modules)
"""


def reaching_an_index(command: list[str | Path] | str, **options: object) -> None:
    """Runs what asks a package index; skips where none can be reached."""
    environment = os.environ | PIP | options.pop("env", {})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, **options)
    if done.returncode and UNREACHED.search(done.stdout + done.stderr):
        pytest.skip("needs a package index, and none can be reached")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """Both distributions' wheels by name, built with the tools of the lock."""
    folder = tmp_path_factory.mktemp("wheels")
    locked = ["--build-constraints", ROOT / "requirements/build.txt", "--require-hashes"]
    for project in (ROOT, ROOT / "loupe"):
        reaching_an_index([UV, "build", "--wheel", "--quiet", *locked, "--out-dir", folder, project])
    return {path.name.partition("-")[0]: zipfile.ZipFile(path) for path in folder.glob("*.whl")}


def top(wheel: zipfile.ZipFile) -> set[str]:
    return {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return BytesParser().parsebytes(wheel.read(name))


def test_the_server_s_wheel_holds_the_rooms_but_not_the_client(wheels):
    wheel = wheels["loupe_serving"]
    assert top(wheel) == {"models", "training", "serving", "loadtest"}
    assert "models/orientation/2/model.onnx" in wheel.namelist()
    description = metadata(wheel).get_payload()
    assert "`loupe-serving` into one of its own" in description


def test_the_client_s_wheel_holds_loupe_alone_and_brings_no_command(wheels):
    wheel = wheels["loupe_client"]
    assert top(wheel) == {"loupe"}
    assert "loupe/py.typed" in wheel.namelist()
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())
    assert not any(name.endswith("entry_points.txt") for name in wheel.namelist())
    assert [line.partition(">")[0] for line in metadata(wheel).get_all("Requires-Dist")] == ["anyio", "httpx"]


def test_both_have_one_version():
    projects = [tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", "loupe")]
    assert projects[0]["version"] == projects[1]["version"]
    assert f"\n## {projects[0]['version']} - " in (ROOT / "CHANGELOG.md").read_text()


def test_the_image_brings_no_command_whose_room_it_lacks():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    left_out = {name for name, place in scripts.items() if place.partition(".")[0] not in copied}
    assert left_out == set(re.findall(r"sed -i '/\^([\w-]+) = /d' pyproject.toml", dockerfile))
    assert left_out < set(scripts)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which docs/client.md's first line was run, as it stands there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    line = re.search(r"^```sh\n(.+)\n```", (ROOT / "docs/client.md").read_text(), re.MULTILINE)[1]
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    reaching_an_index(["bash", "-c", line], env={"PATH": path, "VIRTUAL_ENV": str(folder)})
    return folder


def test_the_client_installs_alone(elsewhere):
    (packages,) = elsewhere.glob("lib/python*/site-packages")
    installed = {path.name for path in packages.iterdir() if (path / "__init__.py").is_file() or path.suffix == ".pth"}
    assert installed >= {"loupe", "httpx", "anyio"}
    assert not installed & {"models", "training", "serving", "loadtest", "numpy", "PIL", "pydantic"}
    assert not [path for path in installed if path.endswith(".pth") and "loupe" in path]
    assert not list(elsewhere.glob("bin/loupe*"))


def test_the_client_that_stands_alone_gets_an_answer(elsewhere, shipped_url, photographs, tmp_path):
    (tmp_path / "rocket.jpg").write_bytes(photographs["rocket"])
    command = [elsewhere / "bin/python", "-I", "-c", ASK, shipped_url, tmp_path / "rocket.jpg"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("up\n", "")
