"""`scripts/simulate_study.py`: the same numbers in any number of processes, in a legible table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import simulate_study  # noqa: E402

TINY = ("--n", "2", "--mixed", "0", "--videos", "6", "--resamples", "100", "--truth-videos", "20")
ASKED = (str(SCRIPTS / "simulate_study.py"), *TINY, "--worlds", "paired")


@pytest.fixture
def printed(monkeypatch, capsys):
    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [*ASKED, *arguments])
        simulate_study.main()
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(printed):
    alone = printed("--csv")
    both = subprocess.run(
        [sys.executable, *ASKED, "--csv", "--processes", "2"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert both.returncode == 0, both.stderr
    assert alone == both.stdout
    header, *rows = alone.splitlines()
    assert header == "world,interval,coverage_%,mc_error_%,mean_width,studies,intervals"
    # Two studies of three conditions besides the base.
    (pooled,) = [row for row in rows if row.startswith('paired,"pooled gain, cluster bootstrap",')]
    assert pooled.endswith(",2,6")


def test_the_table_states_coverage_and_its_error(printed):
    text = printed()
    assert "Coverage of 95 % intervals" in text
    assert "judge kendall, cluster bootstrap" in text and " +/- " in text
