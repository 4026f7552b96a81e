"""Colours: matrix and range of ordinary pictures, and HDR mapped to them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)
from hypothesis import given, strategies as st

from emodiss import media
from emodiss.media import tone
from emodiss.settings import MediaSettings
from tests import make

SKIN = ((222, 184, 156), (150, 105, 80), (90, 60, 45))
COLOURS = (*SKIN, (128, 128, 128), (20, 20, 20), (60, 90, 150))

BT2087 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""From BT.709 to BT.2020, as ITU-R BT.2087 prints it."""


def coded(rgb, red: float, blue: float, *, full: bool, bits: int) -> list[int]:
    """Y'CbCr by hand: ITU-R BT.601, BT.709 and BT.2020 differ in the weights of red and blue."""
    r, g, b = (value / 255 for value in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    unit = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        return [round(y * top), round(cb * top + 128 * unit), round(cr * top + 128 * unit)]
    return [round((16 + 219 * y) * unit)] + [round((128 + 224 * c) * unit) for c in (cb, cr)]


def flat(values: list[int], pixels: str) -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, pixels)
    kind = np.uint16 if "10" in pixels else np.uint8
    for plane, value in zip(frame.planes, values, strict=True):
        size = plane.buffer_size // np.dtype(kind).itemsize
        plane.update(np.full(size, value, kind).tobytes())
    return frame


def light_of(rgb) -> np.ndarray:
    """Light of an ordinary colour in BT.2020, white at 203 cd/m2 (BT.1886, BT.2408)."""
    return 203 * BT2087 @ (np.array(rgb) / 255) ** 2.4


def stored(rgb, curve: str) -> np.ndarray:
    """What HDR stores of an ordinary colour, by the formulas of BT.2100 and without emodiss."""
    light = light_of(rgb)
    if curve == "pq":
        root = (light / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375
    luminance = np.array([0.2627, 0.6780, 0.0593]) @ light
    scene = light / 1000 * (luminance / 1000) ** (-0.2 / 1.2)
    logs = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logs)


def hdr_frame(rgb, curve: str) -> av.VideoFrame:
    picture = np.tile(np.rint(65535 * stored(rgb, curve)).astype(np.uint16), (48, 64, 1))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
    frame.color_trc = ColorTrc.SMPTE2084 if curve == "pq" else ColorTrc.ARIB_STD_B67
    frame.color_primaries = ColorPrimaries.BT2020
    return frame


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le", "yuv422p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "red", "blue"),
    [
        (Colorspace.ITU601, 0.299, 0.114),
        (Colorspace.ITU709, 0.2126, 0.0722),
        (Colorspace.BT2020, 0.2627, 0.0593),
    ],
)
def test_matrix_and_range_of_the_file_are_followed(pixels, full, matrix, red, blue):
    for colour in COLOURS:
        values = coded(colour, red, blue, full=full, bits=10 if "10" in pixels else 8)
        frame = flat(values, pixels)
        frame.colorspace = matrix
        frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        got = tone.Converter().rgb(frame, 64, 48)
        np.testing.assert_allclose(got[24, 32], colour, atol=3)
        plain = VideoReformatter().reformat(frame, width=64, height=48, format="rgb24")
        assert (got == plain.to_ndarray()).all()


@pytest.mark.parametrize(
    ("curve", "level", "light"),
    [
        *[("hlg", 0.38, 26), ("hlg", 0.75, 203), ("hlg", 1.0, 1000), ("hlg", 0.0, 0)],
        *[("pq", 0.38, 26), ("pq", 0.58, 203), ("pq", 1.0, 10_000), ("pq", 0.0, 0)],
    ],
)
def test_light_is_that_of_the_tables_of_bt_2408(curve, level, light):
    of = tone.hlg_light if curve == "hlg" else tone.pq_light
    assert of(np.full((1, 3), level))[0] == pytest.approx(np.full(3, light), rel=0.01)


@pytest.mark.parametrize("curve", ["hlg", "pq"])
@pytest.mark.parametrize("colour", COLOURS[1:])
def test_colours_below_the_highlights_come_back(curve, colour):
    got = tone.Converter().rgb(hdr_frame(colour, curve), 64, 48)
    assert got.shape == (48, 64, 3)
    np.testing.assert_allclose(got[24, 32], colour, atol=2)


@pytest.mark.parametrize("curve", ["hlg", "pq"])
def test_highlights_are_rolled_off_and_keep_their_hue(curve):
    # The spline of BT.2390 by hand: knee at 0.659 of PQ(1000) = 0.7518, white to 160 cd/m2.
    white = tone.Converter().rgb(hdr_frame((255, 255, 255), curve), 64, 48)[24, 32]
    np.testing.assert_allclose(white, 255 * (160 / 203) ** (1 / 2.4), atol=2)
    skin = tone.Converter().rgb(hdr_frame(SKIN[0], curve), 64, 48)[24, 32] / 255
    np.testing.assert_allclose(skin / skin[0], np.array(SKIN[0]) / SKIN[0][0], atol=0.015)
    assert 0.8 < skin[0] < SKIN[0][0] / 255


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_more_light_is_never_darker(one, other):
    less, more = sorted((one, other))
    low, high = tone.rolled_off(np.array([less, more]))
    assert -1e-6 <= low <= high + 1e-6 <= 203.001
    assert high <= more + 1e-3


@pytest.mark.parametrize("curve", ["hlg", "pq"])
def test_a_phone_recording_comes_out_as_its_ordinary_twin(tmp_path: Path, curve):
    """10 bits, HEVC, tags in the stream; other HDR readers see the same file."""
    name = "smpte2084" if curve == "pq" else "arib-std-b67"
    path = tmp_path / "phone.mov"
    colour = SKIN[1]
    values = coded(255 * stored(colour, curve), 0.2627, 0.0593, full=False, bits=10)
    with av.open(str(path), "w") as container:
        tags = f"log-level=none:colorprim=bt2020:transfer={name}:colormatrix=bt2020nc"
        stream = container.add_stream("libx265", rate=25, options={"x265-params": tags})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        for k in range(3):
            frame = flat(values, "yuv420p10le")
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = media.probe(source=path, row=make.row(), settings=MediaSettings())
    assert "high_dynamic_range" in found.notes
    picture = next(media.iterate_frames(path, found, np.array([1]))).image
    np.testing.assert_allclose(picture[24, 32], colour, atol=4)


def test_a_matrix_that_is_not_stated_is_that_of_hdr():
    colour = (200, 70, 40)  # by the matrix of BT.601 it would differ
    values = coded(255 * stored(colour, "hlg"), 0.2627, 0.0593, full=False, bits=10)
    frame = flat(values, "yuv420p10le")
    frame.color_trc = ColorTrc.ARIB_STD_B67
    got = tone.Converter().rgb(frame, 64, 48)
    np.testing.assert_allclose(got[24, 32], colour, atol=3)


@pytest.mark.parametrize(
    ("primaries", "expected"),
    [(ColorPrimaries.BT709, (180, 60, 40)), (ColorPrimaries.UNSPECIFIED, (180, 60, 40))],
)
def test_primaries_are_those_of_the_file(primaries, expected):
    light = 203 * (np.array(expected) / 255) ** 2.4
    if primaries != ColorPrimaries.BT709:
        light = BT2087 @ light
    picture = np.tile(np.rint(65535 * tone.pq_stored(light)).astype(np.uint16), (48, 64, 1))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
    frame.color_trc, frame.color_primaries = ColorTrc.SMPTE2084, primaries
    np.testing.assert_allclose(tone.Converter().rgb(frame, 64, 48)[24, 32], expected, atol=3)
