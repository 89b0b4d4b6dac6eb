"""Originals: photos as they were, in a hidden folder beside the undo log that tells of them."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from models.whole_file import sync_folder
from serving.album.replacing import keep_owner


class Originals:
    """Of one log; the folder is made with the first of them."""

    def __init__(self, log: Path) -> None:
        self.folder = log.with_name(f".{log.stem}")  # hidden, so that they are not taken for photos of the tree
        self._count = 0

    def keep(self, photo: Path) -> Path:
        """As a second name of the file where the file system knows such, which takes neither time nor room.

        Raises:
            NotOursError, OSError: nothing was left behind.
        """
        if not self.folder.exists():
            self.folder.mkdir()
            sync_folder(self.folder.parent)
        self._count += 1
        kept = self.folder / f"{self._count:06}{photo.suffix}"
        try:
            _keep(photo, kept)
            sync_folder(self.folder)
        except BaseException:
            self.drop(kept)
            raise
        return kept

    def drop(self, kept: Path) -> None:
        """Takes back what was kept of a photo that stays as it is."""
        kept.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Removes the folder once nothing is left in it."""
        with suppress(OSError):
            self.folder.rmdir()

    def second_names(self) -> list[Path]:
        """Those that are files of other names too."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return []
        return [kept for kept in self.folder.iterdir() if kept.lstat().st_nlink > 1 and kept.is_file()]


def _keep(photo: Path, kept: Path) -> None:
    try:
        os.link(photo, kept)
    except OSError:
        shutil.copy2(photo, kept)
        with kept.open("rb") as file:
            keep_owner(file.fileno(), photo.stat())
            os.fsync(file.fileno())
