"""Pairwise studies: two dialogues with the same client side by side, judged A, Tie or B.

This is the expert study of MIRROR (Kim et al. 2025, section 6.3 and appendices E and M). A code
names one pair as one rater sees it, so that sides can differ between raters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emodiss import tabular
from emodiss.clients import RESISTANT
from emodiss.errors import as_path
from emodiss.ratings.schema import RatingsError
from emodiss.ratings.study import codes_for
from emodiss.ratings.table import long_rows, typed_columns
from emodiss.tabular import Column, Misfit, a_table


@dataclass(frozen=True, slots=True)
class PairQuestion:
    """One question about two dialogues."""

    # Criterion: a column of sheets and tables.
    name: str
    # How the rater knows it.
    title: str
    question: str
    # objective, criteria: What to consider, and what to look at.
    objective: str
    criteria: str


@dataclass(frozen=True, slots=True)
class PairForm:
    """What a rater of pairs is told."""

    # Where the wording is from, and its licence.
    source: str
    # The answers: A, Tie, B.
    options: tuple[str, ...]
    # One sentence for all questions.
    instruction: str
    questions: tuple[PairQuestion, ...]

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the questions."""
        return tuple(question.name for question in self.questions)


def pair_form(path: str | Path | None = None) -> PairForm:
    """Read the questions of a pairwise study: the printed ones of MIRROR, or a researcher's own.

    Parameters
    ----------
    path
        A JSON file like `emodiss/data/pair_questions.json`; that file if None.

    Raises
    ------
    RatingsError
        If the file is missing or no such file.
    """
    return _printed() if path is None else _form(as_path(path, "a form"))


@lru_cache(maxsize=1)
def _printed() -> PairForm:
    return _form(resources.files("emodiss") / "data" / "pair_questions.json")


def _form(path: Any) -> PairForm:
    try:
        said = tabular.json_value(path.read_text(encoding="utf-8"))
        questions = tuple(PairQuestion(**each) for each in said["questions"])
        form = PairForm(str(said["source"]), tuple(said["options"]), said["instruction"], questions)
        texts = (form.instruction, *form.options, *(t for q in questions for t in astuple(q)))
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError):
        raise RatingsError(
            f"'{path.name}' holds no questions of a pairwise study.",
            next_step="Expected was JSON with source, options, instruction and questions, each "
            "with name, title, question, objective and criteria.",
        ) from None
    names = form.criteria
    clash = {column.name for column in COMPARISONS} | {"dialogue_a", "dialogue_b"}
    if not names or len(set(names)) < len(names) or clash & set(names) or form.options != OPTIONS:
        raise RatingsError(
            f"'{path.name}' holds questions that cannot be asked.",
            next_step="Give each question a name of its own that is no other column's, and the "
            f"options {', '.join(OPTIONS)}.",
        )
    return form


OPTIONS = ("A", "Tie", "B")
"""What a rater may choose."""

COMPARISONS = (
    Column("study", "text", "name of the study"),
    Column("rater", "text", "code of the rater", required=True),
    Column("rater_group", "text", "group the rater belongs to"),
    Column("item", "text", "code of the pair as this rater saw it", required=True),
    Column("case", "text", "id of the client and the type of resistance", required=True),
    Column("profile", "text", "id of the client"),
    Column("resistance", "text", "type of resistance"),
    Column("model_a", "text", "model of the dialogue on side A", required=True),
    Column("model_b", "text", "model of the dialogue on side B", required=True),
    Column("criterion", "text", "what was compared: goal, approach, bond", required=True),
    Column("choice", "text", "A, Tie or B; empty means not compared", choices=OPTIONS),
    Column("position", "count", "place of the pair in this rater's order, from 1", 1),
    Column("seconds", "number", "time spent on the pair, in seconds", 0.0),
    Column("saved_at", "time", "when the choice was saved, ISO 8601"),
    Column("comment", "text", "what the rater added in words"),
)
"""Schema of the long table of comparisons: one row per rater, pair and criterion."""

_HIDDEN = ("case", "profile", "resistance", "model_a", "model_b")


@dataclass(frozen=True, slots=True, eq=False)
class PairStudy:
    """A blind pairwise study, ready to hand out.

    Parameters
    ----------
    pairs
        What may be shown, one row per code: item, dialogue_a, dialogue_b.
    key
        What must stay hidden, one row per code: item, rater, case, profile and resistance (where
        known), model_a, model_b.
    sheets
        Per rater, in that rater's order: study, rater, rater_group, position, item, dialogue_a,
        dialogue_b, one empty column per question, comment.
    form
        What is asked.
    design
        The arguments of `build_pairs`.
    notes
        What a reader must know about the draw.
    """

    name: str
    pairs: pd.DataFrame
    key: pd.DataFrame
    sheets: Mapping[str, pd.DataFrame]
    form: PairForm
    design: Mapping[str, Any]
    notes: tuple[str, ...]


