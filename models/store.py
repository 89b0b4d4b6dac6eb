"""Stores of objects: what stands behind an address such as s3://bucket/photos; needs the extra ``store``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import RequestError, StoreError
from models.extras import how_to_install

Files = Any
"""fsspec's AbstractFileSystem, which has no types."""


def is_address(place: str) -> bool:
    """Whether that is at a store, and no path of this machine."""
    return "://" in place


def files_at(address: str) -> tuple[Files, str]:
    """The store of an address, and the path in it.

    Raises:
        RequestError: the extra, or the package for this kind of store, is not installed, or there is no such kind.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        said = f"{address} needs the extra `store`, which is not installed: {how_to_install('store')}"
        raise RequestError(said) from None
    try:
        files, path = url_to_fs(address, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise RequestError(f"{address} cannot be opened: {error}") from None
    return files, path


@contextmanager
def opened(place: str) -> Iterator[BinaryIO]:
    """A file or an object, to be read from its beginning.

    Raises:
        RequestError: it cannot be opened.
        StoreError: its store fails.
    """
    try:
        if is_address(place):
            files, path = files_at(place)
            with asking(place), files.open(path, "rb") as file:
                yield file
        else:
            with Path(place).open("rb") as file:
                yield file
    except OSError as error:
        raise RequestError(f"{place} cannot be read: {error.strerror or error}") from None


def read_object(address: str, at_most: int) -> bytes:
    """The first bytes of an object, in one request.

    Raises:
        OSError: it is not there, or may not be read.
        StoreError: its store fails, whatever is asked of it.
    """
    files, path = files_at(address)
    with asking(address):
        try:
            return bytes(files.cat_file(path, start=0, end=at_most))
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:
            if files.size(path) == 0:  # there is no range of nothing
                return b""
            raise


@contextmanager
def asking(address: str) -> Iterator[None]:
    """What a store's library raises, whichever that is, is a StoreError, unless it is about one object.

    Raises:
        FileNotFoundError: the object is not there.
        PermissionError: it may not be read.
        StoreError: the store fails.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, RequestError, StoreError):
        raise
    except Exception as error:  # botocore's, aiohttp's, Google's: they have no class in common
        raise StoreError(f"the store of {address} fails: {type(error).__name__}: {error}") from error
