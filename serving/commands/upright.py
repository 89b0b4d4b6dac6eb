"""loupe upright: turns photos upright, in files and trees of folders; tells what it would do unless told to do it."""

import asyncio
import shlex
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import RequestError
from models.metadata import ModelMetadata
from serving.album.album import Album
from serving.commands.choosing import choose_turning
from serving.commands.common import (
    FAILED,
    DeviceOption,
    ModelsOption,
    one_sentence,
    options_given,
    progress_bar,
    shown,
)
from serving.commands.exclusions import Exclusions
from serving.commands.gallery import Gallery
from serving.commands.outcome import Outcome, Report
from serving.commands.tally import other_files, tell_none, tell_others
from serving.commands.turning import Turner, Turning
from serving.scoring.pipeline import in_order
from serving.scoring.walking import TURNED, photos, trees
from serving.service import PredictionService
from serving.settings import Settings
from serving.upright.straightening import MODEL, Straightener
from serving.upright.tasks import Method

_WITH_UNDO = ("undo", "as_json", "as_csv", "models")  # whose folder may be given by habit
_PAGES = (".html", ".htm")


def upright(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH…", help="Photos, and folders of photos.", show_default=False)
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Turn them; without, it only tells what it would do.")] = False,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Put back what this loupe-undo-….jsonl tells of."),
    ] = None,
    method: Annotated[
        Method, typer.Option(help="tag: change the EXIF orientation alone; pixels: turn what is stored.")
    ] = "tag",
    min_probability: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Turn no photo below it, besides those that the model is not certain of. Where the model has no "
            "threshold of its own, and so is never certain, this is your own bar in its place.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="The model that is asked; orientation-small is five times as fast, and less often certain."),
    ] = MODEL,
    again: Annotated[bool, typer.Option("--again", help="Propose photos again that --undo has put back.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would do, as without --apply.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A page of what would be turned, before and after, to untick what is to stay."
        ),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Leave the photos and folders alone that this list names, a path a line."),
    ] = None,
    sidecars: Annotated[
        bool, typer.Option("--sidecars", help="Write XMP files beside the photos, and not the photos.")
    ] = False,
    apart: Annotated[
        bool,
        typer.Option("--apart", help="Turn a RAW file's JPEG, a live photo's picture and the like without the other."),
    ] = False,
    split_links: Annotated[
        bool, typer.Option("--split-hard-links", help="Turn files of several names, under the one found alone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each photo.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, a row for each photo.")] = False,
    models: ModelsOption = None,
    device: DeviceOption = None,
) -> None:
    """Turns photos upright where that is certain. A dry run, unless --apply is given.

    Reads JPEG, PNG, WebP, TIFF, HEIC and AVIF files; hidden ones and links are passed over.

    --apply replaces each photo in one step, and keeps its times and mode.
    Before, it writes an undo log into PATH. Interrupted, it goes on where it ended.

    A photo that was put back is left alone unless --again is given, one that was changed by hand since for ever:
    PATH/.loupe-upright.sqlite3 remembers it. Write-protected ones stay, too.

    Exit status 0, also if photos were skipped or uncertain; 1 if one failed or there is none; 2 for a wrong command.
    """
    if (undo is None) == (not paths):
        raise typer.BadParameter("give either PATH… or --undo LOG")
    if undo is not None:
        _refuse_beside_undo(context)
    if html is not None and html.suffix.lower() not in _PAGES:
        raise typer.BadParameter(f"--html takes a file that ends in .html, not {shown(html)}")
    if apply and (dry_run or html is not None):
        raise typer.BadParameter("--apply is no dry run")
    if sidecars and method == "pixels":
        raise typer.BadParameter("--sidecars changes no pixels")
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    with one_sentence():
        report = Report("json" if as_json else "csv" if as_csv else "table")
        if undo is not None:
            _undo(undo, report)
        else:
            settings = Settings.load(models=models, device=device)
            try:
                excluded = Exclusions() if exclude is None else Exclusions.read(exclude)
                turning = Turning(method, min_probability, apply, again, split_links, apart, sidecars, excluded)
                asyncio.run(_turn(settings, model, paths or [], report, turning, html))
            except KeyboardInterrupt:
                report.end()
                raise
    if report.counts["failed"] or (undo is None and not report.counts.total()):
        raise typer.Exit(FAILED)


