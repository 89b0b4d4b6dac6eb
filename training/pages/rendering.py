"""Pages as a folder of training photos: drawn from a seed, with the facts that a scan reads in ``manifest.csv``."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.progress import track

from models.errors import TrainingError
from training.pages.camera import photographed
from training.pages.layouts import LAYOUTS, Layout
from training.pages.sheet import Colour, Sheet
from training.pages.writing import Script, scripts, usable

_SHORT_SIDE = 576  # pixels of a sheet: three times the photo's, so that letters are drawn and then reduced
_UNSEEN_SCRIPT = 0.2  # share of the test pages that are written in a script that is held back


class Page(NamedTuple):
    """An upright page: its JPEG file, and what it shows."""

    jpeg: bytes
    layout: str
    script: str
    font: str


def write_pages(folder: Path, count: int, seed: int, *, held_back: bool = False) -> None:
    """Renders pages into ``folder/<layout>/``, and ``manifest.csv`` beside them.

    Args:
        folder: is made; photos that lie there stay.
        count: how many.
        seed: the same seed gives the same pages, where the same fonts are installed.
        held_back: pages to test on: of layouts, or in scripts, and always in fonts that no page to learn from has.

    Raises:
        TrainingError: fontconfig is missing, or there are no fonts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "source", "licence", "layout", "script", "font"))
        for index in track(range(count), "rendering pages", total=count):
            page = rendered(np.random.default_rng((seed, index)), held_back=held_back)
            name = f"{page.layout}/{index:05d}.jpg"
            (folder / page.layout).mkdir(exist_ok=True)
            (folder / name).write_bytes(page.jpeg)
            writer.writerow((name, f"pages_{page.layout}", "rendered", page.layout, page.script, page.font))


def rendered(rng: np.random.Generator, *, held_back: bool) -> Page:
    """One page; see ``write_pages``."""
    script, files = _drawn_script(rng, held_back)
    family = sorted(files)[rng.integers(len(files))]
    name = _drawn_layout(rng, held_back)
    sheet = _sheet(LAYOUTS[name], script, files[family], rng)
    LAYOUTS[name].write(sheet)
    return Page(photographed(sheet.image, rng), name, script.name, family)


def _drawn_script(rng: np.random.Generator, held_back: bool) -> tuple[Script, Mapping[str, tuple[str, ...]]]:
    unseen = held_back and rng.random() < _UNSEEN_SCRIPT
    fonts = {script: usable(script, held_back=held_back) for script in scripts() if script.held_back == unseen}
    known = [script for script, families in fonts.items() if families]
    if not known:
        raise TrainingError("no font can write a page; install some, such as Debian's fonts-dejavu and fonts-noto-core")
    shares = np.array([script.share for script in known])
    script = known[rng.choice(len(known), p=shares / shares.sum())]
    return script, fonts[script]


def _drawn_layout(rng: np.random.Generator, held_back: bool) -> str:
    """Half of the test pages are of a layout that is held back."""
    unseen = held_back and bool(rng.random() < 0.5)
    names = [name for name, layout in LAYOUTS.items() if layout.held_back == unseen]
    return names[rng.integers(len(names))]


def _sheet(layout: Layout, script: Script, files: tuple[str, ...], rng: np.random.Generator) -> Sheet:
    aspect = rng.uniform(*layout.aspects)
    size = (_SHORT_SIDE, round(_SHORT_SIDE * aspect)) if aspect > 1 else (round(_SHORT_SIDE / aspect), _SHORT_SIDE)
    lines = np.exp(rng.uniform(*np.log(layout.lines)))
    ink, paper = _colours(rng)
    return Sheet(rng, script, files, Image.new("RGB", size, paper), ink, size[1] / lines)


def _colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Of ink and paper: mostly dark on white, else any two that can be told apart, light on dark too."""
    if rng.random() < 0.8:
        paper = rng.integers(225, 256) + rng.integers(-18, 1, 3)
        ink = rng.integers(0, 70, 3)
    else:
        paper, ink = rng.integers(0, 256, (2, 3))
        while abs(int(paper.sum()) - int(ink.sum())) < 250:
            paper, ink = rng.integers(0, 256, (2, 3))
    return tuple(map(int, ink)), tuple(int(min(255, level)) for level in paper)  # type: ignore[return-value]
