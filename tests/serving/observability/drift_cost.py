"""What drift costs a request: ``python tests/serving/observability/drift_cost.py``.

A request with drift less one without it tells nothing: the two differ by less than other work on the machine makes
them differ. So drift is measured by itself, by the CPU time of its own calls for 10,000 pictures, which lie in so much
memory that no cache keeps them, and set against the CPU time of a request without HTTP. One picture of four is looked
at, however fast they come, where a service looks at no more than a hundred a second.
"""

import asyncio
import io
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage import data as skimage_data

from models.drift import EDGES, Histogram, Reference, Shape
from models.metadata import ModelMetadata
from models.onnx_file import with_properties
from models.repository import ModelRepository, read_metadata
from serving.observability.drift import Drift
from serving.observability.metrics import Metrics
from serving.service import PredictionService
from serving.settings import Settings

PICTURES, IMAGES, ROUNDS, REQUESTS = 10_000, 512, 9, 20
SIDES = (64, 512)  # pixels, of the photo


class _Blind(Drift):
    """Looks at nothing."""

    def saw(self, *_: object) -> None: ...

    def pictured(self, *_: object) -> None: ...


def repository(root: Path) -> Path:
    """The shipped models, each with a reference."""
    features = {name: Histogram(edges=edges, counts=(1,) * (len(edges) + 1)) for name, edges in EDGES.items()}
    shipped = ModelRepository(Settings().models)
    for name in shipped.list():
        data = shipped.path(name).read_bytes()
        metadata = read_metadata(data).model_copy(update={"reference": Reference(pictures=1, features=features)})
        ModelRepository(root).publish(with_properties(data, metadata.to_properties()), "")
    return root


def photo(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(skimage_data.astronaut()).resize((side, side)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def request_s(service: PredictionService, model: str, body: bytes) -> float:
    """CPU seconds of a request within the process, of all threads; HTTP comes on top."""

    async def ask() -> None:
        for _ in range(REQUESTS):
            await service.predict([model], [body])

    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        asyncio.run(ask())
        taken.append((time.process_time() - started) / REQUESTS)
    return statistics.median(taken)


def drift_s(metadata: ModelMetadata, drift: Drift) -> float:
    """CPU seconds of what drift does for one picture; the median of rounds of 10,000 pictures."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, *metadata.preprocessing.shape), dtype=np.uint8)
    answers = generator.dirichlet(np.ones(len(metadata.labels)), IMAGES).astype(np.float32)
    shape = Shape.of(12_000_000, 4000, 3000)

    def look(watch: Drift) -> float:
        started = time.thread_time()
        for number in range(PICTURES):
            place = number % IMAGES
            watch.pictured(metadata, shape)
            watch.saw(metadata, images[place : place + 1], answers[place : place + 1])
        return (time.thread_time() - started) / PICTURES

    pairs = [(look(_Blind()), look(drift)) for _ in range(ROUNDS)]
    return statistics.median(with_it - without for without, with_it in pairs)


def main() -> None:
    with TemporaryDirectory() as folder:
        service = PredictionService.load(Settings(models=repository(Path(folder)), max_wait_s=60), Metrics())
    for side in SIDES:
        body = photo(side)
        for name, classifier in service.classifiers.items():
            costs = drift_s(classifier.metadata, Drift(every_s=0))
            request = request_s(service, name, body)
            told = (
                f"{name:20} {side:4} px {1e3 * request:6.2f} ms, {1e6 * costs:5.1f} us, {100 * costs / request:.2f} %"
            )
            print(told, flush=True)  # noqa: T201
    service.close()


if __name__ == "__main__":
    main()
