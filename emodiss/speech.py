"""Speech: which words are said, who speaks when, and the transcript that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emodiss import transcript as transcripts
from emodiss.media import Audio, Media
from emodiss.timebase import Span
from emodiss.transcript import Turn, Utterance, Word


@dataclass(frozen=True, slots=True)
class Transcript:
    """The utterances of one video and where they come from.

    Parameters
    ----------
    utterances
        In order of start; inside the stretch to work on.
    source
        `given:<suffix>`, `recognised`, or `voice activity` (times without text).
    n_outside
        Given utterances left out because they lie outside the stretch to work on.
    n_lost_reviews
        Corrections by a person whose utterance is not there any more.
    """

    utterances: tuple[Utterance, ...]
    source: str
    n_outside: int = 0
    n_lost_reviews: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        found = () if self.utterances else ("no_speech",)
        found = (*found, "outside_stretch") if self.n_outside else found
        return (*found, "lost_review") if self.n_lost_reviews else found


def transcribe(*, audio: Audio, model: Any, settings: Any) -> tuple[Word, ...]:
    """Recognise the words of a recording.

    Parameters
    ----------
    audio
        16 kHz mono.
    model
        A `Transcriber`.
    settings
        Group `transcript`.

    Returns
    -------
    tuple of Word
        Times in seconds from media start; empty without sound.
    """
    if not len(audio.signal):
        return ()
    words = model.transcribe(audio.as_float(), audio.sample_rate, language=settings.language)
    return tuple(
        replace(word, start=word.start + audio.offset, end=word.end + audio.offset)
        for word in words
    )


def diarize(*, audio: Audio, model: Any, settings: Any) -> tuple[Turn, ...]:
    """Find who speaks when.

    Parameters
    ----------
    audio
        16 kHz mono.
    model
        A `Diarizer`.
    settings
        Group `transcript`.

    Returns
    -------
    tuple of Turn
        Times in seconds from media start; empty without sound.
    """
    if not len(audio.signal):
        return ()
    turns = model.diarize(audio.as_float(), audio.sample_rate, num_speakers=settings.num_speakers)
    return tuple(
        Turn(turn.start + audio.offset, turn.end + audio.offset, turn.speaker) for turn in turns
    )


def assemble(
    *,
    media: Media,
    words: tuple[Word, ...] | None,
    turns: tuple[Turn, ...] | None,
    row: Any,
    settings: Any,
) -> Transcript:
    """Make the transcript: read the given one, or join words and turns.

    Parameters
    ----------
    media
        For the stretch to work on.
    words, turns
        Of the stages before; None when the stage was skipped.
    row
        Manifest row; its `transcript` is a path here, or None.
    settings
        Group `transcript`.

    Returns
    -------
    Transcript
        Utterances sorted by start, with the seconds that others talk over.

    Raises
    ------
    TranscriptError
        If the given transcript cannot be read.
    """
    if row.transcript:
        path = Path(row.transcript)
        found = transcripts.read(path, strict=settings.strict)
        source = f"given:{path.suffix.lstrip('.').lower()}"
    else:
        found = transcripts.join(
            list(words or ()), list(turns or ()), max_pause_s=settings.max_pause_s
        )
        source = "recognised" if words is not None else "voice activity"
    stretch = Span(media.start, media.end)
    # An utterance belongs to the stretch that holds its middle, so that neighbours share none.
    inside = [u for u in found if stretch.contains((u.start + u.end) / 2)]
    ordered = sorted(transcripts.with_overlap(inside), key=lambda u: (u.start, u.end, u.speaker))
    return Transcript(tuple(ordered), source, n_outside=len(found) - len(inside))
