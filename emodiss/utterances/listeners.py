"""Measure the faces of those who do not speak: listeners, and everybody while nobody speaks.

A stage of its own beside `measure_faces`: what is measured of the speaker cannot change with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.affect import FaceAffectModel
from emodiss.faces import FaceTrack, Tracks
from emodiss.media import Media, Piece, in_pieces
from emodiss.people import People
from emodiss.settings import FaceAffectSettings
from emodiss.transcript import Transcript
from emodiss.utterances.looks import PARTS, CropAffect, FaceFrames, Looks, measure, spread

_LISTENER, _SILENCE, _UNKNOWN = (PARTS.index(p) for p in ("listener", "silence", "unknown"))


@dataclass(frozen=True, slots=True, eq=False)
class ListenerMeasures(FaceFrames):
    """Affect of faces while their owners do not speak, and who listens to each utterance.

    Parameters
    ----------
    part
        (m,) int8, index into `PARTS`: listener, silence or unknown.
    status
        One of `LISTENER_STATUSES` per utterance of the transcript.
    listener
        Per utterance the label of the voice that listens; "" where the face has no voice or there
        is no listener.
    listener_track
        (n,) int64 per utterance the listener's face track with most measured frames; -1 without.
    """

    part: NDArray[np.int8]
    status: tuple[str, ...]
    listener: tuple[str, ...]
    listener_track: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What is seen of one person during one utterance of somebody else."""

    label: str
    track_id: int
    # n_seen, n_large: Ticks.
    n_seen: int
    n_large: int
    # Distinct frames.
    n_measured: int

    def order(self, min_frames: int) -> tuple[bool, bool, int, str, int]:
        """Sort key, the listener first: enough frames, a voice, longest in view, then by name."""
        enough = self.n_measured >= min_frames
        return (not enough, not self.label, -self.n_seen, self.label, self.track_id)

    def reason(self, min_frames: int) -> str:
        """Whether there is enough to see, or why not."""
        if self.n_large == 0:
            return "too_small"
        return "ok" if self.n_measured >= min_frames else "too_few_frames"


def measure_listeners(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: FaceAffectModel,
    settings: FaceAffectSettings,
    earlier: ListenerMeasures | None = None,
) -> ListenerMeasures:
    """Measure every followed face at the ticks at which its owner does not speak.

    Parameters
    ----------
    earlier
        Measured on the same tracks by the same model; faces that are in it are not looked at
        again.

    Returns
    -------
    ListenerMeasures
        While somebody speaks, the face of another voice listens unless that voice speaks too. A
        face without a voice listens where it cannot be a speaker's: the faces of all who speak are
        in view, or a person stated that they are never shown; elsewhere its part is unknown. The
        listener of an utterance is, of those with at least `min_frames` measured frames, a face
        with a voice before one without, and of several the one longest in view.
    """
    return in_pieces(
        partial(measure_listeners_piece, earlier=earlier),
        join_listeners,
        source=source,
        media=media,
        model=model,
        transcript=transcript,
        tracks=tracks,
        people=people,
        settings=settings,
    )


def measure_listeners_piece(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: FaceAffectModel,
    settings: FaceAffectSettings,
    piece: Piece,
    earlier: ListenerMeasures | None = None,
) -> CropAffect:
    """Measure the faces of those who do not speak in a piece of a video."""
    looks = _wanted(media, transcript, tracks, people, settings).looks
    return measure(source, media, looks, model, piece, earlier)


