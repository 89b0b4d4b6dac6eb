"""What pages are written with: words by script, and the fonts of this machine that can write them."""

import re
import subprocess
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import ImageFont

from models.errors import TrainingError

_SCRIPTS = Path(__file__).with_name("scripts.toml")
_NO_TEXT = re.compile(
    "Initials|Keyboard|Math|Redacted|Upright Italic|Thin|Hairline|Nastaliq|Symbol|Emoji|Caps|Colored|D050000L|Dingbats"
)
_HELD_BACK = 0.25  # share of the type founders' families that only test pages are set in
Font = ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Script:
    """Words of a script, and how it runs.

    Attributes:
        name: as in ``scripts.toml``.
        langs: fontconfig's names of the languages that the words are of.
        share: of the pages, beside the other scripts' shares.
        words: to draw from.
        right_to_left: whether a line begins at the right.
        unspaced: whether words follow each other without a space.
        held_back: whether only test pages are written in it.
    """

    name: str
    langs: tuple[str, ...]
    share: float
    words: tuple[str, ...]
    right_to_left: bool = False
    unspaced: bool = False
    held_back: bool = False

    def text(self, rng: np.random.Generator, words: int) -> str:
        """So many words in a row, with stops and capitals here and there."""
        drawn = [self.words[index] for index in rng.integers(len(self.words), size=words)]
        for index in range(len(drawn)):
            if rng.random() < 0.1:
                drawn[index] += ("。" if self.unspaced else ".") if rng.random() < 0.5 else ","
            elif rng.random() < 0.03:
                drawn[index] = number(rng)
        text = ("" if self.unspaced else " ").join(drawn)
        return text[:1].upper() + text[1:]


def number(rng: np.random.Generator) -> str:
    """A number of up to five digits, a price or a year."""
    if rng.random() < 0.4:
        return f"{rng.integers(1, 500)}.{rng.integers(100):02d}"
    return str(rng.integers(1900, 2030) if rng.random() < 0.3 else rng.integers(1, 99999))


@cache
def scripts() -> tuple[Script, ...]:
    """All scripts that pages can be written in."""
    tables = tomllib.loads(_SCRIPTS.read_text(encoding="utf-8"))
    return tuple(
        Script(name, **{**table, "langs": tuple(table["langs"]), "words": tuple(table["words"].split())})
        for name, table in tables.items()
    )


@cache
def families(*langs: str) -> dict[str, tuple[str, ...]]:
    """The files of each font family on this machine that can write some languages.

    Raises:
        TrainingError: fontconfig is not installed.
    """
    command = [
        "fc-list",
        f":scalable=true{''.join(f':lang={lang}' for lang in langs)}",
        "--format",
        "%{family[0]}\t%{file}\t%{index}\n",
    ]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise TrainingError(f"fontconfig's fc-list tells which fonts there are, and does not run: {error}") from None
    found = defaultdict(list)
    for family, file, index in sorted(line.split("\t") for line in listed.splitlines()):
        if index == "0" and not _NO_TEXT.search(f"{family} {Path(file).stem}"):
            found[family].append(file)
    return {family: tuple(files) for family, files in found.items()}


def is_held_back(family: str) -> bool:
    """Whether only test pages are set in it: by the family's first word, so that relatives stay together."""
    return sha256(family.split()[0].lower().encode()).digest()[0] / 256 < _HELD_BACK


def usable(script: Script, *, held_back: bool) -> dict[str, tuple[str, ...]]:
    """The families for pages to learn from, or for those to test on, in one script.

    A script that is held back may be set in any font: none of its letters was seen.
    """
    found = families(*script.langs)
    return {name: files for name, files in found.items() if script.held_back or is_held_back(name) == held_back}
