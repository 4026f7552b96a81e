"""What the utterances of a run rest on: only models that did something, people's word as such."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.resources import as_file, files

import numpy as np
import pytest

import emodiss
from emodiss.exports import whole_run, write_run
from emodiss.exports.provenance import Provenance, Use, trace
from emodiss.reviews import Place, Review
from emodiss.runs import perform
from emodiss.runs.reviews import ReviewFile
from emodiss.web import report
from tests import make

ROLES = "Ada=therapist;Bo=patient"


@pytest.fixture
def annotated(tmp_path, stand_ins, study):
    """Annotate rows of id, medium and transcript; those of the study are copied here."""
    for source in study.iterdir():
        shutil.copy(source, tmp_path)

    def annotate(rows, *, roles=ROLES, **changes):
        text = "id,path,transcript,roles\n"
        for name, media, transcript in rows:
            text += f"{name},{media},{transcript},{roles if transcript else ''}\n"
        (tmp_path / "manifest.csv").write_text(text)
        return emodiss.annotate(
            tmp_path / "manifest.csv",
            out=tmp_path / "run",
            preset="lite",
            settings={**stand_ins, **changes},
            workers=0,
        )

    return annotate


def used(run):
    return {use.task: (use.identity.partition("@")[0], use.videos) for use in trace(run).uses}


MIXED = [("told", "a.mp4", "a.stm"), ("heard", "b.mp4", "")]


def test_a_session_with_a_transcript_was_not_diarized(annotated):
    run = annotated(MIXED)
    assert used(run) == {
        "diarizer": ("fake-voices", ("heard",)),
        "faces": ("fake-faces", ("told", "heard")),
        "speech_affect": ("fake-speech", ("told", "heard")),
        "face_affect": ("fake-face", ("told", "heard")),
        "sentiment": ("vader", ("told",)),
    }


def test_methods_terms_card_and_pages_say_in_how_many_sessions(annotated, tmp_path):
    run = annotated(MIXED)
    text = whole_run.methods(run)
    assert "speaker diarization, fake-voices@" in text
    assert "fake-voices@numpy " + np.__version__ + " (in 1 of 2 sessions)" in text
    assert "face detection, fake-faces@numpy " + np.__version__ + ";" in text
    assert (
        "Of 2 sessions the transcript was given by the user in 1 and replaced by stretches of "
        "speech without words in 1." in text
    )
    assert "Of 3 voices the role was stated in the manifest for 2 and unknown for 1" in text
    terms = {row["name"]: (row["n_sessions"], row["of_sessions"]) for row in
             whole_run.model_terms(run)}  # fmt: skip
    assert terms["fake-voices"] == (1, 2) and terms["fake-faces"] == (2, 2)
    card = write_run(run, "huggingface", tmp_path).read_text()
    assert "| diarizer | 1 of 2 | none |" in card
    index = report.write(run, tmp_path / "pages")
    assert f"fake-voices@numpy {np.__version__}</code>, in 1 of 2 sessions" in index.read_text()
    pages = {v: (index.parent / f"{v}.session.html").read_text() for v in ("told", "heard")}
    assert "fake-voices" in pages["heard"] and "fake-voices" not in pages["told"]
    assert "The transcript was given by the user." in pages["told"]
    # An index of one session says what that one rests on.
    only = report.write(run, tmp_path / "one", videos=["told"]).read_text()
    assert "fake-voices" not in only and "The transcript was given by the user." in only


def test_models_of_stages_that_nobody_needed_are_not_named(annotated):
    run = annotated(MIXED[:1])
    assert "diarizer" in run.facts["models"]
    assert "diarizer" not in used(run)
    assert "fake-voices" not in whole_run.methods(run)


def test_a_model_that_had_nothing_to_measure_is_not_named(annotated, tmp_path):
    make.write_media(tmp_path / "silent.mp4", frames=[make.grey(90)] * 75)
    make.write_stm(tmp_path / "silent.stm", [("Ada", 0.0, 1.2, "Hello there, how are you?")])
    run = annotated([("silent", "silent.mp4", "silent.stm")])
    assert (run.utterances["speech_status"] == "no_audio").all()
    assert "speech_affect" not in used(run) and "faces" in used(run)


def test_results_keep_the_versions_that_made_them_through_an_update(annotated, monkeypatch):
    versions = {"python": "3.12.1", "emodiss": "0.1.0", "scipy": "1.15.0"}
    monkeypatch.setattr(perform, "installed", lambda: versions)
    annotated(MIXED[:1])
    # The second session is added after an update of SciPy; the first is not made again.
    monkeypatch.setattr(perform, "installed", lambda: {**versions, "scipy": "1.16.0"})
    run = annotated(MIXED)
    assert run.store.meta("told", "audio")["software"]["scipy"] == "1.15.0"
    assert trace(run).software["scipy"] == ("1.15.0", "1.16.0")
    told = "emodiss 0.1.0 (preset lite; with Python 3.12.1, scipy 1.15.0 and 1.16.0)"
    assert told in whole_run.methods(run)


def test_an_aligner_is_named_where_it_placed_words(annotated, tmp_path):
    (tmp_path / "starts.csv").write_text(
        "Speaker,Start Time,Utterance\nAda,0,How have you been?\nBo,2,It was good.\n"
    )
    run = annotated(
        [("aligned", "a.mp4", "starts.csv"), ("stated", "b.mp4", "b.stm")],
        **{"transcript.align": True, "models.aligner": "fake-aligner"},
    )
    assert used(run)["aligner"] == ("fake-aligner", ("aligned",))
    text = whole_run.methods(run)
    assert "given by the user in all; of those given, word times were sought" in text


def test_roles_by_a_language_model_name_it(annotated):
    run = annotated(MIXED, roles="")
    assert used(run)["roles"] == ("role-classifier", ("told",))
    common = {"confidence": 0.95, "reason": ""}
    labels = [
        {"speaker": "Ada", "role": "therapist", "quotes": ["How have you been"], **common},
        {"speaker": "Bo", "role": "patient", "quotes": ["It was a good week."], **common},
    ]
    line = {"video_id": "told", "labels": labels, "identity": "openai:host:big-model"}
    ReviewFile(run.root).append_label(line)
    again = annotated(MIXED, roles="")
    assert set(again.session("told")["role_source"]) == {"language_model"}
    assert used(again)["roles"] == ("openai:host:big-model", ("told",))
    terms = {row["task"]: row for row in whole_run.model_terms(again)}
    assert terms["roles"]["licence"] == "terms of its provider"
    assert terms["roles"]["noncommercial"] is None


def test_the_shipped_classifier_is_named_with_its_hash(annotated):
    run = annotated(MIXED[:1], roles="")
    assert set(run.utterances["role_source"]) == {"classifier"}
    (use,) = (use for use in trace(run).uses if use.task == "roles")
    # Independent of the code: what the program sha256sum says.
    with as_file(files("emodiss") / "data" / "role_classifier.json") as path:
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert use.identity == f"role-classifier@sha256:{digest.stdout[:16]}"
    assert "the role was given by the classifier for all" in whole_run.methods(run)


def test_corrections_of_a_reviewer_are_counted(annotated):
    run = annotated(MIXED)
    place = Place(start=1.3, end=2.8, speaker="Bo")
    common = {"by": "rev", "at": datetime(2026, 5, 1, tzinfo=UTC), "video_id": "told",
              "of": (place,)}  # fmt: skip
    ReviewFile(run.root).append(
        [
            Review(kind="text", text="I do not know.", **common),
            Review(kind="role", role="patient", **common),
        ]
    )
    text = whole_run.methods(annotated(MIXED))
    assert "Reviewers corrected 1 role of voices and 1 text of utterances in 1 session." in text
    assert "stated in the manifest for 1, stated by a reviewer for 1 and unknown for 1" in text


def test_a_result_that_is_not_the_one_of_the_table_is_not_vouched_for(annotated):
    run = annotated(MIXED)
    path = run.store.artifact("told", "face_affect") / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "key": "0" * 64}))
    rests = trace(run)
    assert rests.untraced == ("told",)
    assert all("told" not in use.videos for use in rests.uses)
    assert "The models of 1 session cannot be named" in whole_run.methods(run)


def test_one_walk_keeps_for_each_session_what_concerns_it():
    rests = Provenance(
        sessions=("a", "b", "c"),
        uses=(Use("asr", "x@1", ("a", "c")), Use("asr", "y@1", ("b",)), Use("faces", "f", ("a",))),
        untraced=("b",),
        corrections={("a", "text"): 2, ("c", "role"): 1, ("a", "role"): 3},
        software={"numpy": ("2", "3")},
    )
    assert rests.by_session() == {video: rests.of(video) for video in "abc"}
