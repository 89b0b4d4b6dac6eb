"""Pictures at an object store: under a prefix, or one object."""

import os
from collections.abc import Iterator

from models.store import Files, asking, files_at
from serving.scoring.picture import Picture
from serving.scoring.walking import READ


def pictures_at(address: str) -> Iterator[Picture]:
    """Those whose names end as pictures' do, in the order of their names; hidden ones are passed over.

    What one folder of the store holds, up to the next slash, is in memory at a time.

    Raises:
        FileNotFoundError: there is nothing.
        StoreError: the store fails.
    """
    files, path = files_at(address)
    with asking(address):
        one = files.isfile(path)
    for found in [path] if one else _walk(files, path, address):
        name = str(files.unstrip_protocol(found))
        yield Picture(name, name)


def _walk(files: Files, folder: str, address: str) -> Iterator[str]:
    with asking(address):
        listed = files.ls(folder, detail=True)
    entries = [(str(entry["name"]).rstrip("/"), entry["type"] == "directory") for entry in listed]
    del listed  # an entry of S3 is a kilobyte
    for path, is_folder in sorted(entries):
        name = path.rpartition("/")[2]
        if path == folder.rstrip("/") or name.startswith("."):
            continue
        if is_folder:
            yield from _walk(files, path, address)
        elif os.path.splitext(name)[1].lower() in READ:  # noqa: PTH122 - no path of this machine
            yield path
