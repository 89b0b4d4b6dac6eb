"""Meeting: before workers learn together they find each other; then each learns at once when one of them ends.

All report at the first one. It asks no password, as JAX does not: their network is their own.
"""

import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from models.errors import TrainingError
from training.fitting.workers import Address, Workers

_ALL_THERE_S = 600
_ANSWER_S = 60
"""Between the first worker's last step and the last one's."""
_MESSAGE_BYTES = 64 * 1024
_FILE_BYTES = 2**31 - 1
AGAIN = "start all of them again, with --resume"


class Meeting:
    """The connections of one worker: the first one's to all, of the others to the first.

    Attributes:
        coordinator: where JAX's own processes meet.
        kept: files of the first one, to go on from.
    """

    def __init__(
        self, workers: Workers, links: dict[int, Connection], coordinator: Address, kept: Mapping[str, bytes]
    ) -> None:
        self.coordinator, self.kept = coordinator, kept
        self._workers, self._links = workers, links
        self._ended: dict[int, str] = {}

    def listen(self, wait_s: float) -> None:
        """Waits so long for what others say.

        Raises:
            TrainingError: one of them is gone before it was done.
        """
        waiting = {link: number for number, link in self._links.items() if number not in self._ended}
        for link in wait(list(waiting), wait_s) if waiting else []:
            number = waiting[link]  # type: ignore[index]  # it waits for sockets too
            try:
                said = _heard(link)  # type: ignore[arg-type]
            except (OSError, EOFError):
                said = {"gone": number}
            if "gone" in said:
                raise self._gone(int(said["gone"]))
            self._ended[number] = str(said["done"])

    def done(self, weights: str) -> None:
        """Tells the others, and waits until all are done.

        Args:
            weights: a digest of what was learned.

        Raises:
            TrainingError: one of the others is gone, or learned something else.
        """
        if not self._workers.first:
            self._tell({"done": weights})
        until = time.monotonic() + _ANSWER_S
        while missing := sorted(self._links.keys() - self._ended.keys()):
            if time.monotonic() > until:
                raise self._gone(missing[0])
            self.listen(1)
        for number, learned in sorted(self._ended.items()):
            if learned != weights:
                raise TrainingError(f"{self._workers.told(number)} ended with other weights than this one")
        if self._workers.first:
            self._tell({"done": weights})

    def _gone(self, number: int) -> TrainingError:
        if self._workers.first:
            self._tell({"gone": number})
        return TrainingError(f"{self._workers.told(number)} is gone; {AGAIN}")

    def close(self) -> None:
        """Ends it; whoever was not told that this one is done takes it for gone."""
        for link in self._links.values():
            link.close()

    def _tell(self, message: dict[str, Any]) -> None:
        for link in self._links.values():
            with suppress(OSError):  # it is gone, or has read enough
                _say(link, message)


@contextmanager
def meet(workers: Workers, facts: dict[str, str], kept: Mapping[str, bytes]) -> Iterator[Meeting]:
    """Waits until all are there.

    Args:
        workers: all, and which one this is.
        facts: what must be the same everywhere, by the names that a message gives them.
        kept: what the first one gives the others to go on from.

    Raises:
        TrainingError: one does not come within ten minutes, or comes with something else.
    """
    meeting = _gather(workers, facts, kept) if workers.first else _report(workers, facts)
    try:
        yield meeting
    finally:
        meeting.close()


def _gather(workers: Workers, facts: dict[str, str], kept: Mapping[str, bytes]) -> Meeting:
    here = workers.addresses[0]
    try:
        server = socket.create_server(here, family=_family(here))
    except OSError as error:
        raise TrainingError(f"the first worker cannot be reached at {here}: {error.strerror}") from None
    until = time.monotonic() + _ALL_THERE_S
    links: dict[int, Connection] = {}
    with server:
        while missing := sorted(set(range(1, len(workers.addresses))) - links.keys()):
            server.settimeout(max(until - time.monotonic(), 0.1))
            try:
                link = _linked(server.accept()[0])
                said = _heard(link)
            except TimeoutError:
                raise TrainingError(f"{workers.told(missing[0])} did not come within {_ALL_THERE_S} s") from None
            except (OSError, EOFError, ValueError):
                continue  # a stranger
            if why := _refusal(workers, facts, said, links):
                for one in (*links.values(), link):
                    _say(one, {"error": why})
                raise TrainingError(why)
            links[int(said["worker"])] = link
        coordinator = Address(here.host, _free_port(here))
    for link in links.values():
        _say(link, {"coordinator": str(coordinator), "files": list(kept)})
        for data in kept.values():
            link.send_bytes(data)
    return Meeting(workers, links, coordinator, kept)


def _report(workers: Workers, facts: dict[str, str]) -> Meeting:
    link = _reached(workers)
    try:
        _say(link, {"worker": workers.number, "of": list(map(str, workers.addresses)), "facts": facts})
        wait([link], _ALL_THERE_S)
        said = _heard(link)
        kept = {name: link.recv_bytes(_FILE_BYTES) for name in said.get("files", [])}
    except (OSError, EOFError):
        raise TrainingError(f"{workers.told(0)} ended before all were there") from None
    if "error" in said:
        raise TrainingError(str(said["error"]))
    return Meeting(workers, {0: link}, Address.parse(said["coordinator"]), kept)


def _reached(workers: Workers) -> Connection:
    until = time.monotonic() + _ALL_THERE_S
    while True:
        try:
            return _linked(socket.create_connection(workers.addresses[0], timeout=10))
        except OSError as error:
            if time.monotonic() > until:
                raise TrainingError(f"{workers.told(0)} cannot be reached: {error}") from None
        time.sleep(0.5)


def _refusal(workers: Workers, facts: dict[str, str], said: dict[str, Any], known: Mapping[int, Connection]) -> str:
    """Why this worker cannot take part, or nothing."""
    number = said.get("worker")
    if said.get("of") != list(map(str, workers.addresses)) or not isinstance(number, int):
        return f"a worker came with another list of workers: {said.get('of')}"
    if number in known or not 0 < number < len(workers.addresses):
        return f"{workers.told(number)} is there twice"
    theirs = said.get("facts", {})
    other = [name for name in facts if theirs.get(name) != facts[name]]
    return f"{workers.told(number)} has another {', another '.join(other)} than the first one" if other else ""


def _linked(connected: socket.socket) -> Connection:
    """A machine that is cut off is missed after 25 s, and one that says half a message too."""
    connected.settimeout(None)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 25, 0))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        connected.setsockopt(socket.IPPROTO_TCP, option, value)
    return Connection(connected.detach())


def _heard(link: Connection) -> dict[str, Any]:
    message = json.loads(link.recv_bytes(_MESSAGE_BYTES))
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def _say(link: Connection, message: dict[str, Any]) -> None:
    link.send_bytes(json.dumps(message).encode())


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def _free_port(here: Address) -> int:
    with socket.create_server((here.host, 0), family=_family(here)) as server:
        return int(server.getsockname()[1])
