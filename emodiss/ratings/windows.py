"""Draw the windows of a study: seeded, stratified by length and by what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from emodiss.ratings.schema import RatingsError
from emodiss.vocabulary import counted

HIDDEN = ("model", "condition")
"""What raters must not see."""


def named_windows(windows: pd.DataFrame) -> pd.DataFrame:
    """Give every window an id of its own, and a length where its times are known."""
    source = windows.reset_index(drop=True)
    if "video" not in source.columns and "video_id" in source.columns:
        source = source.rename(columns={"video_id": "video"})
    if "video" not in source.columns:
        raise RatingsError(
            "The windows lack a column 'video'; "
            f"they have {', '.join(map(str, source.columns)) or 'none'}."
        )
    if source["video"].isna().any():
        raise RatingsError(f"{int(source['video'].isna().sum())} window(s) have no video id.")
    if ("model" in source.columns) != ("condition" in source.columns):
        raise RatingsError("The windows have one of model and condition; both or none is expected.")
    if "window" not in source.columns:
        if {"start", "end"} <= set(source.columns):
            spans = source["start"].astype("str") + "-" + source["end"].astype("str")
            source["window"] = source["video"].astype("str") + ":" + spans
        elif "model" in source.columns:
            source["window"] = source["video"].astype("str")
        else:
            source["window"] = [f"{v}:{i}" for i, v in enumerate(source["video"])]
    else:  # window ids may restart in every video
        source["window"] = source["video"].astype("str") + ":" + source["window"].astype("str")
    if "length" not in source.columns and {"start", "end"} <= set(source.columns):
        source["length"] = source["end"] - source["start"]
    keys = ["window", *(HIDDEN if "model" in source.columns else ())]
    twice = source.duplicated(keys)
    if twice.any():
        row = source.loc[twice, keys].iloc[0]
        named = ", ".join(f"{column} {row[column]}" for column in keys)
        raise RatingsError(f"{int(twice.sum())} duplicate row(s) of windows, for example {named}.")
    return source


USUAL_WINDOWS = 100
"""How many windows a study draws where nobody says and so many qualify: as in the paper."""


def draw(
    source: pd.DataFrame,
    n_windows: int | None,
    n_length_bins: int,
    flagged_share: float | None,
    max_per_video: int,
    rng: np.random.Generator,
    said: list[str],
) -> list[str]:
    """Choose window ids: shuffled, at most so many per video, strata filled to their quota."""
    pool = source.drop_duplicates("window").reset_index(drop=True)
    flagged = _flags(source, pool, flagged_share, said)
    if flagged_share == 1.0:
        pool, flagged = pool[flagged].reset_index(drop=True), flagged[flagged]
    elif flagged_share == 0.0:
        pool, flagged = pool[~flagged].reset_index(drop=True), flagged[~flagged]
    eligible = int(pool.groupby("video").size().clip(upper=max_per_video).sum()) if len(pool) else 0
    limits = f"{counted(pool['video'].nunique(), 'video')}, at most {max_per_video} each" + (
        ", flagged only" if flagged_share == 1.0 else ""
    )
    if n_windows is None:
        n_windows = max(1, min(USUAL_WINDOWS, eligible))
        if 0 < eligible < USUAL_WINDOWS:
            said.append(
                f"{counted(eligible, 'window')} drawn, for no more qualify ({limits}); the paper "
                f"has {USUAL_WINDOWS}."
            )
    if eligible < n_windows:
        raise RatingsError(
            f"{counted(n_windows, 'window')} asked for, but only {eligible} qualify ({limits}).",
            next_step=f"Ask for fewer windows (--windows {eligible}), allow more per video "
            "(--max-per-video), or annotate more videos.",
        )
    bins = np.zeros(len(pool), dtype=np.int64)
    if "length" in pool.columns:
        ranks = pd.to_numeric(pool["length"], errors="coerce").rank(method="first")
        known = ranks.notna().to_numpy()
        n_known = max(int(known.sum()), 1)
        bins[known] = np.minimum(
            ((ranks[known] - 1) * n_length_bins // n_known).to_numpy(), n_length_bins - 1
        )
        bins[~known] = n_length_bins
        if not known.all():
            said.append(f"{int((~known).sum())} windows have no length; they form a stratum.")
    else:
        said.append("The windows have no start and end or length: not stratified by length.")
    strata = pd.MultiIndex.from_arrays([flagged.astype(np.int64), bins])
    stratum, labels = pd.factorize(strata, sort=True)
    sizes = np.bincount(stratum).astype(np.float64)
    share = sizes / sizes.sum()
    if flagged_share is not None and 0 < flagged_share < 1:
        is_flagged = np.array([bool(label[0]) for label in labels])
        for side, wanted in ((is_flagged, flagged_share), (~is_flagged, 1 - flagged_share)):
            if not side.any():
                raise RatingsError(
                    f"flagged_share is {flagged_share}, but all windows are "
                    f"{'un' if side is is_flagged else ''}flagged."
                )
            share[side] = wanted * sizes[side] / sizes[side].sum()
    quota = _apportion(share, n_windows)
    shuffled = rng.permutation(len(pool))
    videos = pool["video"].to_numpy()
    chosen: list[int] = []
    used: dict[Any, int] = {}
    short = quota.copy()
    # Scarce strata first: a common stratum must not use up the videos that a rare one needs.
    for place in np.argsort(sizes, kind="stable"):
        for row in shuffled[stratum[shuffled] == place]:
            if short[place] and used.get(videos[row], 0) < max_per_video:
                chosen.append(int(row))
                used[videos[row]] = used.get(videos[row], 0) + 1
                short[place] -= 1
    if short.sum():
        said.append(
            f"{int(short.sum())} of {n_windows} windows come from another stratum than planned, "
            f"because of the limit of {max_per_video} per video."
        )
        taken = set(chosen)
        for row in shuffled:
            if len(chosen) == n_windows:
                break
            if int(row) not in taken and used.get(videos[row], 0) < max_per_video:
                chosen.append(int(row))
                used[videos[row]] = used.get(videos[row], 0) + 1
    n_flagged = int(flagged[chosen].sum())
    others = int(flagged.sum()) - n_flagged
    told = f"Drawn windows that hold a flag: {n_flagged} of {n_windows}."
    if others and not n_flagged:
        told += f" More with one: {others}; --flagged-share 1 draws such windows alone."
    said.append(told)
    return list(pool["window"].iloc[rng.permutation(np.array(chosen))])


def _flags(
    source: pd.DataFrame, pool: pd.DataFrame, flagged_share: float | None, said: list[str]
) -> np.ndarray:
    if "flagged" not in source.columns:
        if flagged_share is not None:
            raise RatingsError("flagged_share was given, but the windows have no column 'flagged'.")
        said.append("The windows have no column 'flagged': not stratified by flag.")
        return np.zeros(len(pool), dtype=bool)
    if source["flagged"].isna().any():
        said.append("Windows whose flag is undetermined count as not flagged.")
    known = source["flagged"].astype("boolean").fillna(False)
    of_window = known.groupby(source["window"]).any()
    return of_window.loc[pool["window"]].to_numpy(dtype=bool)


def _apportion(share: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers that sum to n and follow the shares (largest remainders)."""
    exact = share * n
    quota = np.floor(exact + 1e-9).astype(np.int64)
    rest = n - int(quota.sum())
    quota[np.argsort(-(exact - quota), kind="stable")[:rest]] += 1
    return quota
