import pytest

from models.errors import DeviceError, InvalidModelError
from serving.engine.device import open_session


def test_auto_takes_what_loads(zoo):
    session, kind = open_session(zoo.selfie(), "auto")
    assert session.get_providers()[0] == {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[kind]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_that_is_asked_for_is_in_effect_or_refused_in_one_sentence(zoo, device):
    try:
        _, kind = open_session(zoo.selfie(), device)
    except DeviceError as error:
        said = str(error)
    else:
        said = f"the device {kind} was asked for, but it works"
    assert said.startswith(f"the device {device} was asked for, but ")
    assert "\n" not in said


def test_the_cpu_says_nothing(zoo, capfd):
    open_session(zoo.selfie(), "cpu")
    open_session(zoo.selfie(), "auto")
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_is_refused():
    with pytest.raises(InvalidModelError, match="ONNX Runtime cannot load the model on cpu"):
        open_session(b"no model", "auto")
