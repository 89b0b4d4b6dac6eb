"""A sheet of paper, and what layouts are made of: lines, paragraphs, rules, boxes and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.pages.writing import Font, Script

Colour = tuple[int, int, int]
Place = tuple[float, float]  # pixels from the left, from the top


@dataclass
class Sheet:
    """An upright page while it is written.

    Attributes:
        rng: where every choice comes from.
        script: that it is written in.
        fonts: files of one family.
        image: the page, RGB.
        ink: colour of the text.
        pitch: from one line of the body to the next, in pixels.
    """

    rng: np.random.Generator
    script: Script
    fonts: tuple[str, ...]
    image: Image.Image
    ink: Colour
    pitch: float
    draw: ImageDraw.ImageDraw = field(init=False)
    _body: str = field(init=False)
    _loaded: dict[tuple[str, int], Font] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = ImageDraw.Draw(self.image)
        self._body = self.fonts[self.rng.integers(len(self.fonts))]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self.image.height

    def font(self, size: float, *, other: bool = False) -> Font:
        """The body's font in a size in pixels, or any of its family."""
        file = self.fonts[self.rng.integers(len(self.fonts))] if other else self._body
        key = file, max(6, round(size))
        if key not in self._loaded:
            self._loaded[key] = ImageFont.truetype(*key)
        return self._loaded[key]

    def words(self, fewest: int, most: int) -> str:
        """Between ``fewest`` and ``most`` words."""
        return self.script.text(self.rng, int(self.rng.integers(fewest, most + 1)))

    def line(self, text: str, place: Place, font: Font, width: float = 0.0, ink: Colour | None = None) -> None:
        """Writes one line; in a box of a ``width``, it stands at the side where the script's lines begin."""
        left, top = place
        if width and self.script.right_to_left:
            left += width - font.getlength(text)
        self.draw.text((left, top), text, fill=ink or self.ink, font=font)

    def centred(self, text: str, top: float, font: Font, ink: Colour | None = None) -> None:
        """Writes one line in the middle of the sheet."""
        self.draw.text(((self.width - font.getlength(text)) / 2, top), text, fill=ink or self.ink, font=font)

    def paragraph(
        self, place: Place, width: float, bottom: float, *, lines: int, justified: bool = False, indent: float = 0.0
    ) -> float:
        """Writes about ``lines`` lines of the body's text into a column, and returns where it ends: its bottom."""
        font, top = self.font(self.pitch * 0.72), place[1]
        for number, words in enumerate(self._wrapped(font, width, lines, indent)):
            if top + self.pitch > bottom:
                break
            shift = indent if number == 0 else 0.0
            last = number == lines - 1
            self._words(words, (place[0] + shift, top), width - shift, font, spread=justified and not last)
            top += self.pitch
        return top

    def rule(self, start: Place, end: Place, width: int = 1) -> None:
        """Draws a line in the colour of the ink."""
        self.draw.line((*start, *end), fill=self.ink, width=width)

    def picture(self, place: Place, width: float, height: float) -> None:
        """Something that could be a photo or a chart, of which nobody could say which side is up."""
        noise = self.rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        blurred = Image.fromarray(noise).resize((max(8, int(width)), max(8, int(height))), Image.Resampling.BICUBIC)
        self.image.paste(blurred.filter(ImageFilter.GaussianBlur(2)), (int(place[0]), int(place[1])))

    def _wrapped(self, font: Font, width: float, lines: int, indent: float) -> list[list[str]]:
        """Words for so many lines; the last one is not full."""
        text = self.script.text(self.rng, 14 * lines)
        rest = list(text) if self.script.unspaced else text.split()
        space = 0.0 if self.script.unspaced else font.getlength(" ")
        broken: list[list[str]] = []
        room = 0.0
        for word in rest:
            length = font.getlength(word) + space
            if length > room:
                if len(broken) == lines:
                    break
                room = width - (0.0 if broken else indent)
                broken.append([])
            room -= length
            broken[-1].append(word)
        if lines > 1:
            kept = int(self.rng.integers(1, len(broken[-1]) + 1))
            broken[-1] = broken[-1][:kept]
        return broken

    def _words(self, words: Sequence[str], place: Place, width: float, font: Font, *, spread: bool) -> None:
        joined = ("" if self.script.unspaced else " ").join(words)
        if not spread or len(words) < 3:
            self.line(joined, place, font, width)
            return
        lengths = [font.getlength(word) for word in words]
        gap = (width - sum(lengths)) / (len(words) - 1)
        left = place[0]
        for word, length in zip(
            reversed(words) if self.script.right_to_left else words,
            reversed(lengths) if self.script.right_to_left else lengths,
            strict=True,
        ):
            self.draw.text((left, place[1]), word, fill=self.ink, font=font)
            left += length + gap
