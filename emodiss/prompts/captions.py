"""Captions: what a face showed during an utterance, in a few words on one line."""

from __future__ import annotations

import math
import re

from emodiss.prompts.session import clean

MAX_WORDS = 40


def caption(text: object) -> str:
    """Bring what a model said of a face onto one line of at most 40 words.

    Brackets become commas, so that no caption can end the place it is printed in; missing values
    give an empty text.
    """
    line = re.sub(r" ?[()\[\]{}]+ ?", ", ", clean(text)).strip(" ,:")
    words = re.sub(r"(?:, )+(?=,)|,(?=[.;:!?])", "", line).split()
    return " ".join(words[:MAX_WORDS])


def measured_caption(label: str | None, valence: float, arousal: float) -> str:
    """Say in words what emodiss measured of a face; empty if it measured nothing.

    Parameters
    ----------
    label
        Expression label.
    valence, arousal
        In [-1, 1]; NaN where nothing was measured.
    """
    numbers = {"valence": valence, "arousal": arousal}
    parts = [f"{n} {v:+z.2f}" for n, v in numbers.items() if math.isfinite(v)]
    return ", ".join([*([label] if label else []), *parts])