def _refuse_beside_undo(context: typer.Context) -> None:
    """Whatever would be overlooked: whoever adds --dry-run believes that nothing is put back."""
    given = [option for name, option in options_given(context).items() if name not in _WITH_UNDO]
    if given:
        raise typer.BadParameter(f"--undo takes --json or --csv alone, and no {', '.join(given)}")


def _undo(log: Path, report: Report) -> None:
    if not log.is_file():
        raise RequestError(f"there is no undo log {log}")
    with Album(log.parent, judge="") as album, progress_bar(beside_lines=report.as_lines) as bar:
        for undone in bar.track(album.undo(log), description="putting back"):
            report.add(Outcome(undone.photo, undone.action, reason=undone.reason))
    report.end()
    if not report.counts["restored"] and not report.counts["failed"]:
        Console(stderr=True, highlight=False).print("There is nothing left to put back.")


async def _turn(
    settings: Settings, model: str, paths: list[Path], report: Report, turning: Turning, html: Path | None
) -> None:
    service = PredictionService.load(settings, only=[model])
    straightener = Straightener(service, model)
    try:
        with ExitStack() as stack:
            metadata = choose_turning(service, model)
            judge = turning.judge(metadata)
            albums = {tree: _open(tree, judge, turning, stack) for tree in trees(paths)}
            bar = stack.enter_context(progress_bar(beside_lines=report.as_lines))
            task = bar.add_task("turning" if turning.apply else "looking", total=sum(1 for _ in photos(paths, TURNED)))
            turner = Turner(turning, straightener, settings, albums)
            gallery = None if html is None else stack.enter_context(closing(_gallery(html, settings)))
            async for outcome, proposal in in_order(photos(paths, TURNED), turner.turn, settings):
                report.add(outcome)
                if gallery is not None and proposal is not None:
                    gallery.add(outcome, proposal.photo.real, proposal.seen)
                bar.advance(task)
    finally:
        service.close()
    report.end()
    if not report.counts.total():
        tell_none(paths)
    tell_others(other_files(paths, TURNED))
    _tell_what_next(report, turning, metadata, html)


def _open(tree: Path, judge: str, turning: Turning, stack: ExitStack) -> Album:
    album = Album(tree, judge, read_only=not turning.apply)
    stack.callback(_tell_end, album)  # once it is closed: until then threads may begin the log
    return stack.enter_context(album)


def _gallery(path: Path, settings: Settings) -> Gallery:
    try:
        return Gallery(path, settings.image_limits)
    except OSError as error:
        raise RequestError(f"the page {path} cannot be written: {error.strerror}") from None


def _tell_end(album: Album) -> None:
    console = Console(stderr=True, highlight=False)
    if album.trouble:
        console.print(f"Some photos will be looked at again, as {album.trouble}.", soft_wrap=True, markup=False)
    if album.log.begun:
        path = album.log.path.relative_to(Path.cwd()) if album.log.path.is_relative_to(Path.cwd()) else album.log.path
        undo = f"loupe upright --undo {shlex.quote(shown(path))}"
        console.print(f"To put them back: {undo}", soft_wrap=True, markup=False)


def _tell_what_next(report: Report, turning: Turning, metadata: ModelMetadata, html: Path | None) -> None:
    console = Console(stderr=True, highlight=False)
    if html is not None:
        console.print(
            f"Look through {shown(html)} in a browser, before anything is turned.", soft_wrap=True, markup=False
        )
    if overlooked := turning.excluded.overlooked():
        console.print(f"Of --exclude, these named no photo here: {overlooked}.", soft_wrap=True, markup=False)
    if report.counts["would_turn"]:
        console.print("Nothing was changed. --apply turns them, and writes a log to undo it.", soft_wrap=True)
    if turning.min_probability is None and all(label.certain_from is None for label in metadata.labels):
        console.print(
            f"The model {metadata.name} {metadata.version} has no threshold at which it is certain, so nothing is "
            "turned; --min-probability 0.9, say, sets your own.",
            soft_wrap=True,
        )
