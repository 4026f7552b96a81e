"""Put what is known about each utterance into one table, and words and frames beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss import affect, dissonance
from emodiss.affect import EXPRESSIONS
from emodiss.people import People
from emodiss.roles import Roles
from emodiss.speech import Transcript
from emodiss.utterances.measures import FaceMeasures, SpeechMeasures
from emodiss.utterances.schema import FRAME_SCHEMA, SCHEMA, conform


def tabulate(
    *,
    wording: Transcript,
    roles: Roles,
    people: People,
    speech_affect: SpeechMeasures,
    face_affect: FaceMeasures,
    row: Any,
    settings: Any,
) -> pd.DataFrame:
    """Put everything known about each utterance into one table and apply Equation 1.

    Parameters
    ----------
    wording, roles, people, speech_affect, face_affect
        Results of the stages before.
    row
        Manifest row, for the id.
    settings
        Groups `dissonance` and `face_affect`, by name.

    Returns
    -------
    DataFrame
        Columns of `SCHEMA`; no row when nobody speaks.
    """
    rule, counting = settings["dissonance"], settings["face_affect"]
    rows: list[dict[str, Any]] = []
    for i, utterance in enumerate(wording.utterances):
        person, part = people.of(utterance.speaker), roles.of(utterance.speaker)
        rows.append(
            {
                "video_id": row.id,
                "utterance_id": f"u{i + 1:04d}",
                "start": utterance.start,
                "end": utterance.end,
                "speaker": utterance.speaker,
                "role": part.role,
                "role_source": part.source,
                "role_confidence": part.confidence,
                "text": utterance.text,
                "n_words": len(utterance.text.split()),
                "overlap_s": utterance.overlap_s,
                "timing": utterance.timing,
                "flags": ";".join(utterance.flags),
                "binding_confidence": person.binding_confidence,
                "binding_source": person.binding_source,
                "face_coverage": face_affect.coverage[i],
                **_voice_of(i, speech_affect),
                **_face_of(i, face_affect, counting),
            }
        )
    table = conform(pd.DataFrame(rows), SCHEMA)
    table["sentiment"] = _sentiment(table["text"])
    return conform(dissonance.reflag(table, dissonance.Rule.of(rule)), SCHEMA)


def _voice_of(i: int, measures: SpeechMeasures) -> dict[str, Any]:
    valence, arousal = float(measures.valence[i]), float(measures.arousal[i])
    names = ("valence", "arousal", "dominance")
    return {
        **{f"speech_{n}": float(getattr(measures, n)[i]) for n in names},
        **{f"speech_{n}_raw": float(getattr(measures, f"{n}_raw")[i]) for n in names},
        "speech_label": affect.nearest_label(valence, arousal),
        "speech_status": measures.status[i],
    }


def _face_of(i: int, measures: FaceMeasures, counting: Any) -> dict[str, Any]:
    mine = measures.utterance == i
    n = int(mine.sum())
    found: dict[str, Any] = {
        "n_face_frames": n,
        "face_status": measures.status[i],
        "track_id": int(np.bincount(measures.track_id[mine]).argmax()) if n else None,
    }
    if measures.status[i] == "ok" and n < counting.min_frames:
        # The decoder did not deliver what the tracks promised.
        found["face_status"] = "too_few_frames"
    if found["face_status"] != "ok":
        return found
    for axis in ("valence", "arousal"):
        series = affect.mean_of_series(getattr(measures, axis)[mine])
        raw = getattr(measures, f"{axis}_raw")[mine]
        found[f"face_{axis}"] = series.mean
        found[f"face_{axis}_se"] = series.standard_error
        found[f"face_{axis}_raw"] = float(raw.astype(np.float64).mean())
    mean_probabilities = measures.probabilities[mine].astype(np.float64).mean(axis=0)
    found["face_label"] = EXPRESSIONS[int(mean_probabilities.argmax())]
    return found


def _sentiment(texts: pd.Series) -> NDArray[np.float64]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    if not len(texts):
        return np.zeros(0)
    analyzer = SentimentIntensityAnalyzer()
    return np.array(
        [
            float(analyzer.polarity_scores(text)["compound"]) if text.strip() else np.nan
            for text in texts
        ]
    )


def frame_table(table: pd.DataFrame, measures: FaceMeasures) -> pd.DataFrame:
    """Lay the measured face frames out as a table.

    Parameters
    ----------
    table
        Utterance table of one video.
    measures
        Face measures of the same video.

    Returns
    -------
    DataFrame
        Columns of `FRAME_SCHEMA`.
    """
    values: dict[str, Any] = {
        "video_id": table["video_id"].to_numpy()[measures.utterance],
        "utterance_id": table["utterance_id"].to_numpy()[measures.utterance],
        "track_id": measures.track_id,
        "tick": measures.tick,
        "time": measures.time,
        **{name: measures.box[:, k] for k, name in enumerate(("x1", "y1", "x2", "y2"))},
        **{n: getattr(measures, n) for n in ("valence", "arousal", "valence_raw", "arousal_raw")},
        **{f"p_{n}": measures.probabilities[:, k] for k, n in enumerate(EXPRESSIONS)},
    }
    return conform(pd.DataFrame(values, copy=False), FRAME_SCHEMA)


def word_table(table: pd.DataFrame, transcript: Transcript) -> pd.DataFrame:
    """Lay the words with times out as a table.

    Parameters
    ----------
    table
        Utterance table of one video.
    transcript
        Of the same video.

    Returns
    -------
    DataFrame
        video_id, utterance_id, word, start, end, timing, score.
    """
    rows = [
        (video, utterance_id, word.text, word.start, word.end, word.timing, word.score)
        for video, utterance_id, utterance in zip(
            table["video_id"], table["utterance_id"], transcript.utterances, strict=True
        )
        for word in utterance.words
    ]
    names = ["video_id", "utterance_id", "word", "start", "end", "timing", "score"]
    kinds = dict(
        zip(names, ["str", "str", "str", "float64", "float64", "str", "float64"], strict=True)
    )
    return pd.DataFrame(rows, columns=names).astype(kinds)
