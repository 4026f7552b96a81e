"""Reviewing in a real browser: keys, dragging, a click on a face, and what axe finds."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import threading
from pathlib import Path

import pytest

import emodiss
from emodiss.runs.reviews import ReviewFile
from emodiss.web.review import ReviewSite
from emodiss.web.server import address_of, bind, serve
from emodiss.web.site import build_app
from tests.browser import chromium
from tests.web.studies import FREE


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def run(study, tmp_path, stand_ins, finished_run):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    return emodiss.annotate(
        folder / "manifest.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )


@contextlib.contextmanager
def live(root: Path, *names: str):
    """Serve a run on a free port; the address of each reviewer."""
    site = ReviewSite(root, names)
    taken = bind()
    address = address_of(taken)
    ready = threading.Event()
    threading.Thread(
        target=serve,
        args=(build_app(site.routes(), limits=FREE), taken),
        kwargs={"started": ready.set},
        daemon=True,
    ).start()
    assert ready.wait(30)
    yield [f"{address}/v/{site.codes[name]}" for name in names]


def saved(page, act) -> None:
    """Do what leads to another page, and wait for that page."""
    page.js("window.old = true")
    act()
    page.wait("!window.old && document.readyState === 'complete'")


def test_edges_are_dragged_words_typed_and_faces_clicked(browser, run):
    with live(run.root, "Rita") as (rita,):
        page = browser.page()
        page.size(1400, 900)
        page.open(f"{rita}/s/1")
        page.wait("document.querySelector('#lines li.now')")
        # e edits the line at the playhead.
        saved(page, lambda: page.press("e"))
        assert page.js("document.getElementById('edit').dataset.u") == "u0001"
        # An arrow moves a handle by a tenth of a second, and Enter saves it.
        page.js("document.querySelector('.handle').focus()")
        page.press("ArrowRight")
        saved(page, lambda: page.press("Enter"))
        # The mouse drags the end of u0001 to 0.75 s of 3 s.
        box = page.js(
            "(() => { const b = document.querySelectorAll('.handle')[1].getBoundingClientRect();"
            "const t = document.getElementById('time').getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2, t.x + t.width / 4] })()"
        )
        mouse = {"button": "left", "buttons": 1, "clickCount": 1}
        for kind, x in (("mousePressed", 0), ("mouseMoved", 2), ("mouseReleased", 2)):
            page.send("Input.dispatchMouseEvent", type=kind, x=box[x], y=box[1], **mouse)
        assert float(page.js("document.getElementById('end').value")) == pytest.approx(
            0.75, abs=0.02
        )
        saved(page, lambda: page.js("document.getElementById('times').requestSubmit()"))
        # Words: cut before "this".
        page.js(
            "(() => { const w = document.getElementById('words'); w.focus();"
            "w.selectionStart = w.selectionEnd = w.value.indexOf('this') })()"
        )
        page.js("document.getElementById('caret').click()")
        assert page.js("document.getElementById('n_words').value") == "4"
        saved(page, lambda: page.js("document.getElementById('cut').form.requestSubmit()"))
        # The one face in the picture is given to Bo.
        page.open(f"{rita}/s/1")
        page.wait("document.querySelector('.found-face')", seconds=20)
        page.click(".found-face")
        page.wait("!document.getElementById('clicked').hidden")
        page.js("document.getElementById('clicked-voice').value = 'Bo'")
        saved(
            page, lambda: page.js("document.getElementById('clicked-voice').form.requestSubmit()")
        )
        assert page.complaints == []
    made = ReviewFile(run.root).read()
    assert [r.kind for r in made] == ["times", "times", "split", "face"]
    assert made[0].start == 0.1 and made[1].end == pytest.approx(0.75, abs=0.02)
    assert made[2].n_words == 4 and made[3].faces and made[3].of[0].speaker == "Bo"
    emodiss.runs.annotate.resume(run.root, workers=0)
    table = emodiss.load(run.root).session("a")
    assert list(table["text"][:2]) == ["How have you been", "this week?"]
    assert table["binding_source"][2] == "review"


def test_axe_finds_no_serious_fault(browser, run, tmp_path):
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("needs axe-playwright-python, which is not installed")
    axe = Path(spec.origin).with_name("axe.min.js").read_text()
    with live(run.root, "Rita", "Sam") as (rita, sam):
        page = browser.page()
        page.open(f"{sam}/s/1?u=u0001")
        page.js("document.getElementById('words').value = 'Two'")
        saved(page, lambda: page.js("document.getElementById('words').form.requestSubmit()"))
        page.open(f"{rita}/s/1?u=u0001")
        page.js("document.getElementById('words').value = 'One'")
        saved(page, lambda: page.js("document.getElementById('words').form.requestSubmit()"))
        for path in ("/", "/s/1?u=u0001", "/queue", "/conflicts", "/agreement"):
            for scheme in ("light", "dark"):
                page.prefer(scheme)
                page.open(rita + path)
                page.js("document.querySelectorAll('details').forEach((d) => { d.open = true })")
                page.send("Runtime.evaluate", expression=axe)
                found = page.js(
                    "axe.run().then((r) => r.violations.filter((v) => "
                    "['serious', 'critical'].includes(v.impact))"
                    ".map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 2)]))"
                )
                assert found == [], (path, scheme)
                for width in (360, 800, 1400):
                    page.size(width, 1000)
                    wide = page.js("document.documentElement.scrollWidth")
                    assert wide <= width, (path, width, wide)
                    name = path.strip("/").partition("?")[0].replace("/", "-") or "index"
                    page.picture(tmp_path / f"{name}-{width}-{scheme}.png")
        assert page.complaints == []
