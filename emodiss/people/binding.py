"""Binding: evidence and posterior put together, and faces given to voices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodiss.faces import Tracks
from emodiss.manifest import VideoRow
from emodiss.media import Audio, Media
from emodiss.people import evidence as likelihoods, series
from emodiss.people.likeness import links, together
from emodiss.people.posterior import marginals
from emodiss.people.records import Binding, BindingSource, Mouths, People, Person, TalkScores
from emodiss.people.stated import require_one_owner, reviewed_faces, sources_of, stated_tracks
from emodiss.reviews import Review
from emodiss.settings import PeopleSettings
from emodiss.timebase import CLOCK_FPS
from emodiss.transcript import Transcript, Turn, Utterance
from emodiss.vocabulary import FaceChoice

# How late the sound may be, in seconds, with priors: broadcast and edited files are sometimes off
# by a few frames, and by more than 0.4 s people notice.
_LATE = ((0.0, 0.9), (-0.4, 0.025), (-0.2, 0.025), (0.2, 0.025), (0.4, 0.025))
# From which posterior on a lateness is reported; the binding sums over all of them anyway.
_SURELY_LATE = 0.8
# A voice is shown at all; the rest are narrators, callers, people behind the camera.
_SHOWN = 0.85
# An utterance that a diarizer heard is another voice's. Of 96 in recordings of several voices
# (`scripts/bench_untouched.py`) none was, for the most part; Laplace's estimate from that.
_ANOTHERS = 0.01
# A face that is a voice's with less than this is nobody to speak for it.
_NEVER = 1e-3


def match(
    *,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    mouths: Mouths,
    audio: Audio,
    row: VideoRow,
    settings: PeopleSettings,
    turns: tuple[Turn, ...] | None = None,
    talking: TalkScores | None = None,
    reviews: Sequence[Review] = (),
) -> People:
    """Give each voice its faces.

    Parameters
    ----------
    media
        For the width of the picture, which has a left and a right half.
    tracks, mouths
        Who is seen when, and what their mouths do.
    audio
        For what the mouths should follow.
    row
        Manifest row; faces stated there stand.
    settings
        Group `people`; faces stated there stand where the manifest states none.
    turns
        Of a diarizer, if it told the voices apart: when each is heard inside its utterances.
    talking
        Scores of an active-speaker model, if one was asked for.
    reviews
        In force for this video, kind `face`; they stand before everything else.

    Raises
    ------
    FaceMappingError
        If a stated face cannot be: no such voice or track, one track for two voices, or two
        tracks of one voice that are in the picture at the same time.
    """
    speakers = sorted({u.speaker for u in transcript.utterances})
    sources = sources_of(row.faces or {}, settings.faces or {}, speakers)
    choices: dict[str, FaceChoice] = {**(settings.faces or {}), **(row.faces or {})}
    weighed = _Session.of(transcript, mouths, audio, talking, turns or ())
    evidence, late = weighed.posterior({})
    given = evidence
    stated = {
        speaker: stated_tracks(speaker, choices[speaker], tracks, evidence, media.width)
        for speaker in sources
    }
    require_one_owner(stated)
    reviewed, n_lost = reviewed_faces(reviews, transcript.utterances, tracks, media)
    # What a review gives to one voice it takes from every other.
    given_away = set[int]().union(*reviewed.values())
    stated = {s: numbers - given_away for s, numbers in stated.items()} | reviewed
    sources |= dict.fromkeys(reviewed, "review")
    if stated:
        # What a person said tells of the others' faces too; for its own voice the measured
        # evidence is kept, so that one can see how far the two agree.
        given, late = weighed.posterior(stated)
        evidence = [b if b.speaker in stated else g for b, g in zip(evidence, given, strict=True)]
    bound = assign(
        evidence, tracks, min_confidence=settings.min_confidence, speakers=speakers, stated=stated
    )
    doubted: tuple[int, ...] = ()
    if turns:  # what a transcript or a person says about voices is not doubted
        rows = _Rows(
            weighed, given, series.talking(transcript.utterances, speakers, weighed.n, late, turns)
        )
        doubted = tuple(
            i
            for i, utterance in enumerate(transcript.utterances)
            if utterance.speaker not in sources
            and "reviewed_speaker" not in utterance.flags
            and rows.own(utterance, bound[utterance.speaker], late) < settings.min_confidence
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
    return People(tuple(persons), tuple(evidence), late, n_lost, doubted)


def weigh(
    transcript: Transcript,
    mouths: Mouths,
    audio: Audio,
    talking: TalkScores | None = None,
    turns: Sequence[Turn] = (),
) -> tuple[list[Binding], float]:
    """Weigh every pair of voice and face, all together.

    Parameters
    ----------
    transcript, mouths, audio, talking, turns
        As in `match`.

    Returns
    -------
    pairs
        Sorted by speaker and track.
    late
        Lateness of the sound in seconds, 0 where it is not sure enough.
    """
    return _Session.of(transcript, mouths, audio, talking, turns).posterior({})


class _Session:
    """Likelihoods of all pairs at each lateness of the sound, and the posterior from them."""

    def __init__(
        self,
        speakers: Sequence[str],
        track_ids: Sequence[int],
        at_once: NDArray[np.bool_],
        alike: NDArray[np.float64],
        heard: Sequence[tuple[float, float, _Pairs]],
        faces: Sequence[_Face],
        n: int,
    ) -> None:
        self.speakers, self.track_ids, self.faces, self.n = speakers, track_ids, faces, n
        self._at_once, self._alike, self._heard = at_once, alike, heard

    @classmethod
    def of(
        cls,
        transcript: Transcript,
        mouths: Mouths,
        audio: Audio,
        talking: TalkScores | None,
        turns: Sequence[Turn],
    ) -> _Session:
        """Measure everything that does not depend on who was given whose face."""
        speakers = sorted({u.speaker for u in transcript.utterances})
        shown = [s for s in mouths.series if len(s.ticks)]
        ids = [s.track_id for s in shown]
        at_once = np.array(
            [[together(a.ticks, b.ticks) for b in shown] for a in shown], np.bool_
        ).reshape(len(ids), len(ids))
        rows = [k for k, s in enumerate(mouths.series) if len(s.ticks)]
        alike = links(mouths.likeness[np.ix_(rows, rows)])
        if not ids or not speakers:
            return cls(speakers, ids, at_once, alike, [], [], 0)
        n = math.ceil((max(int(s.ticks[-1]) for s in shown) + 1) / CLOCK_FPS * series.RATE)
        faces = [_Face.of(s, n, talking) for s in shown]
        margin = math.ceil(max(late for late, _ in _LATE) * series.RATE)
        level = series.loudness(audio, n + margin)
        known = level[np.isfinite(level)]
        tried = _LATE if len(known) and np.ptp(known) > 0 else _LATE[:1]
        heard = []
        for late, prior in tried:
            sound = series.syllables(_earlier(level, round(late * series.RATE), n))
            talk = series.talking(transcript.utterances, speakers, n, late, turns)
            heard.append((late, math.log(prior), _Pairs.of(faces, sound, talk)))
        return cls(speakers, ids, at_once, alike, heard, faces, n)

    def posterior(self, stated: Mapping[str, set[int]]) -> tuple[list[Binding], float]:
        """Weigh all pairs, given the faces of some voices; and say how late the sound is."""
        if not self._heard:
            return [], 0.0
        allowed = self._allowed(stated)
        log_shown = (math.log(1 - _SHOWN), math.log(_SHOWN))
        sums: list[float] = []
        shares: list[NDArray[np.float64]] = []
        for _, log_prior, pairs in self._heard:
            scores = np.where(allowed, pairs.scores, -np.inf)
            share, total = marginals(scores, self._at_once, self._alike, log_shown)
            sums.append(log_prior + total)
            shares.append(share)
        weight = np.exp(np.array(sums) - max(sums))
        weight /= weight.sum()
        share = np.tensordot(weight, np.array(shares), 1)
        late, _, pairs = self._heard[int(weight.argmax())]
        found = [
            Binding(
                speaker=speaker,
                track_id=track_id,
                alone_s=float(pairs.alone_s[j, k]),
                z_synchrony=float(pairs.z_synchrony[j, k]),
                log_odds_motion=float(pairs.log_odds_motion[j, k]),
                confidence=float(np.clip(share[j, 1 + k], 0, 1)),
            )
            for k, speaker in enumerate(self.speakers)
            for j, track_id in enumerate(self.track_ids)
        ]
        return found, late if weight.max() >= _SURELY_LATE else 0.0

    def _allowed(self, stated: Mapping[str, set[int]]) -> NDArray[np.bool_]:
        """Which columns of the scores are left when some voices' faces are known."""
        allowed = np.ones((len(self.track_ids), 1 + len(self.speakers)), np.bool_)
        allowed[:, [1 + self.speakers.index(speaker) for speaker in stated]] = False
        for speaker, numbers in stated.items():
            for j in (self.track_ids.index(k) for k in numbers if k in self.track_ids):
                allowed[j] = False
                allowed[j, 1 + self.speakers.index(speaker)] = True
        return allowed


