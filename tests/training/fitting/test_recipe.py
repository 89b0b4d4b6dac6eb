import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

import training
from models.errors import TrainingError
from training.fitting.recipe import Recipe
from training.networks.architectures import ARCHITECTURES

SHIPPED = sorted((Path(training.__file__).parent / "recipes").glob("*.toml"))


@pytest.fixture
def read(workshop, tmp_path):
    def read(*changes: tuple[str, str]) -> Recipe:
        text = workshop.recipe_text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return Recipe.read(path)

    return read


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_whole_and_says_how_it_is_run(path):
    recipe = Recipe.read(path)
    assert recipe.architecture.name in ARCHITECTURES
    assert f"# loupe-train train training/recipes/{path.name} " in path.read_text()
    assert recipe.description


def test_the_talk_s_recipes_are_the_talk_s():
    orientation, selfie = (Recipe.read(SHIPPED[0].with_name(f"{name}_talk.toml")) for name in ("orientation", "selfie"))
    assert orientation.input.shape == (256, 256, 3)
    assert (orientation.task, orientation.architecture.name) == ("orientation", "orientation_talk")
    assert selfie.input.shape == (20, 20, 1)
    assert (selfie.task, selfie.architecture.name) == ("selfie", "selfie_talk")


def test_values_are_read_and_others_have_defaults(read):
    recipe = read()
    assert (recipe.name, recipe.task, recipe.default, recipe.decision_threshold) == ("brightness", "folders", True, 0.5)
    assert (recipe.fit.epochs, recipe.fit.schedule, recipe.fit.dtype_policy) == (6, "cosine", "float32")
    assert recipe.augmentation.jpeg == 0


def test_training_photos_are_cached_at_the_size_that_crops_are_cut_from(read):
    assert read().training_input.shape == (24, 24, 1)
    assert read(("from_size = 24\n", "")).training_input == read().input


def test_a_network_may_learn_from_smaller_pictures_than_it_is_used_on(workshop):
    lite = {"architecture": {"name": "efficientnet_lite0"}, "augmentation": {"to_size": 20}}
    recipe = workshop.recipe(**lite)
    assert recipe.training_shape == (20, 20, recipe.input.channels)
    assert workshop.recipe().training_shape == workshop.recipe().input.shape
    with pytest.raises(ValidationError, match="to_size is for networks that take any size, not selfie_talk"):
        workshop.recipe(augmentation={"to_size": 20})


def test_who_learns_nothing_must_have_weights_to_take(workshop):
    with pytest.raises(ValidationError, match=r"fit.epochs is 0, .* architecture.weights names none"):
        workshop.recipe(fit={"epochs": 0})


def test_only_labels_that_are_made_by_turning_are_averaged(workshop):
    with pytest.raises(ValidationError, match=r"export.turns is 4; only labels made by turning can be averaged"):
        workshop.recipe(export={"turns": 4})


def test_a_recipe_saved_by_an_editor_that_marks_utf_8_is_read_and_another_coding_is_told(workshop, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(workshop.recipe_text, encoding="utf-8-sig")
    assert Recipe.read(path) == workshop.recipe()
    path.write_text(workshop.recipe_text.replace("bright or dark", "h\xe4sslich"), encoding="latin-1")
    with pytest.raises(TrainingError, match=r"recipe.toml is not UTF-8: its byte \d+ is 0xe4; save it as UTF-8$"):
        Recipe.read(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs = 6", "epochs = -1"), "is wrong at fit.epochs: must be at least 0; -1 was given"),
        (("epochs = 6", "epoch = 6"), "is wrong at fit.epochs: is missing"),
        (("patience = 6", "patients = 6"), "is wrong at fit.patients: is not known here"),
        (('"brightness"', '"Über"'), "is wrong at name: must be 1 to 64 small letters"),
        (
            ('schedule = "cosine"', 'schedule = "linear"'),
            "is wrong at fit.schedule: must be 'constant' or 'cosine'; 'linear' was given",
        ),
        (("[fit]", "[fit"), "is not TOML: "),
    ],
)
def test_what_is_wrong_is_named(read, change, sentence):
    with pytest.raises(TrainingError) as raised:
        read(change)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pictures_that_are_turned_must_be_square(read):
    orientation = ('task = "folders"', 'task = "orientation"')
    threshold = ("decision_threshold = 0.5\n", "")
    read(orientation, threshold)
    with pytest.raises(TrainingError, match=r"the input is 16 x 20; what is turned must be square"):
        read(orientation, threshold, ("height = 20", "height = 16"))
    assert read(("height = 20", "height = 16")).input.shape == (16, 20, 1)


def test_a_missing_recipe_is_told(tmp_path):
    with pytest.raises(TrainingError, match=r"there is no recipe .*none\.toml$"):
        Recipe.read(tmp_path / "none.toml")


def test_a_recipe_is_valid_toml_again_in_the_model_s_facts(read):
    recipe = read()
    document = tomllib.loads(SHIPPED[0].read_text())
    assert Recipe.model_validate(document).model_dump_json()
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
