"""What a server does once it has started and is left alone."""

import gc
import threading

import pytest

from serving.commands import serve


@pytest.fixture
def collector():
    """As it was before."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_some_time_after_the_start_memory_is_gathered(monkeypatch, capsys):
    gathered = threading.Event()
    monkeypatch.setattr(serve, "_SETTLED_S", 0.01)
    monkeypatch.setattr("serving.engine.allocator.gather", gathered.set)
    serve._announce("http://127.0.0.1:1")
    assert gathered.wait(30)
    assert capsys.readouterr().out == "Loupe is ready at http://127.0.0.1:1\n"
