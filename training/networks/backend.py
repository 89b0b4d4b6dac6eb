"""Keras and its backend, imported so that nobody sees their notes on the processor and on GPUs that are not there."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_EXPORTING = "tensorflow"
_log = logging.getLogger(__name__)


def import_keras(*, exports: bool = True) -> None:
    """Imports Keras; what its backend writes on stderr meanwhile is dropped, unless the import fails.

    Args:
        exports: a network is going to become an ONNX file, which takes TensorFlow, whatever ``KERAS_BACKEND`` or Keras'
            own file of settings says: other projects may want another one.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if exports and os.environ.get("KERAS_BACKEND", _EXPORTING) != _EXPORTING:
        _log.warning(
            "KERAS_BACKEND=%s is not heeded: models are exported by %s", os.environ["KERAS_BACKEND"], _EXPORTING
        )
    if exports:
        os.environ["KERAS_BACKEND"] = _EXPORTING
    with _silent():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()  # else a missing CUDA driver is told as training begins


@contextmanager
def _silent() -> Iterator[None]:
    """File descriptor 2 leads to a file: TensorFlow's first lines are written before its log level counts."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
