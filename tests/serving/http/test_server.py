import asyncio
import os
import signal
import socket
import threading

import httpx
import pytest

from models.errors import SettingsError
from serving.access.listening import listen
from serving.http.app import create_app
from serving.http.server import Server
from serving.settings import Settings


def test_a_taken_address_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"the address 127.0.0.1:{port} cannot be listened on: Address already"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_sentence():
    with pytest.raises(SettingsError, match="cannot be listened on"):
        listen("192.0.2.1", 0)


def test_an_address_that_another_takes_while_models_load_is_one_sentence(models):
    """Both had said that they were ready, and one of them never got a request."""
    settings, said = Settings(models=models), []
    with listen("127.0.0.1", 0) as ours, listen("127.0.0.1", ours.getsockname()[1]) as other:
        server = Server(app := create_app(settings), ours, settings, on_ready=said.append)
        other.listen()
        try:
            with pytest.raises(SettingsError, match="cannot be listened on: Address already in use"):
                server.serve_until_stopped()
        finally:
            app.state.service.close()
    assert not said


def test_what_was_begun_is_answered_before_the_end(models, zoo):
    """The signal comes while photos are decoded; the answer still comes, and new connections are refused."""
    ready = threading.Event()
    settings = Settings(models=models)
    server = Server(create_app(settings), listen("127.0.0.1", 0), settings, on_ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    assert ready.wait(30)
    image, answers = zoo.png(size=(4000, 4000)), []
    files = [("image", (str(number), image)) for number in range(8)]
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{server.url}/v1/predict", files=files, timeout=60))
    )
    asking.start()
    while not server.server_state.tasks:
        pass
    server.handle_exit(15, None)
    asking.join(60)
    thread.join(60)
    assert answers[0].status_code == 200
    assert not server.force_exit
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health/live")


@pytest.mark.parametrize(("signals", "order"), [(2, ["turn", "told", 130]), (3, [130, "turn", "told", 130])])
def test_the_second_signal_lets_the_loop_end_its_turn_and_the_third_does_not(models, monkeypatch, signals, order):
    """It may come in the middle of telling, whose lines would be lost."""
    settings, listener, seen = Settings(models=models), listen("127.0.0.1", 0), []
    server = Server(create_app(settings), listener, settings)
    monkeypatch.setattr(os, "_exit", seen.append)
    monkeypatch.setattr(server, "_tell", lambda: seen.append("told"))

    async def turn() -> None:
        for _ in range(signals):
            server.handle_exit(signal.SIGINT, None)
        seen.append("turn")
        await asyncio.sleep(0.01)

    with listener:
        asyncio.run(turn())
    assert seen == order
