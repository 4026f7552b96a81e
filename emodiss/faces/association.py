"""SORT: which boxes of successive frames are the same object.

Bewley, Ge, Ott, Ramos and Upcroft, "Simple Online and Realtime Tracking" (ICIP 2016, arXiv
1602.00763), written from the published method. A Kalman filter with constant velocity predicts
each box, the Hungarian method matches predictions to detections by overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emodiss.errors import ArgumentError, MissingExtra
from emodiss.settings import TracksSettings

_OPTIONS = TracksSettings()


def sort(
    detections: Sequence[ArrayLike],
    *,
    max_age: int = _OPTIONS.max_age,
    min_hits: int = _OPTIONS.min_hits,
    iou_threshold: float = _OPTIONS.iou_threshold,
) -> list[NDArray[np.float64]]:
    """Track boxes through frames with SORT.

    Feed every frame at which the detector ran, also when it found nothing, and none at which it
    did not run: an empty frame counts as a miss and ends tracks.

    Parameters
    ----------
    detections
        One (n, 5) array per frame: x1, y1, x2, y2, score. n may be 0. The score is not used.
    max_age
        Frames a track survives without a detection.
    min_hits
        Successive matched frames before a track is reported, except in the first `min_hits`
        frames, where every match is.
    iou_threshold
        Least overlap of a prediction and its detection.

    Returns
    -------
    list of ndarray
        One (m, 5) float64 array per frame: x1, y1, x2, y2 as the filter sees them, and an id
        that counts from 1 within this call. Newest track first.

    Raises
    ------
    ValueError
        If an array is not (n, 5), or a box is not finite or has no area.
    MissingExtra
        If filterpy is not installed.
    """
    rows: list[NDArray[np.float64]] = []
    for frame, step in enumerate(_associate(detections, max_age, iou_threshold)):
        shown = [t for t, _ in step if t.streak >= min_hits or frame < min_hits]
        boxes = [np.append(track.box(), track.id) for track in shown]
        rows.append(np.array(boxes, np.float64).reshape(-1, 5))
    return rows


@dataclass(eq=False)
class BoxTrack:
    """One box followed by a Kalman filter over centre, area, aspect ratio and their rates.

    State and noise are the paper's: area and aspect ratio are measured with ten times the
    variance of the centre, rates start unknown (variance 10,000) and drift little (0.01; the
    area's rate 0.0001); the aspect ratio has no rate.
    """

    id: int
    filter: Any
    age: int = 0
    streak: int = 0

    @classmethod
    def start(cls, number: int, box: NDArray[np.float64]) -> BoxTrack:
        """Begin at a detection that belongs to no track."""
        try:
            from filterpy.kalman import KalmanFilter
        except ImportError as error:
            raise MissingExtra.of("filterpy", "models") from error
        kalman: Any = KalmanFilter(dim_x=7, dim_z=4)
        kalman.F = np.eye(7) + np.eye(7, k=4) * (np.arange(7) < 3)[:, None]
        kalman.H = np.eye(4, 7)
        kalman.R = np.diag([1.0, 1.0, 10.0, 10.0])
        kalman.P = np.diag([10.0] * 4 + [10_000.0] * 3)
        kalman.Q = np.diag([1.0] * 4 + [0.01, 0.01, 0.0001])
        kalman.x[:4] = _measurement(box)
        return cls(number, kalman)

    def predict(self) -> NDArray[np.float64]:
        """Move on by one frame; NaN when the area has become negative."""
        x = self.filter.x
        if x[2, 0] + x[6, 0] <= 0:
            x[6, 0] = 0.0  # an area cannot shrink below nothing
        self.filter.predict()
        if self.age > 0:
            self.streak = 0
        self.age += 1
        return self.box()

    def update(self, box: NDArray[np.float64]) -> None:
        """Take a detection in."""
        self.age = 0
        self.streak += 1
        self.filter.update(_measurement(box))

    def box(self) -> NDArray[np.float64]:
        """Give the current estimate as x1, y1, x2, y2."""
        u, v, area, ratio = self.filter.x[:4, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            width = np.sqrt(area * ratio)
            height = area / width
        return np.array([u - width / 2, v - height / 2, u + width / 2, v + height / 2])


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT as a `FaceTracker`; `link` counts the hits itself, so none stays unreported here."""

    max_age: int
    iou_threshold: float

    def track(self, detections: Iterable[ArrayLike]) -> Iterator[list[tuple[int, int]]]:
        """Follow boxes; per frame the id of every track with a detection there, and its row."""
        for step in _associate(detections, self.max_age, self.iou_threshold):
            yield [(track.id, row) for track, row in step]


def _measurement(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre, area and width over height of a box, as a column."""
    x1, y1, x2, y2 = box[:4]
    width, height = x2 - x1, y2 - y1
    return np.array([[x1 + width / 2], [y1 + height / 2], [width * height], [width / height]])


def _associate(
    detections: Iterable[ArrayLike], max_age: int, iou_threshold: float
) -> Iterator[list[tuple[BoxTrack, int]]]:
    """Run SORT; per frame every track that has a detection there, and its row; newest first."""
    tracks: list[BoxTrack] = []
    n_tracks = 0
    for frame, given in enumerate(detections):
        boxes = _checked(given, frame)
        predicted = [(track, track.predict()) for track in tracks]
        alive = [(track, box) for track, box in predicted if np.isfinite(box).all()]
        tracks = [track for track, _ in alive]
        pairs = _match(boxes, np.array([b for _, b in alive]).reshape(-1, 4), iou_threshold)
        detection_of: dict[int, int] = {}
        for detection, index in pairs:
            tracks[index].update(boxes[detection])
            detection_of[tracks[index].id] = detection
        taken = {detection for detection, _ in pairs}
        for detection in range(len(boxes)):
            if detection not in taken:
                n_tracks += 1
                tracks.append(BoxTrack.start(n_tracks, boxes[detection]))
                detection_of[n_tracks] = detection
        yield [
            (track, detection_of[track.id])
            for track in reversed(tracks)
            if track.id in detection_of
        ]
        tracks = [track for track in tracks if track.age <= max_age]


def _checked(given: ArrayLike, frame: int) -> NDArray[np.float64]:
    boxes = np.asarray(given, dtype=np.float64)
    if boxes.size == 0:
        return np.zeros((0, 5))
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ArgumentError(
            f"Detections of frame {frame} must have shape (n, 5): x1, y1, x2, y2, score; "
            f"got {boxes.shape}."
        )
    bad = ~np.isfinite(boxes[:, :4]).all(1) | (boxes[:, 2:4] <= boxes[:, :2]).any(1)
    if bad.any():
        raise ArgumentError(
            f"Detection {int(bad.argmax())} of frame {frame} is not a finite box with area: "
            f"{boxes[bad.argmax(), :4].tolist()}."
        )
    return boxes


def iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of all pairs, (n, m) for boxes (n, >= 4) and (m, >= 4)."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    start = np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(np.minimum(a[..., 2:4], b[..., 2:4]) - start, 0, None).prod(-1)
    areas = (a[..., 2:4] - a[..., :2]).prod(-1) + (b[..., 2:4] - b[..., :2]).prod(-1)
    return shared / (areas - shared)


def _match(
    boxes: NDArray[np.float64], predicted: NDArray[np.float64], threshold: float
) -> list[tuple[int, int]]:
    """Pairs of detection and track that overlap enough, with the greatest total overlap."""
    if not len(boxes) or not len(predicted):
        return []
    overlap = iou(boxes, predicted)
    enough = overlap > threshold
    if enough.sum(1).max() == 1 and enough.sum(0).max() == 1:
        # Nobody competes: these are the matches, and no assignment has to be solved.
        return [(int(d), int(t)) for d, t in np.argwhere(enough)]
    from scipy.optimize import linear_sum_assignment

    detections, tracks = linear_sum_assignment(-overlap)
    return [
        (int(d), int(t))
        for d, t in zip(detections, tracks, strict=True)
        if overlap[d, t] >= threshold
    ]
