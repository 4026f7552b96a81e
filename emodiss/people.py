"""People: which face belongs to which voice. Who plays which part is in `emodiss.roles`.

A voice is given a face by evidence from the whole session: the mouth of its owner moves while it
speaks and rests while it does not, moves more than the other mouths on screen, and follows the
voice's loudness. A voice whose face is not shown gets none; it must not borrow the listener's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emodiss import faces
from emodiss.errors import EmodissError
from emodiss.manifest import FaceChoice
from emodiss.media import Audio, Media, iterate_frames
from emodiss.roles import RoleGuess, classify_roles
from emodiss.speech import Transcript
from emodiss.timebase import CLOCK_FPS
from emodiss.video import Tracks

__all__ = [
    "Binding",
    "FaceMappingError",
    "MouthMotion",
    "Mouths",
    "People",
    "Person",
    "RoleGuess",
    "classify_roles",
    "match",
    "watch_mouths",
]

# Motion is compared in blocks of half a second: neighbouring frames tell the same story, and a
# syllable rate of four to five a second puts two openings and closings into every block.
_BLOCK_S = 0.5

# Two patches further apart than this differ by more than one movement.
_MAX_STEP_S = 0.1

# Fewer blocks on either side prove nothing.
_MIN_BLOCKS = 3


BindingSource = Literal["measured", "manifest", "setting"]
"""Who gave a voice its face; the last two are a person."""


class FaceMappingError(EmodissError):
    """What a person stated about whose face is whose does not fit the video."""

    code = "face_mapping"


@dataclass(frozen=True, slots=True, eq=False)
class MouthMotion:
    """How much one tracked mouth moves.

    Parameters
    ----------
    track_id
        Of the face track.
    ticks
        (n,) int64 ticks of the 30 FPS clock.
    motion
        (n,) float32, mean absolute change of the aligned mouth region per second, in units of its
        own contrast; NaN where there is nothing to compare with.
    """

    track_id: int
    ticks: NDArray[np.int64]
    motion: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Mouths:
    """Mouth motion of all tracks of one video.

    Parameters
    ----------
    series
        One per face track, in order of track id.
    """

    series: tuple[MouthMotion, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Evidence that one face belongs to one voice.

    Parameters
    ----------
    speaker, track_id
        The pair.
    z_rest
        Moves while the voice speaks, rests while nobody does or somebody else speaks; standard
        score of a rank-sum test over half-second blocks, NaN without both kinds of blocks.
    z_others
        Moves more than the other mouths on screen while the voice speaks alone; standard score of
        a sign test, NaN without other mouths.
    z_level
        Moves more where the voice is louder; standard score of a rank correlation, NaN when too
        short.
    confidence
        In [0, 1]: normal probability of the evidence put together (`_together`).
    n_blocks
        Half-second blocks in which the voice speaks alone and the face is in view.
    """

    speaker: str
    track_id: int
    z_rest: float
    z_others: float
    z_level: float
    confidence: float
    n_blocks: int


