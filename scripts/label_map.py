"""Draw which word each point of the valence-arousal plane gets: the picture in the guide.

python scripts/label_map.py [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

PICTURE = Path(__file__).resolve().parents[1] / "emodiss/guides/speech_labels.png"
STEPS = 401
COLOURS = {
    "neutral": "#E6E8EB",
    "happy": "#F0E442",
    "sad": "#56B4E9",
    "surprise": "#E69F00",
    "fear": "#CC79A7",
    "disgust": "#009E73",
    "anger": "#D55E00",
}


def label_grid(steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Label a square grid: its (steps,) axis, and (steps, steps) words by arousal and valence."""
    from emodiss.affect import nearest_label

    axis = np.linspace(-1, 1, steps)
    return axis, np.array([[nearest_label(v, a) for v in axis] for a in axis])


def main() -> None:
    """Draw the grid and write the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    from emodiss.affect import prototypes
    from emodiss.plots import style
    from emodiss.plots.registry import save

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
    out = parser.parse_args().out
    names, places = prototypes()
    axis, words = label_grid()
    number = np.searchsorted(sorted(names), words)
    with style.house_style():
        figure, ax = plt.subplots(figsize=(5.0, 4.8))
        colours = ListedColormap([COLOURS[name] for name in sorted(names)])
        ax.pcolormesh(axis, axis, number, cmap=colours, vmin=0, vmax=len(names) - 1)
        ax.axhline(0, color="white", lw=0.8)
        ax.axvline(0, color="white", lw=0.8)
        ax.plot(*places.T, "o", ms=4, color=style.INK)
        for name, place in zip(names, places, strict=True):
            # Fear and anger lie close together, and happy near the edge.
            side: dict[str, tuple[int, int, str]] = dict.fromkeys(
                ("fear", "disgust", "happy"), (-6, 4, "right")
            )
            dx, dy, ha = side.get(name, (6, 4, "left"))
            ax.annotate(name, place, xytext=(dx, dy), textcoords="offset points", ha=ha)
        ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
        ax.grid(visible=False)
        ax.set(xlabel="valence, unpleasant to pleasant", ylabel="arousal, calm to excited")
        ax.set_title("The word that a voice gets")
    save(figure, out)
    print(out)


if __name__ == "__main__":
    main()
