"""The paragraph that a paper's methods section needs about a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss import dissonance
from emodiss.errors import SettingsError
from emodiss.exports.provenance import Provenance, trace

if TYPE_CHECKING:
    from emodiss.runs.run import Run
    from emodiss.settings import DissonanceSettings

TASKS = {
    "asr": "speech recognition",
    "aligner": "word alignment",
    "diarizer": "speaker diarization",
    "roles": "roles of the voices",
    "faces": "face detection",
    "tracker": "tracking of faces",
    "active_speaker": "active speakers",
    "speech_affect": "affect of the voice",
    "face_affect": "affect of the face",
    "sentiment": "sentiment of the words",
}
"""Tasks of models in words."""

_CORRECTED = {
    "role": "role{s} of voices",
    "speaker": "speaker{s} of utterances",
    "times": "time{s} of utterances",
    "text": "text{s} of utterances",
}


def methods(run: Run, *, seed: int = 0) -> str:
    """Write the paragraph that a paper's methods section needs about a run."""
    facts, videos, table = run.facts, run.videos_table, run.utterances
    rests = trace(run)
    rule = run.settings.dissonance
    hours = float(videos["duration"].sum()) / 3600
    failed = len({failure.video for failure in run.failures})
    silent = len(videos) - len(rests.sessions)
    said = [
        f"{_count(len(videos), 'video')} ({hours:.2f} h"
        + (f"; {failed} more could not be analysed" if failed else "")
        + (f"; {silent} without an utterance" if silent else "")
        + f") {'were' if len(videos) != 1 else 'was'} analysed with "
        f"{_software(rests, facts)}, which follows Haydarov et al. (2025).",
        _models(rests),
        stated(rests, videos, table),
        _sampling(run, rests),
        _comparison(rule),
        _counted(table, rule, seed),
        _changed(run),
    ]
    return " ".join(filter(None, said)) + "\n"


def _software(rests: Provenance, facts: Mapping[str, Any]) -> str:
    """Name what was installed while the results were made."""
    told = {name: _listed(versions) for name, versions in rests.software.items()}
    when = "with"
    if not told:
        told, when = facts.get("versions", {}), "when last run, with"
    packages = ", ".join(
        f"{name} {told[name]}" for name in sorted(told) if name not in ("emodiss", "python")
    )
    return (
        f"emodiss {told.get('emodiss', '')} (preset {facts.get('preset', '')}; {when} Python "
        f"{told.get('python', '')}, {packages})"
    )


def stated(rests: Provenance, videos: pd.DataFrame, voices: pd.DataFrame) -> str:
    """Say what people stated or corrected: transcripts, roles, faces."""
    own = voices[voices["video_id"].isin(rests.sessions)]
    parts = (
        _transcripts(videos[videos["video_id"].isin(rests.sessions)]),
        _people(own.drop_duplicates(["video_id", "speaker"])),
        _corrections(rests),
    )
    return " ".join(filter(None, parts))


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' if n != 1 else ''}"


