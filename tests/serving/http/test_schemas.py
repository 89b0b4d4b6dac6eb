import pytest
from pydantic import ValidationError

from serving.http.schemas import Columns, TensorFlowRequest


@pytest.mark.parametrize("text", ["YWJj", "YWI=", ""])
def test_base64_is_read(text):
    request = TensorFlowRequest.model_validate({"instances": [{"b64": text}]})
    assert request.instances is not None
    assert request.instances[0].b64 in (b"abc", b"ab", b"")


@pytest.mark.parametrize("text", ["YWJ", "YW Jj", "YWJj\n", "YW-_", "YWJ=j", "é"])
def test_base64_is_strict(text):
    with pytest.raises(ValidationError):
        TensorFlowRequest.model_validate({"instances": [{"b64": text}]})


def test_rows_and_columns_exclude_each_other():
    for body in ({}, {"instances": [], "inputs": []}):
        with pytest.raises(ValidationError, match="give either"):
            TensorFlowRequest.model_validate(body)


def test_columns_have_errors_only_if_there_are_some():
    columns = Columns(label=[], probability=[], certain=[], labels=[], probabilities=[], attributes=[])
    assert "error" not in columns.model_dump()
    assert columns.model_copy(update={"error": ["bad"]}).model_dump()["error"] == ["bad"]
