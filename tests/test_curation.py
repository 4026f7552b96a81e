"""Curation: real speech, degraded and copied in known ways, and verdicts counted by hand."""

from __future__ import annotations

import itertools
import subprocess

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss.corpus import curation, find_duplicates, fingerprints, quality
from emodiss.corpus.limits import Curation, limits_of
from emodiss.media import Audio
from tests import make

RATE = 16_000


def audio(signal) -> Audio:
    return Audio((np.clip(signal, -1, 1) * 32767).astype(np.int16), RATE, 0.0)


# --- duplicates ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def call() -> np.ndarray:
    """The two-person call that pyannote.audio ships: 30 s."""
    return make.talk(0.0, 30.0)


def prints(sounds):
    return {name: fingerprints.fingerprint(audio(s)) for name, s in sounds.items()}


def test_copies_are_found_and_other_parts_of_the_same_call_are_not(call, capsys):
    # Two stretches of one call, by the same voices on the same line, are the hardest strangers.
    rng = np.random.default_rng(0)
    first, second = call[6 * RATE : 18 * RATE], call[18 * RATE :]
    hiss = rng.normal(0, 0.004, len(second)).astype(np.float32)
    intro = make.tone(3.3, hertz=330.0)
    sounds = {
        "first": first,
        "first, softer, cut at both ends": 0.3 * first[16_123 : -2 * RATE],
        "first, after an intro": np.concatenate([intro, first]),
        "second": second,
        "second, with hiss": second + hiss,
        "second, after the intro of first": np.concatenate([intro, second]),
        "noise": rng.normal(0, 0.1, 12 * RATE).astype(np.float32),
        "silence": np.zeros(12 * RATE, np.float32),
    }
    found = {(p.a, p.b): p for p in fingerprints.match(prints(sounds))}
    names = list(sounds)
    truth = {
        (a, b)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if a.split(",")[0] == b.split(",")[0]
    }
    right = len(set(found) & truth)
    with capsys.disabled():
        print(f"\nprecision {right}/{len(found)}, recall {right}/{len(truth)}")
    assert set(found) == truth
    shifted = found["first", "first, after an intro"]
    assert shifted.offset_s == pytest.approx(3.3, abs=0.05)
    assert shifted.share > 0.9 and shifted.bit_error_rate < 0.1
    cut = found["first", "first, softer, cut at both ends"]
    assert cut.offset_s == pytest.approx(-16_123 / RATE, abs=0.05)


@pytest.fixture
def recode(tmp_path):
    """Write a file anew with ffmpeg's options, and return where."""
    import imageio_ffmpeg

    def call(source, name, *options):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", source]
        target = tmp_path / name
        subprocess.run([str(x) for x in (*command, *options, target)], check=True, timeout=60)
        return target

    return call


@pytest.mark.slow
def test_real_clips_are_found_transcoded_cut_shifted_and_cropped(shared_data, recode, capsys):
    names = ("dev00.wav", "dev01.wav", "jfk.wav", "dyad.mp4", "mexca_debate_5s.mp4")
    paths, truth = [], set()
    for k, name in enumerate((*names, "two_faces_one_speaks.mp4")):
        source = shared_data / ("audio" if name.endswith("wav") else "video") / name
        late = ("-af", "adelay=2500:all=1,volume=0.3")
        own = [
            source,
            recode(source, f"{k}a.mp3", "-vn", "-b:a", "24k", "-ar", "22050"),
            recode(source, f"{k}b.ogg", "-vn", "-ss", "1.0", "-c:a", "libvorbis", "-q:a", "0"),
            recode(source, f"{k}c.m4a", "-vn", *late, "-b:a", "48k"),
        ]
        if name.endswith("mp4"):
            crop = ("-vf", "crop=iw/2:ih/2", "-crf", "35", "-b:a", "32k")
            own.append(recode(source, f"{k}d.mp4", *crop))
        truth |= {(str(a), str(b)) for a, b in itertools.combinations(own, 2)}
        paths += own
    found = {(pair.a, pair.b) for pair in find_duplicates(paths)}
    right = len(found & truth)
    with capsys.disabled():
        print(f"\nprecision {right}/{len(found)}, recall {right}/{len(truth)}")
    assert right == len(found)
    # One clip lasts five seconds: cut by one and delayed in another, little is left in common.
    assert right >= 0.95 * len(truth)


