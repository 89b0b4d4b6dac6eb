"""Together: one worker's side of a training on several machines.

What learns is a process of its own: JAX ends it without a word where another one is gone, and this one can tell why.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from models.errors import TrainingError
from models.extras import how_to_install
from training.fitting.meeting import AGAIN, Meeting, meet
from training.fitting.workers import Workers
from training.pipeline.beginning import Run
from training.pipeline.worker import SAID, Work

_BLAME_S = 10
"""Where this process failed, so long may another one's end, which would be the reason, take to be told."""


def train_together(run: Run, workers: Workers, *, resume: bool, mlflow: Path | None = None) -> None:
    """Fits the network, each worker on its share of every batch; all end with the same weights.

    Args:
        run: of this worker, which has a run folder and the photos of its own.
        workers: all, and which one this is.
        resume: all go on from the first one's checkpoint.
        mlflow: where the first one logs.

    Raises:
        TrainingError: JAX is missing, the workers differ, one of them ended, or the training failed.
    """
    facts = _facts(run, resume)
    with meet(workers, facts, run.folder.kept() if resume else {}) as meeting, tempfile.TemporaryDirectory() as folder:
        if not workers.first:
            run.folder.take(meeting.kept)
        told, said = Path(folder, "weights"), Path(folder, "said")
        work = Work(
            run=str(run.folder.path.resolve()),
            number=workers.number,
            of=len(workers.addresses),
            host=workers.addresses[workers.number].host,
            coordinator=str(meeting.coordinator),
            told=str(told),
            resume=resume,
            mlflow=str(mlflow.resolve()) if mlflow and workers.first else None,
        )
        with said.open("w+b") as stderr, _begun(work, stderr) as process:
            while process.poll() is None:
                meeting.listen(0.2)
        if process.returncode:
            raise _failed(process.returncode, said.read_text(errors="replace"), meeting, workers)
        meeting.done(told.read_text() if told.exists() else "")


def _facts(run: Run, resume: bool) -> dict[str, str]:
    photos = sha256()
    for photo in run.manifest.photos:
        photos.update(f"{photo.sha256} {photo.label} {photo.source} {photo.split}\n".encode())
    try:
        versions = f"Keras {version('keras')}, JAX {version('jax')}"
    except PackageNotFoundError:
        raise TrainingError(f"--workers needs the extra `workers`: {how_to_install('workers')}") from None
    return {
        "recipe": sha256(run.recipe.to_toml().encode()).hexdigest(),
        "list of photos": photos.hexdigest(),
        "version of Keras or JAX": versions,
        "choice of --resume": str(resume),
    }


@contextmanager
def _begun(work: Work, stderr: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process that learns; it ends with this one, which holds its stdin."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = kept | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "training.pipeline.worker", work.written()]
    with subprocess.Popen(  # noqa: S603 - this very Python
        command, stdin=subprocess.PIPE, stderr=stderr, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _failed(status: int, said: str, meeting: Meeting, workers: Workers) -> TrainingError:
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    if status == SAID:
        return TrainingError(last)
    if -status == signal.SIGKILL:
        return TrainingError(f"the process of {workers.told(workers.number)} was killed; {AGAIN}")
    try:
        meeting.listen(_BLAME_S)
    except TrainingError as gone:
        return gone
    sys.stderr.write(said)
    return TrainingError(f"{workers.told(workers.number)} failed: {last}")
