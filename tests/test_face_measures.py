"""Faces per utterance: a frame is measured once, counted at each of its ticks, clamped aloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from emodiss import utterances
from emodiss.affect import EXPRESSIONS, FaceAffect
from emodiss.media import Audio, probe
from emodiss.people import People, Person
from emodiss.people.roles import Roles, VoiceRole
from emodiss.settings import FaceAffectSettings, Settings
from emodiss.transcript import Transcript, Utterance, Wording
from emodiss.utterances import measure_faces
from emodiss.utterances.measures import sampled
from emodiss.vocabulary import BindingSource
from tests import fakes, make


class _Rising:
    """Raw valence is 0.5 at the first crop and 0.1 more at each that follows; arousal is -1.2."""

    scale = "signed"
    crop_margin = 0.0
    crop_square = False

    def __init__(self) -> None:
        self.n_seen = 0

    def predict(self, crops) -> FaceAffect:
        n = len(crops)
        valence = (0.5 + 0.1 * np.arange(self.n_seen, self.n_seen + n)).astype(np.float32)
        arousal = np.full(n, -1.2, np.float32)
        self.n_seen += n
        one = np.zeros((n, len(EXPRESSIONS)), np.float32)
        return FaceAffect(valence, arousal, one, self.scale)


def test_values_past_the_scale_are_clamped_and_counted_once_per_face(tmp_path: Path) -> None:
    # Ten frames at 10 per second: each is on display at three ticks of the clock.
    path = tmp_path / "slow.mp4"
    make.write_media(path, frames=[make.grey(100 + i) for i in range(10)], fps=10)
    media = probe(source=path, row=make.VIDEO, settings=Settings().media)
    model = _Rising()
    found = measure_faces(
        source=path,
        media=media,
        transcript=Transcript((Utterance(0.0, 1.0, "Ada", "x"),), "given"),
        tracks=make.tracks(make.track(1, np.arange(30), (10, 10, 50, 50))),
        people=People((Person("Ada", (1,), np.nan, "measured"),), ()),
        model=model,
        settings=Settings().face_affect,
    )
    assert model.n_seen == 10 and list(found.tick) == list(range(30))
    expected = np.repeat(0.5 + 0.1 * np.arange(10), 3)
    np.testing.assert_allclose(found.valence_raw, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.valence, expected.clip(max=1), rtol=0, atol=1e-6)
    assert set(found.arousal) == {-1.0}
    # Valence passes 1 at four of the ten faces (1.1 to 1.4), arousal -1 at all ten.
    assert found.n_clamped == 4 + 10
    assert found.notes == ("clamped",)


class _Blind(_Rising):
    """Measures nothing in the first three crops."""

    def predict(self, crops) -> FaceAffect:
        found = super().predict(crops)
        valence = np.where(np.arange(len(crops)) < 3, np.nan, found.valence_raw)
        return FaceAffect(
            valence.astype(np.float32), found.arousal_raw, found.probabilities, "signed"
        )


def test_crops_in_which_nothing_could_be_measured_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make.write_media(path, frames=[make.grey(100 + i) for i in range(8)], fps=10)
    media = probe(source=path, row=make.VIDEO, settings=Settings().media)
    found = measure_faces(
        source=path, media=media, model=_Blind(), settings=Settings().face_affect,
        transcript=Transcript((Utterance(0.0, 1.0, "Ada", "x"),), "given"),
        tracks=make.tracks(make.track(1, np.arange(24), (10, 10, 50, 50))),
        people=People((Person("Ada", (1,), np.nan, "measured"),), ()),
    )  # fmt: skip
    assert found.tick.tolist() == list(range(9, 24))
    expected = np.repeat([0.8, 0.9, 1.0, 1.1, 1.2], 3)
    np.testing.assert_allclose(found.valence_raw, expected, rtol=1e-6)


def test_an_utterance_that_may_be_anothers_gets_no_measured_face(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make.write_media(path, frames=[make.grey(100)] * 30, fps=30)
    media = probe(source=path, row=make.VIDEO, settings=Settings().media)

    def status(source: BindingSource, *flags: str, contradicted: tuple[int, ...] = ()) -> str:
        transcript = Wording(
            (Utterance(0.0, 1.0, "Ada", "x", flags=flags),), "recognised", ids=("a",)
        )
        ada = Person("Ada", (1,), np.nan, source)
        people = People((ada,), (), contradicted=contradicted)
        tracks = make.tracks(make.track(1, np.arange(30), (10, 10, 50, 50)))
        found = measure_faces(
            source=path, media=media, transcript=transcript, tracks=tracks, people=people,
            model=_Rising(), settings=Settings().face_affect,
        )  # fmt: skip
        heard = utterances.measure_speech(
            audio=Audio(np.zeros(0, np.int16), 16_000, 0.0), transcript=transcript,
            model=fakes.Speech(), settings=Settings().speech_affect,
        )  # fmt: skip
        row = utterances.tabulate(
            wording=transcript, roles=Roles((VoiceRole("Ada", None, None, np.nan),)), people=people,
            speech_affect=heard, face_affect=found, listener_affect=None, row=make.VIDEO,
            settings=Settings().dissonance, min_frames=1,
        ).iloc[0]  # fmt: skip
        assert ("voice_doubtful" in row["flags"]) == (
            0 in contradicted or "voice_doubtful" in flags
        )
        assert row["face_status"] == found.status[0]
        assert pd.isna(row["track_id"]) == (found.status[0] != "ok")
        return found.status[0]

    assert status("measured") == "ok"
    assert status("measured", "voice_doubtful") == "unbound"
    assert status("measured", contradicted=(0,)) == "unbound"
    assert status("measured", contradicted=(1,)) == "ok"
    # What a person says stands: whose face it is, and whose voice.
    assert status("manifest", "voice_doubtful") == "ok"
    assert status("measured", "reviewed_speaker", "voice_doubtful") == "ok"


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=400, unique=True),
    st.integers(1, 12),
    st.integers(5, 30),
    st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    st.randoms(use_true_random=False),
)
def test_looks_at_an_utterance_are_few_and_even(ticks, stride, looks, apart_s, chance) -> None:
    ticks = np.sort(np.array(ticks))
    rule = FaceAffectSettings(stride=stride, looks_per_utterance=looks, looks_apart_s=apart_s)
    apart = round(30 * apart_s)
    strided = ticks % stride == 0
    chosen = sampled(ticks, rule)
    # Never more than at the stride, and beyond `looks` only as often as `apart_s` asks for.
    n = int(chosen.sum())
    assert n == min(int(strided.sum()), max(looks, int(np.ceil(len(ticks) / apart))))
    if n:
        steps = np.diff(np.flatnonzero(chosen), prepend=-1, append=len(ticks))
        inner, ends = steps[1:-1], (steps[0] - 0.5, steps[-1] - 0.5)
        assert inner.max(initial=0) - inner.min(initial=len(ticks)) <= 1
        assert abs(ends[0] - ends[1]) <= 1.5
        assert n == strided.sum() or inner.max(initial=0) <= apart
    order = np.array(chance.sample(range(len(ticks)), len(ticks)))
    assert set(ticks[order][sampled(ticks[order], rule)]) == set(ticks[chosen])
    np.testing.assert_array_equal(sampled(ticks, FaceAffectSettings(stride=stride)), strided)


class _Grey:
    """Valence is how bright the crop is, 0 to 1."""

    scale = "signed"
    crop_margin = 0.0
    crop_square = False

    def predict(self, crops) -> FaceAffect:
        bright = np.array([crop.mean() / 255 for crop in crops], np.float32)
        return FaceAffect(bright, bright, np.ones((len(crops), 8), np.float32), self.scale)


def _brightening(tmp_path: Path, rule: FaceAffectSettings) -> dict[str, Any]:
    """Ada speaks for five seconds, Bo for one; each picture is brighter than the one before."""
    path = tmp_path / "bright.mp4"
    make.write_media(path, frames=[make.grey(20 + k) for k in range(180)], fps=30)
    said = (Utterance(0.0, 5.0, "Ada", "x"), Utterance(5.0, 6.0, "Bo", "y"))
    return {
        "source": path,
        "media": probe(source=path, row=make.VIDEO, settings=Settings().media),
        "transcript": Transcript(said, "given"),
        "tracks": make.tracks(
            # Ada is cut to another shot in the middle of what she says.
            make.track(1, np.arange(40), (10, 10, 50, 50)),
            make.track(2, np.arange(180), (20, 10, 60, 50)),
            make.track(3, np.arange(40, 150), (10, 10, 50, 50)),
        ),
        "people": People(
            (Person("Ada", (1, 3), np.nan, "measured"), Person("Bo", (2,), np.nan, "measured")), ()
        ),
        "settings": rule,
    }


def test_few_looks_have_the_mean_of_all_where_a_face_changes_steadily(tmp_path: Path) -> None:
    rule = FaceAffectSettings(stride=6, looks_per_utterance=8)
    found = measure_faces(**_brightening(tmp_path, rule), model=_Grey())
    # 150 ticks take 10 looks, 15 apart, from the middle of the first 15; 30 take 5, 6 apart.
    assert found.tick.tolist() == [*range(7, 150, 15), *range(153, 180, 6)]
    assert found.status == ("ok", "ok") and set(found.track_id[:4]) == {1, 3}
    ada, bo = (found.valence[found.utterance == k].mean() * 255 for k in (0, 1))
    # Pictures 0 to 149 are 20 to 169, in the mean 94.5; those of Bo 170 to 199.
    assert ada == pytest.approx(94.5, abs=1.5) and bo == pytest.approx(184.5, abs=1.5)


@pytest.mark.parametrize("ticks", [20, 38, 75, 149, 171])
def test_looks_do_not_depend_on_where_a_video_is_cut_into_pieces(
    tmp_path, monkeypatch, ticks
) -> None:
    given = _brightening(tmp_path, FaceAffectSettings(stride=6, looks_per_utterance=8))
    whole = measure_faces(**given, model=_Grey())
    assert len(given["media"].pieces()) == 1
    monkeypatch.setattr("emodiss.media.records.PIECE_TICKS", ticks)
    assert len(given["media"].pieces()) > 1
    joined = measure_faces(**given, model=_Grey())
    for name in ("tick", "track_id", "utterance", "valence", "box"):
        assert getattr(whole, name).tobytes() == getattr(joined, name).tobytes(), name


def test_each_look_stands_in_the_summary_for_the_time_to_the_next() -> None:
    ticks = np.array([*range(7, 150, 15), *range(153, 180, 6)])
    ada = ticks < 150
    frames = utterances.conform(
        pd.DataFrame(
            {
                "video_id": "v", "utterance_id": np.where(ada, "u1", "u2"), "track_id": 1,
                "tick": ticks, "valence": np.where(ada, 0.1, 0.7) + 0.01 * (ticks % 2),
                "valence_raw": np.where(ada, 0.1, 0.7), "part": "speaker", "person": "Ada",
            }
        ),
        utterances.FRAME_SCHEMA,
    )  # fmt: skip
    few = FaceAffectSettings(stride=6, looks_per_utterance=8)
    row = utterances.face_summary(frames, few).iloc[0]
    # Ten looks for half a second each, five for a fifth.
    assert row["seconds"] == pytest.approx(6.0) and row["n_face_frames"] == 15
    assert row["valence_raw"] == pytest.approx((5 * 0.1 + 1 * 0.7) / 6)