@dataclass(frozen=True, slots=True)
class Person:
    """One voice of the session with its faces.

    Parameters
    ----------
    speaker
        Label of the voice.
    track_ids
        Face tracks of this person; empty when the face is not shown or not known.
    binding_confidence
        In [0, 1], the least of the tracks'; NaN without a track, and when a person said it.
    binding_source
        `measured`, `manifest` or `setting` (a person stated it, also that there is no face), or
        None when no face could be given.
    """

    speaker: str
    track_ids: tuple[int, ...]
    binding_confidence: float
    binding_source: BindingSource | None


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who speaks in one video.

    Parameters
    ----------
    persons
        In order of label.
    evidence
        Every pair of voice and face that was weighed.
    """

    persons: tuple[Person, ...]
    evidence: tuple[Binding, ...]

    def of(self, speaker: str) -> Person:
        """Return the person with this voice."""
        return next(person for person in self.persons if person.speaker == speaker)

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        sources = {person.binding_source for person in self.persons}
        stated = ("stated_faces",) if sources & {"manifest", "setting"} else ()
        return (*stated, "unbound_voice") if None in sources else stated


def watch_mouths(*, source: Path, media: Media, tracks: Tracks) -> Mouths:
    """Measure how much each tracked mouth moves.

    Parameters
    ----------
    source, media
        The video.
    tracks
        Face tracks with a box and landmarks at each tick.

    Returns
    -------
    Mouths
        One series per track; a frame shown at several ticks is measured once.
    """
    clock = media.clock()
    motions = [np.full(len(track), np.nan, np.float32) for track in tracks.tracks]
    # Which mouths are to be looked at: source frame, number of the track, position in its arrays.
    # Columns in order of frames, because an hour has hundreds of thousands.
    looks = [np.zeros((3, 0), np.int64)]
    for number, track in enumerate(tracks.tracks):
        shown = clock.frame_at(track.ticks)
        firsts = np.flatnonzero(np.diff(shown, prepend=-1))
        looks.append(np.stack([shown[firsts], np.full(len(firsts), number), firsts]))
    frames, numbers, positions = np.concatenate(looks, axis=1)
    order = np.argsort(frames, kind="stable")
    frames, numbers, positions = frames[order], numbers[order], positions[order]
    previous: dict[int, tuple[float, NDArray[np.float32]]] = {}
    for frame in iterate_frames(source, media, np.unique(frames)):
        begin, end = np.searchsorted(frames, [frame.index, frame.index + 1])
        for number, position in zip(
            numbers[begin:end].tolist(), positions[begin:end].tolist(), strict=True
        ):
            track = tracks.tracks[number]
            patch = faces.mouth_patch(frame.image, track.landmarks[position])
            before = previous.get(number)
            previous[number] = (frame.time, patch)
            if before is None or not 0 < frame.time - before[0] <= _MAX_STEP_S:
                continue
            # Divided by contrast, a moustache or a bright studio does not look like speech.
            contrast = float(patch.std() + before[1].std()) / 2 + 0.02
            change = float(np.abs(patch - before[1]).mean()) / contrast
            motions[number][position] = change / (frame.time - before[0])
    return Mouths(
        tuple(
            MouthMotion(track.id, track.ticks, motion)
            for track, motion in zip(tracks.tracks, motions, strict=True)
        )
    )


def match(
    *,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    mouths: Mouths,
    audio: Audio,
    row: Any,
    settings: Any,
) -> People:
    """Give each voice its faces.

    Parameters
    ----------
    media
        For the width of the picture, which has a left and a right half.
    transcript
        Who speaks when.
    tracks, mouths
        Who is seen when, and how their mouths move.
    audio
        For the loudness of the voices.
    row
        Manifest row; faces stated there stand.
    settings
        Group `people`; faces stated there stand where the manifest states none.

    Returns
    -------
    People
        One person per voice.

    Raises
    ------
    FaceMappingError
        If a stated face cannot be: no such voice or track, one track for two voices, or two
        tracks of one voice that are in the picture at the same time.
    """
    evidence = weigh(transcript, mouths, audio)
    speakers = sorted({u.speaker for u in transcript.utterances})
    sources = _sources(row.faces or {}, settings.faces or {}, speakers)
    choices = {**(settings.faces or {}), **(row.faces or {})}
    stated = {
        speaker: _stated_tracks(speaker, choices[speaker], tracks, evidence, media.width)
        for speaker in sources
    }
    _require_one_owner(stated)
    bound = assign(
        evidence, tracks, min_confidence=settings.min_confidence, speakers=speakers, stated=stated
    )
    persons: list[Person] = []
    for speaker in speakers:
        own = bound[speaker]
        sure = [b.confidence for b in evidence if b.speaker == speaker and b.track_id in own]
        measured = speaker not in sources
        guessed: BindingSource | None = "measured" if own else None
        persons.append(
            Person(
                speaker=speaker,
                track_ids=tuple(sorted(own)),
                binding_confidence=min(sure, default=math.nan) if measured else math.nan,
                binding_source=guessed if measured else sources[speaker],
            )
        )
    return People(tuple(persons), tuple(evidence))


def weigh(transcript: Transcript, mouths: Mouths, audio: Audio) -> list[Binding]:
    """Weigh every pair of voice and face.

    Parameters
    ----------
    transcript, mouths, audio
        As in `match`.

    Returns
    -------
    list of Binding
        Sorted by speaker and track.
    """
    if not mouths.series or not transcript.utterances:
        return []
    ends = [int(s.ticks[-1]) + 1 for s in mouths.series if len(s.ticks)]
    last = max([*ends, *(math.ceil(u.end * CLOCK_FPS) for u in transcript.utterances)])
    per_block = round(_BLOCK_S * CLOCK_FPS)
    n_blocks = math.ceil(last / per_block)
    speakers = sorted({u.speaker for u in transcript.utterances})
    talk = {s: _talk_share(transcript, s, n_blocks) for s in speakers}
    level = _levels(audio, n_blocks)
    motion = {s.track_id: _block_means(s, n_blocks, per_block) for s in mouths.series}
    found: list[Binding] = []
    for speaker in speakers:
        others = np.max([talk[s] for s in speakers if s != speaker] or [np.zeros(n_blocks)], axis=0)
        alone = (talk[speaker] >= 0.5) & (others < 0.25)
        resting = talk[speaker] <= 0.0
        for track_id, moved in motion.items():
            seen = np.isfinite(moved)
            rivals = [m for other, m in motion.items() if other != track_id]
            z_rest = _rank_sum_z(moved[seen & alone], moved[seen & resting])
            z_others = _sign_z(moved, rivals, alone)
            z_level = _rank_correlation_z(moved[seen & alone], level[seen & alone])
            confidence = 0.5 * math.erfc(-_together(z_rest, z_others, z_level) / math.sqrt(2))
            n_alone = int((seen & alone).sum())
            found.append(Binding(speaker, track_id, z_rest, z_others, z_level, confidence, n_alone))
    return found


def _sources(
    row: Mapping[str, FaceChoice], setting: Mapping[str, FaceChoice], speakers: Sequence[str]
) -> dict[str, BindingSource]:
    """Say which voices were given a face by a person, and where."""
    unknown = [speaker for speaker in row if speaker not in speakers]
    if unknown:
        raise FaceMappingError(
            f"The manifest gives a face to '{unknown[0]}', and no voice of that label speaks in "
            f"this video ({len(speakers)} voices do).",
            next_step="See the labels with: emodiss people RUN; then correct the column faces.",
        )
    sources: dict[str, BindingSource] = {s: "setting" for s in speakers if s in setting}
    return {**sources, **dict.fromkeys(row, "manifest")}


def _stated_tracks(
    speaker: str,
    choice: FaceChoice,
    tracks: Tracks,
    evidence: Sequence[Binding],
    width: int,
) -> set[int]:
    """Turn what a person stated into track numbers.

    On a side that shows more than one face at a time (a mirror, a portrait on the wall, somebody
    walking past) the face with most evidence for this voice comes first, then the longest.
    """
    if choice == "none":
        return set()
    ticks = {track.id: track.ticks for track in tracks.tracks}
    if not isinstance(choice, str):
        for number in choice:
            if number not in ticks:
                raise FaceMappingError(
                    f"There is no face track {number}; tracks are numbered 1 to {len(ticks)}.",
                    next_step="Look at: emodiss plot RUN contact-sheet.",
                )
            if any(_overlap(ticks[number], ticks[other]) for other in choice if other < number):
                raise FaceMappingError(
                    f"Track {number} is in the picture together with another track of the same "
                    "voice; one person has one face.",
                    next_step="Give the voice one of them.",
                )
        return set(choice)
    weight = {
        b.track_id: _together(b.z_rest, b.z_others, b.z_level)
        for b in evidence
        if b.speaker == speaker
    }
    on_side = [
        track
        for track in tracks.tracks
        if (float(np.median(track.boxes[:, [0, 2]].mean(axis=1))) < width / 2) == (choice == "left")
    ]
    on_side.sort(key=lambda t: (-weight.get(t.id, -math.inf), -len(t), t.id))
    chosen: set[int] = set()
    for track in on_side:
        if not any(_overlap(track.ticks, ticks[other]) for other in chosen):
            chosen.add(track.id)
    return chosen


def _require_one_owner(stated: Mapping[str, set[int]]) -> None:
    owner: dict[int, str] = {}
    for speaker, numbers in stated.items():
        for number in numbers:
            if number in owner:
                raise FaceMappingError(
                    f"Face track {number} is given to two voices, '{owner[number]}' and "
                    f"'{speaker}'.",
                    next_step="Correct the faces in the manifest or in --set people.faces.",
                )
            owner[number] = speaker


def assign(
    evidence: Sequence[Binding],
    tracks: Tracks,
    *,
    min_confidence: float,
    speakers: Sequence[str] = (),
    stated: Mapping[str, set[int]] | None = None,
) -> dict[str, set[int]]:
    """Give faces to voices, the surest pair first.

    Parameters
    ----------
    evidence
        From `weigh`.
    tracks
        For who is on screen at the same time: one person cannot have two faces at once.
    min_confidence
        Least confidence of a pair.
    speakers
        Voices, also those without any evidence.
    stated
        Track ids of the voices whose face a person stated; nobody else gets these.

    Returns
    -------
    dict of str to set of int
        Track ids by speaker; empty sets for voices without a face.
    """
    stated = stated or {}
    bound: dict[str, set[int]] = {s: set() for s in (*speakers, *(b.speaker for b in evidence))}
    bound.update({speaker: set(numbers) for speaker, numbers in stated.items()})
    ticks = {t.id: t.ticks for t in tracks.tracks}
    taken: set[int] = {number for numbers in stated.values() for number in numbers}
    ranked = sorted(
        evidence,
        key=lambda b: (-_together(b.z_rest, b.z_others, b.z_level), b.speaker, b.track_id),
    )
    for pair in ranked:
        if pair.confidence < min_confidence or pair.track_id in taken or pair.speaker in stated:
            continue
        if any(_overlap(ticks[pair.track_id], ticks[mine]) for mine in bound[pair.speaker]):
            continue
        bound[pair.speaker].add(pair.track_id)
        taken.add(pair.track_id)
    return bound


def _overlap(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Whether two tracks, given by their ticks, are in the picture at the same time."""
    if not len(a) or not len(b) or a[-1] < b[0] or b[-1] < a[0]:
        return False
    return bool(np.isin(a, b, assume_unique=True).any())


