"""What libraries would tell their makers, or write into the home folder, of their own accord; and the switches for it.

The packages ``serving`` and ``training`` throw them in their ``__init__``, which runs before any module of theirs
can import such a library.
"""

import os

_STOPPED = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id and events under ~/.cache, sent to its makers' host
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow would tell its makers of every run
}
_BY_DEFAULT = {
    "KERAS_HOME": os.devnull,  # Keras would write ~/.keras/keras.json; under /dev/null no file can be
}


def stop_telemetry() -> None:
    """Sets the environment's variables, for this process and those that it starts; before the libraries' import."""
    os.environ.update(_STOPPED)
    for name, value in _BY_DEFAULT.items():
        os.environ.setdefault(name, value)
