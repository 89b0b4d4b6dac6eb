"""What engines are held to: the rows of one machine. ``make test-scale`` installs what these tests need."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from serving.commands.cli import app

collect_ignore_glob = [] if find_spec("pyspark") else ["test_*.py"]

PICTURES, BROKEN = int(os.environ.get("SCALE_PICTURES", "200")), 10

PATIENT = {
    "RAY_AUTH_MODE": "disabled",  # nobody else is in this network
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "240",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "240",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "120",
}
"""On cores that are shared: Ray gives up a dashboard after a minute, and a proxy after five seconds."""


ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""For a Ray in a network whose one address is 127.0.0.1; with it, a node joins no other."""


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[dict[str, str]]:
    """What every Ray of these tests, and whatever begins one, finds in its environment."""
    with pytest.MonkeyPatch.context() as here:
        for name, value in PATIENT.items():
            here.setenv(name, value)
        yield PATIENT


@pytest.fixture(scope="session")
def alone() -> dict[str, str]:
    """What a Ray of one node finds there besides."""
    return ALONE


@pytest.fixture(scope="module", autouse=True)
def left_as_found(patient) -> Iterator[None]:
    """A variable that stays behind reaches whatever the next module begins: so two nodes were refused as a cluster."""
    before = _variables()
    yield
    assert _variables() == before


def _variables() -> dict[str, str]:
    ours = ("RAY_", "LOUPE_", "PYSPARK_", "AWS_")
    return {name: value for name, value in os.environ.items() if name.startswith(ours)}


def _rows_in(folder: Path) -> list[dict[str, object]]:
    rows = pq.read_table(folder, partitioning=None).to_pylist()
    return sorted(rows, key=lambda row: (row["file"], row["model"] or ""))


@pytest.fixture(scope="session")
def rows_in():
    """Reads the rows of Loupe's parts or Spark's, in order of pictures and models."""
    return _rows_in


@pytest.fixture
def loupe(models, monkeypatch, tmp_path):
    """Runs the command in this process."""
    monkeypatch.setenv("LOUPE_MODELS", str(models))

    def loupe(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.stderr
        return result

    return loupe


@pytest.fixture(scope="session")
def album(zoo, tmp_path_factory) -> Path:
    """Small pictures of every side, ten of them broken, in folders of a hundred."""
    album = tmp_path_factory.mktemp("album")
    kinds = [zoo.encode(zoo.lit(side, (64, 48)), kind) for side in zoo.sides for kind in ("JPEG", "PNG", "WEBP")]
    for number in range(PICTURES):
        folder = album / str(number // 100)
        folder.mkdir(exist_ok=True)
        data = b"no image" if number % (PICTURES // BROKEN) == 7 else kinds[number % len(kinds)]
        (folder / f"{number:06}.jpg").write_bytes(data)
    return album


@pytest.fixture(scope="session")
def expected(models, album, tmp_path_factory) -> list[dict[str, object]]:
    """The rows of one machine."""
    out = tmp_path_factory.mktemp("expected")
    result = CliRunner().invoke(app, ["score", str(album), "--out", str(out)], env={"LOUPE_MODELS": str(models)})
    assert result.exit_code == 0, result.stderr
    rows = _rows_in(out)
    assert len(rows) == 2 * (PICTURES - BROKEN) + BROKEN
    return rows
