"""Voices to faces by evidence of known sign."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from emodiss import people
from emodiss.media import Audio
from emodiss.people import Binding, MouthMotion, Mouths
from emodiss.speech import Transcript
from emodiss.tracks import FaceTrack, LinkCounts
from emodiss.transcript import Utterance
from emodiss.video import Tracks

RATE = 16_000
RULE = SimpleNamespace(min_confidence=0.99)  # the default


def talk(*rows: tuple[str, float, float]) -> Transcript:
    return Transcript(tuple(Utterance(s, e, who, "well") for who, s, e in rows), "given:stm")


def silence(seconds: float) -> Audio:
    return Audio(np.zeros(round(seconds * RATE), np.int16), RATE, 0.0)


def mouth(track: int, seconds: float, moving: list[tuple[float, float]], seed: int = 0):
    """A mouth that moves ten times as much inside the given stretches as outside."""
    ticks = np.arange(round(seconds * 30))
    rng = np.random.default_rng(seed + track)
    motion = rng.lognormal(-3, 0.3, len(ticks))
    for start, end in moving:
        motion[(ticks / 30 >= start) & (ticks / 30 < end)] *= 10
    return MouthMotion(track, ticks, motion.astype(np.float32))


def seen(*tracks: tuple[int, float, float]) -> Tracks:
    """Tracks that are only there: id, start, end."""
    made = []
    for number, start, end in tracks:
        ticks = np.arange(round(start * 30), round(end * 30))
        n = len(ticks)
        made.append(
            FaceTrack(
                id=number,
                ticks=ticks,
                times=ticks / 30,
                boxes=np.tile(np.array([0, 0, 50, 50], np.float32), (n, 1)),
                landmarks=np.zeros((n, 5, 2), np.float32),
                scores=np.ones(n, np.float32),
                measured=np.ones(n, bool),
            )
        )
    return Tracks(tuple(made), LinkCounts(n, 0, 0, 0), 0)


TURNS = talk(("Ada", 0, 5), ("Bo", 5, 10), ("Ada", 12, 17), ("Bo", 17, 22))
ADA, BO = [(0, 5), (12, 17)], [(5, 10), (17, 22)]


def match(transcript, mouths, tracks, *, seconds: float = 24):
    return people.match(
        transcript=transcript,
        tracks=tracks,
        mouths=Mouths(tuple(mouths)),
        audio=silence(seconds),
        settings=RULE,
    )


def test_each_voice_gets_the_mouth_that_moves_with_it():
    found = match(TURNS, [mouth(1, 24, BO), mouth(2, 24, ADA)], seen((1, 0, 24), (2, 0, 24)))
    assert found.of("Ada").track_ids == (2,)
    assert found.of("Bo").track_ids == (1,)
    assert found.of("Ada").binding_confidence > 0.99


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
    evidence = [
        Binding("Ada", t, z, math.nan, math.nan, 0.99, 9) for t, z in ((1, 5), (2, 4), (3, 3))
    ]
    bound = people.assign(evidence, seen((1, 0, 5), (2, 3, 8), (3, 6, 9)), min_confidence=0.9)
    assert bound == {"Ada": {1, 3}}  # 2 overlaps 1, which is surer


def test_exchanging_the_labels_exchanges_the_faces():
    mouths, tracks = [mouth(1, 24, BO), mouth(2, 24, ADA)], seen((1, 0, 24), (2, 0, 24))
    swapped = talk(
        *[({"Ada": "Bo", "Bo": "Ada"}[u.speaker], u.start, u.end) for u in TURNS.utterances]
    )
    one, other = match(TURNS, mouths, tracks), match(swapped, mouths, tracks)
    assert one.of("Ada").track_ids == other.of("Bo").track_ids


def test_louder_speech_with_a_wider_moving_mouth_is_evidence_on_its_own():
    # One voice without a pause and one face: only loudness can tell.
    rng = np.random.default_rng(0)
    loud = rng.uniform(0.02, 0.5, 60)
    audio = Audio(
        np.concatenate(
            [(32767 * a * np.sin(np.arange(8000) * 0.1)).astype(np.int16) for a in loud]
        ),
        RATE,
        0.0,
    )
    motion = np.repeat(loud, 15).astype(np.float32)
    with_voice = MouthMotion(1, np.arange(900), motion)
    evidence = people.weigh(talk(("Ada", 0, 30)), Mouths((with_voice,)), audio)
    assert math.isnan(evidence[0].z_rest) and math.isnan(evidence[0].z_others)
    assert evidence[0].z_level > 5


def test_nobody_speaks_or_nobody_is_seen():
    assert match(talk(), [mouth(1, 5, [])], seen((1, 0, 5))).persons == ()
    assert match(TURNS, [], seen((1, 0, 1))).of("Ada").track_ids == ()


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
