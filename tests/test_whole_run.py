"""Exports of a whole run: what is said about it, and what leaves with it."""

from __future__ import annotations

import csv
import io
import json
import os
import re

import pandas as pd
import pytest

import emodiss
from emodiss.errors import RunError
from emodiss.exports import whole_run, write_run
from emodiss.runs import seals


@pytest.fixture
def run(study, tmp_path, stand_ins, finished_run):
    return emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings={**stand_ins, "dissonance.threshold": 0.4},
        workers=0,
    )


def test_the_terms_of_every_model_in_the_run_are_listed(run):
    rows = whole_run.model_terms(run)
    facts = run.facts
    # Both sessions had a transcript, so nobody was diarized; VADER is in no preset, and the
    # published tracker has no weights whose terms could bind anybody.
    named = {row["task"]: row["identity"] for row in rows}
    vader = named.pop("sentiment")
    assert named == {k: v for k, v in facts["models"].items() if k not in ("diarizer", "tracker")}
    assert vader == f"vader@vaderSentiment {facts['versions']['vaderSentiment']}"
    licences = {**facts["licences"], "vader": "MIT"}
    assert all(row["licence"] == licences[row["name"]] for row in rows)


def test_the_references_are_those_of_the_models_that_were_used(run, tmp_path):
    from emodiss.exports.references import bibliography
    from emodiss.models.catalog import cards

    # Every card's keys stand in the bibliography, and each entry there is balanced BibTeX.
    known = bibliography()
    assert {key for card in cards().values() for key in card.cite} <= set(known)
    assert all(entry.count("{") == entry.count("}") for entry in known.values())
    text = write_run(run, "bibtex", tmp_path).read_text(encoding="utf-8")
    assert "haydarov2025" in text
    # The stand-ins of the tests name no publication, and models that were not used add none.
    assert "toisoul2021" not in text and "wang2023" not in text


def test_the_methods_paragraph_says_what_was_done_and_counts_from_the_table(run):
    table = run.utterances
    # Two determined utterances per session, one per speaker: nobody to re-pair with.
    table["dissonant"] = pd.array([True, False, None, False], dtype="boolean")
    table.to_parquet(run.root / "utterances.parquet", index=False)
    seals.forget(run.root / "utterances.parquet")
    text = whole_run.methods(run)
    assert text.count("\n") == 1
    for expected in (
        "2 videos (0.00 h)",
        f"emodiss {emodiss.__version__}",
        "more than T = 0.4 on valence or arousal",
        "Of 3 determined utterances 1 (33.3%) were dissonant; 1 were undetermined.",
        "chance could not be estimated",
        "dissonance.threshold = 0.4",
    ):
        assert expected in text
    for task, identity in run.facts["models"].items():
        assert (identity in text) == (task not in ("diarizer", "tracker"))
    assert "week" not in text  # no word of anybody


def test_the_null_rate_stands_beside_the_flag_rate(run):
    # One speaker whose voice is always 0.6 above the face: every pairing is flagged.
    rows = pd.concat([run.utterances.head(1)] * 5, ignore_index=True)
    rows["utterance_id"] = [f"u{k}" for k in range(5)]
    rows[["speech_valence", "speech_arousal"]] = 0.6
    rows[["face_valence", "face_arousal"]] = 0.0
    rows["dissonant"] = pd.array([True] * 5, dtype="boolean")
    rows.to_parquet(run.root / "utterances.parquet", index=False)
    seals.forget(run.root / "utterances.parquet")
    text = whole_run.methods(run)
    assert "100.0% were (95 % of re-pairings: 100.0% to 100.0%), against 100.0% as paired" in text
    assert "faces shifted in time against voices" in text  # which null was used
    assert "centred within speaker and session, 0.0% of 5 were dissonant" in text


def test_an_audformat_index_names_files_and_spans(run, study, tmp_path):
    text = whole_run.audformat_index(run, tmp_path / "out" / "index.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0])[:3] == ["file", "start", "end"]
    assert (tmp_path / "out" / rows[0]["file"]).resolve() == (study / "a.mp4").resolve()
    # audformat stores timedeltas as pandas writes them and reads them back the same way.
    assert pd.to_timedelta(rows[1]["start"]).total_seconds() == pytest.approx(1.3)
    assert pd.to_timedelta(rows[1]["end"]).total_seconds() == pytest.approx(2.8)
    assert "text" not in rows[0] and "Ada" not in text
    spoken = run.utterances["speaker"].tolist()
    assert [row["speaker"] for row in rows] == ["1" if s == spoken[0] else "2" for s in spoken]
    told = list(
        csv.DictReader(
            io.StringIO(whole_run.audformat_index(run, tmp_path / "index.csv", words=True))
        )
    )
    assert [row["speaker"] for row in told] == spoken and told[0]["text"]


def test_an_index_on_another_drive_names_whole_paths(run, study, tmp_path, monkeypatch):
    def other_drive(path: object, start: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")  # as on Windows

    monkeypatch.setattr(whole_run.os.path, "relpath", other_drive)
    text = whole_run.audformat_index(run, tmp_path / "out" / "index.csv")
    assert next(csv.DictReader(io.StringIO(text)))["file"] == (study / "a.mp4").resolve().as_posix()


def test_a_dataset_that_a_person_changed_is_kept_whole_unless_forced(run, tmp_path):
    card = write_run(run, "huggingface", tmp_path)
    files = [path for path in card.parent.rglob("*") if path.is_file()]
    assert len(files) == 3
    card.write_text("My own words.")
    for path in files:
        os.utime(path, (0, 0))
    with pytest.raises(RunError, match=r"README\.md' was changed since"):
        write_run(run, "huggingface", tmp_path, words=True)
    assert card.read_text() == "My own words."
    assert [path.stat().st_mtime for path in files] == [0, 0, 0]  # nor the tables beside it
    assert write_run(run, "huggingface", tmp_path, words=True, force=True) == card
    assert "My own words." not in card.read_text()


@pytest.mark.parametrize("words", [False, True])
def test_a_dataset_folder_loads_and_keeps_words_back_unless_asked(run, tmp_path, words):
    card = write_run(run, "huggingface", tmp_path, words=words)
    table = pd.read_parquet(tmp_path / "huggingface" / "data" / "utterances.parquet")
    assert len(table) == 4 and "url" in table
    assert ("text" in table) == ("speaker" in table) == words
    everything = b"".join(p.read_bytes() for p in (tmp_path / "huggingface").rglob("*.parquet"))
    assert (b"good week" in everything) == words
    text = card.read_text(encoding="utf-8")
    front = text.split("---\n")[1]
    files = re.findall(r"data_files: (\S+)", front)
    assert files and all((card.parent / name).is_file() for name in files)
    described = re.findall(r"^\| `(\w+)` \|", text.partition("## Columns")[2], re.MULTILINE)
    assert described == list(table.columns)
    assert json.dumps(run.facts["models"]["faces"])[1:-1] in text
