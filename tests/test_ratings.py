"""The ratings table and blind studies: bad input is named, designs are balanced and blind."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emodiss import ratings, study as verbs
from emodiss.ratings import RatingScale, RatingsError

HEADER = "rater,item,video,model,condition,criterion,value"
GOOD = "r1,i1,v1,m,base,empathy,4"


def write(tmp_path, *lines):
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- reading -----------------------------------------------------------------------------------


def test_read_round_trip(tmp_path):
    table = ratings.check(ratings.simulate(n_videos=3, seed=1).table)
    path = tmp_path / "ratings.csv"
    ratings.write(table, path)
    pd.testing.assert_frame_equal(ratings.read(path), table)


def test_read_fills_optional_columns_and_keeps_further_ones(tmp_path):
    path = write(
        tmp_path, "\ufeff" + HEADER + ",mood", GOOD + ",calm", "", "r2,i1,v1,m,base,empathy,,"
    )
    table = ratings.read(path)
    assert [c.name for c in ratings.COLUMNS] + ["mood"] == list(table.columns)
    assert table["value"].tolist()[0] == 4.0 and np.isnan(table["value"].iloc[1])
    assert table["repeat"].tolist() == [0, 0]
    assert table["position"].isna().all() and table["mood"].iloc[0] == "calm"


def test_every_bad_cell_is_named_in_one_error(tmp_path):
    header = HEADER + ",position,seconds,saved_at,rater_group"
    path = write(
        tmp_path,
        header,
        "r1,i1,v1,m,base,empathy,4,1,2.5,2026-01-01T10:00:00,g1",
        "r1,i2,v1,m,base,empathy,7,1,2.5,,g1",  # line 3: outside the scale
        "r1,i3,v1,m,base,empathy,3.5,1,2.5,,g1",  # 4: between two points
        "r1,i4,v1,m,base,empathy,good,1.5,-2,yesterday,g1",  # 5: four bad cells
        ",i5,v1,m,base,warmth,4,1,2,,",  # 6: no rater, unknown criterion
        "r1,i1,v1,m,base,empathy,2,,,,g1",  # 7: duplicate of line 2
        "r2,i1,v2,m,base,empathy,2,,,,g1",  # 8: item i1 belongs to v1
        "r1,i6,v1,m,base,empathy,2,,,,g2",  # 9: rater r1 belongs to g1
        "r1,i7,v1,m,base,empathy,inf,,,,g1",  # 10
    )
    with pytest.raises(RatingsError) as caught:
        ratings.read(path, criteria=["empathy"])
    said = str(caught.value)
    for line in (
        "line 3, value: '7' (expected a number from 1 to 5 in steps of 1)",
        "line 4, value: '3.5'",
        "line 5, value: 'good' (expected a number)",
        "line 5, position: '1.5' (expected a whole number",
        "line 5, seconds: '-2'",
        "line 5, saved_at: 'yesterday' (expected ISO 8601",
        "line 6, rater: '' (expected something)",
        "line 6, criterion: 'warmth' (expected one of empathy)",
        "the first stands in line 2",
        "line 8, video: 'v2' (expected 'v1' as in line 2",
        "line 9, rater_group: 'g2' (expected 'g1'",
        "line 10, value: 'inf'",
    ):
        assert line in said, line
    assert "12 problems" in said and "\n  line 2," not in said


def test_lines_count_as_an_editor_counts_them(tmp_path):
    path = write(
        tmp_path, HEADER + ",comment", GOOD + ',"two', 'lines"', "", "r2,i1,v1,m,base,empathy,9,"
    )
    with pytest.raises(RatingsError, match="line 5, value: '9'"):
        ratings.read(path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "is empty"),
        (("rater,item", "r1,i1"), "lacks the column"),
        ((HEADER + ",value", GOOD + ",4"), "names columns twice: value"),
        ((HEADER, GOOD, "r1,i2,v1"), "line 3, .row.: '3 cells' .expected 7 cells"),
    ],
)
def test_files_that_are_no_tables(tmp_path, lines, said):
    with pytest.raises(RatingsError, match=said):
        ratings.read(write(tmp_path, *lines))


def test_missing_file_and_other_encodings(tmp_path):
    with pytest.raises(RatingsError, match="no ratings file"):
        ratings.read(tmp_path / "absent.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes((HEADER + "\nré,i1,v1,m,base,empathy,4\n").encode("latin-1"))
    with pytest.raises(RatingsError, match="UTF-8"):
        ratings.read(path)


def test_a_table_without_rows_is_a_table(tmp_path):
    table = ratings.read(write(tmp_path, HEADER))
    assert len(table) == 0
    assert ratings.notes(table) == ["There are no ratings to analyse."]


def test_many_problems_are_counted_not_all_listed(tmp_path):
    rows = [f"r1,i{k},v1,m,base,empathy,9" for k in range(80)]
    with pytest.raises(RatingsError, match=r"80 problem(?s:.)*and 30 more"):
        ratings.read(write(tmp_path, HEADER, *rows))


def test_scales():
    assert ratings.LIKERT.points() == (1, 2, 3, 4, 5)
    assert [RatingScale(0, 6, 0.5).holds(x) for x in (0, 2.5, 2.25, 6.5)] == [
        True,
        True,
        False,
        False,
    ]
    assert RatingScale(0, 1, 0).holds(0.123) and RatingScale(0, 1, 0).points() == ()
    assert not ratings.LIKERT.holds(float("nan"))
    with pytest.raises(RatingsError):
        RatingScale(5, 1)


# --- what the table says about itself ----------------------------------------------------------


def test_notes_state_what_is_poor():
    table = ratings.simulate(n_videos=4, missing=0, seed=1).table
    assert ratings.notes(table) == []
    poor = table[~((table["model"] == "gemini") & (table["condition"] == "discrete"))].copy()
    poor.loc[poor["rater"] == "r2", "value"] = 4.0
    poor.iloc[0, poor.columns.get_loc("value")] = np.nan
    said = " ".join(ratings.notes(poor))
    assert "1 of 300 ratings are empty" in said
    assert "Rater r2 gave 4 60 times on empathy." in said
    assert "Model gemini has no ratings under condition discrete." in said
    assert "unbalanced" in said and "are missing" in said
    assert "one rater only" in " ".join(ratings.notes(table[table["rater"] == "r1"]))
    assert "one video only" in " ".join(ratings.notes(table[table["video"] == "v00000"]))


def test_usable_and_wide():
    table = pd.DataFrame(
        {
            "rater": ["a", "b", "a", "a"],
            "item": ["x", "x", "y", "x"],
            "criterion": "empathy",
            "value": [1.0, 2.0, np.nan, 5.0],
            "repeat": [0, 0, 0, 1],
        }
    )
    assert len(ratings.usable(table)) == 2
    spread = ratings.wide(table, "empathy")
    assert spread.loc["x"].to_dict() == {"a": 1.0, "b": 2.0}
    with pytest.raises(RatingsError, match="Choices: empathy"):
        ratings.wide(table, "warmth")
    with pytest.raises(RatingsError, match="duplicate"):
        ratings.wide(table.assign(repeat=0), "empathy")


def test_background_counts_answers():
    answers = pd.DataFrame(
        {
            "rater": list("abc"),
            "degree": ["PhD", "PhD", None],
            "orientation": ["CBT; ACT", "CBT", ""],
        }
    )
    found = ratings.background(answers).set_index(["question", "answer"])
    assert found.loc[("degree", "PhD"), ["n", "n_raters", "share"]].tolist() == [2, 2, 1.0]
    assert found.loc[("orientation", "ACT"), "share"] == 0.5
    with pytest.raises(RatingsError, match="none of the columns"):
        ratings.background(answers[["rater"]])
    with pytest.raises(RatingsError, match="no column 'age'"):
        ratings.background(answers, questions=["age"])


def test_answers_that_have_an_order_keep_it():
    said = {
        "cbt_training": ["Extensive", "None", "Moderate", "Extensive", "Extensive"],
        "degree": ["PhD", "Bachelor's degree", "PhD", "Bachelor's degree", "Master’s"],
        "years": ["15-20", "4", "15-20", "9", "> 20"],
        "orientation": ["ACT", "CBT", "CBT", "CBT; ACT", "Humanistic"],
    }
    found = ratings.background(pd.DataFrame(said), questions=list(said))
    listed = found.groupby("question", sort=False)["answer"].agg(list)
    assert listed["cbt_training"] == ["None", "Moderate", "Extensive"]
    assert listed["degree"] == ["Bachelor's degree", "Master’s", "PhD"]
    assert listed["years"] == ["4", "9", "15-20", "> 20"]
    assert listed["orientation"] == ["CBT", "ACT", "Humanistic"], (
        "no order: the most frequent first"
    )
    own = {"cbt_training": ["None", "Little", "Moderate", "Extensive"]}
    found = ratings.background(pd.DataFrame(said), questions=["cbt_training"], orders=own)
    assert dict(zip(found["answer"], found["n"], strict=True)) == {
        "None": 1, "Little": 0, "Moderate": 1, "Extensive": 3,
    }  # fmt: skip
    with pytest.raises(RatingsError, match="'Extensive' to 'cbt_training' is not among"):
        ratings.background(pd.DataFrame(said), orders={"cbt_training": ["None", "Moderate"]})


# --- studies -----------------------------------------------------------------------------------

MODELS = ["gpt", "llama"]
CONDITIONS = ["base", "dissonance"]


def windows(n_videos=60, per_video=2, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (f"v{v:03d}", k * 40.0, k * 40.0 + rng.uniform(5, 40), bool(rng.random() < 0.3))
        for v in range(n_videos)
        for k in range(per_video)
    ]
    return pd.DataFrame(rows, columns=["video", "start", "end", "flagged"])


def build(source=None, **options):
    defaults = {
        "models": MODELS,
        "conditions": CONDITIONS,
        "raters": {"r1": "g1", "r2": "g1", "r3": "g2"},
        "n_windows": 30,
        "seed": 4,
        "repeats": 0.1,
    }
    return ratings.build_study(windows() if source is None else source, **(defaults | options))


def test_a_study_crosses_everything_for_every_rater():
    study = build()
    first = study.key[study.key["repeat"] == 0]
    assert len(first) == 30 * 4
    assert (first.groupby(["window", "model", "condition"]).size() == 1).all()
    assert first["video"].nunique() == 30  # one window per video
    for rater, sheet in study.sheets.items():
        assert len(sheet) == 120 + 12  # ten per cent of 120 come twice
        assert sheet["position"].tolist() == list(range(1, 133))
        assert sheet["item"].is_unique  # repeats carry a code of their own
        assert set(sheet["rater"]) == {rater}
        seen = sheet.merge(study.key, on="item")
        assert set(seen["repeat_of"]) == set(first["item"])
        assert sheet[list(study.criteria)].isna().all().all()


def test_a_study_is_blind():
    study = build()
    shown = pd.concat([study.items, *study.sheets.values()]).drop(columns=["study", "rater_group"])
    assert not {"model", "condition", "window", "repeat", "repeat_of"} & set(shown.columns)
    text = shown.to_csv()
    for hidden in (*MODELS, *CONDITIONS):
        assert hidden not in text
    # Neither codes nor places in the lists carry information: mean rank of each condition by
    # code and by position stays near the middle (SE of a mean of 60 of 120 ranks is about 3.2).
    key = study.key[study.key["repeat"] == 0].reset_index(drop=True)
    for name in ("model", "condition"):
        by_code = key.groupby(name).apply(lambda part: part.index.to_numpy().mean())
        assert (by_code - 59.5).abs().max() < 13
    assert study.items["item"].is_monotonic_increasing


def test_raters_get_different_orders_and_the_same_seed_the_same_study():
    one, two, other = build(), build(), build(seed=5)
    pd.testing.assert_frame_equal(one.key, two.key)
    for rater in one.sheets:
        pd.testing.assert_frame_equal(one.sheets[rater], two.sheets[rater])
    assert set(one.key["item"]) != set(other.key["item"])
    assert set(one.key["window"]) != set(other.key["window"])
    orders = [one.sheets[r].merge(one.key, on="item")["repeat_of"].tolist() for r in one.sheets]
    assert orders[0] != orders[1] != orders[2]


def test_repeats_come_long_after_the_first_showing():
    study = build(repeats=0.2)
    for sheet in study.sheets.values():
        seen = sheet.merge(study.key, on="item", how="left")
        first = seen[seen["repeat"] == 0].set_index("repeat_of")["position"]
        again = seen[seen["repeat"] == 1].set_index("repeat_of")["position"]
        assert len(again) == 24
        assert (again - first[again.index]).min() >= 120 // 4


def test_strata_follow_the_source():
    source = windows(n_videos=300, per_video=1)
    study = build(source, n_windows=100)
    drawn = study.key.drop_duplicates("window")["window"]
    flagged = source.assign(
        window=source["video"] + ":" + source["start"].astype(str) + "-" + source["end"].astype(str)
    ).set_index("window")
    picked = flagged.loc[drawn]
    # proportional allocation by largest remainders: within one window per stratum
    assert abs(picked["flagged"].mean() - source["flagged"].mean()) < 0.03
    length = picked["end"] - picked["start"]
    thirds = np.quantile(source["end"] - source["start"], [1 / 3, 2 / 3])
    counts = np.bincount(np.searchsorted(thirds, length), minlength=3)
    assert (abs(counts - 100 / 3) < 3).all()
    only = build(source, n_windows=50, flagged_share=1.0)
    assert flagged.loc[only.key["window"], "flagged"].all()
    half = build(source, n_windows=50, flagged_share=0.5)
    assert flagged.loc[half.key["window"].unique(), "flagged"].sum() == 25
    assert "Drawn windows that hold a flag: 25 of 50." in half.notes


def test_incomplete_assignment_is_balanced():
    study = build(n_windows=30, raters_per_window=2, repeats=0)
    seen = pd.concat(study.sheets.values()).merge(study.key, on="item")
    per_window = seen.groupby("window")["rater"].nunique()
    assert (per_window == 2).all()
    loads = seen.groupby("rater")["window"].nunique()
    assert loads.max() - loads.min() <= 1
    # whoever sees a window sees all four of its responses
    assert (seen.groupby(["rater", "window"]).size() == 4).all()


def test_order_by_window_keeps_responses_together():
    study = build(order="window", repeats=0)
    sheet = next(iter(study.sheets.values())).merge(study.key, on="item")
    blocks = (sheet["window"] != sheet["window"].shift()).sum()
    assert blocks == 30


def responses(n=6):
    rows = [
        (f"v{v}", "w0", model, condition, f"Reply {v}{model[0]}{condition[0]}", v % 2 == 0)
        for v in range(n)
        for model in MODELS
        for condition in CONDITIONS
    ]
    columns = ["video_id", "window", "model", "condition", "response", "flagged"]
    return pd.DataFrame(rows, columns=columns)


def test_responses_are_carried_and_must_be_complete():
    study = build(responses(), n_windows=5, repeats=0)
    joined = study.items.merge(study.key, on="item")
    for row in joined.itertuples():
        assert row.response == f"Reply {row.video_x[1:]}{row.model[0]}{row.condition[0]}"
    with pytest.raises(RatingsError, match=r"1 response\(s\) are missing, the first for window v0"):
        build(responses().iloc[1:], n_windows=6)
    with pytest.raises(RatingsError, match="duplicate row"):
        build(pd.concat([responses(), responses().head(1)]), n_windows=5)


def test_what_would_unblind_is_refused_or_counted():
    source = responses()
    source["transcript"] = "Patient: " + source["condition"]
    with pytest.raises(RatingsError, match="unblinds"):
        build(source, n_windows=5)
    named = responses().assign(response="As llama, I hear you.")
    said = " ".join(build(named, n_windows=6, repeats=0).notes)
    assert "name their own model or condition: 12." in said  # 6 windows x 2 conditions of llama
    # As in the paper's Figure 13: the technique is shown, too.
    told = responses().assign(technique="Emotion Dissonance", response="I hear you.")
    said = " ".join(build(told, n_windows=6, repeats=0).notes)
    assert "name their own model or condition: 12." in said  # 6 windows x 2 models


def test_a_study_takes_what_qualifies_where_nobody_says_how_many():
    study = build(n_windows=None)
    assert study.design["n_windows"] == 60 == study.key["window"].nunique()
    assert (
        "60 windows drawn, for no more qualify (60 videos, at most 1 each); the paper has 100."
        in study.notes
    )
    assert build(windows(n_videos=120), n_windows=None).design["n_windows"] == 100
    with pytest.raises(RatingsError, match="only 0 qualify"):
        build(windows().assign(flagged=False), n_windows=None, flagged_share=1.0)


def test_a_study_without_flags_says_how_to_draw_some():
    source = windows(n_videos=1, per_video=9).assign(flagged=[True] + 8 * [False])
    said = "Drawn windows that hold a flag: 0 of 1."
    hint = " More with one: 1; --flagged-share 1 draws such windows alone."
    assert build(source, n_windows=1, repeats=0).notes[-1] == said + hint
    none = source.assign(flagged=False)  # there, the hint would lead nowhere
    assert build(none, n_windows=1, repeats=0).notes[-1] == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_windows": 61}, "only 60 qualify"),
        ({"models": ["gpt", "gpt"]}, "distinct"),
        ({"models": "gpt"}, "distinct"),
        ({"raters": []}, "distinct"),
        ({"repeats": 0.9}, "0 to 0.5"),
        ({"raters_per_window": 4}, "1 to 3"),
        ({"criteria": ["value"]}, "cannot be called"),
        ({"order": "chance"}, "random, window"),
        ({"flagged_share": 2}, "0 to 1"),
    ],
)
def test_impossible_studies_are_refused(options, said):
    with pytest.raises(RatingsError, match=said):
        build(**options)


def test_flags_and_lengths_may_be_absent_and_that_is_said():
    study = build(windows()[["video"]], max_per_video=2)
    assert any("not stratified by flag" in note for note in study.notes)
    assert any("not stratified by length" in note for note in study.notes)
    with pytest.raises(RatingsError, match="no column 'flagged'"):
        build(windows()[["video"]], flagged_share=1.0)


def test_merge_restores_model_condition_and_repeats():
    study = build()
    truth = study.key.set_index("item")
    sheets = {}
    for number, (rater, sheet) in enumerate(study.sheets.items()):
        filled = sheet.copy()
        model = filled["item"].map(truth["model"])
        filled["empathy"] = np.where(model == "gpt", 4.0, 2.0) + (number == 0)
        filled["applicability"] = 3.0  # comprehensiveness stays empty
        sheets[rater] = filled
    table = ratings.merge(sheets, study.key)
    assert len(table) == 3 * 132 * 3
    empathy = table[table["criterion"] == "empathy"]
    assert set(empathy[(empathy["model"] == "gpt") & (empathy["rater"] != "r1")]["value"]) == {4.0}
    assert set(empathy[(empathy["model"] == "llama") & (empathy["rater"] == "r1")]["value"]) == {
        3.0
    }
    assert table.loc[table["criterion"] == "comprehensiveness", "value"].isna().all()
    assert (empathy["repeat"] == 1).sum() == 3 * 12
    assert set(empathy["item"]) == set(study.key.loc[study.key["repeat"] == 0, "item"])
    assert set(table["rater_group"]) == {"g1", "g2"}
    # the long form of the same sheets gives the same table
    longs = [
        s.melt(
            id_vars=["study", "rater", "rater_group", "position", "item"],
            value_vars=list(ratings.CRITERIA), var_name="criterion",
        )
        for s in sheets.values()
    ]  # fmt: skip
    again = ratings.merge(longs, study.key)
    assert again["value"].sum() == table["value"].sum() and len(again) == len(table)


def test_merge_refuses_strange_codes_values_and_doubles():
    study = build(repeats=0)
    sheet = next(iter(study.sheets.values())).assign(
        empathy=3.0, applicability=3.0, comprehensiveness=3.0
    )
    with pytest.raises(RatingsError, match="not in the key, the first is 'XXX'"):
        ratings.merge([sheet.assign(item="XXX")], study.key)
    with pytest.raises(RatingsError, match="'6'"):
        ratings.merge([sheet.assign(empathy=6.0)], study.key)
    with pytest.raises(RatingsError, match="one rating; the first stands in"):
        ratings.merge([sheet, sheet], study.key)
    with pytest.raises(RatingsError, match=r"lacks the column.*empathy"):
        ratings.merge([sheet.drop(columns="empathy")], study.key)
    with pytest.raises(RatingsError, match="no sheets"):
        ratings.merge([], study.key)


def test_write_study_keeps_the_key_apart_and_texts_from_running(tmp_path):
    source = responses().assign(response='=HYPERLINK("http://example.org")')
    study = build(source, n_windows=4, repeats=0)
    paths = ratings.write_study(study, tmp_path / "study")
    assert {p.relative_to(tmp_path / "study").as_posix() for p in paths} == {
        "items.csv", "hidden/key.csv", "hidden/design.json", "hidden/SHA256SUMS",
        "sheets/r1.csv", "sheets/r2.csv", "sheets/r3.csv",
        "instrument.toml", "instructions.md", "consent.md",
    }  # fmt: skip
    sheet = pd.read_csv(tmp_path / "study" / "sheets" / "r1.csv")
    assert sheet["response"].str.startswith("'=").all()
    with pytest.raises(RatingsError, match="holds a study already"):
        ratings.write_study(study, tmp_path / "study")
    with pytest.raises(RatingsError, match="cannot be a file name"):
        ratings.write_study(build(raters=["../x"]), tmp_path / "other")


@pytest.mark.parametrize("name", ["hidden/key.csv", "hidden/design.json", "items.csv"])
def test_a_damaged_study_gives_no_rating_to_another_condition(tmp_path, name):
    study = build(responses(), n_windows=4, repeats=0)
    ratings.write_study(study, tmp_path)
    assert ratings.open_study(tmp_path).raters
    path = tmp_path / name
    whole = path.read_bytes()
    # A condition becomes another, a number another: each reads as well as before.
    for old, new in ((b"base", b"bass"), (b"1", b"2"), (b'"', b"'")):
        if old in whole:
            path.write_bytes(whole.replace(old, new, 1))
            with pytest.raises(RatingsError, match=f"'{path.name}' of this study is not as it was"):
                ratings.open_study(tmp_path)
    sums = tmp_path / "hidden" / "SHA256SUMS"
    if name == "hidden/key.csv":
        with pytest.raises(RatingsError, match="is not as it was written"):
            verbs.evaluate(None, [tmp_path / "sheets" / "r1.csv"], key=path)
    lines = sums.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    path.write_bytes(whole.replace(b"base", b"bass", 1))  # as its owner says
    sums.write_text("".join(line for line in lines if path.name not in line))
    assert ratings.open_study(tmp_path).raters
    sums.write_text("".join(lines).replace(" ", "x", 1))
    with pytest.raises(RatingsError, match="'SHA256SUMS' of this study"):
        ratings.open_study(tmp_path)


def test_a_written_design_draws_the_same_study_again(tmp_path):
    study = build(responses(), n_windows=4, repeats=0.25, seed=7)
    ratings.write_study(study, tmp_path)
    said = json.loads((tmp_path / "hidden" / "design.json").read_text())
    again = ratings.build_study(responses(), name=said["study"], **said["design"])
    pd.testing.assert_frame_equal(again.key, study.key)
    for rater, sheet in study.sheets.items():
        pd.testing.assert_frame_equal(again.sheets[rater], sheet)
    assert said["scale"] == {"low": 1.0, "high": 5.0, "step": 1.0}
    assert not any("design" in path.name for path in (tmp_path / "sheets").iterdir())


# --- simulation --------------------------------------------------------------------------------


def test_simulated_truth_is_the_mean_of_many_ratings():
    # 4,000 videos x 5 raters per cell: SE of a cell mean is below .02
    big = ratings.simulate(n_videos=4000, missing=0.5, seed=2, model_effects={"m": 0.2})
    means = big.table.groupby("condition")["value"].mean()
    for row in big.truth.itertuples():
        assert means[row.condition] == pytest.approx(row.mean, abs=0.06)
    by_rater = big.table.groupby("rater")["value"].mean()
    assert (by_rater - by_rater.mean()).to_numpy() == pytest.approx(
        big.severity["severity"].to_numpy(), abs=0.04
    )
    assert len(big.table) == pytest.approx(4000 * 4 * 5 * 0.5, rel=0.02)


def test_simulated_table_passes_its_own_check():
    simulated = ratings.simulate(n_videos=3, seed=0)
    assert set(ratings.check(simulated.table)["value"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert simulated.truth.loc[simulated.truth["condition"] == "base", "gain"].eq(0).all()
    pd.testing.assert_frame_equal(simulated.table, ratings.simulate(n_videos=3, seed=0).table)
    with pytest.raises(RatingsError):
        ratings.simulate(missing=1.0)
