"""Reviewing a run over HTTP: what is saved, what it reaches, who sees what, what is refused."""

from __future__ import annotations

import json
import random
import re
import shutil
import time

import pytest
from starlette.testclient import TestClient

import emodiss
from emodiss import study as verbs
from emodiss.exports import items
from emodiss.runs.reviews import ReviewFile
from emodiss.web.review import ReviewSite
from emodiss.web.safety import Limits, csrf_token
from emodiss.web.site import build_app

FREE = Limits(per_second=1e6, burst=10**6, misses_burst=10**6)
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Person:
    """A reviewer with a browser that runs no script."""

    def __init__(self, site: ReviewSite, name: str) -> None:
        app = build_app(site.routes(), limits=FREE)
        self.web = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        self.here = f"/v/{site.codes[name]}"
        self.csrf = csrf_token(site._secret, name)

    def get(self, path: str):
        return self.web.get(self.here + path)

    def post(self, path: str, **fields: str):
        return self.web.post(self.here + path, data={"csrf": self.csrf, **fields})


@pytest.fixture
def run(study, tmp_path, stand_ins, finished_run):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    return emodiss.annotate(
        folder / "manifest.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )


def test_a_review_made_in_the_page_reaches_tables_prompts_and_exports(run, tmp_path):
    site = ReviewSite(run.root, ["Rita"])
    rita = Person(site, "Rita")
    page = rita.get("/s/1?u=u0002").text
    assert "It was a good week." in page and "<script defer" in page
    # No inline script, style or handler: the policy would refuse it.
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", page)
    answer = rita.post("/s/1", do="words", u="u0002", text="It was a bad week.", speaker="Bo")
    assert answer.status_code == 200 and "It was a bad week." in answer.text
    rita.post("/s/1", do="split", u="u0002", cut="2.0", n_words="2")
    rita.post("/s/1", do="times", u="u0001", start="0.100", end="1.200")
    rita.post("/s/1", do="role", voice="Bo", role="patient")
    rita.post("/s/1", do="add", start="2.85", end="2.95", speaker="Ada", text="Oh.")
    rita.post("/s/1", do="note", u="u0001", note="listen again")
    page = rita.get("/s/1").text
    assert "Rita: listen again" in page and "changed, not measured yet" in page
    assert "5 reviews newer than the tables" in page
    rita.post("/apply")
    for _ in range(600):
        if "Applied." in (page := rita.get("/").text):
            break
        time.sleep(0.1)
    assert "0 reviews newer" in page, page
    table = emodiss.load(run.root).session("a")
    assert list(table["utterance_id"]) == ["u0001", "u0002", "u0002-2", "u0002-3"]
    assert list(table["text"]) == ["How have you been this week?", "It was", "a bad week.", "Oh."]
    assert list(table["start"]) == [0.1, 1.3, 2.0, 2.85]
    assert list(table["role"]) == ["therapist", "patient", "patient", "therapist"]
    assert list(table["role_source"]) == ["manifest", "review", "review", "manifest"]
    prompts = [p["text"] for p in emodiss.load(run.root).prompts if p["video_id"] == "a"]
    assert any("a bad week." in text for text in prompts)
    assert not any("good week" in text for text in prompts)
    assert [item.text for item in items(table)] == list(table["text"])
    # And back: everything is undone, and the table is as it was.
    rita.post("/s/1", do="undo", to="")
    emodiss.runs.annotate.resume(run, workers=0)
    assert list(emodiss.load(run.root).session("a")["utterance_id"]) == ["u0001", "u0002"]


def test_two_reviewers_who_differ_are_shown_and_settled(run):
    site = ReviewSite(run.root, ["Rita", "Sam"])
    rita, sam = Person(site, "Rita"), Person(site, "Sam")
    rita.post("/s/1", do="words", u="u0002", text="one", speaker="Bo")
    page = sam.post("/s/1", do="words", u="u0002", text="two", speaker="Bo").text
    assert "in conflict with Rita: one" in page
    shown = rita.get("/conflicts").text
    assert "Follow Rita" in shown and "Follow Sam" in shown and "two" in shown
    assert [r.text for r in ReviewFile(run.root).read()] == ["one", "two"]
    sams = ReviewFile(run.root).read()[1].ref
    rita.post("/s/1", do="settle", ref=sams)
    assert "There is none." in rita.get("/conflicts").text
    assert '<span class="said">two</span>' in rita.get("/s/1").text
    # Settled already.
    assert rita.post("/s/1", do="settle", ref=sams).status_code == 422


def test_the_audit_is_a_queue_and_two_blind_coders_are_compared(run):
    site = ReviewSite(run.root, ["Rita", "Sam"], blind=True)
    rita, sam = Person(site, "Rita"), Person(site, "Sam")
    sample = {"share": "1", "seed": "0", "unit": "session"}
    assert "4 of 4 open" in rita.get("/queue?share=1").text
    for item, verdict in enumerate(["right", "right", "right", "wrong"], start=1):
        role = {"correct_role": "other"} if verdict == "wrong" else {}
        rita.post("/queue", item=str(item), verdict=verdict, **role, **sample)
        assert f"{4 - item} of 4 open" in rita.get("/queue?share=1").text
    # Sam sees nothing of it.
    assert "4 of 4 open" in sam.get("/queue?share=1").text
    assert sam.get("/conflicts").status_code == 403
    # One thing that both judged would tell the other's verdict, and so would tables made anew.
    sam.post("/queue", item="1", verdict="right", **sample)
    assert sam.get("/agreement?first=Rita&second=Sam").status_code == 403
    rita.post("/s/1", do="role", voice="Bo", role="other")
    page = sam.get("/").text
    assert "newer than the tables" not in page and not re.search(
        r"<td>[1-9]\d*</td><td>0</td></tr>", page
    )
    assert sam.post("/apply").status_code == 403
    rita.post("/s/1", do="undo")
    assert "Rita" not in sam.get("/s/2").text
    for item, verdict in enumerate(["right", "right", "wrong", "wrong"], start=1):
        sam.post("/queue", item=str(item), verdict=verdict, **sample)
    found = verbs.agreement(emodiss.load(run.root), "Rita", "Sam").set_index("about")
    # Verdicts r r r w and r r w w: 3 of 4 the same, by chance 0.5 * 0.75 + 0.5 * 0.25 = 0.5.
    assert found.loc["verdict", "same"] == 0.75
    assert found.loc["verdict", "value"] == pytest.approx((0.75 - 0.5) / (1 - 0.5))
    # Roles: Rita therapist patient therapist other; Sam therapist patient, not therapist, not
    # patient.
    assert found.loc["role", "same"] == 0.5
    seeing = Person(ReviewSite(run.root, ["Uma"]), "Uma")
    assert "kappa" in seeing.get("/agreement?first=Rita&second=Sam").text


def test_what_cannot_be_saved_says_why_and_keeps_what_was_typed(run):
    site = ReviewSite(run.root, ["Rita"])
    rita = Person(site, "Rita")
    rita.post("/s/1", do="words", u="u0001", text="How have you been this week?", speaker="Bo")
    answer = rita.post("/s/1", do="times", u="u0001", start="0.0", end="1.5")
    assert answer.status_code == 422 and "overlap u0002 of the same voice" in answer.text
    assert 'value="1.5"' in answer.text
    assert rita.post("/s/1", do="times", u="u0002", start="1.3", end="99").status_code == 422
    assert rita.post("/s/1", do="words", u="u0009", text="x", speaker="Bo").status_code == 422
    assert len(ReviewFile(run.root).read()) == 1
    rita.post("/s/1", do="not_speech", u="u0001")
    page = rita.get("/s/1").text
    assert "Bring u0001 back" in page and "not speech, Rita" in page
    rita.post("/s/1", do="restore", u="u0001")
    assert "Bring u0001 back" not in rita.get("/s/1").text


def test_faces_are_told_and_given(run):
    site = ReviewSite(run.root, ["Rita"])
    rita = Person(site, "Rita")
    (face,) = json.loads(rita.get("/s/1/faces").text)
    time_, *box = face["seen"][0]
    assert time_ == 0 and box == pytest.approx([0.25, 0.2, 0.75, 0.8], abs=0.02)
    rita.post("/s/1", do="face", voice="Bo", tracks=str(face["id"]), more="yes")
    emodiss.runs.annotate.resume(run.root, workers=0)
    table = emodiss.load(run.root).session("a").set_index("speaker")
    assert table.loc["Bo", "binding_source"] == "review"
    assert table.loc["Bo", "track_id"] == face["id"]
    assert table.loc["Ada", "face_status"] != "ok"
    rita.post("/s/1", do="face", voice="Bo", tracks="")
    emodiss.runs.annotate.resume(run.root, workers=0)
    table = emodiss.load(run.root).session("a").set_index("speaker")
    assert table.loc["Bo", ["binding_source", "face_status"]].tolist() == ["review", "off_screen"]


def test_the_recording_is_answered_in_ranges(run):
    site = ReviewSite(run.root, ["Rita"])
    rita = Person(site, "Rita")
    part = rita.web.get(f"{rita.here}/s/1/media", headers={"range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)


def test_hostile_requests_are_refused_and_change_nothing(run):
    site = ReviewSite(run.root, ["Rita"])
    rita = Person(site, "Rita")
    other = rita.here[:-1] + ("A" if rita.here[-1] != "A" else "B")
    assert rita.web.get(f"{other}/").status_code == 404
    assert rita.web.post(f"{rita.here}/s/1", data={"do": "undo"}).status_code == 403
    assert rita.web.post(f"{rita.here}/apply", data={"csrf": "0" * 64}).status_code == 403
    draw = random.Random(7)
    words = ["", "u0001", "u0002", "../../etc/passwd", "-1", "1e999", "nan", "%00", "<b>", "9" * 40]
    words += ["\u0661\u0662", "settle", "1:99", "Ada", "\x01", "null", "0.5", "a" * 5000]
    names = ["do", "u", "text", "speaker", "start", "end", "cut", "n_words", "other", "to", "ref"]
    names += ["voice", "role", "tracks", "more", "note", "settle", "item", "share", "seed", "unit"]
    kinds = ["words", "times", "split", "merge", "not_speech", "note", "undo", "settle", "add"]
    kinds += ["role", "face", "right", "restore", "bogus"]
    paths = ["/s/1", "/s/2", "/queue", "/s/0", "/s/3", "/s/-1", "/s/x", "/s/1/../2", "/%2e%2e/x"]
    for _ in range(250):
        fields = {name: draw.choice(words) for name in draw.sample(names, draw.randint(0, 6))}
        fields["do"] = draw.choice(kinds)
        path = draw.choice(paths)
        status = rita.web.post(
            rita.here + path, data={"csrf": rita.csrf, **fields}, follow_redirects=False
        ).status_code
        assert status == 303 or 400 <= status < 500, (status, path, fields)
        query = {name: draw.choice(words) for name in draw.sample(names, 3)}
        read = rita.web.get(rita.here + draw.choice(["/s/1", "/queue", "/agreement"]), params=query)
        assert read.status_code == 200 or 400 <= read.status_code < 500, (read.status_code, query)
    # Whatever was taken for a review is one, and the run is as sound as before.
    emodiss.runs.annotate.resume(run.root, workers=0)
    assert not emodiss.load(run.root).failures
