"""What a caller may ask for besides: by query, in JSON's ``parameters`` or as text parts of a form, read once."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from models.errors import RequestError
from models.wrong_value import TOO_LONG, explain
from serving.parsing.nearest import nearest
from serving.upright.tasks import Method

_MOST_FIELDS = 64
_KNOWN_QUERIES = 64  # which come again and again; most are empty


def refuse_many_fields(query: str) -> None:
    """Raises RequestError where a query, which is not parsed yet, has more fields than any call has."""
    if query.count("&") >= _MOST_FIELDS:
        raise RequestError(f"the query has more than the {_MOST_FIELDS} parameters that are allowed")


class Parameters(BaseModel):
    """Of one call; what it does not know is refused, as a parameter with a slip in its name would do nothing."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:  # noqa: ANN401
        for name in given if isinstance(given, Mapping) else ():
            if name not in cls.model_fields:
                raise RequestError(f"there is no parameter {name[:50]!r} here; {nearest(name, cls.model_fields)}")
        return given

    @classmethod
    @lru_cache(_KNOWN_QUERIES)
    def of_query(cls, query: str) -> Self:
        """Those of an address, of each the last.

        Raises:
            RequestError: a parameter is unknown, or has no value that is allowed.
        """
        refuse_many_fields(query)
        try:
            return cls.model_validate(dict(parse_qsl(query, keep_blank_values=True)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RequestError(f"the query parameter {first['loc'][0]} {explain(first)}") from None

    def beside(self, given: Mapping[str, object]) -> Self:
        """These, which came by query, and those of the body.

        Raises:
            RequestError: a parameter is unknown, has no value that is allowed, or two different ones.
        """
        if not given:
            return self
        try:
            of_body = type(self).model_validate(dict(given))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RequestError(f"the parameter {first['loc'][0]} {explain(first)}") from None
        both = self.model_fields_set & of_body.model_fields_set
        for name in both:
            if getattr(self, name) != getattr(of_body, name):
                raise RequestError(f"the parameter {name} is given twice, by query and in the body, and differs")
        return self.model_copy(update={name: getattr(of_body, name) for name in of_body.model_fields_set})


class PredictParameters(Parameters):
    """Of calls that name their model in the path."""

    top_k: int | None = Field(None, ge=1, description="Keep only the likeliest labels in `probabilities`.")
    exif: Literal["apply", "ignore"] = Field("apply", description="`ignore` judges the stored pixels.")


def _joined(value: object) -> object:
    if isinstance(value, list) and any(isinstance(one, memoryview) for one in value):
        raise ValueError(f"is {TOO_LONG}")
    return ",".join(map(str, value)) if isinstance(value, list) else value


class SeveralParameters(PredictParameters):
    """Of calls that may ask several models."""

    models: Annotated[str | None, BeforeValidator(_joined)] = Field(
        None, description="Names, separated by commas; without, all default models."
    )

    def names(self, default: list[str]) -> list[str]:
        """The models that are asked, each once.

        Raises:
            RequestError: none is named.
        """
        if self.models is None:
            names = default
        else:
            names = list(dict.fromkeys(name for one in self.models.split(",") if (name := one.strip())))
        if not names:
            raise RequestError(
                "no model is named, and none answers by default; name some: ?models=orientation"
                if self.models is None
                else "the parameter models is empty; leave it out for all default models, or name some: "
                "?models=orientation"
            )
        return names


class ExplainParameters(Parameters):
    """Of explaining an answer."""

    label: str | None = Field(None, description="The label to explain; without, the one that is answered.")
    exif: Literal["apply", "ignore"] = Field("apply", description="`ignore` judges the stored pixels.")


class FeedbackParameters(Parameters):
    """Of correcting an answer."""

    label: str | None = Field(None, description="The label that is right.")


class UprightParameters(Parameters):
    """Of turning a photo."""

    method: Method = Field(
        "tag",
        description="`tag` changes the orientation alone, in EXIF or a HEIC's container (but turns a WebP's pixels, as "
        "browsers overlook its tag); `pixels` turns what is stored.",
    )
