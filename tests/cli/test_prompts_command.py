"""`emodiss prompts`: options, a researcher's own conditions, and sessions that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from emodiss.cli import app
from emodiss.errors import EmodissError
from emodiss.settings import resolve
from tests.test_prompts import NOTICED, SCALE, session


@pytest.fixture
def run(tmp_path) -> Path:
    """Five videos: three usable, one whose patient never speaks, one without any utterance."""
    root = tmp_path / "run"
    root.mkdir()
    facts = {"settings": {"prompts": {"window": 4}}, "problems": []}
    (root / "run.json").write_text(json.dumps(facts))
    ids = ["plain", "no_patient", "empty", "calm", "last"]
    (root / "manifest.jsonl").write_text("".join(f'{{"id": "{name}"}}\n' for name in ids))
    calm = pd.array([False] * 8, dtype="boolean")
    parts = [
        session(video_id=["plain"] * 8),
        session(video_id=["no_patient"] * 8, role=["therapist"] * 8),
        session(video_id=["calm"] * 8, dissonant=calm),
        session(video_id=["last"] * 8),
    ]
    pd.concat(parts).to_parquet(root / "utterances.parquet")
    return root


def prompts(run: Path, *arguments: object):
    return CliRunner().invoke(app, ["prompts", str(run), *map(str, arguments)])


def test_unusable_sessions_are_named_and_the_others_go_on(run):
    done = prompts(run, "--kind", "all")
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["video_id"] for line in lines] == ["plain"] * 4 + ["calm"] * 4 + ["last"] * 4
    assert "no_patient: no prompts [prompt_no_patient]" in done.stderr
    assert "empty: no prompts [prompt_empty]" in done.stderr


def test_a_failed_video_is_told_from_an_empty_one(run):
    record = {"video": "empty", "stage": "media", "status": "failed", "seconds": 0.0}
    (run / "outcomes.jsonl").write_text(json.dumps(record) + "\n")
    done = prompts(run, "--video", "empty")
    assert done.exit_code == 1 and done.stdout == ""
    assert "empty: no prompts [prompt_failed]: Its stage media failed." in done.stderr


def test_the_runs_settings_hold_until_the_command_changes_them(run):
    one = ("--kind", "base", "--video", "plain")
    assert len(json.loads(prompts(run, *one).stdout)["window"]) == 4
    assert len(json.loads(prompts(run, *one, "--window", 2).stdout)["window"]) == 2
    everything = prompts(run, *one, "--set", "prompts.window=none")
    assert len(json.loads(everything.stdout)["window"]) == 8


@pytest.mark.parametrize(
    ("arguments", "inside", "outside"),
    [
        (("--kind", "continuous"), SCALE, "emotional dissonance"),
        (("--kind", "continuous", "--set", "prompts.scale_line=false"), "valence -0.41", SCALE),
        (("--kind", "discrete", "--set", "prompts.channels=face"), "(face: neutral)", "speech:"),
        (
            ("--kind", "discrete", "--set", "prompts.cue_format=json"),
            '"face": "neutral"',
            "face: n",
        ),
        (("--kind", "discrete", "--set", "prompts.cue_format=fused"), "(sad / neutral)", "face:"),
        (("--kind", "dissonance"), "Patient (emotional dissonance): a3", "valence"),
        (
            ("--kind", "dissonance", "--set", "prompts.flag_as=prefix"),
            "Patient: (emotional dissonance) a3",
            "Patient (emotional",
        ),
        (
            ("--kind", "dissonance", "--set", "prompts.flag_values=true"),
            "valence -0.41",
            "not available",
        ),
        (("--kind", "dissonance", "--set", "prompts.flag_which=last"), "a3", NOTICED),
        (("--kind", "base", "--set", "prompts.context_marker=true"), "[Context]", NOTICED),
        (("--kind", "continuous", "--literal"), "Dialogue: [Context]", SCALE),
        (("--kind", "continuous", "--set", "prompts.literal=true"), "Dialogue: [Context]", SCALE),
        (
            ("--kind", "continuous", "--literal", "--set", "prompts.scale_line=true"),
            SCALE,
            NOTICED,
        ),
    ],
)
def test_each_alternative_can_be_asked_for(run, arguments, inside, outside):
    done = prompts(run, *arguments, "--video", "plain", "--window", 6, "--show")
    assert done.exit_code == 0, done.output
    assert inside in done.stdout and outside not in done.stdout


def test_a_run_in_the_papers_wording_can_be_asked_in_ours(run):
    facts = json.loads((run / "run.json").read_text())
    literal = resolve({}, ["prompts.literal=true"]).model_dump(mode="json")
    (run / "run.json").write_text(json.dumps({**facts, "settings": literal}))
    one = ("--video", "calm", "--kind", "dissonance", "--show")
    assert NOTICED in prompts(run, *one).stdout
    assert NOTICED not in prompts(run, *one, "--set", "prompts.literal=false").stdout


def test_a_window_may_be_named_by_its_end_or_by_times(run):
    one = ("--kind", "base", "--video", "plain")
    assert json.loads(prompts(run, *one, "--end", "u3").stdout)["window"] == [
        "u0",
        "u1",
        "u2",
        "u3",
    ]
    # Utterance k begins at k seconds; u4 is the therapist's, so the window ends on u3.
    assert json.loads(prompts(run, *one, "--span", 2, 5).stdout)["window"] == ["u2", "u3"]
    done = prompts(run, *one, "--span", 2, 5, "--end", "u3")
    assert isinstance(done.exception, EmodissError) and "one of them" in str(done.exception)


def test_only_flagged_windows_leaves_out_a_calm_session(run):
    done = prompts(run, "--every", "--kind", "base", "--set", "prompts.flagged_only=true")
    assert "calm: no prompts [prompt_no_flag]" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["video_id"] for line in lines} == {"plain", "last"}
    assert all(line["dissonance_present"] for line in lines)


def test_a_folder_of_templates_adds_conditions(run, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "face_words.jinja").write_text(
        "{% for turn in turns %}{{ turn.speaker }}: {{ turn.text }}\n{% endfor %}"
    )
    done = prompts(run, "--video", "plain", "--templates", folder)
    kinds = [json.loads(line)["condition"] for line in done.stdout.splitlines()]
    assert kinds == ["base", "discrete", "continuous", "dissonance", "face_words"]
    done = prompts(run, "--video", "plain", "--templates", folder, "--kind", "face_words", "--show")
    assert done.stdout.endswith("Patient: a7\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "dissonance.threshold=1"), "does not apply here"),
        (("--set", "prompts.no_flg=base"), "Did you mean 'prompts.no_flag'"),
        (("--set", "prompts.no_flag=perhaps"), "prompts.no_flag cannot be 'perhaps'"),
        (("--kind", "disonance"), "Did you mean 'dissonance'"),
        (("--names", "x.txt"), "--redact-names"),
        (("--video", "nobody"), "no video 'nobody'"),
    ],
)
def test_wrong_use_says_what_to_do(run, arguments, message):
    done = prompts(run, *arguments)
    assert isinstance(done.exception, EmodissError), done.output
    assert message in str(done.exception)
