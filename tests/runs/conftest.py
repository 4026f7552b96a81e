"""A small study: two generated videos with transcripts, and the stand-in models."""

from __future__ import annotations

from pathlib import Path

import pytest

from emodiss.models import catalog
from tests import fakes, make


@pytest.fixture
def stand_ins(monkeypatch):
    """Put the stand-in models into the catalog; the list of models loaded starts empty."""
    for name, entry in fakes.ENTRIES.items():
        monkeypatch.setitem(catalog.CATALOG, name, entry)
    fakes.LOADED.clear()
    return fakes.SETTINGS


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """Folder with a.mp4, b.mp4, transcripts and manifest.csv; nobody in it is real."""
    folder = tmp_path_factory.mktemp("study")
    for name, brightness in (("a", 90), ("b", 200)):
        make.write_media(
            folder / f"{name}.mp4",
            frames=[make.grey(brightness + i % 3) for i in range(75)],
            sound=make.tone(3.0, level=0.2),
        )
        make.write_stm(
            folder / f"{name}.stm",
            [
                ("Ada", 0.0, 1.2, "How have you been this week?"),
                ("Bo", 1.3, 2.8, "I do not know. It was a good week."),
            ],
        )
    (folder / "manifest.csv").write_text(
        "id,path,roles\na,a.mp4,Ada=therapist;Bo=patient\nb,b.mp4,Ada=therapist;Bo=patient\n"
    )
    return folder
