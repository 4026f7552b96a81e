"""Damage on the disk is noticed: made again by a run, named by what only reads."""

from __future__ import annotations

import json
import shutil

import pytest

import emodiss
from emodiss.errors import RunError
from emodiss.runs import seals
from emodiss.runs.journal import Journal
from emodiss.runs.store import Store
from emodiss.study.captions import caption_faces
from tests.fuzz import damage
from tests.runs.test_annotate import annotate, results


@pytest.fixture(scope="module")
def finished(study_run, tmp_path_factory):
    root = shutil.copytree(study_run, tmp_path_factory.mktemp("damage") / "run")
    (root / "decay.csv").write_text("id,url,code,since\na,https://a.org/a,removed,2026-01-01\n")
    return root


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def other_word(root):
    """Put another word of the same length into what was said."""
    path = root / "videos" / "a" / "wording" / "data.json"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"know", b"knew"))
    assert path.read_bytes() != before
    return path


def test_a_damaged_artifact_is_named_with_the_way_out(copy):
    other_word(copy)
    with pytest.raises(RunError, match=r"'wording' of video 'a'.*data\.json") as caught:
        emodiss.load(copy).artifact("a", "wording")
    assert "emodiss resume" in caught.value.next_step and caught.value.code == "damaged"


@pytest.mark.parametrize("stages", [["wording"], ["wording", "utterances"], ["turns", "people"]])
def test_a_damaged_artifact_is_made_again(finished, copy, study, stand_ins, stages):
    other_word(copy)
    shutil.rmtree(copy / "videos" / "a" / stages[-1])
    said: list[str] = []
    run = annotate(study, copy, stand_ins, announce=said.append)
    assert results(run.root) == results(finished) and run.failures == []
    lost = [o for o in run.store.outcomes() if o.error and o.error["code"] == "damaged"]
    if stages == ["wording"]:
        return
    assert [(o.video, o.stage) for o in lost] == [("a", "wording")]
    assert any("a: data.json of 'wording' is damaged" in line for line in said)


def test_an_artifact_of_before_hashes_is_read(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={})
    path = store.artifact("v", "words") / "meta.json"
    meta = json.loads(path.read_text())
    del meta["sha256"], meta["files"]["data.json"]["sha256"]
    path.write_text(json.dumps(meta))
    assert store.read("v", "words", dict[str, int]) == {"a": 1}


def test_what_is_said_of_an_artifact_is_checked_too(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={"version": 1})
    path = store.artifact("v", "words") / "meta.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    assert store.meta("v", "words") is None


def test_flips_and_cuts_of_artifacts_are_all_noticed(copy):
    files = damage.artifact_files(copy)
    tally = damage.tried(files, damage.read_artifact, cases=400, seed=11)
    assert tally.cases > 390 and tally.as_sound == [] and not tally.untyped
    assert tally.named > 350


def test_flips_and_cuts_of_run_files_end_in_named_errors(copy):
    damage.study_files(copy)
    files = damage.run_files(copy)
    assert {path.name for path in files} == damage.READERS.keys()
    tally = damage.tried(files, damage.read_run, cases=400, seed=12)
    assert tally.cases > 380 and tally.as_sound == [] and not tally.untyped
    assert tally.named > 330


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", b"", r"run\.json is damaged"),
        ("run.json", b'{"settings": []}', r"run\.json is damaged"),
        ("run.json", b'{"problems": [{}]}', r"run\.json is damaged"),
        ("run.json", b"[" * 100_000, r"run\.json is damaged"),
        ("manifest.jsonl", b'{"path": "a.mp4"}\n', r"manifest\.jsonl, line 1"),
        ("manifest.jsonl", b'{"id": "a", "path": 1, "url": null}\n', r"manifest\.jsonl, line 1"),
        ("manifest.jsonl", b'\n{"id": ' + b"9" * 5000 + b"}\n", r"manifest\.jsonl, line 2"),
        ("utterances.parquet", b"PAR1", r"utterances\.parquet is damaged"),
        ("interventions.jsonl", b"1\n", r"interventions\.jsonl, line 1"),
        ("interventions.jsonl", b'{"window": [' + b"[" * 100_000 + b"\n{}\n", "line 1"),
        ("reviews.jsonl", b"1\n", r"reviews\.jsonl, line 1"),
        ("role_labels.jsonl", b'{"video_id": 1}\n', r"role_labels\.jsonl, line 1"),
        ("decay.csv", b"id,code,since,u\na,removed,b,c\n", r"decay\.csv, line 2"),
        ("decay.csv", b"id,code\na,removed,b\n", r"decay\.csv, line 2"),
    ],
)
def test_a_run_file_that_is_none_is_named(copy, name, content, said):
    path = copy / name
    path.write_bytes(content)
    with pytest.raises(RunError, match=said) as caught:
        damage.read_run(path)
    assert caught.value.next_step


def test_lines_of_outcomes_and_remembered_hashes_that_are_none_are_passed_over(copy):
    run = emodiss.load(copy)
    before = run.outcomes
    with (copy / "outcomes.jsonl").open("ab") as file:
        file.write(b'1\n{"video": 1, "stage": "media", "status": "done"}\n{"error": "x"}\n')
    assert run.outcomes == before
    for strange in ('{"a": 1, "b": [1, 2, 3, 4]}', "[" * 100_000):
        (copy / ".hashes.json").write_text(strange)
        (copy / ".seals" / ".hashes.json").unlink(missing_ok=True)
        assert run.media_files() == {}


