"""The paper's figures about ratings: each a function of a table from `statistics` or `ratings`.

Cells without ratings have no bar and no colour and say so; every cell shows its n.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emodiss.errors import SettingsError, nearest
from emodiss.plots import style
from emodiss.ratings.table import CRITERIA, LIKERT, QUESTIONS, RatingScale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONDITION_COLOURS = {
    "base": style.QUIET,
    "continuous": "#56B4E9",
    "discrete": "#009E73",
    "dissonance": style.FLAG,
}
"""Fill colour of the paper's conditions; others take the next hue of `_MORE_COLOURS`."""

_MORE_COLOURS = ("#E69F00", "#0072B2", "#D55E00", "#F0E442")
_HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
_WEIGHT_NAMES = {"none": "unweighted", "quadratic": "quadratic weights", "linear": "linear weights"}
_SYMBOLS = {"pearson": "r", "spearman": "rho", "kendall": "tau"}
_WHO = {"x is constant": "the expert means are constant", "y is constant": "the judge is constant"}
_SPOKEN = {"pearson": "Pearson r", "spearman": "Spearman ρ", "kendall": "Kendall τ"}


def _in_order(names: Iterable[Any], first: Sequence[str]) -> list[str]:
    """List what occurs: the known names in their known order, then the rest sorted."""
    seen = {str(name) for name in names}
    return [name for name in first if name in seen] + sorted(seen - set(first))


def _needs(table: pd.DataFrame, columns: Sequence[str], maker: str) -> None:
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise SettingsError(
            f"The table lacks the column(s) {', '.join(absent)}; "
            f"it has {', '.join(map(str, table.columns)) or 'none'}.",
            next_step=f"Draw the table that {maker} returns.",
        )


def _one_criterion(table: pd.DataFrame, criterion: str) -> pd.DataFrame:
    part = table[table["criterion"] == criterion]
    if part.empty:
        seen = [str(name) for name in table["criterion"].unique()]
        raise SettingsError(
            f"The table has no criterion '{criterion}'.", next_step=nearest(criterion, seen)
        )
    return part


def _nothing(text: str) -> Figure:
    """Make a figure that says why there is nothing to see."""
    ax = style.axes_or_new(None, width=6.0, height=2.0)
    style.empty_note(ax, text)
    ax.set_axis_off()
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


# --- Figure 5: means per model and condition ---------------------------------------------------


def plot_means(
    means: pd.DataFrame, criterion: str, *, scale: RatingScale = LIKERT, ax: Axes | None = None
) -> Axes:
    """Draw the mean rating of each model under each condition, with intervals and n.

    Parameters
    ----------
    means
        From `statistics.condition_means`: criterion, model, condition, mean, low, high, n.
    criterion
        Which criterion.
    scale
        Ends of the axis; bars start at the lowest rating, not at 0, which nobody could give.
    ax
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        One container of bars per condition. A cell without ratings has no bar and says n = 0.
    """
    _needs(
        means, ["criterion", "model", "condition", "mean", "low", "high", "n"], "condition_means"
    )
    part = _one_criterion(means, criterion)
    models = sorted(part["model"].astype("str").unique())
    conditions = _in_order(means["condition"], tuple(CONDITION_COLOURS))
    cell = part.assign(model=part["model"].astype("str"), condition=part["condition"].astype("str"))
    cell = cell.set_index(["model", "condition"])
    width = 0.84 / len(conditions)
    spare = iter(_MORE_COLOURS * len(conditions))
    with style.house_style():
        ax = style.axes_or_new(ax, width=1.2 + 1.1 * len(models), height=3.8)
        for k, condition in enumerate(conditions):
            at = np.arange(len(models)) - 0.42 + width * (k + 0.5)
            rows = cell.reindex(pd.MultiIndex.from_product([models, [condition]]))
            mean, low, high = (rows[c].to_numpy(dtype=np.float64) for c in ("mean", "low", "high"))
            n = rows["n"].fillna(0).to_numpy(dtype=np.int64)
            there = np.isfinite(mean)
            ax.bar(
                at[there],
                mean[there] - scale.low,
                0.92 * width,
                bottom=scale.low,
                color=CONDITION_COLOURS.get(condition) or next(spare),
                edgecolor="white",
                linewidth=0,
                hatch=_HATCHES[k % len(_HATCHES)],
                label=condition,
            )
            sure = there & np.isfinite(low) & np.isfinite(high)
            # A percentile interval need not be centred on the mean, but it holds it but for noise.
            reach = np.maximum(np.vstack([mean - low, high - mean])[:, sure], 0.0)
            ax.errorbar(at[sure], mean[sure], reach, fmt="none", ecolor=style.INK, elinewidth=1.1)
            for x, size in zip(at, n, strict=True):
                ax.annotate(
                    f"n = {size}",
                    (x, scale.low),
                    xytext=(0, 3),
                    textcoords="offset points",
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize=5.5,
                    bbox={"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none"},
                )
        ax.set_xticks(range(len(models)), [textwrap.fill(m, 14) for m in models])
        ax.grid(axis="x", visible=False)
        ax.tick_params(axis="x", length=0)
        ax.set(ylim=(scale.low, scale.high), xlim=(-0.6, len(models) - 0.4))
        ax.set(ylabel=f"mean rating ({scale.low:g} to {scale.high:g})", title=criterion)
    return ax


