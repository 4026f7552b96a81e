"""How often speakers take turns, in four readings.

Paper A gives "2.8 turns" per session and calls them exchanges. Sessions of the same length in
another corpus have 73, so several readings are counted side by side (research decision A7).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emodiss.settings import PromptsSettings


def turn_counts(
    table: pd.DataFrame,
    *,
    videos: Iterable[str] | None = None,
    window: int | None = PromptsSettings().window,
) -> pd.DataFrame:
    """Count turns per session, in four readings.

    Parameters
    ----------
    table
        Utterance table: video_id, start, speaker, role; with a column text, only utterances with
        text can be in a prompt window.
    videos
        Sessions to count; default is those of the table. One without utterances has 0 of them.
    window
        Utterances in a prompt; None for all.

    Returns
    -------
    DataFrame
        Indexed by video_id, float64:

        - utterances;
        - speaker_blocks: stretches of utterances by one speaker;
        - exchanges: blocks of the therapist that a block of the patient follows at once. NaN
          unless the session has both roles;
        - exchanges_in_window: exchanges among the last `window` utterances up to and including
          the patient's last one, which is what a prompt shows. NaN unless the session has both
          roles.
    """
    order = list(dict.fromkeys(table["video_id"] if videos is None else videos))
    position = pd.Index(order)
    codes = position.get_indexer(pd.Index(table["video_id"]))
    keep = codes >= 0
    table, codes = table[keep], codes[keep]
    sorting = np.lexsort((table["start"].to_numpy(np.float64), codes))
    table, codes = table.iloc[sorting], codes[sorting]
    n = len(order)
    first = np.ones(len(codes), dtype=bool)
    first[1:] = codes[1:] != codes[:-1]
    speaker = pd.factorize(table["speaker"])[0]
    role = pd.Categorical(table["role"], categories=["therapist", "patient"]).codes
    is_therapist, is_patient = role == 0, role == 1
    has_both = (np.bincount(codes[is_therapist], minlength=n) > 0) & (
        np.bincount(codes[is_patient], minlength=n) > 0
    )

    exchanges = _exchanges(codes, role, n)
    shown = _in_window(table, codes, is_patient, window or len(table))
    in_window = _exchanges(codes[shown], role[shown], n)
    return pd.DataFrame(
        {
            "utterances": np.bincount(codes, minlength=n).astype(np.float64),
            "speaker_blocks": np.bincount(
                codes[first | np.r_[True, speaker[1:] != speaker[:-1]][: len(codes)]], minlength=n
            ).astype(np.float64),
            "exchanges": np.where(has_both, exchanges, np.nan),
            "exchanges_in_window": np.where(has_both, in_window, np.nan),
        },
        index=pd.Index(order, name="video_id"),
    )


def _exchanges(codes: NDArray[np.int64], role: NDArray[np.int8], n: int) -> NDArray[np.int64]:
    """Therapist utterances that are followed at once by the patient's, per session."""
    at = (role[:-1] == 0) & (role[1:] == 1) & (codes[1:] == codes[:-1])
    return np.bincount(codes[:-1][at], minlength=n)


def _in_window(
    table: pd.DataFrame, codes: NDArray[np.int64], is_patient: NDArray[np.bool_], window: int
) -> NDArray[np.int64]:
    """Positions of the utterances that the last prompt window of each session shows."""
    written = np.ones(len(codes), dtype=bool)
    if "text" in table:
        written = (table["text"].fillna("").str.strip().str.len() > 0).to_numpy(bool)
    rows = np.flatnonzero(written)
    if not len(rows):
        return rows
    mine, patient = codes[rows], is_patient[rows]
    place = np.arange(len(rows))
    # The place of the patient's last utterance, per session; -1 where there is none.
    last = np.full(int(mine.max()) + 1, -1)
    np.maximum.at(last, mine[patient], place[patient])
    end = last[mine]
    return rows[(end >= 0) & (place <= end) & (place > end - window)]
