"""The two pictures of the app: a speech bubble, drawn from its geometry and the same to the byte on every machine."""

from collections.abc import Callable, Sequence
from math import hypot
from struct import pack
from zlib import adler32, crc32

Colour = tuple[int, int, int, int]  # red, green, blue, alpha: 0 to 255
Shape = Callable[[float, float], float]  # how far a point is outside it, in 32nds of the picture

ACCENT = "#0f6b66"

_TEAL: Colour = (0x0F, 0x6B, 0x66, 255)
_WHITE: Colour = (255, 255, 255, 255)
_CLEAR: Colour = (255, 255, 255, 0)
_SHADES = 16


def colour_icon() -> bytes:
    """192 by 192 pixels, a white bubble on the accent colour (learn.microsoft.com, "Design your Teams app icon")."""
    return _png(192, _between(_TEAL, _WHITE), lambda x, y: max(_bubble(x, y), -_lines(x, y)))


def outline_icon() -> bytes:
    """32 by 32 pixels, white on nothing."""
    return _png(32, _between(_CLEAR, _WHITE), lambda x, y: min(abs(_bubble(x, y)) - 0.9, _lines(x, y)))


def _bubble(x: float, y: float) -> float:
    return min(_box(x, y), _tail(x, y))


def _box(x: float, y: float) -> float:
    """A rectangle from (5, 6.5) to (27, 21.5) with round corners."""
    right, down = abs(x - 16) - 7.5, abs(y - 14) - 4
    return hypot(max(right, 0), max(down, 0)) + min(max(right, down), 0) - 3.5


def _tail(x: float, y: float) -> float:
    """A triangle that hangs on the rectangle and points down at (10.5, 26.5)."""
    slant = ((x - 10.5) * 5 + (y - 26.5) * 6.5) / hypot(5, 6.5)
    return max(10.5 - x, 16 - y, slant)


def _lines(x: float, y: float) -> float:
    return min(_line(x, y, 11, 21, 12), _line(x, y, 11, 17, 16))


def _line(x: float, y: float, left: float, right: float, middle: float) -> float:
    return hypot(x - min(max(x, left), right), y - middle) - 0.9


def _between(outside: Colour, inside: Colour) -> list[Colour]:
    """The colours from the one to the other, for the edges."""
    mixed = (
        tuple(round(a + (b - a) * shade / _SHADES) for a, b in zip(outside, inside, strict=True))
        for shade in range(_SHADES + 1)
    )
    return [(red, green, blue, alpha) for red, green, blue, alpha in mixed]


def _png(size: int, palette: Sequence[Colour], shape: Shape) -> bytes:
    """A PNG of one byte a pixel; not compressed, so that no library's version shows in it."""
    scale = size / 32
    rows = bytearray()
    for y in range(size):
        rows.append(0)  # no filter
        for x in range(size):
            outside = shape((x + 0.5) / scale, (y + 0.5) / scale) * scale
            rows.append(round(min(max(0.5 - outside, 0.0), 1.0) * _SHADES))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", pack(">IIBBBBB", size, size, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(bytes(colour[:3]) for colour in palette)),
            _chunk(b"tRNS", bytes(colour[3] for colour in palette)),
            _chunk(b"IDAT", _stored(bytes(rows))),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of blocks that are stored as they are (RFC 1950 and 1951); `data` is not empty."""
    blocks = [data[start : start + 0xFFFF] for start in range(0, len(data), 0xFFFF)]
    stored = (
        pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for index, block in enumerate(blocks)
    )
    return b"\x78\x01" + b"".join(stored) + pack(">I", adler32(data))
