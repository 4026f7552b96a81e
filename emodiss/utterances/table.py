"""Put what is known about each utterance into one table; words, frames and windows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss import affect, dissonance
from emodiss.affect import EXPRESSIONS
from emodiss.manifest import VideoRow
from emodiss.people import People
from emodiss.people.roles import Roles
from emodiss.settings import DissonanceSettings, FaceAffectSettings
from emodiss.timebase import CLOCK_FPS
from emodiss.transcript import Transcript, Wording
from emodiss.utterances.listeners import ListenerMeasures
from emodiss.utterances.looks import PARTS, FaceFrames
from emodiss.utterances.measures import FaceMeasures, SpeechMeasures
from emodiss.utterances.schema import (
    FACE_SUMMARY_SCHEMA,
    FRAME_SCHEMA,
    SCHEMA,
    WINDOW_SCHEMA,
    conform,
)
from emodiss.utterances.windows import VoiceWindows


def tabulate(
    *,
    wording: Wording,
    roles: Roles,
    people: People,
    speech_affect: SpeechMeasures,
    face_affect: FaceMeasures,
    listener_affect: ListenerMeasures | None,
    row: VideoRow,
    settings: DissonanceSettings,
    min_frames: int,
    looks_per_utterance: int | None = None,
) -> pd.DataFrame:
    """Put all that is known about each utterance into one table (`SCHEMA`), Equation 1 included.

    Parameters
    ----------
    wording, roles, people, speech_affect, face_affect, listener_affect
        Results of the stages before; the last is None where only speakers are measured.
    row
        Manifest row, for the id.
    min_frames
        Fewest measured face frames; fewer may be left than the tracks promised.
    looks_per_utterance
        Unless None, faces were looked at less often in longer utterances.
    """
    errors = _face_errors(face_affect, uneven=looks_per_utterance is not None)
    rows: list[dict[str, Any]] = []
    for i, utterance in enumerate(wording.utterances):
        person = people.of(utterance.speaker, doubtful=people.doubts(i, utterance))
        part = roles.of(utterance.speaker)
        doubts = ("voice_doubtful",) if i in people.contradicted else ()
        rows.append(
            {
                "video_id": row.id,
                "utterance_id": wording.ids[i],
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
                "flags": ";".join(sorted({*utterance.flags, *doubts})),
                "binding_confidence": person.binding_confidence,
                "binding_source": person.binding_source,
                "face_coverage": face_affect.coverage[i],
                **_voice_of(i, speech_affect),
                **_face_of(i, face_affect, errors, min_frames),
                **_listener_of(i, listener_affect, people, min_frames),
            }
        )
    table = conform(pd.DataFrame(rows), SCHEMA)
    table["sentiment"] = _sentiment(table["text"])
    return conform(dissonance.reflag(table, settings), SCHEMA)


def _voice_of(i: int, measures: SpeechMeasures) -> dict[str, Any]:
    valence, arousal = float(measures.valence[i]), float(measures.arousal[i])
    names = ("valence", "arousal", "dominance")
    return {
        **{f"speech_{n}": float(getattr(measures, n)[i]) for n in names},
        **{f"speech_{n}_raw": float(getattr(measures, f"{n}_raw")[i]) for n in names},
        "speech_label": affect.nearest_label(valence, arousal),
        "speech_status": measures.status[i],
    }


def _face_of(
    i: int, measures: FaceMeasures, errors: dict[tuple[int, str], float], min_frames: int
) -> dict[str, Any]:
    mine = measures.utterance == i
    n = len(np.unique(measures.frame[mine]))
    track = _main_track(measures, mine) if n else None
    status = measures.status[i]
    if status == "ok" and n < min_frames:
        # The decoder did not deliver what the tracks promised.
        status = "too_few_frames"
    found = {"n_face_frames": n, "face_status": status, "track_id": track}
    if status != "ok":
        return found
    own = {axis: errors[i, axis] for axis in ("valence", "arousal")}
    return {**found, **_means("face", measures, mine, own)}


def _listener_of(
    i: int, measures: ListenerMeasures | None, people: People, min_frames: int
) -> dict[str, Any]:
    if measures is None:
        return {"listener_status": "not_measured"}
    label, track, status = measures.listener[i], measures.listener_track[i], measures.status[i]
    if track < 0:
        return {"listener_status": status, "n_listener_frames": 0}
    own = people.of(label).track_ids if label else (track,)
    listens = measures.part == PARTS.index("listener")
    mine = (measures.utterance == i) & listens & np.isin(measures.track_id, own)
    # A frame that is shown for several ticks is one observation.
    frames, firsts = np.unique(measures.frame[mine], return_index=True)
    if status == "ok" and len(frames) < min_frames:
        status = "too_few_frames"
    found = {
        "listener": label or None,
        "listener_track_id": track,
        "n_listener_frames": len(frames),
        "listener_status": status,
    }
    if status != "ok":
        return found
    errors = {
        axis: affect.mean_of_series(getattr(measures, axis)[mine][firsts]).standard_error
        for axis in ("valence", "arousal")
    }
    return {**found, **_means("listener", measures, mine, errors)}


def _means(
    channel: str, measures: FaceFrames, mine: NDArray[np.bool_], errors: Mapping[str, float]
) -> dict[str, Any]:
    """Mean over ticks of one face in one utterance, as columns of the table; by axis, its error."""
    found: dict[str, Any] = {}
    for axis in ("valence", "arousal"):
        values = getattr(measures, axis)[mine].astype(np.float64)
        raw = getattr(measures, f"{axis}_raw")[mine]
        found[f"{channel}_{axis}"] = float(values.mean())
        found[f"{channel}_{axis}_se"] = errors[axis]
        found[f"{channel}_{axis}_raw"] = float(raw.astype(np.float64).mean())
    mean_probabilities = measures.probabilities[mine].astype(np.float64).mean(axis=0)
    found[f"{channel}_label"] = EXPRESSIONS[int(mean_probabilities.argmax())]
    return found


def _main_track(measures: FaceFrames, mine: NDArray[np.bool_]) -> int:
    return int(np.bincount(measures.track_id[mine]).argmax())


def _face_errors(measures: FaceMeasures, *, uneven: bool) -> dict[tuple[int, str], float]:
    """Estimate the error of the face's mean, by utterance and axis.

    How alike neighbouring frames are is learned from all utterances of a track together, and
    unless all were looked at at the same stride, by how far apart the looks are.
    """
    stretches: dict[int, dict[int, NDArray[np.intp]]] = {}
    for i in np.unique(measures.utterance):
        mine = measures.utterance == i
        # A frame on display for several ticks is one observation.
        _, firsts = np.unique(measures.frame[mine], return_index=True)
        track = stretches.setdefault(_main_track(measures, mine), {})
        track[int(i)] = np.flatnonzero(mine)[firsts]
    found: dict[tuple[int, str], float] = {}
    for track in stretches.values():
        spacings = None
        if uneven:
            spacings = [_spacing(measures.tick[rows]) for rows in track.values()]
        for axis in ("valence", "arousal"):
            values = getattr(measures, axis)
            means = affect.means_of_series((values[rows] for rows in track.values()), spacings)
            for i, mean in zip(track, means, strict=True):
                found[i, axis] = mean.standard_error
    return found


def _spacing(ticks: NDArray[np.int64]) -> float:
    """Ticks from one look to the next; gaps do not count."""
    return float(np.median(np.diff(ticks))) if len(ticks) > 1 else 1.0


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


def frame_table(
    table: pd.DataFrame,
    measures: FaceMeasures,
    listeners: ListenerMeasures | None,
    people: People,
    *,
    video: str,
) -> pd.DataFrame:
    """Lay the measured face frames out as a table (`FRAME_SCHEMA`), speakers first.

    Parameters
    ----------
    table
        Utterance table of one video.
    measures, listeners
        Face measures of the same video: of who speaks, and of the others where they are measured.
    people
        Whose face is whose.
    video
        Its id; a video in which nobody speaks has no utterance to tell it.
    """
    frames = _frames(table, measures, np.zeros(len(measures.tick), np.int8), people, video)
    if listeners is None:
        return frames
    others = _frames(table, listeners, listeners.part, people, video)
    return conform(pd.concat([frames, others], ignore_index=True), FRAME_SCHEMA)


def _frames(
    table: pd.DataFrame, measures: FaceFrames, part: NDArray[np.int8], people: People, video: str
) -> pd.DataFrame:
    # The last entry stands for -1: no utterance.
    names = np.array([*table["utterance_id"], None], dtype=object)
    owner = {number: person.speaker for person in people.persons for number in person.track_ids}
    tracks, whose = np.unique(measures.track_id, return_inverse=True)
    labels = np.array([owner.get(int(number)) for number in tracks] or [None], object)
    values: dict[str, Any] = {
        "video_id": np.full(len(measures.tick), video, object),
        "utterance_id": names[measures.utterance],
        "track_id": measures.track_id,
        "tick": measures.tick,
        "time": measures.time,
        **{name: measures.box[:, k] for k, name in enumerate(("x1", "y1", "x2", "y2"))},
        **{n: getattr(measures, n) for n in ("valence", "arousal", "valence_raw", "arousal_raw")},
        **{f"p_{n}": measures.probabilities[:, k] for k, n in enumerate(EXPRESSIONS)},
        "part": np.array(PARTS, object)[part],
        "person": labels[whose],
    }
    return conform(pd.DataFrame(values, copy=False), FRAME_SCHEMA)


def face_summary(frames: pd.DataFrame, settings: FaceAffectSettings) -> pd.DataFrame:
    """Say how each face of a session looked while speaking, listening and in silence.

    Parameters
    ----------
    frames
        Columns of `FRAME_SCHEMA`, of one or more videos.
    settings
        Group `face_affect`: how often faces were looked at.

    Returns
    -------
    DataFrame
        Columns of `FACE_SUMMARY_SCHEMA`. A tick that counts for two utterances counts once here.
    """
    rows: list[dict[str, Any]] = []
    # A person may have several tracks; a face without a voice is known by its track alone.
    track = frames["track_id"].where(frames["person"].isna()).astype("Int64")
    once = frames.assign(track=track).drop_duplicates(["video_id", "track_id", "tick", "part"])
    groups = once.groupby(["video_id", "person", "track", "part"], dropna=False, sort=False)
    for (video, person, number, part), own in groups:
        own = own.sort_values("tick")
        row: dict[str, Any] = {"video_id": video, "person": person, "track_id": number}
        row |= {"part": part, "n_face_frames": len(own)}
        if part == "speaker" and settings.looks_per_utterance is not None:
            own = own.iloc[_held(own, settings.stride)]
        row["seconds"] = len(own) * settings.stride / CLOCK_FPS
        for axis in ("valence", "arousal"):
            series = affect.mean_of_series(own[axis])
            row |= {axis: series.mean, f"{axis}_se": series.standard_error}
            row[f"{axis}_raw"] = float(own[f"{axis}_raw"].mean())
        rows.append(row)
    found = pd.DataFrame(rows)
    if rows:
        place = found["part"].map(PARTS.index)
        found = found.assign(place=place).sort_values(
            ["video_id", "person", "track_id", "place"], ignore_index=True
        )
    return conform(found, FACE_SUMMARY_SCHEMA)


def _held(own: pd.DataFrame, stride: int) -> NDArray[np.intp]:
    """Rows of a speaker's face in order of time, each as often as the strides it stands for."""
    apart = own.groupby("utterance_id")["tick"].transform(lambda ticks: ticks.diff().median())
    lasts = np.cumsum(apart.fillna(stride).to_numpy(np.float64))
    return np.searchsorted(lasts, np.arange(stride / 2, lasts[-1], stride))


def window_table(table: pd.DataFrame, windows: VoiceWindows) -> pd.DataFrame:
    """Lay the voice windows of a video out as a table (`WINDOW_SCHEMA`).

    Parameters
    ----------
    table
        Utterance table of one video.
    windows
        Of the same video.
    """
    names = [f"{n}{raw}" for raw in ("", "_raw") for n in ("valence", "arousal", "dominance")]
    whose = table[["video_id", "utterance_id", "speaker"]].iloc[windows.utterance]
    values = {name: getattr(windows.measures, name) for name in names}
    return conform(
        whose.reset_index(drop=True).assign(
            start=windows.start, end=windows.end, **values, status=list(windows.measures.status)
        ),
        WINDOW_SCHEMA,
    )


def word_table(table: pd.DataFrame, transcript: Transcript) -> pd.DataFrame:
    """Lay words with times out: video_id, utterance_id, word, start, end, timing, score.

    Parameters
    ----------
    table
        Utterance table of one video.
    transcript
        Of the same video.
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
