"""Files outside a manifest's folder: asked for by the user or not opened, however often it runs."""

from __future__ import annotations

import json

import pytest

import emodiss
from emodiss.errors import ManifestError


@pytest.fixture
def elsewhere(study, tmp_path):
    """A manifest whose rows `near` and `talk` are its own and `far` and `said` lie in the study."""
    folder = tmp_path / "list"
    folder.mkdir()
    for name in ("a.mp4", "a.stm"):
        (folder / name.replace("a.", "near.")).write_bytes((study / name).read_bytes())
    path = folder / "m.csv"
    path.write_text(
        "id,path,transcript\nnear,near.mp4,\n"
        f"far,{study / 'b.mp4'},{study / 'b.stm'}\nsaid,near.mp4,{study / 'a.stm'}\n"
    )
    return path


def annotate(path, stand_ins, **options):
    return emodiss.annotate(
        path,
        out=path.parent.parent / "run",
        preset="lite",
        settings=stand_ins,
        workers=0,
        **options,
    )


def test_a_row_outside_fails_alone_and_leave_is_asked_each_time(elsewhere, stand_ins):
    said: list[str] = []
    first = annotate(elsewhere, stand_ins, announce=said.append)
    assert first.videos == ["near"] and not first.session("near").empty
    wrong = [(f.video, f.stage, f.error["code"]) for f in first.failures]
    assert wrong == [("far", "manifest", "manifest")] * 2 + [("said", "manifest", "manifest")]
    assert all("--allow-local" in line for line in said)
    assert not (first.root / "videos" / "far").exists()

    allowed = annotate(elsewhere, stand_ins, allow_local=True)
    assert allowed.failures == [] and allowed.videos == ["near", "far", "said"]
    table = (allowed.root / "utterances.parquet").read_bytes()
    keys = {k: o.key for k, o in allowed.outcomes.items()}

    # The same command without leave: the rows fail again, and nothing of theirs passes for current.
    assert annotate(elsewhere, stand_ins).videos == ["near"]
    again = annotate(elsewhere, stand_ins, allow_local=True)
    assert {o.status for o in again.outcomes.values() if o.stage != "manifest"} <= {
        "cached",
        "skipped",
    }
    assert (again.root / "utterances.parquet").read_bytes() == table
    assert {k: o.key for k, o in again.outcomes.items()} == keys


def test_leave_changes_no_key_and_no_result(study, tmp_path, stand_ins):
    found = []
    for name, allow_local in (("a", False), ("b", True)):
        run = emodiss.annotate(
            study / "manifest.csv",
            out=tmp_path / name,
            preset="lite",
            settings=stand_ins,
            workers=0,
            allow_local=allow_local,
        )
        keys = {k: o.key for k, o in run.outcomes.items()}
        found.append((keys, (run.root / "utterances.parquet").read_bytes(), run.facts["settings"]))
    assert found[0] == found[1]


def test_the_plan_asks_too(elsewhere, stand_ins, tmp_path):
    def videos(**options):
        jobs = emodiss.plan(
            elsewhere, out=tmp_path / "run", preset="lite", settings=stand_ins, **options
        )
        return {job.video for job in jobs}

    assert videos() == {"near"}
    assert videos(allow_local=True) == {"near", "far", "said"}
    read = emodiss.manifest.read(elsewhere)
    with pytest.raises(ManifestError, match="read without allow_local"):
        emodiss.plan(read, out=tmp_path / "run", settings=stand_ins, allow_local=True)


def test_without_any_row_left_nothing_starts(study, tmp_path, stand_ins):
    path = tmp_path / "list" / "m.csv"
    path.parent.mkdir()
    path.write_text(f"id,path\nfar,{study / 'b.mp4'}\n")
    with pytest.raises(ManifestError, match="allow-local"):
        annotate(path, stand_ins)
    assert not (tmp_path / "run").exists()


