"""MLflow, for those who keep their experiments there: parameters and figures of each epoch, in a local folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import keras

from models.errors import TrainingError
from models.extras import how_to_install
from training.fitting.fit import Logs
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MlflowLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes one MLflow run; look at it with ``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db``."""

    def __init__(self, folder: Path, recipe: Recipe, run: RunFolder) -> None:
        """Opens the store, which MLflow keeps in a SQLite file since version 3.

        Args:
            folder: made if missing.
            recipe: its values become parameters, its name the experiment's.
            run: whose history is logged; its folder's name becomes the MLflow run's.

        Raises:
            TrainingError: MLflow is not installed.
        """
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._client = _client(folder)
        self._recipe, self._run, self._artifacts = recipe, run, folder.resolve() / "artifacts"
        self._id = ""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begins the run."""
        experiment = self._client.get_experiment_by_name(self._recipe.name)
        number = (
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(self._recipe.name, self._artifacts.as_uri())
        )
        self._id = self._client.create_run(number, run_name=self._run.path.name).info.run_id
        for section, values in self._recipe.model_dump(exclude={"search", "description"}).items():
            for name, value in values.items() if isinstance(values, dict) else [("", values)]:
                self._client.log_param(self._id, f"{section}.{name}".rstrip("."), value)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Logs what the run's history says of the epoch."""
        for name, value in self._run.history()[-1].items():
            self._client.log_metric(self._id, name, value, step=epoch + 1)

    def on_train_end(self, logs: Logs = None) -> None:
        """Ends the run."""
        self._client.set_terminated(self._id)


def _client(folder: Path) -> "MlflowClient":
    try:
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError:
        raise TrainingError(f"--mlflow needs the extra `tracking`: {how_to_install('tracking')}") from None
    return MlflowClient(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
