import pickle
from collections import OrderedDict
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import TrainingError
from training.networks.torch_weights import read_torch_weights


class FloatStorage:
    """Stands where torch's class of this name stands in a file."""


FloatStorage.__module__ = "torch"


def _rebuild_tensor_v2(*arguments):
    return arguments


class Storage:
    def __init__(self, key: str) -> None:
        self.key = key


class Tensor:
    def __init__(self, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments = (Storage(key), offset, shape, strides, False, OrderedDict())


class Pickler(pickle._Pickler):
    """Writes what torch wrote, without torch: names by hand, storages by persistent id."""

    def persistent_id(self, thing):
        return ("storage", FloatStorage, thing.key, "cpu", 0, None) if isinstance(thing, Storage) else None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Tensor):
            self.write(b"ctorch._utils\n_rebuild_tensor_v2\n")
            super().save(thing.arguments)
            self.write(pickle.REDUCE)
        elif thing is FloatStorage:
            self.write(b"ctorch\nFloatStorage\n")
        else:
            super().save(thing, save_persistent_id)


def legacy_file(state: OrderedDict[str, Tensor], storages: dict[str, np.ndarray]) -> bytes:
    file = BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state, sorted(storages)):
        Pickler(file, protocol=2).dump(part)
    for key in sorted(storages):
        file.write(len(storages[key]).to_bytes(8, "little") + storages[key].astype("<f4").tobytes())
    return file.getvalue()


def test_shapes_strides_and_offsets(tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    state = OrderedDict(
        whole=Tensor("a", 0, (3, 4), (4, 1)), turned=Tensor("a", 0, (4, 3), (1, 4)), end=Tensor("a", 10, (2,), (1,))
    )
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy_file(state, {"a": numbers}))
    arrays = read_torch_weights(path)
    np.testing.assert_array_equal(arrays["whole"], numbers.reshape(3, 4))
    np.testing.assert_array_equal(arrays["turned"], numbers.reshape(3, 4).T)
    np.testing.assert_array_equal(arrays["end"], [10, 11])


def test_a_tensor_outside_its_storage_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy_file(OrderedDict(w=Tensor("a", 8, (3, 4), (4, 1))), {"a": np.zeros(12)}))
    with pytest.raises(TrainingError, match="outside of its storage"):
        read_torch_weights(path)


def test_a_pickle_that_asks_for_anything_else_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(TrainingError, match=r"it asks for os\.system"):
        read_torch_weights(path)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_in_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("torch") / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="not a state dict"):
        read_torch_weights(path)
