"""What cameras and people do: every case ends in its stated outcome, and none turns into neutral.

The outcomes are listed in emodiss/guides/faces_and_voices.md. Faces are found by the real detector
in a public-domain portrait; the affect models are stand-ins, for which a face is never neutral.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emodiss
from emodiss.runs.run import Run
from tests import fakes, make

pytest.importorskip("facenet_pytorch")
pytest.importorskip("skimage")

SECONDS, FPS = 3.0, 10
TALK = [("Ada", 0.0, 1.3, "Well"), ("Ada", 1.6, 2.9, "So it is")]


def portrait(width: int = 240) -> np.ndarray:
    return make.astronaut(width)


def placed(x: int, y: int, width: int = 240, size: tuple[int, int] = (240, 240)) -> np.ndarray:
    """The portrait with its corner at (x, y) on a grey ground, cut off by the frame."""
    ground = np.full((size[1], size[0], 3), 128, np.uint8)
    picture = portrait(width)
    left, top = max(0, -x), max(0, -y)
    part = picture[top : top + size[1] - max(0, y), left : left + size[0] - max(0, x)]
    ground[max(0, y) : max(0, y) + part.shape[0], max(0, x) : max(0, x) + part.shape[1]] = part
    return ground


def clips(folder: Path) -> None:
    """Write one clip per case."""
    n = round(SECONDS * FPS)
    sound, still = make.tone(SECONDS, level=0.2), portrait()
    noise = np.random.default_rng(0).integers(0, 255, (240, 240, 3)).astype(np.uint8)
    # A face of 240 / 512 of the portrait's size is some 52 pixels wide; 12 pixels need 56.
    for name, frames in {
        "plain": [still] * n,
        "no_face": [noise] * n,
        "leaves": [still] * (n // 2) + [np.full_like(still, 128)] * (n - n // 2),
        "border": [placed(-85, 0)] * n,
        "tiny": [placed(90, 90, 56)] * n,
        "black": [np.zeros_like(still)] * n,
    }.items():
        make.write_media(folder / f"{name}.mp4", frames=frames, fps=FPS, sound=sound)
    times = np.sort(np.random.default_rng(1).uniform(0, SECONDS, n)).round(3)
    times = np.unique(np.where((times > 0.5) & (times < 0.8), 0.5, times))
    times[0] = 0.0
    make.write_media(
        folder / "vfr.mp4", frames=[still] * len(times), times=times.tolist(), sound=sound
    )
    make.write_media(
        folder / "hdr.mp4", frames=[still] * n, fps=FPS, sound=sound, codec="libx265",
        pixels="yuv420p10le",
    )  # fmt: skip
    turned(folder / "phone.mp4", [still] * n, sound)
    long = make.tone(SECONDS + 2, level=0.2)
    make.write_media(folder / "long_sound.mp4", frames=[still] * n, fps=FPS, sound=long)
    make.write_media(folder / "deaf.mp4", frames=[still] * n, fps=FPS)
    make.write_media(folder / "blind.mp4", sound=sound)


def turned(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    """Store a clip lying on its side, with the display matrix that a phone writes."""
    import ffmpeg
    import imageio_ffmpeg

    flat = make.write_media(
        path.with_name("flat.mkv"),
        frames=[np.ascontiguousarray(np.rot90(frame, -1)) for frame in frames],
        fps=FPS,
        sound=sound,
    )
    ffmpeg.input(str(flat), display_rotation=90).output(str(path), c="copy").run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True
    )


CASES = {
    "plain": (["ok", "ok"], ["ok", "ok"]),
    "no_face": (["ok", "ok"], ["off_screen"] * 2),
    "leaves": (["ok", "ok"], ["ok", "off_screen"]),
    "border": (["ok", "ok"], ["ok", "ok"]),
    "tiny": (["ok", "ok"], ["off_screen"] * 2),
    "black": (["ok", "ok"], ["off_screen"] * 2),
    "vfr": (["ok", "ok"], ["ok", "ok"]),
    "hdr": (["ok", "ok"], ["ok", "ok"]),
    "phone": (["ok", "ok"], ["ok", "ok"]),
    "long_sound": (["ok"] * 3, ["ok", "ok", "off_screen"]),
    "deaf": (["no_audio"] * 2, ["ok", "ok"]),
    "blind": (["ok", "ok"], ["no_video"] * 2),
}
"""By case the status of each utterance's voice and face."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    from emodiss.models import catalog

    folder = tmp_path_factory.mktemp("bad")
    clips(folder)
    for name in CASES:
        extra = [("Ada", 3.3, 4.8, "Nobody sees me")] if name == "long_sound" else []
        make.write_stm(folder / f"{name}.stm", TALK + extra)
    rows = "".join(f"{name},{name}.mp4,{name}.stm\n" for name in CASES)
    (folder / "manifest.csv").write_text("id,path,transcript\n" + rows)
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in fakes.ENTRIES.items():
            patch.setitem(catalog.CATALOG, name, entry)
        return emodiss.annotate(
            folder / "manifest.csv",
            out=tmp_path_factory.mktemp("run") / "run",
            preset="lite",
            settings={**fakes.SETTINGS, "models.faces": "mtcnn"},
            workers=0,
        )


