"""The paper's figures about a whole run: 3 and 10."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emodiss.dissonance import chance, reflag
from emodiss.plots import style
from emodiss.plots.durations import plot_durations
from emodiss.plots.plane import plot_differences, plot_plane
from emodiss.plots.sentiment import plot_sentiment
from emodiss.runs.run import AnyRun, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure3(run: AnyRun, *, roles: tuple[str, ...] = ("patient",)) -> Figure:
    """Draw paper A's Figure 3: durations, sentiment by role, both channels in the plane.

    Parameters
    ----------
    roles
        Whose utterances go into the plane (research decision A23); everybody's when no utterance
        has one of these roles.
    """
    run = load(run)
    import matplotlib.pyplot as plt

    affect = [f"{c}_{a}" for c in ("speech", "face") for a in ("valence", "arousal")]
    table = run.columns("utterances", ["role", "sentiment", *affect])
    with style.house_style():
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.3), width_ratios=[1, 1, 1.05])
        plot_durations(run.videos_table["duration"] / 60, ax=axes[0])
        axes[0].set_title("Duration")
        plot_sentiment(table, ax=axes[1])
        axes[1].set_title("Sentiment")
        chosen = table[table["role"].isin(roles)]
        whose = " and ".join(roles)
        if not len(chosen):
            chosen, whose = table, "everybody"
        plot_plane(chosen, ax=axes[2])
        axes[2].set_title(f"Voice and face ({whose})")
    return figure


def figure10(run: AnyRun) -> Figure:
    """Draw paper A's Figure 10: absolute differences between voice and face, with the threshold.

    Parameters
    ----------
    run
        A run; its threshold is drawn, and its least coverage, scale and baseline count. The title
        says what share is flagged, and what share chance gives.
    """
    run = load(run)
    import matplotlib.pyplot as plt

    # The figure is about voice and face, whatever the run compares.
    rule = run.settings.dissonance.changed(compare="voice_vs_face")
    affect = [f"{c}_{a}" for c in ("speech", "face") for a in ("valence", "arousal")]
    columns = [
        "utterance_id",
        "video_id",
        "speaker",
        "start",
        "speech_status",
        "face_status",
        "face_coverage",
        *affect,
    ]
    raw = [f"{name}_raw" for name in affect]
    table = reflag(run.columns("utterances", [*columns, *raw]), rule)
    threshold = float(table["dissonance_threshold"].max()) if len(table) else rule.threshold
    with style.house_style():
        figure, ax = plt.subplots(figsize=(5.4, 5.2))
        # One re-pairing: the mean over all pairs, which the title has, is exact.
        by_chance = chance(table, rule=rule, n_pairings=1).null_rate if len(table) else float("nan")
        if table["video_id"].nunique() > 1:
            table["utterance_id"] = table["video_id"] + " " + table["utterance_id"]
        plot_differences(table, threshold=threshold, chance=by_chance, ax=ax)
    return figure
