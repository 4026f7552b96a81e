"""A rating study in the browser: open it, serve it, photograph a page of it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emodiss.errors import RunError
from emodiss.ratings.handout import Handout, open_study
from emodiss.ratings.instrument import CONSENT, INSTRUCTIONS, own_text, shipped
from emodiss.study import answers
from emodiss.web.database import Database
from emodiss.web.rating import RatingSite
from emodiss.web.researcher import ResearcherSite
from emodiss.web.server import LOOPBACK, address_of, bind, hosts_of, serve
from emodiss.web.site import build_app

if TYPE_CHECKING:
    from emodiss.runs.run import Run
    from emodiss.web.safety import Guard, Limits


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a served study is found; each address is a secret of whom it belongs to."""

    researcher: str
    raters: Mapping[str, str]


def clips_of(handout: Handout, run: Run | None) -> dict[str, Path | None]:
    """Find the recordings of a study's videos, those that the run measured and no others."""
    videos = sorted({row["video"] for row in handout.shown.values() if row.get("video")})
    if run is None:
        return dict.fromkeys(videos)
    found = run.media_files(videos)
    return {video: found.get(video) for video in videos}


def run_of(handout: Handout, run: str | Path | None = None) -> Run | None:
    """Load the run whose clips are shown; None where a study has none."""
    from emodiss.runs.run import load

    chosen = Path(run) if run is not None else handout.run
    return None if chosen is None else load(chosen)


@contextlib.contextmanager
def opened(
    handout: Handout, clips: Mapping[str, Path | None]
) -> Generator[tuple[RatingSite, list[object]]]:
    """Open a study's answers for writing, by one server at a time; the site and its routes.

    Raises
    ------
    RunError
        If another server has it open.
    RatingsError
        If the file of answers is damaged, or a text for raters is not UTF-8.
    """
    import filelock

    for name in (CONSENT, INSTRUCTIONS):  # refused now rather than shown with holes
        own_text(handout.folder, name)
    path = handout.folder / answers.FILE
    lock = filelock.FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunError(
            f"The study '{handout.name}' is being served already.",
            next_step="Stop that server first, or use it.",
            code="locked",
        ) from None
    try:
        database = Database(path, answers.SCHEMA)
        try:
            database.now(answers.require_sound)
            site = RatingSite(handout, database, clips)
            yield site, [*site.routes(), *ResearcherSite(site).routes()]
        finally:
            database.close()
    finally:
        lock.release()


@contextlib.contextmanager
def rating_app(
    folder: str | Path,
    *,
    run: str | Path | None = None,
    host: str = LOOPBACK,
    limits: Limits | None = None,
) -> Generator[tuple[Guard, RatingSite]]:
    """Open a study as an application (ASGI), with its site."""
    handout = open_study(folder)
    clips = clips_of(handout, run_of(handout, run))
    with opened(handout, clips) as (site, routes):
        yield build_app(routes, hosts=hosts_of(host), limits=limits), site  # type: ignore[arg-type]


def consent_is_ours(folder: str | Path) -> bool:
    """Tell whether raters would agree to the shipped text instead of the researcher's own."""
    ours = (shipped(CONSENT, of_pairs=of_pairs) for of_pairs in (False, True))
    return own_text(folder, CONSENT) in (None, *ours)


def serve_study(
    folder: str | Path,
    *,
    run: str | Path | None = None,
    host: str = LOOPBACK,
    port: int = 0,
    announce: Callable[[Addresses], None] = lambda _: None,
) -> None:
    """Serve a study to its raters until Ctrl-C or SIGTERM; `announce` is told the addresses."""
    with rating_app(folder, run=run, host=host) as (app, site):
        taken = bind(host, port)
        root = address_of(taken)
        links = {rater: f"{root}/r/{code}" for rater, code in site.codes.items()}
        where = Addresses(f"{root}/a/{site.admin}", links)
        serve(app, taken, started=lambda: announce(where))


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")


def figure9(
    folder: str | Path, out: str | Path, *, run: str | Path | None = None, step: int | None = None
) -> Path:
    """Photograph the form at a step, or its first item: paper A's Figure 9. Not while served."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise RunError(
            "Figure 9 is a photograph of the page, and there is no Chromium on this machine.",
            next_step="Install chromium, or open the preview in a browser: emodiss rate STUDY.",
        )
    out = Path(out)
    with rating_app(folder, run=run) as (app, site):
        walk = next(iter(site.handout.walks.values()))
        first = next((n for n, s in enumerate(walk, start=1) if s.kind == "item"), 1)
        taken = bind()
        ready = threading.Event()
        server = threading.Thread(
            target=serve, args=(app, taken), kwargs={"started": ready.set}, daemon=True
        )
        server.start()
        ready.wait(10)
        address = f"{address_of(taken)}/a/{site.admin}/preview/{step or first}"
        with tempfile.TemporaryDirectory() as folder_of_browser:
            out.unlink(missing_ok=True)
            _photograph(browser, address, out, Path(folder_of_browser))
    if not out.is_file():
        raise RunError("The browser drew nothing.", next_step="Open the preview by hand.")
    return out


def _photograph(browser: str, address: str, out: Path, profile: Path) -> None:
    quiet = ("gpu", "background-networking", "component-update", "sync", "extensions")
    subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--no-first-run", "--hide-scrollbars"),
            *(f"--disable-{name}" for name in quiet),
            *("--mute-audio", "--autoplay-policy=no-user-gesture-required"),
            *("--window-size=1400,880", "--virtual-time-budget=4000"),
            *(f"--user-data-dir={profile}", f"--screenshot={out.resolve()}", address),
        ],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=90,
    )
