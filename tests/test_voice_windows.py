"""The voice over time: windows cover an utterance, and its own value stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import emodiss
from emodiss import utterances
from emodiss.errors import SettingsError
from emodiss.media import Audio
from emodiss.settings import Settings, resolve
from emodiss.transcript import Transcript, Utterance, with_overlap
from emodiss.utterances import measure_speech, measure_windows, windows_of
from tests import fakes, make

RULE = Settings().speech_affect


@given(
    start=st.floats(0, 1e4),
    length=st.floats(0.1, 300),
    window=st.floats(1, 20),
    share=st.floats(0.1, 1),
)
def test_windows_of_one_length_cover_the_stretch_and_nothing_else(start, length, window, share):
    hop = share * window
    found = np.array(windows_of(start, start + length, window_s=window, hop_s=hop))
    assert found[0, 0] == start and found[-1, 1] == pytest.approx(start + length, abs=1e-6)
    if length <= window:
        assert len(found) == 1
        return
    np.testing.assert_allclose(found[:, 1] - found[:, 0], window, atol=1e-5)
    assert (np.diff(found[:, 0]) <= hop + 1e-6).all() and (np.diff(found[:, 0]) > 0).all()
    assert found[-1, 1] <= start + length


def test_window_times_by_hand():
    assert windows_of(2.0, 5.0, window_s=3.0, hop_s=1.5) == [(2.0, 5.0)]
    assert windows_of(0.0, 6.0, window_s=3.0, hop_s=1.5) == [(0.0, 3.0), (1.5, 4.5), (3.0, 6.0)]
    # 4 s are 1 s more than a window: two of them, 1 s apart.
    assert windows_of(1.0, 5.0, window_s=3.0, hop_s=1.5) == [(1.0, 4.0), (2.0, 5.0)]


def spoken(*rows: tuple[float, float, str]) -> Transcript:
    return Transcript(tuple(with_overlap([Utterance(*row, "x") for row in rows])), "given")


def measured(audio: Audio, transcript: Transcript):
    whole = measure_speech(audio=audio, transcript=transcript, model=fakes.Speech(), settings=RULE)
    found = measure_windows(
        audio=audio, transcript=transcript, speech_affect=whole, model=fakes.Speech(), settings=RULE
    )
    return whole, found


def test_the_curve_follows_the_voice_and_a_short_utterance_is_its_own_window():
    # Loudness of a sine is level / sqrt(2): 3 s soft, 3 s loud, then 2 s soft, then 0.5 s.
    sounds = [make.tone(3.0, level=0.1), make.tone(3.0, level=0.5), make.tone(3.0, level=0.1)]
    audio = Audio((np.concatenate(sounds) * 32767).astype(np.int16), 16_000, 0.0)
    whole, found = measured(audio, spoken((0, 6, "Ada"), (6, 8, "Bo"), (8, 8.5, "Ada")))
    assert found.utterance.tolist() == [0, 0, 0, 1, 2]
    assert found.start.tolist() == [0, 1.5, 3, 6, 8] and found.end.tolist() == [3, 4.5, 6, 8, 8.5]
    soft, loud = 0.1 / 2**0.5, 0.5 / 2**0.5
    half = ((soft**2 + loud**2) / 2) ** 0.5
    expected = [soft, half, loud, soft]
    assert found.measures.arousal_raw[:4] == pytest.approx(expected, abs=0.002)
    assert found.measures.arousal[:4] == pytest.approx(2 * np.array(expected) - 1, abs=0.004)
    assert found.measures.status == ("ok",) * 4 + ("too_short",)
    # One window is the utterance: the very same number, not one measured anew.
    assert found.measures.arousal[3] == whole.arousal[1]


def test_a_window_that_others_talk_over_says_so():
    audio = Audio((make.tone(9.0) * 32767).astype(np.int16), 16_000, 0.0)
    whole, found = measured(audio, spoken((0, 9, "Ada"), (0, 2.5, "Bo")))
    # Bo covers 2.5 s of the first 3 s, 1 of the next window, and 2.5 of Ada's 9 s.
    mine = found.utterance == 0
    assert np.array(found.measures.status)[mine].tolist() == ["overlap", *["ok"] * 4]
    assert whole.status[0] == "ok"
    assert np.isnan(found.measures.valence[0]) and np.isnan(found.measures.valence_raw[0])


def test_windows_come_into_a_table_and_change_no_utterance(tmp_path, stand_ins):
    make.write_media(
        tmp_path / "a.mp4", frames=[make.grey(100)] * 30, fps=5, sound=make.tone(6.0, level=0.2)
    )
    make.write_stm(tmp_path / "a.stm", [("Ada", 0.0, 4.5, "long"), ("Bo", 4.5, 6.0, "short")])
    (tmp_path / "manifest.csv").write_text("id,path\na,a.mp4\n")

    def run(**changes):
        return emodiss.annotate(
            tmp_path / "manifest.csv", out=tmp_path / "run", preset="lite", workers=0,
            settings={**stand_ins, **changes},
        )  # fmt: skip

    found = run()
    windows = found.voice_windows
    utterances.validate(windows, utterances.WINDOW_SCHEMA)
    assert windows["utterance_id"].tolist() == ["u0001", "u0001", "u0002"]
    assert windows["speaker"].tolist() == ["Ada", "Ada", "Bo"]
    assert windows["start"].tolist() == [0.0, 1.5, 4.5] and set(windows["status"]) == {"ok"}
    assert found.session_windows("a").equals(windows)
    before = found.utterances.to_csv()
    fakes.LOADED.clear()
    finer = run(**{"speech_affect.hop_s": 0.5})
    assert len(finer.voice_windows) == 5 and finer.utterances.to_csv() == before
    without = run(**{"speech_affect.window_s": None})
    assert len(without.voice_windows) == 0 and without.utterances.to_csv() == before
    outcome = without.outcomes["a", "voice_windows"]
    assert outcome.status == "skipped" and outcome.notes == ("speech_affect.window_s is none",)
    assert finer.outcomes["a", "speech_affect"].status == "cached"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["speech_affect.window_s=0.5"], "shorter than min_duration_s"),
        (["speech_affect.hop_s=4"], "longer than window_s"),
        (["speech_affect.window_s=-1"], "greater than 0"),
    ],
)
def test_windows_that_measure_nothing_or_leave_gaps_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        resolve({}, changes)
