"""Tone mapping: pictures stored for HDR screens (PQ, HLG) as those of ordinary screens, BT.709.

Light of the screen after ITU-R BT.2100 (HLG at its nominal peak of 1000 cd/m2), primaries to
BT.709, highlights rolled off after ITU-R BT.2390 so that 1000 cd/m2 becomes white, reference white
of 203 cd/m2 after ITU-R BT.2408, and the curve of ordinary screens, BT.1886. All of it is one table
that FFmpeg's `lut3d` applies.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

Curve = Literal["hlg", "pq"]

PEAK, WHITE = 1000.0, 203.0  # cd/m2
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # of the system, at a peak of 1000 cd/m2
_PQ_M1, _PQ_M2 = 2610 / 16384, 2523 / 4096 * 128
_PQ_C1, _PQ_C2, _PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_SCREEN_GAMMA = 2.4

# x and y of red, green, blue; white is D65 for all. Numbers are those of ITU-T H.273.
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_PRIMARIES = {1: _BT709, 12: _P3}
_D65 = (0.3127, 0.3290)

_KNOTS = 65

# As stored, and as `lut3d` is quickest with.
_FORMAT = "gbrp16le"
_TICK = Fraction(1, 1000)  # any will do


def curve_of(frame: VideoFrame) -> Curve | None:
    """Tell which curve of HDR a frame is stored in; None where it is an ordinary picture."""
    from av.video.reformatter import ColorTrc

    return {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}.get(frame.color_trc)  # type: ignore[call-overload, return-value]


class Converter:
    """Converts the frames of a video to RGB of ordinary screens, of 8 bits.

    One for all frames, since it makes its tables once.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._to_rgb, self._to_8_bits = VideoReformatter(), VideoReformatter()
        self._graphs: dict[tuple[int, int, Curve, int], Graph] = {}

    def rgb(self, frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """Scale a frame and convert it; (height, width, 3)."""
        curve = curve_of(frame)
        if curve is None:
            shown = self._to_rgb.reformat(frame, width=width, height=height, format="rgb24")
        else:
            from av.video.reformatter import Colorspace

            # A matrix that is not stated, or that PyAV does not know, is the one of BT.2100.
            stated = frame.colorspace in tuple(Colorspace)
            stored = self._to_rgb.reformat(
                frame,
                width=width,
                height=height,
                format=_FORMAT,
                src_colorspace=None if stated else Colorspace.BT2020,
            )
            stored.time_base, stored.pts = _TICK, 0
            graph = self._graph(width, height, curve, int(frame.color_primaries))
            graph.push(stored)
            shown = self._to_8_bits.reformat(cast("VideoFrame", graph.pull()), format="rgb24")
        return cast("NDArray[np.uint8]", shown.to_ndarray())

    def _graph(self, *kind: *tuple[int, int, Curve, int]) -> Graph:
        if kind not in self._graphs:
            self._graphs[kind] = _filter(*kind)
        return self._graphs[kind]


def _filter(width: int, height: int, curve: Curve, primaries: int) -> Graph:
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.cube"
        path.write_text(_cube(curve, primaries))
        graph.link_nodes(
            graph.add_buffer(
                width=width, height=height, format=VideoFormat(_FORMAT), time_base=_TICK
            ),
            graph.add("lut3d", file=str(path)),
            graph.add("buffersink"),
        ).configure()
    return graph


@lru_cache(maxsize=8)
def _cube(curve: Curve, primaries: int) -> str:
    """Write the table in the format of Cube LUT files, in which red changes fastest."""
    levels = np.linspace(0, 1, _KNOTS)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    stored = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    shown = ordinary(stored, curve, _PRIMARIES.get(primaries, _BT2020))
    rows = "%.4f %.4f %.4f\n" * len(shown) % tuple(shown.ravel().tolist())
    return f"LUT_3D_SIZE {_KNOTS}\n{rows}"


def ordinary(
    stored: NDArray[np.float64], curve: Curve, primaries: tuple[tuple[float, float], ...] = _BT2020
) -> NDArray[np.float64]:
    """Map (n, 3) R'G'B' in [0, 1] of an HDR picture to those of BT.709."""
    light = pq_light(stored) if curve == "pq" else hlg_light(stored)
    matrix = np.linalg.solve(_to_xyz(_BT709), _to_xyz(primaries))
    light = np.maximum(light @ matrix.T, 0.0)
    # By the brightest of the three, which keeps their proportions, and so the hue.
    most = light.max(axis=-1, keepdims=True)
    light *= rolled_off(most) / np.maximum(most, 1e-9)
    return np.clip(light / WHITE, 0.0, 1.0) ** (1 / _SCREEN_GAMMA)


def hlg_light(stored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the light in cd/m2 of (n, 3) values in HLG, BT.2100 table 5."""
    scene = np.where(
        stored <= 0.5, stored**2 / 3, (np.exp((stored - _HLG_C) / _HLG_A) + _HLG_B) / 12
    )
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return PEAK * luminance[..., None] ** (_HLG_GAMMA - 1) * scene


def pq_light(stored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the light in cd/m2 of values in PQ, BT.2100 table 4."""
    root = stored ** (1 / _PQ_M2)
    return 1e4 * (np.maximum(root - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * root)) ** (1 / _PQ_M1)


def pq_stored(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the values in PQ of light in cd/m2: the reverse."""
    root = (light / 1e4) ** _PQ_M1
    return ((_PQ_C1 + _PQ_C2 * root) / (1 + _PQ_C3 * root)) ** _PQ_M2


def rolled_off(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring light of up to `PEAK` to that of up to `WHITE`, BT.2390 section 5.4.1."""
    top = pq_stored(np.array(PEAK))
    most = float(pq_stored(np.array(WHITE)) / top)
    value = np.minimum(pq_stored(light) / top, 1.0)
    knee = 1.5 * most - 0.5
    t = np.maximum(value - knee, 0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return pq_light(np.where(value > knee, spline, value) * top)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """Give the matrix from RGB to CIE XYZ, so that equal parts are D65."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    x, y = _D65
    white = np.linalg.solve(columns, [x / y, 1.0, (1 - x - y) / y])
    return np.asarray(columns * white, np.float64)
