"""The schemas: every column of the tables of a run, and checks by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pandas as pd

from emodiss.affect import EXPRESSIONS
from emodiss.errors import EmodissError
from emodiss.tabular import Column
from emodiss.utterances.looks import PARTS
from emodiss.vocabulary import ROLES, BindingSource, RoleSource, statuses

SPEECH_STATUSES, FACE_STATUSES = statuses("speech"), statuses("face")
LISTENER_STATUSES = statuses("listener")
TIMINGS = ("aligned", "attention", "interpolated", "given", "detected")

_ID, _TEXT, _NUMBER, _COUNT, _FLAG = "text", "text", "number", "count", "flag"


def _unit(name: str, meaning: str) -> Column:
    return Column(name, _NUMBER, f"{meaning}, in [-1, 1]; NaN when missing", -1.0, 1.0)


_SE = (
    "standard error of that mean from distinct frames, autocorrelation of the whole track "
    "respected; 1.96 of it are half of the 95 % interval; NaN below two distinct frames or if all "
    "are alike"
)

SCHEMA: tuple[Column, ...] = (
    Column("video_id", _ID, "id of the video in the manifest"),
    Column(
        "utterance_id",
        _ID,
        "id of the utterance, unique within its video: its number as found; `u0007-2` is what a "
        "person split off or added after `u0007`",
    ),
    Column("start", _NUMBER, "begin, seconds from media start", 0.0),
    Column("end", _NUMBER, "end, seconds from media start; not part of the utterance", 0.0),
    Column("speaker", _TEXT, "label of the voice"),
    Column("role", _TEXT, "part in the conversation; missing when not known", choices=ROLES),
    Column(
        "role_source",
        _TEXT,
        "who said so: `review` and `manifest` (a person), `language_model`, `classifier`",
        choices=get_args(RoleSource),
    ),
    Column(
        "role_confidence",
        _NUMBER,
        "confidence of the role; NaN when a person said it or nobody knows",
        0.0,
        1.0,
    ),
    Column("text", _TEXT, "what is said; empty when nobody transcribed it"),
    Column("n_words", _COUNT, "words in the text, split at white space", 0),
    Column("overlap_s", _NUMBER, "seconds during which somebody else speaks too", 0.0),
    Column("timing", _TEXT, "how start and end were obtained", choices=TIMINGS),
    Column("flags", _TEXT, "what a reader should know, `;` between: `backchannel`, ..."),
    _unit("sentiment", "VADER compound sentiment of the text (Hutto and Gilbert 2014)"),
    Column("track_id", _COUNT, "face track of the speaker with most ticks in the utterance", 0),
    Column(
        "binding_confidence",
        _NUMBER,
        "posterior probability that the face is the speaker's; NaN when a person said so",
        0.0,
        1.0,
    ),
    Column(
        "binding_source",
        _TEXT,
        "who gave the voice its face: `measured`, or a person by `review`, `manifest` or "
        "`setting`; missing when nobody could",
        choices=get_args(BindingSource),
    ),
    Column("face_coverage", _NUMBER, "share of the utterance with that face in view", 0.0, 1.0),
    Column(
        "n_face_frames",
        _COUNT,
        "distinct frames of the video with a measured face; one that is shown longer counts once",
        0,
    ),
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
    Column("face_valence_se", _NUMBER, _SE, 0.0),
    Column("face_arousal_se", _NUMBER, _SE, 0.0),
    Column("face_valence_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column("face_arousal_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column(
        "face_label", _TEXT, "expression with the largest mean probability", choices=EXPRESSIONS
    ),
    Column("face_status", _TEXT, "`ok`, or why the face is missing", choices=FACE_STATUSES),
    Column(
        "listener",
        _TEXT,
        "label of the voice that listens, with several the one longest in view; missing where the "
        "listener's face has no voice",
    ),
    Column("listener_track_id", _COUNT, "face track of the listener with most measured ticks", 0),
    Column(
        "n_listener_frames",
        _COUNT,
        "distinct frames of the video with the listener's face measured, as of the face's",
        0,
    ),
    _unit("listener_valence", "valence of the listener's face, mean over ticks"),
    _unit("listener_arousal", "arousal of the listener's face, mean over ticks"),
    Column("listener_valence_se", _NUMBER, "standard error of that mean, as of the face's", 0.0),
    Column("listener_arousal_se", _NUMBER, "standard error of that mean, as of the face's", 0.0),
    Column("listener_valence_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column("listener_arousal_raw", _NUMBER, "mean as the model gave it, on its native scale"),
    Column(
        "listener_label",
        _TEXT,
        "the listener's expression with the largest mean probability",
        choices=EXPRESSIONS,
    ),
    Column(
        "listener_status",
        _TEXT,
        "`ok`, or why no listener's face is measured: `not_measured` (face_affect.who=speaker), "
        "`unbound` (it may be the speaker's), `talking`, or as for the face",
        choices=LISTENER_STATUSES,
    ),
    Column("delta_valence", _NUMBER, "speech minus face (or text minus both), as compared"),
    Column("delta_arousal", _NUMBER, "speech minus face, as compared; NaN when text is compared"),
    Column("dissonance_score", _NUMBER, "larger absolute difference; NaN when undetermined", 0.0),
    Column("dissonant", _FLAG, "Equation 1: true, false, or missing when undetermined"),
    Column(
        "dissonance_axis",
        _TEXT,
        "which axis is past the threshold",
        choices=("valence", "arousal", "both"),
    ),
    Column(
        "dissonance_reason",
        _TEXT,
        "why it is undetermined: `speech:...`, `face:...`, `text:none`, `baseline:...`",
    ),
    Column(
        "score_error_models",
        _NUMBER,
        "standard deviation of what the models' errors add to the difference that gives the score "
        "(root mean square errors of both models in quadrature); NaN where none is known",
        0.0,
    ),
    Column(
        "score_error_sampling",
        _NUMBER,
        "the same of what few frames of the face add; NaN below two distinct frames",
        0.0,
    ),
    Column(
        "dissonance_probability",
        _NUMBER,
        "probability that the true score is past T, given both errors and their correlation on "
        "both axes; NaN where an error is not known",
        0.0,
        1.0,
    ),
    Column(
        "dissonance_probability_basis",
        _TEXT,
        "what it rests on: `learned` (how far true differences spread was learned from the "
        "utterances at hand), `flat` (the errors are larger than the differences, so truth is "
        "taken to lie around what was measured); or why there is none: `no_error:speech`, "
        "`no_error:face` (no error of that model is known), `no_error:frames` (fewer than two "
        "distinct frames, or all alike), `no_error:text`, `no_error:scale`",
    ),
    Column("dissonance_threshold", _NUMBER, "T in use; NaN for a quantile of nothing", 0.0),
    Column(
        "compared",
        _TEXT,
        "the two sides of the difference",
        choices=("voice_vs_face", "text_vs_nonverbal"),
    ),
    Column(
        "baseline",
        _TEXT,
        "what is taken out per speaker and session: nothing, the mean, or mean and spread",
        choices=("none", "shift", "z"),
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
    Column("utterance_id", _ID, "id of the utterance; missing while nobody speaks"),
    Column("track_id", _COUNT, "face track", 0),
    Column("tick", _COUNT, "tick of the 30 FPS clock", 0),
    Column("time", _NUMBER, "seconds from media start", 0.0),
    *(Column(n, _NUMBER, "edge of the face box in pixels") for n in ("x1", "y1", "x2", "y2")),
    _unit("valence", "valence of this frame"),
    _unit("arousal", "arousal of this frame"),
    Column("valence_raw", _NUMBER, "as the model gave it"),
    Column("arousal_raw", _NUMBER, "as the model gave it"),
    *(Column(f"p_{n}", _NUMBER, f"probability of {n}", 0.0, 1.0) for n in EXPRESSIONS),
    Column(
        "part",
        _TEXT,
        "what the face's owner does: `speaker` speaks the utterance, `listener` is silent while "
        "another speaks it, `silence`: nobody speaks; `unknown`: the face may be the speaker's",
        choices=PARTS,
    ),
    Column("person", _TEXT, "label of the voice that the face belongs to; missing when unknown"),
)
"""Every column of `face_frames.parquet`, in order."""

FACE_SUMMARY_SCHEMA: tuple[Column, ...] = (
    Column("video_id", _ID, "id of the video"),
    Column("person", _TEXT, "label of the voice that the face belongs to; missing when unknown"),
    Column("track_id", _COUNT, "face track, of a face without a voice; missing for a person", 0),
    Column("part", _TEXT, "what the face's owner does, as in face_frames", choices=PARTS),
    Column("seconds", _NUMBER, "length of what measured ticks stand for, each counted once", 0.0),
    Column("n_face_frames", _COUNT, "measured ticks of the 30 FPS clock, each counted once", 0),
    _unit("valence", "mean valence"),
    _unit("arousal", "mean arousal"),
    Column("valence_se", _NUMBER, "standard error of that mean, autocorrelation respected", 0.0),
    Column("arousal_se", _NUMBER, "standard error of that mean, autocorrelation respected", 0.0),
    Column("valence_raw", _NUMBER, "mean as the model gave it"),
    Column("arousal_raw", _NUMBER, "mean as the model gave it"),
)
"""Every column of `face_summary.parquet`, in order: one row per session, face and part."""

WINDOW_SCHEMA: tuple[Column, ...] = (
    Column("video_id", _ID, "id of the video"),
    Column("utterance_id", _ID, "id of the utterance"),
    Column("speaker", _TEXT, "label of the voice"),
    Column("start", _NUMBER, "begin, seconds from media start", 0.0),
    Column("end", _NUMBER, "end, seconds from media start; not part of the window", 0.0),
    *(_unit(n, f"{n} of the voice in this window") for n in ("valence", "arousal", "dominance")),
    *(
        Column(f"{n}_raw", _NUMBER, "as the model gave it, on its native scale")
        for n in ("valence", "arousal", "dominance")
    ),
    Column("status", _TEXT, "`ok`, or why the voice is missing", choices=SPEECH_STATUSES),
)
"""Every column of `voice_windows.parquet`, in order."""


class TableError(EmodissError, ValueError):
    """A table does not fit its schema."""

    code = "table"


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
    return pd.DataFrame(columns, index=table.index, copy=False)


def validate(table: pd.DataFrame, schema: Sequence[Column] = SCHEMA) -> None:
    """Check a table against a schema.

    Parameters
    ----------
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
        wrong = column.misfits(values)
        if wrong.any():
            at = wrong[wrong].index[0]
            raise TableError(
                f"Row {at} has {column.name} = {values[at]!r}; expected {column.expected}.",
                next_step=f"It means: {column.meaning}.",
            )
    if schema is SCHEMA and (table["end"] <= table["start"]).any():
        at = table.index[table["end"] <= table["start"]][0]
        raise TableError(
            f"Row {at} ends at {table['end'][at]} s, not after its start {table['start'][at]} s.",
            next_step="Correct the times.",
        )
    if schema is SCHEMA:
        _require_reasons(table)


def _require_reasons(table: pd.DataFrame) -> None:
    """Check that what is missing says why, and that what says why is missing."""
    for channel in ("speech", "face", "listener"):
        measured = table[[f"{channel}_valence", f"{channel}_arousal"]].notna().all(axis=1)
        _require_equal(
            measured, table[f"{channel}_status"] == "ok", f"{channel}_status", "ok where measured"
        )
    _require_equal(
        table["dissonant"].isna(),
        table["dissonance_reason"].notna(),
        "dissonance_reason",
        "given where dissonant is missing and only there",
    )


def _require_equal(fact: pd.Series, claim: pd.Series, name: str, expected: str) -> None:
    wrong = fact.astype(bool) != claim.fillna(False).astype(bool)
    if wrong.any():
        raise TableError(
            f"Row {wrong[wrong].index[0]} has a {name} that does not fit its values; expected it "
            f"to be {expected}.",
            next_step="A missing value needs its reason; correct the row or measure it again.",
        )