def build_pairs(
    encounters: pd.DataFrame,
    models: Sequence[str],
    *,
    n_cases: int = 200,
    seed: int = 0,
    raters: Sequence[str] | Mapping[str, str] = ("expert1", "expert2"),
    types: Sequence[str] = RESISTANT,
    name: str = "pairs",
    form: PairForm | None = None,
) -> PairStudy:
    """Draw cases and put every two models side by side, blind, in a random order per rater.

    Cases are spread over the types of resistance as evenly as possible. Each rater sees every
    pair once; for each two models, either is on side A in half of that rater's pairs (plus or
    minus one), overall and within each type.

    Parameters
    ----------
    encounters
        One row per session: case, model, dialogue (what is shown; empty or missing if the session
        failed); resistance and profile where known.
    models
        Two or more models to compare.
    n_cases
        How many cases to draw; a pair of models is compared on each.
    raters
        Codes of the raters, or code to group.
    types
        Types of resistance to draw from.
    form
        What is asked; the printed questions if None.

    Raises
    ------
    RatingsError
        If columns or models are missing, a session is there twice, or too few cases have a
        session with every model.
    """
    groups = dict(raters) if isinstance(raters, Mapping) else dict.fromkeys(raters, "")
    for what, names, least in (("models", models, 2), ("raters", list(raters), 1)):
        if isinstance(names, str) or len(set(names)) != len(names) or len(names) < least:
            raise RatingsError(
                f"{what} must be a list of {least} or more distinct names; got {names!r}."
            )
    if n_cases < 1:
        raise RatingsError(f"n_cases is {n_cases}; 1 or more was expected.")
    asked = form or pair_form()
    said: list[str] = []
    sessions, facts = _sessions(encounters, models, types, said)
    rng = np.random.default_rng(seed)
    drawn = _draw(facts, types, n_cases, rng, said)
    _check_blind(sessions, drawn, models, said)
    meetings = [(one, two) for one, two in combinations(models, 2)]
    n = len(drawn) * len(meetings)
    codes = codes_for(n * len(groups), rng)
    keys: list[pd.DataFrame] = []
    sheets: dict[str, pd.DataFrame] = {}
    for place, (rater, group) in enumerate(groups.items()):
        rows: list[dict[str, Any]] = []
        for one, two in meetings:
            # Cases stand type by type, so that taking turns balances sides in each and over all.
            turn = int(rng.integers(2))
            for case in drawn:
                a, b = (one, two) if turn else (two, one)
                turn = 1 - turn
                rows.append({"case": case, "model_a": a, "model_b": b})
        key = pd.DataFrame(rows)
        key.insert(0, "item", codes[place * n : (place + 1) * n])
        key.insert(1, "rater", rater)
        for fact in facts.columns:
            key[fact] = facts.loc[key["case"], fact].to_numpy()
        keys.append(key)
        sheet = key.iloc[rng.permutation(n)].reset_index(drop=True)
        sheets[rater] = pd.DataFrame(
            {
                "study": name,
                "rater": rater,
                "rater_group": group,
                "position": np.arange(1, n + 1),
                "item": sheet["item"],
                **{
                    f"dialogue_{side}": [
                        sessions[case, model]
                        for case, model in zip(sheet["case"], sheet[f"model_{side}"], strict=True)
                    ]
                    for side in "ab"
                },
                **dict.fromkeys((*asked.criteria, "comment"), ""),
            }
        )
    shown = pd.concat(sheets.values())[["item", "dialogue_a", "dialogue_b"]]
    return PairStudy(
        name=name,
        pairs=shown.sort_values("item", ignore_index=True),
        key=pd.concat(keys).sort_values("item", ignore_index=True),
        sheets=sheets,
        form=asked,
        design={
            "seed": seed,
            "models": list(models),
            "raters": groups,
            "n_cases": n_cases,
            "types": list(types),
        },
        notes=tuple(said),
    )