def other_byte(path):
    """Change one byte of a file so that it can still be read where that is possible."""
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"a', b'"b', 1) if b'"a' in before else before[:-9] + before)
    assert path.read_bytes() != before


MADE_ANEW = ("utterances.parquet", "face_frames.parquet", "words.parquet", "prompts.jsonl")


@pytest.mark.parametrize(
    ("names", "options"),
    [
        ((*MADE_ANEW, ".hashes.json", "outcomes.jsonl"), None),
        (("run.json",), {}),
        (("manifest.jsonl",), {"absent": "drop"}),
    ],
)
def test_the_way_out_that_a_damaged_run_file_names_is_one(
    finished, copy, study, stand_ins, names, options
):
    for name in names:
        other_byte(copy / name)
        if name != ".hashes.json":
            with pytest.raises(RunError, match=rf"{name}.* is damaged") as caught:
                damage.read_run(copy / name)
            said = caught.value.next_step
            assert f".seals/{name}" in said
            assert ("emodiss resume" if options is None else "emodiss annotate") in said
    if options is None:
        (copy / "outcomes.jsonl").write_bytes(b"")
        shutil.rmtree(copy / "videos" / "b" / "utterances")
        run = emodiss.resume(copy, workers=0)
        assert run.outcomes.keys() == emodiss.load(finished).outcomes.keys()
    else:
        run = annotate(study, copy, stand_ins, **options)
    assert results(run.root) == results(finished) and run.failures == []
    assert run.media_files().keys() == emodiss.load(finished).media_files().keys()
    for path in damage.run_files(copy):
        damage.read_run(path)


def test_who_changes_a_file_on_purpose_takes_its_seal_away(copy):
    path = copy / "manifest.jsonl"
    path.write_text(path.read_text().replace('"notes": ""', '"notes": "mine"'))
    changed = path.read_text()
    other_byte(path)
    with pytest.raises(RunError, match=r"manifest\.jsonl"):
        _ = emodiss.load(copy).manifest
    path.write_text(changed)
    (copy / ".seals" / path.name).unlink()
    assert len(emodiss.load(copy).manifest) == len(changed.splitlines())


def test_a_run_of_before_seals_is_read_and_sealed_as_it_grows(copy):
    shutil.rmtree(copy / ".seals")
    run = emodiss.load(copy)
    n = len(run.store.outcomes())
    assert n and len(run.manifest) and len(run.utterances)
    run.store.append([next(iter(run.outcomes.values()))])
    assert len(run.store.outcomes()) == n + 1
    path = copy / "outcomes.jsonl"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(RunError, match=r"outcomes\.jsonl"):
        run.store.outcomes()


def test_what_was_added_to_a_damaged_file_does_not_vouch_for_it(tmp_path):
    journal = Journal(tmp_path / "said.jsonl", next_step="Take it out.")
    journal.append([{"n": 1}, {"n": 2}])
    journal.path.write_bytes(journal.path.read_bytes().replace(b"2", b"3"))
    journal.append([{"n": 4}])
    with pytest.raises(RunError, match=r"said\.jsonl is damaged"):
        journal.read()
    journal.path.unlink()
    journal.append([{"n": 5}])  # begun anew
    assert journal.read() == [{"n": 5}]


@pytest.mark.parametrize("at", ["before the seal", "before the name", "before the new seal"])
def test_a_kill_while_a_file_is_replaced_leaves_none_that_counts_as_damaged(
    tmp_path, monkeypatch, at
):
    path = tmp_path / "run.json"
    seals.write(path, b"old")
    place = {
        "before the seal": "emodiss.runs.seals.forget",
        "before the name": "pathlib.Path.replace",
        "before the new seal": "emodiss.runs.seals.seal",
    }[at]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, killed)
    with pytest.raises(KeyboardInterrupt):
        seals.write(path, b"new")
    assert seals.read(path) == (b"new" if at == "before the new seal" else b"old", True)
    assert seals.whole(path)


def test_a_seal_whose_name_is_damaged_does_not_pass_for_an_older_artifact(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={})
    path = store.artifact("v", "words") / "meta.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha257": "'))
    meta = json.loads(path.read_text())
    assert store.meta("v", "words") is None
    del meta["sha257"]  # of before hashes
    meta["files"] = {name: {"bytes": facts["bytes"]} for name, facts in meta["files"].items()}
    path.write_text(json.dumps(meta))
    assert store.read("v", "words", dict) == {"a": 1}


def test_a_table_without_a_column_is_told_to_be_of_another_version(copy):
    path = copy / "utterances.parquet"
    seals.forget(path)
    emodiss.load(copy).utterances.drop(columns="face_label").to_parquet(path)
    run = emodiss.load(copy)
    for read in (caption_faces, lambda run: run.columns("utterances", ["face_label"])):
        with pytest.raises(RunError, match=r"utterances\.parquet has no column 'face_label'"):
            read(run)
    assert list(run.columns("utterances", ["role"])) == ["role"]
