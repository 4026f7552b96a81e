"""emodiss: measure emotional dissonance between voice and face in conversations.

The public names are attached lazily: importing the package costs nothing, and what a name needs
is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from emodiss import (
        affect as affect,
        chat as chat,
        corpus as corpus,
        demo as demo,
        dissonance as dissonance,
        exports as exports,
        faces as faces,
        interventions as interventions,
        judging as judging,
        manifest as manifest,
        media as media,
        models as models,
        people as people,
        plots as plots,
        prompts as prompts,
        ratings as ratings,
        reviews as reviews,
        settings as settings,
        statistics as statistics,
        study as study,
        timebase as timebase,
        tracks as tracks,
        transcript as transcript,
        utterances as utterances,
    )
    from emodiss.errors import EmodissError as EmodissError
    from emodiss.runs.annotate import annotate as annotate, plan as plan, resume as resume
    from emodiss.runs.run import Run as Run, load as load
    from emodiss.runs.session import Session as Session

_MODULES = (
    "affect",
    "chat",
    "corpus",
    "demo",
    "dissonance",
    "exports",
    "faces",
    "interventions",
    "judging",
    "manifest",
    "media",
    "models",
    "people",
    "plots",
    "prompts",
    "ratings",
    "reviews",
    "settings",
    "statistics",
    "study",
    "timebase",
    "tracks",
    "transcript",
    "utterances",
)

_NAMES = {
    "EmodissError": "emodiss.errors",
    "Run": "emodiss.runs.run",
    "Session": "emodiss.runs.session",
    "annotate": "emodiss.runs.annotate",
    "load": "emodiss.runs.run",
    "plan": "emodiss.runs.annotate",
    "resume": "emodiss.runs.annotate",
}

__all__ = ["__version__", *_MODULES, *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"emodiss.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'emodiss' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
