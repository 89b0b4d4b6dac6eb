"""What all examples share: where pictures go, their colours, and PNGs small enough to be committed."""

from argparse import ArgumentParser
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps

PICTURES = Path(__file__).parent / "pictures"
# Of Okabe and Ito's palette, which colour-blind people can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#707070"
BARE = {"xticks": [], "yticks": [], "frame_on": False}  # axes that hold a picture
_DOTS_PER_INCH, _MARGIN = 130, 10
_WHITE = 255  # its place in the palette


def command_line(description: str | None) -> ArgumentParser:
    """A parser of the one argument that all examples take: the folder for the pictures."""
    parser = ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES, help="where the picture goes")
    return parser


def save(figure: Figure, folder: Path, name: str, *, dither: bool = False) -> Path:
    """Writes ``<folder>/<name>.png`` with a palette of 256 colours, about a quarter of the size of true colour.

    Args:
        figure: what is drawn.
        folder: made if it is not there.
        name: of the file, without its ending.
        dither: mixes the colours that are not in the palette; photos in colour need it, charts look better without.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    picture = ImageOps.expand(Image.open(buffer).convert("RGB"), _MARGIN, "white")
    reduced = picture.quantize(255)
    if dither:  # Pillow does it only for a palette that it is given
        reduced = picture.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG)
    # The nearest colour to white may be a light grey; the paper is to be white.
    palette = reduced.getpalette() or []
    reduced.putpalette([*palette[: 3 * _WHITE], *[0] * (3 * _WHITE - len(palette)), 255, 255, 255])
    reduced.paste(_WHITE, mask=Image.fromarray(np.asarray(picture).min(axis=2) == 255))
    path = folder / f"{name}.png"
    reduced.save(path, optimize=True)
    print(f"wrote {path}")
    return path
