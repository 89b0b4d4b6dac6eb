"""Photo files of every format, tagged in every way."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from models.images import decode

ORIENTATION, SOFTWARE = 274, 305
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="%d"><tiff:Make>Loupe</tiff:Make></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


class Files:
    """Makes photo files; tests get it as the fixture ``files``."""

    formats = ("JPEG", "PNG", "WEBP", "TIFF")
    xmp_packet = XMP

    @staticmethod
    def encode(image: Image.Image, kind: str, orientation: int | None = None, **options) -> bytes:
        """With an EXIF block that holds more than the orientation, unless that is None: then there is no EXIF."""
        if orientation is not None:
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            exif[SOFTWARE] = "Loupe's tests"
            options["exif"] = exif
        if kind == "WEBP":
            options = {"lossless": True} | options
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    @staticmethod
    def shown(data: bytes) -> np.ndarray:
        """As a viewer shows it, ``uint8[H, W, 3]``."""
        return np.asarray(decode(data))

    @staticmethod
    def stored(data: bytes) -> np.ndarray:
        """The pixels as they are stored."""
        return np.asarray(decode(data, apply_exif=False))

    @staticmethod
    def turned(pixels: np.ndarray, clockwise: int) -> np.ndarray:
        return np.rot90(pixels, -clockwise // 90)

    @staticmethod
    def tag(data: bytes) -> int | None:
        return Image.open(BytesIO(data)).getexif().get(ORIENTATION)

    @staticmethod
    def exif_with_thumbnail(thumbnail: bytes, orientation: int, own: int | None, order: str = ">") -> bytes:
        """A camera's EXIF block: orientation, an Exif directory with the sides, a second directory with a thumbnail."""

        def directory(entries: list[tuple[int, int, int]], following: int) -> bytes:
            coded = b"".join(
                struct.pack(f"{order}HHI", tag, kind, 1)
                + (struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value))
                for tag, kind, value in entries
            )
            return struct.pack(f"{order}H", len(entries)) + coded + struct.pack(f"{order}I", following)

        first, sides = 8, 8 + 2 + 2 * 12 + 4
        second = sides + 2 + 2 * 12 + 4
        own_tag = [] if own is None else [(ORIENTATION, 3, own)]
        start = second + 2 + (2 + len(own_tag)) * 12 + 4
        return b"".join(
            [
                (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", first),
                directory([(ORIENTATION, 3, orientation), (0x8769, 4, sides)], second),
                directory([(0xA002, 4, 640), (0xA003, 4, 480)], 0),
                directory([*own_tag, (0x0201, 4, start), (0x0202, 4, len(thumbnail))], 0),
                thumbnail,
            ]
        )


@pytest.fixture(scope="session")
def files() -> type[Files]:
    return Files


@pytest.fixture(scope="session")
def picture(photograph) -> Image.Image:
    """80 x 48, nothing symmetrical."""
    return photograph.crop((100, 40, 420, 232)).resize((80, 48))