def _listed(parts: Iterable[str]) -> str:
    """Join with commas and, before the last, `and`."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def _models(rests: Provenance) -> str:
    told: list[str] = []
    for use in rests.uses:
        extent = rests.extent(use)
        told.append(f"{TASKS[use.task]}, {use.identity}" + (f" ({extent})" if extent else ""))
    text = f"Models: {'; '.join(told)}." if told else ""
    if rests.untraced:
        n = len(rests.untraced)
        text += (
            f" The models of {_count(n, 'session')} cannot be named, because the stored results "
            "are not those of the tables."
        )
    return text.strip()


def _transcripts(videos: pd.DataFrame) -> str:
    """Say whose words these are."""
    # Plain lists: a report says this once per session.
    source = videos["transcript_source"].tolist()
    given = [how for how in source if isinstance(how, str) and how.startswith("given:")]
    aligned, diarized = (sum(mark in how for how in given) for mark in ("+aligned", "+diarized"))
    also = {"word times were sought in the sound": aligned, "the sound told voices apart": diarized}
    ways = {
        "given by the user": len(given),
        "recognised from the sound": source.count("recognised"),
        "replaced by stretches of speech without words": source.count("voice activity"),
    }
    ways["of unknown origin"] = len(videos) - sum(ways.values())
    if videos.empty:
        return ""
    if len(videos) == 1:
        told = [next(how for how, k in ways.items() if k), *(how for how, k in also.items() if k)]
        return f"The transcript was {'; '.join(told)}."
    text = f"Of {_count(len(videos), 'session')} the transcript was {_shares(ways, len(videos))}"
    if any(also.values()):
        text += "; of those given, " + _shares(also, ways["given by the user"])
    return text + "."


def _shares(counts: Mapping[str, int], n: int, *, word: str = "in") -> str:
    """List what happened and how often, of `n`; what never happened is left out."""
    return _listed(
        f"{what} {word} {'all' if k == n else f'{k:,}'}" for what, k in counts.items() if k
    )


def _people(voices: pd.DataFrame) -> str:
    """Say who said which part a voice plays, and which face is its own."""
    if voices.empty:
        return ""
    roles = {
        "stated in the manifest": "manifest",
        "stated by a reviewer": "review",
        "given by a language model": "language_model",
        "given by the classifier": "classifier",
    }
    faces = {
        "found by measurement": "measured",
        "stated in the manifest": "manifest",
        "set for the whole run": "setting",
    }

    def told(column: str, ways: dict[str, str]) -> str:
        known = voices[column].dropna().tolist()
        counts = {how: known.count(code) for how, code in ways.items()}
        counts["unknown"] = len(voices) - len(known)
        return _shares(counts, len(voices), word="for")

    return (
        f"Of {_count(len(voices), 'voice')} the role was {told('role_source', roles)}; which face "
        f"belongs to it was {told('binding_source', faces)}."
    )


def _corrections(rests: Provenance) -> str:
    sums: dict[str, int] = {}
    for (_, kind), n in rests.corrections.items():
        sums[kind] = sums.get(kind, 0) + n
    if not sums:
        return ""
    told = _listed(
        f"{n:,} {words.format(s='s' if n != 1 else '')}"
        for kind, words in _CORRECTED.items()
        if (n := sums.get(kind, 0))
    )
    reviewed = len({video for video, _ in rests.corrections})
    return f"Reviewers corrected {told} in {_count(reviewed, 'session')}."


def _sampling(run: Run, rests: Provenance) -> str:
    text = "Times refer to presentation timestamps"
    looked = [
        f"every {_nth(getattr(run.settings, group).stride)} frame for {what}"
        for group, what in (("faces", "detection"), ("face_affect", "affect"))
        if group in rests.tasks
    ]
    face = run.settings.face_affect
    if face.looks_per_utterance is not None and "face_affect" in rests.tasks:
        looked[-1] += (
            f" (in longer utterances {face.looks_per_utterance} frames, evenly spread, or as many "
            f"as leave no more than {face.looks_apart_s:g} s between them)"
        )
    if looked:
        text += f"; faces were sampled on a clock of 30 frames per second, {_listed(looked)}"
    if "face_affect" not in rests.tasks:
        return f"{text}."
    text += ", and averaged over each utterance."
    if run.settings.face_affect.who == "all":
        text += " Faces of people who did not speak were measured apart from those of speakers."
    return text


def _nth(n: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(n, f"{n}th")


def _comparison(rule: DissonanceSettings) -> str:
    sides = (
        "the voice and the face of the speaker differed"
        if rule.compare == "voice_vs_face"
        else "the sentiment of the words (VADER) and the mean of voice and face differed"
    )
    axes = " or ".join(rule.axes)
    scale = (
        "all values being mapped to [-1, 1]"
        if rule.scale == "house"
        else "the models' raw values being compared without rescaling"
    )
    threshold = (
        f"more than T = {rule.threshold:g}"
        if rule.quantile is None
        else f"more than the {rule.quantile:g} quantile of its session's differences"
    )
    baseline = {
        "none": "",
        "shift": ", after the speaker's own mean in the session was taken off",
        "z": ", in standard deviations from the speaker's own mean in the session",
    }[rule.baseline]
    return (
        f"An utterance was called dissonant when {sides} by {threshold} on {axes}, {scale}"
        f"{baseline}; where a side could not be measured it was left undetermined."
    )


def _counted(table: pd.DataFrame, rule: DissonanceSettings, seed: int) -> str:
    known = table["dissonant"].notna()
    n, unknown = int(known.sum()), int((~known).sum())
    if not n:
        return f"None of {len(table):,} utterances could be determined."
    flagged = int(table["dissonant"].fillna(False).sum())
    text = (
        f"Of {n:,} determined utterances {flagged:,} ({flagged / n:.1%}) were dissonant; "
        f"{unknown:,} were undetermined."
    )
    found = dissonance.overview(table, rule, seed=seed)
    return " ".join(filter(None, (text, _by_chance(found, rule), _expected(table))))


def _by_chance(found: dissonance.Overview, rule: DissonanceSettings) -> str:
    null = found.chance
    if not np.isfinite(null.null_rate):
        return "No speaker had two determined utterances, so chance could not be estimated."
    text = (
        f"With the sides re-paired ({dissonance.NULL_WORDS[null.null]}, {null.n:,} utterances) "
        f"{null.null_rate:.1%} were (95 % of re-pairings: {null.low:.1%} to {null.high:.1%}), "
        f"against {null.rate:.1%} as paired (p = {null.p_value:.3f}"
    )
    text += f"; {null.note}" if null.note else ""
    text += ")." if rule.quantile is None else "; both with the quantile of all sessions together)."
    centred = found.chance_centred
    if centred is not None and found.n_centred:
        text += (
            f" After voice and face were centred within speaker and session, "
            f"{found.rate_centred:.1%} of {found.n_centred:,} were dissonant, and "
            f"{centred.null_rate:.1%} by chance."
        )
    return text


def _expected(table: pd.DataFrame) -> str:
    known = table["dissonance_probability"].notna() & table["dissonant"].fillna(False)
    if not known.any():
        return ""
    expected = float(table.loc[known, "dissonance_probability"].sum())
    return (
        f"Given the errors of both models and of the mean over few frames, {expected:.1f} of the "
        f"{int(known.sum()):,} flags with a probability are expected to be true."
    )


def _changed(run: Run) -> str:
    """Name the settings that are not the preset's; models are named where they did something."""
    from emodiss import presets
    from emodiss.models.catalog import with_errors
    from emodiss.settings import resolve

    preset = run.facts.get("preset", "")
    own = run.settings.model_dump(mode="json", exclude={"models"})
    try:
        usual = with_errors(resolve(presets.changes_of(preset))).model_dump(mode="json")
    except SettingsError:
        return f"Settings: {json.dumps(own, sort_keys=True)}."
    changed = [
        f"{group}.{name} = {value}"
        for group, values in own.items()
        for name, value in values.items()
        if value != usual[group][name]
    ]
    return f"Settings other than the preset's: {', '.join(changed)}." if changed else ""
