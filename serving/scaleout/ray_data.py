"""Ray Data: pictures go to actors that hold models, on all nodes; their rows come back to whoever writes them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import ray
import ray.data
from ray.data.block import BlockMetadata
from ray.exceptions import RayError

from models.errors import LoupeError, ServiceError
from serving.scoring.names import Names
from serving.scoring.parquet import SCHEMA as ROW
from serving.scoring.parts import names_in
from serving.scoring.picture import Picture
from serving.scoring.score import Row
from serving.scoring.scorer import ScorerOfBatches
from serving.scoring.sources import Source
from serving.settings import Settings

PICTURE = pa.schema([("name", pa.string()), ("place", pa.binary()), ("data", pa.large_binary())])
"""A picture in a block of Ray's; paths need not be text."""

_BLOCK_BYTES = 64 * 1024  # a few hundred paths, or one photo; else all of a million paths would go to one actor
_CPU_BATCH, _GPU_BATCH = 64, 512  # pictures that one call of an actor takes
_BLOCK_ROWS = 64


class ScoreBatch:
    """An actor that holds models, for ``Dataset.map_batches``: a table of ``PICTURE`` in, a table of rows out."""

    def __init__(self, settings: Settings, models: Sequence[str] | None = None) -> None:
        """Loads the models.

        Raises:
            LoupeError: as ``ScorerOfBatches``.
        """
        self._scorer = ScorerOfBatches(settings, models)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Judges the pictures of one batch."""
        pictures = (Picture(row["name"], os.fsdecode(row["place"]), row["data"]) for row in batch.to_pylist())
        return pa.Table.from_pylist(self._scorer.rows(pictures), ROW)


def rows_on_ray(
    sources: Sequence[Source], settings: Settings, models: Sequence[str] | None, parts: Sequence[Path]
) -> Iterator[list[Row]]:
    """Yields all rows of some pictures at a time, in no order.

    A killed actor's work is done again. The cluster is the one that ``RAY_ADDRESS`` names, or this machine.

    Args:
        sources: what is to be judged; they are listed on this node, and what is no more than a path is read by actors.
        settings: of the actors; models and pictures must be where each node finds them, such as at a store.
        models: which are asked; None: those that are by default.
        parts: where pictures are told that have their rows already; they do not change meanwhile.

    Raises:
        LoupeError: a source or a store fails, or a model is wrong.
        ServiceError: Ray fails.
    """
    _begin()
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = _BLOCK_BYTES
    context.enable_progress_bars = False
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    pictures = ray.data.read_datasource(
        _Pictures(sources, parts), override_num_blocks=len(sources), num_cpus=0, label_selector=here
    )
    try:
        scores = pictures.map_batches(ScoreBatch, batch_format="pyarrow", **_actors(settings, models))
        for table in scores.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield table.to_pylist()
    except RayError as error:
        raise _cause(error) from None


def _begin() -> None:
    try:
        ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # Ray has no class for what may be wrong here
        raise ServiceError(f"Ray can neither be reached nor begun: {_sentence(error)}") from None


class _Pictures(ray.data.Datasource):  # type: ignore[misc]  # Ray has no types here
    """Each source is listed by one task, which is begun anew where it fails, and then yields the same again."""

    def __init__(self, sources: Sequence[Source], parts: Sequence[Path]) -> None:
        super().__init__()
        self._sources, self._parts = sources, parts

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: object, **__: object) -> list[ray.data.ReadTask]:
        nothing = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ray.data.ReadTask(partial(_blocks, source, self._parts), nothing) for source in self._sources]


def _blocks(source: Source, parts: Iterable[Path]) -> Iterator[pa.Table]:
    known = Names()
    for name in names_in(parts):
        known.add(name)
    coming = (picture for picture in source.pictures() if known.add(picture.name))
    for first in coming:
        rest = islice(coming, _BLOCK_ROWS - 1 if first.data is None else 0)
        rows = [one._asdict() | {"place": os.fsencode(one.place)} for one in chain([first], rest)]
        yield pa.Table.from_pylist(rows, PICTURE)


def _actors(settings: Settings, models: Sequence[str] | None) -> dict[str, Any]:
    """One for each GPU, which gets its share of the cores to decode with; without GPUs one for each core."""
    found = ray.cluster_resources()
    gpus = 0 if settings.device == "cpu" else int(found.get("GPU", 0))
    cores = max(int(found.get("CPU", 1)) // (gpus or int(found.get("CPU", 1)) or 1), 1)
    own = settings.model_copy(update={"threads": settings.threads or cores})
    count = gpus or max(int(found.get("CPU", 1)), 1)
    return {
        "fn_constructor_args": [own, models],
        "compute": ray.data.ActorPoolStrategy(min_size=1, max_size=count, initial_size=count),
        "num_cpus": cores,
        "num_gpus": 1 if gpus else None,
        "batch_size": _GPU_BATCH if gpus else _CPU_BATCH,
    }


def _cause(error: BaseException) -> LoupeError:
    """The error of ours that Ray wraps, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, LoupeError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    return ServiceError(f"Ray fails: {_sentence(error)}")


def _sentence(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1]
