"""The utterance table: the product. One row per utterance, one declared schema.

Validation, the data dictionary and the README's table are all made from `SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss import affect, dissonance, faces
from emodiss.affect import EXPRESSIONS, Scale
from emodiss.errors import EmodissError
from emodiss.media import Audio, Media, iterate_frames
from emodiss.people import People
from emodiss.speech import Transcript
from emodiss.video import Tracks

# Crops that wait for the face model; bounds memory, changes no result.
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        Of the column.
    dtype
        pandas dtype; `str`, `float64`, `Int64` and `boolean` hold missing values as such.
    meaning
        What it holds, with unit and range.
    low, high
        Least and greatest allowed value; None where there is no bound.
    choices
        Allowed values of a text column; None when free.
    """

    name: str
    dtype: str
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None


SPEECH_STATUSES = ("ok", "no_audio", "too_short", "silent", "overlap")
FACE_STATUSES = ("ok", "no_video", "off_screen", "too_small", "too_few_frames", "unbound")
ROLE_CHOICES = ("therapist", "patient", "other")
TIMINGS = ("aligned", "interpolated", "given", "detected")

_ID, _TEXT, _NUMBER, _COUNT, _FLAG = "str", "str", "float64", "Int64", "boolean"


def _unit(name: str, meaning: str) -> Column:
    return Column(name, _NUMBER, f"{meaning}, in [-1, 1]; NaN when missing", -1.0, 1.0)


