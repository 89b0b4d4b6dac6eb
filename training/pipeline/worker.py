"""The process of one worker: it learns together with those of the others, and ends with whoever began it.

python -m training.pipeline.worker '{"run": …}'    is what ``together`` begins, with its end of a pipe as stdin
"""

import json
import os
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from models.errors import LoupeError, TrainingError
from training.networks.backend import import_keras

SAID = 3
"""Its status where the last line on stderr says all."""


@dataclass(frozen=True)
class Work:
    """What one worker is to do.

    Attributes:
        run: its folder.
        number: its own, from 0.
        of: workers.
        host: this machine's name or address among them.
        coordinator: where JAX's processes meet.
        told: the file that gets a digest of the weights, once they are learned.
        resume: goes on from the folder's checkpoint.
        mlflow: a folder to log to as well.
    """

    run: str
    number: int
    of: int
    host: str
    coordinator: str
    told: str
    resume: bool
    mlflow: str | None

    @classmethod
    def read(cls, text: str) -> Self:
        """What ``written`` wrote."""
        return cls(**json.loads(text))

    def written(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))


def learn(work: Work) -> None:
    """Fits the run's network together with the other workers.

    Raises:
        TrainingError: as ``fit`` and ``on_machines``.
    """
    from training.fitting.devices import on_machines
    from training.fitting.fit import fit
    from training.fitting.tracking import MlflowLog
    from training.photos.share import Share
    from training.pipeline.beginning import open_run
    from training.pipeline.pipeline import photos_to_learn
    from training.pipeline.placement import Placement

    run = open_run(Path(work.run))
    learned, watched = photos_to_learn(run)
    logs = [MlflowLog(Path(work.mlflow), run.recipe, run.folder)] if work.mlflow else []
    with on_machines(work.coordinator, work.number, work.of, run.recipe.fit.batch_size) as devices:
        check_name(work.host, on_cpu="cpu" in devices[0].lower())
        placement = Placement(f"worker {work.number} of {work.of}", devices, Path(work.told))
        share = Share(work.number, work.of)
        callbacks = [placement, *logs]
        fit(run.recipe, run.task, learned, watched, run.folder, resume=work.resume, callbacks=callbacks, share=share)


def check_name(host: str, *, on_cpu: bool) -> None:
    """On CPUs, JAX's processes reach each other at what a machine's own name leads to.

    Raises:
        TrainingError: it leads back to itself, where the other workers use an address of the network.
    """
    name = socket.gethostname()
    leads_to = socket.gethostbyname(name)
    if on_cpu and leads_to.startswith("127.") and not socket.gethostbyname(host).startswith("127."):
        raise TrainingError(f"this machine's own name, {name}, leads to {leads_to}; let it lead to {host} (/etc/hosts)")


def main() -> None:
    """Runs it; the status is ``SAID`` for an error of ours."""
    threading.Thread(target=_end_with_whoever_began, daemon=True).start()
    try:
        import_keras(exports=False)
        learn(Work.read(sys.argv[1]))
    except LoupeError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - it is what a program says
        os._exit(SAID)  # JAX would wait for the others at its own exit


def _end_with_whoever_began() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
