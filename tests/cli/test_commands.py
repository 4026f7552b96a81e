"""Commands: data on stdout, talk on stderr, and an exit status one can build on."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import emodiss
from emodiss.cli import app
from emodiss.cli.help_types import spoken
from emodiss.cli.reporting import report_on
from emodiss.runs.store import Store
from emodiss.vocabulary import MEANINGS


def options(settings) -> list[str]:
    return [part for k, v in settings.items() for part in ("--set", f"{k}={v}")]


@pytest.fixture
def finished(finished_run):
    return emodiss.load(finished_run)


def test_annotate_prints_one_summary_line_and_ends_with_0(run_cli, study, tmp_path, stand_ins):
    code, out, err = run_cli(
        *("annotate", str(study / "manifest.csv"), "--out", str(tmp_path / "run")),
        *("--preset", "lite", "--workers", "0", *options(stand_ins)),
    )
    assert code == 0, err
    assert out.count("\n") == 1 and "2 of 2 videos complete, 4 utterances" in out
    assert (tmp_path / "run" / "figures" / "figure3.png").stat().st_size > 10_000
    assert (tmp_path / "run" / "figures" / "figure10.png").stat().st_size > 10_000
    assert "%" not in err  # no bars in a pipe


def test_the_end_says_what_is_known_of_how_many_utterances_and_why_not(
    run_cli, study, tmp_path, stand_ins
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").unlink()
    (folder / "b.stm").unlink()
    deaf_settings = {**stand_ins, "models.asr": None, "models.aligner": None}
    work = ("annotate", folder, "--workers", "0", "--no-figures", *options(deaf_settings))
    code, out, err = run_cli(*work, "--json")
    assert code == 0, err
    known = {part["what"]: part for part in json.loads(out)["determined"]}
    # a: two utterances with words and roles, one with a face; b: one voice without words.
    assert list(known) == ["words", "voices", "roles", "faces", "dissonance"]
    assert {what: (part["n"], part["of"]) for what, part in known.items()} == {
        "words": (2, 3), "voices": (3, 3), "roles": (2, 3), "faces": (2, 3), "dissonance": (2, 3)
    }  # fmt: skip
    (deaf,) = known["words"]["reasons"]
    assert (deaf["code"], deaf["n"]) == ("words:no_recogniser", 1)
    assert "models.asr" in deaf["next_step"]
    root = tmp_path / "study-run"
    (roles,) = known["roles"]["reasons"]
    assert roles["next_step"] == f"emodiss review roles {root}"
    assert {r["code"]: r["next_step"] for r in known["faces"]["reasons"]} == {
        "face:unbound": f"emodiss people {root}"
    }
    code, out, err = run_cli(*work)
    assert code == 0 and out.count("\n") == 1
    lines = {line.split()[0]: line for line in err.splitlines() if " in " in line}
    assert "in 2 of 3; 1: no transcript is given" in lines["words"]
    assert "1 by 1 voice: the part in the conversation is not known" in lines["roles"]
    assert len([line for line in err.splitlines() if line.startswith("study: goes on")]) == 1


def test_a_run_that_was_cut_short_is_unfinished_even_where_an_older_one_was_complete(
    run_cli, finished
):
    code, out, _ = run_cli("status", finished.root, "--json")
    assert code == 0 and {row["state"] for row in json.loads(out)} == {"complete"}
    assert {row["next_step"] for row in json.loads(out)} == {""}
    first = [o for o in finished.store.outcomes() if o.stage in ("media", "audio")]
    finished.store.append(first)  # as a second run does that is stopped after two stages
    code, out, _ = run_cli("status", finished.root, "--json")
    assert [(row["state"], row["stage"]) for row in json.loads(out)] == [
        ("unfinished", "recognition")
    ] * 2
    assert json.loads(out)[0]["next_step"] == f"emodiss resume {finished.root}"


def test_annotate_ends_with_1_when_a_video_fails_and_says_which(
    run_cli, study, tmp_path, stand_ins
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\nlost,lost.mp4\n.x,a.mp4\n")
    arguments = (
        *("annotate", str(folder / "manifest.csv"), "--out", str(tmp_path / "run")),
        *("--preset", "lite", "--workers", "0", *options(stand_ins), "--json"),
    )
    code, out, err = run_cli(*arguments)
    assert code == 1
    assert "manifest.csv: line 4, column id" in err
    summary = json.loads(out)
    assert (summary["videos"], summary["failed"]) == (3, 2)
    assert {f["code"] for f in summary["failures"]} == {"manifest", "missing_file"}
    code, _, err = run_cli(*arguments, "--strict")
    assert code == 2 and "1 problem in the manifest" in err


def test_annotate_tells_of_a_fault_of_the_manifest_once(run_cli, study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\n.x,a.mp4\n")
    with (folder / "a.stm").open("a") as stm:
        stm.write("a 1 Bo soon 9.0 words\n")
    code, out, err = run_cli(
        *("annotate", str(folder / "manifest.csv"), "--out", str(tmp_path / "run")),
        *("--preset", "lite", "--workers", "0", *options(stand_ins)),
    )
    assert code == 1 and "1 of 2 videos complete" in out
    assert err.count("line 3, column id") == 1
    assert "a: 1 row left out; first: a.stm, line " in err


def test_annotate_tells_of_a_role_that_no_voice_has(run_cli, study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").write_text(
        "id,path,roles\na,a.mp4,Speaker A=therapist;Nobody=patient\n"
    )
    (folder / "a.csv").write_text("speaker,start,end,text\nSpeaker A,0,1,Hello.\n")
    (folder / "a.stm").unlink(missing_ok=True)
    code, _, err = run_cli(
        *("annotate", str(folder / "manifest.csv"), "--out", str(tmp_path / "run")),
        *("--preset", "lite", "--workers", "0", *options(stand_ins)),
    )
    assert code == 0, err
    assert "a: 1 of 2 labels in the manifest's roles are those of no voice" in err
    assert "Nobody" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["annotate", "none.csv"], "There is no manifest"),
        (["annotate", "none.csv", "--preset", "light"], "no manifest"),
        (["status", "nowhere"], "no run folder"),
        (["plot", "nowhere", "figure3"], "no run folder"),
        (["settings", "--preset", "light"], "Did you mean 'lite'"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(run_cli, arguments, message):
    code, out, err = run_cli(*arguments)
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err


def test_unknown_options_end_with_2(run_cli):
    code, _, err = run_cli("annotate", "x.csv", "--nonsense")
    assert code == 2 and "--nonsense" in err


def test_a_dry_run_prints_the_plan_and_touches_nothing(run_cli, study, tmp_path, stand_ins):
    command = [
        *("annotate", str(study / "manifest.csv"), "--out", str(tmp_path / "run"), "--dry-run"),
        *("--preset", "lite", *options(stand_ins)),
    ]
    code, out, _ = run_cli(*command, "--json")
    assert code == 0
    assert {row["status"] for row in json.loads(out)} == {"to do", "skipped"}
    # People get the stages of a video that fare alike in one row.
    code, out, _ = run_cli(*command)
    assert code == 0 and len(re.findall(r"^ a +to do +media, audio, ", out, re.MULTILINE)) == 1
    assert not (tmp_path / "run").exists()


def test_a_dry_run_tells_of_missing_files_and_ends_as_the_work_would(
    run_cli, study, tmp_path, stand_ins
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").write_text(
        "id,path,transcript\na,a.mp4,a.stm\nlost,lost.mp4,a.stm\nmute,b.mp4,gone.stm\n"
    )
    rest = ("--out", tmp_path / "run", "--preset", "lite", *options(stand_ins), "--json")
    code, out, _ = run_cli("annotate", folder / "manifest.csv", *rest, "--dry-run")
    assert code == 1
    jobs = {(row["video"], row["stage"]): row for row in json.loads(out)}
    status = {job: row["status"] for job, row in jobs.items()}
    assert {s for (video, _), s in status.items() if video == "lost"} == {"missing file", "skipped"}
    assert {s for (video, _), s in status.items() if video == "a"} == {"to do", "skipped"}
    assert jobs["lost", "faces"]["reason"] == "no media file: lost.mp4"
    assert status["mute", "faces"] == status["mute", "audio"] == "to do"
    assert jobs["mute", "utterances"]["reason"] == "no transcript file: gone.stm"
    # What the plan says is missing is what fails or is blocked.
    code, _, _ = run_cli("annotate", folder / "manifest.csv", *rest, "--workers", "0")
    assert code == 1
    outcomes = emodiss.load(tmp_path / "run").outcomes
    assert {job for job, o in outcomes.items() if o.status in ("failed", "blocked")} == {
        job for job, s in status.items() if s == "missing file"
    }
    # A row that cannot be used is a fault too.
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\n.x,a.mp4\n")
    code, _, err = run_cli("annotate", folder / "manifest.csv", *rest, "--replace", "--dry-run")
    assert code == 1 and "line 3, column id" in err


def test_status_lists_every_video_and_its_trouble(run_cli, finished, study, tmp_path, stand_ins):
    code, out, _ = run_cli("status", str(finished.root), "--json")
    assert code == 0
    assert [(r["video"], r["state"]) for r in json.loads(out)] == [
        ("a", "complete"),
        ("b", "complete"),
    ]
    emodiss.annotate(
        study / "manifest.csv",
        out=finished.root,
        preset="lite",
        settings={**stand_ins, "models.speech_affect": "fake-broken"},
        workers=0,
    )
    code, out, _ = run_cli("status", str(finished.root), "--csv")
    assert code == 1
    assert out.splitlines()[1].startswith("a,failed,speech_affect,unexpected,RuntimeError")
    code, out, _ = run_cli("status", str(finished.root))
    assert "failed" in out and "speech_affect" in out


def test_the_journal_is_read_once_to_tell_how_a_run_is(run_cli, finished, monkeypatch):
    read, outcomes = [], Store.outcomes
    monkeypatch.setattr(Store, "outcomes", lambda store: read.append(1) or outcomes(store))
    for told in (
        lambda: run_cli("status", finished.root),
        lambda: report_on(finished, as_json=True),
        finished._repr_html_,
    ):
        read.clear()
        told()
        assert len(read) == 1


def test_notes_come_with_what_they_mean(run_cli, finished, study, tmp_path, stand_ins):
    # The stand-in's one face is given to nobody but Ada.
    code, out, _ = run_cli("status", str(finished.root), "--json")
    rows = json.loads(out)
    assert [row["notes"] for row in rows] == ["unbound_voice"] * 2
    assert rows[0]["meanings"] == {"unbound_voice": MEANINGS["unbound_voice"]}
    code, out, _ = run_cli("status", str(finished.root))
    assert out.count(f"unbound_voice: {MEANINGS['unbound_voice']}") == 1
    code, out, _ = run_cli("status", str(finished.root), "--csv")
    assert code == 0 and len(out.splitlines()) == 3
    code, _, err = run_cli(
        *("annotate", str(study / "manifest.csv"), "--out", str(finished.root), "--no-figures"),
        *("--preset", "lite", "--workers", "0", *options(stand_ins)),
    )
    assert code == 0 and f"a, b: unbound_voice: {MEANINGS['unbound_voice']}" in err


def test_prompts_come_as_json_lines_or_as_text(run_cli, finished, tmp_path):
    code, out, _ = run_cli("prompts", str(finished.root), "--kind", "all")
    assert code == 0
    assert len([json.loads(line) for line in out.splitlines()]) == 8
    code, out, _ = run_cli(
        *("prompts", str(finished.root), "--kind", "base", "--video", "a", "--show")
    )
    assert "Therapist: How have you been this week?" in out
    code, out, _ = run_cli(
        *("prompts", str(finished.root), "--end", "u0002", "--video", "b", "-o"),
        str(tmp_path / "p.jsonl"),
    )
    assert code == 0 and len((tmp_path / "p.jsonl").read_text().splitlines()) == 4
    code, _, err = run_cli("prompts", str(finished.root), "--kind", "disonance")
    assert code == 2 and "dissonance" in err


def test_the_tables_of_the_study(run_cli, finished):
    code, out, _ = run_cli("table", str(finished.root), "1", "--json")
    assert code == 0
    by_name = {row["statistic"]: row for row in json.loads(out)}
    assert by_name["videos"]["value"] == len(finished.videos) and by_name["videos"]["paper"] == 1441
    # Counts are whole numbers though measures stand in the same column.
    _, out, _ = run_cli("table", str(finished.root), "1", "--csv")
    cells = {row["statistic"]: row for row in csv.DictReader(io.StringIO(out))}
    assert cells["videos"]["value"] == str(len(finished.videos))
    assert cells["videos"]["paper"] == "1441" and cells["vocabulary"]["value"].isdecimal()
    assert cells["speakers"]["value"] == "2" and "." in cells["hours"]["value"]
    _, out, _ = run_cli("table", str(finished.root), "1")
    assert "29005" in out and f" {len(finished.videos)} " in out
    assert f"{len(finished.videos)}.00" not in next(x for x in out.splitlines() if "videos" in x)
    code, out, _ = run_cli("table", str(finished.root), "table2", "--name", "Mine", "--csv")
    assert code == 0 and out.splitlines()[-1].startswith("Mine,")
    code, out, _ = run_cli("table", str(finished.root), "4", "--all-work")
    assert code == 0 and "Bounding box extraction" in out
    for name in ("licences", "licenses"):
        code, out, err = run_cli("table", str(finished.root), name, "--json")
        assert code == 0 and sum(row["videos"] for row in json.loads(out)) == len(finished.videos)
        assert "under Creative Commons (the paper: 2 of 1,441)" in err
    code, _, err = run_cli("table", str(finished.root), "licence")
    assert code == 2 and "Did you mean 'licences'" in err
    code, _, err = run_cli("table", str(finished.root), "failures")
    assert code == 2 and "emodiss intervene" in err
    code, _, err = run_cli("table", str(finished.root), "3")
    assert code == 2 and "no table '3'; 1, 2, 4" in err and "emodiss evaluate" in err


def test_the_licences_of_a_manifest_are_counted(run_cli, tmp_path):
    rows = "id,url,license\na,https://example.org/1,CC BY\nb,https://example.org/2,\n"
    (tmp_path / "m.csv").write_text(rows)
    code, out, err = run_cli("manifest", "licences", str(tmp_path / "m.csv"), "--csv")
    assert code == 0 and "1 of 2 videos under Creative Commons" in err
    assert out.splitlines() == [
        "licence,creative_commons,videos,share",
        "CC BY,True,1,0.5",
        "not stated,False,1,0.5",
    ]


@pytest.mark.parametrize("figure", ["figure3", "fig10", "session"])
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_are_drawn_in_every_format(run_cli, finished, tmp_path, figure, suffix):
    path = tmp_path / f"out.{suffix}"
    code, out, _ = run_cli("plot", str(finished.root), figure, "-o", str(path))
    assert code == 0 and out.strip() == str(path)
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")


def test_the_help_names_every_figure_format_and_condition(run_cli):
    from emodiss.exports import FORMATS
    from emodiss.plots.registry import FIGURES
    from emodiss.prompts import KINDS

    for command, names in (("plot", FIGURES), ("export", FORMATS), ("prompts", KINDS)):
        said = run_cli(command, "--help")[1]
        assert [n for n in names if n.replace("figure", "fig") not in said] == []


def test_an_unknown_figure_is_met_with_the_known_ones(run_cli, finished):
    code, _, err = run_cli("plot", str(finished.root), "figure33")
    assert code == 2 and "figure3" in err


def test_settings_and_models_are_listed_for_programs_too(run_cli):
    code, out, _ = run_cli("settings", "--preset", "lite", "--json")
    rows = {r["setting"]: r["value"] for r in json.loads(out)}
    assert code == 0 and rows["models.face_affect"] == "fer-lite"
    code, out, _ = run_cli("models", "list", "--csv")
    assert code == 0 and out.splitlines()[0].startswith("name,task,here")
    code, out, _ = run_cli("models", "list")
    assert "emonet-8" in out and "CC BY-NC-ND" in out


def test_doctor_looks_at_everything_and_says_what_is_missing(run_cli, monkeypatch, tmp_path):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path))
    code, out, _ = run_cli("doctor", "--preset", "lite", "--json")
    found = {f["what"]: f for f in json.loads(out)}
    assert code == 0, out
    assert {"ffmpeg", "PyAV", "memory", "GPU", "disk", "HF_TOKEN"} <= set(found)
    assert found["face_affect: fer-lite"]["state"] == "ok"
    code, out, _ = run_cli("doctor", "--preset", "paper", "--json")
    found = {f["what"]: f for f in json.loads(out)}
    assert code == 1
    assert found["face_affect: emonet-8"]["state"] == "missing"
    step = found["face_affect: emonet-8"]["next_step"]
    assert "emodiss models pull emonet-8" in step and "--preset lite" in step


def test_doctor_knows_two_builds_of_opencv_and_one_that_cannot_be_loaded(monkeypatch, tmp_path):
    from importlib import metadata

    from emodiss.cli import doctor as checks

    assert checks.opencv().state == "ok"
    monkeypatch.syspath_prepend(str(tmp_path))
    other = tmp_path / "opencv_python-9.0.dist-info" / "METADATA"
    other.parent.mkdir()
    other.write_text("Metadata-Version: 2.1\nName: opencv-python\nVersion: 9.0\n")
    found = checks.opencv()
    assert found.state == "note" and "opencv-python 9.0" in found.found
    assert found.found.endswith(metadata.version("opencv-python-headless"))
    assert "pip uninstall -y opencv-python opencv-python-headless" in found.next_step
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert checks.opencv().state == "missing"


def test_doctor_asks_torch_for_a_gpu_only_where_there_is_a_driver(monkeypatch):
    from importlib.machinery import ModuleSpec

    from emodiss.cli import doctor as checks

    cuda = SimpleNamespace(
        is_available=lambda: True,
        get_device_name=lambda _: "Invented 9",
        get_device_properties=lambda _: SimpleNamespace(total_memory=8 * 2**30),
    )
    torch = SimpleNamespace(cuda=cuda, __spec__=ModuleSpec("torch", None))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(checks, "has_driver", lambda: True)
    assert checks.graphics().found == "Invented 9, 8 GiB; use --device cuda"
    monkeypatch.setattr(checks, "has_driver", lambda: False)
    assert checks.graphics().found == "none"


def test_every_command_has_help():
    runner = CliRunner()
    for name in ("annotate", "demo", "status", "doctor", "prompts", "plot", "settings", "models"):
        shown = runner.invoke(app, [name, "--help"])
        assert shown.exit_code == 0 and len(shown.output) > 100, name


def every_command(command, *path):
    """Walk through the commands, with the words that name each."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name in inner or ():
        yield from every_command(inner[name], *path, name)