def test_a_link_that_comes_to_lead_out_costs_its_row(study, tmp_path, stand_ins):
    path = tmp_path / "list" / "m.csv"
    path.parent.mkdir()
    for name in ("a", "b"):
        (path.parent / f"{name}.mp4").write_bytes((study / f"{name}.mp4").read_bytes())
        (path.parent / f"{name}.stm").write_bytes((study / f"{name}.stm").read_bytes())
    path.write_text("id,path\na,a.mp4\nb,b.mp4\n")
    assert annotate(path, stand_ins).failures == []
    (path.parent / "b.mp4").unlink()
    (path.parent / "b.mp4").symlink_to(study / "b.mp4")
    run = annotate(path, stand_ins)
    assert [f.video for f in run.failures] == ["b"] and run.videos == ["a"]


def test_the_commands_ask_for_leave(elsewhere, stand_ins, run_cli, tmp_path):
    settings = [x for k, v in stand_ins.items() for x in ("--set", f"{k}={v}")]
    rest = ("--out", tmp_path / "run", "--preset", "lite", "--workers", "0", "--no-figures")
    command = ("annotate", elsewhere, *rest, *settings, "--json", "--quiet")
    code, out, err = run_cli(*command)
    assert code == 1 and json.loads(out)["failed"] == 2
    assert "m.csv: line 3, column path: row 'far'" in err
    code, out, _ = run_cli(*command, "--allow-local")
    assert code == 0 and json.loads(out)["videos"] == 3
    code, out, err = run_cli(*command, "--strict")
    assert code == 2 and "3 problems" in err
    code, out, err = run_cli(*command, "--dry-run")
    assert {job["video"] for job in json.loads(out)} == {"near"} and "row 'said'" in err
    code, out, err = run_cli(*command, "--dry-run", "--allow-local")
    assert {job["video"] for job in json.loads(out)} == {"near", "far", "said"} and err == ""
    # Judging opens no file that the manifest names, and needs no leave for the same verdicts.
    code, out, _ = run_cli("curate", elsewhere, "--run", tmp_path / "run", "--json")
    assert [video["id"] for video in json.loads(out)["videos"]] == ["near", "far", "said"]
    code, out, err = run_cli("fetch", elsewhere, "--out", tmp_path / "run", "--json", "--quiet")
    assert code == 0 and "row 'far'" in err
    code, out, err = run_cli(
        "fetch", elsewhere, "--out", tmp_path / "run", "--json", "--quiet", "--allow-local"
    )
    assert code == 0 and err == ""


def test_sharing_keeps_rows_with_files_elsewhere_and_names_rows_it_cannot(run_cli, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(
        "id,url,transcript\na,https://example.org/a,../notes/a.stm\n"
        "b,https://ada:geheim@example.org/b,\n"
    )
    code, out, err = run_cli("manifest", "share", path)
    assert code == 0 and out == "id,url,start,end\na,https://example.org/a,,\n"
    assert "line 3, column url" in err and "geheim" not in err
    (tmp_path / "shared.csv").write_text(out)
    assert emodiss.manifest.read(tmp_path / "shared.csv").problems == ()


def test_a_password_in_an_address_is_written_nowhere(run_cli, study, stand_ins, tmp_path):
    path = study / "secret.csv"
    path.write_text("id,path,url\na,a.mp4,\nb,,https://ada:geheim@127.0.0.1:9/b.mp4\n")
    settings = [x for k, v in stand_ins.items() for x in ("--set", f"{k}={v}")]
    said = []
    for command in (
        ("annotate", path, "--preset", "lite", "--workers", "0", "--no-figures", *settings),
        ("fetch", path),
    ):
        _, out, err = run_cli(*command, "--out", tmp_path / "run", "--quiet")
        said += [out, err]
    path.unlink()
    assert "user or a password" in said[1] and "user or a password" in said[3]
    assert "geheim" not in "".join(said)
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert len(files) > 5
    assert not [file.name for file in files if b"geheim" in file.read_bytes()]
