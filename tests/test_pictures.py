"""Duplicates by picture: invented sessions in one room, and real clips made mute and changed."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import emodiss
from emodiss.corpus import curation, find_duplicates, pictures
from emodiss.corpus.pictures import Motion
from emodiss.manifest import VideoRow
from emodiss.media import probe
from emodiss.settings import Settings
from tests import make

FPS = 25


@pytest.fixture
def change(tmp_path):
    """Write a file anew with ffmpeg's options, and return where."""
    import imageio_ffmpeg

    def call(source, name: str, *options) -> Path:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", source]
        target = tmp_path / name
        if target.suffix == ".mp4" and "copy" not in options:
            options = (*options, "-preset", "ultrafast")
        subprocess.run([str(x) for x in (*command, *options, target)], check=True, timeout=60)
        return target

    return call


def motion(path) -> Motion:
    settings = Settings().media
    media = probe(source=path, row=VideoRow(id="x", path=str(path)), settings=settings)
    return pictures.motion(path, media)


def session(seed: int, seconds: float, *, room: int = 7) -> Iterator[np.ndarray]:
    """Show one speaker before one wall: the head sways and the mouth opens as the seed says."""
    import cv2

    size = (240, 136)
    rng, walls = np.random.default_rng(seed), np.random.default_rng(room)
    wall = walls.integers(0, 255, (17, 30, 3), dtype=np.uint8)
    wall = cv2.resize(wall, size, interpolation=cv2.INTER_CUBIC)
    head = make.astronaut(100)

    def sway(amount: float, seconds: float) -> np.ndarray:
        """Return a path that comes back to 0 within some seconds."""
        keep = 1 - 1 / (seconds * FPS)
        at, path = 0.0, []
        for push in rng.normal(0, amount, n):
            at = at * keep + push
            path.append(at)
        return np.array(path)

    n = round(seconds * FPS)
    right, down, turn = sway(0.6, 1.6), sway(0.4, 1.6), sway(0.4, 1.6)
    mouth = np.clip(np.abs(sway(1.0, 0.16)), 0, 7)
    for i in range(n):
        picture, face = wall.copy(), head.copy()
        cv2.ellipse(face, (47, 43), (7, int(1 + mouth[i])), 0, 0, 360, (60, 10, 20), -1)
        place = cv2.getRotationMatrix2D((50, 50), turn[i], 1.0)
        place[:, 2] += (70 + right[i], 36 + down[i])
        cv2.warpAffine(face, place, size, dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
        yield picture


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> list[Path]:
    """Three sessions of one speaker in one room."""
    folder = tmp_path_factory.mktemp("sessions")
    return [
        make.write_media(folder / f"{seed}.mp4", frames=session(seed, 16.0), fps=FPS)
        for seed in range(3)
    ]


CHANGES = {
    "coarse.mp4": ("-crf", "38", "-vf", "scale=160:-2"),
    "other.webm": (
        *("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"),
        *("-b:v", "120k", "-vf", "fps=15,scale=200:-2"),
    ),
    "cropped.mp4": ("-vf", "crop=iw*0.92:ih*0.92,scale=200:-2"),
    "barred.mp4": ("-vf", "pad=iw:ih*1.4:0:oh*0.1:black"),
    "pale.mp4": ("-vf", "eq=contrast=0.8:brightness=0.08:saturation=0.3"),
    "labelled.mp4": (
        "-vf",
        "drawbox=x=iw*0.8:y=0:w=iw*0.18:h=ih*0.15:color=red:t=fill,"
        "drawbox=x=iw*0.1:y=ih*0.85:w=iw*0.8:h=ih*0.1:t=fill:enable='lt(mod(t,3),1.5)'",
    ),
    "cut.mp4": ("-ss", "2.33", "-t", "11"),
    "opened.mp4": ("-vf", "tpad=start_duration=3.35:color=blue"),
}
"""Ways in which copies differ, by the name of what comes out."""

OFFSETS = {"cut.mp4": -2.33, "opened.mp4": 3.35}


def test_mute_copies_are_found_and_other_sessions_in_the_room_are_not(sessions, change, capsys):
    prints = {path.name: motion(path) for path in sessions}
    copies = {name: motion(change(sessions[0], name, *how)) for name, how in CHANGES.items()}
    found = pictures.match(prints | copies)
    truth = set(itertools.combinations(["0.mp4", *CHANGES], 2))
    right = {(p.a, p.b) for p in found} & truth
    with capsys.disabled():
        print(f"\nmute: precision {len(right)}/{len(found)}, recall {len(right)}/{len(truth)}")
    assert {(p.a, p.b) for p in found} == truth
    assert {p.by for p in found} == {"picture"}
    for pair in found:
        if pair.a == "0.mp4":
            # Changes are taken over 0.4 s at steps of 0.1 s.
            assert pair.offset_s == pytest.approx(OFFSETS.get(pair.b, 0.0), abs=0.1)
            assert pair.share > 0.9 and pair.bit_error_rate < 0.25


def test_the_room_alone_makes_no_duplicate(sessions):
    # The same wall, head and place: frame by frame as alike as two sessions can be.
    prints = {path.name: motion(path) for path in sessions}
    best = [alignment for _, _, alignment in pictures.align(prints, min_overlap=30)]
    assert len(best) == 3
    assert all(b.share < 0.3 for b in best)


def test_what_stands_still_says_nothing(tmp_path):
    still = make.write_media(tmp_path / "a.mp4", frames=[make.grey(90)] * 100)
    assert not motion(still).moving.any()
    brighter = make.write_media(tmp_path / "b.mp4", frames=[make.grey(120)] * 100)
    assert find_duplicates([still, brighter]) == []


def test_the_grain_of_a_camera_is_no_motion(tmp_path):
    rng = np.random.default_rng(2)
    wall = next(iter(session(0, 0.1))).astype(int)
    frames = [
        np.clip(wall + rng.normal(0, 3, wall.shape), 0, 255).astype(np.uint8) for _ in range(150)
    ]
    grainy = make.write_media(tmp_path / "a.mp4", frames=frames, fps=FPS)
    assert not motion(grainy).moving.any()


def test_bars_are_cut_off_and_a_dark_moment_is_not_a_bar():
    shown = np.full((5, 64, 64), 12, np.uint8)  # dark, as coded black is
    shown[2, 10:50, 5:] = 90
    assert pictures.without_bars(shown).shape == (5, 40, 59)
    assert pictures.without_bars(np.zeros((3, 64, 64), np.uint8)).shape == (3, 64, 64)


def test_a_very_short_or_soundless_picture_is_no_fault(tmp_path):
    short = make.write_media(tmp_path / "a.mp4", frames=[make.grey(90)] * 3)
    assert motion(short).moves.shape == (0, 24)
    assert pictures.match({}) == [] and pictures.match({"a": motion(short)}) == []


def test_replaced_and_removed_sound_is_seen_through(sessions, change):
    talk = make.write_media(sessions[0].parent / "talk.m4a", sound=make.talk(0.0, 16.0))
    other = make.write_media(sessions[0].parent / "other.m4a", sound=make.talk(14.0, 30.0))
    mux = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-shortest")
    spoken = change(sessions[0], "spoken.mp4", "-i", talk, *mux)
    dubbed = change(sessions[0], "dubbed.mp4", "-i", other, *mux)
    again = change(spoken, "again.mp4", "-crf", "30", "-b:a", "32k")
    stranger = change(sessions[1], "stranger.mp4", "-crf", "30")
    paths = [spoken, dubbed, again, sessions[0], stranger]
    found = {(Path(p.a).stem, Path(p.b).stem): p.by for p in find_duplicates(paths)}
    assert found == {
        ("spoken", "dubbed"): "picture",
        ("spoken", "again"): "sound",
        ("spoken", "0"): "picture",
        ("dubbed", "again"): "picture",
        ("dubbed", "0"): "picture",
        ("again", "0"): "picture",
    }
    # Without a look at all pictures only what is mute is compared by picture.
    quick = find_duplicates([*paths, sessions[0]], pictures=False)
    assert [(Path(p.a).stem, Path(p.b).stem, p.by) for p in quick] == [("spoken", "again", "sound")]


def test_curation_names_what_gave_a_copy_away(sessions, change, tmp_path, stand_ins):
    talks = [make.write_media(tmp_path / f"{k}.m4a", sound=make.talk(k, k + 14.0)) for k in (0, 14)]
    mux = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-shortest")
    change(sessions[0], "spoken.mp4", "-i", talks[0], *mux)
    change(sessions[0], "dubbed.mp4", "-i", talks[1], *mux)
    change(sessions[1], "mute.mp4", "-c", "copy")
    change(sessions[1], "smaller.mp4", "-vf", "scale=200:-2")
    change(sessions[2], "other.mp4", "-c", "copy")
    names = ("spoken", "dubbed", "mute", "smaller", "other")
    (tmp_path / "manifest.csv").write_text("id,path\n" + "".join(f"{n},{n}.mp4\n" for n in names))
    run = emodiss.annotate(
        tmp_path / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings=stand_ins,
        workers=0,
    )
    assert not run.failures
    table = curation.curate(run).set_index("id")[["duplicate_of", "duplicate_by"]]
    mute = ("mute", "picture")
    assert [tuple(row) for row in table.to_numpy()] == [
        ("", ""),
        ("", ""),
        ("", ""),
        mute,
        ("", ""),
    ]
    # A copy that is left out for another reason does not take the good one with it.
    # All are too short, and one is wanted nevertheless.
    wanted = {"smaller": ("keep", "of use as it is")}
    table = curation.curate(run, overrules=wanted).set_index("id")
    assert table["duplicate_of"].to_dict() == dict.fromkeys(names, "") | {"mute": "smaller"}
    table = curation.curate(run, pictures=True).set_index("id")
    assert table.loc["dubbed", ["duplicate_of", "duplicate_by"]].tolist() == ["spoken", "picture"]
    assert "duplicate" in table.loc["dubbed", "reasons"].split(";")
    assert not table.loc[["spoken", "mute", "other"], "duplicate_of"].any()


def test_equal_bytes_are_called_so(sessions, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(sessions[2].read_bytes())
    (pair,) = find_duplicates([sessions[2], copy])
    assert (pair.by, pair.offset_s, pair.bit_error_rate) == ("bytes", 0.0, 0.0)


def test_half_in_common_is_a_duplicate_and_a_third_is_a_quotation():
    rng = np.random.default_rng(4)

    def stretch(n: int) -> np.ndarray:
        return np.tanh(rng.normal(0, 1, (n, 24))).astype(np.float32)

    shared, sure = stretch(200), np.ones(400, bool)
    whole = {
        "a": Motion(np.vstack([shared, stretch(200)]), sure),
        "b": Motion(np.vstack([stretch(200), shared]), sure),
        "c": Motion(np.vstack([stretch(270), shared[:130]]), sure),
    }
    (pair,) = pictures.match(whole)
    assert (pair.a, pair.b, pair.offset_s) == ("a", "b", 20.0)
    # A stretch of two seconds reaches over the edge, by a second at most on either side.
    assert pair.share == pytest.approx(0.5, abs=0.03) and pair.matched_s == pytest.approx(20, abs=1)
    third = pictures.match(whole, min_share=0.3)
    assert [(p.a, p.b) for p in third] == [("a", "b"), ("a", "c"), ("b", "c")]


@given(shift=st.integers(-60, 60), noise=st.floats(0.0, 0.6), seed=st.integers(0, 2**16))
def test_a_shift_is_found_whichever_comes_first(shift, noise, seed):
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 1, (320, 24)).astype(np.float32)
    window = moves[60 + shift : 60 + shift + 200]
    other = window + noise * rng.normal(0, 1, window.shape).astype(np.float32)
    sure = np.ones(200, bool)
    a, b = Motion(moves[60:260], sure), Motion(other, sure)
    (_, _, there), (_, _, back) = (
        next(pictures.align(pair, min_overlap=30)) for pair in ({"a": a, "b": b}, {"b": b, "a": a})
    )
    assert there.offset == -shift and back.offset == shift
    assert there.matched == back.matched and there.correlation == pytest.approx(back.correlation)


REAL = ("dyad.mp4", "two_faces_one_speaks.mp4", "mexca_debate_5s.mp4", "face_noface.mov")


@pytest.mark.slow
def test_real_clips_are_found_mute_and_changed_and_their_halves_are_not(
    shared_data, change, capsys
):
    prints: dict[str, Motion] = {}
    clips: dict[str, str] = {}
    for name in REAL:
        source = shared_data / "video" / name
        prints[name] = motion(source)
        clips[name] = name
        for kind, how in CHANGES.items():
            if kind == "cut.mp4":  # one clip lasts five seconds
                how = ("-ss", "0.73")
            copy = f"{source.stem}, {kind}"
            prints[copy] = motion(change(source, copy, "-an", *how))
            clips[copy] = name
    found = {(p.a, p.b) for p in pictures.match(prints)}
    truth = {(a, b) for a, b in itertools.combinations(prints, 2) if clips[a] == clips[b]}
    right = len(found & truth)
    # The same people in the same room, at another time: the hardest strangers.
    halves: dict[str, Motion] = {}
    for name in REAL:
        whole, middle = prints[name], len(prints[name].moves) // 2
        for part in (slice(None, middle), slice(middle, None)):
            halves[f"{name} {part.start}"] = Motion(whole.moves[part], whole.moving[part])
    best = max(b.share for _, _, b in pictures.align(halves, min_overlap=15))
    with capsys.disabled():
        print(f"\nmute, real: precision {right}/{len(found)}, recall {right}/{len(truth)}")
        print(f"halves of one clip: at most {best:.2f} in common")
    assert right == len(found)
    assert right >= 0.95 * len(truth)
    assert best < 0.25
