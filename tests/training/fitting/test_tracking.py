import pytest

pytest.importorskip("mlflow", reason="needs the extra `tracking`")


def test_mlflow_gets_parameters_and_every_epoch(loupe_train, trained, tmp_path):
    from mlflow.tracking import MlflowClient

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(trained.recipe.read_text().replace("epochs = 6", "epochs = 2"))
    arguments = [
        "train",
        recipe,
        trained.photos,
        "--run",
        tmp_path / "runs/logged",
        "--mlflow",
        tmp_path / "mlflow",
    ]
    done = loupe_train(*arguments)
    assert done.exit_code == 0, done.output
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow/mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("brightness").experiment_id])
    assert (run.info.run_name, run.info.status) == ("logged", "FINISHED")
    assert run.data.params["fit.learning_rate"] == "0.001"
    assert run.data.params["name"] == "brightness"
    accuracy = client.get_metric_history(run.info.run_id, "val_accuracy")
    assert [point.step for point in accuracy] == [1, 2]
    assert "images_per_s" in run.data.metrics


def test_nothing_is_logged_unless_asked(trained):
    assert not list(trained.run.path.parent.parent.rglob("mlflow*"))
