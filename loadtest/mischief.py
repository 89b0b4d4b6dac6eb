"""Requests that nobody means well with: broken files, bombs of a few bytes, and clients who leave."""

import gzip
import json
import socket
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlsplit

from PIL import Image

from loadtest.photos import THUMBNAIL, WEB, jpeg

PREDICT = "/v1/predict"
_HUGE = (7000, 7000)
_GZIP: Mapping[str, str] = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


@dataclass(frozen=True)
class Asked:
    """One request; ``name`` is what it counts as."""

    name: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def bad() -> list[Asked]:
    """What is refused."""
    photo = jpeg(THUMBNAIL, 1)
    broken = photo[: len(photo) // 2] + bytes(len(photo) // 4) + photo[len(photo) // 2 :]
    bodies = {"cut off": photo[:5000], "broken": broken, "text": b"not a photo", "empty": b""}
    asked = [Asked(name, PREDICT, body, {"Content-Type": "image/jpeg"}) for name, body in bodies.items()]
    return [*asked, Asked("no such model", "/v1/models/nobody:predict", photo)]


def bombs() -> list[Asked]:
    """A few bytes that want much: pixels, scans, bytes behind gzip, objects in JSON."""
    pictures = {
        "49 MP WebP": encoded("WEBP", "RGB", lossless=True),
        "49 MP PNG": encoded("PNG", "RGBA"),
        "400 MP PNG": encoded("PNG", "1", (20_000, 20_000)),
        "500 scans": _scans(500),
    }
    asked = [Asked(name, path, body) for name, body in pictures.items() for path in (PREDICT, "/v1/upright")]
    swollen = gzip.compress(bytes(100 << 20))
    nodes = gzip.compress(b'{"instances":[' + b",".join([b'{"b64":""}'] * 500_000) + b"]}")
    photo = b64encode(pictures["49 MP WebP"]).decode()
    several = gzip.compress(json.dumps({"instances": [{"b64": photo}] * 4}).encode())
    by_name = {"100 MB of zeros": swollen, "half a million nodes": nodes, "four 49 MP WebPs": several}
    return asked + [Asked(name, PREDICT, body, _GZIP) for name, body in by_name.items()]


def leave(url: str, after_bytes: float) -> None:
    """Sends this share of a photo and goes, without waiting for an answer."""
    photo, address = jpeg(WEB, 2), urlsplit(url)
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=30) as leaving:
        leaving.sendall(head.encode() + photo[: int(after_bytes * len(photo))])


def encoded(kind: str, mode: str, size: tuple[int, int] = _HUGE, **options: object) -> bytes:
    """A picture of one colour in any of Pillow's formats: few bytes, and all of its pixels to decode."""
    buffer = BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def _scans(times: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    photo = encoded("JPEG", "RGB", (2000, 2000), progressive=True)
    last = photo.rindex(b"\xff\xda")
    return photo[:-2] + photo[last:-2] * times + photo[-2:]
