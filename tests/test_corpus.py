"""Tables of a corpus, counted by hand and against figures that others have published."""

from __future__ import annotations

import csv
import itertools
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss.corpus import (
    count_licences,
    licences,
    table1,
    table2,
    table4,
    turn_counts,
    vocabulary,
)
from emodiss.corpus.licences import summary
from emodiss.judging import COLUMNS
from emodiss.media import fetch
from emodiss.runs import seals
from emodiss.runs.store import Outcome


def said(roles: str, *, video: str = "v", texts: list[str] | None = None) -> pd.DataFrame:
    """Return utterances, one a second; T and P are roles, another letter has none."""
    names = {"T": "therapist", "P": "patient"}
    return pd.DataFrame(
        {
            "video_id": video,
            "start": np.arange(len(roles), dtype=float),
            "speaker": list(roles),
            "role": pd.array([names.get(r) for r in roles], dtype="str"),
            "text": texts or ["word"] * len(roles),
        }
    )


@pytest.mark.parametrize(
    ("roles", "utterances", "blocks", "exchanges", "in_window"),
    [
        ("TPTPTP", 6, 6, 3, 3),  # the paper's Figures 12 and 13
        ("TPTPPP", 6, 4, 2, 2),  # the paper's Figure 2
        ("PTPTPT", 6, 6, 2, 2),  # the patient opens, the therapist has the last word
        ("TTTPPPTTTPPP", 12, 4, 2, 1),  # six before the end hold the second exchange only
        ("TPTPTPTTTT", 10, 7, 3, 3),  # the window ends on the patient, not on the therapist
    ],
)
def test_turns_in_four_readings(roles, utterances, blocks, exchanges, in_window):
    counts = turn_counts(said(roles)).loc["v"]
    assert counts.tolist() == [utterances, blocks, exchanges, in_window]


def test_without_roles_exchanges_are_not_known_and_without_utterances_there_are_none():
    counts = turn_counts(said("ABAB"), videos=["v", "silent"])
    assert counts.loc["v", ["utterances", "speaker_blocks"]].tolist() == [4, 4]
    assert counts.loc["v", ["exchanges", "exchanges_in_window"]].isna().all()
    assert counts.loc["silent", "utterances"] == 0
    assert np.isnan(counts.loc["silent", "exchanges"])


def test_sessions_do_not_run_into_each_other_and_rows_may_come_in_any_order():
    table = pd.concat([said("PT", video="a"), said("PT", video="b"), said("TP", video="c")])
    counts = turn_counts(table.sample(frac=1, random_state=3))
    assert counts.loc[["a", "b", "c"], "exchanges"].tolist() == [0, 0, 1]
    assert counts["speaker_blocks"].tolist() == [2, 2, 2]


def test_a_prompt_window_holds_what_the_prompt_holds():
    # Utterances without text are in no prompt; the count is held against the prompt itself.
    table = said("TPTPTPTPTP", texts=["a", "b", "c", "", "d", "e", "f", "", "g", "h"])
    table["end"] = table["start"] + 1
    counts = turn_counts(table, window=5)
    prompt = emodiss.prompts.build(table, kind="base", window=5)
    lines = re.findall(r"^(Therapist|Patient)\b", prompt.text, flags=re.MULTILINE)
    pairs = sum(a == "Therapist" and b == "Patient" for a, b in itertools.pairwise(lines))
    assert len(lines) == 5
    assert counts["exchanges_in_window"].tolist() == [pairs]


def test_words_are_letters_with_apostrophes_inside_in_lower_case():
    texts = ["Don't, DON’T!", "naïve 42 co-op", None, float("nan"), "'tis"]
    assert vocabulary(texts) == {"don't", "naïve", "co", "op", "tis"}


