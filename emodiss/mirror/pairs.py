"""Sessions of an experiment side by side, for people to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from emodiss import ratings, tabular
from emodiss.clients import RESISTANT
from emodiss.encounters import Encounter
from emodiss.errors import SettingsError
from emodiss.judging.sessions import dialogue
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment
from emodiss.mirror.judge import spoken
from emodiss.ratings import PairStudy, RatingsError, pair_form, sums
from emodiss.runs.files import write_atomically


def pairs(
    experiment: Experiment,
    therapists: Sequence[str] | None = None,
    *,
    raters: Sequence[str] | Mapping[str, str] = ("expert1", "expert2"),
    n_cases: int = 200,
    seed: int = 0,
    types: Sequence[str] = RESISTANT,
    directions: bool = True,
    name: str = "pairs",
    form: str | Path | None = None,
    out: str | Path | None = None,
) -> tuple[PairStudy, list[Path]]:
    """Put sessions of every two therapists side by side, and write blind sheets and the key.

    Parameters
    ----------
    experiment
        With sessions.
    therapists
        Whom to compare; all if None.
    raters, n_cases, seed, types, name
        As in `ratings.build_pairs`.
    directions
        Show stage directions: raters are asked to look at non-verbal cues, too.
    form
        File of questions; the printed ones if None.
    out
        New folder; `pairs` in the experiment if None.

    Returns
    -------
    tuple of PairStudy and list of Path
        The study, and the files written.

    Raises
    ------
    RunError
        If there are no sessions.
    RatingsError
        If the study cannot be drawn, or the folder holds one.
    """
    table = session_texts(experiment.need(experiment.encounters, "simulate"), directions)
    chosen = list(dict.fromkeys(table["model"])) if therapists is None else list(therapists)
    study = ratings.build_pairs(
        table,
        chosen,
        n_cases=n_cases,
        seed=seed,
        raters=raters,
        types=types,
        name=name,
        form=pair_form(form),
    )
    with experiment.alone():
        return study, ratings.write_pairs(study, out or experiment.root / layout.PAIRS)


def session_texts(encounters: Sequence[Encounter], directions: bool = True) -> pd.DataFrame:
    """Give sessions as a table: case, profile, resistance, model, dialogue (missing if failed)."""
    rows = [
        {
            "case": each.case.id,
            "profile": each.case.profile.id,
            "resistance": each.case.resistance,
            "model": each.therapist,
            "dialogue": dialogue(spoken(each.lines, directions=directions), quoted=False)
            if each.status == "complete"
            else None,
        }
        for each in encounters
    ]
    columns = ["case", "profile", "resistance", "model", "dialogue"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def collect_pairs(
    experiment: Experiment, sheets: Sequence[str | Path], *, study: str | Path | None = None
) -> tuple[pd.DataFrame, Path]:
    """Join filled sheets with the hidden key; comparisons go to `pair_ratings.csv`.

    Parameters
    ----------
    sheets
        CSV files that raters filled, all at once: what was collected before is replaced.
    study
        Folder of the study; `pairs` in the experiment if None.

    Returns
    -------
    tuple of DataFrame and Path
        Columns of `ratings.COMPARISONS`, and where they were written.

    Raises
    ------
    SettingsError
        If no sheet is named.
    RatingsError
        If there is no study, or for every fault of a sheet, with its line.
    """
    if not sheets:
        raise SettingsError("No filled sheet is named.", next_step="Give the raters' CSV files.")
    folder = Path(study) if study is not None else experiment.root / layout.PAIRS
    key = folder / "hidden" / "key.csv"
    if not key.is_file():
        raise RatingsError(
            f"'{folder.name}' holds no study: there is no hidden/key.csv.",
            next_step="Make one: emodiss mirror pairs.",
        )
    sums.require_as_written(key.parent, key)
    form = pair_form(folder / "form.json")
    read = {str(path): _texts(path, "filled sheet") for path in sheets}
    table = ratings.merge_pairs(read, _texts(key, "key"), criteria=form.criteria)
    path = experiment.root / layout.PAIR_RATINGS
    with experiment.alone():
        write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    return table, path


def _texts(path: str | Path, what: str) -> pd.DataFrame:
    return tabular.read(path, error=RatingsError, what=what, restore=True).frame()
