import sys

import pytest

from models.errors import DeviceError, InvalidModelError
from serving.engine.device import Accelerator, Batches, open_session, providers

BATCHES, PLAIN = Batches((64, 48, 3), 32), Accelerator()


def test_auto_takes_what_loads(zoo):
    session, kind = open_session(zoo.selfie(), "auto", BATCHES, PLAIN)
    assert session.get_providers()[0] == {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[kind]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_that_is_asked_for_is_in_effect_or_refused_in_one_sentence(zoo, device):
    try:
        _, kind = open_session(zoo.selfie(), device, BATCHES, PLAIN)
    except DeviceError as error:
        said = str(error)
    else:
        said = f"the device {kind} was asked for, but it works"
    assert said.startswith(f"the device {device} was asked for, but ")
    assert "\n" not in said


def test_the_cpu_says_nothing(zoo, capfd):
    open_session(zoo.selfie(), "cpu", BATCHES, PLAIN)
    open_session(zoo.selfie(), "auto", BATCHES, PLAIN)
    assert capfd.readouterr() == ("", "")


def test_a_session_does_not_keep_the_file_beside_what_it_made_of_it(zoo):
    file = zoo.selfie() + b""
    before = sys.getrefcount(file)
    session, _ = open_session(file, "cpu", BATCHES, PLAIN)
    assert sys.getrefcount(file) == before
    assert session.get_outputs()


def test_a_file_that_is_no_model_is_refused():
    with pytest.raises(InvalidModelError, match="ONNX Runtime cannot load the model on cpu"):
        open_session(b"no model", "auto", BATCHES, PLAIN)


def test_each_device_falls_back_on_the_next():
    names = {kind: [name for name, _ in providers(kind, BATCHES, PLAIN)] for kind in ("cpu", "cuda", "tensorrt")}
    tensorrt, cuda, cpu = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
    assert names == {"cpu": [cpu], "cuda": [cuda, cpu], "tensorrt": [tensorrt, cuda, cpu]}


def test_what_the_operator_says_of_a_gpu_reaches_both_providers(tmp_path):
    asked = Accelerator(memory_bytes=1 << 30, engine_cache=tmp_path)
    tensorrt, cuda, (_, cpu) = (options for options in providers("tensorrt", BATCHES, asked))
    assert cuda[1]["gpu_mem_limit"] == tensorrt[1]["trt_max_workspace_size"] == str(1 << 30)
    assert cuda[1]["arena_extend_strategy"] == "kSameAsRequested"
    assert tensorrt[1]["trt_engine_cache_enable"] == "1"
    assert tensorrt[1]["trt_engine_cache_path"] == tensorrt[1]["trt_timing_cache_path"] == str(tmp_path)
    assert cpu == {}


def test_unasked_a_gpu_has_no_bound_and_no_cache():
    _, options = providers("tensorrt", BATCHES, PLAIN)[0]
    assert not [name for name in options if "cache" in name or "workspace" in name]
    assert "gpu_mem_limit" not in providers("cuda", BATCHES, PLAIN)[0][1]


def test_one_engine_serves_all_batch_sizes():
    options = providers("tensorrt", BATCHES, PLAIN)[0][1]
    shapes = {name: options[f"trt_profile_{name}_shapes"] for name in ("min", "opt", "max")}
    assert shapes == {"min": "image:1x64x48x3", "opt": "image:16x64x48x3", "max": "image:32x64x48x3"}
