"""Under which terms the videos of a corpus were published: what may be passed on."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from emodiss.errors import no_text
from emodiss.runs.run import AnyRun, load

NOT_STATED = "not stated"

PAPER_CREATIVE_COMMONS = (2, 1441)
"""Videos under Creative Commons, and all videos, in appendix B of paper A."""

_CREATIVE_COMMONS = re.compile(r"creative\s*commons|\bcc[-\s]?(?:0|by|zero)\b", re.IGNORECASE)


def is_creative_commons(terms: str) -> bool:
    """Whether terms name a Creative Commons licence, in words, by its short name or address."""
    return _CREATIVE_COMMONS.search(terms) is not None


def count_licences(terms: Iterable[str | None]) -> pd.DataFrame:
    """Count the terms of videos.

    Parameters
    ----------
    terms
        One per video, as stated; empty or None where nothing is.

    Returns
    -------
    DataFrame
        One row per licence, the most frequent first: licence (as stated, or `not stated`),
        creative_commons, videos, share.
    """
    stated = [" ".join((text or "").split()) for text in no_text(terms, "a list of licences")]
    said = pd.Series([text or NOT_STATED for text in stated], dtype="str")
    counts = said.value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    return pd.DataFrame(
        {
            "licence": pd.Series(names, dtype="str"),
            "creative_commons": pd.Series(map(is_creative_commons, names), dtype="bool"),
            "videos": pd.Series((int(counts[name]) for name in names), dtype="int64"),
            "share": pd.Series((counts[name] / len(said) for name in names), dtype="float64"),
        }
    )


def licences(run: AnyRun) -> pd.DataFrame:
    """Count a run's terms by `count_licences`: what the fetched page states, else the manifest."""
    run = load(run)
    from emodiss.media import fetch

    downloads = run.downloads
    return count_licences(
        (fetch.about(row["url"], downloads).get("license") if row["url"] else None)
        or row.get("license")
        for row in run.manifest
    )


def summary(table: pd.DataFrame) -> str:
    """Say how many videos are under Creative Commons, beside the paper's count."""
    n_free = int(table.loc[table["creative_commons"], "videos"].sum())
    ours, theirs = f"{n_free} of {int(table['videos'].sum())}", PAPER_CREATIVE_COMMONS
    return (
        f"{ours} videos under Creative Commons (the paper: {theirs[0]} of {theirs[1]:,}). "
        "Terms are quoted as stated; nobody checked them."
    )
