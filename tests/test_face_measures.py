"""Faces per utterance: a frame is measured once, counted at each of its ticks, clamped aloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emodiss.affect import EXPRESSIONS, FaceAffect
from emodiss.media import probe
from emodiss.people import People, Person
from emodiss.settings import Settings
from emodiss.transcript import Transcript, Utterance
from emodiss.utterances import measure_faces
from emodiss.vocabulary import BindingSource
from tests import make


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


def test_an_utterance_that_may_be_anothers_gets_no_measured_face(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make.write_media(path, frames=[make.grey(100)] * 30, fps=30)
    media = probe(source=path, row=make.VIDEO, settings=Settings().media)

    def status(source: BindingSource, *flags: str) -> str:
        said = Utterance(0.0, 1.0, "Ada", "x", flags=flags)
        people = People((Person("Ada", (1,), np.nan, source),), ())
        tracks = make.tracks(make.track(1, np.arange(30), (10, 10, 50, 50)))
        return measure_faces(
            source=path, media=media, transcript=Transcript((said,), "recognised"), tracks=tracks,
            people=people, model=_Rising(), settings=Settings().face_affect,
        ).status[0]  # fmt: skip

    assert status("measured") == "ok"
    assert status("measured", "voice_doubtful") == "unbound"
    # What a person says stands: whose face it is, and whose voice.
    assert status("manifest", "voice_doubtful") == "ok"
    assert status("measured", "reviewed_speaker", "voice_doubtful") == "ok"
