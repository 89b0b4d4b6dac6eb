"""openapi.json: what FastAPI finds in the routes, put right where it cannot know; good enough to make clients from."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from serving.http.forms.described import COMPONENTS
from serving.http.schemas import ErrorBody
from serving.open_inference.messages import ControlRequest, IndexRequest, InferRequest
from serving.settings import Settings
from serving.versions.labels import Labels

REFERENCE = "#/components/schemas/{model}"

_NAMED = (InferRequest, IndexRequest, ControlRequest, Labels, ErrorBody)
"""Bodies that the routes read by themselves, and that of errors."""

_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
_OPEN = ("/health", "/v2/health")
_KEYS = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "One of LOUPE_API_KEYS_FILE, where it is set.",
    },
    "bearerKey": {"type": "http", "scheme": "bearer", "description": "The same, as `Authorization: Bearer …`."},
    "adminToken": {"type": "http", "scheme": "bearer", "description": "LOUPE_ADMIN_TOKEN, for control calls."},
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function, which is the name of a method in clients that are made from openapi.json."""
    return route.name


def describe(app: FastAPI, settings: Settings, control: frozenset[str]) -> None:
    """Makes the application tell of itself in our terms, from the next time it is asked.

    Args:
        app: with all its routes.
        settings: whether keys are asked for, and the path under which a proxy serves it.
        control: operations that want the admin token.
    """
    made_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made_by_fastapi()
            document["servers"] = [{"url": settings.root_path or "/"}]
            _correct(document)
            _secure(document, settings, control)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(document: dict[str, Any]) -> None:
    """A parameter that is not allowed is a 400 here, and has the one body that all errors have."""
    schemas = document["components"]["schemas"]
    for _, operation in _operations(document):
        if f"/{_OF_FASTAPI[0]}" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
        summary, _, rest = operation.pop("description").partition("; ")
        operation["summary"] = summary.removesuffix(".")
        if rest:
            operation["description"] = rest[:1].upper() + rest[1:]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    _, named = models_json_schema([(model, "validation") for model in _NAMED], ref_template=REFERENCE)
    schemas.update(named["$defs"] | COMPONENTS)
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _secure(document: dict[str, Any], settings: Settings, control: frozenset[str]) -> None:
    """Without keys every call may be made without one, and /docs shows a lock all the same."""
    document["components"]["securitySchemes"] = _KEYS
    keys: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearerKey": []}]
    document["security"] = keys if settings.api_keys_file else [{}, *keys]
    for path, operation in _operations(document):
        if path.startswith(_OPEN):
            operation["security"] = []
        elif operation["operationId"] in control:
            token: dict[str, list[str]] = {"adminToken": []}
            with_key = {**token, "apiKey": []}
            operation["security"] = [with_key] if settings.api_keys_file else [token, with_key]


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation
