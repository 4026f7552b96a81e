"""The whole pipeline on the demo session, held against its known truth: real voices, real faces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss import demo
from emodiss.runs.run import Run


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> demo.DemoSession:
    return demo.build(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def run(session, tmp_path_factory) -> Run:
    return emodiss.annotate(
        session.manifest, out=tmp_path_factory.mktemp("run") / "run", preset="lite", workers=0
    )


@pytest.mark.slow
def test_every_utterance_is_there_with_speaker_and_role(run, session):
    assert run.failures == []
    table = run.utterances
    emodiss.utterances.validate(table)
    assert len(table) == 13
    said = [(u.speaker, u.start, u.end, u.text) for u in session.truth.utterances]
    rows = table[["speaker", "start", "end", "text"]].itertuples(index=False)
    assert [tuple(row) for row in rows] == said
    assert dict(zip(table["speaker"], table["role"], strict=True)) == {
        "Diane": "therapist",
        "Sheila": "patient",
    }
    assert set(table["role_source"]) == {"manifest"}


def test_each_voice_has_its_own_face(run, session):
    people, tracks = run.artifact("demo", "people"), run.artifact("demo", "tracks")
    for speaker in ("Diane", "Sheila"):
        person = people.of(speaker)
        assert person.binding_confidence > 0.99
        for track_id in person.track_ids:
            track = tracks.of(track_id)
            x = track.boxes[:, [0, 2]].mean()
            expected = session.truth.person(speaker).face
            assert expected[0] < x < expected[2]


def test_a_face_out_of_the_picture_is_missing_and_not_neutral(run, session):
    table = run.utterances
    absence = session.truth.absences("Diane")[0]
    start, end = absence.start, absence.end
    inside = table[
        (table["speaker"] == "Diane") & (table["start"] >= start) & (table["end"] <= end)
    ]
    assert len(inside) == 1
    row = inside.iloc[0]
    assert row["face_status"] == "off_screen" and np.isnan(row["face_valence"])
    assert row["dissonant"] is pd.NA
    assert row["dissonance_reason"] == "face:off_screen"
    frames = run.face_frames
    mine = frames[
        frames["utterance_id"].isin(table.loc[table["speaker"] == "Diane", "utterance_id"])
    ]
    assert not ((mine["time"] > start + 0.2) & (mine["time"] < end - 0.2)).any()


def test_utterances_under_a_second_are_undetermined_by_the_voice(run):
    table = run.utterances
    short = table["end"] - table["start"] < 1.0
    assert short.sum() == 5
    assert set(table.loc[short, "speech_status"]) == {"too_short"}
    assert table.loc[short, "dissonant"].isna().all()
    assert set(table.loc[~short, "speech_status"]) == {"ok"}


def test_the_scripted_smile_shows_in_the_face_and_not_before(run, session):
    table = run.utterances
    sheila = table[table["speaker"] == "Sheila"]
    smiling = sheila["start"] >= session.truth.smile_span.start
    assert smiling.sum() == 2
    before = sheila.loc[~smiling, "face_valence"]
    assert sheila.loc[smiling, "face_valence"].min() > before.max() + 0.15
    assert set(sheila.loc[smiling, "face_label"]) == {"happy"}


def test_boxes_lie_where_the_faces_were_put(run, session):
    frames = run.face_frames.merge(run.utterances[["utterance_id", "speaker"]], on="utterance_id")
    boxes = frames[["x1", "y1", "x2", "y2"]].to_numpy()
    for speaker, time, box in zip(frames["speaker"], frames["time"], boxes, strict=True):
        assert session.truth.face_visible(speaker, time)
        truth = np.array(session.truth.face_box(speaker, time))
        centre = np.abs((truth[:2] + truth[2:]) / 2 - (box[:2] + box[2:]) / 2)
        assert (centre < 0.25 * (truth[2:] - truth[:2])).all()


def test_four_prompts_end_on_the_patients_last_words(run):
    prompts = {p["condition"]: p["text"] for p in run.prompts}
    assert set(prompts) == {"base", "discrete", "continuous", "dissonance"}
    assert all("what can I say?" in text for text in prompts.values())
    assert "valence" in prompts["continuous"] and "valence" not in prompts["base"]


def test_figures_and_tables_are_there(run):
    names = ("figures/figure3.png", "figures/figure10.png", "figures/session_demo.png")
    for name in (*names, "utterances.csv", "words.parquet", "videos.parquet", "run.json"):
        assert (run.root / name).stat().st_size > 0, name


def test_a_second_run_is_all_cached(run, session, monkeypatch):
    from emodiss.models import catalog

    def refuse(name, *_args, **_options):
        raise AssertionError(f"the model {name} was loaded")

    monkeypatch.setattr(catalog, "load", refuse)
    before = (run.root / "utterances.parquet").read_bytes()
    again = emodiss.annotate(session.manifest, out=run.root, preset="lite", workers=0)
    assert again.failures == []
    assert {o.status for o in again.outcomes.values()} == {"cached", "skipped"}
    assert (run.root / "utterances.parquet").read_bytes() == before


def test_the_truth_stands_beside_what_was_measured(run, session):
    rows = demo.compare(session.truth, {"given": run})
    found = {row["what"]: row["given"] for row in rows}
    # With its transcript, words and voices are the truth itself: 81 words, 21.6 s of speech.
    assert found["words wrong"] == "0 of 81"
    assert found["voices"] == "2"
    assert found["voice errors (DER)"] == "0.0 of 21.6 s"
    assert found["words with the wrong voice"] == "0 of 81"
    assert found["roles right / wrong / open"] == "2 / 0 / 0"
    assert found["faces right / wrong / open"] == "21.6 / 0.0 / 0.0 s"
    # Eight utterances last a second; Diane says one out of the picture.
    assert found["utterances with voice affect"] == "8 of 13"
    assert found["utterances with face affect"] == "12 of 13"
    assert float(found["face valence under the smile, less before"]) > 0.15
    assert {row["truth"] for row in rows if row["what"] == "flagged under the smile"} == {"2"}


def test_faults_of_an_untouched_run_are_seen(run, session):
    """The comparison of a run whose voices, words, roles and faces are exchanged or gone."""
    from emodiss.demo import comparison

    def found(table: pd.DataFrame) -> dict[str, str]:
        rows = comparison._found(session.truth, table)
        return dict(zip(comparison._expected(session.truth), rows, strict=True))

    table = comparison._with_sides(run)
    names = {"Diane": "S1", "Sheila": "S1"}  # one voice for both
    one = found(table.assign(speaker=table["speaker"].map(names), text="Hello.", role=None))
    assert one["voices"] == "1" and one["roles right / wrong / open"] == "0 / 0 / 1"
    # Thirteen words, of which the three hellos that are said can be right; 81 - 3 are wrong.
    assert one["words wrong"] == "78 of 81"
    swapped = table.assign(
        face_side=[{"left": "right", "right": "left"}.get(s) for s in table["face_side"]],
        role=table["role"].map({"therapist": "patient", "patient": "therapist"}),
    )
    other = found(swapped)
    assert other["roles right / wrong / open"] == "0 / 2 / 0"
    # Diane says 1.3 s out of the picture, rightly without a face.
    assert other["faces right / wrong / open"] == "1.3 / 20.3 / 0.0 s"
    gone = found(table.assign(face_side=None))
    assert gone["faces right / wrong / open"] == "1.3 / 0.0 / 20.3 s"


def test_the_untouched_demo_names_the_film_and_nothing_else(session):
    read = emodiss.manifest.read(demo.untouched_manifest(session))
    (row,) = read.rows
    assert row.id == "untouched" and row.roles is None
    assert read.resolve(row.path).samefile(session.video)
    assert read.transcript_of(row) is None


def test_two_faces_of_which_one_speaks(shared_data, tmp_path):
    # No transcript: voice activity stands in, and the voice gets the face whose mouth moves.
    path = shared_data / "video" / "two_faces_one_speaks.mp4"
    (tmp_path / "m.csv").write_text(f"id,path\npair,{path}\n")
    found = emodiss.annotate(
        tmp_path / "m.csv", out=tmp_path / "run", preset="lite", workers=0, allow_local=True
    )
    assert found.failures == []
    people = found.artifact("pair", "people")
    tracks = found.artifact("pair", "tracks")
    (person,) = people.persons
    (track_id,) = person.track_ids
    # The man at the microphones stands right of the middle; the other one listens on the left.
    assert tracks.of(track_id).boxes[:, [0, 2]].mean() > 160
    assert found.utterances["face_status"].eq("ok").all()


def test_the_debate_clip_runs_to_its_end(shared_data, tmp_path):
    path = shared_data / "video" / "mexca_debate_5s.mp4"
    (tmp_path / "m.csv").write_text(f"id,path\ndebate,{path}\n")
    found = emodiss.annotate(
        tmp_path / "m.csv", out=tmp_path / "run", preset="lite", workers=0, allow_local=True
    )
    assert found.failures == []
    assert len(found.utterances) >= 1
