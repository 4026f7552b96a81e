"""Voices to faces by evidence of known sign."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from emodiss import people
from emodiss.faces import FaceTrack, LinkCounts, Tracks
from emodiss.faces.mouths import change, opening
from emodiss.media import Audio
from emodiss.people import Binding, FaceMappingError, MouthMotion, Mouths, series
from emodiss.people.likeness import links
from emodiss.people.posterior import marginals
from emodiss.settings import PeopleSettings
from emodiss.transcript import Transcript, Turn, Utterance
from tests import make

RATE = 16_000
RULE = PeopleSettings()


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


def match(transcript, mouths, tracks, *, faces=None, rule=RULE, seconds: float = 24, turns=None):
    return people.match(
        media=make.media(width=100),
        transcript=transcript,
        tracks=tracks,
        mouths=Mouths(tuple(mouths), unlike(len(mouths))),
        audio=silence(seconds),
        row=make.row(faces=faces),
        settings=rule,
        turns=turns,
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
    evidence = [
        Binding("Ada", t, 9.0, z, z, p) for t, z, p in ((1, 5, 0.99), (2, 4, 0.98), (3, 3, 0.97))
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


def test_nobody_speaks_or_nobody_is_seen():
    assert match(talk(), [mouth(1, 5, [])], seen((1, 0, 5))).persons == ()
    assert match(TURNS, [], seen((1, 0, 1))).of("Ada").track_ids == ()


BOTH = [mouth(1, 24, BO), mouth(2, 24, ADA)]
SIDES = seen((1, 0, 24, 25), (2, 0, 24, 75))


def diarized(*rows: tuple[str, float, float], flags: tuple[str, ...] = (), faces=None, mouths=BOTH):
    """What is doubted of the same conversation if a diarizer heard these voices."""
    said = tuple(Utterance(s, e, who, "well", flags=flags) for who, s, e in rows)
    turns = tuple(Turn(s, e, who) for who, s, e in rows)
    found = match(Transcript(said, "recognised"), mouths, SIDES, faces=faces, turns=turns)
    assert faces or bindings(found)["Ada"][0] == (2,)
    return found.contradicted


HEARD = (("Ada", 0, 5), ("Bo", 5, 8.5), ("Ada", 8.5, 10), ("Ada", 12, 17), ("Bo", 17, 22))


def test_an_utterance_is_doubted_where_anothers_mouth_talks_and_that_of_its_voice_rests():
    assert diarized(*HEARD) == (2,)  # 8.5 to 10 s is Bo's
    assert diarized(("Ada", 0, 5), ("Bo", 5, 10), ("Ada", 12, 17), ("Bo", 17, 22)) == ()
    # In 0.4 s it proves nothing that Ada's mouth rests; that Bo's talks meanwhile does.
    brief = (*HEARD[:2], ("Bo", 8.5, 9.3), ("Ada", 9.36, 9.76), *HEARD[3:])
    assert diarized(*brief) == (3,)
    assert diarized(*brief, mouths=[mouth(1, 24, [(5, 9.3), (17, 22)]), BOTH[1]]) == ()
    # Somebody out of view: both mouths rest from 10.5 to 11.8 s.
    assert diarized(*HEARD, ("Ada", 10.3, 11.9)) == (2, 5)
    # No mouth of Ada's in view, so no face of hers that could be wrong.
    ada = mouth(2, 24, ADA)
    gone = (ada.ticks < 8.0 * 30) | (ada.ticks >= 10.6 * 30)
    away = MouthMotion(2, *(getattr(ada, k)[gone] for k in ("ticks", "motion", "opening", "stir")))
    assert diarized(*HEARD, mouths=[BOTH[0], away]) == ()


def test_what_is_stated_of_a_voice_or_its_face_is_not_doubted_by_mouths():
    assert match(talk(*HEARD), BOTH, SIDES).contradicted == ()  # a transcript's voices
    assert diarized(*HEARD, flags=("reviewed_speaker",)) == ()
    assert diarized(*HEARD, faces={"Ada": "right"}) == ()
    assert diarized(*HEARD, faces={"Bo": "left"}) == (2,)


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
    rule = RULE.changed(faces="Ada=left;Nobody here=right")
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


def speaking(seconds: float, seed: int = 0) -> tuple[Audio, np.ndarray]:
    """Noise of 800 to 2200 Hz that comes and goes as syllables do, and its level per tick in dB."""
    from scipy import signal

    rng = np.random.default_rng(seed)
    n = round(seconds * 30)
    slow = signal.butter(2, [1.5, 6], "bandpass", fs=30, output="sos")
    level = signal.sosfiltfilt(slow, rng.normal(size=n))
    level = 8 * level / level.std()  # dB
    band = signal.butter(4, [800, 2200], "bandpass", fs=RATE, output="sos")
    noise = signal.sosfilt(band, rng.normal(size=round(seconds * RATE)))
    gain = 10 ** (np.interp(np.arange(len(noise)) / RATE, np.arange(n) / 30, level) / 20)
    sound = np.clip(2000 * noise * gain / noise.std(), -32768, 32767)
    return Audio(sound.astype(np.int16), RATE, 0.0), level


def following(track: int, level: np.ndarray, late: int = 0, begin: int = 0, end: int | None = None):
    """A mouth that talks all the time and opens with the sound's level."""
    rng = np.random.default_rng(track + 100)
    moved = np.roll(level, late) / 8
    motion = np.exp(1.4 + 0.3 * moved + rng.normal(0, 0.3, len(level)))
    wide = 1 + 0.3 * moved + rng.normal(0, 0.3, len(level))
    use = slice(begin, end)
    still = np.full(len(level), 0.35, np.float32)
    ticks = np.arange(len(level))
    return MouthMotion(
        track, ticks[use], motion[use].astype(np.float32), wide[use].astype(np.float32), still[use]
    )


