"""The labels that an ONNX file carries in its properties, in the forms that are about."""

import ast
import json
from collections.abc import Mapping

# Ultralytics' exporter writes `names`, str() of a dictionary (older ones: of a list), RapidOCR's `character`, a line
# for each. Paddle2ONNX and timm write none: PaddleX has `label_list` in the YAML beside the model, timm `label_names`
# in its `pretrained_cfg`, Transformers `id2label` in its configuration, and people copy these, as text or as JSON.
_KEYS = ("labels", "names", "classes", "class_names", "label_names", "label_list", "id2label", "character")
_NESTED = ("pretrained_cfg", "config")


def carried_labels(properties: Mapping[str, str]) -> tuple[str, tuple[str, ...]] | None:
    """The property that holds labels, and the labels in the order of the output; None: there is none.

    Args:
        properties: the ``metadata_props`` of an ONNX file.
    """
    nested = [_value(properties[key]) for key in _NESTED if key in properties]
    places = [properties, *(document for document in nested if isinstance(document, dict))]
    for place in places:
        for key in _KEYS:
            labels = _labels(_value(place[key])) if key in place else None
            if labels and len(labels) > 1:
                return key, labels
    return None


def _value(text: object) -> object:
    """JSON, or a Python literal, or lines, or what commas separate."""
    if not isinstance(text, str):
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, list | tuple | dict):
            return value
    return text.strip().split("\n" if "\n" in text.strip() else ",")


def _labels(value: object) -> tuple[str, ...] | None:
    if isinstance(value, dict):
        try:
            numbered = sorted((int(index), name) for index, name in value.items())
        except (TypeError, ValueError):
            return None
        if [index for index, _ in numbered] != list(range(len(numbered))):
            return None
        value = [name for _, name in numbered]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str | int) for name in value):
        return None
    return tuple(str(name).strip() for name in value)
