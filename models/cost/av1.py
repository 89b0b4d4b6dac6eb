"""How large the frame of an AVIF is, whatever the container tells. Format: AV1 Bitstream & Decoding Process, section 5.

libavif decodes a frame of any size, up to 16,384 x 16,384, and reduces it to the size that is announced.
"""

from models.cost.cost import Parts

_SEQUENCE, _FRAMES = 1, (3, 6)  # kinds of units
_SMALLEST_HEAD = 8  # bytes, that a sequence's sides are within
_MOST_UNITS = 16


def frame_pixels(item: memoryview, parts: Parts) -> int | None:
    """The pixels of the one frame that a still picture is coded as.

    Args:
        item: its bytes.
        parts: the units that are looked at are counted there.

    Returns:
        None where that is not told in the way that encoders of still pictures tell it: by one reduced header, which no
        frame may be larger than, before one frame.
    """
    sequences, frames, position = list[int | None](), 0, 0
    for _ in range(_MOST_UNITS):
        if position >= len(item):
            break
        parts.add()
        kind, has_size = item[position] >> 3 & 15, item[position] & 2
        position += 1 + (item[position] >> 2 & 1)
        size, position = _size(item, position) if has_size else (len(item) - position, position)
        if kind == _SEQUENCE:
            sequences.append(_pixels(bytes(item[position : position + _SMALLEST_HEAD])))
        frames += kind in _FRAMES
        position += size
    whole = position == len(item) and len(sequences) == frames == 1
    return sequences[0] if whole else None


def _size(item: memoryview, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, the least first, and where it ends."""
    value = 0
    for index, byte in enumerate(item[position : position + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    return len(item), position  # which is more than there is


def _pixels(head: bytes) -> int | None:
    """Of a sequence's reduced header: width and height stand behind a profile, two flags and a level."""
    bits = f"{int.from_bytes(head.ljust(_SMALLEST_HEAD, bytes(1)), 'big'):064b}"
    if bits[3:5] != "11":
        return None
    across, down = int(bits[10:14], 2) + 1, int(bits[14:18], 2) + 1
    width, height = bits[18 : 18 + across], bits[18 + across : 18 + across + down]
    return (int(width, 2) + 1) * (int(height, 2) + 1)
