"""What judges said about a run's interventions, on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError
from emodiss.runs import jsonlines
from emodiss.runs.store import write_atomically, write_json

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "Run 'emodiss intervene' again; cached answers are free."
_KEY = ("judge", "criterion", "item", "scale_order")


@dataclass(frozen=True, slots=True)
class JudgementFile:
    """`judgements.csv` of a run folder, the steps judges went by, and the bill.

    Parameters
    ----------
    root
        The run folder. Written to only by who holds its lock.
    """

    root: Path

    @property
    def path(self) -> Path:
        """One line per judge, criterion, item and order of the scale."""
        return self.root / "judgements.csv"

    @property
    def steps_path(self) -> Path:
        """Evaluation steps, one set for all judges, so that their scores can be compared."""
        return self.root / "judge_steps.json"

    @property
    def ledger_path(self) -> Path:
        """Tokens and cost of the last command."""
        return self.root / "judge_ledger.json"

    def read(self) -> pd.DataFrame | None:
        """Return all judgements, None when there are none.

        Raises
        ------
        RatingsError
            If the file has bad rows; each is listed.
        RunError
            If it is another kind of table.
        """
        from emodiss.judging import COLUMNS, read_scores

        if not self.path.is_file():
            return None
        table = read_scores(self.path)
        if "latency_s" not in table.columns:  # written before it was kept
            table["latency_s"] = float("nan")
        if absent := sorted(set(COLUMNS) - set(table.columns)):
            raise RunError(
                f"{self.path.name} was not written by 'emodiss judge': it lacks "
                f"{', '.join(absent)}.",
                next_step="Move it away; give scores of your own to 'emodiss evaluate --judge'.",
            )
        return table

    def keep(self, table: pd.DataFrame) -> int:
        """Add judgements; those of the same judge on the same question are replaced.

        Parameters
        ----------
        table
            As `emodiss.judging.judge` returns it.

        Returns
        -------
        int
            How many earlier ones were replaced.
        """
        import pandas as pd

        new = table.assign(item=table["item"].astype("str"))
        earlier = self.read()
        replaced = 0
        if earlier is not None:
            again = pd.MultiIndex.from_frame(earlier[list(_KEY)]).isin(
                pd.MultiIndex.from_frame(new[list(_KEY)])
            )
            replaced = int(again.sum())
            new = pd.concat([earlier[~again], new], ignore_index=True)
        new = new.sort_values(list(_KEY), ignore_index=True, kind="stable")
        text = new.to_csv(index=False, lineterminator="\n")
        write_atomically(self.path, text.encode())
        return replaced

    def write_ledger(self, record: Mapping[str, Any]) -> None:
        """Write the bill.

        Parameters
        ----------
        record
            Plain values.
        """
        write_json(self.ledger_path, record)


def responses(root: Path) -> pd.DataFrame:
    """Return what there is to judge in a run: `emodiss.interventions.responses`.

    Parameters
    ----------
    root
        The run folder.

    Raises
    ------
    RunError, InterventionError
        If there are no interventions, or a line cannot be read.
    """
    from emodiss import interventions
    from emodiss.runs.interventions import InterventionFile

    file = InterventionFile(root)
    lines = file.read()
    if not lines:
        raise RunError(
            f"The run '{root.name}' has no interventions yet.",
            next_step="Ask a model for them: emodiss intervene.",
        )
    return interventions.responses(lines, jsonlines.read(file.prompts_path, next_step=_AGAIN))
