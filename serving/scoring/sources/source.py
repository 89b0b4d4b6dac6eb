"""Source: one place that pictures come from, by what its name says that it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.errors import RequestError
from models.store import is_address
from serving.scoring.picture import Picture
from serving.scoring.sources.archive import SUFFIXES as ARCHIVES
from serving.scoring.sources.archive import pictures_in_archive
from serving.scoring.sources.folder import pictures_in
from serving.scoring.sources.prefix import pictures_at
from serving.scoring.sources.table import Columns, pictures_in_csv, pictures_in_parquet


@dataclass(frozen=True)
class Source:
    """A folder, an archive, a table, a prefix of a store, or one picture.

    Attributes:
        place: a path or an address.
        columns: of a table.
        at_most: bytes that are read of one picture; what has more is refused for that by whoever judges it.
    """

    place: str
    columns: Columns
    at_most: int

    def pictures(self) -> Iterator[Picture]:
        """Yields them, named in text: bytes of a name that are none are written as a backslash, ``x`` and two digits.

        Raises:
            RequestError: it is not there, or cannot be read.
            StoreError: its store fails.
        """
        try:
            for picture in self._found():
                name = picture.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                yield picture._replace(name=name)
        except FileNotFoundError:
            raise RequestError(f"there is no {self.place}") from None

    def _found(self) -> Iterator[Picture]:
        place, name = self.place, self.place.lower()
        if not is_address(place) and not Path(place).exists():
            raise FileNotFoundError
        if not is_address(place) and Path(place).is_dir():
            return pictures_in([Path(place)])
        if name.endswith(ARCHIVES):
            return pictures_in_archive(place, self.at_most)
        if name.endswith(".parquet"):
            return pictures_in_parquet(place, self.columns)
        if name.endswith(".csv"):
            return pictures_in_csv(place, self.columns)
        return pictures_at(place) if is_address(place) else pictures_in([Path(place)])
