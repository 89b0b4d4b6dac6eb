import numpy as np
import optuna
import pytest

from models.errors import TrainingError
from training.fitting.recipe import Recipe
from training.fitting.run_folder import RunFolder
from training.pipeline.search import _Pruning, with_values

SEARCH = """
[search]
fit.learning_rate = { low = 1e-4, high = 1e-2, log = true }
fit.batch_size = [2, 4]
architecture.dropout = { low = 0.1, high = 0.5 }
"""


@pytest.fixture
def recipe_file(tmp_path, workshop):
    path = tmp_path / "brightness.toml"
    path.write_text(workshop.recipe_text.replace("epochs = 6", "epochs = 1") + SEARCH)
    return path


def test_a_search_writes_the_best_recipe_and_goes_on_where_it_stopped(recipe_file, loupe_train, trained, tmp_path):
    run = tmp_path / "search"

    def search(trials: int) -> list[str]:
        done = loupe_train("search", recipe_file, trained.photos, "--trials", trials, "--run", run)
        assert done.exit_code == 0, done.output
        return sorted(path.name for path in run.glob("trial-*"))

    assert search(1) == ["trial-000"]
    assert search(2) == ["trial-000", "trial-001"]
    assert search(2) == ["trial-000", "trial-001"]
    study = optuna.load_study(study_name="brightness", storage=f"sqlite:///{run / 'study.db'}")
    values = [trial.params for trial in study.trials]
    assert len({params["fit.learning_rate"] for params in values}) == 2
    best = Recipe.read(run / "best.toml")
    assert best == with_values(Recipe.read(recipe_file), study.best_params)
    assert not best.search
    assert study.best_value == max(
        epoch["val_accuracy"] for epoch in RunFolder(run / f"trial-{study.best_trial.number:03}").history()
    )
    assert not list(run.glob("trial-*/*.h5"))
    written = (run / "best.toml").read_bytes()
    text = recipe_file.read_text()
    for other in (text.replace("[2, 4]", "[2, 8]"), text.replace("patience = 6", "patience = 7")):
        recipe_file.write_text(other)
        refused = loupe_train("search", recipe_file, trained.photos, "--trials", 3, "--run", run)
        assert refused.exit_code == 1, refused.output
        assert "the trials of brightness that are stored there do not say that they are about" in refused.output
    assert (run / "best.toml").read_bytes() == written


def test_a_hopeless_trial_is_ended():
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.5))
    pruning = _Pruning(study.ask())
    pruning.on_epoch_end(0, {"val_accuracy": 0.6})
    with pytest.raises(optuna.TrialPruned):
        pruning.on_epoch_end(1, {"val_accuracy": 0.4})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", r"the recipe has no \[search\] table"),
        ("fit.speed = [1, 2]", r"that the search made is wrong at fit.speed: is not known here"),
        ("fit.epochs = [1, -1]", r"that the search made is wrong at fit.epochs"),
        ("house.colour = [1, 2]", r"that the search made is wrong at house: is not known here"),
        ("fit.epochs = 3", r"is wrong at search.fit.epochs"),
    ],
)
def test_a_wrong_table_is_told_before_anything_is_trained(recipe_file, loupe_train, trained, tmp_path, line, sentence):
    recipe_file.write_text(recipe_file.read_text().split("[search]")[0] + f"[search]\n{line}\n")
    done = loupe_train("search", recipe_file, trained.photos, "--run", tmp_path / "search")
    assert done.exit_code == 1
    with pytest.raises(TrainingError, match=sentence):
        raise TrainingError(done.output)
    assert not list(tmp_path.glob("search/trial-*"))


def test_a_recipe_comes_back_from_its_toml(workshop, tmp_path):
    recipe = workshop.recipe(workshop.recipe_text + SEARCH)
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert Recipe.read(tmp_path / "again.toml") == recipe


def test_every_space_is_drawn_from_within_its_bounds():
    from training.fitting.recipe import Range
    from training.pipeline.search import _suggest

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    whole, real, one = Range(low=1, high=3), Range(low=0.1, high=10.0, log=True), ("a", "b")
    drawn = [
        [_suggest(trial, name, space) for name, space in (("w", whole), ("r", real), ("o", one))]
        for trial in (study.ask() for _ in range(20))
    ]
    assert {row[0] for row in drawn} == {1, 2, 3}
    assert all(0.1 <= row[1] <= 10 for row in drawn)
    assert 3 < sum(row[1] < 1 for row in drawn) < 17, np.array(drawn)
    assert {row[2] for row in drawn} == {"a", "b"}
