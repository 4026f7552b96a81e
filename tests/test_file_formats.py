"""Every example in the guide to file formats is read by the reader of its format."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import emodiss
from emodiss import judging, manifest, ratings, transcript
from emodiss.chat.ledger import read_prices
from emodiss.clients import pairing
from emodiss.corpus import curation
from emodiss.interventions import redaction
from emodiss.prompts import load_template
from emodiss.ratings.pairs import read_pairs
from emodiss.transcript.tables import NAMES

GUIDE = Path(emodiss.__file__).parent / "guides" / "file_formats.md"
_EXAMPLE = re.compile(r"^### `([^`]+)`\n(?:(?!```|#)[^\n]*\n)+?```\w*\n(.*?)^```$", re.M | re.S)
EXAMPLES = dict(_EXAMPLE.findall(GUIDE.read_text()))


def _talk(path: Path) -> tuple[list[str], list[float]]:
    found, problems = transcript.read_report(path)
    assert not problems
    return [u.speaker for u in found], [u.start for u in found]


def _manifest(path: Path) -> object:
    return [row.id for row in manifest.read(path, allow_local=True).rows]


def _rated(path: Path) -> object:
    return ratings.read(path)["value"].fillna(0).tolist()


def _background(path: Path) -> object:
    counted = ratings.background(pd.read_csv(path))
    return sorted(counted["question"].unique())


def _condition(path: Path) -> object:
    template = load_template(path)
    return template.condition, template.own


READERS: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "manifest.csv": (_manifest, ["s01", "s02"]),
    "talk.vtt": (_talk, (["Ana Ruiz", "Bo"], [0.5, 2.2])),
    "talk.srt": (_talk, (["Ana Ruiz", "Bo", "Ana Ruiz"], [0.5, 2.2, 5.5])),
    "talk.stm": (_talk, (["Ana", "Bo"], [0.5, 2.2])),
    "talk.csv": (_talk, (["Ana Ruiz", "Bo"], [0.5, 2.2])),
    "talk.json": (_talk, (["Ana", "Bo"], [0.5, 2.2])),
    "talk.json3": (lambda path: _talk(path)[1], [0.5, 2.2]),
    "decisions.csv": (lambda path: sorted(curation.read_overrules(path)), ["s01", "s02"]),
    "curious.jinja": (_condition, ("curious", True)),
    "warmth.txt": (lambda path: judging.criterion(path).name, "warmth"),
    "names.txt": (lambda path: len(redaction.read_names(path.read_text())), 2),
    "prices.json": (lambda path: "our-model" in str(read_prices(path)), True),
    "ratings.csv": (_rated, [4, 0, 5]),
    "background.csv": (
        _background,
        ["cbt_training", "degree", "importance_of_empathy", "orientation"],
    ),
    "comparisons.csv": (lambda path: len(read_pairs(path)), 2),
    "scores.csv": (lambda path: judging.read_scores(path)["score"].notna().tolist(), [True, False]),
    "faces.csv": (lambda path: len(pairing.read_faces(path)), 1),
}


def test_every_example_has_a_reader():
    assert sorted(EXAMPLES) == sorted(READERS)


@pytest.mark.parametrize("name", READERS)
def test_an_example_is_read(name, tmp_path):
    path = tmp_path / name
    path.write_text(EXAMPLES[name])
    if name == "manifest.csv":
        for medium in ("videos/s01.mp4", "videos/s02.mp4", "transcripts/s01.vtt"):
            (tmp_path / medium).parent.mkdir(exist_ok=True)
            (tmp_path / medium).write_text("x")
    if name == "faces.csv":
        (tmp_path / "nora.png").write_bytes(b"x")
    read, expected = READERS[name]
    assert read(path) == expected


def test_the_guide_lists_every_column_of_a_transcript():
    listed = GUIDE.read_text().partition("## Every column")[2]
    for names in NAMES.values():
        assert all(f"`{name}`" in listed for name in names)