def test_help_names_kinds_of_values_in_words_and_says_what_can_be_repeated():
    for path, command in every_command(typer.main.get_command(app)):
        context = typer.Context(spoken(command))
        for parameter in command.params:
            name, said = parameter.get_help_record(context)
            assert "<" not in name and "[" not in name, (path, name)
            if getattr(parameter, "multiple", False):
                assert name.endswith(("TEXT", "PATH")), (path, name)
                assert "repeatable" in said.casefold(), (path, name)


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys\nfrom emodiss.cli import main\n"
        "for word in ('--help', '--version'):\n"
        "    sys.argv = ['emodiss', word]\n"
        "    try:\n        main()\n    except SystemExit:\n        pass\n"
        "print([m for m in ('torch', 'cv2', 'av', 'matplotlib', 'ray', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [emodiss.__version__, "[]"]


def test_the_readme_is_up_to_date():
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(repository / "scripts" / "update_guides.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("av", "media"),
        ("cv2", "media"),
        ("imageio_ffmpeg", "media"),
        ("ray", "ray"),
        ("a_package_nobody_wrote", "all"),
    ],
)
def test_a_package_that_is_missing_ends_in_a_message_that_names_its_extra(
    module, extra, run_cli, monkeypatch
):
    def needs() -> None:
        __import__(module)

    monkeypatch.setitem(sys.modules, module, None)  # as Python marks what cannot be imported
    monkeypatch.setattr("emodiss.cli.app", needs)
    code, _, said = run_cli()
    assert code == 2 and f"'{module}'" in said and f'pip install "emodiss[{extra}]"' in said


