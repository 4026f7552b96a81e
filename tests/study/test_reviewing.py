"""Reviews of a run: what they reach, what they cost, and that they outlive every re-run."""

from __future__ import annotations

import json
import shutil

import pytest

import emodiss
from emodiss.errors import RunError
from emodiss.reviews.role_labels import RoleLabel
from emodiss.runs import seals
from emodiss.runs.reviews import ReviewFile, n_pending
from emodiss.study.review_session import Session
from tests import fakes


@pytest.fixture
def annotated(study, tmp_path, stand_ins, finished_run):
    """A folder of one's own with a finished run, and a way to run it again."""
    folder = tmp_path / "study"
    shutil.copytree(study, folder)

    def again(**changes):
        return emodiss.annotate(
            folder / "manifest.csv",
            out=tmp_path / "run",
            preset="lite",
            settings={**stand_ins, **changes},
            workers=0,
        )

    return folder, again(), again


def said(run, video, kind, target, **values):
    made = Session(run, video).review(kind, target, by="Rita", **values)
    ReviewFile(run.root).append([made])


def done(run, video="a"):
    return {stage for (v, stage), o in run.outcomes.items() if v == video and o.status == "done"}


def test_a_role_reaches_table_and_prompts_and_costs_no_model(annotated):
    _, run, again = annotated
    said(run, "a", "role", "Ada", role="patient")
    said(run, "a", "role", "Bo", role="therapist")
    fakes.LOADED.clear()
    run = again()
    assert fakes.LOADED == []
    assert done(run) == {"roles", "utterances", "prompts"}
    assert done(run, "b") == set()
    table = run.session("a")
    assert list(table["role"]) == ["patient", "therapist"]
    assert set(table["role_source"]) == {"review"}
    assert table["role_confidence"].isna().all()
    (prompt,) = [p for p in run.prompts if p["video_id"] == "a" and p["condition"] == "base"]
    assert "Patient: How have you been" in prompt["text"]


def test_a_text_reaches_table_words_and_prompts_and_costs_no_model(annotated):
    _, run, again = annotated
    said(run, "a", "text", "u0002", text="I know. It was a bad week.")
    fakes.LOADED.clear()
    run = again()
    assert fakes.LOADED == []
    assert done(run) == {"wording", "roles", "utterances", "prompts"}
    row = run.session("a").iloc[1]
    assert (row["text"], row["flags"], row["n_words"]) == (
        "I know. It was a bad week.",
        "reviewed_text",
        7,
    )
    assert row["sentiment"] < 0  # VADER knows the word bad
    assert any("bad week" in p["text"] for p in run.prompts)


def test_times_and_speakers_are_measured_anew_and_ids_stay(annotated):
    _, run, again = annotated
    said(run, "a", "times", "u0002", start=1.0, end=2.5)
    said(run, "a", "speaker", "u0001", speaker="Cy")
    run = again()
    assert done(run) >= {"transcript", "people", "speech_affect", "face_affect", "utterances"}
    assert not done(run) & {"media", "audio", "faces", "tracks", "mouths", "draft"}
    table = run.session("a")
    assert list(table["utterance_id"]) == ["u0001", "u0002"]
    assert list(table["speaker"]) == ["Cy", "Bo"]
    assert list(table["start"]) == [0.0, 1.0]
    assert list(table["overlap_s"]) == [pytest.approx(0.2)] * 2
    # The manifest states Ada's role and Bo's; of Cy only a model can say something.
    assert list(table["role_source"].fillna("")) == ["classifier", "manifest"]
    said(run, "a", "role", "Cy", role="other")
    table = again().session("a")
    assert list(zip(table["role"], table["role_source"], strict=True)) == [
        ("other", "review"),
        ("patient", "manifest"),
    ]


