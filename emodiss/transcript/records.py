"""Records of speech: words, turns, utterances, and what was wrong with a row of a file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from emodiss.timebase import Seconds, Span

Timing = Literal["aligned", "attention", "interpolated", "given", "detected"]
"""How times were obtained: by forced alignment, by a recogniser's cross-attention (coarser), by
interpolation between neighbours, stated in a transcript that was given, or detected as voice
activity."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word.

    Parameters
    ----------
    text
        As written, punctuation included.
    start, end
        Seconds from media start; NaN when the source gave none.
    speaker
        Label of the voice, or None when unknown.
    score
        Alignment or recognition confidence in [0, 1]; NaN when the source gave none.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    timing: Timing = "aligned"
    score: float = float("nan")


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of one voice, from a diarizer; turns of different voices may overlap.

    Parameters
    ----------
    start, end
        Seconds from media start, half-open.
    doubts
        Stretches in it, (start, end), that sound nearly as much like another voice.
    """

    start: float
    end: float
    speaker: str
    doubts: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says in one go: the unit of analysis.

    Parameters
    ----------
    start, end
        Seconds from media start, half-open.
    text
        What is said; empty when nobody transcribed it.
    overlap_s
        Seconds during which somebody else speaks too.
    flags
        Short names of what a reader should know:

        - `backchannel`: a listener's "mm-hmm" while somebody else has the floor;
        - `nearest_speaker`: the voice of at least one word is the nearest one in time, because
          the word lies outside every turn or has no times of its own;
        - `voice_doubtful`: most of it sounds nearly as much like another voice of the recording,
          or (in the table) the mouths in view speak against its voice; it may be another's, and no
          measured face is given to it;
        - `smoothed`: at least one word was moved to the voice that speaks the rest of its
          sentence, because the change was too short to be believed;
        - `no_length`: the source gave no positive length; the stretch up to the next start was
          shared out by text length;
        - `out_of_order`: the start given contradicts its neighbours and was not used;
        - `speaker_carried`: the source named no voice here; the last one named goes on;
        - `not_aligned`: the sound was searched for its words, and they were not found;
        - `speaker_unread`: the line begins with what may be the name of a voice and cannot be
          told for one; its voice is unknown;
        - `time_unit_assumed`: the file states no unit of its times, and the pace of speech told it;
        - `text_mismatch`: what is said there seems to be something else than the text;
        - `speaker_change`: captions mark that another, unnamed voice begins here;
        - `no_speech`, `low_probability`, `repetition`: a recogniser's text that may be invented,
          because it heard nobody, doubted its words, or repeated itself;
        - `language_or_noise_doubtful`: most of what was recognised in this recording is doubted;
        - `cut`: part of a longer utterance, cut by `transcript.max_utterance_s`;
        - `not_recognised`: a voice is heard, and the recogniser wrote no words of it;
        - `no_words`: only a description in brackets or a music sign.
    """

    start: float
    end: float
    speaker: str
    text: str = ""
    words: tuple[Word, ...] = ()
    overlap_s: float = 0.0
    timing: Timing = "given"
    flags: tuple[str, ...] = ()

    @property
    def span(self) -> Span:
        """The stretch of time as a checked span."""
        return Span(self.start, self.end)

    @property
    def duration(self) -> Seconds:
        """Length in seconds."""
        return self.end - self.start

    @property
    def voice_is_doubtful(self) -> bool:
        """Whether it may be another voice's and no person said whose it is."""
        return "voice_doubtful" in self.flags and "reviewed_speaker" not in self.flags


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser heard in one recording.

    Parameters
    ----------
    segments
        In order, up to half a minute each, by nobody (`speaker=""`) and without words; flags name
        what speaks against the text, as in `Utterance`.
    language
        ISO 639-1 code of what is spoken; None when nobody speaks.
    words
        All words with their times, where the recogniser tells them; its probabilities as scores.
    language_assumed
        Whether nobody stated the language to a model that knows one alone.
    """

    segments: tuple[Utterance, ...]
    language: str | None = None
    words: tuple[Word, ...] = ()
    language_assumed: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        found = ("language_assumed",) if self.language_assumed else ()
        doubtful = any("language_or_noise_doubtful" in s.flags for s in self.segments)
        return (*found, "language_or_noise_doubtful") if doubtful else found


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a transcript file.

    Parameters
    ----------
    line
        Line of the file, counted from 1; 0 when the fault is of the whole file.
    message
        What is wrong, what was seen and what was expected; never the words spoken.
    doubt
        Whether rows are sound and kept, and only whose words they hold, or the unit of their times,
        was found out.
    """

    line: int
    message: str
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a transcript file as it stands there, before its times are settled."""

    # Line of the file, counted from 1.
    line: int
    # start, end: Seconds from media start; `end` is NaN when the file states none.
    start: float
    end: float
    # Label of the voice, or None when the file names none.
    speaker: str | None
    text: str
    words: tuple[Word, ...] = ()
    timing: Timing = "given"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """The utterances of one video and where they come from.

    Parameters
    ----------
    utterances
        In order of start; inside the stretch to work on.
    source
        `given:<suffix>`, `recognised`, or `voice activity` (times without text); a given one ends
        in `+aligned` where the sound said when its words are spoken, and in `+diarized` where it
        named no voices and the sound told them apart.
    n_outside
        Given utterances left out because they lie outside the stretch that the manifest states.
    n_beyond
        Given utterances left out because they begin after the media ends.
    n_lost_reviews
        Corrections by a person whose utterance is not there any more.
    problems
        Rows of a given transcript that could not be read: file, line and why, no words.
    beside
        Speech that no utterance holds and that may be heard over others: of voices that a diarizer
        hears while somebody else's words were recognised, and of utterances left out.
    """

    utterances: tuple[Utterance, ...]
    source: str
    n_outside: int = 0
    n_lost_reviews: int = 0
    problems: tuple[str, ...] = ()
    n_beyond: int = 0
    beside: tuple[Turn, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        found = () if self.utterances else ("no_speech",)
        found = (*found, "outside_stretch") if self.n_outside else found
        found = (*found, "beyond_end") if self.n_beyond else found
        found = (*found, "malformed_rows") if self.problems else found
        flags = {flag for u in self.utterances for flag in u.flags}
        found = (*found, "text_mismatch") if "text_mismatch" in flags else found
        found = (*found, "speaker_unread") if "speaker_unread" in flags else found
        found = (*found, "time_unit_assumed") if "time_unit_assumed" in flags else found
        return (*found, "lost_review") if self.n_lost_reviews else found


@dataclass(frozen=True, slots=True)
class Wording(Transcript):
    """A transcript whose utterances have names.

    Parameters
    ----------
    ids
        One per utterance, unique; `u0007-2` is what was split off or added after `u0007`.
    """

    ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, transcript: Transcript, ids: tuple[str, ...]) -> Wording:
        """Name the utterances of a transcript."""
        own = {f.name: getattr(transcript, f.name) for f in fields(Transcript)}
        return cls(**own, ids=ids)
