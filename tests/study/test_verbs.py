"""Reviews and audits from Python: each verb in one call, and what was said as tables."""

from __future__ import annotations

import inspect

import pytest

import emodiss
from emodiss.errors import RunError, SettingsError
from emodiss.reviews import audits
from emodiss.reviews.audits import AuditError
from emodiss.reviews.role_labels import RoleLabel
from emodiss.runs import layout
from emodiss.runs.reviews import ReviewFile
from emodiss.study import (
    Study,
    accuracy,
    import_corrections,
    review,
    role_evidence,
    take_over,
)

VERBS = {
    name: verb
    for name in emodiss.study.__all__
    if inspect.isfunction(verb := getattr(emodiss.study, name))
    and next(iter(inspect.signature(verb).parameters)) == "run"
}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_about_a_run_takes_its_folder(name, tmp_path):
    # What is no run is refused by its path, so a path is what the verb takes.
    needed = [
        p
        for p in list(inspect.signature(VERBS[name]).parameters.values())[1:]
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    given = [None for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD]
    with pytest.raises(RunError, match=r"no run folder: it has no run\.json"):
        VERBS[name](tmp_path, *given, **{p.name: "x" for p in needed if p.kind is p.KEYWORD_ONLY})


def test_an_open_run_is_not_opened_again(again):
    run = again()
    assert emodiss.load(run) is run
    (found,) = review(run.root, "a", voice="Bo", role="client", by="Rita")
    assert (found.kind, list(Study(run).reviews["kind"])) == ("role", ["role"])


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


def test_a_correction_is_one_call_and_holds_from_the_next_run_on(again):
    run = again()
    (role,) = review(run, "a", voice="Bo", role="client", by="Rita", note="on the phone")
    assert (role.kind, role.role, role.note) == ("role", "patient", "on the phone")
    # One edge alone keeps the other: Bo's utterance goes from 1.3 s to 3.0 s.
    made = review(run, "a", utterance="u0002", text="It was  a bad week.", end=2.5, by="Rita")
    assert [(m.kind, m.start, m.end, m.text) for m in made] == [
        ("times", 1.3, 2.5, None),
        ("text", None, None, "It was a bad week."),
    ]
    # The tables are older than what was said; the next annotate takes it in.
    assert set(Study(run).reviews["state"]) == {"pending"}
    row = again().session("a").iloc[1]
    assert set(Study(run).reviews["state"]) == {"in force"}
    assert (row["role"], row["text"], row["end"]) == ("patient", "It was a bad week.", 2.5)
    review(run, "a", utterance="u0002", take_back=["times", "text"], by="Rita")
    table = Study(run).reviews
    assert list(table["state"]) == ["in force", "replaced", "replaced", "taken back", "taken back"]
    assert set(table["by"]) == {"Rita"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "what is corrected"),
        ({"voice": "Bo", "utterance": "u0001"}, "what is corrected"),
        ({"voice": "Bo"}, "Nothing is corrected"),
        ({"voice": "Bo", "start": 1.0}, "belongs to an utterance"),
        ({"voice": "Bo", "role": "pateint"}, "Did you mean 'patient'"),
        ({"utterance": "u0001", "role": "other"}, "belongs to a voice"),
        ({"voice": "Bo", "take_back": ["mood"]}, "no kind 'mood'"),
    ],
)
def test_what_cannot_be_a_review_is_refused_and_nothing_is_written(again, values, message):
    run = again()
    with pytest.raises(SettingsError, match=message):
        review(run, "a", by="Rita", **values)
    assert not (run.root / layout.REVIEWS).exists()
    assert Study(run).reviews.empty


def test_roles_are_told_with_what_they_rest_on(again):
    run, said = again(), []
    found = role_evidence(run, "a", announce=said.append).set_index("speaker")
    assert list(found["role"]) == ["therapist", "patient"]
    # Ada: one question of one utterance, 6 of the 15 words.
    assert found.loc["Ada", "question_mark"] == 1.0 and found.loc["Ada", "talk_share"] == 0.4
    (run.store.artifact("b", "roles") / layout.META).unlink()
    assert set(role_evidence(run, announce=said.append)["video_id"]) == {"a"}
    assert said == ["b: no transcript yet; see emodiss status."]


def test_an_audit_from_the_sample_to_the_interval(again, tmp_path):
    run = again()
    with pytest.raises(AuditError, match="Nothing is judged"):
        accuracy(run)
    sheet = audits.sample(run.utterances, share=1.0)
    sheet["verdict"] = ["right", "wrong", "right", ""]
    sheet["correct_role"] = ["", "other", "", ""]
    path = tmp_path / "sheet.csv"
    sheet.to_csv(path, index=False)
    found = {one.unit: one for one in accuracy(run, path)}
    assert (found["voice"].n, found["voice"].n_right, found["voice"].n_open) == (3, 2, 1)
    # Session a has a wrong voice; b is open until its other voice is judged.
    assert (found["session"].n, found["session"].n_right, found["session"].n_open) == (1, 0, 1)
    read = import_corrections(run, path, by="Rita")
    assert read.problems == [] and len(read.reviews) == 4
    assert not (run.root / layout.REVIEWS).exists()  # read, and not taken over yet
    take_over(run, read.reviews)
    # Of verdicts alone nobody knows that a voice of b is open.
    assert {one.unit: one.n for one in accuracy(run)} == {"session": 2, "voice": 3}
    sheet.assign(video_id="z").to_csv(path, index=False)
    with pytest.raises(AuditError, match="'z', which is not in this run"):
        accuracy(run, path)


def test_what_was_said_is_read_as_tables(again):
    run = again()
    study = Study(run)
    assert study.role_labels.empty and study.decay.empty and study.answer_times.empty
    label = RoleLabel("Bo", "patient", float("nan"), ("a good week",))
    line = {"video_id": "a", "labels": [label.to_dict()], "identity": "toy", "latency_s": 1.5}
    ReviewFile(run.root).append_label(line)
    (row,) = study.role_labels.to_dict("records")
    assert (row["video_id"], row["speaker"], row["role"]) == ("a", "Bo", "patient")
    assert study.answer_times.to_dict("records") == [
        {"asked": "role_labels", "identity": "toy", "seconds": 1.5}
    ]
    (run.root / layout.DECAY).write_text("id,url,code,since\na,http://x,removed,2024-01-01\n")
    assert study.decay.to_dict("records") == [
        {"id": "a", "url": "http://x", "code": "removed", "since": "2024-01-01"}
    ]
    for name in ("responses", "judgements"):
        with pytest.raises(emodiss.EmodissError, match=r"has no (interventions|judgements) yet"):
            getattr(study, name)
