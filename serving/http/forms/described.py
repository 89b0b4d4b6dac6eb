"""A predict body's forms for openapi.json, which cannot see them as the routes read the stream themselves.

What is taken by several names has one here.
"""

from typing import Any

from serving.http.forms.multipart import PART

_BINARY = {"type": "string", "format": "binary"}
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""A whole photo that fits in a line: one grey pixel, as PNG."""

COMPONENTS: dict[str, dict[str, Any]] = {
    "EncodedPhoto": {
        "type": "object",
        "title": "EncodedPhoto",
        "description": "A photo as base64 of its file.",
        "required": ["b64"],
        "properties": {"b64": {"type": "string", "description": "Line breaks and missing padding do not matter."}},
    },
    "PhotoColumn": {
        "type": "object",
        "title": "PhotoColumn",
        "description": "The one input of every model, for all photos.",
        "required": [PART],
        "properties": {PART: {"type": "array", "items": {"$ref": "#/components/schemas/EncodedPhoto"}}},
    },
    "PhotoDocument": {
        "type": "object",
        "title": "PhotoDocument",
        "description": "Photos in TensorFlow Serving's forms; exactly one of `instances`, `inputs` and `images`.",
        "properties": {
            "instances": {
                "type": "array",
                "description": "By rows; answered with `predictions`. A `key` beside `b64` comes back.",
                "items": {"$ref": "#/components/schemas/EncodedPhoto"},
            },
            "inputs": {"$ref": "#/components/schemas/PhotoColumn"},
            "images": {
                "type": "array",
                "description": "Base64 and nothing else; answered as photos in a form are.",
                "items": {"type": "string"},
            },
            "parameters": {
                "type": "object",
                "description": "What may stand in the query.",
                "additionalProperties": True,
            },
            "signature_name": {"type": "string", "description": "There is one signature, so it says nothing."},
        },
    },
    "PhotoForm": {
        "type": "object",
        "title": "PhotoForm",
        "required": [PART],
        "properties": {
            PART: {"type": "array", "description": "Files; each is a photo, whatever its name.", "items": _BINARY}
        },
    },
}
"""Schemas that the bodies below refer to."""

_DOCUMENT = {
    "schema": {"$ref": "#/components/schemas/PhotoDocument"},
    "examples": {
        "rows": {"summary": "by rows", "value": {"instances": [{"b64": DOT}]}},
        "columns": {"summary": "by columns", "value": {"inputs": {PART: [{"b64": DOT}]}}},
        "plain": {"summary": "base64 alone", "value": {"images": [DOT]}},
    },
}

OPENAPI_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Photos; a single one may be the body itself, of any type. The first bytes decide what it is.",
        "content": {
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/PhotoForm"}},
            "application/octet-stream": {"schema": _BINARY},
            "application/json": _DOCUMENT,
        },
    }
}
"""The body's forms."""
