"""Blind rating studies: cross windows with models and conditions, and deal them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
import pandas as pd

from emodiss.ratings.schema import COLUMNS, CRITERIA, LIKERT, RatingScale, RatingsError
from emodiss.ratings.windows import HIDDEN, draw, named_windows

# No vowels and no look-alikes: codes spell no words and survive being read aloud.
_ALPHABET = np.array(list("23456789BCDFGHJKMNPQRSTVWXZ"))
_CODE_LENGTH = 6
_SHOWN = ("start", "end", "transcript", "technique", "response")


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A blind study, ready to hand out.

    Parameters
    ----------
    items
        What may be shown, one row per code: item, video, and those of start, end, transcript,
        technique, response that the source had. Sorted by code, which is random.
    key
        What must stay hidden, one row per code: item (the code), repeat_of (the
        code of the first showing), repeat (0 or 1), video, window, model, condition, and flagged
        where the source had it.
    sheets
        Per rater, in that rater's order: study, rater, rater_group, position, what may be
        shown, and one empty column per criterion.
    design
        How it was drawn: the arguments of `build_study`, so that the same responses give the same
        study again.
    notes
        What a reader must know about the draw.
    """

    name: str
    items: pd.DataFrame
    key: pd.DataFrame
    sheets: Mapping[str, pd.DataFrame]
    criteria: tuple[str, ...]
    scale: RatingScale
    design: Mapping[str, Any]
    notes: tuple[str, ...]


def build_study(
    windows: pd.DataFrame,
    *,
    models: Sequence[str],
    conditions: Sequence[str],
    raters: Sequence[str] | Mapping[str, str],
    n_windows: int | None = None,
    seed: int = 0,
    repeats: float = 0.05,
    name: str = "study",
    criteria: Sequence[str] = CRITERIA,
    scale: RatingScale = LIKERT,
    n_length_bins: int = 3,
    flagged_share: float | None = None,
    max_per_video: int = 1,
    raters_per_window: int | None = None,
    order: Literal["random", "window"] = "random",
) -> Study:
    """Draw windows and deal them out blind, in a random order per rater.

    The draw is seeded and stratified by window length and by whether the window holds a flag
    (research decision A22), in proportion to how common each stratum is unless `flagged_share`
    says otherwise. Two calls with the same arguments give the same study.

    Parameters
    ----------
    windows
        One row per window, or one row per response. Columns: video (or video_id); window (an
        id; if absent, video with start and end or with the row's prompt). Optional: start and
        end in seconds, or length, used for the length strata; flagged (true where the window
        holds a dissonant utterance). With the columns model and condition each row is one
        response, usually with technique and response; every drawn window must then have one
        row for every model and condition asked for. Without them the crossing is made here.
    raters
        Codes of the raters, or code to group.
    n_windows
        How many windows to draw. None draws 100, as in the paper, or all where fewer qualify.
    repeats
        Share of a rater's items shown a second time for intra-rater agreement, in [0, 0.5].
        Repeats carry a code of their own, so that they cannot be recognised by it, and come in
        the last quarter of the order for items from the first half.
    n_length_bins
        Number of equally filled length strata.
    flagged_share
        Wanted share of flagged windows in [0, 1]; 1 takes flagged windows only, so that the
        dissonance prompt always differs from the base prompt (decision A12).
    max_per_video
        Largest number of windows from one video; 1 keeps windows independent.
    raters_per_window
        How many raters see each window; None means all. Loads differ by at most one window, every
        two raters share about equally many, and a rater always sees all responses of a window.
    order
        `random` shuffles all items; `window` shuffles windows and the responses inside each,
        so that a clip is watched once.

    Raises
    ------
    RatingsError
        If columns are missing, names repeat, too few windows qualify, or a response is missing
        for a drawn window (all missing ones are counted, the first is named).
    """
    groups = dict(raters) if isinstance(raters, Mapping) else dict.fromkeys(raters, "")
    _check_request(
        models, conditions, raters, criteria, n_windows, repeats, flagged_share, raters_per_window
    )
    if max_per_video < 1 or n_length_bins < 1:
        raise RatingsError("max_per_video and n_length_bins must be 1 or more.")
    if order not in ("random", "window"):
        raise RatingsError(f"Unknown order '{order}'.", next_step="Choices: random, window.")
    source = named_windows(windows)
    rng = np.random.default_rng(seed)
    said: list[str] = []
    drawn = draw(source, n_windows, n_length_bins, flagged_share, max_per_video, rng, said)
    crossed = _cross(source, drawn, models, conditions)
    _check_blind(crossed, said)
    n_items = len(crossed)
    # Every item gets a second code in reserve; only repeats that are dealt use theirs.
    codes = codes_for(2 * n_items, rng)
    crossed = crossed.assign(item=codes[:n_items])
    window_ids = list(dict.fromkeys(crossed["window"]))
    seen_by = _assign(window_ids, list(groups), raters_per_window, rng)
    orders: dict[str, list[tuple[int, int]]] = {}
    for rater in groups:
        mine = np.flatnonzero(crossed["window"].isin(seen_by[rater]).to_numpy())
        orders[rater] = _order(mine, crossed["window"].to_numpy(), order, repeats, rng)
    repeated = sorted({row for dealt in orders.values() for row, repeat in dealt if repeat})
    key = _key(crossed, codes, repeated)
    shown = [column for column in _SHOWN if column in crossed.columns]
    items = pd.concat(
        [crossed, crossed.iloc[repeated].assign(item=codes[n_items:][repeated])],
        ignore_index=True,
    )[["item", "video", *shown]].sort_values("item", ignore_index=True)
    sheets = {
        rater: _sheet(rater, groups[rater], dealt, crossed, codes, name, shown, criteria)
        for rater, dealt in orders.items()
    }
    return Study(
        name=name,
        items=items,
        key=key,
        sheets=sheets,
        criteria=tuple(criteria),
        scale=scale,
        design={
            "seed": seed,
            "models": list(models),
            "conditions": list(conditions),
            "raters": groups,
            "n_windows": len(drawn),
            "repeats": repeats,
            "n_length_bins": n_length_bins,
            "flagged_share": flagged_share,
            "max_per_video": max_per_video,
            "raters_per_window": raters_per_window,
            "order": order,
        },
        notes=tuple(said),
    )


