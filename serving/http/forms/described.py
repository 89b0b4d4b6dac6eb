"""A predict body's forms for openapi.json, which cannot see them as the routes read the stream themselves."""

from serving.http.forms.multipart import PART

_BINARY = {"type": "string", "format": "binary"}
_B64: dict[str, object] = {
    "type": "object",
    "required": ["b64"],
    "properties": {"b64": {"type": "string", "format": "byte"}},
}
_B64S: dict[str, object] = {"type": "array", "items": _B64}
_INPUT: dict[str, object] = {"type": "object", "required": [PART], "properties": {PART: _B64S}}


def _json_schema(form: str, images: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "required": [form], "properties": {form: images, "signature_name": {"type": "string"}}}


OPENAPI_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [PART],
                    "properties": {PART: {"type": "array", "items": _BINARY}},
                }
            },
            "application/json": {
                "schema": {"oneOf": [_json_schema("instances", _B64S), _json_schema("inputs", _INPUT)]}
            },
        },
    }
}
"""The body's forms."""