def _sessions(
    encounters: pd.DataFrame, models: Sequence[str], types: Sequence[str], said: list[str]
) -> tuple[dict[tuple[str, str], str], pd.DataFrame]:
    """Dialogues by case and model, and facts of the cases that have one with every model."""
    absent = [c for c in ("case", "model", "dialogue") if c not in encounters.columns]
    if absent:
        raise RatingsError(
            f"The sessions lack the column(s) {', '.join(absent)}; "
            f"they have {', '.join(map(str, encounters.columns)) or 'none'}."
        )
    strange = [model for model in models if model not in set(encounters["model"])]
    if strange:
        seen = ", ".join(sorted(map(str, encounters["model"].unique())))
        raise RatingsError(
            f"There is no session with the model '{strange[0]}'.",
            next_step=f"Choices: {seen or 'none'}.",
        )
    table = encounters[encounters["model"].isin(list(models))]
    twice = table.duplicated(["case", "model"])
    if twice.any():
        row = table.loc[twice].iloc[0]
        raise RatingsError(
            f"{int(twice.sum())} session(s) are there twice, the first of case '{row['case']}' "
            f"with model '{row['model']}'."
        )
    if "resistance" in table.columns:
        table = table[table["resistance"].isin(list(types))]
    else:
        said.append("The type of resistance is not known: cases are not balanced over types.")
    empty = table["dialogue"].fillna("").astype("str").str.strip() == ""
    cases = table["case"].unique()
    table = table[~empty]
    whole = table.groupby("case")["model"].nunique() == len(models)
    complete = [case for case in cases if bool(whole.get(case, False))]
    if len(complete) < len(cases):
        said.append(
            f"{len(cases) - len(complete)} of {len(cases)} cases lack a session with one of the "
            "models; they are left out."
        )
    table = table[table["case"].isin(complete)]
    known = [name for name in ("profile", "resistance") if name in table.columns]
    facts = table.drop_duplicates("case").set_index("case")[known].sort_index()
    sessions = {
        (case, model): str(text)
        for case, model, text in zip(table["case"], table["model"], table["dialogue"], strict=True)
    }
    return sessions, facts


def _draw(
    facts: pd.DataFrame, types: Sequence[str], n: int, rng: np.random.Generator, said: list[str]
) -> list[str]:
    """Choose cases, as many of each type as of any other if that is possible, type by type."""
    if len(facts) < n:
        raise RatingsError(
            f"{n} cases were asked for, but only {len(facts)} have a session with every model.",
            next_step="Ask for fewer, or simulate what is missing.",
        )
    if "resistance" not in facts.columns:
        return [str(facts.index[i]) for i in rng.permutation(len(facts))[:n]]
    pools = {
        kind: rng.permutation(facts.index[facts["resistance"] == kind].to_numpy(dtype=object))
        for kind in (types[i] for i in rng.permutation(len(types)))
    }
    quota = dict.fromkeys(pools, 0)
    while sum(quota.values()) < n:
        # One more for the type that has fewest so far and still has cases.
        open_ = [kind for kind in pools if quota[kind] < len(pools[kind])]
        quota[min(open_, key=lambda kind: quota[kind])] += 1
    counts = ", ".join(f"{quota[kind]} {kind}" for kind in types)
    if len(set(quota.values())) > 1:
        even = n % len(types) and max(quota.values()) - min(quota.values()) == 1
        why = f"{n} is no multiple of {len(types)}" if even else "some types have too few cases"
        said.append(f"Cases are not the same number of each type, because {why}: {counts}.")
    return [str(case) for kind in types for case in pools[kind][: quota[kind]]]


def _check_blind(
    sessions: Mapping[tuple[str, str], str],
    drawn: Sequence[str],
    models: Sequence[str],
    said: list[str],
) -> None:
    """Count what would tell models apart, and pairs in which nothing can be told apart."""
    texts = {(case, model): sessions[case, model] for case in drawn for model in models}
    named = sum(model.casefold() in text.casefold() for (_, model), text in texts.items())
    if named:
        said.append(f"Dialogues that name their own model: {named}.")
    alike = sum(
        texts[case, one] == texts[case, two]
        for case in drawn
        for one, two in combinations(models, 2)
    )
    if alike:
        said.append(f"In {alike} pairs of sessions both dialogues are the same word for word.")


