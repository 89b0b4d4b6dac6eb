"""loupe score: asks models about millions of pictures, wherever they are kept, and keeps the answers as Parquet."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.errors import RequestError
from models.extras import how_to_install
from serving.commands.choosing import choose, refusing_others
from serving.commands.common import FAILED, DeviceOption, ModelsOption, one_sentence
from serving.commands.pace import Pace
from serving.commands.tally import tell_none
from serving.scoring.picture import Picture
from serving.scoring.scorer import Scorer
from serving.scoring.sources import Source
from serving.scoring.sources.table import Columns
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.scoring.parts import Parts


def score(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…",
            help="Folders, photos, tar archives (WebDataset), Parquet or CSV tables, and addresses of such at a store "
            "(s3://bucket/photos).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Keep the answers in this folder; go on with it if it is there."),
    ],
    model: Annotated[
        list[str] | None, typer.Option(help="Model to ask; may be repeated. Without: all default ones.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="A table's column of bytes, or of paths and addresses. Without: found by type and name."),
    ] = None,
    name_column: Annotated[
        str | None, typer.Option(help="A table's column that names the pictures. Without: found by its name.")
    ] = None,
    engine: Annotated[
        Literal["here", "ray"],
        typer.Option(help="here: this machine; ray: the cluster at RAY_ADDRESS, or one begun here (extra `ray`)."),
    ] = "here",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again about pictures that have a row with an error.")
    ] = False,
    models: ModelsOption = None,
    device: DeviceOption = None,
) -> None:
    """Asks models about millions of pictures, and keeps a row for each picture and model as Parquet.

    A picture that cannot be read or used has a row that says why. DIR holds Parquet files, each of which appears
    whole; after a crash, or a kill, the same command goes on, and no picture gets a second row. A picture that comes
    again under the same name is passed over. Paths in a table are as seen from the table's place.

    Exit status 0 once each picture has its row, also one with an error; 1 if that could not be done or there was
    none; 2 for a wrong command.
    """
    with one_sentence():
        _refuse_missing(engine)
        settings = Settings.load(models=models, device=device)
        wanted = [Source(place, Columns(column, name_column), settings.max_image_bytes + 1) for place in sources]
        with Pace() as pace, refusing_others("--out"):
            if engine == "ray":
                _score_on_ray(settings, model, wanted, out, pace, retry_failed=retry_failed)
            else:
                asyncio.run(_score_here(settings, model, wanted, out, pace, retry_failed=retry_failed))
    pace.tell(out)
    if not pace.pictures:
        tell_none(sources)
        raise typer.Exit(FAILED)


def _refuse_missing(engine: str) -> None:
    if find_spec("pyarrow") is None:
        raise RequestError(f"loupe score needs the extra `parquet`: {how_to_install('parquet')}")
    if engine == "ray" and find_spec("ray") is None:
        raise RequestError(f"--engine ray needs the extra `ray`: {how_to_install('ray')}")


async def _score_here(
    settings: Settings,
    names: Sequence[str] | None,
    sources: Iterable[Source],
    out: Path,
    pace: Pace,
    *,
    retry_failed: bool,
) -> None:
    from serving.scoring.parts import open_parts

    with Scorer(settings, only=names or ()) as scorer:
        choose(scorer, names)
        with open_parts(out, scorer.versions, forget_failures=retry_failed) as parts:
            async for one in scorer.scores(_new(sources, parts, pace)):
                pace.add(parts.add(one.rows()), of=1)


def _score_on_ray(
    settings: Settings,
    names: Sequence[str] | None,
    sources: Sequence[Source],
    out: Path,
    pace: Pace,
    *,
    retry_failed: bool,
) -> None:
    """This process writes, and nobody else: so a task that Ray tries again doubles no rows."""
    from serving.scaleout.ray_data import rows_on_ray
    from serving.scoring.parts import open_parts, parts_in

    # A model that is wrong is told at once; it is given up again before actors load it.
    with Scorer(settings, only=names or ()) as scorer:
        choose(scorer, names)
    with open_parts(out, scorer.versions, forget_failures=retry_failed) as parts:
        pace.skipped = parts.before
        for rows in rows_on_ray(sources, settings, names, [part.resolve() for part in parts_in(out)]):
            pace.add(parts.add(rows), of=len({row["file"] for row in rows}))


def _new(sources: Iterable[Source], parts: "Parts", pace: Pace) -> Iterator[Picture]:
    for source in sources:
        for picture in source.pictures():
            if picture.name in parts.known:
                pace.skip()
            else:
                yield picture
