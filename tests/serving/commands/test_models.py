OK, FAILED = 0, 1


def test_a_folder_without_models_is_told(loupe, models, tmp_path):
    for folder in (tmp_path, tmp_path / "none", models / "orientation"):
        result = loupe("models", "--models", folder)
        assert (result.exit_code, result.stdout) == (FAILED, "")
        assert result.stderr.startswith(f"loupe: there are no models in {folder}; LOUPE_MODELS or --models names")
    assert loupe("models").exit_code == OK


def test_a_broken_file_is_named(loupe, tmp_path):
    (tmp_path / "cats" / "3").mkdir(parents=True)
    (tmp_path / "cats" / "3" / "model.onnx").write_bytes(b"no model")
    result = loupe("models", "--models", tmp_path)
    assert result.exit_code == FAILED
    assert result.stderr.startswith("loupe: cats/3/model.onnx: ")
