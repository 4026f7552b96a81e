"""Stages of speech: which words are said, who speaks when, and the transcript that comes of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emodiss import transcript as transcripts
from emodiss.manifest import VideoRow
from emodiss.media import Audio, Media
from emodiss.settings import TranscriptSettings
from emodiss.timebase import Seconds, Span, covered_stretches
from emodiss.transcript.cutting import LONGEST_S
from emodiss.transcript.protocols import Aligner, Diarizer, Transcriber
from emodiss.transcript.readers import error_of
from emodiss.transcript.records import Recognition, Transcript, Turn, Utterance, Word
from emodiss.transcript.timing import shared_out
from emodiss.transcript.wordless import of_one_voice, unheld, without, wordless
from emodiss.vocabulary import language_code

ALIGNMENT_MARGIN_S = 1.0
"""How far before a stated start, and beyond the next one, words are sought: AnnoMI states starts
in whole seconds. More would let words slip into what somebody else says. An aligner that looks at
attention begins at the stated start: whatever comes before the first word it gives to that word."""

MIN_JUDGED_WORDS = 4
"""A shorter text is too short to say that something else is spoken."""


def recognise(
    *, audio: Audio, model: Transcriber, settings: TranscriptSettings, row: VideoRow
) -> Recognition:
    """Recognise what is said in a recording, as a whole."""
    if not len(audio.signal):
        return Recognition(())
    language = _stated_language(row, settings)
    heard = model.transcribe(_sound(audio, model), audio.sample_rate, language=language)
    words = tuple(
        replace(w, start=w.start + audio.offset, end=w.end + audio.offset) for w in heard.words
    )
    return replace(heard, segments=_moved(heard.segments, audio.offset), words=words)


def _sound(audio: Audio, model: Any) -> Any:
    """Return the signal as a model takes it: stretch by stretch if it can."""
    whole = not getattr(model, "takes_stretches", False)
    return audio.as_float() if whole else audio.in_stretches()


def _stated_language(row: VideoRow, settings: TranscriptSettings) -> str | None:
    """Language that a person states: for this video, else for the run."""
    of_run = language_code(settings.language) or settings.language
    return language_code(row.language) or of_run


def time_words(
    *, audio: Audio, recognition: Recognition | None, model: Aligner, settings: TranscriptSettings
) -> tuple[Word, ...]:
    """Find when each recognised word is said."""
    if recognition is None or not recognition.segments:
        return ()
    if recognition.words and _by_attention(model):
        return recognition.words
    heard = model.align(
        _sound(audio, model),
        audio.sample_rate,
        _moved(recognition.segments, -audio.offset),
        language=recognition.language or settings.language,
    )
    found: list[Word] = []
    for segment, words in zip(recognition.segments, heard, strict=True):
        timed = [replace(w, start=w.start + audio.offset, end=w.end + audio.offset) for w in words]
        usable = "repetition" not in segment.flags and any(math.isfinite(w.start) for w in timed)
        # A segment that could not be aligned keeps its place: its words share it.
        found += timed if usable else shared_out(segment)
    return tuple(found)


def _by_attention(model: Aligner) -> bool:
    return getattr(model, "timing", "aligned") == "attention"


def _moved(utterances: Sequence[Utterance], by: float) -> tuple[Utterance, ...]:
    return tuple(replace(u, start=u.start + by, end=u.end + by) for u in utterances)


def diarize(*, audio: Audio, model: Diarizer, settings: TranscriptSettings) -> tuple[Turn, ...]:
    """Find who speaks when."""
    if not len(audio.signal):
        return ()
    turns = model.diarize(
        _sound(audio, model), audio.sample_rate, num_speakers=settings.num_speakers
    )
    by = audio.offset
    return tuple(
        replace(
            turn,
            start=turn.start + by,
            end=turn.end + by,
            doubts=tuple((start + by, end + by) for start, end in turn.doubts),
        )
        for turn in turns
    )


def align(
    *, media: Media, audio: Audio, model: Aligner, row: VideoRow, settings: TranscriptSettings
) -> Transcript:
    """Find in the sound when the words of a given transcript are said."""
    assert row.transcript is not None
    found, source, problems = _given(Path(row.transcript), settings)
    utterances = list(found)
    last = audio.offset + len(audio.signal) / audio.sample_rate
    sought: list[int] = []
    windows: list[Utterance] = []
    for index, u in enumerate(utterances):
        guessed = u.timing == "interpolated"
        lead = ALIGNMENT_MARGIN_S if guessed and not _by_attention(model) else 0.0
        start = max(audio.offset, media.start, u.start - lead)
        end = min(last, media.end, u.end + (ALIGNMENT_MARGIN_S if guessed else 0.0))
        if (guessed or not u.words) and u.text.strip() and start < end:
            sought.append(index)
            windows.append(replace(u, start=start - audio.offset, end=end - audio.offset))
    if windows:
        heard = model.align(
            _sound(audio, model),
            audio.sample_rate,
            windows,
            language=_stated_language(row, settings),
        )
        least = getattr(model, "mismatch_below", 0.0)
        for index, words in zip(sought, heard, strict=True):
            utterances[index] = _aligned(utterances[index], words, audio.offset, least)
    return Transcript(tuple(utterances), f"{source}+aligned", problems=problems)


def _aligned(utterance: Utterance, words: Sequence[Word], offset: float, least: float) -> Utterance:
    """Give an utterance the times of its words, as far as they were found."""
    guessed = utterance.timing == "interpolated"
    scores = [word.score for word in words if math.isfinite(word.score)]
    if len(scores) >= MIN_JUDGED_WORDS and sum(scores) < least * len(scores):
        return replace(utterance, flags=(*utterance.flags, "text_mismatch"))
    if not any(math.isfinite(word.start) and word.end > word.start for word in words):
        flags = (*utterance.flags, "not_aligned") if guessed else utterance.flags
        return replace(utterance, flags=flags)
    own = [
        replace(word, start=word.start + offset, end=word.end + offset, speaker=utterance.speaker)
        for word in words
    ]
    # One voice and no limit to pauses make one utterance; words not found get times in between.
    (joined,) = transcripts.join(own, [], keep_sentences=False, max_pause_s=math.inf)
    if not guessed:
        return replace(utterance, words=joined.words)
    doubts = ("no_length", "out_of_order")  # of the start that is not used any more
    return replace(
        utterance,
        start=joined.start,
        end=joined.end,
        words=joined.words,
        timing=joined.timing,
        flags=tuple(flag for flag in utterance.flags if flag not in doubts),
    )


def assemble(
    *,
    media: Media,
    recognition: Recognition | None,
    words: tuple[Word, ...] | None,
    turns: tuple[Turn, ...] | None,
    alignment: Transcript | None,
    row: VideoRow,
    settings: TranscriptSettings,
) -> Transcript:
    """Make the transcript: read the given one, or join words and turns."""
    problems: tuple[str, ...] = ()
    longest = settings.max_utterance_s
    if row.transcript:
        if alignment is not None:
            found, source = list(alignment.utterances), alignment.source
            problems = alignment.problems
        else:
            found, source, problems = _given(Path(row.transcript), settings)
        if turns:
            found = transcripts.tell_apart(found, list(turns), max_pause_s=settings.max_pause_s)
            source += "+diarized"
    else:
        heard = recognition if recognition is not None else Recognition(())
        said = _words_of(heard) if words is None else words
        pause, turns = settings.max_pause_s, turns or ()
        loops = [segment for segment in heard.segments if "repetition" in segment.flags]
        said = of_one_voice(said, loops, turns, pause)
        found = _doubted(transcripts.join(said, turns, max_pause_s=pause), heard.segments)
        if said:  # without any words the turns are the utterances already
            found += wordless(found, turns, max_pause_s=pause)
        source = "recognised" if recognition is not None else "voice activity"
        longest = longest or LONGEST_S
    if longest is not None:
        found = transcripts.cut(found, longest, turns=turns or ())
    found = _unsure(found, turns or ())
    begun = [u for u in found if u.start < media.duration]
    n_beyond, found = len(found) - len(begun), [_ended(u, media.duration) for u in begun]
    stretch = Span(media.start, media.end)
    # An utterance belongs to the stretch that holds its middle, so that neighbours share none.
    inside = [u for u in found if stretch.contains((u.start + u.end) / 2)]
    outside = [u for u in found if not stretch.contains((u.start + u.end) / 2)]
    beside = (
        *(
            Turn(u.start, u.end, u.speaker)
            for u in outside
            if u.start < stretch.end and stretch.start < u.end
        ),
        *unheld(found, turns or (), max_pause_s=settings.max_pause_s),
    )
    marked = transcripts.with_overlap(inside, turns=beside)
    return Transcript(
        tuple(sorted(marked, key=lambda u: (u.start, u.end, u.speaker))),
        source,
        n_outside=len(outside),
        problems=problems,
        n_beyond=n_beyond,
        beside=beside,
    )


def _ended(utterance: Utterance, end: Seconds) -> Utterance:
    """End an utterance with the media: captions often stay on display beyond it."""
    if utterance.end <= end:
        return utterance
    words = tuple(replace(w, end=min(w.end, end)) for w in utterance.words if w.start < end)
    return replace(utterance, end=end, words=words if len(words) == len(utterance.words) else ())


def _words_of(heard: Recognition) -> tuple[Word, ...]:
    """Words of a recogniser, with its own times where it gave any."""
    return heard.words or tuple(w for segment in heard.segments for w in shared_out(segment))


def _doubted(found: list[Utterance], segments: Sequence[Utterance]) -> list[Utterance]:
    """Hand the doubts about a recogniser's segments on to the utterances that hold their words."""
    doubtful = [segment for segment in segments if segment.flags]
    marked: list[Utterance] = []
    for utterance in found:
        flags = set(utterance.flags)
        for segment in doubtful:
            if segment.start < utterance.end and utterance.start < segment.end:
                flags.update(segment.flags)
        marked.append(replace(utterance, flags=tuple(sorted(flags))))
    return marked


