"""Triton's statistics extension, from what the metrics have counted; nothing is counted twice.

Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from collections.abc import Awaitable, Callable, Mapping

from serving.observability.totals import Seconds, Totals
from serving.service import PredictionService

_NANOSECONDS = 1_000_000_000
_MILLISECONDS = 1000


async def model_statistics(
    service: PredictionService,
    totals: Callable[[], Awaitable[Mapping[tuple[str, str], Totals]]],
    name: str | None = None,
    version: str | None = None,
) -> dict[str, object]:
    """The message ``ModelStatisticsResponse``, as JSON: of one version, of all of a model, or of all that is loaded.

    A request's steps are those of the image that took longest. Nothing is cached, and batches are not told by size.

    Args:
        service: the loaded classifiers.
        totals: what was counted, by model and version.
        name: the model; None: all.
        version: None: all.

    Raises:
        ModelNotFoundError: the model or version is not loaded.
    """
    names = list(service.models) if name is None else [name]
    asked = [(one, number) for one in names for number in sorted(service.model(one).versions)]
    if name is not None and version is not None:
        asked = [(name, service.classifier(name, version).metadata.version)]
    counted, nothing = await totals(), Totals.of(())
    return {"model_stats": [_of(one, str(number), counted.get((one, str(number)), nothing)) for one, number in asked]}


def _of(name: str, version: str, totals: Totals) -> dict[str, object]:
    of_stage = {stage: totals.stages.get(stage, Seconds()) for stage in ("queue", "preprocess", "inference", "respond")}
    decode = totals.stages.get("decode", Seconds())
    prepared = of_stage["preprocess"]
    return {
        "name": name,
        "version": version,
        "last_inference": round(totals.last * _MILLISECONDS),
        "inference_count": totals.images,
        "execution_count": totals.batches,
        "inference_stats": {
            "success": _duration(totals.succeeded),
            "fail": _duration(totals.failed),
            "queue": _duration(of_stage["queue"]),
            "compute_input": _duration(Seconds(prepared.count, decode.seconds + prepared.seconds)),
            "compute_infer": _duration(of_stage["inference"]),
            "compute_output": _duration(of_stage["respond"]),
            "cache_hit": _duration(Seconds()),
            "cache_miss": _duration(Seconds()),
        },
        "batch_stats": [],
        "memory_usage": [],
    }


def _duration(told: Seconds) -> dict[str, int]:
    return {"count": told.count, "ns": round(told.seconds * _NANOSECONDS)}