def test_annomi_has_the_turns_and_words_that_were_counted_before(shared_data):
    # research/papers_and_eval.md, section 2.1: mean 72.9 and median 47 utterances, mean 72.6
    # blocks, 38 places where the same speaker goes on, 5,033 words by [a-z']+.
    with (shared_data / "annomi" / "AnnoMI-simple.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = pd.DataFrame(
        {
            "video_id": [row["transcript_id"] for row in rows],
            "start": [float(row["utterance_id"]) for row in rows],
            "speaker": [row["interlocutor"] for row in rows],
            "role": [{"client": "patient"}.get(r["interlocutor"], "therapist") for r in rows],
        }
    )
    counts = turn_counts(table)
    assert len(counts) == 133
    assert counts["utterances"].mean() == pytest.approx(72.9, abs=0.05)
    assert counts["utterances"].median() == 47
    assert counts["utterances"].sum() - counts["speaker_blocks"].sum() == 38
    assert counts["speaker_blocks"].mean() == pytest.approx(72.6, abs=0.05)
    # That count split words at typographic apostrophes; `vocabulary` takes them for plain ones.
    texts = (row["utterance_text"].replace("’", " ") for row in rows)
    assert len(vocabulary(texts, word=re.compile("[a-z']+"))) == 5033


@pytest.fixture
def run(finished_run):
    return emodiss.load(finished_run)


def test_table_1_of_two_sessions(run):
    table = table1(run).set_index("statistic")
    # Two clips of 3 s, 75 frames at 25 a second; both people speak once in each.
    assert table.loc["videos", "value"] == 2
    assert table.loc["hours", "value"] == pytest.approx(6 / 3600, rel=0.02)
    assert table.loc["median_minutes", "value"] == pytest.approx(0.05, rel=0.02)
    assert table.loc["utterances", "value"] == 2
    assert table.loc["exchanges", "value"] == 1
    assert table.loc["speakers", "value"] == 2
    # how have you been this week, i do not know, it was a good: 6 + 4 + 4
    assert table.loc["vocabulary", "value"] == 14
    # The paper's own figures agree with each other: 163.57 h over 1,441 videos is 6.8 min.
    paper = table["paper"]
    assert paper["hours"] * 60 / paper["videos"] == pytest.approx(paper["mean_minutes"], abs=0.05)


def test_licences_are_counted_as_stated(run):
    said = ["Creative Commons Attribution licence (reuse allowed)", "", None, "CC BY-SA 4.0"]
    said += ["Standard YouTube Licence", "Standard  YouTube Licence", "cc0", "CBC, all rights"]
    table = count_licences(said).set_index("licence")
    assert list(table.index[:2]) == ["Standard YouTube Licence", "not stated"]
    assert table["videos"].sum() == 8 and table["share"].sum() == pytest.approx(1)
    assert set(table.index[table["creative_commons"]]) == {said[0], "CC BY-SA 4.0", "cc0"}
    assert "3 of 8 videos under Creative Commons (the paper: 2 of 1,441)" in summary(
        table.reset_index()
    )
    assert licences(run)["videos"].sum() == 2


