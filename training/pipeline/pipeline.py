"""From photos to a calibrated model file: the steps of one run that need Keras."""

from collections.abc import Sequence

import keras
import numpy as np

from models.errors import TrainingError
from training.fitting.devices import on_devices
from training.fitting.fit import fit, new_network
from training.fitting.learned_from import check_about
from training.graph.export import export
from training.graph.turning import averaged_over_turns
from training.photos.dataset import Photos, load_photos
from training.pipeline.beginning import Run
from training.shipping.calibration import calibrated
from training.shipping.stamp import describe
from training.shipping.strangers import Strangers

PARITY_PICTURES = 64


def train(run: Run, *, resume: bool, devices: int = 1, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
    """Fits the network on the training split, watched on the validation split."""
    learned, watched = photos_to_learn(run)
    with on_devices(devices, run.recipe.fit.batch_size):
        fit(run.recipe, run.task, learned, watched, run.folder, resume=resume, callbacks=callbacks)


def photos_to_learn(run: Run) -> tuple[Photos, Photos]:
    """The training and the validation split, decoded."""
    return (
        load_photos(run.manifest.split("train"), run.task, run.recipe.training_input, run.cache, run.recipe.points),
        load_photos(run.manifest.split("validation"), run.task, run.recipe.input, run.cache),
    )


def export_run(run: Run) -> None:
    """Writes the best epoch's model: converted, checked against Keras, calibrated; not yet measured.

    Raises:
        TrainingError: there are no weights yet, or what ``crossval`` left there is of another recipe or other photos.
    """
    check_about(run.folder.strangers, run.recipe, run.manifest)
    network = best_network(run)
    validation = load_photos(run.manifest.split("validation"), run.task, run.recipe.input, run.cache)
    pictures = np.array(validation.pixels[:PARITY_PICTURES])
    data = export(network, pictures)
    metadata = describe(run.recipe, run.task, data, run.manifest, run.folder.history())
    photos = run.manifest.split("calibration")
    strangers = Strangers.read(run.folder.strangers)
    run.folder.onnx.write_bytes(calibrated(data, metadata, photos, run.task, pictures, strangers=strangers))


def best_network(run: Run) -> keras.Model:
    """The best weights in a float32 network of the input's size, whatever they were trained in.

    Raises:
        TrainingError: there are none yet, or they are of another recipe or other labels than the folder's.
    """
    if not run.folder.best_weights.is_file():
        raise TrainingError(f"{run.folder.path} has no weights yet; `loupe-train train` makes them")
    network = new_network(run.recipe, run.task, "float32")
    try:
        network.load_weights(run.folder.best_weights)
    except ValueError:  # it lists all of their numbers
        raise TrainingError(
            f"{run.folder.best_weights} does not fit the network of the recipe and the labels beside it; train anew"
        ) from None
    return averaged_over_turns(network, run.recipe.export.turns)