def figure5(means: pd.DataFrame, *, scale: RatingScale = LIKERT) -> Figure:
    """Draw paper A's Figure 5: mean ratings per model and condition, one panel per criterion.

    Parameters
    ----------
    means
        From `statistics.condition_means`; its intervals are cluster-bootstrap intervals over
        videos (research decision A16).
    scale
        Ends of the axis.
    """
    import matplotlib.pyplot as plt

    _needs(means, ["criterion", "model"], "condition_means")
    with style.house_style():
        if means.empty:
            return _nothing("no ratings")
        criteria = _in_order(means["criterion"], CRITERIA)
        models = means["model"].nunique()
        figure, axes = plt.subplots(
            1, len(criteria), figsize=(max(3.6, 0.9 + 0.85 * models) * len(criteria), 4.0),
            squeeze=False,
        )  # fmt: skip
        for ax, criterion in zip(axes[0], criteria, strict=True):
            plot_means(means, criterion, scale=scale, ax=ax)
        for ax in axes[0, 1:]:
            ax.set_ylabel("")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        for ax in axes[0, 1:]:
            found = zip(*reversed(ax.get_legend_handles_labels()), strict=True)
            known |= {label: handle for label, handle in found if label not in known}
        figure.legend(
            list(known.values()), list(known), loc="outside lower center", ncols=len(known)
        )
    return figure


# --- Figure 6: agreement of every two raters ----------------------------------------------------


def plot_kappa(
    kappa: pd.DataFrame, criterion: str, *, weights: str = "none", ax: Axes | None = None
) -> Axes:
    """Draw the kappa of every two raters as a matrix.

    Parameters
    ----------
    kappa
        From `statistics.pairwise_kappa`: criterion, rater_a, rater_b, weights, kappa, n and, if
        known, group_a and group_b (raters are then ordered by group, with a line between).
    criterion
        Which criterion.
    weights
        `none`, `linear` or `quadratic`.
    ax
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        One image of shape (raters, raters), NaN on the diagonal and where kappa does not exist.
    """
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    _needs(kappa, ["criterion", "rater_a", "rater_b", "weights", "kappa", "n"], "pairwise_kappa")
    part = _one_criterion(kappa, criterion)
    part = part[part["weights"] == weights]
    if part.empty:
        raise SettingsError(
            f"The table has no kappa with weights '{weights}'.",
            next_step=nearest(weights, [str(name) for name in kappa["weights"].unique()]),
        )
    raters, groups = _raters(part)
    place = {rater: k for k, rater in enumerate(raters)}
    size = len(raters)
    values = np.full((size, size), np.nan)
    n = np.zeros((size, size), dtype=np.int64)
    for row in part.itertuples(index=False):
        a, b = place[str(row.rater_a)], place[str(row.rater_b)]
        values[a, b] = values[b, a] = row.kappa
        n[a, b] = n[b, a] = row.n
    with style.house_style():
        ax = style.axes_or_new(ax, width=1.4 + 0.7 * size, height=1.2 + 0.7 * size)
        colours = mpl.colormaps["RdBu"]
        image = ax.imshow(values, cmap=colours, vmin=-1, vmax=1)
        for a in range(size):
            for b in range(size):
                if a == b:
                    ax.add_patch(Rectangle((a - 0.5, a - 0.5), 1, 1, fc="#F1F3F5", ec="none"))
                    continue
                known = bool(np.isfinite(values[a, b]))
                if not known:
                    ax.add_patch(
                        Rectangle((b - 0.5, a - 0.5), 1, 1, fc="none", ec=style.QUIET, hatch="///",
                                  lw=0)
                    )  # fmt: skip
                text = f"{values[a, b]:.2f}" if known else "none"
                dark = known and abs(values[a, b]) > 0.65
                ax.text(
                    b, a, f"{text}\nn = {n[a, b]}", ha="center", va="center", fontsize=6.5,
                    color="white" if dark else style.INK,
                    bbox=None if known else {"fc": "white", "ec": "none", "pad": 1},
                )  # fmt: skip
        for k in range(1, size):
            if groups[k] != groups[k - 1]:
                ax.axhline(k - 0.5, color=style.INK, lw=1.2)
                ax.axvline(k - 0.5, color=style.INK, lw=1.2)
        ax.set_xticks(range(size), raters)
        with_group = [f"{g}  {r}" if g else r for r, g in zip(raters, groups, strict=True)]
        ax.set_yticks(range(size), with_group)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{criterion}, {_WEIGHT_NAMES.get(weights, weights)}")
        image.set_label("Cohen's kappa")
    return ax


