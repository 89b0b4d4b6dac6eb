"""Gallery: one HTML page of what would be turned, before and after, on which a person unticks what is to stay.

The page needs no server and asks nobody. What is unticked is saved as a list that ``--exclude`` reads.
"""

import json
from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TextIO

from models.errors import RequestError
from models.images import decode
from models.limits import ImageLimits, Size
from serving.commands.common import shown
from serving.commands.outcome import Outcome

_SIDE = 220  # pixels of a thumbnail; 500 of them are 5 MB
_FOLDER = Path(__file__).parent
_TITLE = b"<title>Loupe: what would be turned</title>"
_TURNS = {90: "↻ 90°", 180: "↻ 180°", 270: "↺ 90°"}


class Gallery:
    """Writes the page photo by photo, so that memory does not grow with their number."""

    def __init__(self, path: Path, limits: ImageLimits) -> None:
        """Begins the page.

        Raises:
            OSError: it cannot be written.
            RequestError: something else is there, a person's, which would be gone.
        """
        self.path = path
        self._limits = limits
        self._head, self._tail = (_FOLDER / "gallery.html").read_text(encoding="utf-8").split("<!-- photos -->")
        if path.exists() and not _begins(path, _TITLE):
            raise RequestError(f"{path} is something else than a page of photos to turn; name another file")
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._file.write(self._head)

    def add(self, outcome: Outcome, real: Path, seen: bytes) -> None:
        """Adds a photo.

        Args:
            outcome: what would become of it.
            real: the file.
            seen: its bytes, as it was judged.
        """
        thumbnail = self._thumbnail(seen)
        turn = _TURNS.get(outcome.rotate_clockwise, "its tag")
        picture = f'<img src="data:image/jpeg;base64,{thumbnail}" alt="" class="{{}}">'
        self._file.write(
            f'<label class="photo" data-file="{escape(json.dumps(str(real)))}">'
            f'<input type="checkbox" checked> <span class="name">{escape(shown(outcome.file))}</span>'
            f'<span class="said">{turn}, {outcome.probability or 0:.3f}</span>'
            f'<span class="pair"><span>{picture.format("")}</span>'
            f"<span>{picture.format(f'turn{outcome.rotate_clockwise}')}</span></span></label>\n"
        )

    def close(self) -> None:
        """Ends the page."""
        self._file.write(self._tail)
        self._file.close()

    def _thumbnail(self, seen: bytes) -> str:
        image = decode(seen, Size(_SIDE, _SIDE), self._limits)
        image.thumbnail((_SIDE, _SIDE))
        made = BytesIO()
        image.save(made, "JPEG", quality=80)
        return b64encode(made.getvalue()).decode()


def _begins(path: Path, title: bytes) -> bool:
    with path.open("rb") as file:
        return title in file.read(1000)
