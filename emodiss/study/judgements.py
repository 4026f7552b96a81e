"""What judges said about a run's interventions, on disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError
from emodiss.runs import layout, seals
from emodiss.runs.files import write_json
from emodiss.runs.journal import TableJournal

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.judging import Steps

_KEY = ("judge", "criterion", "item", "scale_order")


@dataclass(frozen=True, slots=True)
class JudgementFile:
    """Scores of a run folder, steps and bill; who writes holds the lock of the folder."""

    root: Path

    @property
    def path(self) -> Path:
        """One line per judge, criterion, item and order of the scale."""
        return self.root / layout.JUDGEMENTS

    @property
    def steps_path(self) -> Path:
        """Evaluation steps, one set for all judges, so that their scores can be compared."""
        return self.root / layout.JUDGE_STEPS

    def read(self) -> pd.DataFrame | None:
        """Return all judgements, None when there are none."""
        from emodiss.judging import COLUMNS, read_scores

        if not self.path.is_file():
            return None
        seals.require_whole(self.path, "Move it away; emodiss judge asks again.")
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

    def read_steps(self) -> dict[str, Steps]:
        """Return the steps written so far."""
        from emodiss.judging import read_steps

        if not self.steps_path.exists():
            return {}
        advice = f"Move {self.steps_path.name} away; a judge then writes steps anew."
        seals.require_whole(self.steps_path, advice)
        return read_steps(self.steps_path)

    def write_steps(self, steps: Mapping[str, Steps]) -> None:
        """Keep steps for the next time."""
        from emodiss.judging import write_steps

        seals.forget(self.steps_path)
        write_steps(steps, self.steps_path)
        seals.seal(self.steps_path)

    def keep(self, table: pd.DataFrame) -> int:
        """Add judgements; those of the same judge on the same question go, and are counted.

        A question that got no answer this time takes no earlier answer away.
        """
        before = self.read()  # a file that is something else is not overwritten
        answered: set[tuple[str, ...]] = set()
        if before is not None:
            there = before[before["status"] != "unanswered"]
            answered = set(there[list(_KEY)].astype("str").itertuples(index=False, name=None))
        text = table.to_csv(index=False, lineterminator="\n")
        rows = [
            row
            for row in csv.DictReader(io.StringIO(text, newline=""))
            if row["status"] != "unanswered" or _key(row) not in answered
        ]
        return TableJournal[dict[str, str]](self.path, columns=tuple(table.columns)).upsert(
            rows, key=_key, order=_key
        )

    def write_ledger(self, record: Mapping[str, Any]) -> None:
        """Write the bill of the last command."""
        write_json(self.root / layout.JUDGE_LEDGER, record)


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEY)