def test_files_are_found_through_other_codecs_and_without_sound_by_their_bytes(
    call, recode, tmp_path, capsys
):
    one = make.write_media(tmp_path / "one.m4a", sound=call[6 * RATE : 18 * RATE])
    two = make.write_media(tmp_path / "two.m4a", sound=call[18 * RATE :])
    mute = make.write_media(tmp_path / "mute.mp4", frames=[make.grey(9 * i) for i in range(20)])
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(mute.read_bytes())
    paths = [
        *(one, two, mute, copy),
        recode(one, "low.mp3", "-b:a", "24k", "-ar", "22050"),
        recode(two, "later.ogg", "-ss", "2.1", "-c:a", "libvorbis", "-q:a", "0"),
    ]
    found = {(p.a, p.b) for p in find_duplicates(paths)}
    expected = {(0, 4), (1, 5), (2, 3)}
    with capsys.disabled():
        print(f"\n{len(found)} pairs found, {len(expected)} there")
    assert found == {(str(paths[i]), str(paths[j])) for i, j in expected}


def test_a_common_jingle_makes_no_duplicate(call):
    jingle, rest = call[6 * RATE : 11 * RATE], call[12 * RATE :]
    half = len(rest) // 2
    sounds = {
        "x": np.concatenate([jingle, rest[:half]]),
        "y": np.concatenate([jingle, rest[half:]]),
    }
    assert fingerprints.match(prints(sounds)) == []
    # The common five seconds are there all the same, for who asks for less.
    (pair,) = fingerprints.match(prints(sounds), min_share=0.2)
    assert pair.matched_s == pytest.approx(5, abs=1)


def test_nothing_and_too_little_match_nothing():
    assert fingerprints.match({}) == []
    assert fingerprints.match(prints({"a": np.zeros(100), "b": np.zeros(100)})) == []


# --- how well speech can be heard ----------------------------------------------------------------

SPOKEN = (8.0, 30.0)


@pytest.fixture(scope="module")
def speech(call):
    """Speech with two seconds of pause before it, at a level of about -20 dB."""
    sound = call[6 * RATE :].copy()
    sound[: 2 * RATE] *= 0.01
    sound *= 0.1 / np.sqrt(np.mean(sound[2 * RATE :] ** 2))
    return sound


def heard(sound) -> quality.AudioQuality:
    return quality.measure(audio(sound), [(2.0, 24.0)])


@pytest.mark.parametrize("snr", [0.0, 5.0, 10.0, 20.0])
def test_noise_added_at_a_known_level_is_measured(speech, snr):
    noise = np.random.default_rng(0).normal(0, 0.1 * 10 ** (-snr / 20), len(speech))
    assert heard(speech + noise).snr_db == pytest.approx(snr, abs=1.5)


def test_clipping_bandwidth_and_dropouts_are_measured(speech):
    from scipy.signal import butter, sosfiltfilt

    clean = heard(speech)
    assert clean.clipped_share == 0 and clean.dropout_share < 0.01
    assert clean.bandwidth_hz > 3000  # a telephone call
    assert clean.speech_dbfs == pytest.approx(-20, abs=1)
    clipped = np.clip(speech, -0.15, 0.15)
    share = float((np.abs(speech[2 * RATE :]) >= 0.15).mean())
    assert share > 0.02
    # Runs of three at least, so somewhat fewer than all samples past the limit.
    assert 0.5 * share < heard(clipped).clipped_share <= share + 0.001
    muffled = sosfiltfilt(butter(10, 1500, fs=RATE, output="sos"), speech)
    assert 1300 < heard(muffled).bandwidth_hz < 2200
    holes = speech.copy()
    for start in np.arange(2.0, 24.0, 1.0):
        holes[int(start * RATE) : int((start + 0.2) * RATE)] = 0
    # A fifth is missing; a frame that a hole covers in part counts as speech.
    assert 0.14 < heard(holes).dropout_share < 0.2


def test_every_sample_of_a_clipped_run_counts_and_shorter_runs_do_not():
    sound = np.full(512 * 20, 0.1)
    sound[::2] = -0.1
    for start in range(0, len(sound), 512):
        sound[start + 100 : start + 103] = 1.0  # three at the top, then two
        sound[start + 200 : start + 202] = 1.0
    found = quality.measure(audio(sound), [(0.0, 1.0)])
    assert found.clipped_share == pytest.approx(3 / 512)


