import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from loadtest.mischief import bad, bombs
from loadtest.soak import Sample, _least_of_each_minute, _slope_mib, _wrong

ROOT = Path(__file__).parents[2]


def test_a_few_seconds_of_it(tmp_path):
    """Whether descriptors grow cannot be told so soon; what is wrong then is said, and is the exit status."""
    command = [sys.executable, "-m", "loadtest.soak", "--minutes", "0.2", "--rest-s", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    figures = json.loads(done.stdout)
    assert done.returncode == (1 if figures["wrong"] else 0)
    assert figures["answers"]["photo 200"] > 0
    assert figures["resident_mib"]["highest"] > 50
    assert (ROOT / "models/selfie/2/model.onnx").is_file(), "it works on a copy"


def test_what_must_not_be_is_told():
    rested = Sample(0, 100, 10, 5)
    fine = Counter({"photo 200": 5, "text 415": 1, "bomb 413": 2, "photo 429": 1})
    assert _wrong(fine, rested, rested) == []
    assert _wrong(fine + Counter({"bomb 504": 2}), rested, rested) == ["2 x bomb 504"]
    assert _wrong(fine + Counter({"photo ConnectionResetError": 1}), rested, rested) == [
        "1 x photo ConnectionResetError"
    ]
    assert _wrong(fine, rested, Sample(1, 100, 11, 6)) == ["descriptors grew", "threads grew"]


def test_what_is_kept_for_good_is_told_from_what_comes_and_goes():
    """A leak of a mebibyte a minute among pictures that take up to 200 for some seconds."""
    samples = [Sample(at, 100 + at / 60 + 200 * (at % 14 == 0), 10, 5) for at in range(0, 1200, 2)]
    assert abs(_slope_mib(_least_of_each_minute(samples)) - 10) < 0.1
    level = [one._replace(resident_mib=100 + 10 * one.descriptors * (one.at_s % 6)) for one in samples]
    assert _slope_mib(_least_of_each_minute(level)) == 0
    assert _slope_mib(samples[:1]) == 0


def test_mischief_is_small():
    asked = [*bad(), *bombs()]
    assert max(len(one.body) for one in asked) < 2_000_000
    assert len({one.name for one in asked}) >= 12
