"""Rating over HTTP, without scripts: what a form sends is what the table holds."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import zipfile
from io import BytesIO
from xml.etree import ElementTree

import pandas as pd
import pytest

from emodiss import ratings, study as verbs
from emodiss.errors import EmodissError, RunError, SettingsError
from emodiss.plots.ratings.countries import TILES
from emodiss.ratings import RatingsError, open_study
from emodiss.ratings.instrument import Question, shipped
from emodiss.ratings.other_tools import for_tool
from emodiss.statistics import Bootstrap, evaluate
from emodiss.web import rating as web_rating
from emodiss.web.rate import consent_is_ours, opened
from tests.web import studies
from tests.web.studies import CONDITIONS, MODELS, Rater, served, without_practice


@pytest.fixture
def folder(tmp_path):
    return studies.write(tmp_path / "study", instrument=without_practice())


def finish(rater: Rater, values: dict[str, tuple[str, str, str]] | None = None) -> list[str]:
    """Answer everything; the items in the order in which they were shown."""
    shown: list[str] = []
    walk = rater.site.handout.walks[rater.name]
    while re.search(r"/\d+$", str(rater.page.url)):
        step = walk[rater.n - 1]
        shown.append(step.name)
        given = (values or {}).get(step.name, ("3", "3", "3"))
        names = [ask.name for ask in rater.site.handout.asks]
        answer = rater.answer(**dict(zip(names, given, strict=True)))
        assert answer.status_code == 200
        if step.kind == "practice":
            rater.page = rater.client.get(f"{rater.root}/{len(shown) + 1}")
    return shown


def test_what_is_chosen_is_what_the_table_holds(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        walk = site.handout.walks["r1"]
        # Any pattern in which the three criteria differ and items differ.
        values = {
            step.name: (str(1 + n % 5), str(1 + (n + 1) % 5), str(1 + (n + 3) % 5))
            for n, step in enumerate(walk)
        }
        shown = finish(rater, values)
        assert shown == [step.name for step in walk]
        assert "/about/after" in str(rater.page.url)
        rater.post("/about/after", realism="Agree")
        assert str(rater.page.url).endswith("/done")
    handout = open_study(folder)
    found = verbs.browser_answers(handout)
    table = found.ratings
    # 3 videos x 2 models x 2 conditions x 3 criteria; two replies are alike and shown once.
    assert len(table) == 36 and len(shown) == 11
    first = table[table["copied_from"].isna()]
    for row in first.itertuples():
        at = ["applicability", "empathy", "comprehensiveness"].index(row.criterion)
        assert row.value == float(values[row.item][at])
    copied = table[table["copied_from"].notna()]
    assert len(copied) == 3
    for row in copied.itertuples():
        same = table[(table["item"] == row.copied_from) & (table["criterion"] == row.criterion)]
        assert row.value == same["value"].item()
        assert (row.model, row.video) == (same["model"].item(), "session0")
        assert row.condition != same["condition"].item()
    assert (table["rater_group"] == "g1").all() and table["seconds"].notna().all()
    # What was seen once counts once for agreement, and under each condition for means.
    everything = pd.concat([table, table.assign(rater="r2", value=6 - table["value"])])
    results = evaluate(everything, bootstrap=Bootstrap(resamples=0), mixed=False).tables
    assert set(results["alpha"]["n_units"]) == set(results["icc"]["n_items"]) == {11}
    assert set(results["kappa"]["n"]) == {11} and results["means"]["n"].sum() == 2 * 36
    # The table goes to a file and into the statistics as any other.
    table.to_csv(folder / "x.csv", index=False)
    again = ratings.read(folder / "x.csv", criteria=ratings.CRITERIA)
    assert again["value"].tolist() == table["value"].tolist()
    assert found.questionnaire.set_index("rater").loc["r1", "realism"] == "Agree"


def test_two_raters_see_the_same_set_in_different_orders(tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice(), repeats=0.25)
    walks = open_study(folder).walks
    codes = {name: [s.name for s in walk] for name, walk in walks.items()}
    key = open_study(folder).key.set_index("item")["repeat_of"]
    words = open_study(folder).shown
    sets = {name: {words[key[code]]["response"] for code in order} for name, order in codes.items()}
    assert sets["r1"] == sets["r2"] and codes["r1"] != codes["r2"]
    # The same folder, read again: the same orders.
    assert {n: [s.name for s in w] for n, w in open_study(folder).walks.items()} == codes


def test_no_page_names_a_model_or_a_condition(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1")
        pages = [rater.page.text]
        rater.begin()
        while re.search(r"/\d+$", str(rater.page.url)):
            pages.append(rater.page.text)
            rater.answer()
        pages += [
            client.get(rater.root + path).text for path in ("/history", "/1", "/instructions")
        ]
        pages += [client.get(f"/static/{name}").text for name in ("rate.js", "site.css")]
    assert len(pages) > 15
    for page in pages:
        for name in (*MODELS, *CONDITIONS, "session0", "flagged"):
            assert name not in page
        assert "<b>Long</b>" not in page  # words are text, not markup
    assert any("&lt;b&gt;Long&lt;/b&gt;" in page for page in pages)


def test_the_statements_are_those_of_the_paper_with_their_source(folder):
    with served(folder) as (site, client):
        page = Rater(site, client, "r1").begin().page.text
    for words in (
        "The intervention technique is relevant and practical for the client&#39;s specific "
        "situation and therapeutic goals.",
        "The intervention technique demonstrates understanding, compassion, and respect for the "
        "client&#39;s feelings and experiences.",
        "The intervention technique addresses the range of issues presented by the client, "
        "considering all significant aspects.",
        "Haydarov et al. (2025), Figure 9",
    ):
        assert words in page
    assert re.findall(r"<small>(\w+)</small>", page)[:5] == [
        *("poor", "fair", "adequate", "good", "exceptional"),
    ]


def test_a_rater_stops_and_goes_on_at_the_same_item(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        rater.answer()
        rater.answer()
        assert rater.n == 3
        code = site.codes["r1"]
    with served(folder) as (site, client):  # as after a restart of the machine
        assert site.codes["r1"] == code
        again = Rater(site, client, "r1")
        assert again.n == 3
        # Nothing further on can be opened before its turn.
        again.page = client.get(f"{again.root}/7")
        assert again.n == 3


def test_a_draft_is_there_again(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        sent = client.post(
            f"{rater.root}/1/draft",
            data={"csrf": rater.token(), "empathy": "4", "comment": "so far", "reason": ""},
        )
        assert sent.status_code == 204
        page = Rater(site, client, "r1").page.text
        assert re.search(r'name="empathy" value="4" checked', page)
        assert "so far</textarea>" in page and page.count(" checked") == 2  # and the keys
        assert verbs.browser_answers(site.handout).ratings.empty  # a draft is no rating


def test_answers_change_are_taken_back_and_all_are_kept(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        first = site.handout.walks["r1"][0].name
        rater.answer(empathy="1")
        rater.page = client.get(f"{rater.root}/1")
        rater.answer(empathy="5", comment="on second thought")

        def value():
            table = verbs.browser_answers(site.handout).ratings
            return table.set_index(["item", "criterion"])["value"].get((first, "empathy"))

        assert value() == 5
        rater.undo()
        assert rater.n == 1 and value() == 1  # the answer before counts again
        rater.undo()
        assert rater.n == 1 and value() is None
        rater.undo()  # nothing left: no harm
        assert rater.n == 1
        page = client.get(f"{rater.root}/history").text
        assert page.count("taken back</td>") == 2 and "on second thought" in page
        past = verbs.browser_answers(site.handout).history
        assert past.loc[past["criterion"] == "empathy", "value"].tolist() == ["1", "5"]
        assert (past["taken_back_at"] != "").all()


def test_what_is_taken_back_is_asked_again_before_what_comes_next(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        for _ in range(3):
            rater.answer()
        assert rater.n == 4
        for _ in range(2):
            rater.undo()
        rater.page = client.get(rater.root)
        assert rater.n == 2
        for n in (3, 4):
            rater.answer()
            assert rater.n == n


def test_long_histories_come_in_pages(folder, monkeypatch):
    monkeypatch.setattr(web_rating, "PER_PAGE", 2)
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        for _ in range(3):
            rater.answer()
        rater.page = client.get(f"{rater.root}/1")
        rater.answer()  # instead of the first one
        pages = [client.get(f"{rater.root}/history?page={page}").text for page in (1, 2, "x")]
        shown = [re.findall(rf'scope="row"><a href="{rater.root}/(\d)"', page) for page in pages]
        assert shown == [["1", "3"], ["2", "1"], ["1", "3"]]
        assert [page.count("counts</td>") for page in pages] == [2, 1, 2]
        assert "replaced</td>" in pages[1] and "Later answers" in pages[1]
        assert "Earlier answers" in pages[0] and "Earlier answers" not in pages[1]


def test_the_same_form_twice_is_one_answer(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        form = {"csrf": rater.token(), "form": "abc", "seconds": "2"}
        form |= {name: "2" for name in ratings.CRITERIA}
        for _ in range(3):  # as when a browser asks again because no answer came
            assert client.post(f"{rater.root}/1", data=form).status_code == 200
        past = verbs.browser_answers(site.handout).history
        assert len(past) == 3  # one answer to three criteria


def test_a_page_that_is_sent_twice_takes_back_one_answer(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        rater.answer()
        rater.answer()
        page = rater.page
        for _ in range(2):  # a double click
            rater.page = page
            rater.undo()
        assert (
            verbs.browser_answers(site.handout).progress.set_index("rater").at["r1", "n_done"] == 1
        )
        assert rater.n == 2


def test_a_draft_that_comes_after_its_answer_is_late(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        form = {"csrf": rater.token(), "form": "abc", "empathy": "4"}
        client.post(f"{rater.root}/1", data={**form, **dict.fromkeys(ratings.CRITERIA, "2")})
        assert client.post(f"{rater.root}/1/draft", data=form).status_code == 204
        assert 'name="empathy" value="2" checked' in client.get(f"{rater.root}/1").text


def test_what_cannot_be_judged_is_missing_with_its_reason(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        reason = site.handout.instrument.reasons[1]
        rater.answer(reason=reason, empathy="5")
        assert rater.n == 2
        table = verbs.browser_answers(site.handout).ratings
        assert table["value"].isna().all() and set(table["cannot_judge"]) == {reason}
        assert verbs.browser_answers(site.handout).progress["n_cannot_judge"].tolist() == [1, 0]


def test_an_incomplete_form_is_shown_again_with_what_was_chosen(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        page = rater.answer(empathy="", applicability="5", comment="almost")
        assert page.status_code == 422
        assert re.search(r'role="alert"[^>]*>Not saved yet: Empathy: choose one', page.text)
        assert re.search(r'name="applicability" value="5" checked', page.text)
        assert "almost</textarea>" in page.text
        assert verbs.browser_answers(site.handout).ratings.empty


@pytest.mark.parametrize(
    "fields",
    [
        {"empathy": "6"},
        {"empathy": "3.5"},
        {"empathy": ["1", "2"]},
        {"reason": "because"},
        {"model": "x"},
        {"comment": "x" * 5000},
    ],
)
def test_what_no_page_sends_is_refused_and_not_kept(folder, fields):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        assert rater.answer(**fields).status_code == 422
        assert verbs.browser_answers(site.handout).ratings.empty


def test_the_time_on_an_item_is_the_pages_or_the_servers(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        rater.answer(seconds="0.25")  # it was open at least that long, within a second
        rater.answer(seconds="99999")  # longer than it was open: not believed
        rater.answer(seconds="nan")
        seconds = verbs.browser_answers(site.handout).ratings.drop_duplicates("position")
        found = seconds.sort_values("saved_at")["seconds"].tolist()
    assert found[0] == 0.25
    assert 0 <= found[1] < 60 and 0 <= found[2] < 60


def test_practice_comes_first_is_commented_and_is_in_no_table(tmp_path):
    folder = studies.write(tmp_path / "s")
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1").begin()
        assert ">Practice</h1>" in rater.page.text
        assert "no single right answer" not in rater.page.text
        rater.answer()
        assert "no single right answer" in rater.page.text  # said after, not before
        rater.page = client.get(f"{rater.root}/2")
        rater.answer()
        assert verbs.browser_answers(site.handout).ratings.empty
        rater.page = client.get(f"{rater.root}/3")
        assert ">Rate</h1>" in rater.page.text


def test_attention_items_are_off_until_switched_on_and_are_checked(tmp_path):
    text = without_practice()
    assert not open_study(studies.write(tmp_path / "off", instrument=text)).instrument.attention
    on = studies.write(tmp_path / "on", instrument=text.replace("use = false", "use = true"))
    with served(on) as (site, client):
        walk = site.handout.walks["r1"]
        names = [step.name for step in walk if step.kind == "attention"]
        assert sorted(names) == ["attention-1", "attention-2"]
        rater = Rater(site, client, "r1").begin()
        finish(rater, {"attention-1": ("2", "2", "2"), "attention-2": ("4", "4", "1")})
        found = verbs.browser_answers(site.handout)
        assert found.attention.set_index("step")["passed"].to_dict() == {
            "attention-1": True, "attention-2": False,
        }  # fmt: skip
        assert not found.ratings["item"].str.startswith("attention").any()
        assert found.progress["attention_failed"].tolist() == [1, 0]


def test_repeats_are_shown_again_and_serve_agreement_with_oneself(tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice(), repeats=0.25)
    with served(folder) as (site, client):
        finish(Rater(site, client, "r1").begin())
        table = verbs.browser_answers(site.handout).ratings
    repeats = table[table["repeat"] == 1]
    assert len(repeats) == 3 * 3  # a quarter of twelve items, three criteria
    assert set(repeats["item"]) <= set(table.loc[table["repeat"] == 0, "item"])


def test_pairs_are_compared_and_turned_back_to_models(tmp_path):
    folder = studies.write_pairs(tmp_path / "pairs")
    with served(folder) as (site, client):
        rater = Rater(site, client, "e1")
        assert "no real person speaks" in rater.page.text and "clips" not in rater.page.text
        rater.begin()
        assert "Which dialogue shows a stronger alignment" in rater.page.text
        assert ">Compare</h1>" in rater.page.text
        walk = site.handout.walks["e1"]
        finish(rater, {step.name: ("A", "Tie", "B") for step in walk})
        table = verbs.browser_answers(site.handout).ratings
    assert len(table) == 2 * 3
    choices = table.groupby("criterion")["choice"].agg(set).to_dict()
    assert choices == {"goal": {"A"}, "approach": {"Tie"}, "bond": {"B"}}
    # Each model stood once on side A for this rater.
    assert sorted(table.drop_duplicates("item")["model_a"]) == sorted(MODELS)


# --- the questionnaire -------------------------------------------------------------------------


def test_the_questionnaire_keeps_what_is_an_answer_and_says_what_is_none(folder):
    with served(folder) as (site, client):
        rater = Rater(site, client, "r1")
        rater.post("/consent", agree="yes")
        page = rater.post("/about/before", years_of_experience="250", degree="PhD")
        assert page.status_code == 422 and "a number from 0 to 70 is expected" in page.text
        assert re.search(r'value="PhD" checked', page.text)
        page = rater.post("/about/before", degree="Wizard")
        assert page.status_code == 422
        several = ["Systemic", "Psychodynamic"]
        rater.post("/about/before", years_of_experience="5", degree="PhD", orientation=several)
        assert str(rater.page.url).endswith("/instructions")
        row = verbs.browser_answers(site.handout).questionnaire.iloc[0]
        assert row["orientation"] == "Psychodynamic; Systemic"  # in the order of the options
        assert row["years_of_experience"] == "5" and row["rater_group"] == "g1"


def test_the_shipped_questions_cover_the_papers_and_have_their_order():
    found = ratings.read_instrument()
    names = {question.name for question in found.questions}
    assert set(ratings.QUESTIONS) <= names  # Figure 11
    assert {"country", "years_of_experience", "realism"} <= names  # Figure 8, 5.1, appendix D
    assert all(question.source for question in found.questions)
    orders = found.orders()
    assert orders["cbt_training"] == ("None", "Limited", "Moderate", "Extensive")
    assert orders["importance_of_empathy"][0] == "Strongly disagree"
    # Figure 11 keeps the order and shows what nobody chose.
    answers = pd.DataFrame({"rater": ["a", "b", "c"], "cbt_training": ["Extensive"] * 2 + ["None"]})
    counts = ratings.background(answers, orders={"cbt_training": orders["cbt_training"]})
    assert counts["n"].tolist() == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("given", "taken"),
    [([], ""), (["  "], ""), (["7,5"], "7.5"), (["x"], None), (["71"], None), (["1", "2"], None)],
)
def test_a_number_is_a_number_within_its_limits(given, taken):
    assert Question("q", "q", "q", "number", low=0, high=70).answer(given) == taken


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("anchors = [", 'anchors = ["x", '), "5 points, and 6 are labelled"),
        (("[statements.empathy]", "[statements.warmth]"), "no statement for the criterion"),
        (('kind = "number"', 'kind = "date"'), "kind 'date'"),
        (("[scale]", "[scale"), "no instrument"),
        (('name = "degree"', 'name = "country"'), "one name"),
    ],
)
def test_an_instrument_that_does_not_fit_is_refused_with_the_way_out(tmp_path, change, match):
    text = shipped("instrument.toml").replace(*change)
    folder = studies.write(tmp_path / "s", instrument=text)
    with pytest.raises(RatingsError, match=match) as error:
        open_study(folder)
    assert error.value.next_step


# --- the researcher ----------------------------------------------------------------------------


def test_the_researcher_sees_progress_and_agreement_only_on_request(folder):
    with served(folder) as (site, client):
        for name in ("r1", "r2"):
            rater = Rater(site, client, name).begin()
            words = {
                s.name: site.handout.shown[s.name]["response"]
                for s in rater.site.handout.walks[name]
            }
            finish(
                rater,
                {item: (str(1 + sum(map(ord, said)) % 5),) * 3 for item, said in words.items()},
            )
        page = client.get(f"/a/{site.admin}")
        assert "11 of 11" in page.text and site.codes["r2"] in page.text
        assert "alpha" not in page.text
        token = re.search(r'name="csrf" value="(\w+)"', page.text)[1]
        asked = client.post(f"/a/{site.admin}/agreement", data={"csrf": token})
        # Both gave every reply the same value, so that agreement is perfect.
        assert re.findall(r"<td>(1\.00)</td><td>22</td><td>11</td>", asked.text) == ["1.00"] * 3
        events = site.database.now(
            lambda c: [tuple(r) for r in c.execute("SELECT what FROM event")]
        )
        assert events == [("looked at agreement",)]
        # A rater's code opens no page of the researcher, nor the other way round.
        assert client.get(f"/a/{site.codes['r1']}").status_code == 404
        assert client.get(f"/r/{site.admin}").status_code == 404
        csv = client.get(f"/a/{site.admin}/ratings.csv")
        assert csv.headers["content-disposition"] == 'attachment; filename="ratings.csv"'
        assert len(csv.text.splitlines()) == 1 + 2 * 36


def test_instructions_change_at_once_and_hold_no_markup(folder):
    with served(folder) as (site, client):
        root = f"/a/{site.admin}/instructions"
        token = re.search(r'name="csrf" value="(\w+)"', client.get(root).text)[1]
        text = "# Anew\n\n<script>alert(1)</script> [x](javascript:alert(1))"
        page = client.post(root, data={"csrf": token, "text": text})
        assert "Saved" in page.text
        shown = client.get(f"/r/{site.codes['r1']}/instructions").text
        assert "<h1>Anew</h1>" in shown
        assert "<script>alert" not in shown and 'href="javascript' not in shown
    assert (folder / "instructions.md").read_text().startswith("# Anew")


def test_other_tools_get_the_same_blind_study(folder):
    with served(folder) as (site, client):
        for tool in ("label-studio", "potato"):
            content = client.get(f"/a/{site.admin}/{tool}.zip").content
            with zipfile.ZipFile(BytesIO(content)) as archive:
                files = {n.partition("/")[2]: archive.read(n).decode() for n in archive.namelist()}
            for text in files.values():
                assert not any(name in text for name in (*MODELS, *CONDITIONS))
            if tool == "label-studio":
                tasks = json.loads(files["tasks.json"])
                assert len(tasks) == 12 and {"item", "response", "video"} <= set(tasks[0]["data"])
                view = ElementTree.fromstring(files["config.xml"])
                named = {e.get("name"): e for e in view if e.get("name")}
                assert set(ratings.CRITERIA) <= set(named)
                values = {e.get("value")[1:] for e in view if e.tag in ("Text", "Video")}
                assert values <= set(tasks[0]["data"])
                assert all(
                    e.get("toName") in named for e in view if e.tag in ("Choices", "TextArea")
                )
                points = [e.get("alias") for e in named["empathy"]]
                assert points == ["1", "2", "3", "4", "5"]
            else:
                config = json.loads(files["config.yaml"])
                lines = files["data/items.jsonl"].splitlines()
                assert config["data_files"] == ["data/items.jsonl"] and len(lines) == 12
                shown = {field["key"] for field in config["instance_display"]["fields"]}
                assert shown <= set(json.loads(lines[0]))


def test_the_answers_go_to_tables_and_figures_8_and_11(tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice())
    with served(folder) as (site, client):
        for name, country in (("r1", "Spain"), ("r2", "Ireland")):
            rater = Rater(site, client, name)
            rater.post("/consent", agree="yes")
            rater.post("/about/before", country=country, cbt_training="Limited", degree="PhD")
            rater.post("/instructions")
            finish(rater)
    with pytest.raises(SettingsError, match="compares pairs"):
        verbs.evaluate(answered=studies.write_pairs(tmp_path / "p"))
    found = verbs.evaluate(answered=folder, base=CONDITIONS[0], mixed=False, resamples=100)
    countries = found.tables["countries"].set_index("answer")["n"].to_dict()
    assert countries == {"Spain": 1, "Ireland": 1}
    training = found.tables["background"].query("question == 'cbt_training'")
    assert training["answer"].tolist() == ["None", "Limited", "Moderate", "Extensive"]
    assert training["n"].tolist() == [0, 2, 0, 0]
    # Everybody gave 3 everywhere.
    assert (found.tables["means"]["mean"] == 3).all()
    figures = found.figures()
    assert {"figure5", "figure6", "figure8", "figure11"} <= set(figures)
    tiles, bars = figures["figure8"].axes
    shown = {text.get_text() for text in tiles.texts}
    assert {"ES\n1", "IE\n1", "FR"} <= shown
    assert [label.get_text() for label in bars.get_yticklabels()] == ["Spain", "Ireland"]


def test_every_european_country_of_the_question_has_a_tile_of_its_own():
    question = next(q for q in ratings.read_instrument().questions if q.name == "country")
    assert set(question.options) - {"a country outside Europe"} == set(TILES)
    assert len({place[:2] for place in TILES.values()}) == len(TILES)


def test_one_server_at_a_time(folder):
    with (
        served(folder) as (site, _),
        pytest.raises(RunError, match="served already"),
        opened(site.handout, {}),
    ):
        pass
    with served(folder):
        pass


def test_what_is_no_study_is_said(tmp_path):
    with pytest.raises(RatingsError, match="holds no study"):
        open_study(tmp_path)
    folder = studies.write(tmp_path / "s")
    with pytest.raises(RatingsError, match="no answers from the browser yet"):
        verbs.browser_answers(open_study(folder))
    (folder / "hidden" / "answers.sqlite").write_bytes(b"x" * 2000)
    with pytest.raises(RatingsError, match="cannot be read"):
        verbs.browser_answers(open_study(folder))


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE answer; CREATE TABLE answer (id INTEGER, rater TEXT, step TEXT, x TEXT)",
        "UPDATE rater SET code = x'ff00' WHERE rater = 'r1'",
        "UPDATE rater SET code = CAST(x'ff' AS TEXT) WHERE rater = 'r1'",
        "INSERT INTO opened VALUES ('r1', 's', 'yesterday', '2026-01-01T00:00:00Z', 1)",
        "INSERT INTO opened VALUES ('r1', 's', '2026-01-01', '2026-01-01T00:00:00Z', 1)",
        "UPDATE rater SET consented_at = 5",
        "ALTER TABLE fact ADD COLUMN more TEXT",
    ],
)
def test_answers_of_another_program_are_refused_before_a_rater_comes(folder, change):
    with served(folder):
        pass
    handout = open_study(folder)
    assert verbs.browser_answers(handout).history.empty
    with contextlib.closing(sqlite3.connect(folder / "hidden" / "answers.sqlite")) as database:
        database.executescript(change)
    with pytest.raises(RatingsError, match=r"'answers\.sqlite' cannot be read") as caught:
        verbs.browser_answers(handout)
    assert caught.value.code == "damaged"
    with pytest.raises(EmodissError, match=r"'answers\.sqlite' cannot"), served(folder):
        pass


def test_a_page_of_answers_that_is_gone_is_noticed_where_nobody_would_come_by(folder):
    with served(folder):
        pass
    path = folder / "hidden" / "answers.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        root = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'event'"
        ).fetchone()
        size = database.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(root[0] - 1) * size : root[0] * size] = b"\xff" * size
    path.write_bytes(content)
    with pytest.raises(RatingsError, match="cannot be read"):
        verbs.browser_answers(open_study(folder))


def test_a_text_for_raters_in_another_encoding_is_refused_before_it_is_shown(folder):
    (folder / "consent.md").write_bytes("Ich bin einverst\u00e4nden.".encode("cp1252"))
    with pytest.raises(RatingsError, match=r"consent\.md, line 1: byte 0xe4"), served(folder):
        pass
    with pytest.raises(RatingsError, match=r"consent\.md"):
        consent_is_ours(folder)
    (folder / "consent.md").write_text("Mine.")
    assert not consent_is_ours(folder)
    (folder / "instructions.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RatingsError, match=r"instructions\.md"):
        for_tool(open_study(folder), "potato")
