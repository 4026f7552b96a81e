"""Speech without words: voices that are heard where the recogniser wrote nothing of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from emodiss.timebase import Seconds, covered_stretches
from emodiss.transcript.records import Turn, Utterance, Word


def wordless(
    utterances: Sequence[Utterance], turns: Sequence[Turn], *, max_pause_s: Seconds
) -> list[Utterance]:
    """Make utterances without text of the speech that no utterance covers.

    No more of it than a pause may last is an edge that words and turns see differently.
    """
    covered = covered_stretches((u.start, u.end) for u in utterances)
    found: list[Utterance] = []
    for voice in sorted({turn.speaker for turn in turns}):
        runs: list[list[tuple[float, float]]] = []
        for stretch in covered_stretches((t.start, t.end) for t in turns if t.speaker == voice):
            for part in without(stretch, covered):
                gap = (runs[-1][-1][1], part[0]) if runs else None
                if gap and gap[1] - gap[0] <= max_pause_s and not _touched(gap, covered):
                    runs[-1].append(part)
                else:
                    runs.append([part])
        found += [
            Utterance(run[0][0], run[-1][1], voice, timing="detected", flags=("not_recognised",))
            for run in runs
            if sum(end - start for start, end in run) > max_pause_s
        ]
    return found


def unheld(
    utterances: Sequence[Utterance], turns: Sequence[Turn], *, max_pause_s: Seconds
) -> list[Turn]:
    """List what a voice says outside its own utterances: under words that are another's.

    No more of it than a pause may last is an edge, as above, or a pause that the diarizer bridged.
    """
    found: list[Turn] = []
    for voice in sorted({turn.speaker for turn in turns}):
        own = covered_stretches((u.start, u.end) for u in utterances if u.speaker == voice)
        for stretch in covered_stretches((t.start, t.end) for t in turns if t.speaker == voice):
            found += [
                Turn(start, end, voice)
                for start, end in without(stretch, own)
                if end - start > max_pause_s
            ]
    return found


def of_one_voice(
    words: Sequence[Word], loops: Sequence[Utterance], turns: Sequence[Turn], max_pause_s: Seconds
) -> list[Word]:
    """Let text that repeats itself stand where one voice speaks; a loop runs on over all voices."""
    texts = {loop.text for loop in loops}
    found = list(words)
    for place, word in enumerate(words):
        if word.text in texts:
            runs = _runs(word, turns, max_pause_s)
            if len({turn.speaker for turn in runs}) > 1:
                longest = max(runs, key=lambda turn: (turn.end - turn.start, -turn.start))
                found[place] = replace(word, start=longest.start, end=longest.end)
    return found


def _runs(word: Word, turns: Sequence[Turn], max_pause_s: Seconds) -> list[Turn]:
    """List what the voices say during a word, one run from change to change of the voice."""
    runs: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        start, end = max(turn.start, word.start), min(turn.end, word.end)
        if start >= end:
            continue
        last = runs[-1] if runs else None
        if last and last.speaker == turn.speaker and start - last.end <= max_pause_s:
            runs[-1] = replace(last, end=max(last.end, end))
        else:
            runs.append(Turn(start, end, turn.speaker))
    return runs


def without(
    span: tuple[float, float], covered: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """Parts of a span that nothing covers."""
    start, end = span
    for low, high in covered:
        if low >= end:
            break
        if high > start:
            if low > start:
                yield start, low
            start = max(start, high)
    if start < end:
        yield start, end


def _touched(span: tuple[float, float], covered: Sequence[tuple[float, float]]) -> bool:
    return any(low < span[1] and span[0] < high for low, high in covered)
