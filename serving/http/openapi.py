"""openapi.json: what FastAPI finds in the routes, put right where it cannot know."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

_FRAMEWORKS = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Makes the application tell of itself in our terms, from the next time it is asked."""
    made_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _correct(made_by_fastapi())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(document: dict[str, Any]) -> None:
    """A parameter that is not allowed is a 400 here, and has the one body that all errors have."""
    for operation in _operations(document):
        said = operation["responses"].get("422", {})
        if f"/{_FRAMEWORKS[0]}" in str(said):
            del operation["responses"]["422"]
    for name in _FRAMEWORKS:
        document["components"]["schemas"].pop(name, None)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()
