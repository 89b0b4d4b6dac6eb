"""What a folder of photos says of itself: a ``manifest.csv`` in it, a row for each photo, by ``file``."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from models.errors import ManifestError
from training.photos.manifest import is_listed
from training.photos.written import read_table

FACTS_NAME = "manifest.csv"
Facts = Mapping[str, Mapping[str, str]]


def read_facts(folder: Path) -> Facts:
    """Rows by the paths of their photos, relative to the folder; none where it only lists photos, as we do.

    Raises:
        ManifestError: there is no column ``file``.
        TrainingError: see ``read_table``.
    """
    path = folder / FACTS_NAME
    if not path.is_file():
        return {}
    columns, rows = read_table(path)
    if is_listed(columns):  # `loupe-train manifest` was told to write it there, or by default
        return {}
    if "file" not in columns:
        raise ManifestError(
            f"{path} says something of the photos beside it, but has no column `file` to say of which; "
            f"it has: {', '.join(columns) or 'nothing'} (commas are what parts columns)"
        )
    return {str(PurePosixPath(row["file"])): row for _, row in rows if row["file"]}
