"""YouTube through yt-dlp's own extractors, on invented answers: only the network is replaced."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from emodiss import manifest
from emodiss.cli import doctor as checks
from emodiss.corpus import collection
from emodiss.errors import MediaError
from emodiss.media import fetch
from tests import youtube
from tests.youtube import YouTube, found, refusal

VIDEO = "abcdefghijk"


@pytest.fixture
def serve(monkeypatch):
    """Return a function that puts a site in the place of the network."""
    import yt_dlp

    def put(site: YouTube) -> YouTube:
        monkeypatch.setattr(yt_dlp.YoutubeDL, "urlopen", lambda *a: site.urlopen(*a))
        return site

    return put


# --- outcomes ------------------------------------------------------------------------------------

PRIVATE = refusal(
    "LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"
)
TERMINATED = (
    "This video is no longer available because the YouTube account associated with this video has "
    "been terminated."
)
MEMBERS = (
    "Join this channel to get access to members-only content like this video, and other exclusive "
    "perks."
)


@pytest.mark.parametrize(
    ("answer", "code", "advice"),
    [
        (PRIVATE, "private", "Ask its owner"),
        (
            refusal("ERROR", "Video unavailable", "This video has been removed by the uploader"),
            "removed",
            "Drop the row",
        ),
        (refusal("ERROR", TERMINATED), "removed", "Drop the row"),
        (
            refusal(
                "UNPLAYABLE",
                "Video unavailable",
                "The uploader has not made this video available in your country",
            ),
            "geo_blocked",
            "where it may be watched",
        ),
        (
            refusal(
                "LOGIN_REQUIRED",
                "Sign in to confirm your age",
                "This video may be inappropriate for some users.",
            ),
            "age_restricted",
            "--cookies FILE",
        ),
        (
            refusal(
                "LOGIN_REQUIRED",
                "Sign in to confirm you’re not a bot",
                "This helps protect our community. Learn more",
            ),
            "bot_check",
            "--cookies FILE",
        ),
        (
            refusal("LOGIN_REQUIRED", "Wait", errorScreen={"playerCaptchaViewModel": {"id": 1}}),
            "bot_check",
            "--cookies FILE",
        ),
        (refusal("UNPLAYABLE", MEMBERS), "login_required", "--cookies FILE"),
        (
            refusal("LIVE_STREAM_OFFLINE", "This live event will begin in 3 hours."),
            "live",
            "Wait until the broadcast has ended",
        ),
        (
            refusal("LIVE_STREAM_OFFLINE", "Premieres in 3 hours"),
            "live",
            "Wait until the broadcast has ended",
        ),
        (
            refusal("ERROR", "Video unavailable", "This live stream recording is not available."),
            "live",
            "Wait until the broadcast has ended",
        ),
        (
            refusal("UNPLAYABLE", "This content isn't available, try again later."),
            "rate_limited",
            "Wait an hour",
        ),
        ({"playabilityStatus": {"status": "OK"}}, "no_format", "emodiss doctor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_player_refuses_has_a_code_and_says_what_to_do(
    serve, tmp_path, answer, code, advice
):
    site = serve(YouTube(videos={VIDEO: (answer, youtube.about())}))
    options = fetch.Options(retries=0)
    with pytest.raises(MediaError) as error:
        fetch.fetch(f"{youtube.HOST}/watch?v={VIDEO}", tmp_path, max_height=720, options=options)
    assert "/youtubei/v1/player" in site.asked
    assert error.value.code == code
    assert advice in error.value.next_step


def test_a_video_of_seven_hours_is_refused_before_a_byte_of_it_is_asked_for(serve, tmp_path):
    player = youtube.playable("An endless session", seconds=7 * 3600)
    site = serve(YouTube(videos={VIDEO: (player, youtube.about())}))
    with pytest.raises(MediaError) as error:
        fetch.fetch(f"{youtube.HOST}/watch?v={VIDEO}", tmp_path, max_height=720)
    assert error.value.code == "too_long"
    assert "--max-hours" in error.value.next_step
    assert "/videoplayback" not in site.asked
    # With room for it the download begins, and ends for want of a film here.
    options = fetch.Options(max_hours=7.0, retries=0)
    with pytest.raises(MediaError) as error:
        fetch.fetch(f"{youtube.HOST}/watch?v={VIDEO}", tmp_path, max_height=720, options=options)
    assert error.value.code != "too_long" and "/videoplayback" in site.asked


# --- collecting ----------------------------------------------------------------------------------

CREATIVE_COMMONS = "Creative Commons Attribution license (reuse allowed)"


@pytest.fixture
def clinics(serve) -> YouTube:
    """Two searches, one of two pages; the second finds one video again."""
    one, two = found("aaaaaaaaaaa", "One"), found("bbbbbbbbbbb", "Two", length="1:02:03")
    return serve(
        YouTube(
            searches={
                "cbt roleplay": [[one, {"adSlotRenderer": {}}, two], [found("ccccccccccc", "3")]],
                "dbt example": [[two]],
                "nothing": [[]],
            },
            videos={
                "aaaaaaaaaaa": (youtube.playable("One"), youtube.about(license=CREATIVE_COMMONS)),
                "bbbbbbbbbbb": (
                    youtube.playable("Two", seconds=3723, speech="de"),
                    youtube.about(date="Dec 1, 2023", channel="Another Clinic"),
                ),
                "ccccccccccc": (PRIVATE, youtube.about()),
            },
        )
    )


def test_a_search_becomes_a_manifest_with_what_each_page_states(clinics, tmp_path):
    found = collection.collect(["cbt roleplay", "dbt example", "nothing"], limit=5)
    one, two, three = found.rows
    assert one == {
        "id": "yt_aaaaaaaaaaa",
        "url": f"{youtube.HOST}/watch?v=aaaaaaaaaaa",
        "license": CREATIVE_COMMONS,
        "title": "One",
        "duration_s": "402",
        "uploader": "A Clinic",
        "upload_date": "2024-02-29",
        "language": "en",
        "captions": "automatic",
        "query": "cbt roleplay",
        "rank": "1",
    }
    # YouTube names a licence only where it is not its own.
    assert (two["license"], two["language"], two["uploader"]) == ("", "de", "Another Clinic")
    assert (two["query"], two["rank"]) == ("cbt roleplay | dbt example", "2 | 1")
    assert two["upload_date"] == "2023-12-01"
    # From the second page of the search; its own page says no, the list still named it.
    assert (three["title"], three["rank"], three["language"]) == ("3", "3", "")
    assert len(found.troubles) == 1 and "private" in found.troubles[0]
    assert "/videoplayback" not in clinics.asked  # no media
    path = tmp_path / "candidates.csv"
    path.write_text(found.to_csv(), encoding="utf-8")
    read = manifest.read(path)
    assert not read.problems and [row.id for row in read.rows] == [r["id"] for r in found.rows]


def test_the_limit_is_held_and_without_details_only_the_search_is_asked(clinics):
    found = collection.collect(["cbt roleplay"], limit=2, details=False)
    assert [row["duration_s"] for row in found.rows] == ["402", "3723"]
    assert [path for path in clinics.asked if path] == ["/youtubei/v1/search"]


def test_a_search_that_is_refused_is_said_and_costs_only_itself(clinics):
    del clinics.searches["cbt roleplay"]  # as if the network failed: the answer is an error
    found = collection.collect(["cbt roleplay", "dbt example"], limit=5, details=False)
    assert [row["id"] for row in found.rows] == ["yt_bbbbbbbbbbb"]
    assert len(found.troubles) == 1 and "query 'cbt roleplay'" in found.troubles[0]


# --- the JavaScript runtime ----------------------------------------------------------------------


def program(folder: Path, name: str, says: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_programs(tmp_path, monkeypatch) -> Path:
    """Return a folder that is the only place where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "elsewhere" / "python"))
    return tmp_path


