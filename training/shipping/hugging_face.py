"""Hugging Face's layout: what a repository there says of a classifier, and the cache that their programs keep.

``hf://owner/name`` is a repository in the cache, which is ``HF_HUB_CACHE``, ``HF_HOME/hub`` or
``~/.cache/huggingface/hub``: ``models--owner--name/refs/main`` names a commit, and ``snapshots/<commit>/`` has its
files, which are links to ``blobs/``.
Nothing is fetched and nothing is sent: ``hf download`` and ``hf upload`` do that.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from models.errors import TrainingError
from models.metadata import ModelMetadata
from models.repository import CARD_NAME, FILE_NAME
from models.whole_file import write_whole
from training.shipping.carried_labels import carried_labels

SCHEME = "hf://"
_FILES = (FILE_NAME, f"onnx/{FILE_NAME}")  # the second is where Optimum and transformers.js look
_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "box"}  # Pillow's numbers


def folder_of(address: str) -> Path:
    """The files of a repository in the cache.

    Args:
        address: ``hf://owner/name``, or ``hf://owner/name@revision`` for a branch, a tag or a commit.

    Raises:
        TrainingError: it is no such address, or the cache does not have it.
    """
    repository, revision = parsed(address)
    refs = repository / "refs" / revision
    commit = refs.read_text(encoding="utf-8").strip() if refs.is_file() else revision
    folder = repository / "snapshots" / commit
    if not folder.is_dir():
        name = address.removeprefix(SCHEME).partition("@")[0]
        raise TrainingError(f"{address} is not in the cache {_cache()}; `hf download {name}` brings it")
    return folder


def onnx_in(folder: Path) -> Path:
    """The model's file in a repository's folder.

    Raises:
        TrainingError: there is none, or there are several and none is named as usual.
    """
    for name in _FILES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.rglob("*.onnx"))
    if len(found) != 1:
        named = ", ".join(str(path.relative_to(folder)) for path in found[:5]) or "none"
        raise TrainingError(f"one ONNX file is needed in {folder}, and there are {named}")
    return found[0]


def labels_in(folder: Path) -> tuple[str, tuple[str, ...]] | None:
    """The labels of its ``config.json``, as ``carried_labels`` gives them.

    Raises:
        TrainingError: the file is no JSON.
    """
    return carried_labels(_document(folder / "config.json"))


def facts_in(folder: Path) -> dict[str, Any]:
    """What its ``config.json`` and ``preprocessor_config.json`` say, by the names of the options of ``import``.

    Raises:
        TrainingError: a file is no JSON, or a size in it is none.
    """
    timm = _document(folder / "config.json").get("pretrained_cfg")
    transformers = _document(folder / "preprocessor_config.json")
    try:
        told = _of_timm(timm) if isinstance(timm, dict) else _of_transformers(transformers) if transformers else {}
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise TrainingError(f"the configuration in {folder} tells a size of pictures that is none") from None
    return {name: value for name, value in told.items() if value is not None}


def _of_transformers(told: Mapping[str, Any]) -> dict[str, Any]:
    """Its programs scale the shorter side to ``size`` and cut the middle, or squeeze into ``size``."""
    size, cut = _sides(told.get("size")), _sides(told.get("crop_size")) if told.get("do_center_crop") else None
    input_, normalised = cut or size, told.get("do_normalize", True)
    return {
        "size": f"{input_[0]}x{input_[1]}" if input_ else None,
        "mean": _text(told.get("image_mean")) if normalised else "0,0,0",
        "std": _text(told.get("image_std")) if normalised else "1,1,1",
        "fit": "center_crop" if cut else "squeeze",
        "crop": min(1.0, cut[0] / size[0]) if cut and size else None,
        "resample": _FILTERS.get(told.get("resample", 2)),
    }


def _sides(size: object) -> tuple[int, int] | None:
    """Height and width, of ``224``, ``{"shortest_edge": 224}`` or ``{"height": 224, "width": 224}``."""
    if isinstance(size, dict):
        height = size["height"] if "height" in size else size["shortest_edge"]
        return int(str(height)), int(str(size.get("width", height)))
    return None if size is None else (int(str(size)), int(str(size)))


def _of_timm(told: Mapping[str, Any]) -> dict[str, Any]:
    shape = told.get("input_size")
    return {
        "size": f"{shape[1]}x{shape[2]}" if shape else None,
        "mean": _text(told.get("mean")),
        "std": _text(told.get("std")),
        "fit": "squeeze" if told.get("crop_mode") == "squash" else None,
        "crop": told.get("crop_pct"),
        "resample": told.get("interpolation"),
    }


def _text(numbers: object) -> str | None:
    return ",".join(map(str, numbers)) if isinstance(numbers, list | tuple) else None


def put(data: bytes, metadata: ModelMetadata, card: str, address: str) -> Path:
    """Makes a model the newest commit of a repository in the cache.

    Args:
        data: a published file.
        metadata: what it says of itself.
        card: its card.
        address: ``hf://owner/name``, or with ``@branch``.

    Returns:
        The folder of its files, which ``hf upload owner/name FOLDER`` sends.

    Raises:
        TrainingError: it is no such address.
    """
    repository, revision = parsed(address)
    files = {FILE_NAME: data, CARD_NAME: card.encode(), "README.md": _readme(metadata, card)} | _configs(metadata)
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    commit = sha1(json.dumps(digests, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    folder = repository / "snapshots" / commit
    for path in (folder, repository / "blobs", repository / "refs"):
        path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(repository / "blobs" / digests[name], content)
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../../blobs") / digests[name])
    write_whole(repository / "refs" / revision, commit.encode())
    return folder


def _configs(metadata: ModelMetadata) -> dict[str, bytes]:
    labels = dict(enumerate(metadata.label_names))
    size = {"height": metadata.preprocessing.height, "width": metadata.preprocessing.width}
    config = {"model_type": "onnx", "id2label": labels, "label2id": {name: index for index, name in labels.items()}}
    # The graph takes pixels as they are: whatever is done to them is within.
    pictures = {"size": size, "do_rescale": False, "do_normalize": False}
    return {
        name: (json.dumps(document, indent=2) + "\n").encode()
        for name, document in (("config.json", config), ("preprocessor_config.json", pictures))
    }


def _readme(metadata: ModelMetadata, card: str) -> bytes:
    facts = {"pipeline_tag": "image-classification", "library_name": "onnx", "tags": ["loupe", "onnx"]}
    return f"---\n{json.dumps(facts)}\n---\n{card}".encode()  # JSON is YAML


def parsed(address: str) -> tuple[Path, str]:
    """The folder of a repository in the cache, and the revision that is meant.

    Raises:
        TrainingError: it is no such address.
    """
    name, _, revision = address.removeprefix(SCHEME).partition("@")
    parts = name.split("/")
    plain = [part for part in [*parts, revision or "main"] if part and not part.startswith(".") and "--" not in part]
    if len(parts) != 2 or len(plain) != 3 or "/" in revision:
        raise TrainingError(f"{address} is not of the form hf://owner/name or hf://owner/name@revision")
    return _cache() / f"models--{parts[0]}--{parts[1]}", revision or "main"


def _cache() -> Path:
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{path} is no JSON: {error}") from None
    return document if isinstance(document, dict) else {}
