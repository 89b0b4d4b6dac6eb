import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import InvalidModelError, ModelNotFoundError, VersionExistsError
from models.metadata import Label, ModelMetadata
from models.onnx_file import graph_sha256, with_properties
from models.preprocessing import Preprocessing
from models.repository import ModelRepository, read_metadata

GRAPH = b"\x08\x0a"  # ir_version 10: the least protobuf message that an ONNX file can be


KILLS = int(os.environ.get("KILLS", "3"))


def stamped(name: str = "selfie", version: int = 1, graph: bytes = GRAPH, **changes: object) -> bytes:
    document = ModelMetadata(
        name=name,
        version=version,
        labels=(Label(name="a"), Label(name="b")),
        preprocessing=Preprocessing(height=2, width=2),
        **{"graph_sha256": graph_sha256(graph)} | changes,
    )
    return with_properties(graph, document.to_properties())


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def in_parallel(times: int, call: Callable[[int], object]) -> list[object]:
    """What each call returned, or the error that it raised; all start at once."""
    start = threading.Barrier(times)
    outcomes: list[object] = []

    def run(number: int) -> None:
        start.wait()
        try:
            outcomes.append(call(number))
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_a_published_model_is_found_with_its_card(repository):
    path = repository.publish(stamped(), "# Card")
    assert path == repository.root / "selfie" / "1" / "model.onnx" == repository.path("selfie")
    assert path.read_bytes() == stamped()
    assert path.with_name("MODEL_CARD.md").read_text() == "# Card"
    assert contents(repository.root) == {"selfie", "selfie/1", "selfie/1/model.onnx", "selfie/1/MODEL_CARD.md"}


def test_others_may_read_what_was_published(repository):
    path = repository.publish(stamped(), "")
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert path.stat().st_mode & 0o444 == 0o444


def test_versions_are_ordered_as_numbers(repository):
    for version in (10, 9, 2):
        repository.publish(stamped(version=version), "")
    repository.publish(stamped("orientation"), "")
    assert repository.list() == {"orientation": (1,), "selfie": (2, 9, 10)}
    assert repository.latest("selfie") == 10
    assert repository.path("selfie").parent.name == "10"
    assert repository.path("selfie", 9).parent.name == "9"


def test_what_is_not_there_is_named(repository):
    assert repository.list() == {}
    with pytest.raises(ModelNotFoundError, match="no model 'selfie'; there are: none"):
        repository.latest("selfie")
    repository.publish(stamped(), "")
    with pytest.raises(ModelNotFoundError, match="no model 'other'; there are: selfie"):
        repository.path("other")
    with pytest.raises(ModelNotFoundError, match="no version 2 of model 'selfie'"):
        repository.path("selfie", 2)


@pytest.mark.parametrize("name", ["..", "../models/selfie", "selfie/1", "/", ""])
def test_a_name_never_leads_out_of_the_folder(repository, name):
    repository.publish(stamped(), "")
    with pytest.raises(ModelNotFoundError):
        repository.path(name)


def test_foreign_and_half_written_folders_are_passed_over(repository):
    path = repository.publish(stamped(version=2), "")
    root = repository.root
    (root / "README.md").write_text("about")
    (root / "__pycache__").mkdir()
    for folder in (
        "selfie/3",
        "selfie/latest",
        "selfie/.publish-x",
        "selfie/04",
        "selfie/0",
        "selfie/-1",
        "selfie/²",
        "no/v",
    ):
        (root / folder).mkdir(parents=True)
    for folder in ("selfie/latest", "selfie/.publish-x", "selfie/0", "selfie/-1", "selfie/²", "no/v"):
        (root / folder / "model.onnx").write_bytes(path.read_bytes())
    assert repository.list() == {"selfie": (2,)}


# To root every folder is readable, unless it gives up this right.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
LIST = """
import sys
from pathlib import Path
from models.repository import ModelRepository
repository = ModelRepository(Path(sys.argv[1]))
print(repository.list(), repository.list(), sep="\\n")
"""


