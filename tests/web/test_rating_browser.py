"""A rater with a real browser: keys, clip, drafts, and what a screen reader would meet."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from emodiss import ratings, study as verbs
from emodiss.web.rate import BROWSERS, figure9, opened
from emodiss.web.server import address_of, bind, serve
from emodiss.web.site import build_app
from tests import make
from tests.browser import Page, chromium
from tests.web import studies
from tests.web.studies import CONDITIONS, FREE, MODELS, without_practice


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Six seconds of grey that brightens, with a tone."""
    pictures = [make.grey(40 + i, size=(320, 240)) for i in range(150)]
    path = tmp_path_factory.mktemp("clip") / "session.mp4"
    return make.write_media(path, frames=pictures, sound=make.tone(6.0))


@contextlib.contextmanager
def live(folder: Path, clip: Path | None = None):
    """Serve a study on a free port; its site and address."""
    handout = ratings.open_study(folder)
    videos = {row["video"] for row in handout.shown.values() if row.get("video")}
    with opened(handout, dict.fromkeys(videos, clip)) as (site, routes):
        taken = bind()
        address = address_of(taken)
        ready = threading.Event()
        server = threading.Thread(
            target=serve,
            args=(build_app(routes, limits=FREE), taken),
            kwargs={"started": ready.set},
            daemon=True,
        )
        server.start()
        assert ready.wait(30)
        yield site, address


def begin(page: Page, link: str) -> None:
    """Consent, skip the questionnaire and the instructions, by keyboard."""
    page.open(link)
    page.js("document.querySelector('[name=agree]').focus()")
    page.press(" ")
    go(page, "Enter")
    page.js("document.querySelector('button.primary').focus()")
    go(page, "Enter")
    page.js("document.querySelector('button.primary').focus()")
    go(page, "Enter")


def go(page: Page, key: str) -> None:
    """Press a key that leads to another page, and wait for that page."""
    page.js("window.old = true")
    page.press(key)
    page.wait("!window.old && document.readyState === 'complete'")


def place(page: Page) -> str:
    return page.js("location.pathname").rpartition("/")[2]


def test_a_whole_study_by_keyboard_closed_and_opened_again(browser, clip, tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice())
    pressed: dict[str, str] = {}
    with live(folder, clip) as (site, address):
        link = f"{address}/r/{site.codes['r1']}"
        walk = site.handout.walks["r1"]
        page = browser.page()
        begin(page, link)
        for n, step in enumerate(walk, start=1):
            assert place(page) == str(n)
            if n == 4:  # in the middle of an item the page is closed
                page.press("5")
                page.wait("document.getElementById('status').textContent === 'Draft kept.'")
                page.send("Page.close")
                page = browser.page()
                page.open(link)
                assert place(page) == "4"
                assert page.js("document.querySelectorAll('.points :checked').length") == 1
                page.js("document.querySelector('.ask').querySelector('input').focus()")
            keys = "".join(str(1 + (n + 2 * k) % 5) for k in range(3))
            pressed[step.name] = keys
            for key in keys:
                page.press(key)
            html = page.js("document.documentElement.outerHTML")
            assert not any(name in html for name in (*MODELS, *CONDITIONS))
            go(page, "Enter")
        assert place(page) == "after"
        table = verbs.browser_answers(site.handout).ratings
        foreign = [u for u in page.requests if not u.startswith((address, "data:"))]
        assert foreign == [] and page.complaints == []
    shown = table[table["copied_from"].isna()]
    assert len(shown) == 3 * len(walk) == 33
    for row in shown.itertuples():
        at = ratings.CRITERIA.index(row.criterion)
        assert row.value == float(pressed[row.item][at])
        assert 0 <= row.seconds < 60


