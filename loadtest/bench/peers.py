"""Which others serve the same file, how each is started, and in which form it takes a photo."""

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.arrivals import Request
from loadtest.bench.cases import LOUPE, STARLETTE, Case, Network, encoded_tensor, multipart, pixels, with_floors
from loadtest.bench.measuring import Running
from loadtest.processes import Cores, listening

_ROOT = Path(__file__).parents[2]
_SILENT = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True)
class Peer:
    """One of them.

    Attributes:
        module: its program, in ``loadtest.peers``.
        environment: folder that ``make bench PEERS=1`` fills from ``requirements/peers``; none: the one that runs this.
        ready: path that is answered with 200 once it is.
        request: what it is sent for a photo.
    """

    module: str
    environment: str | None
    ready: str
    request: Callable[[Path], Request]

    @property
    def python(self) -> str:
        """The interpreter that runs it."""
        return sys.executable if self.environment is None else str(_ROOT / self.environment / "bin" / "python")


def _raw(photo: Path) -> Request:
    return Request("/predict", photo.read_bytes())


def _json(photo: Path) -> Request:
    body = json.dumps({"photo": base64.b64encode(photo.read_bytes()).decode()}).encode()
    return Request("/predict", body, {"Content-Type": "application/json"})


def _binary(photo: Path) -> Request:
    return encoded_tensor("/v2/models/photo/infer", "photo", photo.read_bytes(), (1, 1))


PEERS: Mapping[str, Peer] = {
    STARLETTE: Peer("starlette_app", None, "/ready", _raw),
    "fastapi": Peer("fastapi_app", None, "/ready", lambda photo: multipart("/predict", "file", photo)),
    "litserve": Peer("litserve_app", ".venv-peers/litserve", "/health", _json),
    "bentoml": Peer(
        "bentoml_app", ".venv-peers/bentoml", "/readyz", lambda photo: multipart("/predict", "photo", photo)
    ),
    "mlserver": Peer("mlserver_app", ".venv-peers/mlserver", "/v2/models/photo/ready", _raw),
    "triton": Peer("triton_app", ".venv-peers/nvidia-pytriton", "/v2/models/photo/ready", _binary),
}


def cases(names: Sequence[str], network: str = "talk") -> list[Case]:
    """Loupe and those peers in turns, all asked about the same photos."""
    asked = [("small", clients) for clients in (1, 8, 32)] + [("medium", 8), ("large", 8)]
    return with_floors(
        Case(network, photo, clients, server=server) for photo, clients in asked for server in (LOUPE, *names)
    )


@contextmanager
def running(
    wanted: Mapping[str, list[Case]],
    networks: Mapping[str, Network],
    photos: Mapping[str, Path],
    cores: Cores,
    room: Path,
) -> Iterator[dict[str, Running]]:
    """Starts each of the peers with the one file that its cases ask about."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(_one(name, asked, networks, photos, cores, room))
            for name, asked in wanted.items()
        }


@contextmanager
def _one(
    name: str, asked: list[Case], networks: Mapping[str, Network], photos: Mapping[str, Path], cores: Cores, room: Path
) -> Iterator[Running]:
    peer, network = PEERS[name], networks[asked[0].network]
    requests = {case: _request(peer, case, network, photos[case.photo]) for case in asked}
    settings = _SILENT | {"MODEL": str(network.files[0].absolute()), "PYTHONPATH": str(_ROOT), "HOME": str(room)}
    command = [peer.python, "-m", f"loadtest.peers.{peer.module}"]
    with listening(command, cores, settings, peer.ready, room / f"{name}.log") as (url, pid):
        yield Running(url, pid, requests)


def _request(peer: Peer, case: Case, network: Network, photo: Path) -> Request:
    if case.form == "tensor":
        return Request("/tensor", pixels(network, photo)[1], {"Content-Type": "application/octet-stream"})
    return peer.request(photo)


def missing(names: Sequence[str]) -> list[str]:
    """Those whose environment is not there."""
    return [name for name in names if not os.access(PEERS[name].python, os.X_OK)]
