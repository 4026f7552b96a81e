"""How far the work is, shown where a person works in Python: in a notebook, or on stderr."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Callable, Generator
from typing import Any, Final

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, jobs finished and jobs in all; half a minute of video is one."""

_EVERY_S: Final = 0.3
"""Shortest time from one drawing in a notebook to the next."""


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython.get_ipython() if ipython else None, "kernel")


@contextlib.contextmanager
def shown(progress: Progress | bool | None) -> Generator[Progress | None]:
    """Yield what is to be called: what was given; or bars, in a notebook or where wanted."""
    if callable(progress):
        yield progress
    elif in_notebook() and progress is not False:
        bars = _Bars()
        yield bars.moved
        bars.draw()
    else:
        yield _written if progress else None


def _written(stage: str, done: int, total: int) -> None:
    if done == total:
        print(f"{stage}: {done} of {total} done", file=sys.stderr, flush=True)


class _Bars:
    """A bar per stage in one output of a notebook's cell."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[int, int, float]] = {}
        self._drawn = 0.0
        self._place: Any = None

    def moved(self, stage: str, done: int, total: int) -> None:
        """Take in how far a stage is."""
        now = time.monotonic()
        begun = self._stages[stage][2] if stage in self._stages else now
        self._stages[stage] = done, total, begun
        if now - self._drawn >= _EVERY_S or done == total:
            self.draw()

    def draw(self) -> None:
        """Show all bars."""
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        self._drawn = time.monotonic()
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><td {left}>{html.escape(stage)}</td>"
            f"<td><progress value='{done}' max='{max(total, 1)}'></progress></td>"
            f"<td {left}>{done} of {total}{self._left(done, total, begun)}</td></tr>"
            for stage, (done, total, begun) in self._stages.items()
        )
        picture = HTML(f"<table>{rows}</table>")
        if self._place is None:
            self._place = display(picture, display_id=True)
        else:
            self._place.update(picture)

    def _left(self, done: int, total: int, begun: float) -> str:
        spent = self._drawn - begun
        if not 0 < done < total or spent < 1.0:
            return ""
        return f", about {spent / done * (total - done):.0f} s left"
