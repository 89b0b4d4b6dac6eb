"""Reading: the bytes of one picture, and no more of them than an image may have."""

import os
from pathlib import Path
from stat import S_ISREG

from models.errors import UnsupportedImageError
from serving.settings import Settings


def read_photo(path: Path, settings: Settings) -> bytes:
    """Reads a file, unless it is larger than an image may be.

    Raises:
        OSError: it cannot be read.
        UnsupportedImageError: it is a pipe, a socket or a device, which could be waited for without an end.
        ImageTooLargeError: it is larger.
    """
    if path.is_dir():
        os.scandir(path).close()  # a folder comes here if it cannot be read; this tells why
    if not S_ISREG(path.stat().st_mode):
        raise UnsupportedImageError("it is no regular file")
    with path.open("rb") as file:
        data = file.read(settings.max_image_bytes + 1)
    settings.image_limits.refuse_bytes(len(data))
    return data