def test_no_case_fails_and_none_turns_into_neutral(run):
    assert run.failures == []
    table = run.utterances
    emodiss.utterances.validate(table)
    assert set(table["video_id"]) == set(CASES)
    for channel in ("speech", "face"):
        lost = table[f"{channel}_status"] != "ok"
        values = table[[f"{channel}_valence", f"{channel}_arousal"]]
        assert values[lost].isna().all(axis=None)
        assert values[~lost].notna().all(axis=None)
        # A label is a measurement too: what was not measured is not called neutral.
        assert table.loc[lost, f"{channel}_label"].isna().all()
    undecided = table["dissonant"].isna()
    assert undecided.equals(table["dissonance_reason"].notna())
    assert undecided.equals((table["speech_status"] != "ok") | (table["face_status"] != "ok"))


@pytest.mark.parametrize("name", CASES)
def test_the_stated_outcome(run, name):
    table = run.session(name)
    assert (table["speech_status"].tolist(), table["face_status"].tolist()) == CASES[name]


def test_a_face_at_the_border_is_measured_with_its_box_beyond_it(run):
    frames = run.session_frames("border")
    assert (frames["x1"] < 0).any() and (frames["x2"] > 0).all()


def test_a_turned_phone_video_shows_the_same_face_as_an_upright_one(run):
    upright, turned_one = (run.session(name)["face_valence"][0] for name in ("plain", "phone"))
    assert turned_one == pytest.approx(upright, abs=0.05)
    assert run.artifact("phone", "media").rotation == 90


def test_missing_streams_are_notes_of_the_video(run):
    assert run.outcomes["deaf", "media"].notes == ("no_audio",)
    assert run.outcomes["blind", "media"].notes == ("no_video",)
    assert run.outcomes["black", "faces"].notes == ("no_faces",)


def test_a_face_below_the_least_size_is_too_small_and_not_off_screen(study, tmp_path, stand_ins):
    found = emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings={**stand_ins, "face_affect.min_size": 60},
        workers=0,
    )
    # The stand-in's face is 48 by 38 pixels.
    # Nothing tells whose it is; one voice gets it, since no confidence is asked for.
    assert sorted(found.session("a")["face_status"]) == ["too_small", "unbound"]
    assert found.session("a")["face_valence"].isna().all()


def talking(seconds: float, moving: list[tuple[float, float]], beside: str) -> list[np.ndarray]:
    """The portrait opens its mouth while it talks, beside its mirror image or a picture of it."""
    from emodiss.models.mtcnn.detector import MtcnnDetector

    still = portrait()
    (found,) = MtcnnDetector(min_face_size=40).detect([still])
    left, right = found.landmarks[0, 3], found.landmarks[0, 4]
    middle, reach = (left + right) / 2, (right[0] - left[0]) / 2
    y, x = np.mgrid[: still.shape[0], : still.shape[1]]
    frames = []
    for k in range(round(seconds * FPS)):
        picture = still.copy()
        talks = any(start <= k / FPS < end for start, end in moving)
        gape = (0.5 + 0.5 * (k % 2)) * 0.6 * reach if talks else 0.0
        if gape:
            mouth = ((x - middle[0]) / (0.8 * reach)) ** 2 + ((y - middle[1]) / gape) ** 2 < 1
            picture[mouth] = (60, 20, 20)
        other = picture[:, ::-1] if beside == "mirror" else still
        frames.append(np.concatenate([picture, other], axis=1))
    return frames


@pytest.mark.parametrize("beside", ["mirror", "picture"])
def test_two_faces_of_one_person_are_one_face_at_a_time(tmp_path, stand_ins, beside):
    moving = [(0.0, 2.0), (4.0, 6.0)]
    make.write_media(
        tmp_path / "two.mp4",
        frames=talking(8.0, moving, beside),
        fps=FPS,
        sound=make.tone(8.0, level=0.2),
    )
    make.write_stm(tmp_path / "two.stm", [("Ada", *span, "Well") for span in moving])
    (tmp_path / "m.csv").write_text("id,path,transcript\ntwo,two.mp4,two.stm\n")
    settings = {**stand_ins, "models.faces": "mtcnn", "people.min_confidence": 0.9}
    run = emodiss.annotate(
        tmp_path / "m.csv", out=tmp_path / "run", preset="lite", settings=settings, workers=0,
    )  # fmt: skip
    tracks = run.artifact("two", "tracks")
    assert len(tracks.tracks) == 2
    (person,) = run.artifact("two", "people").persons
    # Never both, and a picture on the wall never at all; a mirror image mostly leaves it open.
    table = run.session("two")
    if beside == "mirror":
        assert len(person.track_ids) <= 1
        assert set(table["face_status"]) <= {"ok", "unbound"}
    else:
        assert len(person.track_ids) == 1
        assert tracks.of(person.track_ids[0]).boxes[:, [0, 2]].mean() < 240
        assert table["face_status"].tolist() == ["ok", "ok"]
    assert (table["n_face_frames"] <= 60).all() and (table["face_coverage"] <= 1).all()
    frames = run.session_frames("two")
    assert not frames.duplicated(["tick"]).any()
