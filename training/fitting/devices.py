"""One training on several devices, of one machine or more: each gets its share of a batch, gradients are averaged.

TensorFlow drops the batches it fetched ahead when the first two epochs begin, so other photos are drawn than on one
device, and a resumed run is not the uninterrupted one to the last bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from models.errors import TrainingError


@contextmanager
def on_devices(count: int, batch_size: int) -> Iterator[None]:
    """Within it, networks are built, and fitted, on the first ``count`` GPUs or, where there is none, CPU devices.

    Args:
        count: 1 changes nothing.
        batch_size: of all devices together.

    Raises:
        TrainingError: there are fewer devices, the batch cannot be shared evenly, or the backend is Torch's.
    """
    if count == 1:
        yield
        return
    if batch_size % count:
        raise TrainingError(f"a batch of {batch_size} cannot be shared evenly by {count} devices")
    backend = keras.backend.backend()
    if backend not in _DISTRIBUTED:
        raise TrainingError(f"several devices need Keras on {' or '.join(_DISTRIBUTED)}, not on {backend}")
    with _DISTRIBUTED[backend](count):
        yield


@contextmanager
def on_machines(coordinator: str, number: int, of: int, batch_size: int) -> Iterator[list[str]]:
    """Within it, networks are built, and fitted, on the devices of several machines; Keras must stand on JAX.

    Args:
        coordinator: ``host:port``; the first process listens there.
        number: of this process, from 0.
        of: processes.
        batch_size: of all of them together.

    Yields:
        The names of this machine's devices.

    Raises:
        TrainingError: the machines have different devices, or the batch cannot be shared evenly.
    """
    import jax

    jax.distributed.initialize(
        coordinator, of, number, cluster_detection_method="deactivate", coordinator_bind_address=coordinator
    )
    here, everywhere = jax.local_device_count(), jax.device_count()
    if here * of != everywhere:
        raise TrainingError(f"each worker must have as many devices; this one has {here}, all have {everywhere}")
    if batch_size % everywhere:
        raise TrainingError(f"a batch of {batch_size} cannot be shared evenly by {everywhere} devices")
    with _jax(everywhere):
        yield [str(device) for device in jax.local_devices()]
    jax.distributed.shutdown()  # type: ignore[no-untyped-call]  # not after an error: it would wait for the others


@contextmanager
def _tensorflow(count: int) -> Iterator[None]:
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = _first(count, [device.name for device in devices])
    with tf.distribute.MirroredStrategy(names).scope():
        yield


@contextmanager
def _jax(count: int) -> Iterator[None]:
    names = _first(count, keras.distribution.list_devices())
    # Batches come from one process, so none of them is for other machines to take.
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names, auto_shard_dataset=False))
    try:
        yield
    finally:
        keras.distribution.set_distribution(None)


def _first(count: int, names: list[str]) -> list[str]:
    if count > len(names):
        raise TrainingError(f"{count} devices are wanted, there is {', '.join(names)}")
    return names[:count]


_DISTRIBUTED = {"tensorflow": _tensorflow, "jax": _jax}
