"""`scripts/simulate_study.py`: the same numbers in any number of processes, in a legible table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "simulate_study.py"
TINY = ("--n", "2", "--mixed", "0", "--videos", "6", "--resamples", "100", "--truth-videos", "20")


def printed(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *TINY, "--worlds", "paired", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_number_of_processes_changes_nothing():
    alone = printed("--csv")
    assert alone == printed("--csv", "--processes", "2")
    header, *rows = alone.splitlines()
    assert header == "world,interval,coverage_%,mc_error_%,mean_width,studies,intervals"
    # Two studies of three conditions besides the base.
    (pooled,) = [row for row in rows if row.startswith('paired,"pooled gain, cluster bootstrap",')]
    assert pooled.endswith(",2,6")


def test_the_table_states_coverage_and_its_error():
    text = printed()
    assert "Coverage of 95 % intervals" in text
    assert "judge kendall, cluster bootstrap" in text and " +/- " in text
