"""Spark: ``score`` for ``DataFrame.mapInArrow``; each Python worker loads the models once.

    photos = spark.read.format("binaryFile").load("/archive").selectExpr("path AS file", "content AS data")
    photos.mapInArrow(score, SCHEMA).write.parquet("/scores")

Spark's own commit keeps a task that is tried again from writing its rows twice.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark import TaskContext

from models.errors import RequestError
from serving.scoring.parquet import SCHEMA as ROW
from serving.scoring.picture import Picture
from serving.scoring.scorer import ScorerOfBatches
from serving.settings import Settings

SCHEMA = (
    "file STRING, model STRING, version STRING, label STRING, probability DOUBLE, certain BOOLEAN, "
    "probabilities STRING, attributes STRING, error STRING"
)
"""What ``score`` makes: the columns of ``loupe score``."""


def score(batches: Iterator[pa.RecordBatch], models: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A row for each picture and model, or one with an error.

    The workers' ``LOUPE_…`` variables (``spark.executorEnv.LOUPE_MODELS``) say where the models are, and the like.

    Args:
        batches: with a column ``file``, which names a picture, and ``data``, its bytes; without ``data``, ``file`` is a
            path or address that every worker can read.
        models: which are asked, where ``functools.partial`` gives them; None: those that are by default.

    Raises:
        RequestError: there is no column ``file``.
        LoupeError: a model is not there or wrong, or a store fails; Spark tries the task again.
    """
    scorer = _scorer(None if models is None else tuple(models))
    for batch in batches:
        if "file" not in batch.schema.names:
            raise RequestError(f"there is no column file; there are: {', '.join(batch.schema.names)}")
        rows = scorer.rows(_pictures(batch))
        yield from pa.Table.from_pylist(rows, ROW).to_batches()


def _pictures(batch: pa.RecordBatch) -> Iterator[Picture]:
    held = "data" in batch.schema.names
    for number in range(batch.num_rows):
        name = batch["file"][number].as_py()
        yield Picture(name, "" if held else name, (batch["data"][number].as_py() or b"") if held else None)


@cache
def _scorer(models: tuple[str, ...] | None) -> ScorerOfBatches:
    """One for all tasks of a worker, which takes one after the other; its threads are the cores of a task."""
    settings = Settings.load()
    task = TaskContext.get()
    if settings.threads is None and task is not None:
        settings = settings.model_copy(update={"threads": task.cpus()})
    return ScorerOfBatches(settings, models)
