"""Runs: what is computed, what is reused, what a failure blocks."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emodiss
from emodiss.errors import ModelMissing, RunError, SettingsError
from emodiss.stages import STAGES
from tests import fakes, make


def annotate(study: Path, out: Path, settings, manifest: str = "manifest.csv", **options):
    return emodiss.annotate(
        study / manifest,
        out=out,
        preset="lite",
        settings=settings,
        workers=0,
        **options,
    )


def results(root: Path) -> dict[str, str]:
    """Hashes of everything a run is for; the journal and the clock are not."""
    left_out = {"outcomes.jsonl", "run.json", ".lock", ".hashes.json"}
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in left_out and "errors" not in path.parts
    }


def statuses(run, video: str) -> dict[str, str]:
    return {stage: o.status for (v, stage), o in run.outcomes.items() if v == video}


def test_a_run_ends_with_a_valid_table_and_complete_videos(study, tmp_path, stand_ins):
    run = annotate(study, tmp_path / "run", stand_ins)
    assert run.failures == []
    table = run.utterances
    emodiss.utterances.validate(table)
    assert list(table["video_id"] + table["utterance_id"]) == [
        "au0001",
        "au0002",
        "bu0001",
        "bu0002",
    ]
    assert list(table["role"]) == ["therapist", "patient"] * 2
    # Fake voice: raw valence 0.25 on [0, 1] is -0.5. Fake face: brightness 91/127.5 - 1.
    assert table["speech_valence"].tolist() == [-0.5] * 4
    assert table.loc[1, "face_valence"] == pytest.approx(91 / 127.5 - 1, abs=0.03)
    # The one face can belong to one of the two voices only: to the one that speaks longer, as
    # nothing else tells and no confidence is asked for.
    assert table["face_status"].tolist() == ["unbound", "ok"] * 2
    assert table["dissonance_reason"].isna().tolist() == [False, True] * 2
    # -0.5 - 0.58 for b; arousal of the voice is 2 * 0.2 / sqrt(2) - 1, of the face 0.
    assert table.loc[3, "delta_valence"] == pytest.approx(-0.5 - (201 / 127.5 - 1), abs=0.03)
    assert table.loc[1, "delta_arousal"] == pytest.approx(2 * 0.2 / 2**0.5 - 1, abs=0.03)
    assert len(run.prompts) == 8
    assert {p["condition"] for p in run.prompts} == {"base", "discrete", "continuous", "dissonance"}
    assert (run.root / "utterances.csv").is_file()


def test_a_second_run_computes_nothing_and_loads_no_model(study, tmp_path, stand_ins, finished_run):
    annotate(study, tmp_path / "run", stand_ins)
    before = results(tmp_path / "run")
    fakes.LOADED.clear()
    again = annotate(study, tmp_path / "run", stand_ins)
    assert fakes.LOADED == []
    assert set(statuses(again, "a").values()) == {"cached", "skipped"}
    assert results(tmp_path / "run") == before


def test_a_new_threshold_redoes_the_table_and_what_follows_only(
    study, tmp_path, stand_ins, finished_run
):
    annotate(study, tmp_path / "run", stand_ins)
    fakes.LOADED.clear()
    run = annotate(study, tmp_path / "run", {**stand_ins, "dissonance.threshold": 1.05})
    assert fakes.LOADED == []
    done = {stage for stage, status in statuses(run, "a").items() if status == "done"}
    assert done == {"utterances", "prompts"}
    # Undoing the change gives the first bytes again.
    annotate(study, tmp_path / "run", stand_ins)
    other = annotate(study, tmp_path / "other", stand_ins)
    assert results(tmp_path / "run") == results(other.root)


def test_a_changed_transcript_redoes_speech_and_keeps_the_faces(
    study, tmp_path, stand_ins, finished_run
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    annotate(folder, tmp_path / "run", stand_ins)
    text = (folder / "a.stm").read_text().replace("good week", "bad week")
    (folder / "a.stm").write_text(text)
    run = annotate(folder, tmp_path / "run", stand_ins)
    mine = statuses(run, "a")
    assert mine["draft"] == "done" and mine["faces"] == "cached"
    assert set(statuses(run, "b").values()) == {"cached", "skipped"}
    assert run.session("a")["text"][1].endswith("bad week.")


def test_a_moved_file_with_the_same_content_is_not_measured_again(
    study, tmp_path, stand_ins, finished_run
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    annotate(folder, tmp_path / "run", stand_ins)
    (folder / "a.mp4").rename(folder / "renamed.mp4")
    (folder / "manifest.csv").write_text(
        (folder / "manifest.csv").read_text().replace("a.mp4", "renamed.mp4")
    )
    run = annotate(folder, tmp_path / "run", stand_ins)
    assert set(statuses(run, "a").values()) == {"cached", "skipped"}


def test_a_failed_stage_blocks_its_own_video_and_nothing_else(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "a.stm").write_text("this is no transcript\n")
    (folder / "manifest.csv").write_text("id,path,transcript\na,a.mp4,a.stm\nb,b.mp4,b.stm\n")
    run = annotate(folder, tmp_path / "run", stand_ins)
    assert [(f.video, f.stage, f.error["code"]) for f in run.failures] == [
        ("a", "draft", "transcript")
    ]
    assert statuses(run, "a")["utterances"] == "blocked"
    assert statuses(run, "a")["faces"] == "done"
    assert set(run.utterances["video_id"]) == {"b"}


def test_a_stale_result_never_passes_for_one_that_failed(study, tmp_path, stand_ins, finished_run):
    annotate(study, tmp_path / "run", stand_ins)
    broken = {**stand_ins, "models.speech_affect": "fake-broken"}
    run = annotate(study, tmp_path / "run", broken)
    assert {(f.video, f.stage) for f in run.failures} == {
        ("a", "speech_affect"),
        ("b", "speech_affect"),
    }
    # The old table still lies on disk, and must not be shown as this run's.
    assert (run.root / "videos" / "a" / "utterances" / "meta.json").is_file()
    assert len(run.utterances) == 0
    assert run.prompts == []
    # Going back finds the earlier work untouched.
    fakes.LOADED.clear()
    again = annotate(study, tmp_path / "run", stand_ins)
    assert len(again.utterances) == 4 and fakes.LOADED == []


def test_words_stay_out_of_outcomes_and_go_to_the_private_traceback(study, tmp_path, stand_ins):
    run = annotate(study, tmp_path / "run", {**stand_ins, "models.speech_affect": "fake-broken"})
    journal = (run.root / "outcomes.jsonl").read_text()
    assert "patient said" not in journal
    assert "RuntimeError in stage speech_affect" in journal
    assert "patient said" in (run.root / "errors" / "a.speech_affect.txt").read_text()


def test_every_kind_of_bad_file_ends_in_its_own_outcome(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    whole = (folder / "a.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (folder / "text.mp4").write_text("no film\n" * 50)
    make.write_media(folder / "deaf.mp4", frames=[make.grey(99)] * 50)
    make.write_media(folder / "blind.mp4", sound=make.tone(2.0))
    make.write_media(folder / "dark.mp4", frames=[make.grey(0)] * 50, sound=make.tone(2.0))
    (folder / "bad.csv").write_text(
        "id,path,url\ngood,a.mp4,\nmissing,none.mp4,\ncut,cut.mp4,\ndeaf,deaf.mp4,\n"
        "blind,blind.mp4,\ndark,dark.mp4,\ntext,text.mp4,\ngood,b.mp4,\n../../x,b.mp4,\n"
        "dead,,http://127.0.0.1:9/film.mp4\nftp,,ftp://127.0.0.1/film.mp4\n"
    )
    said: list[str] = []
    run = annotate(folder, tmp_path / "run", stand_ins, "bad.csv", announce=said.append)
    assert [line.split(":")[0] for line in said] == [
        "line 9, column id",
        "line 10, column id",
        "line 12, column url",
    ]
    codes = {f.video: f.error["code"] for f in run.failures}
    assert codes == {  # the second "good" does not pass for the first, which is whole
        "line 9": "manifest",
        "../../x": "manifest",
        "ftp": "manifest",
        "missing": "missing_file",
        "cut": "unreadable",
        "text": "unreadable",
        "dead": "local_address",
    }
    table = run.utterances
    assert set(table["video_id"]) == {"good", "blind", "dark"}
    status = table.groupby("video_id")["face_status"].agg(set).to_dict()
    assert status == {"good": {"ok"}, "blind": {"no_video"}, "dark": {"off_screen"}}
    assert table[table["video_id"] != "good"]["dissonant"].isna().all()
    assert "no_audio" in run.outcomes["deaf", "media"].notes
    assert "no_speech" in run.outcomes["deaf", "draft"].notes
    # What a reader should know is said again when nothing is left to do.
    again = annotate(folder, tmp_path / "run", stand_ins, "bad.csv")
    assert again.outcomes["deaf", "media"].status == "cached"
    assert "no_audio" in again.outcomes["deaf", "media"].notes
    # Nothing got out of the run folder.
    assert not list(tmp_path.parent.glob("x"))
    assert {p.name for p in (run.root / "videos").iterdir()} <= {
        *("good", "missing", "cut", "deaf", "blind", "dark", "text")
    }


def test_a_mended_failure_is_no_failure_any_more(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "late.csv").write_text("id,path\na,a.mp4\nlate,late.mp4\n.x,a.mp4\n")
    run = annotate(folder, tmp_path / "run", stand_ins, "late.csv")
    assert {f.video for f in run.failures} == {"late", ".x"}
    shutil.copy(folder / "b.mp4", folder / "late.mp4")
    (folder / "late.csv").write_text("id,path\na,a.mp4\nlate,late.mp4\n")
    assert annotate(folder, tmp_path / "run", stand_ins, "late.csv").failures == []


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_own_job(study, tmp_path, stand_ins):
    # The stand-ins are only known to this process, so workers learn them from a module.
    script = (
        "import sys; from tests import fakes; from emodiss.models import catalog\n"
        "catalog.CATALOG.update(fakes.ENTRIES)\n"
        "import emodiss\n"
        "from emodiss.runs.engines import local\n"
        "if __name__ == '__main__':\n"
        f"    run = emodiss.annotate({str(study / 'manifest.csv')!r},\n"
        f"        out={str(tmp_path / 'run')!r}, preset='lite', workers=2,\n"
        "        settings={**fakes.SETTINGS, 'models.speech_affect': 'fake-deadly'})\n"
        "    print([(f.video, f.stage, f.error['code']) for f in run.failures])\n"
    )
    path = tmp_path / "deadly.py"
    path.write_text(script)
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=repository,
        env={**__import__("os").environ, "PYTHONPATH": str(repository)},
    )
    assert done.stdout.strip() == str(
        [("a", "speech_affect", "worker_died"), ("b", "speech_affect", "worker_died")]
    ), done.stderr[-2000:]


def test_two_processes_cannot_work_on_one_run(study, tmp_path, stand_ins):
    from emodiss.runs.store import Store

    store = Store(tmp_path / "run")
    store.root.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from emodiss.runs.store import Store\n"
            f"with Store(Path({str(store.root)!r})).lock():\n"
            "    print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
        with pytest.raises(RunError, match="Another process") as error:
            annotate(study, store.root, stand_ins)
        assert error.value.code == "locked"
        holder.kill()
        holder.wait()
        # A killed holder leaves no lock behind.
        assert annotate(study, store.root, stand_ins).failures == []
    finally:
        holder.kill()


def test_a_folder_that_holds_something_else_is_left_alone(study, tmp_path, stand_ins):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="no run folder"):
        annotate(study, tmp_path, stand_ins)


def test_what_cannot_start_says_so_before_any_work(study, tmp_path, stand_ins, monkeypatch):
    monkeypatch.setenv("EMODISS_HOME", str(tmp_path / "home"))
    with pytest.raises(SettingsError, match=r"dissonance\.threshold"):
        annotate(study, tmp_path / "run", {"disonance.threshold": 0.4})
    with pytest.raises(SettingsError, match="fake-face"):
        annotate(study, tmp_path / "run", {**stand_ins, "models.faces": "fake-face"})
    with pytest.raises(ModelMissing, match="emonet-8") as error:
        emodiss.annotate(study / "manifest.csv", out=tmp_path / "run", preset="paper")
    assert "--preset lite" in error.value.next_step
    with pytest.raises(SettingsError, match="no device 'gpu'"):
        annotate(study, tmp_path / "run", stand_ins, device="gpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RunError, match="no CUDA GPU"):
        annotate(study, tmp_path / "run", stand_ins, device="cuda")
    assert not (tmp_path / "run" / "videos").exists()


def test_the_plan_says_what_would_be_done(study, tmp_path, stand_ins):
    def planned():
        jobs = emodiss.plan(
            study / "manifest.csv", out=tmp_path / "run", preset="lite", settings=stand_ins
        )
        return {(j.video, j.stage): j.status for j in jobs}

    before = planned()
    assert len(before) == 2 * len(STAGES)
    assert before["a", "words"] == "skipped" and before["a", "faces"] == "to do"
    annotate(study, tmp_path / "run", stand_ins)
    assert set(planned().values()) == {"cached", "skipped"}


def test_without_a_transcript_voice_activity_becomes_utterances(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(study / "a.mp4", folder / "a.mp4")
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\n")
    run = annotate(folder, tmp_path / "run", stand_ins)
    row = run.utterances.iloc[0]
    assert (row["speaker"], row["text"], row["timing"]) == ("voice", "", "detected")
    assert run.outcomes["a", "prompts"].notes == ("no_prompts",)
    assert run.failures == []


def test_raw_comparison_is_marked_as_such(study, tmp_path, stand_ins, finished_run):
    run = annotate(study, tmp_path / "run", {**stand_ins, "dissonance.scale": "raw"})
    table = run.utterances
    assert set(table["compared_scale"]) == {"raw"}
    # Raw valence of the fake voice is 0.25, on its own scale.
    assert table.loc[3, "delta_valence"] == pytest.approx(0.25 - (201 / 127.5 - 1), abs=0.03)


def test_meta_names_everything_a_result_rests_on(study, tmp_path, stand_ins):
    run = annotate(study, tmp_path / "run", stand_ins)
    meta = json.loads((run.root / "videos/a/face_affect/meta.json").read_text())
    assert meta["model"] == "fake-face@numpy " + __import__("numpy").__version__
    assert meta["content"] == hashlib.sha256((study / "a.mp4").read_bytes()).hexdigest()
    assert meta["settings"]["face_affect"]["min_frames"] == 5
    assert set(meta["inputs"]) == {"media", "transcript", "tracks", "people"}


def test_other_rules_of_dissonance_recompute_no_model(study, tmp_path, stand_ins, finished_run):
    annotate(study, tmp_path / "run", stand_ins)
    fakes.LOADED.clear()
    for changes in (
        {"dissonance.compare": "text_vs_nonverbal"},
        {"dissonance.baseline": "shift"},
        {"dissonance.quantile": 0.5},
        {"dissonance.min_coverage": 0.9},
    ):
        run = annotate(study, tmp_path / "run", {**stand_ins, **changes})
        done = {stage for stage, status in statuses(run, "a").items() if status == "done"}
        assert done == {"utterances", "prompts"}, changes
        emodiss.utterances.validate(run.utterances)
    assert fakes.LOADED == []


def test_a_stated_face_redoes_what_depends_on_it_and_survives(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    rows = "id,path,faces\na,a.mp4,{}\nb,b.mp4,\n"
    (folder / "manifest.csv").write_text(rows.format(""))
    before = annotate(folder, tmp_path / "run", stand_ins)
    assert before.session("a")["binding_source"].tolist()[1] == "measured"
    assert before.session("a")["face_status"].tolist() == ["unbound", "ok"]
    fakes.LOADED.clear()
    # The one face in the middle belongs to Ada, who was not given it; Bo is never shown.
    (folder / "manifest.csv").write_text(rows.format("Ada=1;Bo=none"))
    for _ in range(2):
        run = annotate(folder, tmp_path / "run", stand_ins)
        table = run.session("a")
        assert table["binding_source"].tolist() == ["manifest"] * 2
        assert table["face_status"].tolist() == ["ok", "off_screen"]
        assert table["track_id"].tolist()[0] == 1
        assert run.artifact("a", "people").notes == ("stated_faces",)
    # Only the face model was needed again, and only for this video; the second time nothing was.
    assert fakes.LOADED == ["fake-face"]
    changed = json.loads((run.root / "videos/a/people/meta.json").read_text())
    assert changed["row"]["faces"] == {"Ada": [1], "Bo": "none"}
    again = annotate(folder, tmp_path / "run", {**stand_ins, "people.faces": "Bo=1"})
    assert again.session("a")["binding_source"].tolist() == ["manifest"] * 2
    assert again.session("b")["binding_source"].tolist()[1] == "setting"


def test_a_stated_face_that_cannot_be_fails_its_own_video(study, tmp_path, stand_ins):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "manifest.csv").write_text("id,path,faces\na,a.mp4,Ada=7\nb,b.mp4,\n")
    run = annotate(folder, tmp_path / "run", stand_ins)
    assert [(f.video, f.stage, f.error["code"]) for f in run.failures] == [
        ("a", "people", "face_mapping")
    ]
    assert set(run.utterances["video_id"]) == {"b"}


def test_settings_of_tracks_cost_no_second_detection(study, tmp_path, stand_ins, finished_run):
    annotate(study, tmp_path / "run", stand_ins)
    fakes.LOADED.clear()
    run = annotate(study, tmp_path / "run", {**stand_ins, "tracks.max_gap_s": 2.0})
    mine = statuses(run, "a")
    assert mine["faces"] == "cached" and mine["tracks"] == "done"
    assert "fake-faces" not in fakes.LOADED


def test_a_file_is_read_once_to_know_its_content(study, tmp_path, stand_ins, monkeypatch):
    from emodiss.runs import sources

    hashed: list[str] = []
    original = sources.hash_file
    monkeypatch.setattr(
        sources, "hash_file", lambda path: (hashed.append(path.name), original(path))[1]
    )
    annotate(study, tmp_path / "run", stand_ins)
    media = sorted(name for name in hashed if name.endswith(".mp4"))
    assert media == ["a.mp4", "b.mp4"]


def test_videos_that_are_not_handed_in_stop_the_run_until_somebody_says_what_is_meant(
    study, tmp_path, stand_ins, finished_run
):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    out = tmp_path / "run"
    before = results(annotate(folder, out, stand_ins).root)
    header, *rows = (folder / "manifest.csv").read_text().splitlines(keepends=True)
    (folder / "day2.csv").write_text(header + "".join(r for r in rows if r.startswith("b")))
    for absent in ({}, {"absent": "stop"}):
        with pytest.raises(RunError) as error:
            annotate(folder, out, stand_ins, "day2.csv", **absent)
        assert error.value.code == "videos_left_out" and "(a)" in error.value.what
        assert "--add" in error.value.next_step and "--replace" in error.value.next_step
    assert results(out) == before
    added = annotate(folder, out, stand_ins, "day2.csv", absent="keep")
    assert results(out) == before and added.videos == ["a", "b"]
    resumed = emodiss.resume(out, workers=0)
    assert resumed.videos == ["a", "b"] and results(out) == before
    dropped = annotate(folder, out, stand_ins, "day2.csv", absent="drop")
    assert dropped.videos == ["b"] and set(dropped.utterances["video_id"]) == {"b"}
    assert dropped.store.meta("a", "utterances")  # what was measured stays


def test_rows_stay_while_the_media_are_not_there(study, tmp_path, stand_ins, finished_run):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    out = tmp_path / "run"
    before = results(annotate(folder, out, stand_ins).root)
    said: list[str] = []
    (folder / "a.mp4").rename(tmp_path / "a.mp4")
    run = annotate(folder, out, stand_ins, announce=said.append)
    assert {f.video for f in run.failures} == {"a"}
    assert results(out) == before
    assert any("media of a is not there now" in line for line in said)
    (tmp_path / "a.mp4").rename(folder / "a.mp4")
    assert annotate(folder, out, stand_ins).failures == [] and results(out) == before
