"""The demo session: its truth, held against the sample's transcript, the film and the detector."""

from __future__ import annotations

import csv
import subprocess
import sys
import wave
from dataclasses import dataclass

import numpy as np
import pytest

from emodiss import demo, manifest
from emodiss.demo.portraits import COLLINS, HOPPER, Portrait, find_sample, read_portrait
from emodiss.errors import MediaError, MissingExtra
from emodiss.transcript import Utterance

pytest.importorskip("av")
pytest.importorskip("cv2")
find_sample("pyannote.audio", "sample/sample.wav")  # a test environment without it is broken


@pytest.fixture(scope="module")
def session(demo_session: demo.DemoSession) -> demo.DemoSession:
    return demo_session


@pytest.fixture(scope="module")
def frames(session: demo.DemoSession) -> np.ndarray:
    """All frames as the decoder gives them, (n, h, w) uint8 luma."""
    import av

    with av.open(str(session.video)) as container:
        return np.stack(
            [f.to_ndarray(format="gray") for f in container.decode(container.streams.video[0])]
        )


@pytest.fixture(scope="module")
def stm() -> list[tuple[str, float, float, str]]:
    """Speaker, start, end and text of the sample's transcript, read without emodiss."""
    lines = find_sample("pyannote.audio", "sample/sample.stm").read_text().splitlines()
    cells = [line.split(maxsplit=5) for line in lines]
    return [(c[2], float(c[3]), float(c[4]), c[5]) for c in cells]


# ------------------------------------------------------------------------------------ the truth


def test_truth_says_what_the_sample_transcript_says(session, stm):
    said = [(u.speaker, u.start, u.end, u.text) for u in session.truth.utterances]
    assert said == stm
    assert len(said) == 13
    assert {u.speaker for u in session.truth.utterances} == {"Diane", "Sheila"}
    for speaker, start, end, _ in stm:
        assert session.truth.speaker_at((start + end) / 2) == speaker
    assert session.truth.speaker_at(3.0) is None  # the first word is spoken at 6.68 s
    # The transcript beside the film holds the same, under the demo's own name.
    written = [line.split(maxsplit=5) for line in session.transcript.read_text().splitlines()]
    assert {cells[0] for cells in written} == {"demo"}
    assert [(c[2], float(c[3]), float(c[4]), c[5]) for c in written] == stm


def test_the_right_utterances_diverge_and_lose_their_face(session):
    truth = session.truth
    # From the sample: the 11th and 12th utterances are Sheila's from 21.935 to 28.425 s; the 10th
    # is Diane's from 20.173 to 21.475 s.
    assert truth.diverging() == (10, 11)
    assert truth.person("Sheila") is truth.person("patient") is truth.person("right")
    for time, seen in ((19.99, True), (20.173, False), (21.475, False), (23.99, False), (24, True)):
        assert truth.face_visible("Diane", time) is seen
        assert truth.face_visible("Sheila", time) is True
    assert [(s.start, s.end) for s in truth.absences("therapist")] == [(20.0, 24.0)]
    assert truth.absences("Sheila") == ()
    with pytest.raises(KeyError):
        truth.person("Grace")


def test_only_the_speaker_opens_her_mouth(session, stm):
    truth = session.truth
    middles = truth.frame_times + 0.02  # half of 1/25 s
    for person in truth.people:
        mine = np.zeros(len(middles), bool)
        for speaker, start, end, _ in stm:
            if speaker == person.speaker:
                mine |= (middles >= start) & (middles < end)
        assert (person.opening[~mine] == 0).all()
        assert (person.opening[mine] > 0).mean() > 0.7
        assert person.opening.max() == 1


