"""A run's interventions dealt out to raters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import SettingsError, nearest
from emodiss.runs.files import write_atomically
from emodiss.runs.run import AnyRun, load
from emodiss.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.ratings import Handout, Study as RatingStudy


def rating_study(
    run: AnyRun,
    raters: Mapping[str, str] | Sequence[str],
    *,
    models: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    n_windows: int | None = None,
    seed: int = 0,
    announce: Callable[[str], None] | None = None,
    **options: Any,
) -> RatingStudy:
    """Deal the responses of a run out to raters: blind sheets, and the hidden key apart.

    Parameters
    ----------
    run
        Whose responses are rated.
    raters
        Codes of raters, or code to group.
    models, conditions
        Whose responses; all if None. A window that lacks one of them is not drawn.
    n_windows
        Windows to draw; None draws 100, or all where fewer qualify.
    seed
        Of every random choice; the same gives the same study.
    announce
        Called with a line that counts the windows which are not drawn.
    **options
        As in `emodiss.ratings.build_study`: repeats, name, order and more. Keep the result
        with `emodiss.ratings.write_study`.

    Raises
    ------
    SettingsError
        If a model or condition is unknown, or was asked more than once for a window.
    """
    run = load(run)
    from emodiss.ratings import build_study

    source, chosen, n_short = _ratable(
        Study(run).responses, {"model": models, "condition": conditions}
    )
    if n_short and announce is not None:
        announce(f"{n_short} windows lack a response of a model or condition; none is drawn.")
    return build_study(
        source,
        models=chosen["model"],
        conditions=chosen["condition"],
        raters=raters,
        n_windows=n_windows,
        seed=seed,
        **options,
    )


def write_for(handout: Handout, tool: str, folder: str | Path) -> list[Path]:
    """Write a blind study for another annotation tool, `potato` or `label-studio`."""
    from emodiss.ratings.other_tools import for_tool

    files = for_tool(handout, tool)
    for name, text in files.items():
        write_atomically(Path(folder) / name, text.encode())
    return [Path(folder) / name for name in files]


def _ratable(
    table: pd.DataFrame, asked: Mapping[str, Sequence[str] | None]
) -> tuple[pd.DataFrame, dict[str, list[str]], int]:
    """Keep one response per model and condition, of windows that have them all."""
    chosen: dict[str, list[str]] = {}
    for column, names in asked.items():
        known = list(dict.fromkeys(table[column]))
        if unknown := [one for one in names or () if one not in known]:
            raise SettingsError(
                f"There are no responses of {column} '{unknown[0]}'.",
                next_step=nearest(unknown[0], known),
            )
        chosen[column] = list(names or known)
        table = table[table[column].isin(chosen[column])]
    first = (table["sample"] == 0) & (table["response"].str.strip() != "")
    twice = table[first & table[first].duplicated(["video", "window", "model", "condition"])]
    if len(twice):
        row = twice.iloc[0]
        raise SettingsError(
            f"The run holds {len(twice)} responses beyond one per window, model and condition: "
            f"'{row['model']}' was asked more than once for window {row['window']} of "
            f"'{row['video']}' in condition '{row['condition']}', by other settings or in "
            "another way.",
            next_step="Keep the lines of one way in RUN/interventions.jsonl, or choose other "
            "models or conditions with --model and --condition.",
        )
    n_wanted = len(chosen["model"]) * len(chosen["condition"])
    n_there = first.groupby([table["video"], table["window"]]).transform("sum")
    n_short = table.loc[n_there < n_wanted, ["video", "window"]].drop_duplicates().shape[0]
    return table[first & (n_there == n_wanted)], chosen, n_short
