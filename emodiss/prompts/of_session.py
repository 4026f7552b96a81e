"""The prompts stage: all four conditions for one session of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from emodiss.prompts import PromptError, build_all


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts of one session.

    Parameters
    ----------
    prompts
        As `Prompt.to_dict` gives them.
    without
        Why there are none; empty when there are.
    """

    prompts: tuple[dict[str, Any], ...]
    without: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("no_prompts",) if self.without else ()


def write(*, utterances: pd.DataFrame, settings: Any) -> PromptSet:
    """Render the prompts of one session.

    Parameters
    ----------
    utterances
        Utterance table of the session.
    settings
        Group `prompts`.

    Returns
    -------
    PromptSet
        Four prompts per window. A session that cannot be asked about (nobody transcribed it, no
        patient is known) is no failure of the measurement: it has none, and says why.
    """
    try:
        prompts = build_all(utterances, window=settings.window, every=settings.every)
    except PromptError as error:
        return PromptSet((), without=str(error))
    return PromptSet(tuple(prompt.to_dict() for prompt in prompts))