def _check_request(
    models: Sequence[str],
    conditions: Sequence[str],
    raters: Sequence[str] | Mapping[str, str],
    criteria: Sequence[str],
    n_windows: int | None,
    repeats: float,
    flagged_share: float | None,
    raters_per_window: int | None,
) -> None:
    for what, names in (
        ("models", models),
        ("conditions", conditions),
        ("raters", list(raters)),
        ("criteria", criteria),
    ):
        if isinstance(names, str) or not names or len(set(names)) != len(names):
            raise RatingsError(f"{what} must be a list of distinct names; got {names!r}.")
    if n_windows is not None and n_windows < 1:
        raise RatingsError(f"n_windows is {n_windows}; 1 or more was expected.")
    if not 0 <= repeats <= 0.5:
        raise RatingsError(f"repeats is {repeats}; a share from 0 to 0.5 was expected.")
    if flagged_share is not None and not 0 <= flagged_share <= 1:
        raise RatingsError(f"flagged_share is {flagged_share}; 0 to 1 was expected.")
    if raters_per_window is not None and not 1 <= raters_per_window <= len(raters):
        raise RatingsError(
            f"raters_per_window is {raters_per_window}; 1 to {len(raters)} was expected."
        )
    clash = set(criteria) & {column.name for column in COLUMNS}
    if clash:
        raise RatingsError(f"A criterion cannot be called {', '.join(sorted(clash))}.")


def _cross(
    source: pd.DataFrame, drawn: list[str], models: Sequence[str], conditions: Sequence[str]
) -> pd.DataFrame:
    design = pd.DataFrame(
        [(w, m, c) for w in drawn for m in models for c in conditions],
        columns=pd.Index(["window", *HIDDEN]),
    )
    if "model" not in source.columns:
        return design.merge(source.drop_duplicates("window"), on="window", how="left")
    crossed = design.merge(
        source, on=["window", *HIDDEN], how="left", indicator=True, validate="1:1"
    )
    missing = crossed["_merge"] == "left_only"
    if missing.any():
        row = crossed.loc[missing].iloc[0]
        raise RatingsError(
            f"{int(missing.sum())} response(s) are missing, the first for window "
            f"{row['window']}, model {row['model']}, condition {row['condition']}.",
            next_step="Generate them, or leave that model or condition out of the study.",
        )
    return crossed.drop(columns="_merge")