class _Face:
    """What is known of one track on the grid, from its first value to its last."""

    def __init__(
        self,
        begin: int,
        mouth: Sequence[NDArray[np.float64]],
        moved: NDArray[np.float64],
        model: likelihoods.MotionModel,
    ) -> None:
        self.begin, self.mouth, self.moved, self.model = begin, mouth, moved, model

    @classmethod
    def of(cls, shown: Any, n: int, talking: TalkScores | None) -> _Face:
        """Take the series of one mouth, or a model's scores in place of its motion."""
        step = likelihoods.WINDOW
        begin = int(shown.ticks[0] / CLOCK_FPS * series.RATE) // step * step
        motion = series.log_motion(shown, n)[begin:]
        wide = series.on_grid(shown.ticks, shown.opening, n)[begin:]
        known = np.flatnonzero(np.isfinite(wide))
        end = min(len(wide), int(known[-1]) // step * step + step) if len(known) else 0
        mouth = [series.syllables(motion[:end]), series.syllables(wide[:end])]
        scores = talking.of(shown.track_id) if talking is not None else None
        if scores is not None:
            level, model = np.full(n, np.nan), likelihoods.SCORES
            level[scores.frames[scores.frames < n]] = scores.scores[scores.frames < n]
            level = level[begin:]
        else:
            level, model = series.level_of_motion(shown, n)[begin:], likelihoods.MOUTH
        return cls(begin, mouth, likelihoods.windows(level[:end]), model)

    def sums(self, share: NDArray[np.float64], first: int = 0) -> NDArray[np.float64]:
        """Sum up its motion where voices talk for these shares of windows, from the first on."""
        ahead = self.begin // likelihoods.WINDOW - first
        spoken = share[:, max(0, ahead) : max(0, ahead + len(self.moved))]
        moved = self.moved[max(0, -ahead) :][: spoken.shape[1]]
        return likelihoods.motion_sums(moved, spoken, self.model)

    def seen(self, first: int, last: int) -> bool:
        """Tell whether its mouth is known in some window of these."""
        begin = self.begin // likelihoods.WINDOW
        part = self.moved[max(0, first - begin) : max(0, last - begin)]
        return bool(np.isfinite(part).any())


class _Pairs:
    """All pairs at one lateness: (n, 1 + v) scores and what they come from, (n, v) each."""

    def __init__(self, n: int, v: int) -> None:
        self.scores = np.zeros((n, 1 + v))
        self.alone_s, self.z_synchrony = np.zeros((n, v)), np.full((n, v), np.nan)
        self.log_odds_motion = np.zeros((n, v))

    @classmethod
    def of(
        cls, faces: Sequence[_Face], sound: NDArray[np.float64], talk: NDArray[np.bool_]
    ) -> _Pairs:
        """Weigh each face for each voice."""
        pairs = cls(len(faces), len(talk))
        alone = talk & (talk.sum(axis=0) == 1)
        share = _shares(talk)
        for j, face in enumerate(faces):
            end = face.begin + len(face.mouth[0])
            pairs.scores[j] = np.logaddexp(*likelihoods.log_fits(face.sums(share), face.model))
            pairs.log_odds_motion[j] = (
                pairs.scores[j, 1:] - pairs.scores[j, 0] - likelihoods.log_prior_odds(len(talk))
            )
            for k in range(len(talk)):
                score, seconds = likelihoods.synchrony(
                    face.mouth, sound[face.begin : end], alone[k, face.begin : end]
                )
                pairs.alone_s[j, k], pairs.z_synchrony[j, k] = seconds, score
                pairs.scores[j, 1 + k] += likelihoods.log_synchrony(score, seconds)
        return pairs


class _Rows:
    """Whose each utterance is, by all mouths that are in view while it is said."""

    def __init__(
        self, session: _Session, pairs: Sequence[Binding], talk: NDArray[np.bool_]
    ) -> None:
        self._session, self._talk = session, talk
        self._share = _shares(talk)
        self._sums: dict[int, NDArray[np.float64]] = {}
        # Whose each face is: (n, 1 + v), by the posterior of all pairs.
        self._owner = np.zeros((len(session.faces), 1 + len(talk)))
        row = {number: j for j, number in enumerate(session.track_ids)}
        column = {speaker: 1 + k for k, speaker in enumerate(session.speakers)}
        for pair in pairs:
            self._owner[row[pair.track_id], column[pair.speaker]] = pair.confidence
        self._owner[:, 0] = np.maximum(1 - self._owner.sum(axis=1), 1e-9)

    def own(self, utterance: Utterance, faces: set[int], late: float) -> float:
        """Weigh whether it is its voice's; 1 where no mouth in view speaks against it.

        It may be another voice's instead, or somebody's who is not in view; then the mouths in view
        have moved and rested otherwise.
        """
        if not faces:
            return 1.0
        voice, step = self._session.speakers.index(utterance.speaker), likelihoods.WINDOW
        edges = (utterance.start - late, utterance.end - late)
        begin, end = (max(0, round(time * series.RATE)) for time in edges)
        first, last = begin // step, min(-(-end // step), self._share.shape[1])
        seen = [j for j, face in enumerate(self._session.faces) if face.seen(first, last)]
        if not faces & {self._session.track_ids[j] for j in seen}:
            return 1.0

        def likelihood(other: int | None) -> float:
            talk = self._talk[:, first * step : last * step].copy()
            talk[voice, begin - first * step : end - first * step] = False
            if other is not None:
                talk[other, begin - first * step : end - first * step] = True
            share = _shares(talk)
            return math.prod(self._ratio(j, share, first) for j in seen)

        n = len(self._talk)
        here = np.flatnonzero(self._owner[seen, 1:].max(axis=0) > _NEVER)
        others = [k for k in here.tolist() if k != voice]
        # Voices out of view and one that was never told apart leave the mouths in view alike.
        odds = ((n - len(others)) * likelihood(None) + sum(map(likelihood, others))) / n
        # Mouths that speak for it, or say nothing, doubt it at no confidence that is asked for.
        return 1 / (1 + _ANOTHERS / (1 - _ANOTHERS) * odds) if odds > 1 else 1.0

    def _ratio(self, j: int, share: NDArray[np.float64], first: int) -> float:
        """Likelihood of a face's motion with other shares of talk there, over the one as it is."""
        face = self._session.faces[j]
        if j not in self._sums:
            self._sums[j] = face.sums(self._share)
        here = self._share[:, first : first + share.shape[1]]
        sums = self._sums[j] + face.sums(share, first) - face.sums(here, first)
        before, after = (
            np.logaddexp(*likelihoods.log_fits(s, face.model)) for s in (self._sums[j], sums)
        )
        return float(self._owner[j] @ np.exp(np.minimum(after - before, 100)))


def _shares(talk: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each window in which each voice talks."""
    # Voice by voice: hours of many voices would be hundreds of megabytes as numbers.
    found = [likelihoods.windows(voice.astype(np.float64)) for voice in talk]
    # Where nobody speaks no voice tells how many windows there are.
    n = len(found[0] if found else likelihoods.windows(np.zeros(talk.shape[1])))
    return np.array(found, np.float64).reshape(len(talk), n)


def _earlier(values: NDArray[np.float64], by: int, n: int) -> NDArray[np.float64]:
    """Bring a series forward by some values; n of them, NaN where nothing is known."""
    out = np.full(n, np.nan)
    begin, end = max(0, -by), min(n, len(values) - by)
    out[begin:end] = values[begin + by : end + by]
    return out


def assign(
    evidence: Sequence[Binding],
    tracks: Tracks,
    *,
    min_confidence: float,
    speakers: Sequence[str] = (),
    stated: Mapping[str, set[int]] | None = None,
) -> dict[str, set[int]]:
    """Give faces to voices, the surest pair first: track ids by speaker, empty without a face.

    Parameters
    ----------
    tracks
        For who is on screen at the same time: one person cannot have two faces at once.
    min_confidence
        Least confidence of a pair.
    speakers
        Voices, also those without any evidence.
    stated
        Track ids of the voices whose face a person stated; nobody else gets these.
    """
    stated = stated or {}
    bound: dict[str, set[int]] = {s: set() for s in (*speakers, *(b.speaker for b in evidence))}
    bound.update({speaker: set(numbers) for speaker, numbers in stated.items()})
    ticks = {t.id: t.ticks for t in tracks.tracks}
    taken: set[int] = {number for numbers in stated.values() for number in numbers}
    for pair in sorted(evidence, key=lambda b: (-b.confidence, b.speaker, b.track_id)):
        if pair.confidence < min_confidence or pair.track_id in taken or pair.speaker in stated:
            continue
        if any(together(ticks[pair.track_id], ticks[mine]) for mine in bound[pair.speaker]):
            continue
        bound[pair.speaker].add(pair.track_id)
        taken.add(pair.track_id)
    return bound
