"""Reads the weights in a legacy torch file without torch (5 GB) and without running what a pickle may say.

The format, as torch wrote it up to 1.5: four pickles (a magic number, the protocol, the machine, the state dict, whose
tensors name their storage by a persistent id), a fifth with the storages' keys in order, and then each storage: its
length as an int64 and its raw little-endian numbers. See ``torch/serialization.py``, ``_legacy_load``.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError

_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """Where a tensor's numbers lie: storage key and type, first element, shape, and strides in elements."""

    storage: tuple[str, np.dtype[np.generic]]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # transposed kernels are stored as they were before the transposition


def read_torch_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Returns the arrays of a state dict by name, as float32.

    Args:
        path: a ``.pth`` file in torch's legacy format.

    Raises:
        TrainingError: it is of another format, or asks for anything but tensors.
    """
    with path.open("rb") as file:
        try:
            _, _, _, state, keys = [_Unpickler(file).load() for _ in range(5)]
            storages = _read_storages(file, state, keys)
            return {name: _array(storages[tensor.storage[0]], tensor) for name, tensor in state.items()}
        except Exception as error:  # a pickle that is none raises anything
            raise TrainingError(f"{path.name} is not a state dict in torch's legacy format: {error}") from None


def _array(storage: NDArray[np.generic], tensor: _Tensor) -> NDArray[np.float32]:
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if min(tensor.offset, *tensor.shape, *tensor.strides, 0) < 0 or last >= len(storage):
        raise ValueError("a tensor lies outside of its storage")
    strides = [step * storage.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).astype(np.float32)


def _read_storages(file: BinaryIO, state: Mapping[str, _Tensor], keys: list[str]) -> dict[str, NDArray[np.generic]]:
    dtypes = dict(tensor.storage for tensor in state.values())
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key], count)
    return storages


def _rebuild_tensor(
    storage: tuple[str, np.dtype[np.generic]],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_rest: object,
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Knows four names and refuses all others."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: tuple[str, np.dtype[np.generic], str]) -> tuple[str, np.dtype[np.generic]]:
        """The id is ("storage", type, key, device, length, …)."""
        return pid[2], pid[1]
