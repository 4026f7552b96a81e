"""The valence-arousal plane, and the differences between the channels in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss.dissonance.equation import THRESHOLD
from emodiss.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More points than this overlap into a blot; density is drawn instead. In the plane two clouds lie
# on top of each other, and the upper one would hide the lower one sooner.
_MAX_POINTS, _MAX_IN_PLANE = 2000, 400
_LONG_TITLE = 52
_MAX_NAMED, _MAX_PAIRED = 20, 60
_CHANNELS, _AXES = ("speech", "face"), ("valence", "arousal")


def plot_plane(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw where voices and faces lie in the valence-arousal plane.

    Parameters
    ----------
    table
        Utterance table; columns speech_valence, speech_arousal, face_valence, face_arousal.

    Returns
    -------
    Axes
        With one collection per channel and its mean as a cross; a thin line joins both of an
        utterance where there are few.
    """
    with style.house_style():
        ax = style.axes_or_new(ax, width=4.6, height=4.4)
        counts: list[int] = []
        dense = False
        for channel, colour in (("speech", style.SPEECH), ("face", style.FACE)):
            points = table[[f"{channel}_valence", f"{channel}_arousal"]].dropna().to_numpy(float)
            counts.append(len(points))
            if not len(points):
                continue
            label = f"{'voice' if channel == 'speech' else 'face'} (n = {len(points):,})"
            if len(points) > _MAX_IN_PLANE:
                _draw_density(ax, points, colour, dashed=channel == "face")
                dense = True
                ax.plot([], [], color=colour, ls="--" if channel == "face" else "-", label=label)
            else:
                ax.scatter(
                    *points.T,
                    s=22,
                    marker=style.MARKERS[channel],
                    color=colour,
                    alpha=0.65,
                    linewidths=0,
                    label=label,
                )
            ax.plot(*points.mean(axis=0), marker="P", ms=10, color=colour, mec="white", mew=1.2)
        pairs = table[[f"{c}_{a}" for a in _AXES for c in _CHANNELS]].dropna().to_numpy(float)
        if 0 < len(pairs) <= _MAX_PAIRED:  # voice and face of one utterance
            ax.plot(pairs[:, :2].T, pairs[:, 2:].T, color=style.QUIET, lw=0.6, zorder=1)
        ax.axhline(0, color=style.QUIET, lw=0.7)
        ax.axvline(0, color=style.QUIET, lw=0.7)
        ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
        ax.set(xlabel="valence, unpleasant to pleasant", ylabel="arousal, calm to excited")
        if any(counts):
            ax.plot([], [], "P", ms=7, color=style.QUIET, mec="white", label="mean")
            ax.legend(loc="lower right", handletextpad=0.5, fontsize=8)
            if dense:
                told = "lines hold 50 %\nand 90 % of them"
                ax.text(0.02, 0.02, told, transform=ax.transAxes, fontsize=8, va="bottom")
        else:
            style.empty_note(ax, "no utterance with a measured channel")
    return ax


def _draw_density(ax: Axes, points: np.ndarray, colour: str, *, dashed: bool) -> None:
    """Draw the smallest regions that hold half and nine tenths of the points."""
    from scipy.ndimage import gaussian_filter

    edges = np.linspace(-1, 1, 61)
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(edges, edges))
    # Scott's rule (Multivariate Density Estimation, 1992) in two dimensions: sd times n^(-1/6).
    widths = points.std(axis=0) * len(points) ** (-1 / 6) / (edges[1] - edges[0])
    density = gaussian_filter(counts, np.maximum(widths, 1.2)).T
    ranked = np.sort(density.ravel())[::-1]
    mass = np.cumsum(ranked) / ranked.sum()
    levels = sorted({float(ranked[np.searchsorted(mass, share)]) for share in (0.9, 0.5)})
    middle = (edges[:-1] + edges[1:]) / 2
    ax.contour(
        middle, middle, density, levels=levels, colors=colour, linewidths=[0.8, 1.8],
        linestyles="--" if dashed else "-",
    )  # fmt: skip


