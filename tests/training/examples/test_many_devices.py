import json
import subprocess
import sys

import pytest

# One epoch of 21 steps. Devices are cut up before TensorFlow first computes: in a process of its own.
SCRIPT = """
import json, sys
from pathlib import Path
from training.examples import many_devices

many_devices.EPOCHS = 1
runs = many_devices.main(Path(sys.argv[1]))
figures = {
    precision: {
        "apart": many_devices.apart(one, two).tolist(),
        "losses": [one.losses.tolist(), two.losses.tolist()],
        "weights": one.weights.shape[1],
    }
    for precision, (one, two) in runs.items()
}
Path(sys.argv[1], "figures.json").write_text(json.dumps({"tolerance": many_devices.TOLERANCE, "runs": figures}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 device(s)" in done.stdout
    assert (folder / "many_devices.png").is_file()
    return json.loads((folder / "figures.json").read_text())


def test_one_step_on_two_devices_is_one_step_on_one(told):
    apart, tolerance = told["runs"]["float32"]["apart"], told["tolerance"]["float32"]
    assert tolerance == 1e-6
    assert apart[0] <= tolerance


def test_in_float64_all_steps_are(told):
    run, tolerance = told["runs"]["float64"], told["tolerance"]["float64"]
    assert tolerance == 1e-9
    assert len(run["apart"]) == 21
    assert max(run["apart"]) <= tolerance
    assert run["losses"][0] == pytest.approx(run["losses"][1], abs=1e-5)  # Keras adds losses up in float32


def test_all_weights_were_compared_and_moved(told):
    assert {run["weights"] for run in told["runs"].values()} == {124_982}
    one, _ = told["runs"]["float64"]["losses"]
    assert min(one[-5:]) < min(one[:5])
