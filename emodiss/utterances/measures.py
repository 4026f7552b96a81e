"""Measure the voice of each utterance, and the face of its speaker while it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss import affect, faces
from emodiss.affect import EXPRESSIONS, Scale
from emodiss.media import Audio, Media, iterate_frames
from emodiss.people import People
from emodiss.speech import Transcript
from emodiss.video import Tracks

# Crops or utterances that wait for a model; bounds memory, changes no result.
_BATCH = 64


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

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("clamped",) if self.n_clamped else ()


@dataclass(frozen=True, slots=True, eq=False)
class FaceMeasures:
    """Affect of the speaker's face: one entry per measured tick, and one status per utterance.

    Parameters
    ----------
    status
        One of `FACE_STATUSES` per utterance.
    coverage
        (n,) float64, share of each utterance with the speaker's face in view.
    utterance, track_id, tick
        (m,) int64: which utterance, which track, which tick of the clock.
    time
        (m,) float64 seconds.
    box
        (m, 4) float32 pixels.
    valence, arousal, valence_raw, arousal_raw
        (m,) float32.
    probabilities
        (m, 8) float32.
    n_clamped
        Measured values, two per face, that lay past the ends of the scale.
    scale
        Native scale of the model.
    """

    status: tuple[str, ...]
    coverage: NDArray[np.float64]
    utterance: NDArray[np.int64]
    track_id: NDArray[np.int64]
    tick: NDArray[np.int64]
    time: NDArray[np.float64]
    box: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    n_clamped: int
    scale: Scale

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("clamped",) if self.n_clamped else ()


def measure_speech(
    *, audio: Audio, transcript: Transcript, model: Any, settings: Any
) -> SpeechMeasures:
    """Measure the voice of each utterance.

    Parameters
    ----------
    audio
        16 kHz mono.
    transcript
        The utterances.
    model
        A `SpeechAffectModel`.
    settings
        Group `speech_affect`.

    Returns
    -------
    SpeechMeasures
        In the order of the transcript.
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
    ready = [i for i, reason in enumerate(status) if reason == "ok"]
    for first in range(0, len(ready), _BATCH):
        some = ready[first : first + _BATCH]
        spoken = [transcript.utterances[i] for i in some]
        signals = [audio.cut(utterance.start, utterance.end) for utterance in spoken]
        for i, measured in zip(some, _predict(model, signals, audio.sample_rate), strict=True):
            if np.isnan(measured.arousal_raw):
                status[i] = "silent"
                continue
            for name in names:
                raw[name][i] = getattr(measured, f"{name}_raw")
                mapped = affect.to_house_scale(raw[name][i], model.scale)
                values[name][i] = float(mapped.values)
                n_clamped += mapped.n_clamped
    return SpeechMeasures(
        tuple(status),
        **values,
        **{f"{n}_raw": raw[n] for n in names},
        n_clamped=n_clamped,
        scale=model.scale,
    )


def _predict(model: Any, signals: list[NDArray[np.float32]], sample_rate: int) -> list[Any]:
    """Measure signals together where the model can, which is faster on a GPU."""
    if hasattr(model, "predict_many"):
        return model.predict_many(signals, sample_rate)
    return [model.predict(signal, sample_rate) for signal in signals]


def _speech_reason(
    signal: NDArray[np.float32], utterance: Any, audio: Audio, shortest: float, settings: Any
) -> str:
    if not len(audio.signal):
        return "no_audio"
    if len(signal) < round(shortest * audio.sample_rate):
        return "too_short"
    if utterance.overlap_s > settings.max_overlap * (utterance.end - utterance.start):
        return "overlap"
    level = 10 * np.log10(float(np.square(signal, dtype=np.float64).mean()) + 1e-12)
    return "silent" if level < settings.silence_dbfs else "ok"


@dataclass(frozen=True, slots=True)
class _Look:
    """One crop to be measured: where, and for which ticks of which utterances it counts."""

    track_id: int
    box: tuple[float, float, float, float]
    ticks: tuple[int, ...]
    utterance: int


