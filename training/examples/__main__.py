"""Runs all examples in the order of the talks: ``python -m training.examples [folder]``."""

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

from training.examples.drawing import command_line

EXAMPLES = (
    "line",
    "hidden_layer",
    "xor",
    "backpropagation",
    "softmax",
    "convolution",
    "small_cnn",
    "many_devices",
    "looking_inside",
)


def run(name: str, folder: Path) -> None:
    """Runs one example: here, as TensorFlow takes long to import, unless it needs a TensorFlow of its own."""
    if name == "many_devices":  # devices are cut up before TensorFlow first computes
        subprocess.run([sys.executable, "-m", f"training.examples.{name}", str(folder)], check=True)  # noqa: S603
    else:
        import_module(f"training.examples.{name}").main(folder)


def main(folder: Path) -> None:
    """Runs them all, and tells which one and how long it took."""
    started = time.monotonic()
    for number, name in enumerate(EXAMPLES, 1):
        begun = time.monotonic()
        print(f"\n[{number}/{len(EXAMPLES)}] {name}", flush=True)
        run(name, folder)
        print(f"{time.monotonic() - begun:.0f} s", flush=True)
    print(f"\nall {len(EXAMPLES)} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(command_line(__doc__).parse_args().folder)
