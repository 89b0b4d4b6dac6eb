"""Turns a JPEG's DCT coefficients, so that not one of them is rounded anew; libjpeg-turbo (jpegio) does the coding.

A turn moves whole blocks and, within each, transposes it or changes the sign of its odd frequencies. It is perfect
where no padded block would have to leave its edge: jpegtran's ``-perfect``.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.quiet import without_stderr
from serving.upright.formats.blank import Frame, blank_jpeg

_BLOCK = 8


class _Flips(NamedTuple):
    """What is done, in this order."""

    transpose: bool
    mirror: bool
    upside_down: bool


_FLIPS = {
    1: _Flips(False, False, False),
    2: _Flips(False, True, False),
    3: _Flips(False, True, True),
    4: _Flips(False, False, True),
    5: _Flips(True, False, False),
    6: _Flips(True, True, False),
    7: _Flips(True, True, True),
    8: _Flips(True, False, True),
}

# Each scan of a progressive file goes over all coefficients, and cameras write about ten. As the library holds the
# interpreter, a file of thousands would stop all other requests; Pillow, which then gets it, stops none.
_MOST_SCANS = 64
_SCAN = b"\xff\xda"
# A picture of 50 megapixels takes 750 MB here, and the library holds the interpreter anyway.
_one_at_a_time = threading.Lock()


def turn_coefficients(data: bytes, orientation: int) -> bytes | None:
    """Turns a JPEG's picture as a viewer would that is told this orientation.

    Returns:
        A JPEG file without any metadata; None where the turn would not be perfect.

    Raises:
        RuntimeError: the file is of a kind that jpegio does not read, or broken.
        ValueError, struct.error: its header is broken.
    """
    if data.count(_SCAN) > _MOST_SCANS:
        raise RuntimeError("it has too many scans")
    flips, frame = _FLIPS[orientation], Frame.of(data)
    frame = frame.transposed() if flips.transpose else frame
    if not _is_perfect(frame, flips):
        return None
    with _one_at_a_time:
        return _coded(_turned_copy(data, frame, flips))


def _turned_copy(data: bytes, frame: Frame, flips: _Flips) -> Any:  # noqa: ANN401 - jpegio has no types
    import jpegio  # type: ignore[import-untyped]  # here, as servers leave this to a process of its own: workshop.py

    with _in_memory(data) as path, without_stderr():
        source = jpegio.read(path)
    with _in_memory(blank_jpeg(frame)) as path:
        turned = jpegio.read(path)
    for target, table in zip(turned.quant_tables, source.quant_tables, strict=True):
        target[:] = table.T if flips.transpose else table
    for target, coefficients in zip(turned.coef_arrays, source.coef_arrays, strict=True):
        _turn(coefficients.T if flips.transpose else coefficients, target, flips)
    turned.progressive_mode = source.progressive_mode
    return turned


def _coded(picture: Any) -> bytes:  # noqa: ANN401 - as above
    picture.optimize_coding = 1
    with _in_memory(b"") as path:
        picture.write(path)
        return Path(path).read_bytes()


def _is_perfect(frame: Frame, flips: _Flips) -> bool:
    whole_across = frame.width % (_BLOCK * frame.across) == 0
    whole_down = frame.height % (_BLOCK * frame.down) == 0
    return (whole_across or not flips.mirror) and (whole_down or not flips.upside_down)


def _turn(source: NDArray[np.int32], target: NDArray[np.int32], flips: _Flips) -> None:
    """One component's coefficients, ``int32[8 * rows, 8 * columns]``: block beside block, and many, so in place."""
    rows, columns = target.shape[0] // _BLOCK, target.shape[1] // _BLOCK
    old, new = (array.reshape(rows, _BLOCK, columns, _BLOCK) for array in (source, target))
    new[:] = old[:: -1 if flips.upside_down else 1, :, :: -1 if flips.mirror else 1]
    odd = np.where(np.arange(_BLOCK) % 2, -1, 1).astype(np.int32)
    if flips.mirror:
        new *= odd
    if flips.upside_down:
        new *= odd[:, None, None]


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A file that is on no disk, as jpegio wants a path; other people's photos belong on none."""
    descriptor = os.memfd_create("jpeg")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