def test_runtimes_are_found_with_their_versions_and_handed_to_the_downloader(no_programs):
    # yt-dlp 2026: deno from 2.3, node from 22.
    assert fetch.runtimes() == []
    program(no_programs, "deno", "deno 2.9.8 (stable, release, x86_64-unknown-linux-gnu)")
    node = program(no_programs, "node", "v18.0.0")
    found = {r.name: r.supported for r in fetch.runtimes()}
    assert found == {"deno": True, "node": False}
    assert fetch.quiet_options()["js_runtimes"]["node"] == {"path": str(node)}


def test_the_extra_brings_a_runtime_that_the_downloader_runs(tmp_path, monkeypatch):
    import yt_dlp
    from yt_dlp.extractor.youtube.jsc._builtin.ejs import ScriptSource
    from yt_dlp.extractor.youtube.jsc._director import initialize_jsc_director

    monkeypatch.setenv("PATH", str(tmp_path))  # nothing there: only what lies beside this Python
    monkeypatch.setenv("DENO_DIR", str(tmp_path))
    with yt_dlp.YoutubeDL(fetch.quiet_options()) as client:  # pyright: ignore[reportArgumentType]
        director = initialize_jsc_director(client.get_info_extractor("Youtube"))
        solver = director.providers["Deno"]
        assert solver.is_available()
        # Scripts of the package, of a version and with a hash that this yt-dlp takes.
        assert solver._lib_script.source is ScriptSource.PYPACKAGE
        assert solver._core_script.source is ScriptSource.PYPACKAGE
        script = f"{solver._lib_script.code}\nObject.assign(globalThis, lib);\n"
        script += f"{solver._core_script.code}\nconsole.log(typeof jsc, 6 * 7);"
        assert solver._run_js_runtime(script).split() == ["function", "42"]


