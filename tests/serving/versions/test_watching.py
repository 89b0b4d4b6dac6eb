import time
from pathlib import Path

import pytest

from models.repository import ModelRepository

PATH = "/v1/models/orientation:predict"


def wait_for(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not come about within 30 s")


def test_what_is_published_is_served_and_what_is_removed_is_not(serve_with, zoo, tmp_path):
    root = zoo.publish(tmp_path / "models", zoo.orientation())
    client = serve_with(models=root, reload="watch")

    def version() -> str:
        return client.post(PATH, content=zoo.png()).json()["version"]

    assert version() == "1"
    zoo.publish(root, zoo.orientation(version=2))
    wait_for(lambda: version() == "2")
    zoo.publish(root, zoo.orientation(name="another"))
    wait_for(lambda: client.get("/v1/models/another").status_code == 200)
    ModelRepository(root).remove("orientation", 2)
    wait_for(lambda: version() == "1")


def test_a_file_that_is_copied_piece_by_piece_is_served_once_it_is_whole(serve_with, zoo, tmp_path):
    root = zoo.publish(tmp_path / "models", zoo.orientation())
    client = serve_with(models=root, reload="watch")
    data = zoo.orientation(version=2)
    folder = Path(root / "orientation/2")
    folder.mkdir()
    with (folder / "model.onnx").open("wb", buffering=0) as file:
        file.write(data[: len(data) // 2])

        def reason() -> str:
            index = {one["version"]: one for one in client.post("/v2/repository/index").json()}
            return index["2"]["reason"]

        wait_for(lambda: "cut off" in reason())
        assert client.post(PATH, content=zoo.png()).json()["version"] == "1"
        file.write(data[len(data) // 2 :])
    wait_for(lambda: client.post(PATH, content=zoo.png()).json()["version"] == "2")


def test_a_link_that_is_swapped_is_noticed_within_seconds(serve_with, zoo, tmp_path):
    """As git-sync does it: the folder that the link led to is never touched."""
    for number in (1, 2):
        zoo.publish(tmp_path / f"checkout{number}/models", zoo.orientation(version=number))
    (tmp_path / "current").symlink_to("checkout1")
    client = serve_with(models=tmp_path / "current/models", reload="watch")
    assert client.post(PATH, content=zoo.png()).json()["version"] == "1"
    time.sleep(1)  # so that it is being watched
    (tmp_path / "next").symlink_to("checkout2")
    swapped = time.monotonic()
    (tmp_path / "next").rename(tmp_path / "current")
    wait_for(lambda: client.post(PATH, content=zoo.png()).json()["version"] == "2")
    assert time.monotonic() - swapped < 15
