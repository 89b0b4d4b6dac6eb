"""What is measured: which file is asked about which photo, in which form, by how many clients at once."""

import base64
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.arrivals import Request
from loadtest.photos import PHONE, WEB, Size, encoded
from loadtest.work import Work, scaled

FLOOR, LOUPE, STARLETTE = "floor", "loupe", "starlette"
CLIENTS = (1, 8, 32, 128)

_SMALL: Size = (500, 375)
PHOTOS: Mapping[str, tuple[Size, str]] = {
    "small": (_SMALL, "JPEG"),
    "medium": (WEB, "JPEG"),
    "large": (PHONE, "JPEG"),
    "png": (_SMALL, "PNG"),
    "webp": (_SMALL, "WEBP"),
    "tiny": ((20, 20), "JPEG"),
}
_BOUNDARY = "loupe-bench"


@dataclass(frozen=True)
class Case:
    """One thing that is measured.

    Attributes:
        network: ``talk``, ``shipped``, ``both`` (two models, one photo) or ``least`` (next to no work).
        photo: its name.
        clients: that ask at once; 0: the floor.
        form: of the body.
        server: that is asked.
    """

    network: str
    photo: str
    clients: int = 0
    form: str = "raw"
    server: str = LOUPE

    @property
    def floor(self) -> "Case":
        """The same work without a server."""
        return Case(self.network, self.photo, 0, "tensor" if self.form == "tensor" else "raw", FLOOR)


@dataclass(frozen=True)
class Network:
    """One or two model files, and where Loupe answers with them.

    Attributes:
        files: of the models.
        predict: path of the call.
        infer: path of the same in the Open Inference Protocol, of one model.
    """

    files: tuple[Path, ...]
    predict: str
    infer: str = ""


def networks(models: Path) -> dict[str, Network]:
    """The networks by name: the first and the last version of ``orientation``, it and ``selfie``, and the least one.

    Raises:
        FileNotFoundError: one of the two is not there.
    """
    first, last = _versions(models, "orientation")
    least, other = _versions(models, "selfie")
    both = (_file(models, "orientation", last), _file(models, "selfie", other))
    return {
        "talk": _one(models, "orientation", first),
        "shipped": Network((both[0],), "/v1/models/orientation:predict", "/v2/models/orientation/infer"),
        "both": Network(both, "/v1/predict?models=orientation,selfie"),
        "least": _one(models, "selfie", least),
    }


def parts() -> dict[str, list[Case]]:
    """The cases that can be chosen together, by name, each with its floor."""
    named = {
        "sizes": [
            Case(network, photo, clients)
            for network in ("talk", "shipped")
            for photo in ("small", "medium", "large")
            for clients in CLIENTS
        ],
        "formats": [Case("shipped", photo, 8) for photo in ("png", "webp")],
        "forms": [
            *(Case("talk", "small", 8, form) for form in ("raw", "multipart", "base64", "bytes")),
            *(Case("talk", "small", 8, "tensor", server) for server in (LOUPE, STARLETTE)),
            Case("both", "small", 8),
        ],
        "loop": [Case("least", "tiny", clients) for clients in (1, 32)],
    }
    return {name: with_floors(cases) for name, cases in named.items()}


def with_floors(cases: Iterable[Case]) -> list[Case]:
    """Each case once, and the floor before the first that is compared with it."""
    found = dict.fromkeys(one for case in cases for one in (case.floor, case))
    return list(found)


def write_photos(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Makes these photos; returns their files by name."""
    files = {name: folder / f"{name}.{PHOTOS[name][1].lower()}" for name in names}
    for name, file in files.items():
        size, kind = PHOTOS[name]
        file.write_bytes(encoded(size, len(name), kind))
    return files


def request(case: Case, network: Network, photo: Path) -> Request:
    """What Loupe is sent."""
    forms: Mapping[str, Callable[[], Request]] = {
        "raw": lambda: Request(network.predict, photo.read_bytes(), {"Content-Type": _media_type(photo)}),
        "multipart": lambda: multipart(network.predict, "image", photo),
        "base64": lambda: _instances(network.predict, photo),
        "bytes": lambda: encoded_tensor(network.infer, "image", photo.read_bytes()),
        "tensor": lambda: _tensor(network, photo),
    }
    return forms[case.form]()


def multipart(path: str, name: str, photo: Path) -> Request:
    """A form with one file."""
    head = (
        f'Content-Disposition: form-data; name="{name}"; filename="{photo.name}"\r\nContent-Type: {_media_type(photo)}'
    )
    body = f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + photo.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return Request(path, body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})


def encoded_tensor(path: str, name: str, photo: bytes, shape: tuple[int, ...] = (1,)) -> Request:
    """An encoded photo as a BYTES tensor of the Open Inference Protocol's binary extension."""
    return _binary(path, name, "BYTES", list(shape), struct.pack("<I", len(photo)) + photo)


def pixels(network: Network, photo: Path) -> tuple[list[int], bytes]:
    """The picture as the model takes it: shape and bytes of ``uint8[1, H, W, C]``."""
    work = Work(network.files[0])
    array = work.pixels(scaled(photo.read_bytes(), work.size))
    return list(array.shape), array.tobytes()


def _tensor(network: Network, photo: Path) -> Request:
    shape, data = pixels(network, photo)
    return _binary(network.infer, "image", "UINT8", shape, data)


def _binary(path: str, name: str, datatype: str, shape: list[int], data: bytes) -> Request:
    parameters = {"binary_data_size": len(data)}
    document = {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}]}
    head = json.dumps(document).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Request(path, head + data, headers)


def _instances(path: str, photo: Path) -> Request:
    document = {"instances": [{"b64": base64.b64encode(photo.read_bytes()).decode()}]}
    return Request(path, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _media_type(photo: Path) -> str:
    return f"image/{photo.suffix[1:]}"


def _one(models: Path, name: str, version: str) -> Network:
    call = f"models/{name}/versions/{version}"
    return Network((_file(models, name, version),), f"/v1/{call}:predict", f"/v2/{call}/infer")


def _versions(models: Path, name: str) -> tuple[str, str]:
    found = sorted((path.name for path in models.glob(f"{name}/*") if path.name.isdigit()), key=int)
    if not found:
        raise FileNotFoundError(f"the bench compares versions of orientation and selfie, and {models} has no {name}")
    return found[0], found[-1]


def _file(models: Path, name: str, version: str) -> Path:
    return models / name / version / "model.onnx"
