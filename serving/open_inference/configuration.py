"""Triton's model-configuration extension: what its tools want to know before they measure a model.

Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from models.repository import FILE_NAME
from serving.open_inference.messages import INPUT, OUTPUT
from serving.service import PredictionService
from serving.settings.cores import threads


def model_config(service: PredictionService, name: str, version: str | None) -> dict[str, object]:
    """The message ``ModelConfig``, as JSON; what Loupe has nothing to say of is left out.

    Raises:
        ModelNotFoundError: it is not loaded.
    """
    classifier = service.classifier(name, version)
    facts, model = classifier.metadata, classifier.model
    dims = list(facts.preprocessing.shape)
    on_cpu = model.kind == "cpu"
    versions = sorted(service.model(name).versions)
    return {
        "name": name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"specific": {"versions": versions}},
        "max_batch_size": service.settings.max_request_images,
        "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "format": "FORMAT_NHWC", "dims": dims}],
        "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [len(facts.labels)]}],
        "instance_group": [
            {
                "name": name,
                "kind": "KIND_CPU" if on_cpu else "KIND_GPU",
                "count": threads(service.settings) if on_cpu else 1,
            }
        ],
        "dynamic_batching": {"preferred_batch_size": [model.max_batch], "max_queue_delay_microseconds": 0},
        "default_model_filename": FILE_NAME,
    }