def _together(*scores: float) -> float:
    """Put standard scores together; evidence that cannot be had counts for nothing.

    Stouffer's method for scores that share a mouth and so go together: with a correlation of one
    half the variance of a sum of k is k + k (k - 1) / 2. Independence, the usual assumption,
    would bind mouths that move at random.
    """
    known = [z for z in scores if np.isfinite(z)]
    k = len(known)
    return sum(known) / math.sqrt(k + k * (k - 1) / 2) if k else -math.inf


def _talk_share(transcript: Transcript, speaker: str, n_blocks: int) -> NDArray[np.float64]:
    """Share of each block in which a speaker talks."""
    share = np.zeros(n_blocks)
    for utterance in transcript.utterances:
        if utterance.speaker != speaker:
            continue
        first, last = int(utterance.start / _BLOCK_S), math.ceil(utterance.end / _BLOCK_S)
        for block in range(first, min(last, n_blocks)):
            begin = max(utterance.start, block * _BLOCK_S)
            share[block] += (min(utterance.end, (block + 1) * _BLOCK_S) - begin) / _BLOCK_S
    return np.minimum(share, 1.0)


def _block_means(series: MouthMotion, n_blocks: int, per_block: int) -> NDArray[np.float64]:
    """Mean log motion per block; NaN where fewer than three frames were measured."""
    known = np.isfinite(series.motion)
    block = series.ticks[known] // per_block
    value = np.log(series.motion[known].astype(np.float64) + 1e-3)
    count = np.bincount(block, minlength=n_blocks)[:n_blocks]
    total = np.bincount(block, weights=value, minlength=n_blocks)[:n_blocks]
    return np.where(count >= 3, total / np.maximum(count, 1), np.nan)


