"""Table 3: judges beside experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from emodiss.plots import style
from emodiss.plots.ratings.tables import in_order, require
from emodiss.ratings import CRITERIA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SYMBOLS = {"pearson": "r", "spearman": "rho", "kendall": "tau"}
_WHO = {"x is constant": "the expert means are constant", "y is constant": "the judge is constant"}
_SPOKEN = {"pearson": "Pearson r", "spearman": "Spearman ρ", "kendall": "Kendall τ"}


def table3(correlations: pd.DataFrame) -> pd.DataFrame:
    """Lay out paper A's Table 3: correlation of each judge with the experts.

    Parameters
    ----------
    correlations
        From `statistics.judge_correlations` or `judge_by_group`.

    Returns
    -------
    DataFrame
        One row per (rater group,) judge and criterion: judge, criterion, n, n_videos, n_dropped,
        mean_difference (judge minus experts), then r, rho and tau, each with _low and _high,
        and reason. A coefficient that does not exist is NaN with a reason.
    """
    needed = ["judge", "criterion", "method", "statistic", "low", "high", "n", "n_videos"]
    needed += ["n_dropped", "mean_difference", "reason"]
    require(correlations, needed, "judge_correlations")
    if "rater_group" in correlations.columns:
        parts = []
        for group, rows in correlations.groupby("rater_group", sort=True):
            part = table3(rows.drop(columns="rater_group"))
            part.insert(0, "rater_group", group)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)
    out: list[dict[str, Any]] = []
    for judge in sorted(correlations["judge"].unique()):
        of_judge = correlations[correlations["judge"] == judge]
        for criterion in in_order(of_judge["criterion"], CRITERIA):
            rows = of_judge[of_judge["criterion"] == criterion].set_index("method")
            first = rows.iloc[0]
            row: dict[str, Any] = {"judge": judge, "criterion": criterion}
            row |= {k: first[k] for k in ("n", "n_videos", "n_dropped", "mean_difference")}
            for method, symbol in _SYMBOLS.items():
                if method in rows.index:
                    found = rows.loc[method]
                    row[symbol] = found["statistic"]
                    row[f"{symbol}_low"], row[f"{symbol}_high"] = found["low"], found["high"]
            reasons = [str(_WHO.get(r, r)) for r in rows["reason"] if r]
            row["reason"] = "; ".join(dict.fromkeys(reasons))
            out.append(row)
    return pd.DataFrame(out)


def plot_correlations(correlations: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw Table 3: each judge's correlation with the experts, with intervals.

    Parameters
    ----------
    correlations
        From `statistics.judge_correlations`.
    """
    table = table3(correlations)
    several = table["judge"].nunique() > 1
    labels = [
        (f"{style.wrap(style.short(str(r.judge), 60), 34)}\n" if several else "")
        + f"{r.criterion}\n(n = {r.n:,}, {r.n_videos:,} video{'s' if r.n_videos != 1 else ''})"
        for r in table.itertuples(index=False)
    ]
    with style.house_style():
        row = max([0.62, *(0.15 * (label.count("\n") + 1) + 0.1 for label in labels)])
        ax = style.axes_or_new(ax, width=6.6, height=1.5 + row * max(len(table), 1))
        ax.axvline(0, color=style.QUIET, lw=0.9)
        looks = zip(
            _SYMBOLS.items(), (style.SPEECH, style.FACE, "#009E73"), "osD", (-0.22, 0.0, 0.22),
            strict=True,
        )  # fmt: skip
        for (method, symbol), colour, marker, shift in looks:
            if symbol not in table.columns:
                continue
            value = table[symbol].to_numpy(dtype=np.float64)
            low = table[f"{symbol}_low"].to_numpy(dtype=np.float64)
            high = table[f"{symbol}_high"].to_numpy(dtype=np.float64)
            at = np.arange(len(table)) + shift
            ax.hlines(at, low, high, color=colour, lw=1.3)
            ax.plot(value, at, marker, color=colour, ms=5, label=_SPOKEN[method])
        for k, row in enumerate(table.itertuples(index=False)):
            if np.isnan([getattr(row, s) for s in _SYMBOLS.values() if hasattr(row, s)]).all():
                ax.text(0.02, k, str(row.reason), va="center", fontsize=7, color=style.QUIET)
        ax.set_yticks(range(len(table)), labels, fontsize=8, parse_math=False)
        ax.set(ylim=(len(table) - 0.5, -0.5), xlim=_reach(table))
        ax.grid(axis="y", visible=False)
        who = "judges" if several else style.short(str(table["judge"].iloc[0]), 40)
        sides = [f"{s}_{end}" for s in _SYMBOLS.values() for end in ("low", "high") if s in table]
        lines = "\n(lines: intervals over videos, cluster bootstrap)"
        ax.set_xlabel(
            f"correlation of means: {who} and experts"
            + (lines if table[sides].notna().any(axis=None) else ""),
            parse_math=False,
        )
        ax.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=8,
            columnspacing=1.2, handletextpad=0.2,
        )  # fmt: skip
    return ax


def figure_correlations(correlations: pd.DataFrame) -> Figure:
    """Draw `plot_correlations` on a figure of its own."""
    return cast("Figure", plot_correlations(correlations).get_figure(root=True))


def _reach(table: pd.DataFrame) -> tuple[float, float]:
    """Find the ends of the axis: quarters that hold 0 and every interval."""
    sides = [f"{s}{end}" for s in _SYMBOLS.values() for end in ("", "_low", "_high")]
    values = table[[c for c in sides if c in table.columns]].to_numpy(dtype=np.float64)
    known = np.append(values[np.isfinite(values)], 0.0)
    low, high = np.floor(4 * known.min()) / 4, np.ceil(4 * known.max()) / 4
    return (-1.0, 1.0) if low == high else (float(low) - 0.02, float(high) + 0.02)
