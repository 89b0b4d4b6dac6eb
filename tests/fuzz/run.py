"""``python -m tests.fuzz.run TARGET [options of libFuzzer]``: mutations that atheris leads by coverage."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["models", "serving", "PIL"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Runs until something is raised, or ``-max_total_time=SECONDS`` is over."""
    run, seeds = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, *sys.argv[2:]], run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
