"""What the flags of a table amount to: beside chance, and after each channel is centred.

Two models of different make differ by a constant: one hears calm where the other sees sadness. The
flags of such a pair are many and say nothing. Two comparisons tell: the rate after re-pairing
voices and faces, and the rate after each channel was centred within speaker and session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emodiss.dissonance.chance import NULL_WORDS, Chance, Null, chance_of
from emodiss.dissonance.columns import Columns
from emodiss.dissonance.rules import EQUATION_1, scores_of, sides, threshold_of
from emodiss.settings import DissonanceSettings

if TYPE_CHECKING:
    import pandas as pd

_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Overview:
    """Flag rate, chance rate, and both after centring.

    Parameters
    ----------
    n, n_determined, n_flagged
        Utterances; those with both channels; those past the threshold.
    threshold
        T in use; NaN for a quantile of nothing.
    chance
        What re-pairing gives.
    n_centred, n_flagged_centred
        Determined and flagged ones after each channel's mean was taken out per speaker and
        session; 0 where the rule does so anyway, or has a quantile for a threshold.
    chance_centred
        What re-pairing gives then; None where there is nothing.
    """

    n: int
    n_determined: int
    n_flagged: int
    threshold: float
    chance: Chance
    n_centred: int
    n_flagged_centred: int
    chance_centred: Chance | None

    @property
    def rate(self) -> float:
        """Share of the determined utterances that is flagged; NaN without any."""
        return self.n_flagged / self.n_determined if self.n_determined else float("nan")

    @property
    def rate_centred(self) -> float:
        """The same after centring; NaN without any."""
        return self.n_flagged_centred / self.n_centred if self.n_centred else float("nan")

    def in_words(self) -> str:
        """Say all of it, and what it means, in sentences."""
        return " ".join(self.sentences())

    def sentences(self) -> list[str]:
        """Say the flag rate, chance and what centring leaves: a sentence each."""
        if not self.n_determined:
            return [f"{self.n:,} utterances, none of which can be determined."]
        said = [
            f"{self.n_flagged:,} of {self.n_determined:,} utterances dissonant at "
            f"T = {self.threshold:.3g} ({self.rate:.1%}), "
            f"{self.n - self.n_determined:,} undetermined.",
            self._against_chance(),
            self._after_centring(),
        ]
        return [sentence for sentence in said if sentence]

    def _against_chance(self) -> str:
        found = self.chance
        if not np.isfinite(found.null_rate):
            return "Nobody has two utterances to pair, so chance could not be estimated."
        if found.p_value > _LEVEL:
            meaning = "chance may have made these flags, which say nothing about moments"
        elif found.rate > found.null_rate:
            meaning = "voice and face differ more often than by chance"
        else:
            meaning = "voice and face differ less often than by chance"
        text = (
            f"By chance {found.null_rate:.1%} would be ({NULL_WORDS[found.null]}; 95 % of "
            f"re-pairings {found.low:.1%} to {found.high:.1%}, p = {found.p_value:.3f}): {meaning}"
        )
        return f"{text} ({found.note})." if found.note else f"{text}."

    def _after_centring(self) -> str:
        if self.chance_centred is None:
            return ""
        if not self.n_centred:
            return (
                "Centring voice and face within each speaker needs three determined utterances "
                "of one."
            )
        text = (
            f"With voice and face centred within each speaker and session {self.rate_centred:.1%} "
            f"of {self.n_centred:,} are"
        )
        by_chance = self.chance_centred.null_rate
        if np.isfinite(by_chance):
            text += f", by chance {by_chance:.1%}"
        if self.rate_centred < self.rate / 2:
            text += "; so most flags come from a constant difference between the two models"
        return text + "."


def overview(
    table: pd.DataFrame | Columns,
    rule: DissonanceSettings = EQUATION_1,
    *,
    null: Null = "shift",
    n_pairings: int = 1000,
    seed: int = 0,
) -> Overview:
    """Put flag rate, chance rate and the rates after centring together.

    Parameters
    ----------
    table
        Utterance table.
    rule
        Default is Equation 1 with T = 0.5.
    """
    columns = Columns.of(table)
    compared = sides(columns, rule)
    scores = scores_of(compared)
    threshold = threshold_of(scores, rule)
    by_chance = chance_of(columns, compared, threshold, null=null, n_pairings=n_pairings, seed=seed)
    n_centred = n_flagged_centred = 0
    chance_centred = None
    if rule.baseline == "none" and rule.quantile is None:
        centred = sides(columns, rule.changed(baseline="shift"))
        scores_centred = scores_of(centred)
        n_centred = int(np.isfinite(scores_centred).sum())
        n_flagged_centred = int((scores_centred > threshold).sum())
        chance_centred = chance_of(
            columns, centred, threshold, null=null, n_pairings=n_pairings, seed=seed
        )
    return Overview(
        n=columns.n,
        n_determined=int(np.isfinite(scores).sum()),
        n_flagged=int((scores > threshold).sum()),
        threshold=threshold if columns.n else rule.threshold,
        chance=by_chance,
        n_centred=n_centred,
        n_flagged_centred=n_flagged_centred,
        chance_centred=chance_centred,
    )
