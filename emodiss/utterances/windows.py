"""The voice over time: windows of a few seconds inside long utterances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import SpeechAffectModel
from emodiss.media import Audio
from emodiss.settings import SpeechAffectSettings
from emodiss.timebase import Seconds
from emodiss.transcript import Transcript, Turn, Utterance, with_overlap
from emodiss.utterances.measures import SpeechMeasures, measure_speech


@dataclass(frozen=True, slots=True, eq=False)
class VoiceWindows:
    """Affect of the voice, window by window.

    Parameters
    ----------
    utterance
        (n,) int64, index of the utterance of the transcript.
    start, end
        (n,) float64 seconds from media start.
    measures
        One entry per window.
    """

    utterance: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    measures: SpeechMeasures

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return self.measures.notes


def windows_of(
    start: Seconds, end: Seconds, *, window_s: Seconds, hop_s: Seconds
) -> list[tuple[Seconds, Seconds]]:
    """Cut a stretch into windows of one length that cover all of it.

    Parameters
    ----------
    start, end
        Of the stretch.
    window_s
        Length of a window; a stretch that is no longer is one window, as it is.
    hop_s
        Largest distance from one window's start to the next.

    Returns
    -------
    list of (start, end)
        Evenly spaced; the first begins with the stretch and the last ends with it.
    """
    # A stretch that is longer by less than a sample's rounding is no longer.
    spare = end - start - window_s
    if spare <= 1e-6:
        return [(start, end)]
    n = math.ceil(spare / hop_s - 1e-9) + 1
    starts = start + np.linspace(0.0, spare, n)
    return [(float(s), min(float(s) + window_s, end)) for s in starts]


def measure_windows(
    *,
    audio: Audio,
    transcript: Transcript,
    speech_affect: SpeechMeasures,
    model: SpeechAffectModel,
    settings: SpeechAffectSettings,
) -> VoiceWindows:
    """Measure the voice in windows inside each utterance.

    Parameters
    ----------
    audio
        16 kHz mono.
    speech_affect
        What was measured of each as a whole; it stands for an utterance that is one window.
    settings
        Group `speech_affect`; `window_s` is not None.

    Returns
    -------
    VoiceWindows
        In order of utterances, then time; at least one window per utterance.
    """
    assert settings.window_s is not None, "the stage is off without windows"
    cut = [
        windows_of(u.start, u.end, window_s=settings.window_s, hop_s=settings.hop_s)
        for u in transcript.utterances
    ]
    several = [
        (i, Utterance(start, end, transcript.utterances[i].speaker, ""))
        for i, spans in enumerate(cut)
        if len(spans) > 1
        for start, end in spans
    ]
    turns = [Turn(u.start, u.end, u.speaker) for u in transcript.utterances]
    turns += transcript.beside
    alone = with_overlap([u for _, u in several], turns=turns)
    inside = measure_speech(
        audio=audio,
        transcript=Transcript(tuple(alone), transcript.source),
        model=model,
        settings=settings,
    )
    rows: list[tuple[int, Seconds, Seconds, SpeechMeasures, int]] = [
        (i, *cut[i][0], speech_affect, i) for i in range(len(cut)) if len(cut[i]) == 1
    ]
    rows += [(i, u.start, u.end, inside, k) for k, (i, u) in enumerate(several)]
    rows.sort(key=lambda row: row[:2])
    names = [f"{n}{raw}" for n in ("valence", "arousal", "dominance") for raw in ("", "_raw")]
    values = {
        name: np.array([getattr(m, name)[k] for *_, m, k in rows], np.float64) for name in names
    }
    measures = SpeechMeasures(
        status=tuple(m.status[k] for *_, m, k in rows),
        **values,
        n_clamped=inside.n_clamped,
        scale=model.scale,
    )
    return VoiceWindows(
        utterance=np.array([row[0] for row in rows], np.int64),
        start=np.array([row[1] for row in rows], np.float64),
        end=np.array([row[2] for row in rows], np.float64),
        measures=measures,
    )