def test_back_undo_and_comment_by_keyboard(browser, tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice())
    with live(folder) as (site, address):
        page = browser.page()
        begin(page, f"{address}/r/{site.codes['r1']}")
        for key in "111":
            page.press(key)
        page.press("c")
        assert page.js("document.activeElement.id") == "comment"
        page.press("5")  # a digit in a comment is a digit
        page.press("Escape")
        go(page, "Enter")
        assert place(page) == "2"
        go(page, "[")
        assert place(page) == "1"
        assert page.js("document.getElementById('comment').value") == "5"
        page.js("document.querySelector('.ask input').focus()")
        for key in "222":
            page.press(key)
        go(page, "Enter")
        value = lambda: set(verbs.browser_answers(site.handout).ratings["value"])  # noqa: E731
        assert value() == {2.0}
        go(page, "u")
        assert place(page) == "1" and value() == {1.0}
        # Enter without answers says what is missing and keeps nothing new.
        page.open(f"{address}/r/{site.codes['r1']}/2")
        go(page, "Enter")
        assert page.js("document.activeElement.id") == "wrong"
        assert value() == {1.0}


def test_the_clip_starts_and_stops_at_its_window(browser, clip, tmp_path):
    folder = studies.write(tmp_path / "s", instrument=without_practice())
    with live(folder, clip) as (site, address):
        page = browser.page()
        begin(page, f"{address}/r/{site.codes['r1']}")
        at = "document.getElementById('clip').currentTime"
        page.wait("document.getElementById('clip').readyState >= 2")
        if page.js("document.getElementById('clip').error !== null"):
            pytest.skip("this chromium plays no H.264")
        assert page.js(at) == pytest.approx(1.0, abs=0.1)
        assert page.js("document.getElementById('clip').controls") is False
        page.press("p")
        page.wait(f"{at} > 1.2")
        page.wait("document.getElementById('clip').paused")
        assert page.js(at) == pytest.approx(2.5, abs=0.1)  # of six seconds
        # Neither the slider nor a script of the page leads out of the window.
        page.js("document.getElementById('clip').currentTime = 5")
        page.wait(f"{at} <= 2.6")
        page.js("document.getElementById('clip').currentTime = 0")
        page.wait(f"{at} >= .95")
        page.press("r")
        page.wait(f"!document.getElementById('clip').paused && {at} < 2")
        page.wait("document.getElementById('clip').paused")
        assert page.js(at) == pytest.approx(2.5, abs=0.1)


def test_figure_9_is_the_form_itself(tmp_path):
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("needs a chromium on the path, which is not here")
    folder = studies.write(tmp_path / "s")
    path = figure9(folder, tmp_path / "figure9.png")
    picture = plt.imread(path)
    assert picture.shape[:2] == (880, 1400)
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 50  # no blank page


def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-core")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser, clip, tmp_path, scheme):
    source = axe()
    folder = studies.write(tmp_path / "s")
    pairs = studies.write_pairs(tmp_path / "p")
    page = browser.page()
    page.prefer(scheme)
    faults: list[str] = []

    def look(address: str, width: int) -> None:
        page.size(width, 900)
        page.open(address)
        page.js(source + "; true")
        found = page.js("axe.run().then(found => JSON.stringify(found.violations))")
        faults.extend(
            f"{address.rpartition('/')[2]} {width}: {fault['id']} {node['html'][:80]}"
            for fault in json.loads(found)
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        )
        wide = page.js("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{address} is {wide} px wider than {width}"

    with live(folder, clip) as (site, address):
        link = f"{address}/r/{site.codes['r1']}"
        look(link, 1400)
        begin(page, link)
        # Colours differ between the schemes; the rest of a page need not be looked at twice.
        paths = ("/1", "/instructions", "/history", "/about/before")
        for path in paths if scheme == "light" else paths[:1]:
            for width in (360, 1400):
                look(link + path, width)
        for path in ("", "/preview/3", "/instructions") if scheme == "light" else ("",):
            look(f"{address}/a/{site.admin}{path}", 800)
        look(f"{address}/r/none", 800)
    with live(pairs) as (site, address):
        begin(page, f"{address}/r/{site.codes['e1']}")
        for width in (360, 1400):
            look(f"{address}/r/{site.codes['e1']}/1", width)
    assert faults == []
