"""API keys: who may call, where the operator has named a file of keys."""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from itertools import product
from pathlib import Path

from models.errors import SettingsError, UnauthorizedError
from serving.settings.settings import fits_header

_COMMENT = re.compile(r"(?:^|\s)#.*")  # a key may have one within


class ApiKeys:
    """The keys of a file; only their digests stay in memory."""

    def __init__(self, file: Path) -> None:
        """Reads the file.

        Raises:
            SettingsError: it cannot be read, holds no key, or one that no header can carry.
        """
        self._file = file
        self.reload()

    def reload(self) -> None:
        """Reads the file anew; if that fails, the keys stay as they are.

        Raises:
            SettingsError: it cannot be read, holds no key, or one that no header can carry.
        """
        try:
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"the API keys in {self._file} cannot be read: {reason}") from None
        keys = {key: number for number, line in enumerate(lines, 1) if (key := _COMMENT.sub("", line).strip())}
        if not keys:
            raise SettingsError(f"there is no API key in {self._file}; it holds one a line")
        if wrong := [number for key, number in keys.items() if not fits_header(key)]:
            raise SettingsError(
                f"the API key in line {wrong[0]} of {self._file} has characters that are not printable ASCII, "
                "as those of headers are"
            )
        self._digests = [_digest(key) for key in keys]

    def check(self, headers: Mapping[str, str]) -> str:
        """Looks for a key in ``authorization: Bearer …`` and ``x-api-key``, in a time that tells nothing of the keys.

        Returns:
            A name for whoever has the key, which does not tell it.

        Raises:
            UnauthorizedError: there is none, or none of ours.
        """
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        # Either may hold it: of a control call's two, `Authorization` has the admin token.
        given = [headers.get("x-api-key", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        pairs = product(map(_digest, given), self._digests)
        found = [other for one, other in pairs if hmac.compare_digest(one, other)]
        if not found:
            raise UnauthorizedError(
                "the API key is missing or wrong; it belongs into `Authorization: Bearer …` or `X-API-Key`"
            )
        return found[0].hex()


def _digest(key: str) -> bytes:
    """Of one length for every key, and of the same bytes as HTTP brings them."""
    return sha256(key.encode("latin-1", "backslashreplace")).digest()
