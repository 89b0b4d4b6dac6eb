"""LOUPE_DEVICE → an ONNX Runtime session that really runs there."""

import ctypes
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from models.errors import DeviceError, InvalidModelError
from models.metadata import DeviceKind
from serving.engine.runtime import onnxruntime
from serving.settings import Device

_NAMES: dict[DeviceKind, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

Provider = tuple[str, dict[str, str]]
"""Its name, and its options."""


@dataclass(frozen=True)
class Accelerator:
    """What the operator decides of a GPU.

    Attributes:
        memory_bytes: that each model may take; None: as much as it needs, in doublings.
        engine_cache: folder for TensorRT's engines; None: they are built anew at each start.
    """

    memory_bytes: int | None = None
    engine_cache: Path | None = None


@dataclass(frozen=True)
class Batches:
    """What a session will be given.

    Attributes:
        picture: (height, width, channels) of one.
        most: in one call.
    """

    picture: tuple[int, int, int]
    most: int


def open_session(
    data: bytes, device: Device, batches: Batches, accelerator: Accelerator
) -> tuple[onnxruntime.InferenceSession, DeviceKind]:
    """Builds the session of an ONNX file and says where it runs.

    Args:
        data: the file.
        device: where it shall run.
        batches: what it will be given, if that is a GPU.
        accelerator: how, if it is.

    Raises:
        DeviceError: the device that was asked for is not in effect.
        InvalidModelError: ONNX Runtime cannot load the file.
    """
    kinds: list[DeviceKind] = ["cuda", "cpu"] if device == "auto" else [device]
    for kind in kinds:
        try:
            return _open(data, kind, providers(kind, batches, accelerator)), kind
        except DeviceError:
            if kind == kinds[-1]:
                raise
    raise AssertionError(kinds)


def providers(kind: DeviceKind, batches: Batches, accelerator: Accelerator) -> list[Provider]:
    """ONNX Runtime's providers for a device, best first.

    Sources: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html and
    …/TensorRT-ExecutionProvider.html
    """
    # The exhaustive search for convolutions stalls the first call of every shape.
    cuda = {"cudnn_conv_algo_search": "HEURISTIC"}
    tensorrt = _profile(batches)
    if accelerator.memory_bytes is not None:
        cuda |= {"gpu_mem_limit": str(accelerator.memory_bytes), "arena_extend_strategy": "kSameAsRequested"}
        tensorrt |= {"trt_max_workspace_size": str(accelerator.memory_bytes)}
    if accelerator.engine_cache is not None:
        folder = str(accelerator.engine_cache)
        tensorrt |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        tensorrt |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    options = {"cpu": dict[str, str](), "cuda": cuda, "tensorrt": tensorrt}
    wanted: dict[DeviceKind, list[DeviceKind]] = {"cpu": [], "cuda": ["cuda"], "tensorrt": ["tensorrt", "cuda"]}
    return [(_NAMES[one], options[one]) for one in [*wanted[kind], "cpu"]]


def _profile(batches: Batches) -> dict[str, str]:
    """One engine for all batch sizes: without, TensorRT builds another at the first call of each that is larger."""
    picture = "x".join(map(str, batches.picture))
    sizes = {"min": 1, "opt": max(1, batches.most // 2), "max": batches.most}
    return {f"trt_profile_{name}_shapes": f"image:{size}x{picture}" for name, size in sizes.items()}


def _open(data: bytes, kind: DeviceKind, wanted: list[Provider]) -> onnxruntime.InferenceSession:
    if kind != "cpu":
        _require_gpu(kind)
    try:
        session = onnxruntime.InferenceSession(data, _options(), providers=wanted, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        failed = InvalidModelError if kind == "cpu" else DeviceError
        raise failed(f"ONNX Runtime cannot load the model on {kind}: {str(error).splitlines()[0]}") from error
    in_use = session.get_providers()[0]  # what was compiled in and what was asked for say nothing about what loaded
    if in_use != _NAMES[kind]:
        raise DeviceError(f"the device {kind} was asked for, but its libraries do not load: the session is on {in_use}")
    session._model_bytes = None  # the whole file: kept for a fallback, which is turned off above
    return session


def _options() -> onnxruntime.SessionOptions:
    """One thread: the batcher's workers are the parallelism, and threads that spin would take the cores from them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")  # see runtime.py
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # go with their model
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
