"""Measured tables on pages: each stands between two comments, ``<!-- name -->`` and ``<!-- /name -->``."""

import re
from pathlib import Path


def put(page: Path, name: str, text: str) -> None:
    """Replaces what stands between the comments.

    Raises:
        ValueError: the page does not have that place exactly once.
    """
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    written, places = place.subn(lambda found: f"{found[1]}{text}\n{found[2]}", page.read_text(encoding="utf-8"))
    if places != 1:
        raise ValueError(f"{page} has {places} places between <!-- {name} --> and <!-- /{name} -->, not one")
    page.write_text(written, encoding="utf-8")
