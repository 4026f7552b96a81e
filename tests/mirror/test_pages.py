"""Pages of simulated sessions: whole, offline, readable at every width."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest

from emodiss import mirror
from emodiss.clients import Case
from emodiss.encounters import Encounter
from emodiss.encounters.records import Plan, Reply
from emodiss.mirror.pages import picture_address
from emodiss.screenplays import Line
from tests.browser import chromium
from tests.mirror.people import PROFILES

TRICK = '<script>alert(1)</script> & "quotes"'


def png(root: Path, name: str, value: int) -> str:
    import cv2

    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(value)
    cv2.imwrite(str(path), rng.integers(0, 255, (336, 336, 3), np.uint8))
    return name


@pytest.fixture
def experiment(tmp_path) -> mirror.Experiment:
    made = mirror.create(tmp_path / "out")
    lines = (
        Line("therapist", (), "Hello Nora.\nHow are you?", 0),
        Line("client", ("looks away", "sighs"), TRICK, 1),
        Line("therapist", (), "W" * 120, 2),
        Line("client", (), "Fine.", 3),
    )
    whole = Encounter(
        case=Case(PROFILES[0], "emotional"),
        therapist="vlm p+ec",
        variant="p+ec",
        lines=lines,
        captions=(None, "eyes averted", None, None),
        pictures=(None, png(made.root, "faces/a/001.png", 1), None, "faces/a/lost.png"),
        plan=Plan("Reality Testing", ("Ask.", "Test."), "planned"),
        ended_by="max_turns",
        client_model="scripted client",
        replies=(Reply(2, "0" * 64, "", "length", ("truncated",)),),
    )
    failed = Encounter(
        Case(PROFILES[1], "none"), "a/b", "text", lines[:1], status="failed", reason="refused"
    )
    made.encounters.append([whole, failed])
    about = {"item": whole.id, "instrument": "alliance", "judge": "j", "wording": "own"}
    about |= {"of": "encounters", "directions": True, "error": "", "request_sha256": "x"}
    made.scores.append(
        [
            {**about, "criterion": "q1", "score": 4.0, "status": "ok"},
            {**about, "criterion": "q2", "score": None, "status": "unparsable"},
        ]
    )
    return made


def test_a_page_shows_all_that_is_known_and_nothing_else_runs(experiment):
    index = mirror.pages(experiment)
    text = index.read_text()
    first, second = re.findall(r'href="(\d{4}-[^"]+\.html)"', text)
    page = (index.parent / first).read_text()
    for part in ("looks away, sighs", "eyes averted", "Reality Testing", "Ask.", "truncated"):
        assert part in page
    assert "What is said is simulated" in page and "This page holds people" not in page
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    stored = (experiment.root / "faces/a/001.png").read_bytes()
    assert [base64.b64decode(each) for each in pictures] == [stored]
    assert page.count('<span class="no-picture">') == 1  # the lost one
    assert re.search(r"q1</th>.*?>4</td>", page, re.S)
    assert re.search(r"q2</th>.*?>unparsable</td>", page, re.S)  # never a zero
    assert "failed: refused" in text and "failed: refused" in (index.parent / second).read_text()
    assert "default-src 'none'" in page and "http://" not in page and "https://" not in page


def test_pages_are_readable_at_every_width_and_load_nothing(experiment, tmp_path):
    index = mirror.pages(experiment)
    page = next(index.parent.glob("0001-*.html"))
    with chromium(tmp_path / "profile") as browser:
        tab = browser.page()
        for width in (360, 800, 1400):
            tab.size(width, 900)
            for scheme in ("light", "dark"):
                tab.prefer(scheme)
                for address in (index, page):
                    tab.open(address.as_uri())
                    assert tab.js("document.documentElement.scrollWidth") <= width
        assert tab.js("[...document.images].every(i => i.complete && i.naturalWidth === 336)")
        ground = tab.js("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(21, 24, 28)"  # the report's dark ground
        assert not tab.complaints
        assert {each.partition(":")[0] for each in tab.requests} <= {"file", "data", "about"}


def test_a_record_leads_no_page_out_of_its_folder(experiment):
    secret = experiment.root.parent / "secret.png"
    secret.write_bytes(b"\x89PNG private")
    for name in (str(secret), "../secret.png", "faces/../../secret.png", "a\0b", "faces"):
        assert picture_address(experiment.root, name) == "", name
    assert picture_address(experiment.root, "faces/a/001.png").startswith("data:image/png;")
