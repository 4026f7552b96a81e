"""Reviewing, auditing and exporting a run from the command line, as a person does it."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil

import pytest

import emodiss
from emodiss.study.label_roles import render


@pytest.fixture
def again(study, tmp_path, stand_ins, finished_run):
    def annotate():
        return emodiss.annotate(
            study / "manifest.csv",
            out=tmp_path / "run",
            preset="lite",
            settings=stand_ins,
            workers=0,
        )

    return annotate


def test_a_correction_is_set_listed_and_reaches_table_and_exports(run_cli, again, tmp_path):
    root = again().root
    code, out, err = run_cli(
        *("review", "set", root, "--video", "a", "--voice", "Bo", "--role", "client"),
        *("--by", "Rita", "--note", "on the phone"),
    )
    assert (code, out) == (0, f"{root / 'reviews.jsonl'}: 1 review added\n")
    assert "emodiss resume" in err
    code, out, _ = run_cli(
        *("review", "set", root, "--video", "a", "--utterance", "u0002", "--by", "Rita"),
        *("--text", "It was  a bad week.", "--end", "0:02.5"),
    )
    assert code == 0
    # What is newer than the table is said, not written in silence.
    code, out, err = run_cli("export", root, "--format", "webvtt", "-o", tmp_path / "x")
    assert code == 0 and "a: 3 reviews are newer than the table" in err
    assert "good week" in (tmp_path / "x" / "a.vtt").read_text()
    code, out, err = run_cli("export", root, "--format", "methods", "-o", tmp_path / "y")
    assert code == 0 and "a: 3 reviews are newer than the table" in err
    code, out, _ = run_cli("status", root, "--json")
    assert [row["pending_reviews"] for row in json.loads(out)] == [3, 0]
    again()
    code, out, err = run_cli("export", root, "-o", tmp_path / "x")
    assert (code, err) == (0, "")
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == sorted(
        f"{video}.{suffix}" for video in "ab" for suffix in ("rttm", "vtt", "TextGrid", "eaf")
    )
    for suffix in ("vtt", "TextGrid", "eaf"):
        assert "It was a bad week." in (tmp_path / "x" / f"a.{suffix}").read_text(), suffix
    assert "SPEAKER a 1 1.300 1.200 <NA>" in (tmp_path / "x" / "a.rttm").read_text()
    code, out, _ = run_cli("review", "list", root, "--json")
    assert [(r["kind"], r["target"], r["value"], r["state"], r["by"]) for r in json.loads(out)] == [
        ("role", "Bo", "patient", "in force", "Rita"),
        ("times", "u0002", "1.3; 2.5", "in force", "Rita"),
        ("text", "u0002", "It was a bad week.", "in force", "Rita"),
    ]
    back = ("review", "set", root, "--video", "a", "--utterance", "u0002", "--take-back", "text")
    # What Rita said is hers to take back.
    code, _, err = run_cli(*back, "--by", "Sam")
    assert code == 2 and "said by Rita" in err and "--settle" in err
    assert run_cli(*back, "--by", "Rita")[0] == 0
    assert again().session("a")["text"][1].endswith("good week.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "a"], "what is corrected"),
        (["--video", "a", "--voice", "Bo"], "Nothing is corrected"),
        (["--video", "c", "--voice", "Bo", "--role", "other"], "no video 'c'"),
        (["--video", "a", "--voice", "Eve", "--role", "other"], "no voice 'Eve'"),
        (["--video", "a", "--voice", "Bo", "--role", "pateint"], "Did you mean 'patient'"),
        (["--video", "a", "--voice", "Bo", "--text", "x"], "belongs to an utterance"),
        (["--video", "a", "--utterance", "u0001", "--role", "other"], "belongs to a voice"),
        (["--video", "a", "--utterance", "u0001", "--start", "soon"], "time belongs"),
        (["--video", "a", "--utterance", "u0001", "--start", "9"], "start < end"),
        (["--video", "a", "--utterance", "u9", "--text", "x"], "no utterance 'u9'"),
        (["--video", "a", "--voice", "Bo", "--take-back", "mood"], "no kind 'mood'"),
    ],
)
def test_wrong_use_says_what_to_do_and_writes_nothing(run_cli, again, arguments, message):
    root = again().root
    code, out, err = run_cli("review", "set", root, *arguments)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err
    assert not (root / "reviews.jsonl").exists()


def test_voices_without_a_role_come_with_what_they_say_and_the_command(
    run_cli, study, tmp_path, stand_ins
):
    (tmp_path / "one.csv").write_text("id,path,transcript\nb,b.mp4,b.vtt\n")
    shutil.copy(study / "b.mp4", tmp_path)
    (tmp_path / "b.vtt").write_text(
        "WEBVTT\n\n00:00.100 --> 00:00.900\n<v Bo>Well.</v>\n\n"
        "00:01.500 --> 00:02.500\n<v Bo>It was a long week.</v>\n"
    )
    root = emodiss.annotate(
        tmp_path / "one.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    ).root
    code, out, err = run_cli("review", "roles", root)
    assert code == 0 and "\nb Bo: It was a long week.\n" in out
    # Words belong on stdout; what is logged holds none.
    assert "week" not in err
    assert f"emodiss review set {root} --video b --voice Bo --role therapist" in err


def test_roles_are_shown_with_what_they_rest_on(run_cli, again):
    code, out, _ = run_cli("review", "roles", again().root, "--video", "a", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [(r["speaker"], r["role"], r["source"], r["confidence"]) for r in rows] == [
        ("Ada", "therapist", "manifest", None),
        ("Bo", "patient", "manifest", None),
    ]
    # Ada: one question of one utterance, 6 of the 15 words.
    assert (rows[0]["question_mark"], rows[0]["talk_share"]) == (1.0, 0.4)


def test_an_audit_from_the_sample_to_the_interval(run_cli, again, tmp_path):
    root = again().root
    sheet = tmp_path / "sheet.csv"
    code, out, _ = run_cli("review", "sample", root, "--share", "1", "--seed", "0", "-o", sheet)
    assert (code, out.strip()) == (0, str(sheet))
    rows = list(csv.DictReader(sheet.open()))
    assert [(r["video_id"], r["speaker"], r["role"]) for r in rows] == [
        ("a", "Ada", "therapist"),
        ("a", "Bo", "patient"),
        ("b", "Ada", "therapist"),
        ("b", "Bo", "patient"),
    ]
    code, _, err = run_cli("review", "score", root, sheet)
    assert code == 2 and "Nothing is judged yet" in err
    for row, verdict in zip(rows, ("right", "right", "right", "wrong"), strict=True):
        row["verdict"] = verdict
    rows[3]["correct_role"] = "other"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")  # as some spreadsheets do
        writer.writeheader()
        writer.writerows(rows)
    code, from_sheet, _ = run_cli("review", "score", root, sheet, "--json")
    found = json.loads(from_sheet)
    assert [(s["unit"], s["n"], s["n_right"], s["accuracy"]) for s in found] == [
        ("session", 2, 1, 0.5),
        ("voice", 4, 3, 0.75),
    ]
    # Wilson for 1 of 2 by hand: (1 + z2 / 2 -+ z sqrt(1/2 + z2 / 4)) / (2 + z2), z2 = 3.841459.
    assert [found[0]["low"], found[0]["high"]] == pytest.approx([0.094531, 0.905469], abs=1e-6)
    code, out, _ = run_cli("review", "import", root, sheet, "--by", "Rita")
    assert code == 0 and "5 reviews added" in out
    # The verdicts are kept with the run, and the correction holds from the next run on.
    code, from_run, _ = run_cli("review", "score", root, "--json")
    assert json.loads(from_run) == found
    assert list(again().session("b")["role"]) == ["therapist", "other"]


def test_a_sheet_of_another_run_is_refused(run_cli, again, tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("video_id,speaker,verdict\nelsewhere,Ada,right\n")
    code, _, err = run_cli("review", "score", again().root, sheet)
    assert code == 2 and "'elsewhere', which is not in this run" in err


def test_a_video_that_failed_has_no_files(run_cli, study, tmp_path, stand_ins):
    (tmp_path / "manifest.csv").write_text(f"id,path\na,{study / 'a.mp4'}\nlost,lost.mp4\n")
    root = tmp_path / "run"
    emodiss.annotate(
        tmp_path / "manifest.csv",
        allow_local=True,
        out=root,
        preset="lite",
        settings=stand_ins,
        workers=0,
    )
    code, out, err = run_cli("export", root, "--format", "rttm", "-o", tmp_path / "x")
    assert code == 1 and "lost: no utterances" in err
    assert out.split() == [str(tmp_path / "x" / "a.rttm")]


def test_a_sample_is_json_too_and_the_same_again(run_cli, again):
    root = again().root
    _, first, _ = run_cli("review", "sample", root, "--share", "0.1", "--seed", "0", "--json")
    _, second, _ = run_cli("review", "sample", root, "--share", "0.1", "--seed", "0", "--json")
    assert first == second
    rows = json.loads(first)
    assert len({r["video_id"] for r in rows}) == 1
    assert rows[0]["role_confidence"] is None  # a person said it


@pytest.mark.parametrize("suffix", ["vtt", "eaf"])
def test_a_corrected_file_is_taken_over(run_cli, again, tmp_path, suffix):
    root = again().root
    run_cli("export", root, "-o", tmp_path / "x")
    path = tmp_path / "x" / f"a.{suffix}"
    path.write_text(path.read_text().replace("good week", "bad week"))
    code, out, _ = run_cli("review", "import", root, path, "--dry-run", "--json")
    assert code == 0 and json.loads(out)[0]["text"] == "I do not know. It was a bad week."
    assert not (root / "reviews.jsonl").exists()
    code, out, err = run_cli("review", "import", root, path, "--by", "Rita")
    assert code == 0 and "1 review added" in out
    # Compared with a table that does not know of it yet, the same file would say it twice.
    code, _, err = run_cli("review", "import", root, path)
    assert code == 2 and "1 review of 'a' newer than its table" in err
    assert again().session("a")["text"][1] == "I do not know. It was a bad week."
    code, out, _ = run_cli("review", "import", root, path)
    assert code == 0 and "0 reviews added" in out


@pytest.mark.parametrize("suffix", ["vtt", "eaf"])
def test_an_older_export_undoes_no_later_review(run_cli, again, tmp_path, suffix):
    root = again().root
    run_cli("export", root, "-o", tmp_path / "x")
    path = tmp_path / "x" / f"a.{suffix}"
    words = "I know. It was a long week."
    run_cli("review", "set", root, "--video", "a", "--utterance", "u0002", "--text", words)
    assert again().session("a")["text"][1] == words
    code, out, err = run_cli("review", "import", root, path)
    assert code == 0 and "0 reviews added" in out, err
    # A tool that drops the stamp leaves a file of which nobody knows how old it is.
    text = re.sub("<PROPERTY.*?</PROPERTY>|NOTE .*", "", path.read_text(), flags=re.DOTALL)
    path.write_text(text)
    code, out, err = run_cli("review", "import", root, path)
    assert code == 1 and "0 reviews added" in out and "u0002, text: was reviewed" in err
    assert again().session("a")["text"][1] == words


@pytest.mark.parametrize("name", ["nosheet.csv", "none.eaf"])
def test_a_file_that_is_not_there_is_said_to_be_none(run_cli, again, tmp_path, name):
    code, _, err = run_cli("review", "import", again().root, tmp_path / name, "--video", "a")
    assert code == 2 and "There is no " in err and name in err
    assert "UTF-8" not in err and "FileNotFoundError" not in err


def test_an_import_says_what_it_leaves_and_strict_takes_nothing(run_cli, again, tmp_path):
    root = again().root
    run_cli("export", root, "--format", "webvtt", "-o", tmp_path)
    path = tmp_path / "a.vtt"
    text = path.read_text().replace("good week", "bad week")
    path.write_text(text + "\n00:50.000 --> 00:51.000\n<v Bo>more\n")
    code, _, err = run_cli("review", "import", root, path, "--strict")
    assert code == 1 and "was added at 50.000 s" in err and "more" not in err
    assert not (root / "reviews.jsonl").exists()
    code, out, _ = run_cli("review", "import", root, path)
    assert code == 1 and "1 review added" in out


def test_a_language_model_labels_roles_and_doubt_abstains(run_cli, again, tmp_path):
    run = again()
    talk = {v: run.artifact(v, "wording").utterances for v in "ab"}
    answer = {
        "speakers": [
            {"speaker": "Ada", "role": "therapist", "confidence": 0.9,
             "quotes": ["How have you been"]},
            {"speaker": "Bo", "role": "patient", "confidence": 0.9, "quotes": ["never said this"]},
        ]
    }  # fmt: skip
    recording = tmp_path / "replay.jsonl"
    prompts = {
        hashlib.sha256(render(utterances).encode()).hexdigest() for utterances in talk.values()
    }
    recording.write_text(
        "".join(
            json.dumps({"prompt_sha256": p, "raw": json.dumps(answer), "model": "tagger"}) + "\n"
            for p in prompts
        )
    )
    code, out, err = run_cli("label-roles", run.root, "--replay", recording, "--json")
    assert code == 0, err
    assert [(r["video_id"], r["speaker"], r["role"], r["reason"]) for r in json.loads(out)] == [
        ("a", "Ada", "therapist", ""),
        ("a", "Bo", None, "unsupported"),
        ("b", "Ada", "therapist", ""),
        ("b", "Bo", None, "unsupported"),
    ]
    assert len((run.root / "role_labels.jsonl").read_text().splitlines()) == 2
    # The manifest states the roles of this study, so the model's word changes nothing.
    assert set(again().utterances["role_source"]) == {"manifest"}
    # What was kept is a recording itself, and nothing is kept twice.
    code, out, _ = run_cli(
        "label-roles", run.root, "--replay", run.root / "role_labels.jsonl", "--csv"
    )
    assert code == 0 and len(out.splitlines()) == 5
    assert len((run.root / "role_labels.jsonl").read_text().splitlines()) == 2


def test_roles_are_asked_for_without_names(run_cli, again, tmp_path):
    run = again()
    root = run.root
    at_home = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--redact-names", "--preview")
    code, out, _ = run_cli("label-roles", root, *at_home)
    contents = [json.loads(x)["body"]["messages"][0]["content"] for x in out.splitlines()]
    assert code == 0 and len(contents) == 2
    assert all("NAME1" in x and "Ada" not in x and "Bo" not in x for x in contents)
    said = {"speaker": "NAME1", "role": "therapist", "confidence": 0.9}
    answer = json.dumps({"speakers": [{**said, "quotes": ["How have you been"]}]})
    recording = tmp_path / "replay.jsonl"
    hashes = [hashlib.sha256(x.encode()).hexdigest() for x in contents]
    lines = [{"prompt_sha256": x, "raw": answer, "model": "tagger"} for x in hashes]
    recording.write_text("".join(json.dumps(x) + "\n" for x in lines))
    code, out, err = run_cli("label-roles", root, "--replay", recording, "--redact-names", "--json")
    assert code == 0, err
    assert [(r["speaker"], r["role"]) for r in json.loads(out)][:2] == [
        ("Ada", "therapist"), ("Bo", None),
    ]  # fmt: skip
    kept = [json.loads(x) for x in (root / "role_labels.jsonl").read_text().splitlines()]
    assert {x["redaction"]["n_people"] for x in kept} == {2}

    names = tmp_path / "names.txt"
    names.write_text("Ada, Bo\n")
    code, _, err = run_cli("label-roles", root, *at_home, "--names", names)
    assert code == 2 and "two voices would have one label" in err and "Ada" not in err


def test_dialogue_stays_here_unless_asked(run_cli, again):
    root = again().root
    code, _, err = run_cli("label-roles", root, "--model", "m")
    assert code == 2 and "who answers" in err
    code, _, err = run_cli(
        "label-roles", root, "--model", "m", "--base-url", "https://example.org/v1"
    )
    assert code in (1, 2) and "allow-remote" in err
    code, out, err = run_cli(
        *("label-roles", root, "--model", "m", "--base-url", "http://127.0.0.1:9/v1"),
        "--preview",
    )
    assert code == 0 and len(out.splitlines()) == 2 and "nothing was sent" in err


def test_an_unknown_format_stops_before_anything_is_written(again, run_cli, tmp_path):
    root = again().root
    code, _, err = run_cli("export", root, "--format", "vtt", "--format", "nope", "-o", tmp_path)
    assert code == 2 and "There is no format 'nope'" in err and "textgrid" in err
    assert not list(tmp_path.glob("*.vtt"))
    code, out, _ = run_cli("export", root, "--format", "vtt", "-o", tmp_path)
    assert code == 0 and out.split()[0].endswith(".vtt")
