"""H.264 in field pictures, written by hand: what no free encoder writes, and cameras do."""

from __future__ import annotations

from collections.abc import Sequence


class _Bits:
    """Bits of a unit of H.264 (ITU-T H.264, 7.2 and 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, width: int, value: int) -> None:
        self.text += f"{value:0{width}b}"

    def golomb(self, *values: int) -> None:
        for value in values:
            self.text += f"{value + 1:0{2 * (value + 1).bit_length() - 1}b}"

    def align(self) -> None:
        self.text += "0" * (-len(self.text) % 8)

    def unit(self, head: int) -> bytes:
        self.text += "1"
        self.align()
        body, zeros = bytearray(), 0
        for byte in int(self.text, 2).to_bytes(len(self.text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                body.append(3)
                zeros = 0
            body.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([head]) + bytes(body)


def _sequence() -> bytes:
    """Main profile, 64 x 64, fields allowed, 25 pictures a second."""
    bits = _Bits()
    bits.fixed(24, 77 << 16 | 30)
    bits.golomb(0, 0, 0, 4, 1)  # id, 4 bits of frame number, order by 8 bits, one reference
    bits.text += "0"
    bits.golomb(3, 1)  # 4 macroblocks wide, a field 2 high
    bits.text += "00" + "1" + "0" + "1"  # not frames alone; the last: timing follows
    bits.text += "0000" + "1"
    bits.fixed(32, 1)
    bits.fixed(32, 50)
    bits.text += "1" + "0000"
    return bits.unit(0x67)


def _picture_set() -> bytes:
    bits = _Bits()
    bits.golomb(0, 0)
    bits.text += "00"
    bits.golomb(0, 0, 0)
    bits.text += "000"
    bits.golomb(0, 0, 0)
    bits.text += "000"
    return bits.unit(0x68)


def _field(value: int, number: int, *, bottom: bool) -> bytes:
    """One field of a flat grey, its macroblocks stored as they are."""
    key = number == 0 and not bottom
    bits = _Bits()
    bits.golomb(0, 7, 0)
    bits.fixed(4, number)
    bits.text += f"1{bottom:b}"
    if key:
        bits.golomb(0)
    bits.fixed(8, 2 * number + bottom)
    bits.text += "00" if key else "0"
    bits.golomb(0)
    for _ in range(8):
        bits.golomb(25)
        bits.align()
        bits.text += f"{value:08b}" * 256 + f"{128:08b}" * 128
    return bits.unit(0x65 if key else 0x61)


def fields_of_h264(values: Sequence[int]) -> bytes:
    """Return a stream of flat pictures of two fields each; `values` are their Y."""
    start = b"\0\0\0\1\x09\xf0"
    stream = b""
    for k, value in enumerate(values):
        heads = _sequence() + _picture_set() if k % 10 == 0 else b""
        fields = (_field(value, k % 10, bottom=bottom) for bottom in (False, True))
        stream += start + heads + start.join(fields)
    return stream
