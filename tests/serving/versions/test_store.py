"""A registry whose models are at a store that works, breaks off, and is gone."""

import asyncio

import fsspec
import pytest

from models.errors import StoreError
from serving.settings import Settings
from serving.versions.labels import Labels
from serving.versions.registry import Registry


@pytest.fixture
def bucket(zoo):
    """Where a model is published by its path."""
    files = fsspec.filesystem("memory")

    def publish(path: str, model: bytes) -> None:
        files.pipe_file(f"/bucket/{path}/model.onnx", model)

    publish("orientation/1", zoo.orientation())
    publish.files = files
    yield publish
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(models="memory://bucket/", models_cache=tmp_path, threads=1)


def versions(registry: Registry) -> list[int]:
    return sorted(registry.models["orientation"].versions)


def test_versions_come_from_a_store_and_a_store_that_fails_takes_none_away(bucket, zoo, settings, caplog, monkeypatch):
    async def go() -> None:
        registry = Registry(settings)
        registry.start()
        try:
            assert versions(registry) == [1]
            bucket("orientation/2", zoo.orientation(version=2))
            await registry.refresh()
            assert versions(registry) == [2]
            await registry.relabel("orientation", Labels.parse(b'{"stable": 1}'))
            assert b'"stable"' in bucket.files.cat_file("/bucket/orientation/labels.json")
            await registry.refresh()
            assert versions(registry) == [1, 2]
            monkeypatch.setattr(type(bucket.files), "find", cut)
            bucket("orientation/3", zoo.orientation(version=3))
            await registry.refresh()
            assert versions(registry) == [1, 2]
            assert "the models in memory stay: the store of memory://bucket fails" in caplog.text
            with pytest.raises(StoreError, match="Connection reset by peer"):
                await registry.load("orientation")
            assert versions(registry) == [1, 2]
        finally:
            registry.close()

    asyncio.run(go())


def cut(*_: object, **__: object) -> None:
    raise ConnectionResetError(104, "Connection reset by peer")


def test_a_start_without_the_store_serves_what_was_fetched_before(bucket, settings, caplog, monkeypatch):
    monkeypatch.setattr(type(bucket.files), "find", cut)
    with pytest.raises(StoreError, match="Connection reset by peer"):
        Registry(settings).start()
    monkeypatch.undo()
    for _ in range(2):
        registry = Registry(settings)
        registry.start()
        assert versions(registry) == [1]
        registry.close()
        monkeypatch.setattr(type(bucket.files), "find", cut)
    assert "the models that were fetched before are served" in caplog.text
