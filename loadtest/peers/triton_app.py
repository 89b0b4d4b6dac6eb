"""Triton with its Python front end, PyTriton: the server's own HTTP and batches, and a Python function behind it."""

import os
import sysconfig
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from loadtest.work import Work, whole

_LARGEST_BATCH = 8

work = Work(Path(os.environ["MODEL"]))


@batch
def answer(photo: NDArray[np.bytes_]) -> dict[str, NDArray[np.float32]]:
    """``float32[N, K]`` of N encoded photos, ``bytes[N, 1]``."""
    pixels = [work.pixels(whole(bytes(one))) for one in photo[:, 0]]
    return {"probabilities": work.run(np.concatenate(pixels))}


if __name__ == "__main__":
    # As PyTriton's page on installing says: else its worker finds another libpython than this one's, if there is one.
    os.environ["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    config = TritonConfig(
        http_address="127.0.0.1", http_port=int(os.environ["PORT"]), allow_grpc=False, allow_metrics=False
    )
    with Triton(config=config, workspace=Path.home() / "triton") as triton:
        triton.bind(
            model_name="photo",
            infer_func=answer,
            inputs=[Tensor(name="photo", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(-1,))],
            config=ModelConfig(max_batch_size=_LARGEST_BATCH, batcher=DynamicBatcher()),
        )
        triton.serve()
