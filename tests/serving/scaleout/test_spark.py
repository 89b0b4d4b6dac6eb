"""The rows of Spark, with two Python workers at a time, and tasks that die and are tried again."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from pyspark import TaskContext
from pyspark.sql import SparkSession

from serving.scaleout.spark import SCHEMA, score

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def spark(models):
    environment = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "LOUPE_MODELS": str(models)}
    builder = SparkSession.builder.master("local[2,4]").appName("loupe")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "32",
        "spark.sql.files.maxPartitionBytes": "128k",
        "spark.sql.files.openCostInBytes": "4k",
    } | {f"spark.executorEnv.{name}": value for name, value in environment.items()}
    for name, value in settings.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as here:
        here.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.getOrCreate()
        yield session
        session.stop()


@pytest.fixture
def photos(spark, album):
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(str(album))
    return files.selectExpr("replace(path, 'file:', '') AS file", "content AS data")


def test_its_rows_are_those_of_one_machine(photos, expected, tmp_path, rows_in):
    photos.mapInArrow(score, SCHEMA).write.parquet(str(tmp_path / "scores"))
    assert rows_in(tmp_path / "scores") == expected


def test_paths_are_read_by_the_workers(photos, expected, tmp_path, rows_in):
    asked = partial(score, models=("orientation",))
    photos.select("file").repartition(4).mapInArrow(asked, SCHEMA).write.parquet(str(tmp_path / "scores"))
    assert rows_in(tmp_path / "scores") == [row for row in expected if row["model"] in ("orientation", None)]


def dying_once(batches):
    """Every task's worker is killed behind its last row at the first try, and one more in the middle."""
    task = TaskContext.get()
    for number, batch in enumerate(score(batches)):
        yield batch
        if task.attemptNumber() == 0 and task.partitionId() == 1 and number == 1:
            os._exit(9)
    if task.attemptNumber() == 0 and task.partitionId() == 0:
        os._exit(9)


def test_a_task_that_is_tried_again_doubles_no_rows(photos, expected, tmp_path, rows_in):
    photos.mapInArrow(dying_once, SCHEMA).write.parquet(str(tmp_path / "scores"))
    assert rows_in(tmp_path / "scores") == expected
