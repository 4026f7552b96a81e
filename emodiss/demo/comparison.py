"""The demo's truth beside what was measured: with its transcript, and as an untouched video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emodiss.demo.session import WIDTH
from emodiss.demo.truth import DemoSession, DemoTruth
from emodiss.runs.store import write_atomically
from emodiss.transcript import Turn
from emodiss.transcript.scoring import VoiceErrors, plain_words, voice_errors, word_errors

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.runs.run import Run

UNTOUCHED = "untouched"
"""Id under which the film is annotated as if nothing but itself were given."""


def untouched_manifest(session: DemoSession) -> Path:
    """Write a manifest that names the film of a demo session and nothing else.

    Parameters
    ----------
    session
        Its transcript is found by its name, so the film goes by another id here.
    """
    path = session.folder / "manifest-untouched.csv"
    write_atomically(path, f"id,path\n{UNTOUCHED},{session.video.name}\n".encode())
    return path


def compare(truth: DemoTruth, runs: Mapping[str, Run]) -> list[dict[str, str]]:
    """Lay what was measured beside the truth.

    Parameters
    ----------
    truth
        Of the demo session.
    runs
        Runs that hold this film alone, by the name of their column.

    Returns
    -------
    list of dict
        A row per question with the keys `what`, `truth` and one per run.
    """
    rows = [{"what": what, "truth": expected} for what, expected in expected_of(truth).items()]
    for name, run in runs.items():
        for row, found in zip(rows, found_in(truth, with_sides(run)), strict=True):
            row[name] = found
    return rows


def with_sides(run: Run) -> pd.DataFrame:
    """Return the utterances, and in which half of the picture the face of each lies, if any."""
    (video,) = run.videos
    table = run.session(video)
    tracks = run.artifact(video, "tracks")
    sides = {
        track.id: "left" if np.median(track.boxes[:, [0, 2]]) < WIDTH / 2 else "right"
        for track in tracks.tracks
    }
    return table.assign(face_side=[sides.get(t) for t in table["track_id"].fillna(-1)])


def expected_of(truth: DemoTruth) -> dict[str, str]:
    """Say what the truth is, by what is compared."""
    n_words = sum(len(plain_words(u.text)) for u in truth.utterances)
    speech = sum(u.end - u.start for u in truth.utterances)
    voices = {u.speaker for u in truth.utterances}
    return {
        "utterances": str(len(truth.utterances)),
        "words wrong": f"0 of {n_words}",
        "voices": str(len(voices)),
        "voice errors (DER)": f"0 of {speech:.1f} s",
        "words with the wrong voice": "0",
        "roles right / wrong / open": f"{len(voices)} / 0 / 0",
        "faces right / wrong / open": f"{speech:.1f} / 0.0 / 0.0 s",
        "utterances with voice affect": "those of 1 s and more",
        "utterances with face affect": "those whose speaker is seen",
        "face valence under the smile, less before": "above 0",
        "flagged under the smile": str(len(truth.diverging())),
        "flagged elsewhere": "not known",
    }


def found_in(truth: DemoTruth, table: pd.DataFrame) -> list[str]:
    """Say what was found of the truth, in the order of `expected_of`."""
    spoken = [Turn(u.start, u.end, u.speaker) for u in truth.utterances]
    starts, ends = table["start"].to_numpy(float), table["end"].to_numpy(float)
    labels = [str(s) for s in table["speaker"]]
    turns = [Turn(*turn) for turn in zip(starts, ends, labels, strict=True)]
    voices = voice_errors(spoken, turns)
    n_wrong, n_words, n_swapped, n_paired = _words(truth, table, voices)
    smiling, before = _smiles(truth, table, voices)
    rise = _mean(table.loc[smiling, "face_valence"]) - _mean(table.loc[before, "face_valence"])
    flagged = table["dissonant"].fillna(False).astype(bool).to_numpy()
    known = table["dissonant"].notna().to_numpy()
    wrong_s = voices.missed_s + voices.false_alarm_s + voices.confused_s
    right, wrong, open_ = _faces(truth, table, voices)
    return [
        str(len(table)),
        f"{n_wrong} of {n_words}" if table["text"].str.strip().any() else "no words",
        str(len(set(labels))),
        f"{wrong_s:.1f} of {voices.speech_s:.1f} s",
        f"{n_swapped} of {n_paired}",
        " / ".join(str(n) for n in _roles(truth, table, voices)),
        f"{right:.1f} / {wrong:.1f} / {open_:.1f} s",
        f"{int((table['speech_status'] == 'ok').sum())} of {len(table)}",
        f"{int((table['face_status'] == 'ok').sum())} of {len(table)}",
        "not measured" if np.isnan(rise) else f"{rise:+z.2f}",
        f"{int(flagged[smiling].sum())} of {int(known[smiling].sum())}",
        f"{int(flagged[~smiling].sum())} of {int(known[~smiling].sum())}",
    ]


def _words(truth: DemoTruth, table: pd.DataFrame, voices: VoiceErrors) -> tuple[int, int, int, int]:
    """Wrong words, words said, words with the wrong voice, and words that could have one."""
    said = [(w, u.speaker) for u in truth.utterances for w in plain_words(u.text)]
    found = [
        (word, voices.same.get(str(speaker)))
        for text, speaker in zip(table["text"], table["speaker"], strict=True)
        for word in plain_words(str(text))
    ]
    errors = word_errors([w for w, _ in said], [w for w, _ in found])
    swapped = sum(said[i][1] != found[j][1] for i, j in errors.pairs)
    return errors.n_wrong, errors.n_said, swapped, len(errors.pairs)


def _roles(truth: DemoTruth, table: pd.DataFrame, voices: VoiceErrors) -> tuple[int, int, int]:
    counts = [0, 0, 0]
    for label, roles in table.groupby("speaker")["role"]:
        role = roles.iloc[0]
        name = voices.same.get(str(label))
        if not isinstance(role, str):
            counts[2] += 1
        else:
            counts[0 if name and truth.person(name).role == role else 1] += 1
    return counts[0], counts[1], counts[2]


def _faces(
    truth: DemoTruth, table: pd.DataFrame, voices: VoiceErrors
) -> tuple[float, float, float]:
    """Seconds of speech with the right face (or rightly none), a wrong one, or none though seen."""
    seconds = [0.0, 0.0, 0.0]
    for row in table.to_dict("records"):
        name = voices.same.get(str(row["speaker"]))
        middle = (row["start"] + row["end"]) / 2
        if not isinstance(row["face_side"], str):
            verdict = 2 if name is not None and truth.face_visible(name, middle) else 0
        else:
            verdict = 0 if name is not None and truth.person(name).side == row["face_side"] else 1
        seconds[verdict] += row["end"] - row["start"]
    return seconds[0], seconds[1], seconds[2]


def _smiles(
    truth: DemoTruth, table: pd.DataFrame, voices: VoiceErrors
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows the patient speaks mostly under the scripted smile, and which before it."""
    patient = truth.person("patient").speaker
    hers = np.array([voices.same.get(str(s)) == patient for s in table["speaker"]], bool)
    if truth.smile_span is None:
        return np.zeros(len(table), bool), hers
    middle = ((table["start"] + table["end"]) / 2).to_numpy(float)
    smiling = hers & (truth.smile_span.start <= middle) & (middle < truth.smile_span.end)
    return smiling, hers & ~smiling


def _mean(values: Any) -> float:
    known = values.dropna()
    return float(known.mean()) if len(known) else float("nan")
