"""What is read out of ratings: what statistics may use, means, warnings, raters' background."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from emodiss.ratings.schema import RatingsError
from emodiss.spelling import folded
from emodiss.tabular import a_table

QUESTIONS: Mapping[str, str] = {
    "degree": "Highest degree",
    "orientation": "Therapeutic orientation",
    "importance_of_empathy": "Importance of empathy",
    "frequency_of_nonverbal_cues": "Frequency of nonverbal cues",
    "importance_of_nonverbal_cues": "Importance of nonverbal cues",
    "cbt_training": "CBT training",
}
"""The six background questions of the paper's Figure 11: column to title."""


_SCALES = (
    ("none", "no", "little", "limited", "basic", "some", "moderate", "advanced", "extensive"),
    ("never", "rarely", "seldom", "sometimes", "often", "very often", "always"),
    (
        "not at all important",
        "not important",
        "slightly important",
        "somewhat important",
        "moderately important",
        "important",
        "very important",
        "extremely important",
    ),
    (
        "strongly disagree",
        "disagree",
        "neutral",
        "neither agree nor disagree",
        "agree",
        "strongly agree",
    ),
    ("bachelor", "bsc", "ba", "master", "msc", "ma", "phd", "doctorate", "professor"),
)
"""Answers that have an order, from little to much, in the words that questionnaires use."""


def usable(
    table: pd.DataFrame,
    *,
    criterion: str | None = None,
    needs: Sequence[str] = ("value",),
) -> pd.DataFrame:
    """Copy what the statistics may use: rated, first presentation, one criterion if named.

    Raises
    ------
    RatingsError
        If a column or the criterion does not exist.
    """
    table = a_table(table, "ratings")
    wanted = [*needs, *(["criterion"] if criterion is not None else [])]
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise RatingsError(
            f"The ratings table lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, table.columns)) or 'none'}."
        )
    keep = table["value"].notna()
    if "repeat" in table.columns:
        keep &= table["repeat"].fillna(0) == 0
    if criterion is not None:
        known = table["criterion"] == criterion
        if not known.any():
            seen = ", ".join(sorted(map(str, table["criterion"].dropna().unique())))
            raise RatingsError(
                f"There are no ratings of '{criterion}'.", next_step=f"Choices: {seen or 'none'}."
            )
        keep &= known
    return table.loc[keep].reset_index(drop=True)