def _check_blind(crossed: pd.DataFrame, said: list[str]) -> None:
    """Refuse what would tell model or condition apart; count what might."""
    for name in ("start", "end", "transcript"):
        if name in crossed.columns:
            texts = crossed.groupby("window")[name].nunique(dropna=False)
            if (texts > 1).any():
                raise RatingsError(
                    f"{int((texts > 1).sum())} window(s), the first {texts.index[texts > 1][0]}, "
                    f"show a different {name} for different responses, which unblinds raters.",
                    next_step="Show every response beside the same plain dialogue, without labels.",
                )
    if "response" in crossed.columns:
        named = np.zeros(len(crossed), dtype=bool)
        for column, shown in product(HIDDEN, {"technique", "response"} & set(crossed.columns)):
            texts = crossed[shown].astype("str").str.lower()
            for value in crossed[column].unique():
                own = (crossed[column] == value).to_numpy()
                named |= own & texts.str.contains(str(value).lower(), regex=False, na=False)
        if named.any():
            said.append(f"Responses that name their own model or condition: {int(named.sum())}.")
        said_what = [name for name in ("technique", "response") if name in crossed.columns]
        alike = crossed.duplicated(["window", "model", *said_what]).sum()
        if alike:
            said.append(
                f"Responses that are word for word those of another condition: {int(alike)}, as in "
                "windows without a flag; sheets show them twice, the browser once. A study of "
                "flagged windows only (flagged share 1) has none."
            )


def codes_for(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n distinct codes that tell nothing about what they stand for."""
    codes: dict[str, None] = {}
    while len(codes) < n:
        letters = _ALPHABET[rng.integers(len(_ALPHABET), size=(n, _CODE_LENGTH))]
        for row in letters:
            codes["".join(row)] = None
    return np.array(list(codes)[:n], dtype=object)


def _assign(
    windows: list[str], raters: list[str], per_window: int | None, rng: np.random.Generator
) -> dict[str, set[str]]:
    per_window = len(raters) if per_window is None else per_window
    seats = [raters[i] for i in rng.permutation(len(raters))]
    seen: dict[str, set[str]] = {rater: set() for rater in raters}
    # Who has fewest windows goes first; among these, who has met the others of this window least:
    # loads differ by at most one, and every two raters share about as many windows as any other.
    met = dict.fromkeys(combinations(sorted(raters), 2), 0)
    for window in windows:
        chosen: list[str] = []
        for _ in range(per_window):
            open_ = [rater for rater in seats if rater not in chosen]
            least = min(
                open_,
                key=lambda rater: (
                    len(seen[rater]),
                    sum(met[min(rater, other), max(rater, other)] for other in chosen),
                ),
            )
            chosen.append(least)
        for rater in chosen:
            seen[rater].add(window)
        for pair in combinations(sorted(chosen), 2):
            met[pair] += 1
    return seen


def _order(
    rows: np.ndarray, window: np.ndarray, how: str, repeats: float, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """One rater's order as (row of the crossing, 0 or 1 for the repeat)."""
    shuffled = rng.permutation(rows)
    if how == "window":
        place = {w: i for i, w in enumerate(rng.permutation(np.unique(window[rows])))}
        shuffled = np.array(sorted(shuffled, key=lambda row: place[window[row]]), dtype=np.int64)
    dealt = [(int(row), 0) for row in shuffled]
    n_repeats = min(round(repeats * len(dealt)), len(dealt) // 2)
    if n_repeats:
        again = rng.choice(len(dealt) // 2, size=n_repeats, replace=False)
        # From the first half into the last quarter: at least a quarter of the items in between.
        spots = np.sort(rng.integers(3 * len(dealt) // 4, len(dealt) + 1, size=n_repeats))
        for shift, (spot, pick) in enumerate(zip(spots, again, strict=True)):
            dealt.insert(int(spot) + shift, (int(shuffled[pick]), 1))
    return dealt


def _key(crossed: pd.DataFrame, codes: np.ndarray, repeated: list[int]) -> pd.DataFrame:
    columns = ["item", "video", "window", *HIDDEN]
    columns += [name for name in ("flagged",) if name in crossed.columns]
    first = crossed[columns].assign(repeat_of=crossed["item"], repeat=0)
    second = crossed.iloc[repeated][columns].assign(
        repeat_of=crossed["item"].iloc[repeated], repeat=1
    )
    second["item"] = codes[len(crossed) :][repeated]
    return pd.concat([first, second]).sort_values("item", ignore_index=True)


def _sheet(
    rater: str,
    group: str,
    dealt: list[tuple[int, int]],
    crossed: pd.DataFrame,
    codes: np.ndarray,
    study: str,
    shown: list[str],
    criteria: Sequence[str],
) -> pd.DataFrame:
    rows = [row for row, _ in dealt]
    sheet = crossed.iloc[rows][["video", *shown]].reset_index(drop=True)
    sheet.insert(0, "item", [codes[row + repeat * len(crossed)] for row, repeat in dealt])
    sheet.insert(0, "position", np.arange(1, len(rows) + 1))
    sheet.insert(0, "rater_group", group)
    sheet.insert(0, "rater", rater)
    sheet.insert(0, "study", study)
    for criterion in criteria:
        sheet[criterion] = np.nan
    return sheet
