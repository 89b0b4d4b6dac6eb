"""The folder that one training run writes and can be resumed from."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # most read a folder and need no Keras, which takes seconds to import
    import keras

History = list[dict[str, float]]
STRANGERS_NAME = "strangers.csv"


def best_epoch(history: History) -> int:
    """The most accurate on the validation split, of equal ones that of the lowest loss: from 1; 0 before the first."""
    worth = [(epoch["val_accuracy"], -epoch["val_loss"]) for epoch in history]
    return worth.index(max(worth)) + 1 if worth else 0


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps what it makes: recipe, manifest, history, checkpoint, weights, model, metrics and card."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it was run."""
        return self.path / "recipe.toml"

    @property
    def manifest(self) -> Path:
        """The photos of the run."""
        return self.path / "manifest.csv"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's log folder."""
        return self.path / "tensorboard"

    @property
    def history_file(self) -> Path:
        """One line an epoch."""
        return self.path / "history.csv"

    @property
    def best_weights(self) -> Path:
        """The weights of the epoch with the best validation accuracy."""
        return self.path / "best.weights.h5"

    @property
    def onnx(self) -> Path:
        """The exported model."""
        return self.path / "model.onnx"

    @property
    def strangers(self) -> Path:
        """Answers about sources, each of a model that never saw it: see ``shipping.strangers``."""
        return self.path / STRANGERS_NAME

    def history(self) -> History:
        """What was measured, one entry a finished epoch."""
        if not self.history_file.exists():
            return []
        with self.history_file.open(newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

    def write_history(self, history: History) -> None:
        """Replaces the history at once."""
        partial = self.history_file.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(history[0]) if history else [])
            writer.writeheader()
            writer.writerows(history)
        partial.rename(self.history_file)

    def clear(self) -> None:
        """Removes what an earlier run learned, and the models made of it: nothing may pass for new."""
        models = self.path.glob("model*.onnx")
        for path in (*self._checkpoints().values(), self.best_weights, self.history_file, *models):
            path.unlink(missing_ok=True)

    def kept(self) -> dict[str, bytes]:
        """The files that a run goes on from, by name: of a run that has none, nothing."""
        files = [path for _, path in sorted(self._checkpoints().items())][-1:]
        return {path.name: path.read_bytes() for path in [*files, self.history_file]} if files else {}

    def take(self, kept: Mapping[str, bytes]) -> None:
        """Makes these files, and no others, what the run goes on from."""
        self.clear()
        for name, data in kept.items():
            (self.path / Path(name).name).write_bytes(data)

    def save_checkpoint(self, model: "keras.Model", epoch: int) -> None:
        """Keeps weights and optimizer after ``epoch`` epochs; older checkpoints go once this one is whole."""
        older = self._checkpoints()
        partial = self.path / "partial.keras"
        model.save(partial)
        partial.rename(self.path / f"epoch-{epoch:04d}.keras")
        for path in older.values():
            path.unlink()

    def load_checkpoint(self) -> "tuple[keras.Model, int] | None":
        """The newest checkpoint's compiled model and the number of epochs it has seen, or None."""
        checkpoints = self._checkpoints()
        if not checkpoints:
            return None
        import keras

        epoch = max(checkpoints)
        return keras.models.load_model(checkpoints[epoch]), epoch

    def save_best(self, model: "keras.Model") -> None:
        """Replaces the best weights at once."""
        partial = self.path / "partial.weights.h5"
        model.save_weights(partial)
        partial.rename(self.best_weights)

    def _checkpoints(self) -> Mapping[int, Path]:
        return {int(path.stem.removeprefix("epoch-")): path for path in self.path.glob("epoch-*.keras")}
