"""Whenever a server is killed while it keeps corrections, what lies in their folder is whole.

``make kills`` kills 200 times.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

KILLS = int(os.environ.get("KILLS", "2"))
ROOT = Path(__file__).parents[3]
DIGEST = "a" * 64
KEEP = """
import itertools, sys
from pathlib import Path
from serving.engine.classifier import Prediction
from serving.service.corrections import Correction, Corrections
from serving.settings import Settings
corrections = Corrections(Settings(feedback=Path(sys.argv[1]), feedback_photos=True))
photo = Path(sys.argv[2]).read_bytes()
print("begun", flush=True)
for number in itertools.count():
    answer = Prediction("dog", 0.9, True, {"dog": 0.9, "cat": 0.1}, {})
    corrections.keep(Correction("pets", "1", answer, ("dog", "cat")[number % 2]), sys.argv[3], photo)
"""


def test_a_server_that_is_killed_leaves_no_half_correction(zoo, tmp_path):
    """The next correction of the same photo puts right what one that was cut short had left in two places."""
    chance, photo, folder = random.Random(0), zoo.png(size=(300, 300)), tmp_path / "kept"
    (tmp_path / "photo").write_bytes(photo)
    for _ in range(KILLS):
        command = [sys.executable, "-c", KEEP, folder, tmp_path / "photo", DIGEST]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as keeper:
            keeper.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            keeper.kill()
        answers = list(folder.glob("*/answers/[!.]*"))
        photos = list(folder.glob("*/photos/*/[!.]*"))
        assert {path.name for path in answers} <= {f"{DIGEST}.json"}
        assert all(json.loads(path.read_text())["right"] in ("dog", "cat") for path in answers)
        assert all(path.read_bytes() == photo for path in photos)
        assert len(photos) <= 2