def test_taking_back_gives_the_first_bytes_and_recomputes_nothing_heavy(annotated):
    _, run, again = annotated
    before = (run.root / "utterances.parquet").read_bytes()
    said(run, "a", "role", "Ada", role="other")
    said(run, "a", "text", "u0001", text="Hm.")
    run = again()
    assert (run.root / "utterances.parquet").read_bytes() != before
    said(run, "a", "role", "Ada")
    said(run, "a", "text", "u0001")
    fakes.LOADED.clear()
    run = again()
    assert fakes.LOADED == []
    assert (run.root / "utterances.parquet").read_bytes() == before
    states = [row["state"] for row in Session(run, "a").listing()]
    assert states == ["replaced", "replaced", "taken back", "taken back"]


def test_reviews_outlive_a_changed_transcript_and_other_names_of_voices(annotated):
    folder, run, again = annotated
    said(run, "a", "text", "u0002", text="I do not know.")
    said(run, "a", "role", "Bo", role="other")
    # Another diarizer: the voices change names, a new utterance comes first, edges move.
    (folder / "a.stm").write_text(
        "a 1 S1 0.0 0.3 Hm.\na 1 S1 0.35 1.2 How have you been this week?\n"
        "a 1 S0 1.25 2.85 I do not know it was a good week.\n"
    )
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\nb,b.mp4\n")
    run = again()
    table = run.session("a")
    assert list(table["text"]) == ["Hm.", "How have you been this week?", "I do not know."]
    assert dict(zip(table["speaker"], table["role"], strict=True))["S0"] == "other"
    assert run.outcomes["a", "wording"].notes == ()


def test_a_review_whose_utterance_is_gone_is_listed_as_lost(annotated):
    folder, run, again = annotated
    said(run, "a", "text", "u0002", text="I do not know.")
    (folder / "a.stm").write_text("a 1 Ada 0.0 1.2 How have you been this week?\n")
    run = again()
    assert "lost_review" in run.outcomes["a", "wording"].notes
    (row,) = Session(run, "a").listing()
    assert (row["state"], row["target"]) == ("lost", "1.30 s")
    assert list(run.session("a")["flags"]) == [""]


def test_what_is_newer_than_the_table_is_counted(annotated):
    _, run, again = annotated
    assert Session(run, "a").n_pending == 0
    said(run, "a", "role", "Ada", role="other")
    assert Session(run, "a").n_pending == 1
    run = again()
    assert Session(run, "a").n_pending == 0
    said(run, "a", "role", "Ada")
    assert Session(run, "a").n_pending == 1
    # A verdict is no correction.
    said(run, "b", "verdict", "u0001", right=True, judged="utterance")
    assert Session(run, "b").n_pending == 0
    assert n_pending(run.store, "none") == 0


def test_a_plan_knows_of_reviews(annotated, stand_ins):
    folder, run, _ = annotated
    said(run, "a", "role", "Ada", role="other")
    jobs = emodiss.plan(folder / "manifest.csv", out=run.root, preset="lite", settings=stand_ins)
    assert {(j.video, j.stage) for j in jobs if j.status == "to do"} == {
        ("a", "roles"),
        ("a", "utterances"),
        ("a", "prompts"),
    }


def test_a_language_models_labels_come_after_a_persons_word(annotated):
    folder, _, again = annotated
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\nb,b.mp4\n")
    run = again()
    labels = [
        RoleLabel("Ada", "therapist", 0.9, ("How have you been",)),
        RoleLabel("Bo", "patient", 0.85, ("it was a good week",)),
    ]
    for video in "ab":
        line = {"video_id": video, "labels": [label.to_dict() for label in labels]}
        ReviewFile(run.root).append_label(line)
    said(run, "a", "role", "Bo", role="other")
    run = again()
    table = run.session("b")
    assert list(table["role_source"]) == ["language_model"] * 2
    assert list(table["role_confidence"]) == [0.9, 0.85]
    # A person contradicts the model about Bo, so its word about Ada is not taken either.
    table = run.session("a")
    assert list(table["role_source"].fillna("")) == ["", "review"]
    assert done(run, "b") == {"roles", "utterances", "prompts"}