SCHEMA: tuple[Column, ...] = (
    Column("video_id", _ID, "id of the video in the manifest"),
    Column("utterance_id", _ID, "id of the utterance, unique within its video, in spoken order"),
    Column("start", _NUMBER, "begin, seconds from media start", 0.0),
    Column("end", _NUMBER, "end, seconds from media start; not part of the utterance", 0.0),
    Column("speaker", _TEXT, "label of the voice"),
    Column("role", _TEXT, "part in the conversation; missing when not known", choices=ROLE_CHOICES),
    Column(
        "role_source",
        _TEXT,
        "who said so: `manifest` (a person), `classifier`, `review` (a person)",
        choices=("manifest", "classifier", "review"),
    ),
    Column("text", _TEXT, "what is said; empty when nobody transcribed it"),
    Column("n_words", _COUNT, "words in the text, split at white space", 0),
    Column("overlap_s", _NUMBER, "seconds during which somebody else speaks too", 0.0),
    Column("timing", _TEXT, "how start and end were obtained", choices=TIMINGS),
    Column("flags", _TEXT, "what a reader should know, `;` between: `backchannel`, ..."),
    _unit("sentiment", "VADER compound sentiment of the text (Hutto and Gilbert 2014)"),
    Column("track_id", _COUNT, "face track of the speaker with most ticks in the utterance", 0),
    Column("binding_confidence", _NUMBER, "confidence that the face is the speaker's", 0.0, 1.0),
    Column("face_coverage", _NUMBER, "share of the utterance with that face in view", 0.0, 1.0),
    Column("n_face_frames", _COUNT, "ticks of the 30 FPS clock with a measured face", 0),
    _unit("speech_valence", "valence of the voice"),
    _unit("speech_arousal", "arousal of the voice"),
    _unit("speech_dominance", "dominance of the voice"),
    Column("speech_valence_raw", _NUMBER, "as the model gave it, on its native scale"),
    Column("speech_arousal_raw", _NUMBER, "as the model gave it, on its native scale"),
    Column("speech_dominance_raw", _NUMBER, "as the model gave it, on its native scale"),
    Column(
        "speech_label", _TEXT, "nearest emotion in the valence-arousal plane", choices=EXPRESSIONS
    ),
    Column("speech_status", _TEXT, "`ok`, or why the voice is missing", choices=SPEECH_STATUSES),
    _unit("face_valence", "valence of the face, mean over ticks"),
    _unit("face_arousal", "arousal of the face, mean over ticks"),
    Column(
        "face_valence_se", _NUMBER, "standard error of that mean, autocorrelation respected", 0.0
    ),
    Column(
        "face_arousal_se", _NUMBER, "standard error of that mean, autocorrelation respected", 0.0
    ),
    Column("face_valence_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column("face_arousal_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column(
        "face_label", _TEXT, "expression with the largest mean probability", choices=EXPRESSIONS
    ),
    Column("face_status", _TEXT, "`ok`, or why the face is missing", choices=FACE_STATUSES),
    Column("delta_valence", _NUMBER, "speech minus face, on the compared scale"),
    Column("delta_arousal", _NUMBER, "speech minus face, on the compared scale"),
    Column("dissonance_score", _NUMBER, "larger absolute difference; NaN when undetermined", 0.0),
    Column("dissonant", _FLAG, "Equation 1: true, false, or missing when undetermined"),
    Column(
        "dissonance_axis",
        _TEXT,
        "which axis is past the threshold",
        choices=("valence", "arousal", "both"),
    ),
    Column("dissonance_reason", _TEXT, "why it is undetermined: `speech:...`, `face:...`"),
    Column(
        "dissonance_probability",
        _NUMBER,
        "probability of being past the threshold, given the face's standard errors",
        0.0,
        1.0,
    ),
    Column(
        "compared_scale",
        _TEXT,
        "scale of the differences: `house` or `raw` (preset paper-raw)",
        choices=("house", "raw"),
    ),
)
"""Every column of the utterance table, in order."""

FRAME_SCHEMA: tuple[Column, ...] = (
    Column("video_id", _ID, "id of the video"),
    Column("utterance_id", _ID, "id of the utterance"),
    Column("track_id", _COUNT, "face track", 0),
    Column("tick", _COUNT, "tick of the 30 FPS clock", 0),
    Column("time", _NUMBER, "seconds from media start", 0.0),
    *(Column(n, _NUMBER, "edge of the face box in pixels") for n in ("x1", "y1", "x2", "y2")),
    _unit("valence", "valence of this frame"),
    _unit("arousal", "arousal of this frame"),
    Column("valence_raw", _NUMBER, "as the model gave it"),
    Column("arousal_raw", _NUMBER, "as the model gave it"),
    *(Column(f"p_{n}", _NUMBER, f"probability of {n}", 0.0, 1.0) for n in EXPRESSIONS),
)
"""Every column of `face_frames.parquet`, in order."""


class TableError(EmodissError, ValueError):
    """A table does not fit its schema."""

    code = "table"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechMeasures:
    """Affect of the voice, one entry per utterance of the transcript.

    Parameters
    ----------
    status
        One of `SPEECH_STATUSES` each.
    valence, arousal, dominance
        (n,) float64, house scale; NaN unless `ok`.
    valence_raw, arousal_raw, dominance_raw
        (n,) float64, native scale; NaN unless `ok`.
    n_clamped
        Values that lay past the ends of the scale.
    scale
        Native scale of the model.
    """

    status: tuple[str, ...]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    dominance: NDArray[np.float64]
    valence_raw: NDArray[np.float64]
    arousal_raw: NDArray[np.float64]
    dominance_raw: NDArray[np.float64]
    n_clamped: int
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False)
class FaceMeasures:
    """Affect of the speaker's face: one entry per measured tick, and one status per utterance.

    Parameters
    ----------
    status
        One of `FACE_STATUSES` per utterance.
    coverage
        (n,) float64, share of each utterance with the speaker's face in view.
    utterance, track_id, tick
        (m,) int64: which utterance, which track, which tick of the clock.
    time
        (m,) float64 seconds.
    box
        (m, 4) float32 pixels.
    valence, arousal, valence_raw, arousal_raw
        (m,) float32.
    probabilities
        (m, 8) float32.
    scale
        Native scale of the model.
    """

    status: tuple[str, ...]
    coverage: NDArray[np.float64]
    utterance: NDArray[np.int64]
    track_id: NDArray[np.int64]
    tick: NDArray[np.int64]
    time: NDArray[np.float64]
    box: NDArray[np.float32]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    valence_raw: NDArray[np.float32]
    arousal_raw: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    scale: Scale


