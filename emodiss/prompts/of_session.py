"""The prompts stage: all conditions for one session of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from emodiss.prompts import KINDS, PromptError, build_all
from emodiss.settings import PromptsSettings


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts of one session."""

    # As `Prompt.to_dict` gives them.
    prompts: tuple[dict[str, Any], ...]
    # Why there are none; empty when there are.
    without: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        return ("no_prompts",) if self.without else ()


def write(*, utterances: pd.DataFrame, settings: PromptsSettings) -> PromptSet:
    """Render the prompts of one session."""
    try:
        prompts = build_all(utterances, [*KINDS, *settings.templates], options=settings)
    except PromptError as error:
        if error.code == "prompt_template":  # the fault of no session
            raise
        return PromptSet((), without=str(error))
    return PromptSet(tuple(prompt.to_dict() for prompt in prompts))
