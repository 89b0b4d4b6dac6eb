"""loupe predict: asks models about files and trees of folders; tells the answers, or keeps them in a file."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import LoupeError, ModelNotFoundError
from serving.commands.common import FAILED, DeviceOption, ModelsOption, one_sentence
from serving.commands.pipeline import in_order, progress_bar, read_photo
from serving.commands.score import Score, ScoreTable
from serving.commands.score_file import SUFFIXES, open_scores
from serving.commands.walking import READ, Photo, photos
from serving.service import PredictionService
from serving.settings import Settings


def predict(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Photos, and folders of photos.", show_default=False)
    ],
    model: Annotated[
        list[str] | None, typer.Option(help="Model to ask; may be repeated. Without: all default ones.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Keep the answers there ({', '.join(SUFFIXES)}); go on where it ends if it is there."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each file.")] = False,
    models: ModelsOption = None,
    device: DeviceOption = None,
) -> None:
    """Asks models about photos. Exit status 1 if a file failed."""
    if output is not None and (output.suffix.lower() not in SUFFIXES or as_json):
        raise typer.BadParameter(f"--output takes a file that ends in {', '.join(SUFFIXES)}, and no --json")
    with one_sentence():
        settings = Settings.load(models=models, device=device)
        failed = asyncio.run(_predict(settings, model, paths, output, as_json=as_json))
    if failed:
        raise typer.Exit(FAILED)


async def _predict(
    settings: Settings, names: list[str] | None, paths: list[Path], output: Path | None, *, as_json: bool
) -> int:
    """Returns how many files failed."""
    service = PredictionService.load(settings)
    try:
        asked = [service.classifier(name).metadata.name for name in names or service.default_names]
        scorer = _Scorer(service, asked)
        if output is not None:
            return await _keep(scorer, settings, paths, output)
        return await _tell(scorer, settings, paths, as_json=as_json)
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None
    finally:
        service.close()


class _Scorer:
    def __init__(self, service: PredictionService, names: list[str]) -> None:
        self._service = service
        self._names = names

    async def score(self, photo: Photo) -> Score:
        """The answer of every model for one photo, as the server would give it."""
        try:
            data = await asyncio.to_thread(read_photo, photo.path, self._service.settings)
            answers = await self._service.predict(self._names, [data])
        except (LoupeError, OSError) as error:
            return Score(str(photo.path), error, {})
        return Score(str(photo.path), answers.images[0], answers.versions)


async def _tell(scorer: _Scorer, settings: Settings, paths: list[Path], *, as_json: bool) -> int:
    table, failed = ScoreTable(), 0
    with progress_bar() as bar:
        task = bar.add_task("asking", total=sum(1 for _ in photos(paths, READ)))
        async for score in in_order(photos(paths, READ), scorer.score, settings):
            failed += score.failed
            if as_json:
                typer.echo(json.dumps(score.to_json()))
            else:
                table.add(score)
            bar.advance(task)
    if not as_json:
        Console().print(table.rich())
    return failed


async def _keep(scorer: _Scorer, settings: Settings, paths: list[Path], output: Path) -> int:
    failed = 0
    with open_scores(output) as scores, progress_bar() as bar:
        held = scores.held
        task = bar.add_task("asking", total=sum(1 for _ in photos(paths, READ)))
        found = sum(1 for photo in photos(paths, READ) if str(photo.path) in held)
        bar.advance(task, found)
        new = (photo for photo in photos(paths, READ) if str(photo.path) not in held)
        async for score in in_order(new, scorer.score, settings):
            failed += score.failed
            scores.write(score)
            bar.advance(task)
    told = f"{output}: {scores.written:,} files asked about now, {found:,} before; {failed:,} failed."
    Console(stderr=True, highlight=False).print(told, soft_wrap=True, markup=False)
    return failed