def weigh(transcript, mouths, audio, likeness=None, talking=None):
    likeness = unlike(len(mouths)) if likeness is None else likeness
    found, late = people.weigh(transcript, Mouths(tuple(mouths), likeness), audio, talking)
    return {(b.speaker, b.track_id): b for b in found}, late


def test_one_voice_without_pause_belongs_to_the_mouth_that_follows_it():
    audio, level = speaking(30)
    own, late = weigh(talk(("Ada", 0, 30)), [following(1, level)], audio)
    assert own["Ada", 1].z_synchrony > 4 and own["Ada", 1].confidence > 0.99 and late == 0
    assert own["Ada", 1].alone_s == pytest.approx(30, abs=0.2)
    # A dubbed film: the mouth talks, and does not follow. A narrator would look the same.
    other = speaking(30, seed=1)[1]
    dubbed, _ = weigh(talk(("Ada", 0, 30)), [following(1, other)], audio)
    assert abs(dubbed["Ada", 1].z_synchrony) < 3 and dubbed["Ada", 1].confidence < 0.95


def test_a_silent_talker_beside_the_speaker_is_told_apart_by_synchrony():
    audio, level = speaking(60)
    other = speaking(60, seed=1)[1]
    found, _ = weigh(talk(("Ada", 0, 60)), [following(1, other), following(2, level)], audio)
    assert found["Ada", 2].confidence > 0.95 > 0.05 > found["Ada", 1].confidence


@pytest.mark.parametrize(("ticks", "late"), [(0, 0.0), (-6, 0.2), (6, -0.2), (-12, 0.4)])
def test_sound_that_comes_late_or_early_is_brought_to_its_mouth(ticks, late):
    audio, level = speaking(60)
    found, measured = weigh(talk(("Ada", 0, 60)), [following(1, level, ticks)], audio)
    assert measured == late
    assert found["Ada", 1].confidence > 0.95


def test_a_note_says_that_sound_and_picture_do_not_fit():
    assert people.People((), (), 0.2).notes == ("sound_offset",)
    assert people.People((), ()).notes == ()


def test_fragments_of_one_face_are_pooled():
    audio, level = speaking(24)
    pieces = [following(1, level, end=300), following(2, level, begin=330)]
    turns = talk(("Ada", 0, 24))
    apart, _ = weigh(turns, pieces, audio)
    likeness = np.array([[np.nan, 0.9], [0.9, np.nan]], np.float32)
    pooled, _ = weigh(turns, pieces, audio, likeness)
    for number in (1, 2):
        assert pooled["Ada", number].confidence > apart["Ada", number].confidence
    # Alike faces that do not follow the voice are no evidence for it.
    foreign = speaking(24, seed=1)[1]
    strange = [following(1, level, end=300), following(2, foreign, begin=330)]
    mixed, _ = weigh(turns, strange, audio, likeness)
    assert mixed["Ada", 1].confidence < pooled["Ada", 1].confidence