def _unsure(found: list[Utterance], turns: Sequence[Turn]) -> list[Utterance]:
    """Flag utterances most of which, as far as one voice speaks alone, may be another's."""
    heard: dict[str, list[tuple[float, float]]] = {}
    doubts: dict[str, list[tuple[float, float]]] = {}
    for voice in {turn.speaker for turn in turns if turn.doubts}:
        own = sorted((t for t in turns if t.speaker == voice), key=lambda turn: turn.start)
        others = covered_stretches((t.start, t.end) for t in turns if t.speaker != voice)
        doubts[voice] = [stretch for turn in own for stretch in turn.doubts]
        heard[voice] = list(_alone(own, others))
    marked: list[Utterance] = []
    for utterance in found:
        spoken = _shared(utterance, heard.get(utterance.speaker, []))
        if _shared(utterance, doubts.get(utterance.speaker, [])) > spoken / 2:
            flags = tuple(sorted({*utterance.flags, "voice_doubtful"}))
            utterance = replace(utterance, flags=flags)
        marked.append(utterance)
    return marked


def _alone(
    turns: Sequence[Turn], others: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """Yield what a voice says while no other speaks."""
    for turn in turns:
        first = bisect_right(others, turn.start, key=lambda stretch: stretch[1])
        yield from without((turn.start, turn.end), others[first:])


def _shared(utterance: Utterance, stretches: Sequence[tuple[float, float]]) -> float:
    """Seconds of an utterance that stretches cover; they are in order and lie apart."""
    place = bisect_right(stretches, utterance.start, key=lambda stretch: stretch[1])
    total = 0.0
    while place < len(stretches) and stretches[place][0] < utterance.end:
        start, end = stretches[place]
        total += min(end, utterance.end) - max(start, utterance.start)
        place += 1
    return total


def _given(
    path: Path, settings: TranscriptSettings
) -> tuple[list[Utterance], str, tuple[str, ...]]:
    """Utterances of a file, what it is, and the rows that could not be read."""
    found, problems = transcripts.read_report(path)
    faults = [problem for problem in problems if not problem.doubt]
    if faults and (settings.strict or not found):
        raise error_of(path, faults, n_read=len(found))
    said = tuple(f"{path.name}, line {p.line}: {p.message}" for p in faults)
    return found, f"given:{path.suffix.lstrip('.').lower()}", said
