"""Weights from photos: one resumable loop around Keras' ``fit``."""

import math
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from training.fitting.auxiliary import LabelAccuracy, LabelsAndPoints, padded, with_points, without_points
from training.fitting.optimizer import optimizer
from training.fitting.recipe import Recipe
from training.fitting.run_folder import History, RunFolder, best_epoch
from training.networks import architectures
from training.networks.efficientnet_lite import freeze, load_imagenet_weights
from training.networks.published_weights import load_published_weights
from training.photos.dataset import Batch, Photos, steps_per_epoch, training_batches
from training.photos.share import WHOLE, Share
from training.photos.tasks import Task
from training.photos.validation import SharedValidation, ValidationBatches

Logs = dict[str, float] | None


def fit(
    recipe: Recipe,
    task: Task,
    train: Photos,
    validation: Photos,
    run: RunFolder,
    *,
    resume: bool,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    share: Share = WHOLE,
) -> History:
    """Trains until the last epoch, or until validation accuracy has not risen for ``patience`` epochs.

    The run folder gets a checkpoint after each epoch, the weights of the best one, the history and TensorBoard logs.

    Args:
        recipe: the experiment.
        task: labels and how they are made.
        train: photos to learn from.
        validation: photos that decide which epoch was best.
        run: the folder of this run.
        resume: goes on after the last finished epoch of the run folder, if there is one.
        callbacks: asked after ours.
        share: of each batch that this process makes; all but the first are silent, and write no TensorBoard logs.

    Returns:
        The history, one entry an epoch.

    Raises:
        TrainingError: the loss became NaN or infinite, or a batch cannot be shared evenly.
    """
    keras.utils.set_random_seed(recipe.fit.seed)
    steps = steps_per_epoch(train, recipe.fit.batch_size)
    if not resume:
        run.clear()
    model, epoch = run.load_checkpoint() or (_compiled(recipe, task, steps, train), 0)
    run.write_history(run.history()[:epoch])
    if not recipe.fit.epochs:
        run.save_best(without_points(model))
    if _is_over(run.history(), recipe):
        return run.history()
    batches = training_batches(
        train,
        task,
        recipe.augmentation,
        recipe.training_shape,
        recipe.fit.batch_size,
        recipe.fit.seed,
        epoch,
        balanced=recipe.fit.balanced,
        share=share,
    )
    alone = [] if share.number else [keras.callbacks.TensorBoard(run.tensorboard)]
    model.fit(
        _targets_for(model, batches),
        steps_per_epoch=steps,
        initial_epoch=epoch,
        epochs=recipe.fit.epochs,
        validation_data=_Targets(model, _validation(validation, task, recipe, share)),
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            *alone,
            _Bookkeeping(run, recipe, min(steps * recipe.fit.batch_size, len(train.pixels))),
            *callbacks,
        ],
        shuffle=False,  # the batches come shuffled
        verbose=0 if share.number else 1 if sys.stdout.isatty() else 2,
    )
    return run.history()


def new_network(recipe: Recipe, task: Task, dtype_policy: str, *, any_size: bool = False) -> keras.Model:
    """The recipe's network with fresh weights, for pictures of the input's size or of any."""
    shape = (None, None, recipe.input.channels) if any_size else recipe.input.shape
    keras.config.set_dtype_policy(dtype_policy)
    try:
        return architectures.build(recipe.architecture.name, shape, len(task.labels), recipe.architecture.dropout)
    finally:
        keras.config.set_dtype_policy("float32")


def _compiled(recipe: Recipe, task: Task, steps: int, photos: Photos) -> keras.Model:
    """A new network, compiled for ``steps`` steps an epoch."""
    model = new_network(recipe, task, recipe.fit.dtype_policy, any_size=bool(recipe.augmentation.to_size))
    start_from(model, recipe.architecture.weights)
    freeze(model, recipe.architecture.frozen_blocks)
    smoothing = recipe.fit.label_smoothing
    loss: keras.losses.Loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    accuracy: keras.metrics.Metric | str = "accuracy"
    if _is_sigmoid(model):
        loss = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    if recipe.auxiliary and photos.points:
        model = with_points(model, len(photos.points.mirrored))
        loss = LabelsAndPoints(len(task.labels), recipe.auxiliary.weight, smoothing)
        accuracy = LabelAccuracy(len(task.labels))
    # Weighted, as of several processes' validation some places are empty.
    model.compile(optimizer=optimizer(recipe, steps), loss=loss, weighted_metrics=[accuracy])
    return model