def test_a_models_scores_take_the_place_of_motion_and_decide_nothing_alone():
    audio, level = speaking(20)
    mouths = [following(1, level), following(2, level)]  # a mirror
    frames = np.arange(500)
    scores = people.TalkScores(
        (
            people.TrackScores(1, frames, np.full(500, -2, np.float32)),
            people.TrackScores(2, frames, np.full(500, 5, np.float32)),
        )
    )
    turns = talk(("Ada", 0, 20))
    without, _ = weigh(turns, mouths, audio)
    found, _ = weigh(turns, mouths, audio, talking=scores)
    assert without["Ada", 1].log_odds_motion == pytest.approx(
        without["Ada", 2].log_odds_motion, abs=1
    )
    assert found["Ada", 2].log_odds_motion > found["Ada", 1].log_odds_motion + 2
    assert found["Ada", 2].confidence > 0.9 > without["Ada", 2].confidence
    # The same scores over a voice that nobody follows bind nobody.
    foreign = [following(1, speaking(20, 1)[1]), following(2, speaking(20, 2)[1])]
    assert weigh(turns, foreign, audio, talking=scores)[0]["Ada", 2].confidence < 0.95


def test_without_sound_motion_alone_is_weighed():
    found, late = weigh(TURNS, [mouth(1, 24, BO), mouth(2, 24, ADA)], silence(0))
    assert math.isnan(found["Ada", 2].z_synchrony) and late == 0
    assert found["Ada", 2].confidence > 0.9 > found["Ada", 1].confidence


def test_frozen_pictures_are_given_to_nobody():
    audio, level = speaking(30)
    n = len(level)
    zero = np.zeros(n, np.float32)
    frozen = [MouthMotion(k, np.arange(n), zero, zero + 1, zero) for k in (1, 2)]
    found, _ = weigh(talk(("Ada", 0, 30)), frozen, audio)
    assert max(b.confidence for b in found.values()) < 0.5


def by_enumeration(scores, together, alike, log_shown):
    """The same sum, state by state."""
    n, width = scores.shape
    total, shares = 0.0, np.zeros((n, width))
    for state in itertools.product(range(width), repeat=n):
        weight = sum(scores[j, k] for j, k in enumerate(state))
        for i, j in itertools.combinations(range(n), 2):
            if state[i] and state[i] == state[j]:
                weight += -math.inf if together[i, j] else alike[i, j]
        weight += sum(log_shown[k in state] for k in range(1, width))
        weight = math.exp(weight)
        total += weight
        for j, k in enumerate(state):
            shares[j, k] += weight
    return shares / total, math.log(total)


@pytest.mark.parametrize("seed", range(8))
def test_the_posterior_is_the_sum_over_all_states(seed):
    rng = np.random.default_rng(seed)
    n, voices = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    scores = rng.normal(0, 2, (n, 1 + voices))
    together = np.triu(rng.random((n, n)) < 0.5, 1)
    together |= together.T
    alike = np.triu(
        np.where((rng.random((n, n)) < 0.4) & ~together, rng.normal(1, 1, (n, n)), 0), 1
    )
    alike += alike.T
    log_shown = (math.log(0.15), math.log(0.85))
    shares, evidence = marginals(scores, together, alike, log_shown)
    expected, log_total = by_enumeration(scores, together, alike, log_shown)
    assert shares == pytest.approx(expected, abs=1e-5)
    assert evidence == pytest.approx(log_total, abs=1e-9)


def test_a_cut_film_with_many_tracks_takes_a_second_and_stays_a_probability():
    rng = np.random.default_rng(0)
    n = 120
    alike = np.zeros((n, n))
    for j in range(3, n):
        for i in rng.integers(0, j, 3):
            alike[i, j] = alike[j, i] = 1.0
    shares, _ = marginals(
        rng.normal(0, 2, (n, 4)), np.zeros((n, n), bool), alike, (math.log(0.15), math.log(0.85))
    )
    assert shares.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-4)


def test_a_mirrored_mouth_moves_and_opens_as_much():
    rng = np.random.default_rng(0)
    before, patch = rng.random((2, 24, 32)).astype(np.float32)
    assert change(patch[:, ::-1], before[:, ::-1]) == pytest.approx(change(patch, before))
    turned = opening(patch[:, ::-1], patch.std())
    assert turned == pytest.approx(opening(patch, patch.std()), rel=1e-5)


