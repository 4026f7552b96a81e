"""The whole pipeline on the demo session, held against its known truth: real voices, real faces."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss import demo
from emodiss.chat.model import ChatParams
from emodiss.models import catalog
from emodiss.runs.run import Run
from emodiss.settings import Settings


@pytest.fixture(scope="module")
def session(demo_session) -> demo.DemoSession:
    return demo_session


@pytest.fixture(scope="module")
def run(demo_run, tmp_path_factory) -> Run:
    made = emodiss.load(shutil.copytree(demo_run, tmp_path_factory.mktemp("run") / "run"))
    emodiss.plots.draw_all(made)
    return made


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
        rows = comparison.found_in(session.truth, table)
        return dict(zip(comparison.expected_of(session.truth), rows, strict=True))

    table = comparison.with_sides(run)
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


@pytest.mark.slow
def test_the_untouched_demo_comes_near_its_truth(session, tmp_path):
    for name in ("whisper-tiny-en", "campplus"):
        if catalog.entry_of(name).missing():
            pytest.skip(f"needs the weights of {name}: emodiss models pull {name}")
    found = emodiss.annotate(
        demo.untouched_manifest(session), out=tmp_path / "run", preset="lite", workers=0
    )
    assert found.failures == []
    rows = {r["what"]: r["untouched"] for r in demo.compare(session.truth, {"untouched": found})}
    n_swapped, n_paired = (int(n) for n in rows["words with the wrong voice"].split(" of "))
    assert int(rows["words wrong"].split()[0]) <= 16  # a fifth of 81
    assert n_swapped <= 6 and n_paired >= 65
    assert rows["voices"] == "2"
    assert float(rows["voice errors (DER)"].split()[0]) < 0.25 * 21.6
    assert rows["roles right / wrong / open"] == "0 / 0 / 2"  # nothing that is said tells them
    right, wrong, _ = (float(n) for n in rows["faces right / wrong / open"][:-2].split(" / "))
    assert wrong == 0 and right > 18
    assert float(rows["face valence under the smile, less before"]) > 0.15
    assert set(found.utterances["text"].str.strip()) - {""}
    notes = {note for outcome in found.outcomes.values() for note in outcome.notes}
    assert {"language_assumed", "unknown_role"} <= notes


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


# --- a language model goes on from there ---------------------------------------------------------

TOY = "smollm2-135m"


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The real model, unpacked into a cache folder of these tests."""
    for package in ("torch", "transformers", "gguf", "accelerate"):
        pytest.importorskip(package, reason="needs the extra llm-local")
    if catalog.entry_of(TOY).missing():
        pytest.skip(f"needs the weights of {TOY}: emodiss models pull {TOY}")
    home = tmp_path_factory.mktemp("home")
    if (catalog.home() / "models").is_dir():  # where the weights may lie
        (home / "models").symlink_to(catalog.home() / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMODISS_HOME", str(home))
        yield catalog.load(TOY, Settings())


@pytest.mark.slow
def test_the_toy_knows_english_and_is_called_a_toy(toy):
    answer = toy.generate(
        [{"role": "user", "content": "What is the capital of France?"}], ChatParams(max_tokens=12)
    )
    assert "Paris" in answer.text and answer.finish_reason == "stop"
    assert toy.name == TOY and "b179c9523d0e" in toy.identity
    assert "toy" in catalog.entry_of(TOY).what


@pytest.mark.slow
def test_the_toy_judges_by_the_probabilities_of_its_own_tokens(toy):
    import torch

    from emodiss import judging
    from emodiss.study.scoring import score as score_items

    item = {
        "item": "a",
        "context": "Diane: Hello?\nSheila: Hello?\nDiane: Oh, hello.\n"
        "Diane: I didn't know you were there.\nSheila: Neither did I.",
        "response": "I'm so glad to hear from you.",
    }
    # The toy takes up the numbered list, and a 1 is by far the likeliest token.
    text = "1. Read the dialogue.\n2. Read the response.\n3. Rate its empathy from 1 to 5."
    steps = {"empathy": judging.Steps("empathy", text, "", "")}
    table = score_items(
        pd.DataFrame([item]),
        toy,
        steps=steps,
        params=ChatParams(),
        criteria=["empathy"],
        max_tokens=2,
    )
    (score,) = table.to_dict("records")
    assert (score["status"], score["mode"], json.loads(score["raw"])[0][0]) == (
        "ok",
        "logprob",
        "1",
    )
    # The reference: the distribution of the first token, by one plain forward pass.
    (question,) = judging.questions(pd.DataFrame([item]), steps, ["empathy"])
    ids = toy._tokenizer(
        toy.rendered([{"role": "user", "content": question.text}]), return_tensors="pt"
    )["input_ids"]
    with torch.inference_mode():
        odds = torch.softmax(toy._model(ids).logits[0, -1], dim=-1)
    best = odds.topk(20)  # as many as the protocol gives
    chosen = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    tokens = {toy._tokenizer.decode([index]): chance for index, chance in chosen}
    points = {int(token): chance for token, chance in tokens.items() if token in set("12345")}
    assert 1 in points
    expected = sum(n * p for n, p in points.items()) / sum(points.values())
    assert score["score"] == pytest.approx(expected, abs=1e-3)
    assert score["mass"] == pytest.approx(sum(points.values()), abs=1e-3)


@pytest.mark.slow
def test_from_the_demo_to_judged_replies_with_nothing_put_in_place(toy, run, tmp_path):
    from emodiss.cli import app

    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    folder = tmp_path / "run"
    shutil.copytree(run.root, folder)
    asked = (
        "intervene",
        folder,
        "--local",
        TOY,
        "--kind",
        "discrete",
        "--max-tokens",
        16,
        "--json",
    )
    first = json.loads(call(*asked))["last_command"]
    assert (first["answered_now"], first["requests"]) == (1, 1)
    (prompt,) = [p for p in emodiss.load(folder).prompts if p["condition"] == "discrete"]
    (reply,) = emodiss.study.Study(emodiss.load(folder)).responses.to_dict("records")
    assert reply["model"] == TOY and reply["response"].strip()
    again = json.loads(call(*asked))["last_command"]
    assert (again["answered_before"], again["requests"]) == (1, 0)
    said = (folder / "interventions.jsonl").read_bytes()
    (folder / "interventions.jsonl").unlink()
    cached = json.loads(call(*asked))["last_command"]  # from the cache: no request
    assert (cached["answered_now"], cached["requests"]) == (1, 0)
    kept, before = (json.loads(b.splitlines()[0]) for b in
                    ((folder / "interventions.jsonl").read_bytes(), said))  # fmt: skip
    assert kept["raw"] == before["raw"] and kept["from_cache"]
    assert before["prompt_tokens"] == len(
        toy._tokenizer(toy.rendered([{"role": "user", "content": prompt["text"]}]))["input_ids"]
    )

    steps = tmp_path / "steps.json"
    steps.write_text(json.dumps([
        {"criterion": "empathy", "model": "a person", "prompt_sha256": "",
         "text": "1. Read the dialogue.\n2. Read the response.\n3. Rate its empathy from 1 to 5."}
    ]))  # fmt: skip
    call("judge", folder, "--local", TOY, "--criterion", "empathy", "--steps", steps,
         "--max-tokens", 3, "--quiet")  # fmt: skip
    (score,) = emodiss.study.Study(emodiss.load(folder)).judgements.to_dict("records")
    assert (score["judge"], score["mode"]) == (TOY, "logprob")
    if score["status"] == "ok":
        assert 1 <= score["score"] <= 5 and 0 < score["mass"] <= 1
    else:  # a toy may well say something else than a number; that is no score, and no fault
        assert score["status"] == "unparsable" and math.isnan(score["score"])
        assert json.loads(score["raw"])[0].strip() not in set("12345")

    call("label-roles", folder, "--local", TOY, "--max-tokens", 12, "--quiet")
    (line,) = (json.loads(one) for one in (folder / "role_labels.jsonl").read_text().splitlines())
    # Twelve tokens hold no answer for two voices: it abstains, with what was said kept.
    assert {(label["role"], label["reason"]) for label in line["labels"]} == {(None, "unparsable")}
    assert line["model"] == TOY and line["raw"]
