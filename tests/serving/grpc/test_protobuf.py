import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROTO = "serving/grpc/protobuf/open_inference.proto"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make proto` would write."""
    folder = tmp_path_factory.mktemp("proto")
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", *outputs, PROTO], check=True)
    return folder / PROTO


@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py"])
def test_the_generated_files_are_those_of_the_proto_file(generated: Path, suffix: str):
    name = PROTO.removesuffix(".proto") + suffix
    assert (ROOT / name).read_text() == generated.with_name(Path(name).name).read_text(), "make proto"
