"""Users for locust: one raw photo, one photo for all models, eight photos in one multipart body.

The shape of every answer is checked: a wrong answer with status 200 is a failure too.
"""

from random import choice
from typing import Any

import gevent  # type: ignore[import-untyped]
from locust import FastHttpUser, events, task
from locust.env import Environment

from loadtest.answers import require_predictions
from loadtest.photos import PHONE, THUMBNAIL, WEB, jpeg

PHOTOS = [jpeg(size, seed) for seed, size in enumerate((THUMBNAIL, THUMBNAIL, WEB, WEB, PHONE))]
BATCH = [jpeg(WEB, seed) for seed in range(10, 18)]
_BOUNDARY = "loupe-loadtest"
_answered_images = 0


def _multipart(photos: list[bytes]) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
    parts = (head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n" for photo in photos)
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


_BATCH_BODY = _multipart(BATCH)  # once, as making it costs as much as sending it


class PhotoUser(FastHttpUser):
    """Asks again as soon as it is answered."""

    network_timeout = 60.0
    connection_timeout = 60.0

    def on_start(self) -> None:
        """Learns the models and their labels."""
        models = self.client.get("/version").json()["models"]
        self.labels: dict[str, list[str]] = {name: model["labels"] for name, model in models.items()}

    @task(6)
    def one_photo(self) -> None:
        """The fast path: the photo is the body."""
        model = choice(list(self.labels))  # noqa: S311 - a mix of requests, no secret
        self._ask(f"/v1/models/{model}:predict", [model], choice(PHOTOS))  # noqa: S311

    @task(3)
    def all_models(self) -> None:
        """One decode for all models."""
        self._ask("/v1/predict", list(self.labels), choice(PHOTOS))  # noqa: S311

    @task(1)
    def eight_photos(self) -> None:
        """Many photos in one body."""
        model = choice(list(self.labels))  # noqa: S311
        self._ask(f"/v1/models/{model}:predict", [model], _BATCH_BODY, images=len(BATCH))

    def _ask(self, path: str, models: list[str], body: bytes, images: int = 1) -> None:
        several = len(models) > 1
        headers = {"Content-Type": "image/jpeg" if images == 1 else f"multipart/form-data; boundary={_BOUNDARY}"}
        url = f"{path}?models={','.join(models)}" if several else path
        name = path if images == 1 else f"{path} x {images}"
        data: Any = body  # locust's annotation forgets bytes
        with self.client.post(url, data=data, headers=headers, name=name, catch_response=True) as response:
            try:
                answer = response.json()
                self._check(answer["results"] if "results" in answer else {models[0]: answer}, images)
            except (ValueError, KeyError, TypeError) as error:
                response.failure(f"{response.status_code}: {error!r}")

    def _check(self, answers: dict[str, Any], images: int) -> None:
        global _answered_images
        for model, answer in answers.items():
            require_predictions(answer, model, self.labels[model], images)
        _answered_images += images


def report(environment: Environment, **_: object) -> None:
    """Prints the line that matters; a run without a single answer is a failure."""
    total = environment.stats.total
    seconds = max((total.last_request_timestamp or 0) - total.start_time, 1e-9)
    print(  # noqa: T201 - the report is what the command is for
        f"{_answered_images} images in {total.num_requests} requests and {seconds:.1f} s: "
        f"{_answered_images / seconds:.1f} images/s; {total.num_failures} failures; "
        f"p50 {total.get_response_time_percentile(0.5)} ms, p95 {total.get_response_time_percentile(0.95)} ms, "
        f"p99 {total.get_response_time_percentile(0.99)} ms"
    )
    if not _answered_images:
        environment.process_exit_code = 1


def look_at_the_clock(environment: Environment, **_: object) -> None:
    """Gevent counts a run's time from when it last looked: on a busy machine, seconds of imports before."""
    gevent.get_hub().loop.update_now()


events.init.add_listener(look_at_the_clock)  # type: ignore[no-untyped-call]
events.quitting.add_listener(report)  # type: ignore[no-untyped-call]
