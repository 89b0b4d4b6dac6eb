"""A JSON document → the images in it: TensorFlow Serving's forms, and a plain one.

``{"instances": […]}`` has rows, ``{"inputs": …}`` columns, ``{"image": …}`` and ``{"images": […]}`` neither. An image
is base64, as it is or as ``{"b64": …}``. There is one input, so any name is it: ``{"photo": {"b64": …}}``; a ``key``
beside it comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from models.counted import counted
from models.errors import RequestError, RequestTooLargeError
from serving.http.schemas import Key
from serving.parsing.base64_text import EXAMPLE, read_base64, refuse_address
from serving.parsing.bounded_json import read_json
from serving.parsing.nearest import nearest

_FORMS = ("instances", "inputs", "image", "images", "b64")
_BESIDE = ("parameters", "signature_name")
_B64, _KEY = "b64", "key"
_STARTS = (b"{", b"[")


@dataclass(frozen=True)
class Document:
    """What is in it; see ``Body``."""

    images: Sequence[bytes]
    form: Literal["plain", "rows", "columns"]
    keys: Sequence[Key] | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)


def is_document(data: bytes) -> bool:
    """Whether the first bytes are JSON's; no image begins so."""
    return data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in _STARTS


def read_document(data: bytes, max_images: int) -> Document:
    """Reads a whole JSON body.

    Raises:
        RequestError: it is malformed; the sentence says where, and what it may look like.
        RequestTooLargeError: it has more images or values than are allowed.
    """
    document = _object(read_json(data), "the JSON body")
    _refuse_unknown(document)
    given = [name for name in _FORMS if name in document]
    if len(given) != 1:
        names = " and ".join(map(repr, given)) or "no photo"
        raise RequestError(f"the JSON body has {names}; one of {', '.join(_FORMS[:-1])} is needed, such as {EXAMPLE}")
    [name] = given
    parameters = _parameters(document.get("parameters"))
    if name == "instances":
        return _rows(document[name], max_images, parameters)
    if name == "inputs":
        return _columns(document[name], max_images, parameters)
    value = {_B64: document[name]} if name == _B64 else document[name]
    return Document(_images(value, name, max_images), "plain", parameters=parameters)


def _object(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RequestError(f"{place} is {_kind(value)}; wanted is an object such as {EXAMPLE}")
    return value


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return "text" if isinstance(value, memoryview) else kinds.get(type(value), "a number")


def _refuse_unknown(document: Mapping[str, object]) -> None:
    for name, value in document.items():
        if name not in _FORMS + _BESIDE:
            _refuse_addresses(value, name[:50])
            raise RequestError(f"the JSON body has {name[:50]!r}; {nearest(name, _FORMS[:-1] + _BESIDE)}")


def _refuse_addresses(value: object, place: str) -> None:
    """Of one value, or of the ``{"url": …}`` that it is."""
    for text in value.values() if isinstance(value, dict) else [value]:
        if isinstance(text, str):
            refuse_address(text, place)


def _parameters(value: object) -> Mapping[str, object]:
    """Null says nothing, as JSON clients write it where they have nothing to say."""
    given = {} if value is None else _object(value, "parameters")
    return {name: one for name, one in given.items() if one is not None}


def _rows(value: object, max_images: int, parameters: Mapping[str, object]) -> Document:
    if not isinstance(value, list):
        raise RequestError(f"instances is {_kind(value)}; wanted is a list, such as {EXAMPLE}")
    _refuse_more(len(value), max_images)
    images, keys = [], list[Key]()
    for index, row in enumerate(value):
        place = f"instances[{index}]"
        name, image, key = _only_input(row, place)
        images.append(_image(image, name))
        keys.append(_scalar(key, f"{place}.{_KEY}"))
    has_keys = any(isinstance(row, dict) and _KEY in row for row in value)
    return Document(images, "rows", keys if has_keys else None, parameters)


def _columns(value: object, max_images: int, parameters: Mapping[str, object]) -> Document:
    name, column, key = _only_input(value, "inputs")
    images = _images(column, name, max_images)
    if key is None:
        return Document(images, "columns", None, parameters)
    keys = [_scalar(one, f"inputs.{_KEY}") for one in (key if isinstance(key, list) else [key])]
    if len(keys) != len(images):
        differ = f"{counted(len(keys), 'entry')} for {counted(len(images), 'image')}"
        raise RequestError(f"inputs.{_KEY} has {differ}; one for each is needed")
    return Document(images, "columns", keys, parameters)


def _only_input(value: object, place: str) -> tuple[str, object, object]:
    """The place of the one input, by whatever name, its value, and the key beside it."""
    if not isinstance(value, dict) or value.keys() == {_B64}:
        return place, value, None
    names = [name for name in value if name != _KEY]
    if len(names) != 1:
        given = ", ".join(repr(name[:50]) for name in names[:5]) or "nothing"
        raise RequestError(f"{place} has {given}; there is one input, 'image', and beside it perhaps '{_KEY}'")
    [name] = names
    image = {_B64: value[name]} if name == _B64 else value[name]
    return f"{place}.{name[:50]}", image, value.get(_KEY)


def _images(value: object, place: str, max_images: int) -> list[bytes]:
    if not isinstance(value, list):
        return [_image(value, place)]
    _refuse_more(len(value), max_images)
    return [_image(one, f"{place}[{index}]") for index, one in enumerate(value)]


def _image(value: object, place: str) -> bytes:
    if isinstance(value, dict):
        if value.keys() != {_B64}:
            _refuse_addresses(value, place)
            given = ", ".join(repr(name[:50]) for name in list(value)[:5]) or "nothing"
            raise RequestError(f"{place} has {given}; an image is {{'b64': '…'}} and nothing beside it")
        place, value = f"{place}.{_B64}".replace(f".{_B64}.{_B64}", f".{_B64}"), value[_B64]
    if not isinstance(value, (str, memoryview)):
        raise RequestError(f"{place} is {_kind(value)}; an image is base64 text, such as {EXAMPLE}")
    return read_base64(value, place)


def _scalar(value: object, place: str) -> Key:
    if isinstance(value, (dict, list)):
        raise RequestError(f"{place} is {_kind(value)}; it may be text, a number, true, false or null")
    if isinstance(value, memoryview):
        return bytes(value).decode(errors="replace")
    if isinstance(value, float) and not isfinite(value):  # which could not come back as JSON
        raise RequestError(f"{place} is too large a number")
    return value  # type: ignore[return-value]  # JSON has nothing else


def _refuse_more(count: int, max_images: int) -> None:
    if count > max_images:
        raise RequestTooLargeError(f"the request has {count} images; at most {max_images} are allowed")
