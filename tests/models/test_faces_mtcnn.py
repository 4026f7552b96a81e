"""MTCNN: our cascade against facenet-pytorch's own `detect`, and against published boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from emodiss.faces import FaceBoxes, iou
from emodiss.models import FaceDetector
from emodiss.models.mtcnn.cascade import (
    Part,
    around,
    pyramid_scales,
    suppress,
    suppress_at_once,
    suppress_by_torchvision,
    suppress_in_turn,
)
from emodiss.models.mtcnn.detector import MtcnnDetector, OnnxMtcnn
from emodiss.models.mtcnn.frames import Frames, Region
from emodiss.models.mtcnn.networks import MtcnnNets
from emodiss.models.mtcnn.reference import ReferenceMtcnn

torch = pytest.importorskip("torch")
pytest.importorskip("facenet_pytorch")

TOLERANCE_PX = 1e-3


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Astronaut Eileen Collins, 512 x 512, public domain, inside scikit-image."""
    data = pytest.importorskip("skimage.data")
    return data.astronaut()


@pytest.fixture(scope="module", params=[MtcnnDetector, OnnxMtcnn, ReferenceMtcnn])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return request.param(40)


def assert_same(ours: FaceBoxes, theirs: FaceBoxes) -> None:
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=TOLERANCE_PX, rtol=0)
    np.testing.assert_allclose(ours.landmarks, theirs.landmarks, atol=TOLERANCE_PX, rtol=0)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5, rtol=0)


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE_PX, rtol=0)


def cells_of(parts: Sequence[Part]) -> list[tuple[int, int, int]]:
    return [
        (part.level, y, x)
        for part in parts
        for y in range(part.top, part.bottom)
        for x in range(part.left, part.right)
    ]


class TestContract:
    """What every face detector promises; run on all."""

    def test_finds_the_face_where_it_is(self, detector: FaceDetector, portrait: np.ndarray) -> None:
        (found,) = detector.detect([portrait])
        best = int(found.scores.argmax())
        # Read off the enlarged picture by eye.
        left, right, nose, mouth_left, mouth_right = found.landmarks[best]
        assert np.hypot(*(left - (203, 101))) < 6
        assert np.hypot(*(right - (246, 104))) < 6
        assert np.hypot(*(nose - (226, 127))) < 6
        assert np.hypot(*(mouth_left - (205, 141))) < 6
        assert np.hypot(*(mouth_right - (243, 141))) < 6
        x1, y1, x2, y2 = found.boxes[best]
        assert x1 < 200 and x2 > 250 and y1 < 100 and y2 > 150

    def test_record_has_the_declared_shapes_and_types(
        self, detector: FaceDetector, portrait: np.ndarray
    ) -> None:
        (found,) = detector.detect([portrait])
        n = len(found)
        assert found.boxes.shape == (n, 4) and found.boxes.dtype == np.float32
        assert found.scores.shape == (n,) and found.scores.dtype == np.float32
        assert found.landmarks.shape == (n, 5, 2) and found.landmarks.dtype == np.float32
        assert ((found.scores >= 0) & (found.scores <= 1)).all()

    def test_largest_face_comes_first(self, detector: FaceDetector, portrait: np.ndarray) -> None:
        small = np.ascontiguousarray(portrait[::2, ::2])
        frame = np.zeros((512, 780, 3), np.uint8)
        frame[:256, :256], frame[:, 260:772] = small, portrait
        (found,) = detector.detect([frame])
        area = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
        assert len(found) >= 2
        assert (np.diff(area) <= 0).all()

    @pytest.mark.parametrize(
        "shape", [(0, 0), (1, 1), (11, 11), (12, 12), (39, 200), (200, 39), (0, 50)]
    )
    def test_tiny_or_empty_frame_has_no_face(
        self, detector: FaceDetector, shape: tuple[int, int]
    ) -> None:
        (found,) = detector.detect([np.full((*shape, 3), 128, np.uint8)])
        assert len(found) == 0
        assert found.landmarks.shape == (0, 5, 2)

    def test_black_frame_and_no_frame(self, detector: FaceDetector) -> None:
        assert len(detector.detect([np.zeros((240, 320, 3), np.uint8)])[0]) == 0
        assert detector.detect([]) == []

    @pytest.mark.parametrize(
        ("frame", "named"),
        [
            (np.zeros((90, 120, 3), np.float32), "float32"),
            (np.zeros((3, 90, 120), np.uint8), "channels first"),
            (np.zeros((90, 120), np.uint8), r"\(90, 120\)"),
            (np.zeros((90, 120, 4), np.uint8), r"\(90, 120, 4\)"),
            ([[1, 2, 3]], "None"),
        ],
    )
    def test_wrong_frame_is_refused_by_name(
        self, detector: FaceDetector, frame: object, named: str
    ) -> None:
        with pytest.raises(ValueError, match=named):
            detector.detect([frame])  # type: ignore[list-item]

    def test_one_frame_without_a_list_is_refused(
        self, detector: FaceDetector, portrait: np.ndarray
    ) -> None:
        with pytest.raises(ValueError, match="sequence of frames"):
            detector.detect(portrait)

    def test_frames_may_differ_in_size(self, detector: FaceDetector, portrait: np.ndarray) -> None:
        frames = [portrait, portrait[:300, :400], np.zeros((8, 8, 3), np.uint8)]
        together = detector.detect(frames)
        alone = [detector.detect([f])[0] for f in frames]
        assert [len(f) for f in together] == [len(f) for f in alone]
        np.testing.assert_array_equal(together[1].boxes, alone[1].boxes)

    @pytest.mark.parametrize("size", [0, -20, float("nan"), float("inf")])
    def test_minimum_face_must_be_a_size(self, detector: FaceDetector, size: float) -> None:
        with pytest.raises(ValueError, match="min_face_size"):
            type(detector)(size)


