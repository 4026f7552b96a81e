"""Small invented studies, and raters who answer over HTTP."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from starlette.testclient import TestClient

from emodiss import ratings
from emodiss.ratings.handout import open_study
from emodiss.ratings.instrument import shipped
from emodiss.web.rate import opened
from emodiss.web.rating import RatingSite
from emodiss.web.safety import Limits
from emodiss.web.site import build_app

HERE = "http://127.0.0.1:8000"
MODELS = ["zephyr-x", "quokka-y"]
CONDITIONS = ["plainprompt", "moodprompt"]
FREE = Limits(per_second=1e6, burst=10**6, misses_burst=10**6)


def responses(n_videos: int = 3) -> pd.DataFrame:
    """One window per video; in the first, one model answers alike under both conditions."""
    rows = []
    for video in range(n_videos):
        for model in MODELS:
            for condition in CONDITIONS:
                same = video == 0 and model == MODELS[0]
                words = f"Reply {video} {MODELS.index(model)} " + (
                    "alike" if same else str(CONDITIONS.index(condition))
                )
                rows.append(
                    {
                        "video": f"session{video}",
                        "window": "u0000-u0001",
                        "start": 1.0,
                        "end": 2.5,
                        "transcript": f"Therapist: How was week {video}?\nPatient: <b>Long</b>.",
                        "flagged": video % 2 == 0,
                        "model": model,
                        "condition": condition,
                        "technique": "Reflective listening",
                        "response": words,
                    }
                )
    return pd.DataFrame(rows)


def write(folder: Path, *, instrument: str | None = None, **options) -> Path:
    """Write a rating study, by default of three videos, two models and two conditions."""
    chosen = {"raters": {"r1": "g1", "r2": "g2"}, "n_windows": 3, "seed": 1, "repeats": 0.0}
    study = ratings.build_study(
        responses(), models=MODELS, conditions=CONDITIONS, **{**chosen, **options}
    )
    ratings.write_study(study, folder)
    if instrument is not None:
        (folder / "instrument.toml").write_text(instrument, encoding="utf-8")
    return folder


def write_pairs(folder: Path) -> Path:
    """Write a study of pairs: two cases, two models, two raters."""
    table = pd.DataFrame(
        [
            {"case": f"c{i}", "model": model, "dialogue": f"Counselor: Hello {i} {n}\nClient: Hm."}
            for i in range(2)
            for n, model in enumerate(MODELS)
        ]
    )
    ratings.write_pairs(
        ratings.build_pairs(table, MODELS, n_cases=2, seed=0, raters=["e1", "e2"]), folder
    )
    return folder


def without_practice(text: str | None = None) -> str:
    """Take the practice items out of an instrument, so that walks are short."""
    text = shipped("instrument.toml") if text is None else text
    head, tail = text.index("# --- Practice"), text.index("# --- Attention")
    return text[:head] + text[tail:]


@contextlib.contextmanager
def served(
    folder: Path, clips: Mapping[str, Path] | None = None, limits: Limits = FREE
) -> Iterator[tuple[RatingSite, TestClient]]:
    """Open a study as an application without a socket."""
    handout = open_study(folder)
    videos = {row["video"] for row in handout.shown.values() if row.get("video")}
    with opened(handout, {video: (clips or {}).get(video) for video in videos}) as (site, routes):
        app = build_app(routes, limits=limits)
        yield site, TestClient(app, base_url=HERE, follow_redirects=True)


class Rater:
    """A rater without a browser."""

    def __init__(self, site: RatingSite, client: TestClient, name: str) -> None:
        self.site, self.client, self.name = site, client, name
        self.root = f"/r/{site.codes[name]}"
        self.page = client.get(self.root)

    def token(self) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.page.text)
        assert found, self.page.text
        return found[1]

    def post(self, path: str, **fields: object):
        self.page = self.client.post(self.root + path, data={"csrf": self.token(), **fields})
        return self.page

    def begin(self) -> Rater:
        """Consent, leave the questionnaire open, read the instructions."""
        self.post("/consent", agree="yes")
        if "/about/" in str(self.page.url):
            self.post("/about/before")
        self.post("/instructions")
        return self

    def undo(self):
        """Take back the answer that the page shown says is the latest."""
        found = re.search(r'name="latest" value="(\w*)"', self.page.text)
        return self.post("/undo", latest=found[1] if found else "")

    @property
    def n(self) -> int:
        """Number of the step that is shown."""
        return int(str(self.page.url).rpartition("/")[2])

    def answer(self, **fields: object):
        """Save the step that is shown; by default 3 everywhere."""
        form = re.search(r'name="form" value="(\w+)"', self.page.text)
        chosen = {ask.name: ask.options[2][0] for ask in self.site.handout.asks}
        sent = {**chosen, **fields}
        return self.post(f"/{self.n}", form=form[1] if form else "", **sent)
