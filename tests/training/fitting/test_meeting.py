import random
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection

import pytest

from models.errors import TrainingError
from training.fitting.meeting import meet
from training.fitting.workers import Address, Workers

FACTS = {"recipe": "a", "list of photos": "b"}


def test_a_list_of_workers_is_read():
    workers = Workers.parse("10.0.0.1:9000, [fe80::1]:9001", 1)
    assert workers.addresses == (Address("10.0.0.1", 9000), Address("fe80::1", 9001))
    assert not workers.first
    assert workers.told(1) == "worker 1 ([fe80::1]:9001)"


@pytest.mark.parametrize(
    ("text", "number", "why"),
    [
        ("a:1", 0, "'a:1' are not several workers"),
        ("a:1,a:1", 0, "'a:1,a:1' are not several workers"),
        ("a:1,b", 0, "'b' is no host:port"),
        ("a:1,b:x", 0, "'b:x' is no host:port"),
        ("a:1,b:65536", 0, "'b:65536' is no host:port"),
        ("a:1,:2", 0, "':2' is no host:port"),
        ("a:1,b:2", 2, "--worker is 2; it says which of the list this one is: 0 to 1"),
        ("a:1,b:2", -1, "--worker is -1; it says"),
        ("a:1,b:2", None, "--worker is missing; it says"),
    ],
)
def test_a_wrong_list_is_told(text, number, why):
    with pytest.raises(TrainingError, match=f"^{why}"):
        Workers.parse(text, number)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr("training.fitting.meeting._ALL_THERE_S", 60)


@pytest.fixture
def three() -> tuple[Address, ...]:
    """Addresses below those ports that systems give to connections, of which one may be taken at any moment."""
    start = random.randrange(20_000, 30_000)
    return tuple(Address("127.0.0.1", start + number) for number in range(3))


@pytest.fixture
def together(three):
    """Runs something at the meeting in a thread for each worker; gives what each returned, or raised."""

    def together(what, facts=lambda number: FACTS, kept=None) -> list[object]:
        def one(number: int) -> object:
            with meet(Workers(three, number), facts(number), (kept or {}) if number == 0 else {}) as meeting:
                return what(number, meeting)

        with ThreadPoolExecutor(3) as pool:
            futures: list[Future[object]] = [pool.submit(one, number) for number in range(3)]
            return [future.exception() or future.result() for future in futures]

    return together


def test_all_learn_where_jax_meets_and_get_what_the_first_one_kept(together):
    kept = {"history.csv": b"loss\n1\n", "epoch-0001.keras": bytes(200_000)}
    told = together(lambda number, meeting: (meeting.done("same"), meeting.coordinator, meeting.kept)[1:], kept=kept)
    assert len({coordinator for coordinator, _ in told}) == 1
    assert [one for _, one in told] == [kept] * 3


def test_one_who_comes_with_something_else_ends_all(together):
    told = together(lambda *_: None, facts=lambda number: FACTS | {"recipe": "a" if number < 2 else "c"})
    for one in told:
        assert isinstance(one, TrainingError)
        assert "worker 2 (127.0.0.1:" in str(one) or "ended before all were there" in str(one)
    assert str(told[2]).endswith("has another recipe than the first one")


def test_one_who_ends_is_told_to_all(together):
    left = threading.Event()

    def work(number, meeting) -> None:
        if number == 2:
            left.set()
            return
        left.wait(10)
        for _ in range(20):
            meeting.listen(1)

    told = together(work)
    assert told[2] is None
    for one in told[:2]:
        assert isinstance(one, TrainingError)
        assert str(one).startswith("worker 2 (127.0.0.1:")
        assert str(one).endswith(" is gone; start all of them again, with --resume")


def test_the_first_one_s_end_is_told(together):
    told = together(lambda number, meeting: None if number == 0 else [meeting.listen(1) for _ in range(20)])
    assert [str(one).partition(" (")[0] for one in told[1:]] == ["worker 0"] * 2


def test_other_weights_are_told(together):
    told = together(lambda number, meeting: meeting.done("same" if number < 2 else "other"))
    assert str(told[0]).startswith("worker 2 (127.0.0.1:")
    assert str(told[0]).endswith(" ended with other weights than this one")
    assert all(isinstance(one, TrainingError) for one in told)


def test_strangers_are_passed_over(three):
    def one(number: int) -> None:
        with meet(Workers(three[:2], number), FACTS, {}) as meeting:
            meeting.done("same")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one, 0)
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"", b"\0\0\0\2[]"):
            with _reach(three[0]) as stranger:
                stranger.sendall(data)
        assert (pool.submit(one, 1).result(), first.result()) == (None, None)


def test_the_same_number_twice_is_refused(three):
    def one(number: int) -> None:
        with meet(Workers(three, number), FACTS, {}):
            pass

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(one, number) for number in (0, 1, 1)]
        told = [str(future.exception()) for future in futures]
    assert told[0] == f"worker 1 ({three[1]}) is there twice"


def _reach(address: Address) -> socket.socket:
    for _ in range(200):
        try:
            return socket.create_connection(address, timeout=1)
        except ConnectionRefusedError:
            threading.Event().wait(0.01)
    raise AssertionError("nobody listens")


def test_an_address_that_is_taken_is_one_sentence(three):
    told = pytest.raises(TrainingError, match="the first worker cannot be reached at")
    with socket.create_server(three[0]), told, meet(Workers(three, 0), FACTS, {}):
        pass


def test_a_connection_that_ends_before_all_are_there_is_told(three):
    def first() -> None:
        with socket.create_server(three[0]) as server:
            link = Connection(server.accept()[0].detach())
            link.recv_bytes()
            link.close()

    thread = threading.Thread(target=first)
    thread.start()
    with pytest.raises(TrainingError, match="ended before all were there"), meet(Workers(three, 1), FACTS, {}):
        pass
    thread.join()