def test_a_file_where_a_folder_should_be_ends_in_a_message(tmp_path, run_cli):
    (tmp_path / "m.csv").write_text("id,url\na,https://example.org/a.mp4\n")
    (tmp_path / "taken").write_text("")
    code, _, said = run_cli("fetch", tmp_path / "m.csv", "--out", tmp_path / "taken")
    assert code == 1 and str(tmp_path / "taken") in said and "permissions" in said


def test_a_list_without_addresses_has_nothing_to_fetch(tmp_path, run_cli):
    (tmp_path / "m.csv").write_text("id,path\na,a.mp4\n")
    (tmp_path / "a.mp4").write_bytes(b"")
    code, out, said = run_cli("fetch", tmp_path / "m.csv", "--out", tmp_path / "run")
    assert (code, out) == (0, "") and "m.csv names no address" in said


_SHARED = {
    *("chat_options", "help_types", "option_groups", "options", "output", "prompting"),
    *("reporting", "stopping"),
}
"""Files of the command line that hold no command."""


def test_every_file_of_a_command_is_reached_and_help_lists_it_by_what_it_is_for():
    from typer.main import get_command

    from emodiss import cli
    from emodiss.cli import GROUPS, SECTIONS, app

    names = [name for section in SECTIONS.values() for name in section]
    assert len(names) == len(set(names)) and set(GROUPS) <= set(names)
    reached: set[str] = set()
    for name in names:
        command = get_command(app).commands[name]  # type: ignore[attr-defined]
        for one in getattr(command, "commands", {"": command}).values():
            reached.add(one.callback.__module__.removeprefix("emodiss.cli."))
    files = {
        path.relative_to(Path(cli.__path__[0])).with_suffix("").as_posix().replace("/", ".")
        for path in Path(cli.__path__[0]).rglob("*.py")
        if path.stem != "__init__"
    }
    assert reached == files - _SHARED
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert [shown.index(f"{section}:") for section in SECTIONS] == sorted(
        shown.index(f"{section}:") for section in SECTIONS
    )