def test_doctor_finds_what_the_extra_brings(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = checks.javascript()
    assert finding.state == "ok"
    assert re.search(r"deno \d+\.\d+.*; yt-dlp-ejs \d", finding.found)


def test_doctor_names_the_extra_when_something_is_missing(no_programs, monkeypatch):
    finding = checks.javascript()
    assert (finding.state, finding.found.partition(";")[0]) == ("note", "no runtime")
    assert 'pip install "emodiss[youtube]"' in finding.next_step
    program(no_programs, "node", "v18.0.0")
    assert "node 18.0.0 (too old)" in checks.javascript().found
    monkeypatch.setattr(fetch, "challenge_scripts", lambda: (None, "0.8.0"))
    finding = checks.javascript()
    assert "no package yt-dlp-ejs" in finding.found and "emodiss[youtube]" in finding.next_step


def test_doctor_tells_scripts_that_do_not_fit_the_downloader(no_programs, monkeypatch):
    program(no_programs, "deno", "deno 2.9.8 (stable, release, x86_64-unknown-linux-gnu)")
    installed, wanted = fetch.challenge_scripts()
    assert installed is not None and wanted is not None
    # What yt-dlp's own source asks for, read apart from the metadata that `wanted` comes from.
    from yt_dlp.extractor.youtube.jsc._builtin.vendor import VERSION

    assert wanted == VERSION
    monkeypatch.setattr(fetch, "challenge_scripts", lambda: ("0.3.1", wanted))
    finding = checks.javascript()
    own = importlib.metadata.version("yt-dlp")
    assert finding.state == "note" and f"0.3.1 does not fit yt-dlp {own}" in finding.found
    assert f'"yt-dlp-ejs=={wanted}"' in finding.next_step
    # A last number of its own is taken: yt-dlp compares the first two.
    first_two = ".".join(wanted.split(".")[:2])
    monkeypatch.setattr(fetch, "challenge_scripts", lambda: (f"{first_two}.99", wanted))
    assert checks.javascript().state == "ok"