def test_a_label_whose_quotation_is_gone_is_not_used(annotated):
    folder, _, again = annotated
    (folder / "manifest.csv").write_text("id,path\na,a.mp4\nb,b.mp4\n")
    run = again()
    # The labels of the voices changed places since the model was asked.
    label = RoleLabel("Bo", "therapist", 0.9, ("How have you been",))
    ReviewFile(run.root).append_label({"video_id": "a", "labels": [label.to_dict()]})
    assert "language_model" not in set(again().session("a")["role_source"].dropna())


def test_files_are_read_whole_or_refused(annotated):
    _, run, again = annotated
    file = ReviewFile(run.root)
    said(run, "a", "role", "Ada", role="other")
    whole = file.reviews.path.read_bytes()
    file.reviews.path.write_bytes(whole + b'{"kind": "ro')  # killed while writing
    assert len(file.read()) == 1
    said(run, "a", "role", "Bo", role="other")
    assert len(file.read()) == 2
    record = json.loads(whole)
    file.reviews.path.write_text(json.dumps({**record, "role": "secret words"}) + "\n")
    seals.forget(file.reviews.path)
    with pytest.raises(RunError, match=r"reviews\.jsonl, line 1: role") as caught:
        again()
    assert "secret" not in str(caught.value)
    file.reviews.path.write_text("oops\n" + json.dumps(record) + "\n")
    seals.forget(file.reviews.path)
    with pytest.raises(RunError, match="line 1: no JSON"):
        file.read()
    file.reviews.path.unlink()
    file.role_labels.path.write_text('{"video_id": "a"}\n')
    seals.forget(file.role_labels.path)
    with pytest.raises(RunError, match=r"role_labels\.jsonl, line 1: not what emodiss wrote"):
        file.overlays()


def test_what_does_not_exist_cannot_be_reviewed(annotated):
    _, run, _ = annotated
    with pytest.raises(RunError, match="no video 'c'"):
        Session(run, "c")
    session = Session(run, "a")
    with pytest.raises(RunError, match="no utterance 'u0009'"):
        session.review("text", "u0009", by="Rita", text="x")
    with pytest.raises(RunError, match="no voice 'Eve'") as caught:
        session.review("role", "Eve", by="Rita", role="other")
    assert "Ada" in caught.value.next_step
    with pytest.raises(RunError, match="start < end"):
        session.review("times", "u0001", by="Rita", start=2.0, end=1.0)


def test_only_the_changed_utterance_is_measured_again_and_the_bytes_are_the_same(
    annotated, tmp_path, monkeypatch
):
    folder, run, again = annotated
    looked: list[int] = []
    heard: list[int] = []
    look, hear = fakes.Face.predict, fakes.Speech.predict_many
    monkeypatch.setattr(
        fakes.Face, "predict", lambda self, crops: looked.append(len(crops)) or look(self, crops)
    )
    monkeypatch.setattr(
        fakes.Speech,
        "predict_many",
        lambda self, signals, rate: heard.append(len(signals)) or hear(self, signals, rate),
    )
    before = run.artifact("a", "face_affect")
    said(run, "a", "times", "u0002", start=1.3, end=2.9)
    run = again()
    after = run.artifact("a", "face_affect")
    # One voice of two; of the face the three pictures in [2.8, 2.9) that were not asked for yet.
    assert sum(heard) == 1
    assert 0 < sum(looked) == len(set(after.frame) - set(before.frame)) < len(set(after.frame))
    # A run that never saw the earlier result says the same.
    shutil.copytree(run.root, tmp_path / "fresh", ignore=shutil.ignore_patterns("videos"))
    fresh = emodiss.annotate(
        folder / "manifest.csv",
        out=tmp_path / "fresh",
        preset="lite",
        settings=fakes.SETTINGS,
        workers=0,
    )
    for stage in ("speech_affect", "face_affect", "utterances"):
        of = [sorted((r.store.artifact("a", stage)).glob("data.*")) for r in (run, fresh)]
        assert [p.read_bytes() for p in of[0]] == [p.read_bytes() for p in of[1]], stage