def shown_once(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out copies: ratings of items that read alike, which a rater saw and rated once."""
    return table[table["copied_from"].isna()] if "copied_from" in table.columns else table


def wide(table: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """Spread one criterion into items by raters, NaN where not rated.

    Raises
    ------
    RatingsError
        If a rater rated an item twice in the same presentation.
    """
    rows = usable(table, criterion=criterion, needs=("value", "rater", "item"))
    twice = rows.duplicated(["rater", "item"])
    if twice.any():
        row = rows.loc[twice].iloc[0]
        raise RatingsError(
            f"{int(twice.sum())} duplicate rating(s) of {criterion}, for example rater "
            f"'{row['rater']}' on item '{row['item']}'; one per rater and item was expected.",
            next_step="Pass the table through ratings.check to see them all.",
        )
    return rows.pivot(index="item", columns="rater", values="value")


def item_means(table: pd.DataFrame) -> pd.DataFrame:
    """Average over raters: item, video, model, condition, criterion, mean, n_raters."""
    keys = ["item", "video", "model", "condition", "criterion"]
    rows = usable(table, needs=(*keys, "value"))
    grouped = rows.groupby(keys, sort=True)["value"]
    return grouped.agg(mean="mean", n_raters="size").reset_index()


def notes(table: pd.DataFrame) -> list[str]:
    """State what a reader must know before trusting numbers from this table.

    Returns
    -------
    list of str
        One sentence each: too few raters or videos, raters who gave one value only, conditions
        missing for a model, incomplete or unbalanced crossing, ratings left empty, repeats.
    """
    rows = usable(table, needs=("value", "rater", "item", "video", "model", "condition"))
    said: list[str] = []
    empty = int(table["value"].isna().sum())
    if empty:
        said.append(f"{empty} of {len(table)} ratings are empty and are left out.")
    if "repeat" in table.columns and (n_repeats := int((table["repeat"].fillna(0) > 0).sum())):
        said.append(f"{n_repeats} repeated ratings serve intra-rater agreement only.")
    if rows.empty:
        return [*said, "There are no ratings to analyse."]
    if rows["rater"].nunique() == 1:
        said.append("There is one rater only: agreement and severity cannot be estimated.")
    if rows["video"].nunique() == 1:
        said.append("There is one video only: intervals over videos cannot be estimated.")
    by = ["rater", "criterion"] if "criterion" in rows.columns else ["rater"]
    for key, group in rows.groupby(by, sort=True)["value"]:
        if len(group) > 1 and group.nunique() == 1:
            where = f" on {key[1]}" if len(by) == 2 else ""
            said.append(f"Rater {key[0]} gave {group.iloc[0]:g} {len(group)} times{where}.")
    cells = pd.crosstab(rows["model"], rows["condition"])
    for model in cells.index:
        for condition in cells.columns:
            if cells.loc[model, condition] == 0:
                said.append(f"Model {model} has no ratings under condition {condition}.")
    if cells.to_numpy().min() != cells.to_numpy().max():
        low, high = int(cells.to_numpy().min()), int(cells.to_numpy().max())
        said.append(
            f"The design is unbalanced ({low} to {high} ratings per model and condition): the "
            "mean of the per-model gains need not equal the pooled difference."
        )
    n_criteria = rows["criterion"].nunique() if "criterion" in rows.columns else 1
    full = rows["rater"].nunique() * rows["item"].nunique() * n_criteria
    if len(rows) < full:
        said.append(
            f"{full - len(rows)} of {full} cells of rater x item x criterion are missing "
            f"({1 - len(rows) / full:.1%})."
        )
    return said


def background(
    answers: pd.DataFrame,
    *,
    questions: Mapping[str, str] | Sequence[str] | None = None,
    orders: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Count the raters' answers to the background questionnaire (the paper's Figure 11).

    Parameters
    ----------
    answers
        One row per rater, one column per question; several answers in a cell are separated by
        semicolons.
    questions
        Columns to count, optionally with titles. By default those of `QUESTIONS` that exist.
    orders
        Column to its possible answers in order; those that nobody gave are listed with n 0. By
        default answers on a usual scale (never to always, none to extensive, degrees, ...) and
        numbers stand in their order, and all others by how frequent they are.

    Returns
    -------
    DataFrame
        Columns question, title, answer, n, n_raters, share (of the raters who answered).

    Raises
    ------
    RatingsError
        If a named column does not exist, or none is there.
    """
    answers = a_table(answers, "answers to the questionnaire")
    if "rater" in answers.columns:
        raters = answers["rater"].dropna().astype("str")
        if len(again := raters[raters.map(folded).duplicated()]):
            raise RatingsError(
                f"The questionnaire has two rows of the rater '{again.iloc[0]}'.",
                next_step="Keep one row per rater, so that nobody counts twice.",
            )
    if questions is None:
        questions = {k: title for k, title in QUESTIONS.items() if k in answers.columns}
        if not questions:
            raise RatingsError(
                "The questionnaire has none of the columns "
                f"{', '.join(QUESTIONS)}; it has {', '.join(map(str, answers.columns))}.",
                next_step="Give columns these names, or count others from Python: "
                "emodiss.ratings.background(table, questions=[...]).",
            )
    titles = (
        dict(questions)
        if isinstance(questions, Mapping)
        else {name: name.replace("_", " ") for name in questions}
    )
    parts = []
    for name, title in titles.items():
        if name not in answers.columns:
            raise RatingsError(
                f"The questionnaire has no column '{name}'; "
                f"it has {', '.join(map(str, answers.columns))}."
            )
        text = answers[name].dropna().astype("str").str.strip()
        text = text[text != ""]
        counts = text.str.split(r"\s*;\s*", regex=True).explode().value_counts(sort=True)
        counts = _ordered(counts, (orders or {}).get(name), name)
        n_raters = len(text)
        parts.append(
            pd.DataFrame(
                {
                    "question": name,
                    "title": title,
                    "answer": counts.index.astype("str"),
                    "n": counts.to_numpy(),
                    "n_raters": n_raters,
                    "share": counts.to_numpy() / max(n_raters, 1),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _ordered(counts: pd.Series, order: Sequence[str] | None, question: str) -> pd.Series:
    """Bring answers into their order, if they have one."""
    given = list(counts.index)
    if order is not None:
        if strange := [answer for answer in given if answer not in order]:
            raise RatingsError(
                f"The answer '{strange[0]}' to '{question}' is not among those in its order.",
                next_step=f"The order holds: {', '.join(order)}.",
            )
        return counts.reindex(list(order), fill_value=0)
    plain = {a: re.sub(r"['’]s\b|\bdegrees?\b|\.", "", a.casefold()).strip() for a in given}
    for scale in _SCALES:
        if set(plain.values()) <= set(scale):
            return counts.loc[sorted(given, key=lambda answer: scale.index(plain[answer]))]
    numbers = {a: re.match(r"[<>≤≥\s]*(\d+(?:\.\d+)?)", a) for a in given}
    if all(numbers.values()):
        return counts.loc[sorted(given, key=lambda a: float(numbers[a][1]))]  # type: ignore[index]
    return counts
