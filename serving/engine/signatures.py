"""LOUPE_MODEL_PUBLIC_KEY: no model file is opened that is not signed with the key that belongs to it.

Signatures are OpenSSF's model signing (https://github.com/sigstore/model-transparency): a Sigstore bundle beside
the file, ``model.onnx.sig``, as ``model_signing sign key`` writes it.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from models.errors import InvalidModelError, SettingsError
from models.extras import how_to_install

if TYPE_CHECKING:
    from model_signing.hashing import Config

SUFFIX = ".sig"


class Signatures:
    """Checks model files against one public key."""

    def __init__(self, public_key: Path) -> None:
        """Reads the key.

        Args:
            public_key: a PEM file with a key on the curve P-256, P-384 or P-521.

        Raises:
            SettingsError: it is none, or the extra ``signing`` is not installed.
        """
        try:
            from model_signing import hashing, manifest, verifying
        except ModuleNotFoundError:
            raise SettingsError(
                f"LOUPE_MODEL_PUBLIC_KEY needs the extra `signing`: {how_to_install('signing')}"
            ) from None
        self._hashing, self._manifest = hashing, manifest
        try:
            config = verifying.Config()  # type: ignore[no-untyped-call]
            self._verifier = config.use_elliptic_key_verifier(public_key=public_key)
        except Exception as error:  # of cryptography, which has several without a base of their own
            why = (error.strerror if isinstance(error, OSError) else None) or "it is not an elliptic curve's in PEM"
            raise SettingsError(
                f"the public key {public_key} of LOUPE_MODEL_PUBLIC_KEY cannot be used: {why}"
            ) from None

    def check(self, path: Path, data: bytes) -> None:
        """Checks what was read of a file, not what lies there by now.

        Args:
            path: of the ONNX file.
            data: its bytes.

        Raises:
            InvalidModelError: its signature is missing, broken, of another key, or of another file.
        """
        signature = path.with_name(path.name + SUFFIX)
        if not signature.is_file():
            raise InvalidModelError(f"{_named(path)} has no signature {signature.name} beside it")
        try:
            self._verifier.set_hashing_config(self._digest_of(data)).verify(path, signature)
        except Exception as error:  # whatever a forged bundle may raise
            raise InvalidModelError(f"{_named(path)} is not what {signature.name} was made of with our key") from error

    def _digest_of(self, data: bytes) -> "Config":
        """Stands in for the library's hashing of a file, which would read it again, and perhaps another one."""
        hashing, manifest = self._hashing, self._manifest

        class Read(hashing.Config):  # type: ignore[name-defined,misc]
            def hash(self, model_path: Path, *, files_to_hash: object = None) -> object:
                digest = hashing.hashing.Digest("sha256", hashlib.sha256(data).digest())
                item = manifest.FileManifestItem(path=PurePosixPath("."), digest=digest)
                how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
                return manifest.Manifest(model_path.name, [item], manifest.SerializationType.from_args(how))

        return Read()


def _named(path: Path) -> str:
    return "/".join(path.parts[-3:])