def join_listeners(
    *,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    settings: FaceAffectSettings,
    parts: Sequence[CropAffect],
) -> ListenerMeasures:
    """Put the pieces of a video together."""
    wanted = _wanted(media, transcript, tracks, people, settings)
    columns, part = spread(media, wanted.looks, parts)
    status: list[str] = []
    listener: list[str] = []
    numbers: list[int] = []
    for i in range(len(transcript.utterances)):
        found = [_candidate(label, rows) for (label, _), rows in wanted.seen[i].items()]
        best = min(found, key=lambda c: c.order(settings.min_frames), default=None)
        if best is not None:
            status.append(best.reason(settings.min_frames))
        elif not media.has_video:
            status.append("no_video")
        elif wanted.doubtful[i]:
            status.append("unbound")
        else:
            status.append("talking" if wanted.talking[i] else "off_screen")
        listener.append(best.label if best else "")
        numbers.append(best.track_id if best else -1)
    return ListenerMeasures(
        **columns,
        part=part,
        status=tuple(status),
        listener=tuple(listener),
        listener_track=np.array(numbers, np.int64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """Which faces to measure, and by utterance what is seen of those who do not speak."""

    looks: Looks
    # By person, of each track: number, ticks in view and large enough, frames measured.
    seen: list[dict[tuple[str, int], list[NDArray[np.int64]]]]
    # doubtful, talking: (n,) bool: somebody may be a speaker unseen; somebody speaks at once.
    doubtful: NDArray[np.bool_]
    talking: NDArray[np.bool_]


def _wanted(
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    settings: FaceAffectSettings,
) -> _Wanted:
    """Choose the faces of those who do not speak."""
    spoken = transcript.utterances
    clock, ticks = media.clock(), media.ticks()
    times = clock.time_of(ticks)
    spans = np.array([[u.start, u.end] for u in spoken]).reshape(-1, 2)
    edges = np.searchsorted(times, spans)  # first position at or after; ticks follow each other
    origin = int(ticks[0]) if len(ticks) else 0
    owner = {number: person.speaker for person in people.persons for number in person.track_ids}
    talks = {person.speaker: np.zeros(len(ticks), bool) for person in people.persons}
    shown = {person.speaker: np.zeros(len(ticks), bool) for person in people.persons}
    for i, (utterance, (begin, end)) in enumerate(zip(spoken, edges, strict=True)):
        for name in talks if people.doubts(i, utterance) else (utterance.speaker,):
            talks[name][begin:end] = True
    for track in tracks.tracks:
        if track.id in owner:
            shown[owner[track.id]][_places(track, origin, len(ticks))] = True
    for person in people.persons:
        if person.binding_source is not None and not person.track_ids:
            shown[person.speaker][:] = True  # never shown: no face can be taken for it
    nobody = np.zeros(len(ticks), bool)
    somebody = np.any([nobody, *talks.values()], axis=0)
    # Who speaks unseen may be behind any face that has no voice.
    unclear = np.any([nobody, *(talks[name] & ~shown[name] for name in talks)], axis=0)

    looks: list[Looks] = []
    seen: list[dict[tuple[str, int], list[NDArray[np.int64]]]] = [{} for _ in spoken]
    doubtful, talking = np.zeros(len(spoken), bool), np.zeros(len(spoken), bool)
    for track in tracks.tracks:
        label = owner.get(track.id, "")
        places = _places(track, origin, len(ticks))
        kept = np.flatnonzero((track.ticks >= origin) & (track.ticks < origin + len(ticks)))
        sides = (track.boxes[kept, 2:] - track.boxes[kept, :2]).min(axis=1, initial=np.inf)
        large = sides >= settings.min_size
        wanted = large & (track.ticks[kept] % settings.stride == 0)
        silent = np.flatnonzero(wanted & ~somebody[places])
        looks.append(Looks.of(clock, track, kept[silent], -1, _SILENCE))
        inside = np.searchsorted(places, edges)
        for i in np.flatnonzero(inside[:, 0] < inside[:, 1]).tolist():
            if label == spoken[i].speaker:
                continue
            here = np.arange(*inside[i])
            if label:
                quiet = ~talks[label][places[here]]
                talking[i] |= not quiet.all()
                here = here[quiet]
            sure = np.full(len(here), True) if label else ~unclear[places[here]]
            doubtful[i] |= not sure.all()
            chosen = wanted[here]
            part = np.where(sure[chosen], _LISTENER, _UNKNOWN)
            looks.append(Looks.of(clock, track, kept[here[chosen]], i, part))
            if len(listens := here[sure]):
                looked = track.ticks[kept[listens[wanted[listens]]]]
                # A frame that is shown for several ticks is one observation.
                frames = np.unique(clock.frame_at(looked))
                counts = [len(listens), large[listens].sum(), len(frames)]
                who = (label, -1 if label else track.id)
                seen[i].setdefault(who, []).append(np.array([track.id, *counts]))
    return _Wanted(Looks.joined(looks), seen, doubtful, talking)


def _places(track: FaceTrack, origin: int, n_ticks: int) -> NDArray[np.int64]:
    """Where the ticks of a track lie among those of the stretch."""
    places = track.ticks - origin
    return places[(places >= 0) & (places < n_ticks)]


def _candidate(label: str, rows: Sequence[NDArray[np.int64]]) -> _Candidate:
    """Put the tracks of one person together."""
    total = np.sum(rows, axis=0)
    most = max(rows, key=lambda row: (row[3], row[1], -row[0]))
    return _Candidate(label, int(most[0]), int(total[1]), int(total[2]), int(total[3]))
