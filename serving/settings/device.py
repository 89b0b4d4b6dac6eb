"""Where models run, as people say it and as ONNX Runtime does."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from models.metadata import DeviceKind

DeviceName = Literal["auto", "gpu", DeviceKind]
"""As people say it: the Makefile says gpu, ONNX Runtime CUDA, and both are understood everywhere."""

Device = Annotated[Literal["auto", DeviceKind], BeforeValidator(lambda said: "cuda" if said == "gpu" else said)]
"""What was meant."""