def test_without_speech_nothing_is_measured(speech):
    assert np.isnan(quality.measure(audio(speech), []).snr_db)


# --- verdicts ------------------------------------------------------------------------------------


def judged(**rows: str) -> pd.DataFrame:
    """Return a table of verdicts from reasons by id."""
    own = [{"id": k, "reasons": [r for r in v.split(";") if r]} for k, v in rows.items()]
    return curation.curated_table(
        own, {"b": ("keep", "the hiss is the room's"), "d": ("exclude", "acted")}
    )


def test_the_waterfall_takes_each_video_once_and_a_person_has_the_last_word():
    table = judged(a="", b="noisy", c="too_short;noisy;clipped", d="", e="duplicate")
    assert table["verdict"].tolist() == ["keep", "keep", "exclude", "exclude", "exclude"]
    assert table["measured"].tolist() == ["keep", "exclude", "exclude", "keep", "exclude"]
    assert table.loc[1, "overruled_because"] == "the hiss is the room's"
    steps = curation.waterfall(table).set_index("step")
    assert steps.loc["candidates", "left"] == 5
    assert steps.loc["too_short", ["with_it", "taken", "left"]].tolist() == [1, 1, 4]
    assert steps.loc["duplicate", ["with_it", "taken", "left"]].tolist() == [1, 1, 3]
    assert steps.loc["noisy", ["with_it", "taken", "left"]].tolist() == [2, 1, 2]
    assert steps.loc["clipped", ["with_it", "taken", "left"]].tolist() == [1, 0, 2]
    assert steps.loc["kept_by_person", "left"] == 3
    assert steps.loc["kept", ["with_it", "left"]].tolist() == [2, 2]
    both = curation.overlap(table)
    assert both.loc["noisy", "noisy"] == 2 and both.loc["noisy", "clipped"] == 1
    assert "duplicate" in both.index and both.loc["duplicate", "noisy"] == 0


def test_limits_can_be_changed_and_misspelt_ones_are_refused():
    changed = limits_of(["min_snr_db=3", "language=de"])
    assert (changed.min_snr_db, changed.language) == (3.0, "de")
    with pytest.raises(emodiss.EmodissError, match="no limit 'min_snr'"):
        limits_of(["min_snr=3"])
    for value in ("low", "nan", ""):
        with pytest.raises(emodiss.EmodissError, match="limit min_snr_db cannot be"):
            limits_of([f"min_snr_db={value}"])


def test_a_decision_needs_a_reason(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("id,verdict,why\na,keep,the intro is loud\n")
    assert curation.read_overrules(path) == {"a": ("keep", "the intro is loud")}
    for text, message in (
        ("id,verdict,why\na,maybe,so\n", "neither keep nor exclude"),
        ("id,verdict,why\na,keep,\n", "needs a reason"),
        ("id,verdict\na,keep\n", "columns id, verdict and why"),
    ):
        path.write_text(text)
        with pytest.raises(emodiss.EmodissError, match=message):
            curation.read_overrules(path)


def test_a_run_is_judged_from_what_it_measured(finished_run):
    # Three seconds each: too short to be used, and too short for one to be called a copy.
    run = emodiss.load(finished_run)
    table = curation.curate(run, ids=["a", "b", "lost"]).set_index("id")
    assert table.loc["lost", ["verdict", "reasons"]].tolist() == ["exclude", "unreadable"]
    assert {"too_short", "little_speech"} <= set(table.loc["a", "reasons"].split(";"))
    assert table.loc["a", "n_talkers"] == 2
    assert np.isnan(table.loc["a", "function_words"])  # too few words to tell
    lenient = Curation(min_duration_s=1, min_speech_s=1, min_snr_db=-99, min_bandwidth_hz=0)
    table = curation.curate(run, limits=lenient).set_index("id")
    assert "too_short" not in table.loc["a", "reasons"]


def test_two_stretches_of_one_file_are_no_copies_and_the_same_stretch_is():
    silence = audio(np.zeros(4 * RATE))
    stretches = {"a": (0.0, 4.0), "b": (4.0, 8.0), "again": (4.0, 8.0)}
    found = fingerprints.match(
        {
            name: curation.print_of(silence, make.media(sha256="0" * 64, start=start, end=end))
            for name, (start, end) in stretches.items()
        }
    )
    assert [(pair.a, pair.b, pair.by) for pair in found] == [("b", "again", "bytes")]
