"""The bench for a GPU: its comparisons by hand, and one quick run on the CPU."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emodiss.affect import SpeechAffect
from emodiss.faces import FaceBoxes
from emodiss.transcript import Word

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("bench_gpu_parts")


def faces(*boxes: tuple[float, ...]) -> FaceBoxes:
    n = len(boxes)
    return FaceBoxes(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(n, 0.9, np.float32),
        np.zeros((n, 5, 2), np.float32),
    )


def test_faces_are_paired_whatever_their_order(parts: Any) -> None:
    left, right = (0, 0, 100, 100), (200, 0, 300, 100)
    moved = (203, 0, 300, 101)
    found = parts.faces_differ([faces(left, right)], [faces(moved, left)])
    assert found == {"faces": 0, "box_px": 3.0, "score": 0.0}
    assert parts.faces_differ([faces(left, right)], [faces(left)])["faces"] == 1
    assert parts.faces_differ([faces(left)], [faces(left, right)])["faces"] == 1
    # Half a width away is another face: one lost, one found.
    assert parts.faces_differ([faces(left)], [faces((51, 0, 151, 100))])["faces"] == 2


def test_words_that_differ_and_shift(parts: Any) -> None:
    def words(*said: tuple[str, float]) -> tuple[Word, ...]:
        return tuple(Word(text, start, start + 0.2) for text, start in said)

    found = parts.words_differ(
        words(("I", 0.0), ("was", 0.5), ("there", 1.0)), words(("I", 0.0), ("there", 1.25))
    )
    assert found == {"words": 1, "of": 3, "shift_s": 0.25}


def test_affect_is_compared_on_the_house_scale(parts: Any) -> None:
    def rows(*values: float) -> list[SpeechAffect]:
        return [SpeechAffect(v, 0.5, 0.5, "unit") for v in values]

    # The speech model's scale is [0, 1]: a tenth there is two tenths here.
    found = parts.affect_differs(rows(0.5, 0.6), rows(0.5, 0.5))
    assert found == {"valence": pytest.approx(0.2), "arousal": 0.0}
    assert np.isnan(parts.affect_differs(rows(0.5), rows(float("nan")))["valence"])


@pytest.mark.slow  # draws and encodes a clip, imports transformers
def test_a_quick_run_on_the_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(SCRIPTS / "bench_gpu.py"), "--device", "cpu", "--quick"]
    chosen = ["--repeats", "1", "--only", "wav2vec2", "large-v3", "tiny.en", "--json", str(out)]
    done = subprocess.run([*command, *chosen], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert [part["unit"] for part in result["parts"]] == ["sound", "sound"]
    assert result["not_run"] == {"tiny.en": "needs --sound"}
    rows = [row for part in result["parts"] for row in part["rows"]]
    assert all(row["within"] and row["rate"] > 0 for row in rows)
    reduced = [row["difference"] for row in rows if "bfloat16" in row["way"]]
    assert reduced and all(1e-4 < d["valence"] < 0.1 for d in reduced)
    assert "no figure of any use" in done.stdout
