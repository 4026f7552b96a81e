"""The command dissonance: rates, chance and reasons, in every form, without a model."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

import emodiss
from tests import fakes


@pytest.fixture
def finished(study, tmp_path, stand_ins, finished_run):
    run = emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings=stand_ins,
        workers=0,
    )
    fakes.LOADED.clear()
    return run


def test_the_runs_own_rule_is_the_default(run_cli, finished):
    code, out, _ = run_cli("dissonance", str(finished.root), "--json", "--pairings", "20")
    found = json.loads(out)
    assert code == 0 and fakes.LOADED == []
    table = finished.utterances
    assert found["rule"]["compare"] == "voice_vs_face" and found["threshold"] == 0.5
    assert found["dissonant"] == int(table["dissonant"].sum())
    # Of each pair of voices one has no face of its own.
    assert found["undetermined"] == {"face:unbound": 2}
    assert (found["utterances"], found["determined"]) == (4, 2)
    assert [round(row["threshold"], 2) for row in found["sweep"]][::6] == [0.1, 0.4, 0.7, 1.0]
    # One utterance per speaker and session leaves nothing to pair.
    assert found["chance"]["null_rate"] is None


def test_a_csv_holds_the_sweep_and_a_table_the_flags(run_cli, finished, tmp_path):
    code, out, _ = run_cli("dissonance", str(finished.root), "--csv", "--pairings", "20")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and len(rows) == 19
    assert [int(r["n_flagged"]) for r in rows] == sorted(
        (int(r["n_flagged"]) for r in rows), reverse=True
    )
    for name in ("flags.csv", "flags.parquet"):
        path = tmp_path / name
        code, out, err = run_cli(
            *("dissonance", str(finished.root), "--threshold", "0.01", "--pairings", "20"),
            *("-o", str(path), "--plot", str(tmp_path / "sweep.png")),
        )
        read = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
        assert code == 0 and "2 of 2 utterances dissonant at T = 0.01" in out
        assert str(path) in err
        assert set(read["dissonance_threshold"]) == {0.01}
        assert (tmp_path / "sweep.png").stat().st_size > 5_000
    # The run itself is as it was.
    assert set(finished.utterances["dissonance_threshold"]) == {0.5}


def test_the_sweep_plot_holds_the_sweep(finished):
    from emodiss.dissonance import sweep_against_chance
    from emodiss.plots.sweep import plot_sweep

    table = finished.utterances
    more = pd.concat([table.assign(face_valence=v / 5) for v in range(-4, 5)], ignore_index=True)
    swept = sweep_against_chance(more, n_pairings=20)
    ax = plot_sweep(swept, threshold=0.5)
    line = next(x for x in ax.lines if str(x.get_label()).startswith("observed"))
    assert line.get_ydata().tolist() == swept["rate"].tolist()
    assert len(ax.collections) == 1
    empty = plot_sweep(sweep_against_chance(table.assign(face_valence=float("nan")), n_pairings=2))
    assert "no utterance" in empty.texts[0].get_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "voice_vs_text"], "voice_vs_face"),
        (["--threshold", "3"], "less than or equal to 2"),
        (["--role", "doctor"], "therapist"),
        (["--out", "flags.xlsx"], ".csv or .parquet"),
        (["--video", "c"], "no video 'c'"),
        (["--null", "shuffle"], "no null 'shuffle'"),
        (["--by", "rolle"], "Did you mean 'role'"),
    ],
)
def test_wrong_use_ends_with_2(run_cli, finished, arguments, message):
    code, out, err = run_cli("dissonance", str(finished.root), *arguments)
    assert (code, out) == (2, "") and message in err


def test_other_sides_roles_and_baselines(run_cli, finished):
    def ask(*arguments: str) -> dict:
        code, out, _ = run_cli(
            "dissonance", str(finished.root), "--json", "--pairings", "20", *arguments
        )
        assert code == 0
        return json.loads(out)

    assert ask("--role", "therapist")["utterances"] == 2
    assert ask("--video", "a")["utterances"] == 2
    words = ask("--compare", "text_vs_nonverbal")
    assert set(words["by_axis"]) <= {"valence"}
    assert ask("--baseline", "z")["undetermined"] == {"baseline:too_few": 2, "face:unbound": 2}
    assert ask("--quantile", "0.5")["dissonant"] == 1
    assert ask("--min-coverage", "1")["rule"]["min_coverage"] == 1


def test_groups_in_every_form(run_cli, finished, tmp_path):
    path = tmp_path / "groups.png"
    code, out, err = run_cli(
        "dissonance", str(finished.root), "--by", "role,phase", "--plot", str(path)
    )
    assert code == 0 and "too few for intervals" in out and str(path) in err
    assert path.stat().st_size > 5_000
    code, out, _ = run_cli("dissonance", str(finished.root), "--by", "role", "--json")
    found = json.loads(out)
    assert code == 0 and found["by"] == ["role"] and found["effects"] == []
    assert sum(row["n_utterances"] for row in found["groups"]) == 4
    code, out, _ = run_cli("dissonance", str(finished.root), "--by", "session", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and [row["session"] for row in rows] == ["a", "b"]


def test_the_summary_says_chance_centring_and_what_certainty_rests_on(run_cli, finished):
    code, out, _ = run_cli("dissonance", str(finished.root), "--threshold", "0.01")
    words = " ".join(out.split())
    assert code == 0 and "chance could not be estimated" in words
    assert "needs three determined utterances" in words
    assert "no error of the speech model is known" in words