def plot_differences(
    table: pd.DataFrame,
    *,
    threshold: float = THRESHOLD,
    chance: float = np.nan,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far voice and face differ on both axes, and the threshold: paper A's Figure 10.

    Parameters
    ----------
    table
        Utterance table; columns delta_valence, delta_arousal. Where it has utterance_id, up to 20
        points bear it.
    threshold
        T of Equation 1; everything outside its square is flagged.
    chance
        Flag rate that chance gives, in [0, 1], for the title; NaN where it is not known.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    with style.house_style():
        ax = style.axes_or_new(ax, width=5.0, height=4.6)
        known = table.dropna(subset=["delta_valence", "delta_arousal"])
        gaps = known[["delta_valence", "delta_arousal"]].abs().to_numpy(float)
        top = max(1.0, 1.08 * float(gaps.max(initial=0.0)), 1.2 * threshold)
        ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        ax.set(xlabel="|valence of voice \N{MINUS SIGN} valence of face|")
        ax.set(ylabel="|arousal of voice \N{MINUS SIGN} arousal of face|")
        # Pale ground under the points, edge above them: a crowd must not hide the threshold.
        ax.add_patch(Rectangle((0, 0), threshold, threshold, fc="#F1F3F5", ec="none"))
        edge = Rectangle((0, 0), threshold, threshold, fill=False, ec=style.INK, ls="--", lw=1.6)
        edge.set_zorder(4)
        # A pale rim, for the line to be seen on dark cells too.
        edge.set_path_effects([withStroke(linewidth=3.6, foreground="white")])
        ax.add_patch(edge)
        inside = (0.02 * top, threshold - 0.02 * top)
        ax.annotate(
            f"T = {threshold:g}", inside, ha="left", va="top", fontsize=8, zorder=5,
            bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 1.5},
        )  # fmt: skip
        if not len(gaps):
            style.empty_note(ax, "no utterance with both channels")
            return ax
        flagged = gaps.max(axis=1) > threshold
        if len(gaps) > _MAX_POINTS:
            cells = ax.hexbin(
                *gaps.T,
                gridsize=40,
                extent=(0, top, 0, top),
                mincnt=1,
                cmap="Greys",
                bins="log",
                vmin=0.3,
            )
            ax.figure.colorbar(cells, ax=ax, label="utterances", shrink=0.8)
        else:
            small = len(gaps) > _MAX_IN_PLANE
            look: dict[str, Any] = {"s": 12 if small else 28, "alpha": 0.6 if small else 1.0}
            look["linewidths"] = 0
            look["zorder"] = 5 if len(gaps) <= _MAX_NAMED else 2  # few hide no threshold
            ax.scatter(*gaps[~flagged].T, color=style.QUIET, label="not past T", **look)
            ax.scatter(*gaps[flagged].T, color=style.FLAG, marker="D", label="dissonant", **look)
            # Below the axes: the corners are where the points are that matter.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2)
        n = len(gaps)
        if n <= _MAX_NAMED and "utterance_id" in known:
            # From left to right above and below, so that names of neighbours lie apart; and towards
            # the middle, so that none leaves the axes.
            for k, at in enumerate(np.argsort(gaps[:, 0], kind="stable")):
                name, point = known["utterance_id"].iloc[at], gaps[at]
                inward = -1 if point[0] > 0.8 * top else 1
                ax.annotate(
                    str(name), point, (5 * inward, -9 if k % 2 else 4), fontsize=7,
                    textcoords="offset points", ha="left" if inward > 0 else "right",
                    parse_math=False,
                )  # fmt: skip
        by_chance = f"; chance {chance:.0%}" if chance == chance else ""
        share = f"{flagged.sum():,} of {n:,} utterances dissonant ({flagged.mean():.0%}{by_chance})"
        unknown = len(table) - n
        told = f"{unknown:,} undetermined" if unknown else ""
        apart = ",\n" if len(share + told) > _LONG_TITLE else ", "
        ax.set_title(apart.join(filter(None, (share, told))))
    return ax
