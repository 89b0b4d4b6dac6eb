"""What is wrong with a value, in our words: Pydantic's are written for whoever wrote the program."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_MUST = {
    "bool": "must be true or false",
    "bytes": "must be text",
    "dict": "must be an object such as {…}",
    "float": "must be a number such as 1.5",
    "int": "must be a whole number such as 5",
    "list": "must be a list such as […]",
    "model": "must be an object such as {…}",
    "path": "must be a path",
    "set": "must be a list such as […]",
    "string": "must be text",
    "tuple": "must be a list such as […]",
}
"""By the first word of an error's type, such as ``int_parsing``."""

_BOUNDS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "must have at most {} characters"),
    "too_short": ("min_length", "must have at least {} entries"),
    "too_long": ("max_length", "must have at most {} entries"),
    "string_pattern_mismatch": ("pattern", "must look like {}"),
    "literal_error": ("expected", "must be {}"),
    "enum": ("expected", "must be {}"),
}
_LIKE = {
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "must be 1 to 64 small letters, digits, '.', '_' or '-', no sign first",
    r"^[0-9a-f]{64}$": "must be 64 hexadecimal digits",
    "^/.*[^/]$": "must begin with / and not end with it, such as /loupe",
    "^https?://.+": "must begin with http:// or https://",
}
"""What patterns mean, which are written for programs."""

_OURS = ("value_error", "assertion_error")
"""Raised by our own validators, as whole sentences."""

_IS = {"missing": "is missing", "extra_forbidden": "is not known here"}
_LONGEST = 60
TOO_LONG = "a longer text than is allowed"
"""Where a ``memoryview`` was given, as which long texts come: a photo could have been meant, but not here."""


def wrong_value(error: ValidationError) -> str:
    """The first thing that is wrong, and where: ``at inputs.0.shape.0: must be at least 0; -1 was given``."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part)[:100] for part in first["loc"] if part != "[key]") or "document"
    return f"at {place}: {explain(first)}"


def explain(details: Mapping[str, Any]) -> str:
    """One error as Pydantic lists it → what must be, and what was given, if that is short."""
    if str(details["type"]) in _OURS:
        return str(details["msg"]).partition(", ")[2] or str(details["msg"])
    if isinstance(details.get("input"), memoryview):
        return f"is {TOO_LONG}"
    must = must_be(details)
    return f"{must}{_given(details.get('input'))}" if must.startswith("must") else must


def must_be(details: Mapping[str, Any]) -> str:
    """What must be, and nothing of what was given; empty where one of our own sentences says it."""
    kind, context = str(details["type"]), details.get("ctx") or {}
    if kind in _OURS:
        return ""
    if kind in _BOUNDS:
        key, sentence = _BOUNDS[kind]
        if (meant := _LIKE.get(str(context.get(key)))) is not None:
            return meant
        return sentence.format(context.get(key))
    if kind == "json_invalid":
        return f"is no JSON: {context.get('error', 'it cannot be read')}"
    return _IS.get(kind) or _MUST.get(kind.partition("_")[0], "is not allowed")


def _given(value: object) -> str:
    if isinstance(value, dict):
        return "; an object was given"
    if isinstance(value, (list, tuple)):
        return "; a list was given"
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return f"; {shown} was given" if len(shown) <= _LONGEST else ""