def measure_faces(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: Any,
    settings: Any,
) -> FaceMeasures:
    """Measure the speaker's face while the speaker talks.

    Parameters
    ----------
    source, media
        The video.
    transcript, tracks, people
        Who speaks when, who is seen when, and whose face is whose.
    model
        A `FaceAffectModel`.
    settings
        Group `face_affect`.

    Returns
    -------
    FaceMeasures
        A source frame on display at several ticks is computed once and counted at each.
    """
    status: list[str] = []
    coverage = np.full(len(transcript.utterances), np.nan)
    looks: dict[int, list[_Look]] = {}
    clock = media.clock()
    all_ticks = media.ticks()
    by_id = {track.id: track for track in tracks.tracks}
    for i, utterance in enumerate(transcript.utterances):
        times = clock.time_of(all_ticks)
        within = all_ticks[(times >= utterance.start) & (times < utterance.end)]
        person = people.of(utterance.speaker)
        in_view = {t: _in_view(by_id[t], within) for t in person.track_ids}
        n_seen = sum(len(p) for p in in_view.values())
        if len(within):
            coverage[i] = min(1.0, n_seen / len(within))
        found = 0
        for track_id, positions in in_view.items():
            track = by_id[track_id]
            chosen = positions[track.ticks[positions] % settings.stride == 0]
            sides = (track.boxes[:, 2:] - track.boxes[:, :2])[chosen].min(axis=1, initial=np.inf)
            chosen = chosen[sides >= settings.min_size]
            found += len(chosen)
            frames = clock.frame_at(track.ticks[chosen])
            for frame in np.unique(frames):
                at = chosen[frames == frame]
                x1, y1, x2, y2 = (float(v) for v in track.boxes[at[0]])
                ticks = tuple(int(t) for t in track.ticks[at])
                looks.setdefault(int(frame), []).append(_Look(track_id, (x1, y1, x2, y2), ticks, i))
        status.append(_face_reason(media, person, tracks, within, n_seen, found, settings))
    return _look(source, media, looks, model, tuple(status), coverage)


def _in_view(track: Any, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in a track's arrays that fall on the given ticks."""
    return np.flatnonzero(np.isin(track.ticks, ticks))


def _face_reason(
    media: Media,
    person: Any,
    tracks: Tracks,
    within: NDArray[np.int64],
    n_seen: int,
    n_found: int,
    settings: Any,
) -> str:
    if not media.has_video:
        return "no_video"
    if not person.track_ids:
        if person.binding_source is not None:
            return "off_screen"  # a person said that this face is not shown
        somebody = any(len(_in_view(track, within)) for track in tracks.tracks)
        return "unbound" if somebody else "off_screen"
    if n_seen == 0:
        return "off_screen"
    if n_found == 0 and n_seen >= settings.min_frames:
        return "too_small"
    return "ok" if n_found >= settings.min_frames else "too_few_frames"


def _look(
    source: Path,
    media: Media,
    looks: Mapping[int, Sequence[_Look]],
    model: Any,
    status: tuple[str, ...],
    coverage: NDArray[np.float64],
) -> FaceMeasures:
    """Decode once, crop, measure in batches, and spread each result over its ticks."""
    seen: list[_Look] = []
    results: list[Any] = []
    for batch in _batches(_crops(source, media, looks, model)):
        seen.extend(look for look, _ in batch)
        results.append(model.predict([crop for _, crop in batch]))

    def gather(name: str, width: int | None = None) -> NDArray[np.float32]:
        parts = [np.asarray(getattr(r, name), np.float32) for r in results]
        empty = np.zeros((0,) if width is None else (0, width), np.float32)
        return np.concatenate(parts) if parts else empty

    repeat = np.repeat(np.arange(len(seen)), [len(look.ticks) for look in seen])
    tick = np.array([t for look in seen for t in look.ticks], dtype=np.int64)
    utterance = np.array([look.utterance for look in seen], dtype=np.int64)[repeat]
    order = np.lexsort((tick, utterance))
    take = repeat[order]
    raw = {name: gather(f"{name}_raw") for name in ("valence", "arousal")}
    house = {name: affect.to_house_scale(values, model.scale) for name, values in raw.items()}
    return FaceMeasures(
        status=status,
        coverage=coverage,
        utterance=utterance[order],
        track_id=np.array([look.track_id for look in seen], dtype=np.int64)[take],
        tick=tick[order],
        time=media.clock().time_of(tick[order]),
        box=np.array([look.box for look in seen], dtype=np.float32).reshape(-1, 4)[take],
        valence=house["valence"].values.astype(np.float32)[take],
        arousal=house["arousal"].values.astype(np.float32)[take],
        valence_raw=raw["valence"][take],
        arousal_raw=raw["arousal"][take],
        probabilities=gather("probabilities", len(EXPRESSIONS))[take],
        n_clamped=sum(mapped.n_clamped for mapped in house.values()),
        scale=model.scale,
    )


def _crops(
    source: Path, media: Media, looks: Mapping[int, Sequence[_Look]], model: Any
) -> Iterator[tuple[_Look, NDArray[np.uint8]]]:
    for frame in iterate_frames(source, media, np.array(sorted(looks), dtype=np.int64)):
        for look in looks[frame.index]:
            yield (
                look,
                faces.crop(
                    frame.image, look.box, margin=model.crop_margin, square=model.crop_square
                ),
            )


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
