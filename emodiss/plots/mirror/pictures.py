"""Figure 14 of MIRROR: what stage directions do to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emodiss.errors import SettingsError
from emodiss.plots import style
from emodiss.plots.ratings.tables import nothing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Example = tuple[str | Path | None, str | Path | None, str]
"""Picture without directions, picture with them, and what stands below; None: no picture."""


def with_and_without(examples: Sequence[Example], *, columns: int = 2) -> Figure:
    """Draw pictures made without and with stage directions beside each other.

    Parameters
    ----------
    examples
        Pairs of pictures, each with the direction in words. A picture that is not there is an
        empty frame that says so.
    columns
        Pairs side by side.

    Raises
    ------
    SettingsError
        If a picture cannot be read.
    """
    import matplotlib.pyplot as plt

    with style.house_style():
        if not examples:
            return nothing("no line has a picture without and with stage directions")
        n_columns = min(columns, len(examples))
        n_rows = -(-len(examples) // n_columns)
        figure = plt.figure(figsize=(3.9 * n_columns, 2.6 * n_rows))
        parts = figure.subfigures(n_rows, n_columns, squeeze=False)
        for part in parts.flat[len(examples) :]:
            part.set_visible(False)
        for number, (part, example) in enumerate(zip(parts.flat, examples, strict=False)):
            axes = part.subplots(1, 2)
            for ax, path, title in zip(
                axes, example, ("without stage direction", "with stage direction"), strict=False
            ):
                ax.set_title(title, fontsize=8, fontweight="normal", loc="center")
                ax.set(xticks=[], yticks=[])
                ax.grid(visible=False)
                if path is None:
                    style.empty_note(ax, "no picture")
                    ax.set_aspect("equal")
                    continue
                try:
                    ax.imshow(plt.imread(path))
                except (OSError, SyntaxError, ValueError) as fault:
                    raise SettingsError(
                        f"The picture '{Path(path).name}' cannot be read ({type(fault).__name__})."
                    ) from None
            letter = chr(ord("a") + number % 26)
            part.supxlabel(style.wrap(f"({letter}) {example[2]}", 60), fontsize=8)
    return figure
