"""LOUPE_DEVICE → an ONNX Runtime session that really runs there."""

import ctypes
import sys
from contextlib import redirect_stdout

from models.errors import DeviceError, InvalidModelError
from models.metadata import DeviceKind
from serving.engine.runtime import onnxruntime
from serving.settings import Device

_CPU = "CPUExecutionProvider"
# The exhaustive search for convolutions stalls the first call of every shape.
_CUDA = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
_PROVIDERS: dict[DeviceKind, list[str | tuple[str, dict[str, str]]]] = {
    "cpu": [_CPU],
    "cuda": [_CUDA, _CPU],
    "tensorrt": ["TensorrtExecutionProvider", _CUDA, _CPU],
}
_NAMES: dict[DeviceKind, str] = {"cpu": _CPU, "cuda": _CUDA[0], "tensorrt": "TensorrtExecutionProvider"}


def open_session(data: bytes, device: Device) -> tuple[onnxruntime.InferenceSession, DeviceKind]:
    """Builds the session of an ONNX file and says where it runs.

    Raises:
        DeviceError: the device that was asked for is not in effect.
        InvalidModelError: ONNX Runtime cannot load the file.
    """
    if device != "auto":
        return _open(data, device), device
    try:
        return _open(data, "cuda"), "cuda"
    except DeviceError:
        return _open(data, "cpu"), "cpu"


def _open(data: bytes, kind: DeviceKind) -> onnxruntime.InferenceSession:
    if kind != "cpu":
        _require_gpu(kind)
    try:
        session = onnxruntime.InferenceSession(data, _options(), providers=_PROVIDERS[kind], enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        failed = InvalidModelError if kind == "cpu" else DeviceError
        raise failed(f"ONNX Runtime cannot load the model on {kind}: {str(error).splitlines()[0]}") from error
    in_use = session.get_providers()[0]  # what was compiled in and what was asked for say nothing about what loaded
    if in_use != _NAMES[kind]:
        raise DeviceError(f"the device {kind} was asked for, but its libraries do not load: the session is on {in_use}")
    return session


def _options() -> onnxruntime.SessionOptions:
    """One thread: the batcher's workers are the parallelism, and threads that spin would take the cores from them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _require_gpu(kind: DeviceKind) -> None:
    """Looks before ONNX Runtime does, which prints pages where it finds nothing."""
    offered = onnxruntime.get_available_providers()
    if _NAMES[kind] not in offered:
        raise DeviceError(
            f"the device {kind} was asked for, but this build of ONNX Runtime "
            f"has no {_NAMES[kind]}, only {', '.join(offered)}"
        )
    if not _has_nvidia_gpu():
        raise DeviceError(f"the device {kind} was asked for, but no NVIDIA GPU with a working driver is there")
    with redirect_stdout(sys.stderr):  # it prints what it does not find, and stdout may be somebody's JSON
        onnxruntime.preload_dlls()


def _has_nvidia_gpu() -> bool:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
