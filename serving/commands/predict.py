"""loupe predict: asks models about files and trees of folders; tells the answers, or keeps them in a file."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from models.errors import LoupeError, ModelNotFoundError
from serving.commands.common import FAILED, DeviceOption, ModelsOption, console, one_sentence
from serving.commands.pipeline import in_order, progress_bar, read_photo
from serving.commands.score import Score, ScoreTable
from serving.commands.score_file import SUFFIXES, open_scores
from serving.commands.tally import Tally, other_files
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
    """Asks models about photos.

    With --output, files that failed are asked about again whenever it goes on.
    Exit status 1 if a file failed or there is none, 2 for a wrong command.
    """
    if output is not None and (output.suffix.lower() not in SUFFIXES or as_json):
        raise typer.BadParameter(f"--output takes a file that ends in {', '.join(SUFFIXES)}, and no --json")
    with one_sentence():
        settings = Settings.load(models=models, device=device)
        tally = asyncio.run(_predict(settings, model, paths, output, as_json=as_json))
    if tally.failed or not tally.found:
        raise typer.Exit(FAILED)


async def _predict(
    settings: Settings, names: list[str] | None, paths: list[Path], output: Path | None, *, as_json: bool
) -> Tally:
    service = PredictionService.load(settings)
    try:
        asked = [service.classifier(name).metadata.name for name in names or service.default_names]
        scorer, tally = _Scorer(service, asked), Tally(paths, sum(1 for _ in photos(paths, READ)))
        if output is not None:
            await _keep(scorer, paths, output, tally)
        else:
            await _tell(scorer, paths, tally, as_json=as_json)
        tally.tell(other_files(paths, READ))
        return tally
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None
    finally:
        service.close()


class _Scorer:
    def __init__(self, service: PredictionService, names: list[str]) -> None:
        self._service = service
        self.names = names

    async def score(self, photo: Photo) -> Score:
        """The answer of every model for one photo, as the server would give it."""
        try:
            data = await asyncio.to_thread(read_photo, photo.path, self._service.settings)
            answers = await self._service.predict(self.names, [data])
        except (LoupeError, OSError) as error:
            return Score(str(photo.path), error, {})
        return Score(str(photo.path), answers.images[0], answers.versions)

    @property
    def settings(self) -> Settings:
        """Of the service."""
        return self._service.settings


async def _tell(scorer: _Scorer, paths: list[Path], tally: Tally, *, as_json: bool) -> None:
    table = ScoreTable()
    with progress_bar() as bar:
        task = bar.add_task("asking", total=tally.found)
        async for score in in_order(photos(paths, READ), scorer.score, scorer.settings):
            tally.add(score)
            if as_json:
                typer.echo(json.dumps(score.to_json()))
            else:
                table.add(score)
            bar.advance(task)
    if not as_json and tally.found:
        console().print(table.rich())


async def _keep(scorer: _Scorer, paths: list[Path], output: Path, tally: Tally) -> None:
    with open_scores(output, scorer.names) as scores, progress_bar() as bar:
        answered, failed = scores.told.answered, scores.told.failed
        scores.forget_failures({str(photo.path) for photo in photos(paths, READ)} if failed else ())
        task = bar.add_task("asking", total=tally.found)
        new = (photo for photo in photos(paths, READ) if str(photo.path) not in answered)
        before = sum(1 for photo in photos(paths, READ) if str(photo.path) in answered)
        bar.advance(task, before)
        async for score in in_order(new, scorer.score, scorer.settings):
            tally.add(score)
            scores.write(score)
            bar.advance(task)
    told = f"{output}: {scores.written:,} files asked about now, {before:,} before; {tally.failed:,} failed."
    console(stderr=True).print(told, soft_wrap=True, markup=False)