@pytest.mark.parametrize("ours", [MtcnnDetector, OnnxMtcnn])
class TestAgainstReference:
    @pytest.mark.parametrize("min_face_size", [20, 33.3, 60])
    def test_portrait(self, ours, portrait: np.ndarray, min_face_size: float) -> None:
        frame = portrait[:333, 5:506]  # odd sizes: windows of unequal width, cut-off pooling
        assert_same(
            ours(min_face_size).detect([frame])[0],
            ReferenceMtcnn(min_face_size).detect([frame])[0],
        )

    def test_other_thresholds_and_pyramid(self, ours, portrait: np.ndarray) -> None:
        options = {"thresholds": (0.3, 0.4, 0.2), "factor": 0.8}
        found = ours(30, **options).detect([portrait])[0]
        theirs = ReferenceMtcnn(30, **options).detect([portrait])[0]
        assert len(theirs) > 1  # low thresholds let a false face through, which must agree too
        assert_same(found, theirs)

    def test_faces_cut_off_by_the_border(self, ours, portrait: np.ndarray) -> None:
        for frame in (portrait[90:, 190:], portrait[:150, :240], portrait[:, 215:]):
            assert_same(ours().detect([frame])[0], ReferenceMtcnn().detect([frame])[0])

    def test_noise_of_any_size(self, ours) -> None:
        rng = np.random.default_rng(7)
        for shape in ((37, 61), (97, 44), (128, 201)):
            frame = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
            low = (0.05, 0.05, 0.01)
            found = ours(12, thresholds=low).detect([frame])[0]
            theirs = ReferenceMtcnn(12, thresholds=low).detect([frame])[0]
            assert_same(found, theirs)

    @pytest.mark.parametrize("name", ["multiface.jpg", "single_face.jpg", "two_people.jpg"])
    def test_published_photographs(self, ours, shared_data: Path, name: str) -> None:
        image = pytest.importorskip("PIL.Image")
        frame = np.asarray(image.open(shared_data / "mtcnn" / name).convert("RGB"))
        (found,) = ours().detect([frame])
        # expected.json rounds pixels to 2 digits and probabilities to 5.
        expected = json.loads((shared_data / "mtcnn" / "expected.json").read_text())[name]
        np.testing.assert_allclose(found.boxes, expected["boxes"], atol=0.0051)
        np.testing.assert_allclose(found.scores, expected["probs"], atol=1.1e-5)
        np.testing.assert_allclose(found.landmarks, expected["landmarks"], atol=0.0051)

    def test_published_debate_clip(self, ours, shared_data: Path) -> None:
        av = pytest.importorskip("av")
        truth = json.loads((shared_data / "mtcnn" / "mexca_debate_5s_boxes.json").read_text())
        wanted = {face["frame"] for face in truth["faces"]}
        with av.open(str(shared_data / "video" / "mexca_debate_5s.mp4")) as container:
            frames = {
                k: frame.to_ndarray(format="rgb24")
                for k, frame in enumerate(container.decode(video=0))
                if k in wanted
            }
        found = dict(zip(frames, ours().detect(frames.values()), strict=True))
        for face in truth["faces"]:
            faces = found[face["frame"]]
            distance = np.abs(faces.boxes - face["box"]).max(1)
            assert distance.min() < 0.01
            assert abs(faces.scores[distance.argmin()] - face["prob"]) < 1e-4

    @pytest.mark.parametrize("name", ["dyad.mp4", "two_faces_one_speaks.mp4"])
    def test_clips(self, ours, shared_data: Path, name: str) -> None:
        av = pytest.importorskip("av")
        with av.open(str(shared_data / "video" / name)) as container:
            frames = [
                frame.to_ndarray(format="rgb24")
                for k, frame in enumerate(container.decode(video=0))
                if k % 50 == 7
            ][:4]
        found, theirs = ours().detect(frames), ReferenceMtcnn().detect(frames)
        for a, b in zip(found, theirs, strict=True):
            assert_same(a, b)


