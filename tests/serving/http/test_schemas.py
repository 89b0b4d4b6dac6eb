from serving.http.schemas import Columns


def test_columns_have_errors_and_keys_only_if_there_are_some():
    columns = Columns(label=[], probability=[], certain=[], labels=[], probabilities=[], attributes=[])
    assert columns.model_dump().keys().isdisjoint({"error", "error_type", "key"})
    assert columns.model_copy(update={"error": ["bad"]}).model_dump()["error"] == ["bad"]
