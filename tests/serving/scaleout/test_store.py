"""Pictures and models at S3, as moto serves it; and a connection that is cut."""

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from models.errors import StoreError
from models.mirror import Mirror
from serving.settings import Settings
from serving.versions.registry import Registry


class Wire:
    """A way to a server that can be cut: connections that are there break off, and so do new ones."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._cut_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, after_bytes: int = 0) -> None:
        """From now on no connection brings more than so many bytes."""
        self._cut_after = after_bytes

    def mend(self) -> None:
        self._cut_after = None

    def end(self) -> None:
        with self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):  # until the end
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        with here, socket.create_connection(("127.0.0.1", self._to)) as there:
            answers = threading.Thread(target=self._pass, args=(there, here, True), daemon=True)
            answers.start()
            self._pass(here, there, False)
            answers.join()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                passed += len(data)
                if counted and self._cut_after is not None and passed > self._cut_after:
                    break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            with suppress(OSError):  # the other way may have ended it
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def wire(moto, monkeypatch):
    wire = Wire(moto)
    for name, value in {
        "AWS_ENDPOINT_URL": wire.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    files = fsspec.filesystem("s3", use_listings_cache=False)
    files.retries = 1
    files.mkdir("bucket")
    yield wire
    wire.mend()
    files.rm("bucket", recursive=True)
    wire.end()


def test_a_prefix_s_rows_are_those_of_the_folder(wire, album, expected, loupe, tmp_path, rows_in):
    files, folder = fsspec.filesystem("s3"), album / "0"
    for path in folder.iterdir():
        files.pipe_file(f"bucket/album/{path.name}", path.read_bytes())
    files.pipe_file("bucket/album/empty.jpg", b"")
    loupe("score", "s3://bucket/album", "--out", tmp_path / "scores")
    *found, empty = rows_in(tmp_path / "scores")
    assert empty["error"].startswith("the data is empty")
    named = [row | {"file": row["file"].replace("s3://bucket/album", str(folder))} for row in found]
    assert named == [row for row in expected if Path(row["file"]).parent == folder]


def test_versions_come_from_s3_and_a_cut_connection_takes_none_away(wire, models, zoo, tmp_path, caplog):
    files = fsspec.filesystem("s3")
    files.pipe_file("bucket/models/orientation/1/model.onnx", zoo.orientation())
    settings = Settings(models="s3://bucket/models", models_cache=tmp_path, threads=1)

    async def go() -> None:
        registry = Registry(settings)
        registry.start()
        try:
            files.pipe_file("bucket/models/orientation/2/model.onnx", zoo.orientation(version=2))
            for after, what in ((0, ""), (3000, "/orientation/2/model.onnx")):  # the listing; the middle of the file
                wire.cut(after)
                await registry.refresh()
                assert sorted(registry.models["orientation"].versions) == [1]
                assert f"the models in memory stay: the store of s3://bucket/models{what} fails" in caplog.text
            wire.mend()
            await registry.refresh()
            assert sorted(registry.models["orientation"].versions) == [2]
        finally:
            registry.close()

    asyncio.run(go())


def test_a_store_that_never_was_there_is_one_sentence(wire, tmp_path):
    wire.cut()
    with pytest.raises(StoreError, match="the store of s3://bucket/models fails"):
        Mirror("s3://bucket/models", tmp_path).pull()
