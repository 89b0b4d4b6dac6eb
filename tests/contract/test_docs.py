"""README.md and docs/ keep their word: every command and every program in them is run, page by page, in its order.

Each page has a server of its own, started with ``loupe serve``, and a folder with the files that pages speak of.
Nothing in a block is changed but the server's address. Of the programs, ``curl`` also fails where the answer is an
error, ``loupe serve`` ends once it is ready, and ``make``, which would install for minutes, says what it would do.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep

import pytest
from PIL import Image

from models.onnx_file import with_properties
from models.repository import ModelRepository, read_metadata

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
READY = "Loupe is ready at "
TOKEN, KEY = "the-admin-token", "the-api-key"

NOT_RUN = {
    ("README.md", "--task folder photos"): "test_readme.py runs it line by line, and looks at the model",
    ("README.md", "import resnet.onnx"): "test_readme.py runs it, and looks at the model",
    ("capacity.md", "make capacity"): "tests/loadtest/test_capacity.py runs the command",
    ("client.md", "pip install"): "test_distributions.py runs it in an empty environment",
    ("deploying.md", "docker run"): "no container runtime",
    ("deploying.md", "docker build"): "no container runtime",
    ("deploying.md", "docker compose"): "no container runtime; test_deploy.py checks the file",
    ("deploying.md", "helm install"): "no cluster; test_chart.py renders and checks what it would apply",
    ("deploying.md", "make release"): "it installs for a minute; test_distributions.py looks into the wheel",
    ("protocols.md", "openapi-python-client generate"): "tests/serving/http/test_made_clients.py makes one and asks",
    ("protocols.md", "LOUPE_GRPC_PORT=8001 make serve"): "the server of each page is started so",
    ("scale.md", "--engine ray"): "make test-scale: tests/serving/scaleout/test_ray_data.py",
    ("scale.md", "serve run"): "make test-scale: tests/serving/scaleout/test_ray_serve.py",
    ("scale.md", "--workers"): "make long: tests/training/pipeline/test_together.py",
    ("scale.md", "mapInArrow(score"): "make test-scale: tests/serving/scaleout/test_spark.py",
    ("upright.md", "originalPath"): "no Immich runs here",
    ("upright.md", "photoprism index"): "no PhotoPrism runs here",
    ("upright.md", "docker run"): "no container runtime",
} | {
    (
        "own-classifier.md",
        words,
    ): "it trains for minutes; tests/training/commands/test_own_classifier.py runs all of the page"
    for words in (
        "train --task folder digits",
        "loupe predict",
        "loupe serve",
        "train --task folder pets",
        "cp runs/digits/recipe.toml",
        "cat >> digits.toml",
        "quantize runs/digits",
    )
}
"""The page and words of each block that is not run → why."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        return next((why for (page, words), why in NOT_RUN.items() if self.has(page, words)), None)

    def has(self, page: str, words: str) -> bool:
        """Whether it stands on that page and has these words."""
        return self.page == page and words in self.text


def blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(page.name, language, text) for language, text in found]


BLOCKS = [block for page in PAGES for block in blocks(page)]


