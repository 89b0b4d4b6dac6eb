"""Recovery: what a process that was killed or stopped has left in a tree."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from models.errors import RequestError
from serving.album.originals import Originals
from serving.album.undo_log import NAME, Entry, entries


def last_changes(tree: Path) -> Iterator[Entry]:
    """What the newest log tells of; of logs that are none, or broken, as much as can be read."""
    for log in sorted(tree.glob(f"{NAME}*.jsonl"), key=lambda log: log.lstat().st_mtime_ns, reverse=True):
        with suppress(RequestError, OSError):
            yield from entries(log)
            return


def release_originals(tree: Path) -> None:
    """Photos that were about to be turned lose their second names, for which they would be passed over.

    One is kept where the log tells of a photo that was turned since: another name of the old file may be a person's.
    """
    for folder in tree.glob(f".{NAME}*"):
        log = tree / f"{folder.name[1:]}.jsonl"
        originals = Originals(log)
        with suppress(RequestError, OSError):
            names = originals.second_names()
            photos = _photos(log) if names and log.exists() else {}
            for kept in names:
                photo = photos.get(str(kept.relative_to(tree)))
                if photo is None or _is_one(kept, tree / photo):
                    originals.drop(kept)


def _photos(log: Path) -> dict[str, str]:
    """Of each original whose photo it is; a log without any line is one that was just begun."""
    return {entry.original: entry.file for entry in entries(log) if entry.original is not None}


def _is_one(kept: Path, photo: Path) -> bool:
    return photo.exists() and os.path.samestat(kept.stat(), photo.lstat())