def _raters(part: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Raters and their groups, sorted by group and name."""
    group: dict[str, str] = {}
    for side in ("a", "b"):
        named = f"group_{side}"
        for k, rater in enumerate(part[f"rater_{side}"].astype("str")):
            found = part[named].iloc[k] if named in part.columns else None
            group[rater] = "" if found is None or pd.isna(found) else str(found)
    raters = sorted(group, key=lambda rater: (group[rater], rater))
    return raters, [group[rater] for rater in raters]


def figure6(kappa: pd.DataFrame) -> Figure:
    """Draw paper A's Figure 6: kappa matrices, one column per criterion, one row per weighting.

    The paper does not say which kappa it used (research decision A15): a rater who is one point
    stricter on every item gives kappa near 0 unweighted and 0.8 with quadratic weights.

    Parameters
    ----------
    kappa
        From `statistics.pairwise_kappa`; empty with one rater, which the figure then says.
    """
    import matplotlib.pyplot as plt

    _needs(kappa, ["criterion", "weights"], "pairwise_kappa")
    with style.house_style():
        if kappa.empty:
            return _nothing("one rater: there is no pair to compare")
        criteria = _in_order(kappa["criterion"], CRITERIA)
        weights = _in_order(kappa["weights"], tuple(_WEIGHT_NAMES))
        size = len(set(kappa["rater_a"]) | set(kappa["rater_b"]))
        side = max(2.6, 1.0 + 0.58 * size)
        figure, axes = plt.subplots(
            len(weights), len(criteria), squeeze=False,
            figsize=((side + 0.5) * len(criteria) + 0.8, side * len(weights)),
        )  # fmt: skip
        raters = {c: _raters(kappa[kappa["criterion"] == c]) for c in criteria}
        for i, weight in enumerate(weights):
            for j, criterion in enumerate(criteria):
                ax = axes[i, j]
                here = (kappa["criterion"] == criterion) & (kappa["weights"] == weight)
                if here.any():
                    plot_kappa(kappa, criterion, weights=weight, ax=ax)
                    if j and raters[criterion] == raters[criteria[0]]:
                        ax.set_yticklabels([])
                else:
                    style.empty_note(ax, f"no pair rated {criterion}")
                    ax.set_axis_off()
        drawn = [ax.images[0] for ax in axes.flat if ax.images]
        figure.colorbar(
            drawn[0], ax=list(axes.flat), label="Cohen's kappa (1 agreement, 0 chance)",
            shrink=0.6, aspect=30,
        )  # fmt: skip
    return figure


# --- Figure 7: replies side by side -------------------------------------------------------------


def side_by_side(
    replies: pd.DataFrame, *, conditions: Sequence[str] = ("base", "dissonance")
) -> pd.DataFrame:
    """Lay the replies of each model under several conditions next to each other.

    Parameters
    ----------
    replies
        One row per model and condition: model, condition, response and, if known, technique.
        Rows of one window only: two replies of a model under a condition are an error.
    conditions
        Columns of the result, left to right.

    Returns
    -------
    DataFrame
        One row per model, one column per condition, `Technique: response` as in the paper; a
        missing reply is a missing value.

    Raises
    ------
    SettingsError
        If columns or all the conditions are missing, or a model replied twice.
    """
    _needs(replies, ["model", "condition", "response"], "interventions as one row per reply")
    rows = replies[replies["condition"].isin(conditions)]
    if rows.empty:
        seen = [str(name) for name in replies["condition"].unique()]
        raise SettingsError(
            f"There is no reply under {' or '.join(conditions)}.",
            next_step=nearest(str(conditions[0]), seen),
        )
    twice = rows.duplicated(["model", "condition"])
    if twice.any():
        row = rows[twice].iloc[0]
        raise SettingsError(
            f"Model '{row['model']}' has several replies under '{row['condition']}'.",
            next_step="Keep the replies to one window, and one sample of each.",
        )
    response = rows["response"].astype("str").str.strip()
    if "technique" in rows.columns:
        named = rows["technique"].notna() & (rows["technique"].astype("str").str.strip() != "")
        response = response.where(
            ~named, rows["technique"].astype("str").str.strip() + ": " + response
        )
    wide = rows.assign(said=response).pivot(index="model", columns="condition", values="said")
    return wide.reindex(columns=list(conditions)).sort_index()


def figure7(
    replies: pd.DataFrame,
    *,
    conditions: Sequence[str] = ("base", "dissonance"),
    context: str | None = None,
    width_chars: int = 62,
) -> Figure:
    """Draw paper A's Figure 7: what each model says without and with the mark of dissonance.

    Parameters
    ----------
    replies, conditions
        As for `side_by_side`.
    context
        The dialogue that the models were shown, printed above the table.
    width_chars
        Characters per line in a cell.
    """
    import matplotlib.pyplot as plt

    table = side_by_side(replies, conditions=conditions)
    cells = [
        [_wrapped(value, width_chars) if pd.notna(value) else "(no reply)" for value in row]
        for row in table.to_numpy()
    ]
    models = [textwrap.fill(str(name), 14) for name in table.index]
    top = _wrapped(context, 22 + width_chars * len(conditions)) if context else ""
    line = 0.152
    heights = [
        (max(t.count("\n") for t in (model, *row)) + 1) * line + 0.16
        for model, row in zip(models, cells, strict=True)
    ]
    head = 0.3
    above = (top.count("\n") + 1) * line + 0.16 if top else 0.0
    total = sum(heights) + head + above
    widths = [1.25, *[0.066 * width_chars] * len(conditions)]
    with style.house_style():
        figure, ax = plt.subplots(figsize=(sum(widths) + 0.2, total + 0.2))
        ax.set(xlim=(0, sum(widths)), ylim=(total, 0))
        ax.set_axis_off()
        # What a model wrote is text: '$' must not start a formula.
        plain: dict[str, Any] = {
            "va": "top",
            "fontsize": 8,
            "parse_math": False,
            "linespacing": 1.2,
        }
        if top:
            ax.text(0.05, 0.05, top, style="italic", **plain)
        starts = np.concatenate([[0.0], np.cumsum(widths)])
        y = above
        for x, name in zip(starts[1:], conditions, strict=False):
            ax.text(x + 0.05, y + 0.08, name, weight="bold", **plain)
        y += head
        for model, row, height in zip(models, cells, heights, strict=True):
            ax.axhline(y, color=style.QUIET, lw=0.7)
            ax.text(0.05, y + 0.1, model, weight="bold", **plain)
            for x, text in zip(starts[1:], row, strict=False):
                ax.text(x + 0.05, y + 0.1, text, **plain)
            y += height
        ax.axhline(y, color=style.QUIET, lw=0.7)
        ax.grid(visible=False)
    return figure


def _wrapped(text: Any, width: int) -> str:
    lines = str(text).splitlines() or [""]
    return "\n".join("\n".join(textwrap.wrap(line, width) or [""]) for line in lines)


def replies_html(
    replies: pd.DataFrame,
    *,
    conditions: Sequence[str] = ("base", "dissonance"),
    context: str | None = None,
) -> str:
    """Write the side-by-side table as HTML, which also shows emoji and right-to-left text.

    Parameters
    ----------
    replies, conditions, context
        As for `figure7`.

    Returns
    -------
    str
        A table element; everything a model or a person wrote is escaped.
    """
    from html import escape

    table = side_by_side(replies, conditions=conditions)
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in ("model", *conditions))
    body = ""
    for model, row in zip(table.index, table.to_numpy(), strict=True):
        said = "".join(
            f'<td dir="auto">{escape(str(v)) if pd.notna(v) else "(no reply)"}</td>' for v in row
        )
        body += f'<tr><th scope="row">{escape(str(model))}</th>{said}</tr>\n'
    caption = f'<caption dir="auto">{escape(context)}</caption>\n' if context else ""
    return f"<table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


# --- Figure 11: who the raters are --------------------------------------------------------------


def plot_answers(counts: pd.DataFrame, question: str, *, ax: Axes | None = None) -> Axes:
    """Draw how many raters gave each answer to one question.

    Parameters
    ----------
    counts
        From `ratings.background`: question, title, answer, n, n_raters.
    question
        Which question.
    ax
        Where to draw; a new figure by default.
    """
    from matplotlib.ticker import MaxNLocator

    _needs(counts, ["question", "title", "answer", "n", "n_raters"], "ratings.background")
    part = counts[counts["question"] == question]
    with style.house_style():
        ax = style.axes_or_new(ax, height=2.6)
        if part.empty:
            style.empty_note(ax, "nobody answered")
            ax.set_title(textwrap.fill(question.replace("_", " "), 40))
            return ax
        n = part["n"].to_numpy(dtype=np.int64)
        labels = [textwrap.fill(str(a), 22) for a in part["answer"]]
        bars = ax.barh(range(len(n)), n, 0.62, color=style.SPEECH)
        ax.bar_label(bars, labels=[str(k) for k in n], padding=3, fontsize=8)
        ax.set_yticks(range(len(n)), labels)
        ax.set(ylim=(max(len(n), 2) - 0.4, -0.6), xlim=(0, 1.12 * max(n.max(), 1)))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        asked = int(part["n_raters"].iloc[0])
        several = int(n.sum()) > asked
        ax.set_xlabel(f"raters (of {asked}{', several answers each' if several else ''})")
        ax.set_title(textwrap.fill(str(part["title"].iloc[0]), 40))
    return ax


def figure11(counts: pd.DataFrame) -> Figure:
    """Draw paper A's Figure 11: the raters' background, one panel per question.

    Parameters
    ----------
    counts
        From `ratings.background`.
    """
    import matplotlib.pyplot as plt

    _needs(counts, ["question", "title", "answer", "n", "n_raters"], "ratings.background")
    with style.house_style():
        if counts.empty:
            return _nothing("nobody answered the questionnaire")
        questions = _in_order(counts["question"], QUESTIONS)
        n_columns = min(3, len(questions))
        n_rows = -(-len(questions) // n_columns)
        most = int(counts.groupby("question").size().max())
        figure, axes = plt.subplots(
            n_rows, n_columns, squeeze=False,
            figsize=(4.3 * n_columns, (1.2 + 0.36 * max(most, 2)) * n_rows),
        )  # fmt: skip
        for ax, question in zip(axes.flat, questions, strict=False):
            plot_answers(counts, question, ax=ax)
        for ax in axes.flat[len(questions) :]:
            ax.set_axis_off()
    return figure


# --- Table 3: judge and experts -----------------------------------------------------------------


def table3(correlations: pd.DataFrame) -> pd.DataFrame:
    """Lay out paper A's Table 3: correlation of each judge with the experts.

    Parameters
    ----------
    correlations
        From `statistics.judge_correlations`.

    Returns
    -------
    DataFrame
        One row per judge and criterion: judge, criterion, n, n_videos, n_dropped,
        mean_difference (judge minus experts), then r, rho and tau, each with _low and _high,
        and reason. A coefficient that does not exist is NaN with a reason.
    """
    needed = ["judge", "criterion", "method", "statistic", "low", "high", "n", "n_videos"]
    needed += ["n_dropped", "mean_difference", "reason"]
    _needs(correlations, needed, "judge_correlations")
    out: list[dict[str, Any]] = []
    for judge in sorted(correlations["judge"].unique()):
        of_judge = correlations[correlations["judge"] == judge]
        for criterion in _in_order(of_judge["criterion"], CRITERIA):
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
    ax
        Where to draw; a new figure by default.
    """
    table = table3(correlations)
    several = table["judge"].nunique() > 1
    with style.house_style():
        ax = style.axes_or_new(ax, width=6.2, height=1.4 + 0.62 * max(len(table), 1))
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
        labels = [
            f"{r.judge}\n{r.criterion} (n = {r.n})" if several else f"{r.criterion}\n(n = {r.n})"
            for r in table.itertuples(index=False)
        ]
        ax.set_yticks(range(len(table)), labels)
        ax.set(ylim=(len(table) - 0.5, -0.5), xlim=(-1, 1))
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("correlation of judge and expert means")
        ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3)
    return ax