class World:
    """A folder, and a server that was started in it."""

    def __init__(self, folder: Path, photographs: dict[str, bytes]) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._fill(photographs)
        self._make_programs()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Runs ``loupe serve``, with a token for control calls and a port for gRPC."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            grpc_port = str(free.getsockname()[1])
        settings = {
            "LOUPE_ADMIN_TOKEN": TOKEN,
            "LOUPE_GRPC_PORT": grpc_port,
            "LOUPE_MODELS": str(self.folder / "models"),
        }
        command = [sys.executable, "-m", "serving.commands.cli", "serve", "--port", "0"]
        environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
        with (
            self.log.open("w") as log,
            subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            ) as server,
        ):
            try:
                url = next(line for line in server.stdout if line.startswith(READY)).removeprefix(READY).strip()
                self._addresses = {
                    "127.0.0.1:8000": url.removeprefix("http://"),
                    "127.0.0.1:8001": f"127.0.0.1:{grpc_port}",
                }
                self._environment = os.environ | {
                    "PATH": f"{self.folder / 'programs'}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": str(ROOT),
                    "PID": str(server.pid),
                    "TOKEN": TOKEN,
                    "KEY": KEY,
                }
                yield
            finally:
                server.terminate()

    def run(self, block: Block) -> str:
        """Runs a block as it stands there; returns what it printed."""
        text = block.text
        for shown, real in self._addresses.items():
            text = text.replace(shown, real)
        interpreter = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "ignore", "-c"]}
        done = subprocess.run(
            [*interpreter[block.language], text],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{block.page}:\n{block.text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def log_lines(self) -> Iterator[dict[str, object]]:
        """What the server logged so far, and what it will within ten seconds: a request's line follows its answer."""
        until = monotonic() + 10
        with self.log.open() as log:
            while monotonic() < until:
                if line := log.readline():
                    yield json.loads(line)
                else:
                    sleep(0.05)

    def _fill(self, photographs: dict[str, bytes]) -> None:
        for name in ("training", "deploy", "serving"):
            (self.folder / name).symlink_to(ROOT / name)
        rocket = Image.open(BytesIO(photographs["rocket"])).convert("RGB")
        rocket.transpose(Image.Transpose.ROTATE_270).save(self.folder / "photo.jpg", quality=95)
        rocket.save(self.folder / "other.jpg", quality=95)
        (self.folder / "photos").mkdir()
        for name, data in photographs.items():
            image = Image.open(BytesIO(data)).convert("RGB")
            for index in range(4):
                left, top = 40 * index, 25 * index
                image.crop((left, top, left + 250, top + 200)).save(self.folder / "photos" / f"{name}{index}.jpg")
        (self.folder / "loupe-exclude.txt").write_text("photos/rocket0.jpg\n")  # as the report's page saves it
        shipped = ModelRepository(ROOT / "models")
        published = ModelRepository(self.folder / "models")
        for name, versions in (("orientation", (1, 2)), ("selfie", (1,))):
            model = shipped.path(name).read_bytes()
            for version in versions:  # pages speak of versions 1 and 2, whichever are shipped
                metadata = read_metadata(model).model_copy(update={"version": version})
                published.publish(with_properties(model, metadata.to_properties()), "")

    def _make_programs(self) -> None:
        loupe, train = (
            f'exec {sys.executable} -W ignore -m {module} "$@"'
            for module in ("serving.commands.cli", "training.commands.cli")
        )
        ending = f'[ "$1" = serve ] && exec {sys.executable} -c "{_END_ONCE_READY}" "$@" --port 0\n'
        curl = f'exec {shutil.which("curl")} --fail-with-body --silent --show-error --write-out "\\n" "$@"'
        for path, script in {
            ".venv/bin/loupe": ending + loupe,
            ".venv-dev/bin/loupe-train": train,
            ".venv-dev/bin/model_signing": f'exec {sys.executable} -m model_signing "$@"',
            "programs/curl": curl,
            "programs/make": f'exec {shutil.which("make")} --dry-run --directory {ROOT} "$@"',
        }.items():
            program = self.folder / path
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f"#!/bin/bash\n{script}\n")
            program.chmod(0o755)


_END_ONCE_READY = """
import subprocess, sys
command = [sys.executable, '-m', 'serving.commands.cli', *sys.argv[1:]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
    print(next(line for line in server.stdout if line.startswith('Loupe is ready at ')))
    server.terminate()
sys.exit(server.returncode)
"""


@pytest.fixture
def world(tmp_path: Path, photographs: dict[str, bytes]) -> Iterator[World]:
    world = World(tmp_path, photographs)
    with world.serving():
        yield world


@needs_curl
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_runs(page: Path, request: pytest.FixtureRequest):
    to_run = [block for block in blocks(page) if block.language in ("sh", "python") and block.reason is None]
    if to_run:
        world = request.getfixturevalue("world")
        for block in to_run:
            world.run(block)


@pytest.mark.parametrize(("page", "words"), NOT_RUN)
def test_what_is_not_run_is_one_block_of_commands(page: str, words: str):
    assert [block.language in ("sh", "python") for block in BLOCKS if block.has(page, words)] == [True]


def test_commands_stand_in_blocks_that_are_run():
    """Other blocks are drawings, JSON, and files to write."""
    command = re.compile(r"^\s*(sudo|curl|loupe|make|pip|docker|kubectl|helm|kill|python|\S+/bin/)\b", re.MULTILINE)
    for block in BLOCKS:
        assert block.language in ("sh", "python", "json", "dockerfile", "yaml", ""), block
        if block.language not in ("sh", "python"):
            assert not command.search(block.text), block
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'(?:src|srcset|href)="([^"#]+)"', text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_readme():
    readme = PAGES[0].read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in readme] == []


def test_a_line_of_the_log_has_the_fields_that_privacy_tells(world: World):
    page = ROOT / "docs/privacy.md"
    [told] = [json.loads(block.text) for block in blocks(page) if block.language == "json"]
    asked = 'curl --form "image=@photo.jpg;filename=my-secret.jpg" "http://127.0.0.1:8000/v1/predict?top_k=1"'
    world.run(Block("here", "sh", asked))
    line = next(line for line in world.log_lines() if line["logger"] == told["logger"])
    same = ("level", "logger", "message", "method", "path", "status")
    assert set(line) == set(told)
    assert {name: line[name] for name in same} == {name: told[name] for name in same}
    assert all(f"`{name}`" in page.read_text(encoding="utf-8") for name in told)
    assert "my-secret" not in world.log.read_text()