class TestResize:
    """The tables of sums give what torch's area interpolation gives, to the last bit."""

    @pytest.mark.parametrize(("out_h", "out_w"), [(41, 67), (90, 120), (13, 17), (89, 119)])
    def test_level(self, out_h: int, out_w: int) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        got = torch.from_numpy(
            Frames.of([frame]).level((out_h, out_w), slice(3, out_h - 2), slice(1, out_w - 3))
        )
        got = got.permute(0, 3, 1, 2)[:, :3]
        x = torch.from_numpy(frame)[None].permute(0, 3, 1, 2).float()
        want = torch.nn.functional.interpolate(x, (out_h, out_w), mode="area") - 127.5
        assert torch.equal(got, want[:, :, 3 : out_h - 2, 1 : out_w - 3])

    @pytest.mark.parametrize("side", [24, 48])
    def test_crops(self, side: int) -> None:
        frame = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        frames = Frames.of([frame, frame[::-1]])
        edges = torch.tensor([[0, 0, 120, 90], [5, 7, 6, 8], [30, 20, 61, 90], [3, 0, 40, 11]])
        image = torch.tensor([0, 1, 1, 0])
        got = torch.from_numpy(frames.crops(edges, image, side)).permute(0, 3, 1, 2)[:, :3]
        for row, (x0, y0, x1, y1), k in zip(got, edges.tolist(), image.tolist(), strict=True):
            own = frame if k == 0 else frame[::-1]
            x = torch.from_numpy(own[y0:y1, x0:x1].copy())[None].permute(0, 3, 1, 2).float()
            want = torch.nn.functional.interpolate(x, (side, side), mode="area") - 127.5
            assert torch.equal(row, want[0])

    def test_a_region_gives_what_the_frame_gives(self) -> None:
        """And it becomes the frame once more is asked for."""
        frame = np.random.default_rng(2).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        image = np.array([1, 0])
        inside, beyond = [[5, 20, 64, 85], [30, 40, 33, 41]], [[5, 20, 64, 85], [30, 40, 66, 41]]
        asked = [
            lambda frames: frames.crops(np.array(inside), image, 24),
            lambda frames: frames.level((45, 60), slice(10, 43), slice(3, 32)),
            lambda frames: frames.crops(np.array(beyond), image, 24),
            lambda frames: frames.level((45, 60), slice(9, 43), slice(3, 32)),
        ]
        for k, ask in enumerate(asked):
            own = Frames.of([frame, frame[::-1]], Region(20, 86, 5, 65))
            found = ask(own)
            assert own.region == (Region(20, 86, 5, 65) if k < 2 else Region(0, 90, 0, 120))
            np.testing.assert_array_equal(found, ask(Frames.of([frame, frame[::-1]])))


