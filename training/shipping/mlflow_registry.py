"""MLflow's registry: ``models:/name/alias`` as a source of models, and as a place to put them.

Which registry is MLflow's own affair: ``MLFLOW_TRACKING_URI`` and ``MLFLOW_REGISTRY_URI``.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import TrainingError
from models.extras import how_to_install
from models.metadata import ModelMetadata
from models.repository import CARD_NAME, FILE_NAME

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SCHEME = "models:/"
_EXPERIMENT = "loupe"
_FIGURES = ("accuracy", "roc_auc", "calibration_error", "certain_share")


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """The files of a version, in a folder that is there for a while.

    Args:
        address: ``models:/name/alias``, ``models:/name@alias`` or ``models:/name/3``.

    Raises:
        TrainingError: MLflow is not installed, has no such version, or cannot be reached.
    """
    name, which = _parsed(address)
    if not which:
        raise TrainingError(f"{address} names no version; say models:/{name}/ALIAS or models:/{name}/NUMBER")
    with tempfile.TemporaryDirectory() as folder, _asking(address) as client:
        from mlflow.artifacts import download_artifacts

        version = which if which.isdecimal() else client.get_model_version_by_alias(name, which).version
        yield Path(download_artifacts(f"models:/{name}/{version}", dst_path=folder))


def register(data: bytes, metadata: ModelMetadata, card: str, address: str) -> str:
    """Puts a model into the registry as a new version, with its figures, and an alias if the address has one.

    Returns:
        The address of the version.

    Raises:
        TrainingError: as ``fetched``.
    """
    name, alias = checked_for_writing(address)
    with tempfile.TemporaryDirectory() as folder, _asking(address) as client:
        _write(Path(folder), data, metadata, card)
        run = client.create_run(_experiment(client), run_name=f"{metadata.name} {metadata.version}").info
        for figure, value in _figures(metadata).items():
            client.log_metric(run.run_id, figure, value)
        client.log_artifacts(run.run_id, folder, "model")
        client.set_terminated(run.run_id)
        if not client.search_registered_models(f"name='{name}'"):
            client.create_registered_model(name, description=metadata.description)
        tags = {"loupe.version": str(metadata.version), "loupe.graph_sha256": metadata.graph_sha256}
        source = f"{run.artifact_uri}/model"
        made = client.create_model_version(name, source, run.run_id, tags=tags, description=metadata.description)
        if alias:
            client.set_registered_model_alias(name, alias, made.version)
        return f"{SCHEME}{name}/{made.version}"


def checked_for_writing(address: str) -> tuple[str, str]:
    """The model's name, and an alias or nothing.

    Raises:
        TrainingError: it is no such address.
    """
    name, alias = _parsed(address)
    if alias.isdecimal():
        raise TrainingError(f"{address}: MLflow numbers its versions itself; name an alias, or nothing")
    return name, alias


def _experiment(client: "MlflowClient") -> str:
    known = client.get_experiment_by_name(_EXPERIMENT)
    return str(known.experiment_id if known else client.create_experiment(_EXPERIMENT))


def _write(folder: Path, data: bytes, metadata: ModelMetadata, card: str) -> None:
    """As MLflow's ONNX flavor has it, so that its own programs load it."""
    from mlflow.models import Model

    (folder / FILE_NAME).write_bytes(data)
    (folder / CARD_NAME).write_text(card, encoding="utf-8")
    model = Model()
    model.add_flavor("onnx", data=FILE_NAME, onnx_version=metadata.tools.get("onnx", ""), providers=None)
    model.save(str(folder / "MLmodel"))


def _figures(metadata: ModelMetadata) -> dict[str, float]:
    if metadata.metrics is None:
        return {}
    told = metadata.metrics.model_dump()
    return {name: float(told[name]) for name in _FIGURES if told.get(name) is not None}


def _parsed(address: str) -> tuple[str, str]:
    text = address.removeprefix(SCHEME).strip("/")
    name, _, which = text.partition("@") if "@" in text else text.partition("/")
    if not name or "/" in which:
        raise TrainingError(f"{address} is not of the form models:/name/alias, models:/name@alias or models:/name/3")
    return name, which


@contextmanager
def _asking(address: str) -> "Iterator[MlflowClient]":
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError:
        raise TrainingError(f"{address} needs the extra `tracking`: {how_to_install('tracking')}") from None
    try:
        yield MlflowClient()
    except MlflowException as error:
        raise TrainingError(f"MLflow does not give {address}: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0].removesuffix(".")
