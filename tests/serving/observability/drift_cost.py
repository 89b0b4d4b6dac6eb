"""What drift costs a request: ``python tests/serving/observability/drift_cost.py``.

The same requests in one process, in turns with and without it (at one picture of four), by the CPU time of all threads;
the median of the pairs.
"""

import asyncio
import io
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from skimage import data as skimage_data

from models.drift import EDGES, Histogram, Reference
from models.onnx_file import with_properties
from models.repository import ModelRepository, read_metadata
from serving.observability.drift import Drift
from serving.observability.metrics import Metrics
from serving.service import PredictionService
from serving.settings import Settings

PAIRS, REQUESTS = 20, 20


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


def cpu_s(service: PredictionService, model: str, body: bytes) -> float:
    async def ask() -> None:
        for _ in range(REQUESTS):
            await service.predict([model], [body])

    started = time.process_time()
    asyncio.run(ask())
    return (time.process_time() - started) / REQUESTS


def main() -> None:
    metrics = Metrics()
    with TemporaryDirectory() as folder:
        service = PredictionService.load(Settings(models=repository(Path(folder)), max_wait_s=60), metrics)
    without, with_it = _Blind(), Drift(every_s=0)
    body = photo(512)
    for model in service.classifiers:
        pairs = []
        for number in range(PAIRS):
            times = {}
            for watch in (without, with_it) if number % 2 else (with_it, without):
                metrics.drift = watch
                times[watch is with_it] = cpu_s(service, model, body)
            pairs.append((times[False], times[True] - times[False]))
        base, more = (statistics.median(column) for column in zip(*pairs, strict=True))
        told = f"{model:20} {1e3 * base:6.2f} ms, {1e6 * more:+6.0f} us, {100 * more / base:+.2f} %"
        print(told, flush=True)  # noqa: T201
    service.close()


if __name__ == "__main__":
    main()
