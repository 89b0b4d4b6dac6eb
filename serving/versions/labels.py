"""Labels: names such as ``stable`` and ``canary`` for a model's versions, in one small file beside them.

``<root>/<model>/labels.json``, such as ``{"stable": 1, "canary": {"version": 2, "share": 0.05}, "shadow": 3}``. Calls
that name neither a version nor a label go to ``stable``, without it to the latest version, and a ``share`` of them to
that label's version. ``shadow`` judges copies of what they send, and never answers.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError, model_validator

from models.errors import InvalidModelError, RequestError
from models.metadata import Name
from models.whole_file import write_whole
from models.wrong_value import wrong_value
from serving.parsing.bounded_json import read_json

FILE_NAME = "labels.json"
STABLE, SHADOW = "stable", "shadow"
_ROUNDING = 1e-9
_MOST_LABELS = 100
_MOST_BYTES = 64 * 1024  # of the file: a link to what has no end would be read until memory has one


class Target(BaseModel):
    """What a label names; a bare number is a version without a share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = Field(ge=1)
    share: float | None = Field(None, gt=0, le=1, exclude_if=lambda value: value is None)


def _named(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"version": value}
    if not isinstance(value, (dict, Target)):
        raise ValueError('must be a version such as 2, or an object such as {"version": 2, "share": 0.05}')
    return value


class Labels(RootModel[dict[Name, Annotated[Target, BeforeValidator(_named, json_schema_input_type=Target | int)]]]):
    """One model's labels; without any, the latest version answers."""

    model_config = ConfigDict(frozen=True)

    root: dict[Name, Annotated[Target, BeforeValidator(_named, json_schema_input_type=Target | int)]] = {}

    @model_validator(mode="before")
    @classmethod
    def _are_few(cls, given: Any) -> Any:  # noqa: ANN401
        """Each of which may be wrong, and one is told."""
        if isinstance(given, dict) and len(given) > _MOST_LABELS:
            raise ValueError(f"there are more than the {_MOST_LABELS} labels that are allowed")
        return given

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if any(name in self.root and self.root[name].share is not None for name in (STABLE, SHADOW)):
            raise ValueError(f"{STABLE} and {SHADOW} have no share: {STABLE} gets what the others leave")
        if sum(target.share or 0 for target in self.root.values()) > 1 + _ROUNDING:
            raise ValueError("the shares add up to more than 1")
        return self

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a document that a caller sent.

        Raises:
            RequestError: it is not one; the message names the first thing that is wrong.
        """
        try:
            return cls.model_validate(read_json(data, "the document of labels"))
        except ValidationError as error:
            raise RequestError(f"the labels are wrong {wrong_value(error)}") from None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads a model's file; without one there are no labels.

        Raises:
            InvalidModelError: it cannot be read, is malformed, or has more than 64 KiB.
        """
        try:
            with (folder / FILE_NAME).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                raise RequestError(f"it has more than the {_MOST_BYTES} bytes that are allowed")
            return cls.parse(data)
        except FileNotFoundError:
            return cls()
        except (OSError, RequestError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidModelError(f"{folder.name}/{FILE_NAME} cannot be used: {reason}") from None

    def to_file(self) -> bytes:
        """The file's content."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    def write(self, folder: Path) -> None:
        """Replaces the model's file at once: nobody ever reads a half of it."""
        write_whole(folder / FILE_NAME, self.to_file())

    @property
    def versions(self) -> frozenset[int]:
        """All that a label names."""
        return frozenset(target.version for target in self.root.values())

    def version(self, label: str) -> int | None:
        """What a label names, if there is such a label."""
        return self.root[label].version if label in self.root else None

    def draw(self, chance: float) -> int | None:
        """The version that a call goes to by its chance, drawn evenly from [0, 1); None: to no label's share."""
        for target in self.root.values():
            chance -= target.share or 0
            if chance < 0:
                return target.version
        return None
