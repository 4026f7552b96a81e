"""Which item of a study a judged response is: judges and people know it by different codes."""

from __future__ import annotations

import pandas as pd

from emodiss.judging.criteria import JudgeError
from emodiss.spelling import as_known, spellings

_FACTS = ("video", "model", "condition")
_NAMES = ("criterion", "model", "condition")


def match_items(scores: pd.DataFrame, ratings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give a judge's scores the codes that the items have in a ratings table.

    Codes that the ratings know are kept. Other scores are matched by video, model, condition and,
    where both tables have it, window; a study's window may be written `video:window`.

    Parameters
    ----------
    scores
        Judgements; with video, model and condition where codes differ.

    Returns
    -------
    DataFrame, list of str
        The scores that belong to a rated item, `item` being the study's code, and what a reader
        should know: how many were left out.

    Raises
    ------
    JudgeError
        If a response could be several items, so that no match can be trusted.
    """
    # One name in both tables, however either spells it.
    for name in (n for n in _NAMES if n in scores.columns and n in ratings.columns):
        names = spellings(ratings[name].dropna().astype("str").unique())
        said = scores[name].tolist()
        scores = scores.assign(
            **{name: [as_known(each, names) if isinstance(each, str) else each for each in said]}
        )
    items = ratings.drop_duplicates("item")
    known = scores["item"].astype("str").isin(set(items["item"].astype("str")))
    if known.any() or not set(_FACTS) <= set(scores.columns):
        return scores[known].reset_index(drop=True), _left_out(int((~known).sum()), len(scores))
    keys: list[str] = list(_FACTS)
    left, right = scores.drop(columns="item"), items[["item", *_FACTS]]
    if "window" in scores.columns and "window" in ratings.columns:
        keys.append("window")
        prefix = items["video"].astype("str") + ":"
        plain = [
            str(window).removeprefix(video)
            for window, video in zip(items["window"], prefix, strict=True)
        ]
        right = right.assign(window=plain)
    if "sample" in left.columns:
        first = pd.to_numeric(left["sample"], errors="coerce").fillna(0) == 0
        left = left[first]
    for table, whose in ((right, "The study holds"), (left, "The judge scored")):
        within = [*keys, *(c for c in ("judge", "criterion", "scale_order") if c in table.columns)]
        twice = table.duplicated(within)
        if twice.any():
            row = table[twice].iloc[0]
            raise JudgeError(
                f"{whose} several items of model '{row['model']}' about video '{row['video']}' "
                f"under '{row['condition']}', so that it is not clear which is which.",
                next_step="Give both tables the column window, or the same item codes.",
            )
    matched = left.merge(right, on=keys, how="inner")
    return matched, _left_out(len(scores) - len(matched), len(scores))


def _left_out(n: int, total: int) -> list[str]:
    if not n:
        return []
    return [f"{n} of {total} judgements are of responses that nobody rated and are left out."]
