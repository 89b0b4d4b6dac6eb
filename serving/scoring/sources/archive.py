"""Pictures in a tar archive, such as a shard of a WebDataset."""

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from models.errors import RequestError
from models.store import opened
from serving.scoring.picture import Picture
from serving.scoring.walking import READ

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def pictures_in_archive(place: str, at_most: int) -> Iterator[Picture]:
    """Its members with a picture's suffix, as they lie there, named ``archive.tar/member.jpg``; one is in memory.

    Args:
        place: a file or an address.
        at_most: bytes that are read of one.

    Raises:
        RequestError: it is no archive, or ends too early; what came before was good.
    """
    with opened(place) as file:
        try:
            with tarfile.open(fileobj=file, mode="r|*") as archive:
                for member in archive:
                    archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                    if _is_picture(member):
                        content = archive.extractfile(member)
                        data = b"" if content is None else content.read(at_most)
                        yield Picture(f"{place}/{member.name}", "", data)
        except (tarfile.TarError, EOFError) as error:
            raise RequestError(f"{place} cannot be read to its end: {error}") from None


def _is_picture(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    return member.isfile() and path.suffix.lower() in READ and not path.name.startswith(".")
