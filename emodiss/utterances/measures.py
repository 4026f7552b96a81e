"""Measure the voice of each utterance, and the face of its speaker while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emodiss import affect
from emodiss.affect import FaceAffectModel, Scale, SpeechAffectModel
from emodiss.faces import FaceTrack, Tracks
from emodiss.media import Audio, Media, Piece, in_pieces
from emodiss.people import People, Person
from emodiss.settings import FaceAffectSettings, SpeechAffectSettings
from emodiss.timebase import CLOCK_FPS
from emodiss.transcript import Transcript, Utterance
from emodiss.utterances.looks import (
    BATCH,
    PARTS,
    CropAffect,
    FaceFrames,
    Looks,
    in_view,
    measure,
    spread,
)


@dataclass(frozen=True, slots=True, eq=False)
class SpeechMeasures:
    """Affect of the voice, one entry per utterance of the transcript.

    Parameters
    ----------
    status
        One of `SPEECH_STATUSES` each.
    valence, arousal, dominance
        (n,) float64, house scale; NaN unless `ok`.
    valence_raw, arousal_raw, dominance_raw
        (n,) float64, native scale; NaN unless `ok`.
    n_clamped
        Values that lay past the ends of the scale.
    scale
        Native scale of the model.
    start, end
        (n,) float64 seconds, of what was measured.
    """

    status: tuple[str, ...]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    dominance: NDArray[np.float64]
    valence_raw: NDArray[np.float64]
    arousal_raw: NDArray[np.float64]
    dominance_raw: NDArray[np.float64]
    n_clamped: int
    scale: Scale
    start: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    end: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("clamped",) if self.n_clamped else ()


@dataclass(frozen=True, slots=True, eq=False)
class FaceMeasures(FaceFrames):
    """Affect of the speaker's face: one entry per measured tick, and one status per utterance.

    Parameters
    ----------
    status
        One of `FACE_STATUSES` per utterance.
    coverage
        (n,) float64, share of each utterance with the speaker's face in view.
    """

    status: tuple[str, ...]
    coverage: NDArray[np.float64]


def measure_speech(
    *,
    audio: Audio,
    transcript: Transcript,
    model: SpeechAffectModel,
    settings: SpeechAffectSettings,
    earlier: SpeechMeasures | None = None,
) -> SpeechMeasures:
    """Measure the voice of each utterance, in the order of the transcript.

    Parameters
    ----------
    audio
        16 kHz mono.
    earlier
        Measured of the same sound by the same model; taken over where start and end are the same.
    """
    names = ("valence", "arousal", "dominance")
    values = {n: np.full(len(transcript.utterances), np.nan) for n in names}
    raw = {n: np.full(len(transcript.utterances), np.nan) for n in names}
    status: list[str] = []
    n_clamped = 0
    shortest = max(settings.min_duration_s, model.min_duration_s)
    for utterance in transcript.utterances:
        signal = audio.cut(utterance.start, utterance.end)
        status.append(_speech_reason(signal, utterance, audio, shortest, settings))
    spans = [(u.start, u.end) for u in transcript.utterances]
    ready = [i for i, reason in enumerate(status) if reason == "ok"]
    known = _measured_before(earlier)
    for i in ready:
        if (k := known.get(spans[i])) is not None:
            assert earlier is not None
            for name in names:
                raw[name][i] = getattr(earlier, f"{name}_raw")[k]
    left = [i for i in ready if spans[i] not in known]
    for first in range(0, len(left), BATCH):
        some = left[first : first + BATCH]
        spoken = [transcript.utterances[i] for i in some]
        signals = [audio.cut(utterance.start, utterance.end) for utterance in spoken]
        for i, measured in zip(some, model.predict_many(signals, audio.sample_rate), strict=True):
            if not np.isfinite([measured.valence_raw, measured.arousal_raw]).all():
                status[i] = "silent"
                continue
            for name in names:
                raw[name][i] = getattr(measured, f"{name}_raw")
    for i in (i for i in ready if status[i] == "ok"):
        for name in names:
            mapped = affect.to_house_scale(raw[name][i], model.scale)
            values[name][i] = float(mapped.values)
            n_clamped += mapped.n_clamped
    return SpeechMeasures(
        tuple(status),
        **values,
        **{f"{n}_raw": raw[n] for n in names},
        n_clamped=n_clamped,
        scale=model.scale,
        start=np.array([start for start, _ in spans], np.float64),
        end=np.array([end for _, end in spans], np.float64),
    )


def _measured_before(earlier: SpeechMeasures | None) -> dict[tuple[float, float], int]:
    """Where each stretch that has values stands in an earlier result."""
    if earlier is None:
        return {}
    spans = zip(earlier.start.tolist(), earlier.end.tolist(), strict=True)
    return {span: k for k, span in enumerate(spans) if earlier.status[k] == "ok"}


def _speech_reason(
    signal: NDArray[np.float32],
    utterance: Utterance,
    audio: Audio,
    shortest: float,
    settings: SpeechAffectSettings,
) -> str:
    if not len(audio.signal):
        return "no_audio"
    if len(signal) < round(shortest * audio.sample_rate):
        return "too_short"
    if utterance.overlap_s > settings.max_overlap * (utterance.end - utterance.start):
        return "overlap"
    level = 10 * np.log10(float(np.square(signal, dtype=np.float64).mean()) + 1e-12)
    return "silent" if level < settings.silence_dbfs else "ok"


def measure_faces(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: FaceAffectModel,
    settings: FaceAffectSettings,
    earlier: FaceMeasures | None = None,
) -> FaceMeasures:
    """Measure the speaker's face while the speaker talks.

    Parameters
    ----------
    earlier
        Measured on the same tracks by the same model; faces that are in it are not looked at again.

    Returns
    -------
    FaceMeasures
        A source frame on display at several ticks is computed once and counted at each.
    """
    return in_pieces(
        partial(measure_faces_piece, earlier=earlier),
        join_faces,
        source=source,
        media=media,
        model=model,
        transcript=transcript,
        tracks=tracks,
        people=people,
        settings=settings,
    )


def measure_faces_piece(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: FaceAffectModel,
    settings: FaceAffectSettings,
    piece: Piece,
    earlier: FaceMeasures | None = None,
) -> CropAffect:
    """Measure the speakers' faces in a piece of a video."""
    looks, _, _ = _wanted(media, transcript, tracks, people, settings, piece)
    return measure(source, media, looks, model, piece, earlier)


