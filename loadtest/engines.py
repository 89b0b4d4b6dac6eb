"""``python -m loadtest.engines``: pictures a second, and memory, of each engine that scores stored pictures.

``make engines`` runs it where Ray and Spark are installed, in a network of its own. Each engine scores the same folder;
the rows have to be the same, also of Ray after one of its actors was killed.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from loadtest.pages import put
from loadtest.photos import jpeg
from loadtest.processes import RAY, below, own_cpu_s, resident_mb

_SIZE, _KINDS, _ONE_BROKEN_IN = (320, 240), 64, 500
_AT_WORK_S = 6  # of CPU; an actor has its models after 3
_SLOW = b"timed out during startup"
_LOUPE = [sys.executable, "-m", "serving.commands.cli", "score"]
_SPARK = """
import os
import sys
from functools import partial

os.environ["PYSPARK_PYTHON"] = sys.executable  # else its workers are whichever python3 is found
from pyspark.sql import SparkSession
from serving.scaleout.spark import SCHEMA, score
album, out, model = sys.argv[1:]
builder = SparkSession.builder.master("local[*]").config("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
for name, value in {"driver.bindAddress": "127.0.0.1", "driver.host": "127.0.0.1", "ui.enabled": "false"}.items():
    builder = builder.config(f"spark.{name}", value)
spark = builder.getOrCreate()
files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(album)
photos = files.selectExpr("replace(path, 'file:', '') AS file", "content AS data")
photos.mapInArrow(partial(score, models=(model,)), SCHEMA).write.parquet(out)
"""


@dataclass(frozen=True)
class Scored:
    """What became of one engine.

    Attributes:
        engine: its name.
        pictures: of the folder.
        seconds: from its start to its end, the start of engine and models included.
        peak_mb: of all its processes together, at most.
        digest: of its rows in the order of pictures.
    """

    engine: str
    pictures: int
    seconds: float
    peak_mb: float
    digest: str


def album(folder: Path, count: int) -> None:
    """Fills a folder with small JPEGs, one in 500 broken, a thousand to a subfolder."""
    kinds = [jpeg(_SIZE, seed) for seed in range(_KINDS)]
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number:07}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no image" if number % _ONE_BROKEN_IN == 7 else kinds[number % _KINDS])


def commands(photos: Path, out: Path, model: str) -> dict[str, list[str]]:
    """How each engine is begun, by its name."""
    score = [*_LOUPE, str(photos), "--out", str(out), "--model", model]
    return {
        "one machine": score,
        "Ray": [*score, "--engine", "ray"],
        "Ray, an actor killed": [*score, "--engine", "ray"],
        "Spark": [sys.executable, "-c", _SPARK, str(photos), str(out), model],
    }


def run(engine: str, command: list[str], photos: Path, out: Path, tries: int = 3) -> Scored:
    """Runs one engine, and looks at its memory meanwhile; anew, where Ray took more than the 30 s that it gives itself.

    Raises:
        RuntimeError: it failed.
    """
    began, peak, killed = time.monotonic(), 0.0, "killed" not in engine
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | RAY) as process,  # noqa: S603
    ):
        while process.poll() is None:
            with suppress(OSError):  # a process ended between two looks
                peak = max(peak, resident_mb(process.pid))
            killed = killed or _kill_one_at_work(process.pid)
            time.sleep(0.2)
        seconds = time.monotonic() - began
        said.seek(0)
        if process.returncode and _SLOW in said.read() and tries > 1:
            return run(engine, command, photos, out, tries - 1)
        said.seek(0)
        if process.returncode or not killed:
            raise RuntimeError(f"{engine} ended with {process.returncode}: {said.read()[-2000:].decode()}")
    return Scored(engine, sum(1 for _ in photos.rglob("*.jpg")), seconds, peak, digest(out))


def _kill_one_at_work(pid: int) -> bool:
    """Kills an actor below ``pid`` that has its models and some pictures behind it; tells whether there was one."""
    for child in below(pid):
        with suppress(OSError):
            if b"ScoreBatch" in Path(f"/proc/{child}/cmdline").read_bytes() and own_cpu_s(child) > _AT_WORK_S:
                os.kill(child, signal.SIGKILL)
                return True
    return False


def digest(out: Path) -> str:
    """Of all rows, in the order of pictures, whichever files they lie in."""
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    table = pq.read_table(out, partitioning=None).sort_by([("file", "ascending"), ("model", "ascending")])
    told = hashlib.sha256()
    for batch in table.to_batches(max_chunksize=10_000):
        told.update(repr(batch.to_pylist()).encode())
    return told.hexdigest()


def table(found: list[Scored]) -> str:
    """A line for each engine."""
    lines = ["| engine | pictures | seconds | pictures a second | memory at most, MB | rows |", "|---|" + "---:|" * 5]
    for one in found:
        same = "the same" if one.digest == found[0].digest else "others"
        rate = f"{one.pictures / one.seconds:,.0f}"
        lines.append(f"| {one.engine} | {one.pictures:,} | {one.seconds:.0f} | {rate} | {one.peak_mb:,.0f} | {same} |")
    return "\n".join(lines)


def main(
    pictures: Annotated[int, typer.Option(min=1, help="How many.")] = 20_000,
    model: Annotated[str, typer.Option(help="Which is asked.")] = "orientation-small",
    only: Annotated[list[str] | None, typer.Option(help="An engine; may be given again. Else all.")] = None,
    page: Annotated[
        Path | None, typer.Option(exists=True, help="Page whose table is written anew, as docs/scale.md.")
    ] = None,
) -> None:
    """Scores a folder with each engine."""
    if unknown := set(only or ()) - commands(Path(), Path(), model).keys():
        raise typer.BadParameter(f"{min(unknown)!r} is none of {', '.join(map(repr, commands(Path(), Path(), model)))}")
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        album(photos, pictures)
        found = []
        for number, engine in enumerate(only or commands(photos, photos, model)):
            out = Path(folder, f"scores{number}")
            found.append(run(engine, commands(photos, out, model)[engine], photos, out))
            typer.echo(table(found).splitlines()[-1])
    typer.echo(table(found))
    if len({one.digest for one in found}) > 1:
        raise typer.Exit(1)
    if page is not None:
        put(page, "engines", table(found))


if __name__ == "__main__":
    typer.run(main)
