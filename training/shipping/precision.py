"""A measured fp32 model → a measured copy at int8 or fp16, calibrated anew, that says what it lost and gained."""

from typing import Literal

from models.errors import TrainingError
from models.metadata import DeviceKind, ModelMetadata, Precision
from models.metrics import AgainstFp32
from models.repository import read_metadata
from training.graph.quantization import Ranges, to_fp16, to_int8
from training.measuring.comparison import compare_answers
from training.measuring.evaluation import ask, check_labels, measure
from training.measuring.robustness import with_conditions
from training.measuring.speed import fastest_provider, ratio
from training.photos.manifest import Manifest
from training.photos.tasks import Task, task_of
from training.shipping.calibration import calibrated
from training.shipping.samples import sample_pictures
from training.shipping.stamp import stamp
from training.shipping.strangers import Strangers

LowerPrecision = Literal["int8", "fp16"]
CALIBRATION_PICTURES = 200

# A step of int8 that falls to the other side elsewhere moved a probability by up to 0.06 (1,600 pictures, with and
# without ONNX Runtime's fused integer kernels); GPUs compute the same steps in floats.
_TOLERANCES: dict[LowerPrecision, dict[DeviceKind, float]] = {
    "int8": {"cpu": 0.1, "cuda": 0.1, "tensorrt": 0.1},
    "fp16": {"cpu": 1e-2, "cuda": 2e-2, "tensorrt": 2e-2},
}


def lower_precision(
    original: bytes,
    manifest: Manifest,
    precision: LowerPrecision,
    ranges: Ranges = "minmax",
    *,
    robustness: bool = False,
    strangers: Strangers | None = None,
) -> bytes:
    """Makes, calibrates and measures a copy.

    Args:
        original: a stamped fp32 model.
        manifest: its photos: ``train`` tells activations' ranges, ``calibration`` probabilities and thresholds,
            ``test`` what the copy is worth beside the original.
        precision: of the copy.
        ranges: for int8; see ``quantization.to_int8``.
        robustness: measures the copy on damaged copies of the test photos too.
        strangers: see ``calibration.calibrated``.

    Returns:
        The stamped copy, with its own golden samples, metrics, and ``against_fp32``.

    Raises:
        TrainingError: the model is no fp32 one, a split is empty, or a photo has a label that the model does not know.
    """
    metadata = read_metadata(original)
    task = task_of(metadata.labels)
    _check(metadata.precision, manifest, task)
    pictures = sample_pictures(manifest.split("train"), task, metadata.preprocessing, CALIBRATION_PICTURES)
    data = to_int8(original, pictures, ranges) if precision == "int8" else to_fp16(original)
    described = _described(metadata, precision, ranges)
    copy = calibrated(data, described, manifest.split("calibration"), task, pictures, strangers=strangers)
    return _measured(original, copy, manifest.split("test"), task, robustness)


def _check(precision: Precision, manifest: Manifest, task: Task) -> None:
    if precision != "fp32":
        raise TrainingError(f"the model is {precision} already; give the fp32 one")
    for split in ("train", "calibration", "test"):
        if not manifest.split(split).photos:
            raise TrainingError(f"the {split} split is empty; it is needed to calibrate and measure the copy")
    check_labels(manifest, task)


def _described(metadata: ModelMetadata, precision: LowerPrecision, ranges: Ranges) -> ModelMetadata:
    how = f"int8, static, ranges by {ranges}" if precision == "int8" else precision
    return metadata.model_copy(
        update={
            "precision": precision,
            "golden_tolerance": _TOLERANCES[precision],
            "training": metadata.training | {"made smaller": how},
        }
    )


def _measured(original: bytes, copy: bytes, test: Manifest, task: Task, robustness: bool) -> bytes:
    """The copy with its metrics and what it is beside the original."""
    before, after = read_metadata(original), read_metadata(copy)
    answers = [ask(data, before.preprocessing, test, task) for data in (original, copy)]
    result = compare_answers(before, answers[0], after, answers[1])
    provider = fastest_provider()
    against = AgainstFp32(
        accuracy_change=result.second - result.first,
        agreement=result.agreement,
        time_ratio=ratio(copy, original, provider),
        provider=provider,
    )
    metrics = measure(answers[1], after, test.digest(task.label_names))
    if robustness:
        metrics = with_conditions(metrics, copy, after, test)
    return stamp(copy, after.model_copy(update={"metrics": metrics, "against_fp32": against}))
