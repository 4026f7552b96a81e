"""What is said of a flag holds where the truth is known: the study in the guide, made small."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def study():
    path = ROOT / "scripts" / "simulate_flags.py"
    spec = importlib.util.spec_from_file_location("simulate_flags", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_of_flags_called_p_about_p_are_true(study: Any):
    # 4,000 utterances: a bin of 200 errs by up to .07 (two standard errors) beside the .05 allowed.
    found = [b for b in study.reliability(4_000) if b["n"] > 200]
    assert len(found) >= 6
    for b in found:
        allowed = 0.05 + 2 * np.sqrt(b["said"] * (1 - b["said"]) / b["n"])
        assert abs(b["said"] - b["true"]) < allowed, b


def test_a_true_null_is_seldom_called_significant_where_sessions_drift(study: Any):
    # 60 tables a cell at most .08: 95 % of such counts are 9 or fewer; permutation exceeds that.
    shift = study.rejections("shift", (1, 40), 60)
    assert [row["lag1"] for row in shift] == [0.0, 0.5, 0.8, 0.9]
    assert all(row["rejected"] <= 9 / 60 for row in shift)
    assert np.mean([row["rejected"] for row in shift]) <= 0.09
    permuted = study.rejections("permutation", (1, 40), 60)
    assert np.mean([row["rejected"] for row in permuted[2:]]) > 0.12


def test_intervals_cover_for_series_of_other_make_too(study: Any):
    for row in study.coverage_of_others(60):
        assert row["coverage"] >= 0.82, row


def test_the_guide_holds_every_table(study: Any):
    text = study.GUIDE.read_text(encoding="utf-8")
    for name in ("coverage", "coverage_of_tracks", "coverage_of_others", "reliability",
                 "reliability_of_others", "null"):  # fmt: skip
        part = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", text, re.DOTALL)
        assert part is not None and part[1].count("\n") >= 5, name
    said = re.search(r"<!-- begin reliability -->\n(.*?)<!-- end", text, re.DOTALL)
    assert said is not None
    for line in said[1].splitlines()[2:]:
        p, q, n = (float(cell.replace(",", "")) for cell in line.strip("| ").split(" | "))
        assert n <= 200 or abs(p - q) < 0.055, line  # both are rounded to hundredths
