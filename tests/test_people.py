"""Voices to faces by evidence of known sign."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from emodiss import people
from emodiss.manifest import parse_faces
from emodiss.media import Audio
from emodiss.people import Binding, FaceMappingError, MouthMotion, Mouths
from emodiss.speech import Transcript
from emodiss.tracks import FaceTrack, LinkCounts
from emodiss.transcript import Utterance
from emodiss.video import Tracks

RATE = 16_000
RULE = SimpleNamespace(min_confidence=0.95, faces=None)  # the default


def talk(*rows: tuple[str, float, float]) -> Transcript:
    return Transcript(tuple(Utterance(s, e, who, "well") for who, s, e in rows), "given:stm")


def unlike(n: int) -> np.ndarray:
    """Nothing is known of how alike the faces are."""
    return np.full((n, n), np.nan, np.float32)


def silence(seconds: float) -> Audio:
    return Audio(np.zeros(round(seconds * RATE), np.int16), RATE, 0.0)


def mouth(track: int, seconds: float, moving: list[tuple[float, float]], seed: int = 0):
    """A mouth that moves four times as much inside the given stretches as outside.

    Levels as measured on people: log motion 1.4 in speech and 0 at rest over a quiet brow.
    """
    ticks = np.arange(round(seconds * 30))
    rng = np.random.default_rng(seed + track)
    motion = rng.lognormal(0.0, 0.3, len(ticks))
    for start, end in moving:
        motion[(ticks / 30 >= start) & (ticks / 30 < end)] *= 4
    still = np.full(len(ticks), 0.35, np.float32)
    return MouthMotion(track, ticks, motion.astype(np.float32), still, still)


def seen(*tracks: tuple[int, float, float], x: float = 25.0) -> Tracks:
    """Tracks that are only there: id, start, end; their middle lies at x, or after the end."""
    made = []
    for number, start, end, *where in tracks:
        ticks = np.arange(round(start * 30), round(end * 30))
        n = len(ticks)
        made.append(
            FaceTrack(
                id=number,
                ticks=ticks,
                times=ticks / 30,
                boxes=np.tile(
                    np.array([-25, 0, 25, 50], np.float32)
                    + np.array([1, 0, 1, 0], np.float32) * (where[0] if where else x),
                    (n, 1),
                ),
                landmarks=np.zeros((n, 5, 2), np.float32),
                scores=np.ones(n, np.float32),
                measured=np.ones(n, bool),
            )
        )
    return Tracks(tuple(made), LinkCounts(n, 0, 0, 0), 0)


TURNS = talk(("Ada", 0, 5), ("Bo", 5, 10), ("Ada", 12, 17), ("Bo", 17, 22))
ADA, BO = [(0, 5), (12, 17)], [(5, 10), (17, 22)]


def match(transcript, mouths, tracks, *, faces=None, rule=RULE, seconds: float = 24):
    return people.match(
        media=SimpleNamespace(width=100),
        transcript=transcript,
        tracks=tracks,
        mouths=Mouths(tuple(mouths), unlike(len(mouths))),
        audio=silence(seconds),
        row=SimpleNamespace(faces=parse_faces(faces) if faces else None),
        settings=rule,
    )


def test_each_voice_gets_the_mouth_that_moves_with_it():
    found = match(TURNS, [mouth(1, 24, BO), mouth(2, 24, ADA)], seen((1, 0, 24), (2, 0, 24)))
    assert found.of("Ada").track_ids == (2,)
    assert found.of("Bo").track_ids == (1,)
    assert found.of("Ada").binding_confidence > 0.95


def test_a_voice_whose_face_is_not_shown_does_not_borrow_the_listeners():
    found = match(TURNS, [mouth(1, 24, ADA)], seen((1, 0, 24)))
    assert found.of("Ada").track_ids == (1,)
    assert found.of("Bo").track_ids == ()
    assert math.isnan(found.of("Bo").binding_confidence)


def test_mouths_that_move_at_random_are_given_to_nobody():
    for seed in range(5):
        still = [mouth(1, 24, [], seed), mouth(2, 24, [], seed)]
        found = match(TURNS, still, seen((1, 0, 24), (2, 0, 24)))
        assert [p.track_ids for p in found.persons] == [(), ()]


def test_one_person_may_have_several_tracks_but_not_two_faces_at_once():
    evidence = [Binding("Ada", t, 9.0, z, z, p) for t, z, p in ((1, 5, 0.99), (2, 4, 0.98), (3, 3, 0.97))]
    bound = people.assign(evidence, seen((1, 0, 5), (2, 3, 8), (3, 6, 9)), min_confidence=0.9)
    assert bound == {"Ada": {1, 3}}  # 2 overlaps 1, which is surer


def test_exchanging_the_labels_exchanges_the_faces():
    mouths, tracks = [mouth(1, 24, BO), mouth(2, 24, ADA)], seen((1, 0, 24), (2, 0, 24))
    swapped = talk(
        *[({"Ada": "Bo", "Bo": "Ada"}[u.speaker], u.start, u.end) for u in TURNS.utterances]
    )
    one, other = match(TURNS, mouths, tracks), match(swapped, mouths, tracks)
    assert one.of("Ada").track_ids == other.of("Bo").track_ids


def test_nobody_speaks_or_nobody_is_seen():
    assert match(talk(), [mouth(1, 5, [])], seen((1, 0, 5))).persons == ()
    assert match(TURNS, [], seen((1, 0, 1))).of("Ada").track_ids == ()


BOTH = [mouth(1, 24, BO), mouth(2, 24, ADA)]
SIDES = seen((1, 0, 24, 25), (2, 0, 24, 75))


def bindings(found) -> dict:
    return {p.speaker: (p.track_ids, p.binding_source) for p in found.persons}


def test_a_person_s_word_stands_against_the_evidence():
    assert bindings(match(TURNS, BOTH, SIDES)) == {
        "Ada": ((2,), "measured"),
        "Bo": ((1,), "measured"),
    }
    found = match(TURNS, BOTH, SIDES, faces="Ada=1;Bo=right")
    assert bindings(found) == {"Ada": ((1,), "manifest"), "Bo": ((2,), "manifest")}
    assert math.isnan(found.of("Ada").binding_confidence)
    assert found.notes == ("stated_faces",)


def test_who_is_not_stated_is_measured_among_the_faces_left():
    found = match(TURNS, BOTH, SIDES, faces="Ada=left")
    # Bo's mouth is taken; the other one does not move with him.
    assert bindings(found) == {"Ada": ((1,), "manifest"), "Bo": ((), None)}
    assert found.notes == ("stated_faces", "unbound_voice")
    found = match(TURNS, BOTH, SIDES, faces="Bo=none")
    assert bindings(found) == {"Ada": ((2,), "measured"), "Bo": ((), "manifest")}


def test_a_setting_holds_for_all_videos_and_the_manifest_wins_over_it():
    rule = SimpleNamespace(min_confidence=0.95, faces={"Ada": "left", "Nobody here": "right"})
    found = match(TURNS, BOTH, SIDES, rule=rule)
    assert bindings(found)["Ada"] == ((1,), "setting")
    found = match(TURNS, BOTH, SIDES, rule=rule, faces="Ada=2")
    assert bindings(found)["Ada"] == ((2,), "manifest")


def test_a_side_with_a_mirror_gives_the_face_with_more_evidence():
    # Track 3, also on the right, is longer but does not move; 2 speaks; 4 comes when 2 is gone.
    tracks = seen((1, 0, 24, 25), (2, 0, 20, 75), (3, 0, 24, 95), (4, 21, 24, 80))
    mouths = [mouth(1, 24, BO), mouth(2, 20, ADA), mouth(3, 24, [])]
    found = match(TURNS, mouths, tracks, faces="Ada=right")
    assert bindings(found)["Ada"] == ((2, 4), "manifest")


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        ("Cy=left", "'Cy'.*2 voices"),
        ("Ada=3", "no face track 3.*1 to 2"),
        ("Ada=1+2", "one person has one face"),
        ("Ada=1;Bo=1", "given to two voices"),
        ("Ada=left;Bo=left", "given to two voices"),
    ],
)
def test_what_cannot_be_is_refused(faces, message):
    with pytest.raises(FaceMappingError, match=message) as error:
        match(TURNS, BOTH, SIDES, faces=faces)
    assert error.value.next_step


@pytest.mark.parametrize("clip", ["dyad"])
def test_the_composed_dyad_is_bound_as_its_truth_says(shared_data, tmp_path, clip):
    import json

    import emodiss

    truth = json.loads((shared_data / "video" / f"{clip}_truth.json").read_text())
    lines = [f"d 1 {t['speaker']} {t['start']} {t['end']} words\n" for t in truth["turns"]]
    (tmp_path / "d.stm").write_text("".join(lines))
    (tmp_path / "m.csv").write_text(
        f"id,path,transcript\nd,{shared_data / 'video' / clip}.mp4,d.stm\n"
    )
    run = emodiss.annotate(
        tmp_path / "m.csv",
        allow_local=True,
        out=tmp_path / "run",
        preset="lite",
        settings={"faces.stride": 5, "faces.min_face": 80},
        workers=0,
        figures=False,
    )
    found = run.artifact("d", "people")
    tracks = run.artifact("d", "tracks")
    for speaker, left in (("left", True), ("right", False)):
        (track_id,) = found.of(speaker).track_ids
        middle = tracks.of(track_id).boxes[:, [0, 2]].mean()
        assert (middle < 512) == left