def start_from(model: keras.Model, weights: str | tuple[str, ...]) -> None:
    """Gives a network its first weights; see ``recipe.Architecture``.

    Raises:
        TrainingError: there are none of that name for this network.
    """
    if isinstance(weights, tuple):
        _start_from_mean(model, weights)
        return
    if weights == "none":
        return
    if weights == "imagenet":
        load_imagenet_weights(model)
        return
    if not Path(weights).is_file():
        raise TrainingError(
            f"there are no weights {weights}; allowed are none, imagenet, a run's best.weights.h5 or an .onnx file"
        )
    if Path(weights).suffix == ".onnx":
        load_published_weights(model, Path(weights))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says which layers do not fit, which is what is wanted
        model.load_weights(weights, skip_mismatch=True)


def _start_from_mean(model: keras.Model, several: tuple[str, ...]) -> None:
    """Averages weights (Wortsman et al. 2022, "Model soups"); layers that none of them fits keep their fresh ones."""
    arrays = []
    for weights in several:
        start_from(model, weights)
        arrays.append(model.get_weights())
    model.set_weights([np.mean(array, axis=0) for array in zip(*arrays, strict=True)])


def _is_sigmoid(model: keras.Model) -> bool:
    return bool(model.output_shape[-1] == 1)


def _target(model: keras.Model, one_hot: NDArray[np.float32]) -> NDArray[np.float32]:
    """One sigmoid unit learns the probability of the second label; points of validation photos are not looked at."""
    return one_hot[:, 1:] if _is_sigmoid(model) else padded(one_hot, model.output_shape[-1])


def _targets_for(model: keras.Model, batches: Iterator[Batch]) -> Iterator[Batch]:
    for pixels, one_hot in batches:
        yield pixels, _target(model, one_hot)


def _validation(photos: Photos, task: Task, recipe: Recipe, share: Share) -> keras.utils.PyDataset:
    batches = ValidationBatches(photos, task, recipe.fit.batch_size)
    return batches if share == WHOLE else SharedValidation(batches, share)


class _Targets(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, model: keras.Model, batches: keras.utils.PyDataset) -> None:
        super().__init__()
        self._model, self._batches = model, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        pixels, one_hot, *weights = self._batches[index]
        return pixels, _target(self._model, one_hot), *weights


def _is_over(history: History, recipe: Recipe) -> bool:
    """Whether the last epoch is done, or patience has run out."""
    return len(history) >= recipe.fit.epochs or len(history) - best_epoch(history) > recipe.fit.patience


class _Bookkeeping(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: history, best weights, checkpoint, early stopping. Its only state is the run folder."""

    def __init__(self, run: RunFolder, recipe: Recipe, images_per_epoch: int) -> None:
        super().__init__()
        self._run, self._recipe, self._images = run, recipe, images_per_epoch
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Draws dropout from seed and epoch alone, so that a resumed run drops what an uninterrupted one drops."""
        for layer in self.model.layers:
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign([self._recipe.fit.seed, epoch])
        self._started = time.monotonic()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Validation begins: training's part of the epoch is over."""
        self._trained_s = time.monotonic() - self._started

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes all that the epoch gave."""
        measured = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(measured["loss"]):
            raise TrainingError(f"the loss became {measured['loss']} in epoch {epoch + 1}; try a lower learning rate")
        measured["images_per_s"] = round(self._images / self._trained_s, 1)
        history = [*self._run.history(), measured]
        self._run.write_history(history)
        if best_epoch(history) == len(history):
            self._run.save_best(without_points(self.model))
        self._run.save_checkpoint(self.model, epoch + 1)
        self.model.stop_training = _is_over(history, self._recipe)
