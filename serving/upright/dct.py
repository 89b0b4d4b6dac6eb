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

import jpegio  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from serving.upright.blank import Component, Frame, blank_jpeg

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
# A picture of 50 megapixels takes 900 MB here, and the library holds the interpreter anyway.
_one_at_a_time = threading.Lock()


def turn_coefficients(data: bytes, orientation: int) -> bytes | None:
    """Turns a JPEG's picture as a viewer would that is told this orientation.

    Returns:
        A JPEG file without any metadata; None where the turn would not be perfect.

    Raises:
        RuntimeError: the file is broken, or of a kind that libjpeg-turbo does not read.
    """
    if data.count(_SCAN) > _MOST_SCANS:
        raise RuntimeError("it has too many scans")
    flips = _FLIPS[orientation]
    with _one_at_a_time, _in_memory(data) as path:
        source = jpegio.read(path)
        frame = _turned_frame(source, flips)
        if not _is_perfect(frame, flips):
            return None
        return _written(source, frame, flips)


def _written(source: Any, frame: Frame, flips: _Flips) -> bytes:  # noqa: ANN401 - jpegio has no types
    with _in_memory(blank_jpeg(frame)) as path:
        blank = jpegio.read(path)
        for empty, table in zip(blank.quant_tables, source.quant_tables, strict=True):
            empty[:] = table.T if flips.transpose else table
        for empty, coefficients in zip(blank.coef_arrays, source.coef_arrays, strict=True):
            empty[:] = _turned(coefficients, flips)
        blank.progressive_mode = source.progressive_mode
        blank.optimize_coding = 1
        blank.write(path)
        return Path(path).read_bytes()


def _turned_frame(source: Any, flips: _Flips) -> Frame:  # noqa: ANN401 - as above
    components = [
        Component(one.component_id, one.h_samp_factor, one.v_samp_factor, one.quant_tbl_no) for one in source.comp_info
    ]
    tables, width, height = _tables(source), source.image_width, source.image_height
    if not flips.transpose:
        return Frame(width, height, components, tables)
    return Frame(height, width, [one.transposed() for one in components], tables)


def _tables(source: Any) -> list[int]:  # noqa: ANN401 - as above
    """The numbers of the quantisation tables, which jpegio does not tell: from 0 on, unless they are all in use."""
    used = sorted({one.quant_tbl_no for one in source.comp_info})
    numbers = used if len(used) == len(source.quant_tables) else list(range(len(source.quant_tables)))
    if not set(used) <= set(numbers):
        raise RuntimeError("its quantisation tables cannot be told apart")
    return numbers


def _is_perfect(frame: Frame, flips: _Flips) -> bool:
    whole_across = frame.width % (_BLOCK * frame.across) == 0
    whole_down = frame.height % (_BLOCK * frame.down) == 0
    return (whole_across or not flips.mirror) and (whole_down or not flips.upside_down)


def _turned(coefficients: NDArray[np.int32], flips: _Flips) -> NDArray[np.int32]:
    """Of one component: ``int32[8 * rows, 8 * columns]``, block beside block."""
    turned = coefficients.T if flips.transpose else coefficients
    blocks = turned.reshape(turned.shape[0] // _BLOCK, _BLOCK, turned.shape[1] // _BLOCK, _BLOCK)
    odd = np.where(np.arange(_BLOCK) % 2, -1, 1).astype(np.int32)
    if flips.mirror:
        blocks = blocks[:, :, ::-1] * odd
    if flips.upside_down:
        blocks = blocks[::-1] * odd[:, None, None]
    return blocks.reshape(turned.shape)


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
