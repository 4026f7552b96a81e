"""Records: what is measured of mouths, what is weighed, and who is who."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import EmodissError
from emodiss.transcript import Utterance
from emodiss.vocabulary import BindingSource


class FaceMappingError(EmodissError):
    """What a person stated about whose face is whose does not fit the video."""

    code = "face_mapping"


@dataclass(frozen=True, slots=True, eq=False)
class MouthMotion:
    """What one tracked mouth does.

    Parameters
    ----------
    ticks
        (n,) int64 ticks of the 30 FPS clock.
    motion
        (n,) float32, mean absolute change of the inner mouth per second, in units of its own
        contrast, after the best shift of whole pixels; NaN where there is nothing to compare with.
    opening
        (n,) float32, how much darker the darkest tenth of the inner mouth is than its mean, in
        units of its contrast: an open mouth is dark. NaN where it was not looked at.
    stir
        (n,) float32, mean absolute change of eyes and brow per second on a scale of [0, 1] for
        grey, after the best shift: what head, light and compression do to the picture. NaN as in
        `motion`.
    """

    track_id: int
    ticks: NDArray[np.int64]
    motion: NDArray[np.float32]
    opening: NDArray[np.float32]
    stir: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Mouths:
    """Mouths of all tracks of one video, and how alike their faces are.

    Parameters
    ----------
    series
        One per face track, in order of track id.
    likeness
        (n, n) float32, symmetric: correlation of the grey faces of two tracks that are never in
        the picture together; NaN elsewhere. No picture is kept.
    """

    series: tuple[MouthMotion, ...]
    likeness: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TrackScores:
    """What an active-speaker model says of one track.

    Parameters
    ----------
    frames
        (n,) int64, increasing: frame k is shown at k / 25 s from media start.
    scores
        (n,) float32, logit that this face talks and speech is heard.
    """

    track_id: int
    frames: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TalkScores:
    """What an active-speaker model says of all tracks of one video.

    Parameters
    ----------
    tracks
        Of those that were long enough to be scored, in order of track id.
    """

    tracks: tuple[TrackScores, ...]

    def of(self, track_id: int) -> TrackScores | None:
        """Return the scores of a track; None when it was too short."""
        return next((t for t in self.tracks if t.track_id == track_id), None)


@dataclass(frozen=True, slots=True)
class Binding:
    """Evidence that one face belongs to one voice.

    Parameters
    ----------
    alone_s
        Seconds in which the voice speaks alone and the mouth is in view.
    z_synchrony
        How closely the mouth follows the sound of these seconds, as a standard score against
        chance; NaN below three seconds.
    log_odds_motion
        Natural logarithm of the odds that the face moves as the voice's would, against a face of
        nobody's; from its motion alone, or from the talking scores of a model where there are
        some.
    confidence
        In [0, 1]: posterior probability that the face is the voice's.
    """

    speaker: str
    track_id: int
    alone_s: float
    z_synchrony: float
    log_odds_motion: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Person:
    """One voice of the session with its faces.

    Parameters
    ----------
    track_ids
        Face tracks of this person; empty when the face is not shown or not known.
    binding_confidence
        In [0, 1], the least of the tracks'; NaN without a track, and when a person said it.
    binding_source
        `measured`; `review`, `manifest` or `setting` (a person stated it, also that there is no
        face); or None when no face could be given.
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
    sound_late_s
        Lateness of the sound behind the picture in seconds, of those tried; 0 unless another is
        surer than 0.8.
    n_lost_reviews
        Faces that a person gave to a voice and that are not seen there any more.
    contradicted
        Utterances, by their number, whose mouths in view make it too likely that they are another
        voice's: a diarizer gave them to this one.
    """

    persons: tuple[Person, ...]
    evidence: tuple[Binding, ...]
    sound_late_s: float = 0.0
    n_lost_reviews: int = 0
    contradicted: tuple[int, ...] = ()

    def doubts(self, number: int, utterance: Utterance) -> bool:
        """Tell whether an utterance may be another voice's, by its sound or the mouths in view."""
        return utterance.voice_is_doubtful or number in self.contradicted

    def of(self, speaker: str, *, doubtful: bool = False) -> Person:
        """Return the person with this voice; without a measured face where the voice is doubtful.

        What binds a voice to a face is heard in all its speech, and says nothing of a stretch that
        may be another voice's.
        """
        found = next(person for person in self.persons if person.speaker == speaker)
        if doubtful and found.binding_source == "measured":
            return Person(speaker, (), math.nan, None)
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        sources = {person.binding_source for person in self.persons}
        found = ("stated_faces",) if sources & {"review", "manifest", "setting"} else ()
        found = (*found, "lost_review") if self.n_lost_reviews else found
        found = (*found, "unbound_voice") if None in sources else found
        return (*found, "sound_offset") if self.sound_late_s else found
