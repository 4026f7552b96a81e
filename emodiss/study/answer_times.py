"""How long the answers of language models took, as far as a run has it on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.runs import jsonlines
from emodiss.runs.interventions import InterventionFile
from emodiss.runs.judgements import JudgementFile
from emodiss.runs.reviews import ReviewFile

if TYPE_CHECKING:
    import pandas as pd


def read(root: Path) -> pd.DataFrame:
    """Return one row per answer that stands: role label, intervention or judgement.

    Parameters
    ----------
    root
        The run folder.

    Returns
    -------
    DataFrame
        asked (`role_labels`, `interventions`, `judgements`), identity of the model and seconds
        from request to full answer; NaN when nobody timed it. A judgement is one row, however
        many answers its score was read from. Failed requests and pauses before retries are on
        record nowhere.
    """
    import pandas as pd

    table = pd.DataFrame(list(_answers(root)), columns=["asked", "identity", "seconds"])
    return table.astype({"asked": "str", "identity": "str", "seconds": "float64"})


def _answers(root: Path) -> Iterator[tuple[str, str, float]]:
    advice = "Take the line out, or ask again: emodiss label-roles."
    labels = jsonlines.read(ReviewFile(root).labels_path, next_step=advice)
    for line in {line["video_id"]: line for line in labels}.values():
        yield "role_labels", str(line.get("identity")), _seconds(line)
    timed: set[tuple[object, ...]] = set()
    for line in InterventionFile(root).read():
        if line.get("same_answer_as"):
            continue
        # Prompts that read alike share one kept answer, and its time.
        answer = (line["identity"], line["answered_at"], line["latency_s"])
        if not (line["from_cache"] and answer in timed):
            yield "interventions", str(line["identity"]), _seconds(line)
        timed.add(answer)
    judgements = JudgementFile(root).read()
    if judgements is not None:
        judged = judgements[judgements["status"] != "unanswered"]
        for identity, seconds in zip(judged["identity"], judged["latency_s"], strict=True):
            yield "judgements", str(identity), float(seconds)


def _seconds(line: Mapping[str, Any]) -> float:
    seconds = line.get("latency_s")
    return float("nan") if seconds is None else float(seconds)