def measure_speech(
    *, audio: Audio, transcript: Transcript, model: Any, settings: Any
) -> SpeechMeasures:
    """Measure the voice of each utterance.

    Parameters
    ----------
    audio
        16 kHz mono.
    transcript
        The utterances.
    model
        A `SpeechAffectModel`.
    settings
        Group `speech_affect`.

    Returns
    -------
    SpeechMeasures
        In the order of the transcript.
    """
    names = ("valence", "arousal", "dominance")
    values = {n: np.full(len(transcript.utterances), np.nan) for n in names}
    raw = {n: np.full(len(transcript.utterances), np.nan) for n in names}
    status: list[str] = []
    n_clamped = 0
    shortest = max(settings.min_duration_s, model.min_duration_s)
    for i, utterance in enumerate(transcript.utterances):
        signal = audio.cut(utterance.start, utterance.end)
        reason = _speech_reason(signal, utterance, audio, shortest, settings)
        if reason == "ok":
            measured = model.predict(signal, audio.sample_rate)
            if np.isnan(measured.arousal_raw):
                reason = "silent"
            else:
                for name in names:
                    raw[name][i] = getattr(measured, f"{name}_raw")
                    mapped = affect.to_house_scale(raw[name][i], model.scale)
                    values[name][i] = float(mapped.values)
                    n_clamped += mapped.n_clamped
        status.append(reason)
    return SpeechMeasures(
        tuple(status),
        **values,
        **{f"{n}_raw": raw[n] for n in names},
        n_clamped=n_clamped,
        scale=model.scale,
    )


def _speech_reason(
    signal: NDArray[np.float32], utterance: Any, audio: Audio, shortest: float, settings: Any
) -> str:
    if not len(audio.signal):
        return "no_audio"
    if len(signal) < round(shortest * audio.sample_rate):
        return "too_short"
    if utterance.overlap_s > settings.max_overlap * (utterance.end - utterance.start):
        return "overlap"
    level = 10 * np.log10(float(np.square(signal, dtype=np.float64).mean()) + 1e-12)
    return "silent" if level < settings.silence_dbfs else "ok"


@dataclass(frozen=True, slots=True)
class _Look:
    """One crop to be measured: where, and for which ticks of which utterances it counts."""

    track_id: int
    box: tuple[float, float, float, float]
    ticks: tuple[int, ...]
    utterance: int


def measure_faces(
    *,
    source: Path,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    model: Any,
    settings: Any,
) -> FaceMeasures:
    """Measure the speaker's face while the speaker talks.

    Parameters
    ----------
    source, media
        The video.
    transcript, tracks, people
        Who speaks when, who is seen when, and whose face is whose.
    model
        A `FaceAffectModel`.
    settings
        Group `face_affect`.

    Returns
    -------
    FaceMeasures
        A source frame on display at several ticks is computed once and counted at each.
    """
    status: list[str] = []
    coverage = np.full(len(transcript.utterances), np.nan)
    looks: dict[int, list[_Look]] = {}
    clock = media.clock()
    all_ticks = media.ticks()
    by_id = {track.id: track for track in tracks.tracks}
    for i, utterance in enumerate(transcript.utterances):
        times = clock.time_of(all_ticks)
        within = all_ticks[(times >= utterance.start) & (times < utterance.end)]
        person = people.of(utterance.speaker)
        in_view = {t: _in_view(by_id[t], within) for t in person.track_ids}
        n_seen = sum(len(p) for p in in_view.values())
        if len(within):
            coverage[i] = min(1.0, n_seen / len(within))
        found = 0
        for track_id, positions in in_view.items():
            track = by_id[track_id]
            chosen = positions[track.ticks[positions] % settings.stride == 0]
            sides = (track.boxes[:, 2:] - track.boxes[:, :2])[chosen].min(axis=1, initial=np.inf)
            chosen = chosen[sides >= settings.min_size]
            found += len(chosen)
            frames = clock.frame_at(track.ticks[chosen])
            for frame in np.unique(frames):
                at = chosen[frames == frame]
                x1, y1, x2, y2 = (float(v) for v in track.boxes[at[0]])
                ticks = tuple(int(t) for t in track.ticks[at])
                looks.setdefault(int(frame), []).append(_Look(track_id, (x1, y1, x2, y2), ticks, i))
        status.append(_face_reason(media, person, tracks, within, n_seen, found, settings))
    return _look(source, media, looks, model, tuple(status), coverage)


