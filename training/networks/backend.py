"""Keras and its backend, imported so that nobody sees their notes on the processor and on GPUs that are not there."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_keras() -> None:
    """Imports Keras; what its backend writes on stderr meanwhile is dropped, unless the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
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
