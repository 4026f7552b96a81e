"""The table of responses: what there is to rate, for judges and for studies with people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from emodiss.errors import nearest
from emodiss.interventions.records import InterventionError

COLUMNS = {
    "item": "id of the answer: the first 12 digits of the hash of what was asked",
    "video": "id of the video",
    "window": "first and last utterance shown, as in u0003-u0008",
    "start": "start of the window, seconds from media start; NaN if unknown",
    "end": "end of the window, seconds from media start; NaN if unknown",
    "transcript": "the dialogue shown, without any emotion cue",
    "flagged": "whether an utterance of the window is marked as dissonant",
    "model": "who wrote the response",
    "condition": "under which prompt",
    "sample": "index among several answers to one prompt, from 0",
    "technique": "technique as the model named it; missing if it named none",
    "technique_group": "technique in the vocabulary's grouping; missing if unknown",
    "response": "what the therapist would say",
    "failure": "gravest failure flag; missing if none was raised",
    "failures": "all failure flags, the gravest first, separated by semicolons; empty if none",
    "n_words": "words of the response",
}
"""Columns of a table of responses and their meaning."""


def responses(
    lines: Iterable[Mapping[str, Any]], prompts: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """Lay answers beside the dialogue that they answer.

    Parameters
    ----------
    lines
        Stored answers: `Answer.to_dict`, as in `interventions.jsonl`.
    prompts
        The prompts that were asked: `Prompt.to_dict`, as in `asked_prompts.jsonl`.

    Returns
    -------
    DataFrame
        One row per answer with the columns `COLUMNS`, in the order of `lines`.
        `emodiss.ratings.build_study` takes it as it is, once it holds one sample per prompt.

    Raises
    ------
    InterventionError
        If an answer's prompt is not among the prompts, or two answers have one id.
    """
    # A prompt that another version kept may lack its dialogue: it counts as not kept.
    needed = {"dialogue", "dissonance_present"}
    asked = {_place(p, p["sha256"]): p for p in prompts if needed <= set(p)}
    rows: list[dict[str, Any]] = []
    for line in lines:
        prompt = asked.get(_place(line, line["prompt_sha256"]))
        if prompt is None:
            raise InterventionError(
                f"The prompt behind an answer of '{line['model']}' about video "
                f"'{line['video_id']}', {line['condition']}, is not kept.",
                next_step="Run the same 'emodiss intervene' again; cached answers are free.",
            )
        first, last = line["window"][0], line["window"][-1]
        rows.append(
            {
                "item": line["request_sha256"][:12],
                "video": line["video_id"],
                "window": str(last) if first == last else f"{first}-{last}",
                "start": math.nan if prompt["start"] is None else prompt["start"],
                "end": math.nan if prompt["end"] is None else prompt["end"],
                "transcript": prompt["dialogue"],
                # Not `n_flagged`: of several flags the options may mark the last utterance's alone.
                "flagged": bool(prompt["dissonance_present"]),
                **{name: line[name] for name in ("model", "condition", "sample", "technique")},
                **{name: line[name] for name in ("technique_group", "response", "failure")},
                "failures": ";".join(line["failures"]),
                "n_words": line["n_words"],
            }
        )
    table = pd.DataFrame(rows, columns=pd.Index(list(COLUMNS)))
    if table["item"].duplicated().any():
        twice = table.loc[table["item"].duplicated(), "item"].iloc[0]
        raise InterventionError(
            f"Two answers have the id {twice}.",
            next_step="Take one of the two lines out of interventions.jsonl.",
        )
    return table


def one_window(
    table: pd.DataFrame, *, video: str | None = None, window: str | None = None
) -> pd.DataFrame:
    """Keep the first answers to one window, to be laid side by side.

    Parameters
    ----------
    video
        Id of the video; the first one by default.
    window
        Id of the window; the last one of the video by default.

    Raises
    ------
    InterventionError
        If nothing was answered there.
    """
    if table.empty:
        raise InterventionError("There are no responses.", next_step="Ask: emodiss intervene.")
    chosen = str(table["video"].iloc[0]) if video is None else video
    part = table[table["video"] == chosen]
    if part.empty:
        raise InterventionError(
            f"There are no responses about video '{chosen}'.",
            next_step=nearest(chosen, set(table["video"])),
        )
    of = window or str(part.sort_values("end", kind="stable")["window"].iloc[-1])
    if not (part["window"] == of).any():
        raise InterventionError(
            f"There are no responses to window '{of}' of video '{chosen}'.",
            next_step=nearest(of, set(part["window"])),
        )
    part = part[part["window"] == of].sort_values("sample", kind="stable")
    return part.drop_duplicates(["model", "condition"]).reset_index(drop=True)


def _place(record: Mapping[str, Any], sha256: str) -> tuple[Any, ...]:
    return record["video_id"], record["condition"], tuple(record["window"]), sha256