def _in_view(track: Any, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in a track's arrays that fall on the given ticks."""
    return np.flatnonzero(np.isin(track.ticks, ticks))


def _face_reason(
    media: Media,
    person: Any,
    tracks: Tracks,
    within: NDArray[np.int64],
    n_seen: int,
    n_found: int,
    settings: Any,
) -> str:
    if not media.has_video:
        return "no_video"
    if not person.track_ids:
        somebody = any(len(_in_view(track, within)) for track in tracks.tracks)
        return "unbound" if somebody else "off_screen"
    if n_seen == 0:
        return "off_screen"
    if n_found == 0 and n_seen >= settings.min_frames:
        return "too_small"
    return "ok" if n_found >= settings.min_frames else "too_few_frames"


def _look(
    source: Path,
    media: Media,
    looks: Mapping[int, Sequence[_Look]],
    model: Any,
    status: tuple[str, ...],
    coverage: NDArray[np.float64],
) -> FaceMeasures:
    """Decode once, crop, measure in batches, and spread each result over its ticks."""
    seen: list[_Look] = []
    results: list[Any] = []
    for batch in _batches(_crops(source, media, looks, model)):
        seen.extend(look for look, _ in batch)
        results.append(model.predict([crop for _, crop in batch]))

    def gather(name: str, width: int | None = None) -> NDArray[np.float32]:
        parts = [np.asarray(getattr(r, name), np.float32) for r in results]
        empty = np.zeros((0,) if width is None else (0, width), np.float32)
        return np.concatenate(parts) if parts else empty

    repeat = np.repeat(np.arange(len(seen)), [len(look.ticks) for look in seen])
    tick = np.array([t for look in seen for t in look.ticks], dtype=np.int64)
    utterance = np.array([look.utterance for look in seen], dtype=np.int64)[repeat]
    order = np.lexsort((tick, utterance))
    take = repeat[order]
    valence, arousal = gather("valence_raw")[take], gather("arousal_raw")[take]
    return FaceMeasures(
        status=status,
        coverage=coverage,
        utterance=utterance[order],
        track_id=np.array([look.track_id for look in seen], dtype=np.int64)[take],
        tick=tick[order],
        time=media.clock().time_of(tick[order]),
        box=np.array([look.box for look in seen], dtype=np.float32).reshape(-1, 4)[take],
        valence=affect.to_house_scale(valence, model.scale).values.astype(np.float32),
        arousal=affect.to_house_scale(arousal, model.scale).values.astype(np.float32),
        valence_raw=valence,
        arousal_raw=arousal,
        probabilities=gather("probabilities", len(EXPRESSIONS))[take],
        scale=model.scale,
    )


def _crops(
    source: Path, media: Media, looks: Mapping[int, Sequence[_Look]], model: Any
) -> Iterator[tuple[_Look, NDArray[np.uint8]]]:
    for frame in iterate_frames(source, media, np.array(sorted(looks), dtype=np.int64)):
        for look in looks[frame.index]:
            yield (
                look,
                faces.crop(
                    frame.image, look.box, margin=model.crop_margin, square=model.crop_square
                ),
            )


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def tabulate(
    *,
    media: Media,
    transcript: Transcript,
    tracks: Tracks,
    people: People,
    speech_affect: SpeechMeasures,
    face_affect: FaceMeasures,
    row: Any,
    settings: Any,
) -> pd.DataFrame:
    """Put everything known about each utterance into one table and apply Equation 1.

    Parameters
    ----------
    media, transcript, tracks, people, speech_affect, face_affect
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
    for i, utterance in enumerate(transcript.utterances):
        person = people.of(utterance.speaker)
        rows.append(
            {
                "video_id": row.id,
                "utterance_id": f"u{i + 1:04d}",
                "start": utterance.start,
                "end": utterance.end,
                "speaker": utterance.speaker,
                "role": person.role,
                "role_source": person.role_source,
                "text": utterance.text,
                "n_words": len(utterance.text.split()),
                "overlap_s": utterance.overlap_s,
                "timing": utterance.timing,
                "flags": ";".join(utterance.flags),
                "binding_confidence": person.binding_confidence,
                "face_coverage": face_affect.coverage[i],
                **_voice_of(i, speech_affect, rule),
                **_face_of(i, face_affect, counting),
            }
        )
    table = conform(pd.DataFrame(rows), SCHEMA)
    table["sentiment"] = _sentiment(table["text"])
    return _flagged(table, rule)


def _voice_of(i: int, measures: SpeechMeasures, rule: Any) -> dict[str, Any]:
    valence, arousal = float(measures.valence[i]), float(measures.arousal[i])
    names = ("valence", "arousal", "dominance")
    return {
        **{f"speech_{n}": float(getattr(measures, n)[i]) for n in names},
        **{f"speech_{n}_raw": float(getattr(measures, f"{n}_raw")[i]) for n in names},
        "speech_label": affect.nearest_label(valence, arousal, neutral_radius=rule.neutral_radius),
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


def _flagged(table: pd.DataFrame, rule: Any) -> pd.DataFrame:
    """Apply Equation 1 and say why it cannot be answered where it cannot."""
    suffix = "_raw" if rule.scale == "raw" else ""
    voice = [table[f"speech_{axis}{suffix}"] for axis in ("valence", "arousal")]
    face = [table[f"face_{axis}{suffix}"] for axis in ("valence", "arousal")]
    covered = ~(table["face_coverage"] < rule.min_coverage)
    face = [values.where(covered) for values in face]
    flags = dissonance.flag(*voice, *face, threshold=rule.threshold)
    table["delta_valence"], table["delta_arousal"] = flags.delta_valence, flags.delta_arousal
    table["dissonance_score"] = flags.score
    table["dissonant"] = flags.dissonant
    table["dissonance_axis"] = pd.Series(flags.axis, index=table.index, dtype="str")
    table["compared_scale"] = rule.scale
    reasons: list[str | None] = []
    for known, speech, look, enough in zip(
        np.isfinite(flags.score), table["speech_status"], table["face_status"], covered, strict=True
    ):
        parts = [f"speech:{speech}"] if speech != "ok" else []
        parts += [f"face:{look}"] if look != "ok" else []
        parts += ["face:low_coverage"] if look == "ok" and not enough else []
        reasons.append(None if known else ";".join(parts))
    table["dissonance_reason"] = pd.Series(reasons, index=table.index, dtype="str")
    # One number per utterance comes from the voice, so only the face's error is known.
    errors = table[["face_valence_se", "face_arousal_se"]].to_numpy(np.float64)
    deltas = np.stack([flags.delta_valence, flags.delta_arousal], axis=1)
    table["dissonance_probability"] = (
        dissonance.exceedance_probability(deltas, errors, threshold=rule.threshold)
        if len(table) and rule.scale == "house"
        else np.nan
    )
    return conform(table, SCHEMA)


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
    return conform(pd.DataFrame(values), FRAME_SCHEMA)


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


def conform(table: pd.DataFrame, schema: Sequence[Column]) -> pd.DataFrame:
    """Give a table the columns, order and dtypes of a schema; missing cells stay missing."""
    columns = {
        column.name: (
            table[column.name]
            if column.name in table
            else pd.Series(index=table.index, dtype=object)
        ).astype(column.dtype)
        for column in schema
    }
    return pd.DataFrame(columns, index=table.index)


def validate(table: pd.DataFrame, schema: Sequence[Column] = SCHEMA) -> None:
    """Check a table against a schema.

    Parameters
    ----------
    table
        What to check.
    schema
        Default is the utterance table's.

    Raises
    ------
    TableError
        That names the first column, and the row, that does not fit.
    """
    for column in schema:
        if column.name not in table:
            raise TableError(
                f"The table lacks the column '{column.name}' ({column.meaning}).",
                next_step="Read it from utterances.parquet of a run folder.",
            )
        values = table[column.name].dropna()
        wrong = pd.Series(False, index=values.index)
        if column.choices is not None:
            wrong |= ~values.isin(column.choices)
        if column.low is not None:
            wrong |= values < column.low
        if column.high is not None:
            wrong |= values > column.high
        if wrong.any():
            at = wrong[wrong].index[0]
            expected = (
                f"one of {', '.join(column.choices)}"
                if column.choices
                else f"{column.low} to {column.high}"
            )
            raise TableError(
                f"Row {at} has {column.name} = {values[at]!r}; expected {expected}.",
                next_step=f"It means: {column.meaning}.",
            )
    if schema is SCHEMA and (table["end"] <= table["start"]).any():
        at = table.index[table["end"] <= table["start"]][0]
        raise TableError(
            f"Row {at} ends at {table['end'][at]} s, not after its start {table['start'][at]} s.",
            next_step="Correct the times.",
        )