class TestOptions:
    def test_threads_do_not_change_a_bit(self, portrait: np.ndarray) -> None:
        frames = [portrait[k:, :400] for k in range(0, 90, 10)]
        one = MtcnnDetector(40).detect(frames)
        for threads in (2, 3):
            many = MtcnnDetector(40, threads=threads).detect(frames)
            for a, b in zip(one, many, strict=True):
                np.testing.assert_array_equal(a.boxes, b.boxes)
                np.testing.assert_array_equal(a.landmarks, b.landmarks)
                np.testing.assert_array_equal(a.scores, b.scores)

    def test_threads_do_not_change_torch_for_others(self, portrait: np.ndarray) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            MtcnnDetector(60, threads=2).detect([portrait])
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)

    @pytest.mark.parametrize("kind", [MtcnnDetector, ReferenceMtcnn])
    def test_share_of_the_height_is_that_many_pixels(self, kind, portrait: np.ndarray) -> None:
        share = kind(min_face_share=51.2 / 512).detect([portrait])[0]
        pixels = kind(51.2).detect([portrait])[0]
        assert len(pixels)
        np.testing.assert_array_equal(share.boxes, pixels.boxes)

    def test_half_size_finds_the_same_faces_nearby(self, portrait: np.ndarray) -> None:
        frame = portrait[:511, :401]  # odd sides: halves are not exactly half
        full = MtcnnDetector(40).detect([frame])[0]
        half = MtcnnDetector(40, half_size=True).detect([frame])[0]
        best = full.boxes[full.scores.argmax()]
        near = half.boxes[half.scores.argmax()]
        # Measured overlap is 0.9 and more (scripts/bench_faces.py); 0.1 of the size is 10 px.
        assert np.abs(best - near).max() < 0.1 * (best[3] - best[1])

    def test_a_generator_is_read_a_few_frames_at_a_time(self) -> None:
        taken = 0

        def endless():
            nonlocal taken
            while True:
                taken += 1
                yield np.zeros((64, 64, 3), np.uint8)

        stream = MtcnnDetector().stream(endless())
        for _ in range(3):
            next(stream)
        assert taken == 3

    @pytest.mark.parametrize(
        "options",
        [
            {"thresholds": (0.6, 0.7)},
            {"thresholds": (0.6, 0.7, 1.7)},
            {"factor": 1.0},
            {"factor": 0.0},
            {"threads": 0},
            {"min_face_share": 0.0},
        ],
    )
    def test_option_out_of_range_is_refused(self, options: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            MtcnnDetector(**options)  # type: ignore[arg-type]


def test_pyramid_by_hand() -> None:
    # 12/20 = 0.6 first; a side of 40 px: 24, 17.016, 12.064, 8.55 -> three levels.
    assert pyramid_scales(40, 90, 20, 0.709) == pytest.approx([0.6, 0.6 * 0.709, 0.6 * 0.709**2])
    assert pyramid_scales(19, 90, 20, 0.709) == []


def test_suppression_in_numpy_is_that_of_torchvision() -> None:
    """Equal scores, boxes without an area, and more boxes than one block or one algorithm takes."""
    rng = np.random.default_rng(4)
    start = rng.integers(0, 200, (1500, 2))
    size = rng.integers(0, 60, (1500, 2))
    score = rng.integers(0, 40, (1500, 1)) / 40
    boxes = np.concatenate([start, start + size, score], 1).astype(np.float32)
    for n in (0, 1, 300, 1500):
        wanted = suppress_by_torchvision(torch.from_numpy(boxes[:n]), 0.5)
        kept = suppress(boxes[:n], np.zeros(n, np.int64), 0.5)
        assert (np.diff(boxes[kept, 4]) <= 0).all()
        # Above 1000 boxes torchvision leaves the order of equal scores to chance.
        order = np.sort if n > 1000 else np.asarray
        np.testing.assert_array_equal(order(kept), order(wanted))


@pytest.mark.parametrize("ours", [MtcnnDetector, OnnxMtcnn])
def test_batched_path_equals_one_by_one(ours, portrait: np.ndarray) -> None:
    """The batched path, as a GPU takes it, run on the CPU: frames of one size together."""
    frames = [portrait[k : k + 300, k : k + 350] for k in (0, 40, 80)]
    detector = ours(40)
    together = detector._detect_same_size(frames, detector._load())
    for batch, alone in zip(together, detector.detect(frames), strict=True):
        assert_same(batch, alone)


def test_a_gpu_convolves_without_tf32(
    portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a GPU, with networks that stayed on the CPU."""
    seen: list[bool] = []
    propose = MtcnnNets.propose

    def watched(self: MtcnnNets, x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return propose(self, x)

    monkeypatch.setattr(MtcnnNets, "propose", watched)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    detector = MtcnnDetector(40, device="cuda")
    detector._nets = MtcnnNets.load("cpu")
    found = []
    for faces in detector.stream([portrait] * 17):  # more than one batch
        found.append(faces)
        assert torch.backends.cudnn.allow_tf32  # the caller's setting is back between batches
    assert seen and not any(seen)
    assert len(found) == 17
    assert_same(found[16], MtcnnDetector(40).detect([portrait])[0])


@pytest.mark.parametrize("way", [torch.from_numpy, np.asarray], ids=["torch", "numpy"])
def test_suppression_at_once_equals_group_by_group(way) -> None:
    rng = np.random.default_rng(3)
    start = rng.integers(0, 300, (400, 2))
    size = rng.integers(20, 60, (400, 1))
    score = rng.permutation(400)[:, None] / 400  # no ties: their order may differ
    boxes = torch.tensor(np.concatenate([start, start + size, score], 1), dtype=torch.float32)
    group = torch.tensor(rng.integers(0, 5, 400))
    in_turn = suppress_in_turn(way(boxes.numpy()), way(group.numpy()), 0.5)
    assert set(in_turn.tolist()) == set(suppress_at_once(boxes, group, 0.5).tolist())
    assert 5 < len(in_turn) < 400
    assert (
        len(suppress_at_once(boxes[:0], group[:0], 0.5))
        == len(suppress_in_turn(boxes[:0], group[:0], 0.5))
        == 0
    )


class TestNear:
    """Searching around known places only, as following does."""

    @pytest.mark.parametrize("kind", [MtcnnDetector, OnnxMtcnn])
    def test_finds_what_a_search_finds(self, kind, portrait: np.ndarray) -> None:
        """Two faces of different sizes, each as if it had moved by a fifth of its size."""
        frame = np.zeros((512, 780, 3), np.uint8)
        frame[:256, :256], frame[:, 260:772] = portrait[::2, ::2], portrait
        ours = kind(20)
        (found,) = ours.detect([frame])
        sure = np.flatnonzero(found.scores > 0.95)
        assert len(sure) == 2
        for step in ((0, 0), (0.2, 0), (-0.2, 0), (0, 0.2), (0, -0.2)):
            size = (found.boxes[sure, 2:] - found.boxes[sure, :2]).max(1, keepdims=True)
            seen = ours.near(frame, found.boxes[sure] + np.tile(step, 2) * size)
            for own in sure:
                at = int(iou(found.boxes[own : own + 1], seen.boxes).argmax())
                compare = np.testing.assert_array_equal if kind is OnnxMtcnn else assert_close
                compare(seen.boxes[at], found.boxes[own])
                compare(seen.landmarks[at], found.landmarks[own])

    def test_looks_nowhere_else(self, portrait: np.ndarray) -> None:
        frame = np.concatenate([portrait, portrait], 1)
        ours = OnnxMtcnn(40)
        left = np.array([[190, 70, 260, 160]], np.float32)
        found = ours.near(frame, left)
        assert len(ours.detect([frame])[0]) > len(found)
        assert (found.boxes[:, 0] < 300).all() and found.scores.max() > 0.99
        assert len(ours.near(frame, left + 250)) == 0  # between the two
        assert len(ours.near(frame, left * 0.2)) == 0  # smaller than the smallest face
        assert len(ours.near(frame, left[:0])) == 0

    def test_of_a_halved_frame_places_are_those_of_the_frame(self, portrait: np.ndarray) -> None:
        ours = OnnxMtcnn(40, half_size=True)
        (found,) = ours.detect([portrait])
        best = found.boxes[found.scores.argmax()]
        seen = ours.near(portrait, best[None])
        np.testing.assert_array_equal(seen.boxes[seen.scores.argmax()], best)

    def test_places_that_overlap_are_looked_at_once(self) -> None:
        scales = pyramid_scales(400, 400, 40, 0.709)
        boxes = np.array([[100, 100, 160, 160], [130, 100, 190, 160], [300, 300, 360, 360]])
        parts = around((400, 400), scales, boxes)
        seen = cells_of(parts)
        assert len(seen) == len(set(seen))
        apart = {cell for box in boxes for cell in cells_of(around((400, 400), scales, box[None]))}
        assert apart <= set(seen)

    def test_wrong_frame_is_refused(self) -> None:
        with pytest.raises(ValueError, match="channels first"):
            OnnxMtcnn().near(np.zeros((3, 90, 120), np.uint8), np.zeros((1, 4)))
