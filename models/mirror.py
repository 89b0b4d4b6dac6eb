"""Mirror: models at an object store, fetched into a folder of this machine that a ``ModelRepository`` reads.

<folder>/.fetched/<sha256 of a version's files>/model.onnx
<folder>/<name>/<version> → ../.fetched/<…>      a link, so that a version appears whole and changes in one step
<folder>/<name>/labels.json
"""

import fcntl
import hashlib
import json
import logging
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from models.errors import StoreError
from models.repository import FILE_NAME
from models.store import Files, asking, files_at
from models.whole_file import write_whole

_log = logging.getLogger("loupe.mirror")
_FETCHED, _STATE, _LOCK = ".fetched", "state.json", ".lock"
_LABELS = "labels.json"
_TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")


class _Object(NamedTuple):
    """What a listing tells of an object: enough to know whether it is the one that was fetched."""

    path: str
    size: int
    tag: str


class Mirror:
    """Keeps a folder as a store is. Several processes may share it."""

    def __init__(self, address: str, folder: Path) -> None:
        """Asks nobody yet.

        Args:
            address: such as ``s3://bucket/models``, under which lies ``name/version/model.onnx``.
            folder: is made where it is not there.
        """
        self._address, self._folder = address, folder
        self._sound = set[str]()

    def pull(self) -> None:
        """Fetches what is new or another, and gives up what is gone; changes nothing unless all of it came.

        Raises:
            RequestError: the address cannot be opened.
            StoreError: the store fails, is empty, or sent something else than it listed.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _alone(self._folder):
                self._pull()
        except OSError as error:  # the disk's; or an object was removed since it was listed, or may not be read
            why = error.strerror or str(error)
            raise StoreError(f"{self._address} cannot be fetched into {self._folder}: {why}") from None

    def _pull(self) -> None:
        files, root = files_at(self._address)
        versions, labels = self._listed(files, root)
        if not versions:
            raise StoreError(f"there are no models at {self._address}")
        state = self._state()
        wanted = {name: self._version(files, name, found, state) for name, found in versions.items()}
        texts = {name: _content(files, found) for name, found in labels.items()}
        self._link(wanted)
        self._label(texts)
        self._keep_state(wanted)

    def push_labels(self, name: str, text: bytes) -> None:
        """Puts a model's labels into the store, where every other process finds them.

        Raises:
            StoreError: the store fails.
        """
        files, root = files_at(self._address)
        with asking(self._address):
            files.pipe_file(f"{root}/{name}/{_LABELS}", text)

    def _listed(self, files: Files, root: str) -> tuple[dict[str, list[_Object]], dict[str, _Object]]:
        """The files of each version that has a model, by ``name/version``; and of each model the labels."""
        with asking(self._address):
            try:
                found: Mapping[str, Mapping[str, object]] = files.find(root, detail=True)
            except FileNotFoundError:
                found = {}
        versions, labels = defaultdict[str, list[_Object]](list), dict[str, _Object]()
        for path, facts in sorted(found.items()):
            parts = PurePosixPath(path).relative_to(root).parts
            if any(part.startswith(".") for part in parts):  # hidden, or it would lead out of the folder
                continue
            one = _Object(path, int(str(facts["size"])), _tag(facts))
            if len(parts) == 3 and parts[1].isascii() and parts[1].isdecimal():
                versions["/".join(parts[:2])].append(one)
            elif len(parts) == 2 and parts[1] == _LABELS:
                labels[parts[0]] = one
        whole = {name: objects for name, objects in versions.items() if any(_is_model(one) for one in objects)}
        return whole, labels

    def _version(
        self, files: Files, name: str, found: list[_Object], state: Mapping[str, object]
    ) -> tuple[str, object]:
        """The folder of a version's files under ``.fetched``, by their digest, and what it was listed as."""
        told = [[PurePosixPath(path).name, size, tag] for path, size, tag in found]
        known = state.get(name)
        if isinstance(known, list) and known[1] == told and self._is_sound(str(known[0])):
            return str(known[0]), told
        _log.info("a version is fetched", extra={"model": name, "address": self._address})
        return self._fetch(files, found), told

    def _fetch(self, files: Files, found: list[_Object]) -> str:
        fetched = self._folder / _FETCHED
        fetched.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=fetched))
        try:
            for one in found:
                _download(files, one, staging / PurePosixPath(one.path).name)
            staging.chmod(0o755)
            digest = _digest(staging)
            with suppress(OSError):  # it is there already, under another name
                staging.rename(fetched / digest)
            self._sound.add(digest)
            return digest
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _is_sound(self, digest: str) -> bool:
        """Looked at once by each process: a disk may have lost what was fetched."""
        folder = self._folder / _FETCHED / digest
        if digest not in self._sound and folder.is_dir() and _digest(folder) == digest:
            self._sound.add(digest)
        if digest in self._sound and folder.is_dir():
            return True
        shutil.rmtree(folder, ignore_errors=True)
        return False

    def _link(self, wanted: Mapping[str, tuple[str, object]]) -> None:
        for name, (digest, _) in wanted.items():
            link, target = self._folder / name, Path("..") / _FETCHED / digest
            link.parent.mkdir(exist_ok=True)
            if not (link.is_symlink() and link.readlink() == target):
                waiting = link.with_name(f".{link.name}.new")
                waiting.unlink(missing_ok=True)
                waiting.symlink_to(target)
                waiting.replace(link)
        for link in self._folder.glob("*/*"):
            if link.is_symlink() and link.relative_to(self._folder).as_posix() not in wanted:
                link.unlink()
        for folder in (self._folder / _FETCHED).iterdir():
            if folder.name not in {digest for digest, _ in wanted.values()}:
                shutil.rmtree(folder, ignore_errors=True)

    def _label(self, texts: Mapping[str, bytes]) -> None:
        for name, text in texts.items():
            folder = self._folder / name
            folder.mkdir(exist_ok=True)
            write_whole(folder / _LABELS, text)
        for path in self._folder.glob(f"*/{_LABELS}"):
            if path.parent.name not in texts:
                path.unlink()

    def _state(self) -> Mapping[str, object]:
        try:
            state = json.loads((self._folder / _FETCHED / _STATE).read_bytes())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _keep_state(self, wanted: Mapping[str, tuple[str, object]]) -> None:
        write_whole(self._folder / _FETCHED / _STATE, json.dumps(wanted).encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the system gives the lock up with the process, however that ends."""
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tag(facts: Mapping[str, object]) -> str:
    """S3's ETag, Google's digest, a file's time: whatever the store has that changes with an object."""
    return str(next((facts[name] for name in _TAGS if name in facts), ""))


def _is_model(one: _Object) -> bool:
    return PurePosixPath(one.path).name == FILE_NAME


def _content(files: Files, one: _Object) -> bytes:
    with asking(files.unstrip_protocol(one.path)):
        return bytes(files.cat_file(one.path))


def _download(files: Files, one: _Object, target: Path) -> None:
    address = files.unstrip_protocol(one.path)
    with asking(address):
        files.get_file(one.path, str(target))
    if (size := target.stat().st_size) != one.size:
        raise StoreError(f"{address} came with {size} of its {one.size} bytes")


def _digest(folder: Path) -> str:
    """Of the names and contents of its files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
