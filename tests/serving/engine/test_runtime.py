import os

from serving.engine.runtime import captured


def test_what_native_code_prints_is_kept_without_colours(capfd):
    lines = list[str]()
    with captured(lines):
        os.write(2, b"\x1b[0;93m2026-11-29 [W:onnxruntime:Default] GPU device discovery failed\x1b[m\n\n")
    os.write(2, b"outside\n")
    assert lines == ["2026-11-29 [W:onnxruntime:Default] GPU device discovery failed"]
    assert capfd.readouterr().err == "outside\n"
