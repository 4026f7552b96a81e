"""Which videos are fit for a study: measured reasons, a waterfall, and the last word to a person.

Paper A removed 121 of 1,562 videos by eye: duplicates, poor audio, group sessions (appendix B).
Here each reason is measured and kept with its number; nothing is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.corpus import languages, pictures as motions
from emodiss.corpus.duplicates import compare
from emodiss.corpus.fingerprints import Fingerprint, fingerprint
from emodiss.corpus.limits import Curation
from emodiss.corpus.quality import AudioQuality, measure
from emodiss.errors import ManifestError, RunError
from emodiss.spelling import folded

if TYPE_CHECKING:
    from emodiss.media import Audio, Media
    from emodiss.runs.run import Run

REASONS: dict[str, str] = {
    "unreadable": "could not be fetched, opened or annotated",
    "too_short": "shorter than `min_duration_s`",
    "little_speech": "less than `min_speech_s` of speech",
    "duplicate": "holds what an earlier row holds",
    "noisy": "speech less than `min_snr_db` over the noise",
    "clipped": "more than `max_clipped` of the speech is clipped",
    "narrow_band": "nothing above `min_bandwidth_hz`",
    "dropouts": "more than `max_dropouts` of the speech is missing",
    "not_one_on_one": "other than two people speak for `min_talk_share` or more, or crowds in view",
    "wrong_language": "another language than `language` is spoken; `language_by` says who knows",
}
"""Reasons to leave a video out, in the order of the waterfall, and what each means."""


def curate(
    run: Run,
    *,
    ids: Sequence[str] | None = None,
    limits: Curation | None = None,
    overrules: Mapping[str, tuple[str, str]] | None = None,
    pictures: bool = False,
) -> pd.DataFrame:
    """Judge the videos of a run.

    Parameters
    ----------
    ids
        Rows to judge; default is all of the run's manifest. Of duplicates the first is kept that
        nothing else speaks against, or just the first. One that the run does not know is
        unreadable.
    limits
        From what on a video is left out.
    overrules
        A person's word by id: verdict (`keep` or `exclude`) and why. It stands over the measured
        verdict, which stays in the table.
    pictures
        Look for duplicates by the pictures of all videos too: that finds a copy with other sound,
        and decodes every video whole. Otherwise only videos in which too little can be heard are
        compared by picture, and among themselves.

    Returns
    -------
    DataFrame
        One row per video: id, verdict (`keep` or `exclude`), reasons (`;` between), measured
        (the verdict without a person's word), overruled_because, duplicate_of, duplicate_by
        (`bytes`, `sound` or `picture`), language (code, `other` for not English, or empty),
        language_by (who says so, or `undetermined`), duplicate_share, duration_s, speech_s, snr_db,
        clipped_share, bandwidth_hz, dropout_share, speech_dbfs, n_talkers, crowded_share and
        function_words. NaN where nothing could be measured; what
        could not be measured is no reason, except `unreadable` and `little_speech`.
    """
    limits = limits or Curation()
    chosen = list(ids) if ids is not None else run.videos
    known = {row["id"]: row for row in run.manifest}
    failed = {failure.video for failure in run.failures}
    rows: list[dict[str, Any]] = []
    prints: dict[str, Fingerprint] = {}
    moving: dict[str, motions.Motion] = {}
    lengths = run.videos_table.set_index("video_id")["duration"]
    for video in chosen:
        row: dict[str, Any] = {"id": video, "reasons": []}
        rows.append(row)
        if video not in known or video in failed or video not in lengths.index:
            row["reasons"].append("unreadable")
            continue
        audio = run.artifact(video, "audio")
        media = run.artifact(video, "media")
        prints[video] = print_of(audio, media)
        source = run.media(video)
        if source and media.has_video and (pictures or not prints[video].usable):
            moving[video] = motions.motion(source, media)
        row |= _measured(run, video, float(lengths[video]), audio)
        language = languages.spoken(
            stated_languages(run, video, known[video], source),
            english=row["function_words"],
            min_english=limits.min_function_words,
            wanted=limits.language,
        )
        row |= {"language": language.code, "language_by": language.by}
        row["reasons"] += _reasons(row, limits)
    by_id = {row["id"]: row for row in rows}
    said = {video: verdict for video, (verdict, _) in (overrules or {}).items()}

    def left_out(video: str) -> bool:
        return bool(by_id[video]["reasons"]) if video not in said else said[video] == "exclude"

    # A copy that is left out for something else must not take the good ones with it.
    order = sorted(prints, key=left_out)
    for pair in compare({video: prints[video] for video in order}, moving):
        # The first of a group is the one that is kept, so each later one names it.
        first = by_id[pair.a].get("duplicate_of") or pair.a
        if "duplicate_of" not in by_id[pair.b]:
            by_id[pair.b] |= {"duplicate_of": first, "duplicate_share": pair.share}
            by_id[pair.b]["duplicate_by"] = pair.by
            by_id[pair.b]["reasons"].append("duplicate")
    return curated_table(rows, overrules or {})


def print_of(audio: Audio, media: Media) -> Fingerprint:
    """Fingerprint a row's sound; rows may be stretches of one file, and hold other parts of it."""
    return fingerprint(audio, sha256=f"{media.sha256} {media.start} {media.end}")


def stated_languages(
    run: Run, video: str, row: Mapping[str, Any], source: Path | None
) -> dict[languages.Source, str | None]:
    """Return what is said to be spoken, by who says it, most trusted first."""
    from emodiss.media import fetch

    url = row["url"]
    heard = None
    stated = row.get("language") or (row.get("metadata") or {}).get("language")  # older runs
    # A recogniser that was told the language, or knows one alone, has not found it out.
    if run.settings.transcript.language is None:
        with contextlib.suppress(RunError):
            recognition = run.artifact(video, "recognition")
            assumed = getattr(recognition, "language_assumed", False)
            heard = None if assumed else recognition.language
    return {
        "manifest": stated,
        "recogniser": heard,
        "page": fetch.about(url, run.downloads).get("language") if url else None,
        # Beside a file that was not fetched lie other people's files.
        "captions": languages.original_captions(source) if url and source else None,
    }


def _measured(run: Run, video: str, duration: float, audio: Any) -> dict[str, Any]:
    table = run.session(video)
    spans = list(zip(table["start"], table["end"], strict=True))
    quality: AudioQuality = measure(audio, spans)
    lengths = (table["end"] - table["start"]).groupby(table["speaker"]).sum()
    total = float(lengths.sum())
    return {
        "duration_s": duration,
        "speech_s": total,
        **{f.name: getattr(quality, f.name) for f in fields(AudioQuality)},
        "talk_shares": (lengths / total).tolist() if total else [],
        "crowded_share": _crowded(run.artifact(video, "faces")),
        "function_words": languages.english_share(table["text"].dropna()),
    }


def _crowded(sightings: Any) -> float:
    """Share of the looked-at frames with three or more sure faces; NaN without any look."""
    faces = sightings.faces
    if not len(faces.ticks):
        return float("nan")
    sure = np.repeat(np.arange(len(faces.ticks)), faces.counts)[faces.scores >= 0.95]
    return float((np.bincount(sure, minlength=len(faces.ticks)) >= 3).mean())


def _reasons(row: dict[str, Any], limits: Curation) -> list[str]:
    talkers = sum(share >= limits.min_talk_share for share in row.pop("talk_shares"))
    row["n_talkers"] = talkers
    # NaN compares false: what is not measured is no reason.
    found = {
        "too_short": row["duration_s"] < limits.min_duration_s,
        "little_speech": row["speech_s"] < limits.min_speech_s,
        "noisy": row["snr_db"] < limits.min_snr_db,
        "clipped": row["clipped_share"] > limits.max_clipped,
        "narrow_band": row["bandwidth_hz"] < limits.min_bandwidth_hz,
        "dropouts": row["dropout_share"] > limits.max_dropouts,
        "not_one_on_one": (talkers != 2 and row["speech_s"] > 0)
        or row["crowded_share"] > limits.max_crowded,
        "wrong_language": row["language"] not in ("", limits.language),
    }
    return [name for name, hit in found.items() if hit]


def curated_table(
    rows: list[dict[str, Any]], overrules: Mapping[str, tuple[str, str]]
) -> pd.DataFrame:
    """Lay out verdicts and measures as the table of a curation."""
    numbers = (
        *("duplicate_share", "duration_s", "speech_s", "snr_db", "clipped_share", "bandwidth_hz"),
        *("dropout_share", "speech_dbfs", "n_talkers", "crowded_share", "function_words"),
    )
    found: list[dict[str, Any]] = []
    for row in rows:
        measured = "exclude" if row["reasons"] else "keep"
        verdict, why = overrules.get(row["id"], (measured, ""))
        found.append(
            {
                "id": row["id"],
                "verdict": verdict,
                "reasons": ";".join(name for name in REASONS if name in row["reasons"]),
                "measured": measured,
                "overruled_because": why,
                "duplicate_of": row.get("duplicate_of", ""),
                "duplicate_by": row.get("duplicate_by", ""),
                "language": row.get("language", ""),
                "language_by": row.get("language_by", "undetermined"),
                **{name: float(row.get(name, np.nan)) for name in numbers},
            }
        )
    texts = (
        *("id", "verdict", "reasons", "measured", "overruled_because", "duplicate_of"),
        *("duplicate_by", "language", "language_by"),
    )
    kinds = {**dict.fromkeys(texts, "str"), **dict.fromkeys(numbers, "float64")}
    return pd.DataFrame(found, columns=list(kinds)).astype(kinds)


def waterfall(table: pd.DataFrame, *, order: Sequence[str] = tuple(REASONS)) -> pd.DataFrame:
    """Count how many videos each reason takes away, one reason after the other.

    Parameters
    ----------
    table
        From `curate`, or another with its columns reasons, measured and verdict.
    order
        The reasons, first to last.

    Returns
    -------
    DataFrame
        step (`candidates`, each reason, `kept_by_person`, `excluded_by_person`, `kept`), with_it
        (videos that have the reason at all), taken (those that no earlier reason took) and left.
    """
    reasons = [set(text.split(";")) - {""} for text in table["reasons"]]
    measured, verdict = table["measured"], table["verdict"]
    left = len(table)
    rows: list[tuple[str, int, int, int]] = [("candidates", left, 0, left)]
    gone = np.zeros(len(table), dtype=bool)
    for name in order:
        has = np.array([name in own for own in reasons], dtype=bool)
        taken = int((has & ~gone).sum())
        gone |= has
        left -= taken
        rows.append((name, int(has.sum()), taken, left))
    back = int(((measured == "exclude") & (verdict == "keep")).sum())
    out = int(((measured == "keep") & (verdict == "exclude")).sum())
    rows.append(("kept_by_person", back, -back, left + back))
    rows.append(("excluded_by_person", out, out, left + back - out))
    rows.append(("kept", int((verdict == "keep").sum()), 0, left + back - out))
    return pd.DataFrame(rows, columns=["step", "with_it", "taken", "left"])


def overlap(table: pd.DataFrame, *, order: Sequence[str] = tuple(REASONS)) -> pd.DataFrame:
    """Count the videos that have two reasons at once.

    Returns
    -------
    DataFrame
        Square, int64, by the reasons that occur; the diagonal counts each reason.
    """
    reasons = [set(text.split(";")) - {""} for text in table["reasons"]]
    names = [name for name in order if any(name in own for own in reasons)]
    has = np.array([[name in own for name in names] for own in reasons], dtype=np.int64)
    has = has.reshape(len(reasons), len(names))
    return pd.DataFrame(has.T @ has, index=names, columns=names)


def read_overrules(path: Path) -> dict[str, tuple[str, str]]:
    """Read what a person decided: a CSV with the columns id, verdict and why.

    Raises
    ------
    ManifestError
        If a column is missing, a verdict is neither `keep` nor `exclude`, or nobody said why.
    """
    columns = ("id", "verdict", "why")
    table = tabular.read(path, error=ManifestError, what="list of decisions", known=columns)
    tabular.require_columns(table, columns, error=ManifestError, what="list of decisions")
    found: dict[str, tuple[str, str]] = {}
    for row in table.rows:
        row_id, verdict, why = (row.cells[column] for column in columns)
        verdict = folded(verdict)
        if not row_id:
            raise ManifestError(f"'{path.name}', line {row.line}: `id` is empty.")
        if row_id in found:
            raise ManifestError(
                f"'{path.name}', line {row.line}: '{row_id}' is decided on before.",
                next_step="Keep one row per video.",
            )
        if verdict not in ("keep", "exclude"):
            raise ManifestError(
                f"'{path.name}', line {row.line}: the verdict '{verdict}' is neither keep nor "
                "exclude."
            )
        if not why:
            raise ManifestError(
                f"'{path.name}', line {row.line}: a decision needs a reason in `why`."
            )
        found[row_id] = (verdict, why)
    return found