def test_help_cuts_no_sentence_short_and_the_shell_completes_commands():
    for words in ([], ["review"], ["mirror"], ["models"], ["manifest"]):
        shown = CliRunner().invoke(app, [*words, "--help"]).stdout
        assert "..." not in shown.replace("[ARGS]...", ""), words
    asked = {"_EMODISS_COMPLETE": "complete_bash", "COMP_WORDS": "emodiss an", "COMP_CWORD": "1"}
    done = CliRunner().invoke(app, [], prog_name="emodiss", env=asked)
    assert done.stdout.split() == ["annotate"]


def test_a_folder_around_a_run_is_told_apart(run_cli, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    code, _, said = run_cli("status", tmp_path)
    assert code == 2 and f"Did you mean '{tmp_path / 'run'}'?" in said


def test_addresses_that_are_lacking_are_counted(run_cli, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,path,url\na,a.mp4,\nb,,https://example.org/b.mp4\n")
    code, out, said = run_cli("manifest", "share", path)
    assert code == 0 and len(out.splitlines()) == 2 and "1 of 2 rows without an address" in said


@pytest.mark.parametrize("while_loading", [True, False])
def test_ctrl_c_is_no_traceback_at_any_time(while_loading, monkeypatch, capsys):
    from emodiss import __main__, cli

    class Interrupted:
        def find_spec(self, name, *_):
            if name == "emodiss.cli":
                raise KeyboardInterrupt

    stopped = typer.Typer()

    @stopped.command()
    def work() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["emodiss"])
    monkeypatch.setattr(cli, "app", stopped)
    if while_loading:
        monkeypatch.delitem(sys.modules, "emodiss.cli")
        monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130
    assert while_loading or "run the same command again" in capsys.readouterr().err