def merge_pairs(
    sheets: Mapping[str, pd.DataFrame] | Iterable[pd.DataFrame],
    key: pd.DataFrame,
    *,
    criteria: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Join filled sheets with the hidden key into comparisons, as from `check_pairs`.

    Parameters
    ----------
    sheets
        Filled sheets by file name or alone, each with rater, item and one column per criterion,
        or already long with criterion and choice. Empty cells are not compared.
    key
        `PairStudy.key`.
    criteria
        Columns that hold choices; those of the printed questions if None.

    Raises
    ------
    RatingsError
        If a sheet lacks columns, or for every other word than A, Tie or B, pair compared twice,
        and code that is not in the key or was dealt to another rater, each with its line.
    """
    asked = list(pair_form().criteria if criteria is None else criteria)
    rows = long_rows(sheets, COMPARISONS, asked, "choice", _HIDDEN)
    rows["item"] = rows["item"].astype("str").str.strip()
    facts = key.assign(item=key["item"].astype("str")).rename(columns={"rater": "_dealt_to"})
    merged = rows.merge(facts, on="item", how="left")
    misfits: list[Misfit] = []
    dealt = tabular.cells_of(merged["_dealt_to"])
    columns = (merged[name].astype("str").tolist() for name in ("item", "rater"))
    for row, (owner, item, rater) in enumerate(zip(dealt, *columns, strict=True), start=2):
        if len(misfits) >= tabular.MOST_FAULTS:
            break
        if owner is None:
            misfits.append(Misfit(row, "item", item, "a code of the key"))
        elif owner != rater:
            misfits.append(Misfit(row, "rater", str(rater), f"rater '{owner}', who was dealt it"))
    places = [
        f"{place}, {what}"
        for place, what in zip(merged["_place"], merged["criterion"], strict=True)
    ]
    tabular.refuse(misfits, "The sheets", error=RatingsError, places=places)
    return check_pairs(merged.drop(columns=["_place", "_dealt_to"]), places=places)


def read_pairs(path: str | Path) -> pd.DataFrame:
    """Read a CSV of comparisons by `check_pairs`, or say everything that is wrong with it.

    Parameters
    ----------
    path
        Columns of `COMPARISONS`; optional ones may be absent.

    Raises
    ------
    RatingsError
        If the file is missing or has bad rows, each listed by its line.
    """
    known = [column.name for column in COMPARISONS]
    what = "table of comparisons"
    found = tabular.read(path, error=RatingsError, what=what, known=known)
    needed = [column.name for column in COMPARISONS if column.required] + ["choice"]
    tabular.require_columns(found, needed, error=RatingsError, what=what)
    table = found.frame()
    places = [f"line {line}" for line in table.index]
    return check_pairs(table.reset_index(drop=True), places=places)


def check_pairs(table: pd.DataFrame, *, places: Sequence[str] = ()) -> pd.DataFrame:
    """Check a table of comparisons and give it back with its declared types.

    Parameters
    ----------
    table
        One row per rater, pair and criterion.
    places
        Where each row came from, for messages.

    Returns
    -------
    DataFrame
        The columns of `COMPARISONS` in order; choice is A, Tie, B or missing.

    Raises
    ------
    RatingsError
        If columns are absent, or for every cell that does not fit, each with its place.
    """
    table = a_table(table, "comparisons")
    absent = [c.name for c in COMPARISONS if c.required and c.name not in table.columns]
    absent += [] if "choice" in table.columns else ["choice"]
    if absent:
        raise RatingsError(f"The comparisons lack the column(s) {', '.join(absent)}.")
    spelled = {option.casefold(): option for option in OPTIONS}
    words = table["choice"].astype("str").str.strip()
    whole = table.assign(choice=words.str.casefold().map(spelled).fillna(words))
    whole.loc[table["choice"].isna(), "choice"] = ""
    misfits: list[Misfit] = []
    lines = list(range(2, len(whole) + 2))
    found = typed_columns(whole, COMPARISONS, lines, misfits)
    misfits += tabular.spelled_twice(found, _NAMES, lines, places)
    checked = pd.DataFrame({c.name: c.series(found[c.name]) for c in COMPARISONS})
    if len(misfits) >= tabular.MOST_FAULTS:
        tabular.refuse(misfits, "The table of comparisons", error=RatingsError, places=places)
    first: dict[tuple[str, ...], int] = {}
    for row, (rater, case, a, b, criterion) in enumerate(
        zip(*(checked[c].astype("str").fillna("").tolist() for c in _ONCE), strict=True)
    ):
        if a == b and a:
            misfits.append(Misfit(row + 2, "model_b", b, "another model than on side A"))
        key = (rater, case, *sorted((a, b)), criterion)
        if key in first:
            where = places[first[key]] if places else f"line {first[key] + 2}"
            said = f"rater {rater}, case {case}, {criterion}"
            expected = f"one comparison of a pair; the first is {where}"
            misfits.append(Misfit(row + 2, "(row)", said, expected))
        first.setdefault(key, row)
    tabular.refuse(misfits, "The table of comparisons", error=RatingsError, places=places)
    return checked


_NAMES = (("rater",), ("model_a", "model_b"), ("criterion",))
_ONCE = ("rater", "case", "model_a", "model_b", "criterion")
