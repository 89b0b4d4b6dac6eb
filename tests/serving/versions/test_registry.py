import asyncio
import gc
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidModelError, ModelError, ModelNotFoundError
from models.repository import ModelRepository
from serving.engine.classifier import in_use
from serving.engine.observer import Observer
from serving.settings import Settings
from serving.versions.labels import Labels
from serving.versions.model_state import ModelState
from serving.versions.registry import Registry

NAME = "orientation"


class Told(Observer):
    """Counts outcomes by model."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def reloaded(self, model: str, outcome: str) -> None:
        self.outcomes[outcome] += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def root(zoo, tmp_path) -> Path:
    return zoo.publish(tmp_path / "models", zoo.orientation(), zoo.selfie())


@pytest.fixture
def start(root, told) -> Iterator[Callable[..., Registry]]:
    started = []

    def start(**settings) -> Registry:
        registry = Registry(Settings(models=root, threads=1, **settings), told)
        started.append(registry)
        registry.start()
        return registry

    yield start
    for registry in started:
        registry.close()


def serves(registry: Registry, name: str = NAME) -> dict[int, bool]:
    """Versions of a model, and whether each is the one that answers."""
    model = registry.models[name]
    return {version: one is model.default for version, one in model.versions.items()}


def states(registry: Registry, name: str = NAME) -> dict[str, tuple[str, str]]:
    return of_model(asyncio.run(registry.index()), name)


def of_model(index: list[ModelState], name: str = NAME) -> dict[str, tuple[str, str]]:
    return {one.version: (one.state, one.reason) for one in index if one.name == name}


def workers() -> int:
    return sum("_work" in thread.name for thread in threading.enumerate())


async def settled(registry: Registry) -> None:
    """Waits until what was given up is freed."""
    while registry._tasks:
        await asyncio.wait(registry._tasks)


def run(registry: Registry, *steps) -> None:
    async def all_of_them() -> None:
        for step in steps:
            await step()
        await settled(registry)

    asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("latest", {4: True}),
        ("latest:2", {3: False, 4: True}),
        ("all", {1: False, 3: False, 4: True}),
        ("1+3", {1: False, 3: True}),
        ("latest,orientation=1", {1: True}),
    ],
)
def test_policies_choose_versions(zoo, root, start, policy, expected):
    zoo.publish(root, zoo.orientation(version=3), zoo.orientation(version=4))
    registry = start(versions=f"{policy},selfie=latest")
    assert serves(registry) == expected


def test_a_version_that_a_policy_names_must_be_there(start):
    with pytest.raises(ModelNotFoundError, match="no version 7 of model 'orientation'"):
        start(versions="orientation=7")


def test_a_start_says_which_file_is_broken(zoo, root, start):
    broken(zoo, root, "not ONNX")
    with pytest.raises(InvalidModelError, match=rf"^{NAME}/2/model.onnx: the file is not an ONNX model"):
        start()


def test_a_rule_for_a_model_that_is_not_there_is_told(start, caplog):
    start(versions="latest,orientaton=all,selfie=latest")
    told = [record for record in caplog.records if "LOUPE_VERSIONS" in record.message]
    assert [(record.levelname, record.model) for record in told] == [("WARNING", "orientaton")]


def test_a_new_version_takes_over_and_the_old_one_is_freed(zoo, root, start, told):
    registry = start()
    before = workers()
    zoo.publish(root, zoo.orientation(version=2))
    run(registry, lambda: registry.load(NAME))
    assert serves(registry) == {2: True}
    assert states(registry) == {"1": ("UNAVAILABLE", "not among the versions that are wanted"), "2": ("READY", "")}
    assert workers() == before
    assert told.outcomes == {"loaded": 3, "unloaded": 1}


def test_the_old_session_is_freed_without_the_garbage_collector(zoo, root, start):
    """It comes round when it likes, and until then a few reloads would fill the memory."""
    registry = start()
    old = registry.models[NAME].default
    watched, pixels = weakref.ref(old.model), np.asarray(zoo.lit("up"))
    old.submit(pixels).result(30)
    del old
    zoo.publish(root, zoo.orientation(version=2))
    gc.collect()
    gc.disable()
    try:
        run(registry, lambda: registry.load(NAME))
        assert watched() is None
    finally:
        gc.enable()


def test_what_a_reload_leaves_behind_is_given_back(zoo, root, start, monkeypatch):
    """Under load, when nobody rests, reloads of the shipped models left 100 MB to the C library."""
    given_back, registry = list[bool](), start()
    before = weakref.ref(registry.models[NAME].default.model)
    monkeypatch.setattr("serving.versions.registry.give_back", lambda: given_back.append(before() is None))
    zoo.publish(root, zoo.orientation(version=2))
    run(registry, partial(registry.load, NAME))
    assert given_back[-1], "only once the session that was given up is freed"


def test_all_that_is_loaded_later_is_loaded_in_one_thread(zoo, root, start):
    """The C library keeps a heap for each thread, and so of each some of what loading takes."""
    registry, seen = start(versions="all"), set[int]()
    assemble = registry._loader.assemble

    def assembled(*given: object) -> object:
        seen.add(threading.get_ident())
        return assemble(*given)

    registry._loader.assemble = assembled

    async def come() -> None:
        for version in (2, 3, 4):
            zoo.publish(root, zoo.orientation(version=version))
            await asyncio.gather(registry.refresh(), asyncio.to_thread(int))

    asyncio.run(come())
    assert serves(registry).keys() == {1, 2, 3, 4}
    assert len(seen) == 1


def test_loading_again_what_is_there_changes_nothing(start, told):
    registry = start()
    same = registry.models[NAME].default
    run(registry, lambda: registry.load(NAME), registry.refresh)
    assert registry.models[NAME].default is same
    assert told.outcomes == {"loaded": 2}


def test_a_file_that_was_replaced_is_loaded_again(zoo, root, start):
    registry = start()
    ModelRepository(root).remove(NAME, 1)
    zoo.publish(root, zoo.orientation(description="another"))
    run(registry, lambda: registry.load(NAME))
    assert registry.models[NAME].default.metadata.description == "another"


def broken(zoo, root: Path, kind: str) -> None:
    """Puts version 2 there, which must not be served."""
    good = zoo.orientation(version=2)
    data = {
        "not ONNX": b"no model",
        "half-written": good[: len(good) // 2],
        "changed since it was stamped": zoo.orientation(version=2, graph_sha256="0" * 64),
        "wrong schema": zoo.orientation(version=2).replace(b'"schema_version":1', b'"schema_version":9'),
        "wrong answer": zoo.orientation(version=2, golden_samples=[zoo.golden((0.25, 0.25, 0.25, 0.25))]),
        "of another version": zoo.orientation(version=7),
        "of another model": zoo.selfie(version=2),
    }[kind]
    folder = root / NAME / "2"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("not ONNX", "not an ONNX model"),
        ("half-written", "cut off"),
        ("changed since it was stamped", "digest differs"),
        ("wrong schema", "metadata is wrong at schema_version"),
        ("wrong answer", "is off by"),
        ("of another version", "says that it is orientation version 7"),
        ("of another model", "says that it is selfie version 2"),
    ],
)
def test_a_broken_candidate_is_refused_and_the_old_version_stays(zoo, root, start, told, caplog, kind, reason):
    registry = start()
    old = registry.models[NAME].default
    broken(zoo, root, kind)
    with pytest.raises(InvalidModelError, match=reason):
        run(registry, lambda: registry.load(NAME))
    assert registry.models[NAME].default is old
    assert told.outcomes["refused"] == 1
    state, why = states(registry)["2"]
    assert state == "UNAVAILABLE"
    assert reason in why
    assert any(record.levelname == "ERROR" and reason in record.reason for record in caplog.records)
    shutil.rmtree(root / NAME / "2")
    zoo.publish(root, zoo.orientation(version=2))
    run(registry, registry.refresh)
    assert serves(registry) == {2: True}
    assert states(registry)["2"] == ("READY", "")


def test_one_refused_version_gives_nothing_up(zoo, root, start):
    zoo.publish(root, zoo.orientation(version=4))
    registry = start(versions="latest:2")
    zoo.publish(root, zoo.orientation(version=5))
    (root / NAME / "6").mkdir()
    (root / NAME / "6/model.onnx").write_bytes(b"")
    run(registry, registry.refresh)
    assert serves(registry) == {1: False, 4: False, 5: True}


def test_models_come_and_go(zoo, root, start):
    registry = start()
    zoo.publish(root, zoo.orientation(name="another"))
    shutil.rmtree(root / "selfie")
    run(registry, registry.refresh)
    assert list(registry.models) == ["another", "orientation"]


def test_a_repository_that_is_gone_takes_nothing_away(root, start, caplog):
    registry = start()
    root.rename(root.with_name("elsewhere"))
    run(registry, registry.refresh)
    assert list(registry.models) == ["orientation", "selfie"]
    assert "those in memory stay" in caplog.text
    root.with_name("elsewhere").rename(root)


def test_what_is_unloaded_stays_away_until_it_is_loaded(start):
    registry = start()
    run(registry, lambda: registry.unload(NAME), registry.refresh)
    assert list(registry.models) == ["selfie"]
    assert states(registry) == {"1": ("UNAVAILABLE", "unloaded on request")}
    with pytest.raises(ModelNotFoundError):
        run(registry, lambda: registry.unload(NAME))
    run(registry, lambda: registry.load(NAME))
    assert serves(registry) == {1: True}
    with pytest.raises(ModelNotFoundError):
        run(registry, lambda: registry.load("nope"))


def test_nothing_is_freed_while_a_request_uses_it(zoo, root, start):
    registry = start()
    old = registry.models[NAME].default

    async def steps() -> None:
        with in_use([old]):
            zoo.publish(root, zoo.orientation(version=2))
            await registry.load(NAME)
            assert of_model(await registry.index())["1"] == ("UNLOADING", "requests are still being answered")
            assert of_model(registry.in_memory(NAME)).keys() == {"1", "2"}
            answer = old.submit(np.asarray(zoo.lit("down"))).result(30)
            assert answer.result.label == "down"
        await settled(registry)
        assert of_model(await registry.index())["1"][0] == "UNAVAILABLE"
        assert of_model(registry.in_memory(NAME)) == {"2": ("READY", "")}

    asyncio.run(steps())


def test_a_caller_who_leaves_does_not_leave_a_change_half_made(zoo, root, start):
    registry = start()
    zoo.publish(root, zoo.orientation(version=2))

    async def steps() -> None:
        calling = asyncio.create_task(registry.load(NAME))
        await asyncio.sleep(0)
        calling.cancel()
        await settled(registry)
        assert serves(registry) == {2: True}

    asyncio.run(steps())


def test_labels_load_the_versions_that_they_name(zoo, root, start):
    zoo.publish(root, zoo.orientation(version=2), zoo.orientation(version=3))
    Labels.parse(b'{"stable": 1, "canary": {"version": 2, "share": 0.5}}').write(root / NAME)
    registry = start()
    assert serves(registry) == {1: True, 2: False, 3: False}
    assert registry.models[NAME].find(label="canary").metadata.version == 2
    (root / NAME / "labels.json").unlink()
    run(registry, registry.refresh)
    assert serves(registry) == {3: True}


@pytest.mark.parametrize("text", ["{", '{"stable": 9}', '{"stable": {"version": 1, "share": 1}}'])
def test_wrong_labels_on_disk_are_refused_and_the_old_ones_stay(zoo, root, start, told, text):
    zoo.publish(root, zoo.orientation(version=2))
    Labels.parse(b'{"stable": 1}').write(root / NAME)
    registry = start()
    (root / NAME / "labels.json").write_text(text)
    run(registry, registry.refresh)
    assert serves(registry) == {1: True, 2: False}
    assert told.outcomes["refused"] == 1


def test_relabelling_is_all_or_nothing(zoo, root, start):
    zoo.publish(root, zoo.orientation(version=2))
    broken_folder = root / NAME / "3"
    broken_folder.mkdir()
    (broken_folder / "model.onnx").write_bytes(b"no model")
    registry = start(versions="latest,orientation=2")
    before = workers()
    for document in (b'{"stable": 1, "canary": 3}', b'{"stable": 1, "canary": 4}'):
        wrong = Labels.parse(document)
        with pytest.raises(ModelError):
            run(registry, partial(registry.relabel, NAME, wrong))
        assert serves(registry) == {2: True}
        assert workers() == before
        assert not (root / NAME / "labels.json").exists()
    run(registry, lambda: registry.relabel(NAME, Labels.parse(b'{"stable": 1}')))
    assert serves(registry) == {1: True, 2: False}
    assert Labels.read(root / NAME).version("stable") == 1


def test_a_broken_latest_version_does_not_stand_in_the_way_of_labels(zoo, root, start):
    zoo.publish(root, zoo.orientation(version=2))
    registry = start()
    (root / NAME / "3").mkdir()
    (root / NAME / "3/model.onnx").write_bytes(b"no model")
    run(registry, lambda: registry.relabel(NAME, Labels.parse(b'{"stable": 1}')))
    assert serves(registry) == {1: True, 2: False}


def test_the_index_knows_every_version(zoo, root, start):
    zoo.publish(root, zoo.selfie(version=1))
    assert asyncio.run(start().index()) == [
        ModelState("orientation", "1", "READY"),
        ModelState("selfie", "1", "UNAVAILABLE", "not among the versions that are wanted"),
        ModelState("selfie", "3", "READY"),
    ]


@pytest.mark.parametrize("ask", [Registry.index, Registry.refresh, lambda registry: registry.load("selfie")])
def test_a_network_mount_that_hangs_stops_nothing_else(start, monkeypatch, ask):
    """A thousand versions took 14 to 20 ms of the event loop, and a mount that hangs all of it."""
    registry, asked, goes_on = start(), threading.Event(), threading.Event()
    list_ = ModelRepository.list

    def hanging(self: ModelRepository) -> dict[str, tuple[int, ...]]:
        asked.set()
        assert goes_on.wait(60), "the event loop stood still"
        return list_(self)

    async def steps() -> None:
        monkeypatch.setattr(ModelRepository, "list", hanging)
        asking = asyncio.ensure_future(ask(registry))
        assert await asyncio.to_thread(asked.wait, 60)
        assert of_model(registry.in_memory(NAME)) == {"1": ("READY", "")}
        goes_on.set()
        await asking
        await settled(registry)

    asyncio.run(steps())
