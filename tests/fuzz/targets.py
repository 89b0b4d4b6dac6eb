"""What is fuzzed: functions that read strangers' bytes. Each may raise the errors that it promises, and no other."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from time import thread_time

from PIL import ExifTags, Image, PngImagePlugin

from models.cost import estimate
from models.errors import ImageError, RequestError
from models.images import decode
from models.limits import ImageLimits, Size
from serving.open_inference.framing import read_request, wants_binary
from serving.open_inference.tensors import read_image
from serving.upright.photo_file import PhotoFile

LIMITS = ImageLimits(max_pixels=1_000_000)
AT_LEAST = Size(64, 64)
SHAPE = (2, 3, 3)
SLACK_S = 0.25  # for the first use of a decoder, and a machine that does other things


def decoding(data: bytes) -> None:
    """``estimate`` and ``decode``; what it costs is no more than twice what was told."""
    with suppress(ImageError):
        cost = estimate(data, AT_LEAST, LIMITS)
        started = thread_time()
        with suppress(ImageError):
            image = decode(data, AT_LEAST, LIMITS)
            assert image.mode == "RGB"
            assert image.width * image.height <= cost.pixels
        taken = thread_time() - started
        assert taken <= 2 * cost.seconds + SLACK_S, f"{taken:.3f} s, where {cost.seconds:.3f} were told"


def editing(data: bytes) -> None:
    """The first byte says how the photo in the others is turned; a photo that can be shown still can."""
    how, data = data[0] if data else 0, data[1:]
    clockwise = (0, 90, 180, 270)[how & 3]
    with suppress(ImageError):
        photo = PhotoFile.open(data, LIMITS)
        try:
            edited = photo.with_pixels(clockwise).data if how & 4 else photo.retagged(clockwise)
        finally:
            bool(photo.is_heeded)
        before = decode(data, limits=LIMITS)
        after = decode(edited, limits=LIMITS)
        assert after.size == (before.size if clockwise % 180 == 0 else before.size[::-1])


def framing(data: bytes) -> None:
    """The first byte is the length of the header's value; then that value, then the body."""
    length, rest = data[0] % 24 if data else 0, data[1:]
    header = rest[:length].decode("latin-1") if length else None
    with suppress(RequestError):
        request = read_request(rest[length:], header, max_values=4 * 18)
        wants_binary(request)
        tensor = read_image(request, SHAPE, max_images=4)
        assert len(tensor) <= 4 or not isinstance(tensor, list)


def photos() -> list[bytes]:
    """Small ones of every format, with what editors edit: EXIF, XMP, thumbnails."""
    picture = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "somebody"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
    made: list[tuple[Image.Image, str, Mapping[str, object]]] = [
        (picture, "JPEG", {"exif": exif}),
        (picture, "JPEG", {"exif": exif, "xmp": xmp, "progressive": True, "subsampling": 2}),
        (picture.convert("L"), "JPEG", {}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {"exif": exif, "pnginfo": text}),
        (picture.convert("P"), "PNG", {}),
        (picture.convert("RGBA"), "PNG", {}),
        (picture.convert("L").convert("I;16"), "PNG", {}),
        (picture, "WEBP", {"exif": exif, "xmp": xmp}),
        (picture.convert("RGBA"), "WEBP", {"lossless": True}),
        (picture, "TIFF", {"exif": exif, "compression": "tiff_lzw"}),
        (picture.convert("1"), "TIFF", {"compression": "group4"}),
        (picture, "GIF", {}),
        (picture, "BMP", {}),
    ]
    return [_encoded(*one) for one in made]


def _encoded(image: Image.Image, kind: str, options: Mapping[str, object]) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def requests() -> list[bytes]:
    """Bodies of infer calls, in the form that ``framing`` takes."""
    pixels = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,2,3,3],"parameters":{"binary_data_size":18}}]}'
    photo = b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":9}}],'
    photo += b'"outputs":[{"name":"probabilities","parameters":{"binary_data":true,"classification":1}}]}'
    listed = b'{"id":"1","inputs":[{"name":"image","datatype":"UINT8","shape":[1,2,3,3],"data":[[[[1,2,3]]]]}]}'
    text = b'{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["aGVsbG8="]}]}'
    framed = [(pixels, bytes(18)), (photo, b"\x05\0\0\0hello")]
    with_header = [_with_header(str(len(head)).encode(), head + tail) for head, tail in framed]
    return [*with_header, _with_header(b"", listed), _with_header(b"", text), _with_header(b"0", b"a photo")]


def _with_header(value: bytes, body: bytes) -> bytes:
    return bytes([len(value)]) + value + body


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "decoding": (decoding, photos),
    "editing": (editing, lambda: [bytes([how]) + photo for how, photo in enumerate(photos() * 4)]),
    "framing": (framing, requests),
}
"""By name: what is called, and what its mutations begin from."""
