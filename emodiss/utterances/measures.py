"""Measure the voice of each utterance, and the face of its speaker while it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss import affect, faces
from emodiss.affect import EXPRESSIONS, Scale
from emodiss.faces import Growing
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


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """Ticks at which a face counts for an utterance; arrays, because an hour has 100,000."""

    utterance: NDArray[np.int64]
    track_id: NDArray[np.int64]
    tick: NDArray[np.int64]
    frame: NDArray[np.int64]
    box: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[_Looks]) -> _Looks:
        """Put all together, in order of frames."""
        none = np.zeros(0, np.int64)
        parts = [*parts, cls(none, none, none, none, np.zeros((0, 4), np.float32))]
        names = [field.name for field in fields(cls)]
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        order = np.argsort(columns["frame"], kind="stable")
        return cls(**{name: column[order] for name, column in columns.items()})

    def first_of_crop(self) -> NDArray[np.bool_]:
        """Whether an entry is the first of its frame, utterance and track: a crop to measure."""
        keys = np.stack([self.frame, self.utterance, self.track_id])
        return np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(self.tick)]


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
    looks: list[_Looks] = []
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
        found = n_large = 0
        for track_id, positions in in_view.items():
            track = by_id[track_id]
            sides = (track.boxes[:, 2:] - track.boxes[:, :2])[positions].min(axis=1, initial=np.inf)
            large = positions[sides >= settings.min_size]
            chosen = large[track.ticks[large] % settings.stride == 0]
            n_large += len(large)
            found += len(chosen)
            looks.append(
                _Looks(
                    utterance=np.full(len(chosen), i, np.int64),
                    track_id=np.full(len(chosen), track_id, np.int64),
                    tick=track.ticks[chosen],
                    frame=clock.frame_at(track.ticks[chosen]),
                    box=track.boxes[chosen],
                )
            )
        seen = (n_seen, n_large, found)
        status.append(_face_reason(media, person, tracks, within, seen, settings))
    return _look(source, media, _Looks.joined(looks), model, tuple(status), coverage)


def _in_view(track: Any, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in a track's arrays that fall on the given ticks."""
    return np.flatnonzero(np.isin(track.ticks, ticks))


def _face_reason(
    media: Media,
    person: Any,
    tracks: Tracks,
    within: NDArray[np.int64],
    seen: tuple[int, int, int],
    settings: Any,
) -> str:
    """Name why a face is missing; `seen` counts ticks in view, large enough, and measured."""
    n_seen, n_large, n_measured = seen
    if not media.has_video:
        return "no_video"
    if not person.track_ids:
        if person.binding_source is not None:
            return "off_screen"  # a person said that this face is not shown
        somebody = any(len(_in_view(track, within)) for track in tracks.tracks)
        return "unbound" if somebody else "off_screen"
    if n_seen == 0:
        return "off_screen"
    if n_large == 0:
        return "too_small"
    return "ok" if n_measured >= settings.min_frames else "too_few_frames"


def _look(
    source: Path,
    media: Media,
    looks: _Looks,
    model: Any,
    status: tuple[str, ...],
    coverage: NDArray[np.float64],
) -> FaceMeasures:
    """Decode once, crop, measure in batches, and spread each result over its ticks."""
    first = looks.first_of_crop()
    # Which result belongs to each crop; a frame the decoder did not deliver has none.
    result_of = np.full(int(first.sum()), -1, np.int64)
    found = {
        "valence_raw": Growing(np.float32),
        "arousal_raw": Growing(np.float32),
        "probabilities": Growing(np.float32, (len(EXPRESSIONS),)),
    }
    n_results = 0
    for batch in _batches(_crops(source, media, looks, np.flatnonzero(first), model)):
        result_of[[crop for crop, _ in batch]] = np.arange(n_results, n_results + len(batch))
        n_results += len(batch)
        measured = model.predict([picture for _, picture in batch])
        for name, column in found.items():
            column.extend(getattr(measured, name))
    result = result_of[np.cumsum(first) - 1]
    order = np.lexsort((looks.tick, looks.utterance))
    order = order[result[order] >= 0]
    take = result[order]
    # All ticks of a crop show one frame, whose box at the first of them was measured.
    boxes = looks.box[np.flatnonzero(first)[np.cumsum(first) - 1]]
    raw = {name: found[f"{name}_raw"].array() for name in ("valence", "arousal")}
    house = {name: affect.to_house_scale(values, model.scale) for name, values in raw.items()}
    return FaceMeasures(
        status=status,
        coverage=coverage,
        utterance=looks.utterance[order],
        track_id=looks.track_id[order],
        tick=looks.tick[order],
        time=media.clock().time_of(looks.tick[order]),
        box=boxes[order],
        valence=house["valence"].values.astype(np.float32)[take],
        arousal=house["arousal"].values.astype(np.float32)[take],
        valence_raw=raw["valence"][take],
        arousal_raw=raw["arousal"][take],
        probabilities=found["probabilities"].array()[take],
        n_clamped=sum(mapped.n_clamped for mapped in house.values()),
        scale=model.scale,
    )


def _crops(
    source: Path, media: Media, looks: _Looks, firsts: NDArray[np.int64], model: Any
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number and picture of each crop, in order."""
    frames = looks.frame[firsts]
    for frame in iterate_frames(source, media, np.unique(frames)):
        begin, end = np.searchsorted(frames, [frame.index, frame.index + 1])
        for crop in range(int(begin), int(end)):
            yield (
                crop,
                faces.crop(
                    frame.image,
                    looks.box[firsts[crop]],
                    margin=model.crop_margin,
                    square=model.crop_square,
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