def test_truth_read_back_is_the_truth_returned(session):
    read = demo.DemoTruth.read(session.truth_path)
    assert read.utterances == session.truth.utterances
    assert all(isinstance(u, Utterance) for u in read.utterances)
    for a, b in zip(read.people, session.truth.people, strict=True):
        assert (a.speaker, a.role, a.side, a.absences, a.moving) == (
            (b.speaker, b.role, b.side, b.absences, b.moving)
        )
        for name in ("face", "mouth", "offset", "opening", "smile"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_manifest_is_one_that_emodiss_reads(session):
    with session.manifest.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == ["id", "path", "transcript", "roles", "license", "notes"]
    assert row["roles"] == "Diane=therapist;Sheila=patient"
    (read,) = manifest.read(session.manifest).rows
    assert read.id == "demo"
    assert read.roles == {"Diane": "therapist", "Sheila": "patient"}


# ------------------------------------------------------------------------------------- the film


def test_film_has_the_size_rate_and_length_it_should(session, frames):
    import av

    assert frames.shape == (750, 540, 960)  # 30 s at 25 frames per second
    assert session.video.stat().st_size < 8_000_000
    with av.open(str(session.video)) as container:
        video = container.streams.video[0]
        times = [float(f.pts * f.time_base) for f in container.decode(video)]
    np.testing.assert_allclose(times, np.arange(750) / 25, atol=1e-6)
    np.testing.assert_allclose(session.truth.frame_times, np.arange(750) / 25, atol=1e-12)


def test_mouth_of_the_speaker_moves_and_that_of_the_listener_does_not(session, frames):
    truth = session.truth
    ratios = []
    for utterance in truth.utterances:
        motion: dict[str, list[float]] = {person.speaker: [] for person in truth.people}
        for frame in range(round(utterance.start * 25) + 1, round(utterance.end * 25)):
            time = frame / 25
            if not all(p.visible_at(time) and p.settled_at(time) for p in truth.people):
                continue
            for person in truth.people:
                x1, y1, x2, y2 = np.rint(truth.mouth_box(person.speaker, time)).astype(int)
                now, before = (frames[f, y1:y2, x1:x2].astype(float) for f in (frame, frame - 1))
                motion[person.speaker].append(float(((now - before) ** 2).mean()))
        if len(motion[utterance.speaker]) < 5:
            continue
        (listener,) = set(motion) - {utterance.speaker}
        ratios.append(np.mean(motion[utterance.speaker]) / np.mean(motion[listener]))
    assert len(ratios) >= 11  # all but those that Diane speaks out of the picture
    assert min(ratios) > 3


def test_sound_is_the_sample(session):
    import av

    with wave.open(str(find_sample("pyannote.audio", "sample/sample.wav"))) as file:
        sample = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    with av.open(str(session.video)) as container:
        stream = container.streams.audio[0]
        assert stream.rate == 16000
        pieces = list(container.decode(stream))
    assert pieces[0].pts == 0
    sound = np.concatenate([piece.to_ndarray()[0] for piece in pieces]).astype(float)
    assert abs(len(sound) / 16000 - 30) < 0.064  # one AAC packet of 1024 samples
    sound = sound[: len(sample)]
    spectrum = np.fft.rfft(sound, 2 * len(sample)) * np.fft.rfft(sample, 2 * len(sample)).conj()
    assert abs(int(np.argmax(np.fft.irfft(spectrum)))) < 16  # 1 ms
    assert np.corrcoef(sample, sound)[0, 1] > 0.95


# ------------------------------------------------------------------- what a face detector sees


@dataclass
class Seen:
    time: float
    boxes: np.ndarray
    landmarks: np.ndarray


def _detector(min_face_px: int):
    facenet = pytest.importorskip("facenet_pytorch")
    return facenet.MTCNN(keep_all=True, min_face_size=min_face_px)


@pytest.fixture(scope="module")
def seen(session) -> list[Seen]:
    """What MTCNN finds in frames from all over the film."""
    import av

    wanted = {25, 172, 240, 300, 372, 410, 460, 510, 555, 590, 620, 650, 690}
    found = []
    detector = _detector(60)
    with av.open(str(session.video)) as container:
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if number in wanted:
                boxes, _, landmarks = detector.detect(
                    frame.to_ndarray(format="rgb24"), landmarks=True
                )
                assert boxes is not None
                found.append(Seen(number / 25, boxes.astype(float), landmarks.astype(float)))
    return found


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inner = max(w, 0) * max(h, 0)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def test_faces_are_found_where_the_truth_says_and_nowhere_else(session, seen):
    absent = 0
    for look in seen:
        there = [p for p in session.truth.people if p.visible_at(look.time)]
        absent += len(there) == 1
        assert len(look.boxes) == len(there), look.time
        for person in there:
            box = session.truth.face_box(person.speaker, look.time)
            assert max(_overlap(box, found) for found in look.boxes) > 0.6, look.time
    assert absent >= 3


def test_smile_widens_the_mouth_and_lifts_its_corners(session, seen):
    truth = session.truth
    smile = truth.smile_span
    assert smile is not None
    shape: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for look in seen:
        overlaps = [_overlap(truth.face_box("Sheila", look.time), box) for box in look.boxes]
        eye1, eye2, nose, corner1, corner2 = look.landmarks[int(np.argmax(overlaps))]
        between_eyes = np.hypot(*(eye2 - eye1))
        width = np.hypot(*(corner2 - corner1)) / between_eyes
        lift = (nose[1] - (corner1[1] + corner2[1]) / 2) / between_eyes
        shape[smile.contains(look.time)].append((width, lift))
    on, off = np.median(shape[True], axis=0), np.median(shape[False], axis=0)
    assert len(shape[True]) >= 4
    assert on[0] > off[0] * 1.05
    assert on[1] > off[1] + 0.04


@pytest.mark.parametrize("portrait", [COLLINS, HOPPER], ids=["collins", "hopper"])
def test_measured_places_are_those_the_detector_finds(portrait: Portrait):
    # The smallest face asked for decides the scales looked at, and moves boxes by a few pixels.
    detector = _detector(40)
    plain = Portrait(**{**_fields(portrait), "sharpness": 1.0})
    picture = read_portrait(find_sample(portrait.package, portrait.path), plain)[..., ::-1]
    boxes, _, landmarks = detector.detect(picture.copy(), landmarks=True)
    np.testing.assert_allclose(boxes[0].astype(float), portrait.face, atol=1.0)
    width = portrait.face[2] - portrait.face[0]
    for corner, lip in zip(landmarks[0][3:], (portrait.lips[0], portrait.lips[-1]), strict=True):
        assert np.hypot(*(corner - lip)) < 0.04 * width


def _fields(portrait: Portrait) -> dict:
    return {name: getattr(portrait, name) for name in portrait.__dataclass_fields__}


# ------------------------------------------------------------------------------------ the files


def test_two_builds_give_the_same_bytes(tmp_path):
    first = demo.build(tmp_path / "a", duration_s=1.0)
    second = demo.build(tmp_path / "b", duration_s=1.0)
    for name in ("demo.mp4", "demo.stm", "manifest.csv", "truth.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_a_short_build_promises_only_what_it_shows(tmp_path):
    # Nothing of the script lies in the first second: the first word is spoken at 6.68 s.
    truth = demo.build(tmp_path, duration_s=1.0).truth
    assert truth.utterances == ()
    assert truth.smile_span is None
    assert truth.diverging() == ()
    assert truth.absences("Diane") == ()
    assert len(truth.frame_times) == 25


def test_a_build_is_left_alone_when_whole_and_repeated_when_not(tmp_path):
    calls: list[tuple[int, int]] = []

    def build(seed: int = 0) -> demo.DemoSession:
        calls.clear()
        return demo.build(
            tmp_path,
            seed=seed,
            duration_s=0.4,
            progress=lambda done, total: calls.append((done, total)),
        )

    video = build().video
    assert calls == [(n, 10) for n in range(1, 11)]  # 0.4 s at 25 frames per second
    content, written = video.read_bytes(), video.stat().st_mtime_ns
    build()
    assert calls == []
    assert video.stat().st_mtime_ns == written
    video.write_bytes(content[:-1])
    build()
    assert len(calls) == 10
    assert video.read_bytes() == content
    (tmp_path / "truth.json").write_text("{")
    build()
    assert len(calls) == 10
    build(seed=1)
    assert len(calls) == 10
    assert video.read_bytes() != content
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "demo.mp4",
        "demo.stm",
        "manifest.csv",
        "truth.json",
    ]


def test_trouble_with_a_sample_is_named(tmp_path):
    with pytest.raises(MissingExtra, match="no_such_package"):
        find_sample("no_such_package.audio", "sample.wav")
    with pytest.raises(MediaError, match=r"no_such_file\.png"):
        find_sample("matplotlib", "no_such_file.png")
    with pytest.raises(MediaError, match="512 x 600 pixels, got 512 x 512"):
        read_portrait(find_sample(COLLINS.package, COLLINS.path), HOPPER)


def test_import_is_light():
    script = (
        "import sys, emodiss.demo\n"
        "heavy = {'av', 'cv2', 'torch', 'skimage', 'matplotlib', 'pyannote'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
