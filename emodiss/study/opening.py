"""Opening the models that a run is asked with: its cache, and the catalog's language models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from emodiss.chat.endpoint import Endpoint, Ready, Rendering
from emodiss.models import catalog
from emodiss.runs import layout
from emodiss.runs.run import Run
from emodiss.settings import Settings

Say = Callable[[str], object] | None


def opened(models: Endpoint, run: Run, say: Say) -> AbstractContextManager[Ready]:
    """Open models on one bill; answers are kept in the run folder if nothing else is said."""
    return models.ready(run.root / layout.CHAT_CACHE, catalogued=catalogued(say), say=say)


def catalogued(say: Say) -> Mapping[str, Callable[[str], Rendering]]:
    """Language models of the catalog by name, each to be opened on a device."""

    def opener(name: str) -> Callable[[str], Rendering]:
        def load(device: str) -> Rendering:
            if say is not None:
                say(f"{name}: {catalog.entry_of(name).what}.")
            return catalog.load(name, Settings(), device=device)

        return load

    return {e.name: opener(e.name) for e in catalog.cards().values() if e.task == "chat"}