def test_a_fetched_page_says_the_licence_and_else_the_manifest(run):
    rows = [json.loads(line) for line in (run.root / "manifest.jsonl").read_text().splitlines()]
    rows[0] |= {"url": "https://example.org/v", "license": "not this one"}
    rows[1] |= {"url": None, "license": "own recording"}
    (run.root / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seals.forget(run.root / "manifest.jsonl")
    folder = fetch.folder_of(rows[0]["url"], run.root / "downloads")
    folder.mkdir(parents=True)
    (folder / "about.json").write_text('{"license": "CC BY"}')
    assert set(licences(run)["licence"]) == {"CC BY", "own recording"}


def test_a_video_that_failed_is_in_no_figure(study, tmp_path, stand_ins):
    folder = shutil.copytree(study, tmp_path / "study")
    (folder / "lost.csv").write_text("id,path\na,a.mp4\nlost,lost.mp4\n")
    found = emodiss.annotate(
        folder / "lost.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )
    table = table1(found).set_index("statistic")
    assert table.loc["videos", ["value", "n"]].tolist() == [1, 1]
    assert "of 2 in the manifest" in table.loc["videos", "meaning"]
    assert table.loc["mean_minutes", "value"] == pytest.approx(0.05, rel=0.02)


def test_table_2_ends_with_the_own_row(run):
    table = table2(run, name="Ours")
    assert table["dataset"].tolist()[:2] == ["HOPE", "MEMO"]
    own = table.iloc[-1]
    assert (own["dataset"], own["size"], own["source"]) == ("Ours", 2, "local files")
    assert own[["text", "audio", "video"]].tolist() == [True, True, True]
    # In the paper only DAIC-WOZ, and the paper's own corpus, have all three.
    assert table.loc[table[["text", "audio", "video"]].all(axis=1), "dataset"].tolist() == [
        "DAIC-WOZ",
        "Haydarov et al., 2025",
        "Ours",
    ]


def test_table_4_adds_up_the_work_behind_the_results(run):
    run.store.append(
        [
            Outcome("a", "faces", "failed", seconds=900.0, device="cuda"),
            Outcome("a", "faces", "done", seconds=1800.0, device="cuda"),
            Outcome("b", "faces", "done", seconds=3600.0, device="cuda"),
            Outcome("b", "faces", "cached", seconds=77.0, device="cuda"),
        ]
    )
    table = table4(run).set_index(["stage", "device"])
    assert table.loc[("faces", "cuda"), "hours"] == pytest.approx(1.5)
    assert table.loc[("faces", "cuda"), "n_jobs"] == 2
    assert ("faces", "cpu") not in table.index  # done again since, on the other device
    length = run.videos_table["duration"].sum() / 3600
    assert table.loc[("faces", "cuda"), "hours_per_hour"] == pytest.approx(1.5 / length)
    assert table.loc[("faces", "cuda"), "experiment"] == "Bounding box extraction"
    everything = table4(run, all_work=True).set_index(["stage", "device"])
    assert everything.loc[("faces", "cuda"), "hours"] == pytest.approx(1.75)
    assert everything.loc[("faces", "cpu"), "n_jobs"] == 2


def test_table_4_keeps_waiting_for_models_apart_from_work(run):
    def line(identity, seconds, **values):
        whole = {"model": "m", "video_id": "a", "condition": "base", "request_sha256": "0"}
        free = dict.fromkeys(("prompt_tokens", "completion_tokens", "cost_usd", "finish_reason"))
        said = {"window": [], "sample": 0, "failures": [], "identity": identity}
        said = {**whole, **free, **said, "latency_s": seconds}
        values = {"from_cache": False, **values}
        return json.dumps({**said, "answered_at": "2026-05-01T00:00:00Z", **values}) + "\n"

    server, here = "openai-compatible http://localhost:1/v1 m", "transformers m@1 float32"
    answers = run.root / "interventions.jsonl"
    answers.write_text(
        line(server, 1800.0)
        + line(server, 900.0)
        # The same answer for another condition that reads alike, and one that nobody timed.
        + line(server, 900.0, from_cache=True)
        + line(server, None)
        + line(here, 3600.0)
    )
    labels = run.root / "role_labels.jsonl"
    labels.write_text('{"video_id": "a", "labels": [], "identity": "replay x"}\n')
    judged = run.root / "judgements.csv"
    rows = [("i", "ok", 7200), ("j", "unparsable", 1800), ("k", "unanswered", "")]
    pd.DataFrame(
        [
            dict.fromkeys(COLUMNS, "") | {"item": item, "criterion": "empathy", "judge": "J",
                "status": status, "latency_s": seconds, "identity": server}
            for item, status, seconds in rows
        ]
    ).to_csv(judged, index=False)  # fmt: skip
    try:
        table = table4(run).set_index(["stage", "kind", "device"])
    finally:
        for path in (answers, labels, judged):
            path.unlink()
    assert table.loc[("interventions", "waiting", server), "hours"] == pytest.approx(0.75)
    assert table.loc[("interventions", "waiting", server), "n_jobs"] == 3
    assert table.loc[("interventions", "waiting", server), "n_untimed"] == 1
    assert table.loc[("interventions", "compute", here), "hours"] == pytest.approx(1.0)
    paper = "Response extraction (open-source models)"
    assert table.loc[("interventions", "compute", here), "experiment"] == paper
    assert pd.isna(table.loc[("interventions", "waiting", server), "experiment"])
    assert table.loc[("judgements", "waiting", server), "hours"] == pytest.approx(2.5)
    assert np.isnan(table.loc[("role_labels", "waiting", "replay x"), "hours"])
    stages = list(dict.fromkeys(table.index.get_level_values("stage")))
    assert stages[-3:] == ["role_labels", "interventions", "judgements"]
    # Work on a device is what it was without them.
    alone = table4(run)
    assert set(alone["kind"]) == {"compute"}
    again = table.reset_index()[list(alone.columns)].head(len(alone))
    pd.testing.assert_frame_equal(again, alone)


def test_the_media_of_a_video_are_known_by_content(run, study):
    assert run.media("a") == (study / "a.mp4").resolve()
    assert run.media("nobody") is None