@pytest.mark.parametrize("apart", [1, 2, 3])
def test_motion_is_put_as_if_there_were_25_pictures_a_second(apart):
    ticks = np.arange(90)
    shown = np.where(ticks % apart == 0, np.float32(0.95), np.float32(np.nan))
    level = series.level_of_motion(MouthMotion(1, ticks, shown, shown, shown), 50)
    # log(0.95 + 0.05) = 0; half of log(0.95 + 0.1); pictures lie apart / 30 s apart, not 1 / 25 s.
    assert level[30] == pytest.approx(
        -0.5 * math.log(1.05) + 0.25 * math.log(apart * 25 / 30), abs=1e-6
    )
    alone = np.where(ticks == 3, np.float32(0.95), np.float32(np.nan))
    assert np.isnan(series.level_of_motion(MouthMotion(1, ticks, alone, alone, alone), 50)).all()


def test_a_patch_that_only_shifts_does_not_move():
    wide = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    assert change(wide[2:26, 2:34], wide[3:27, 1:33]) == pytest.approx(0.0, abs=1e-7)
    assert change(wide[2:26, 2:34], wide[2:26, 2:34] + 0.1) == pytest.approx(0.1, abs=1e-6)


def test_an_open_mouth_is_dark():
    closed = np.full((24, 32), 0.6, np.float32) + np.linspace(0, 0.05, 32, dtype=np.float32)
    open_ = closed.copy()
    open_[10:15, 12:20] = 0.1
    assert opening(open_, open_.std()) > opening(closed, closed.std())


def test_level_of_a_tone_in_the_band_and_out_of_it():
    t = np.arange(3 * RATE) / RATE
    tones = [np.rint(8000 * np.sin(2 * np.pi * f * t)).astype(np.int16) for f in (1400, 100)]
    inside, outside = (series.loudness(Audio(tone, RATE, 0.0), 74) for tone in tones)
    # By hand: amplitude 8000 / 32768, power half its square.
    assert inside[40] == pytest.approx(10 * math.log10((8000 / 32768) ** 2 / 2), abs=0.3)
    assert outside[40] < inside[40] - 60
    late = series.loudness(Audio(tones[0], RATE, 1.0), 120)
    assert (
        np.isnan(late[:25]).all() and np.isfinite(late[26:99]).all() and np.isnan(late[101:]).all()
    )


def test_turns_say_when_a_voice_is_heard_and_utterances_whose_it_is():
    said = [
        Utterance(1.0, 3.0, "A"),
        Utterance(4.0, 6.0, "B"),  # a person gave it to B: the diarizer heard A
        Utterance(7.0, 8.0, "B"),  # the diarizer heard nobody
    ]
    turns = [
        Turn(0.6, 1.8, "A"), Turn(2.2, 3.4, "A"), Turn(4.0, 6.0, "A"),
        Turn(9.0, 9.8, "A"),  # no utterance: a murmur, or what a person took out
        Turn(2.8, 3.2, "C"),  # a voice without utterances
    ]  # fmt: skip
    found = series.talking(said, ["A", "B"], 10 * series.RATE, 0.0, turns)
    seconds = [[(a / series.RATE, b / series.RATE) for a, b in runs(row)] for row in found]
    assert seconds == [[(0.6, 1.8), (2.2, 3.4)], [(4.0, 6.0), (7.0, 8.0)]]
    earlier = series.talking(said, ["A", "B"], 10 * series.RATE, 0.4, turns)
    assert np.array_equal(earlier[:, :-10], found[:, 10:])


def runs(row: np.ndarray) -> np.ndarray:
    """First and last of each run of True, (n, 2)."""
    return np.flatnonzero(np.diff(row.astype(int), prepend=0, append=0)).reshape(-1, 2)


def test_only_alike_fragments_are_linked():
    values = np.array([[np.nan, 0.95, 0.4], [0.95, np.nan, 0.6], [0.4, 0.6, np.nan]], np.float32)
    found = links(values)
    assert found[0, 1] == found[1, 0] > 1 and found[0, 2] == 0 and found[1, 2] == 0
    assert (links(unlike(3)) == 0).all()


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
    )
    found = run.artifact("d", "people")
    tracks = run.artifact("d", "tracks")
    for speaker, left in (("left", True), ("right", False)):
        (track_id,) = found.of(speaker).track_ids
        middle = tracks.of(track_id).boxes[:, [0, 2]].mean()
        assert (middle < 512) == left