@pytest.mark.skipif(WITHOUT_RIGHTS and not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
@pytest.mark.parametrize("closed", ["lost+found", "orientation", "selfie/2", "."])
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_what_cannot_be_read_is_passed_over_with_one_line(repository, closed, mode):
    """A volume of its own has a ``lost+found`` that is root's."""
    for model in (stamped(), stamped(version=2), stamped("orientation")):
        repository.publish(model, "")
    (repository.root / "lost+found").mkdir()
    expected = {"lost+found": {"orientation": (1,), "selfie": (1, 2)}, "orientation": {"selfie": (1, 2)}}
    expected |= {"selfie/2": {"orientation": (1,), "selfie": (1,)}, ".": {}}
    folder = repository.root / closed
    folder.chmod(mode)
    try:
        command = [*WITHOUT_RIGHTS, sys.executable, "-c", LIST, str(repository.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        folder.chmod(0o755)
    if (closed, mode) == ("lost+found", 0o444):
        assert done.stderr == "", "it can be read, and is empty"
    assert done.stdout.splitlines() == [str(expected[closed])] * 2
    if mode == 0:
        assert done.stderr == f"a folder cannot be read and is passed over: {folder}: Permission denied\n"


def test_a_full_disk_leaves_nothing(repository):
    """The limit on a file's size stands for the disk's: the write fails in the middle."""
    script = """
import resource, sys
from pathlib import Path
from models.repository import ModelRepository
data = Path(sys.argv[2]).read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    ModelRepository(Path(sys.argv[1])).publish(data, "")
except OSError as error:
    print(error.strerror)
"""
    model = repository.root.with_name("model.onnx")
    model.write_bytes(stamped(description="x" * 2000))
    repository.root.mkdir()
    command = [sys.executable, "-c", script, str(repository.root), str(model)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "File too large\n"
    assert contents(repository.root) == set()
    repository.publish(stamped(), "")
    model.write_bytes(stamped(version=2, description="x" * 2000))
    subprocess.run(command, capture_output=True, text=True, check=True)
    assert repository.list() == {"selfie": (1,)}
    assert [path.name for path in (repository.root / "selfie").iterdir()] == ["1"]


def test_a_version_is_never_overwritten(repository):
    path = repository.publish(stamped(description="first"), "first")
    before = contents(repository.root)
    with pytest.raises(VersionExistsError, match="version 1 of selfie exists; versions are never overwritten"):
        repository.publish(stamped(description="second"), "second")
    assert path.read_bytes() == stamped(description="first")
    assert path.with_name("MODEL_CARD.md").read_text() == "first"
    assert contents(repository.root) == before


@pytest.mark.parametrize(
    "data", [b"", GRAPH, b"\xff", stamped(graph_sha256="0" * 64), stamped()[:-1], stamped() + GRAPH]
)
def test_what_is_not_stamped_rightly_is_not_published(repository, data):
    with pytest.raises(InvalidModelError):
        repository.publish(data, "")
    assert repository.list() == {}


def test_read_metadata_names_the_model_whose_graph_was_changed():
    assert read_metadata(stamped(version=7)).version == 7
    with pytest.raises(InvalidModelError, match=r"the graph of selfie .* \(digest differs\)"):
        read_metadata(stamped() + GRAPH)


def test_of_concurrent_publishers_one_wins(repository):
    models = [stamped(description=str(number) * 1000) for number in range(8)]
    outcomes = in_parallel(8, lambda number: repository.publish(models[number], str(number)))
    assert sum(isinstance(outcome, Path) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionExistsError) for outcome in outcomes) == 7
    winner = repository.path("selfie")
    assert read_metadata(winner.read_bytes()).description[0] == winner.with_name("MODEL_CARD.md").read_text()
    assert [path.name for path in (repository.root / "selfie").iterdir()] == ["1"]


def test_a_publisher_killed_midway_leaves_nothing_half_visible(repository):
    """Killed wherever it was: what is listed is whole. ``make kills`` does it 200 times."""
    weights = GRAPH + b"\x3a\x80\x80\x80\x02" + bytes(4 * 1024 * 1024)  # field 7, the graph, of 4 MiB
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from models.onnx_file import with_properties
        from models.repository import ModelRepository, read_metadata
        repository, first = ModelRepository(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
        document = read_metadata(first)
        for version in range(1, 10_000):
            changed = document.model_copy(update={"version": version})
            repository.publish(with_properties(first, changed.to_properties()), "card")
            print(version, flush=True)
    """)
    model = repository.root.with_name("model.onnx")
    model.write_bytes(stamped(graph=weights))
    chance = random.Random(0)
    for _ in range(KILLS):
        shutil.rmtree(repository.root, ignore_errors=True)
        command = [sys.executable, "-c", script, repository.root, model]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as publisher:
            assert publisher.stdout.readline() == "1\n"
            time.sleep(chance.uniform(0, 0.01))
            publisher.kill()
        versions = repository.list()["selfie"]
        assert versions == tuple(range(1, len(versions) + 1))
        for version in versions:
            path = repository.path("selfie", version)
            assert read_metadata(path.read_bytes()).version == version
            assert path.with_name("MODEL_CARD.md").read_text() == "card"


def test_remove_takes_one_version_away(repository):
    for version in (1, 2):
        repository.publish(stamped(version=version), "")
    repository.remove("selfie", 2)
    assert repository.list() == {"selfie": (1,)}
    assert [path.name for path in (repository.root / "selfie").iterdir()] == ["1"]
    repository.publish(stamped(version=2), "")  # the number is free again
    with pytest.raises(ModelNotFoundError):
        repository.remove("selfie", 3)


def test_of_concurrent_removers_one_finds_the_model(repository):
    repository.publish(stamped(), "")
    outcomes = in_parallel(8, lambda _: repository.remove("selfie", 1))
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ModelNotFoundError) for outcome in outcomes) == 7
    assert list((repository.root / "selfie").iterdir()) == []


def test_a_version_may_be_written_with_zeros_before_it(repository):
    """As tools write it that sort by name; ``3`` and ``0003`` are one version, which is published once."""
    path = repository.publish(stamped(version=3), "# card")
    path.parent.rename(path.parent.with_name("0003"))
    assert repository.list() == {"selfie": (3,)}
    assert repository.path("selfie", 3).parent.name == "0003"
    with pytest.raises(VersionExistsError):
        repository.publish(stamped(version=3), "# card")
    for name in ("0", "00", "+3", "٣", "3.0", "1e3"):
        shutil.copytree(path.parent.with_name("0003"), path.parent.with_name(name))
    shutil.copytree(path.parent.with_name("0003"), path.parent)
    assert repository.list() == {"selfie": (3,)}
    assert repository.path("selfie", 3) == path
    repository.remove("selfie", 3)
    repository.remove("selfie", 3)
    assert repository.list() == {}
