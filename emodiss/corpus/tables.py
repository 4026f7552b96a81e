"""Tables 1, 2 and 4 of paper A, computed for a run."""

from __future__ import annotations

import csv
import re
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from emodiss.corpus import turns
from emodiss.errors import no_text
from emodiss.runs.run import AnyRun, Run, load

if TYPE_CHECKING:
    from collections.abc import Iterable


# Letters of any script with apostrophes inside a word (research decision A8): "don't" is one word,
# "-" and digits are none.
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""What counts as a word of the vocabulary."""

PAPER: dict[str, float] = {
    "videos": 1441,
    "hours": 163.57,
    "mean_minutes": 6.8,
    "median_minutes": 2.9,
    "exchanges_in_window": 2.8,
    "vocabulary": 29005,
    "speakers": 2,
}
"""Table 1 of paper A. Its "turns" are taken as the exchanges in a prompt (decision A7)."""

COUNTS = frozenset({"videos", "vocabulary", "speakers"})
"""What Table 1 counts (speakers: their median); its other rows are measures and means."""

# Rows of the paper's Table 4 that our stages do the work of.
_EXPERIMENTS = {
    "faces": "Bounding box extraction",
    "tracks": "Bounding box extraction",
    "face_affect": "Valence-arousal estimation (video)",
    "speech_affect": "Valence-arousal estimation (audio)",
}
_RESPONSES = "Response extraction (open-source models)"


def vocabulary(texts: Iterable[str], *, word: re.Pattern[str] = WORD) -> set[str]:
    """Return the distinct words of texts, in lower case.

    Parameters
    ----------
    texts
        What is said; missing texts are left out.
    word
        What counts as a word; default is `WORD`. Stage directions in brackets count like speech.
    """
    found: set[str] = set()
    for text in no_text(texts, "a list of texts"):
        if isinstance(text, str):
            found.update(word.findall(text.lower().replace("’", "'")))
    return found


def table1(run: AnyRun) -> pd.DataFrame:
    """Describe the corpus in numbers: paper A's Table 1, with turns in four readings.

    Returns
    -------
    DataFrame
        One row per statistic:

        - statistic: `videos`, `hours`, `mean_minutes`, `median_minutes`, the mean per session of
          `utterances`, `speaker_blocks`, `exchanges` and `exchanges_in_window` (see
          `turn_counts`), `vocabulary` (words, see `vocabulary`) and `speakers` (median per
          session);
        - value: float; NaN when no video allows it;
        - n: how many videos it rests on;
        - paper: the number in the paper, NaN where it has none;
        - meaning: what was counted.
    """
    run = load(run)
    videos = run.videos_table
    table = run.columns("utterances", ["video_id", "start", "speaker", "role", "text"])
    minutes = videos["duration"] / 60
    transcribed = videos.loc[videos["n_utterances"].notna(), "video_id"]
    window = run.settings.prompts.window or len(table)
    counts = turns.turn_counts(table, videos=transcribed, window=window)
    n, n_said = len(videos), len(counts)
    speakers = videos["n_speakers"].dropna().astype("float64")
    two = int((speakers == 2).sum())
    rows: list[tuple[str, float, int, str]] = [
        ("videos", n, n, f"videos that could be read, of {len(run.manifest)} in the manifest"),
        ("hours", float(minutes.sum()) / 60, n, "length of all videos together"),
        ("mean_minutes", float(minutes.mean()), n, "mean length of a video"),
        ("median_minutes", float(minutes.median()), n, "median length of a video"),
    ]
    meanings = {
        "utterances": "utterances in a session, mean",
        "speaker_blocks": "stretches by one speaker in a session, mean",
        "exchanges": "therapist blocks that a patient block follows, mean",
        "exchanges_in_window": f"the same in a prompt of up to {window} utterances, mean",
    }
    for name, meaning in meanings.items():
        rows.append((name, float(counts[name].mean()), int(counts[name].notna().sum()), meaning))
    words = float(len(vocabulary(table["text"]))) if n_said else np.nan
    rows.append(("vocabulary", words, n_said, "distinct words, lower case"))
    meaning = f"voices in a session, median; two in {two} of {len(speakers)}"
    rows.append(("speakers", float(speakers.median()), len(speakers), meaning))
    found = pd.DataFrame(rows, columns=["statistic", "value", "n", "meaning"])
    found.insert(3, "paper", found["statistic"].map(PAPER).astype("float64"))
    return found.astype({"statistic": "str", "value": "float64", "n": "int64", "meaning": "str"})


def table2(run: AnyRun, *, name: str = "This corpus") -> pd.DataFrame:
    """Compare the corpus with others: paper A's Table 2, with the last row from the run.

    Returns
    -------
    DataFrame
        dataset, reference, source, size (videos or texts), text, audio, video (booleans), remark.
        The other rows are the paper's, from `emodiss/data/datasets.csv`.
    """
    run = load(run)
    text = resources.files("emodiss.data").joinpath("datasets.csv").read_text(encoding="utf-8")
    rows: list[dict[str, object]] = [
        {
            **row,
            "size": int(row["size"]),
            **{kind: row[kind] == "yes" for kind in ("text", "audio", "video")},
        }
        for row in csv.DictReader(text.splitlines())
    ]
    videos = run.videos_table
    said = run.columns("utterances", ["text"])["text"].fillna("").str.strip().str.len() > 0
    rows.append(
        {
            "dataset": name,
            "reference": "",
            "source": ", ".join(_hosts(run)),
            "size": len(videos),
            "text": bool(said.any()),
            "audio": bool(videos["has_audio"].any()),
            "video": bool(videos["has_video"].any()),
            "remark": f"run folder {run.root.resolve().name}",
        }
    )
    return pd.DataFrame(rows)


def _hosts(run: Run) -> list[str]:
    """Where the videos come from, the most frequent first."""
    hosts = [
        (urlsplit(row["url"]).hostname or "").removeprefix("www.").removeprefix("m.")
        if row["url"]
        else "local files"
        for row in run.manifest
    ]
    return sorted(set(hosts), key=lambda host: (-hosts.count(host), host))


def table4(run: AnyRun, *, all_work: bool = False) -> pd.DataFrame:
    """Add up the hours each stage took on each device, and what was asked of models: Table 4.

    Parameters
    ----------
    all_work
        Count every job ever done in the folder, failed and repeated ones too. By default only
        the job that made each result as it stands. Of answers only those that stand are on
        record, either way.

    Returns
    -------
    DataFrame
        In order of the stages, then of what was asked:

        - stage: a stage of the pipeline, or `role_labels`, `interventions`, `judgements`;
        - kind: `compute` (wall clock of work on a device; of language models, those whose
          weights this machine ran) or `waiting` (from request to full answer of a server,
          whatever it computed meanwhile). Seconds of answers add up, though several may have
          been waited for at a time, and leave out failed requests and pauses before retries;
        - device: where a stage ran, or which model was asked, by its identity;
        - n_jobs: jobs, or answers (scores, of judgements);
        - n_untimed: those of them that nobody timed, which `hours` leaves out;
        - hours: NaN when nothing was timed;
        - hours_per_hour: of video; NaN when no video has a length;
        - experiment: the row of the paper's table that it belongs to, if any.
    """
    run = load(run)
    from emodiss.stages import STAGES
    from emodiss.study import Study

    order = {stage.name: k for k, stage in enumerate(STAGES)}
    worked = ("done", "failed") if all_work else ("done",)
    jobs = [o for o in run.store.outcomes() if o.status in worked and o.stage in order]
    if not all_work:
        jobs = list({(o.video, o.stage): o for o in jobs}.values())
    work = [(o.stage, "compute", o.device, o.seconds) for o in jobs]
    asked = [
        (stage, "compute" if identity.startswith(_LOCAL) else "waiting", identity, seconds)
        for stage, identity, seconds in Study(run).answer_times.itertuples(index=False)
    ]
    table = pd.DataFrame([*work, *asked], columns=["stage", "kind", "device", "seconds"])
    table["seconds"] = table["seconds"].astype("float64")
    table["by"] = table["stage"].map({**order, **{s: len(order) + k for k, s in enumerate(ASKED)}})
    grouped = table.groupby(["by", "stage", "kind", "device"])["seconds"]
    found = grouped.agg(["size", "count"]).assign(seconds=grouped.sum(min_count=1)).reset_index()
    length = float(run.videos_table["duration"].sum()) / 3600
    hours = found["seconds"].astype("float64") / 3600
    experiment = found["stage"].map(_EXPERIMENTS)
    own_responses = (found["stage"] == "interventions") & (found["kind"] == "compute")
    return pd.DataFrame(
        {
            **{name: found[name].astype("str") for name in ("stage", "kind", "device")},
            "n_jobs": found["size"].astype("int64"),
            "n_untimed": (found["size"] - found["count"]).astype("int64"),
            "hours": hours,
            "hours_per_hour": hours / length if length > 0 else np.nan,
            "experiment": experiment.mask(own_responses, _RESPONSES).astype("str"),
        }
    )


ASKED = ("role_labels", "interventions", "judgements")
"""What language models are asked for, in the order of the work."""

_LOCAL = "transformers "
"""Identities begin with the adapter's name; with this one, weights ran on this machine."""