def join_faces(
    *,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    settings: FaceAffectSettings,
    parts: Sequence[CropAffect],
) -> FaceMeasures:
    """Put the pieces of a video together."""
    looks, views, coverage = _wanted(media, transcript, tracks, people, settings)
    columns, _ = spread(media, looks, parts)
    status = tuple(
        face_reason(media, person, tracks, within, seen, settings) for person, within, seen in views
    )
    return FaceMeasures(**columns, status=status, coverage=coverage)


_NO_TICKS: Final = np.zeros(0, np.int64)

_View = tuple[Person, NDArray[np.int64], tuple[int, int, int]]
"""A speaker, the ticks of an utterance, and of these how many show the face: `face_reason`."""


def _wanted(
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    settings: FaceAffectSettings,
    piece: Piece | None = None,
) -> tuple[Looks, list[_View], NDArray[np.float64]]:
    """Which faces to measure; what is seen of each utterance's speaker, and its coverage.

    For a piece only of the utterances that reach into it.
    """
    views: list[_View] = []
    coverage = np.full(len(transcript.utterances), np.nan)
    looks: list[Looks] = []
    clock = media.clock()
    all_ticks = media.ticks()
    times = clock.time_of(all_ticks)
    by_id = {track.id: track for track in tracks.tracks}
    for i, utterance in enumerate(transcript.utterances):
        within = all_ticks[slice(*np.searchsorted(times, [utterance.start, utterance.end]))]
        if piece and not (len(within) and within[0] < piece[1] and within[-1] >= piece[0]):
            continue
        person = people.of(utterance.speaker, doubtful=people.doubts(i, utterance))
        shown = {t: in_view(by_id[t], within) for t in person.track_ids}
        n_seen = sum(len(p) for p in shown.values())
        if len(within):
            coverage[i] = min(1.0, n_seen / len(within))
        large = [_large(by_id[t], positions, settings.min_size) for t, positions in shown.items()]
        ticks = [by_id[t].ticks[rows] for t, rows in zip(shown, large, strict=True)]
        wanted = sampled(np.concatenate([*ticks, _NO_TICKS]), settings)
        found = 0
        edges = np.cumsum([len(rows) for rows in large])
        for track_id, rows, own in zip(shown, large, np.split(wanted, edges), strict=False):
            track, chosen = by_id[track_id], rows[own]
            # A frame that is shown for several ticks is one observation.
            found += len(np.unique(clock.frame_at(track.ticks[chosen])))
            looks.append(Looks.of(clock, track, chosen, i, PARTS.index("speaker")))
        views.append((person, within, (n_seen, len(wanted), found)))
    return Looks.joined(looks), views, coverage


def sampled(ticks: NDArray[np.int64], settings: FaceAffectSettings) -> NDArray[np.bool_]:
    """Which ticks of an utterance that show its speaker's face are looked at; (n,), in any order.

    That depends on the whole utterance alone, so pieces of a video agree on it.
    """
    strided = ticks % settings.stride == 0
    if settings.looks_per_utterance is None or not strided.any():
        return strided
    apart = max(1, int(settings.looks_apart_s * CLOCK_FPS + 1e-9))
    n = max(settings.looks_per_utterance, -(-len(ticks) // apart))
    n = min(n, np.count_nonzero(strided))
    # The middles of n equal parts: where a face changes steadily, their mean is that of all.
    middles = (2 * np.arange(n) + 1) * len(ticks) // (2 * n)
    chosen = np.zeros(len(ticks), np.bool_)
    chosen[np.argsort(ticks, kind="stable")[middles]] = True
    return chosen


def _large(track: FaceTrack, positions: NDArray[np.int64], smallest: float) -> NDArray[np.int64]:
    """Positions in a track's arrays whose face is large enough."""
    boxes = track.boxes[positions]
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    return positions[sides >= smallest]


def face_reason(
    media: Media,
    person: Person,
    tracks: Tracks,
    within: NDArray[np.int64],
    seen: tuple[int, int, int],
    settings: FaceAffectSettings,
) -> str:
    """Name why a face is missing; `seen` counts ticks in view, large enough, distinct frames."""
    n_seen, n_large, n_measured = seen
    if not media.has_video:
        return "no_video"
    if not person.track_ids:
        if person.binding_source is not None:
            return "off_screen"  # a person said that this face is not shown
        somebody = any(len(in_view(track, within)) for track in tracks.tracks)
        return "unbound" if somebody else "off_screen"
    if n_seen == 0:
        return "off_screen"
    if n_large == 0:
        return "too_small"
    return "ok" if n_measured >= settings.min_frames else "too_few_frames"