def _levels(audio: Audio, n_blocks: int) -> NDArray[np.float64]:
    """Level of each block in dB; NaN where there is no sound."""
    level = np.full(n_blocks, np.nan)
    for block in range(n_blocks):
        piece = audio.cut(block * _BLOCK_S, (block + 1) * _BLOCK_S)
        if len(piece) >= 0.5 * _BLOCK_S * audio.sample_rate:
            level[block] = 10 * np.log10(float(np.square(piece).mean()) + 1e-10)
    return level


def _rank_sum_z(moving: NDArray[np.float64], resting: NDArray[np.float64]) -> float:
    """Return the standard score of the Wilcoxon rank-sum test; NaN with too few blocks."""
    n, m = len(moving), len(resting)
    if n < _MIN_BLOCKS or m < _MIN_BLOCKS:
        return math.nan
    # Counted in sorted blocks; a table of all pairs would grow with the square of the duration.
    resting = np.sort(resting)
    below, upto = (np.searchsorted(resting, moving, side).sum() for side in ("left", "right"))
    wins = below / (n * m) + 0.5 * ((upto - below) / (n * m))
    return float((wins - 0.5) / math.sqrt((n + m + 1) / (12 * n * m)))


def _sign_z(
    moved: NDArray[np.float64], rivals: list[NDArray[np.float64]], alone: NDArray[np.bool_]
) -> float:
    """Return the standard score of moving more than all other mouths; NaN with too few blocks."""
    if not rivals:
        return math.nan
    best = np.full(len(moved), -np.inf)
    for rival in rivals:
        best = np.fmax(best, rival)
    usable = alone & np.isfinite(moved) & np.isfinite(best)
    n = int(usable.sum())
    if n < _MIN_BLOCKS:
        return math.nan
    wins = float((moved[usable] > best[usable]).sum())
    return (wins - n / 2) / math.sqrt(n / 4)


def _rank_correlation_z(moved: NDArray[np.float64], level: NDArray[np.float64]) -> float:
    """Return the standard score of Spearman's correlation (Fisher's z); NaN below ten blocks."""
    from scipy import stats

    known = np.isfinite(moved) & np.isfinite(level)
    n = int(known.sum())
    if n < 10 or np.ptp(moved[known]) == 0 or np.ptp(level[known]) == 0:
        return math.nan
    rho = float(stats.spearmanr(moved[known], level[known]).statistic)
    # 1.06: variance of Fisher's z of a rank correlation (Fieller, Hartley and Pearson 1957).
    return math.atanh(max(-0.999, min(0.999, rho))) * math.sqrt((n - 3) / 1.06)
