"""What weights were learned from: a recipe and photos. Files that hang on both say which, and resuming goes by it."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from models.errors import TrainingError
from training.fitting.recipe import Recipe
from training.photos.manifest import Manifest

LONGER = frozenset({"fit.epochs", "fit.patience"})
"""Keys of a recipe that may change while a run is resumed."""

_WORDS = frozenset({"name", "description", "limits", "default", "decision_threshold", "export", "search"})
"""Of a recipe; no weight depends on them."""


def digests(recipe: Recipe, photos: Manifest) -> tuple[str, str]:
    """What an answer of a model hangs on, as two cells of a table's header.

    Args:
        recipe: all but its words count.
        photos: their files' digests, labels, sources and splits count, in any order.
    """
    return f"recipe {_digest(_settings(recipe))}", f"photos {_digest(sorted(_places(photos).elements()))}"


def check_about(table: Path, recipe: Recipe, photos: Manifest) -> None:
    """Refuses a table whose header does not have the ``digests`` of this recipe and these photos; none is none wrong.

    Raises:
        TrainingError: says which of the two it is not about, or does not say to be about.
    """
    if not table.is_file():
        return
    with table.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    for asked, meant in zip(digests(recipe, photos), ("this recipe", "these photos"), strict=True):
        if asked not in header:
            raise TrainingError(
                f"{table} does not say that it is about {meant}; remove it, or let `loupe-train crossval` make it anew "
                "(in seconds with --resume, where its folds are done and of the same)"
            )


def check_resumed(recipe: Path, photos: Path, now: tuple[Recipe, Manifest], may_differ: Collection[str]) -> None:
    """Refuses to go on with what was learned by another recipe or from other photos.

    Args:
        recipe: the file that what was learned followed; where there is none, nothing was.
        photos: the manifest of what it was learned from.
        now: recipe and photos to go on with.
        may_differ: keys of the recipe, such as ``LONGER``.

    Raises:
        TrainingError: they differ; it names the key, or counts the photos.
    """
    if not recipe.is_file() or not photos.is_file():
        return
    why = _other_setting(Recipe.read(recipe), now[0], may_differ) or _other_photos(Manifest.read(photos), now[1])
    if why:
        raise TrainingError(f"{recipe.parent} cannot be resumed: {why}; without --resume it begins anew")


def _other_setting(before: Recipe, now: Recipe, may_differ: Collection[str]) -> str | None:
    old, new = _settings(before), _settings(now)
    for key in sorted((old.keys() | new.keys()) - set(may_differ)):
        if old.get(key) != new.get(key):
            return f"its recipe's {key} is {old.get(key)}, not {new.get(key)}"
    return None


def _other_photos(before: Manifest, now: Manifest) -> str | None:
    old, new = _places(before), _places(now)
    if old == new:
        return None
    files = [Counter(photo.sha256 for photo in manifest.photos) for manifest in (before, now)]
    gone, added = (files[0] - files[1]).total(), (files[1] - files[0]).total()
    changed = (new - old).total() - added
    return (
        f"of its photos {gone} went, {added} came, and {changed} changed split, label or source (see its manifest.csv)"
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    """All but the words, by section and key."""
    document = recipe.model_dump(mode="json", exclude=set(_WORDS))
    return {
        f"{section}.{key}".rstrip("."): value
        for section, values in document.items()
        for key, value in (values.items() if isinstance(values, dict) else [("", values)])
    }


def _places(photos: Manifest) -> Counter[tuple[str, ...]]:
    return Counter((photo.sha256, photo.label, photo.source, photo.split) for photo in photos.photos)


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
