"""How long models take beside each other: only ratios of runs that alternate are worth telling on a busy machine."""

import time
from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.photos.tasks import ORIENTATION

ROUNDS = 21
_WARM_UP = 3
_SECONDS_PER_ROUND = 0.03  # of the slowest model: long against the clock, short against what else the machine does


def seconds_per_image(
    models: Mapping[str, bytes], rounds: int = ROUNDS, batch_size: int = 1, provider: str = "CPUExecutionProvider"
) -> dict[str, float]:
    """Times models in turn, each in a session of one thread.

    Args:
        models: ONNX files by a name of one's own; each gets noise of its own input's shape.
        rounds: how often each is timed.
        batch_size: images a call.
        provider: ONNX Runtime's name of where to run.

    Returns:
        Medians, in seconds an image.
    """
    sessions = {name: _session(data, provider) for name, data in models.items()}
    pictures = {name: _noise(session, batch_size) for name, session in sessions.items()}
    calls = {name: _calls(sessions[name], pictures[name]) for name in models}
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name in models:
            taken[name].append(_time(sessions[name], pictures[name], calls[name]))
    return {name: float(np.median(times)) / batch_size for name, times in taken.items()}


def ratio(candidate: bytes, reference: bytes, provider: str = "CPUExecutionProvider") -> float:
    """How long a model takes, one image a call, as a multiple of another's time in the same run."""
    taken = seconds_per_image({"candidate": candidate, "reference": reference}, provider=provider)
    return taken["candidate"] / taken["reference"]


def fastest_provider() -> str:
    """ONNX Runtime's name of the GPU where one is in use, else of the CPU."""
    return "CUDAExecutionProvider" if onnxruntime.get_device() == "GPU" else "CPUExecutionProvider"


def talk_network() -> bytes:
    """The talk's orientation network as an ONNX file, untrained, which runs as fast: what budgets are told in."""
    # Imported here, as Keras takes seconds that no other question of this module needs.
    from training.networks.backend import import_keras

    import_keras()
    from training.graph.export import export
    from training.networks import architectures

    shape = (256, 256, 3)
    network = architectures.build("orientation_talk", shape, len(ORIENTATION.labels), 0.5)
    return export(network, np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8))


def _session(data: bytes, provider: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=[provider])


def _noise(session: onnxruntime.InferenceSession, batch_size: int) -> NDArray[np.uint8]:
    shape = (batch_size, *session.get_inputs()[0].shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _calls(session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8]) -> int:
    """How many calls fill a round."""
    once = min(_time(session, pictures, 1) for _ in range(_WARM_UP))
    return max(1, round(_SECONDS_PER_ROUND / once))


def _time(session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8], calls: int) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in range(calls):
        session.run(None, {"image": pictures})
    return (time.perf_counter() - started) / calls
