"""loupe predict: asks models about files and trees of folders; tells the answers, or keeps them in a file."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from models.counted import counted
from serving.commands.choosing import choose, refusing_others
from serving.commands.common import FAILED, DeviceOption, ModelsOption, console, one_sentence, progress_bar
from serving.commands.score_table import ScoreTable
from serving.commands.tally import Tally, other_files
from serving.scoring.score_file import SUFFIXES, open_scores
from serving.scoring.scorer import Scorer
from serving.scoring.sources.folder import pictures_in
from serving.scoring.walking import READ, photos
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
    with Scorer(settings, only=names or ()) as scorer:
        choose(scorer, names)
        tally = Tally(paths, sum(1 for _ in photos(paths, READ)))
        if output is not None:
            await _keep(scorer, paths, output, tally)
        else:
            await _tell(scorer, paths, tally, as_json=as_json)
    tally.tell(other_files(paths, READ))
    return tally


async def _tell(scorer: Scorer, paths: list[Path], tally: Tally, *, as_json: bool) -> None:
    table = ScoreTable()
    with progress_bar(beside_lines=as_json) as bar:
        task = bar.add_task("asking", total=tally.found)
        async for score in scorer.scores(pictures_in(paths)):
            tally.add(score)
            if as_json:
                typer.echo(json.dumps(score.to_json()))
            else:
                table.add(score)
            bar.advance(task)
    if not as_json and tally.found:
        console().print(table.rich())


async def _keep(scorer: Scorer, paths: list[Path], output: Path, tally: Tally) -> None:
    with refusing_others("--output"), open_scores(output, scorer.versions) as scores, progress_bar() as bar:
        answered = scores.told.answered
        scores.forget_failures(picture.name for picture in pictures_in(paths))
        task = bar.add_task("asking", total=tally.found)
        before = sum(1 for picture in pictures_in(paths) if picture.name in answered)
        bar.advance(task, before)
        async for score in scorer.scores(one for one in pictures_in(paths) if one.name not in answered):
            tally.add(score)
            scores.write(score)
            bar.advance(task)
    told = f"{output}: {counted(scores.written, 'file')} asked about now, {before:,} before; {tally.failed:,} failed."
    console(stderr=True).print(told, soft_wrap=True, markup=False)
