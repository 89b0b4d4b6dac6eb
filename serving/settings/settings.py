"""Settings: every knob of the service, from ``LOUPE_…`` environment variables and the command line's options."""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from models.errors import SettingsError
from models.wrong_value import explain, must_be
from serving.settings.environment import PREFIX, refuse_unknown_variables
from serving.settings.platforms import Platform
from serving.settings.work import Work

_MIB = 1024 * 1024
_SECRET = {"admin_token"}
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")


class Settings(Work):
    """What a person may choose. A setting's variable is ``LOUPE_`` and its name in capitals."""

    admin_token: SecretStr | None = Field(
        None,
        description="Bearer token of the control calls: load, unload, labels; unset: they are off.",
    )
    api_keys_file: Path | None = Field(
        None,
        description="File of API keys, one a line, # before a comment; reread on SIGHUP; unset: no key is asked for.",
    )
    model_public_key: Path | None = Field(
        None,
        description="File of the public key (PEM) that every model file must be signed with (extra `signing`); "
        "unset: no signature is asked for.",
    )
    metrics_need_key: bool = Field(True, description="Whether `/metrics` needs an API key where other calls do.")
    docs_need_key: bool = Field(
        False, description="Whether `/docs` and `/openapi.json` need an API key where other calls do."
    )
    explain: bool = Field(
        True, description="Whether `:explain` is answered, which takes as long as fifty images and counts as so many."
    )
    feedback: Path | None = Field(
        None,
        description="Folder for what people say is right where an answer is wrong (`:feedback`); unset: it is off.",
    )
    feedback_photos: bool = Field(False, description="Whether the corrected photos are kept there too, to learn from.")
    feedback_max_bytes: int = Field(
        1024 * _MIB, ge=_MIB, description="Bytes that the folder of corrections may take, of small files 4096 each."
    )
    web: bool = Field(True, description="Whether there is a page for people at `/`.")
    cors_origins: str | None = Field(
        None, description="Origins whose pages may call, separated by commas; * for every one; unset: none."
    )
    root_path: str | None = Field(
        None, pattern="^/.*[^/]$", description="Path under which a proxy serves Loupe, such as /loupe."
    )
    trusted_proxies: str | None = Field(
        None,
        description="Addresses or networks, separated by commas, whose X-Forwarded-For and X-Forwarded-Proto count; "
        "* for every one; unset: none.",
    )
    tracing_endpoint: str | None = Field(
        None,
        pattern="^https?://.+",
        description="Where spans go over OTLP/HTTP, such as http://localhost:4318/v1/traces; unset: no tracing.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="The least severe log records that are written, as JSON lines on stderr; of libraries, "
        "warnings at least.",
    )

    @classmethod
    def load(cls, **options: object) -> Self:
        """Reads the environment; options that are not None stand above it, and an empty variable is an unset one.

        Raises:
            SettingsError: a value is out of its bounds, or a ``LOUPE_…`` variable is no setting.
        """
        refuse_unknown_variables(set(cls.model_fields))
        if options.get("port") is None and (os.environ.get(f"{PREFIX}PORT") or "tcp://").startswith("tcp://"):
            options = {**options, "port": Platform.of(os.environ).port}
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None

    @field_validator("admin_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not (value and fits_header(value.get_secret_value())):
            raise ValueError("a token has one printable character of ASCII or more, and no others, as headers do")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: str | None) -> str | None:
        wrong = [item for item in listed(value) if not _ORIGIN.fullmatch(item)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no origin such as https://example.org, nor *")
        return None if value is None else ",".join(map(_as_browsers_write, listed(value)))

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        for item in listed(value):
            if item != "*":
                ip_network(item)  # its ValueError says what is wrong
        return value

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.port and self.grpc_port == self.port:
            raise ValueError(f"LOUPE_PORT and LOUPE_GRPC_PORT are both {self.port}: each needs one of its own")
        return self

    @model_validator(mode="after")
    def _photos_have_a_folder(self) -> Self:
        if self.feedback_photos and self.feedback is None:
            raise ValueError("LOUPE_FEEDBACK_PHOTOS=true needs LOUPE_FEEDBACK, the folder to keep them in")
        return self


def listed(value: str | None) -> list[str]:
    """The parts of a setting that are separated by commas; of one that is unset, none."""
    return [] if value is None else [item.strip() for item in value.split(",")]


def fits_header(text: str) -> bool:
    """Whether every client can send it in a header, and all mean the same by it."""
    return text.isascii() and text.isprintable()


def _as_browsers_write(origin: str) -> str:
    """In small letters, and without the port that goes without saying."""
    scheme, _, host = origin.lower().partition("://")
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}" if host else origin


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return explain(first)
    name, must = str(first["loc"][0]), must_be(first)
    what = f"it {must}" if must else explain(first)
    given = "…" if name in _SECRET else first["input"]
    return f"{PREFIX}{name.upper()}={given} is not allowed: {what}"
