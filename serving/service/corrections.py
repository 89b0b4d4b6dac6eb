"""Corrections: what people say against answers, kept in a folder, if the operator has named one.

    <folder>/<model>/answers/<digest>.json          what was answered, and what is right
    <folder>/<model>/photos/<label>/<digest>.jpg    the photo, if it is kept too: `loupe-train manifest` reads these

One correction a photo, the last: so nobody fills the folder by saying the same again. Every file is written whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from urllib.parse import quote

from models.errors import ForbiddenError, StorageFullError
from models.images import open_header
from models.whole_file import write_whole
from serving.engine.classifier import Prediction
from serving.settings import PREFIX, Settings

_BLOCK_BYTES = 4096  # that the smallest file takes, so a bound of bytes bounds the number of files too
_SOON_S, _PAUSE = 0.1, 20
_LONGEST_NAME = 200  # bytes; file systems take 255
_SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
_SUFFIXES |= {"HEIF": ".heic", "AVIF": ".avif"}


@dataclass(frozen=True)
class Correction:
    """What was said against one answer.

    Attributes:
        model: its name.
        version: that answered.
        answer: what it said.
        label: what is right.
    """

    model: str
    version: str
    answer: Prediction
    label: str


class Corrections:
    """The folder; for any thread."""

    def __init__(self, settings: Settings) -> None:
        self._folder, self._most_bytes = settings.feedback, settings.feedback_max_bytes
        self.with_photos = settings.feedback is not None and settings.feedback_photos
        self._taken_bytes: int | None = None
        self._counted = self._counting_s = 0.0
        self._lock = Lock()

    @property
    def are_taken(self) -> bool:
        """Whether the operator has named a folder."""
        return self._folder is not None

    def refuse_if_off(self) -> Path:
        """The folder.

        Raises:
            ForbiddenError: the operator has named none.
        """
        if self._folder is None:
            raise ForbiddenError(f"corrections are not taken here; {PREFIX}FEEDBACK names the folder for them")
        return self._folder

    def keep(self, said: Correction, digest: str, photo: bytes | None) -> bool:
        """Writes it down.

        Args:
            said: the correction.
            digest: SHA-256 of the photo as it was sent, in hexadecimal.
            photo: what training would read of it; None: it is of no use there.

        Returns:
            Whether the photo is kept.

        Raises:
            ForbiddenError: corrections are not taken.
            StorageFullError: the folder holds as much as it may, or cannot be written to.
        """
        folder = self.refuse_if_off() / said.model
        files = {folder / "answers" / f"{digest}.json": _record(said, digest)}
        if self.with_photos and photo is not None:
            files[folder / "photos" / _folder_name(said.label) / f"{digest}{_suffix(photo)}"] = photo
        try:
            with self._lock:
                self._write(folder, digest, files)
        except OSError as error:
            raise StorageFullError(f"the correction cannot be kept: {error.strerror}") from None
        return len(files) > 1

    def _write(self, folder: Path, digest: str, files: Mapping[Path, bytes]) -> None:
        """In place of an earlier correction of this photo, which may lie under another label."""
        earlier = [*folder.glob(f"photos/*/{digest}.*"), *folder.glob(f"answers/{digest}.json")]
        freed = sum(_blocks(path.stat().st_size) for path in earlier)
        more = sum(_blocks(len(data)) for data in files.values()) - freed
        if (taken := self._taken() + more) > self._most_bytes and self._may_count_again():
            self._taken_bytes = None  # somebody may have made room
            taken = self._taken() + more
        if taken > self._most_bytes:
            raise StorageFullError(f"the corrections fill the {self._most_bytes} bytes that they may take")
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, data, mode=0o600)
        for path in set(earlier) - files.keys():
            path.unlink(missing_ok=True)
        self._taken_bytes = taken

    def _taken(self) -> int:
        """Looked up once; from then on it is known, until it seems to be too much."""
        if self._taken_bytes is None:
            began = monotonic()
            paths = self.refuse_if_off().rglob("*")
            self._taken_bytes = sum(_blocks(path.stat().st_size) for path in paths if path.is_file())
            self._counted, self._counting_s = began, monotonic() - began
        return self._taken_bytes

    def _may_count_again(self) -> bool:
        """In a twentieth of the time at most: that of a million files takes seconds."""
        return self._counting_s < _SOON_S or monotonic() - self._counted > _PAUSE * self._counting_s


def _blocks(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _record(said: Correction, digest: str) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    answer = {"label": said.answer.label, "probability": said.answer.probability, "certain": said.answer.certain}
    told = {"sha256": digest, "time": now, "model": said.model, "version": said.version, "answer": answer}
    return json.dumps(told | {"right": said.label}, indent=1).encode() + b"\n"


def _folder_name(label: str) -> str:
    """The label itself, unless it could lead elsewhere or be hidden."""
    quoted = quote(label, safe=" ")[:_LONGEST_NAME]
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _suffix(photo: bytes) -> str:
    return _SUFFIXES.get(open_header(photo).format or "", ".jpg")
