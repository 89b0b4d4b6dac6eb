"""Looks for a better recipe: tries values from its ``[search]`` table, and stops early what does worse than most."""

from typing import Any

import keras
import optuna
from optuna.trial import TrialState

from models.counted import counted
from models.errors import TrainingError
from training.fitting.fit import Logs, fit
from training.fitting.learned_from import digests
from training.fitting.recipe import Range, Recipe
from training.fitting.run_folder import RunFolder
from training.photos.dataset import load_photos
from training.pipeline.beginning import Run

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_FREE_TRIALS, _FREE_EPOCHS = 4, 1  # that are never pruned: there is nothing yet to be worse than


def search(run: Run, trials: int, storage: str | None = None) -> Recipe:
    """Searches until so many trials are finished, those of an earlier call in the same storage included.

    Args:
        run: its recipe has a ``[search]`` table; its folder gets one for each trial, and ``best.toml``.
        trials: how many, pruned and failed ones (whose loss became NaN) included.
        storage: an Optuna URL; by default a SQLite file in the run's folder.

    Returns:
        The recipe with the best validation accuracy of an epoch, without the table; also written to ``best.toml``.

    Raises:
        TrainingError: there is no table, a value in it is not allowed, no trial came to its end, or what is stored are
            trials of another recipe, other photos or another table.
    """
    if not run.recipe.search:
        raise TrainingError("the recipe has no [search] table with lines like fit.dropout = {low = 0.1, high = 0.6}")
    for name, space in _spaces(run.recipe):  # a wrong one is told now, not by every trial
        for value in (space.low, space.high) if isinstance(space, Range) else space:
            with_values(run.recipe, {name: value})
    study = optuna.create_study(
        study_name=run.recipe.name,
        storage=storage or f"sqlite:///{run.folder.path / 'study.db'}",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(_FREE_TRIALS, _FREE_EPOCHS),
        load_if_exists=True,
    )
    _check_about(study, run)
    study.sampler = optuna.samplers.TPESampler(seed=run.recipe.fit.seed + len(study.trials))  # resumed: draws others
    missing = trials - len(study.get_trials(states=_FINISHED))
    study.optimize(lambda trial: _accuracy(run, trial), n_trials=max(0, missing), catch=(TrainingError,))
    return _best(run, study)


def _check_about(study: optuna.Study, run: Run) -> None:
    """Accuracies of other questions would count towards the answer of this one."""
    about = [*digests(run.recipe, run.manifest), run.recipe.model_dump_json(include={"search"})]
    if not study.trials:
        study.set_user_attr("about", about)
    elif study.user_attrs.get("about") != about:
        raise TrainingError(
            f"the trials of {study.study_name} that are stored there do not say that they are about this recipe, its "
            "[search] table and these photos; search in another --run or --storage, or as before"
        )


def _accuracy(run: Run, trial: optuna.Trial) -> float:
    """The best validation accuracy of one trial."""
    keras.utils.clear_session()  # Keras would keep every network
    tried = with_values(run.recipe, {name: _suggest(trial, name, space) for name, space in _spaces(run.recipe)})
    folder = RunFolder(run.folder.path / f"trial-{trial.number:03}")
    folder.path.mkdir(exist_ok=True)
    learned = load_photos(run.manifest.split("train"), run.task, tried.training_input, run.cache, tried.points)
    watched = load_photos(run.manifest.split("validation"), run.task, tried.input, run.cache)
    history = fit(tried, run.task, learned, watched, folder, resume=False, callbacks=[_Pruning(trial)])
    folder.clear()  # weights of many trials fill a disk
    folder.write_history(history)
    return max(epoch["val_accuracy"] for epoch in history)


def _spaces(recipe: Recipe) -> list[tuple[str, Range | tuple[Any, ...]]]:
    return [(f"{section}.{key}", space) for section, keys in recipe.search.items() for key, space in keys.items()]


def _suggest(trial: optuna.Trial, name: str, space: Range | tuple[Any, ...]) -> object:
    if not isinstance(space, Range):
        return trial.suggest_categorical(name, space)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(name, space.low, space.high, log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def with_values(recipe: Recipe, values: dict[str, object]) -> Recipe:
    """The recipe with other values, by names such as ``fit.learning_rate``, and without its ``[search]`` table.

    Raises:
        TrainingError: there is no such name, or its value is not allowed.
    """
    document = recipe.model_dump(exclude={"search"})
    for name, value in values.items():
        section, key = name.split(".", 1)
        document.setdefault(section, {})[key] = value
    return Recipe.checked(document, "that the search made")


def _best(run: Run, study: optuna.Study) -> Recipe:
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise TrainingError("no trial came to its end")
    best = with_values(run.recipe, study.best_params)
    header = (
        f"# The best of {counted(len(study.trials), 'trial')}: {study.best_value:.2%} right on the validation split.\n"
    )
    (run.folder.path / "best.toml").write_text(header + best.to_toml(), encoding="utf-8")
    return best


class _Pruning(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells a trial its accuracy after each epoch, and ends it if it is below the median of the others'."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self._trial = trial

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Raises ``TrialPruned`` where it is not worth going on."""
        self._trial.report((logs or {})["val_accuracy"], epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned
