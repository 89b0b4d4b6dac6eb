"""Names: a set of file names that may be millions, kept on disk."""

import os
import sqlite3
import weakref

_CACHE_KIB = 16 * 1024


class Names:
    """A set that is private to this process and gone with it; of it at most 16 MiB are in memory.

    Ten million names in order take a minute and a half to add, and 0.6 GB in the folder for temporary files.
    """

    def __init__(self) -> None:
        # A file without a name, which SQLite removes at once. Pictures are looked for in threads, one after the other.
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._base.close)
        self._base.executescript(
            f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN"
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: object) -> bool:
        found = self._count and self._base.execute("SELECT 1 FROM names WHERE name = ?", (os.fsencode(str(name)),))
        return bool(found and found.fetchone())

    def add(self, name: str) -> bool:
        """Adds a name, which need not be text; tells whether it is new."""
        new = self._base.execute("INSERT OR IGNORE INTO names VALUES (?)", (os.fsencode(name),)).rowcount
        self._count += new
        return bool(new)
