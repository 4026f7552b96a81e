"""Commands about a corpus: collect, fetch, curate, report, share, and the terms of models."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

import emodiss
from emodiss.corpus import curation
from emodiss.corpus.quality import AudioQuality


@pytest.fixture
def finished(study, tmp_path, stand_ins, finished_run):
    return emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings=stand_ins,
        workers=0,
    )


def test_report_prints_the_index_and_takes_some_videos(run_cli, finished, tmp_path):
    code, out, _ = run_cli("report", finished.root, "--out", tmp_path / "pages", "--video", "b")
    assert (code, out.strip()) == (0, str(tmp_path / "pages" / "index.html"))
    assert sorted(p.name for p in (tmp_path / "pages").iterdir()) == [
        "b.session.html",
        "index.html",
    ]
    code, _, err = run_cli("report", finished.root, "--video", "c")
    assert code == 2 and "no video 'c'" in err


def test_curate_gives_videos_waterfall_and_overlap(run_cli, finished, study, tmp_path):
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("id,verdict,why\na,keep,short on purpose\n")
    arguments = ("curate", study / "manifest.csv", "--run", finished.root)
    code, out, _ = run_cli(*arguments, "--overrule", decisions, "--json")
    found = json.loads(out)
    assert code == 0
    assert [(v["id"], v["verdict"], v["measured"]) for v in found["videos"]] == [
        ("a", "keep", "exclude"),
        ("b", "exclude", "exclude"),
    ]
    assert found["waterfall"][0] == {"step": "candidates", "with_it": 2, "taken": 0, "left": 2}
    assert found["waterfall"][-1]["left"] == 1
    assert found["overlap"]["too_short"]["little_speech"] == 2
    decisions.write_text("id,verdict,why\na,keep,short on purpose\nA1,exclude,a slip\n")
    code, _, err = run_cli(*arguments, "--overrule", decisions, "--csv")
    assert code == 0 and "decisions.csv: decides about 'A1', which the manifest lacks" in err
    # For people: what each step means, and only those that took something.
    _, out, err = run_cli(*arguments)
    steps = [
        line.split()[0] for line in out.partition("with it")[2].splitlines()[2:] if line.split()
    ]
    assert steps[0] == "candidates" and steps[-1] == "kept"
    assert {"too_short", "little_speech"} < set(steps) and "unreadable" not in steps
    assert "little_speech: less than `min_speech_s` of speech" in err and "with_it: videos" in err
    code, out, _ = run_cli(*arguments, "--csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == ["a", "b"]
    code, _, err = run_cli(*arguments, "--limit", "min_snr=1")
    assert code == 2 and "min_snr_db" in err


def test_curate_writes_json_that_others_can_read_where_speech_is_silent(
    run_cli, finished, study, monkeypatch
):
    # Ten times the logarithm of no power at all; JSON has no word for it.
    silent = AudioQuality(-math.inf, -math.inf, 0.0, math.nan, 1.0)
    monkeypatch.setattr(curation, "measure", lambda audio, spans: silent)
    _, out, _ = run_cli("curate", study / "manifest.csv", "--run", finished.root, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert [(v["speech_dbfs"], v["snr_db"]) for v in found["videos"]] == [(None, None)] * 2


def test_a_figure_can_be_asked_for_by_its_short_name(run_cli, finished):
    code, out, _ = run_cli("plot", finished.root, "fig2", "--blur")
    assert code == 0 and out.strip().endswith("figure2.png")


def test_hope_gives_a_manifest_and_a_table_of_roles(run_cli, tmp_path):
    urls, talk, match = (tmp_path / name for name in ("URL_sources.txt", "27.csv", "match.csv"))
    urls.write_text("https://video.example/a\n")
    talk.write_text("ID,Type,Utterance,Dialog_Act\n27_0,T,How?,irq\n27_1,P,Fine.,id\n")
    match.write_text("transcript,url\n27,https://video.example/a\n")
    out = tmp_path / "out"
    arguments = ("manifest", "from-hope", urls, "--out", out)
    code, said, _ = run_cli(*arguments, "--transcripts", talk, "--match", match)
    assert (code, said.split()) == (0, [str(out / "manifest.csv"), str(out / "talk.csv")])
    rows = list(csv.DictReader((out / "talk.csv").open()))
    assert [(r["video_id"], r["transcript"], r["role"], r["text"]) for r in rows] == [
        ("hope_1", "27", "therapist", "How?"),
        ("hope_1", "27", "patient", "Fine."),
    ]
    assert next(csv.DictReader((out / "manifest.csv").open()))["x_hope_transcript"] == "27"
    assert emodiss.manifest.read(out / "manifest.csv").rows[0].transcript is None
    code, _, err = run_cli(*arguments, "--match", match)
    assert code == 2 and "--transcripts" in err


def test_exports_of_a_whole_run(run_cli, finished, tmp_path):
    code, out, _ = run_cli(
        *("export", finished.root, "--out", tmp_path / "out"),
        *("--format", "methods", "--format", "audformat", "--format", "huggingface"),
        *("--format", "urls"),
    )
    assert code == 0
    assert out.splitlines() == [
        str(tmp_path / "out" / name)
        for name in ("methods.txt", "audformat.csv", "huggingface/README.md", "urls.csv")
    ]


def test_licenses_of_a_run_and_of_all_models(run_cli, finished):
    code, out, _ = run_cli("models", "licenses", finished.root, "--json")
    assert code == 0
    rows = {row["task"]: row for row in json.loads(out)}
    assert rows["faces"]["identity"] == finished.facts["models"]["faces"]
    assert "diarizer" not in rows  # every session had a transcript
    code, out, _ = run_cli("models", "licenses", "--json")
    names = {row["name"]: row for row in json.loads(out)}
    assert "NC-ND" in names["emonet-8"]["licence"] and names["emonet-8"]["noncommercial"]


def test_fetch_lists_each_row_and_ends_with_1_when_one_fails(run_cli, tmp_path):
    (tmp_path / "m.csv").write_text("id,url\na,http://127.0.0.1:9/x.mp4\n")
    asked = ("fetch", tmp_path / "m.csv", "--out", tmp_path / "run", "--retries", "0", "--json")
    for more, state in (((), "local_address"), (("--local-network",), "network")):
        code, out, _ = run_cli(*asked, *more)
        assert code == 1
        (row,) = json.loads(out)
        assert (row["id"], row["state"]) == ("a", state) and row["next_step"]


def test_share_and_annomi(run_cli, tmp_path):
    header = (
        "transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
        "utterance_text\n"
    )
    table = tmp_path / "table.csv"
    table.write_text(header + "1,high,T,https://video.example/1,sleep,0,client,00:00:07,Hm.\n")
    code, out, err = run_cli("manifest", "from-annomi", table, "--out", tmp_path / "out")
    assert (code, out.strip()) == (0, str(tmp_path / "out" / "manifest.csv"))
    assert "1 session of 1 address, 1 utterance" in err
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.csv")
                     if p != table)  # fmt: skip
    assert written == ["manifest.csv", "transcripts/annomi_001.csv"]
    # The same once more changes nothing; what a person wrote there stays.
    assert run_cli("manifest", "from-annomi", table, "--out", tmp_path / "out")[0] == 0
    own = tmp_path / "own" / "manifest.csv"
    own.parent.mkdir()
    own.write_text("id,path\n")
    code, _, err = run_cli("manifest", "from-annomi", table, "--out", own.parent)
    assert code == 2 and "is there already" in err and own.read_text() == "id,path\n"
    assert not (own.parent / "transcripts").exists()
    code, out, _ = run_cli("manifest", "share", tmp_path / "out" / "manifest.csv")
    assert code == 0 and "https://video.example/1,7" in out and "Hm" not in out


def test_collect_writes_a_manifest_and_says_what_failed(run_cli, tmp_path, monkeypatch):
    from emodiss.corpus import collection

    def look(address: str, flat: bool) -> dict:
        if "bad" in address:
            raise RuntimeError("ERROR: Unable to download: timed out")
        return {"entries": [{"id": "k", "url": "https://video.example/k", "title": "T"}]}

    monkeypatch.setattr(collection, "_yt_dlp", look)
    path = tmp_path / "candidates.csv"
    code, out, err = run_cli("collect", "cbt", "bad", "-o", path, "--no-details")
    assert (code, out.strip()) == (0, str(path))
    assert "query 'bad'" in err and "1 candidate" in err
    assert "yt_k,https://video.example/k" in path.read_text()


def test_an_export_keeps_a_file_that_a_person_changed(run_cli, finished, tmp_path):
    asked = ("export", finished.root, "--format", "webvtt", "--out", tmp_path)
    path = Path(run_cli(*asked)[1].splitlines()[0])
    before = path.read_text(encoding="utf-8")
    path.write_text("mine", encoding="utf-8")
    code, _, said = run_cli(*asked)
    assert code == 1 and "was changed since this run wrote it" in said
    assert path.read_text(encoding="utf-8") == "mine"
    assert run_cli(*asked, "--force")[0] == 0
    assert path.read_text(encoding="utf-8") == before
