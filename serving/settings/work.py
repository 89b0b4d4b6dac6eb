"""Work: what is served and where, and how much of it at once; the first of the settings."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

import models
from models.images import ImageLimits
from models.store import is_address
from serving.settings.device import Device
from serving.settings.environment import PREFIX
from serving.settings.policy import VersionPolicies

_PORT = 8000
_MIB = 1024 * 1024
_limits = lru_cache(ImageLimits)  # asked for by every request


class Work(BaseSettings):
    """What a person may choose of it; ``Settings`` adds who may ask, and what is told."""

    # White space around: files and secrets that were written by a shell end with a line break.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, str_strip_whitespace=True)

    models: Path | str = Field(
        Path(models.__file__).parent,
        description="Folder of the models: name/version/model.onnx; or the address of one at an object store, such as "
        "s3://bucket/models (extra `store`).",
    )
    models_cache: Path | None = Field(
        None, description="Folder that models from an address are fetched into; unset: `~/.cache/loupe`."
    )
    versions: str = Field(
        "latest",
        description="Versions that are served beside labelled ones: latest, latest:2, all, or numbers such as 1+3; "
        "name=… for one model; separated by commas.",
    )
    reload: Literal["off", "watch"] = Field(
        "off",
        description="watch: a change in the folder of the models does what SIGHUP does, look for versions anew; an "
        "address is asked every half a minute.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 or :: for every interface.")
    port: int = Field(_PORT, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    grpc_port: int | None = Field(
        None, ge=0, le=65535, description="Port for Open Inference over gRPC (extra `grpc`); unset: none."
    )
    device: Device = Field(
        "auto",
        description="Where the models run; auto takes CUDA if it really loads, else the CPU; gpu is cuda; "
        "tensorrt only if named.",
    )
    gpu_memory_bytes: int | None = Field(
        None,
        ge=256 * _MIB,
        description="Bytes of a GPU's memory that each model may take; unset: ONNX Runtime takes what it needs, and "
        "in doublings.",
    )
    engine_cache: Path | None = Field(
        None,
        description="Folder for the engines that TensorRT builds, so that only the first start waits for them; unset: "
        "none.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads that decode, and on the CPU workers of each model; unset: one per core, "
        "of a container's share.",
    )
    max_batch_images: int | None = Field(
        None, ge=1, le=1024, description="Images that one call of a model takes; unset: 8 on the CPU, 32 on a GPU."
    )
    max_image_bytes: int = Field(32 * _MIB, ge=1, description="Bytes of one encoded image.")
    max_image_pixels: int = Field(50_000_000, ge=1, description="Width x height of one decoded image.")
    max_jpeg_scans: int = Field(
        100, ge=1, description="Scans of one progressive JPEG, each of which goes over the whole picture."
    )
    max_image_parts: int = Field(
        65_536, ge=16, description="Segments, chunks, strips, tags and blocks that one encoded image is made of."
    )
    max_decoded_bytes: int | None = Field(
        None,
        ge=128 * _MIB,
        description="Bytes of memory that all pictures together may take while they are decoded; what does not fit "
        "waits; unset: half of the machine's memory, or of the container's.",
    )
    decode_timeout_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds of a core that one picture may take to be decoded, three times that to be turned.",
    )
    max_request_bytes: int = Field(64 * _MIB, ge=1, description="Bytes of one request's body.")
    max_request_images: int = Field(64, ge=1, description="Images of one request.")
    max_queued_images: int = Field(
        256, ge=1, description="Images that are being answered or wait for it, of all requests."
    )
    max_held_bytes: int = Field(
        512 * _MIB, ge=1, description="Bytes of all bodies that are arriving or held until they are answered."
    )
    max_wait_s: float = Field(
        0.25,
        gt=0,
        le=3600,
        description="Seconds that an image may be expected to wait until it is begun with; else it is refused.",
    )
    max_caller_percent: float = Field(
        75,
        gt=0,
        le=100,
        description="Of the bytes and images above, what all requests of one API key, or without keys of one address, "
        "may hold together, in percent.",
    )
    request_timeout_s: float = Field(
        30, gt=0, le=3600, description="Seconds that a body may take to arrive, and then again its answer."
    )
    read_timeout_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds in which a body must bring 4096 bytes for each of them; over gRPC, in which a whole "
        "message must come where others wait for its place.",
    )
    write_timeout_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="Seconds in which 4096 bytes for each of them must be taken of an answer that waits.",
    )
    header_timeout_s: float = Field(
        10, gt=0, le=3600, description="Seconds from a request's first byte until its headers have come."
    )
    idle_timeout_s: float = Field(
        65, gt=0, le=3600, description="Seconds that a connection may take until the first byte of its next request."
    )
    max_header_bytes: int = Field(32 * 1024, ge=1024, le=_MIB, description="Bytes of a request's line and headers.")
    drain_pause_s: float = Field(
        0,
        ge=0,
        le=600,
        description="Seconds after SIGTERM in which requests are still taken, while `/health/ready` says 503.",
    )

    @property
    def models_folder(self) -> Path:
        """Where the models are on this machine: those of an address, once they are fetched."""
        if isinstance(self.models, Path):
            return self.models
        cache = self.models_cache or Path.home() / ".cache" / "loupe"
        return cache / hashlib.sha256(self.models.encode()).hexdigest()[:16]

    @property
    def image_limits(self) -> ImageLimits:
        """What one picture may cost."""
        return _limits(
            max_bytes=self.max_image_bytes,
            max_pixels=self.max_image_pixels,
            max_scans=self.max_jpeg_scans,
            max_parts=self.max_image_parts,
        )

    @field_validator("models", mode="before")
    @classmethod
    def _folder_or_address(cls, value: object) -> object:
        """A path would lose one of an address's slashes."""
        return value.rstrip("/") if isinstance(value, str) and is_address(value) else Path(str(value))

    @field_validator("versions")
    @classmethod
    def _policies(cls, value: str) -> str:
        VersionPolicies.parse(value)
        return value

    @field_validator("port", "grpc_port", mode="before")
    @classmethod
    def _not_a_service_link(cls, value: object, info: ValidationInfo) -> object:
        default = cls.model_fields[str(info.field_name)].default
        return default if isinstance(value, str) and value.startswith("tcp://") else value

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        """A request that could never be admitted would be told to try again for ever."""
        for larger, smaller in (
            ("max_request_bytes", "max_image_bytes"),
            ("max_held_bytes", "max_request_bytes"),
            ("max_queued_images", "max_request_images"),
        ):
            if getattr(self, larger) < getattr(self, smaller):
                raise ValueError(f"{PREFIX}{larger.upper()} must not be below {PREFIX}{smaller.upper()}")
        return self
